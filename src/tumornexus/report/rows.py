"""The rows and curves of a report: frozen values that `view` fills and that figures, tables and sentences read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class EvidenceRow:
    """One biomarker behind a mechanism, as text ready to print; `weight` is its likelihood ratio present : absent."""

    biomarker: str
    input: str
    value: str
    percentile: str
    weight: str
    speaks: str  # "for", "against" or "" (neither)
    missing: str
    measured: bool
    note: str


@dataclass(frozen=True)
class MechanismRow:
    """One mechanism: what was found and what the catalogue says of it."""

    id: str
    name: str
    category: str
    kind: str
    hub: str
    steps: tuple[int, ...]
    mean: float
    low: float
    high: float
    presence: float
    measured: bool
    claim: str
    evidence: tuple[EvidenceRow, ...]
    measured_by: tuple[str, ...]
    reversed_by: tuple[str, ...]
    drives: tuple[tuple[str, str], ...]
    conflicts: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def active(self) -> bool:
        """Whether the evidence speaks for the mechanism: measured, and more likely present than not."""
        return self.measured and self.presence >= 0.5 and self.mean >= 0.25


@dataclass(frozen=True)
class BarrierRow:
    """One step of the cancer-immunity cycle and how far it is closed."""

    step: int
    name: str
    full_name: str
    mean: float
    low: float
    high: float
    measured: bool
    by: tuple[str, ...]
    broken: bool


@dataclass(frozen=True)
class NodeRow:
    """Effect of reversing one mechanism, or two, on the simulated outcome; negative log volume is benefit."""

    mechanism: str
    partner: str
    name: str
    category: str
    steps: tuple[int, ...]
    effect: float
    low: float
    high: float

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes no change."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class RegimenRow:
    """One ranked regimen; a mechanistic hypothesis carries a direction and no probability."""

    rank: int
    regimen: str
    short: str
    key: str
    tier: str
    response: float | None
    low: float | None
    high: float | None
    pfs_months: float | None
    ae3: float | None
    cost_tier: int | None
    evidence: str
    reason: str
    against: str
    standard: bool  # the standard that all others are compared with
    accepted: bool  # a standard of care in this cancer
    refuted: bool
    negative_elsewhere: bool  # a randomized trial of it, or of a part of it, was negative in some setting
    favored: float | None  # share of paired draws with a smaller tumor than under the standard
    direction: str  # "smaller", "larger" or "unclear", against the standard

    @property
    def hypothesis(self) -> bool:
        """Whether only a direction may be shown."""
        return self.tier == "mechanistic hypothesis"


@dataclass(frozen=True)
class Course:
    """A variable over time under one regimen: weighted quantiles over draws, shape (time,)."""

    regimen: str
    short: str
    key: str
    day: np.ndarray
    median: np.ndarray
    low50: np.ndarray
    high50: np.ndarray
    low90: np.ndarray
    high90: np.ndarray


@dataclass(frozen=True)
class Readout:
    """An immune readout over time for a few regimens."""

    id: str
    name: str
    unit: str
    courses: tuple[Course, ...]


@dataclass(frozen=True)
class MeasureRow:
    """One input that was not measured: expected information in bits, value for the choice of regimen in points."""

    name: str
    bits: float
    value: float | None
    low: float | None
    high: float | None
    resolved: bool
    hypotheses: bool  # whether the choice is one between mechanistic hypotheses
    needs: str
    reason: str


@dataclass(frozen=True)
class SerialCourse:
    """Serial readings: `day` and `mm` of the measured sum of target diameters; `forecast` and `before` (6, day): day,
    then quantiles 5, 25, 50, 75 and 95 % of a reading in mm, after all readings and from the baseline alone."""

    regimen: str
    day: np.ndarray
    mm: np.ndarray
    forecast: np.ndarray
    before: np.ndarray
    n_readings: int
    n_ctdna: int
    n_effective: float
    n_candidates: int
    temperature: float
    unusual: bool


@dataclass(frozen=True)
class View:
    """Everything the report shows."""

    sample: str
    tumor: str
    tumor_name: str
    facts: tuple[tuple[str, str], ...]
    mechanisms: tuple[MechanismRow, ...]
    barriers: tuple[BarrierRow, ...]
    broken_step: int | None
    phenotype: str | None  # None where no expression was measured; the probabilities are then the tumor type's
    phenotypes: tuple[tuple[str, float], ...]
    inflamed_score: float | None
    icb: tuple[float, float, float] | None
    icb_base: float | None
    icb_features: str
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    nodes: tuple[NodeRow, ...]
    pairs: tuple[NodeRow, ...]
    node_quantity: str  # "volume" (natural log of the tumor volume) or "response" (probability)
    node_span: str  # when the effect is read off, such as "after one year of treatment"
    regimens: tuple[RegimenRow, ...]
    courses: tuple[Course, ...]  # tumor volume of all lesions over that at baseline
    diameters: tuple[Course, ...]  # sum of target diameters (RECIST), percent change from baseline
    readouts: tuple[Readout, ...]
    burden_ml: float | None
    horizon_months: float | None
    n_draws: int | None
    n_effective: float | None
    n_failed: int | None
    twin_notes: tuple[str, ...]
    outcome_columns: tuple[str, ...]
    outcome_rows: tuple[tuple[str, ...], ...]
    manifest: tuple[tuple[str, str], ...]
    measure_next: tuple[MeasureRow, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    serial: SerialCourse | None = None

    @property
    def standard(self) -> RegimenRow | None:
        """The standard of care among the ranked regimens."""
        return next((r for r in self.regimens if r.standard), None)

    @property
    def active(self) -> list[MechanismRow]:
        """Active causes and states, strongest first; causes before what follows from them."""
        rows = [m for m in self.mechanisms if m.active]
        return sorted(rows, key=lambda m: (m.kind != "cause", -m.mean, m.id))

    @property
    def dominant(self) -> list[NodeRow]:
        """The nodes that figures mark by number: at most five of those whose interval excludes no change."""
        return [n for n in self.nodes if n.resolved][:5]

    def badge_of(self, mechanism: str) -> int | None:
        """The number of a dominant node, 1 for the most dominant, or None."""
        return next((i + 1 for i, n in enumerate(self.dominant) if n.mechanism == mechanism), None)
