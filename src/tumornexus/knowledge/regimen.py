"""Regimen strings: which drugs, at which dose, on which days.

Grammar: phases joined by `` then ``, each a list of components joined by `` + ``; a component is

    DRUG DOSE SCHEDULE [loading DOSE] [xN] [from dK]

* DOSE: ``240 mg``, ``3 mg/kg``, ``75 mg/m2``, ``AUC5`` (Calvert: mg = AUC x (GFR + 25)), ``8 Gy``, ``1e8 cells``,
  ``1 transfer``. The dose is that of one administration.
* SCHEDULE: ``once``, ``qd``, ``bid``, ``tid``, ``q3d``, ``q2w``, days of a cycle ``d1,8 q3w`` or ``d1-5 q4w``, and
  days on of days in all ``21/28`` (optionally ``bid 14/21``).
* ``xN``: N repeats (of the interval, the cycle, or the day); without it the component goes on until the next phase
  names the same drug, or for ever. ``loading`` sets the first dose; ``from d15`` starts on day 15 of the phase.

A phase after ``then`` starts one interval after the last dose of the longest limited component before it; after
``once`` the interval is that of the same drug in the next phase (a loading dose), or else one day. Typeset signs are
read as their plain ones: minus and dashes as ``-``, the micro sign as ``u``, superscript two as ``2``, ``×`` as ``x``.
Examples:
``ipilimumab 3 mg/kg q3w x4 + nivolumab 1 mg/kg q3w x4 then nivolumab 240 mg q2w``;
``carboplatin AUC5 q3w x4 + pemetrexed 500 mg/m2 q3w``; ``dabrafenib 150 mg bid + trametinib 2 mg qd``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from tumornexus.errors import InputError, RegimenError

if TYPE_CHECKING:
    from tumornexus.knowledge.load import Knowledge
    from tumornexus.knowledge.records import Drug

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_UNITS: dict[str, tuple[str, str]] = {
    # spelling (lower case): normalized unit, family
    "mg": ("mg", "mass"), "g": ("g", "mass"), "ug": ("ug", "mass"), "mcg": ("ug", "mass"), "g/m2": ("g/m2", "mass"),
    "mg/kg": ("mg/kg", "mass"), "ug/kg": ("ug/kg", "mass"), "mcg/kg": ("ug/kg", "mass"),
    "mg/m2": ("mg/m2", "mass"), "mg/m^2": ("mg/m2", "mass"), "ug/m2": ("ug/m2", "mass"),
    "gy": ("Gy", "Gy"), "cells": ("cells", "cells"), "cells/kg": ("cells/kg", "cells"),
    "transfer": ("transfer", "transfer"), "transfers": ("transfer", "transfer"), "pfu": ("PFU", "PFU"),
}  # fmt: skip
_FAMILY = {"mg": "mass", "ug": "mass", "Gy": "Gy", "cells": "cells", "transfer": "transfer", "PFU": "PFU"}
_TO_MG = {"mg": 1.0, "g": 1e3, "ug": 1e-3}
_DOSE = re.compile(
    rf"(?P<auc>AUC\s*(?P<auc_value>{_NUMBER}))(?=\s|$)|(?P<value>{_NUMBER})\s*(?P<unit>[A-Za-z][A-Za-z0-9/^]*|(?=\s|$))",
    re.IGNORECASE,
)
_COMPONENT = re.compile(rf"^(?P<drug>[A-Za-z][^+]*?)\s+(?P<rest>(?:AUC\s*)?{_NUMBER}.*)$", re.IGNORECASE | re.DOTALL)
_SCHEDULE_WORDS = "once, qd, bid, tid, q3d, q2w, q3w, 'd1,8 q3w', 21/28"
_DOSE_WORDS = "240 mg, 3 mg/kg, 75 mg/m2, AUC5, 8 Gy, 1e8 cells, 1 transfer"
_PER_DAY = {"qd": 1, "bid": 2, "tid": 3}
# Signs that word processors and papers put in place of those on a keyboard: hyphens, en dash, minus, micro, mu,
# superscript two, times. Left alone, a typeset minus would not be read as a sign, nor d1 dash 5 as a range.
_TYPESET = str.maketrans(
    {**dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"), "\u00b5": "u", "\u03bc": "u", "\u00b2": "2", "\u00d7": "x"}
)
_NOT_FINITE = re.compile(r"(?:AUC\s*)?[+-]?(?:nan|inf(?:inity)?)\b", re.IGNORECASE)
MAX_OVER_USUAL = 10.0
# Assumed limits, far beyond any treatment: they keep day numbers within integers and a slip of the keyboard from asking
# for a table of a billion days.
MAX_DAYS = 36525  # a century
MAX_CYCLE_DAYS = 366
MAX_CHARACTERS = 2000
MAX_NAME_WORDS = 8  # the longest name in the catalogue has 6 words


def _format(value: float) -> str:
    """Write a number so that reading it back gives the same number, without trailing zeros (``1e8``, ``0.3``)."""
    if value >= 1e5 or value < 1e-3:
        mantissa, _, exponent = f"{value:.12e}".partition("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    else:
        text = f"{value:.12g}"
    return text if float(text) == value else repr(value)


@dataclass(frozen=True)
class Dose:
    """A dose as written: a value and a unit such as ``mg/kg``; ``AUC`` for Calvert dosing."""

    value: float
    unit: str

    def __str__(self) -> str:
        return f"AUC{_format(self.value)}" if self.unit == "AUC" else f"{_format(self.value)} {self.unit}"


@dataclass(frozen=True)
class Schedule:
    """Days on which doses fall within a cycle that repeats.

    Attributes:
        days: days of the cycle on which a dose is given, counted from 1, ascending.
        period: length of the cycle in days; 0 for ``once``.
        per_day: doses on such a day (``bid`` 2).
        text: normalized spelling.
    """

    days: tuple[int, ...]
    period: int
    per_day: int
    text: str


@dataclass(frozen=True)
class Component:
    """One drug in one phase.

    Attributes:
        drug: drug id.
        dose, loading: dose as written; `loading` replaces the first administration, if given.
        amount, loading_amount: the same for this patient, in the drug's dose unit, per administration.
        schedule: days within the cycle.
        repeats: number of cycles (``xN``), None when it goes on.
        offset: days after the start of the phase (``from d15`` is 14).
        start: first possible day, counted from 0 at the regimen's start.
        stop: day before which it ends because a later phase names the same drug; None otherwise.
    """

    drug: str
    dose: Dose
    amount: float
    schedule: Schedule
    repeats: int | None
    offset: int = 0
    loading: Dose | None = None
    loading_amount: float | None = None
    start: int = 0
    stop: int | None = None

    @property
    def end(self) -> int | None:
        """Day on which the next cycle would begin, None when the component goes on (``once``: the day after)."""
        if self.schedule.period == 0:
            return self.start + 1
        return None if self.repeats is None else self.start + self.repeats * self.schedule.period

    def days(self, horizon_day: int) -> np.ndarray:
        """Days with a dose, ascending, before `horizon_day` and before the component ends."""
        limit = min(d for d in (horizon_day, self.end, self.stop) if d is not None)
        if limit <= self.start:
            return np.zeros(0, dtype=int)
        within = np.asarray(self.schedule.days, dtype=int) - 1
        if self.schedule.period == 0:
            days = self.start + within
        else:
            cycles = np.arange((limit - self.start - 1) // self.schedule.period + 1)
            days = (self.start + cycles[:, None] * self.schedule.period + within[None, :]).ravel()
        return days[days < limit]

    def __str__(self) -> str:
        words = [self.drug, str(self.dose), self.schedule.text]
        if self.loading is not None:
            words += ["loading", str(self.loading)]
        if self.repeats is not None and self.schedule.period:
            words.append(f"x{self.repeats}")
        if self.offset:
            words.append(f"from d{self.offset + 1}")
        return " ".join(words)


@dataclass(frozen=True)
class Regimen:
    """Drugs, doses and schedules of a treatment, for a patient of given weight, body surface and kidney function.

    Attributes:
        text: normalized regimen string; parsing it again gives the same regimen.
        drugs: drug ids in the order of first mention.
        phases: components by phase.
    """

    text: str
    drugs: tuple[str, ...]
    phases: tuple[tuple[Component, ...], ...] = field(repr=False)

    @property
    def components(self) -> tuple[Component, ...]:
        """All components in order."""
        return tuple(component for phase in self.phases for component in phase)

    @property
    def last_day(self) -> int | None:
        """Day of the last dose, counted from 0; None when the regimen goes on."""
        last = 0
        for c in self.components:
            horizon = min((d for d in (c.end, c.stop) if d is not None), default=None)
            if horizon is None:
                return None
            last = max(last, int(c.days(horizon).max(initial=0)))
        return last

    def doses(self, horizon_day: int) -> np.ndarray:
        """Amount of each drug given on each day: shape (day, drug), in the drug's dose unit.

        Day 0 is the first day of treatment; a twice-daily drug has the sum of both doses; the columns follow `drugs`.

        Raises:
            RegimenError: the horizon is negative.
        """
        if horizon_day < 0:
            raise RegimenError("the horizon cannot be negative", field="horizon_day", value=horizon_day)
        table = np.zeros((horizon_day, len(self.drugs)))
        column = {drug: j for j, drug in enumerate(self.drugs)}
        for c in self.components:
            days = c.days(horizon_day)
            np.add.at(table[:, column[c.drug]], days, c.amount * c.schedule.per_day)
            if c.loading_amount is not None and days.size:
                table[days[0], column[c.drug]] += c.loading_amount - c.amount
        return table

    def __str__(self) -> str:
        return self.text


def _read_dose(text: str, component: str) -> tuple[Dose, str]:
    """Read a dose at the start of `text`; return it and what follows."""
    match = _DOSE.match(text)
    if not match:
        raise _unreadable_dose(text, component, _DOSE_WORDS)
    if match.group("auc"):
        value, unit = float(match.group("auc_value")), "AUC"
    else:
        value, spelled = float(match.group("value")), match.group("unit")
        if not spelled or _is_schedule_word(spelled):
            raise RegimenError("dose without a unit", field=component, value=match.group("value"), valid=_DOSE_WORDS)
        known = _UNITS.get(spelled.lower())
        if known is None:
            raise RegimenError("unknown dose unit", field=component, value=spelled,
                               valid=", ".join(sorted({u for u, _ in _UNITS.values()} | {"AUC"})))  # fmt: skip
        unit = known[0]
    if not np.isfinite(value) or value <= 0.0:
        raise RegimenError("a dose must be a positive number", field=component, value=match.group(0).strip(),
                           valid=_DOSE_WORDS)  # fmt: skip
    return Dose(value, unit), text[match.end() :].strip()


def _unreadable_dose(text: str, component: str, valid: str) -> RegimenError:
    problem = "a dose must be a positive number" if _NOT_FINITE.match(text) else "cannot read the dose"
    return RegimenError(problem, field=component, value=text, valid=valid)


def _count(digits: str) -> int:
    """Read a whole number; one beyond every limit is not read in full, since Python refuses 5000 digits."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) < 10 else 10**9


def _is_schedule_word(word: str) -> bool:
    return bool(re.fullmatch(r"(?i)q\d*[dw]|once|bid|tid|d\d[\d,-]*", word))


def _unknown_schedule(component: str, text: str) -> RegimenError:
    return RegimenError("unknown schedule", field=component, value=text, valid=_SCHEDULE_WORDS)


def _read_schedule(text: str, component: str) -> tuple[Schedule, str]:
    """Read a schedule at the start of `text`; return it and what follows."""
    words = text.split()
    if not words:
        raise RegimenError("schedule is missing", field=component, valid=_SCHEDULE_WORDS)
    first = words[0].lower()
    if first == "once":
        return Schedule((1,), 0, 1, "once"), " ".join(words[1:])
    per_day = _PER_DAY.get(first, 0)
    on_off = words[1] if per_day and len(words) > 1 else first
    match = re.fullmatch(r"(-?\d+)/(-?\d+)", on_off)
    if match:
        on, period = _count(match.group(1)), _count(match.group(2))
        if not 1 <= on <= period <= MAX_CYCLE_DAYS:
            raise RegimenError("days on must lie between 1 and the days in all", field=component, value=on_off,
                               valid=f"21/28 (21 days on of 28), at most {MAX_CYCLE_DAYS} in all")  # fmt: skip
        prefix = f"{first} " if per_day > 1 else ""
        rest = words[2:] if per_day else words[1:]
        return Schedule(tuple(range(1, on + 1)), period, max(per_day, 1), f"{prefix}{on}/{period}"), " ".join(rest)
    if per_day:
        return Schedule((1,), 1, per_day, first), " ".join(words[1:])
    days: tuple[int, ...] = (1,)
    prefix = ""
    consumed = 1
    if re.match(r"d-?\d", first):
        # "d1, 8 q3w" is accepted as "d1,8 q3w": join words until the cycle length appears.
        joined = first
        while consumed < len(words) and not words[consumed].lower().startswith("q"):
            joined += words[consumed].lower()
            consumed += 1
        days = _cycle_days(joined[1:], component)
        if consumed >= len(words):
            raise RegimenError("days of a cycle need the cycle's length", field=component, value=joined,
                               valid=f"'{joined} q3w'")  # fmt: skip
        prefix = "d" + ",".join(str(d) for d in days) + " "
        first = words[consumed].lower()
        consumed += 1
    match = re.fullmatch(r"q(-?\d+|)([dw])", first)
    if not match:
        raise _unknown_schedule(component, text)
    number = _count(match.group(1) or "1")
    period = number * (7 if match.group(2) == "w" else 1)
    if not 1 <= period <= MAX_CYCLE_DAYS:
        raise RegimenError("an interval must be at least one day and at most a year", field=component, value=first,
                           valid=_SCHEDULE_WORDS)  # fmt: skip
    if days[-1] > period:
        raise RegimenError(f"day {days[-1]} lies outside a cycle of {period} days", field=component, value=text,
                           valid=f"days 1 to {period}")  # fmt: skip
    name = "qd" if period == 1 else f"q{number}{match.group(2)}"
    if days == (1,):
        prefix = ""
    return Schedule(days, period, 1, prefix + name), " ".join(words[consumed:])


def _cycle_days(text: str, component: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"d?(-?\d+)(?:-d?(\d+))?", part)
        if not match:
            raise _unknown_schedule(component, "d" + text)
        low = _count(match.group(1))
        high = _count(match.group(2) or match.group(1))
        if not 1 <= low <= high <= MAX_CYCLE_DAYS:
            raise RegimenError(f"days of a cycle count from 1 upward, to at most {MAX_CYCLE_DAYS}", field=component,
                               value=part, valid="d1,8 or d1-5")  # fmt: skip
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def _amount(dose: Dose, drug: Drug, component: str, weight_kg: float, bsa_m2: float, gfr_ml_min: float) -> float:
    """Amount of one administration in the drug's dose unit; refuses a unit that does not fit and an absurd dose."""
    if dose.unit == "AUC":
        if "AUC" not in drug.usual:
            raise RegimenError(f"{drug.id} is not dosed by AUC", field=component, value=str(dose), valid=drug.usual)
        amount = dose.value * (gfr_ml_min + 25.0)  # Calvert et al. 1989; AUC in mg/mL x min, GFR in mL/min
    else:
        base, _, per = dose.unit.partition("/")
        if dict(_UNITS.values())[dose.unit] != _FAMILY[drug.dose_unit]:
            raise RegimenError(f"the unit does not fit {drug.id}, which is given in {drug.dose_unit}", field=component,
                               value=str(dose), valid=drug.usual)  # fmt: skip
        amount = dose.value * {"": 1.0, "kg": weight_kg, "m2": bsa_m2}[per]
        if _FAMILY[drug.dose_unit] == "mass":
            amount *= _TO_MG[base] / _TO_MG[drug.dose_unit]
    ceiling = MAX_OVER_USUAL * drug.usual_max_single_dose
    if amount > ceiling * (1.0 + 1e-9):
        raise RegimenError(
            f"{dose} is {amount:.6g} {drug.dose_unit}, more than ten times the usual maximum of {drug.id}",
            field=component,
            value=str(dose),
            valid=f"at most {ceiling:.6g} {drug.dose_unit}; usual: {drug.usual}",
        )
    return amount


def _read_component(text: str, knowledge: Knowledge, weight_kg: float, bsa_m2: float, gfr_ml_min: float) -> Component:
    """Read one ``DRUG DOSE SCHEDULE [loading DOSE] [xN] [from dK]``; its start day is set by the caller."""
    text = " ".join(text.split())
    if not text:
        raise RegimenError("a component is empty", field="regimen", value=text, valid="DRUG DOSE SCHEDULE")
    drug, rest = _drug_and_rest(text, knowledge)
    limits = (weight_kg, bsa_m2, gfr_ml_min)
    dose, rest = _read_dose(rest, text)
    amount = _amount(dose, drug, text, *limits)
    schedule, rest = _read_schedule(rest, text)
    repeats: int | None = None
    offset = 0
    loading: Dose | None = None
    loading_amount: float | None = None
    seen: set[str] = set()
    while rest:
        word, _, after = rest.partition(" ")
        kind = re.match(r"(?i)loading$|from$|x", word)
        option = kind.group(0).lower() if kind else ""
        if not option or option in seen:
            raise RegimenError("cannot read what follows the schedule" if not option else f"'{option}' given twice",
                               field=text, value=rest, valid="x4, loading 400 mg, from d15")  # fmt: skip
        seen.add(option)
        if option == "x":
            count = re.fullmatch(r"(?i)x(\d+)", word)
            repeats = _count(count.group(1)) if count else 0
            if repeats < 1 or (schedule.period == 0 and repeats != 1):
                raise RegimenError("the number of repeats must be a whole number of at least 1 (and 'once' does not "
                                   "repeat)", field=text, value=word, valid="x4")  # fmt: skip
            if repeats * schedule.period > MAX_DAYS:
                raise RegimenError("the repeats last more than a century", field=text, value=word,
                                   valid=f"at most x{MAX_DAYS // schedule.period}")  # fmt: skip
            rest = after
        elif option == "from":
            day_word, _, rest = after.partition(" ")
            day = re.fullmatch(r"(?i)d?(\d+)", day_word)
            if not day or not 1 <= _count(day.group(1)) <= MAX_DAYS:
                raise RegimenError("'from' needs a day, counted from 1 and within a century", field=text,
                                   value=day_word, valid="from d15")  # fmt: skip
            offset = _count(day.group(1)) - 1
        else:
            loading, rest = _read_dose(after, text)
            loading_amount = _amount(loading, drug, text, *limits)
    if schedule.period == 0:
        repeats = 1
    if loading is not None and repeats == 1 and len(schedule.days) == 1:
        raise RegimenError("a loading dose takes the place of the first of several doses, and there is only one",
                           field=text, value=f"loading {loading}", valid=f"{drug.id} {loading} once")  # fmt: skip
    return Component(drug.id, dose, amount, schedule, repeats, offset, loading, loading_amount)


def _drug_and_rest(text: str, knowledge: Knowledge) -> tuple[Drug, str]:
    """Split off the drug's name; names may hold spaces and digits (``interferon alfa 2b``): longest first."""
    words = text.split(" ")
    longest = min(len(words), MAX_NAME_WORDS)
    for n in range(min(longest, len(words) - 1), 0, -1):
        tail = " ".join(words[n:])
        if _DOSE.match(tail):
            try:
                drug = knowledge.drug(" ".join(words[:n]))
            except InputError:
                continue
            if not any(c.isalnum() for c in words[n - 1]):
                # Look-up ignores signs, so the minus of "nivolumab - 240 mg" would be lost as part of the name.
                raise _unreadable_dose(" ".join(words[n - 1 :]), text, drug.usual)
            return drug, tail
    match = _COMPONENT.match(text)
    name = match.group("drug") if match else text
    if not match:
        # Perhaps the drug is known and the dose is missing; show the usual one. "nivolumab q2w" lands here.
        for n in range(longest, 0, -1):
            try:
                drug = knowledge.drug(" ".join(words[:n]))
            except InputError:
                continue
            if n == len(words) or _is_schedule_word(words[n]):
                raise RegimenError("dose is missing", field=text, value=" ".join(words[n:]) or None, valid=drug.usual)
            raise _unreadable_dose(" ".join(words[n:]), text, drug.usual)
        name = words[0]
    try:
        drug = knowledge.drug(name)
    except InputError as error:
        raise RegimenError("unknown drug", field=text, value=name, valid=error.valid) from None
    return drug, match.group("rest") if match else ""


def _next_start(phase: list[Component], following: list[Component], text: str) -> int:
    """Start day of the phase after `then`: one interval after the last dose of the longest limited component."""
    ends = []
    for c in phase:
        if c.schedule.period == 0:
            same = [f.schedule.period for f in following if f.drug == c.drug and f.schedule.period]
            ends.append(c.start + (same[0] if same else 1))
        elif c.end is not None:
            ends.append(c.end)
    if not ends:
        raise RegimenError("nothing ends before 'then'", field="regimen", value=text,
                           valid="a number of repeats such as x4, or 'once', in the phase before 'then'")  # fmt: skip
    return max(ends)


def parse_regimen(
    text: str, knowledge: Knowledge, *, weight_kg: float = 75.0, bsa_m2: float = 1.9, gfr_ml_min: float = 90.0
) -> Regimen:
    """Read a regimen string such as ``nivolumab 240 mg q2w + ipilimumab 1 mg/kg q6w``.

    Args:
        text: the regimen; the grammar is in the module's docstring.
        knowledge: catalogue that knows the drugs, their dose units and usual maxima.
        weight_kg, bsa_m2, gfr_ml_min: body weight, body surface and glomerular filtration rate, for doses per kg,
            per square meter and by AUC (Calvert).

    Raises:
        RegimenError: unknown drug (with near misses), dose without unit or with one that does not fit, dose above ten
            times the usual maximum, unknown schedule, a component that is never given, empty or overlong text.
    """
    # Assumed limits above any patient; they catch grams and square centimeters.
    for name, value, most in (("weight_kg", weight_kg, 1000), ("bsa_m2", bsa_m2, 10), ("gfr_ml_min", gfr_ml_min, 1000)):
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value <= most:
            raise RegimenError("must be a positive number that a patient can have", field=name, value=value,
                               valid=f"above 0, at most {most}")  # fmt: skip
    if not isinstance(text, str):
        raise RegimenError("a regimen is text", field="regimen", value=type(text).__name__,
                           valid="'nivolumab 240 mg q2w'")  # fmt: skip
    _refuse_overlong(text)
    text = text.translate(_TYPESET)
    if not text.strip():
        raise RegimenError("the regimen is empty", field="regimen", value=text, valid="'nivolumab 240 mg q2w'")
    parsed: list[list[Component]] = []
    for phase_text in re.split(r"(?i)(?:^|\s+)then(?:\s+|$)", text.strip()):
        # "1e+8 cells" and "1.e+8 cells" hold a plus that joins nothing, hence the look-behind.
        parts = re.split(r"\s*(?<![\d.][eE])\+\s*", phase_text.strip())
        if not all(part.strip() for part in parts):
            raise RegimenError(
                "a component is empty", field="regimen", value=text, valid="DRUG DOSE SCHEDULE + DRUG DOSE SCHEDULE"
            )
        phase = [_read_component(part, knowledge, weight_kg, bsa_m2, gfr_ml_min) for part in parts]
        if len({c.drug for c in phase}) < len(phase):
            twice = next(c.drug for i, c in enumerate(phase) if c.drug in {d.drug for d in phase[:i]})
            both = " + ".join(str(c) for c in phase if c.drug == twice)
            raise RegimenError(f"{twice} appears twice in one phase", field="regimen", value=both,
                               valid="one component a drug; sequence them with 'then'")  # fmt: skip
        parsed.append(phase)

    timed: list[list[Component]] = []
    start = 0
    for i, phase in enumerate(parsed):
        if i:
            start = _next_start(timed[-1], phase, text)
        timed.append([_with(c, start=start + c.offset) for c in phase])
    phases = []
    for i, phase in enumerate(timed):
        # A drug named again in a later phase changes over to it; otherwise an unlimited one would be given twice.
        later = [{c.drug: c.start for c in phase_} for phase_ in timed[i + 1 :]]
        phases.append(tuple(_with(c, stop=next((p[c.drug] for p in later if c.drug in p), None)) for c in phase))
        for c in phases[-1]:
            if c.stop is not None and not c.days(c.stop).size:
                raise RegimenError(f"never given: a later phase starts {c.drug} again on day {c.stop + 1}",
                                   field="regimen", value=str(c),
                                   valid=f"a first dose before day {c.stop + 1}, or a longer phase")  # fmt: skip
    drugs = tuple(dict.fromkeys(c.drug for phase in phases for c in phase))
    normalized = " then ".join(" + ".join(str(c) for c in phase) for phase in phases)
    _refuse_overlong(normalized)  # "d1-366" lists its days here; what is given out must read back
    return Regimen(normalized, drugs, tuple(phases))


def _refuse_overlong(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise RegimenError("the regimen is too long", field="regimen", value=f"{text[:40]}...",
                           valid=f"at most {MAX_CHARACTERS} characters, days listed one by one")  # fmt: skip


def _with(component: Component, **changes: int | None) -> Component:
    from dataclasses import replace

    return replace(component, **changes)  # type: ignore[arg-type]
