"""The patient: what was measured, any part of which may be missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tumornexus.io.microbiome import Microbiome
from tumornexus.io.single_cell import SingleCells
from tumornexus.io.slide import Slide

if TYPE_CHECKING:
    from tumornexus.io.serial import Serial


@dataclass(frozen=True)
class Patient:
    """What was measured in one tumor sample and its host.

    Attributes:
        sample, patient: ids as strings (``0471`` keeps its zero).
        tumor: tumor id of the knowledge base, such as ``melanoma``.
        clinical: typed facts by name (``tmb_per_mb``, ``msi_high``, ``nlr``, ...); facts that are not known are absent.
            Columns that are not understood are kept as text under their own names.
        expression: linear TPM-like values, indexed by approved symbols in alphabetical order; NaN = not measured. None
            when there is no expression.
        mutations: one row a variant, columns of `tumornexus.io.mutations.COLUMNS`. None when the tumor was not
            sequenced; an empty table when it was and nothing was found.
        hla: class I alleles such as ``A*02:01``, a homozygous allele twice; None when not typed.
        copy_number: rows gene, call ("amplification", "deletion" or "" for neither), copies (NaN where not given), deep
            (both copies are known to be lost) and shallow (one is known to be left); None when not measured.
        mutation_assay: ``"exome"`` (a gene without a variant is wild-type), ``"panel"`` (it may not have been
            sequenced) or ``"ctdna"`` (from plasma: the tumor may not have shed it).
        microbiome: gut community of a stool sample; None when not profiled.
        methylation: beta values of promoters, 0 to 1, by approved gene symbol; None when not measured.
        single_cell: single cells of the sample; slide: cells of one section of it; each None when not measured.
        serial: lesion diameters and tumor DNA in plasma over time; None when there are none.
        expression_scale: the scale found in the file: tpm, counts, log2_tpm, log2_tpm_0.001.
        notes: what the reader changed or could not use, in words.
        source: folder the patient was read from.
    """

    sample: str
    patient: str
    tumor: str
    clinical: dict[str, object] = field(default_factory=dict)
    expression: pd.Series | None = None
    mutations: pd.DataFrame | None = None
    hla: tuple[str, ...] | None = None
    copy_number: pd.DataFrame | None = None
    mutation_assay: str = "exome"
    microbiome: Microbiome | None = None
    methylation: pd.Series | None = None
    single_cell: SingleCells | None = None
    slide: Slide | None = None
    serial: Serial | None = None
    expression_scale: str | None = None
    notes: tuple[str, ...] = ()
    source: Path = Path(".")
