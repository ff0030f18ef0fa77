"""The profile of one tumor: which mechanisms are active, on what evidence, and what it could not see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.activities import Activities, Activity
from tumornexus.io.cohort import Cohort
from tumornexus.io.patient import Patient
from tumornexus.io.timepoint import is_before
from tumornexus.io.write import write_results
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Mechanism
from tumornexus.profile.cells import called_phenotype, cells_record, with_pseudobulk
from tumornexus.profile.deconvolution import Composition, composition, composition_record
from tumornexus.profile.fusion import Soft, fuse
from tumornexus.profile.measure import Compiled, Reading, Scored, compile_biomarker, read_biomarker, score_sample
from tumornexus.profile.methylation import biomarkers_of
from tumornexus.profile.microbiome import STOOL_FACTS, stool_notes, stool_record
from tumornexus.profile.phenotype import (
    FEATURES,
    PATHOLOGIST,
    PHENOTYPES,
    phenotype_features,
    phenotype_prior,
    phenotype_probabilities,
    read_by_pathologist,
)
from tumornexus.profile.reference import Reference, load_reference
from tumornexus.profile.response import (
    IcbScore,
    icb_score,
    load_response_model,
    response_base_rates,
    response_features,
)

MASS = 0.9
# Share of the stated prevalence by which the reference population is taken to be shifted. Published frequencies count
# weak forms that move a score little; a shift that is too large calls the average tumor positive. Chosen on synthetic
# patients of the tuning seeds 1 to 3 (false discoveries 0.11 at 1, 0.09 at 0.75).
CENTERING = 0.75
ASSUMED_PREVALENCE = 0.25  # where no tumor type states how often a mechanism is present


@dataclass(frozen=True)
class Evidence:
    """What one biomarker of one mechanism said in one sample.

    Attributes:
        mechanism, biomarker: ids; `input` the modality (expression, mutation, clinical, ...).
        measured: False when it could not be read; `note` then says why.
        value: what was found; `unit` its unit.
        z: score in reference standard deviations (expression), None otherwise.
        percentile: in the reference population, 0 to 100 (expression), None otherwise.
        z_tumor: relative to what is usual in the tumor type (expression), None otherwise.
        llr: natural log of the likelihood ratio present : absent that it contributed, None when not measured.
        genes_measured, genes_missing: of its genes.
    """

    mechanism: str
    biomarker: str
    input: str
    measured: bool
    value: float | str | bool | None
    unit: str | None
    z: float | None
    percentile: float | None
    z_tumor: float | None
    llr: float | None
    genes_measured: tuple[str, ...]
    genes_missing: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Barrier:
    """How far one step of the cancer-immunity cycle is blocked: the strongest mechanism that breaks it, 0 to 1.

    Attributes:
        step: 1 to 7.
        mean, low, high: mean and 90 % interval of the activity of the most active mechanism that breaks the step.
        measured: False when no such mechanism was measured (the numbers then come from prevalences alone).
        by: the mechanisms, most active first.
    """

    step: int
    mean: float
    low: float
    high: float
    measured: bool
    by: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """Activities of all mechanisms of one sample with their evidence and what follows from them.

    `phenotype` is None where neither expression nor a pathologist's call is known; the three probabilities are then
    those of the tumor type. `inflamed_score` is in reference standard deviations. `missing` names what was not
    measured. `composition` holds cell fractions and marker scores, None without usable expression.
    """

    sample: str
    tumor: str
    activities: Activities
    evidence: dict[str, tuple[Evidence, ...]]
    phenotype: str | None
    p_inflamed: float
    p_excluded: float
    p_desert: float
    inflamed_score: float | None
    barriers: dict[int, Barrier]
    broken_step: int | None
    icb: IcbScore
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    patient: Patient
    composition: Composition | None = None


@dataclass(frozen=True)
class Plan:
    """Everything about the catalogue that does not depend on a patient, prepared once."""

    mechanisms: tuple[Mechanism, ...]
    compiled: dict[str, tuple[Compiled, ...]]
    rho: dict[str, float]
    prevalence: dict[str, dict[str, float]]
    reference_prevalence: dict[str, float]
    base_rates: dict[str, tuple[float, float]]


@lru_cache(maxsize=4)
def plan_of(knowledge: Knowledge, reference: Reference) -> Plan:
    mechanisms = tuple(m for m in knowledge.mechanisms.values() if m.kind in ("cause", "state"))
    compiled = {
        m.id: tuple(compile_biomarker(b, reference) for b in biomarkers_of(m.id, m.biomarker)) for m in mechanisms
    }
    rho = {}
    for m in mechanisms:
        soft = [c for c in compiled[m.id] if c.biomarker.separation and c.biomarker.input == "expression" and len(c.up)]
        pairs = [
            reference.correlation((a.up, a.down), (b.up, b.down))
            * (1.0 if a.biomarker.direction == b.biomarker.direction else -1.0)
            for i, a in enumerate(soft)
            for b in soft[i + 1 :]
        ]
        rho[m.id] = max(0.0, float(np.mean(pairs))) if pairs else 0.0
    prevalence: dict[str, dict[str, float]] = {}
    for m in mechanisms:
        stated = {t.id: p.value for t in knowledge.tumors.values() for p in t.prevalence if p.mechanism == m.id}
        usual = float(np.mean(list(stated.values()))) if stated else ASSUMED_PREVALENCE
        prevalence[m.id] = {t: stated.get(t, usual) for t in knowledge.tumors}
    weights = {t: w for t, w in reference.cohort_tumors.items() if t in knowledge.tumors}
    total = sum(weights.values()) or 1.0
    reference_prevalence = {
        m.id: sum(w * prevalence[m.id][t] for t, w in weights.items()) / total if weights else ASSUMED_PREVALENCE
        for m in mechanisms
    }
    return Plan(mechanisms, compiled, rho, prevalence, reference_prevalence, response_base_rates(knowledge))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _one_mechanism(
    mechanism: Mechanism, plan: Plan, patient: Patient, scored: Scored | None, reference: Reference
) -> tuple[Activity, tuple[Evidence, ...]]:
    """Read all biomarkers of a mechanism and fuse them."""
    readings = [(c, read_biomarker(c, patient, scored, reference)) for c in plan.compiled[mechanism.id]]
    soft, hard, extents = [], [], []
    soft_of: list[int] = []
    for i, (compiled, reading) in enumerate(readings):
        if not reading.measured:
            continue
        if math.isfinite(reading.z) and compiled.biomarker.separation:
            sign = 1.0 if compiled.biomarker.direction == "+" else -1.0
            soft.append(Soft(sign * reading.z_tumor, reading.separation))
            soft_of.append(i)
        elif math.isfinite(reading.z):
            # An expression biomarker given as a call: beyond its threshold (reference standard deviations, default 1).
            sign = 1.0 if compiled.biomarker.direction == "+" else -1.0
            cut = compiled.biomarker.threshold if compiled.biomarker.threshold is not None else sign
            positive = sign * reading.z >= sign * cut
            ratio = compiled.biomarker.lr_positive if positive else compiled.biomarker.lr_negative
            readings[i] = (compiled, replace(reading, llr=math.log(ratio) if ratio else 0.0))
            hard.append(readings[i][1].llr)
        elif math.isfinite(reading.llr):
            hard.append(reading.llr)
        # An allele fraction is the extent of a clonal mechanism; for a level it only says that the switch is on.
        tells_extent = mechanism.extent == "clonal_fraction" or reading_is_quantity(compiled)
        if reading.extent is not None and tells_extent:
            extents.append(reading.extent)
    prevalence = plan.prevalence[mechanism.id][patient.tumor]
    # Scores of a tumor type in the reference are centered on that type, in which its own prevalence holds.
    share = prevalence if patient.tumor in reference.cohort_tumors else plan.reference_prevalence[mechanism.id]
    share *= CENTERING
    activity, contributions = fuse(
        prevalence,
        share,
        soft,
        plan.rho[mechanism.id],
        hard,
        extents,
        mechanism.extent == "clonal_fraction",
    )
    llrs = dict(zip(soft_of, contributions, strict=True))
    evidence = tuple(_evidence(mechanism.id, c, r, llrs.get(i)) for i, (c, r) in enumerate(readings))
    return activity, evidence


def reading_is_quantity(compiled: Compiled) -> bool:
    """Whether a biomarker measures the extent of its mechanism itself: a burden, a number of loci."""
    return compiled.biomarker.input in ("clinical", "hla", "microbiome")


def _evidence(mechanism: str, compiled: Compiled, reading: Reading, soft_llr: float | None) -> Evidence:
    biomarker = compiled.biomarker
    llr = soft_llr if soft_llr is not None else _number(reading.llr)
    return Evidence(
        mechanism=mechanism,
        biomarker=biomarker.id,
        input=biomarker.input,
        measured=reading.measured,
        value=reading.value,
        unit=biomarker.unit,
        z=_number(reading.z),
        percentile=_number(reading.percentile),
        z_tumor=_number(reading.z_tumor),
        llr=llr if reading.measured else None,
        genes_measured=reading.genes_measured,
        genes_missing=reading.genes_missing,
        note=reading.note,
    )


def _barriers(plan: Plan, activities: Activities) -> dict[int, Barrier]:
    """Barrier of each step: the activity of the most active mechanism that breaks it.

    A chain is as weak as its weakest link. A mean over mechanisms would let a step with many idle ones hide one that is
    fully active, and the expected maximum of many uncertain ones would always point to the step that the catalogue
    knows most about. Only measured mechanisms count where there are any.
    """
    steps: dict[int, list[str]] = {}
    for m in plan.mechanisms:
        for step in m.cycle_steps:
            steps.setdefault(step, []).append(m.id)
    found = {}
    for step in sorted(steps):
        seen = [n for n in steps[step] if activities.by_mechanism[n].origin == "measured"]
        used = sorted(seen or steps[step], key=lambda n: (-activities.by_mechanism[n].mean, n))
        leader = activities.by_mechanism[used[0]]
        found[step] = Barrier(step, leader.mean, *leader.interval(MASS), bool(seen), tuple(used))
    return found


def _broken_step(barriers: Mapping[int, Barrier]) -> int | None:
    """The most blocked step; among those within 0.03 of it the earliest, because what fails upstream idles the rest."""
    measured = [b for b in barriers.values() if b.measured]
    highest = max((b.mean for b in measured), default=0.0)
    return min((b.step for b in measured if b.mean >= highest - 0.03), default=None)


def _missing(patient: Patient, scored: Scored | None, activities: Activities) -> tuple[str, ...]:
    """Name what was not measured, modality first, then mechanisms."""
    absent = []
    if patient.expression is None:
        absent.append("expression")
    elif scored is None:
        absent.append("expression (too few stable genes to normalize)")
    if patient.mutations is None:
        absent.append("mutations")
    if patient.copy_number is None:
        absent.append("copy number")
    if patient.hla is None:
        absent.append("HLA types")
    if patient.microbiome is None and not patient.clinical.keys() & set(STOOL_FACTS):
        absent.append("stool metagenome")
    for fact, words in (
        ("tmb_per_mb", "tumor mutational burden"),
        ("msi_high", "microsatellite status"),
        ("ldh_uln_ratio", "LDH"),
        ("nlr", "NLR"),
        ("albumin_g_dl", "albumin"),
    ):
        if fact not in patient.clinical and not (fact == "ldh_uln_ratio" and "ldh_elevated" in patient.clinical):
            absent.append(words)
    if called_phenotype(patient) is None:
        absent.append(
            "the immune phenotype of a section (a slide that shows one, or a pathologist's reading of CD8 cells)"
        )
    unmeasured = [n for n, a in activities.by_mechanism.items() if a.origin == "sampled"]
    return (*absent, *(f"mechanism {n}" for n in unmeasured))


def ratio_of_pathologist(knowledge: Knowledge) -> float | None:
    """Return the likelihood ratio of a phenotype called by a pathologist, as the catalogue has it for exclusion."""
    mechanism = knowledge.mechanisms.get("immune_excluded")
    calls = [b.lr_positive for b in mechanism.biomarker if b.id == PATHOLOGIST] if mechanism else []
    return calls[0] if calls else None


def profile_patient(patient: Patient, knowledge: Knowledge, reference: Reference | None = None) -> Profile:
    """Profile one patient against the frozen reference; the result does not depend on any other sample."""
    reference = reference or load_reference()
    plan = plan_of(knowledge, reference)
    tumor = knowledge.tumors[patient.tumor]
    patient, said = with_pseudobulk(patient)
    notes = [*patient.notes, *said]
    scored = score_sample(patient.expression, reference) if patient.expression is not None else None
    if patient.expression is not None and scored is None:
        notes.append("too few stable genes were measured to normalize the expression; it was not used")
    elif scored is not None and scored.coverage < 0.5:
        notes.append(
            f"{100 * scored.coverage:.0f} % of the reference genes were measured; signatures use those available"
        )
    if patient.microbiome is not None:
        notes += stool_notes(patient.microbiome)
    if not is_before(patient.clinical.get("timepoint")):
        said = patient.clinical["timepoint"]
        notes.append(f"the sample was not taken before treatment ({said}); the response score is meant for before")
    by_mechanism, evidence = {}, {}
    for mechanism in plan.mechanisms:
        by_mechanism[mechanism.id], evidence[mechanism.id] = _one_mechanism(mechanism, plan, patient, scored, reference)
    activities = Activities(patient.sample, patient.tumor, by_mechanism)
    shares, phenotype = phenotype_prior(tumor), None
    inflamed = float("nan")
    cells = None
    if scored is not None and patient.expression is not None:
        cells = composition(patient.expression, scored, reference)
        features = phenotype_features(scored, reference)
        inflamed = features["inflamed"]
        if all(math.isfinite(features[n]) for n in FEATURES) and reference.phenotype:
            shares = phenotype_probabilities(features, tumor, reference)
            phenotype = PHENOTYPES[int(np.argmax(shares))]
    call, ratio = called_phenotype(patient), ratio_of_pathologist(knowledge)
    if call is not None and ratio:
        shares = read_by_pathologist(shares, call.name, ratio)
        phenotype = PHENOTYPES[int(np.argmax(shares))]
        notes.append(
            f"{call.by} called the tumor {call.name}; its phenotype rests on that and on expression, if measured"
        )
    barriers = _barriers(plan, activities)
    features = response_features(inflamed, patient.clinical, tumor.tmb_median)
    icb = icb_score(features, tumor.id, plan.base_rates, load_response_model())
    return Profile(
        sample=patient.sample,
        tumor=patient.tumor,
        activities=activities,
        evidence=evidence,
        phenotype=phenotype,
        p_inflamed=float(shares[0]),
        p_excluded=float(shares[1]),
        p_desert=float(shares[2]),
        inflamed_score=_number(inflamed),
        barriers=barriers,
        broken_step=_broken_step(barriers),
        icb=icb,
        missing=_missing(patient, scored, activities),
        notes=tuple(notes),
        patient=patient,
        composition=cells,
    )


def profile_cohort(
    cohort: Cohort | Iterable[Patient], knowledge: Knowledge, progress: Callable[[int, int], None] | None = None
) -> list[Profile]:
    """Profile every sample of a cohort, one by one; `progress` is called with (done, total) after each."""
    patients = list(cohort)
    profiles = []
    for patient in patients:
        profiles.append(profile_patient(patient, knowledge))
        if progress is not None:
            progress(len(profiles), len(patients))
    return profiles


def activities_table(profiles: Sequence[Profile]) -> pd.DataFrame:
    """First column `sample`, then one a mechanism; NaN (an empty cell) where it was not measured."""
    return pd.DataFrame(
        [
            {
                "sample": p.sample,
                **{
                    n: (a.mean if a.origin == "measured" else float("nan"))
                    for n, a in p.activities.by_mechanism.items()
                },
            }
            for p in profiles
        ]
    )


def intervals_table(profiles: Sequence[Profile]) -> pd.DataFrame:
    """90 % intervals, one row a sample and mechanism, those that were not measured (and so are wide) included."""
    rows = [(p.sample, n, *a.interval(MASS)) for p in profiles for n, a in p.activities.by_mechanism.items()]
    return pd.DataFrame(rows, columns=["sample", "mechanism", "low", "high"])


def summary_table(profiles: Sequence[Profile]) -> pd.DataFrame:
    """Phenotype, broken step and response score, one row a sample; empty where not measured."""
    rows = []
    for p in profiles:
        shares = (p.p_inflamed, p.p_excluded, p.p_desert) if p.phenotype else (math.nan,) * 3
        rows.append(
            (
                p.sample,
                p.phenotype,
                *shares,
                None if p.broken_step is None else str(p.broken_step),
                p.icb.score,
                p.icb.low,
                p.icb.high,
            )
        )
    return pd.DataFrame(
        rows,
        columns=[
            "sample",
            "phenotype",
            "p_inflamed",
            "p_excluded",
            "p_desert",
            "broken_step",
            "icb_response_score",
            "icb_response_low",
            "icb_response_high",
        ],
    )


def profile_record(profile: Profile) -> dict[str, Any]:
    """Everything known about one profile, ready for JSON."""
    mechanisms = {}
    for name, activity in profile.activities.by_mechanism.items():
        low, high = activity.interval(MASS)
        mechanisms[name] = {
            "activity": activity.mean if activity.origin == "measured" else None,
            "low": low,
            "high": high,
            "presence": activity.presence,
            "extent_alpha": activity.alpha,
            "extent_beta": activity.beta,
            "origin": activity.origin,
            "evidence": [{k: v for k, v in vars(e).items() if k != "mechanism"} for e in profile.evidence[name]],
        }
    clinical = {k: v for k, v in profile.patient.clinical.items() if not k.startswith("x_")}
    return {
        "tumor": profile.tumor,
        "patient": profile.patient.patient,
        "clinical": clinical,
        "phenotype": profile.phenotype,
        "p_inflamed": profile.p_inflamed,
        "p_excluded": profile.p_excluded,
        "p_desert": profile.p_desert,
        "inflamed_score": profile.inflamed_score,
        "broken_step": profile.broken_step,
        "barriers": {str(s): vars(b) for s, b in profile.barriers.items()},
        "icb_response": vars(profile.icb),
        "cell_fractions": composition_record(profile.composition) if profile.composition else None,
        "microbiome": stool_record(profile.patient.microbiome, clinical) if profile.patient.microbiome else None,
        **cells_record(profile.patient),
        "mechanisms": mechanisms,
        "missing": list(profile.missing),
        "notes": list(profile.notes),
    }


def write_profiles(
    profiles: Sequence[Profile],
    out_dir: Path | str,
    manifest: Mapping[str, Any],
    twin: pd.DataFrame | None = None,
    measure_next: pd.DataFrame | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Write activities.tsv, intervals.tsv, summary.tsv, profile.json, manifest.json and further `tables` by file name,
    all or none.

    `twin` holds the simulated response of each sample where one was simulated, one row a profile in order; its columns
    (``twin_response_score``, ``_low``, ``_high``, ``_regimen``) are added to the summary. `measure_next`: what to
    measure next (`tumornexus.profile.information.information_table`), written as measure_next.tsv.
    """
    reference = load_reference()
    summary = summary_table(profiles)
    if twin is not None:
        summary = pd.concat([summary, twin.reset_index(drop=True)], axis=1)
    record = {
        "reference": reference.provenance,
        "samples": {p.sample: profile_record(p) for p in profiles},
    }
    write_results(
        Path(out_dir),
        {
            "activities.tsv": activities_table(profiles),
            "intervals.tsv": intervals_table(profiles),
            "summary.tsv": summary,
            "profile.json": record,
            **({} if measure_next is None else {"measure_next.tsv": measure_next}),
            **(tables or {}),
            "manifest.json": {**manifest, "reference_digest": reference.digest},
        },
    )
