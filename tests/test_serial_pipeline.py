"""From tables of readings to an updated twin: once through the simulator, small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from io_cohorts import write_patient
from simulated import keep_compiled
from tumornexus.activities import Activities, Activity
from tumornexus.errors import InputError
from tumornexus.io import read_patient
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.pipeline import serial_table
from tumornexus.serial_pipeline import BACKGROUND_GE_PER_ML, given_regimen, has_course, plasma_copies, update
from tumornexus.systemic import Twin, parameterize, prepare, simulate
from tumornexus.systemic.twin import resample
from tumornexus.trial.scans import sum_of_diameters

TOML = 'sample = "P1"\ntumor = "nsclc"\nregimen = "atezolizumab 1200 mg q3w"\n'
LESIONS = "lesion\tday\tdiameter_mm\nA\t-6\t40\nA\t42\t44\nA\t84\t52\nB\t-6\t20\nB\t42\t23\nB\t84\t27\n"
CTDNA = "day\tfraction\tlimit\n0\t0.05\t0.001\n42\t0\t0.001\n"
DRAWS = 24


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="module")
def twin(knowledge: Knowledge, pytestconfig: pytest.Config) -> Twin:
    keep_compiled(pytestconfig)
    measured = {m: Activity(0.5, 6.0, 3.0, "measured") for m in ("tgf_beta", "hypoxia", "b2m_loss")}
    return parameterize(Activities("P1", "nsclc", measured), knowledge, n_draws=DRAWS, candidates_per_draw=1)


def patient(folder, toml: str = TOML, **files: str):
    return read_patient(write_patient(folder, toml, **{f"{k}_dot_tsv": v for k, v in files.items()}))


@pytest.mark.simulation
def test_readings_update_the_twin(twin, knowledge, tmp_path):
    found = patient(tmp_path / "p", lesions=LESIONS)
    updated, summary = update(twin, found, knowledge, n_draws=12)
    assert updated.n_draws <= 12
    assert updated.weights.sum() == pytest.approx(1.0)
    assert summary.n_readings == 3
    assert summary.n_effective < twin.n_draws
    assert any("3 serial readings assimilated" in n for n in updated.notes)
    np.testing.assert_allclose(summary.readings["diameter_mm"], [60.0, 67.0, 79.0])
    after = summary.forecast
    assert after["day"].min() == 84.0
    assert np.all(np.diff(after[["q05", "q25", "q50", "q75", "q95"]].to_numpy(), axis=1) >= 0.0)
    assert after["q50"].iloc[0] == pytest.approx(79.0, rel=0.05), "it starts where the readings end"
    table = serial_table(summary)
    assert list(table["day"]) == sorted(table["day"])


@pytest.mark.simulation
def test_a_tumor_that_shrinks_leaves_other_draws(twin, knowledge, tmp_path):
    shrinks = LESIONS.replace("44", "30").replace("52", "18").replace("23", "14").replace("27", "10")
    found = patient(tmp_path / "a", lesions=LESIONS)
    grown, _ = update(twin, found, knowledge, n_draws=DRAWS)
    shrunk, _ = update(twin, patient(tmp_path / "b", lesions=shrinks), knowledge, n_draws=DRAWS)
    given = prepare(parse_regimen(given_regimen(found), knowledge), knowledge)

    def change(x: Twin) -> float:
        """Return the mean change of ln sum of diameters over twelve weeks under the regimen given."""
        data = simulate(x, [given]).isel(regimen=0)
        log = np.log(sum_of_diameters(data["lesion_volume"].values))
        return float(np.sum(x.weights * (log[:, 12] - log[:, 0])))

    assert change(shrunk) < change(twin) < change(grown)


def test_resampling_keeps_what_weighs(twin):
    heavy = replace(twin, weights=np.eye(twin.n_draws)[3])
    few = resample(heavy, 10)
    assert few.n_draws == 1
    np.testing.assert_array_equal(few.values[0], twin.values[3])
    assert len(few.luck) == len(few.lesions.shares) == 1
    even = replace(twin, weights=np.full(twin.n_draws, 1.0 / twin.n_draws))
    np.testing.assert_array_equal(resample(even, twin.n_draws).values, twin.values)


def test_what_a_course_needs(tmp_path):
    none = patient(tmp_path / "none")
    assert not has_course(none)
    only = patient(tmp_path / "only", lesions="lesion\tday\tdiameter_mm\nA\t-6\t40\n")
    assert not has_course(only), "a baseline alone is no course"
    later = patient(tmp_path / "later", TOML.replace("regimen", "# regimen"), lesions=LESIONS)
    assert has_course(later)
    with pytest.raises(InputError, match="the regimen that was given"):
        given_regimen(later)


def test_fractions_become_concentrations(tmp_path):
    days, copies, floor = plasma_copies(patient(tmp_path / "p", ctdna=CTDNA).serial)
    np.testing.assert_array_equal(days, [0.0, 42.0])
    assert copies[0] == pytest.approx(BACKGROUND_GE_PER_ML * 0.05 / 0.95)
    assert copies[1] == floor == pytest.approx(BACKGROUND_GE_PER_ML * 0.001 / 0.999)
    days, copies, _ = plasma_copies(patient(tmp_path / "q", ctdna="day\tge_per_ml\n0\t30\n7\t12\n").serial)
    np.testing.assert_array_equal(copies, [30.0, 12.0])
