"""Serial readings: what is read, what is summed, and one clear error for each thing that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from io_cohorts import write_cohort, write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.serial import LONGEST_DAYS
from tumornexus.io.timepoint import is_before, timepoint_of

TOML = 'sample = "P1"\ntumor = "nsclc"\nregimen = "atezolizumab 1200 mg q3w"\n'
LESIONS = (
    "lesion\torgan\tday\tdiameter_mm\nA\tlung\t-6\t40\nB\tliver\t-6\t20\nC\tnode\t-6\t8\nA\tlung\t42\t30\nB\tliver\t42\t15\n"
    "A\tlung\t84\t20\nD\tbone\t84\t12\n"
)


def patient(tmp_path, toml: str = TOML, **files: str):
    return read_patient(write_patient(tmp_path / "p", toml, **{f"{k}_dot_tsv": v for k, v in files.items()}))


def test_sums_are_of_target_lesions(tmp_path):
    found = patient(tmp_path, lesions=LESIONS)
    days, sums, notes = found.serial.diameters()
    np.testing.assert_array_equal(days, [0.0, 42.0, 84.0])
    # On day 84 only A was read: it had 40 of 60 mm at baseline and halved.
    np.testing.assert_allclose(sums, [60.0, 45.0, 30.0])
    said = " ".join(notes)
    for words in ("1 lesions under 10 mm", "1 lesions first seen", "on 1 days not all"):
        assert words in said
        assert any(words in n for n in found.notes), "what is left out stands in the patient's notes"
    assert found.clinical["lesion_sum_mm"] == 60.0
    assert found.clinical["lesion_count"] == 2.0
    assert set(found.serial.lesions["organ"]) == {"lung", "liver", "node", "bone"}


def test_a_stated_sum_stays_and_is_compared(tmp_path):
    found = patient(tmp_path, TOML + "lesion_sum_mm = 90.0\n", lesions=LESIONS)
    assert found.clinical["lesion_sum_mm"] == 90.0
    assert any("stated sum" in n for n in found.notes)


def test_dates_count_from_the_start_of_treatment(tmp_path):
    text = "lesion\tdate\tdiameter_mm\nA\t2024-01-01\t40\nA\t2024-03-11\t30\n"
    found = patient(tmp_path, TOML + "treatment_start = 2024-01-11\n", lesions=text)
    np.testing.assert_array_equal(found.serial.lesions["day"], [-10.0, 60.0])
    with pytest.raises(InputError, match="need the start of treatment"):
        patient(tmp_path / "other", lesions=text)
    with pytest.raises(InputError, match="not a date"):
        patient(tmp_path / "third", TOML + 'treatment_start = "11.1.2024"\n', lesions=text)


def test_plasma_dna(tmp_path):
    found = patient(tmp_path, ctdna="day\tfraction\tlimit\n42\t0\t0.001\n0\t0.1\t0.001\n").serial
    assert (found.ctdna_unit, list(found.ctdna["day"])) == ("fraction", [0.0, 42.0])
    early = patient(tmp_path / "c", ctdna="day\tge_per_ml\n-20\t3\n-2\t5\n30\t4\n")
    assert list(early.serial.plasma()["day"]) == [0.0, 30.0]
    assert list(early.serial.plasma()["value"]) == [5.0, 4.0]
    assert any("1 readings of plasma DNA" in n for n in early.notes)
    found = patient(tmp_path / "b", ctdna="day\tge_per_ml\n0\t30\n").serial
    assert found.ctdna_unit == "ge_per_ml"
    assert found.lesions is None
    assert found.targets == (0, 0.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lesion\tday\tdiameter_mm\nA\t0\tNaN\n", "without a value"),
        ("lesion\tday\tdiameter_mm\nA\t0\t\n", "without a value"),
        ("lesion\tday\tdiameter_mm\nA\t0\tlarge\n", "text where a number"),
        ("lesion\tday\tdiameter_mm\nA\t0\tinf\n", "not finite"),
        ("lesion\tday\tdiameter_mm\nA\t0\t-3\n", "outside what is possible"),
        ("lesion\tday\tdiameter_mm\nA\t0\t4000\n", "outside what is possible"),
        ("lesion\tday\tdiameter_mm\nA\t0\t4.1\nB\t0\t2.2\n", "centimeters"),
        ("lesion\tday\tdiameter_cm\nA\t0\t4.1\n", "diameter_mm"),
        ("lesion\tday\tdiameter_mm\tdiameter_cm\nA\t0\t41\t4.1\n", "in millimeters"),
        ("lesion\tday\tdiameter_mm\tsite\nA\t0\t41\tlung\n", "unknown column"),
        ("lesion\tday\tdiameter_mm\nA\t0\t41\nA\t0.0\t42\n", "twice on one day"),
        (f"lesion\tday\tdiameter_mm\nA\t0\t41\nA\t{LONGEST_DAYS + 1:g}\t42\n", "beyond what is simulated"),
        ("lesion\tday\tdiameter_mm\nA\t-400\t41\n", "beyond what is simulated"),
        ("lesion\tday\tdiameter_mm\nA\t30\t41\n", "before treatment"),
        ("lesion\tday\tdate\tdiameter_mm\nA\t0\t2024-01-01\t41\n", "one column of days"),
        ("lesion\tdiameter_mm\nA\t41\n", "one column of days"),
        ("lesion\tday\tdiameter_mm\n\t0\t41\n", "of no lesion"),
        ("lesion\tday\tdiameter_mm\n", "no rows"),
        ("sample\tlesion\tday\tdiameter_mm\nP9\tA\t0\t41\n", "belongs to the patient"),
    ],
)
def test_lesions_that_cannot_be_are_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as error:
        patient(tmp_path, lesions=text)
    assert "lesions.tsv" in str(error.value)
    assert error.value.valid, "and it says what would have been valid"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("day\tfraction\n0\t5\n", "divided by 100"),
        ("day\tfraction\n0\t-0.1\n", "outside what is possible"),
        ("day\tfraction\n0\t0\n", "limit of detection"),
        ("day\tfraction\n0\t0.1\n0\t0.2\n", "two readings of one day"),
        ("day\tfraction\tge_per_ml\n0\t0.1\t3\n", "one column of readings"),
        ("day\n0\n", "one column of readings"),
        ("day\tfraction\tpurity\n0\t0.1\t0.5\n", "unknown column"),
        ("day\tfraction\n0\tnan\n", "without a value"),
        ("day\tfraction\n900\t0.1\n", "beyond what is simulated"),
    ],
)
def test_plasma_dna_that_cannot_be_is_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as error:
        patient(tmp_path, ctdna=text)
    assert "ctdna.tsv" in str(error.value)


def test_a_cohort_hands_out_rows_by_sample_or_patient(tmp_path):
    text = "patient\tlesion\tday\tdiameter_mm\n01\tA\t0\t41\n01\tA\t50\t30\nX9\tA\t0\t20\n"
    cohort = read_cohort(write_cohort(tmp_path / "c", lesions=text))
    first, second = cohort.patient("P1"), cohort.patient("P2")
    assert len(first.serial.lesions) == 2
    assert second.serial is None
    assert any("X9" in n for n in first.notes), "rows of nobody are told"
    alone = read_patient(tmp_path / "c", "P1")
    assert alone.serial.lesions.equals(first.serial.lesions)
    with pytest.raises(InputError, match="belongs to the cohort"):
        read_cohort(write_cohort(tmp_path / "d", lesions="patient\tlesion\tday\tdiameter_mm\nX9\tA\t0\t20\n"))
    with pytest.raises(InputError, match="sample or patient column"):
        read_cohort(write_cohort(tmp_path / "e", lesions="lesion\tday\tdiameter_mm\nA\t0\t20\n"))


def test_readers_and_simulator_agree_on_the_longest_day():
    from tumornexus.systemic.treatment import HORIZON_DAYS

    assert LONGEST_DAYS == HORIZON_DAYS


@pytest.mark.parametrize(
    ("word", "when"),
    [
        ("pre", "before"), ("Pre", "before"), ("Pre-treatment", "before"), ("pretreatment", "before"),
        ("baseline", "before"), ("BEFORE", "before"), ("on", "on"), ("On", "on"), ("ON_TX day 29", "on"),
        ("on-treatment", "on"), ("EDT", "on"), ("post", "after"), ("post progression", "after"),
        ("Progression", "after"), (None, None), ("", None), ("week 12", "week 12"),
    ],
)  # fmt: skip
def test_words_for_time_points_have_one_home(word, when):
    assert timepoint_of(word) == when
    assert is_before(word) == (when in (None, "before"))
