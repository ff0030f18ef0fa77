"""Parameters set by hand: what is accepted, and that each wrong one has one clear error."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.overrides import MARGIN, allowed_range, check_overrides
from tumornexus.knowledge.records import Parameter


def parameter(low: float, high: float, unit: str = "1/day", bounded: bool = False) -> Parameter:
    return Parameter(
        id="p", value=low, unit=unit, low=low, high=high, bounded=bounded, status="assumed", meaning="test",
        process="test", assumed="made up for this test",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (parameter(0.1, 4.0), (0.05, 8.0)),
        (parameter(0.0, 4.0), (0.0, 8.0)),
        (parameter(0.1, 1.0), (0.05, 2.0)),  # a rate, not a share
        (parameter(0.1, 1.0, unit="1"), (0.05, 1.0)),
        (parameter(0.05, 0.9, unit="1"), (0.025, 1.0)),
        (parameter(0.05, 0.4, unit="1"), (0.025, 0.8)),
        (parameter(0.5, 1.5, unit="1"), (0.25, 3.0)),
        (parameter(0.1, 0.95, unit="1", bounded=True), (0.1, 0.95)),
        (parameter(-2.0, 3.0), (-4.0, 6.0)),
        (parameter(-3.0, -2.0), (-6.0, -1.0)),
    ],
)
def test_allowed_range(record: Parameter, expected: tuple[float, float]) -> None:
    assert allowed_range(record) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(0.0, 1e6), st.sampled_from(["1", "1/day"]), st.booleans())
def test_the_allowed_range_holds_the_sourced_one(low: float, width: float, unit: str, bounded: bool) -> None:
    record = parameter(low, low + width, unit, bounded)
    lowest, highest = allowed_range(record)
    assert lowest <= record.low <= record.high <= highest


def test_values_in_range_pass_in_any_kind_of_number(small: Knowledge) -> None:
    # catalogue of the tests: ido_activity 0 to 10, pd1_signal 0 to 3
    check_overrides({}, small)
    check_overrides({"ido_activity": 10.0 * MARGIN, "pd1_signal": 0}, small)
    check_overrides({"ido_activity": np.float32(1.5), "pd1_signal": np.int64(3)}, small)
    check_overrides({"ido_activity": Fraction(1, 3)}, small)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"ido_activty": 1.0}, "overrides.*unknown parameter.*ido_activty.*did you mean ido_activity"),
        ({"IDO_activity": 1.0}, "did you mean ido_activity"),
        ({"zzz": 1.0}, "unknown parameter.*ido_activity, pd1_signal"),
        ({"": 1.0}, "unknown parameter"),
        ({7: 1.0}, "unknown parameter.*7"),
        ({"ido_activity": 20.1}, r"overrides.ido_activity.*outside.*20.1.*0 to 20 \(sources: 0 to 10\)"),
        ({"ido_activity": -0.1}, "outside.*-0.1.*0 to 20"),
        ({"ido_activity": 1.0, "pd1_signal": 6.1}, "overrides.pd1_signal.*outside.*0 to 6"),
        ({"ido_activity": float("nan")}, "finite.*nan.*0 to 20"),
        ({"ido_activity": np.float32("inf")}, "finite.*inf"),
        ({"ido_activity": -np.inf}, "finite.*-inf"),
        ({"ido_activity": 10**400}, "finite.*inf"),
        ({"ido_activity": "1.0"}, "needs a number.*'1.0'.*0 to 20"),
        ({"ido_activity": None}, "needs a number.*NoneType"),
        ({"ido_activity": True}, "needs a number.*True"),
        ({"ido_activity": 1.0 + 0.0j}, "needs a number.*complex"),
        ({"ido_activity": [1.0]}, "needs a number.*list"),
        ({"ido_activity": np.ones(1)}, "needs a number.*ndarray"),
        ([("ido_activity", 1.0)], "table of parameter and value.*list"),
        (None, "table of parameter and value.*NoneType"),
        ("ido_activity=1", "table of parameter and value.*str"),
    ],
)
def test_wrong_overrides_say_what_is_wrong(small: Knowledge, overrides: object, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        check_overrides(overrides, small)  # type: ignore[arg-type]
    assert caught.value.field
    assert caught.value.value is not None
    assert caught.value.valid


NAMES = st.one_of(st.text(max_size=12), st.sampled_from(["ido_activity", "pd1_signal"]))
VALUES = st.one_of(
    st.floats(),
    st.integers(),
    st.integers(min_value=10**300),
    st.text(max_size=5),
    st.booleans(),
    st.none(),
    st.complex_numbers(),
)


@settings(max_examples=200, deadline=None)
@given(overrides=st.dictionaries(NAMES, VALUES, max_size=3))
def test_any_table_passes_whole_or_is_refused(small: Knowledge, overrides: dict) -> None:
    try:
        check_overrides(overrides, small)
    except InputError:
        return
    for name, value in overrides.items():
        lowest, highest = allowed_range(small.parameters[name])
        assert lowest <= value <= highest
