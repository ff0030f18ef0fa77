"""The kinds of cells agree with the catalogue and with the host scale, and their colors can be told apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tumornexus.cellkinds import GROUP_OF, GROUPS, KINDS, MIN_DIFFERENCE, NAMES, ONTOLOGY
from tumornexus.knowledge import load_knowledge

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB (matrices from memory, not looked up).
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def lab(color: str, vision: np.ndarray) -> np.ndarray:
    """CIELAB of an sRGB color (hexadecimal) as seen with a kind of vision."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(vision @ linear, 0.0, 1.0) / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_every_kind_has_name_term_and_one_group() -> None:
    assert len(set(KINDS)) == len(KINDS)
    assert set(NAMES) == set(ONTOLOGY) == set(KINDS)
    members = [kind for group in GROUPS for kind in group.kinds]
    assert sorted(members) == sorted(KINDS[1:])
    assert set(GROUP_OF) == set(KINDS[1:])


def test_kinds_are_cell_states_of_the_host_scale_in_its_order() -> None:
    from tumornexus.systemic.state import State

    assert [n for n in State.__dataclass_fields__ if n in KINDS] == list(KINDS[1:])


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("empty", "dead_antigen")])
def test_names_and_terms_are_those_of_the_catalogue(kind: str) -> None:
    by_id = {"cancer": "cancer_cell", "persister": "persister_cell", "infected": "infected_cell"}
    cell = load_knowledge().cells[by_id.get(kind, kind)]
    assert kind in cell.states
    assert (NAMES[kind], ONTOLOGY[kind]) == (cell.name, cell.ontology)


@pytest.mark.parametrize("vision", VISION)
def test_groups_can_be_told_apart(vision: str) -> None:
    seen = {
        name: lab(color, VISION[vision]) for name, color in [("paper", "#ffffff")] + [(g.id, g.color) for g in GROUPS]
    }
    for a, b in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[a] - seen[b]) >= MIN_DIFFERENCE, (a, b)
