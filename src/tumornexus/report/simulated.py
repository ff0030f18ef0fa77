"""Trajectories as a report needs them: weighted quantiles over draws, relative volumes, diameters, immune readouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tumornexus.report.rows import Course, Readout
from tumornexus.report.values import get
from tumornexus.trial.scans import sum_of_diameters

UNTREATED = ("untreated", "no treatment", "none", "")
FLOOR = 1e-3  # relative volume below which a lesion is not seen on a scan; curves are drawn at this floor


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, q: Sequence[float]) -> np.ndarray:
    """Weighted quantiles over the first axis of `values` (draw, ...), shape (quantile, ...).

    Step function of the weighted distribution: the smallest value whose cumulative weight reaches q. Draws that are not
    finite at a time have no weight there; where none is finite the result is NaN.
    """
    values = np.asarray(values, dtype=float)
    flat = values.reshape(values.shape[0], -1)
    weight = np.where(np.isfinite(flat), np.asarray(weights, dtype=float)[:, None], 0.0)
    order = np.argsort(np.where(np.isfinite(flat), flat, np.inf), axis=0, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=0)
    cumulative = np.cumsum(np.take_along_axis(weight, order, axis=0), axis=0)
    total = cumulative[-1]
    out = np.full((len(q), flat.shape[1]), np.nan)
    good = total > 0
    for i, share in enumerate(q):
        index = np.argmax(cumulative >= np.maximum(share, 1e-12) * total * (1 - 1e-12), axis=0)
        picked = np.take_along_axis(ordered, index[None, :], axis=0)[0]
        out[i, good] = picked[good]
    return out.reshape(len(q), *values.shape[1:])


class Simulated:
    """Trajectories as arrays: relative volume and percent change of the sum of target diameters (regimen, draw, time),
    weights (draw,), days (time,)."""

    def __init__(self, result: Any) -> None:
        data = get(result, "trajectories")
        self.data = data
        self.regimens: list[str] = []
        self.day = np.zeros(0)
        self.weight = np.zeros(0)
        self.relative = np.zeros((0, 0, 0))
        self.diameter_change = np.zeros((0, 0, 0))
        if data is None:
            return
        name = next((v for v in ("tumor_volume_ml", "tumor_volume") if v in data), None)
        if name is None or data.sizes.get("regimen", 0) == 0:
            return
        volume = data[name].transpose("regimen", "draw", "time").to_numpy().astype(float)
        self.regimens = [str(r) for r in data["regimen"].to_numpy()] if "regimen" in data.coords else []
        if len(self.regimens) != volume.shape[0]:
            self.regimens = [f"regimen {i + 1}" for i in range(volume.shape[0])]
        self.day = data["time"].to_numpy().astype(float)
        weight = (
            np.asarray(data["weight"].to_numpy(), float) if "weight" in data.variables else np.ones(volume.shape[1])
        )
        self.weight = np.where(np.isfinite(weight) & (weight > 0), weight, 0.0)
        if self.weight.sum() <= 0:
            self.weight = np.ones_like(self.weight)
        start = volume[:, :, :1]
        with np.errstate(divide="ignore", invalid="ignore"):
            self.relative = np.where(start > 0, volume / start, np.nan)
        lesions = volume[:, :, None]  # where only the total is known it is one lesion
        if "lesion_volume" in data:
            lesions = data["lesion_volume"].transpose("regimen", "draw", "lesion", "time").to_numpy().astype(float)
        total = np.stack([sum_of_diameters(x) for x in lesions])
        with np.errstate(divide="ignore", invalid="ignore"):
            self.diameter_change = np.where(total[..., :1] > 0, 100.0 * (total / total[..., :1] - 1.0), np.nan)

    def thin(self) -> np.ndarray:
        """Indices of at most 105 times, the last included: a week a point over two years."""
        n = self.day.size
        return np.unique(np.linspace(0, n - 1, min(n, 105)).round().astype(int)) if n else np.zeros(0, int)

    def course(self, regimen: str, short: str, key: str, values: np.ndarray) -> Course:
        """Quantiles of `values` (draw, time) at the thinned times."""
        at = self.thin()
        q = weighted_quantiles(values[:, at], self.weight, (0.05, 0.25, 0.5, 0.75, 0.95))
        return Course(regimen, short, key, self.day[at], q[2], q[1], q[3], q[0], q[4])

    def against(self, regimen: str, standard: str) -> float | None:
        """Weighted share of paired draws whose final volume is below that under the standard by at least 5 %."""
        if regimen not in self.regimens or standard not in self.regimens or regimen == standard:
            return None
        a = self.relative[self.regimens.index(regimen), :, -1]
        b = self.relative[self.regimens.index(standard), :, -1]
        good = np.isfinite(a) & np.isfinite(b)
        if not good.any() or self.weight[good].sum() <= 0:
            return None
        smaller = np.log(np.maximum(a, FLOOR)) < np.log(np.maximum(b, FLOOR)) - 0.05
        level = np.abs(np.log(np.maximum(a, FLOOR)) - np.log(np.maximum(b, FLOOR))) <= 0.05
        return float((self.weight * (smaller + 0.5 * level))[good].sum() / self.weight[good].sum())


READOUTS = (
    ("cd8_infiltration", "CD8 T-cell infiltration", ""),
    ("infiltration", "Infiltration", ""),
    ("cd8_effector", "Effector CD8 T cells", ""),
    ("killing", "Killing of cancer cells", "1/day"),
    ("priming", "Priming", ""),
    ("exhaustion", "Terminal exhaustion", ""),
    ("treg", "Regulatory T cells", ""),
    ("mdsc", "Myeloid-derived suppressor cells", ""),
    ("m2", "M2-like macrophages", ""),
    ("hypoxia", "Hypoxia", ""),
    ("clone_b2m_loss", "B2M-loss clone", "fraction"),
    ("clone_jak_loss", "JAK-loss clone", "fraction"),
    ("persister", "Drug-tolerant persisters", "fraction"),
    ("drug_access", "Drug access", ""),
)


def readouts(simulated: Simulated, chosen: Sequence[tuple[str, str, str]]) -> tuple[Readout, ...]:
    out: list[Readout] = []
    if simulated.data is None or not chosen:
        return ()
    for variable, name, unit in READOUTS:
        if variable not in simulated.data or len(out) == 6:
            continue
        array = simulated.data[variable]
        values = array.transpose("regimen", "draw", "time").to_numpy().astype(float)
        if not np.isfinite(values).any() or (variable == "infiltration" and "cd8_infiltration" in simulated.data):
            continue
        courses = tuple(
            simulated.course(regimen, short, key, values[simulated.regimens.index(regimen)])
            for regimen, short, key in chosen
        )
        attrs = dict(getattr(array, "attrs", {}))
        stated = str(attrs.get("long_name", ""))
        name = name if stated in ("", variable) else stated
        out.append(Readout(variable, name, str(attrs.get("units") or attrs.get("unit") or unit), courses))
    return tuple(out)
