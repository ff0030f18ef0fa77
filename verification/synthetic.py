"""Synthetic patients whose resistance mechanisms are known, to find out what a profile recovers.

The generator never reads the biomarker signatures of the knowledge base (`assert_independent` checks that no gene list
here equals a list there). A patient is made the other way around, from mechanism to measurement:

1. Mechanisms are drawn together from a correlated normal (fibroblasts come with TGF-beta and CXCL12, hypoxia with
   glycolysis and abnormal vessels, suppressor myeloid cells with each other, regulatory T cells, IDO and alternative
   checkpoints with inflammation), each with an extent in (0, 1].
2. Cell fractions are drawn log-normally with the covariance of the cohorts and shifted by the mechanisms.
3. Bulk expression is the linear mixture of cell-type profiles, times programs, times nuisance factors and gene-wise
   noise, times a gene-wise batch effect; all from ``data/generator_statistics.npz`` (see
   ``make_generator_statistics.py``), that is, from what eight public cohorts show.
4. Reads are negative-binomial at a random library size; the profile sees reads per million.
5. Mutations: planted drivers with the allele fraction that purity and clonal fraction imply, passengers by mutation
   load, binomial read counts, a detection limit. HLA types and clinical facts likewise.

Size of effects, fixed before any profile was scored: full extent lifts a program by three standard deviations of its
spread in the cohorts, held within 1 to 2 log2, so that at usual prevalences the mechanisms account for most
of that spread. Every patient has a background on top, a tenth of the extent scale; the truth of a
planted mechanism is the level that results, since nothing tells background from mechanism in a tumor.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
TUMORS = ("melanoma", "nsclc", "rcc")
BATCHES = 25  # laboratories a tumor type: enough that the result does not hang on the luck of a few batch effects
BACKGROUND = 0.1  # spread of a program that every patient has, in units of full extent
CELL_BACKGROUND = np.sqrt(1.0 / 3.0)  # part of the cohort spread of stroma and neutrophils that tissue site explains
FULL_EXTENT_SD = 3.0
FULL_EXTENT_LOG2 = (1.0, 2.0)
EXTENT = (8.0, 3.0)  # Beta parameters of the extent of a planted mechanism: mean 0.73, mostly 0.45 to 0.95; assumed
PLANTED = (3, 10)  # mechanisms of a patient that has any
NOTHING = 0.2  # part of the patients that has none
EXOME_MB = 38.0
FLOOR = 0.05  # TPM that the statistics were floored with before the logarithm


@dataclass(frozen=True)
class Plant:
    """How one mechanism appears in a synthetic patient.

    Attributes:
        prevalence: probability by tumor id, among patients that have any mechanism.
        sign: direction in which the program of the same name moves; 0 when there is none.
        cells: log2 change of cell fractions at full extent.
        drivers: (gene, protein change, consequence) of which one is planted; ``always`` says whether it must be.
        clonal: the extent is the fraction of cancer cells that carry the driver.
        keys: genes that move by one unit by definition of the mechanism, whatever the cohorts say.
        also: other programs that it moves, as a part of their full extent.
    """

    prevalence: Mapping[str, float]
    sign: float = 1.0
    cells: Mapping[str, float] = field(default_factory=dict)
    drivers: Mapping[str, tuple[tuple[str, str, str], ...]] = field(default_factory=dict)
    always: bool = False
    clonal: bool = False
    keys: tuple[str, ...] = ()
    also: Mapping[str, float] = field(default_factory=dict)


def _by(melanoma: float, nsclc: float, rcc: float) -> dict[str, float]:
    return {"melanoma": melanoma, "nsclc": nsclc, "rcc": rcc}


MISSENSE, STOP, SHIFT = "missense_variant", "stop_gained", "frameshift_variant"
DELETION = "deletion"  # of the whole gene: its expression falls, and no mutation row tells
Drivers = tuple[tuple[str, str, str], ...]


def _any_tumor(*drivers: tuple[str, str, str]) -> dict[str, Drivers]:
    return dict.fromkeys(TUMORS, drivers)


# Prevalences are those of the tumor records, rounded, so that the means of the cohorts, to which every patient is
# anchored, contain the mechanisms as often as they are planted: in renal cancer the mean already is a vascular tumor.
PLANTS: dict[str, Plant] = {
    "low_tmb": Plant(_by(0.45, 0.65, 0.9), sign=0.0),
    "hla_homozygosity": Plant(_by(0.22, 0.22, 0.22), sign=0.0),
    "gut_dysbiosis": Plant(_by(0.35, 0.4, 0.35), sign=0.0),
    "b2m_loss": Plant(
        _by(0.06, 0.04, 0.03),
        sign=0.0,
        drivers=_any_tumor(("B2M", "p.Leu15PhefsTer41", SHIFT), ("B2M", "p.Tyr30Ter", STOP)),
        always=True,
        clonal=True,
    ),
    "ifng_pathway_defect": Plant(
        _by(0.05, 0.04, 0.03),
        sign=-1.0,
        drivers=_any_tumor(("JAK1", "p.Gln503Ter", STOP), ("JAK2", "p.Arg361Ter", STOP)),
        always=True,
        clonal=True,
    ),
    "apm_loss": Plant(_by(0.15, 0.25, 0.2), sign=-1.0),
    "mapk_activation": Plant(
        _by(0.8, 0.33, 0.03),
        drivers={
            "melanoma": (("BRAF", "p.Val600Glu", MISSENSE), ("NRAS", "p.Gln61Arg", MISSENSE)),
            "nsclc": (("KRAS", "p.Gly12Cys", MISSENSE), ("KRAS", "p.Gly12Val", MISSENSE)),
            "rcc": (("KRAS", "p.Gly12Asp", MISSENSE),),
        },
        always=True,
    ),
    "pi3k_activation": Plant(
        _by(0.3, 0.2, 0.12),
        drivers=_any_tumor(("PTEN", "p.Arg130Ter", STOP), ("PIK3CA", "p.His1047Arg", MISSENSE), ("PTEN", "", DELETION)),
        always=True,
    ),
    "wnt_beta_catenin": Plant(
        _by(0.25, 0.15, 0.06),
        cells={"t_cell": -1.5, "b_cell": -1.0},
        drivers=_any_tumor(("CTNNB1", "p.Ser37Phe", MISSENSE), ("CTNNB1", "p.Ser45Pro", MISSENSE)),
    ),
    "stk11_keap1_loss": Plant(
        _by(0.0, 0.22, 0.0),
        drivers={"nsclc": (("KEAP1", "p.Arg320Ter", STOP), ("STK11", "p.Gln37Ter", STOP))},
        always=True,
    ),
    "epigenetic_silencing": Plant(_by(0.25, 0.25, 0.25), also={"apm_loss": -0.5}),
    "hypoxia": Plant(_by(0.45, 0.4, 0.4)),
    "glycolysis": Plant(_by(0.35, 0.35, 0.5)),
    "abnormal_vasculature": Plant(_by(0.35, 0.4, 0.75), cells={"endothelial": 1.0}),
    "mdsc": Plant(_by(0.25, 0.4, 0.25), cells={"neutrophil": 3.0}),
    "tam_m2": Plant(_by(0.3, 0.4, 0.4), cells={"macrophage": 1.5}),
    "treg": Plant(_by(0.3, 0.35, 0.35)),
    "caf": Plant(_by(0.25, 0.35, 0.25), cells={"fibroblast": 3.0}),
    "tgf_beta": Plant(_by(0.25, 0.35, 0.3)),
    "cxcl12": Plant(_by(0.2, 0.3, 0.3), keys=("CXCL12",)),
    "ido": Plant(_by(0.3, 0.3, 0.35)),
    "alternative_checkpoints": Plant(_by(0.45, 0.35, 0.45), keys=("LAG3", "HAVCR2", "TIGIT")),
    "cdc1_loss": Plant(_by(0.25, 0.25, 0.25), sign=-1.0, cells={"t_cell": -0.7}),
}
MECHANISMS = tuple(PLANTS)
# Mechanisms that a clinical fact defines: not drawn with the others, true where the fact is.
FROM_FACTS = {"antibiotic_exposure": "antibiotics_60d"}
INFLAMED = "inflamed"  # latent companion of the T-cell fraction, not a mechanism
CORRELATION: tuple[tuple[str, str, float], ...] = (
    ("caf", "tgf_beta", 0.6),
    ("caf", "cxcl12", 0.5),
    ("tgf_beta", "cxcl12", 0.4),
    ("hypoxia", "glycolysis", 0.6),
    ("hypoxia", "abnormal_vasculature", 0.5),
    ("glycolysis", "abnormal_vasculature", 0.3),
    ("mdsc", "tam_m2", 0.5),
    ("hypoxia", "mdsc", 0.2),
    ("treg", "ido", 0.4),
    ("treg", "alternative_checkpoints", 0.4),
    ("ido", "alternative_checkpoints", 0.4),
    (INFLAMED, "treg", 0.5),
    (INFLAMED, "ido", 0.5),
    (INFLAMED, "alternative_checkpoints", 0.5),
    (INFLAMED, "wnt_beta_catenin", -0.4),
    (INFLAMED, "cdc1_loss", -0.4),
    (INFLAMED, "apm_loss", -0.2),
    ("wnt_beta_catenin", "cdc1_loss", 0.4),
    ("apm_loss", "epigenetic_silencing", 0.4),
)
# Frequent alleles of European-ancestry donors, enough of them that an accidental homozygote can be avoided.
HLA_ALLELES = {
    "A": ("01:01", "02:01", "03:01", "11:01", "24:02", "26:01", "29:02", "31:01", "32:01", "68:01"),
    "B": ("07:02", "08:01", "15:01", "18:01", "27:05", "35:01", "40:01", "44:02", "44:03", "51:01", "57:01"),
    "C": ("01:02", "02:02", "03:03", "03:04", "04:01", "05:01", "06:02", "07:01", "07:02", "12:03", "16:01"),
}
AMINO_ACIDS = (
    *("Ala", "Arg", "Asn", "Asp", "Cys", "Gln", "Glu", "Gly", "His", "Ile"),
    *("Leu", "Lys", "Met", "Phe", "Pro", "Ser", "Thr", "Trp", "Tyr", "Val"),
)
# A passenger that truncates one of these would plant a mechanism by accident; a missense passenger may fall there.
NO_PASSENGER_TRUNCATION = {g for p in PLANTS.values() for d in p.drivers.values() for g, _, _ in d} | {
    "IFNGR1", "IFNGR2", "STAT1", "IRF1", "TAP1", "TAP2", "TAPBP", "NLRC5", "HLA-A", "HLA-B", "HLA-C", "NF1", "APC",
    "AXIN1", "AXIN2", "PIK3R1", "TSC1", "TSC2", "BRAF", "NRAS", "KRAS", "HRAS", "MAP2K1", "MAP2K2", "SMARCA4", "PBRM1",
    "ARID1A", "ARID2", "CASP8", "RASA2",
}  # fmt: skip


@dataclass(frozen=True)
class Statistics:
    """What the cohorts say, as float64; see ``make_generator_statistics.py`` for each entry."""

    gene: np.ndarray
    level: dict[str, np.ndarray]
    cell_type: tuple[str, ...]
    fraction: np.ndarray
    share: np.ndarray
    log_fraction_cov: np.ndarray
    program: dict[str, np.ndarray]
    program_sd: dict[str, float]
    factor: np.ndarray
    gene_sd: np.ndarray
    batch_sd: np.ndarray

    def full_extent(self, program: str) -> float:
        """Rise of a program's responding genes at full extent, log2."""
        low, high = FULL_EXTENT_LOG2
        return float(np.clip(FULL_EXTENT_SD * self.program_sd[program], low, high))


@cache
def statistics() -> Statistics:
    """Load the stored statistics once."""
    with np.load(DATA / "generator_statistics.npz") as d:
        names = [str(m) for m in d["mechanism"]]
        program = {m: d["program"][k].astype(float) for k, m in enumerate(names)}
        index = {g: i for i, g in enumerate(d["gene"])}
        for name, plant in PLANTS.items():
            for gene in plant.keys:
                program[name][index[gene]] = max(1.0, program[name][index[gene]])
        return Statistics(
            gene=d["gene"],
            level={str(t): d["level"][k].astype(float) for k, t in enumerate(d["tumor"])},
            cell_type=tuple(str(c) for c in d["cell_type"]),
            fraction=d["fraction"],
            share=d["share"].astype(float),
            log_fraction_cov=d["log_fraction_cov"],
            program=program,
            program_sd=dict(zip(names, d["program_sd"].tolist(), strict=True)),
            factor=d["factor"].astype(float),
            gene_sd=d["gene_sd"].astype(float),
            batch_sd=d["batch_sd"].astype(float),
        )


@dataclass(frozen=True)
class SyntheticPatient:
    """One synthetic patient and the truth behind it.

    Attributes:
        expression: reads per million, shape (gene,), in the order of `statistics().gene`.
        mutations: rows of ``mutations.tsv`` as dictionaries.
        copies: genes with copies lost and the copies per cancer cell that the assay reads.
        clinical: facts under the names that patient and cohort files use.
        truth: mechanism to extent in (0, 1]; a mechanism that is not in it is absent.
        fractions: cell fractions, cancer cells included.
    """

    sample: str
    tumor: str
    batch: int
    expression: np.ndarray
    mutations: tuple[dict[str, str], ...]
    copies: tuple[tuple[str, float], ...]
    hla: tuple[str, ...]
    clinical: dict[str, object]
    truth: dict[str, float]
    fractions: dict[str, float]


def assert_independent(knowledge) -> None:
    """Raise AssertionError if a gene list of the generator equals a list of any biomarker record."""
    programs = json.loads((DATA / "generator_programs.json").read_text())
    ours = {frozenset(p["genes"]): name for name, p in programs.items()}
    clash = [
        f"{ours[frozenset(genes)]} = {mechanism.id}/{biomarker.id}"
        for mechanism in knowledge.mechanisms.values()
        for biomarker in mechanism.biomarker
        for genes in (biomarker.genes, biomarker.genes_down)
        if frozenset(genes) in ours
    ]
    assert not clash, f"the generator shares gene lists with the records it tests: {', '.join(clash)}"


def _generator(seed: int, *address: int | str) -> np.random.Generator:
    words = [int.from_bytes(str(a).encode(), "little") for a in address]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))


def _correlation() -> np.ndarray:
    names = [*MECHANISMS, INFLAMED]
    c = np.eye(len(names))
    for a, b, r in CORRELATION:
        i, j = names.index(a), names.index(b)
        c[i, j] = c[j, i] = r
    values, vectors = np.linalg.eigh(c)  # the pairs were chosen one by one: nearest positive definite matrix
    c = (vectors * np.maximum(values, 0.02)) @ vectors.T
    d = np.sqrt(np.diag(c))
    return c / d[:, None] / d[None, :]


def draw_mechanisms(rng: np.random.Generator, tumor: str) -> tuple[dict[str, float], float]:
    """Mechanisms of one patient with their extents, and the inflamed latent variable (standard normal)."""
    from statistics import NormalDist

    latent = np.linalg.cholesky(_correlation()) @ rng.standard_normal(len(MECHANISMS) + 1)
    extent = rng.beta(*EXTENT, len(MECHANISMS))
    level = extent + BACKGROUND * rng.standard_normal(len(MECHANISMS))
    measured_by_level = np.array([PLANTS[m].sign != 0.0 and not PLANTS[m].clonal for m in MECHANISMS])
    level = 1.0 - np.abs(1.0 - level)  # reflected at 1, or every tenth patient would sit exactly on the bound
    extent = np.round(np.clip(np.where(measured_by_level, level, extent), 0.1, 1.0), 3)
    nothing = rng.random() < NOTHING
    if nothing:
        return {}, float(latent[-1])
    p = np.array([PLANTS[m].prevalence[tumor] for m in MECHANISMS])
    margin = latent[:-1] + np.array([NormalDist().inv_cdf(max(x, 1e-9)) for x in p])
    possible = p > 0.0
    count = int(np.clip(np.sum((margin > 0.0) & possible), *PLANTED))
    chosen = np.argsort(np.where(possible, -margin, np.inf), kind="stable")[:count]
    return {MECHANISMS[k]: float(extent[k]) for k in sorted(chosen)}, float(latent[-1])


def _mean_extent(tumor: str, mechanism: str) -> float:
    """Population mean of a mechanism's extent, zero included: what the cohort means already contain."""
    a, b = EXTENT
    return (1.0 - NOTHING) * PLANTS[mechanism].prevalence[tumor] * a / (a + b)


def _fractions(rng: np.random.Generator, stats: Statistics, tumor: str, truth: Mapping[str, float], inflamed: float):
    """Cell fractions (cell type,), cancer cells last."""
    types = stats.cell_type[:-1]
    shift = {c: np.zeros(2) for c in types}  # this patient's, and the population's
    for name, plant in PLANTS.items():
        for c, change in plant.cells.items():
            shift[c] += change * np.array([truth.get(name, 0.0), _mean_extent(tumor, name)])
    scale = np.array([CELL_BACKGROUND if c in ("fibroblast", "neutrophil") else 1.0 for c in types])
    factor = np.linalg.cholesky(stats.log_fraction_cov * scale[:, None] * scale[None, :])
    z = rng.standard_normal(len(types))
    z[types.index("t_cell")] = inflamed  # first row of the factor: T cells lead, the others follow by their covariance
    log_f = np.log2(stats.fraction[:-1]) + factor @ z + np.array([shift[c][0] - shift[c][1] for c in types])
    f = 2.0 ** np.clip(log_f, np.log2(stats.fraction[:-1]) - 5.0, np.log2(stats.fraction[:-1]) + 4.0)
    f *= min(1.0, 0.85 / f.sum())
    return np.append(f, 1.0 - f.sum())


def _expression(
    rng: np.random.Generator,
    stats: Statistics,
    tumor: str,
    batch: np.ndarray,
    truth: Mapping[str, float],
    fractions: np.ndarray,
    lost: Mapping[str, tuple[float, float]],
) -> np.ndarray:
    """Reads per million (gene,)."""
    relative = fractions / stats.fraction
    log2 = stats.level[tumor] + np.log2(relative @ stats.share + 0.02)
    for name, response in stats.program.items():
        noise = rng.standard_normal()
        if name in PLANTS:
            extent = truth.get(name, BACKGROUND * noise)  # the truth of a planted one holds its background already
            level = stats.full_extent(name) * PLANTS[name].sign * (extent - _mean_extent(tumor, name))
        else:
            level = stats.program_sd[name] * noise
        for other, plant in PLANTS.items():
            if name in plant.also:
                part = plant.also[name] * stats.full_extent(name)
                level += part * (truth.get(other, 0.0) - _mean_extent(tumor, other))
        own = 1.0 + 0.3 * rng.standard_normal(len(response))  # the same program differs in detail between patients
        log2 = log2 + level * response * own
    for gene, (clonal, _) in lost.items():  # truncated transcripts decay; stroma and immune cells keep theirs
        g = int(np.flatnonzero(stats.gene == gene)[0])
        cancer = stats.share[-1, g] * relative[-1] / max(relative @ stats.share[:, g], 1e-6)
        log2[g] += np.log2(1.0 - 0.8 * clonal * min(cancer, 1.0))
    log2 = log2 + stats.factor.T @ rng.standard_normal(len(stats.factor))
    log2 = log2 + stats.gene_sd * rng.standard_normal(len(stats.gene)) + batch
    # Rounding before sampling: a last-digit difference between math libraries must not change a read count.
    tpm = np.maximum(2.0 ** np.round(np.clip(log2, -8.0, 17.0), 6) - FLOOR, 0.0)
    reads = 10.0 ** rng.uniform(7.2, 7.8)
    mean = np.round(tpm * (reads / tpm.sum()), 3)
    dispersion = 0.03  # technical; biological overdispersion is in gene_sd
    counts = rng.poisson(rng.gamma(1.0 / dispersion, np.maximum(mean, 1e-3) * dispersion))
    return counts * (1e6 / counts.sum())


def _reads(rng: np.random.Generator, fraction: float) -> tuple[int, int]:
    depth = int(20 + rng.negative_binomial(4, 4.0 / (4.0 + 100.0)))
    return depth, int(rng.binomial(depth, min(fraction, 0.99)))


def _row(gene: str, change: str, consequence: str, depth: int, alt: int) -> dict[str, str]:
    return {
        "gene": gene,
        "protein_change": change,
        "consequence": consequence,
        "t_depth": str(depth),
        "t_alt": str(alt),
        "t_vaf": f"{alt / depth:.4f}",
    }


def _mutations(rng: np.random.Generator, stats: Statistics, tumor: str, truth: Mapping[str, float], purity: float):
    """Somatic mutation rows, the mutation load per megabase, and genes lost with (clonal fraction, copies).

    A heterozygous mutation in a diploid tumor of purity p and clonal fraction c shows an allele fraction of p c / 2. A
    gene is lost by two such truncations, or by one with the other copy deleted: then p c / (2 - p c), and 2 - c copies.
    """
    if "low_tmb" in truth:
        tmb = 10.0 * (1.0 - truth["low_tmb"])  # truth: distance below 10 per megabase, the approved cut-off
    else:
        tmb = 10.5 + float(rng.lognormal(np.log(5.0), 0.7))
    rows = []
    lost = {}
    for name, plant in PLANTS.items():
        choices = plant.drivers.get(tumor, ())
        if not choices or name not in truth:
            continue
        gene, change, consequence = choices[int(rng.integers(len(choices)))]
        if plant.always or rng.random() < 0.5:
            clonal = truth[name] if plant.clonal else 1.0
            if consequence == MISSENSE:
                hits = [(change, consequence, purity * clonal / 2.0)]
            elif consequence == DELETION:
                hits, lost[gene] = [], (clonal, 2.0 * (1.0 - clonal))
            elif rng.random() < 0.5:  # two truncations, one on each copy
                second = f"p.{AMINO_ACIDS[rng.integers(20)]}{int(rng.integers(30, 110))}Ter"
                hits = [(change, consequence, purity * clonal / 2.0), (second, STOP, purity * clonal / 2.0)]
                lost[gene] = (clonal, 2.0)
            else:  # a truncation, and the other copy deleted
                hits = [(change, consequence, purity * clonal / (2.0 - purity * clonal))]
                lost[gene] = (clonal, 2.0 - clonal)
            for what, kind, fraction in hits:
                depth, alt = _reads(rng, fraction)
                if alt >= 3:
                    rows.append(_row(gene, what, kind, depth, alt))
    n = int(rng.poisson(tmb * EXOME_MB))
    while len(rows) < n:
        gene = str(stats.gene[rng.integers(len(stats.gene))])
        reference, altered = rng.choice(len(AMINO_ACIDS), 2, replace=False)
        position = int(rng.integers(2, 900))
        kind = rng.random()
        if kind < 0.92:
            change, consequence = f"p.{AMINO_ACIDS[reference]}{position}{AMINO_ACIDS[altered]}", MISSENSE
        elif gene in NO_PASSENGER_TRUNCATION:
            continue
        elif kind < 0.97:
            change, consequence = f"p.{AMINO_ACIDS[reference]}{position}Ter", STOP
        else:
            change, consequence = f"p.{AMINO_ACIDS[reference]}{position}{AMINO_ACIDS[altered]}fsTer12", SHIFT
        clonal = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.1, 0.9))
        depth, alt = _reads(rng, purity * clonal / 2.0)
        if alt < 3:
            n -= 1
            continue
        rows.append(_row(gene, change, consequence, depth, alt))
    order = sorted(range(len(rows)), key=lambda k: (rows[k]["gene"], rows[k]["protein_change"]))
    return tuple(rows[k] for k in order), round(tmb, 2), lost


def _copies(rng: np.random.Generator, stats: Statistics, lost: Mapping[str, tuple[float, float]]):
    """Gene-level losses below 1.6 copies per cancer cell: planted ones, and passengers in genes that do not matter."""
    found = [(g, c + float(rng.normal(0.0, 0.1))) for g, (_, c) in lost.items()]
    for _ in range(3):
        gene = str(stats.gene[rng.integers(len(stats.gene))])
        if gene not in NO_PASSENGER_TRUNCATION:
            found.append((gene, float(rng.uniform(0.0, 1.5))))
    return tuple((g, round(max(c, 0.0), 2)) for g, c in sorted(found) if c < 1.6)


def _hla(rng: np.random.Generator, truth: Mapping[str, float]) -> tuple[str, ...]:
    """Six class I alleles; homozygous at one to three loci when planted (extent: homozygous loci / 3)."""
    loci = round(3 * truth["hla_homozygosity"]) if "hla_homozygosity" in truth else 0
    homozygous = set(rng.permutation(3)[:loci].tolist())
    alleles = []
    for k, (locus, names) in enumerate(HLA_ALLELES.items()):
        first, second = rng.choice(len(names), 2, replace=False)
        alleles += [f"{locus}*{names[first]}", f"{locus}*{names[first if k in homozygous else second]}"]
    return tuple(alleles)


def _clinical(rng: np.random.Generator, truth: Mapping[str, float], tmb: float, purity: float) -> dict[str, object]:
    """Clinical facts.

    LDH follows glycolysis and hypoxia, the neutrophil ratio and albumin follow suppressor myeloid cells; a disturbed
    gut flora usually has antibiotics behind it, and a few undisturbed ones saw them too; purity is read with an error.
    Stool is not measured, so that of the two the profile can see the antibiotics only.
    """
    glycolytic = max(truth.get("glycolysis", 0.0), truth.get("hypoxia", 0.0))
    ldh = float(np.exp(rng.normal(np.log(0.85) + 0.7 * glycolytic, 0.3)))
    nlr = float(np.exp(rng.normal(np.log(2.8) + 0.7 * truth.get("mdsc", 0.0), 0.35)))
    albumin = float(rng.normal(4.1 - 0.5 * truth.get("mdsc", 0.0), 0.3))
    return {
        "sex": "F" if rng.random() < 0.45 else "M",
        "age": int(np.clip(rng.normal(62, 11), 25, 88)),
        "weight_kg": round(float(np.clip(rng.normal(76, 14), 45, 130)), 1),
        "TMB_perMb": tmb,
        "MSI": "stable",
        "ldh_uln_ratio": round(ldh, 2),
        "nlr": round(nlr, 2),
        "albumin_g_dl": round(albumin, 2),
        "antibiotics_60d": bool(rng.random() < (0.85 if "gut_dysbiosis" in truth else 0.05)),
        "purity": round(float(np.clip(rng.normal(purity, 0.08), 0.05, 0.98)), 2),
        "lesion_sum_mm": round(float(np.exp(rng.normal(np.log(70), 0.5))), 0),
    }


def generate_patient(
    seed: int,
    index: int,
    *,
    sample: str | None = None,
    tumor: str | None = None,
    truth: Mapping[str, float] | None = None,
    purity: float | None = None,
) -> SyntheticPatient:
    """Make one synthetic patient; the same seed and index always make the same one.

    `tumor` and `truth` (mechanism to extent) may be given; otherwise they are drawn. `purity` overrides the cancer-cell
    fraction that the composition implies, in the mutations only.
    """
    stats = statistics()
    rng = _generator(seed, "patient", index)
    drawn_tumor = TUMORS[int(rng.choice(3, p=[0.5, 0.25, 0.25]))]
    tumor = tumor or drawn_tumor
    drawn, inflamed = draw_mechanisms(rng, tumor)
    truth = dict(drawn if truth is None else truth)
    if "hla_homozygosity" in truth:
        truth["hla_homozygosity"] = max(1, round(3 * truth["hla_homozygosity"])) / 3
    batch = int(rng.integers(BATCHES))
    effect = stats.batch_sd * _generator(seed, "batch", tumor, batch).standard_normal(len(stats.gene))
    fractions = _fractions(rng, stats, tumor, truth, inflamed)
    purity = float(fractions[-1]) if purity is None else purity
    mutations, tmb, lost = _mutations(rng, stats, tumor, truth, purity)
    expression = _expression(rng, stats, tumor, effect, truth, fractions, lost)
    copies, hla = _copies(rng, stats, lost), _hla(rng, truth)
    clinical = _clinical(rng, truth, tmb, purity)
    for name, fact in FROM_FACTS.items():
        if clinical[fact]:  # a stream of its own: the draws of the patient stay what they were
            truth[name] = round(float(_generator(seed, name, index).beta(*EXTENT)), 3)
    return SyntheticPatient(
        sample=sample or f"SYN{index:04d}",
        tumor=tumor,
        batch=batch,
        expression=expression,
        mutations=mutations,
        copies=copies,
        hla=hla,
        clinical=clinical,
        truth=truth,
        fractions=dict(zip(stats.cell_type, np.round(fractions, 4).tolist(), strict=True)),
    )


def generate_cohort(n: int, seed: int) -> list[SyntheticPatient]:
    """`n` synthetic patients; patient `i` does not depend on `n`."""
    return [generate_patient(seed, i) for i in range(n)]


def number(x: float) -> str:
    """Four significant digits, as the public cohorts are stored."""
    return f"{x:.4g}"


def write_text(path: Path, text: str) -> None:
    """Write text, gzipped without a time stamp when the name ends in ``.gz``, so that equal content is equal bytes."""
    if path.suffix == ".gz":
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=9, filename="") as handle:
            handle.write(text.encode())
        path.write_bytes(buffer.getvalue())
    else:
        path.write_text(text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Tab-separated text with a header line."""
    return "\n".join("\t".join(r) for r in [header, *rows]) + "\n"


MUTATION_COLUMNS = ("gene", "protein_change", "consequence", "t_depth", "t_alt", "t_vaf")


def write_cohort(patients: Sequence[SyntheticPatient], folder: Path) -> None:
    """Write a cohort folder (expression, clinical, mutations, HLA) and ``truth.tsv`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = [p.sample for p in patients]
    values = np.array([p.expression for p in patients]).T
    write_text(
        folder / "expression.tsv.gz",
        table(["gene", *samples], ([str(g), *map(number, v)] for g, v in zip(statistics().gene, values, strict=True))),
    )
    facts = list(patients[0].clinical)
    write_text(
        folder / "clinical.tsv",
        table(
            ["sample", "patient", "cohort", "cancer_type", "timepoint", "batch", *facts],
            (
                [p.sample, p.sample, "synthetic", p.tumor, "pre", str(p.batch), *(str(p.clinical[f]) for f in facts)]
                for p in patients
            ),
        ),
    )
    write_text(
        folder / "mutations.tsv.gz",
        table(["sample", *MUTATION_COLUMNS], ([p.sample, *m.values()] for p in patients for m in p.mutations)),
    )
    write_text(
        folder / "cna.tsv.gz",
        table(
            ["sample", "gene", "cna", "copies"],
            ([p.sample, g, "loss", str(c)] for p in patients for g, c in p.copies),
        ),
    )
    write_text(folder / "hla.tsv", table(["sample", "hla_alleles"], ([p.sample, ";".join(p.hla)] for p in patients)))
    known = (*MECHANISMS, *FROM_FACTS)
    write_text(
        folder / "truth.tsv",
        table(["sample", *known], ([p.sample, *(str(p.truth.get(m, 0)) for m in known)] for p in patients)),
    )
