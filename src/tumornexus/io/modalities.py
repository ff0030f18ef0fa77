"""What is read beside expression and clinical facts: the same files, by the same readers, in both kinds of folder.

`find_files` says which files a folder holds, `read_modalities` reads them for the wanted samples, `Modalities.of` hands
out what belongs to one sample. A fact that a table yields (microsatellite status, loss of an HLA allele, neoantigens,
clonality of T cells, mutational burden) is used where the clinical table is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from tumornexus.errors import InputError, near_misses
from tumornexus.io.binding import predictor
from tumornexus.io.builds import read_build
from tumornexus.io.burden import Regions, burden, read_bed
from tumornexus.io.clinical import FLAGS, NUMBERS
from tumornexus.io.copy_number import GeneCopies, call_copies, read_gene_copies
from tumornexus.io.derived import Facts, Notes, read_msi, read_neoantigens
from tumornexus.io.hla import LOCI, read_alleles
from tumornexus.io.hla_loh import read_hla_loh
from tumornexus.io.methylation import read_methylation
from tumornexus.io.mutations import COLUMNS, read_mutations, variant_notes
from tumornexus.io.receptors import read_tcr
from tumornexus.io.segments import read_segments
from tumornexus.io.tables import MISSING, find_table, read_bytes, read_text_table
from tumornexus.knowledge import Knowledge

HLA_COLUMNS = ("hla", "hla_alleles", "x_hla_allele_list", "hla_allele_list")
# Tables that list the two alleles of each locus in columns of their own; A1 to C2 are those of OptiType.
HLA_SPLITS = (
    tuple(f"x_hla_{locus.lower()}{i}" for locus in LOCI for i in (1, 2)),
    tuple(f"{locus}{i}" for locus in LOCI for i in (1, 2)),
)
ASSAYS = ("exome", "panel", "ctdna")
FILES = (
    "mutations", "hla", "hla_loh", "copy_number", "segments", "panel_bed", "msi", "neoantigens", "tcr", "methylation",
)  # fmt: skip
OPTIONS = ("mutation_assay", "tumor_sample", "genome_build", "copy_number_unit", "msi_tool", "binding_predictor")
_VARIANT_FILES = ("mutations.maf", "mutations.maf.gz", "mutations.vcf", "mutations.vcf.gz", "mutations.bcf")


@dataclass
class SampleModalities:
    """Tables and derived facts of one sample."""

    mutations: pd.DataFrame | None = None
    assay: str = "exome"
    hla: tuple[str, ...] | None = None
    copy_number: pd.DataFrame | None = None
    methylation: pd.Series | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Modalities:
    """All tables of a folder, restricted to the wanted samples and patients; `assays` are those of single samples."""

    assay: str = "exome"
    variants: dict[str, pd.DataFrame] = field(default_factory=dict)
    assays: dict[str, str] = field(default_factory=dict)
    sequenced: bool = False
    regions: Regions | None = None
    hla: dict[str, tuple[str, ...]] = field(default_factory=dict)
    copies: list[GeneCopies] = field(default_factory=list)
    named: Collection[str] = ()
    methylation: dict[str, pd.Series] = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)

    def of(self, sample: str, patient: str, row: Mapping[str, Any]) -> SampleModalities:
        """Hand out what belongs to a sample; all but variants may also be listed under its patient.

        `row` are the sample's clinical facts as written: its purity turns log2 into copies, and what it states is not
        derived again.
        """
        found = SampleModalities(assay=self.assays.get(sample, self.assay))
        keys = list(dict.fromkeys((sample, patient)))
        found.notes += [n for k in keys for n in self.notes.get(k, ())]
        table = self.variants.get(sample)
        if table is not None:
            found.mutations = table[list(COLUMNS)].reset_index(drop=True)
            found.notes += variant_notes(table, found.assay)
        elif self.sequenced:
            found.notes.append("no variant of this sample is in the mutation table: read as not sequenced")
        found.hla = next((self.hla[k] for k in keys if self.hla.get(k)), None)
        for copies in self.copies:
            for key in keys:
                called = call_copies(copies, key, _purity(row), self.named)
                if called is not None and found.copy_number is None:
                    found.copy_number = called
                    found.notes += (*copies.notes, *copies.notes_of.get(key, ()))
        found.methylation = next((self.methylation[k] for k in keys if k in self.methylation), None)
        for key in reversed(keys):
            found.facts |= self.facts.get(key, {})
        if table is not None and not any(_stated(row, f) for f in _BURDEN):
            value, note = burden(table, found.assay, self.regions)
            if value:
                found.facts["tmb_per_mb"] = value
            if note and (value or found.assay != "panel" or self.regions is not None):
                found.notes.append(note)
        found.facts = {k: v for k, v in found.facts.items() if not _stated(row, k)}
        return found


_BURDEN = ("tmb_reported_per_mb", "nonsynonymous_count")


def _stated(row: Mapping[str, Any], fact: str) -> bool:
    """Whether the clinical table states a fact, under any of the names by which it is read."""
    names = NUMBERS[fact][0] if fact in NUMBERS else FLAGS.get(fact, ())
    return any(str(row.get(n) if row.get(n) is not None else "").strip().lower() not in MISSING for n in (fact, *names))


def _purity(row: Mapping[str, Any]) -> float | None:
    for name in ("purity", "tumor_purity"):
        try:
            value = float(row.get(name))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue  # what is no number is refused where clinical facts are read
        if 0.0 < value <= 1.0:
            return value
    return None


def find_files(folder: Path, stated: Mapping[str, Any], file: Path) -> dict[str, Path]:
    """Return the file of each kind: named in the settings `stated` (in `file`), or found by its usual name."""
    found: dict[str, Path] = {}
    for kind in FILES:
        name = stated.get(kind)
        if isinstance(name, str):
            if not (folder / name).is_dir():
                read_bytes(folder / name)
            found[kind] = folder / name
        elif kind in stated:
            if kind != "hla" or not isinstance(name, list):
                raise InputError("not the name of a file", file=file, field=kind, value=name, valid=f'{kind} = "..."')
        elif kind == "mutations":
            others = [folder / n for n in _VARIANT_FILES if (folder / n).is_file()]
            others += [folder / "vcf"] if (folder / "vcf").is_dir() else []
            every = [p for p in (find_table(folder, kind), *others) if p]
            if len(every) > 1:
                raise InputError(
                    "several files of variants", file=folder, field=kind, value=", ".join(p.name for p in every),
                    valid=f"one of them, or its name as {kind} = ... in {file.name}",
                )  # fmt: skip
            if every:
                found[kind] = every[0]
        elif kind == "panel_bed":
            if (folder / "panel.bed").is_file():
                found[kind] = folder / "panel.bed"
        elif kind == "segments" and (folder / "segments.seg").is_file():
            found[kind] = folder / "segments.seg"
        elif path := find_table(folder, kind):
            found[kind] = path
    if "copy_number" not in found and "copy_number" not in stated:
        cna = sorted([*folder.glob("cna*.tsv"), *folder.glob("cna*.tsv.gz")])
        if len(cna) > 1:
            raise InputError(
                "several copy-number tables", file=folder, value=", ".join(p.name for p in cna),
                valid="one cna*.tsv.gz",
            )  # fmt: skip
        if cna:
            found["copy_number"] = cna[0]
    if "copy_number" in found and "segments" in found:
        raise InputError(
            "copy number is given by gene and by segment", file=folder, field="copy_number",
            value=f"{found['copy_number'].name}, {found['segments'].name}", valid="one of them",
        )  # fmt: skip
    return found


def check_assay(assay: object, path: Path) -> None:
    """Refuse an assay that is none of `ASSAYS`."""
    if assay not in ASSAYS:
        raise InputError(
            "unknown mutation assay", file=path, field="mutation_assay", value=assay, valid=", ".join(ASSAYS)
        )


def read_modalities(
    files: Mapping[str, Path],
    options: Mapping[str, Any],
    settings: Path,
    knowledge: Knowledge,
    samples: Collection[str],
    patients: Collection[str],
    default_sample: str | None = None,
) -> Modalities:
    """Read the files of a folder for `samples` and their `patients`.

    `options` are those of `OPTIONS` that `settings` states. `default_sample` is the sample of a patient folder, whose
    tables need no column ``sample``. Raises what the readers of the single files raise.
    """
    keys = {*samples, *patients}
    build = read_build(options["genome_build"], settings) if options.get("genome_build") else None
    found = Modalities(named=genes_of(knowledge))
    if "mutations" in files:
        _read_variants(found, files["mutations"], options, build, knowledge, samples, default_sample)
    found.assay = options.get("mutation_assay") or found.assay
    check_assay(found.assay, settings)
    if "panel_bed" in files:
        found.regions = read_bed(files["panel_bed"])
        if found.assay == "exome" and "mutation_assay" not in options:
            found.assay = "panel"
    if "hla" in files:
        found.hla = read_hla_table(files["hla"], keys, default_sample)
    if "hla_loh" in files:
        for key, (lost, note) in read_hla_loh(files["hla_loh"], keys, default_sample).items():
            found.notes.setdefault(key, []).append(note)
            if lost is not None:
                found.facts.setdefault(key, {})["hla_loh"] = lost
    if "copy_number" in files:
        unit = options.get("copy_number_unit")
        listed = None if default_sample is not None else keys
        found.copies.append(read_gene_copies(files["copy_number"], knowledge.genes, listed, default_sample, unit))
    if "segments" in files:
        found.copies.append(
            read_segments(files["segments"], build, None if default_sample is not None else keys, default_sample)
        )
    if "methylation" in files:
        found.methylation, said = read_methylation(files["methylation"], knowledge.genes, keys, default_sample)
        for key, words in said.items():
            found.notes.setdefault(key, []).extend(words)
    neoantigens: Callable[..., tuple[Facts, Notes]] = read_neoantigens
    if "binding_predictor" in options and "neoantigens" in files:
        if not found.hla:
            raise InputError(
                "predicting binding needs HLA types", file=settings, field="binding_predictor",
                value=options["binding_predictor"], valid="hla.tsv beside the neoantigens",
            )  # fmt: skip
        neoantigens = partial(read_neoantigens, predict=predictor(options["binding_predictor"]), hla=found.hla)
    readers: dict[str, Callable[..., tuple[Facts, Notes]]] = {
        "msi": partial(read_msi, tool=options.get("msi_tool")), "neoantigens": neoantigens, "tcr": read_tcr,
    }  # fmt: skip
    for kind, reader in readers.items():
        if kind in files:
            facts, notes = reader(files[kind], keys, default_sample)
            for key, values in facts.items():
                found.facts.setdefault(key, {}).update(values)
            for key, words in notes.items():
                found.notes.setdefault(key, []).extend(words)
    return found


def genes_of(knowledge: Knowledge) -> frozenset[str]:
    """Genes that mutation and copy-number biomarkers name: those for which "no call" is a result."""
    return frozenset(
        gene
        for mechanism in knowledge.mechanisms.values()
        for biomarker in mechanism.biomarker
        if biomarker.input in ("mutation", "copy_number")
        for gene in (*biomarker.genes, *(c.rpartition(":")[0] for c in biomarker.changes))
    )


def _read_variants(
    found: Modalities,
    path: Path,
    options: Mapping[str, Any],
    build: str | None,
    knowledge: Knowledge,
    samples: Collection[str],
    default_sample: str | None,
) -> None:
    """Read one file of variants, or a folder with one ``SAMPLE.vcf[.gz]`` each."""
    tumor = options.get("tumor_sample")
    if path.is_dir():
        for sample in samples:
            mine = [p for p in (path / f"{sample}{s}" for s in (".vcf", ".vcf.gz", ".bcf")) if p.is_file()]
            if not mine:
                continue
            table, found.assay, notes = read_mutations(
                mine[0], knowledge.genes, default_sample=sample, tumor_sample=tumor, build=build
            )
            found.variants[sample] = table
            found.notes.setdefault(sample, []).extend(notes)
        if not found.variants and not any(path.glob("*.vcf*")):
            raise InputError(
                "the folder holds no VCF", file=path, field="mutations", valid="SAMPLE.vcf.gz for each sample"
            )
        found.sequenced = True
        return
    table, found.assay, notes = read_mutations(
        path, knowledge.genes, samples, default_sample, tumor_sample=tumor, build=build
    )
    found.sequenced = True
    found.variants = {str(k): v for k, v in table.groupby("sample", sort=False)}
    if default_sample is not None:
        found.variants.setdefault(default_sample, table.iloc[:0])
    for sample in samples:
        if notes:
            found.notes.setdefault(sample, []).extend(notes)


def read_hla_table(path: Path, keys: Iterable[str], default_sample: str | None = None) -> dict[str, tuple[str, ...]]:
    """Read HLA types: a column of alleles (one or several a row), or one column an allele (``A1`` to ``C2``)."""
    table = read_text_table(path)
    key = next((c for c in ("sample", "patient") if c in table.columns), None)
    columns = [c for c in (*HLA_COLUMNS, "allele") if c in table.columns][:1]
    if not columns:
        columns = next((list(s) for s in HLA_SPLITS if set(s) <= set(table.columns)), [])
    if not columns or (key is None and default_sample is None):
        raise InputError(
            "an HLA table needs a sample or patient column and a column of alleles",
            file=path,
            field="header",
            value=", ".join(table.columns[:6]),
            valid="sample (or patient) and hla_alleles, or A1, A2, B1, B2, C1, C2",
        )
    wanted = {default_sample} if default_sample is not None and key == "sample" else set(keys)
    if key is not None and not (default_sample is not None and key == "patient"):
        table = table[table[key].isin(wanted)]
    names = pd.Series(default_sample, index=table.index) if key is None or default_sample is not None else table[key]
    found: dict[str, list[str]] = {}
    for column in columns:
        for name, cell in zip(names, table[column], strict=True):
            if cell:
                found.setdefault(str(name), []).extend(read_alleles(cell, path, column))
    return {name: tuple(sorted(alleles)) for name, alleles in found.items()}


def hla_of_row(row: Mapping[str, Any], path: Path) -> tuple[str, ...] | None:
    """Return HLA types that stand in the clinical table."""
    for column in HLA_COLUMNS:
        if row.get(column):
            return read_alleles(row[column], path, column)
    cells = [(c, row[c]) for c in HLA_SPLITS[0] if row.get(c)]
    if not cells:
        return None
    return tuple(sorted(a for c, v in cells for a in read_alleles(str(v), path, c)))


def refuse_unknown(content: Mapping[str, Any], known: Iterable[str], path: Path) -> None:
    """Refuse a field that no settings file has."""
    for key in content:
        if key not in known:
            raise InputError("unknown field", file=path, field=key, valid=near_misses(key, known))
