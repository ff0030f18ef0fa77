"""A biomarker prepared for reading, and what reading it in one patient gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tumornexus.knowledge.records import Biomarker
from tumornexus.profile.fusion import Extent
from tumornexus.profile.reference import ScoreReference

NO_INDICES = np.array([], dtype=np.intp)


@dataclass(frozen=True)
class Reading:
    """One biomarker in one patient.

    Attributes:
        measured: whether it says anything at all.
        value: what was found (a score, a number, a change such as V600E, yes or no).
        z: standardized score in the direction of high expression (soft evidence), NaN otherwise.
        percentile: of the reference population, 0 to 100.
        z_tumor: z relative to what is usual in the tumor type, in standard deviations within types; this enters fusion.
        llr: log likelihood ratio of a call (hard evidence), NaN for soft evidence until fusion.
        separation: distance between present and absent in units of z_tumor, after loss of genes (soft evidence).
        extent: direct evidence on the extent, if any.
        genes_measured, genes_missing: of the biomarker's genes.
        note: what limits it, in words.
    """

    measured: bool
    value: float | str | bool | None = None
    z: float = float("nan")
    percentile: float = float("nan")
    z_tumor: float = float("nan")
    llr: float = float("nan")
    separation: float = float("nan")
    extent: Extent | None = None
    genes_measured: tuple[str, ...] = ()
    genes_missing: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Compiled:
    """A biomarker with its gene positions and reference, prepared once for all samples."""

    biomarker: Biomarker
    up: np.ndarray = field(default_factory=lambda: NO_INDICES)
    down: np.ndarray = field(default_factory=lambda: NO_INDICES)
    score: ScoreReference | None = None
    model_sd: float = 1.0
