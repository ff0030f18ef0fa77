"""The HTML file: self-contained, well-formed, honest about what is missing, the same every time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from report.fake import fake_knowledge, fake_result
from tumornexus.report import render_report
from tumornexus.report.page import SECTIONS, page
from tumornexus.report.view import build_view

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collect ids, links and text, and check that tags nest."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.loads: list[str] = []
        self.labels: list[str] = []
        self.tags: list[str] = []
        self.counts: dict[str, int] = {}
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "srcset", "data", "action", "xlink:href", "poster") or (name == "href" and tag != "a"):
                self.loads.append(value)
            if name == "href" and tag == "a":
                self.references.append(value)
            if name == "aria-labelledby":
                self.labels += value.split()
            assert not name.startswith("on"), f"inline handler {name}"
        if tag not in VOID:
            self.tags.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.tags.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.tags.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.tags
    return reader


def drawn_numbers(text: str) -> list[str]:
    """All coordinates and sizes of the figures."""
    found = re.findall(r' (?:x|y|cx|cy|r|width|height|x1|x2|y1|y2|points|viewBox)="([^"]*)"', text)
    return [n for group in found for n in re.split(r"[ ,]+", group)]


def test_nothing_is_loaded_from_anywhere(html):
    reader = read(html)
    assert reader.loads == []
    assert all(link.startswith("#") for link in reader.references)
    assert "@import" not in html
    assert "url(" not in html
    assert not re.search(r"https?://", html)


def test_ids_are_unique_and_every_anchor_and_label_exists(html):
    reader = read(html)
    assert len(reader.ids) == len(set(reader.ids))
    assert {link[1:] for link in reader.references} <= set(reader.ids)
    assert set(reader.labels) <= set(reader.ids)
    assert {name for name, _ in SECTIONS} <= set(reader.ids)
    assert reader.counts["svg"] == reader.counts["desc"] == 13


def test_size_and_banner(html):
    assert len(html.encode()) < 2_500_000
    assert html.index("Research use only") < html.index("<h1>")


def test_every_drawn_number_is_finite(html):
    numbers = [n for n in drawn_numbers(html) if n and not n.endswith("%")]
    assert len(numbers) > 1000
    assert all(np.isfinite(float(n)) for n in numbers if n not in ("device-width",))
    text = " ".join(read(html).text)
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text.split("use strict")[0])


def test_not_measured_is_shown(html, view):
    lost = [m.name for m in view.mechanisms if not m.measured]
    section = html.split('<section id="missing">')[1].split("</section>")[0]
    assert all(name in section for name in lost)
    assert html.count("not measured") >= 2 * len(lost)


def test_hostile_names_are_escaped(knowledge):
    bad = '<script>alert("x")</script>&"\''
    result = fake_result(sample=bad)
    result.profile.patient.clinical["treatment"] = "<img src=http://evil>"
    result.ranking.loc[0, "regimen"] = "nivolumab<b onclick=1> 240 mg q2w"
    result.manifest["call"] = ["tumornexus", "run", "</code><script>"]
    text = page(build_view(result, knowledge))
    reader = read(text)
    assert reader.loads == []
    assert reader.counts["script"] == 1
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_equal_results_give_equal_files(tmp_path):
    for name in ("a.html", "b.html"):
        render_report(fake_result(), fake_knowledge(), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_hypotheses_show_direction_only(html, view):
    rows = html.split("<tbody>")
    for r in view.regimens:
        if r.hypothesis:
            row = next(x for part in rows for x in part.split("<tr ") if x.startswith(f'data-key="{r.key}"'))
            assert "direction only" in row
            assert not re.search(r"\d+–\d+%", row)


def test_a_refuted_combination_says_so_beside_its_rank(html, view):
    refuted = [r for r in view.regimens if r.refuted]
    assert [r.short for r in refuted] == ["nivolumab + epacadostat"]
    row = html.split(f'<tr data-key="{refuted[0].key}"')[1].split("</tr>")[0]
    assert "refuted by a randomized trial" in row


def test_words(html):
    body = html.split("<main>")[1].split('<section id="limits">')[0]
    assert "consistent with" in body
    assert "caused by" not in body
    assert "paired draws" in body


def empty(result: SimpleNamespace) -> SimpleNamespace:
    result.nodes = pd.DataFrame(columns=["mechanism", "partner", "effect", "low", "high"])
    result.ranking = result.ranking.iloc[:0]
    result.outcomes = None
    result.trajectories = None
    return result


def nothing_measured(result: SimpleNamespace) -> SimpleNamespace:
    result.profile.missing = tuple(result.profile.activities.by_mechanism)
    result.profile.evidence, result.profile.barriers, result.profile.broken_step = {}, {}, None
    result.profile.phenotype, result.profile.icb, result.profile.inflamed_score = None, None, None
    return result


def failed_draws(result: SimpleNamespace) -> SimpleNamespace:
    volume = result.trajectories["tumor_volume_ml"]
    volume[:, :10, :] = np.nan
    volume[2, :, :] = np.nan
    return result


def no_parts(result: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(profile=result.profile)


def zero_and_eradicated(result: SimpleNamespace) -> SimpleNamespace:
    result.trajectories["tumor_volume_ml"][:, :, 20:] = 0.0
    result.nodes[["effect", "low", "high"]] = -20.0
    return result


@pytest.mark.parametrize("change", [empty, nothing_measured, failed_draws, no_parts, zero_and_eradicated])
def test_what_is_absent_never_breaks_the_page(change, knowledge):
    text = page(build_view(change(fake_result()), knowledge))
    reader = read(text)
    assert reader.counts["svg"] >= 12  # the readouts are left out where there are none
    assert all(np.isfinite(float(n)) for n in drawn_numbers(text) if n and not n.endswith("%") and n != "device-width")


def test_a_long_catalogue_still_fits(knowledge):
    result = fake_result()
    names = [f"regimen{i} {i + 1} mg q2w" for i in range(25)]
    row = result.ranking.iloc[0]
    result.ranking = pd.DataFrame([{**row.to_dict(), "regimen": n} for n in names])
    read(page(build_view(result, knowledge)))
