"""The claimed network: signs, loops, reversals, complements and export."""

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
    complementary_pairs,
    feedback_loops,
    graphml,
    paths_between,
    plain,
    what_reverses,
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


def test_pairs_are_ordered_by_what_the_second_adds(graph: nx.MultiDiGraph) -> None:
    (pair,) = complementary_pairs(graph, partner_of="anti_pd1")
    assert set(pair.steps) == {"anti_pd1", "ido_inhibitor"}
    # PD-1 blockade helps step 7 and reverses nothing here: the IDO1 inhibitor alone reaches as much.
    assert (pair.covered, pair.hubs_covered, pair.added) == ((3, 7), ("metabolic competition",), 0)
    assert "helped more than once: step 7" in pair.reason
    with pytest.raises(InputError, match="unknown therapy"):
        complementary_pairs(graph, partner_of="ido")


def test_a_step_that_sources_claim_both_ways_has_no_sign(graph: nx.MultiDiGraph) -> None:
    disputed = graph.copy()
    disputed.add_edge("ido", "t_cell_exhaustion", relation="drives", sign="-", source=("beta2021",), where="")
    (path,) = paths_between(disputed, "ido_inhibitor", "t_cell_exhaustion")
    assert path.signs == ("-", "±")
    assert path.sign == "±"


def test_loops_can_be_asked_for_through_one_mechanism(graph: nx.MultiDiGraph) -> None:
    assert feedback_loops(graph, through="ido") == feedback_loops(graph)
    with pytest.raises(InputError, match="no such node"):
        feedback_loops(graph, through="idoo")


def test_graphml_reads_back_as_the_same_graph(small: Knowledge, tmp_path: Path) -> None:
    whole = claimed_network(small, parameters=True)
    (tmp_path / "network.graphml").write_text(graphml(whole), encoding="utf-8")
    again = nx.read_graphml(tmp_path / "network.graphml", force_multigraph=True)
    expected = plain(whole)
    assert dict(again.nodes(data=True)) == dict(expected.nodes(data=True))
    assert list(again.edges(keys=True, data=True)) == list(expected.edges(keys=True, data=True))
    assert again.graph["digest"] == small.digest
    assert again.nodes["ido"]["cycle_steps"] == "3;7"
