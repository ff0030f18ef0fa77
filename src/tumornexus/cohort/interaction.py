"""Predictive or prognostic: does a marker change what the treatment does, or the course whatever is given?

On randomized arms, in strata s (trials),

    h(t) = h0_s(t) exp(a T + b z + c T z + covariates),   T = 1 under the treatment, 0 under control

b is what the marker says under control (prognostic), b + c what it says under the treatment, and c, the log of the
ratio of hazard ratios, says whether it is predictive: only c compares like with like, because an association within one
arm holds b as well. The same form with the log odds of response (weak normal prior, standard deviation 2.5, on all but
the intercepts) serves where the endpoint is a response. Cox models by lifelines.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from tumornexus.cohort.association import PRIOR_SD, Z975, benjamini_hochberg
from tumornexus.cohort.survival import FEWEST_EVENTS, NO_MAXIMUM, lifelines
from tumornexus.errors import InputError, near_misses

NAN = float("nan")


@dataclass(frozen=True)
class Effect:
    """A log ratio with standard error; `ratio`, `low`, `high` are on the scale of the ratio, 95 %."""

    log: float
    se: float

    @property
    def ratio(self) -> float:
        """Hazard or odds ratio."""
        return math.exp(self.log)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return math.exp(self.log - Z975 * self.se)

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return math.exp(self.log + Z975 * self.se)

    @property
    def p(self) -> float:
        """Two-sided p (Wald)."""
        return 2.0 * float(ndtr(-abs(self.log / self.se))) if math.isfinite(self.log) else NAN


@dataclass(frozen=True)
class Interaction:
    """What a marker says in each arm, and whether it changes the treatment's effect.

    Attributes:
        interaction: treatment effect per unit of the marker (ratio of ratios): the predictive part.
        under_control, under_treatment: ratio per unit of the marker within each arm.
        treatment_low, treatment_high: ratio of treatment to control at the marker's low and high value.
        n, events: patients and events (or responders) that took part.
        note: why nothing could be said, else empty.
    """

    interaction: Effect
    under_control: Effect
    under_treatment: Effect
    treatment_low: Effect
    treatment_high: Effect
    n: int
    events: int
    note: str = ""


def _nothing(n: int, events: int, note: str) -> Interaction:
    empty = Effect(NAN, NAN)
    return Interaction(empty, empty, empty, empty, empty, n, events, note)


def _combined(coefficients: np.ndarray, covariance: np.ndarray, ends: tuple[float, float]) -> tuple[Effect, ...]:
    """Effects that follow from (a, b, c) and their covariance (3, 3); `ends` are the marker's low and high value."""
    weights = ((0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, ends[0]), (1, 0, ends[1]))
    rows = np.array(weights, dtype=float)
    return tuple(Effect(float(w @ coefficients), math.sqrt(max(float(w @ covariance @ w), 0.0))) for w in rows)


def _ready(columns: dict[str, Any], covariates: pd.DataFrame | None) -> tuple[pd.DataFrame, list[str], str]:
    """Rows without missing values, the covariates' names, and why no model can be fitted (else empty)."""
    table = pd.DataFrame({k: np.asarray(v) for k, v in columns.items()})
    extra: list[str] = []
    if covariates is not None:
        extra = [f"covariate_{c}" for c in covariates.columns]
        table[extra] = np.asarray(covariates, dtype=float)
    numbers = [c for c in table if c != "stratum"]
    table[numbers] = table[numbers].astype(float)
    table = table.dropna().reset_index(drop=True)
    arms = table["treated"].isin((0.0, 1.0))
    if not bool(arms.all()):
        raise InputError("an arm that is neither treatment nor control", field="treated", valid="True or False")
    if table["treated"].nunique() < 2:
        return table, extra, "only one arm has the marker"
    if float(table["marker"].std()) < 1e-9:
        return table, extra, "the marker does not vary"
    return table, extra, ""


def _ends(marker: pd.Series) -> tuple[float, float]:
    """Low and high value of a marker: its two values, else one standard deviation to each side of the mean."""
    values = sorted(marker.unique())
    if len(values) == 2:
        return float(values[0]), float(values[1])
    return float(marker.mean() - marker.std(ddof=0)), float(marker.mean() + marker.std(ddof=0))


def _thin(table: pd.DataFrame) -> bool:
    """Whether an arm has too few events among patients away from the marker's commonest value, or at it (yes or no)."""
    away = table["marker"] != table["marker"].mode().iloc[0]
    sides = (away, ~away) if table["marker"].nunique() == 2 else (away,)
    events = [float(table.loc[side & (table["treated"] == arm), "event"].sum()) for side in sides for arm in (0.0, 1.0)]
    return min(events) < FEWEST_EVENTS


def survival_interaction(
    marker: np.ndarray,
    treated: np.ndarray,
    days: np.ndarray,
    event: np.ndarray,
    stratum: Sequence[str] | np.ndarray,
    covariates: pd.DataFrame | None = None,
) -> Interaction:
    """Treatment x marker interaction on a hazard (Cox, baseline hazard of its own in each stratum).

    All (patient,): `marker` in any unit (0 and 1 for yes and no), `treated` 1 or 0, `days`, `event` 1 or 0 (of one
    cause for a cause-specific hazard). `covariates` (patient, covariate) enter as main effects. Rows with a missing
    value take no part. Each arm needs five events away from the marker's commonest value (and at it, where it is yes
    or no), or nothing is estimated and `note` says so: a handful of carriers decide nothing.
    """
    table, extra, note = _ready(
        {"marker": marker, "treated": treated, "days": days, "event": event, "stratum": stratum}, covariates
    )
    n, events = len(table), int(table["event"].sum())
    if not note and _thin(table):
        note = f"fewer than {FEWEST_EVENTS} events in an arm on one side of the marker"
    if note:
        return _nothing(n, events, note)
    package = lifelines()
    center = float(table["marker"].mean())  # a model in the centered marker converges better; a is moved back below
    table["own"] = table["marker"] - center
    table["both"] = table["own"] * table["treated"]
    fitted = table[["treated", "own", "both", *extra, "days", "event", "stratum"]].assign(
        days=table["days"].clip(lower=0.5)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = package.CoxPHFitter().fit(fitted, "days", "event", strata=["stratum"])
        except (package.exceptions.ConvergenceError, np.linalg.LinAlgError):
            return _nothing(n, events, "the model did not converge")
    names = ["treated", "own", "both"]
    low, high = _ends(table["marker"])
    found = _combined(
        model.params_[names].to_numpy(),
        model.variance_matrix_.loc[names, names].to_numpy(),
        (low - center, high - center),
    )
    if not all(abs(e.log) < NO_MAXIMUM and e.se < NO_MAXIMUM for e in found):
        return _nothing(n, events, "the likelihood has no maximum")
    return Interaction(*found, n, events)


def response_interaction(
    marker: np.ndarray,
    treated: np.ndarray,
    response: np.ndarray,
    stratum: Sequence[str] | np.ndarray,
    covariates: pd.DataFrame | None = None,
) -> Interaction:
    """Treatment x marker interaction on the log odds of response, an intercept for each stratum; arguments as above."""
    table, extra, note = _ready(
        {"marker": marker, "treated": treated, "response": response, "stratum": stratum}, covariates
    )
    n, events = len(table), int(table["response"].sum())
    if note:
        return _nothing(n, events, note)
    counts = table.groupby("treated")["response"].agg(["sum", "count"])
    if float(np.minimum(counts["sum"], counts["count"] - counts["sum"]).min()) < FEWEST_EVENTS:
        return _nothing(n, events, f"fewer than {FEWEST_EVENTS} responders or non-responders in an arm")
    away = table["marker"] != table["marker"].mode().iloc[0]
    if min(int((away & (table["treated"] == arm)).sum()) for arm in (0.0, 1.0)) < FEWEST_EVENTS:
        return _nothing(n, events, f"fewer than {FEWEST_EVENTS} patients in an arm away from the marker's usual value")
    center = float(table["marker"].mean())
    spread = float(table["marker"].std(ddof=0))
    z = (table["marker"].to_numpy() - center) / spread
    arm = table["treated"].to_numpy()
    strata = pd.get_dummies(table["stratum"]).to_numpy(dtype=float)
    rest = table[extra].to_numpy()
    rest = (rest - rest.mean(axis=0)) / np.where(rest.std(axis=0) > 0, rest.std(axis=0), 1.0)
    design = np.column_stack([arm, z, arm * z, strata, rest])
    precision = np.full(design.shape[1], 1.0 / PRIOR_SD**2)
    precision[3 : 3 + strata.shape[1]] = 1e-4
    b, hessian = _logistic(design, table["response"].to_numpy(), precision)
    scale = np.array([1.0, 1.0 / spread, 1.0 / spread])
    covariance = np.linalg.inv(hessian)[:3, :3] * np.outer(scale, scale)
    low, high = _ends(table["marker"])
    return Interaction(*_combined(b[:3] * scale, covariance, (low - center, high - center)), n, events)


def _logistic(design: np.ndarray, positive: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and Hessian of a logistic regression with normal priors around zero of the given precision."""
    b, hessian = np.zeros(design.shape[1]), np.eye(design.shape[1])
    for _ in range(200):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ b, -30, 30)))
        hessian = (design * (p * (1.0 - p))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(hessian, design.T @ (positive - p) - precision * b)
        b = b + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    return b, hessian


def associate_interaction(
    table: pd.DataFrame,
    markers: Sequence[str],
    endpoint: str,
    *,
    arm: str = "treated",
    stratum: str = "cohort",
    covariates: Sequence[str] = (),
) -> pd.DataFrame:
    """Interaction of each marker with the treatment, one row a marker, q (Benjamini-Hochberg) over the markers.

    `endpoint` is ``PFS``, ``OS`` (or any NAME with ``NAME_days`` and ``NAME_event``) or ``response``; a marker with
    more than two values enters per standard deviation. Columns `marker, endpoint, n, events`, then estimate, low and
    high of ``interaction``, ``under_control``, ``under_treatment``, ``treatment_low``, ``treatment_high``, and `p, q,
    note`.
    """
    needed = ["response"] if endpoint == "response" else [f"{endpoint}_days", f"{endpoint}_event"]
    for column in (*markers, arm, stratum, *covariates, *needed):
        if column not in table.columns:
            raise InputError(
                "the table lacks a column", field=column, valid=near_misses(column, [str(c) for c in table.columns])
            )
    rest = table[list(covariates)] if covariates else None
    rows = []
    for marker in markers:
        x = table[marker].astype(float)
        if x.nunique() > 2:
            x = (x - x.mean()) / x.std(ddof=0)
        given = x.to_numpy(), table[arm].to_numpy(dtype=float)
        outcome = [table[c].to_numpy(dtype=float) for c in needed]
        fit = response_interaction if endpoint == "response" else survival_interaction
        found = fit(*given, *outcome, table[stratum].to_numpy(dtype=object), rest)
        row: dict[str, Any] = {"marker": marker, "endpoint": endpoint, "n": found.n, "events": found.events}
        for name in ("interaction", "under_control", "under_treatment", "treatment_low", "treatment_high"):
            effect = getattr(found, name)
            row |= {name: effect.ratio, f"{name}_low": effect.low, f"{name}_high": effect.high}
        rows.append({**row, "p": found.interaction.p, "note": found.note})
    result = pd.DataFrame(rows)
    result.insert(len(result.columns) - 1, "q", benjamini_hochberg(result["p"].to_numpy()))
    return result
