"""What the report says, as plain values: every figure, table and sentence reads this and nothing else.

`build_view` is the one place that touches a RunResult and the knowledge base. It takes weighted quantiles over draws,
marks what is missing and decides which words a prediction may use; drawing and wording come after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tumornexus.report import words
from tumornexus.trial.scans import sum_of_diameters

UNTREATED = ("untreated", "no treatment", "none", "")
FLOOR = 1e-3  # relative volume below which a lesion is not seen on a scan; curves are drawn at this floor


INPUT_WORDS = {
    "expression": "RNA expression",
    "mutation": "tumor sequencing",
    "copy_number": "copy number",
    "clinical": "clinical or pathology record",
    "hla": "HLA class I typing",
    "microbiome": "stool metagenome",
}


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


def get(thing: Any, name: str, default: Any = None) -> Any:
    """Read a field of an object or a mapping; a field that is absent or None gives `default`."""
    value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
    return default if value is None else value


def finite(value: Any) -> float | None:
    """Return `value` as a float, or None where it is not a finite number."""
    try:
        out = float(value)
    except (TypeError, ValueError):
        return None
    return out if math.isfinite(out) else None


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


def _names(knowledge: Any, group: str) -> dict[str, str]:
    return {k: str(get(record, "name", words.plain(k))) for k, record in dict(get(knowledge, group, {})).items()}


def drug_names(knowledge: Any) -> dict[str, str]:
    """Names of agents inside a line of text: without what stands in parentheses, a generic name in lower case."""
    out = {}
    for ident, name in _names(knowledge, "drugs").items():
        bare = name.split(" (")[0]
        out[words.plain(ident)] = bare[:1].lower() + bare[1:] if bare[1:2].islower() else bare
    return out


def _scalar_text(value: Any) -> str:
    """Print one field of evidence: numbers with three digits, lists joined, absence as a dash."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return words.significant(float(value), 3)
    if isinstance(value, str):
        return value or "–"
    if isinstance(value, Mapping):
        return "; ".join(f"{words.plain(str(k))} {_scalar_text(v)}" for k, v in value.items()) or "–"
    if isinstance(value, Sequence | np.ndarray | set | frozenset):
        return ", ".join(_scalar_text(v) for v in value) or "–"
    return str(value)


def _evidence(item: Any) -> EvidenceRow:
    value, unit = get(item, "value"), str(get(item, "unit", ""))
    shown, z = _scalar_text(value), finite(get(item, "z"))
    shown = f"{shown} {unit}".strip() if shown != "–" else "–"
    if z is not None and unit.lower() not in ("z", "reference sd"):
        shown = f"{shown} (z {z:+.1f})" if shown != "–" else f"z {z:+.1f}"
    rank, llr = finite(get(item, "percentile")), finite(get(item, "llr"))
    measured = bool(get(item, "measured", value is not None))
    lost, found = tuple(get(item, "genes_missing", ())), tuple(get(item, "genes_measured", ()))
    missing = "not measured" if not measured else "none"
    if lost:
        names = ", ".join(lost[:6]) + (", …" if len(lost) > 6 else "")
        missing = f"{len(lost)} of {len(lost) + len(found)} genes: {names}"
    return EvidenceRow(
        biomarker=words.plain(str(get(item, "biomarker", "unnamed"))),
        input=INPUT_WORDS.get(str(get(item, "input", "")), words.plain(str(get(item, "input", "")))) or "–",
        value=shown,
        percentile="–" if rank is None else f"{rank:.0f}",
        weight="–" if llr is None else words.significant(math.exp(llr)),
        speaks="" if llr is None or abs(llr) < 0.05 else "for" if llr > 0 else "against",
        missing=missing,
        measured=measured,
        note=str(get(item, "note", "")),
    )


def _mechanisms(profile: Any, knowledge: Any) -> tuple[MechanismRow, ...]:
    records = dict(get(knowledge, "mechanisms", {}))
    therapies = _names(knowledge, "therapies")
    missing = set(get(profile, "missing", ()))
    evidence = dict(get(profile, "evidence", {}))
    out = []
    for mechanism, act in get(get(profile, "activities"), "by_mechanism", {}).items():
        record = records.get(mechanism)
        low, high = act.interval(0.9)
        by_input: dict[str, list[str]] = {}
        for b in get(record, "biomarker", ()):
            by_input.setdefault(INPUT_WORDS.get(b.input, words.plain(b.input)), []).append(words.plain(b.id))
        markers = [f"{kind} ({', '.join(ids)})" for kind, ids in by_input.items()]
        out.append(
            MechanismRow(
                id=mechanism,
                name=str(get(record, "name", words.plain(mechanism))),
                category=str(get(record, "category", "extrinsic")),
                kind=str(get(record, "kind", "cause")),
                hub=str(get(record, "hub", "tumor-immune interface")),
                steps=tuple(get(record, "cycle_steps", ())),
                mean=float(act.mean),
                low=float(low),
                high=float(high),
                presence=float(act.presence),
                measured=act.origin == "measured" and mechanism not in missing,
                claim=str(get(record, "claim", "")),
                evidence=tuple(_evidence(e) for e in evidence.get(mechanism, ())),
                measured_by=tuple(markers),
                reversed_by=tuple(therapies.get(t, words.plain(t)) for t in get(record, "reversed_by", ())),
                drives=tuple((d.target, d.sign) for d in get(record, "drives", ())),
                conflicts=tuple(f"{c.claim} However: {c.finding}" for c in get(record, "claim_conflict", ())),
                sources=tuple(get(record, "source", ())),
            )
        )
    return tuple(out)


def _barriers(profile: Any, knowledge: Any, names: Mapping[str, str]) -> tuple[BarrierRow, ...]:
    cycle, broken = dict(get(knowledge, "cycle", {})), get(profile, "broken_step")
    out = []
    for step in range(1, 8):
        barrier = dict(get(profile, "barriers", {})).get(step)
        mean = finite(get(barrier, "mean"))
        out.append(
            BarrierRow(
                step=step,
                name=words.STEP_NAMES[step],
                full_name=str(get(cycle.get(step), "name", words.STEP_NAMES[step])),
                mean=mean or 0.0,
                low=finite(get(barrier, "low")) or 0.0,
                high=finite(get(barrier, "high")) if finite(get(barrier, "high")) is not None else 1.0,  # type: ignore[arg-type]
                measured=bool(get(barrier, "measured", False)) and mean is not None,
                by=tuple(names.get(m, words.plain(m)) for m in get(barrier, "by", ())),
                broken=step == broken,
            )
        )
    return tuple(out)


def _share(frame: Any, column: str) -> list[float | None]:
    """Read a column of probabilities; a column with a value above 1 is in percent."""
    if frame is None or column not in frame:
        return [None] * (0 if frame is None else len(frame))
    values = [finite(v) for v in frame[column]]
    scale = 100.0 if any(v is not None and v > 1.0 for v in values) else 1.0
    return [None if v is None else v / scale for v in values]


def _text(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()


def _nodes(result: Any, rows: Mapping[str, MechanismRow]) -> tuple[tuple[NodeRow, ...], tuple[NodeRow, ...], str, str]:
    frame = get(result, "nodes")
    if frame is None or not len(frame):
        return (), (), "volume", ""
    attrs = dict(getattr(frame, "attrs", {}))
    words_of_unit = " ".join(str(attrs.get(k, "")) for k in ("quantity", "effect", "unit"))
    if "quantity" in frame:
        words_of_unit += " " + _text(frame["quantity"].iloc[0])
    quantity = "response" if "response" in words_of_unit and "volume" not in words_of_unit else "volume"
    unit = str(attrs.get("unit", ""))
    span = unit[unit.index("after ") :] if "after " in unit else ""
    singles, pairs = [], []
    for record in frame.to_dict("records"):
        first, second = _text(record.get("mechanism")), _text(record.get("partner"))
        effect, low, high = (finite(record.get(k)) for k in ("effect", "low", "high"))
        if effect is None:
            continue
        row = rows.get(first)
        names = [rows[m].name if m in rows else words.plain(m) for m in (first, second) if m]
        (pairs if second else singles).append(
            NodeRow(
                mechanism=first,
                partner=second,
                name=" + ".join(names),
                category=row.category if row else "extrinsic",
                steps=row.steps if row else (),
                effect=effect,
                low=effect if low is None else low,
                high=effect if high is None else high,
            )
        )
    sign = -1.0 if quantity == "response" else 1.0
    order = lambda n: (sign * n.effect, n.mechanism, n.partner)  # noqa: E731 (a sort key used twice)
    return tuple(sorted(singles, key=order)), tuple(sorted(pairs, key=order)), quantity, span


class _Simulated:
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


def _accepted(frame: Any, tumor: Any, clinical: Mapping[str, Any]) -> list[bool]:
    """Which rows are a standard of care: by a `standard` column, the tumor's record, or the words of the row.

    Regimens are compared by their agents, because doses and schedules of one standard come in several forms. A standard
    that needs a marker (``requires``) counts only where the patient's facts say that the marker is there.
    """
    records = frame.to_dict("records")
    wanted = set()
    for item in get(tumor, "standard_of_care", ()):
        needs = get(item, "requires")
        if needs is None or clinical.get(needs) is True:
            wanted.add(frozenset(words.agents_of(str(get(item, "regimen", "")))))
    out = []
    for record in records:
        said = f"{_text(record.get('evidence'))} {_text(record.get('reason'))}".lower()
        stated = str(record.get("standard", "")).lower() in ("true", "1", "yes")
        stated = stated or _text(record.get("origin")) == "standard of care"
        out.append(
            stated or frozenset(words.agents_of(_text(record.get("regimen")))) in wanted or "standard of care" in said
        )
    return out


def _reference(frame: Any, accepted: Sequence[bool]) -> int | None:
    """The regimen that others are compared with.

    The row that says so (a `reference` column, or the words "reference of the comparisons" in its reason), else the
    best-ranked standard of care, else the first agent that stands alone.
    """
    for i, record in enumerate(frame.to_dict("records")):
        stated = str(record.get("reference", "")).lower() in ("true", "1", "yes")
        if stated or "reference of the comparisons" in _text(record.get("reason")).lower():
            return i
    if True in accepted:
        return list(accepted).index(True)
    alone = [i for i, r in enumerate(frame["regimen"]) if len(words.agents_of(_text(r))) == 1]
    return alone[0] if alone else None


def negative_trials(against: str, tumor: str, knowledge: Any) -> tuple[bool, bool]:
    """Whether a randomized trial refuted a regimen, in this cancer and in another setting, by the row's own words.

    A negative randomized trial of the knowledge base that the row names as such counts here if it was in this cancer
    and of the combination itself ("was negative"), and elsewhere if not, or if only a part of the regimen failed
    ("failed"). Free words ("refuted", "randomized ... negative") count here.
    """
    here = elsewhere = False
    for trial in dict(get(knowledge, "trials", {})).values():
        name = str(get(trial, "name", ""))
        if not (get(trial, "negative", False) and name and name in against):
            continue
        itself = re.search(re.escape(name) + r"(( \([^)]*\))? was negative| \([^)]*\) failed)", against) is not None
        ours = itself and get(trial, "tumor") == tumor and bool(get(trial, "randomized", False))
        here, elsewhere = here or ours, elsewhere or not ours
    said = against.lower()
    if not (here or elsewhere):
        here = "refuted" in said or ("randomi" in said and any(w in said for w in ("negative", "failed", "no benefit")))
        here = here and "no randomi" not in said
    return here, elsewhere


def _regimens(
    result: Any, knowledge: Any, tumor_id: str, simulated: _Simulated, clinical: Mapping[str, Any]
) -> tuple[RegimenRow, ...]:
    frame = get(result, "ranking")
    if frame is None or not len(frame):
        return ()
    tumor = dict(get(knowledge, "tumors", {})).get(tumor_id)
    texts = [_text(r) for r in frame["regimen"]]
    short = words.short_regimens(texts, drug_names(knowledge))
    accepted = _accepted(frame, tumor, clinical)
    standard = _reference(frame, accepted)
    response, low, high = _share(frame, "response"), _share(frame, "response_low"), _share(frame, "response_high")
    ae3 = _share(frame, "ae3")
    out = []
    for i, record in enumerate(frame.to_dict("records")):
        tier = _text(record.get("tier")).lower().replace("-", " ").replace("_", " ")
        tier = next((t for t in words.TIER_MEANING if t.replace("-", " ").split()[0] in tier), "mechanistic hypothesis")
        hypothesis = tier == "mechanistic hypothesis"
        share = None if standard is None else simulated.against(texts[i], texts[standard])
        direction = "unclear"
        if share is not None:
            direction = "smaller" if share >= 0.6 else "larger" if share <= 0.4 else "unclear"
        evidence, against = _text(record.get("evidence")), _text(record.get("against"))
        here, elsewhere = negative_trials(against, tumor_id, knowledge)
        refuted = record.get("refuted")
        cost = finite(record.get("cost_tier"))
        out.append(
            RegimenRow(
                rank=i + 1,
                regimen=texts[i] or "untreated",
                short=short[texts[i]],
                key=f"r{i + 1}",
                tier=tier,
                response=None if hypothesis else response[i],
                low=None if hypothesis else low[i],
                high=None if hypothesis else high[i],
                pfs_months=None if hypothesis else finite(record.get("pfs_months")),
                ae3=ae3[i],
                cost_tier=None if cost is None else int(cost),
                evidence=evidence,
                reason=_text(record.get("reason")),
                against=against,
                standard=i == standard,
                accepted=accepted[i],
                refuted=bool(refuted) if isinstance(refuted, bool | np.bool_) else here,
                negative_elsewhere=elsewhere or here,
                favored=share,
                direction=direction,
            )
        )
    return tuple(out)


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


def _readouts(simulated: _Simulated, chosen: Sequence[tuple[str, str, str]]) -> tuple[Readout, ...]:
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


_FACTS = (
    ("synthetic", "Synthetic patient", ""),
    ("patient", "Patient", ""),
    ("timepoint", "Time point", ""),
    ("treatment", "Treatment", ""),
    ("age_year", "Age", "years"),
    ("sex", "Sex", ""),
    ("tmb_per_mb", "Tumor mutational burden", "mutations/Mb"),
    ("msi_high", "MSI-high", ""),
    ("braf_v600", "BRAF V600", ""),
    ("pd_l1_percent", "PD-L1", "% of cells"),
    ("pd_l1_ic", "PD-L1 on immune cells", ""),
    ("stage", "Stage", ""),
    ("ecog", "ECOG", ""),
    ("ldh_uln_ratio", "LDH", "× upper limit of normal"),
    ("nlr", "Neutrophil-to-lymphocyte ratio", ""),
    ("albumin_g_dl", "Albumin", "g/dL"),
    ("lesion_sum_mm", "Sum of lesion diameters", "mm"),
    ("tumor_volume_ml", "Tumor volume", "mL"),
    ("weight_kg", "Weight", "kg"),
    ("steroids", "Steroids", ""),
    ("antibiotics_60d", "Antibiotics within 60 days", ""),
    ("ppi", "Proton-pump inhibitor", ""),
    ("liver_metastases", "Liver metastases", ""),
)


def _plain_number(value: Any) -> str:
    """Print a clinical fact, a measured number with three significant digits."""
    return (
        (f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}") if isinstance(value, float) else _scalar_text(value)
    )


def _facts(patient: Any) -> tuple[tuple[str, str], ...]:
    """Clinical facts that the model or a reader uses, and which files were there; recorded outcomes stay out."""
    clinical = dict(get(patient, "clinical", {}))
    if get(patient, "patient"):
        clinical.setdefault("patient", patient.patient)
    out = []
    for key, label, unit in _FACTS:
        value = clinical.get(key)
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            continue
        out.append((label, f"{_plain_number(value)} {unit}".strip()))
    for name, label, unit in (
        ("expression", "Expression", "genes"),
        ("mutations", "Mutations", "calls"),
        ("hla", "HLA types", "alleles"),
        ("copy_number", "Copy number", "segments or genes"),
    ):
        value = get(patient, name)
        out.append((label, "not measured" if value is None else f"{len(value):,} {unit}"))
    stool = get(patient, "microbiome")
    out.append(("Stool metagenome", "not measured" if stool is None else f"{len(stool.abundance):,} species"))
    cells, slide = get(patient, "single_cell"), get(patient, "slide")
    out.append(("Single cells", "not measured" if cells is None else f"{len(cells):,} cells"))
    out.append(("Slide with typed cells", "not measured" if slide is None else f"{len(slide.cell_type):,} cells"))
    return tuple(out)


_OUTCOME_WORDS = {"orr": "ORR", "pfs": "PFS", "os": "OS", "ae3": "grade ≥ 3 AE", "cr": "CR", "pd": "PD", "dcr": "DCR"}


def _outcomes(
    result: Any, short: Mapping[str, str], hypotheses: set[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    frame = get(result, "outcomes")
    if frame is None or not len(frame):
        return (), ()
    if "regimen" not in frame:
        frame = frame.reset_index().rename(columns={"index": "regimen"})
    columns = [str(c) for c in frame.columns]
    labels = tuple(" ".join(_OUTCOME_WORDS.get(w, w) for w in c.replace("_", " ").split()) for c in columns)
    rows = []
    for record in frame.to_dict("records"):
        regimen = _text(record.get("regimen"))
        cells = [short.get(regimen, regimen) if c == "regimen" else _scalar_text(record[c]) for c in frame.columns]
        if regimen in hypotheses:  # a number would pretend to a calibration that does not exist
            cells = [cell if c == "regimen" else "–" for c, cell in zip(columns, cells, strict=True)]
        rows.append(tuple(cells))
    return labels, tuple(rows)


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for key, value in mapping.items():
        name = f"{prefix}{words.plain(str(key))}"
        if isinstance(value, Mapping):
            out += _flat(value, f"{name}: ")
        elif isinstance(value, list | tuple) and str(key) in ("call", "argv", "command"):
            out.append((name, " ".join(str(v) for v in value)))
        else:
            out.append((name, _scalar_text(value)))
    return out


def _serial(summary: Any) -> SerialCourse | None:
    """Return what the report shows of serial readings, None where there are none."""
    if summary is None:
        return None
    return SerialCourse(
        regimen=summary.regimen,
        day=summary.readings["day"].to_numpy(dtype=float),
        mm=summary.readings["diameter_mm"].to_numpy(dtype=float),
        forecast=summary.forecast.to_numpy(dtype=float).T,
        before=summary.before.to_numpy(dtype=float).T,
        n_readings=summary.n_readings,
        n_ctdna=summary.n_ctdna,
        n_effective=summary.n_effective,
        n_candidates=summary.n_candidates,
        temperature=summary.temperature,
        unusual=summary.unusual,
    )


def build_view(result: Any, knowledge: Any) -> View:
    """Turn a RunResult into what the report says; parts that are absent or empty stay empty, never invented."""
    profile = get(result, "profile")
    twin = get(result, "twin")
    tumor_id = str(get(profile, "tumor", ""))
    tumor = dict(get(knowledge, "tumors", {})).get(tumor_id)
    mechanisms = _mechanisms(profile, knowledge)
    rows = {m.id: m for m in mechanisms}
    names = {**_names(knowledge, "mechanisms"), **{m.id: m.name for m in mechanisms}}
    nodes, pairs, quantity, span = _nodes(result, rows)
    simulated = _Simulated(result)
    clinical = dict(get(get(profile, "patient"), "clinical", {}))
    regimens = _regimens(result, knowledge, tumor_id, simulated, clinical)
    ranked = {r.regimen: r for r in regimens}

    order = [r.regimen for r in regimens if r.regimen in simulated.regimens]
    order += [r for r in simulated.regimens if r not in order]
    extra = words.short_regimens([r for r in order if r not in ranked], drug_names(knowledge))
    label = {r: ranked[r].short if r in ranked else extra.get(r, r) for r in order}
    keys = {r: ranked[r].key if r in ranked else f"x{i + 1}" for i, r in enumerate(order)}
    courses = tuple(
        simulated.course(r, label[r], keys[r], simulated.relative[simulated.regimens.index(r)]) for r in order
    )
    diameters = tuple(
        simulated.course(r, label[r], keys[r], simulated.diameter_change[simulated.regimens.index(r)]) for r in order
    )
    standard = next((r.regimen for r in regimens if r.standard), None)
    best = next((r.regimen for r in regimens if not r.standard and not r.refuted and r.regimen in order), None)
    none = next((r for r in order if r.strip().lower() in UNTREATED), None)
    chosen = [r for r in dict.fromkeys((best, standard, none)) if r is not None and r in order]

    icb = get(profile, "icb")
    score = finite(get(icb, "score"))
    icb_view = None
    if score is not None:
        low, high = finite(get(icb, "low")), finite(get(icb, "high"))
        icb_view = (score, score if low is None else low, score if high is None else high)
    n_effective = finite(get(twin, "n_effective"))
    labels, outcome_rows = _outcomes(result, label, {r.regimen for r in regimens if r.hypothesis})
    broken = get(profile, "broken_step")
    return View(
        sample=str(get(profile, "sample", "")),
        tumor=tumor_id,
        tumor_name=str(get(tumor, "name", words.plain(tumor_id))),
        facts=_facts(get(profile, "patient")),
        mechanisms=mechanisms,
        barriers=_barriers(profile, knowledge, names),
        broken_step=None if broken is None else int(broken),
        phenotype=None if get(profile, "phenotype") is None else str(profile.phenotype),
        phenotypes=tuple((p, finite(get(profile, f"p_{p}")) or 0.0) for p in ("inflamed", "excluded", "desert")),
        inflamed_score=finite(get(profile, "inflamed_score")),
        icb=icb_view,
        icb_base=finite(get(icb, "base_rate")),
        icb_features=_scalar_text(get(icb, "features", "")),
        missing=tuple(
            str(m) for m in get(profile, "missing", ()) if not str(m).startswith("mechanism ") and m not in rows
        ),
        notes=tuple(str(n) for n in get(profile, "notes", ())),
        nodes=nodes,
        pairs=pairs,
        node_quantity=quantity,
        node_span=span
        or ("" if not simulated.day.size else f"at {simulated.day[-1] / words.DAYS_PER_MONTH:.0f} months"),
        regimens=regimens,
        courses=courses,
        diameters=diameters,
        readouts=_readouts(simulated, [(r, label[r], keys[r]) for r in chosen]),
        burden_ml=finite(get(twin, "burden_ml")),
        horizon_months=float(simulated.day[-1]) / words.DAYS_PER_MONTH if simulated.day.size else None,
        n_draws=get(twin, "n_draws"),
        n_effective=n_effective,
        n_failed=get(twin, "n_failed"),
        twin_notes=tuple(str(n) for n in get(twin, "notes", ())),
        outcome_columns=labels,
        outcome_rows=outcome_rows,
        manifest=tuple(_flat(dict(get(result, "manifest", {})))),
        names=names,
        serial=_serial(get(result, "serial")),
    )
