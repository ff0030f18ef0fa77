"""Toxicity against arithmetic: of combinations, of simulated hazards, of counted patients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.knowledge import Knowledge
from tumornexus.trial.toxicity import grade3_counted, grade3_percent, grade3_percent_simulated

WEEKS = np.arange(0.0, 729.0, 7.0)


@given(st.floats(0.0, 0.02), st.floats(0.0, 728.0), st.lists(st.floats(0.0, 800.0), min_size=3, max_size=3))
def test_simulated_toxicity_of_a_constant_hazard_is_its_survival_law(hazard, by_day, event_day):
    """Whoever has had an event already, as long as one member has not."""
    course = np.tile(hazard * WEEKS, (4, 1))
    event = np.array([*event_day, np.nan])
    assert grade3_percent_simulated(course, event, WEEKS, np.arange(1.0, 5.0), by_day) == pytest.approx(
        100.0 * (1.0 - np.exp(-hazard * by_day)), abs=1e-9
    )


def test_simulated_toxicity_is_that_of_counted_events_without_their_chance():
    """Frail and robust patients whose drugs are stopped by their event: 20,000 drawn thresholds agree."""
    generator = np.random.default_rng(0)
    rate = 0.003 * np.exp(0.5 * generator.standard_normal(20_000))
    day = generator.exponential(size=len(rate)) / rate
    course = rate[:, None] * np.minimum(WEEKS[None], day[:, None])
    found = grade3_percent_simulated(course, day, WEEKS, np.ones(len(rate)), 182.0)
    assert found == pytest.approx(100.0 * np.mean(day <= 182.0), abs=1.0)
    few = [
        grade3_percent_simulated(course[r], day[r], WEEKS, np.ones(64), 182.0) for r in np.split(np.arange(6400), 100)
    ]
    counted = [100.0 * np.mean(day[r] <= 182.0) for r in np.split(np.arange(6400), 100)]
    assert np.std(few) < 0.7 * np.std(counted)


def test_a_failed_member_counts_nowhere_in_toxicity():
    course = np.stack([0.002 * WEEKS, np.full(len(WEEKS), np.nan)])
    alone = grade3_percent_simulated(course[:1], np.array([np.inf]), WEEKS, np.ones(1), 180.0)
    assert grade3_percent_simulated(course, np.array([np.inf, np.inf]), WEEKS, np.ones(2), 180.0) == alone


def independent(knowledge: Knowledge, *drugs: str) -> float:
    """Return percent with an event when the events of the drugs are independent."""
    free = np.prod([1.0 - knowledge.drugs[d].toxicity.ae3_percent / 100.0 for d in drugs])
    return float(100.0 * (1.0 - free))


def test_toxicity_of_one_drug_is_its_own(knowledge: Knowledge):
    for drug in knowledge.drugs.values():
        estimate, low, high = grade3_percent([drug.id], knowledge)
        assert estimate == pytest.approx(min(drug.toxicity.ae3_percent, 99.0)), drug.id
        assert low <= estimate <= high, drug.id


@pytest.mark.parametrize(
    "pair", [("nivolumab", "relatlimab"), ("carboplatin", "pemetrexed"), ("pembrolizumab", "axitinib")]
)
def test_hazards_of_combined_drugs_add(pair, knowledge: Knowledge):
    assert grade3_percent(pair, knowledge)[0] == pytest.approx(independent(knowledge, *pair))
    assert grade3_percent(pair[::-1], knowledge)[0] == pytest.approx(independent(knowledge, *pair))


def test_a_further_drug_never_lowers_toxicity(knowledge: Knowledge):
    base = grade3_percent(["nivolumab"], knowledge)[0]
    for drug in knowledge.drugs:
        assert grade3_percent(["nivolumab", drug], knowledge)[0] >= base - 1e-9, drug


def test_ctla4_with_pd1_blockade_is_worse_than_the_sum_as_checkmate_067_saw(knowledge: Knowledge):
    both = grade3_percent(["nivolumab", "ipilimumab"], knowledge)[0]
    assert both > independent(knowledge, "nivolumab", "ipilimumab") + 5.0
    assert both == pytest.approx(55.0, abs=5.0)  # published: 55 %
    assert grade3_percent(["ipilimumab", "carboplatin"], knowledge)[0] == pytest.approx(
        independent(knowledge, "ipilimumab", "carboplatin")
    )


def test_counted_toxicity_is_the_share_of_all_patients_by_a_day():
    days = np.array([10.0, 90.0, 91.0, np.inf, np.inf, np.inf, np.inf, np.inf])
    assert grade3_counted(days, 90.0).estimate == 25.0
    assert grade3_counted(days, 1000.0).estimate == 37.5
    assert grade3_counted(days, 90.0, np.array([0, 2, 2, 2, 0, 0, 0, 0.0])).estimate == pytest.approx(100.0 / 3.0)
