"""Who may enter a trial: criteria on biomarkers, earlier treatment and performance status, as data and as a test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict

from tumornexus.errors import InputError
from tumornexus.knowledge.base import Record

_NUMBER = r"\d+(?:\.\d+)?"
_BOUND = re.compile(rf"^\s*(?P<sign>>=|<=|>|<)\s*(?P<value>{_NUMBER})\s*%?\s*$")
_BETWEEN = re.compile(rf"^\s*(?P<low>{_NUMBER})\s*%?\s*[-\u2013]\s*(?P<high>{_NUMBER})\s*%?\s*$")
BOUND_WORDS = '">=50%", "<1%" or "1-49%"'


@dataclass(frozen=True)
class Bound:
    """An interval of a biomarker; `closed` says whether its ends belong to it."""

    low: float
    high: float
    closed: tuple[bool, bool]

    def holds(self, value: float) -> bool:
        """Return whether `value` lies in the interval; NaN never does."""
        above = value >= self.low if self.closed[0] else value > self.low
        below = value <= self.high if self.closed[1] else value < self.high
        return bool(above and below)

    def meets(self, other: Bound) -> bool:
        """Return whether some value lies in both intervals."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return low < high or (low == high and self.holds(low) and other.holds(low))


def parse_bound(text: str, field: str = "criterion") -> Bound:
    """Read ``>=50%``, ``<1%``, ``1-49%``; percent signs are decoration.

    Raises:
        InputError: the text is no bound, or an empty interval.
    """
    if found := _BOUND.match(text):
        value = float(found["value"])
        if found["sign"] in (">=", ">"):
            return Bound(value, float("inf"), (found["sign"] == ">=", True))
        return Bound(float("-inf"), value, (True, found["sign"] == "<="))
    if found := _BETWEEN.match(text):
        low, high = float(found["low"]), float(found["high"])
        if low <= high:
            return Bound(low, high, (True, True))
    raise InputError("not a bound", field=field, value=text, valid=BOUND_WORDS)


def _bound(text: str) -> str:
    try:
        parse_bound(text)
    except InputError as error:
        raise ValueError(f"{error.problem}; valid: {error.valid}") from None
    return text


Flag = Annotated[bool, Strict()]
BoundText = Annotated[str, AfterValidator(_bound)]


class Criteria(Record):
    """Criteria of entry; what is absent is not asked for.

    Attributes:
        pd_l1: tumor proportion score, combined positive score or immune-cell score in percent, as the trial used it.
        tmb: mutations per megabase.
        msi: microsatellite instability.
        braf_v600: whether the tumor carries BRAF V600.
        egfr_alk: EGFR and ALK without driver; the model has neither, so that every virtual tumor is wild-type.
        ecog: performance status.
        age: years.
        ldh: lactate dehydrogenase over the upper limit of normal.
        prior: earlier treatment until progression, in order: ids of therapies or drugs, or ``chemotherapy``.
        brain_metastases: False excludes them; the model has none, so that True selects nobody.
    """

    pd_l1: BoundText | None = None
    tmb: BoundText | None = None
    msi: Literal["high", "stable"] | None = None
    braf_v600: Flag | None = None
    egfr_alk: Literal["wild-type"] | None = None
    ecog: BoundText | None = None
    age: BoundText | None = None
    ldh: BoundText | None = None
    prior: tuple[str, ...] = Field(default=())
    brain_metastases: Flag | None = None
