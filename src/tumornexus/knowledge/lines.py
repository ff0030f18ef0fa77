"""Where in a TOML file a value stands: the line of a table, a key or an entry of a list.

The reader of the standard library gives values without positions, and an error that names a line is mended sooner than
one that names a field. The text is walked once, outside strings and brackets; only files that the reader accepts are
walked, so nothing here decides what is valid.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Step = str | int
"""Part of the way to a value: a key, or the position (from 0) in an array of tables or a list."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_FIELD = re.compile(r"(?P<name>[a-z_0-9]+)(?:\[(?P<index>\d+)\]| '(?P<label>[^']*)')?")
_LABELS = ("id", "name", "mechanism", "parameter", "tumor")


@dataclass(frozen=True)
class Statement:
    """One key or table header: the way to it, the lines it covers (from 1) and its text."""

    path: tuple[Step, ...]
    first: int
    last: int
    text: str


def _end(lines: Sequence[str], start: int) -> int:
    """Return the index of the line on which the value that begins on line `start` ends."""
    depth, quote = 0, ""
    for number in range(start, len(lines)):
        line, i = lines[number], 0
        while i < len(line):
            rest = line[i:]
            if quote:
                if rest[0] == "\\" and quote[0] == '"':
                    i += 2
                    continue
                if rest.startswith(quote):
                    i += len(quote)
                    quote = ""
                    continue
            elif rest[0] == "#":
                break
            elif rest[0] in "\"'":
                quote = rest[0] * 3 if rest.startswith(rest[0] * 3) else rest[0]
                i += len(quote)
                continue
            elif rest[0] in "[{":
                depth += 1
            elif rest[0] in "]}":
                depth -= 1
            i += 1
        if len(quote) == 1:
            quote = ""
        if not quote and depth <= 0:
            return number
    return len(lines) - 1


def _keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


def statements(text: str) -> Iterator[Statement]:
    """Yield every table header and every key of a TOML text in order."""
    lines = text.splitlines()
    arrays: Counter[tuple[Step, ...]] = Counter()
    table: tuple[Step, ...] = ()
    number = 0
    while number < len(lines):
        line = lines[number]
        header, key = _HEADER.match(line), _KEY.match(line)
        last = number
        if header:
            table = ()
            keys = _keys(header.group(2))
            for depth, name in enumerate(keys, start=1):
                table = (*table, name)
                if depth == len(keys) and header.group(1) == "[[":
                    arrays[table] += 1
                if table in arrays:
                    table = (*table, arrays[table] - 1)
            yield Statement(table, number + 1, number + 1, line)
        elif key:
            last = _end(lines, number)
            yield Statement((*table, *_keys(key.group(1))), number + 1, last + 1, "\n".join(lines[number : last + 1]))
        number = last + 1


def line_of_path(text: str, path: Sequence[Step]) -> int:
    """Return the line of the deepest table or key on the way `path`; 1 where nothing of it is written."""
    best, line = 0, 1
    for statement in statements(text):
        n = len(statement.path)
        if best < n <= len(path) and statement.path == tuple(path[:n]):
            best, line = n, statement.first
        elif n > len(path) and statement.path[: len(path)] == tuple(path) and len(path) > best:
            best, line = len(path), statement.first  # a table that is written only through its parts
    return line


def _refined(statement: Statement, value: object) -> int | None:
    """Return the line within a statement on which a value is written, None where it is not."""
    forms = [json.dumps(value, ensure_ascii=False), f"'{value}'"] if isinstance(value, str) else [str(value)]
    for offset, line in enumerate(statement.text.splitlines()):
        if any(form in line for form in forms):
            return statement.first + offset
    return None


def line_of_field(text: str, field: str, value: object = None, *, root: Sequence[Step] = ()) -> int:
    """Return the line of a field as messages spell it, such as ``effect[2].parameter`` or ``biomarker 'rna'.genes``.

    Args:
        text: content of the file.
        field: names joined by dots; ``[n]`` counts from 1, ``'label'`` is the id, name, mechanism or parameter of an
            entry; a list without either means any of its entries.
        value: where several lines fit, the one on which this is written.
        root: way to the record in a file of many records, such as ``("parameter", 4)``.
    """
    every = [s for s in statements(text) if s.path[: len(root)] == tuple(root)]
    wanted: list[tuple[str, int | None, str | None]] = [
        (m["name"], int(m["index"]) - 1 if m["index"] else None, m["label"]) for m in _FIELD.finditer(field)
    ]
    fitting = every
    for depth in range(len(wanted), 0, -1):
        fitting = [s for s in every if _fits(s.path[len(root) :], wanted[:depth], every, root)]
        if fitting:
            break
    if value is not None:
        for statement in sorted(fitting, key=lambda s: -len(s.path)):
            line = _refined(statement, value)
            if line is not None:
                return line
    return fitting[0].first if fitting else 1


def _fits(
    path: Sequence[Step], wanted: Sequence[tuple[str, int | None, str | None]], every: Sequence[Statement],
    root: Sequence[Step],
) -> bool:  # fmt: skip
    place = 0
    for name, index, label in wanted:
        if place >= len(path) or path[place] != name:
            return False
        place += 1
        number = path[place] if place < len(path) and isinstance(path[place], int) else None
        if number is None:
            continue
        if index is not None and number != index:
            return False
        if label is not None and not any(
            s.path == (*root, *path[: place + 1], key) and _refined(s, label) is not None
            for s in every
            for key in _LABELS
        ):
            return False
        place += 1
    return True


def entry_of(text: str, table: str, key: str, identifier: object) -> tuple[Step, ...]:
    """Return the way to the entry of ``[[table]]`` whose `key` is `identifier`, ``()`` where there is none."""
    for statement in statements(text):
        path = statement.path
        if len(path) == 3 and path[0] == table and path[2] == key and _refined(statement, identifier) is not None:
            return path[:2]
    return ()
