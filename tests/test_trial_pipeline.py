"""`tumornexus trial` and `calibrate` around the simulation: files, resumption, refusals and messages.

A stand-in with the columns of the true one (tests/trial/test_simulate.py) computes partitions: nothing is compiled.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tumornexus import trial_pipeline
from tumornexus.calibration_pipeline import calibrate
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.trial.calibration import Calibration, none
from tumornexus.trial.design import read_design
from tumornexus.trial.simulate import SIZE, Task
from tumornexus.trial_pipeline import endpoint_table, identity_of, run_trial, tasks_of

ARMS = ("nivolumab 240 mg q2w", "untreated")
TRIAL = 'tumor = "nsclc"\n' + "".join(
    f'[[arm]]\nname = "{name}"\nregimen = "{text}"\n' for name, text in zip("ab", ARMS, strict=True)
)
FILES = {"endpoints.json", "endpoints.tsv", "patients.tsv", "trial.json", "report.html", "manifest.json", "partitions"}


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


def stand_in(task: Task) -> dict[str, pd.DataFrame]:
    """Return tables like those of `run_partition`, in no time."""
    parts, scans = [], []
    for k, arm in enumerate(task.design.arm):
        g = np.random.default_rng([task.seed, task.number, k])
        n, end = SIZE, 30.4375 * task.design.months
        day, died = g.exponential(200.0 / (k + 1), n), g.exponential(500.0, n)
        os_days = np.minimum(died, end)
        pfs = np.minimum(day, os_days)
        best = g.choice(["PR", "SD", "PD"], n)
        table = pd.DataFrame({
            "arm": arm.name, "patient": task.number * SIZE + np.arange(n), "draw": np.arange(n) // 32, "best": best,
            "pfs_days": pfs, "pfs_event": pfs < end, "os_days": os_days, "os_event": died < end,
            "dor_days": np.where(best == "PR", 0.5 * pfs, np.nan), "dor_event": best == "PR",
            "ae3_day": np.where(g.random(n) < 0.2, 30.0, np.inf), "reason": np.where(day < os_days, "target", "none"),
            "change_percent": np.where(best == "PR", -50.0, 10.0), "response_day": np.where(best == "PR", 56.0, np.nan),
            "resistance": np.where(day < os_days, "primary", "none"), "base_mm": 80.0,
            "acquired": "", "m_treg": g.random(n),
        })  # fmt: skip
        parts.append(table.head(task.size))
        scans.append(pd.DataFrame({"arm": arm.name, "patient": [0], "day": [56.0], "sum_mm": [50.0], "response": "SD"}))
    return {"patients": pd.concat(parts, ignore_index=True), "scans": pd.concat(scans, ignore_index=True)}


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Return a trial file, with the simulation replaced by `stand_in`."""
    monkeypatch.setattr(trial_pipeline, "run_partition", stand_in)
    path = tmp_path / "mine.toml"
    path.write_text(TRIAL)
    return path


def test_tasks_cover_the_patients(quick, knowledge):
    design = read_design(quick, knowledge)
    for n in (1, SIZE - 1, SIZE, SIZE + 1, 350):
        tasks = list(tasks_of(design, n, 1, none(), None).values())
        assert sum(t.size for t in tasks) == n
        assert [t.number for t in tasks] == list(range(len(tasks)))
        assert all(t.size == SIZE for t in tasks[:-1])


def test_identity_tells_runs_apart(quick, knowledge):
    design = read_design(quick, knowledge)
    shifted = Calibration(("cd8_kill_rate",), np.array([[0.1]]))
    calls = [(100, 1, none()), (200, 1, none()), (100, 2, none()), (100, 1, shifted)]
    seen = {json.dumps(identity_of(design, n, s, c, knowledge), sort_keys=True) for n, s, c in calls}
    assert len(seen) == len(calls)


def test_results(quick, tmp_path):
    out = tmp_path / "out"
    result = run_trial(quick, n=150, seed=3, out=out)
    assert {p.name for p in out.iterdir() if not p.name.startswith(".")} >= FILES
    stored = json.loads((out / "endpoints.json").read_text())
    assert (stored["n"], stored["seed"], stored["trial"]) == (150, 3, "mine")
    assert stored["arms"] == result.endpoints["arms"]
    assert list(stored["hazard_ratios"]) == ["a"]
    assert any("not calibrated" in note for note in stored["notes"])
    table = pd.read_csv(out / "patients.tsv", sep="\t")
    assert len(table) == 300
    assert not [c for c in table if c.startswith("m_")]
    assert "cause" in table
    rows = pd.read_csv(out / "endpoints.tsv", sep="\t")
    orr = rows[(rows["arm"] == "a") & (rows["endpoint"] == "orr")]["estimate"].iloc[0]
    assert orr == pytest.approx(stored["arms"]["a"]["orr"]["estimate"])
    assert json.loads((out / "manifest.json").read_text())["calibration"]["digest"] == none().digest()
    assert len(endpoint_table(result.endpoints)) == 2 * 14 + 2


def test_same_call_goes_on_and_another_is_refused(quick, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run_trial(quick, n=250, seed=1, out=out)
    first = (out / "endpoints.json").read_bytes()
    part = next((out / "partitions" / "patients").glob("part-00001.parquet"))
    bytes_before = part.read_bytes()
    part.unlink()
    numbers = []
    monkeypatch.setattr(trial_pipeline, "run_partition", lambda task: (numbers.append(task.number), stand_in(task))[1])
    run_trial(quick, n=250, seed=1, out=out)
    assert numbers == [1]  # only what was lost
    assert part.read_bytes() == bytes_before
    assert (out / "endpoints.json").read_bytes() == first
    for other in ({"n": 250, "seed": 2}, {"n": 100, "seed": 1}):
        with pytest.raises(InputError, match="another run"):
            run_trial(quick, out=out, **other)
    quick.write_text(TRIAL.replace("240 mg q2w", "480 mg q4w"))
    with pytest.raises(InputError, match="another run"):
        run_trial(quick, n=250, seed=1, out=out)
    assert (out / "endpoints.json").read_bytes() == first


def test_folder_of_something_else_is_left_alone(quick, tmp_path):
    out = tmp_path / "patient"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="something else than a virtual trial") as told:
        run_trial(quick, n=10, seed=1, out=out)
    assert told.value.field == "--out"
    assert [p.name for p in out.iterdir()] == ["manifest.json"]
    with pytest.raises(InputError, match="need a folder"):
        run_trial(quick, n=10, seed=1, out=out / "manifest.json")


def test_no_patients(quick, tmp_path):
    with pytest.raises(InputError, match="needs patients"):
        run_trial(quick, n=0, seed=1, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_calibration_of_another_catalogue_is_told(quick, tmp_path):
    other = Calibration(("cd8_kill_rate",), np.zeros((1, 1)), provenance={"knowledge_digest": "0" * 16})
    result = run_trial(quick, n=10, seed=1, out=tmp_path / "out", calibration=other)
    assert any("another catalogue" in note for note in result.notes)


def test_command_prints_what_was_found(quick, tmp_path, command):
    done = command("trial", quick, "--out", tmp_path / "out", "--n", 120, "--seed", 1, "--uncalibrated")
    assert done.code == 0, done.err
    assert "response" in done.out
    assert "PFS hazard ratio" in done.out
    assert "not calibrated" in done.err
    assert str(tmp_path / "out" / "report.html") in done.out.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["CheckMate-068"], "did you mean"),
        (["none.toml"], "no such trial file"),
        (["@", "--n", "0"], "--n"),
        (["@", "--n", "ten"], "--n"),
        (["@", "--seed", "-1"], "--seed"),
        (["@", "--calibration", "none.json"], "cannot be read"),
        (["@", "--calibration", "x.json", "--uncalibrated"], "two calibrations"),
        (["@", "--uncalibrated", "--dask", "tcp://127.0.0.1:1"], "127.0.0.1:1"),
        (["@", "--uncalibrated", "--dask", "somewhere"], "somewhere"),
        (["@", "--knowledge", "nowhere"], "nowhere"),
    ],
)
def test_wrong_calls(quick, tmp_path, command, words, told, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("trial", *[str(quick) if w == "@" else w for w in words], "--out", tmp_path / "out")
    assert done.code == 2, done.err
    assert told in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


def test_wrong_design_leaves_no_folder(quick, tmp_path, command):
    quick.write_text(TRIAL.replace("nivolumab", "nivolumap"))
    done = command("trial", quick, "--out", tmp_path / "out")
    assert done.code == 2
    assert "nivolumab" in done.err
    assert not (tmp_path / "out").exists()


def test_failed_partition_is_told_in_words(quick, tmp_path, command, monkeypatch):
    def empty(task):
        raise InputError("too few virtual patients qualify", field="selection.tmb", value=0)

    monkeypatch.setattr(trial_pipeline, "run_partition", empty)
    done = command("trial", quick, "--out", tmp_path / "out", "--uncalibrated")
    assert done.code == 2
    assert "selection.tmb" in done.err
    assert not (tmp_path / "out" / "endpoints.json").exists()


def test_example_is_a_design(repo_root, knowledge):
    design = read_design(repo_root / "examples" / "trial_nsclc.toml", knowledge)
    assert [a.name for a in design.arm] == ["both", "by PD-L1", "chemotherapy, then PD-1"]
    assert design.scans.confirm
    assert design.arm[1].choose
    assert design.arm[2].on_progression == "pembrolizumab 200 mg q3w"


def test_guide_names_what_there_is(repo_root):
    """Files and options that the page on trials names exist."""
    page = (repo_root / "docs" / "trials.md").read_text()
    assert "examples/trial_nsclc.toml" in page
    for name in FILES:
        assert f"`{name}" in page, name
    source = (repo_root / "src" / "tumornexus" / "cli_trial.py").read_text()
    options = ["--n", "--seed", "--out", "--dask", "--calibration", "--uncalibrated", "--knowledge", "--partitions"]
    for option in options:
        assert option in page
        assert option in source


def test_calibration_refuses_before_it_begins(tmp_path):
    with pytest.raises(InputError, match="the artefact is a file"):
        calibrate(tmp_path)
    with pytest.raises(InputError, match="too few partitions"):
        calibrate(tmp_path / "c.json", partitions=1)
    assert not list(tmp_path.iterdir())
