"""JSON Schemas of the record files, so that an editor completes and checks a record while it is written.

What a record may name (parameters, observables, therapies, mechanisms, tumor types) is in the schema as a list, so that
an editor offers it; where a user's own records may add further names, any other text is accepted too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tumornexus.errors import InputError
from tumornexus.knowledge.load import FOLDERS, LISTS, Knowledge
from tumornexus.knowledge.model_names import observables

DRAFT = "https://json-schema.org/draft/2020-12/schema"

NOTES: Mapping[str, Mapping[str, str]] = {
    "Mechanism": {
        "id": "Lower-case letters, digits and underscores; the same as the file's name.",
        "name": "What people call it, for headings.",
        "aliases": "Every other name under which somebody may look for it.",
        "claim": "One sentence that could be wrong.",
        "kind": "cause: it acts on the model. state: a variable of the model, measured to set the state before "
        "treatment. outcome: what the dynamics yield. If removing it by hand would have to remove something else "
        "first, it is probably not a cause.",
        "extent": "level: more or less of it. clonal_fraction: a share of the cancer cells has it.",
        "category": "Of the cancer cell (intrinsic), of its surroundings (extrinsic) or of the host.",
        "resistance": "There from the start (primary), an answer to immune attack (adaptive), after a response "
        "(acquired).",
        "evidence": "Where it was shown.",
        "grade": "established: several clinical data sets agree. supported: one, or strong preclinical work. "
        "exploratory: a claim worth testing.",
        "cycle_steps": "Steps of the cancer-immunity cycle that it breaks: 1 antigen release, 2 presentation, 3 "
        "priming, 4 trafficking, 5 infiltration, 6 recognition, 7 killing.",
        "hub": "Where in the host-tumor nexus it sits.",
        "relevance_ici": "How much it matters to checkpoint inhibitors.",
        "relevance_car_t": "How much it matters to CAR-T cells.",
        "reversed_by": "Therapies that reverse the process, by id.",
        "raised_by": "Therapies that bring about this state or outcome, by id; a cause is there before treatment.",
        "source": "Keys of the bibliography (any *.bib file of the folder).",
    },
    "Process": {
        "observable": "The simulated quantity that it moves.",
        "direction": "+ where it raises the observable, - where it lowers it.",
    },
    "Expected": {
        "pd1": "Influence on response to PD-1 blockade as published, not as the effect below would have it.",
        "car_t": "Influence on response to CAR-T cells as published.",
    },
    "Biomarker": {
        "id": "Any word that is unique in this record.",
        "input": "What has to be measured.",
        "method": "zmean and ssgsea for expression; loss_of_function, hotspot and any_nonsynonymous for mutations; "
        "threshold and logistic for clinical facts; homozygous_loci for HLA types.",
        "direction": "+ where a high value speaks for the mechanism.",
        "genes": "Approved HGNC symbols.",
        "genes_down": "Genes that are low when it is present.",
        "changes": 'Hotspots such as "BRAF:V600".',
        "field": "The clinical fact that is read.",
        "separation": "Soft evidence: distance between present and absent in standard deviations of the reference.",
        "lr_positive": "Hard evidence: likelihood ratio of a positive call.",
        "lr_negative": "Hard evidence: likelihood ratio of a negative call.",
        "adjust_for": 'Write "inflamed" for a suppressor signature that rises with infiltration.',
    },
    "Effect": {
        "parameter": "The model parameter that it changes.",
        "law": "multiply: a factor. add: a summand. saturate: a target. Each at full activity.",
        "value": "Factor, summand or target at full activity.",
        "low": "Lowest value between studies or patients.",
        "high": "Highest value between studies or patients.",
        "unit": "Checked where given: that of the parameter for add and saturate.",
    },
    "Drive": {
        "target": "The mechanism that it moves, as the literature claims.",
        "sign": "+ where it raises the target, - where it lowers it.",
    },
    "OccursIn": {
        "tumor": 'Id of a tumor type, or "any" for those not named.',
        "value": "Share of patients in whom it is present, 0 to 1.",
    },
    "Sourced": {
        "source": "Keys of the bibliography.",
        "assumed": "Why this value, in words that a reader can argue with, where no source gives it.",
        "note": "What a reader should know.",
    },
}  # fmt: skip
"""What the fields of a mechanism mean, for editors and for the scaffold."""

_SOURCED = ("Expected", "Biomarker", "Effect", "Drive", "OccursIn")


def json_schemas(knowledge: Knowledge | None = None) -> dict[str, dict[str, Any]]:
    """Return a JSON Schema for each kind of record file.

    The keys are file patterns below the knowledge folder (``mechanisms/*.toml``, ``parameters.toml``); editors with
    TOML support (for example through taplo) associate a schema with such a pattern.

    Args:
        knowledge: whose ids are offered; None offers none.
    """
    schemas: dict[str, dict[str, Any]] = {}
    for folder, cls in FOLDERS.items():
        schemas[f"{folder}/*.toml"] = cls.model_json_schema()
    for stem, (table, cls) in LISTS.items():
        inner = cls.model_json_schema()
        definitions = inner.pop("$defs", {})
        schemas[f"{stem}.toml"] = {
            "type": "object",
            "properties": {table: {"type": "array", "items": {"$ref": f"#/$defs/{cls.__name__}"}}},
            "required": [table],
            "additionalProperties": False,
            "$defs": {**definitions, cls.__name__: inner},
        }
    for name, schema in schemas.items():
        schema["$schema"] = DRAFT
        schema["title"] = name
    mechanism = schemas["mechanisms/*.toml"]
    _describe(mechanism)
    if knowledge is not None:
        _offer(mechanism, knowledge)
    return schemas


def _describe(schema: dict[str, Any]) -> None:
    for name, part in {"Mechanism": schema, **schema["$defs"]}.items():
        notes = {**(NOTES["Sourced"] if name in _SOURCED else {}), **NOTES.get(name, {})}
        for field, text in notes.items():
            if field in part.get("properties", {}):
                part["properties"][field]["description"] = text


def _offer(schema: dict[str, Any], knowledge: Knowledge) -> None:
    """Write into the schema of a mechanism what it may name."""

    def closed(names: Any) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(names)}

    def open_(names: Any) -> dict[str, Any]:
        return {"anyOf": [closed(names), {"type": "string"}]}

    parts = schema["$defs"]
    for part, field, offered in (
        (parts["Process"], "observable", closed(observables())),
        (parts["Effect"], "parameter", closed(knowledge.parameters)),
        (parts["Drive"], "target", open_(knowledge.mechanisms)),
        (parts["OccursIn"], "tumor", open_(["any", *knowledge.tumors])),
    ):
        part["properties"][field] |= offered
    for field in ("reversed_by", "raised_by"):
        schema["properties"][field]["items"] = open_(knowledge.therapies)


def writable(folder: Path) -> None:
    """Make a folder; raise `InputError` where it cannot be made or written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder cannot be made: {error.strerror}", file=folder, valid="a folder you may write to"
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError("the folder cannot be written", file=folder, valid="a folder you may write to")


def write_schemas(folder: Path, knowledge: Knowledge | None = None) -> list[Path]:
    """Write the schemas as ``mechanisms.schema.json`` and so on into a folder, made if absent; return the files."""
    writable(folder)
    written = []
    for pattern, schema in json_schemas(knowledge).items():
        file = folder / f"{schema_name(pattern)}"
        file.write_text(json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
        written.append(file)
    return written


def schema_name(pattern: str) -> str:
    """Return the file name of a schema: ``mechanisms/*.toml`` becomes ``mechanisms.schema.json``."""
    return pattern.partition("/")[0].removesuffix(".toml") + ".schema.json"
