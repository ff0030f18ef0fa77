"""Read promoter methylation as evidence of silencing.

    methylated share of cancer-cell copies = min(1, beta / purity)

Normal cells of the sample are taken as unmethylated at these promoters (assumed; immune cells express these genes). A
sample without a stated purity counts as `USUAL_PURITY`. A gene is silenced from the biomarker's threshold on, half of
the copies by default.
"""

from __future__ import annotations

import math
import tomllib
from functools import lru_cache
from importlib import resources

from tumornexus.io.patient import Patient
from tumornexus.knowledge.records import Biomarker
from tumornexus.profile.reading import Compiled, Reading

USUAL_PURITY = (
    0.6  # cancer cells of a bulk sample; assumed, the middle of the 0.25 to 0.95 that `clonal_fraction` allows
)
HALF = 0.5


@lru_cache(maxsize=1)
def further_biomarkers() -> dict[str, tuple[Biomarker, ...]]:
    """Return the biomarkers of methylation that ship with the package, by mechanism."""
    text = resources.files("tumornexus.profile").joinpath("data/methylation_biomarkers.toml").read_text("utf-8")
    found: dict[str, list[Biomarker]] = {}
    for row in tomllib.loads(text)["biomarker"]:
        found.setdefault(row.pop("mechanism"), []).append(Biomarker(**row))
    return {mechanism: tuple(rows) for mechanism, rows in found.items()}


def biomarkers_of(mechanism_id: str, own: tuple[Biomarker, ...]) -> tuple[Biomarker, ...]:
    """Return the biomarkers of a mechanism: those of its record, and of methylation where the record has none."""
    if any(b.input == "methylation" for b in own):
        return own
    return (*own, *further_biomarkers().get(mechanism_id, ()))


def read_methylation(compiled: Compiled, patient: Patient) -> Reading:
    """Read a methylation biomarker: whether at least one of its genes is silenced in cancer cells."""
    biomarker = compiled.biomarker
    if patient.methylation is None:
        return Reading(False, genes_missing=biomarker.genes, note="promoter methylation not measured")
    table = patient.methylation
    measured = tuple(g for g in biomarker.genes if g in table.index)
    missing = tuple(g for g in biomarker.genes if g not in table.index)
    if not measured:
        return Reading(False, genes_missing=missing, note="none of its genes is in the methylation table")
    stated = patient.clinical.get("purity")
    known = isinstance(stated, int | float) and not isinstance(stated, bool)
    purity = float(stated) if known else USUAL_PURITY  # type: ignore[arg-type]
    shares = {g: min(1.0, float(table[g]) / purity) for g in measured}
    limit = biomarker.threshold if biomarker.threshold is not None else HALF
    silenced = {g: s for g, s in shares.items() if s >= limit}
    notes = [] if known else [f"purity taken as {USUAL_PURITY:g}"]
    if silenced:
        value = ", ".join(f"{g} {100.0 * s:.0f} %" for g, s in sorted(silenced.items(), key=lambda i: -i[1]))
        ratio = biomarker.lr_positive
    else:
        highest = max(shares, key=lambda g: shares[g])
        value = f"none (highest {highest} {100.0 * shares[highest]:.0f} %)"
        ratio = biomarker.lr_negative
        if len(measured) < HALF * len(biomarker.genes):
            note = "fewer than half of its genes were measured: nothing found says nothing"
            return Reading(False, value=value, genes_measured=measured, genes_missing=missing, note=note)
    return Reading(
        True, value=value, llr=math.log(ratio) if ratio else 0.0, genes_measured=measured, genes_missing=missing,
        note="; ".join(notes),
    )  # fmt: skip
