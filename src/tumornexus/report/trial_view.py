"""What the report of a virtual trial shows, read from the trial's tables; figures draw from here and count nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.report import words
from tumornexus.report.style import MUTED

# Okabe-Ito, two of them darkened for thin lines on white; gray is the arm that others are compared with.
ARM_COLORS = ("#0072b2", "#d55e00", "#009e73", "#a8488a", "#b07c00", "#3d9ad1", "#7a4b2a")
DASHES = (None, "7 3", "2 2.5")

RESPONSES = ("CR", "PR", "SD", "PD", "NE")
RESPONSE_WORDS = {"CR": "complete response", "PR": "partial response", "SD": "stable disease",
                  "PD": "progressive disease", "NE": "not evaluable"}  # fmt: skip
PROGRESSED = ("target", "new lesion", "non-target")
RESISTANCE = ("primary", "secondary")

NEEDED = ("arm", "patient", "best", "change_percent", "pfs_days", "pfs_event", "os_days", "os_event", "response_day",
          "dor_days", "reason", "resistance", "cause", "ae3_day", "base_mm")  # fmt: skip
NEEDED_SCANS = ("arm", "patient", "day", "sum_mm", "response")


@dataclass(frozen=True)
class TrialArm:
    """One arm as it is shown.

    Attributes:
        name: as the trial calls it.
        key: what joins its marks on the page.
        color, dash: of its lines in every figure.
        table: its patients, ordered by number.
        scans: its scans, ordered by patient and day.
        estimates: name of an endpoint to estimate, low, high (percent or months; None where not reached).
        ratios: "pfs" and "os" to the hazard ratio against the reference; empty for the reference.
        reference: whether the others are compared with it.
    """

    name: str
    key: str
    color: str
    dash: str | None
    table: pd.DataFrame
    scans: pd.DataFrame
    estimates: Mapping[str, Mapping[str, float | None]]
    ratios: Mapping[str, Mapping[str, float | None]]
    reference: bool

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.table)

    def best(self) -> dict[str, int]:
        """Return how many patients have each best response."""
        found = self.table["best"].value_counts()
        return {name: int(found.get(name, 0)) for name in RESPONSES}

    @property
    def responders(self) -> int:
        """Number of patients with a complete or partial response."""
        return int(self.table["best"].isin(("CR", "PR")).sum())

    def resistant(self) -> pd.DataFrame:
        """Return count of patients by cause (rows, "" for none that dominates) and kind of resistance (columns)."""
        own = self.table[self.table["resistance"].isin(RESISTANCE)]
        counted = pd.crosstab(own["cause"], own["resistance"])
        return counted.reindex(columns=list(RESISTANCE), fill_value=0).astype(int)

    def estimate(self, name: str) -> tuple[float | None, float | None, float | None]:
        """Return estimate, low and high of an endpoint; None where not reached or not told."""
        return _triple(self.estimates.get(name))

    def ratio(self, name: str) -> tuple[float | None, float | None, float | None]:
        """Return hazard ratio, low and high for "pfs" or "os"."""
        return _triple(self.ratios.get(name))


@dataclass(frozen=True)
class TrialView:
    """All that a page shows of a virtual trial.

    Attributes:
        title: name of the trial.
        arms: in the trial's order; the last one is the reference where there are several.
        horizon: longest follow-up, months.
        facts: label and value pairs for the head of the page.
        notes: what the run reported about itself.
        manifest: name and text pairs.
        cause_names: mechanism id to its name.
        simulated_n: patients an arm for which the intervals hold, of ``endpoints.json``.
    """

    title: str
    arms: tuple[TrialArm, ...]
    horizon: float
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    manifest: tuple[tuple[str, str], ...] = ()
    cause_names: Mapping[str, str] = field(default_factory=dict)
    simulated_n: int = 0

    @property
    def reference(self) -> TrialArm | None:
        """The arm that others are compared with; None where there is only one."""
        return next((a for a in self.arms if a.reference), None)

    def cause(self, ident: str) -> str:
        """Return a mechanism's name, or its id in readable form."""
        return self.cause_names.get(ident) or ident.replace("_", " ")


def build_trial_view(
    patients: pd.DataFrame,
    scans: pd.DataFrame,
    endpoints: Mapping[str, Any],
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    cause_names: Mapping[str, str] | None = None,
    manifest: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> TrialView:
    """Read the tables of a trial into what its report shows.

    Args:
        patients: a row a patient and arm; columns of `NEEDED` at least.
        scans: a row a scan; columns of `NEEDED_SCANS` at least.
        endpoints: layout of ``endpoints.json``; arms in the trial's order, the last one being the reference.
        title: name of the trial.
        facts: label and value pairs for the head of the page.
        cause_names: mechanism id to its name.
        manifest: what produced the result.
        notes: what the run reported about itself.

    Raises:
        InputError: a column is missing, there are no patients, the arms of tables and endpoints differ, or a patient
            has a best response that is not known.
    """
    for table, name, needed in ((patients, "patients", NEEDED), (scans, "scans", NEEDED_SCANS)):
        missing = [c for c in needed if c not in table]
        if missing:
            hint = f"columns {', '.join(needed)}"
            raise InputError(f"the table of {name} lacks a column", field=missing[0], valid=hint)
    names = list(endpoints.get("arms", {}))
    seen = list(dict.fromkeys(patients["arm"]))
    if not names or not seen:
        raise InputError("a trial without patients cannot be reported", field="arms", value=names or seen)
    for arm in (*seen, *dict.fromkeys(scans["arm"])):
        if arm not in names:
            raise InputError(
                "an arm of the tables that the endpoints do not know", value=arm, valid=near_misses(arm, names)
            )
    lost = [arm for arm in names if arm not in seen]
    if lost:
        raise InputError("an arm of the endpoints without patients", value=lost[0], valid=", ".join(seen))
    strange = sorted(set(patients["best"].astype(str)) - set(RESPONSES))
    if strange:
        raise InputError("no best response", field="best", value=strange[0], valid=", ".join(RESPONSES))
    arms = tuple(_arm(i, names, patients, scans, endpoints) for i in range(len(names)))
    days = patients[["os_days", "pfs_days"]].to_numpy(float)
    longest = float(np.nanmax(days)) if np.isfinite(days).any() else 0.0
    return TrialView(
        title=title,
        arms=arms,
        horizon=max(1.0, math.ceil(longest / words.DAYS_PER_MONTH - 0.05)),
        facts=tuple((str(a), str(b)) for a, b in facts),
        notes=(*notes, *_own_notes(arms)),
        manifest=tuple((key, _said(value)) for key, value in (manifest or {}).items()),
        cause_names=dict(cause_names or {}),
        simulated_n=int(endpoints.get("n", len(arms[0].table))),
    )


def _arm(
    i: int, names: list[str], patients: pd.DataFrame, scans: pd.DataFrame, endpoints: Mapping[str, Any]
) -> TrialArm:
    name, several = names[i], len(names) > 1
    reference = several and i == len(names) - 1
    own = scans[scans["arm"] == name].sort_values(["patient", "day"], kind="stable")
    return TrialArm(
        name=name,
        key=f"arm-{i}",
        color=MUTED if reference else ARM_COLORS[i % len(ARM_COLORS)],
        dash=None if reference else DASHES[i // len(ARM_COLORS) % len(DASHES)],
        table=patients[patients["arm"] == name].sort_values("patient", kind="stable").reset_index(drop=True),
        scans=own.reset_index(drop=True),
        estimates=endpoints["arms"][name],
        ratios={} if reference else endpoints.get("hazard_ratios", {}).get(name, {}),
        reference=reference,
    )


def _own_notes(arms: Sequence[TrialArm]) -> list[str]:
    """Say what the figures leave out."""
    out = []
    for arm in arms:
        failed = int((arm.table["reason"] == "numerical failure").sum())
        unmeasured = int(arm.table["change_percent"].isna().sum())
        if failed:
            out.append(f"{arm.name}: {failed} of {arm.n} patients failed numerically.")
        if unmeasured:
            out.append(f"{arm.name}: {unmeasured} of {arm.n} patients have no scan after baseline and no bar.")
    return out


def _triple(told: Mapping[str, float | None] | None) -> tuple[float | None, float | None, float | None]:
    values = [(told or {}).get(name) for name in ("estimate", "low", "high")]
    a, b, c = (float(v) if v is not None and math.isfinite(v) else None for v in values)
    return a, b, c


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_said(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        return " ".join(_said(v) for v in value)
    return str(value)


def with_interval(
    told: tuple[float | None, float | None, float | None], digits: int = 0, unit: str = "", missing: str = "not reached"
) -> str:
    """Write an estimate with its interval, such as ``44% (38–50)``; what is not reached says so."""
    value, low, high = told
    if value is None and low is None and high is None:
        return missing
    head = missing if value is None else f"{value:.{digits}f}{unit}"
    if low is None and high is None:
        return head
    ends = [missing if v is None else f"{v:.{digits}f}" for v in (low, high)]
    return f"{head} ({ends[0]}–{ends[1]})"


def hazard_ratio(told: tuple[float | None, float | None, float | None]) -> str:
    """Write a hazard ratio with its interval; an end that cannot be estimated is NE."""
    return "not estimable" if told == (None, None, None) else with_interval(told, 2, missing="NE")
