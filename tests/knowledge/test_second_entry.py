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


TABLES: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (Path(__file__).parent / "second_entry.toml").read_text(encoding="utf-8")
)
ENTRIES, WITHDRAWN = TABLES["entry"], TABLES["withdrawn"]


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['mechanism']}:{entry['item']}"


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
    keys = [_name(entry) for entry in ENTRIES + WITHDRAWN]
    assert len(keys) == len(set(keys))
    for entry in ENTRIES:
        assert entry["reader"] == "second"
        assert entry["source"]
        assert entry["how"].startswith(("read: ", "memory"))
        assert EXACT <= entry["tolerance"] <= WIDEST
        assert entry["tolerance"] == EXACT or entry["tolerance_why"]


@pytest.mark.parametrize("entry", ENTRIES, ids=_name)
def test_second_reader_agrees(catalogue: Knowledge, entry: dict[str, Any]) -> None:
    recorded = _record_value(catalogue.mechanisms[entry["mechanism"]], entry["item"])
    assert recorded is not None, f"{entry['mechanism']}: no single {entry['item']} in the record"
    assert math.isclose(recorded, entry["value"], rel_tol=entry["tolerance"]), (
        f"{entry['mechanism']} {entry['item']}: record {recorded}, second reader {entry['value']} "
        f"(tolerance {entry['tolerance']:.0%}; {entry['source']})"
    )


@pytest.mark.parametrize("entry", WITHDRAWN, ids=_name)
def test_withdrawn_entries_still_describe_the_record(catalogue: Knowledge, entry: dict[str, Any]) -> None:
    # A later change of the record reopens the disagreement, so that it is settled again rather than forgotten.
    recorded = _record_value(catalogue.mechanisms[entry["mechanism"]], entry["item"])
    assert recorded == pytest.approx(entry["recorded"])
    assert entry["reason"]


def test_missing_or_wrong_values_are_noticed(catalogue: Knowledge) -> None:
    treg = catalogue.mechanisms["treg"]
    assert _record_value(treg, "effect.treg_recruitment.value") == 4.0
    assert _record_value(treg, "effect.no_such_parameter.value") is None
    assert _record_value(treg, "biomarker.treg_percent_of_cd4.no_such_field") is None
