"""Every strategy has a record under its number; strategies are made of therapies, classes of agents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facts import facts
from tumornexus.errors import KnowledgeFormError
from tumornexus.knowledge import load_knowledge
from tumornexus.knowledge.check import check_meaning
from tumornexus.knowledge.explain import explain

CATALOGUE = load_knowledge()
NUMBERS = [f"T{i:02d}" for i in range(1, 55)]
STRATEGY = """
id = "both"
name = "Both together"
kind = "strategy"
modality = "strategy"
target = "IDO1 and PD-1"
rationale = "Because."
cycle_steps = []
composed_of = ["ido_inhibitor", "anti_pd1"]
status = "approved"
toxicity = "additive"
source = ["alpha2020"]
"""


def replace(file: Path, old: str, new: str) -> None:
    """Edit a record of the temporary catalogue."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize("number", NUMBERS)
def test_each_number_is_one_therapy_and_explained(number: str) -> None:
    kind, record = CATALOGUE.resolve(number)
    assert kind == "therapy"
    assert explain(CATALOGUE, number).id == record.id
    assert sum(number in t.aliases for t in CATALOGUE.therapies.values()) == 1


def test_the_table_of_strategies_is_covered() -> None:
    rows = facts("therapies.tsv")
    assert [row["id"] for row in rows] == NUMBERS
    for row in rows:
        record = CATALOGUE.therapy(row["id"])
        if row["class"] == "strategy":
            assert record.kind == "strategy", row["id"]
        # Agents that the table names and the catalogue holds are reached through the record or its parts.
        reached = {a for part in CATALOGUE.with_parts(record.id) for a in part.agents}
        named = {
            CATALOGUE.drug(name).id
            for name in re.split(r"[,+(]", row["example_agents"])
            if name.strip().lower() in {d.name.lower() for d in CATALOGUE.drugs.values()}
        }
        assert named <= reached, row["id"]


@pytest.mark.parametrize("therapy", [t.id for t in CATALOGUE.therapies.values() if t.kind == "strategy"])
def test_a_strategy_is_made_of_therapies_or_states_its_aim(therapy: str) -> None:
    record = CATALOGUE.therapies[therapy]
    assert record.composed_of or record.act
    parts = CATALOGUE.with_parts(therapy)[1:]
    told = " ".join(explain(CATALOGUE, therapy).paragraphs)
    assert all(part in told for part in record.composed_of)
    assert all(CATALOGUE.mechanisms[m].name in told for part in parts for m in part.reverses)


@pytest.mark.parametrize("therapy", [t.id for t in CATALOGUE.therapies.values() if t.kind == "class"])
def test_a_class_can_be_given_and_does_something(therapy: str) -> None:
    record = CATALOGUE.therapies[therapy]
    assert record.agents
    assert record.act or any(CATALOGUE.drugs[a].deposit for a in record.agents)


def test_parts_of_parts_are_found_once(catalogue: Path) -> None:
    (catalogue / "therapies" / "both.toml").write_text(STRATEGY, encoding="utf-8")
    outer = (
        STRATEGY.replace('"both"', '"outer"')
        .replace("Both together", "All of it")
        .replace('["ido_inhibitor", "anti_pd1"]', '["both", "anti_pd1"]')
    )
    (catalogue / "therapies" / "outer.toml").write_text(outer, encoding="utf-8")
    k = load_knowledge(catalogue)
    assert [t.id for t in k.with_parts("outer")] == ["outer", "both", "anti_pd1", "ido_inhibitor"]
    told = " ".join(explain(k, "outer").paragraphs)
    assert "Through these: IDO1 up-regulation (ido)." in told
    assert not [f for f in check_meaning(k) if f.record in ("both", "outer")]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('composed_of = ["ido_inhibitor", "anti_pd1"]\n', "", "needs 'composed_of'"),
        ('kind = "strategy"', 'kind = "class"', "a class of agents is not composed of therapies"),
        ("cycle_steps = []", 'cycle_steps = []\nagents = ["nivolumab"]', "a strategy has no 'agents' of its own"),
    ],
)
def test_a_malformed_strategy_is_refused(catalogue: Path, old: str, new: str, says: str) -> None:
    path = catalogue / "therapies" / "both.toml"
    path.write_text(STRATEGY, encoding="utf-8")
    replace(path, old, new)
    with pytest.raises(KnowledgeFormError, match=says):
        load_knowledge(catalogue)


@pytest.mark.parametrize(
    ("parts", "says"),
    [('["ido_inhibitr"]', "did you mean ido_inhibitor"), ('["both"]', "cannot be a part of itself")],
)
def test_parts_of_a_strategy_are_checked(catalogue: Path, parts: str, says: str) -> None:
    path = catalogue / "therapies" / "both.toml"
    path.write_text(STRATEGY, encoding="utf-8")
    replace(path, '["ido_inhibitor", "anti_pd1"]', parts)
    found = [f for f in check_meaning(load_knowledge(catalogue)) if f.field == "composed_of"]
    assert [f.severity for f in found] == ["error"]
    assert says in found[0].message
