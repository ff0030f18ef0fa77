"""Cohort mode on small synthetic cohorts: planted effects, nobody lost in silence, errors that say what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from tumornexus import cli
from tumornexus.cohort.outcomes import cohort_table, followed, response_of, treatment_class
from tumornexus.cohort.study import study
from tumornexus.cohort.study_report import curves
from tumornexus.errors import InputError
from tumornexus.io import read_cohort
from tumornexus.knowledge import Knowledge
from tumornexus.profile import profile_cohort

HERE = Path("clinical.tsv")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the program in this process as a shell would."""

    def run(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tumornexus", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return Ended(code, told.out, told.err)

    return run


def clinical(n: int = 80, seed: int = 1, effect: float = 1.2) -> pd.DataFrame:
    """Patients whose response and survival follow their burden; albumin and NLR say nothing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    response = rng.random(n) < 1 / (1 + np.exp(0.6 - effect * z))
    days = np.ceil(rng.exponential(250.0 * np.exp(0.5 * effect * z))) + 1
    return pd.DataFrame({
        "sample": [f"S{i:03d}" for i in range(n)], "cancer_type": np.where(np.arange(n) < n // 2, "melanoma", "NSCLC"),
        "treatment": "nivolumab", "timepoint": "pre", "response": np.where(response, "PR", "PD"),
        "TMB_perMb": np.round(10.0 * np.exp(0.8 * z), 3), "albumin": np.round(rng.normal(4.0, 0.3, n), 2),
        "PFS_days": np.minimum(days, 900.0), "PFS_event": (days < 900.0).astype(int),
    })  # fmt: skip


def folder(path: Path, table: pd.DataFrame) -> Path:
    path.mkdir(parents=True)
    table.to_csv(path / "clinical.tsv", sep="\t", index=False)
    return path


def tabled(path: Path, knowledge: Knowledge, name: str = "one"):
    return cohort_table(profile_cohort(read_cohort(path, knowledge), knowledge), name, path)


def test_command_finds_what_was_planted_and_writes_what_it_promises(command, tmp_path):
    pytest.importorskip("lifelines")
    one, two = folder(tmp_path / "one", clinical()), folder(tmp_path / "two", clinical(seed=2))
    out = tmp_path / "out"
    told = command("cohort", one, two, "--out", out)
    assert told.code == 0, told.err
    assert "low_tmb" in told.out
    found = pd.read_csv(out / "associations.tsv", sep="\t")
    own = found[(found["score"] == "low_tmb") & (found["outcome"] == "response")]
    assert sorted(map(tuple, own[["cohort", "cancer_type"]].to_numpy())) == [
        ("one", "melanoma"), ("one", "nsclc"), ("two", "melanoma"), ("two", "nsclc"),
    ]  # fmt: skip
    assert set(own["treatment_class"]) == {"PD-1"}
    assert (own["auc"] < 0.5).all(), "the mechanism is a low burden: who has it responds less"
    pooled = pd.read_csv(out / "pooled.tsv", sep="\t").set_index(["outcome", "score"])
    assert pooled.loc[("response", "low_tmb"), "high"] < 1.0
    assert pooled.loc[("PFS", "low_tmb"), "low"] > 1.0
    assert pooled.loc[("PFS", "low_tmb"), "k"] == 4
    for name in ("forest.png", "kaplan_meier_PFS.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    record = json.loads((out / "manifest.json").read_text())
    assert record["cohorts"] == {"one": 80, "two": 80}
    assert record["knowledge_digest"]
    assert record["reference_digest"]
    assert record["versions"]["tumornexus"]
    assert all((out / name).is_file() for name in record["files"])
    assert any("OS left out" in note for note in record["notes"])
    assert not list(out.glob(".partial-*"))


def test_order_of_rows_changes_nothing_and_noise_is_not_called(tmp_path, knowledge):
    pytest.importorskip("lifelines")
    table = clinical(n=60, effect=0.0)
    one = study([tabled(folder(tmp_path / "a", table), knowledge)])
    two = study([tabled(folder(tmp_path / "b", table.sample(frac=1.0, random_state=1)), knowledge)])
    pd.testing.assert_frame_equal(one.associations, two.associations, check_exact=False, rtol=1e-8)
    assert (one.pooled["q"].dropna() > 0.05).all()
    assert {o for o, _ in curves(one)} == {"PFS"}


def test_every_sample_is_accounted_for(tmp_path, knowledge):
    table = clinical(n=44)
    table["patient"] = table["sample"]
    table.loc[0, ["response", "PFS_days", "PFS_event"]] = [None, np.nan, np.nan]
    table.loc[1, "timepoint"] = "on"
    table.loc[3, "patient"] = table.loc[2, "patient"]
    table.loc[4, "response"] = "NE"
    found = tabled(folder(tmp_path / "a", table.astype(object)), knowledge)
    assert found.left_out == {
        "no outcome": 1, "not taken before treatment": 1, "a further sample of the same patient": 1,
    }  # fmt: skip
    assert len(found.table) == 41
    assert int(found.table["response"].notna().sum()) == 40


BROKEN = {
    "no outcome column": (lambda t: t.drop(columns=["response", "PFS_days", "PFS_event"]), "no outcome"),
    "one class only": (lambda t: t.assign(response="PD").drop(columns=["PFS_days"]), "one class only"),
    "too few patients": (lambda t: t.head(12), "12 patients, fewer than 20"),
    "every patient a stratum": (
        lambda t: t.assign(treatment=[f"drug {i}" for i in range(len(t))]),
        "nothing could be tested",
    ),
    "a word that is no response": (lambda t: t.assign(response="good"), "no response (got 'good')"),
    "an event that is neither": (lambda t: t.assign(PFS_event=2), "neither yes nor no"),
}


@pytest.mark.parametrize("case", list(BROKEN))
def test_what_is_wrong_is_said_in_one_message(command, tmp_path, case):
    pytest.importorskip("lifelines")
    change, words = BROKEN[case]
    place = folder(tmp_path / "one", change(clinical()))
    told = command("cohort", place, "--out", tmp_path / "out")
    assert told.code == 2
    assert words in told.err
    assert str(place) in told.err
    assert "Valid:" in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "out").exists()


def test_options_that_cannot_be_are_refused(command, tmp_path):
    one, two = folder(tmp_path / "a" / "one", clinical()), folder(tmp_path / "b" / "one", clinical())
    told = command("cohort", one, two, "--out", tmp_path / "out")
    assert (told.code, "two cohorts of one name" in told.err) == (2, True)
    told = command("cohort", one, "--outcome", "DFS", "--out", tmp_path / "out")
    assert (told.code, "unknown outcome" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("nivolumab", "PD-1"), ("anti-PD-1", "PD-1"), ("Ipilimumab", "CTLA-4"), (None, "not given"),
        ("ipilimumab + nivolumab", "PD-1 + CTLA-4"), ("pembrolizumab + pemetrexed", "PD-1 + other"),
        ("nivolumab, after ipilimumab", "PD-1"), ("docetaxel", "docetaxel"), ("anti-PD-1 monotherapy", "PD-1"),
        ("atezolizumab with bevacizumab", "PD-1 + other"),
    ],
)  # fmt: skip
def test_classes_of_treatment(words, expected):
    assert treatment_class(words) == expected


def test_outcomes_are_read_by_one_rule():
    assert response_of({"response_binary": "R", "response": "PD"}, HERE) == 1.0
    assert response_of({"response": "Partial response"}, HERE) == 1.0
    assert response_of({"response": "SD"}, HERE) == 0.0
    assert np.isnan(response_of({"response": "NE"}, HERE))
    assert np.isnan(response_of({}, HERE))
    assert followed({"OS_days": 10.0, "OS_event": "1"}, "OS", HERE) == (10.0, 1.0)
    assert all(np.isnan(followed({"OS_days": 10.0}, "OS", HERE)))
    with pytest.raises(InputError, match="OS_event"):
        followed({"OS_days": 10.0, "OS_event": "dead?"}, "OS", HERE)
