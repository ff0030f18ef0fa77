"""The network derived from the simulator: verdicts judge fairly, switches raise their state, a known edge is found."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from by_path import script
from simulated import keep_compiled
from tumornexus.knowledge import Knowledge, load_knowledge

ROOT = Path(__file__).resolve().parents[2]


network = script("network", "verification")
CAUSES = ("glycolysis", "mdsc", "abnormal_vasculature")


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


# ------------------------------------------------------------------------------------------------------------ verdicts


def measured(source: str, target: str, change: float, low: float, high: float) -> dict[str, object]:
    return {
        "source": source, "target": target, "change": change, "ci_low": low, "ci_high": high, "low": low, "high": high,
        "draws": 8,
    }  # fmt: skip


def test_what_only_tumors_that_grew_up_with_it_show_is_said(knowledge):
    row = measured("hypoxia", "mdsc", 0.02, 0.01, 0.03)
    table = network.compare(
        knowledge, pd.DataFrame([{**row, "grown_change": 0.2, "grown_ci_low": 0.1, "grown_ci_high": 0.3}])
    )
    assert table.set_index(["source", "target"]).loc[("hypoxia", "mdsc"), "verdict"] == "in the long run"


@pytest.mark.parametrize(
    ("source", "target", "change", "interval", "verdict"),
    [
        ("hypoxia", "mdsc", 0.3, (0.2, 0.4), "agrees"),
        ("hypoxia", "mdsc", -0.3, (-0.4, -0.2), "opposite"),
        ("hypoxia", "mdsc", 0.04, (0.03, 0.05), "not seen"),
        ("hypoxia", "mdsc", 0.3, (-0.1, 0.5), "varies"),
        ("gut_dysbiosis", "mdsc", 0.3, (0.2, 0.4), "not claimed"),
        ("gut_dysbiosis", "mdsc", 0.1, (0.05, 0.2), "weak"),
        ("hypoxia", "treg", 0.5, (0.4, 0.6), "chain"),
        ("hypoxia", "treg", -0.5, (-0.6, -0.4), "not claimed"),
        ("glycolysis", "lactate", 0.9, (0.8, 1.0), "same quantity"),
        ("wnt_beta_catenin", "cdc1_loss", 0.9, (0.8, 1.0), ("same quantity", "shared")),
        ("low_tmb", "stk11_keap1_loss", 0.9, (0.8, 1.0), "shared"),
    ],
)
def test_a_pair_is_judged_by_sign_size_and_certainty(knowledge, source, target, change, interval, verdict):
    table = network.compare(knowledge, pd.DataFrame([measured(source, target, change, *interval)]))
    row = table[(table["source"] == source) & (table["target"] == target)].iloc[0]
    assert row["verdict"] in ([verdict] if isinstance(verdict, str) else verdict)
    assert row["verdict"] in network.VERDICTS
    if verdict == "chain":
        assert row["reason"].startswith("hypoxia -> ")


def test_every_claim_has_a_verdict_even_where_nothing_was_measured(knowledge):
    table = network.compare(knowledge, pd.DataFrame([measured("hypoxia", "mdsc", 0.3, 0.2, 0.4)]))
    claimed = {(m.id, d.target) for m in knowledge.mechanisms.values() for d in m.drives}
    assert claimed == set(zip(table["source"], table["target"], strict=True))
    assert (table["claim"] != "").all()


def test_switches_and_reasons_name_what_exists(knowledge):
    for mechanism, (parameter, factor) in network.SWITCHES.items():
        assert parameter in knowledge.parameters, parameter
        assert factor != 1.0
        if mechanism in knowledge.mechanisms:
            assert not knowledge.mechanisms[mechanism].effect, f"{mechanism} is a cause and needs no switch"
    for source, target in network.REASONS:
        assert {source, target} - {"*"} <= set(knowledge.mechanisms), (source, target)


# ---------------------------------------------------------------------------------------------------------- simulation


@pytest.fixture(scope="module")
def small_edges(knowledge, request):
    """Eight draws, a few causes and every switch, and a trial of nothing, in one ensemble."""
    keep_compiled(request.config)
    background, some = network.trials(knowledge, "melanoma", 8, 3, only={*CAUSES, *network.SWITCHES})
    some["nothing"] = network.Trial(background, background, clonal=False)
    switched, _ = network.simulate(knowledge, "melanoma", background, some)
    return network.edges(knowledge, switched, 3).set_index(["source", "target"])


@pytest.mark.simulation
def test_a_tumor_that_is_the_same_moves_nothing(small_edges):
    assert (small_edges.loc["nothing"][["change", "ci_low", "ci_high", "low", "high"]] == 0.0).all(axis=None)


@pytest.mark.simulation
@pytest.mark.parametrize("mechanism", [*CAUSES, *network.SWITCHES])
def test_what_is_raised_rises(mechanism, small_edges):
    row = small_edges.loc[mechanism, mechanism]
    assert row["ci_low"] > 0.0, f"its own observable changes by {row['change']:+.3f} (ln)"


@pytest.mark.simulation
def test_glycolysis_makes_lactate_and_lactate_feeds_suppressor_cells(small_edges):
    assert small_edges.loc["glycolysis", "lactate"]["ci_low"] > 0.0
    assert small_edges.loc["lactate", "mdsc"]["change"] > 0.0
    assert small_edges.loc["mdsc", "arginine_depletion"]["ci_low"] > 0.0


@pytest.mark.simulation
def test_intervals_hold_the_median(small_edges):
    s = small_edges
    assert (s["ci_low"] <= s["change"] + 1e-12).all()
    assert (s["change"] <= s["ci_high"] + 1e-12).all()
    assert np.isfinite(s["change"]).all()


# ----------------------------------------------------------------------------------------------------- what is shipped


def test_the_shipped_comparison_judges_every_pair(knowledge):
    results = ROOT / "verification" / "results"
    record = json.loads((results / "network.json").read_text("utf-8"))
    with (results / "network.tsv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    counts = {v: sum(r["verdict"] == v for r in rows) for v in network.VERDICTS}
    assert record["verdicts"] == counts
    assert sum(counts.values()) == len(rows)
    assert record["meaning"] == network.VERDICTS
