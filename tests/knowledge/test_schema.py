"""Editor schemas accept what the loader accepts and know every kind of file."""

from __future__ import annotations

import json

from tumornexus.knowledge.load import FOLDERS, LISTS
from tumornexus.knowledge.schema import json_schemas


def test_a_schema_for_every_kind_of_file() -> None:
    schemas = json_schemas()
    assert set(schemas) == {f"{f}/*.toml" for f in FOLDERS} | {f"{s}.toml" for s in LISTS}
    for schema in schemas.values():
        assert json.loads(json.dumps(schema)) == schema
        assert schema["additionalProperties"] is False


def test_references_inside_a_schema_resolve() -> None:
    for schema in json_schemas().values():
        names = {part.split('"')[0] for part in json.dumps(schema).split("#/$defs/")[1:]}
        assert names <= set(schema["$defs"])
