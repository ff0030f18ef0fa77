"""Values that a second reader took from the sources without seeing the records must agree with the records."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.records import Mechanism

AT_LEAST = 3  # entries a mechanism of Table 1
EXACT, WIDEST = 0.02, 0.15  # relative tolerances: numbers as printed; derivations that leave room


def _entries() -> list[dict[str, Any]]:
    text = (Path(__file__).parent / "second_entry.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["entry"]


ENTRIES = _entries()


@pytest.fixture(scope="module")
def catalogue() -> Knowledge:
    return load_knowledge()


def _record_value(mechanism: Mechanism, item: str) -> float | None:
    """Return the number behind `effect.PARAMETER.FIELD` or `biomarker.ID.FIELD`, or None where the record has none."""
    kind, name, field = item.split(".")
    found = (
        [e for e in mechanism.effect if e.parameter == name]
        if kind == "effect"
        else [b for b in mechanism.biomarker if b.id == name]
    )
    return getattr(found[0], field, None) if len(found) == 1 else None


def test_every_table_1_mechanism_is_read_twice(catalogue: Knowledge) -> None:
    table1 = {m for m, record in catalogue.mechanisms.items() if record.table1}
    count = {m: sum(entry["mechanism"] == m for entry in ENTRIES) for m in table1}
    assert len(table1) == 16
    assert {m: n for m, n in count.items() if n < AT_LEAST} == {}


def test_entries_are_complete_and_unique() -> None:
    keys = [(entry["mechanism"], entry["item"]) for entry in ENTRIES]
    assert len(keys) == len(set(keys))
    for entry in ENTRIES:
        assert entry["reader"] == "second"
        assert entry["source"]
        assert entry["how"].startswith(("read: ", "memory"))
        assert EXACT <= entry["tolerance"] <= WIDEST
        assert entry["tolerance"] == EXACT or entry["tolerance_why"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['mechanism']}:{entry['item']}")
def test_second_reader_agrees(catalogue: Knowledge, entry: dict[str, Any]) -> None:
    recorded = _record_value(catalogue.mechanisms[entry["mechanism"]], entry["item"])
    assert recorded is not None, f"{entry['mechanism']}: no single {entry['item']} in the record"
    assert math.isclose(recorded, entry["value"], rel_tol=entry["tolerance"]), (
        f"{entry['mechanism']} {entry['item']}: record {recorded}, second reader {entry['value']} "
        f"(tolerance {entry['tolerance']:.0%}; {entry['source']})"
    )
