"""What a stool metagenome says: TOPOSCORE, diversity, favorable taxa and makers of short-chain fatty acids.

TOPOSCORE (Derosa et al. 2024, Cell, doi:10.1016/j.cell.2024.05.029; rule and species as in the authors' repository,
github.com/valerioiebba/TOPOSCORE, `tp_helper.R` and `app/R/toposcore_calc.R`):

    S = (n2 / 45 - n1 / 37 + 1) / 2

with n1 of 37 unfavorable (SIG1) and n2 of 45 favorable species (SIG2) present in any amount. S <= 0.5351 is SIG1,
S >= 0.7911 is SIG2; between them, in the gray zone, Akkermansia muciniphila decides: present below 4.799 % is SIG2+,
absent or at least 4.799 % is SIG1+. SIG1+ (dysbiotic) went with shorter survival under PD-1 blockade. S is compared at
four decimals, to which the cut-offs are published; on every possible pair of counts this gives what the cut-offs of the
authors' analysis give (0.5351351 and 0.7911411). Their web application rounds S to three decimals first, which moves
0.7912 to 0.7914 into the gray zone.

Antibiotics, proton-pump inhibitors and fiber are facts of the clinical table (``antibiotics_60d``, ``ppi``,
``fiber_g_day``); no stool profile tells them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import entropy

from tumornexus.io.microbiome import COUNTS, Microbiome

AKKERMANSIA = "Akkermansia_muciniphila"
N_SIG1, N_SIG2 = 37, 45
SIG1_AT_MOST, SIG2_AT_LEAST = 0.5351, 0.7911
AKKERMANSIA_HIGH = 0.04799  # share; 4.799 % in the authors' code, "above 4.8 %" in the abstract of Derosa et al. 2022
# Profilers on which presence means what it meant where the cut-offs were set. K-mer classifiers find traces of species
# that are not there, and other marker databases lack species of the two sets, which shifts the counts.
CALIBRATED = ("metaphlan4", "gtdb")
# Facts that a stool profile tells; a clinical table may hold them instead.
STOOL_FACTS = ("toposcore", "akkermansia", "faecalibacterium", "bifidobacterium_longum", "microbiome_diversity")
CLINICAL_FACTS = ("antibiotics_60d", "antibiotics_days_before", "ppi", "fiber_g_day")


@dataclass(frozen=True)
class Toposcore:
    """TOPOSCORE of one stool sample.

    Attributes:
        n_sig1, n_sig2: species present of the 37 unfavorable and the 45 favorable ones.
        score: S, from 0 (all unfavorable) to 1 (all favorable).
        category: SIG1, Gray or SIG2, by the score alone.
        akkermansia: share of Akkermansia muciniphila; `trichotomy`: Zero, Low or High.
        call: ``SIG1+`` (dysbiotic) or ``SIG2+``.
    """

    n_sig1: int
    n_sig2: int
    score: float
    category: str
    akkermansia: float
    trichotomy: str
    call: str


@dataclass(frozen=True)
class StoolFact:
    """One fact that a biomarker may read from a stool profile.

    Attributes:
        value: the number that biomarkers compare with their threshold, in the unit of the record.
        usable: False where the number exists but must not be read; `note` says why.
        call: a published rule's own call for the mechanism, where there is one; it then decides, not the threshold.
        note: how the number came about, in words.
    """

    value: float
    usable: bool = True
    call: bool | None = None
    note: str = ""


def _rows(name: str) -> list[dict[str, str]]:
    text = files("tumornexus.profile").joinpath(f"data/{name}").read_text(encoding="utf-8")
    return list(csv.DictReader((x for x in text.splitlines() if not x.startswith("#")), delimiter="\t"))


@lru_cache(maxsize=1)
def toposcore_species() -> tuple[frozenset[str], frozenset[str]]:
    """Return the unfavorable (SIG1, 37) and favorable (SIG2, 45) species by their names in the vocabulary."""
    rows = _rows("toposcore_species.tsv")
    return tuple(frozenset(r["species_Jan21"] for r in rows if r["set"] == s) for s in ("SIG1", "SIG2"))  # type: ignore[return-value]


@lru_cache(maxsize=1)
def scfa_producers() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return for butyrate and propionate the species and the genera that make it."""
    rows = _rows("scfa_producers.tsv")
    return {
        acid: tuple(
            frozenset(r["taxon"] for r in rows if r["acid"] == acid and r["rank"] == rank)
            for rank in ("species", "genus")
        )
        for acid in ("butyrate", "propionate")
    }  # type: ignore[return-value]


def toposcore(abundance: pd.Series) -> Toposcore:
    """Return TOPOSCORE of a community: share of each species by its name in the vocabulary (species,)."""
    present = set(abundance.index[abundance.to_numpy() > 0.0])
    sig1, sig2 = toposcore_species()
    n1, n2 = len(present & sig1), len(present & sig2)
    score = (n2 / N_SIG2 - n1 / N_SIG1 + 1.0) / 2.0
    share = float(abundance.get(AKKERMANSIA, 0.0))
    trichotomy = "Zero" if share <= 0.0 else "High" if share >= AKKERMANSIA_HIGH else "Low"
    shown = round(score, 4)
    category = "SIG1" if shown <= SIG1_AT_MOST else "SIG2" if shown >= SIG2_AT_LEAST else "Gray"
    favorable = category == "SIG2" or (category == "Gray" and trichotomy == "Low")
    return Toposcore(n1, n2, score, category, share, trichotomy, "SIG2+" if favorable else "SIG1+")


def alpha_diversity(abundance: pd.Series) -> dict[str, float]:
    """Return diversity at species level: shannon (nats), simpson (1 - sum p^2), richness (species), evenness.

    Evenness is Pielou's, shannon / ln(richness); NaN for a single species. The formulas are those of scikit-bio's
    ``shannon(base=e)``, ``simpson``, ``observed_features`` and ``pielou_e``, with which the tests compare.
    """
    p = abundance.to_numpy(dtype=float)
    p = p[p > 0.0] / p.sum()
    shannon = float(entropy(p))
    return {
        "shannon": shannon,
        "simpson": float(1.0 - np.square(p).sum()),
        "richness": float(len(p)),
        "evenness": shannon / math.log(len(p)) if len(p) > 1 else float("nan"),
    }


def genus_share(abundance: pd.Series, genus: str) -> float:
    """Return the share of a genus: all species named by it, those without a species name included."""
    return float(abundance[[str(n).split("_")[0] == genus for n in abundance.index]].sum())


def scfa_shares(abundance: pd.Series) -> dict[str, float]:
    """Return the share of the community that is known to make butyrate, and that which makes propionate.

    A share of cells (or reads) able to make the acid, not an amount of acid; a species that makes both counts in both.
    """
    genus = [str(n).split("_")[0] for n in abundance.index]
    return {
        acid: float(abundance[[n in species or g in genera for n, g in zip(abundance.index, genus, strict=True)]].sum())
        for acid, (species, genera) in scfa_producers().items()
    }


@lru_cache(maxsize=4)
def stool_facts(stool: Microbiome) -> dict[str, StoolFact]:
    """Return the facts of a stool profile by the names that biomarkers ask for.

    ``toposcore`` (S), ``akkermansia``, ``faecalibacterium`` (genus), ``bifidobacterium_longum`` (shares from 0 to 1)
    and ``microbiome_diversity`` (Shannon index in nats).
    """
    topo = toposcore(stool.abundance)
    how = (
        f"{topo.call}: {topo.n_sig1} of {N_SIG1} unfavorable and {topo.n_sig2} of {N_SIG2} favorable species, "
        f"Akkermansia {100 * topo.akkermansia:.3g} %"
        + (", which decides in the gray zone" if topo.category == "Gray" else "")
    )
    calibrated = stool.profiler in CALIBRATED
    if not calibrated:
        how = f"not used: its cut-offs were set on MetaPhlAn 4 profiles, not on {stool.profiler} ones ({how})"
    high = topo.trichotomy == "High"
    many = "read counts find traces of species that are absent, which raises it" if stool.profiler in COUNTS else ""
    return {
        "toposcore": StoolFact(topo.score, calibrated, topo.call == "SIG1+", how),
        "akkermansia": StoolFact(
            topo.akkermansia, not high, None,
            f"not used: {100 * topo.akkermansia:.3g} % is overabundance (4.799 % or more), itself a sign of dysbiosis"
            if high else "",
        ),
        "faecalibacterium": StoolFact(genus_share(stool.abundance, "Faecalibacterium"), note="genus"),
        "bifidobacterium_longum": StoolFact(float(stool.abundance.get("Bifidobacterium_longum", 0.0))),
        "microbiome_diversity": StoolFact(alpha_diversity(stool.abundance)["shannon"], note=many),
    }  # fmt: skip


def stool_notes(stool: Microbiome) -> list[str]:
    """Return what limits a stool profile, in words."""
    notes = list(stool.notes)
    if stool.unmapped:
        notes.append(
            f"{len(stool.unmapped)} of {len(stool.abundance)} species of the stool profile "
            f"({100 * stool.unmapped_share:.0f} % of it) are not in the table of names and keep their spelling; they "
            "count for diversity only"
        )
    if stool.unresolved > 0.01:
        notes.append(f"{100 * stool.unresolved:.0f} % of the stool sample was not identified to species")
    return notes


def stool_record(stool: Microbiome, clinical: Mapping[str, object]) -> dict[str, Any]:
    """Return everything read from a stool profile, ready for JSON; what comes from the clinical table is set apart."""
    facts = stool_facts(stool)
    topo = toposcore(stool.abundance)
    return {
        "profiler": stool.profiler,
        "database": stool.database or None,
        "toposcore": {**vars(topo), "used": facts["toposcore"].usable, "note": facts["toposcore"].note},
        "diversity": {k: v if math.isfinite(v) else None for k, v in alpha_diversity(stool.abundance).items()},
        "favorable_taxa": {n: facts[n].value for n in ("akkermansia", "faecalibacterium", "bifidobacterium_longum")},
        "scfa_producers": scfa_shares(stool.abundance),
        "unmapped_species": list(stool.unmapped),
        "unmapped_share": stool.unmapped_share,
        "merged_clades": stool.merged,
        "unresolved_share": stool.unresolved if math.isfinite(stool.unresolved) else None,
        "from_clinical_table": {n: clinical.get(n) for n in CLINICAL_FACTS},
    }


def stool_lines(stools: Sequence[Microbiome]) -> list[str]:
    """Return what the stool profiles of some samples say, as lines for the terminal; none without stool profiles."""
    if not stools:
        return []
    used = [s for s in stools if stool_facts(s)["toposcore"].usable]
    if len(stools) == 1:
        shannon = alpha_diversity(stools[0].abundance)["shannon"]
        score = stool_facts(stools[0])["toposcore"]
        return [f"stool ({stools[0].profiler}): TOPOSCORE {score.value:.3f}, {score.note}; Shannon index {shannon:.2f}"]
    bad = sum(toposcore(s.abundance).call == "SIG1+" for s in used)
    return [
        f"{len(stools)} stool profiles: {bad} SIG1+ (dysbiotic), {len(used) - bad} SIG2+ by TOPOSCORE"
        + (f", {len(stools) - len(used)} on which its cut-offs do not hold" if len(used) < len(stools) else "")
    ]
