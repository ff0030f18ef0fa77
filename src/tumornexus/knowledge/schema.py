"""JSON Schemas of the record files, so that an editor completes and checks a record while it is written."""

from __future__ import annotations

from typing import Any

from tumornexus.knowledge.load import FOLDERS, LISTS


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return a JSON Schema for each kind of record file.

    The keys are file patterns below the knowledge folder (``mechanisms/*.toml``, ``parameters.toml``); editors with
    TOML support (for example through taplo) associate a schema with such a pattern.
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
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        schema["title"] = name
    return schemas
