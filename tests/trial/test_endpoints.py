"""RECIST 1.1 on trajectories made by hand, quantiles by their defining laws, toxicity against arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.knowledge import Knowledge
from tumornexus.trial.endpoints import (
    COMPLETE_BELOW_MM,
    LABELS,
    MONTH_DAYS,
    SCAN_EVERY_WEEKS,
    diameter_mm,
    grade3_percent,
    median_pfs,
    recist,
    weighted_quantile,
)  # fmt: skip

DAYS = np.arange(0, 729, 7)
SCANS = np.flatnonzero((DAYS > 0) & (DAYS % (7 * SCAN_EVERY_WEEKS) == 0))
N_SCANS = len(SCANS)


def volume_of(diameter: np.ndarray) -> np.ndarray:
    return np.pi / 6.0 * (np.asarray(diameter, dtype=float) / 10.0) ** 3


def course(*scans: float, base: float = 50.0) -> np.ndarray:
    """Return a weekly volume trajectory whose diameters at the scans are as given; the last is held to the end."""
    at = [*scans, *([scans[-1]] * (N_SCANS - len(scans)))]
    weeks = np.interp(DAYS, [0, *DAYS[SCANS]], [base, *at])
    return volume_of(weeks)[None, :]


def best(*scans: float, base: float = 50.0) -> str:
    return LABELS[int(recist(course(*scans, base=base), DAYS).best[0])]


@given(st.floats(0.1, 500.0))
def test_a_sphere_has_the_diameter_that_made_it(diameter):
    assert diameter_mm(volume_of(diameter)) == pytest.approx(diameter)


@pytest.mark.parametrize(
    ("scans", "label"),
    [
        ((50.0,), "SD"),
        ((35.5,), "SD"),  # 29 % below baseline
        ((35.0,), "PR"),  # 30 %
        ((9.9,), "CR"),
        ((10.1,), "PR"),
        ((59.9,), "SD"),  # 19.8 % and 9.9 mm
        ((60.0,), "PD"),
        ((61.0, 20.0), "PD"),  # a response after progression does not count
        ((40.0, 34.0), "PR"),
        ((30.0, 38.0), "PR"),  # progression from the nadir after a response: the best response stays
        ((45.0, 54.1), "SD"),  # 20.2 % above the nadir of 45
    ],
)
def test_best_response(scans, label):
    assert best(*scans) == label


def test_growth_by_a_fifth_but_less_than_five_millimeters_is_not_progression():
    assert best(24.5, base=20.0) == "SD"
    assert best(25.0, base=20.0) == "PD"


def test_progression_is_measured_from_the_smallest_diameter_so_far():
    response = recist(course(25.0, 29.0, 31.0), DAYS)
    assert response.progressed[0]
    assert response.pfs_months[0] == pytest.approx(3 * 7 * SCAN_EVERY_WEEKS / MONTH_DAYS)
    assert response.best[0] == LABELS.index("PR")


def test_a_patient_without_progression_is_censored_at_the_end():
    response = recist(course(30.0), DAYS)
    assert not response.progressed[0]
    assert response.pfs_months[0] == pytest.approx(DAYS[-1] / MONTH_DAYS)
    assert response.change_percent[0] == pytest.approx(-40.0)


def test_best_change_of_a_growing_tumor_is_its_first_scan():
    assert recist(course(70.0, 90.0), DAYS).change_percent[0] == pytest.approx(40.0)


def test_a_tumor_below_ten_millimeters_at_baseline_cannot_become_complete():
    assert best(5.0, base=9.0) == "PR"
    assert COMPLETE_BELOW_MM == 10.0


def test_a_numerical_failure_counts_as_progression_at_the_first_scan():
    both = np.concatenate([course(30.0), np.full((1, len(DAYS)), np.nan)])
    response = recist(both, DAYS)
    assert response.best.tolist() == [LABELS.index("PR"), LABELS.index("PD")]
    assert response.pfs_months[1] == pytest.approx(7 * SCAN_EVERY_WEEKS / MONTH_DAYS)
    assert response.objective.tolist() == [True, False]


def test_members_are_judged_one_by_one():
    cases = [(50.0,), (35.0,), (9.0,), (70.0,), (30.0, 38.0)]
    together = recist(np.concatenate([course(*c) for c in cases]), DAYS)
    assert [LABELS[b] for b in together.best] == [best(*c) for c in cases]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3)), min_size=1, max_size=40), st.floats(0.0, 1.0))
def test_a_weighted_quantile_splits_the_weight(pairs, q):
    values, weights = np.array(pairs).T
    got = float(weighted_quantile(values, weights, q)[0])
    assert got in values
    total = weights.sum()
    assert weights[values <= got].sum() / total >= q - 1e-9
    assert weights[values < got].sum() / total <= q + 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 5))
def test_equal_weights_are_no_weights_and_a_weight_of_two_is_a_copy(values, copies):
    v = np.array(values)
    q = (0.05, 0.5, 0.95)
    np.testing.assert_array_equal(
        weighted_quantile(v, np.full(len(v), float(copies)), q),
        weighted_quantile(np.repeat(v, copies), np.ones(len(v) * copies), q),
    )


def test_quantiles_rise_with_q_and_ignore_values_without_weight():
    values, weights = np.array([3.0, -99.0, 1.0, 2.0]), np.array([1.0, 0.0, 1.0, 1.0])
    assert weighted_quantile(values, weights, (0.01, 0.5, 0.99)).tolist() == [1.0, 2.0, 3.0]


def test_median_progression_free_time_needs_half_of_the_patients_to_progress():
    volumes = np.concatenate([course(30.0), course(30.0), course(70.0), course(50.0, 70.0)])
    response = recist(volumes, DAYS)
    even = np.full(4, 0.25)
    assert median_pfs(response, even) == pytest.approx(2 * 7 * SCAN_EVERY_WEEKS / MONTH_DAYS)
    assert median_pfs(response, np.array([0.3, 0.3, 0.2, 0.2])) is None
    assert median_pfs(response, np.array([0.1, 0.1, 0.7, 0.1])) == pytest.approx(7 * SCAN_EVERY_WEEKS / MONTH_DAYS)


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
