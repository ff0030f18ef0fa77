"""The catalogue as plain tables: every field of every record in CSV, and back again.

One table a kind of record. Parts that occur once are columns with a dot (``pk.clearance``); parts that occur several
times are tables of their own (``mechanism_effect``), whose first columns name the record and the place in it. A list
of words is one cell, its items separated by ``|``. `records_of` rebuilds the records; a test compares.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, get_origin

from tumornexus.knowledge.linked import address, external_terms, kinds, parts
from tumornexus.knowledge.load import KINDS, Knowledge
from tumornexus.knowledge.records import Record

SEPARATOR = "|"
Row = dict[str, str]


def _inner(cls: type[Record], field: str) -> tuple[type[Record] | None, bool]:
    """Return the class of a part, if the field holds one, and whether the field holds several values."""
    annotation = cls.model_fields[field].annotation
    inner = next((t for t in parts(annotation) if isinstance(t, type) and issubclass(t, Record)), None)
    return inner, get_origin(annotation) is tuple


def _spell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def columns_of(cls: type[Record], prefix: str = "") -> list[str]:
    """Return the columns of a class of record: its fields, with those of single parts after a dot."""
    found = []
    for field in cls.model_fields:
        inner, many = _inner(cls, field)
        if inner is None:
            found.append(prefix + field)
        elif not many:
            found += columns_of(inner, f"{prefix}{field}.")
    return found


def _flat(record: Record, prefix: str = "") -> Row:
    row: Row = {}
    for field in type(record).model_fields:
        value, (inner, many) = getattr(record, field), _inner(type(record), field)
        if inner is None:
            row[prefix + field] = SEPARATOR.join(map(_spell, value)) if many else _spell(value)
        elif not many and value is not None:
            row |= _flat(value, f"{prefix}{field}.")
    return row


def _children(cls: type[Record]) -> dict[str, type[Record]]:
    """Return the fields that hold several parts, with the class of those parts."""
    found = {field: _inner(cls, field) for field in cls.model_fields}
    return {field: inner for field, (inner, many) in found.items() if inner is not None and many}


def tables(knowledge: Knowledge) -> dict[str, tuple[list[str], list[Row]]]:
    """Return every table by name: its columns and its rows; cells are text, empty where there is no value."""
    found: dict[str, tuple[list[str], list[Row]]] = {}
    for plural, (kind, cls) in kinds().items():
        records: Mapping[Any, Record] = getattr(knowledge, plural)
        found[plural] = (columns_of(cls), [_flat(r) for r in records.values()])
        for field, inner in _children(cls).items():
            rows = [
                {kind: str(key), "place": str(i), **_flat(item)}
                for key, record in records.items()
                for i, item in enumerate(getattr(record, field), start=1)
            ]
            found[f"{kind}_{field}"] = ([kind, "place", *columns_of(inner)], rows)
    fields = sorted({f for reference in knowledge.references.values() for f in reference})
    found["references"] = (["key", *fields], [{"key": k, **r} for k, r in knowledge.references.items()])
    found["identifiers"] = (
        ["kind", "record", "term", "match", "address"],
        [
            {"kind": kind, "record": i, "term": term, "match": match, "address": address(term)}
            for plural, kind in KINDS.items()
            for i in getattr(knowledge, plural)
            for term, match in external_terms(knowledge, kind, i)
        ],
    )
    symbols = sorted({s for row in found["mechanism_biomarker"][1] for f in ("genes", "genes_down")
                      for s in row[f].split(SEPARATOR)} | {s for m in knowledge.mediators.values() for s in m.genes}
                     | {s for c in knowledge.cells.values() for s in c.markers} - {""})  # fmt: skip
    found["genes"] = (["symbol", "hgnc"], [{"symbol": s, "hgnc": knowledge.genes.hgnc(s) or ""} for s in symbols if s])
    return found


def as_csv(columns: list[str], rows: list[Row]) -> str:
    """Spell a table as CSV (RFC 4180 quoting, line feeds, header first)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def records_of(rows_of: Mapping[str, list[Row]]) -> dict[str, dict[Any, Record]]:
    """Rebuild the records from tables as a CSV reader returns them: plural kind to key to record.

    Raises:
        ValidationError: the rows of a record are not complete.
        KeyError: a table is missing.
    """

    def nested(cls: type[Record], row: Row, prefix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in cls.model_fields:
            inner, many = _inner(cls, field)
            if inner is not None and not many:
                part = nested(inner, row, f"{prefix}{field}.")
                if any(v != [] for v in part.values()) or cls.model_fields[field].is_required():
                    found[field] = part
            elif inner is None:
                cell = row[prefix + field]
                if many:
                    found[field] = cell.split(SEPARATOR) if cell else []
                elif cell in ("true", "false") and bool in set(parts(cls.model_fields[field].annotation)):
                    found[field] = cell == "true"
                elif cell:
                    found[field] = cell
        return found

    records: dict[str, dict[Any, Record]] = {}
    for plural, (kind, cls) in kinds().items():
        key = "step" if plural == "cycle" else "id"
        table = records.setdefault(plural, {})
        for row in rows_of[plural]:
            whole = nested(cls, row)
            for field, inner in _children(cls).items():
                whole[field] = [nested(inner, r) for r in rows_of[f"{kind}_{field}"] if r[kind] == row[key]]
            record = cls.model_validate(_typed(cls, whole))
            table[getattr(record, key)] = record
    return records


def _typed(cls: type[Record], raw: dict[str, Any]) -> dict[str, Any]:
    """Turn list items back into whole numbers where the record holds such; pydantic reads the single values."""
    whole = {field for field in raw if int in set(parts(cls.model_fields[field].annotation))}
    return {f: [int(v) for v in value] if f in whole and isinstance(value, list) else value for f, value in raw.items()}
