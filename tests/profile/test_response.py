"""The response model: monotone, never broken by what is missing, wider the less is known, fitted as it says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.io import Patient
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.profile import profile_patient
from tumornexus.profile.response import (
    CTLA4_AGENTS,
    TRANSFORMS,
    icb_score,
    load_response_model,
    mean_probability,
    pack_model,
    response_base_rates,
    response_features,
    unpack_model,
)

FULL = {"tmb_per_mb": 12.0, "nlr": 3.0, "albumin_g_dl": 4.2, "age_year": 60.0, "line": 2.0, "msi_high": False}


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


def score(features, tumor="melanoma", **change):
    return icb_score(features, tumor, response_base_rates(load_knowledge()), replace(load_response_model(), **change))


def test_every_feature_of_the_model_can_be_read():
    model = load_response_model()
    assert set(model.features) <= set(TRANSFORMS)
    assert set(response_features(0.4, FULL, 8.0)) == set(TRANSFORMS)
    assert response_features(math.nan, {}, 8.0) == {}


@pytest.mark.parametrize(("fact", "low", "high", "sign"), [
    ("tmb_per_mb", 1.0, 60.0, 1), ("nlr", 2.0, 9.0, -1), ("albumin_g_dl", 3.0, 4.5, 1), ("line", 1.0, 3.0, -1),
])  # fmt: skip
def test_the_score_moves_with_each_fact_in_its_known_direction(fact, low, high, sign):
    a, b = (score(response_features(0.0, FULL | {fact: v}, 8.0)).score for v in (low, high))
    assert sign * (b - a) > 0.02


@given(st.lists(st.floats(-4, 4), min_size=2, max_size=2), st.sampled_from(sorted(TRANSFORMS)))
def test_higher_inflammation_never_lowers_and_a_missing_fact_never_breaks(values, gone):
    low, high = sorted(values)
    found = [response_features(v, FULL, 8.0) for v in (low, high)]
    assert score(found[0]).score <= score(found[1]).score
    without = {k: v for k, v in found[0].items() if k != gone}
    less = score(without)
    assert 0 < less.low < less.score < less.high < 1
    assert gone in less.missing


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_less_knowledge_means_a_wider_interval():
    """At the mean of a feature, taking it away leaves the center of the log odds and widens them."""
    model = load_response_model()
    at_mean = dict(zip(model.features, model.center, strict=True))
    widths = []
    for k in range(len(model.features) + 1):
        found = score({n: at_mean[n] for n in model.features[k:]})
        assert logit(found.low) + logit(found.high) == pytest.approx(2 * logit(found.base_rate))
        widths.append(logit(found.high) - logit(found.low))
    assert (np.diff(widths) > 0).all()


def test_every_tumor_type_has_a_score_without_any_measurement(knowledge):
    for tumor in knowledge.tumors:
        icb = profile_patient(Patient("P", "P", tumor), knowledge).icb
        assert 0 < icb.low < icb.score < icb.high < 1, tumor
        assert set(icb.missing) == set(load_response_model().features)


def test_nothing_depends_on_the_name_of_a_cohort(knowledge):
    """Facts that say where a patient comes from leave the score as it is."""
    one = Patient("P", "P", "nsclc", clinical=FULL)
    two = replace(one, clinical=FULL | {"cohort": "riaz2017", "study": "imvigor210"}, source=None)
    assert profile_patient(one, knowledge).icb == profile_patient(two, knowledge).icb


def test_another_treatment_shifts_all_alike():
    found = response_features(0.5, FULL, 8.0)
    rates, model = response_base_rates(load_knowledge()), load_response_model()
    same, lower = (icb_score(found, "melanoma", rates, model, s) for s in ((0.0, 0.0), (-1.0, 0.0)))
    assert logit(lower.base_rate) == pytest.approx(logit(same.base_rate) - 1.0)
    ours, theirs = response_base_rates(load_knowledge()), response_base_rates(load_knowledge(), CTLA4_AGENTS)
    assert theirs["melanoma"][0] < ours["melanoma"][0], "ipilimumab alone responds less often in its trials"


@given(st.floats(-4, 4), st.floats(0, 4))
def test_the_mean_probability_is_drawn_towards_one_half(center, variance):
    plain, mean = 1 / (1 + math.exp(-center)), mean_probability(center, variance)
    assert abs(mean - 0.5) <= abs(plain - 0.5) + 1e-9
    assert mean_probability(-center, variance) == pytest.approx(1 - mean)
    draws = np.random.default_rng(1).normal(center, math.sqrt(variance), 20000)
    assert mean == pytest.approx(float((1 / (1 + np.exp(-draws))).mean()), abs=0.015)


def test_storing_changes_nothing():
    model = load_response_model()
    again = unpack_model(pack_model(model))
    found = response_features(0.7, FULL, 8.0)
    rates = response_base_rates(load_knowledge())
    assert icb_score(found, "nsclc", rates, model) == icb_score(found, "nsclc", rates, again)


def test_stored_model_is_sound(knowledge):
    model = load_response_model()
    assert model.covariance == pytest.approx(model.covariance.T)
    assert np.linalg.eigvalsh(model.covariance).min() > 0
    assert (model.sd > 0).all()
    assert set(model.intercepts) <= set(knowledge.tumors)
    rates = response_base_rates(knowledge)
    assert set(rates) <= set(model.intercepts)
    for tumor, pair in rates.items():
        assert model.intercepts[tumor] == pytest.approx(pair, abs=1e-4), "base rates are those of the trials"
