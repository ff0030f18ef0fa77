"""Editor schemas accept what the loader accepts and know every kind of file."""

from __future__ import annotations

import json
from pathlib import Path

from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.load import FOLDERS, LISTS
from tumornexus.knowledge.model_names import observables
from tumornexus.knowledge.records import Mechanism
from tumornexus.knowledge.schema import json_schemas, schema_name, write_schemas


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


def test_an_editor_is_offered_what_a_record_may_name(small: Knowledge) -> None:
    schema = json_schemas(small)["mechanisms/*.toml"]
    parts = schema["$defs"]
    assert parts["Effect"]["properties"]["parameter"]["enum"] == sorted(small.parameters)
    assert parts["Process"]["properties"]["observable"]["enum"] == sorted(observables())
    offered = schema["properties"]["reversed_by"]["items"]["anyOf"]
    assert offered[0]["enum"] == sorted(small.therapies)
    assert offered[1] == {"type": "string"}, "a user's own therapy is no error"
    assert "any" in parts["OccursIn"]["properties"]["tumor"]["anyOf"][0]["enum"]


def test_every_field_of_a_mechanism_that_a_person_writes_is_explained() -> None:
    schema = json_schemas()["mechanisms/*.toml"]
    written = set(Mechanism.model_fields) - {"table1", "seed", "process", "expected", "biomarker", "effect", "drives"}
    unexplained = {f for f in written if "description" not in schema["properties"][f]}
    assert unexplained <= {"not_reversed", "prevalence", "claim_conflict"}  # blocks, explained by their own fields
    for part in ("Effect", "Drive", "OccursIn", "Process", "Expected"):
        described = [f for f, p in schema["$defs"][part]["properties"].items() if "description" in p]
        assert {"parameter", "target", "tumor", "observable", "pd1"} & set(described), part


def test_schemas_are_written_as_files(tmp_path: Path, small: Knowledge) -> None:
    files = write_schemas(tmp_path / "new" / "schemas", small)
    assert {f.name for f in files} == {schema_name(p) for p in json_schemas()}
    for file in files:
        assert json.loads(file.read_text(encoding="utf-8"))["$schema"].endswith("2020-12/schema")
