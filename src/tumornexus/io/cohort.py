"""Cohort folders and patient folders, read into `Cohort` and `Patient`.

A cohort folder holds ``expression.tsv[.gz]`` (genes x samples) and/or ``clinical.tsv[.gz]`` (``sample`` required) and
optionally the files of `tumornexus.io.modalities` (mutations, HLA types and their loss, copy number, microsatellites,
neoantigens, T-cell receptors), a stool profile (``abundance.tsv[.gz]``, ``microbiome.tsv[.gz]`` or a folder
``microbiome/``), single cells and slides (`tumornexus.io.patient_cells`) and ``cohort.toml`` (``cancer_type``,
``expression_scale``, names and options of these files). A patient folder holds ``patient.toml`` and the files it names.
A sample reads the same alone and with its cohort.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.cbioportal import is_study, read_study, study_samples
from tumornexus.io.clinical import typed_facts
from tumornexus.io.expression import map_symbols, read_scale
from tumornexus.io.microbiome import Microbiome, find_microbiome, microbiome_of_cohort
from tumornexus.io.modalities import (
    FILES,
    HLA_COLUMNS,
    HLA_SPLITS,
    OPTIONS,
    Modalities,
    find_files,
    hla_of_row,
    read_modalities,
    refuse_unknown,
)
from tumornexus.io.patient import Patient
from tumornexus.io.patient_cells import CELL_FILES, cells_of_cohort, usual_files
from tumornexus.io.patient_folder import (
    EXPRESSION_OPTIONS,
    not_in_cohort,
    one_expression,
    read_helpers,
    read_patient_folder,
    read_toml,
    same_scale,
    tumor_id,
)
from tumornexus.io.quantification import Quantified, read_expression, sample_names
from tumornexus.io.serial import SERIAL_FILES, serial_of_cohort
from tumornexus.io.tables import find_table, read_text_table, refuse_repeats
from tumornexus.knowledge import Knowledge, load_knowledge

_SETTINGS = ("cancer_type", "tumor", "expression_scale", "name", *OPTIONS)


@dataclass(frozen=True)
class Cohort:
    """Patients read from one folder, in the order of its clinical table (else of its expression table)."""

    patients: tuple[Patient, ...]
    source: Path
    notes: tuple[str, ...] = ()

    @property
    def samples(self) -> tuple[str, ...]:
        """Sample ids."""
        return tuple(p.sample for p in self.patients)

    def __len__(self) -> int:
        return len(self.patients)

    def __iter__(self) -> Iterator[Patient]:
        return iter(self.patients)

    def patient(self, sample: str) -> Patient:
        """Return one sample; `InputError` with near misses when it is not in the cohort."""
        for candidate in self.patients:
            if candidate.sample == sample:
                return candidate
        raise not_in_cohort(sample, self.samples, self.source)

    @classmethod
    def from_anndata(cls, adata: Any, tumor: str | None = None, knowledge: Knowledge | None = None) -> Cohort:
        """Make a cohort from an AnnData-like object: samples in `obs`, genes in `var_names`, expression in `X`.

        Columns of `obs` are read like those of a clinical table; `tumor` gives the cancer type where `obs` has no
        column ``cancer_type``. ``uns["expression_scale"]`` declares the scale. `X` is left untouched and AnnData is
        not imported.
        """
        knowledge = knowledge or load_knowledge()
        source = Path("AnnData")
        values = adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)
        samples = [str(s) for s in adata.obs_names]
        genes = [str(g) for g in adata.var_names]
        refuse_repeats(samples, source, "obs_names", "samples")
        table = pd.DataFrame(np.asarray(values, dtype=float).T, index=genes, columns=samples)
        clinical = pd.DataFrame(adata.obs).astype(object)
        clinical = clinical.where(clinical.notna(), None)
        clinical["sample"] = samples
        clinical.index = pd.RangeIndex(len(clinical))
        defaults = {"cancer_type": tumor, "expression_scale": dict(adata.uns).get("expression_scale")}
        return _assemble(
            source, source, Quantified(table, None, None), samples, clinical, source, defaults, knowledge, Modalities()
        )


def _folder(path: Path) -> Path:
    path = Path(path)
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise InputError(
            "the folder does not exist",
            file=path,
            valid=near_misses(path.name, siblings) or "a cohort or patient folder",
        )
    return path.parent if path.name == "patient.toml" else path


def read_cohort(path: Path | str, knowledge: Knowledge | None = None, *, scale: str | None = None) -> Cohort:
    """Read every sample of a cohort folder; `scale` declares the expression scale, else it is detected per sample."""
    return _read_cohort(Path(path), knowledge or load_knowledge(), scale, only=None)


def read_patient(
    path: Path | str, sample: str | None = None, knowledge: Knowledge | None = None, *, scale: str | None = None
) -> Patient:
    """Read one patient from a folder with ``patient.toml``, or one `sample` of a cohort folder."""
    knowledge = knowledge or load_knowledge()
    folder = _folder(Path(path))
    if folder.is_file():
        raise InputError(
            "a folder is needed", file=folder, valid="a folder with patient.toml, or a cohort folder and --sample"
        )
    if (folder / "patient.toml").is_file():
        patient = read_patient_folder(folder, knowledge, scale)
        if sample is not None and sample != patient.sample:
            raise not_in_cohort(sample, [patient.sample], folder / "patient.toml")
        return patient
    if sample is None:
        cohort = _sample_names(folder)
        if len(cohort) != 1:
            raise InputError(
                "a cohort folder holds several samples; say which",
                file=folder,
                field="sample",
                valid=near_misses("", cohort),
            )
        sample = cohort[0]
    return _read_cohort(folder, knowledge, scale, only=sample).patients[0]


def _sample_names(folder: Path) -> list[str]:
    if is_study(folder):
        return study_samples(folder)
    clinical = find_table(folder, "clinical")
    if clinical:
        found = [s for s in read_text_table(clinical, required=["sample"])["sample"] if s]
        if not found:
            raise InputError("the table has a header and no rows", file=clinical, valid="at least one sample")
        return found
    expression = find_table(folder, "expression")
    if expression is None:
        raise _no_tables(folder)
    return sample_names(expression)


def _no_tables(folder: Path) -> InputError:
    found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    return InputError(
        "neither patient.toml nor expression.tsv[.gz] nor clinical.tsv[.gz] is in the folder",
        file=folder,
        value=", ".join(found[:8]) or "nothing",
        valid="a patient folder (patient.toml) or a cohort folder (expression.tsv.gz, clinical.tsv)",
    )


def _read_cohort(folder: Path, knowledge: Knowledge, scale: str | None, only: str | None) -> Cohort:
    folder = _folder(folder)
    if (folder / "patient.toml").is_file():
        patient = read_patient_folder(folder, knowledge, scale)
        return Cohort((patient,), folder)
    if is_study(folder):
        return _from_study(folder, knowledge, scale, only)
    expression_path, clinical_path = find_table(folder, "expression"), find_table(folder, "clinical")
    if expression_path is None and (folder / "expression").is_dir():
        expression_path = folder / "expression"
    if expression_path is None and clinical_path is None:
        raise _no_tables(folder)
    defaults: dict[str, Any] = {}
    if (folder / "cohort.toml").is_file():
        defaults = read_toml(folder / "cohort.toml")
        known = (*_SETTINGS, *FILES, *EXPRESSION_OPTIONS, *CELL_FILES, *SERIAL_FILES)
        refuse_unknown(defaults, known, folder / "cohort.toml")
        defaults["cancer_type"] = defaults.get("cancer_type", defaults.get("tumor"))
    if scale is not None:
        defaults["expression_scale"] = scale

    clinical = None
    if clinical_path:
        clinical = read_text_table(clinical_path, required=["sample"])
        if bool(clinical["sample"].isna().to_numpy().any()):
            raise InputError(
                "a row has no sample id", file=clinical_path, field="sample", value="", valid="an id on each row"
            )
        refuse_repeats(list(clinical["sample"]), clinical_path, "sample", "samples")
        if len(clinical) == 0:
            raise InputError("the table has a header and no rows", file=clinical_path, valid="at least one sample")
    listed = [] if clinical is None else list(clinical["sample"])
    helpers = read_helpers(folder, defaults, folder / "cohort.toml")
    measured, found = read_expression(expression_path, only, listed, helpers)
    if only is not None and only not in {*measured, *listed}:
        raise not_in_cohort(only, [*measured, *listed], expression_path or clinical_path or folder)
    samples = list(clinical["sample"]) if clinical is not None else measured
    extra = [c for c in measured if clinical is not None and c not in set(samples)]
    if extra and defaults.get("cancer_type") is None and (only is None or only in extra):
        raise InputError(
            f"{len(extra)} samples with expression have no clinical row, so their cancer type is unknown",
            file=clinical_path,
            field="sample",
            value=", ".join(extra[:5]),
            valid="a row for each, or cancer_type in cohort.toml",
        )
    samples = samples + extra
    every, size = {*samples, *_owners(clinical).values()}, len(samples)
    if only is not None:
        samples = [only]
        clinical = clinical[clinical["sample"] == only] if clinical is not None else None
    owners = _owners(clinical)
    patients = {*samples, *owners.values()}
    settings = folder / "cohort.toml"
    other = read_modalities(
        find_files(folder, {k: v for k, v in defaults.items() if k in FILES}, settings),
        {k: v for k, v in defaults.items() if k in OPTIONS},
        settings,
        knowledge,
        samples,
        patients,
    )
    stools, said = microbiome_of_cohort(folder, {s: owners.get(s, s) for s in samples}, every, size)
    cohort = _assemble(
        folder,
        expression_path or folder,
        found,
        samples,
        clinical,
        clinical_path or folder,
        defaults,
        knowledge,
        other,
        stools,
        said,
    )
    read = serial_of_cohort(cohort.patients, defaults, folder, every)
    return replace(cohort, patients=cells_of_cohort(read, defaults, folder, knowledge, every))


def _owners(clinical: pd.DataFrame | None) -> dict[str, str]:
    """Patient id by sample id, for the rows of a clinical table that give one."""
    if clinical is None or "patient" not in clinical.columns:
        return {}
    return {s: p for s, p in zip(clinical["sample"], clinical["patient"], strict=True) if p}


def _from_study(folder: Path, knowledge: Knowledge, scale: str | None, only: str | None) -> Cohort:
    """Read a study folder of cBioPortal; ``cohort.toml`` may lie in it and give the scale and gene lengths."""
    settings = folder / "cohort.toml"
    defaults = read_toml(settings) if settings.is_file() else {}
    refuse_unknown(defaults, ("expression_scale", "name", *EXPRESSION_OPTIONS), settings)
    if scale is not None:
        defaults["expression_scale"] = scale
    samples = study_samples(folder)
    if only is not None and only not in samples:
        raise not_in_cohort(only, samples, folder)
    names = ("hla", "hla_loh", "msi", "neoantigens", "tcr", "methylation", *SERIAL_FILES)
    tables = [find_table(folder, n) for n in names]
    unread = [p.name for p in (find_microbiome(folder), *tables, *usual_files(folder)) if p]
    if unread:
        raise InputError(
            "files that are not read in a cBioPortal study", file=folder, value=", ".join(unread),
            valid="a cohort folder (expression.tsv.gz, clinical.tsv) for them, or the study without them",
        )  # fmt: skip
    study = read_study(folder, knowledge, only, read_helpers(folder, defaults, settings))
    cohort = _assemble(
        folder,
        study.expression_path,
        study.quantified,
        study.samples,
        study.clinical,
        study.clinical_path,
        defaults,
        knowledge,
        study.modalities,
    )
    patients = tuple(replace(p, notes=(*study.notes, *p.notes)) for p in cohort.patients)
    return Cohort(patients, folder, study.notes)


def _assemble(
    source: Path,
    expression_path: Path,
    quantified: Quantified | None,
    samples: list[str],
    clinical: pd.DataFrame | None,
    clinical_path: Path,
    defaults: Mapping[str, Any],
    knowledge: Knowledge,
    other: Modalities,
    stools: Mapping[str, Microbiome] = MappingProxyType({}),
    said: Sequence[str] = (),
) -> Cohort:
    """Join the tables by sample; `said`: notes on the stool profiles."""
    declared = read_scale(defaults.get("expression_scale"), source)
    table = None if quantified is None else quantified.values
    length_bp = None if quantified is None else quantified.lengths
    if quantified is not None:
        declared = same_scale(declared, quantified.scale, source / "cohort.toml")
    mapping = map_symbols(list(table.index), knowledge.genes, expression_path) if table is not None else None
    lengths = length_bp[mapping.rows] if length_bp is not None and mapping is not None else None
    rows = {} if clinical is None else {r["sample"]: r for r in clinical.to_dict(orient="records")}
    patients = []
    for sample in samples:
        row: dict[str, Any] = {str(k): v for k, v in rows.get(sample, {}).items()}
        patient_id = str(row.get("patient") or sample)
        word = row.get("cancer_type") or defaults.get("cancer_type")
        if not word:
            raise InputError(
                "the cancer type is not given",
                file=clinical_path,
                field="cancer_type",
                value=f"sample {sample}",
                valid=", ".join(knowledge.tumors),
            )
        tumor = tumor_id(str(word), knowledge, clinical_path, "cancer_type")
        found = other.of(sample, patient_id, row)
        facts, notes = typed_facts(row | found.facts, clinical_path)
        notes = [*said, *notes, *found.notes]
        series, scale = None, None
        if table is not None and mapping is not None and sample in table.columns:
            notes += (*quantified.notes, *quantified.notes_of.get(sample, ())) if quantified is not None else ()
            series, scale = one_expression(
                table[sample].to_numpy(dtype=float)[mapping.rows],
                sample,
                expression_path,
                declared,
                lengths,
                mapping,
                notes,
            )
        hla = found.hla or hla_of_row(row, clinical_path)
        for column in (*HLA_COLUMNS, *HLA_SPLITS[0]):
            facts.pop(column, None)
        patients.append(
            Patient(
                sample=sample,
                patient=patient_id,
                tumor=tumor,
                clinical=facts,
                expression=series,
                mutations=found.mutations,
                hla=hla or None,
                copy_number=found.copy_number,
                mutation_assay=found.assay,
                methylation=found.methylation,
                microbiome=stools.get(sample),
                expression_scale=scale,
                notes=tuple(notes),
                source=source,
            )
        )
    return Cohort(tuple(patients), source)
