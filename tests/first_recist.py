"""RECIST on noise-free volumes as it was first written, before scans were measured; kept to compare bit for bit."""

from __future__ import annotations

import numpy as np

MEASURED_LESIONS = 3
MEASURABLE_MM = COMPLETE_BELOW_MM = 10.0
PROGRESSION_RATIO, PROGRESSION_MM, RESPONSE_RATIO = 1.2, 5.0, 0.7
NON_TARGET_RATIO = 1.73 ** (1.0 / 3.0)
MONTH_DAYS = 30.4375


def _roles(base_mm: np.ndarray, occult: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    target = ~occult & (base_mm >= MEASURABLE_MM)
    none = np.flatnonzero(~target.any(axis=1))
    imaged = np.where(occult, -1.0, base_mm)[none]
    target[none] = (imaged == imaged.max(axis=1, keepdims=True)) & (imaged > 0.0)
    target[none, imaged.argmax(axis=1)] = True
    return target, target | (base_mm >= MEASURABLE_MM) | (~occult & (base_mm > 0.0))


def _smallest_before(base: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.minimum.accumulate(np.concatenate([base[..., None], at], axis=-1), axis=-1)[..., :-1]


def _grown(at: np.ndarray, nadir: np.ndarray, ratio: float) -> np.ndarray:
    return (at >= ratio * nadir) & (at - nadir >= PROGRESSION_MM)


def first_recist(volume_ml: np.ndarray, time_days: np.ndarray) -> dict[str, np.ndarray]:
    """Return best, pfs_months, progressed, change_percent and reason of volumes (member, lesion, time), 8-weekly."""
    volume = np.asarray(volume_ml, dtype=float)
    scan = np.flatnonzero((time_days > 0) & (time_days % 56 == 0))
    d = 10.0 * np.cbrt(6.0 * np.maximum(volume, 0.0) / np.pi)
    lesion_base, lesion_at = d[..., 0], d[..., scan]
    failed = ~(np.isfinite(lesion_at).all(axis=(1, 2)) & np.isfinite(lesion_base).all(axis=1))
    occult = np.broadcast_to(np.arange(d.shape[1]) >= MEASURED_LESIONS, lesion_base.shape)
    target, seen = _roles(lesion_base, occult)
    total = np.where(target[..., None], d, 0.0).sum(axis=1)
    base, at = total[:, 0], total[:, scan]
    with np.errstate(invalid="ignore"):
        lesion_grown = _grown(lesion_at, _smallest_before(lesion_base, lesion_at), NON_TARGET_RATIO)
        target_pd = _grown(at, _smallest_before(base, at), PROGRESSION_RATIO)
    visible = lesion_at >= MEASURABLE_MM
    new = (visible & ~seen[..., None]).any(axis=1)
    non_target = (visible & lesion_grown & (seen & ~target)[..., None]).any(axis=1)
    by_reason = np.stack([target_pd, new, non_target])
    by_reason[:, failed, 0] = True
    pd = by_reason.any(axis=0)
    progressed = pd.any(axis=1)
    first = np.where(progressed, pd.argmax(axis=1), len(scan))
    at_first = by_reason[:, np.arange(len(pd)), np.minimum(first, len(scan) - 1)]
    reason = np.where(failed, 4, np.where(progressed, 1 + at_first.argmax(axis=0), 0))
    before = np.arange(len(scan))[None, :] < first[:, None]
    response = (at <= RESPONSE_RATIO * base[:, None]) & before
    gone = ((lesion_at < COMPLETE_BELOW_MM) | ~seen[..., None]).all(axis=1)
    measurable = (target & (lesion_base >= MEASURABLE_MM)).any(axis=1, keepdims=True)
    cr = (response & gone & measurable).any(axis=1)
    best = np.where(cr, 0, np.where(response.any(axis=1), 1, np.where(first == 0, 3, 2)))
    days = np.where(progressed, time_days[scan][np.minimum(first, len(scan) - 1)], time_days[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        change = 100.0 * (np.where(before, at, np.inf).min(axis=1) / base - 1.0)
        change = np.where(np.isfinite(change), change, 100.0 * (at[:, 0] / base - 1.0))
    return {"best": best, "pfs_months": days / MONTH_DAYS, "progressed": progressed, "change_percent": change,
            "reason": reason}  # fmt: skip
