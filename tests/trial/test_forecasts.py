"""Frozen forecasts: their designs, how they are built and frozen, how they are scored."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tumornexus.errors import InputError
from tumornexus.knowledge import load_knowledge
from tumornexus.trial.calibration import prior
from tumornexus.trial.design import read_design

ROOT = Path(__file__).resolve().parents[2]
DESIGNS = sorted((ROOT / "forecasts" / "designs").glob("*.toml"))


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


@pytest.fixture(scope="module")
def building():
    return script("build_forecasts")


@pytest.fixture(scope="module")
def scoring():
    return script("score_forecasts")


@pytest.fixture
def folder(tmp_path):
    """The designs and what is known of the trials, without the forecasts."""
    own = tmp_path / "forecasts"
    shutil.copytree(ROOT / "forecasts" / "designs", own / "designs")
    shutil.copy(ROOT / "forecasts" / "trials.toml", own)
    return own


class StandIn:
    """A trial without simulation: every rate is 30, every ratio 0.7; keeps what it was asked for."""

    def __init__(self, knowledge):
        self.knowledge, self.asked = knowledge, []

    def __call__(self, source, *, n, seed, out, calibration, call):
        self.asked.append(Path(source).stem)
        design = read_design(source, self.knowledge)
        keys = ("orr", "cr", "pd", "pfs_median", "pfs_6", "pfs_12", "os_median", "os_12", "os_24", "ae3")
        own = {k: {"estimate": 30.0, "low": 20.0, "high": 41.0} for k in keys}
        own["os_median"] = {"estimate": None, "low": 15.0, "high": None}
        ratio = {"estimate": 0.7, "low": 0.5, "high": 0.98}
        names = [a.name for a in design.arm]
        ratios = {a: {"pfs": ratio, "os": ratio} for a in names[:-1]}
        found = {"n": n, "seed": seed, "arms": {a: dict(own) for a in names}, "hazard_ratios": ratios}
        return SimpleNamespace(design=design, endpoints=found)


@pytest.fixture
def built(building, folder, knowledge, tmp_path):
    run = StandIn(knowledge)

    def build(only=(), n=300):
        return building.build(
            folder, tmp_path / "runs", knowledge, prior(knowledge, 2, 1), n=n, seed=1, only=only, run=run
        )

    return SimpleNamespace(build=build, run=run, folder=folder)


@pytest.mark.parametrize("path", DESIGNS, ids=lambda p: p.stem)
def test_every_design_is_one_that_a_virtual_trial_reads(path, knowledge):
    design = read_design(path, knowledge)
    assert len({a.name for a in design.arm}) == len(design.arm)
    assert design.line == 1 or design.selection.prior  # an earlier line is simulated, not said


def test_there_are_twenty_trials_and_none_that_the_program_was_built_on(building, knowledge, shared_data):
    trials = building.trials_of(ROOT / "forecasts", knowledge)
    assert len(trials) >= 20
    assert sum(t["outcome"] == "not seen" for t in trials.values()) >= 5
    facts = pd.read_csv(shared_data.parent / "facts" / "trials.tsv", sep="\t", dtype=str)
    known = {name.lower().split()[0] for name in facts["trial"]}
    assert not known & {t["name"].lower() for t in trials.values()}


def test_a_trial_of_the_catalogue_is_refused(building, knowledge, folder):
    text = (folder / "trials.toml").read_text().replace('id = "danube"', 'id = "keynote_024"')
    (folder / "trials.toml").write_text(text)
    (folder / "designs" / "danube.toml").rename(folder / "designs" / "keynote_024.toml")
    with pytest.raises(InputError, match="keynote_024"):
        building.trials_of(folder, knowledge)


def test_a_design_that_nothing_is_known_of_is_refused(building, knowledge, folder):
    shutil.copy(folder / "designs" / "danube.toml", folder / "designs" / "other.toml")
    with pytest.raises(InputError, match="other"):
        building.trials_of(folder, knowledge)


def test_a_frozen_forecast_is_neither_computed_again_nor_changed(built):
    built.build(only=["danube"])
    before = json.loads((built.folder / "forecasts.json").read_text())["forecasts"]["danube"]
    design = built.folder / "designs" / "danube.toml"
    design.write_text(design.read_text().replace("every_weeks = 8", "every_weeks = 6"))
    after = built.build(only=["danube", "persee"], n=50)
    assert built.run.asked == ["danube", "persee"]
    assert after["danube"] == before
    assert after["persee"]["n"] == 50
    assert before["calibration_digest"]
    assert before["knowledge_digest"]
    assert before["date"]


def test_the_page_has_every_arm_and_tells_retrospective_from_unseen(built):
    built.build(only=["danube", "persee", "keynote_199"])
    page = (built.folder / "README.md").read_text()
    unseen, public = page.index("## Outcome not seen"), page.index("## Outcome public")
    assert unseen < page.index("| PERSEE |") < public < page.index("| DANUBE |")
    assert page.count("| DANUBE |") == 3
    assert "30 (20 to 41)" in page
    assert "0.70 (0.50 to 0.98)" in page


def test_an_unknown_id_is_refused(built):
    with pytest.raises(InputError, match="danbue"):
        built.build(only=["danbue"])


def results(path, rows):
    lines = ["\t".join(r) for r in [("trial", "arm", "endpoint", "value"), *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_scores_are_those_worked_out_by_hand(built, scoring, tmp_path):
    forecasts = built.build(only=["danube"])
    table = results(
        tmp_path / "r.tsv",
        [("danube", "durvalumab", "orr", "25"), ("danube", "durvalumab", "orr", "45"),
         ("danube", "durvalumab", "pfs_hr", "0.35"), ("danube", "durvalumab", "os_median", "NR")],
    )  # fmt: skip
    scored = scoring.score(forecasts, scoring.read_results(table))
    assert scored["covered"].tolist() == [True, False, False, True]
    assert scored["error"][:2].tolist() == [5.0, -15.0]
    assert scored["error"][2] == pytest.approx(np.log(2.0))
    assert scored["interval_score"][:2].tolist() == [21.0, 21.0 + 40.0 * 4.0]
    assert scored["interval_score"][2] == pytest.approx(np.log(0.98 / 0.5) + 40.0 * np.log(0.5 / 0.35))
    assert np.isnan(scored["interval_score"][3])
    told = scoring.summary(scored).set_index(["of", "endpoint"])
    assert told.loc[("all", "orr"), "covered_percent"] == 50.0
    assert told.loc[("outcome public", "orr"), "mean_error"] == 10.0


@pytest.mark.parametrize(
    ("row", "word"),
    [(("danbue", "durvalumab", "orr", "25"), "danube"), (("danube", "durva", "orr", "25"), "durvalumab"),
     (("danube", "durvalumab", "or", "25"), "orr"), (("danube", "chemotherapy", "pfs_hr", "1"), "durvalumab")],
)  # fmt: skip
def test_a_result_without_a_forecast_is_refused_with_near_misses(built, scoring, tmp_path, row, word):
    forecasts = built.build(only=["danube"])
    with pytest.raises(InputError, match=word):
        scoring.score(forecasts, scoring.read_results(results(tmp_path / "r.tsv", [row])))


def test_a_word_for_a_number_is_refused_with_its_line(scoring, tmp_path):
    table = results(
        tmp_path / "r.tsv", [("danube", "durvalumab", "orr", "25"), ("danube", "durvalumab", "orr", "many")]
    )
    with pytest.raises(InputError, match="line 3"):
        scoring.read_results(table)
