"""iRECIST on scans made by hand, and beside a reader who judges scan by scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plain_reader import Chart, judge_immune
from tumornexus.trial.irecist import IBEST, assess_immune
from tumornexus.trial.recist import assess
from tumornexus.trial.scans import ScanPlan, Scans, measure, roles

PLAN = ScanPlan(confirm=False, window_days=0.0)
GONE = 0.0


def chart(base: list[float], *scans: list[float], every: float = 56.0, plan: ScanPlan = PLAN) -> Scans:
    target, seen = roles(np.array([base]))
    at = np.array(scans).T[None]
    days = every * np.arange(1.0, len(scans) + 1.0)
    return Scans(days[None], np.array([base]), at, target, seen, np.zeros(1, bool), plan)


def judged(scans: Scans, until: float = np.inf) -> tuple[str, float, float, bool]:
    found = assess_immune(scans, until)
    scan = 1.0 / scans.days[0, 0]
    return IBEST[found.best[0]], found.progression_day[0] * scan, found.confirmed_day[0] * scan, bool(found.pseudo[0])


def target_only(*diameters: float, every: float = 56.0) -> tuple[str, float, float, bool]:
    return judged(chart([50.0], *([d] for d in diameters), every=every))


@pytest.mark.parametrize(
    ("diameters", "expected"),
    [
        ((50.0, 50.0), ("iSD", np.inf, np.inf, False)),
        ((60.0, 65.0), ("iCPD", 1, 2, False)),  # 5 mm more confirm it
        ((60.0, 64.0), ("iUPD", 1, np.inf, False)),  # 4 mm do not
        ((60.0, 64.0, 66.0), ("iCPD", 1, 3, False)),  # increases add up
        ((60.0,), ("iUPD", 1, np.inf, False)),  # never scanned again
        ((60.0, 30.0, 30.0), ("iPR", np.inf, np.inf, True)),  # pseudo-progression
        ((60.0, 50.0, 50.0), ("iSD", np.inf, np.inf, True)),
        ((60.0, 50.0, 61.0), ("iSD", 3, np.inf, True)),  # the bar is reset: unconfirmed anew
        ((60.0, 50.0, 61.0, 70.0), ("iSD", 3, 4, True)),
        ((30.0, 40.0, 46.0, 20.0), ("iPR", 2, 3, False)),  # a shrinkage after iCPD counts no more
        ((30.0, 40.0, 20.0), ("iPR", np.inf, np.inf, True)),
    ],
)
def test_targets(diameters, expected):
    assert target_only(*diameters) == expected


def test_a_scan_before_four_weeks_confirms_nothing():
    assert target_only(60.0, 70.0, every=21.0) == ("iUPD", 1, np.inf, False)
    assert target_only(60.0, 70.0, 70.0, every=21.0) == ("iCPD", 1, 3, False)
    assert target_only(60.0, 70.0, every=28.0) == ("iCPD", 1, 2, False)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ((12.0, 17.0), ("iCPD", 1, 2, False)),
        ((12.0, 16.0), ("iUPD", 1, np.inf, False)),
        ((12.0, 8.0, 8.0), ("iSD", np.inf, np.inf, True)),  # no longer of measurable size: taken back
    ],
)
def test_new_lesions(new, expected):
    assert judged(chart([50.0, 0.0, 0.0, 0.0], *([50.0, 0.0, 0.0, d] for d in new))) == expected


def test_a_further_new_lesion_confirms():
    base = [50.0, 0.0, 0.0, 0.0, 0.0]
    assert judged(chart(base, [50.0, 0, 0, 12.0, 0], [50.0, 0, 0, 12.0, 10.0])) == ("iCPD", 1, 2, False)


def test_another_reason_confirms():
    base = [50.0, 0.0, 0.0, 0.0]
    assert judged(chart(base, [60.0, 0, 0, 0], [60.0, 0, 0, 11.0])) == ("iCPD", 1, 2, False)
    assert judged(chart(base, [50.0, 0, 0, 11.0], [60.0, 0, 0, 11.0])) == ("iCPD", 1, 2, False)


def test_non_targets():
    base = [50.0, 8.0, 0.0, 0.0]
    assert judged(chart(base, [50.0, 14.0, 0, 0], [50.0, 19.1, 0, 0])) == ("iCPD", 1, 2, False)
    assert judged(chart(base, [50.0, 14.0, 0, 0], [50.0, 15.0, 0, 0])) == ("iUPD", 1, np.inf, False)
    assert judged(chart(base, [30.0, 14.0, 0, 0], [30.0, 8.0, 0, 0])) == ("iPR", np.inf, np.inf, True)


def test_scans_end_with_death_or_dropout():
    scans = chart([50.0], [60.0], [70.0])
    assert judged(scans, until=60.0) == ("iUPD", 1, np.inf, False)
    assert judged(scans, until=50.0) == ("NE", np.inf, np.inf, False)


def test_a_failed_member_stays_with_an_unconfirmed_progression():
    weeks = np.arange(0.0, 400.0, 7.0)
    found = assess_immune(measure(np.full((1, 4, len(weeks)), np.nan), weeks, PLAN))
    assert (IBEST[found.best[0]], found.progression_day[0], bool(found.pseudo[0])) == ("iUPD", 56.0, False)


ROUGH = st.sampled_from([0.03, 4.03, 8.03, 9.03, 11.03, 14.03, 20.03, 26.03, 33.03, 40.03, 60.03])
VISITS = st.lists(st.lists(ROUGH, min_size=4, max_size=4), min_size=1, max_size=7)


@settings(max_examples=400, deadline=None)
@given(st.lists(ROUGH, min_size=4, max_size=4), VISITS, st.sampled_from([21.0, 42.0]), st.booleans())
def test_arrays_and_a_plain_reader_agree(base, visits, every, confirm):
    visits = [[d + 0.011 * (k + 1) for d in visit] for k, visit in enumerate(visits)]  # no two sums on a limit
    days = [every * (k + 1) for k in range(len(visits))]
    found = assess_immune(chart(base, *visits, every=every, plan=replace(PLAN, confirm=confirm)))
    best, start, confirmed, back = judge_immune(
        Chart(base, list(zip(days, visits, strict=True))), wait=28.0 if confirm else 0.0
    )
    assert IBEST[found.best[0]] == best
    assert found.progression_day[0] == (np.inf if start is None else start)
    assert found.confirmed_day[0] == (np.inf if confirmed is None else confirmed)
    assert bool(found.pseudo[0]) == back


@pytest.mark.parametrize("seed", range(3))
def test_progression_is_never_earlier_than_by_recist(seed):
    g = np.random.default_rng(seed)
    weeks = np.arange(0.0, 729.0, 7.0)
    volume = np.exp(g.normal(1.0, 1.5, (300, 4, 1)) + np.cumsum(g.normal(0.0, 0.25, (300, 4, len(weeks))), -1))
    volume[:, 3, 0] *= 0.01
    until = g.uniform(0.0, 1000.0, 300)
    scans = measure(volume, weeks, ScanPlan(), seed=seed)
    immune, plain = assess_immune(scans, until), assess(scans, until)
    assert (immune.progression_day >= plain.progression_day).all()
    assert (immune.confirmed_day > immune.progression_day)[np.isfinite(immune.progression_day)].all()
    assert immune.pseudo.any()
    # no response is lost by waiting for a second look
    assert (immune.best[plain.best <= 1] <= plain.best[plain.best <= 1]).all()
