"""Units: right numbers, and refusal of the wrong dimension with the field's name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.errors import InputError
from tumornexus.units import CORE, compatible, convert, parse_unit


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (1.2, "cm", "um", 12_000.0),
        (2.0, "week", "day", 14.0),
        (3.0, "Mcell/mL", "cell/mL", 3e6),
        (10.0, "mut/Mb", "mutation/megabase", 10.0),
        (0.04, "uM", "nM", 40.0),
        (1.0, "1/day", "1/week", 7.0),
        (5.0, "ug/mL", "mg/L", 5.0),
        (20.0, "percent", "", 0.2),
        (760.0, "mmHg", "kPa", 101.325),
    ],
)
def test_known_conversions(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("unit", "to"),
    [
        ("cm", "day"),
        ("mg/kg", "mg"),
        ("cell/mL", "1/mL"),  # a cell count is a dimension of its own
        ("mutation", "mutation/megabase"),  # a count of mutations is not a burden
        ("week", "1/day"),
        ("PFU", "cell"),
    ],
)
def test_wrong_dimension_names_the_field(unit: str, to: str) -> None:
    assert not compatible(unit, to)
    with pytest.raises(InputError, match=r"clinical\.tsv, field 'lesion_sum_mm'"):
        convert(1.0, unit, to, field="lesion_sum_mm", file="clinical.tsv")


@pytest.mark.parametrize("unit", ["florps", "1 / ", "um^", "mg per", "3 mg"])
def test_what_is_not_a_unit_is_refused(unit: str) -> None:
    with pytest.raises(InputError, match="not a unit"):
        convert(1.0, unit, "um", field="dose")


@pytest.mark.parametrize("unit", CORE.values())
def test_core_units_are_units(unit: str) -> None:
    assert str(parse_unit(unit))


@given(
    value=st.floats(min_value=1e-9, max_value=1e9),
    pair=st.sampled_from([("cm", "um"), ("hour", "day"), ("uM", "nM"), ("Mcell", "cell"), ("1/hour", "1/day")]),
)
def test_there_and_back_again(value: float, pair: tuple[str, str]) -> None:
    assert convert(convert(value, *pair), pair[1], pair[0]) == pytest.approx(value, rel=1e-12)


def test_registry_is_made_on_first_use_only() -> None:
    code = "import sys, tumornexus.units; print('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
