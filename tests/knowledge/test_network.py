"""The claimed network: signs, loops, reversals, complements, export and picture."""

from __future__ import annotations

import math
from pathlib import Path

import networkx as nx
import pytest

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.network import (
    claimed_network,
    complementary,
    feedback_loops,
    network_figure,
    paths_between,
    ring_layout,
    what_reverses,
    write_graphml,
)


@pytest.fixture(scope="module")
def graph(small: Knowledge) -> nx.MultiDiGraph:
    """The network of the small catalogue."""
    return claimed_network(small)


def test_nodes_and_edges_are_the_records(small: Knowledge, graph: nx.MultiDiGraph) -> None:
    assert set(graph) == set(small.mechanisms) | set(small.therapies)
    drives = {(a, b, e["sign"]) for a, b, e in graph.edges(data=True) if e["relation"] == "drives"}
    assert drives == {("ido", "t_cell_exhaustion", "+"), ("t_cell_exhaustion", "ido", "-")}
    assert graph["ido_inhibitor"]["ido"][0]["relation"] == "reverses"


def test_parameters_may_be_added(small: Knowledge) -> None:
    graph = claimed_network(small, parameters=True)
    assert graph["ido"]["parameter:ido_activity"][0]["sign"] == "+"
    assert graph["ido_inhibitor"]["parameter:ido_activity"][0]["sign"] == "-"


def test_paths_carry_the_product_of_signs(graph: nx.MultiDiGraph) -> None:
    (path,) = paths_between(graph, "ido_inhibitor", "t_cell_exhaustion")
    assert path.nodes == ("ido_inhibitor", "ido", "t_cell_exhaustion")
    assert path.sign == "-"
    assert str(path) == "ido_inhibitor -| ido -> t_cell_exhaustion"
    assert paths_between(graph, "t_cell_exhaustion", "anti_pd1") == []
    with pytest.raises(InputError, match="did you mean ido"):
        paths_between(graph, "idoo", "ido")


def test_feedback_loops_have_a_sign(graph: nx.MultiDiGraph) -> None:
    (loop,) = feedback_loops(graph)
    assert loop.nodes == ("ido", "t_cell_exhaustion", "ido")
    assert loop.sign == "-"


def test_reversals_are_direct_or_through_a_driver(graph: nx.MultiDiGraph) -> None:
    found = {r.therapy: r.direct for r in what_reverses(graph, "t_cell_exhaustion")}
    assert found == {"ido_inhibitor": False}
    assert [r.direct for r in what_reverses(graph, "ido")] == [True]
    assert what_reverses(graph, "t_cell_exhaustion", indirect=False) == []


def test_complementary_counts_cycle_steps(graph: nx.MultiDiGraph) -> None:
    c = complementary(graph, ["anti_pd1", "ido_inhibitor"])
    assert (c.covered, c.shared, c.missing) == ((3, 7), (7,), (1, 2, 4, 5, 6))
    assert math.isclose(c.score, 2 / 3)
    assert complementary(graph, []).score == 0.0
    with pytest.raises(InputError, match="unknown therapy"):
        complementary(graph, ["ido"])


def test_graphml_reads_back(graph: nx.MultiDiGraph, tmp_path: Path) -> None:
    write_graphml(graph, tmp_path / "network.graphml")
    again = nx.read_graphml(tmp_path / "network.graphml", force_multigraph=True)
    assert set(again) == set(graph)
    assert again.number_of_edges() == graph.number_of_edges()
    assert again.nodes["ido"]["cycle_steps"] == "3;7"


def test_layout_is_a_ring_without_collisions(graph: nx.MultiDiGraph) -> None:
    angles = sorted(ring_layout(graph).values())
    assert len(angles) == 2
    assert 0 < angles[0] < angles[1] < 2 * math.pi
    assert ring_layout(nx.MultiDiGraph()) == {}


@pytest.mark.parametrize("active", [None, {}, {"ido": 0.9, "unknown": 1.0}])
def test_figure_is_drawn_without_pyplot(graph: nx.MultiDiGraph, tmp_path: Path, active: dict | None) -> None:
    figure = network_figure(graph, active)
    figure.savefig(tmp_path / "network.svg")
    text = (tmp_path / "network.svg").read_text()
    assert "<svg" in text
    words = [t.get_text() for t in figure.axes[0].texts]
    assert "IDO1\nup-regulation" in words or "IDO1 up-regulation" in words
