"""Terminal summary and exported figures."""

from __future__ import annotations

import itertools
from io import StringIO
from xml.etree import ElementTree

import pytest
from rich.console import Console

from report.fake import fake_result
from tumornexus.report import figure_files, print_summary
from tumornexus.report.figures.trajectories import spread
from tumornexus.report.scene import Axis, Scene, nice_ticks, number
from tumornexus.report.style import barrier_color, shorten, text_width, wrap


def summary(result, knowledge=None, width=100) -> str:
    out = StringIO()
    print_summary(result, Console(file=out, width=width, color_system=None), knowledge)
    return out.getvalue()


def test_summary_names_what_a_reader_needs(result, knowledge):
    text = summary(result, knowledge)
    for word in (
        "Research use only",
        "Top mechanisms",
        "Broken step",
        "Dominant nodes",
        "Best regimens",
        "Not measured",
    ):
        assert word in text
    assert "trial-calibrated" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "TGF-beta signaling" in text


def test_summary_needs_no_knowledge_and_ignores_markup():
    text = summary(fake_result(sample="[red]x[/red]"))
    assert "[red]x[/red]" in text
    assert "tgf beta" in text


@pytest.mark.parametrize("png", [False, True])
def test_figure_files(result, knowledge, tmp_path, png):
    paths = figure_files(result, knowledge, tmp_path, png=png)
    assert len(paths) == (20 if png else 10)
    for path in paths:
        if path.suffix == ".svg":
            root = ElementTree.parse(path).getroot()
            assert root.tag.endswith("svg")
            assert root[0].text
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_scene_refuses_what_cannot_be_drawn():
    scene = Scene(10, 10, "a", "t", "d")
    scene.circle(float("nan"), 1, 1)
    with pytest.raises(ValueError, match="finite"):
        scene.svg()
    assert number(-0.01) == "0"
    assert number(1.26) == "1.3"


def test_axis_holds_values_inside():
    axis = Axis(0.001, 10.0, 0.0, 100.0, log=True)
    assert axis(0.001) == 0.0
    assert axis(1e-9) == 0.0
    assert axis(99.0) == 100.0
    assert axis(0.1) == pytest.approx(50.0)
    assert list(nice_ticks(0.0, 1.0, 5)) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_text_fits():
    assert text_width(shorten("a long name that does not fit", 12, 80), 12) <= 80
    assert len(wrap("one two three four five six", 12, 60)) == 2
    assert wrap("", 12, 60) == []


def test_labels_are_spread():
    spots = spread([10.0, 11.0, 12.0, 90.0, 99.0, 99.5], 15.0, 0.0, 100.0)
    assert all(b - a >= 15.0 - 1e-9 for a, b in itertools.pairwise(spots))
    assert spots[-1] <= 100.0


def test_barrier_color_darkens_with_height():
    def luma(color: str) -> float:
        r, g, b = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        return 0.3 * r + 0.59 * g + 0.11 * b

    values = [luma(barrier_color(h / 10)) for h in range(11)]
    assert all(a > b for a, b in itertools.pairwise(values))
