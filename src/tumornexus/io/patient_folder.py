"""A patient folder: ``patient.toml`` and the files it names or that lie beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.clinical import FACTS, typed_facts
from tumornexus.io.expression import Scale, linear, map_symbols, read_scale
from tumornexus.io.hla import read_alleles
from tumornexus.io.microbiome import find_microbiome, microbiome_of_patient
from tumornexus.io.modalities import FILES, OPTIONS, find_files, read_modalities, refuse_unknown
from tumornexus.io.patient import Patient
from tumornexus.io.patient_cells import CELL_FILES, with_cells
from tumornexus.io.quantification import Helpers, find_quantified, read_quantified
from tumornexus.io.serial import SERIAL_FILES, with_serial
from tumornexus.io.tables import find_table, read_bytes
from tumornexus.knowledge import Knowledge

EXPRESSION_OPTIONS = ("gene_lengths", "transcript_genes", "strandedness")


def not_in_cohort(sample: str, samples: tuple[str, ...] | list[str], path: Path) -> InputError:
    return InputError(
        "the sample is not in this cohort", file=path, field="sample", value=sample, valid=near_misses(sample, samples)
    )


def read_toml(path: Path) -> dict[str, Any]:
    raw = read_bytes(path)
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"the file is not valid TOML: {error}", file=path, valid='TOML, such as sample = "P1"'
        ) from error


def tumor_id(word: str, knowledge: Knowledge, path: Path, field: str) -> str:
    try:
        return knowledge.tumor(word).id
    except InputError as error:
        problem = error.problem.replace("unknown tumor", "unknown cancer type")
        raise InputError(
            problem, file=path, field=field, value=word, valid=error.valid or ", ".join(knowledge.tumors)
        ) from None


def one_expression(
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


_FILES = ("expression", "microbiome", *FILES, *CELL_FILES, *SERIAL_FILES)
_FIELDS = (
    "sample",
    "patient",
    "tumor",
    "cancer_type",
    "expression_scale",
    *OPTIONS,
    *EXPRESSION_OPTIONS,
    "facts",
    "clinical",
    "files",
    "note",
    "notes",
    "synthetic",
    *_FILES,
)


def read_patient_folder(folder: Path, knowledge: Knowledge, scale: str | None) -> Patient:
    """Read ``patient.toml`` and the files it names.

    Fields: ``sample`` and ``tumor`` (or ``cancer_type``) required; ``patient``; facts at the top level or in a table
        ``[facts]``; file names (``expression`` and those of `tumornexus.io.modalities.FILES`) at the top level or in
        ``[files]`` (files of these names in the folder are found without being named); the options of
        `tumornexus.io.modalities.OPTIONS`; ``hla`` may also be a list of alleles.
    """
    path = folder / "patient.toml"
    content = read_toml(path)
    listed = content.get("files", {})
    if not isinstance(listed, Mapping):
        raise InputError("a table of file names is needed", file=path, field="files", value=listed, valid="[files]")
    files = {k: content[k] for k in _FILES if k in content} | dict(listed)
    refuse_unknown(files, _FILES, path)
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
    refuse_unknown({k: v for k, v in content.items() if k not in FACTS}, (*_FIELDS, *FACTS), path)
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
    tumor = tumor_id(word, knowledge, path, "tumor" if "tumor" in content else "cancer_type")
    sample = sample.strip()
    patient = str(content.get("patient", sample))
    options = {k: content[k] for k in OPTIONS if k in content}
    found = read_modalities(
        find_files(folder, files, path), options, path, knowledge, [sample], [patient], default_sample=sample
    ).of(sample, patient, facts)
    typed, notes = typed_facts(facts | found.facts, path)
    notes += found.notes
    if content.get("synthetic") is True:
        typed["synthetic"] = True  # shown beside the patient's name wherever results are

    series, found_scale = _read_expression(folder, files, content, scale, sample, knowledge, notes)
    hla = read_alleles([str(a) for a in files["hla"]], path) if isinstance(files.get("hla"), list) else found.hla
    named = files.get("microbiome")
    if named is not None and not isinstance(named, str):
        raise InputError("a file name is needed", file=path, field="microbiome", value=named, valid='"microbiome.tsv"')
    stool = folder / named if named else find_microbiome(folder)
    found_patient = Patient(
        sample=sample,
        patient=patient,
        tumor=tumor,
        clinical=typed,
        expression=series,
        mutations=found.mutations,
        hla=hla or None,
        copy_number=found.copy_number,
        mutation_assay=found.assay,
        methylation=found.methylation,
        microbiome=microbiome_of_patient(stool, [sample, patient]) if stool else None,
        expression_scale=found_scale,
        notes=tuple(notes),
        source=folder,
    )
    return with_cells(with_serial(found_patient, files, folder), files, folder, knowledge)


def _read_expression(
    folder: Path,
    files: Mapping[str, Any],
    content: Mapping[str, Any],
    scale: str | None,
    sample: str,
    knowledge: Knowledge,
    notes: list[str],
) -> tuple[pd.Series | None, Scale | None]:
    """Read the expression of one patient: the named file, ``expression.tsv[.gz]``, or a quantifier's own file."""
    path = folder / "patient.toml"
    name = files.get("expression")
    if name is not None and not isinstance(name, str):
        raise InputError(
            "not the name of a file", file=path, field="expression", value=name, valid='expression = "..."'
        )
    expression = folder / name if isinstance(name, str) else find_table(folder, "expression")
    if expression is None:
        expression = find_quantified(folder)
    if expression is None:
        return None, None
    found = read_quantified(expression, None, read_helpers(folder, content, path), sample)
    table = found.values
    if table.shape[1] != 1 and sample not in table.columns:
        raise not_in_cohort(sample, list(table.columns), expression)
    values = table[sample if sample in table.columns else table.columns[0]].to_numpy(dtype=float)
    declared = read_scale(scale if scale is not None else content.get("expression_scale"), path)
    mapping = map_symbols(list(table.index), knowledge.genes, expression)
    lengths = None if found.lengths is None else found.lengths[mapping.rows]
    notes += found.notes
    return one_expression(
        values[mapping.rows], sample, expression, same_scale(declared, found.scale, path), lengths, mapping, notes
    )


def same_scale(declared: Scale | None, stated: Scale | None, path: Path) -> Scale | None:
    """Return the scale that the file states or that was declared; `InputError` where they differ."""
    if declared is not None and stated is not None and declared != stated:
        raise InputError(
            f"the file is a quantifier's and holds {stated}", file=path, field="expression_scale", value=declared,
            valid=f'expression_scale = "{stated}", or no declaration',
        )  # fmt: skip
    return stated or declared


def read_helpers(folder: Path, content: Mapping[str, Any], path: Path) -> Helpers:
    """Read what a settings file says about gene lengths, genes of transcripts and strandedness."""
    for name in ("gene_lengths", "transcript_genes", "strandedness"):
        if name in content and not isinstance(content[name], str):
            raise InputError("a name in quotes is needed", file=path, field=name, value=content[name], valid='"..."')
    lengths, genes = content.get("gene_lengths"), content.get("transcript_genes")
    return Helpers(
        folder / lengths if lengths else None, folder / genes if genes else None, content.get("strandedness")
    )
