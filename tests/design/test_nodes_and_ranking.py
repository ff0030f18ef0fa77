"""Nodes and ranking on a tiny twin: laws that hold whatever the simulated numbers are."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.design import Candidate, Ranking, reverse_nodes
from tumornexus.design.candidates import backbone_drug
from tumornexus.design.nodes import ACTIVE_MEAN, PAIRS_AMONG, _effects, active_causes
from tumornexus.design.ranking import (
    CLOSE_POINTS,
    TIERS,
    _pareto,
    calibration_table,
    classes_of,
    evidence_for,
    response_interval,
    tier_of,
    wilson,
)
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.systemic import Twin, prepare

pytestmark = pytest.mark.simulation

VISIBLE = 0.05  # least change of ln volume that counts: 5 % of volume, several times what the integrator leaves


def test_nodes_are_the_active_causes_and_pairs_among_the_strongest_six(nodes: pd.DataFrame, twin: Twin):
    causes = active_causes(twin)
    singles, pairs = nodes[nodes["partner"] == ""], nodes[nodes["partner"] != ""]
    assert set(singles["mechanism"]) == set(causes)
    assert "b2m_loss" not in causes  # absent in every draw
    assert len(causes) > PAIRS_AMONG
    assert len(pairs) == PAIRS_AMONG * (PAIRS_AMONG - 1) // 2
    strongest = set(singles.nsmallest(PAIRS_AMONG, "effect")["mechanism"])
    assert {frozenset(p) for p in zip(pairs["mechanism"], pairs["partner"], strict=True)} == {
        frozenset(p) for p in itertools.combinations(strongest, 2)
    }


def test_nodes_are_ordered_and_lie_in_their_interval(nodes: pd.DataFrame):
    assert nodes["effect"].is_monotonic_increasing
    assert (nodes["low"] <= nodes["high"]).all()
    assert np.isfinite(nodes[["effect", "low", "high"]].to_numpy()).all()
    assert list(nodes.columns) == ["mechanism", "partner", "effect", "low", "high"]


def test_reversing_what_is_hardly_active_is_not_tried(twin: Twin):
    for mechanism in active_causes(twin):
        assert np.sum(twin.weights * twin.activities[mechanism]) >= ACTIVE_MEAN


def test_the_whole_environment_is_a_larger_target_than_any_one_or_two_of_its_parts(
    nodes: pd.DataFrame, twin: Twin, knowledge: Knowledge
):
    """Everything outside the cancer cells reversed at once, under the backbone; the cancer cells stay as they are."""
    causes = active_causes(twin)
    around = [m for m in causes if knowledge.mechanisms[m].category == "extrinsic"]
    assert 3 <= len(around) < len(causes)
    usual = backbone_drug(knowledge, knowledge.tumors["nsclc"]).usual
    (whole,) = _effects(twin, knowledge, prepare(parse_regimen(usual, knowledge), knowledge), [(), tuple(around)], None)
    parts = nodes[nodes["mechanism"].isin(around) & nodes["partner"].isin(["", *around])]
    assert (parts["partner"] != "").any()
    assert np.average(whole, weights=twin.weights) < parts["effect"].min() - VISIBLE


def test_nodes_are_reproducible(nodes: pd.DataFrame, twin: Twin, knowledge: Knowledge):
    usual = backbone_drug(knowledge, knowledge.tumors["nsclc"]).usual
    again = reverse_nodes(twin, knowledge, prepare(parse_regimen(usual, knowledge), knowledge))
    pd.testing.assert_frame_equal(nodes, again)


def test_every_candidate_is_ranked_once(ranking: Ranking, candidates: list[Candidate]):
    assert sorted(ranking.table["regimen"]) == sorted(c.regimen.text for c in candidates)
    assert ranking.trajectories["regimen"].values.tolist() == [*ranking.table["regimen"], "untreated"]
    assert len(ranking.table) >= 10


def test_hypotheses_come_last_and_carry_no_probability(ranking: Ranking):
    table = ranking.table
    hypothesis = table["tier"] == TIERS[2]
    assert set(table["tier"]) <= set(TIERS)
    assert not (hypothesis.astype(int).diff() < 0).any()
    assert table.loc[hypothesis, ["response", "response_low", "response_high", "pfs_months"]].isna().all(axis=None)
    known = table[~hypothesis]
    assert (known["response_low"] <= known["response"] + 1e-9).all()
    assert (known["response"] <= known["response_high"] + 1e-9).all()
    assert known["response"].between(0.0, 1.0).all()


def test_within_a_group_a_higher_score_comes_first(ranking: Ranking):
    for _, group in ranking.table.groupby(ranking.table["tier"] == TIERS[2]):
        assert group["score"].is_monotonic_decreasing


def test_every_line_says_why_it_is_there_and_what_speaks_against_it(ranking: Ranking):
    for row in ranking.table.itertuples():
        assert row.reason.endswith("."), row.regimen
        assert row.reason[0].isupper(), row.regimen
        assert "grade 3" in row.against, row.regimen
        assert row.evidence, row.regimen
        assert 0.0 < row.ae3 < 100.0, row.regimen
        assert row.cost_tier in (1, 2, 3, 4), row.regimen


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.3, 0.6]),
            st.sampled_from([0.1, 0.5]),
            st.sampled_from([10.0, 50.0]),
            st.integers(1, 4),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_pareto_front_is_what_nothing_beats(rows):
    table = pd.DataFrame(rows, columns=["response", "durable", "ae3", "cost_tier"])
    front = _pareto(table)
    assert front.any()
    points = table.assign(ae3=-table["ae3"], cost_tier=-table["cost_tier"]).to_numpy()
    for i, a in enumerate(points):
        beaten = any((b >= a).all() and (b > a).any() for b in points)
        assert front[i] == (not beaten)


@given(st.floats(0.0, 1.0), st.floats(1.0, 1e4))
def test_a_wilson_interval_holds_its_share_and_narrows_with_draws(share, n):
    low, high = wilson(share, n)
    assert 0.0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1.0
    wider_low, wider_high = wilson(share, n / 4.0) if n >= 4.0 else (0.0, 1.0)
    assert high - low <= wider_high - wider_low + 1e-12


def test_tiers_follow_from_the_arms_that_were_compared(knowledge: Knowledge):
    arms = calibration_table()
    for arm in arms:
        agents = {c: "nivolumab" if c == "pd1_axis" else None for c in sorted(arm.classes)}
        for drug in knowledge.drugs.values():
            agents = {c: d or (drug.id if drug.therapy == (c,) else None) for c, d in agents.items()}
        drugs = [d for d in agents.values() if d]
        if classes_of(drugs, knowledge) != arm.classes:
            continue
        tier = tier_of(drugs, arm.tumor, knowledge)
        own = [a for a in arms if a.classes == arm.classes and a.tumor == arm.tumor]
        assert all(a.trial in tier.support for a in own)
        if all(a.close for a in own):
            assert tier.name == TIERS[0], arm.trial
        elif not any(abs(a.published - a.simulated) <= CLOSE_POINTS for a in own) and len(own) == 1:
            assert tier.name == TIERS[2], arm.trial
    assert tier_of(["wnt974", "sibrotuzumab"], "pdac", knowledge).name == TIERS[2]


def test_the_interval_of_a_response_holds_the_model_error():
    narrow, wide = response_interval(0.3, 1e6, 0.0), response_interval(0.3, 1e6, 1.0)
    assert wide[0] < narrow[0] <= 0.3 <= narrow[1] < wide[1]
    assert narrow[1] - narrow[0] < 0.01
    for share in (0.0, 1.0):
        low, high = response_interval(share, 64.0, 0.5)
        assert 0.0 <= low <= share <= high <= 1.0


def test_classes_join_pd1_and_pdl1_antibodies(knowledge: Knowledge):
    assert classes_of(["nivolumab"], knowledge) == classes_of(["atezolizumab"], knowledge)
    assert classes_of(["nivolumab", "ipilimumab"], knowledge) != classes_of(["nivolumab"], knowledge)


def test_a_failed_randomized_trial_of_the_combination_is_told(knowledge: Knowledge):
    evidence = evidence_for(("pembrolizumab", "epacadostat"), "melanoma", knowledge)
    assert evidence.refuted
    assert any("failed" in line for line in evidence.against)
