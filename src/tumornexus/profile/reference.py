"""The frozen reference against which every sample is scored.

``data/reference.npz`` holds derived quantities only: per gene a location, a scale and loadings on a few factors; per
biomarker a center, spread, quantiles and its regression on the inflamed score; and the coefficients of a small
model. ``scripts/build_reference.py`` rebuilds it from public cohorts. A biomarker that the file does not hold, or
whose genes changed since, is standardized from the factor model, so a new record is scored without a rebuild.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np

from tumornexus.knowledge.records import Biomarker

QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
FEWEST_COVERED = 0.5  # a signature with fewer than half of its genes measured says nothing
SSGSEA_COVERAGE = 0.8  # ranks within a small panel are not ranks within the transcriptome


@lru_cache(maxsize=1)
def panels() -> dict[str, tuple[str, ...]]:
    """Gene lists that the profile itself needs (inflamed, stroma, lymphoid)."""
    text = resources.files("tumornexus.profile").joinpath("data/panels.toml").read_text(encoding="utf-8")
    return {name: tuple(entry["genes"]) for name, entry in tomllib.loads(text).items()}


def gene_key(method: str, genes: Sequence[str], genes_down: Sequence[str], adjust_for: str | None) -> str:
    """Short digest of what a score is made of: a changed gene list must not meet old quantiles."""
    text = "|".join([method, ",".join(sorted(genes)), ",".join(sorted(genes_down)), adjust_for or ""])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class ScoreReference:
    """Where a raw score lies in the reference population.

    Attributes:
        center, sd: location and standard deviation of the raw score (within plus between cohorts).
        slope: regression of the standardized score on the standardized inflamed score (within cohorts).
        residual: standard deviation of what is left after that adjustment (within plus between cohorts).
        quantiles: of the standardized (and adjusted) score at `QUANTILES`, or None when from the factor model.
        tumor_offset: tumor type to its mean on the standardized (and adjusted) scale, shrunk towards zero where few
            cohorts speak; a type that is not in the reference has none.
        within: standard deviation around these means.
    """

    center: float
    sd: float
    slope: float
    residual: float
    quantiles: np.ndarray | None
    tumor_offset: dict[str, float] = field(default_factory=dict)
    within: float = 1.0

    def in_tumor(self, z: float, tumor: str) -> float:
        """Distance from what is usual in this tumor type, in standard deviations within tumor types."""
        if tumor not in self.tumor_offset:
            return z
        return (z - self.tumor_offset[tumor]) / self.within


@dataclass(frozen=True, eq=False)
class Reference:
    """Frozen reference, all arrays over the fixed gene universe (gene,) in alphabetical order.

    Attributes:
        genes: the universe.
        location, scale: of normalized log2 expression; `scale` is total, within plus between cohorts.
        stable, stable_log2: positions and levels of the genes that carry normalization.
        loadings: (gene, factor) on unit-variance genes.
        protocol_origin, protocol_slopes, protocol_weight: level at the origin and response (axis, gene) to RNA
            integrity and library preparation, and the weight with which marker genes (outside all biomarkers) tell
            where a sample lies on that axis.
        scores: references of scores by `gene_key`, and of the profile's own panels by name.
        phenotype: coefficients of the small model of the immune phenotype.
        cohort_tumors: share of each tumor type in the reference.
        provenance: how it was built.
    """

    genes: tuple[str, ...]
    location: np.ndarray
    scale: np.ndarray
    stable: np.ndarray
    stable_log2: np.ndarray
    loadings: np.ndarray
    protocol_origin: np.ndarray
    protocol_slopes: np.ndarray
    protocol_weight: np.ndarray
    scores: dict[str, ScoreReference]
    phenotype: dict[str, Any]
    cohort_tumors: dict[str, float]
    provenance: dict[str, Any]

    @cached_property
    def index(self) -> dict[str, int]:
        """Gene symbol to position in the universe."""
        return {g: i for i, g in enumerate(self.genes)}

    def positions(self, genes: Sequence[str]) -> np.ndarray:
        """Positions of those genes that the universe holds."""
        return np.array([self.index[g] for g in genes if g in self.index], dtype=np.intp)

    def covariance(self, up_a: np.ndarray, down_a: np.ndarray, up_b: np.ndarray, down_b: np.ndarray) -> float:
        """Covariance of two mean contrasts under the factor model: w_a' (L L' + diag(1 - |L|^2)) w_b."""
        weights_a = _weights(up_a, down_a)
        weights_b = _weights(up_b, down_b)
        factor_a = sum((w * self.loadings[i] for i, w in weights_a.items()), np.zeros(self.loadings.shape[1]))
        factor_b = sum((w * self.loadings[i] for i, w in weights_b.items()), np.zeros(self.loadings.shape[1]))
        own = sum(
            w * weights_b[i] * max(0.0, 1.0 - float(self.loadings[i] @ self.loadings[i]))
            for i, w in weights_a.items()
            if i in weights_b
        )
        return float(factor_a @ factor_b) + float(own)

    def correlation(self, a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
        """Correlation of two mean contrasts, each given as positions (up, down)."""
        va, vb = self.covariance(*a, *a), self.covariance(*b, *b)
        return self.covariance(*a, *b) / float(np.sqrt(va * vb)) if va > 0 and vb > 0 else 0.0

    def score_reference(self, biomarker: Biomarker) -> ScoreReference:
        """Stored reference of a biomarker if its genes are unchanged, else that of the factor model."""
        stored = self.scores.get(
            gene_key(biomarker.method, biomarker.genes, biomarker.genes_down, biomarker.adjust_for)
        )
        if stored is not None:
            return stored
        mine = (self.positions(biomarker.genes), self.positions(biomarker.genes_down))
        variance = self.covariance(*mine, *mine)
        inflamed = (self.positions(panels()["inflamed"]), np.array([], dtype=np.intp))
        slope = self.correlation(mine, inflamed) if biomarker.adjust_for == "inflamed" and variance > 0 else 0.0
        slope = float(np.clip(slope, -0.95, 0.95))
        return ScoreReference(
            0.0, float(np.sqrt(max(variance, 1e-6))), slope, float(np.sqrt(1.0 - slope * slope)), None
        )

    @property
    def digest(self) -> str:
        """Short digest of the reference as built, for manifests."""
        return str(self.provenance.get("digest", ""))


def _weights(up: np.ndarray, down: np.ndarray) -> dict[int, float]:
    weights: dict[int, float] = {}
    for i in up:
        weights[int(i)] = weights.get(int(i), 0.0) + 1.0 / len(up)
    for i in down:
        weights[int(i)] = weights.get(int(i), 0.0) - 1.0 / len(down)
    return weights


def percentile(reference: ScoreReference, z: float) -> float:
    """Percentile of a standardized score in the reference population, 0 to 100."""
    if reference.quantiles is None:
        from scipy.special import ndtr

        return float(100.0 * ndtr(z))
    return float(100.0 * np.interp(z, reference.quantiles, QUANTILES, left=0.005, right=0.995))


def pack(reference: Reference) -> dict[str, np.ndarray]:
    """Arrays of a reference in the compact form in which they are stored."""
    peak = np.maximum(np.abs(reference.loadings).max(axis=0), 1e-9)
    meta = {
        "scores": {
            k: [s.center, s.sd, s.slope, s.residual, s.within, s.tumor_offset] for k, s in reference.scores.items()
        },
        "phenotype": reference.phenotype,
        "cohort_tumors": reference.cohort_tumors,
        "provenance": reference.provenance,
    }
    quantiles = [reference.scores[key].quantiles for key in sorted(reference.scores)]
    return {
        "genes": np.frombuffer("\n".join(reference.genes).encode(), dtype=np.uint8),
        "location": np.round(reference.location, 2).astype(np.float16),
        "scale": np.round(reference.scale, 2).astype(np.float16),
        "stable": reference.stable.astype(np.int32),
        "stable_log2": reference.stable_log2.astype(np.float32),
        "loadings": np.round(reference.loadings / peak * 127).astype(np.int8),
        "loading_peak": peak,
        "protocol_origin": np.round(reference.protocol_origin, 2).astype(np.float16),
        "protocol_slopes": np.round(reference.protocol_slopes, 2).astype(np.float16),
        "protocol_weight": reference.protocol_weight.astype(np.float16),
        "quantiles": np.array(
            [q if q is not None else np.full(len(QUANTILES), np.nan) for q in quantiles], dtype=np.float32
        ),
        "meta": np.frombuffer(json.dumps(meta, sort_keys=True).encode(), dtype=np.uint8),
    }


def unpack(arrays: dict[str, np.ndarray]) -> Reference:
    """Reference from its stored arrays."""
    meta = json.loads(arrays["meta"].tobytes())
    # Keys were sorted when written; quantile rows follow that order.
    scores = {
        key: ScoreReference(
            *values[:4], None if np.isnan(q).any() else q.astype(float), tumor_offset=values[5], within=values[4]
        )
        for (key, values), q in zip(sorted(meta["scores"].items()), arrays["quantiles"], strict=True)
    }
    return Reference(
        genes=tuple(arrays["genes"].tobytes().decode().split("\n")),
        location=arrays["location"].astype(float),
        scale=arrays["scale"].astype(float),
        stable=arrays["stable"].astype(np.intp),
        stable_log2=arrays["stable_log2"].astype(float),
        loadings=arrays["loadings"].astype(float) / 127 * arrays["loading_peak"],
        protocol_origin=arrays["protocol_origin"].astype(float),
        protocol_slopes=arrays["protocol_slopes"].astype(float),
        protocol_weight=arrays["protocol_weight"].astype(float),
        scores=scores,
        phenotype=meta["phenotype"],
        cohort_tumors=meta["cohort_tumors"],
        provenance=meta["provenance"],
    )


@lru_cache(maxsize=1)
def load_reference() -> Reference:
    """Load the reference that ships with the package (cached)."""
    path = resources.files("tumornexus.profile").joinpath("data/reference.npz")
    with resources.as_file(path) as file, np.load(file, allow_pickle=False) as arrays:
        return unpack(dict(arrays))
