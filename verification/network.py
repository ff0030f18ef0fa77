"""Derive the network from the simulator, who moves whom when perturbed, and compare it with the claims of the records.

    python verification/network.py [--out FOLDER] [--tumor melanoma] [--draws 64] [--seed 1]

Virtual tumors carry the other mechanisms as often as their tumor type does and grow untreated to its usual burden.
There one cause is switched on at full activity, or absent, and the same tumor is followed for twelve weeks without
treatment; a state is raised by a parameter of its own (`SWITCHES`). A clonal loss (half of the cells) cannot be
switched on in a grown tumor: it is there from the start, or not. An edge is the difference in ln of the target's
observable (its record's `[process]`), mean over weeks 5 to 12, signed so that positive means more of the target
mechanism: median over draws, its 95 % bootstrap interval, and the 5th to 95th percentile between draws. Beside it
stands the same for tumors that grew up with the mechanism or without it to the same burden (`grown`), where immunity
has had years to select.

Where several records share one observable, an edge that nobody claimed is judged at one of them, a state or outcome
if there is one: less infiltration is no loss of STK11.

Why not tumors free of all other mechanisms: most of those never reach the burden, and the rest have lost B2M by then.

Writes ``network.tsv`` (one row a pair, with verdict and reason), ``network.json`` (settings, digest, counts) and
``network.png``. `docs/reference/compared_network.md` is made from the copies in verification/results.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import networkx as nx
import numpy as np
import pandas as pd

from tumornexus.activities import Activity, named_generator
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.network import claimed_network, paths_between
from tumornexus.knowledge.regimen import Regimen
from tumornexus.profile.fusion import CLONAL_PRIOR, LEVEL_PRIOR
from tumornexus.report.figures.claims import short_name
from tumornexus.systemic import prepare
from tumornexus.systemic.solver import grow, treat
from tumornexus.systemic.twin import apply_effects, bounded_mask, draw_bare, parameter_names

mpl.use("Agg")

DAYS = 84
FROM_WEEK = 5
SEEN = 0.05  # least change of ln observable that counts, 5 %: as in the tests of direction
STRONG = 0.25  # least change, about 28 %, at which an edge that nobody claimed is listed
LONGEST = 3  # steps of a chain of claims that may explain an edge
FLOOR = 1e-9
FEWEST = 4  # draws that an edge needs

# A state carries no effects; the parameter that makes it, and the factor that raises it within its plausible range.
SWITCHES: dict[str, tuple[str, float]] = {
    "adenosine": ("adenosine_production", 3.0),
    "arginine_depletion": ("arginase_activity", 3.0),
    "dense_matrix": ("matrix_deposition", 2.0),
    "drug_tolerant_persister": ("persister_switch_on", 5.0),
    "il10": ("il10_production", 3.0),
    "il6": ("il6_production", 3.0),
    "interstitial_pressure": ("interstitial_pressure", 2.0),
    "lactate": ("lactate_production", 2.0),
    "mhc1_downregulation": ("mhc1_basal", 0.33),
    "nutrient_depletion": ("glucose_blood", 0.8),
    "pdl1_upregulation": ("pdl1_constitutive", 4.0),
    "tolerogenic_dc": ("dc_suppression", 3.0),
}

# Why the model disagrees with a claim, as far as its laws and the levels in these tumors tell; "*" stands for any.
REASONS: dict[tuple[str, str], str] = {
    ("dense_matrix", "*"): "Matrix turns over in months: twelve weeks of doubled deposition move it little.",
    ("gut_dysbiosis", "immune_desert"): "Dendritic cells in the node fall by a third, but priming is not what limits "
    "entry into these grown tumors.",
    ("ido", "treg"): "Kynurenine raises the recruitment of Treg by 30 % at most, and not all of that is open.",
    (
        "il10",
        "*",
    ): "IL-10 stands at a twentieth of its half-effect in these tumors: three times as much is still little.",
    ("treg", "tolerogenic_dc"): "Treg act on dendritic cells only through IL-10, far below its half-effect here.",
    ("interstitial_pressure", "hypoxia"): "Pressure holds off drugs in the model, not blood; solid stress does that.",
    ("mapk_activation", "immune_desert"): "MAPK output acts through VEGF, IL-6, MDSC and PD-L1; none of them holds up "
    "the entry of T cells within twelve weeks.",
    ("mapk_activation", "tam_m2"): "No law leads from MAPK output to macrophages but through IL-10, which is low here.",
    ("mapk_activation", "treg"): "No law leads from MAPK output to Treg but through a few more MDSC.",
    ("mdsc", "abnormal_vasculature"): "MDSC secrete VEGF in the model, but take the place of cancer cells, which "
    "secrete more.",
    ("mdsc", "treg"): "MDSC raise the recruitment of Treg by 30 % at most, against crowding by the MDSC themselves.",
    ("tam_m2", "abnormal_vasculature"): "Macrophages hold a few percent of the sites: cancer cells make most VEGF.",
    ("tam_m2", "tgf_beta"): "Macrophages hold a few percent of the sites: others make most TGF-beta.",
    ("tgf_beta", "treg"): "TGF-beta turns helper cells into Treg, and simulated tumors hold few helper cells.",
    ("tolerogenic_dc", "treg"): "No law leads from dendritic cells to Treg.",
    (
        "tolerogenic_dc",
        "immune_desert",
    ): "Priming is not what limits entry into these grown tumors within twelve weeks.",
    ("*", "t_cell_exhaustion"): "In the model it weakens T cells without making them terminally exhausted: the "
    "terminal share follows persisting antigen, TGF-beta and hypoxia.",
    ("*", "pdl1_upregulation"): "The observable is the brake of all checkpoints together, near 0.9 in these tumors "
    "already; PD-L1 is a part of it.",
}


def reason_for(source: str, target: str) -> str:
    """Return the likely reason of a disagreement, or an empty text where none is known."""
    return next((REASONS[p] for p in ((source, target), (source, "*"), ("*", target)) if p in REASONS), "")


COLUMNS = [
    "source", "target", "observable", "claim", "verdict", "change", "ci_low", "ci_high", "low", "high", "draws",
    "grown_change", "grown_ci_low", "grown_ci_high", "grown_draws", "reason",
]  # fmt: skip
VERDICTS = {
    "agrees": "claimed, and the simulator moves it the same way",
    "opposite": "claimed, and the simulator moves it the other way",
    "in the long run": "claimed, and seen the same way only in tumors that grew up with it",
    "varies": "claimed, and the simulator moves it up in some tumors and down in others",
    "not seen": "claimed, and the simulator moves it by less than 5 %",
    "no switch": "claimed of a state or outcome that no parameter raises by itself",
    "same quantity": "claimed between records that one observable describes",
    "disputed": "sources claim both signs",
    "not claimed": "the simulator moves it by 28 % or more, and no chain of claims says so",
    "chain": "the simulator moves it by 28 % or more, and a chain of claims says so",
    "weak": "not claimed, and the simulator moves it by less than 28 %",
    "shared": "not claimed, and judged at another record with the same observable",
}


@dataclass(frozen=True)
class Trial:
    """One mechanism absent and raised in the same draws: parameters (draw, parameter) and whether it is a clone."""

    absent: np.ndarray
    raised: np.ndarray
    clonal: bool


@dataclass(frozen=True)
class Shift:
    """What became of a trial: mean ln of observables (draw,) without and with the mechanism, and which draws count."""

    absent: Mapping[str, np.ndarray]
    raised: Mapping[str, np.ndarray]
    ok: np.ndarray


def trials(
    knowledge: Knowledge, tumor: str, n: int, seed: int, only: Collection[str] | None = None
) -> tuple[np.ndarray, dict[str, Trial]]:
    """Return the parameters of the tumors as they are, and each cause and each state with a switch absent and raised.

    Args:
        knowledge: the catalogue.
        tumor: tumor type, which sets how often the other mechanisms are present.
        n: draws.
        seed: of the draws.
        only: mechanisms to raise; None for all.
    """
    names, bounded = parameter_names(knowledge), bounded_mask(knowledge)
    sample = f"network {tumor}"
    bare = draw_bare(knowledge, knowledge.tumors[tumor], n, seed, sample, braf_v600=False)
    causes = {m.id: m for m in knowledge.mechanisms.values() if m.effect}
    sizes = {i: tuple((e, np.full(n, e.value)) for e in m.effect) for i, m in causes.items()}
    usual = {}
    for entry in knowledge.tumors[tumor].prevalence:
        if entry.mechanism in causes:
            prior = CLONAL_PRIOR if is_clonal(knowledge, entry.mechanism) else LEVEL_PRIOR
            stream = named_generator(seed, "activities", sample, entry.mechanism)
            usual[entry.mechanism] = Activity(entry.value, *prior, "sampled").draws(n, stream)

    def under(activities: Mapping[str, np.ndarray]) -> np.ndarray:
        return apply_effects(bare, activities, sizes, names, bounded)

    background = under(usual)
    found = {}
    for m in knowledge.mechanisms.values():
        if only is not None and m.id not in only:
            continue
        if m.id in causes:
            clonal = is_clonal(knowledge, m.id)
            level = np.full(n, 0.5 if clonal else 1.0)
            found[m.id] = Trial(under({**usual, m.id: np.zeros(n)}), under({**usual, m.id: level}), clonal)
        elif m.id in SWITCHES:
            parameter, factor = SWITCHES[m.id]
            j = names.index(parameter)
            raised = background.copy()
            raised[:, j] = np.clip(raised[:, j] * factor, None, 0.98 if bounded[j] else None)
            found[m.id] = Trial(background, raised, clonal=False)
    return background, found


def is_clonal(knowledge: Knowledge, mechanism: str) -> bool:
    """Tell whether a mechanism is a clone, which is seeded when the tumor starts."""
    return knowledge.mechanisms[mechanism].extent == "clonal_fraction"


def simulate(
    knowledge: Knowledge, tumor: str, background: np.ndarray, some: Mapping[str, Trial]
) -> tuple[dict[str, Shift], dict[str, Shift]]:
    """Return what becomes of each trial switched on in the grown tumor, and in tumors that grew up with it."""
    names, n, m = parameter_names(knowledge), len(background), 2 * len(some)
    pairs = np.concatenate([x for trial in some.values() for x in (trial.absent, trial.raised)])
    values = np.concatenate([background, pairs])
    grown = grow(values, names, np.full(len(values), knowledge.tumors[tumor].burden_ml))
    own = n + np.arange(m * n)
    clonal = np.repeat([trial.clonal for trial in some.values()], 2 * n)
    start = np.concatenate([np.where(clonal, own, np.tile(np.arange(n), m)), own])
    state = jax.tree.map(lambda x: np.asarray(x)[start], grown.state)
    untreated = prepare(Regimen("none", (), ()), knowledge).until(DAYS)
    keep = sorted({m.process.observable for m in knowledge.mechanisms.values()})
    seen = treat(np.tile(pairs, (2, 1)), names, state, [untreated], np.zeros(2 * m * n, int), keep=keep)
    ok = ((grown.status == 0)[start] & (seen["status"].values == 0)).reshape(2, len(some), 2, n).all(axis=2)
    ln = {}
    for name in keep:
        late = seen[name].values[:, FROM_WEEK:].astype(float)
        ln[name] = np.log(np.maximum(late, FLOOR)).mean(axis=1).reshape(2, len(some), 2, n)
    both = [
        {
            i: Shift({o: x[way, k, 0] for o, x in ln.items()}, {o: x[way, k, 1] for o, x in ln.items()}, ok[way, k])
            for k, i in enumerate(some)
        }
        for way in range(2)
    ]
    return both[0], both[1]


def edges(knowledge: Knowledge, found: Mapping[str, Shift], seed: int) -> pd.DataFrame:
    """Return one row a (source, target): change with its interval, spread between draws, number of draws."""
    rows = []
    for source, shift in found.items():
        if shift.ok.sum() < FEWEST:
            continue
        n = len(shift.ok)
        picks = named_generator(seed, "bootstrap", source).integers(0, shift.ok.sum(), size=(500, n))
        for target in knowledge.mechanisms.values():
            name = target.process.observable
            sign = 1.0 if target.process.direction == "+" else -1.0
            change = sign * (shift.raised[name] - shift.absent[name])[shift.ok]
            resampled = np.median(change[picks], axis=1)
            rows.append({
                "source": source, "target": target.id, "change": np.median(change),
                "ci_low": np.percentile(resampled, 2.5), "ci_high": np.percentile(resampled, 97.5),
                "low": np.percentile(change, 5), "high": np.percentile(change, 95), "draws": int(shift.ok.sum()),
            })  # fmt: skip
    return pd.DataFrame(rows)


def measure(knowledge: Knowledge, tumor: str, n: int, seed: int, only: Collection[str] | None = None) -> pd.DataFrame:
    """Return the edges of all trials, with the change in tumors that grew up with the mechanism beside each."""
    switched, grown = simulate(knowledge, tumor, *trials(knowledge, tumor, n, seed, only))
    columns = {c: f"grown_{c}" for c in ("change", "ci_low", "ci_high", "draws")}
    beside = edges(knowledge, grown, seed).rename(columns=columns)[["source", "target", *columns.values()]]
    return edges(knowledge, switched, seed).merge(beside, on=["source", "target"], how="left")


def _chain(graph: nx.MultiDiGraph, source: str, target: str, sign: str) -> str:
    """Return the shortest chain of claims of the given sign, or an empty text."""
    return next((str(p) for p in paths_between(graph, source, target, longest=LONGEST) if p.sign == sign), "")


def judge(change: float, low: float, high: float) -> tuple[str, bool]:
    """Return the sign of a change and whether it counts: large enough, and of one sign over its interval."""
    return "+" if change > 0 else "-", abs(change) >= SEEN and low * high > 0.0


def _of_claim(claim: str, row: Mapping[str, Any]) -> str:
    """Return the verdict on a claimed edge that was measured."""
    if claim == "±":
        return "disputed"
    sign, seen = judge(row["change"], row["ci_low"], row["ci_high"])
    if seen:
        return "agrees" if sign == claim else "opposite"
    later, seen_later = judge(*(row.get(f"grown_{c}", 0.0) for c in ("change", "ci_low", "ci_high")))
    if seen_later and later == claim:
        return "in the long run"
    return "varies" if abs(row["change"]) >= SEEN else "not seen"


def _representative(knowledge: Knowledge, observable: str) -> str:
    """Return the record at which an observable that several share is judged: an outcome, a state, else a cause."""
    order = ("outcome", "state", "cause")
    own = [m for m in knowledge.mechanisms.values() if m.process.observable == observable]
    return min(own, key=lambda m: (order.index(m.kind), m.id)).id


def _chain_to_observable(
    knowledge: Knowledge, driving: nx.MultiDiGraph, source: str, target: str, sign: str
) -> str:  # fmt: skip
    """Return a chain of claims that moves the target's observable the way it was seen to move, or an empty text."""
    own = knowledge.mechanisms[target].process
    for m in knowledge.mechanisms.values():
        if m.process.observable == own.observable and m.id != source:
            turned = sign if m.process.direction == own.direction else {"+": "-", "-": "+"}[sign]
            if chain := _chain(driving, source, m.id, turned):
                return chain
    return ""


def compare(knowledge: Knowledge, measured: pd.DataFrame) -> pd.DataFrame:
    """Add to each measured pair what is claimed, the verdict, and the reason; add claims whose source has no switch."""
    graph = claimed_network(knowledge)
    driving = nx.MultiDiGraph((a, b, e) for a, b, e in graph.edges(data=True) if e["relation"] == "drives")
    driving.add_nodes_from(knowledge.mechanisms)
    claims: dict[tuple[str, str], str] = {}
    for m in knowledge.mechanisms.values():
        for d in m.drives:
            claims[m.id, d.target] = d.sign if claims.get((m.id, d.target), d.sign) == d.sign else "±"
    by_pair = {(r["source"], r["target"]): r for r in measured.to_dict("records")}
    observable = {m.id: m.process.observable for m in knowledge.mechanisms.values()}
    rows = []
    for source, target in dict.fromkeys((*by_pair, *claims)):
        if source == target:
            continue
        claim, row, chain = claims.get((source, target), ""), by_pair.get((source, target), {}), ""
        if not row:
            verdict = "no switch"
        elif observable[source] == observable[target]:
            verdict = "same quantity" if claim else "shared"
        elif claim:
            verdict = _of_claim(claim, row)
        else:
            sign, seen = judge(row["change"], row["ci_low"], row["ci_high"])
            if not seen or abs(row["change"]) < STRONG:
                verdict = "weak"
            elif target != _representative(knowledge, observable[target]):
                verdict = "shared"
            else:
                chain = _chain_to_observable(knowledge, driving, source, target, sign)
                verdict = "chain" if chain else "not claimed"
        asked = verdict in ("opposite", "varies", "not seen", "in the long run")
        rows.append({
            "source": source, "target": target, **row, "observable": observable[target], "claim": claim,
            "verdict": verdict, "reason": reason_for(source, target) if asked else chain,
        })  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def draw(knowledge: Knowledge, table: pd.DataFrame, path: Path) -> None:
    """Draw the matrix of changes, sources in rows and targets in columns, with the claims on it."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    order = sorted(knowledge.mechanisms, key=lambda i: (knowledge.mechanisms[i].hub, i))
    shown = table[table["change"].notna()]
    sources = [i for i in order if (shown["source"] == i).any()]
    grid = np.full((len(sources), len(order)), np.nan)
    for r in shown.itertuples():
        grid[sources.index(r.source), order.index(r.target)] = r.change
    figure = Figure(figsize=(0.27 * len(order) + 4.4, 0.27 * len(sources) + 4.6))
    axes = figure.subplots()
    image = axes.imshow(grid, cmap="RdBu_r", vmin=-1.5, vmax=1.5, aspect="equal")
    for r in table[table["claim"] != ""].itertuples():
        if r.source in sources:
            y, x = sources.index(r.source), order.index(r.target)
            wrong = r.verdict in ("opposite", "varies", "not seen")
            axes.text(
                x,
                y + 0.02,
                {"-": "−"}.get(r.claim, r.claim),
                ha="center",
                va="center",
                fontsize=9,
                fontweight="bold",
                color="white" if abs(grid[y, x]) > 1.0 else "black",
            )
            if wrong:
                axes.add_patch(mpl.patches.Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, ec="black", lw=1.4))
    name = {i: short_name(m.name) for i, m in knowledge.mechanisms.items()}
    axes.set_xticks(range(len(order)), [name[i] for i in order], rotation=90, fontsize=7.5)
    axes.set_yticks(range(len(sources)), [name[i] for i in sources], fontsize=7.5)
    axes.tick_params(length=0)
    hub = [knowledge.mechanisms[i].hub for i in order]
    for k in range(1, len(order)):
        if hub[k] != hub[k - 1]:
            axes.axvline(k - 0.5, color="0.45", lw=0.8)
    for k in range(1, len(sources)):
        if knowledge.mechanisms[sources[k]].hub != knowledge.mechanisms[sources[k - 1]].hub:
            axes.axhline(k - 0.5, color="0.45", lw=0.8)
    axes.set(xlabel="what moves (its observable, signed so that + is more of the mechanism)", ylabel="what is raised")
    bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.015, extend="both")
    bar.set_label("change of ln observable, median over draws")
    marks = [
        Line2D([], [], ls="", marker="$+$", color="black", label="claimed: drives"),
        Line2D([], [], ls="", marker="$-$", color="black", label="claimed: holds back"),
        Line2D(
            [], [], ls="", marker="s", mfc="none", mec="black", label="the simulator disagrees, or does not show it"
        ),
    ]
    axes.legend(handles=marks, loc="lower left", bbox_to_anchor=(0.0, 1.005), ncol=3, frameon=False, fontsize=8)
    figure.savefig(path, dpi=150, bbox_inches="tight")


def summary(knowledge: Knowledge, table: pd.DataFrame, **call: Any) -> dict[str, Any]:
    """Return settings, digest and how many pairs have each verdict."""
    counts = table["verdict"].value_counts()
    return {
        **call,
        "days": DAYS,
        "knowledge_digest": knowledge.digest,
        "meaning": VERDICTS,
        "verdicts": {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--tumor", default="melanoma")
    parser.add_argument("--draws", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    knowledge = load_knowledge()
    table = compare(knowledge, measure(knowledge, given.tumor, given.draws, given.seed))
    table.to_csv(given.out / "network.tsv", sep="\t", index=False, float_format="%.4g", lineterminator="\n")
    record = summary(knowledge, table, tumor=given.tumor, draws=given.draws, seed=given.seed)
    (given.out / "network.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draw(knowledge, table, given.out / "network.png")
    for verdict, n in record["verdicts"].items():
        print(f"{n:5d}  {verdict}: {VERDICTS[verdict]}")
    for row in table[table["verdict"].isin(["opposite", "varies", "not seen", "in the long run"])].itertuples():
        print(
            f"{row.verdict}: {row.source} {row.claim} {row.target} ({row.change:+.3f} [{row.ci_low:+.3f}, "
            f"{row.ci_high:+.3f}]; grown with it {row.grown_change:+.3f}) {row.reason}"
        )


if __name__ == "__main__":
    main()
