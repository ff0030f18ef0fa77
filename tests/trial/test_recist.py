"""RECIST 1.1 on trajectories and scans made by hand, beside a reader who judges scan by scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from first_recist import first_recist
from plain_reader import Chart
from plain_reader import judge as judge_plainly
from plain_reader import reasons as reasons_plainly
from tumornexus.errors import InputError
from tumornexus.trial.irecist import assess_immune
from tumornexus.trial.recist import (
    BEST,
    COMPLETE_BELOW_MM,
    LABELS,
    MONTH_DAYS,
    REASONS,
    RESISTANCE,
    SCAN_EVERY_WEEKS,
    Assessment,
    Response,
    assess,
    find,
    recist,
)
from tumornexus.trial.scans import Reader, ScanPlan, Scans, diameter_mm, measure, roles, sum_of_diameters
from tumornexus.trial.statistics import median_pfs

PLAN = ScanPlan(window_days=0.0)
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


def lesions(*courses: tuple[float, ...]) -> np.ndarray:
    """Return one member, shape (1, lesion, time): each course is a lesion's baseline diameter and its scans (mm)."""
    return np.stack([course(*c[1:], base=c[0]) for c in courses], axis=1)


def judge(*courses: tuple[float, ...]) -> tuple[str, str, float]:
    """Return best response, reason of progression and its scan (inf: none) of one patient."""
    r = recist(lesions(*courses), DAYS)
    scan = r.pfs_months[0] * MONTH_DAYS / (7 * SCAN_EVERY_WEEKS) if r.progressed[0] else np.inf
    return LABELS[int(r.best[0])], REASONS[int(r.reason[0])], scan


NONE = (0.0, 0.0)
STILL = (30.0, 30.0)


@pytest.mark.parametrize(
    ("courses", "expected"),
    [
        # the sum over targets decides: 60 to 42 mm is 30 % less although one lesion grew
        (((30.0, 33.0), (30.0, 9.0), NONE, NONE), ("PR", "none", np.inf)),
        (((30.0, 31.0), (30.0, 12.0), NONE, NONE), ("SD", "none", np.inf)),
        (((20.0, 24.5), (20.0, 23.5), (10.0, 12.0), NONE), ("PD", "target", 1)),  # 50 to 60 mm
        (((20.0, 24.0), (20.0, 23.5), (10.0, 12.0), NONE), ("SD", "none", np.inf)),  # 59.5 mm, 19 %
        # every target must go
        (((30.0, 9.0), (30.0, 9.9), NONE, NONE), ("CR", "none", np.inf)),
        (((30.0, 2.0), (30.0, 10.1), NONE, NONE), ("PR", "none", np.inf)),
        (((10.1, 9.9), NONE, NONE, NONE), ("SD", "none", np.inf)),  # 2 % smaller is not a response
        # a new lesion is one that reaches 10 mm after baseline
        (((30.0, 9.0), NONE, NONE, (5.0, 9.9)), ("CR", "none", np.inf)),
        (((30.0, 9.0), NONE, NONE, (5.0, 10.1)), ("PD", "new lesion", 1)),
        (((30.0, 20.0), NONE, NONE, (0.0, 5.0, 9.0, 11.0)), ("PR", "new lesion", 3)),
        ((STILL, NONE, NONE, (9.9, 9.9, 10.1)), ("SD", "new lesion", 2)),
        # an occult lesion already of 10 mm is no target: not in the sum, but 73 % more volume ends the response
        ((STILL, NONE, NONE, (10.0, 14.9)), ("SD", "none", np.inf)),  # less than 5 mm
        ((STILL, NONE, NONE, (10.0, 15.1)), ("PD", "non-target", 1)),
        ((STILL, NONE, NONE, (40.0, 47.9)), ("SD", "none", np.inf)),  # 19.8 %
        ((STILL, NONE, NONE, (40.0, 48.1)), ("PD", "non-target", 1)),
        (((30.0, 20.0), NONE, NONE, (40.0, 20.0, 26.0)), ("PR", "non-target", 2)),  # from its smallest
        # a non-target that stays turns a complete response into a partial one
        (((30.0, 5.0), NONE, NONE, (12.0, 11.0)), ("PR", "none", np.inf)),
        (((30.0, 5.0), NONE, NONE, (12.0, 9.0)), ("CR", "none", np.inf)),
        # a small measured lesion is a non-target beside a large one
        (((30.0, 21.0), (8.0, 12.0), NONE, NONE), ("PR", "none", np.inf)),
        (((30.0, 21.0), (8.0, 13.1), NONE, NONE), ("PD", "non-target", 1)),
        (((30.0, 30.0), (2.0, 9.0), NONE, NONE), ("SD", "none", np.inf)),  # not yet measurable
        # with no measurable lesion, the largest is the target
        (((4.0, 4.0), (9.0, 6.0), (8.0, 8.0), NONE), ("PR", "none", np.inf)),
        (((4.0, 4.0), (9.0, 14.1), (8.0, 8.0), NONE), ("PD", "target", 1)),
        # both on one scan: the target names the reason
        (((30.0, 40.0), NONE, NONE, (0.0, 12.0)), ("PD", "target", 1)),
    ],
)
def test_lesions(courses, expected):
    assert judge(*courses) == expected


def test_one_lesion_is_judged_as_a_total_is():
    for scans in ((50.0,), (35.0,), (9.0,), (70.0,), (30.0, 38.0), (30.0, 20.0, 26.0)):
        alone = recist(lesions((50.0, *scans), NONE, NONE, NONE), DAYS)
        total = recist(course(*scans), DAYS)
        for name in ("best", "pfs_months", "progressed", "change_percent", "reason"):
            assert getattr(alone, name) == pytest.approx(getattr(total, name)), (scans, name)


DIAMETERS = st.lists(st.floats(0.0, 60.0), min_size=4, max_size=4)


def plain(bases: list[float], scans: list[list[float]]) -> tuple[str, str, int | None]:
    """Judge one patient as a reader would, scan by scan, without arrays; the second entry of the rules."""
    targets = [i for i in range(3) if bases[i] >= 10.0] or [i for i in range(3) if bases[i] == max(bases[:3])]
    others = [i for i in range(4) if i not in targets and (bases[i] >= 10.0 or (i < 3 and bases[i] > 0.0))]
    base = sum(bases[i] for i in targets)
    least, least_of, best = base, dict(enumerate(bases)), "SD"
    for number, at in enumerate(scans, start=1):
        total = sum(at[i] for i in targets)
        reason = None
        if total >= 1.2 * least and total >= least + 5.0:
            reason = "target"
        elif any(at[i] >= 10.0 for i in range(4) if i not in targets and i not in others):
            reason = "new lesion"
        elif any(at[i] ** 3 >= 1.73 * least_of[i] ** 3 and at[i] >= max(least_of[i] + 5.0, 10.0) for i in others):
            reason = "non-target"
        if reason:
            return ("PD" if number == 1 else best), reason, number
        if total <= 0.7 * base:
            gone = bases[targets[0]] >= 10.0 and all(at[i] < 10.0 for i in targets + others)
            best = "CR" if gone or best == "CR" else "PR"
        least = min(least, total)
        least_of = {i: min(least_of[i], at[i]) for i in least_of}
    return best, "none", None


@settings(max_examples=300, deadline=None)
@given(DIAMETERS, st.lists(DIAMETERS, min_size=3, max_size=3))
def test_arrays_and_a_reader_agree(bases, scans):
    # Away from the limits, where a cube and its root may round to either side.
    bases = [round(b) + 0.03 for b in bases]
    scans = [[round(a) + 0.011 * (k + 1) for a in at] for k, at in enumerate(scans)]
    best_, reason, scan = judge(*((bases[i], *(at[i] for at in scans)) for i in range(4)))
    expected = plain(bases, [*scans, scans[-1]])
    assert (best_, reason, None if scan == np.inf else round(scan)) == expected


@example([0.0, 1.0, 1.0, 0.0], [0.0] * 4, [0.0, 0.0, 5.0, 0.0], [2, 1, 0])
@settings(max_examples=50, deadline=None)
@given(DIAMETERS, DIAMETERS, DIAMETERS, st.permutations(range(3)))
def test_the_order_of_measured_lesions_does_not_matter(bases, first, second, order):
    assume(max(bases[:3]) > 0.0)  # a patient has a lesion to measure
    courses = [(bases[i], first[i], second[i]) for i in range(4)]
    assert judge(*(courses[i] for i in order), courses[3]) == judge(*courses)


def test_failure_in_one_lesion_fails_the_member_only():
    ok = lesions((30.0, 20.0), NONE, NONE, NONE)
    broken = ok.copy()
    broken[0, 3, -1] = np.nan
    r = recist(np.concatenate([ok, broken]), DAYS)
    assert [REASONS[i] for i in r.reason] == ["none", "numerical failure"]
    assert [LABELS[i] for i in r.best] == ["PR", "PD"]


def test_volumes_of_another_shape_and_too_short_a_time_are_refused():
    with pytest.raises(InputError, match="axes"):
        recist(np.ones(len(DAYS)), DAYS)
    with pytest.raises(InputError, match="8 weeks"):
        recist(np.ones((2, 3)), np.array([0.0, 7.0, 14.0]))


@pytest.mark.parametrize(
    ("scans", "category"),
    [
        ((70.0,), "primary"),  # progression as best response
        ((50.0, 50.0, 61.0), "primary"),  # stable for 24 weeks, 5.5 months
        ((50.0, 50.0, 50.0, 61.0), "secondary"),  # stable for 32 weeks
        ((30.0, 38.0), "secondary"),  # after a response, however short
        ((9.0, 20.0), "secondary"),
        ((50.0,), "none"),
        ((30.0,), "none"),
    ],
)
def test_resistance_by_best_response_and_time(scans, category):
    assert RESISTANCE[int(recist(course(*scans), DAYS).resistance[0])] == category


@given(st.integers(0, 3), st.floats(0.0, 24.0), st.booleans())
def test_every_progression_is_primary_or_secondary(best_, months, progressed):
    a = np.array
    r = Response(a([best_]), a([months]), a([progressed]), a([0.0]), a([int(progressed)]))
    assert (r.resistance[0] == 0) == (not progressed)
    if progressed and best_ < 2:
        assert r.resistance[0] == 2
    if progressed and best_ == 3:
        assert r.resistance[0] == 1


@given(st.lists(st.floats(0.6, 500.0), min_size=3, max_size=3), st.floats(0.01, 8.0), st.floats(0.0, 50.0))
def test_the_sum_of_diameters_is_what_response_and_best_change_are_read_from(baseline, factor, new):
    """Three measurable lesions that change alike; an occult one counts nowhere in it."""
    volume = np.zeros((1, 4, len(DAYS)))
    volume[0, :3] = np.array(baseline)[:, None]
    volume[0, :3, 1:] *= factor
    volume[0, 3, 1:] = new
    total = sum_of_diameters(volume)[0]
    assert total[0] == pytest.approx(diameter_mm(np.array(baseline)).sum())
    assert total[1:] == pytest.approx(total[0] * factor ** (1.0 / 3.0))
    assert recist(volume, DAYS).change_percent[0] == pytest.approx(100.0 * (total[-1] / total[0] - 1.0))
    np.testing.assert_array_equal(sum_of_diameters(volume[:, 0]), diameter_mm(volume[:, 0]))


def test_median_progression_free_time_needs_half_of_the_patients_to_progress():
    volumes = np.concatenate([course(30.0), course(30.0), course(70.0), course(50.0, 70.0)])
    response = recist(volumes, DAYS)
    even = np.full(4, 0.25)
    assert median_pfs(response, even) == pytest.approx(2 * 7 * SCAN_EVERY_WEEKS / MONTH_DAYS)
    assert median_pfs(response, np.array([0.3, 0.3, 0.2, 0.2])) is None
    assert median_pfs(response, np.array([0.1, 0.1, 0.7, 0.1])) == pytest.approx(7 * SCAN_EVERY_WEEKS / MONTH_DAYS)


# --- measured scans -----------------------------------------------------------------------------------------------


def chart(base: list[float], *scans: list[float], days: list[float] | None = None, plan: ScanPlan = PLAN) -> Scans:
    """Return the scans of one patient as a reader would write them down."""
    when = np.array(days if days is not None else [56.0 * (k + 1) for k in range(len(scans))])
    target, seen = roles(np.array([base]))
    at = np.array(scans).T[None]
    return Scans(when[None], np.array([base]), at, target, seen, np.zeros(1, bool), plan)


def one(
    diameters: tuple[float, ...], until: float = np.inf, *, confirm: bool = True, every: float = 56.0
) -> Assessment:
    """Assess one patient with one lesion of 50 mm and these diameters at the scans."""
    days = [every * (k + 1) for k in range(len(diameters))]
    return assess(chart([50.0], *([d] for d in diameters), days=days, plan=replace(PLAN, confirm=confirm)), until)


@pytest.mark.parametrize(
    ("diameters", "best", "unconfirmed", "day"),
    [
        ((30.0, 30.0), "PR", "PR", 56.0),
        ((45.0, 30.0, 30.0), "PR", "PR", 112.0),
        ((30.0,), "SD", "PR", np.nan),  # no scan left to confirm it
        ((33.0, 38.0, 38.0), "SD", "PR", np.nan),  # 24 % below baseline: the response is not confirmed
        ((33.0, 38.0, 33.0, 34.0), "PR", "PR", 168.0),  # confirmed at the second attempt
        ((30.0, 60.0), "SD", "PR", np.nan),
        ((9.0, 9.0), "CR", "CR", 56.0),
        ((30.0, 9.0, 9.0), "CR", "CR", 56.0),  # a complete response that began as a partial one
        ((9.0, 12.0), "PR", "CR", 56.0),  # what is seen again was not gone: it was a partial response
        ((9.0, 40.0), "SD", "CR", np.nan),
        ((60.0, 20.0, 20.0), "PD", "PD", np.nan),
        ((50.0, 60.0), "SD", "SD", np.nan),
    ],
)
def test_confirmation(diameters, best, unconfirmed, day):
    found = one(diameters)
    assert (BEST[found.best[0]], BEST[found.best_unconfirmed[0]]) == (best, unconfirmed)
    assert found.response_day[0] == pytest.approx(day, nan_ok=True)
    assert BEST[one(diameters, confirm=False).best[0]] == unconfirmed


def test_a_confirming_scan_comes_four_weeks_later():
    assert BEST[one((30.0, 30.0), every=20.0).best[0]] == "NE"  # neither confirmed nor late enough to be stable
    assert BEST[one((30.0, 30.0, 30.0), every=20.0).best[0]] == "PR"
    assert BEST[one((30.0, 30.0), every=28.0).best[0]] == "PR"


@pytest.mark.parametrize(
    ("diameters", "until", "best", "progression", "last"),
    [
        ((30.0, 30.0, 60.0), 20.0, "NE", np.inf, 0.0),  # left before the first scan
        ((30.0, 30.0, 60.0), 56.0, "SD", np.inf, 56.0),
        ((30.0, 30.0, 60.0), 120.0, "PR", np.inf, 112.0),
        ((30.0, 30.0, 60.0), 168.0, "PR", 168.0, 168.0),
        ((60.0, 60.0), 60.0, "PD", 56.0, 56.0),
    ],
)
def test_only_scans_that_were_made_count(diameters, until, best, progression, last):
    found = one(diameters, until)
    assert (BEST[found.best[0]], found.progression_day[0], found.last_scan_day[0]) == (best, progression, last)
    assert np.isnan(found.change_percent[0]) == (last == 0.0)


def test_stable_disease_needs_a_scan_after_six_weeks():
    assert BEST[one((50.0,), every=35.0).best[0]] == "NE"
    assert BEST[one((50.0, 60.0), every=35.0).best[0]] == "PD"
    assert BEST[one((50.0,), every=42.0).best[0]] == "SD"


def test_responses_at_scans():
    found = one((45.0, 30.0, 30.0, 34.0, 36.0, 40.0, 20.0))
    # 34 mm is a response, 36 (28 % less) stays one, 40 is a third above the smallest; a shrinkage after that shows
    assert [BEST[i] for i in found.at_scan[0]] == ["SD", "PR", "PR", "PR", "PD", "PD", "PR"]
    held = one((34.0, 34.0, 36.0, 38.0))
    assert [BEST[i] for i in held.at_scan[0]] == ["PR", "PR", "PR", "PR"]
    assert [BEST[i] for i in one((34.0, 34.0, 36.0), 112.0).at_scan[0]] == ["PR", "PR", "NE"]


def test_the_reader_is_asked_for_every_reason_at_once():
    """Target, new lesion and non-target on one scan: the first names the reason, all are found."""
    scans = chart([30.0, 8.0, 0.0, 0.0], [40.0, 14.0, 0.0, 12.0])
    assert find(scans).by_reason[:, 0, 0].tolist() == [True, True, True]
    assert REASONS[assess(scans).reason[0]] == "target"


ROUGH = st.sampled_from([0.03, 4.03, 8.03, 9.03, 11.03, 14.03, 20.03, 26.03, 33.03, 40.03, 60.03])
VISITS = st.lists(st.lists(ROUGH, min_size=4, max_size=4), min_size=1, max_size=7)


@settings(max_examples=300, deadline=None)
@given(st.lists(ROUGH, min_size=4, max_size=4), VISITS, st.sampled_from([21.0, 42.0, 63.0]), st.booleans())
def test_arrays_and_a_plain_reader_agree(base, visits, every, confirm):
    days = [every * (k + 1) for k in range(len(visits))]
    visits = [[d + 0.011 * (k + 1) for d in visit] for k, visit in enumerate(visits)]  # no two sums on a limit
    plain_ = Chart(base, list(zip(days, visits, strict=True)))
    found = assess(chart(base, *visits, days=days, plan=replace(PLAN, confirm=confirm)))
    best_, day = judge_plainly(plain_, wait=28.0 if confirm else 0.0)
    assert BEST[found.best[0]] == best_
    assert found.progression_day[0] == (np.inf if day is None else day)
    if day is not None:
        assert REASONS[found.reason[0]] in reasons_plainly(plain_, days.index(day))


def random_volumes(seed: int, members: int = 200) -> np.ndarray:
    g = np.random.default_rng(seed)
    volume = np.exp(g.normal(1.0, 1.5, (members, 4, 1)) + np.cumsum(g.normal(0.0, 0.25, (members, 4, len(DAYS))), -1))
    volume[g.random((members, 4)) < 0.3] = 0.0
    volume[:, 3, 0] *= 0.01
    return volume


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_perfect_reader_gives_what_the_first_version_gave(seed, kind):
    """Bit for bit, failed and empty members included."""
    volume = random_volumes(seed).astype(kind)
    volume[3], volume[4, 1, 30], volume[5, 2, 0], volume[6] = np.nan, np.nan, np.nan, 0.0
    now, then = recist(volume, DAYS), first_recist(volume, DAYS)
    for name in ("best", "pfs_months", "progressed", "change_percent", "reason"):
        assert getattr(now, name).tobytes() == then[name].tobytes(), name


def noisy(volume: np.ndarray, seed: int, until: np.ndarray | float = np.inf, **plan: object) -> Assessment:
    return assess(measure(volume, DAYS, ScanPlan(**plan), seed=seed), until)


@pytest.mark.parametrize("seed", range(3))
def test_confirmed_responders_are_among_the_unconfirmed(seed):
    found = noisy(random_volumes(seed), seed)
    responder = found.best <= 1
    assert responder.any()
    assert (found.best_unconfirmed[responder] <= 1).all()
    assert (found.best_unconfirmed <= found.best).all()
    assert np.isfinite(found.response_day).tolist() == responder.tolist()
    assert (found.response_day[responder] < found.progression_day[responder]).all()
    plain_plan = noisy(random_volumes(seed), seed, confirm=False)
    np.testing.assert_array_equal(plain_plan.best, found.best_unconfirmed)
    np.testing.assert_array_equal(plain_plan.progression_day, found.progression_day)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 0.01), st.floats(0.0, 0.01))
def test_more_growth_never_delays_progression(seed, slow, faster):
    """All lesions times a factor that grows from 1, read with the same relative errors."""
    volume = random_volumes(seed, 20)
    plan = ScanPlan(reader=Reader(0.05, 0.0, 0.06, 0.0, 0.0))
    days = [
        assess(measure(volume * np.exp(rate * DAYS), DAYS, plan, seed=seed)).progression_day
        for rate in (slow, slow + faster)
    ]
    assert (days[1] <= days[0]).all()


@given(st.floats(1.0, 4.0), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_relative_rules_do_not_know_the_scale(factor, seed):
    """Of lesions that stay far from the limits in mm, response and progression depend on ratios alone."""
    g = np.random.default_rng(seed)
    volume = volume_of(g.uniform(60.0, 90.0, (30, 3, len(DAYS))) * np.exp(g.normal(0.0, 0.1, (30, 3, len(DAYS)))))
    plan = ScanPlan(reader=Reader(0.05, 0.0, 0.06, 0.0, 0.0))
    small, large = (assess(measure(v, DAYS, plan, seed=seed)) for v in (volume, volume * factor**3))
    np.testing.assert_array_equal(small.best, large.best)
    np.testing.assert_array_equal(small.progression_day, large.progression_day)
    assert small.change_percent == pytest.approx(large.change_percent)


@pytest.mark.parametrize(
    ("diameters", "year", "two_years"), [((40.0,), 2.1, 7.7), ((20.0,), 0.5, 2.1), ((15.0, 15.0, 15.0), 0.1, 0.4)]
)
def test_reading_error_alone_makes_the_documented_progressions(diameters, year, two_years):
    """Stable disease under an 8-weekly plan; percent of patients, as docs/trials_measurement.md tells."""
    held = np.broadcast_to(volume_of(np.array(diameters))[:, None], (5000, len(diameters), len(DAYS)))
    scans = measure(held, DAYS, ScanPlan(), seed=1)
    found = assess(scans)
    assert 100.0 * np.mean(found.progression_day <= 365.0) == pytest.approx(year, abs=0.1)
    assert 100.0 * np.mean(found.progression_day <= 728.0) == pytest.approx(two_years, abs=0.1)
    assert np.isinf(assess_immune(scans).confirmed_day).all()
    assert (found.best > 1).all()
