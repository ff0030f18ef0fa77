"""The report of a virtual trial: its figures say what the tables say, for any number of arms, patients and events."""

from __future__ import annotations

import re
import time
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from report.fake_trial import ARMS, MONTH, fake_endpoints, fake_trial
from report.test_page import drawn_numbers, read
from tumornexus.cohort.survival import lifelines
from tumornexus.errors import InputError
from tumornexus.report.figures.trial_causes import NO_CAUSE, SHOWN, cause_figure, cause_rows, toxicity_figure
from tumornexus.report.figures.trial_parts import months_ticks, tint
from tumornexus.report.figures.trial_responses import (
    SPIDERS,
    courses,
    same_patients,
    spider_figure,
    swimmer_figure,
    swimmers,
    waterfall_figure,
)
from tumornexus.report.figures.trial_survival import arms_forest_figure, survival_at, survival_figure
from tumornexus.report.scene import Scene
from tumornexus.report.trial import FIGURES, SECTIONS, render_trial_report, sentences, trial_figure_files, trial_page
from tumornexus.report.trial_view import RESPONSES, TrialView, build_trial_view, with_interval

Tables = tuple[pd.DataFrame, pd.DataFrame]


def view_of(tables: Tables, **further) -> TrialView:
    return build_trial_view(*tables, fake_endpoints(tables[0]), **({"title": "CheckMate-067"} | further))


@pytest.fixture(scope="module")
def tables() -> Tables:
    return fake_trial()


@pytest.fixture(scope="module")
def view(tables: Tables) -> TrialView:
    return view_of(tables, facts=[("tumor", "melanoma")], manifest={"seed": 1, "versions": {"numpy": "2"}})


@pytest.fixture(scope="module")
def html(view: TrialView) -> str:
    return trial_page(view)


def marks(scene: Scene, kind: str) -> list[dict]:
    return [mark for name, mark in scene.marks if name == kind]


def texts(scene: Scene) -> list[str]:
    return [mark["text"] for mark in marks(scene, "text")]


def nothing_happens() -> Tables:
    """No scan, no response, no progression, no death, no toxicity."""
    patients, scans = fake_trial(30, {"placebo": (0.0, 0.0), "nothing": (0.0, 0.0)})
    quiet = {"best": "NE", "change_percent": np.nan, "pfs_event": False, "os_event": False, "reason": "none",
             "resistance": "none", "cause": "", "response_day": np.nan, "dor_days": np.nan}  # fmt: skip
    return patients.assign(**quiet), scans.iloc[:0]


CASES = {
    "one arm": lambda: fake_trial(40, ["pembrolizumab"]),
    "one patient": lambda: fake_trial(1, ["a", "b"], seed=3),
    "ten arms": lambda: fake_trial(12, [f"arm {i} of a long name + ipilimumab 3 mg/kg q3w x4" for i in range(10)]),
    "no responder": lambda: fake_trial(40, {"chemotherapy": (0.0, 0.2), "placebo": (0.0, 0.0)}),
    "nothing happens": nothing_happens,
    "everybody responds": lambda: fake_trial(40, {"a": (1.0, 1.0), "b": (1.0, 0.0)}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_figure_can_be_drawn_of_any_trial(case: str):
    view = view_of(CASES[case]())
    for name, draw in FIGURES.items():
        scene = draw(view)
        root = ElementTree.fromstring(scene.svg(standalone=True))  # finite coordinates, or `number` raises
        assert root[0].text, name
        for mark in marks(scene, "text"):
            assert "nan" not in mark["text"], name
            assert -1 <= mark["x"] <= scene.width + 1, (name, mark["text"])
            assert 0 <= mark["y"] <= scene.height + 1, (name, mark["text"])
        for mark in marks(scene, "rect"):
            assert mark["x"] + mark["w"] <= scene.width + 1, name
    read(trial_page(view))


def test_waterfall_has_a_bar_for_each_measured_patient_in_its_response(view: TrialView, tables: Tables):
    scene = waterfall_figure(view)
    drawn = Counter(mark["key"] for mark in marks(scene, "rect") if mark["key"])
    measured = tables[0].dropna(subset=["change_percent"])
    assert drawn == {f"best-{b}": n for b, n in measured["best"].value_counts().items()}
    for arm in ARMS:
        own = tables[0][tables[0]["arm"] == arm]
        hit, lost = own["best"].isin(["CR", "PR"]).sum(), own["change_percent"].isna().sum()
        assert f"{hit} of 300 respond ({100 * hit / 300:.0f}%); {lost} without a scan" in texts(scene)
        assert " · ".join(f"{r} {(own['best'] == r).sum()}" for r in RESPONSES) in texts(scene)


def test_waterfall_of_many_patients_is_thinned_and_says_so():
    view = view_of(fake_trial(700, ["a", "b", "c"]))
    scene = waterfall_figure(view)
    assert len(marks(scene, "rect")) < 3 * 400
    assert sum(t.startswith("every ") and t.endswith("th patient") for t in texts(scene)) == 3
    assert len(trial_page(view)) < 1_500_000


def test_waterfall_falls(view: TrialView):
    bars = [m for m in marks(waterfall_figure(view), "rect") if m["key"]]
    for left, right in ((0, 370), (390, 760), (780, 1160)):  # the three panels
        own = [m for m in bars if left < m["x"] < right]
        assert [m["y"] for m in own] == sorted(m["y"] for m in own)
        assert len(own) > 250


def test_spider_follows_the_same_patients_in_each_arm(view: TrialView, tables: Tables):
    chosen = same_patients(view, SPIDERS)
    assert len(chosen) == SPIDERS
    scans = tables[1]
    for arm in view.arms:
        found = courses(arm, chosen)
        seen = set(scans.loc[scans["arm"] == arm.name, "patient"])
        assert set(found) == set(chosen) & seen
        number = next(iter(found))
        month, change, _ = found[number]
        own = scans[(scans["arm"] == arm.name) & (scans["patient"] == number)]
        base = tables[0].set_index(["arm", "patient"]).at[(arm.name, number), "base_mm"]
        np.testing.assert_allclose(month, [0, *own["day"] / MONTH])
        np.testing.assert_allclose(change, [0, *(100 * (own["sum_mm"] / base - 1))])
    drawn = [m for m in marks(spider_figure(view), "poly") if str(m["key"]).startswith("best-")]
    assert len(drawn) == sum(len(courses(arm, chosen)) for arm in view.arms)


def test_spider_lines_stay_inside_their_panel(view: TrialView):
    lines = [m for m in marks(spider_figure(view), "poly") if str(m["key"]).startswith("best-")]
    assert min(y for m in lines for _, y in m["points"]) >= 42.0 - 1e-9


def test_swimmer_shows_a_sample_over_the_whole_range(view: TrialView):
    for arm in view.arms:
        own = swimmers(arm, 12)
        assert len(own) == 12
        assert own["pfs_days"].is_monotonic_decreasing
        for i, days in enumerate(sorted(own["pfs_days"])):  # its place among all, ties being one place
            below, above = (arm.table["pfs_days"] < days).mean(), (arm.table["pfs_days"] <= days).mean()
            assert below - 0.01 <= (i + 0.5) / 12 <= above + 0.01
    scene = swimmer_figure(view)
    shown = pd.concat([swimmers(arm, 12) for arm in view.arms])
    crosses = [m for m in marks(scene, "poly") if str(m["key"]).startswith("swim-") and not m["closed"]]
    assert len(crosses) == 2 * shown["os_event"].sum() + (~shown["os_event"]).sum()  # two strokes a death, one arrow


@pytest.mark.parametrize("name", ["pfs", "os"])
def test_kaplan_meier_is_that_of_lifelines_and_numbers_at_risk_are_counted(view: TrialView, tables: Tables, name: str):
    scene = survival_figure(view, name)
    shown = texts(scene)
    for arm in ARMS:
        own = tables[0][tables[0]["arm"] == arm]
        at = np.array([0.0, 3.0, 11.7, 24.0])
        fit = lifelines().KaplanMeierFitter().fit(own[f"{name}_days"], own[f"{name}_event"])
        found = survival_at(own[f"{name}_days"].to_numpy(), own[f"{name}_event"].to_numpy(), at)
        np.testing.assert_allclose(found, fit.survival_function_at_times(at * MONTH))
        for month in months_ticks(view.horizon, 618.0):
            assert str((own[f"{name}_days"] >= month * MONTH).sum()) in shown
    assert "Number at risk" in shown


def test_curves_of_survival_never_rise(view: TrialView):
    for name in ("pfs", "os"):
        lines = [m for m in marks(survival_figure(view, name), "poly") if m["width"] == 2.2]
        assert len(lines) == 3
        for line in lines:
            assert all(b[1] >= a[1] for a, b in zip(line["points"], line["points"][1:], strict=False))


def test_causes_count_primary_and_acquired_resistance(view: TrialView, tables: Tables):
    patients = tables[0]
    rows = cause_rows(view)
    assert len(rows) == SHOWN + 2
    assert rows[-1] == (NO_CAUSE, [""])
    assert sorted(ident for _, ids in rows for ident in ids) == sorted(
        set(patients.loc[patients["resistance"] != "none", "cause"])
    )
    scene = cause_figure(view)
    tips = [m["tip"] for m in marks(scene, "rect") if m["tip"]]
    for arm in ARMS:
        for kind, word in (("primary", "primary"), ("secondary", "acquired")):
            own = patients[(patients["arm"] == arm) & (patients["resistance"] == kind)]
            told = [re.search(r": (\d+) of 300", t) for t in tips if t.startswith(f"{arm}, ") and word in t]
            assert sum(int(m[1]) for m in told if m) == len(own)
        resistant = patients[patients["arm"] == arm]["resistance"].value_counts()
        assert f"{resistant['primary']} primary, {resistant['secondary']} acquired" in texts(scene)


def test_causes_of_nobody_are_said():
    assert "No patient progressed." in texts(cause_figure(view_of(nothing_happens())))


def test_toxicity_ends_at_the_share_of_patients_with_an_event(view: TrialView, tables: Tables):
    scene = toxicity_figure(view)
    curves = {m["key"]: m["points"] for m in marks(scene, "poly") if m["width"] == 2.2 and len(m["points"]) > 2}
    shares = [np.isfinite(tables[0].loc[tables[0]["arm"] == arm, "ae3_day"]).mean() for arm in ARMS]
    highest = max(shares) * 1.08
    for i, share in enumerate(shares):
        assert curves[f"arm-{i}"][-1][1] == pytest.approx(220 - (220 - 34) * share / highest, abs=0.5)


def test_an_arm_keeps_its_color_and_the_reference_is_gray(view: TrialView):
    colors = {arm.key: arm.color for arm in view.arms}
    assert len(set(colors.values())) == 3
    assert [arm.reference for arm in view.arms] == [False, False, True]
    for draw in (FIGURES["pfs"], FIGURES["os"], FIGURES["forest"], FIGURES["toxicity"]):
        for mark in marks(draw(view), "poly"):
            if mark["key"] in colors and mark["stroke"]:
                assert mark["stroke"] == colors[mark["key"]]
    many = view_of(CASES["ten arms"]())
    assert len({(arm.color, arm.dash) for arm in many.arms}) == 10


def test_a_forest_marks_ends_beyond_its_axis():
    tables = fake_trial(20, ["a", "b"])
    endpoints = fake_endpoints(tables[0])
    endpoints["hazard_ratios"]["a"]["pfs"] = {"estimate": 0.5, "low": 0.01, "high": None}
    endpoints["hazard_ratios"]["a"]["os"] = {"estimate": None, "low": None, "high": None}
    view = build_trial_view(*tables, endpoints, title="t")
    scene = arms_forest_figure(view)
    assert len([m for m in marks(scene, "poly") if m["closed"]]) == 2
    assert "0.50 (0.01–NE)" in texts(scene)
    assert texts(scene).count("not estimable") == 1


def test_page_is_complete_in_itself(html: str):
    reader = read(html)
    assert reader.loads == []
    assert all(link.startswith("#") for link in reader.references)
    assert not re.search(r"https?://|@import|url\(", html)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.labels) <= set(reader.ids)
    assert {name for name, _ in SECTIONS} <= set(reader.ids)
    assert reader.counts["svg"] == len(FIGURES)
    assert html.count("Research use only") == 2
    assert html.index("Research use only") < html.index("<h1>")
    numbers = [n for n in drawn_numbers(html) if n and not n.endswith("%") and n != "device-width"]
    assert np.isfinite([float(n) for n in numbers]).all()
    assert not re.search(r"\b(nan|NaN|None|inf)\b", " ".join(reader.text).split("use strict")[0])


def test_page_says_what_the_endpoints_say(html: str, view: TrialView, tables: Tables):
    for arm in view.arms:
        for name in ("orr", "cr", "pfs_6", "os_12", "ae3"):
            assert f"<td>{with_interval(arm.estimate(name), 0, '%')}</td>" in html
        row = "".join(f'<td class="n">{(arm.table["best"] == r).sum()}</td>' for r in RESPONSES)
        assert row + '<td class="n">300</td>' in html
    said = sentences(view)
    assert "progression or death less often (hazard ratio" in said[0]
    assert "under ipilimumab" in said[0]
    assert "under" not in said[2]
    assert trial_page(view) == html


def test_arms_that_do_not_differ_are_not_told_apart():
    tables = fake_trial(20, ["a", "b"])
    endpoints = fake_endpoints(tables[0])
    for low, high, word in ((0.8, 1.2, "not clearly"), (1.1, 1.9, "more often"), (0.3, 0.9, "less often")):
        endpoints["hazard_ratios"]["a"]["pfs"] = {"estimate": 1.0, "low": low, "high": high}
        assert f"progression or death {word}" in sentences(build_trial_view(*tables, endpoints, title="t"))[0]


def test_what_was_left_out_is_told(tables: Tables):
    patients = tables[0].copy()
    patients.loc[:4, "reason"] = "numerical failure"
    view = view_of((patients, tables[1]), notes=["partition 'p1' was computed again"])
    assert "nivolumab + ipilimumab: 5 of 300 patients failed numerically." in view.notes
    assert any("have no scan after baseline" in note for note in view.notes)
    assert "partition &#39;p1&#39; was computed again" in trial_page(view)


def test_names_cannot_break_the_page():
    bad = "<script>alert(1)</script> & co"
    text = trial_page(view_of(fake_trial(10, [bad, "b"]), title=bad, facts=[(bad, bad)], manifest={"call": [bad]}))
    read(text)
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p, s, e: (p.drop(columns="cause"), s, e), "table of patients lacks a column"),
        (lambda p, s, e: (p, s.drop(columns="day"), e), "table of scans lacks a column"),
        (lambda p, s, e: (p.iloc[:0], s.iloc[:0], e), "without patients"),
        (lambda p, s, e: (p.assign(best="good"), s, e), "no best response .*'good'"),
        (lambda p, s, e: (p.replace("ipilimumab", "ipi"), s, e), "do not know .*'ipi'"),
        (lambda p, s, e: (p[p["arm"] != "ipilimumab"], s[s["arm"] != "ipilimumab"], e), "endpoints without patients"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tables: Tables, change, told: str):
    endpoints = fake_endpoints(tables[0])
    with pytest.raises(InputError, match=told):
        build_trial_view(*change(*tables, endpoints)[:2], endpoints, title="t")


def test_files(view: TrialView, tmp_path):
    written = trial_figure_files(view, tmp_path, png=False)
    assert [p.name for p in written] == [f"{name}.svg" for name in FIGURES]
    again = {p.name: p.read_bytes() for p in written}
    trial_figure_files(view, tmp_path, png=False)
    assert again == {p.name: p.read_bytes() for p in written}
    FIGURES["forest"](view).png(tmp_path / "forest.png")
    assert (tmp_path / "forest.png").read_bytes().startswith(b"\x89PNG")
    path = render_trial_report(view, tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8") == trial_page(view)


def test_a_thousand_patients_an_arm_take_seconds():
    view = view_of(fake_trial(1000))
    begun = time.perf_counter()
    trial_page(view)
    assert time.perf_counter() - begun < 10.0


def test_intervals_in_words():
    assert with_interval((44.2, 38.0, 50.4), 0, "%") == "44% (38–50)"
    assert with_interval((None, 14.0, None), 1) == "not reached (14.0–not reached)"
    assert with_interval((None, None, None), 1) == "not reached"
    assert with_interval((5.0, None, None), 1) == "5.0"
    assert tint("#000000", 0.4) == "#999999"
