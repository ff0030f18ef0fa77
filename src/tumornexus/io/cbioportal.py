"""A study folder of cBioPortal, read as a cohort as it stands.

Files read (docs.cbioportal.org/file-formats): ``data_clinical_sample.txt`` (required), ``data_clinical_patient.txt``,
``data_mutations.txt`` (or ``_extended``), ``data_cna.txt`` (GISTIC calls) or ``data_log2_cna.txt``,
``data_mrna_seq_*.txt`` in TPM, FPKM or RPKM, ``case_lists/cases_sequenced.txt``, ``data_gene_panel_matrix.txt`` and
``meta_study.txt`` (genome build). Tables of z-scores are relative to their own cohort and are never used; normalized
counts (``rsem``, ``read_counts``) need gene lengths and are left out otherwise, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.builds import read_build
from tumornexus.io.copy_number import NOT_SAMPLES, read_gene_copies
from tumornexus.io.maf import without_comments
from tumornexus.io.modalities import Modalities, genes_of
from tumornexus.io.mutations import COLUMNS, PLACE, read_mutations
from tumornexus.io.quantification import Helpers, Quantified, lengths_of
from tumornexus.io.tables import header_of, read_bytes, read_number_table, read_text_table
from tumornexus.knowledge import Knowledge

SAMPLES = "data_clinical_sample.txt"
DAYS_PER_MONTH = 365.25 / 12.0
_EXOMES = frozenset({"WES", "WXS", "WGS", "WES/WGS", "NA", ""})
# Ours: the study's, with what must be done to the cell.
_NUMBERS = {
    "TMB_perMb": ("TMB_NONSYNONYMOUS", 1.0), "age": ("AGE", 1.0), "OS_days": ("OS_MONTHS", DAYS_PER_MONTH),
    "PFS_days": ("PFS_MONTHS", DAYS_PER_MONTH),
}  # fmt: skip
_STATUS = {"OS_event": "OS_STATUS", "PFS_event": "PFS_STATUS"}
_TEXT = {"sex": "SEX", "treatment": "TREATMENT"}
_CANCER = ("ONCOTREE_CODE", "CANCER_TYPE_DETAILED", "CANCER_TYPE")
_UNSTABLE = {"instable": "true", "msi-h": "true", "msi": "true", "unstable": "true", "stable": "false", "mss": "false"}
_EXPRESSION = (("tpm", "tpm"), ("fpkm", "tpm"), ("rpkm", "tpm"), ("rsem", "counts"), ("read_counts", "counts"))


@dataclass(frozen=True)
class Study:
    """A study in the pieces that a cohort is made of; `notes` concern all samples."""

    samples: list[str]
    clinical: pd.DataFrame
    clinical_path: Path
    quantified: Quantified | None
    expression_path: Path
    modalities: Modalities
    notes: tuple[str, ...]


def is_study(folder: Path) -> bool:
    """Tell a study folder of cBioPortal by its table of samples."""
    return (folder / SAMPLES).is_file()


def study_samples(folder: Path) -> list[str]:
    """Ids of the samples of a study."""
    return [s for s in _clinical_file(folder / SAMPLES, "SAMPLE_ID")["SAMPLE_ID"] if s]


def _clinical_file(path: Path, key: str) -> pd.DataFrame:
    return read_text_table(path, required=[key], raw=without_comments(read_bytes(path)))


def read_study(folder: Path, knowledge: Knowledge, only: str | None = None, helpers: Helpers | None = None) -> Study:
    """Read a study, or one sample of it.

    Samples of a cancer type that the catalogue does not cover are left out and counted. Raises `InputError` when none
    is covered (or `only` is not), and what the readers of the single files raise.
    """
    clinical, notes = _read_clinical(folder, knowledge, only)
    samples = list(clinical["sample"])
    quantified, expression_path, more = _read_expression(folder, samples, helpers or Helpers())
    modalities = _read_modalities(folder, knowledge, samples)
    return Study(samples, clinical, folder / SAMPLES, quantified, expression_path, modalities, (*notes, *more))


def _read_clinical(folder: Path, knowledge: Knowledge, only: str | None) -> tuple[pd.DataFrame, list[str]]:
    path = folder / SAMPLES
    table = _clinical_file(path, "SAMPLE_ID")
    if "PATIENT_ID" not in table.columns:
        raise InputError("a required column is missing", file=path, field="PATIENT_ID", valid="a column PATIENT_ID")
    patients = folder / "data_clinical_patient.txt"
    if patients.is_file():
        more = _clinical_file(patients, "PATIENT_ID")
        table = table.merge(more[[c for c in more.columns if c == "PATIENT_ID" or c not in table.columns]], "left")
    repeated = table["SAMPLE_ID"].duplicated()
    if repeated.any():
        raise InputError(
            "a sample occurs more than once", file=path, field="SAMPLE_ID", value=table["SAMPLE_ID"][repeated].iloc[0],
            valid="each once",
        )  # fmt: skip
    if only is not None:
        table = table[table["SAMPLE_ID"] == only]
    rows, outside, notes = [], {}, []
    unread: dict[str, int] = {}
    for row in table.to_dict(orient="records"):
        tumor, word = _tumor(row, knowledge)
        if tumor is None:
            outside[word] = outside.get(word, 0) + 1
            continue
        rows.append(_facts(row, tumor, unread))
    if not rows:
        names = ", ".join(f"{w} ({n})" for w, n in sorted(outside.items(), key=lambda i: -i[1])[:5])
        raise InputError(
            "no sample has a cancer type that the catalogue covers", file=path, field="CANCER_TYPE", value=names,
            valid=", ".join(knowledge.tumors),
        )  # fmt: skip
    if outside:
        words = ", ".join(f"{w} ({n})" for w, n in sorted(outside.items()))
        notes.append(f"{sum(outside.values())} samples of cancer types not covered were left out: {words}")
    notes += [f"{n} values of {c} are no numbers and were read as not known" for c, n in unread.items()]
    return pd.DataFrame(rows).astype(object).where(lambda t: t.notna(), None), notes


def _tumor(row: dict[str, Any], knowledge: Knowledge) -> tuple[str | None, str]:
    words = [str(row[c]) for c in _CANCER if row.get(c)]
    for word in words:
        try:
            return knowledge.tumor(word).id, word
        except InputError:
            continue  # the next, coarser column may name a type that is covered
    return None, words[0] if words else "not stated"


def _facts(row: dict[str, Any], tumor: str, unread: dict[str, int]) -> dict[str, Any]:
    """Facts of one sample under the names of a cohort's clinical table; other columns keep theirs behind ``x_``."""
    facts: dict[str, Any] = {"sample": row["SAMPLE_ID"], "patient": row["PATIENT_ID"], "cancer_type": tumor}
    used = {"SAMPLE_ID", "PATIENT_ID"}
    for ours, (theirs, factor) in _NUMBERS.items():
        used.add(theirs)
        value = row.get(theirs)
        if value is None:
            continue
        try:
            facts[ours] = str(float(value) * factor)
        except ValueError:
            unread[theirs] = unread.get(theirs, 0) + 1
    for ours, theirs in _STATUS.items():
        used.add(theirs)
        match = re.match(r"([01])(:|$)", str(row.get(theirs) or ""))
        word = str(row.get(theirs) or "").upper()
        if match or word in ("DECEASED", "LIVING"):
            facts[ours] = match[1] if match else str(int(word == "DECEASED"))
    for ours, theirs in _TEXT.items():
        if row.get(theirs) is not None:
            facts[ours] = row[theirs]
            used.add(theirs)
    for theirs in ("MSI_TYPE", "MSI_STATUS"):
        if (word := str(row.get(theirs) or "").lower()) in _UNSTABLE:
            facts.setdefault("msi_high", _UNSTABLE[word])
    purity = row.get("TUMOR_PURITY")
    if purity is not None:
        used.add("TUMOR_PURITY")
        try:
            # Percent in panel studies, a fraction elsewhere.
            number = float(purity)
            facts["purity"] = str(number / 100.0 if number > 1.0 else number) if number > 0.01 else None
        except ValueError:
            unread["TUMOR_PURITY"] = unread.get("TUMOR_PURITY", 0) + 1
    return facts | {f"x_{k.lower()}": v for k, v in row.items() if k not in used and v is not None}


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _read_expression(folder: Path, samples: list[str], helpers: Helpers) -> tuple[Quantified | None, Path, list[str]]:
    found = sorted(p for p in folder.glob("data_mrna_seq_*.txt") if "zscore" not in p.name.lower())
    ranked = [(p, scale) for word, scale in _EXPRESSION for p in found if word in p.name.lower()]
    if not ranked:
        return None, folder, []
    path, scale = ranked[0]
    if scale == "counts" and helpers.gene_lengths is None:
        note = f"{path.name} holds normalized counts, which need the length of each gene (gene_lengths): not used"
        return None, path, [note]
    raw = without_comments(read_bytes(path))
    names = header_of(raw, path)
    wanted = set(samples)
    columns = [n for n in names[1:] if n not in NOT_SAMPLES and n in wanted]
    if not columns:
        return None, path, []
    table, _ = read_number_table(path, columns, raw=raw)
    named = ~table.index.str.lower().isin(["", "nan", "na"])
    notes = []
    if not named.all():
        notes.append(f"{int((~named).sum())} rows of {path.name} name no gene and were left out")
    table = table[named]
    repeated = table.index.duplicated()
    if repeated.any():
        notes.append(f"{int(repeated.sum())} rows of {path.name} name a gene a second time and were left out")
    table = table[~repeated]
    lengths = None
    if scale == "counts" and helpers.gene_lengths is not None:
        lengths, more = lengths_of(table.index, helpers.gene_lengths)
        notes += more
    return Quantified(table, lengths, scale), path, notes  # type: ignore[arg-type]


def _read_modalities(folder: Path, knowledge: Knowledge, samples: Collection[str]) -> Modalities:
    found = Modalities(named=genes_of(knowledge))
    meta = folder / "meta_study.txt"
    match = re.search(r"^reference_genome:\s*(\S+)", meta.read_text("utf-8"), re.M) if meta.is_file() else None
    build = read_build(match[1], meta, "reference_genome") if match else None
    path = _first(folder, "data_mutations.txt", "data_mutations_extended.txt", "data_mutations_mskcc.txt")
    if path is not None:
        table, _, notes = read_mutations(path, knowledge.genes, samples, build=build)
        found.sequenced = True
        found.variants = {str(k): v for k, v in table.groupby("sample", sort=False)}
        cases = folder / "case_lists" / "cases_sequenced.txt"
        listed = re.search(r"^case_list_ids:\s*(.*)$", cases.read_text("utf-8"), re.M) if cases.is_file() else None
        for sample in set(samples) & set(listed[1].split() if listed else []):
            # Sequenced and nothing found is not the same as not sequenced.
            found.variants.setdefault(sample, pd.DataFrame(columns=["sample", "patient", *COLUMNS, *PLACE]))
        found.notes = {s: list(notes) for s in samples if notes}
        panels = folder / "data_gene_panel_matrix.txt"
        if panels.is_file():
            matrix = read_text_table(panels, required=["SAMPLE_ID"])
            if "mutations" in matrix.columns:
                found.assays = {
                    str(s): "panel"
                    for s, assay in zip(matrix["SAMPLE_ID"], matrix["mutations"], strict=True)
                    if assay is not None and assay.upper() not in _EXOMES
                }
    path = _first(folder, "data_cna.txt", "data_CNA.txt")
    if path is not None:
        found.copies.append(read_gene_copies(path, knowledge.genes, samples, unit="gistic"))
    elif path := _first(folder, "data_log2_cna.txt", "data_log2CNA.txt"):
        found.copies.append(read_gene_copies(path, knowledge.genes, samples, unit="log2"))
    return found
