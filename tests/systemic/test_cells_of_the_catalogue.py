"""Cells of the catalogue name states that the model has, and every cell state has a record."""

from __future__ import annotations

from dataclasses import fields

from tumornexus.knowledge import Knowledge
from tumornexus.systemic.state import HOST, RESIDENT, State

STATES = {field.name for field in fields(State)}
# Host states that count no cells.
NO_CELLS = {"niche", "antiviral", "steroid", "toxicity_hazard"}


def test_states_of_cells_exist(knowledge: Knowledge) -> None:
    unknown = {
        f"{cell.id}: {state}" for cell in knowledge.cells.values() for state in cell.states if state not in STATES
    }
    assert not unknown


def test_a_cell_without_a_state_says_how_it_is_modeled(knowledge: Knowledge) -> None:
    assert all(cell.states or cell.note for cell in knowledge.cells.values())


def test_every_cell_state_has_a_record(knowledge: Knowledge) -> None:
    named = {state for cell in knowledge.cells.values() for state in cell.states}
    counted = ({"cancer", "persister", "vessels", "bacteria"} | set(RESIDENT) | set(HOST)) - NO_CELLS - {"dead_antigen"}
    assert counted <= named, counted - named
