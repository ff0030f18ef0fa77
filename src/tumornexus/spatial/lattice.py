"""Numbers of a lattice that need no neighbors."""

from __future__ import annotations

import numpy as np

from tumornexus.spatial.points import Array

# Oxygen below which a tissue counts as hypoxic: 8 mmHg, where the response of cells sets in (PhysiCell's threshold of
# response; "pathological hypoxia" of McKeown 2014, from memory). Its 15 mmHg lie above the median of tumors.
HYPOXIC_MMHG = 8.0


def hypoxic_fraction(oxygen_mmhg: Array, occupied: Array | None = None, below: float = HYPOXIC_MMHG) -> float:
    """Return the fraction of (occupied) places with oxygen below a threshold in mmHg; NaN where there is no place."""
    oxygen = np.asarray(oxygen_mmhg)
    values = oxygen[np.asarray(occupied, bool)] if occupied is not None else oxygen.ravel()
    return float(np.mean(values < below)) if values.size else float("nan")


def clone_diversity(clone: Array) -> float:
    """Return Simpson's diversity 1 - sum p^2 of clone labels (Simpson 1949): 0 for one clone; NaN without cells."""
    _, counts = np.unique(np.asarray(clone), return_counts=True)
    return float(1.0 - np.sum((counts / counts.sum()) ** 2)) if counts.size else float("nan")
