"""Rebuild the frozen reference of the profile from public cohorts.

    python scripts/build_reference.py DATA_FOLDER [--out src/tumornexus/profile/data/reference.npz]

DATA_FOLDER holds one cohort folder each (riaz2017, gide2019_pd1, ...). What ships is derived: per gene a location, a
scale and loadings on a few factors, per biomarker quantiles, and coefficients of a small model of the phenotype. No
value of a patient is stored.

Steps
1. Universe: genes present in all but at most three transcriptome-wide cohorts. A panel cohort (imvigor210) informs
the genes it has. 2. Stable genes: well expressed everywhere with little spread, outside all biomarker records; they
carry normalization. 3. Protocol axes: the response of each gene to RNA integrity and library preparation, so that it
can be removed. 4. Per gene: location = mean over cohorts of the cohort median; scale^2 = mean variance within cohorts
(from the median
   absolute deviation) + variance of the cohort medians. Each cohort weighs the same, and a gene that differs between
   pipelines gets a wide scale, so that batch effects count less.
5. Factors: principal components of the standardized genes over transcriptome-wide cohorts, each cohort centered and
   weighted equally; they give the spread of any contrast and of its part that a panel has.
6. Biomarkers: center, spread (within plus between cohorts), slope on the inflamed score (within cohorts), quantiles.
7. Phenotype: multinomial logistic regression of the pathologists' label on three scores (imvigor210).
"""

from __future__ import annotations

import argparse
import hashlib
import io as stdio
import re
import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.io import Cohort, Patient, read_cohort
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.profile.measure import compile_biomarker, read_expression, score_sample, universe_vector
from tumornexus.profile.phenotype import FEATURES, PHENOTYPES, phenotype_features
from tumornexus.profile.reference import QUANTILES, Reference, ScoreReference, gene_key, pack, panels, unpack
from tumornexus.profile.scores import contrast, log_expression, protocol_coordinates, ssgsea_from_ranks

COHORTS = (
    "gide2019_pd1",
    "riaz2017",
    "vanallen2015",
    "hugo2016",
    "imvigor210",
    "jung2019_nsclc",
    "snyder2017",
    "miao2018_rcc",
    "nathanson2017",
)
FACTORS = 16
FEWEST_PRE = 15  # a cohort with fewer samples before treatment contributes all of its samples to the gene statistics
LABORATORY_RATIO = 0.5  # variance between laboratories over that between tumor types; printed estimate over all scores


def before_treatment(cohort: Cohort) -> list[Patient]:
    """Samples taken before treatment, or all where there are too few."""
    measured = [p for p in cohort if p.expression is not None]
    pre = [p for p in measured if p.clinical.get("timepoint", "pre") == "pre"]
    return pre if len(pre) >= FEWEST_PRE else measured


def expressed(patients: list[Patient]) -> list[pd.Series]:
    """Expression of the patients that have any."""
    return [p.expression for p in patients if p.expression is not None]


def blank(genes: tuple[str, ...]) -> Reference:
    """A reference that knows its universe and nothing else yet."""
    n = len(genes)
    return Reference(
        genes=genes,
        location=np.zeros(n),
        scale=np.ones(n),
        stable=np.array([], dtype=np.intp),
        stable_log2=np.array([]),
        loadings=np.zeros((n, 1)),
        protocol_origin=np.zeros(n),
        protocol_slopes=np.zeros((1, n)),
        protocol_weight=np.zeros(n),
        scores={},
        phenotype={},
        cohort_tumors={},
        provenance={},
    )


def biomarker_genes(knowledge: Knowledge) -> set[str]:
    """Genes that any expression biomarker or panel reads."""
    found = {
        g
        for m in knowledge.mechanisms.values()
        for b in m.biomarker
        if b.input == "expression"
        for g in (*b.genes, *b.genes_down)
    }
    return found | {g for genes in panels().values() for g in genes}


def gene_statistics(cohorts: dict[str, list[Patient]], knowledge: Knowledge) -> Reference:
    """Steps 1 to 5."""
    present = {name: set(expressed(patients)[0].index) for name, patients in cohorts.items()}
    full = [name for name in cohorts if len(present[name]) > 10000]
    counted = Counter(g for name in full for g in present[name])
    genes = tuple(sorted(g for g, k in counted.items() if k >= len(full) - 3))
    reference = blank(genes)
    linear = {n: np.array([universe_vector(e, reference) for e in expressed(ps)]) for n, ps in cohorts.items()}

    # Stable genes: level and spread of log2 after removing each sample's median over well expressed genes.
    logs = {name: np.log2(np.maximum(linear[name], 0.01)) for name in full}
    level = np.nanmean([np.nanmedian(v, axis=0) for v in logs.values()], axis=0)
    lowest = np.nanmin([np.nanmedian(v, axis=0) for v in logs.values()], axis=0)
    anchor = level > 4.0
    centered = {name: v - np.nanmedian(v[:, anchor], axis=1, keepdims=True) for name, v in logs.items()}
    within = np.sqrt(np.nanmean([np.nanvar(v, axis=0) for v in centered.values()], axis=0))
    medians = np.array([np.nanmedian(v, axis=0) for v in centered.values()])  # NaN for a gene the cohort lacks
    between = np.nanstd(medians, axis=0)
    read = biomarker_genes(knowledge)
    free = np.array([g not in read and not g.startswith(("HLA-", "MT-", "RPL", "RPS", "IG", "TR")) for g in genes])
    stable = np.flatnonzero((lowest > 2.0) & (np.hypot(within, between) < 0.95) & free)
    stable_log2 = np.nanmean(medians, axis=0)[stable] + float(np.mean(level[anchor]))
    # A typical complete sample keeps its own scale: the offset of the median cohort is made zero.
    offsets = [np.nanmedian(logs[n][:, stable] - stable_log2, axis=1).mean() for n in full]
    stable_log2 = stable_log2 + float(np.median(offsets))

    normalized: dict[str, np.ndarray] = {}
    for name, matrix in linear.items():
        rows = [log_expression(row, stable, stable_log2)[0] for row in matrix]
        normalized[name] = np.array([r for r in rows if r is not None])
        panel = len(present[name]) <= 10000
        print(
            f"  {name}: {len(rows)} samples, {int(np.isfinite(matrix[0, stable]).sum())} stable genes"
            f"{' (panel)' if panel else ''}"
        )
    tumors = {name: patients[0].tumor for name, patients in cohorts.items()}
    slopes, weight, origin = protocol_axes(normalized, full, tumors, genes, free)
    for name, matrix in normalized.items():
        t = np.array([protocol_coordinates(row, origin, slopes, weight) for row in matrix])
        normalized[name] = matrix - t @ slopes
        print(f"  {name}: protocol coordinates {t.mean(axis=0).round(2)} +- {t.std(axis=0).round(2)}")
    centers = np.array([np.nanmedian(v, axis=0) for v in normalized.values()])
    spread = np.array([1.4826 * np.nanmedian(np.abs(v - np.nanmedian(v, axis=0)), axis=0) for v in normalized.values()])
    # Genes that are off in most samples have no median deviation; their tail is what the standard deviation sees.
    spread = np.maximum(spread, 0.5 * np.array([np.nanstd(v, axis=0) for v in normalized.values()]))
    location = np.nanmean(centers, axis=0)
    scale = np.sqrt(np.nanmean(spread**2, axis=0) + np.nanvar(centers, axis=0))
    scale = np.maximum(scale, 0.15)
    reference = replace(
        reference,
        location=location,
        scale=scale,
        stable=stable,
        stable_log2=stable_log2,
        loadings=np.zeros((len(genes), FACTORS)),
        protocol_origin=origin,
        protocol_slopes=slopes,
        protocol_weight=weight,
    )
    blocks = []
    for name in full:
        z = np.clip((normalized[name] - location) / scale, -5, 5)
        z = np.nan_to_num(z - np.nanmean(z, axis=0))
        blocks.append(z / np.sqrt(len(z) * len(full)))
    stacked = np.vstack(blocks)
    left, singular, _ = np.linalg.svd(stacked @ stacked.T)
    components = (left[:, :FACTORS].T @ stacked).T
    # Loadings on unit-variance genes: communality cannot exceed the variance of the gene.
    deviation = np.sqrt(np.maximum((stacked**2).sum(axis=0), 1e-6))
    loadings = components / deviation[:, None]
    size = np.sqrt((loadings**2).sum(axis=1, keepdims=True))
    loadings = loadings / np.maximum(1.0, size / 0.98)
    print(
        f"  universe {len(genes)} genes, {len(stable)} stable, {FACTORS} factors hold "
        f"{100 * singular[:FACTORS].sum() / singular.sum():.0f} % of variance"
    )
    return unpack(pack(replace(reference, loadings=loadings)))


def protocol_axes(
    normalized: dict[str, np.ndarray], full: list[str], tumors: dict[str, str], genes: tuple[str, ...], free: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes (axis, gene) on RNA integrity and library preparation, weights of the marker genes, level at the origin.

    First axis: degraded tissue loses short transcripts, those of ribosomal proteins first: their mean level is the
    seed (a range of 7 log2 between cohorts, far beyond biology); slopes are pooled regressions with equal cohort
    weights. Second
    axis: leading direction between the cohorts of the tumor type that has most of them, after the first is removed;
    cohorts of one disease differ by laboratory, not by biology. Markers lie outside all biomarkers and differ more
    along the axes than between patients.
    """
    ribosomal = np.array([re.fullmatch(r"RP[LS][0-9]+[AXL]?", g) is not None for g in genes])
    stacked = np.vstack([normalized[n] for n in full])
    owner = np.concatenate([np.full(len(normalized[n]), i) for i, n in enumerate(full)])
    weights = np.concatenate([np.full(len(normalized[n]), 1.0 / len(normalized[n]) / len(full)) for n in full])
    seed = np.nanmean(stacked[:, ribosomal], axis=1)
    seed = (seed - (weights * seed).sum()) / np.sqrt((weights * (seed - (weights * seed).sum()) ** 2).sum())
    ok = np.isfinite(stacked)
    w = weights[:, None] * ok
    total = w.sum(axis=0)
    mean_t = (w * seed[:, None]).sum(axis=0) / total
    mean_x = (w * np.nan_to_num(stacked)).sum(axis=0) / total
    dt, dx = seed[:, None] - mean_t, np.where(ok, stacked - mean_x, 0.0)
    first = (w * dt * dx).sum(axis=0) / (w * dt * dt).sum(axis=0)
    origin = mean_x - first * mean_t
    rest = stacked - origin - seed[:, None] * first
    within = np.sqrt(np.nanmean([np.nanvar(rest[owner == i], axis=0) for i in range(len(full))], axis=0))
    counts = Counter(tumors[n] for n in full)
    disease = counts.most_common(1)[0][0]
    centers = np.array([np.nanmedian(rest[owner == i], axis=0) for i, n in enumerate(full) if tumors[n] == disease])
    centers = np.nan_to_num(centers - np.nanmean(centers, axis=0))
    _, singular, right = np.linalg.svd(centers, full_matrices=False)
    # One unit of the second axis is one standard deviation between those cohorts.
    second = right[0] * singular[0] / np.sqrt(len(centers))
    strength = np.hypot(first, second) / np.maximum(within, 0.3)
    marker = free & (strength > 1.0) & (total > 0.9 * total.max())
    # Markers share their noise: each counts as a tenth of an independent measurement.
    weight = np.where(marker, 0.1 / np.maximum(within, 0.3) ** 2, 0.0)
    share = singular[0] ** 2 / (singular**2).sum()
    print(
        f"  protocol axes: {int(ribosomal.sum())} ribosomal genes as seed, {int(marker.sum())} markers, "
        f"second holds {100 * share:.0f} % between {disease} cohorts"
    )
    slopes = np.round(np.vstack([first, second]), 2).astype(np.float16).astype(float)
    return slopes, weight.astype(np.float16).astype(float), np.round(origin, 2).astype(np.float16).astype(float)


def pooled(values: dict[str, np.ndarray]) -> tuple[float, float]:
    """Center and total standard deviation (within plus between cohorts), cohorts weighted equally."""
    usable = [v[np.isfinite(v)] for v in values.values()]
    usable = [v for v in usable if len(v) >= 5]
    centers = np.array([v.mean() for v in usable])
    within = np.mean([v.var() for v in usable])
    return float(centers.mean()), float(np.sqrt(within + centers.var()))


def weighted_quantiles(values: dict[str, np.ndarray]) -> np.ndarray:
    """Quantiles over cohorts of equal weight."""
    x, w = [], []
    for v in values.values():
        v = v[np.isfinite(v)]
        if len(v) >= 5:
            x.append(v)
            w.append(np.full(len(v), 1.0 / len(v)))
    data, weight = np.concatenate(x), np.concatenate(w)
    order = np.argsort(data)
    share = (np.cumsum(weight[order]) - 0.5 * weight[order]) / weight.sum()
    return np.round(np.interp(QUANTILES, share, data[order]), 3)


def tumor_offsets(values: dict[str, np.ndarray], tumors: dict[str, str]) -> tuple[dict[str, float], float]:
    """Mean of each tumor type, shrunk by n / (n + k), and the spread within types (patients plus laboratories).

    k is the variance between laboratories of one type over that between types, taken as LABORATORY_RATIO for all
    scores because one score has too few cohorts to tell.
    """
    means = {n: float(v[np.isfinite(v)].mean()) for n, v in values.items() if np.isfinite(v).sum() >= 5}
    offsets = {}
    for tumor in sorted({tumors[n] for n in means}):
        own = [m for n, m in means.items() if tumors[n] == tumor]
        offsets[tumor] = round(float(np.mean(own)) * len(own) / (len(own) + LABORATORY_RATIO), 3)
    left = [np.mean((v[np.isfinite(v)] - offsets[tumors[n]]) ** 2) for n, v in values.items() if n in means]
    return offsets, round(float(np.sqrt(np.mean(left))), 3)


def within_slope(y: dict[str, np.ndarray], x: dict[str, np.ndarray]) -> float:
    """Correlation within cohorts, cohorts weighted equally."""
    xy = xx = yy = 0.0
    for name in y:
        ok = np.isfinite(y[name]) & np.isfinite(x[name])
        if ok.sum() < 5:
            continue
        a, b = y[name][ok] - y[name][ok].mean(), x[name][ok] - x[name][ok].mean()
        xy, xx, yy = xy + (a * b).mean(), xx + (b * b).mean(), yy + (a * a).mean()
    return float(np.clip(xy / np.sqrt(xx * yy), -0.95, 0.95)) if xx > 0 and yy > 0 else 0.0


def biomarker_references(cohorts: dict[str, list[Patient]], reference: Reference, knowledge: Knowledge) -> Reference:
    """Step 6."""
    none = np.array([], dtype=np.intp)
    scored = {name: [score_sample(e, reference) for e in expressed(ps)] for name, ps in cohorts.items()}
    scores: dict[str, ScoreReference] = {}
    tumors = {name: patients[0].tumor for name, patients in cohorts.items()}

    def contrasts(up: np.ndarray, down: np.ndarray) -> dict[str, np.ndarray]:
        # Cohorts that lack more than a fifth of a score's genes are left out, so that center and spread are of the
        # whole.
        found = {}
        for name, samples in scored.items():
            rows = [contrast(s.z, up, down) for s in samples if s is not None]
            complete = [r[0] if len(r[1]) >= 0.8 * len(up) and len(r[2]) >= 0.8 * len(down) else np.nan for r in rows]
            found[name] = np.array(complete)
        return found

    inflamed: dict[str, np.ndarray] = {}
    for name, genes in panels().items():
        values = contrasts(reference.positions(genes), none)
        center, sd = pooled(values)
        scores[name] = ScoreReference(
            center, sd, 0.0, 1.0, weighted_quantiles({k: (v - center) / sd for k, v in values.items()})
        )
        if name == "inflamed":
            inflamed = {k: (v - center) / sd for k, v in values.items()}
    for mechanism in knowledge.mechanisms.values():
        for biomarker in mechanism.biomarker:
            if biomarker.input != "expression":
                continue
            compiled = compile_biomarker(biomarker, reference)
            if not len(compiled.up):
                print(f"  {mechanism.id}/{biomarker.id}: no gene in the universe")
                continue
            if biomarker.method == "ssgsea":
                values = {}
                for name, samples in scored.items():
                    rows = []
                    for s in samples:
                        if s is None or not len(s.position):
                            rows.append(np.nan)
                            continue
                        raw = ssgsea_from_ranks(s.position, s.weight, s.place[compiled.up])
                        rows.append(
                            raw
                            - (
                                ssgsea_from_ranks(s.position, s.weight, s.place[compiled.down])
                                if len(compiled.down)
                                else 0.0
                            )
                        )
                    values[name] = np.array(rows)
            else:
                values = contrasts(compiled.up, compiled.down)
            center, sd = pooled(values)
            standard = {k: (v - center) / sd for k, v in values.items()}
            slope = within_slope(standard, inflamed)
            used = slope if biomarker.adjust_for == "inflamed" else 0.0
            # After adjustment the spread is brought back to one, so that separation keeps its unit.
            left = {k: v - used * inflamed[k] for k, v in standard.items()}
            residual = pooled(left)[1] if used else 1.0
            adjusted = {k: v / residual for k, v in left.items()}
            key = gene_key(biomarker.method, biomarker.genes, biomarker.genes_down, biomarker.adjust_for)
            if biomarker.method == "zmean":
                # A panel with part of the genes still tells where its tumor type lies, on the scale its part has.
                whole = replace(
                    compiled, score=ScoreReference(center, sd, used, residual, weighted_quantiles(adjusted))
                )
                for name in adjusted:
                    if not np.isfinite(adjusted[name]).any():
                        found = [read_expression(whole, s, reference, "") for s in scored[name] if s is not None]
                        adjusted[name] = np.array([r.z for r in found])
            offsets, within = tumor_offsets(adjusted, tumors)
            full_quantiles = weighted_quantiles({k: v for k, v in adjusted.items() if np.isfinite(values[k]).any()})
            scores[key] = ScoreReference(center, sd, used, residual, full_quantiles, offsets, within)
            absent = [g for g in (*biomarker.genes, *biomarker.genes_down) if g not in reference.index]
            model = np.sqrt(reference.covariance(compiled.up, compiled.down, compiled.up, compiled.down))
            print(
                f"  {mechanism.id}/{biomarker.id}: center {center:+.2f} sd {sd:.2f} (model {model:.2f}) "
                f"r(inflamed) {slope:+.2f} residual {residual:.2f} within {within:.2f} {offsets}"
                f"{' not in universe: ' + ','.join(absent) if absent else ''}"
            )
    return replace(reference, scores=scores)


def multinomial(x: np.ndarray, y: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Multinomial logistic regression with a ridge on slopes, coefficients (class, 1 + feature)."""
    from scipy.optimize import minimize

    design = np.column_stack([np.ones(len(x)), x])
    k = len(PHENOTYPES)
    target = np.eye(k)[y]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        b = flat.reshape(k, -1)
        logits = design @ b.T
        logits = logits - logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        gradient = (p - target).T @ design
        gradient[:, 1:] += ridge * b[:, 1:]
        gradient[:, 0] += 0.01 * b[:, 0]
        value = (
            -np.log((p * target).sum(axis=1)).sum() + 0.5 * ridge * (b[:, 1:] ** 2).sum() + 0.005 * (b[:, 0] ** 2).sum()
        )
        return float(value), gradient.ravel()

    return minimize(loss, np.zeros(k * design.shape[1]), jac=True, method="L-BFGS-B").x.reshape(k, -1)


def shares(b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Class probabilities."""
    logits = np.column_stack([np.ones(len(x)), np.clip(x, -3, 3)]) @ b.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def fit_phenotype(cohorts: dict[str, list[Patient]], reference: Reference) -> dict[str, object]:
    """Step 7, with ten-fold cross-validation."""
    x, y = [], []
    for patient in cohorts["imvigor210"]:
        label = str(patient.clinical.get("immune_phenotype", "")).lower()
        sample = score_sample(patient.expression, reference) if patient.expression is not None else None
        if label in PHENOTYPES and sample is not None:
            features = phenotype_features(sample, reference)
            row = [features[f] for f in FEATURES]
            if np.isfinite(row).all():
                x.append(row)
                y.append(PHENOTYPES.index(label))
    features, labels = np.array(x), np.array(y)
    fold = np.arange(len(labels)) % 10
    out = np.zeros((len(labels), 3))
    for k in range(10):
        out[fold == k] = shares(
            multinomial(np.clip(features[fold != k], -3, 3), labels[fold != k]), features[fold == k]
        )
    accuracy = float((out.argmax(axis=1) == labels).mean())
    log_loss = float(-np.log(out[np.arange(len(labels)), labels]).mean())
    one = auc(out[:, 0], labels == 0)
    print(
        f"  {len(labels)} labelled samples: cross-validated accuracy {accuracy:.2f}, log loss {log_loss:.2f} "
        f"(prior {np.log(3):.2f}), AUC inflamed {one:.2f}"
    )
    b = multinomial(np.clip(features, -3, 3), labels)
    return {
        "coefficients": np.round(b, 4).tolist(),
        "class_fractions": np.round(np.bincount(labels, minlength=3) / len(labels), 4).tolist(),
        "features": list(FEATURES),
        "classes": list(PHENOTYPES),
        "n": len(labels),
        "cohort": "imvigor210",
        "cross_validated_accuracy": round(accuracy, 3),
        "cross_validated_log_loss": round(log_loss, 3),
    }


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the receiver operating characteristic, ties half."""
    a, b = score[positive], score[~positive]
    if not len(a) or not len(b):
        return float("nan")
    return float((a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean())


def main() -> int:
    """Build and write the reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of cohort folders")
    default = Path(__file__).resolve().parent.parent / "src" / "tumornexus" / "profile" / "data" / "reference.npz"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    # Genes that a cohort lacks are NaN columns; their statistics come from the other cohorts.
    warnings.filterwarnings("ignore", "All-NaN|Mean of empty|Degrees of freedom", RuntimeWarning)
    knowledge = load_knowledge()
    cohorts = {name: read_cohort(options.data / name, knowledge) for name in COHORTS}
    measured = {name: before_treatment(cohort) for name, cohort in cohorts.items()}
    print("genes")
    reference = gene_statistics(measured, knowledge)
    print("biomarkers")
    reference = biomarker_references(measured, reference, knowledge)
    print("phenotype")
    reference = replace(reference, phenotype=fit_phenotype(measured, reference))
    tumors: dict[str, float] = {}
    for patients in measured.values():
        tumors[patients[0].tumor] = tumors.get(patients[0].tumor, 0.0) + 1.0 / len(measured)
    provenance = {
        "cohorts": {name: len(patients) for name, patients in measured.items()},
        "sources": {
            "gide2019_pd1": "doi:10.1016/j.ccell.2019.01.003",
            "riaz2017": "doi:10.1016/j.cell.2017.09.028",
            "vanallen2015": "doi:10.1126/science.aad0095",
            "hugo2016": "doi:10.1016/j.cell.2016.02.065",
            "imvigor210": "doi:10.1038/nature25501",
            "jung2019_nsclc": "doi:10.1038/s41467-019-12159-9",
            "snyder2017": "doi:10.1371/journal.pmed.1002309",
            "miao2018_rcc": "doi:10.1126/science.aan5951",
            "nathanson2017": "doi:10.1158/2326-6066.CIR-16-0019",
        },
        "script": "scripts/build_reference.py",
        "knowledge_digest": knowledge.digest,
        "universe": len(reference.genes),
        "stable_genes": len(reference.stable),
        "content": "derived quantiles, loadings and coefficients; no patient values",
    }
    reference = replace(
        reference, cohort_tumors={k: round(v, 4) for k, v in sorted(tumors.items())}, provenance=provenance
    )
    arrays = pack(reference)
    digest = hashlib.sha256(b"".join(arrays[k].tobytes() for k in sorted(arrays))).hexdigest()[:16]
    arrays = pack(replace(reference, provenance={**provenance, "digest": digest}))
    buffer = stdio.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    temporary = options.out.with_suffix(".partial")
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(options.out)
    print(f"{options.out.name}: {len(buffer.getvalue()) / 1e6:.2f} MB, digest {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
