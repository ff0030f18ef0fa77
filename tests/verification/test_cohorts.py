"""The check on real cohorts: fits recover planted coefficients, and what is left out leaves no trace."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from tumornexus.cohort import auc
from tumornexus.io import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile.response import TRANSFORMS, response_base_rates

ROOT = Path(__file__).resolve().parents[2]


def module(folder: str, name: str):
    """Load a script by its path, and those that it names from both folders."""
    for path in (ROOT / "scripts", ROOT / "verification"):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


build = module("scripts", "build_response_model")
fold = module("verification", "cohorts_fold")


def planted(n: int, features: tuple[str, ...], effect: dict[str, float], seed: int = 1):
    """Patients of three cohorts whose response follows `effect`, with a fifth of the facts missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(features)))
    cohort = np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, n)]
    logit = x @ np.array([effect.get(f, 0.0) for f in features]) - 1.0 + 0.6 * (cohort == "b")
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    x[rng.random(x.shape) < 0.2] = np.nan
    return build.Rows(x, y, cohort, np.array(["melanoma"] * n, dtype=object), np.zeros(n, bool))


def test_both_steps_recover_what_was_planted():
    effect = {"log2_tmb": 0.8, "log2_nlr": -0.5, "inflamed": 0.7}
    panel = build.fit_panel(planted(6000, build.PANEL_FEATURES, effect), response_base_rates(load_knowledge()))
    model = build.fit_expression(planted(3000, tuple(TRANSFORMS), effect, 2), panel)
    for name, value in zip(model.features, model.coefficients, strict=True):
        sd = np.sqrt(model.covariance[model.features.index(name), model.features.index(name)])
        # Facts set to their mean weaken a slope slightly; four standard errors and a tenth hold that.
        assert value == pytest.approx(effect.get(name, 0.0), abs=4 * sd + 0.1), name


def test_without_responders_told_apart_the_prior_stays():
    """Responses drawn by lot: slopes near zero, within their own standard errors."""
    panel = build.fit_panel(planted(3000, build.PANEL_FEATURES, {}), response_base_rates(load_knowledge()))
    z = panel.coefficients / np.sqrt(np.diag(panel.covariance))
    assert np.abs(z).max() < 4.0


def test_names_of_cohorts_do_not_matter_to_the_fit():
    rows = planted(600, tuple(TRANSFORMS), {"inflamed": 0.5})
    panel = build.fit_panel(planted(600, build.PANEL_FEATURES, {}), response_base_rates(load_knowledge()))
    renamed = rows._replace(
        cohort=np.array([{"a": "z", "b": "imvigor210", "c": "m"}[c] for c in rows.cohort], dtype=object)
    )
    one, two = (build.fit_expression(r, panel) for r in (rows, renamed))
    assert one.coefficients == pytest.approx(two.coefficients, abs=1e-8)


def test_a_ridge_on_noise_adds_nothing_and_on_a_planted_mechanism_something():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(5)
    n = 900
    cohort = np.array(["a", "b", "c"], dtype=object)[np.arange(n) % 3]
    offset, truth = rng.normal(size=n), rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-(offset + truth - 0.5)))).astype(float)
    table = pandas.DataFrame({f"m{i}": rng.normal(size=n) for i in range(6)} | {"cause": truth})
    train, test = cohort != "c", cohort == "c"
    empty = np.empty((train.sum(), 0))
    rows = build.Rows(empty, y[train], cohort[train], cohort[train], np.zeros(train.sum(), bool))
    plain = (offset[train], offset[test])
    before, here = table[train].reset_index(drop=True), table[test].reset_index(drop=True)
    noise, _ = fold.mechanism_increment(before, here, [f"m{i}" for i in range(6)], rows, plain)
    cause, _ = fold.mechanism_increment(before, here, list(table), rows, plain)
    alone = auc(offset[test], y[test])
    assert auc(noise, y[test]) == pytest.approx(alone, abs=0.03)
    assert auc(cause, y[test]) > alone + 0.05


@pytest.mark.parametrize(("words", "expected"), [
    ("ipilimumab", "CTLA-4"), ("nivolumab, ipilimumab-naive", "PD-1"),
        ("nivolumab after ipilimumab progression", "PD-1"), ("nivolumab + ipilimumab", "PD-1 + CTLA-4"),
    ("anti-PD-1/PD-L1", "PD-1"), ("atezolizumab", "PD-1"), ("", "PD-1"),
])  # fmt: skip
def test_treatment_classes(words, expected):
    assert fold.treatment_class(Patient("P", "P", "melanoma", clinical={"treatment": words})) == expected


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore:All-NaN|Mean of empty|Degrees of freedom:RuntimeWarning")
def test_the_reference_without_a_cohort_does_not_move_with_it(shared_data):
    """Doubling the expression of the left-out cohort leaves the rebuilt reference as it is, bit for bit."""
    from dataclasses import replace

    from tumornexus.io import read_cohort

    knowledge = load_knowledge()
    names = ("gide2019_pd1", "hugo2016", "jung2019_nsclc", "snyder2017", "nathanson2017")
    measured = {n: [p for p in read_cohort(shared_data / n, knowledge) if p.expression is not None] for n in names}
    changed = {**measured, "hugo2016": [replace(p, expression=2 * p.expression) for p in measured["hugo2016"]]}
    one, two = (fold.reference_without("hugo2016", m, knowledge) for m in (measured, changed))
    assert np.array_equal(one.location, two.location)
    assert np.array_equal(one.scale, two.scale)
