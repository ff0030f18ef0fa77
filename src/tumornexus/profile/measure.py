"""Read one biomarker in one patient: what was found, where it lies in the reference, what it says.

Each function returns a `Reading`; None of its fields invents a value where nothing was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.hla import LOCI, homozygous_loci
from tumornexus.io.patient import Patient
from tumornexus.knowledge.records import Biomarker
from tumornexus.profile.cells import cell_facts
from tumornexus.profile.fusion import Extent, clonal_fraction, mutated_copies, second_hit
from tumornexus.profile.methylation import read_methylation
from tumornexus.profile.microbiome import stool_facts
from tumornexus.profile.reading import NO_INDICES, Compiled, Reading
from tumornexus.profile.reference import FEWEST_COVERED, SSGSEA_COVERAGE, Reference, panels, percentile
from tumornexus.profile.scores import (
    contrast,
    log_expression,
    protocol_coordinates,
    ssgsea_from_ranks,
    ssgsea_ranks,
    standardize,
)

# One damaged copy of a gene of which two must go: the record's likelihood ratio is for biallelic loss.
SINGLE_HIT = 0.6
# A loss call without a copy number is mostly the loss of one copy of two.
SHALLOW = 0.25
# Factor on the records' separations, which are mostly assumed. Chosen on synthetic patients (tuning seeds 1 to 3) for
# interval width against false discoveries, among seven values from 1.12 to 1.45 tried together with CENTERING; not
# derived from patients. Where patients carry a label, the observed separation over the record's, in the same units, is
# mixed: MAPK activity by RAS/RAF hotspot 0.9 in riaz2017 (n = 42) but of the wrong sign in vanallen2015 (n = 40), CD274
# by PD-L1 on immune cells 1.2 in imvigor210 (n = 176).
ADJUSTED_GAIN = 1.2
# A panel fixes the level of a sample on few genes, which shifts all of its scores together.
PANEL_RELIABILITY = 0.7
# From this likelihood ratio on a measured quantity defines its mechanism (burden below the cut-off is low burden) and
# also tells its extent; a weaker one (LDH for glycolysis) is a proxy of presence only.
DEFINING = 20.0
# Transcripts across a lost splice site are often, not always, destroyed.
SPLICE = 0.7
# Share of patients with cancer in whose plasma DNA of the tumor was found: "more than 75 %" (Krishnamurthy 2017,
# doi:10.3390/jcm6010003, abstract read). Early disease sheds less; detection is taken as all or nothing.
SHEDDING = 0.75


@dataclass(frozen=True)
class Scored:
    """Expression of one sample on the reference universe.

    Attributes:
        z: gene distances (gene,), NaN where not measured.
        position, weight: of the enrichment walk over the measured genes; `place` maps universe to walk (-1: not
            measured).
        inflamed: standardized inflamed score, NaN where it could not be read.
        coverage: share of the universe that was measured.
        offset: log2 of the normalization factor.
        protocol: coordinates (axis,) on the axes of RNA integrity and library preparation, removed from `z`.
    """

    z: np.ndarray
    position: np.ndarray
    weight: np.ndarray
    place: np.ndarray
    inflamed: float
    coverage: float
    offset: float
    protocol: np.ndarray


def compile_biomarker(biomarker: Biomarker, reference: Reference) -> Compiled:
    """Look up gene positions and reference of a biomarker."""
    if biomarker.input != "expression":
        return Compiled(biomarker)
    up, down = reference.positions(biomarker.genes), reference.positions(biomarker.genes_down)
    variance = reference.covariance(up, down, up, down) if len(up) else 0.0
    return Compiled(biomarker, up, down, reference.score_reference(biomarker), math.sqrt(max(variance, 1e-9)))


_LAST_INDEXER: dict[int, tuple[pd.Index, tuple[str, ...], np.ndarray]] = {}


def universe_vector(expression: pd.Series, reference: Reference) -> np.ndarray:
    """Linear expression in universe order, contiguous (gene,), NaN where not measured."""
    cached = _LAST_INDEXER.get(0)
    if cached is None or cached[0] is not expression.index or cached[1] is not reference.genes:
        # All samples of a cohort share one index object; remembering it makes the look-up free for all but the first.
        cached = (expression.index, reference.genes, expression.index.get_indexer(pd.Index(reference.genes)))
        _LAST_INDEXER[0] = cached
    positions = cached[2]
    values = expression.to_numpy(dtype=float)
    return np.ascontiguousarray(np.where(positions >= 0, values[np.maximum(positions, 0)], np.nan))


def score_sample(expression: pd.Series, reference: Reference) -> Scored | None:
    """Bring one sample onto the reference; None where too few stable genes were measured to normalize it."""
    values = universe_vector(expression, reference)
    log2, offset = log_expression(values, reference.stable, reference.stable_log2)
    if log2 is None:
        return None
    protocol = protocol_coordinates(
        log2, reference.protocol_origin, reference.protocol_slopes, reference.protocol_weight
    )
    z = standardize(log2 - protocol @ reference.protocol_slopes, reference.location, reference.scale)
    measured = np.flatnonzero(np.isfinite(values))
    coverage = len(measured) / len(values)
    place = np.full(len(values), -1, dtype=np.intp)
    position = weight = np.array([])
    if coverage >= SSGSEA_COVERAGE:
        place[measured] = np.arange(len(measured))
        position, weight = ssgsea_ranks(values[measured])
    members = reference.positions(panels()["inflamed"])
    inflamed = standard_contrast(z, members, NO_INDICES, reference, "inflamed")
    return Scored(z, position, weight, place, inflamed, coverage, offset, protocol)


def standard_contrast(z: np.ndarray, up: np.ndarray, down: np.ndarray, reference: Reference, name: str) -> float:
    """Standardized score of one of the profile's own gene lists; NaN with fewer than half of its genes measured."""
    score, up_ok, down_ok = contrast(z, up, down)
    if len(up_ok) < FEWEST_COVERED * len(up) or not len(up_ok):
        return float("nan")
    stored = reference.scores.get(name)
    full = math.sqrt(max(reference.covariance(up, down, up, down), 1e-9))
    part = math.sqrt(max(reference.covariance(up_ok, down_ok, up_ok, down_ok), 1e-9)) if len(up_ok) < len(up) else full
    center, sd = (stored.center, stored.sd) if stored else (0.0, full)
    return (score - center) / (sd * part / full)


def read_expression(compiled: Compiled, scored: Scored | None, reference: Reference, tumor: str) -> Reading:
    """Read an expression biomarker: contrast or enrichment, standardized, adjusted for inflammation where asked."""
    biomarker = compiled.biomarker
    genes = (*biomarker.genes, *biomarker.genes_down)
    if scored is None or compiled.score is None:
        return Reading(False, genes_missing=genes, note="no usable expression")
    score, up_ok, down_ok = contrast(scored.z, compiled.up, compiled.down)
    found = {reference.genes[i] for i in (*up_ok, *down_ok)}
    measured = tuple(g for g in genes if g in found)
    missing = tuple(g for g in genes if g not in found)
    enough_up = len(up_ok) >= max(1.0, FEWEST_COVERED * len(biomarker.genes))
    enough_down = not biomarker.genes_down or len(down_ok) >= max(1.0, FEWEST_COVERED * len(biomarker.genes_down))
    if not (enough_up and enough_down):
        return Reading(
            False, genes_measured=measured, genes_missing=missing, note="fewer than half of the genes were measured"
        )
    notes = []
    stored = compiled.score
    reliability = 1.0
    if biomarker.method == "ssgsea" and scored.coverage >= SSGSEA_COVERAGE:
        raw = ssgsea_from_ranks(scored.position, scored.weight, scored.place[up_ok])
        if len(down_ok):
            raw -= ssgsea_from_ranks(scored.position, scored.weight, scored.place[down_ok])
        z = (raw - stored.center) / stored.sd
    else:
        raw = score
        center, sd = (stored.center, stored.sd) if biomarker.method == "zmean" else (0.0, compiled.model_sd)
        if biomarker.method == "ssgsea":
            notes.append("read as a contrast: a panel of genes has no transcriptome-wide ranks")
        if missing:
            part = math.sqrt(max(reference.covariance(up_ok, down_ok, up_ok, down_ok), 1e-9))
            sd *= part / compiled.model_sd
            shared = reference.covariance(up_ok, down_ok, compiled.up, compiled.down) / (part * compiled.model_sd)
            reliability = float(np.clip(shared, 0.1, 1.0))
        z = (raw - center) / max(sd, 1e-6)
    if biomarker.adjust_for == "inflamed":
        if np.isfinite(scored.inflamed):
            z = (z - stored.slope * scored.inflamed) / stored.residual
        else:
            notes.append("not adjusted for inflammation: its genes were not measured")
            reliability *= 0.5
    if missing:
        notes.append(f"{len(missing)} of {len(genes)} genes not measured")
    if stored.quantiles is None:
        notes.append("reference from the factor model")
    if scored.coverage < 0.5:
        reliability *= PANEL_RELIABILITY
    gain = ADJUSTED_GAIN / stored.within if tumor in stored.tumor_offset else 1.0
    return Reading(
        True,
        value=raw,
        z=float(z),
        percentile=percentile(stored, float(z)),
        z_tumor=stored.in_tumor(float(z), tumor),
        separation=(biomarker.separation or 0.0) * reliability * gain,
        genes_measured=measured,
        genes_missing=missing,
        note="; ".join(notes),
    )


def _call(biomarker: Biomarker, positive: bool) -> float:
    """Log likelihood ratio of a call; a record without a ratio for this outcome says nothing with it."""
    ratio = biomarker.lr_positive if positive else biomarker.lr_negative
    return math.log(ratio) if ratio else 0.0


def _matches(change: str | None, gene: str, wanted: tuple[str, ...]) -> bool:
    """Whether a protein change is one of the listed ones: ``BRAF:V600`` matches every substitution of V600."""
    if change is None:
        return False
    for item in wanted:
        listed_gene, _, position = item.rpartition(":")
        if listed_gene and listed_gene != gene:
            continue
        rest = change[len(position) :] if change.startswith(position) else None
        if rest is not None and (not rest or not rest[0].isdigit()):
            return True
    return False


def read_mutation(compiled: Compiled, patient: Patient) -> Reading:
    """Read a mutation biomarker: loss of function, hotspot or any nonsynonymous variant in its genes."""
    biomarker, table = compiled.biomarker, patient.mutations
    if table is None:
        return Reading(False, genes_missing=biomarker.genes, note="tumor not sequenced")
    genes = biomarker.genes or tuple(dict.fromkeys(c.rpartition(":")[0] for c in biomarker.changes))
    rows = table[table["gene"].isin(genes)]
    hits: list[tuple[str, str, float, float, float]] = []
    unclear = []
    for gene, kind, change, vaf, depth, known in zip(
        rows["gene"],
        rows["variant_class"],
        rows["protein_change"],
        rows["vaf"],
        rows["depth"],
        rows["known"],
        strict=True,
    ):
        weight = 0.0
        if biomarker.changes and _matches(change, gene, biomarker.changes):
            weight = 1.0
        elif biomarker.method == "loss_of_function":
            weight = {"truncating": 1.0, "deletion": 1.0, "splice": SPLICE}.get(kind, 0.0)
        elif biomarker.method == "any_nonsynonymous":
            weight = 1.0 if kind in ("truncating", "missense", "splice") else 0.0
        if weight:
            hits.append((gene, change or kind, weight, float(vaf), float(depth)))
        elif kind == "other" and not known:
            unclear.append(gene)
    value = ", ".join(f"{gene} {change}" for gene, change, *_ in hits)
    if hits:
        weight, notes, extent, biallelic = max(h[2] for h in hits), [], None, False
        plasma = patient.mutation_assay == "ctdna"
        purity = _number(patient.clinical.get("purity"))
        if biomarker.method == "loss_of_function":
            lost = _lost_genes(patient)
            biallelic = any(
                change == "deletion"
                or gene in lost
                or (not plasma and second_hit(vaf, depth, purity, _total_copies(patient, gene)))
                for gene, change, _, vaf, depth in hits
            )
            twice = any(sum(h[0] == gene for h in hits) > 1 for gene in {h[0] for h in hits})
            if not (biallelic or twice):
                weight *= SINGLE_HIT
                notes.append("one damaged copy: loss of the other is not shown")
        fractions = [(vaf, depth, gene) for gene, _, _, vaf, depth in hits if np.isfinite(vaf)]
        if plasma:
            notes.append("found in plasma: the allele fraction says how much is shed, not what share carries it")
        elif fractions:
            vaf, depth, gene = max(fractions)
            total = _total_copies(patient, gene)
            mutated = total if biallelic else mutated_copies(vaf, purity, total)
            extent = clonal_fraction(vaf, depth, purity, mutated, total)
        return Reading(
            True,
            value=value,
            llr=weight * _call(biomarker, True),
            extent=extent,
            genes_measured=genes,
            note="; ".join(notes),
        )
    if unclear:
        note = f"variants of unknown consequence in {', '.join(sorted(set(unclear)))}: neither for nor against"
        return Reading(False, value="unclear", genes_missing=genes, note=note)
    if patient.mutation_assay == "panel":
        return Reading(
            False, value="none found", genes_missing=genes, note="targeted panel: the genes may not have been sequenced"
        )
    if patient.mutation_assay == "ctdna":
        note = f"tumor DNA reaches the plasma of {SHEDDING:.0%} of patients: nothing found says less than in tissue"
        return Reading(True, value="none found", llr=_not_in_plasma(biomarker), genes_measured=genes, note=note)
    return Reading(True, value="none found", llr=_call(biomarker, False), genes_measured=genes)


def _not_in_plasma(biomarker: Biomarker) -> float:
    """Return the log likelihood ratio of finding no variant in plasma, where tissue has ratios L+ and L-.

    They imply the chance of a call with the mechanism, a = L+ (1 - L-)/(L+ - L-), and without it, b = a/L+. Plasma
    shows a variant of the tumor with chance s = `SHEDDING`: (1 - s a)/(1 - s b). A variant that is found keeps L+.
    """
    if not biomarker.lr_negative:
        return 0.0
    if not biomarker.lr_positive:
        return SHEDDING * math.log(biomarker.lr_negative)
    called = biomarker.lr_positive * (1.0 - biomarker.lr_negative) / (biomarker.lr_positive - biomarker.lr_negative)
    by_chance = called / biomarker.lr_positive
    return math.log((1.0 - SHEDDING * called) / (1.0 - SHEDDING * by_chance))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _total_copies(patient: Patient, gene: str) -> float:
    """Copies of a gene in the cancer cells where they were measured (at least one, since it was seen), else two."""
    if patient.copy_number is None:
        return 2.0
    table = patient.copy_number
    found = table.loc[(table["gene"] == gene) & table["copies"].notna(), "copies"]
    return max(float(found.iloc[0]), 1.0) if len(found) else 2.0


def _lost_genes(patient: Patient) -> frozenset[str]:
    if patient.copy_number is None:
        return frozenset()
    table = patient.copy_number
    return frozenset(table.loc[table["call"] == "deletion", "gene"])


def read_copy_number(compiled: Compiled, patient: Patient) -> Reading:
    """Read a copy-number biomarker: deep deletion, loss below a number of copies, or gain above one."""
    biomarker, table = compiled.biomarker, patient.copy_number
    if table is None:
        return Reading(False, genes_missing=biomarker.genes, note="copy number not measured")
    rows = table[table["gene"].isin(biomarker.genes)]
    losing = biomarker.method == "loss_of_function" or biomarker.direction == "-"
    hits = rows[rows["call"] == ("deletion" if losing else "amplification")]
    if biomarker.threshold is not None and len(hits):
        known = hits["copies"].notna()
        beyond = hits["copies"] < biomarker.threshold if losing else hits["copies"] > biomarker.threshold
        hits = hits[~known | beyond]
    if hits.empty:
        return Reading(True, value="no call", llr=_call(biomarker, False), genes_measured=biomarker.genes)
    value = ", ".join(f"{g} {c}" for g, c in zip(hits["gene"], hits["call"], strict=True))
    if biomarker.method == "loss_of_function" and not bool(hits["deep"].any()):
        if "shallow" in hits.columns and bool(hits["shallow"].all()):
            note = "one copy is left: no loss of both"
            return Reading(True, value=value, llr=_call(biomarker, False), genes_measured=biomarker.genes, note=note)
        return Reading(
            True,
            value=value,
            llr=SHALLOW * _call(biomarker, True),
            genes_measured=biomarker.genes,
            note="the call does not say whether one copy or both are lost",
        )
    return Reading(True, value=value, llr=_call(biomarker, True), genes_measured=biomarker.genes)


def read_clinical(compiled: Compiled, patient: Patient) -> Reading:
    """Read a clinical fact: a call at a threshold, or a logistic curve limited by the record's ratios."""
    biomarker = compiled.biomarker
    name = biomarker.field or ""
    raw = patient.clinical.get(name)
    sign = 1.0 if biomarker.direction == "+" else -1.0
    if raw is None and name == "ldh_uln_ratio" and isinstance(patient.clinical.get("ldh_elevated"), bool):
        # The table says only above or below normal: one logistic width away from the threshold, on that side.
        elevated = bool(patient.clinical["ldh_elevated"])
        return Reading(
            True,
            value="elevated" if elevated else "normal",
            llr=sign * (1.0 if elevated else -1.0),
            note="LDH known as a flag only",
        )
    if raw is None or biomarker.threshold is None:
        return Reading(False, note=f"{name} not given")
    try:
        value = float(raw)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(
            "text where a number belongs",
            file=patient.source,
            field=name,
            value=raw,
            valid=f"a number ({biomarker.unit or 'yes = 1, no = 0'})",
        ) from None
    shown = raw if isinstance(raw, bool) else value
    if biomarker.method == "logistic":
        steps = sign * (value - biomarker.threshold) / (biomarker.scale or 1.0)
        highest = math.log(biomarker.lr_positive or 20.0)
        lowest = math.log(biomarker.lr_negative or 0.05)
        llr = min(max(steps, lowest), highest)
        # How far beyond the threshold, relative to it: half the threshold (or twice, in the other direction) is 0.5.
        ratio = biomarker.threshold / value if sign > 0 and value > 0 else value / biomarker.threshold
        defines = (biomarker.lr_positive or 1.0) >= DEFINING
        extent = Extent(min(max(1.0 - ratio, 0.03), 0.97), 0.003) if defines and biomarker.threshold > 0 else None
        return Reading(True, value=shown, llr=llr, extent=extent)
    positive = value >= biomarker.threshold if sign > 0 else value < biomarker.threshold
    return Reading(True, value=shown, llr=_call(biomarker, positive))


def read_clinical_or_cells(compiled: Compiled, patient: Patient) -> Reading:
    """Read a clinical fact; one that the clinical table lacks is read from single cells or a slide where they tell it.

    A share of few cells says less than one of many: the likelihood ratio is its mean over the posterior of the share.
    """
    name = compiled.biomarker.field or ""
    found = None if name in patient.clinical else cell_facts(patient).get(name)
    if found is None:
        return read_clinical(compiled, patient)

    def at(value: float) -> Reading:
        return read_clinical(compiled, replace(patient, clinical={**patient.clinical, name: value}))

    ratios = np.exp([at(float(v)).llr for v in found.draws])
    return replace(at(found.value), llr=float(np.log(ratios.mean())), note=found.note)


def read_microbiome(compiled: Compiled, patient: Patient) -> Reading:
    """Read a microbiome biomarker from the stool profile, else from the fact of that name in the clinical table.

    Where a published rule makes the call itself (TOPOSCORE, in whose gray zone Akkermansia decides), that call counts
    rather than the threshold of the record.
    """
    name = compiled.biomarker.field or ""
    found = stool_facts(patient.microbiome).get(name) if patient.microbiome is not None else None
    if found is None:
        return read_clinical(compiled, patient)
    stated = patient.clinical.get(name)
    if not found.usable:
        if stated is not None:
            return replace(read_clinical(compiled, patient), note="from the clinical table, not the stool profile")
        return Reading(False, value=found.value, note=found.note)
    reading = read_clinical(compiled, replace(patient, clinical={**patient.clinical, name: found.value}))
    notes = [found.note] if found.note else []
    if stated is not None:
        notes.append(f"from the stool profile; the clinical table says {stated}")
    call = reading.llr if found.call is None else _call(compiled.biomarker, found.call)
    return replace(reading, llr=call, note="; ".join(notes))


def read_hla(compiled: Compiled, patient: Patient) -> Reading:
    """Read HLA zygosity: homozygous at one or more class I loci; the extent grows with their number."""
    biomarker = compiled.biomarker
    if patient.hla is None:
        return Reading(False, note="HLA not typed")
    homozygous, resolved = homozygous_loci(patient.hla)
    needed = int(biomarker.threshold or 1)
    if len(homozygous) >= needed:
        extent = Extent(len(homozygous) / len(LOCI), 0.0004)
        return Reading(True, value=f"homozygous at {', '.join(homozygous)}", llr=_call(biomarker, True), extent=extent)
    if len(resolved) < len(LOCI):
        return Reading(False, value="unresolved", note="not every class I locus has two alleles listed")
    return Reading(True, value="heterozygous", llr=_call(biomarker, False))


PATIENT_READERS: Mapping[str, Callable[[Compiled, Patient], Reading]] = {
    "mutation": read_mutation,
    "copy_number": read_copy_number,
    "clinical": read_clinical_or_cells,
    "microbiome": read_microbiome,
    "hla": read_hla,
    "methylation": read_methylation,
}


def read_biomarker(compiled: Compiled, patient: Patient, scored: Scored | None, reference: Reference) -> Reading:
    """Read any biomarker."""
    if compiled.biomarker.input == "expression":
        return read_expression(compiled, scored, reference, patient.tumor)
    return PATIENT_READERS[compiled.biomarker.input](compiled, patient)
