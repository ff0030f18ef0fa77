"""Units: the one place where a number with a unit becomes a number of the core.

The core computes in days, micrometers, nM and cells. Whatever enters (a dose, a lesion diameter, a parameter record)
passes through `convert`, which refuses a unit of the wrong dimension and names the field it came from. The registry
is made on first use, because building it takes longer than the whole of ``tumornexus --help``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tumornexus.errors import InputError

if TYPE_CHECKING:
    import pint

# The project's own words, on top of pint's. A cell count is a dimension of its own: "cells per mL" must not pass as
# "per mL". Mutations and megabases likewise, so that a mutation count cannot pass as a burden.
DEFINITIONS = (
    "cell = [cell_count] = _ = cells",
    "mutation = [mutation_count] = mut = mutations",
    "base = [sequence_length] = bp = bases",
    "international_unit = [biological_activity] = IU = unit_of_activity",
    "plaque_forming_unit = [infectious_dose] = PFU = pfu",
    "transfer = [microbiota_transfer] = _ = transfers",
    "fraction = []",
)

CORE = {
    "time": "day",
    "length": "um",
    "concentration": "nM",
    "count": "cell",
    "density": "cell / mL",
    "mutation load": "mutation / megabase",
    "rate": "1 / day",
}
"""The unit in which the core holds each kind of quantity."""


@cache
def registry() -> pint.UnitRegistry:
    """Return the project's unit registry, made once."""
    import pint

    ureg = pint.UnitRegistry(autoconvert_offset_to_baseunit=False)
    for definition in DEFINITIONS:
        ureg.define(definition)
    return ureg


def parse_unit(unit: str, *, field: str = "unit", file: str | Path | None = None) -> pint.Unit:
    """Read a unit such as ``mg/kg``, ``Mcell/mL`` or ``mutation/megabase``; the empty string is dimensionless.

    Raises:
        InputError: when the text is not a unit.
    """
    try:
        # In genomics Mb is a megabase; pint would read a megabarn.
        return registry().parse_units(re.sub(r"\bMb\b", "megabase", unit))
    except Exception as error:  # pint raises a dozen unrelated types (tokenizer, attribute, syntax, assertion errors)
        raise InputError(
            "not a unit", file=file, field=field, value=unit, valid="for example " + ", ".join(sorted(CORE.values()))
        ) from error


def convert(value: float, unit: str, to: str, *, field: str = "value", file: str | Path | None = None) -> float:
    """Convert a number between units of one dimension.

    Args:
        value: the number, in `unit`.
        unit: the unit it is given in, for example ``"cm"``.
        to: the unit that is wanted, for example ``"um"``.
        field, file: where the number came from, for the message.

    Returns:
        The same quantity in `to`.

    Raises:
        InputError: when either text is not a unit or the dimensions differ.
    """
    source, target = parse_unit(unit, field=field, file=file), parse_unit(to, field=field, file=file)
    if source.dimensionality != target.dimensionality:
        raise InputError(
            f"a quantity in '{unit}' cannot be expressed in '{to}'",
            file=file,
            field=field,
            value=f"{value} {unit}".strip(),
            valid=f"a unit of dimension {target.dimensionality}, such as '{to}'",
        )
    return float(registry().Quantity(value, source).to(target).magnitude)


def compatible(unit: str, to: str) -> bool:
    """Tell whether two units measure the same dimension."""
    return parse_unit(unit).dimensionality == parse_unit(to).dimensionality
