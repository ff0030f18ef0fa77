"""Cohort folders and patient folders, read into `Cohort` and `Patient`.

A cohort folder holds ``expression.tsv[.gz]`` (genes x samples) and/or ``clinical.tsv[.gz]`` (``sample`` required) and
optionally ``mutations.tsv[.gz]``, ``hla.tsv`` (by sample or patient), ``cna*.tsv[.gz]``, a stool profile
(``abundance.tsv[.gz]``, ``microbiome.tsv[.gz]`` or a folder ``microbiome/``), single cells and slides
(`tumornexus.io.patient_cells`) and ``cohort.toml`` (``cancer_type``, ``expression_scale``). A patient folder holds
``patient.toml`` and the files it names. A sample reads the same alone and with its cohort.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.clinical import FACTS, typed_facts
from tumornexus.io.expression import Scale, linear, map_symbols, read_scale
from tumornexus.io.hla import read_alleles
from tumornexus.io.microbiome import Microbiome, find_microbiome, microbiome_of_cohort, microbiome_of_patient
from tumornexus.io.mutations import COLUMNS, read_copy_number, read_mutations
from tumornexus.io.patient import Patient
from tumornexus.io.patient_cells import CELL_FILES, cells_of_cohort, with_cells
from tumornexus.io.tables import find_table, header_of, read_bytes, read_number_table, read_text_table, refuse_repeats
from tumornexus.knowledge import Knowledge, load_knowledge

HLA_COLUMNS = ("hla", "hla_alleles", "x_hla_allele_list", "hla_allele_list")
HLA_SPLIT = ("x_hla_a1", "x_hla_a2", "x_hla_b1", "x_hla_b2", "x_hla_c1", "x_hla_c2")
LENGTH_COLUMN = "length_bp"
ASSAYS = ("exome", "panel", "ctdna")


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
        raise _not_in_cohort(sample, self.samples, self.source)

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
        return _assemble(source, source, table, None, samples, clinical, source, defaults, knowledge, _Other())


@dataclass
class _Other:
    """Tables beside expression and clinical facts, already normalised."""

    mutations: pd.DataFrame | None = None
    assay: str = "exome"
    hla: dict[str, tuple[str, ...]] | None = None
    copy_number: pd.DataFrame | None = None
    copy_key_is_sample: bool = True
    microbiome: Mapping[str, Microbiome] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _not_in_cohort(sample: str, samples: tuple[str, ...] | list[str], path: Path) -> InputError:
    return InputError(
        "the sample is not in this cohort", file=path, field="sample", value=sample, valid=near_misses(sample, samples)
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
        patient = _read_patient_folder(folder, knowledge, scale)
        if sample is not None and sample != patient.sample:
            raise _not_in_cohort(sample, [patient.sample], folder / "patient.toml")
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
    clinical = find_table(folder, "clinical")
    if clinical:
        return [s for s in read_text_table(clinical, required=["sample"])["sample"] if s]
    expression = find_table(folder, "expression")
    if expression is None:
        raise _no_tables(folder)
    return [n for n in header_of(read_bytes(expression), expression)[1:] if n != LENGTH_COLUMN]


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
        patient = _read_patient_folder(folder, knowledge, scale)
        return Cohort((patient,), folder)
    expression_path, clinical_path = find_table(folder, "expression"), find_table(folder, "clinical")
    if expression_path is None and clinical_path is None:
        raise _no_tables(folder)
    defaults: dict[str, Any] = {}
    if (folder / "cohort.toml").is_file():
        defaults = _read_toml(folder / "cohort.toml")
        _refuse_unknown(
            defaults,
            ("cancer_type", "tumor", "expression_scale", "mutation_assay", "name", *CELL_FILES),
            folder / "cohort.toml",
        )
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
    columns: list[str] = []
    table = None
    if expression_path:
        columns = header_of(read_bytes(expression_path), expression_path)[1:]
        lengths = [LENGTH_COLUMN] if LENGTH_COLUMN in columns else []
        wanted = None if only is None else [c for c in columns if c in (only, LENGTH_COLUMN)]
        known = [c for c in columns if c != LENGTH_COLUMN] + (list(clinical["sample"]) if clinical is not None else [])
        if only is not None and only not in known:
            raise _not_in_cohort(only, known, expression_path)
        if wanted is None or set(wanted) - set(lengths):
            table, _ = read_number_table(expression_path, wanted)
    elif only is not None and clinical is not None and only not in set(clinical["sample"]):
        raise _not_in_cohort(only, list(clinical["sample"]), clinical_path or folder)
    length_bp = table.pop(LENGTH_COLUMN).to_numpy() if table is not None and LENGTH_COLUMN in table.columns else None
    measured = [c for c in columns if c != LENGTH_COLUMN]
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
    every = {*samples, *_owners(clinical).values()}
    if only is not None:
        samples = [only]
        clinical = clinical[clinical["sample"] == only] if clinical is not None else None
    other = _read_other(folder, samples, clinical, knowledge, defaults, every)
    cohort = _assemble(
        folder,
        expression_path or folder,
        table,
        length_bp,
        samples,
        clinical,
        clinical_path or folder,
        defaults,
        knowledge,
        other,
    )
    patients, notes = cells_of_cohort(cohort.patients, defaults, folder, knowledge)
    return replace(cohort, patients=patients, notes=(*cohort.notes, *notes))


def _read_other(
    folder: Path,
    samples: list[str],
    clinical: pd.DataFrame | None,
    knowledge: Knowledge,
    defaults: Mapping[str, Any],
    every: Iterable[str],
) -> _Other:
    """Read mutations, HLA types, copy number and stool profile of the wanted samples; `every` id of the cohort."""
    other = _Other()
    notes: list[str] = []
    patients = set(samples)
    if clinical is not None and "patient" in clinical.columns:
        patients |= {p for p in clinical["patient"] if p}
    path = find_table(folder, "mutations")
    if path:
        other.mutations, other.assay, _ = read_mutations(path, knowledge.genes, samples=samples)
        other.assay = defaults.get("mutation_assay", other.assay)
        _check_assay(other.assay, folder / "cohort.toml")
    path = find_table(folder, "hla")
    if path:
        table = read_text_table(path)
        key = next((c for c in ("sample", "patient") if c in table.columns), None)
        column = next((c for c in HLA_COLUMNS if c in table.columns), None)
        if key is None or column is None:
            raise InputError(
                "an HLA table needs a sample or patient column and a column of alleles",
                file=path,
                field="header",
                value=", ".join(table.columns[:6]),
                valid="sample (or patient) and hla_alleles",
            )
        table = table[table[key].isin(patients) & table[column].notna()]
        other.hla = {k: read_alleles(v, path, column) for k, v in zip(table[key], table[column], strict=True)}
    found = sorted([*folder.glob("cna*.tsv"), *folder.glob("cna*.tsv.gz")])
    if len(found) > 1:
        raise InputError(
            "several copy-number tables", file=folder, value=", ".join(p.name for p in found), valid="one cna*.tsv.gz"
        )
    if found:
        other.copy_number = read_copy_number(found[0], knowledge.genes, keys=patients)
    owners = _owners(clinical)
    other.microbiome, said = microbiome_of_cohort(folder, {s: owners.get(s, s) for s in samples}, every)
    other.notes = (*notes, *said)
    return other


def _owners(clinical: pd.DataFrame | None) -> dict[str, str]:
    """Patient id by sample id, for the rows of a clinical table that give one."""
    if clinical is None or "patient" not in clinical.columns:
        return {}
    return {s: p for s, p in zip(clinical["sample"], clinical["patient"], strict=True) if p}


def _assemble(
    source: Path,
    expression_path: Path,
    table: pd.DataFrame | None,
    length_bp: np.ndarray | None,
    samples: list[str],
    clinical: pd.DataFrame | None,
    clinical_path: Path,
    defaults: Mapping[str, Any],
    knowledge: Knowledge,
    other: _Other,
) -> Cohort:
    """Join the tables by sample."""
    declared = read_scale(defaults.get("expression_scale"), source)
    mapping = map_symbols(list(table.index), knowledge.genes, expression_path) if table is not None else None
    lengths = length_bp[mapping.rows] if length_bp is not None and mapping is not None else None
    rows = {} if clinical is None else {r["sample"]: r for r in clinical.to_dict(orient="records")}
    by_sample = {} if other.mutations is None else dict(iter(other.mutations.groupby("sample", sort=False)))
    copies = {} if other.copy_number is None else dict(iter(other.copy_number.groupby("key", sort=False)))
    patients = []
    for sample in samples:
        row: dict[str, Any] = {str(k): v for k, v in rows.get(sample, {}).items()}
        patient_id = str(row.get("patient") or sample)
        notes = list(other.notes)
        word = row.get("cancer_type") or defaults.get("cancer_type")
        if not word:
            raise InputError(
                "the cancer type is not given",
                file=clinical_path,
                field="cancer_type",
                value=f"sample {sample}",
                valid=", ".join(knowledge.tumors),
            )
        tumor = _tumor_id(str(word), knowledge, clinical_path, "cancer_type")
        facts, fact_notes = typed_facts(row, clinical_path)
        notes += fact_notes
        series, scale = None, None
        if table is not None and mapping is not None and sample in table.columns:
            series, scale = _one_expression(
                table[sample].to_numpy(dtype=float)[mapping.rows],
                sample,
                expression_path,
                declared,
                lengths,
                mapping,
                notes,
            )
        mutations = by_sample.get(sample)
        if mutations is not None:
            mutations = mutations[list(COLUMNS)].reset_index(drop=True)
            _variant_notes(mutations, other.assay, notes)
        elif other.mutations is not None:
            notes.append("no variant of this sample is in the mutation table: read as not sequenced")
        hla = None
        if other.hla is not None:
            hla = other.hla.get(sample) or other.hla.get(patient_id)
        if hla is None:
            hla = _hla_of_row(row, clinical_path)
        for column in (*HLA_COLUMNS, *HLA_SPLIT):
            facts.pop(column, None)
        number = copies.get(sample, copies.get(patient_id))
        patients.append(
            Patient(
                sample=sample,
                patient=patient_id,
                tumor=tumor,
                clinical=facts,
                expression=series,
                mutations=mutations,
                hla=hla or None,
                copy_number=None if number is None else number.drop(columns="key").reset_index(drop=True),
                mutation_assay=other.assay,
                microbiome=other.microbiome.get(sample),
                expression_scale=scale,
                notes=tuple(notes),
                source=source,
            )
        )
    return Cohort(tuple(patients), source)


def _one_expression(
    values: np.ndarray,
    sample: str,
    path: Path,
    declared: Scale | None,
    lengths: np.ndarray | None,
    mapping: Any,
    notes: list[str],
) -> tuple[pd.Series, Scale]:
    values, scale, note = linear(values, sample, path, declared, lengths)
    missing = int(np.isnan(values).sum())
    if missing:
        notes.append(f"{missing} genes have no value in this sample and are read as not measured")
    if mapping.unmapped:
        notes.append(
            f"{mapping.unmapped} of {len(mapping.symbols)} symbols are not in the gene table and keep their spelling"
        )
    if mapping.renamed:
        notes.append(f"{mapping.renamed} gene symbols were replaced by their approved form")
    if mapping.merged:
        notes.append(f"{mapping.merged} rows were dropped because two symbols name one gene")
    if scale != "tpm":
        notes.append(f"expression scale read as {scale}")
    if note:
        notes.append(note)
    return pd.Series(values, index=mapping.symbols, name=sample), scale


def _check_assay(assay: object, path: Path) -> None:
    if assay not in ASSAYS:
        raise InputError(
            "unknown mutation assay", file=path, field="mutation_assay", value=assay, valid=", ".join(ASSAYS)
        )


def _variant_notes(mutations: pd.DataFrame, assay: str, notes: list[str]) -> None:
    unclear = int((mutations["variant_class"] == "other").sum())
    if unclear:
        notes.append(
            f"{unclear} of {len(mutations)} variants have no readable consequence and say nothing about a gene"
        )
    if assay == "panel":
        notes.append("mutations come from a targeted panel: a gene without a variant may not have been sequenced")


def _tumor_id(word: str, knowledge: Knowledge, path: Path, field: str) -> str:
    try:
        return knowledge.tumor(word).id
    except InputError as error:
        problem = error.problem.replace("unknown tumor", "unknown cancer type")
        raise InputError(
            problem, file=path, field=field, value=word, valid=error.valid or ", ".join(knowledge.tumors)
        ) from None


def _hla_of_row(row: Mapping[str, Any], path: Path) -> tuple[str, ...] | None:
    for column in HLA_COLUMNS:
        if row.get(column):
            return read_alleles(row[column], path, column)
    cells = [(c, row[c]) for c in HLA_SPLIT if row.get(c)]
    if not cells:
        return None
    return tuple(sorted(a for c, v in cells for a in read_alleles(str(v), path, c)))


def _read_toml(path: Path) -> dict[str, Any]:
    raw = read_bytes(path)
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"the file is not valid TOML: {error}", file=path, valid='TOML, such as sample = "P1"'
        ) from error


def _refuse_unknown(content: Mapping[str, Any], known: tuple[str, ...], path: Path) -> None:
    for key in content:
        if key not in known:
            raise InputError("unknown field", file=path, field=key, valid=near_misses(key, known))


_FILES = ("expression", "mutations", "hla", "copy_number", "microbiome", *CELL_FILES)
_FIELDS = (
    "sample",
    "patient",
    "tumor",
    "cancer_type",
    "expression_scale",
    "mutation_assay",
    "facts",
    "clinical",
    "files",
    "note",
    "notes",
    "synthetic",
    *_FILES,
)


def _read_patient_folder(folder: Path, knowledge: Knowledge, scale: str | None) -> Patient:
    """Read ``patient.toml`` and the files it names.

    Fields: ``sample`` and ``tumor`` (or ``cancer_type``) required; ``patient``; facts at the top level or in a table
        ``[facts]``; file names ``expression``, ``mutations``, ``hla``, ``copy_number``, ``microbiome`` at the top level
        or in ``[files]`` (files of these names in the folder are found without being named); ``hla`` may also be a
        list of alleles; ``single_cell`` and ``slide`` as in `tumornexus.io.patient_cells`.
    """
    path = folder / "patient.toml"
    content = _read_toml(path)
    files = {k: content[k] for k in _FILES if k in content} | dict(content.get("files", {}))
    _refuse_unknown(files, _FILES, path)
    facts = {k: v for k, v in content.items() if k in FACTS}
    for table in ("facts", "clinical"):
        if table in content:
            if not isinstance(content[table], Mapping):
                raise InputError(
                    "a table of facts is needed",
                    file=path,
                    field=table,
                    value=content[table],
                    valid=f"[{table}] with name = value",
                )
            facts |= dict(content[table])
    _refuse_unknown({k: v for k, v in content.items() if k not in FACTS}, (*_FIELDS, *FACTS), path)
    for name in facts:
        if name not in FACTS:
            close = near_misses(name, FACTS)
            if close.startswith("did you mean"):
                raise InputError("unknown fact", file=path, field=name, valid=close)
    sample = content.get("sample")
    if not isinstance(sample, str) or not sample.strip():
        raise InputError(
            "the sample id is missing or not text",
            file=path,
            field="sample",
            value=sample,
            valid='sample = "P1" (in quotes)',
        )
    word = content.get("tumor", content.get("cancer_type"))
    if not isinstance(word, str):
        raise InputError(
            "the cancer type is not given", file=path, field="tumor", value=word, valid=", ".join(knowledge.tumors)
        )
    tumor = _tumor_id(word, knowledge, path, "tumor" if "tumor" in content else "cancer_type")
    typed, notes = typed_facts(facts, path)
    if content.get("synthetic") is True:
        typed["synthetic"] = True  # shown beside the patient's name wherever results are

    def located(kind: str) -> Path | None:
        name = files.get(kind)
        if isinstance(name, str):
            read_bytes(folder / name)
            return folder / name
        return find_table(folder, kind) if kind not in files else None

    declared = read_scale(scale if scale is not None else content.get("expression_scale"), path)
    series = found_scale = None
    expression = located("expression")
    if expression:
        table, columns = read_number_table(expression)
        lengths = table.pop(LENGTH_COLUMN).to_numpy() if LENGTH_COLUMN in table.columns else None
        if table.shape[1] != 1 and sample not in table.columns:
            raise _not_in_cohort(sample, columns, expression)
        column = sample if sample in table.columns else table.columns[0]
        mapping = map_symbols(list(table.index), knowledge.genes, expression)
        series, found_scale = _one_expression(
            table[column].to_numpy(dtype=float)[mapping.rows],
            sample,
            expression,
            declared,
            None if lengths is None else lengths[mapping.rows],
            mapping,
            notes,
        )
    mutations, assay = None, "exome"
    mutation_path = located("mutations")
    if mutation_path:
        table, assay, _ = read_mutations(mutation_path, knowledge.genes, samples=[sample], default_sample=sample)
        mutations = table[list(COLUMNS)].reset_index(drop=True)
    assay = content.get("mutation_assay", assay)
    _check_assay(assay, path)
    if mutations is not None:
        _variant_notes(mutations, assay, notes)
    hla = None
    if isinstance(files.get("hla"), list):
        hla = read_alleles([str(a) for a in files["hla"]], path)
    elif hla_path := located("hla"):
        table = read_text_table(hla_path)
        column = next((c for c in (*HLA_COLUMNS, "allele") if c in table.columns), None)
        if column is None:
            raise InputError(
                "an HLA table needs a column of alleles",
                file=hla_path,
                field="header",
                value=", ".join(table.columns[:6]),
                valid="hla_alleles",
            )
        if "sample" in table.columns:
            table = table[table["sample"] == sample]
        hla = tuple(sorted(a for cell in table[column].dropna() for a in read_alleles(cell, hla_path, column)))
    copy_path = located("copy_number") or find_table(folder, "cna")
    copies = None
    if copy_path:
        copies = read_copy_number(copy_path, knowledge.genes, keys=None, default_sample=sample).drop(columns="key")
    owner = str(content.get("patient", sample))
    stool_path = located("microbiome") if "microbiome" in files else find_microbiome(folder)
    stool = microbiome_of_patient(stool_path, [sample.strip(), owner]) if stool_path else None
    patient = Patient(
        sample=sample.strip(),
        patient=owner,
        tumor=tumor,
        clinical=typed,
        expression=series,
        mutations=mutations,
        hla=hla or None,
        copy_number=copies,
        mutation_assay=str(assay),
        microbiome=stool,
        expression_scale=found_scale,
        notes=tuple(notes),
        source=folder,
    )
    return with_cells(patient, files, folder, knowledge)
