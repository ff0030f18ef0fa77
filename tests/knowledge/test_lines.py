"""Lines of values in TOML: every key of a text is found where a person would look for it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tumornexus.knowledge import DATA
from tumornexus.knowledge.lines import entry_of, line_of_field, line_of_path, statements

TEXT = '''# a comment with [brackets] and "quotes
id = "one"
claim = """
effect = 3
[not_a_table]
"""
genes = [
  "A",  # [ in a comment
  "B",
]
path = 'C:\\'
[process]
observable = "x"
[[effect]]
parameter = "p"
value = 1.0
[[effect]]
parameter = "q"
outcome = { orr = 3, note = "a ] b" }
[[arm.drug]]
name = "d"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("id",), 2), (("claim",), 3), (("genes",), 7), (("path",), 11), (("process",), 12),
        (("process", "observable"), 13), (("process", "nothing"), 12), (("effect", 0, "value"), 16),
        (("effect", 1), 17), (("effect", 1, "parameter"), 18), (("effect", 1, "outcome", "orr"), 19),
        (("effect", 1, "law"), 17), (("arm", "drug", 0, "name"), 21), (("nowhere",), 1),
    ],
)  # fmt: skip
def test_a_path_leads_to_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert line_of_path(TEXT, path) == line


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("genes", "B", 9), ("genes", None, 7), ("effect[2].parameter", "q", 18), ("effect.parameter", "q", 18),
        ("effect 'q'", None, 17), ("effect 'q'.outcome", None, 19), ("effect[1].unit", None, 14),
        ("process.observable", "x", 13), ("nothing", None, 1),
    ],
)  # fmt: skip
def test_a_field_as_messages_spell_it_leads_to_its_line(field: str, value: object, line: int) -> None:
    assert line_of_field(TEXT, field, value) == line


def test_an_entry_of_a_list_is_found_by_its_id() -> None:
    text = '[[parameter]]\nid = "a"\nunit = "1"\n[[parameter]]\nid = "b"\nunit = "2"\n'
    assert entry_of(text, "parameter", "id", "b") == ("parameter", 1)
    assert entry_of(text, "parameter", "id", "c") == ()
    assert line_of_field(text, "unit", root=("parameter", 1)) == 6


def flat(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every way to a value of a parsed text that has a line of its own (tables in lines of others have none)."""
    found = []
    for key, item in value.items():
        here = (*path, key)
        if isinstance(item, dict):
            found += flat(item, here)
        elif isinstance(item, list) and item and all(isinstance(x, dict) for x in item):
            for i, x in enumerate(item):
                found += flat(x, (*here, i))
        else:
            found.append(here)
    return found


@pytest.mark.parametrize(
    "file", [*sorted(DATA.glob("mechanisms/*.toml"))[:12], DATA / "trials.toml"], ids=lambda f: f.stem
)
def test_every_key_of_the_shipped_records_is_found_on_a_line_that_holds_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    ways = flat(tomllib.loads(text))
    known = {s.path: s for s in statements(text)}
    assert len(ways) > 10
    for way in ways:
        depth = next(n for n in range(len(way), 0, -1) if way[:n] in known)
        # A value inside an inline table stands within the statement of the table.
        assert str(way[-1]) in known[way[:depth]].text
        assert str(way[depth - 1]) in lines[known[way[:depth]].first - 1]
