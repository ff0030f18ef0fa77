"""Serial readings of one patient: lesion diameters and tumor DNA in plasma, with the treatment that was given.

``lesions.tsv[.gz]``: ``lesion``, ``day`` (from the start of treatment) or ``date``, ``diameter_mm``, and optionally
``organ``. ``ctdna.tsv[.gz]``: ``day`` or ``date``, and ``fraction`` (of plasma DNA, 0 to 1) or ``ge_per_ml`` (haploid
genome equivalents of tumor DNA per mL of plasma), optionally ``limit`` (of detection, same unit). In a cohort both have
a column ``sample`` or ``patient``. The regimen given is the fact ``regimen`` (a regimen string), the start of treatment
the fact ``treatment_start`` (a date), which dates need.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.patient import Patient
from tumornexus.io.tables import find_table, read_text_table, to_number

SERIAL_FILES = ("lesions", "ctdna")
"""Fields of ``patient.toml`` and ``cohort.toml`` that this module reads."""
LONGEST_DAYS = 728.0  # what is simulated
OLDEST_DAYS = -365.0  # an older scan says little about the tumor at the start of treatment
MEASURABLE_MM = 10.0  # RECIST 1.1: smallest lesion that counts as measurable on CT
LARGEST_MM = 400.0
SAME_SUM = 0.1  # relative difference up to which a stated sum agrees with the table of lesions
_COLUMNS = {
    "lesions": ("sample", "patient", "lesion", "organ", "day", "date", "diameter_mm", "note"),
    "ctdna": ("sample", "patient", "day", "date", "fraction", "ge_per_ml", "limit", "note"),
}


@dataclass(frozen=True, eq=False)
class Serial:
    """Serial readings of one patient, sorted by day.

    `lesions`: columns lesion, organ, day, diameter_mm; `ctdna`: day, value, limit (NaN where none), in `ctdna_unit`
    (``fraction`` or ``ge_per_ml``); each None when there is no such file. `notes`: what was left out.
    """

    lesions: pd.DataFrame | None = None
    ctdna: pd.DataFrame | None = None
    ctdna_unit: str = "fraction"
    notes: tuple[str, ...] = ()

    def diameters(self) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Return days (reading,), sums of target diameters in mm (reading,), and notes; the first is day 0, baseline.

        Targets are the lesions of at least 10 mm at the last scan up to day 0. On a day on which only some of them were
        measured, their sum is scaled by the share that they had at baseline. Lesions first seen later are not targets.
        """
        if self.lesions is None or self.lesions.empty:
            return np.zeros(0), np.zeros(0), []
        wide = self.lesions.pivot(index="day", columns="lesion", values="diameter_mm").sort_index()
        before = wide[wide.index <= 0.0].ffill()
        base = before.iloc[-1]
        target = base[base >= MEASURABLE_MM]
        small, new = int((base < MEASURABLE_MM).sum()), int(base.isna().sum())
        notes = []
        if small:
            notes.append(f"{small} lesions under {MEASURABLE_MM:g} mm at baseline are not in the sum of diameters")
        if new:
            notes.append(f"{new} lesions first seen on treatment are not in the sum of diameters (new lesions)")
        if len(before) > 1:
            notes.append(f"{len(before) - 1} scans before the last one up to day 0 are not used, except for lesions "
                         "that were measured on them alone")  # fmt: skip
        days, sums, partial = [0.0], [float(target.sum())], 0
        for day, row in wide[wide.index > 0.0][target.index].iterrows():
            seen = row.dropna()
            if seen.empty:
                continue
            partial += int(len(seen) < len(target))
            days.append(float(str(day)))
            sums.append(float(target.sum() * seen.sum() / target[seen.index].sum()))
        if partial:
            notes.append(f"on {partial} days not all target lesions were measured; their sum was scaled")
        return np.array(days), np.array(sums), notes

    def plasma(self) -> pd.DataFrame:
        """Return the readings of plasma DNA from the last one up to day 0 on, which counts as day 0."""
        if self.ctdna is None:
            return pd.DataFrame(columns=["day", "value", "limit"])
        before = self.ctdna[self.ctdna["day"] <= 0.0].tail(1).assign(day=0.0)
        return pd.concat([before, self.ctdna[self.ctdna["day"] > 0.0]])

    @property
    def targets(self) -> tuple[int, float]:
        """Number of target lesions and the sum of their diameters at baseline, mm."""
        if self.lesions is None or self.lesions.empty:
            return 0, 0.0
        wide = self.lesions[self.lesions["day"] <= 0].sort_values("day").groupby("lesion")["diameter_mm"].last()
        wide = wide[wide >= MEASURABLE_MM]
        return len(wide), float(wide.sum())


def _file(kind: str, stated: Mapping[str, Any], folder: Path, settings: Path) -> Path | None:
    name = stated.get(kind)
    if name is None:
        return find_table(folder, kind)
    if not isinstance(name, str):
        raise InputError("not the name of a file", file=settings, field=kind, value=name, valid=f'{kind} = "..."')
    return folder / name


def with_serial(patient: Patient, stated: Mapping[str, Any], folder: Path) -> Patient:
    """Return the patient of a patient folder with its serial readings; `stated` are the fields of patient.toml."""
    paths = {kind: _file(kind, stated, folder, folder / "patient.toml") for kind in SERIAL_FILES}
    tables = {kind: _table(kind, path) for kind, path in paths.items() if path is not None}
    return _with_tables(patient, tables, {k: p for k, p in paths.items() if p is not None}, alone=True)


def serial_of_cohort(
    patients: Sequence[Patient], stated: Mapping[str, Any], folder: Path, every: Collection[str]
) -> tuple[Patient, ...]:
    """Return the patients of a cohort with their serial readings; `every`: ids of all its samples and patients.

    Raises:
        InputError: what `with_serial` raises, or rows of which none belongs to the cohort.
    """
    paths = {kind: _file(kind, stated, folder, folder / "cohort.toml") for kind in SERIAL_FILES}
    tables = {kind: _table(kind, path) for kind, path in paths.items() if path is not None}
    notes = []
    for kind, table in tables.items():
        path = paths[kind]
        key = _key(table)
        if key is None:
            raise InputError("the table needs a sample or patient column", file=path, field="sample",
                             value=", ".join(table.columns[:6]), valid="a column sample or patient")  # fmt: skip
        named = {str(v) for v in table[key]}
        foreign = sorted(named - set(every))
        if len(foreign) == len(named):
            raise InputError(f"no {key} of this table belongs to the cohort", file=path, field=key,
                             value=", ".join(foreign[:5]), valid=near_misses(foreign[0], every))  # fmt: skip
        if foreign:
            notes.append(f"{kind}: {len(foreign)} {key}s belong to nobody of the cohort: {', '.join(foreign[:5])}")
    known = {k: p for k, p in paths.items() if p is not None}
    done = [_with_tables(p, tables, known, alone=False) for p in patients]
    return tuple(replace(p, notes=(*notes, *p.notes)) if notes else p for p in done)


def _key(table: pd.DataFrame) -> str | None:
    return next((c for c in ("sample", "patient") if c in table.columns), None)


def _table(kind: str, path: Path) -> pd.DataFrame:
    """Read a table as text and check its columns."""
    table = read_text_table(path, required=("lesion", "diameter_mm") if kind == "lesions" else ())
    for column in table.columns:
        if column not in _COLUMNS[kind]:
            valid = ", ".join(_COLUMNS[kind])
            if column.endswith("_cm") or column.endswith("_percent"):
                valid = "diameter_mm, in millimeters" if kind == "lesions" else "fraction, 0 to 1"
            raise InputError("unknown column", file=path, field=column, value=column, valid=valid)
    if ("day" in table.columns) == ("date" in table.columns):
        raise InputError("one column of days or one of dates is needed", file=path, field="day",
                         value=", ".join(table.columns), valid="day (from the start of treatment) or date")  # fmt: skip
    if kind == "ctdna" and ("fraction" in table.columns) == ("ge_per_ml" in table.columns):
        raise InputError("one column of readings is needed", file=path, field="fraction",
                         value=", ".join(table.columns), valid="fraction (0 to 1) or ge_per_ml")  # fmt: skip
    if table.empty:
        raise InputError("the table has a header and no rows", file=path, valid="at least one reading")
    return table


def _with_tables(
    patient: Patient, tables: Mapping[str, pd.DataFrame], paths: Mapping[str, Path], *, alone: bool
) -> Patient:
    keys = (patient.sample, patient.patient)
    found: dict[str, pd.DataFrame] = {}
    for kind, table in tables.items():
        key = _key(table)
        rows = table if key is None else table[table[key].isin(keys)]
        if alone and rows.empty:
            named = ", ".join(sorted({str(v) for v in table[key]})[:5])
            raise InputError("no row of this table belongs to the patient", file=paths[kind], field=str(key),
                             value=named, valid=" or ".join(keys))  # fmt: skip
        if not rows.empty:
            found[kind] = rows
    if not found:
        return patient
    start = _start(patient)
    lesions = _lesions(found["lesions"], paths["lesions"], start) if "lesions" in found else None
    ctdna, unit = _ctdna(found["ctdna"], paths["ctdna"], start) if "ctdna" in found else (None, "fraction")
    serial = Serial(lesions, ctdna, unit)
    facts, notes = dict(patient.clinical), list(serial.diameters()[2])
    unused = 0 if ctdna is None else len(ctdna) - len(serial.plasma())
    if unused:
        notes.append(f"{unused} readings of plasma DNA before the last one up to day 0 are not used")
    n, total = serial.targets
    if n:
        stated = facts.get("lesion_sum_mm")
        if not isinstance(stated, (int, float)):
            facts["lesion_sum_mm"], facts["lesion_count"] = total, float(n)
        elif abs(float(stated) - total) > SAME_SUM * total:
            notes.append(
                f"the stated sum of diameters ({stated:g} mm) is not that of the target lesions at baseline ({total:g} "
                "mm); the stated one gives the burden, the readings the change"
            )
    return replace(patient, clinical=facts, serial=replace(serial, notes=tuple(notes)), notes=(*patient.notes, *notes))


def _start(patient: Patient) -> datetime.date | None:
    stated = patient.clinical.get("treatment_start")
    return None if stated is None else _date(stated, patient.source, "treatment_start")


def _date(value: object, path: Path, field: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(str(value).strip()[:10])
    except ValueError:
        raise InputError("not a date", file=path, field=field, value=value, valid="YYYY-MM-DD") from None


def _days(table: pd.DataFrame, path: Path, start: datetime.date | None) -> np.ndarray:
    """Return days from the start of treatment, checked."""
    if "date" in table.columns and start is None:
        raise InputError("dates need the start of treatment", file=path, field="date", value=table["date"].iloc[0],
                         valid="treatment_start = 2024-01-15 (patient.toml or clinical table), or days")  # fmt: skip
    out = []
    for i in range(len(table)):
        if "date" in table.columns:
            day = float((_date(table["date"].iloc[i], path, "date") - start).days)  # type: ignore[operator]
        else:
            day = _number(table["day"].iloc[i], path, "day", "a number of days from the start of treatment")
        if not OLDEST_DAYS <= day <= LONGEST_DAYS:
            raise InputError("a day beyond what is simulated", file=path, field="date" if "date" in table else "day",
                             value=day, valid=f"{OLDEST_DAYS:g} to {LONGEST_DAYS:g} days from the start")  # fmt: skip
        out.append(day)
    return np.array(out)


def _number(value: Any, path: Path, field: str, valid: str) -> float:
    number = to_number(value, path, field, valid)
    if number is None:
        raise InputError("a reading without a value", file=path, field=field, value=value or "",
                         valid=f"{valid}; leave out the row of what was not measured")  # fmt: skip
    return number


def _lesions(table: pd.DataFrame, path: Path, start: datetime.date | None) -> pd.DataFrame:
    valid = f"0 to {LARGEST_MM:g} (mm; 0 where the lesion is gone)"
    days = _days(table, path, start)
    sizes = np.array([_number(v, path, "diameter_mm", valid) for v in table["diameter_mm"]])
    for size in sizes:
        if not 0.0 <= size <= LARGEST_MM:
            raise InputError("a diameter outside what is possible", file=path, field="diameter_mm", value=size,
                             valid=valid)  # fmt: skip
    names = [str(n or "").strip() for n in table["lesion"]]
    if "" in names:
        raise InputError("a reading of no lesion", file=path, field="lesion", value="", valid="a name on each row")
    organs = list(table["organ"]) if "organ" in table.columns else [None] * len(table)
    out = pd.DataFrame({"lesion": names, "organ": organs, "day": days, "diameter_mm": sizes})
    twice = out[out.duplicated(["lesion", "day"])]
    if len(twice):
        which = f"{twice['lesion'].iloc[0]}, day {twice['day'].iloc[0]:g}"
        raise InputError("a lesion was read twice on one day", file=path, field="day", value=which,
                         valid="one reading a day")  # fmt: skip
    base = out[out["day"] <= 0].sort_values("day").groupby("lesion")["diameter_mm"].last()
    if base.empty:
        raise InputError("no lesion was measured before treatment", file=path, field="day", value=float(days.min()),
                         valid="a baseline reading (day 0 or before)")  # fmt: skip
    if base.max() < MEASURABLE_MM:
        valid = f"at least one of {MEASURABLE_MM:g} mm; are these centimeters? Then multiply by 10"
        raise InputError("no lesion of measurable size at baseline", file=path, field="diameter_mm",
                         value=float(base.max()), valid=valid)  # fmt: skip
    return out.sort_values(["day", "lesion"]).reset_index(drop=True)


def _ctdna(table: pd.DataFrame, path: Path, start: datetime.date | None) -> tuple[pd.DataFrame, str]:
    unit = "fraction" if "fraction" in table.columns else "ge_per_ml"
    highest = 1.0 if unit == "fraction" else 1e7
    valid = "0 to 1 (a percentage divided by 100)" if unit == "fraction" else f"0 to {highest:g} per mL"
    days = _days(table, path, start)
    values = [_number(v, path, unit, valid) for v in table[unit]]
    limits = [to_number(v, path, "limit", valid) for v in table["limit"]] if "limit" in table else [None] * len(table)
    for value, limit in zip(values, limits, strict=True):
        for field, number in ((unit, value), ("limit", limit)):
            if number is not None and not 0.0 <= number <= highest:
                raise InputError("a value outside what is possible", file=path, field=field, value=number, valid=valid)
        if value == 0.0 and not limit:
            raise InputError("no tumor DNA found, and no limit of detection", file=path, field="limit", value=value,
                             valid=f"a column limit: the smallest {unit} that the assay finds")  # fmt: skip
    out = pd.DataFrame({"day": days, "value": values, "limit": [math.nan if v is None else v for v in limits]})
    twice = out.loc[out["day"].duplicated(), "day"]
    if len(twice):
        raise InputError("two readings of one day", file=path, field="day", value=float(twice.iloc[0]),
                         valid="one reading a day")  # fmt: skip
    return out.sort_values("day").reset_index(drop=True), unit
