"""What changed between two samples of a patient: laws of the difference, and the rule for what is new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from io_cohorts import write_cohort
from tumornexus.activities import Activity
from tumornexus.io import read_cohort
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_cohort
from tumornexus.profile.changes import ACQUIRED, COLUMNS, acquired, change_interval, changes, p_new


def activity(presence: float, origin: str = "measured") -> Activity:
    return Activity(presence, 6.0, 2.0, origin)  # type: ignore[arg-type]


CLINICAL = "sample\tpatient\tcancer_type\ttimepoint\nP1\t01\tmelanoma\tPre\nP2\t01\tmelanoma\tOn\nP3\t03\tNSCLC\tpre\n"
MUTATIONS = (
    "sample\tgene\tprotein_change\tconsequence\tt_vaf\tt_depth\n"
    "P1\tBRAF\tp.Val600Glu\tmissense_variant\t0.4\t120\nP2\tBRAF\tp.Val600Glu\tmissense_variant\t0.4\t120\n"
    "P2\tB2M\tp.Leu15PhefsTer41\tframeshift_variant\t0.62\t200\nP3\tKRAS\tp.Gly12Cys\tmissense_variant\t0.3\t80\n"
)


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    folder = write_cohort(
        tmp_path_factory.mktemp("c"), clinical=CLINICAL, mutations=MUTATIONS, hla=None, expression=None
    )
    knowledge = load_knowledge()
    return profile_cohort(read_cohort(folder, knowledge), knowledge)


def test_a_loss_that_only_the_later_sample_carries_is_acquired(profiles):
    found = changes(profiles)
    assert found.pairs == 1
    assert list(found.table.columns) == COLUMNS
    row = found.table.set_index("mechanism").loc["b2m_loss"]
    assert row["acquired"] == "yes"
    assert row["change"] > 0.3
    assert row["low"] <= row["change"] <= row["high"]
    assert (row["patient"], row["sample_before"], row["sample_after"]) == ("01", "P1", "P2")
    assert found.left_out == {"no later sample of the patient": 1}


def test_nothing_is_acquired_between_a_sample_and_itself(profiles):
    twin = replace(profiles[0], patient=replace(profiles[0].patient, clinical={"timepoint": "on"}))
    table = changes([profiles[0], twin]).table
    assert not (table["acquired"] == "yes").any()
    measured = table.dropna(subset="change")
    assert np.all(measured["change"] == 0.0)
    assert np.all((measured["low"] <= 0.0) & (measured["high"] >= 0.0))


def test_time_reversed_changes_sign(profiles):
    forth = changes(profiles).table.set_index("mechanism")["change"]
    swapped = [
        replace(p, patient=replace(p.patient, clinical={**p.patient.clinical, "timepoint": when}))
        for p, when in zip(profiles[:2], ("on", "pre"), strict=True)
    ]
    back = changes(swapped).table.set_index("mechanism")["change"]
    np.testing.assert_allclose(forth, -back)


def test_the_rule_is_the_probability_that_it_is_new():
    assert p_new(activity(0.1), activity(0.9)) == pytest.approx(0.81)
    assert acquired(activity(0.1), activity(0.9)) == "yes"
    assert acquired(activity(0.9), activity(0.95)) == "no", "it was there before"
    assert acquired(activity(0.1), activity(0.1)) == "no"
    assert acquired(activity(0.5), activity(0.9)) == "unsure"
    assert acquired(activity(0.01, "sampled"), activity(0.99)) == "unsure", "nobody looked before"
    for presence in np.linspace(0.0, 1.0, 21):
        assert p_new(activity(presence), activity(presence)) <= 0.25 < ACQUIRED


def test_the_interval_covers_independent_draws():
    before, after = activity(0.6), activity(0.8)
    low, high = change_interval(before, after, "01", "x")
    stream = np.random.default_rng(3)
    difference = after.draws(20_000, stream) - before.draws(20_000, stream)
    assert np.mean((difference >= low) & (difference <= high)) == pytest.approx(0.9, abs=0.02)
    assert change_interval(before, after, "01", "x") == (low, high), "the same in every run"


def test_time_points_that_are_not_understood_are_counted(profiles):
    odd = replace(profiles[1], patient=replace(profiles[1].patient, clinical={"timepoint": "week 12"}))
    found = changes([profiles[0], odd])
    assert found.pairs == 0
    assert found.left_out["time point 'week 12' is not understood"] == 1
    later = replace(odd, patient=replace(odd.patient, clinical={"timepoint": "post"}))
    assert changes([later]).left_out == {"no sample of the patient before treatment": 1}
