"""The tables of facts that the catalogue was entered from, where they lie beside the project (``shared/facts``)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

FACTS = Path(__file__).resolve().parents[2] / "shared" / "facts"


def facts(table: str) -> list[dict[str, str]]:
    """Return the rows of a table, or skip the test where the tables are not at hand."""
    path = FACTS / table
    if not path.is_file():
        pytest.skip(f"no shared/facts/{table} beside the project's folder: nothing to compare the catalogue with")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [{key: value or "" for key, value in row.items()} for row in rows]
