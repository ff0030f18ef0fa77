"""Summarize the public cohorts into the statistics that the patient generator needs.

    python verification/make_generator_statistics.py DATA_FOLDER

Takes the eight whole-transcriptome cohorts (gide2019_pd1, hugo2016, jung2019_nsclc, miao2018_rcc, nathanson2017,
riaz2017, snyder2017, vanallen2015) and writes ``verification/data/generator_statistics.npz``: derived per-gene numbers
and no patient. What is estimated, per gene of the genes that all eight share:

* ``level`` (tumor, gene), log2 TPM: mean over the samples of a cohort, median over the cohorts of the tumor type. Not
  the median over samples: the generator adds effects around a mean, and weakly expressed genes are skewed.
* ``share`` (cell type, gene): which part of the gene's bulk expression each cell type contributes at typical
  composition, by non-negative least squares of the gene's expression relative to its cohort median on relative cell
  fractions. A cell type's expression profile is ``2^level * share / fraction``. Fractions follow anchor genes (below).
* ``log_fraction_cov``: covariance between patients of the log2 cell fractions.
* ``program`` (mechanism, gene): how each gene moves, log2, when a mechanism's program rises by one unit: ridge
  regression of what the mixture leaves unexplained on all program scores at once. A score is the leading common
  direction of the mechanism's list in ``generator_programs.json``; the unit makes the responding genes of the list
  rise by 1 on average. Genes outside the list follow where the cohorts say so, because a mechanism moves more than
  any list.
* ``program_sd``: robust spread, between patients, of the mean of the responding genes, log2.
* ``factor`` (factor, gene): leading directions of what remains, nuisance that genes share; ``gene_sd``: the rest.
* ``batch_sd``: spread of gene medians between the three melanoma cohorts of one library protocol.

The biomarker signatures of the knowledge base are not read here: that is the point of the exercise.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

HERE = Path(__file__).parent
COHORTS = {
    "riaz2017": "melanoma",
    "gide2019_pd1": "melanoma",
    "hugo2016": "melanoma",
    "vanallen2015": "melanoma",
    "nathanson2017": "melanoma",
    "jung2019_nsclc": "nsclc",
    "miao2018_rcc": "rcc",
    "snyder2017": "urothelial",
}
# Urothelial cancer has no baseline of its own here: its one whole-transcriptome cohort differs from the others by 3 to
# 4 log2 in HLA and housekeeping genes, a protocol and not a tissue. It still informs shares and programs.
TUMORS = ("melanoma", "nsclc", "rcc")
# Between these laboratories genes differ by about 0.35 log2; gide2019_pd1 and vanallen2015 differ from them by about 1,
# gene after gene the same way, which is another library preparation (fixed tissue) and not a batch.
SAME_PROTOCOL = ("riaz2017", "hugo2016", "nathanson2017")
# Textbook lineage genes whose linear abundance scales with the number of cells of the type. Mean fractions: orders of
# magnitude of solid-tumor single-cell atlases (assumed; they cancel in the mixture, which works on relative fractions,
# and matter only for how much room is left for cancer cells). Helper and cytotoxic T cells and NK cells vary together
# in bulk (correlation 0.9), and so do B and plasma cells (0.8): bulk data cannot separate their profiles.
ANCHORS: dict[str, tuple[float, tuple[str, ...]]] = {
    "t_cell": (0.08, ("CD3D", "CD3E", "CD3G", "CD2", "CD5", "CD6", "SIT1", "UBASH3A")),
    "b_cell": (0.04, ("CD19", "CD79A", "CD79B", "MS4A1", "FCRL1", "BLK", "TNFRSF17", "MZB1")),
    "macrophage": (0.08, ("C1QA", "C1QB", "C1QC", "FCGR3A", "TYROBP", "CD68", "AIF1", "LAPTM5")),
    "neutrophil": (0.01, ("FCGR3B", "CXCR1", "CXCR2", "CSF3R", "FPR1", "S100A12", "CMTM2")),
    "fibroblast": (0.10, ("DCN", "LUM", "COL1A2", "COL3A1", "COL6A1", "PDGFRB", "COL5A1", "FBLN1")),
    "endothelial": (0.04, ("PECAM1", "VWF", "CDH5", "CLDN5", "ERG", "ROBO4", "MMRN2", "CD34")),
}
N_FACTORS = 8
FLOOR = 0.05  # TPM: below this, an RNA-seq library of usual depth cannot tell levels apart


def read(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """All cohorts on their shared genes (gene, sample), with the cohort index of each sample."""
    tables = []
    for name in COHORTS:
        table = pd.read_csv(folder / name / "expression.tsv.gz", sep="\t", index_col=0)
        table = table[~table.index.duplicated()].dropna()
        tables.append(table * (1e6 / table.sum(axis=0)))
    shared = sorted(set.intersection(*(set(t.index) for t in tables)))
    cohort = np.repeat(np.arange(len(tables)), [t.shape[1] for t in tables])
    return pd.concat([t.loc[shared] for t in tables], axis=1), cohort


def fractions(tpm: pd.DataFrame, cohort: np.ndarray) -> np.ndarray:
    """Cell fractions (cell type, sample), cancer cells last; capped so that a tenth is always cancer cells."""
    rows = []
    for mean, genes in ANCHORS.values():
        score = np.log2(tpm.reindex(genes).dropna() + FLOOR)
        for c in np.unique(cohort):
            score.loc[:, cohort == c] = score.loc[:, cohort == c].sub(score.loc[:, cohort == c].median(axis=1), axis=0)
        rows.append(mean * 2.0 ** np.clip(score.mean(axis=0).to_numpy(), -4.0, 3.0))
    f = np.array(rows)
    f *= np.minimum(1.0, 0.9 / f.sum(axis=0))
    return np.vstack([f, 1.0 - f.sum(axis=0)])


def main(folder: Path) -> None:
    """Estimate and write; reports one line a program."""
    tpm, cohort = read(folder)
    genes = np.array(tpm.index)
    x = np.log2(tpm.to_numpy().T + FLOOR)  # (sample, gene)
    center = np.array([np.median(x[cohort == c], axis=0) for c in range(len(COHORTS))])
    of_tumor = [[i for i, t in enumerate(COHORTS.values()) if t == name] for name in TUMORS]
    mean = np.array([x[cohort == c].mean(axis=0) for c in range(len(COHORTS))])
    base = np.array([np.median(mean[members], axis=0) for members in of_tumor])
    same_protocol = [list(COHORTS).index(name) for name in SAME_PROTOCOL]
    batch_sd = np.clip(center[same_protocol].std(axis=0, ddof=1), 0.0, 2.0)
    x -= center[cohort]

    f = fractions(tpm, cohort)
    log_f = np.log2(f[:-1])
    relative = f / np.median(f, axis=1, keepdims=True)  # (cell type, sample)
    share = np.zeros((len(relative), len(genes)))
    for g in range(len(genes)):
        y = 2.0 ** np.clip(x[:, g], -5.0, np.quantile(x[:, g], 0.98))  # one extreme sample must not define a cell type
        weight = 1.0 / (y + 1.0)  # errors are relative, not absolute
        share[:, g] = nnls((relative * weight).T, y * weight)[0]
    share /= np.maximum(share.sum(axis=0), 1e-6)
    z = (x - np.log2(relative.T @ share + 0.02)).clip(-4.0, 4.0)
    for c in range(len(COHORTS)):
        z[cohort == c] -= z[cohort == c].mean(axis=0)

    programs = json.loads((HERE / "data" / "generator_programs.json").read_text())
    names = list(programs)
    index = {g: i for i, g in enumerate(genes)}
    lists = [np.array([index[g] for g in programs[n]["genes"] if g in index]) for n in names]
    # Two directions move thousands of genes in every cohort (sample quality, by their genes): a long list would follow
    # them instead of its own biology, so the programs are estimated without them. They return as nuisance factors.
    left, singular, direction = np.linalg.svd(z, full_matrices=False)
    clean = z - (left[:, :2] * singular[:2]) @ direction[:2]
    scale = np.maximum(clean.std(axis=0), 0.15)
    scores = []
    for members in lists:
        block = clean[:, members] / scale[members]
        lead = np.linalg.svd(block, full_matrices=False)[2][0]
        lead *= np.sign(lead.sum()) or 1.0
        score = block @ np.maximum(lead, 0.0)
        scores.append(score / score.std())
    s = np.array(scores).T
    precision = s.T @ s + 0.3 * len(s) * np.eye(s.shape[1])
    beta = np.linalg.solve(precision, s.T @ clean)  # (program, gene), log2 per SD of the score
    rest = z - s @ beta
    residual = clean - s @ beta
    spread = np.sqrt(np.diag(np.linalg.inv(precision)))
    t_value = beta / (np.maximum(residual.std(axis=0), 0.1)[None, :] * spread[:, None])
    program = np.zeros_like(beta)
    program_sd = np.zeros(len(names))
    for k, members in enumerate(lists):
        inside = np.zeros(len(genes), dtype=bool)
        inside[members] = True
        responding = inside & (t_value[k] > 3.0)
        unit = beta[k][responding].mean()
        keep = (inside & (t_value[k] > 1.0)) | (np.abs(t_value[k]) > 5.0)
        program[k] = np.where(keep, np.clip(beta[k] / unit, -2.5, 2.5), 0.0)
        level = clean[:, responding].mean(axis=1)
        program_sd[k] = 1.4826 * np.median(np.abs(level - np.median(level)))
        top = " ".join(genes[np.argsort(-program[k])[:6]])
        counts = f"list {len(members)}, responding {responding.sum()}, moved {keep.sum()}"
        sys.stdout.write(f"{names[k]}: {counts}, spread {program_sd[k]:.2f} log2, led by {top}\n")

    # What remains is not independent between genes (tissue site, sample quality, lineage state): its leading
    # directions become nuisance factors, so that averaging over a signature does not remove the noise for free.
    _, singular, direction = np.linalg.svd(rest, full_matrices=False)
    factor = direction[:N_FACTORS] * (singular[:N_FACTORS] / np.sqrt(len(z)))[:, None]
    gene_sd = np.sqrt(np.maximum(rest.var(axis=0) - (factor**2).sum(axis=0), 0.01))

    for c in range(len(COHORTS)):
        log_f[:, cohort == c] -= log_f[:, cohort == c].mean(axis=1, keepdims=True)
    np.savez_compressed(
        HERE / "data" / "generator_statistics.npz",
        gene=genes.astype("U"),
        tumor=np.array(TUMORS),
        level=base.round(1).astype(np.float16),
        cell_type=np.array([*ANCHORS, "cancer"]),
        fraction=np.median(f, axis=1),
        share=share.round(2).astype(np.float16),
        log_fraction_cov=np.cov(log_f),
        mechanism=np.array(names),
        program=program.round(2).astype(np.float16),
        program_sd=program_sd,
        factor=factor.round(2).astype(np.float16),
        gene_sd=gene_sd.round(2).astype(np.float16),
        batch_sd=batch_sd.round(1).astype(np.float16),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
