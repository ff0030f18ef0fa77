"""What the report says, as plain values: every figure, table and sentence reads this and nothing else.

`build_view` is the one place that touches a RunResult and the knowledge base. It takes weighted quantiles over draws,
marks what is missing and decides which words a prediction may use; drawing and wording come after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tumornexus.report import words
from tumornexus.report.facts import patient_facts
from tumornexus.report.next_steps import measure_rows
from tumornexus.report.rows import BarrierRow, EvidenceRow, MechanismRow, NodeRow, RegimenRow, SerialCourse, View
from tumornexus.report.simulated import UNTREATED, Simulated, readouts
from tumornexus.report.values import finite, flat, get, names_of, scalar_text, share_column, text_of

INPUT_WORDS = {
    "expression": "RNA expression",
    "mutation": "tumor sequencing",
    "copy_number": "copy number",
    "clinical": "clinical or pathology record",
    "hla": "HLA class I typing",
    "microbiome": "stool metagenome",
    "methylation": "promoter methylation",
}


def drug_names(knowledge: Any) -> dict[str, str]:
    """Names of agents inside a line of text: without what stands in parentheses, a generic name in lower case."""
    out = {}
    for ident, name in names_of(knowledge, "drugs").items():
        bare = name.split(" (")[0]
        out[words.plain(ident)] = bare[:1].lower() + bare[1:] if bare[1:2].islower() else bare
    return out


def _evidence(item: Any) -> EvidenceRow:
    value, unit = get(item, "value"), str(get(item, "unit", ""))
    shown, z = scalar_text(value), finite(get(item, "z"))
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
    therapies = names_of(knowledge, "therapies")
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


def _nodes(result: Any, rows: Mapping[str, MechanismRow]) -> tuple[tuple[NodeRow, ...], tuple[NodeRow, ...], str, str]:
    frame = get(result, "nodes")
    if frame is None or not len(frame):
        return (), (), "volume", ""
    attrs = dict(getattr(frame, "attrs", {}))
    words_of_unit = " ".join(str(attrs.get(k, "")) for k in ("quantity", "effect", "unit"))
    if "quantity" in frame:
        words_of_unit += " " + text_of(frame["quantity"].iloc[0])
    quantity = "response" if "response" in words_of_unit and "volume" not in words_of_unit else "volume"
    unit = str(attrs.get("unit", ""))
    span = unit[unit.index("after ") :] if "after " in unit else ""
    singles, pairs = [], []
    for record in frame.to_dict("records"):
        first, second = text_of(record.get("mechanism")), text_of(record.get("partner"))
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
        said = f"{text_of(record.get('evidence'))} {text_of(record.get('reason'))}".lower()
        stated = str(record.get("standard", "")).lower() in ("true", "1", "yes")
        stated = stated or text_of(record.get("origin")) == "standard of care"
        out.append(
            stated or frozenset(words.agents_of(text_of(record.get("regimen")))) in wanted or "standard of care" in said
        )
    return out


def _reference(frame: Any, accepted: Sequence[bool]) -> int | None:
    """The regimen that others are compared with.

    The row that says so (a `reference` column, or the words "reference of the comparisons" in its reason), else the
    best-ranked standard of care, else the first agent that stands alone.
    """
    for i, record in enumerate(frame.to_dict("records")):
        stated = str(record.get("reference", "")).lower() in ("true", "1", "yes")
        if stated or "reference of the comparisons" in text_of(record.get("reason")).lower():
            return i
    if True in accepted:
        return list(accepted).index(True)
    alone = [i for i, r in enumerate(frame["regimen"]) if len(words.agents_of(text_of(r))) == 1]
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
    result: Any, knowledge: Any, tumor_id: str, simulated: Simulated, clinical: Mapping[str, Any]
) -> tuple[RegimenRow, ...]:
    frame = get(result, "ranking")
    if frame is None or not len(frame):
        return ()
    tumor = dict(get(knowledge, "tumors", {})).get(tumor_id)
    texts = [text_of(r) for r in frame["regimen"]]
    short = words.short_regimens(texts, drug_names(knowledge))
    accepted = _accepted(frame, tumor, clinical)
    standard = _reference(frame, accepted)
    response, low, high = (
        share_column(frame, "response"),
        share_column(frame, "response_low"),
        share_column(frame, "response_high"),
    )
    ae3 = share_column(frame, "ae3")
    out = []
    for i, record in enumerate(frame.to_dict("records")):
        tier = text_of(record.get("tier")).lower().replace("-", " ").replace("_", " ")
        tier = next((t for t in words.TIER_MEANING if t.replace("-", " ").split()[0] in tier), "mechanistic hypothesis")
        hypothesis = tier == "mechanistic hypothesis"
        share = None if standard is None else simulated.against(texts[i], texts[standard])
        direction = "unclear"
        if share is not None:
            direction = "smaller" if share >= 0.6 else "larger" if share <= 0.4 else "unclear"
        evidence, against = text_of(record.get("evidence")), text_of(record.get("against"))
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
                reason=text_of(record.get("reason")),
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
        regimen = text_of(record.get("regimen"))
        cells = [short.get(regimen, regimen) if c == "regimen" else scalar_text(record[c]) for c in frame.columns]
        if regimen in hypotheses:  # a number would pretend to a calibration that does not exist
            cells = [cell if c == "regimen" else "–" for c, cell in zip(columns, cells, strict=True)]
        rows.append(tuple(cells))
    return labels, tuple(rows)


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
    names = {**names_of(knowledge, "mechanisms"), **{m.id: m.name for m in mechanisms}}
    nodes, pairs, quantity, span = _nodes(result, rows)
    simulated = Simulated(result)
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
        facts=patient_facts(get(profile, "patient")),
        mechanisms=mechanisms,
        barriers=_barriers(profile, knowledge, names),
        broken_step=None if broken is None else int(broken),
        phenotype=None if get(profile, "phenotype") is None else str(profile.phenotype),
        phenotypes=tuple((p, finite(get(profile, f"p_{p}")) or 0.0) for p in ("inflamed", "excluded", "desert")),
        inflamed_score=finite(get(profile, "inflamed_score")),
        icb=icb_view,
        icb_base=finite(get(icb, "base_rate")),
        icb_features=scalar_text(get(icb, "features", "")),
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
        readouts=readouts(simulated, [(r, label[r], keys[r]) for r in chosen]),
        burden_ml=finite(get(twin, "burden_ml")),
        horizon_months=float(simulated.day[-1]) / words.DAYS_PER_MONTH if simulated.day.size else None,
        n_draws=get(twin, "n_draws"),
        n_effective=n_effective,
        n_failed=get(twin, "n_failed"),
        twin_notes=tuple(str(n) for n in get(twin, "notes", ())),
        outcome_columns=labels,
        outcome_rows=outcome_rows,
        manifest=tuple(flat(dict(get(result, "manifest", {})))),
        measure_next=measure_rows(result),
        names=names,
        serial=_serial(get(result, "serial")),
    )
