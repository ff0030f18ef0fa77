"""Associations in strata: invariance, false discovery rate, what is not estimable says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.cohort import (
    associate_response,
    associate_survival,
    benjamini_hochberg,
    calibration,
    concordance,
    concordance_difference,
    hazard_ratio,
    pool_associations,
)
from tumornexus.errors import InputError

CAUSE, NOISE = "cause", "noise"


def cohort(seed: int = 1, n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    response = (rng.random(n) < 1 / (1 + np.exp(1.0 - 1.2 * score))).astype(float)
    days = rng.exponential(200 * np.exp(0.6 * score)) + 1
    return pd.DataFrame({
        "sample": [f"S{i}" for i in range(n)], "cohort": np.repeat(list("abcdef"), n // 6), "cancer_type": "melanoma",
        "treatment_class": "PD-1", "response": response, CAUSE: score, NOISE: rng.normal(size=n), "flat": 0.5,
        "PFS_days": np.minimum(days, 700), "PFS_event": (days < 700).astype(float),
    })  # fmt: skip


def test_a_planted_cause_is_found_in_its_direction_and_noise_is_not():
    found = associate_response(cohort(), [CAUSE, NOISE, "flat"])
    assert len(found) == 18, "every stratum and score has a row"
    pooled = pool_associations(found).set_index("score")
    assert pooled.loc[CAUSE, "low"] > 1.1
    assert pooled.loc[CAUSE, "q"] < 0.05
    assert pooled.loc[NOISE, "low"] < 1.0 < pooled.loc[NOISE, "high"]
    assert set(found.loc[found["score"] == "flat", "note"]) == {"the score does not vary"}
    assert found.loc[found["score"] == "flat", "p"].isna().all()


def test_unit_and_origin_of_a_score_change_nothing():
    table = cohort()
    one = associate_response(table, [CAUSE])
    two = associate_response(table.assign(**{CAUSE: 40.0 - 3.0 * table[CAUSE]}), [CAUSE])
    assert two["auc"].to_numpy() == pytest.approx(1 - one["auc"].to_numpy())
    assert two["log_or"].to_numpy() == pytest.approx(-one["log_or"].to_numpy(), abs=1e-8)
    assert two["p"].to_numpy() == pytest.approx(one["p"].to_numpy(), abs=1e-10)


def test_order_of_patients_changes_nothing():
    table = cohort()
    shuffled = table.sample(frac=1.0, random_state=3)
    one, two = (associate_response(t, [CAUSE, NOISE]) for t in (table, shuffled))
    pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=1e-9)


def test_a_separated_stratum_has_a_finite_odds_ratio():
    table = cohort(n=30).assign(response=lambda t: (t[CAUSE] > 0).astype(float), cohort="a")
    found = associate_response(table, [CAUSE]).iloc[0]
    assert found["auc"] == 1.0
    assert np.isfinite(found["or_high"])
    assert found["odds_ratio"] > 3


def test_small_strata_say_why():
    table = cohort(n=30)
    table.loc[table["cohort"] == "a", "response"] = 0.0
    found = associate_response(table, [CAUSE]).set_index("cohort")
    assert "fewer than 3" in found.loc["a", "note"]
    assert found.loc["a", "n"] == 5


def test_an_unknown_column_is_named():
    with pytest.raises(InputError, match="nois"):
        associate_response(cohort(), ["nois"])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_laws(p):
    q = benjamini_hochberg(p)
    assert (q >= np.array(p) - 1e-12).all()
    assert (q <= 1.0).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(q[order]) >= -1e-12).all()
    for level in (0.05, 0.2):  # calls agree with the step-up rule written out
        ranked = np.sort(p)
        below = np.flatnonzero(ranked <= level * np.arange(1, len(p) + 1) / len(p) * (1 + 1e-12))
        assert (q <= level * (1 + 1e-12)).sum() == (below[-1] + 1 if len(below) else 0)


def test_a_test_that_was_not_done_is_not_counted():
    q = benjamini_hochberg([0.01, np.nan, 0.04])
    assert np.isnan(q[1])
    assert q[0] == pytest.approx(0.02)


def test_concordance_counts_pairs_and_agrees_with_lifelines():
    utils = pytest.importorskip("lifelines.utils")
    table = cohort(4, 60)
    x, t, e = (table[c].to_numpy() for c in (CAUSE, "PFS_days", "PFS_event"))
    x = np.round(x, 1)
    found = concordance(x, t, e, np.full(60, "a"), draws=20)
    assert found.estimate == pytest.approx(utils.concordance_index(t, x, e))
    assert concordance(-x, t, e, np.full(60, "a"), draws=20).estimate == pytest.approx(1 - found.estimate)
    apart = concordance(x, t, e, table["cohort"].to_numpy(), draws=20)
    moved = concordance(x + 9 * (table["cohort"] == "b").to_numpy(), t, e, table["cohort"].to_numpy(), draws=20)
    assert apart.estimate == moved.estimate, "pairs are made within cohorts only"
    same = concordance_difference(x, x, t, e, np.full(60, "a"), draws=20)
    assert (same.estimate, same.low, same.high) == (0.0, 0.0, 0.0)


def test_hazard_falls_with_a_score_that_prolongs():
    pytest.importorskip("lifelines")
    table = cohort()
    found = associate_survival(table, [CAUSE, "flat"], "PFS")
    assert (found.loc[found["score"] == CAUSE, "hazard_ratio"] < 1.0).all()
    assert pool_associations(found, "log_hr").set_index("score").loc[CAUSE, "high"] < 0.9
    assert set(found.loc[found["score"] == "flat", "note"]) == {"no spread, or the model did not converge"}
    b, *_ = hazard_ratio(table[CAUSE].to_numpy(), table["PFS_days"].to_numpy(), table["PFS_event"].to_numpy())
    flipped, *_ = hazard_ratio(-table[CAUSE].to_numpy(), table["PFS_days"].to_numpy(), table["PFS_event"].to_numpy())
    assert b == pytest.approx(-flipped, abs=1e-4)
    with pytest.raises(InputError, match="PFS or OS"):
        associate_survival(table, [CAUSE], "DFS")


def test_calibration_knows_true_too_bold_and_too_shy():
    rng = np.random.default_rng(2)
    logit = rng.normal(-0.5, 1.2, 4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-logit))).astype(float)
    names = np.repeat(["a", "b"], 2000)
    true, bold, shy = (calibration(1 / (1 + np.exp(-f * logit)), y, names) for f in (1.0, 2.0, 0.5))
    assert true.slope_low < 1.0 < true.slope_high
    assert (bold.slope, shy.slope) == pytest.approx((0.5 * true.slope, 2 * true.slope), rel=1e-3)
    assert true.brier < min(bold.brier, shy.brier, true.brier_of_rate)
    assert sum(b[-1] for b in true.bins) == 4000
    assert all(low <= observed <= high for _, observed, low, high, _ in true.bins)
    everybody = calibration(np.full(4000, y.mean()) + 1e-9 * logit, y, names)
    assert everybody.brier == pytest.approx(everybody.brier_of_rate)


def test_events_on_one_side_only_are_not_estimable_and_say_so():
    """Carriers without an event have no finite hazard ratio: a row with its reason, no overflow."""
    pytest.importorskip("lifelines")
    table = cohort(n=60).assign(cohort="a", carrier=lambda t: (np.arange(60) < 12).astype(float))
    table["PFS_event"] = np.where(table["carrier"] == 1, 0.0, 1.0)
    found = associate_survival(table, ["carrier"], "PFS").iloc[0]
    assert np.isnan(found["hazard_ratio"])
    assert "did not converge" in found["note"]
