"""The network page and figures: whole, self-contained, legible, the same for the same records."""

from __future__ import annotations

import json
import math
import re
from itertools import combinations, pairwise
from pathlib import Path

import networkx as nx
import pytest

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.network import claimed_network, feedback_loops, paths_between
from tumornexus.report import claims_terminal as say
from tumornexus.report.claims import network_page, page_data, write_network
from tumornexus.report.figures.claims import drives, hub_scene, ring_layout, step_scene
from tumornexus.report.scene import Scene
from tumornexus.report.style import text_width


@pytest.fixture(scope="module")
def k() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="module")
def graph(k: Knowledge) -> nx.MultiDiGraph:
    return claimed_network(k)


@pytest.fixture(scope="module")
def page(k: Knowledge) -> str:
    return network_page(k)


def larger(graph: nx.MultiDiGraph, more: int) -> nx.MultiDiGraph:
    """Return the network with `more` copies of its mechanisms, to see that drawings hold a larger catalogue."""
    grown = graph.copy()
    own = [node for node, kind in graph.nodes(data="kind") if kind == "mechanism"]
    for i in range(more):
        grown.add_node(f"copy_{i}", **graph.nodes[own[i % len(own)]])
    return grown


@pytest.fixture(params=[0, 10], ids=["as it is", "10 mechanisms more"])
def scenes(request: pytest.FixtureRequest, graph: nx.MultiDiGraph, k: Knowledge) -> list[Scene]:
    network = larger(graph, request.param)
    return [hub_scene(network), step_scene(network, {s: c.name for s, c in k.cycle.items()})]


def corners(mark: dict) -> list[tuple[float, float]]:
    """Return the corners of a line of text."""
    width, height = text_width(mark["text"], mark["size"], mark["bold"]), mark["size"]
    left = {"start": 0.0, "middle": -width / 2, "end": -width}[mark["anchor"]]
    turn = math.radians(mark["rotate"])
    local = [(left, -0.75 * height), (left + width, -0.75 * height), (left + width, 0.1 * height), (left, 0.1 * height)]
    return [
        (mark["x"] + x * math.cos(turn) - y * math.sin(turn), mark["y"] + x * math.sin(turn) + y * math.cos(turn))
        for x, y in local
    ]


def apart(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> bool:
    """Tell whether two rectangles, turned or not, are separate: some side of one has the other wholly beyond it."""
    for shape in (a, b):
        for (x1, y1), (x2, y2) in zip(shape, shape[1:] + shape[:1], strict=True):
            nx_, ny = y2 - y1, x1 - x2
            pa, pb = ([x * nx_ + y * ny for x, y in s] for s in (a, b))
            if max(pa) <= min(pb) + 1e-9 or max(pb) <= min(pa) + 1e-9:
                return True
    return False


def test_no_label_is_clipped_and_no_two_labels_overlap(scenes: list[Scene]) -> None:
    for scene in scenes:
        texts = [m for kind, m in scene.marks if kind == "text" and len(m["text"]) > 1]
        shapes = [corners(m) for m in texts]
        for mark, shape in zip(texts, shapes, strict=True):
            assert all(-1 <= x <= scene.width + 1 and -1 <= y <= scene.height + 1 for x, y in shape), mark["text"]
        for (m1, s1), (m2, s2) in combinations(zip(texts, shapes, strict=True), 2):
            assert apart(s1, s2), f"{scene.ident}: {m1['text']!r} over {m2['text']!r}"


def test_every_mechanism_and_edge_is_drawn_in_both(graph: nx.MultiDiGraph, k: Knowledge) -> None:
    for scene in (hub_scene(graph), step_scene(graph, {})):
        keys = {m.get("key") for _, m in scene.marks}
        assert {f"n:{m}" for m in k.mechanisms} <= keys
        assert {f"e:{a}>{b}" for a, b, _ in drives(graph)} <= keys


def test_ring_keeps_hubs_together_and_nodes_apart(graph: nx.MultiDiGraph) -> None:
    angles = ring_layout(graph)
    order = [graph.nodes[n]["hub"] for n in sorted(angles, key=angles.__getitem__)]
    assert sum(a != b for a, b in pairwise(order)) == len(set(order)) - 1
    values = sorted(angles.values())
    assert min(b - a for a, b in pairwise(values)) > 1e-3
    assert values[0] > 0
    assert values[-1] < 2 * math.pi
    assert ring_layout(nx.MultiDiGraph()) == {}


def test_page_is_complete_in_itself(page: str) -> None:
    outside = re.findall(r'(?:src|href)\s*=\s*"(?!#)([^"]+)"|url\(([^)]+)\)|@import|\bfetch\(|XMLHttp', page)
    assert outside == []
    assert page.count("<svg") == 2


def test_page_data_are_the_claims(page: str, k: Knowledge, graph: nx.MultiDiGraph) -> None:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    assert found
    data = json.loads(found[1])
    assert set(data["mechanisms"]) == set(k.mechanisms)
    assert {(e["from"], e["to"], e["sign"]) for e in data["edges"]} == set(drives(graph))
    assert all(key in data["references"] for e in data["edges"] for key in e["source"])
    assert [tuple(loop["nodes"]) for loop in data["loops"]] == [loop.nodes for loop in feedback_loops(graph)]
    assert data == page_data(k, graph)


def test_text_of_a_record_cannot_end_the_script(page: str) -> None:
    assert page.count("</script>") == 2


def test_files_are_written_and_equal_for_equal_records(k: Knowledge, tmp_path: Path) -> None:
    first, second = write_network(k, tmp_path / "a"), write_network(k, tmp_path / "b")
    assert [p.name for p in first] == [
        "network.html", "network_hub.svg", "network_hub.png", "network_step.svg", "network_step.png"
    ]  # fmt: skip
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_terminal_tells_paths_loops_reversals_and_complements(k: Knowledge, graph: nx.MultiDiGraph) -> None:
    chains = say.paths(k, "Hypoxia", "t_cell_exhaustion", longest=3)
    expected = paths_between(graph, "hypoxia", "t_cell_exhaustion", longest=3)
    assert [row[0] for row in chains.rows] == [str(p) for p in expected]
    assert all(row[3] for row in chains.rows)
    assert "No chain" in say.paths(k, "t_cell_exhaustion", "low_tmb", longest=3).title
    assert any("lactate" in row[0] and "mdsc" in row[0] for row in say.loops(k, through="lactate", longest=5).rows)
    assert {"cxcr2_inhibitor"} <= {row[1] for row in say.reversals(k, "MDSC").rows}
    (row,) = say.complements(k, ["anti_pd1", "antiangiogenic"]).rows
    assert row[1] == "4, 5, 7"
    assert len(say.summary(k).rows) == 4


def test_an_unknown_name_is_refused_with_near_misses(k: Knowledge) -> None:
    with pytest.raises(InputError, match="did you mean hypoxia"):
        say.paths(k, "hypoxi", "mdsc", longest=3)
