"""Parameter values set by hand, such as for a sensitivity analysis: refuse those that the model cannot use.

A range [low, high] in ``parameters.toml`` is what the sources support. A value set by hand may leave it by a factor of
`MARGIN` (assumed: enough to ask what lies beyond, not enough to leave the model's meaning), except that

* a share in [0, 1] (`bounded`) stays in its range, whose ends are where its logit is still finite;
* a parameter without unit and with a range within [0, 1] does not pass 1, since many of them are fractions.

A process is switched off through its mechanism, not by setting a rate to zero, so zero is accepted only where the range
holds it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING

from tumornexus.errors import InputError, near_misses

if TYPE_CHECKING:
    from tumornexus.knowledge.load import Knowledge
    from tumornexus.knowledge.records import Parameter

MARGIN = 2.0


def allowed_range(parameter: Parameter) -> tuple[float, float]:
    """Return the smallest and largest value of a parameter that may be set by hand, in its unit."""
    low, high = parameter.low, parameter.high
    if parameter.bounded:
        return low, high
    lowest = low / MARGIN if low >= 0.0 else low * MARGIN
    highest = high * MARGIN if high >= 0.0 else high / MARGIN
    if parameter.unit == "1" and low >= 0.0 and high <= 1.0:
        highest = min(highest, 1.0)
    return lowest, highest


def check_overrides(overrides: Mapping[str, float], knowledge: Knowledge) -> None:
    """Require that every override names a parameter of the catalogue and gives a finite number that it can have.

    Args:
        overrides: parameter id to value in the parameter's unit.
        knowledge: catalogue with the parameters, their units and ranges.

    Raises:
        InputError: not a mapping; unknown parameter (with near misses); not a number, NaN or infinite; outside
            `allowed_range`. The first problem is raised.
    """
    if not isinstance(overrides, Mapping):
        raise InputError("overrides are a table of parameter and value", field="overrides",
                         value=type(overrides).__name__, valid="{'growth_rate': 0.004}")  # fmt: skip
    for name, value in overrides.items():
        if not isinstance(name, str) or name not in knowledge.parameters:
            raise InputError("unknown parameter", field="overrides", value=name,
                             valid=near_misses(str(name), knowledge.parameters))  # fmt: skip
        parameter = knowledge.parameters[name]
        lowest, highest = allowed_range(parameter)
        unit = "" if parameter.unit == "1" else f" {parameter.unit}"
        valid = f"{lowest:g} to {highest:g}{unit} (sources: {parameter.low:g} to {parameter.high:g})"
        here = f"overrides.{name}"
        # A truth value is a number to Python, but "true" is never what a rate is.
        if isinstance(value, bool) or not isinstance(value, Real):
            shown = value if isinstance(value, (str, bool)) else type(value).__name__
            raise InputError("a parameter needs a number", field=here, value=shown, valid=valid)
        try:
            number = float(value)
        except OverflowError:  # a whole number of more than 308 digits
            number = math.inf
        if not math.isfinite(number):
            raise InputError("a parameter needs a finite number", field=here, value=number, valid=valid)
        if not lowest <= number <= highest:
            raise InputError("outside the range in which the model has a meaning", field=here, value=number,
                             valid=valid)  # fmt: skip
