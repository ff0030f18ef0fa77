"""Single cells and slides of a patient folder or a cohort folder, handed to the patients that they belong to.

``patient.toml`` names them as ``single_cell = "dissociated.h5ad"`` and ``slide = "cells.tsv"``, or as a table with
options, such as ``slide = { file = "cells.tsv", pixel_um = 0.5 }``. A cohort folder holds ``single_cell.h5ad`` (or
``.h5mu``) and ``cells.tsv[.gz]`` (or ``.csv``, ``.parquet``, ``.h5ad``); the options stand in ``[single_cell]`` and
``[slide]`` of ``cohort.toml``. Samples of a file are matched by sample, then by patient.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tumornexus.errors import InputError, near_misses
from tumornexus.io.patient import Patient
from tumornexus.io.single_cell import SingleCells, read_single_cells
from tumornexus.io.slide import Slide, read_slides
from tumornexus.knowledge import Knowledge

CELL_FILES = ("single_cell", "slide")
"""Fields of ``patient.toml`` and tables of ``cohort.toml`` that this module reads."""
OPTIONS: dict[str, tuple[str, ...]] = {
    "single_cell": ("cell_type", "sample", "sample_column", "unknown", "layer", "scale", "modality"),
    "slide": ("sample", "pixel_um", "image_size", "columns", "phenotypes", "groups"),
}
USUAL = {
    "single_cell": ("single_cell.h5ad", "single_cell.h5mu"),
    "slide": tuple(f"{stem}.{end}" for stem in ("slide", "cells")
                   for end in ("tsv", "tsv.gz", "csv", "csv.gz", "parquet", "h5ad")),
}  # fmt: skip


def with_cells(patient: Patient, named: Mapping[str, Any], folder: Path, knowledge: Knowledge) -> Patient:
    """Return the patient with the single cells and the slide of its folder; `named` are the fields of patient.toml.

    Raises:
        InputError: an unknown option, or a file that holds several samples and none of this patient.
    """
    keys = (patient.sample, patient.patient)
    found: dict[str, Any] = {}
    notes: list[str] = []
    for kind in CELL_FILES:
        path, options = _file(kind, named.get(kind), folder, folder / "patient.toml")
        if path is not None and named.get(kind) is None and path in _stated(named, folder):
            continue  # a file under a usual name that patient.toml gives to the other kind
        if path is None:
            continue
        wanted = options.pop("sample", None)
        parts = _read(kind, path, options, folder, knowledge)
        if wanted is not None and wanted not in parts:
            raise InputError("the sample is not in this file", file=path, field=f"{kind}.sample", value=wanted,
                             valid=near_misses(str(wanted), parts))  # fmt: skip
        chosen = wanted or next((k for k in keys if k in parts), next(iter(parts)) if len(parts) == 1 else None)
        if chosen is None:
            raise InputError(f"the file holds {len(parts)} samples and none of this patient", file=path,
                             field=f"{kind}.sample", value=" / ".join(dict.fromkeys(keys)),
                             valid=near_misses(patient.sample, parts))  # fmt: skip
        found[kind] = parts[chosen]
        if wanted is None and chosen not in keys:
            notes.append(f"the only sample of {path.name}, '{chosen}', was taken for this patient's")
    return replace(patient, notes=(*patient.notes, *notes), **found) if found else patient


def cells_of_cohort(
    patients: Sequence[Patient], options: Mapping[str, Any], folder: Path, knowledge: Knowledge, every: Collection[str]
) -> tuple[Patient, ...]:
    """Return the patients with their single cells and slides; notes name the samples that belong to nobody.

    `options` is the content of ``cohort.toml``. All samples of a file are read, so that a sample that cannot be used
    is an error and not a gap; `patients` may be one of the cohort, in which case only its cells are kept. `every`: ids
    of all samples and patients of the cohort.

    Raises:
        InputError: an unknown option, or a file of which no sample belongs to the cohort.
    """
    notes: list[str] = []
    for kind in CELL_FILES:
        given = options.get(kind)
        path, how = _file(kind, dict(given) if isinstance(given, Mapping) else given, folder, folder / "cohort.toml")
        if path is None:
            continue
        if "sample" in how:
            raise InputError("a cohort file holds many samples", file=folder / "cohort.toml", field=f"{kind}.sample",
                             value=how["sample"], valid="no such option")  # fmt: skip
        parts = _read(kind, path, how, folder, knowledge)
        patients = [replace(p, **{kind: parts.get(p.sample) or parts.get(p.patient)}) for p in patients]
        foreign = sorted(set(parts) - set(every))
        if len(foreign) == len(parts):
            close = near_misses(foreign[0] if foreign else "", every)
            raise InputError("no sample of this file belongs to the cohort", file=path, field="sample",
                             value=", ".join(foreign[:5]), valid=close)  # fmt: skip
        if foreign:
            shown = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
            notes.append(f"{path.name}: {len(foreign)} samples belong to no patient of the cohort: {shown}")
    return tuple(replace(p, notes=(*notes, *p.notes)) for p in patients)


def usual_files(folder: Path) -> list[Path]:
    """Return the files of single cells and slides that lie in a folder under their usual names."""
    return [folder / name for names in USUAL.values() for name in names if (folder / name).exists()]


def _file(kind: str, given: Any, folder: Path, where: Path) -> tuple[Path | None, dict[str, Any]]:
    """Return the file of a kind and its options; None where there is none."""
    options: dict[str, Any] = {}
    name = given
    if isinstance(given, Mapping):
        options = {str(k): v for k, v in given.items() if k != "file"}
        name = given.get("file")
        for key in options:
            if key not in OPTIONS[kind]:
                raise InputError("unknown option", file=where, field=f"{kind}.{key}",
                                 valid=near_misses(key, ("file", *OPTIONS[kind])))  # fmt: skip
    elif given is not None and not isinstance(given, str):
        raise InputError("not the name of a file", file=where, field=kind, value=given,
                         valid=f'{kind} = "file", or {kind} = {{ file = "file", ... }}')  # fmt: skip
    if isinstance(name, str):
        return folder / name, options
    present = [folder / n for n in USUAL[kind] if (folder / n).exists()]
    if len(present) > 1:
        raise InputError(f"several files of a {kind.replace('_', ' ')}", file=folder,
                         value=", ".join(p.name for p in present), valid=f"one, or {kind}.file")  # fmt: skip
    if not present and options:
        raise InputError("options without a file", file=where, field=kind, valid="file = ...")
    return (present[0] if present else None), options


def _stated(named: Mapping[str, Any], folder: Path) -> list[Path]:
    files = [g.get("file") if isinstance(g, Mapping) else g for g in (named.get(kind) for kind in CELL_FILES)]
    return [folder / f for f in files if isinstance(f, str)]


def _read(kind: str, path: Path, options: dict[str, Any], folder: Path, knowledge: Knowledge) -> dict[str, Any]:
    """Read all samples of a file, by sample."""
    for key, value in options.items():
        is_it, valid = FORMS[key]
        if not is_it(value):
            raise InputError("an option of another form is needed", file=path, field=f"{kind}.{key}", value=value,
                             valid=valid)  # fmt: skip
    if kind == "single_cell":
        cells: dict[str, SingleCells] = read_single_cells(path, knowledge=knowledge, **options)
        return cells
    if "groups" in options:
        options = {**options, "groups": folder / str(options["groups"])}
    if "image_size" in options:
        options = {**options, "image_size": tuple(options["image_size"])}
    slides: dict[str, Slide] = read_slides(path, knowledge=knowledge, **options)
    return slides


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# What each option must be, and how that is said.
FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("cell_type", "sample", "sample_column", "unknown", "layer", "scale", "modality", "groups"),
        (_text, 'text, such as "leiden"'),
    ),
    "pixel_um": (_number, "a number of micrometers"),
    "image_size": (lambda v: isinstance(v, list) and len(v) == 2 and all(map(_number, v)), "two numbers"),
    "columns": (lambda v: isinstance(v, Mapping) and all(map(_text, v.values())), "a table of texts"),
    "phenotypes": (lambda v: isinstance(v, Mapping) and all(map(_text, v.values())), "a table of texts"),
}
