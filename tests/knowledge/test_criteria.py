"""Bounds and criteria: what is written is what is tested."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from tumornexus.errors import InputError
from tumornexus.knowledge.criteria import Bound, Criteria, parse_bound

NUMBERS = st.integers(0, 5000).map(lambda x: x / 10.0)
TESTS = {">=": float.__ge__, "<=": float.__le__, ">": float.__gt__, "<": float.__lt__}
SPACE = st.sampled_from(["", " ", "  "])
SIGNED = st.tuples(st.sampled_from(sorted(TESTS)), NUMBERS)


def spelled(bound: Bound) -> str:
    """Return a text that reads as the bound: the way back."""
    if math.isinf(bound.high):
        return f"{'>=' if bound.closed[0] else '>'}{bound.low:g}"
    if math.isinf(bound.low):
        return f"{'<=' if bound.closed[1] else '<'}{bound.high:g}"
    return f"{bound.low:g}-{bound.high:g}"


BOUNDS = st.one_of(
    SIGNED.map(lambda x: parse_bound(f"{x[0]}{x[1]}")),
    st.tuples(NUMBERS, NUMBERS).map(lambda x: Bound(min(x), max(x), (True, True))),
)


@given(SIGNED, NUMBERS, SPACE, SPACE, st.sampled_from(["", "%", " %"]))
def test_one_sided_bound_holds_as_its_sign_says(signed, value, before, between, percent):
    sign, limit = signed
    bound = parse_bound(f"{before}{sign}{between}{limit}{percent}")
    assert bound.holds(value) == TESTS[sign](value, limit)
    assert bound.holds(limit) == ("=" in sign)


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["-", " - ", "%-", "–"]))
def test_interval_holds_between_its_ends(low, high, value, dash):
    assume(low <= high)
    assert parse_bound(f"{low}{dash}{high}%").holds(value) == (low <= value <= high)


@given(BOUNDS)
def test_round_trip(bound):
    assert parse_bound(spelled(bound)) == bound


@given(BOUNDS, BOUNDS)
def test_meets_is_common_ground(a, b):
    """Two bounds meet if some value lies in both; ends, and what is between and beside them, decide it."""
    ends = sorted({x for bound in (a, b) for x in (bound.low, bound.high) if math.isfinite(x)})
    points = [*ends, *(0.5 * (x + y) for x, y in itertools.pairwise(ends)), ends[0] - 1.0, ends[-1] + 1.0]
    assert a.meets(b) == b.meets(a) == any(a.holds(x) and b.holds(x) for x in points)


@given(BOUNDS)
def test_missing_value_meets_nothing(bound):
    assert not bound.holds(float("nan"))


@pytest.mark.parametrize("text", ["", "high", "50%", ">= ", "=>50", "49-1", ">=-3", "1-2-3", ">=50% or more", "1e3-2"])
def test_no_bound(text):
    with pytest.raises(InputError, match="not a bound") as told:
        parse_bound(text, "pd_l1")
    assert told.value.field == "pd_l1"
    assert ">=50%" in str(told.value.valid)
    with pytest.raises(ValidationError, match="not a bound"):
        Criteria(pd_l1=text)


def test_criteria_refuse_what_they_do_not_know():
    for wrong in ({"pdl1": ">1"}, {"msi": "low"}, {"egfr_alk": "mutant"}, {"braf_v600": "yes"}, {"pd_l1": 50}):
        with pytest.raises(ValidationError):
            Criteria(**wrong)


def test_criteria_are_keys():
    """Cohorts are told apart by their criteria, so that equal ones must be one key."""
    assert len({Criteria(pd_l1=">1"), Criteria(pd_l1=">1"), Criteria(pd_l1=">1", prior=("chemotherapy",))}) == 2
