"""Small cohort folders, written as text so that tests can break them in one place."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import numpy as np

from tumornexus.profile.reference import load_reference, panels


@cache
def genes() -> tuple[str, ...]:
    """A tenth of the universe, stable genes and inflamed genes included."""
    reference = load_reference()
    chosen = {reference.genes[i] for i in reference.stable[:200]} | set(reference.genes[::20])
    return tuple(sorted(chosen | {"B2M"}.union(*panels().values())))


def expression(samples: tuple[str, ...] = ("P1", "P2", "P3"), seed: int = 5) -> dict[str, list[str]]:
    """Gene to cells (one a sample) of a TPM-like table."""
    rng = np.random.default_rng(seed)
    reference = load_reference()
    rows = {}
    for gene in genes():
        level = reference.location[reference.index[gene]]
        values = np.maximum(2.0 ** (level + 0.5 * rng.standard_normal(len(samples))) - 1.0, 0.0)
        rows[gene] = [f"{v:.4g}" for v in values]
    return rows


def expression_text(rows: dict[str, list[str]], samples: tuple[str, ...] = ("P1", "P2", "P3")) -> str:
    """The table as text."""
    return "\n".join(["gene\t" + "\t".join(samples), *("\t".join([g, *v]) for g, v in rows.items())]) + "\n"


CLINICAL = (
    "sample\tpatient\tcancer_type\ttimepoint\tTMB_perMb\tage\n"
    "P1\t01\tmelanoma\tpre\t12.5\t60\nP2\t02\tmelanoma\tpre\t0\t\nP3\t03\tNSCLC\tpre\t\t71\n"
)
MUTATIONS = (
    "sample\tgene\tprotein_change\tconsequence\tt_vaf\tt_depth\n"
    "P1\tBRAF\tp.Val600Glu\tmissense_variant\t0.4\t120\nP1\tB2M\tp.Leu15PhefsTer41\tframeshift_variant\t0.62\t200\n"
    "P2\tNRAS\tp.Gln61Arg\tmissense_variant\t0.3\t80\n"
)
HLA = (
    "patient\thla_alleles\n01\tA*02:01;A*02:01;B*07:02;B*08:01;C*07:01;C*07:02\n"
    "03\tA0201,A0301,B0702,B0801,C0701,C0702\n"
)


def write_cohort(folder: Path, **files: str | bytes | None) -> Path:
    """Write a complete small cohort; a keyword replaces a file (``clinical="..."``) or leaves it out (None)."""
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, str | bytes | None] = {
        "expression": expression_text(expression()),
        "clinical": CLINICAL,
        "mutations": MUTATIONS,
        "hla": HLA,
        **files,
    }
    for name, text in content.items():
        if text is None:
            continue
        raw = text.encode() if isinstance(text, str) else text
        zipped = name == "expression"
        (folder / f"{name}.tsv{'.gz' if zipped else ''}").write_bytes(
            gzip.compress(raw) if zipped and isinstance(text, str) else raw
        )
    return folder


def write_patient(folder: Path, toml: str, **files: str) -> Path:
    """Write a patient folder: ``patient.toml`` and further files by name with dots spelled ``_dot_``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "patient.toml").write_text(toml)
    for name, text in files.items():
        (folder / name.replace("_dot_", ".")).write_text(text)
    return folder
