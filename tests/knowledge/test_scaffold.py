"""The scaffold: valid TOML that explains itself, passes for nothing until it is filled in, and overwrites nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from guide import MECHANISM, blocks
from tumornexus.errors import InputError
from tumornexus.knowledge import form_problems, load_knowledge
from tumornexus.knowledge.load import PLACEHOLDER
from tumornexus.knowledge.records import Mechanism
from tumornexus.knowledge.scaffold import KINDS, new_mechanism


def test_it_writes_a_record_a_bibliography_and_the_schema_that_it_names(tmp_path: Path) -> None:
    made = new_mechanism(MECHANISM, tmp_path / "mine")
    assert made.record == tmp_path / "mine" / "mechanisms" / f"{MECHANISM}.toml"
    first = made.record.read_text(encoding="utf-8").splitlines()[0]
    named = re.fullmatch(r"#:schema (\S+)", first)
    assert named
    assert (made.record.parent / named[1]).is_file()
    assert (tmp_path / "mine" / "references.bib").is_file()
    assert set(made.written) == {p for p in (tmp_path / "mine").rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_it_passes_for_knowledge(kind: str, tmp_path: Path) -> None:
    made = new_mechanism(MECHANISM, tmp_path, kind)
    problems = form_problems(extra=tmp_path)
    assert problems
    text = made.record.read_text(encoding="utf-8").splitlines()
    for problem in problems:
        assert "still to be filled in" in problem.problem
        assert problem.line
        assert str(problem.value).strip("()',") in text[problem.line - 1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_placeholder_that_is_left_is_an_error_of_its_own(kind: str, tmp_path: Path) -> None:
    """Filled with what the form asks for, text that is left over is found by meaning."""
    made = new_mechanism(MECHANISM, tmp_path, kind)
    text = made.record.read_text(encoding="utf-8")
    for old, new in (
        ('"<category>"', '"host"'), ('"<when>"', '"primary"'), ('"<evidence>"', '"clinical"'), ('"<hub>"',
         '"systemic interface"'), ('"<relevance>"', '"low"'), ('"<influence>"', '"worse"'), ('"<+ or ->"', '"+"'),
        ('"<steps, as numbers without quotes>"', "7"), ('"<number>"', "0.5"),
        ('"<number; 0.5 weak, 1 usual, 1.5 strong>"', "1.0"),
    ):  # fmt: skip
        text = text.replace(old, new)
    made.record.write_text(text, encoding="utf-8")
    assert form_problems(extra=tmp_path) == []
    left = [v for v in values(tomllib.loads(text)) if PLACEHOLDER.fullmatch(v)]
    from tumornexus.knowledge.audit import audit

    unfilled = [f for f in audit(tmp_path).findings if f.message == "still to be filled in"]
    assert sorted(str(f.value) for f in unfilled) == sorted(left)
    assert all(str(f.value) in text.splitlines()[f.line - 1] for f in unfilled)


def values(table: Any) -> list[str]:
    """All texts in a parsed record."""
    if isinstance(table, str):
        return [table]
    items = table.values() if isinstance(table, dict) else table if isinstance(table, list) else ()
    return [text for item in items for text in values(item)]


def test_it_offers_every_field_that_the_guide_fills_in(tmp_path: Path) -> None:
    text = new_mechanism(MECHANISM, tmp_path).record.read_text(encoding="utf-8")
    offered = set(re.findall(r"^(?:# )?([a-z_]+) = ", text, re.MULTILINE))
    used = set(re.findall(r"^([a-z_]+) = ", "\n".join(blocks("toml")), re.MULTILINE))
    assert used - offered <= {"note", "unit"}
    required = {n for n, f in Mechanism.model_fields.items() if f.is_required()} - {"process", "expected"}
    assert required <= offered
    tables = set(re.findall(r"^(?:# )?(\[+[a-z_]+\]+)$", text, re.MULTILINE))
    assert set(re.findall(r"^(\[+[a-z_]+\]+)", "\n".join(blocks("toml")), re.MULTILINE)) <= tables


def test_it_is_comfortable_to_read(tmp_path: Path) -> None:
    text = new_mechanism(MECHANISM, tmp_path).record.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 120
    assert text.endswith("\n")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made = new_mechanism(MECHANISM, tmp_path)
    made.record.write_text("mine", encoding="utf-8")
    (tmp_path / "references.bib").write_text("% mine\n", encoding="utf-8")
    with pytest.raises(InputError, match="not overwritten"):
        new_mechanism(MECHANISM, tmp_path)
    new_mechanism("second_one", tmp_path)
    assert made.record.read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "references.bib").read_text(encoding="utf-8") == "% mine\n"


@pytest.mark.parametrize(
    ("identifier", "says"),
    [
        ("hypoxia", "taken by the mechanism 'hypoxia'"),
        ("tumor_hypoxia", "taken by the mechanism 'hypoxia'"),
        ("anti_pd1", "taken by the therapy 'anti_pd1'"),
        ("Il-8", "such as il_8"),
        ("8il", "malformed id"),
        ("../escape", "malformed id"),
        ("", "malformed id"),
    ],
)
def test_an_id_that_is_taken_or_malformed_is_refused_and_nothing_written(
    identifier: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        new_mechanism(identifier, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_wrong_kind_and_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cause, state, outcome"):
        new_mechanism(MECHANISM, tmp_path, "reason")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        new_mechanism(MECHANISM, tmp_path / "file")


def test_names_that_are_near_are_suggested(tmp_path: Path) -> None:
    assert "hypoxia" in new_mechanism("hypoxias", tmp_path).near
    assert new_mechanism("zzz_unheard_of", tmp_path).near == ()


def test_a_name_of_an_own_record_is_taken_too(tmp_path: Path) -> None:
    from guide import write_guide_records

    write_guide_records(tmp_path / "mine")
    assert "IL-8" in load_knowledge(extra=tmp_path / "mine").mechanisms[MECHANISM].aliases
    with pytest.raises(InputError, match=f"taken by the mechanism '{MECHANISM}'"):
        new_mechanism("il_8", tmp_path / "mine")
