"""Each mechanism moves the simulated response as its published claim says, and its therapies move it back.

One test a record, generated from the catalogue. All cases ride in one ensemble call: six melanoma-like tumors that
respond to nivolumab, bare and with one mechanism raised, grown to the same burden and followed for a year. Draws differ
in every parameter and are compared pairwise.
"""

from __future__ import annotations

import numpy as np
import pytest

from simulated import Courses, Tumors, full_effect, pairs, together, untreated, usual
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.systemic.dynamics import OBSERVABLES
from tumornexus.systemic.twin import apply_effects, bounded_mask

CATALOGUE = load_knowledge()
CAUSES = [m.id for m in CATALOGUE.mechanisms.values() if m.effect]
DERIVED = [m.id for m in CATALOGUE.mechanisms.values() if not m.effect]
CAUSE_THERAPY = pairs(CATALOGUE, ["cause"])
DERIVED_THERAPY = pairs(CATALOGUE, ["state", "outcome"])
RAISED = [(m.id, therapy) for m in CATALOGUE.mechanisms.values() for therapy in m.raised_by]

# Least change of ln volume that counts as a direction: 5 % of volume, several times what rounding to float32 and the
# step of the integrator leave.
VISIBLE = 0.05
# "No influence": less than the growth that RECIST needs to call progression, 20 % of diameter, so that no patient's
# category can follow from it.
NO_CATEGORY_CHANGE = 3.0 * np.log(1.2)
# Error of ln volume at the default step: a smaller change of one draw has no direction.
INTEGRATED = 0.003
# A sphere of 5 mm: RECIST 1.1 calls a smaller lesion too small to measure.
MEASURABLE_ML = 0.065
# A process counts as moved from 0.05 % on: draws are paired and the integrator deterministic, so that what is left is
# the rounding of observables to float32, a thousand times smaller.
MOVED = 0.0005


def drivers_of(knowledge: Knowledge, derived: str) -> dict[str, str]:
    """Return the causes that claim to move a state or outcome, directly or through states, with the claimed sign."""
    found: dict[str, str] = {}
    todo, seen = [(derived, "+")], {derived}
    while todo:
        target, sign = todo.pop()
        for mechanism in knowledge.mechanisms.values():
            for drive in mechanism.drives:
                if drive.target != target or mechanism.id in seen:
                    continue
                seen.add(mechanism.id)
                total = "+" if drive.sign == sign else "-"
                if mechanism.effect:
                    found[mechanism.id] = total
                todo.append((mechanism.id, total))
    return found


def is_pd1(therapy: str) -> bool:
    return therapy in ("anti_pd1", "anti_pdl1")


def treatment_of(knowledge: Knowledge, therapy: str):
    agents = knowledge.therapies[therapy].agents
    if therapy == "braf_mek_inhibitor":  # the two are given together
        return usual(knowledge, "dabrafenib", "trametinib")
    return usual(knowledge, agents[0]) if agents else full_effect(knowledge, therapy)


def tumor_for(mechanism: str, therapy: str) -> str:
    """Return the tumor on which a therapy is judged: BRAF inhibitors only where BRAF V600 drives."""
    return "braf_v600" if therapy == "braf_mek_inhibitor" else mechanism


def course_of(observable: str) -> str:
    """Return the course on which an observable is read: CAR-T cells exist only where they are given."""
    return "car_t" if observable.startswith("cart_") else "none"


@pytest.fixture(scope="module")
def courses(tumors: Tumors, knowledge: Knowledge) -> Courses:
    treatments = {
        "none": untreated(knowledge), "nivolumab": usual(knowledge, "nivolumab"), "car_t": usual(knowledge, "car_t"),
    }  # fmt: skip
    jobs = [(m, t) for m in tumors.values for t in treatments]
    for mechanism, therapy in CAUSE_THERAPY + DERIVED_THERAPY:
        treatments.setdefault(therapy, treatment_of(knowledge, therapy))
        if mechanism in DERIVED:
            jobs += [(tumor_for(m, therapy), therapy) for m in ("", *drivers_of(knowledge, mechanism))]
            continue
        jobs.append((tumor_for(mechanism, therapy), therapy))
        if not is_pd1(therapy):
            both = f"nivolumab + {therapy}"
            treatments.setdefault(both, together(knowledge, treatments["nivolumab"], treatments[therapy]))
            jobs.append((tumor_for(mechanism, therapy), both))
    for _, therapy in RAISED:
        treatments.setdefault(therapy, treatment_of(knowledge, therapy))
        jobs += [(tumor_for("", therapy), t) for t in ("none", therapy)]
    return Courses(tumors, jobs, treatments)


def test_no_course_fails_numerically(courses: Courses):
    assert (courses.data["status"].values == 0).all()


def test_the_bare_tumors_respond_to_pd1_blockade_and_to_car_t_cells(courses: Courses):
    """The premise of all that follows."""
    without = courses.growth("", "none")
    assert (courses.growth("", "nivolumab") < 0.0).all()
    assert (courses.growth("", "nivolumab") < without).all()
    assert (courses.growth("", "car_t") < without).all()


def test_conditioning_takes_the_lymphocytes_of_the_host_and_spares_the_infused_cells(courses: Courses):
    own = courses.of("", "car_t", "lymphocytes") / courses.of("", "none", "lymphocytes")
    week = courses.data["time"].values / 7.0
    assert (own[:, np.argmin(np.abs(week - 1.0))] < 0.2).all()
    assert (own[:, np.argmin(np.abs(week - 26.0))] > 0.8).all()  # they come back
    assert (courses.of("", "nivolumab", "lymphocytes") == courses.of("", "none", "lymphocytes")).all()
    infused = 100.0  # million cells: a loss like that of the host's would leave a twentieth
    assert (courses.of("", "car_t", "cart_blood").max(axis=1) > infused).all()


@pytest.mark.parametrize("mechanism", CAUSES)
def test_raising_a_mechanism_moves_the_response_as_published(mechanism: str, courses: Courses, knowledge: Knowledge):
    expected = knowledge.mechanisms[mechanism].expected
    backbone, claim = ("car_t", expected.car_t) if (expected.pd1, expected.car_t) == ("none", "worse") else (
        "nivolumab", expected.pd1,
    )  # fmt: skip
    change = courses.growth(mechanism, backbone) - courses.growth("", backbone)
    if claim == "none":
        assert abs(change.mean()) < NO_CATEGORY_CHANGE, f"{backbone}: ln volume changes by {change.mean():+.2f}"
        others = [
            courses.growth(m, "nivolumab").mean() - courses.growth("", "nivolumab").mean()
            for m in CAUSES
            if knowledge.mechanisms[m].expected.pd1 == "worse"
        ]
        assert abs(change.mean()) < 0.5 * np.median(others)
    else:
        towards = 1.0 if claim == "worse" else -1.0
        moved = towards * change
        assert moved.mean() > VISIBLE, f"{backbone}: ln volume changes by {change.mean():+.3f}, claimed {claim}"
        told = np.abs(moved) > INTEGRATED
        if backbone == "car_t":
            # CAR-T cells clear most of these tumors. What no scan tells from complete response, with the mechanism as
            # without, says nothing.
            last = [courses.of(m, backbone, "tumor_volume")[:, -1] for m in ("", mechanism)]
            told &= np.maximum(*last) > MEASURABLE_ML
        assert told.any()
        assert (moved[told] > 0.0).mean() >= 0.75, f"{backbone}: {np.round(change[told], 2)}, claimed {claim}"


@pytest.mark.parametrize("mechanism", [m for m in CAUSES if CATALOGUE.mechanisms[m].expected.car_t == "worse"])
def test_raising_a_mechanism_makes_car_t_cells_work_worse_where_published(mechanism: str, courses: Courses):
    change = courses.growth(mechanism, "car_t") - courses.growth("", "car_t")
    assert change.mean() > 0.0, f"ln volume changes by {change.mean():+.3f}"


@pytest.mark.parametrize("mechanism", CAUSES)
def test_raising_a_mechanism_moves_its_process_as_the_record_says(
    mechanism: str, courses: Courses, knowledge: Knowledge
):
    process = knowledge.mechanisms[mechanism].process
    course = course_of(process.observable)
    change = courses.level(mechanism, course, process.observable) - courses.level("", course, process.observable)
    towards = 1.0 if process.direction == "+" else -1.0
    assert (towards * change).mean() > MOVED, f"{process.observable} changes by {change.mean():+.4f} (log)"


@pytest.mark.parametrize("mechanism", CAUSES)
def test_a_mechanism_that_is_absent_changes_nothing(mechanism: str, tumors: Tumors, knowledge: Knowledge):
    record = knowledge.mechanisms[mechanism]
    sizes = {mechanism: tuple((e, np.full(tumors.n, e.value)) for e in record.effect)}
    silent = apply_effects(tumors.bare, {mechanism: np.zeros(tumors.n)}, sizes, tumors.names, bounded_mask(knowledge))
    np.testing.assert_array_equal(silent, tumors.values[""])


@pytest.mark.parametrize(("mechanism", "therapy"), CAUSE_THERAPY)
def test_a_reversing_therapy_moves_the_process_back(
    mechanism: str, therapy: str, courses: Courses, knowledge: Knowledge
):
    process = knowledge.mechanisms[mechanism].process
    tumor = tumor_for(mechanism, therapy)
    change = courses.level(tumor, therapy, process.observable) - courses.level(tumor, "none", process.observable)
    back = -1.0 if process.direction == "+" else 1.0
    assert (back * change).mean() > MOVED, (
        f"{process.observable} changes by {change.mean():+.4f} (log) over eight weeks"
    )


@pytest.mark.parametrize(("mechanism", "therapy"), CAUSE_THERAPY)
def test_a_reversing_therapy_improves_the_response(
    mechanism: str, therapy: str, courses: Courses, knowledge: Knowledge
):
    record = knowledge.mechanisms[mechanism]
    if therapy in {e.therapy for e in record.not_reversed}:
        assert next(e for e in record.not_reversed if e.therapy == therapy).reason
        return
    if record.expected.pd1 == "none":
        return  # nothing to improve: the claim itself is that response does not depend on it
    tumor = tumor_for(mechanism, therapy)
    with_it = therapy if is_pd1(therapy) else f"nivolumab + {therapy}"
    alone = "none" if is_pd1(therapy) else "nivolumab"
    change = courses.growth(tumor, with_it) - courses.growth(tumor, alone)
    assert change.mean() < -VISIBLE / 5, f"{with_it} against {alone}: ln volume changes by {change.mean():+.3f}"


@pytest.mark.parametrize("mechanism", DERIVED)
def test_a_state_or_outcome_follows_from_a_cause_that_claims_to_drive_it(
    mechanism: str, courses: Courses, knowledge: Knowledge
):
    record = knowledge.mechanisms[mechanism]
    observable = record.process.observable
    assert observable in OBSERVABLES
    towards = 1.0 if record.process.direction == "+" else -1.0
    change = {
        cause: towards
        * (1.0 if sign == "+" else -1.0)
        * (courses.level(cause, "none", observable) - courses.level("", "none", observable)).mean()
        for cause, sign in drivers_of(knowledge, mechanism).items()
    }
    if record.raised_by:
        return  # treatment makes it, and none is given here: see the next test
    assert change, "no record with effects claims to drive it"
    assert max(change.values()) > MOVED, f"{observable} follows none of {change}"


@pytest.mark.parametrize(("mechanism", "therapy"), RAISED)
def test_a_treatment_brings_about_what_the_record_says(
    mechanism: str, therapy: str, courses: Courses, knowledge: Knowledge
):
    process = knowledge.mechanisms[mechanism].process
    tumor = tumor_for("", therapy)
    change = courses.level(tumor, therapy, process.observable) - courses.level(tumor, "none", process.observable)
    towards = 1.0 if process.direction == "+" else -1.0
    assert (towards * change).mean() > MOVED, f"{process.observable} changes by {change.mean():+.4f} (log)"


@pytest.mark.parametrize(("mechanism", "therapy"), DERIVED_THERAPY)
def test_a_therapy_reverses_a_state_or_outcome_where_a_cause_has_raised_it(
    mechanism: str, therapy: str, courses: Courses, knowledge: Knowledge
):
    record = knowledge.mechanisms[mechanism]
    observable = record.process.observable
    back = -1.0 if record.process.direction == "+" else 1.0
    change = {}
    for cause in ("", *drivers_of(knowledge, mechanism)):
        tumor = tumor_for(cause, therapy)
        change[cause] = back * float(
            (courses.level(tumor, therapy, observable) - courses.level(tumor, "none", observable)).mean()
        )
    assert max(change.values()) > MOVED, f"{observable} is moved back on none of {change}"
