"""Derive the network from the simulator, who moves whom when perturbed, and compare it with the claims of the records.

    python verification/network.py [--out FOLDER] [--tumor melanoma] [--draws 32] [--seed 1]

Each cause is raised to full activity (a clone to half of the cells) in virtual tumors without other mechanisms; each
state that has a switch in `SWITCHES` is raised by a parameter of its own. Tumors with and without it share all other
parameters, grow untreated to the same burden and are followed for eight weeks without treatment. An edge is the change
of ln of the target's observable (its record's `[process]`), mean over weeks 1 to 8, signed so that positive means more
of the target mechanism: median over draws, its 95 % bootstrap interval, and the 5th to 95th percentile between draws.

Writes ``network.tsv`` (one row a pair, with verdict and reason), ``network.json`` (settings, digest, counts) and
``network.png``. `docs/reference/compared_network.md` is made from the copies in verification/results.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import networkx as nx
import numpy as np
import pandas as pd

from tumornexus.activities import named_generator
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.network import claimed_network, paths_between
from tumornexus.knowledge.regimen import Regimen
from tumornexus.report.figures.claims import short_name
from tumornexus.systemic import prepare
from tumornexus.systemic.solver import grow, treat
from tumornexus.systemic.twin import apply_effects, bounded_mask, draw_bare, parameter_names

mpl.use("Agg")

BURDEN_ML = 20.0
DAYS = 56
SEEN = 0.05  # least change of ln observable that counts, 5 %: as in the tests of direction
STRONG = 0.25  # least change, about 28 %, at which an edge that nobody claimed is listed
LONGEST = 3  # steps of a chain of claims that may explain an edge
FLOOR = 1e-9

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

# Why the model disagrees with a claim, where it is known; (source, target) or (source, "*").
REASONS: dict[tuple[str, str], str] = {}

VERDICTS = {
    "agrees": "claimed, and the simulator moves it the same way",
    "opposite": "claimed, and the simulator moves it the other way",
    "not seen": "claimed, and the simulator moves it by less than 5 %",
    "no switch": "claimed of a state or outcome that no parameter raises by itself",
    "same quantity": "claimed between records that one observable describes",
    "disputed": "sources claim both signs",
    "not claimed": "the simulator moves it by 28 % or more, and no chain of claims says so",
    "chain": "the simulator moves it by 28 % or more, and a chain of claims says so",
    "weak": "not claimed, and the simulator moves it by less than 28 %",
    "shared": "not claimed, and one observable describes both records",
}


def settings(
    knowledge: Knowledge, tumor: str, n: int, seed: int, only: Collection[str] | None = None
) -> dict[str, Any]:
    """Return parameters (draw, parameter) of each arm: "" without mechanisms, and each cause and switch raised.

    Args:
        knowledge: the catalogue.
        tumor: tumor type.
        n: draws.
        seed: of the draws.
        only: mechanisms to raise; None for all.
    """
    names, bounded = parameter_names(knowledge), bounded_mask(knowledge)
    bare = draw_bare(knowledge, knowledge.tumors[tumor], n, seed, f"network {tumor}", braf_v600=False)
    arms = {"": bare}
    for m in knowledge.mechanisms.values():
        if only is not None and m.id not in only:
            continue
        if m.effect:
            level = 0.5 if m.extent == "clonal_fraction" else 1.0
            sizes = {m.id: tuple((e, np.full(n, e.value)) for e in m.effect)}
            arms[m.id] = apply_effects(bare, {m.id: np.full(n, level)}, sizes, names, bounded)
        elif m.id in SWITCHES:
            parameter, factor = SWITCHES[m.id]
            j = names.index(parameter)
            arms[m.id] = bare.copy()
            arms[m.id][:, j] = np.clip(bare[:, j] * factor, None, 0.98 if bounded[j] else None)
    return arms


def levels(knowledge: Knowledge, arms: Mapping[str, np.ndarray]) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """Simulate all arms in one ensemble; return arm to observable to mean ln (draw,), and who reached the burden (arm,
    draw)."""
    names = parameter_names(knowledge)
    n = len(arms[""])
    values = np.concatenate(list(arms.values()))
    grown = grow(values, names, np.full(len(values), BURDEN_ML))
    untreated = prepare(Regimen("none", (), ()), knowledge).until(DAYS)
    keep = sorted({m.process.observable for m in knowledge.mechanisms.values()})
    seen = treat(values, names, grown.state, [untreated], np.zeros(len(values), int), keep=keep)
    ok = ((grown.status == 0) & (seen["status"].values == 0)).reshape(len(arms), n)
    found: dict[str, dict[str, np.ndarray]] = {arm: {} for arm in arms}
    for name in keep:
        ln = np.log(np.maximum(seen[name].values[:, 1:].astype(float), FLOOR)).mean(axis=1).reshape(len(arms), n)
        for i, arm in enumerate(arms):
            found[arm][name] = ln[i]
    return found, ok


def edges(
    knowledge: Knowledge, found: Mapping[str, Mapping[str, np.ndarray]], ok: np.ndarray, seed: int
) -> pd.DataFrame:
    """Return one row a (source, target): change with its interval, spread between draws, number of draws."""
    stream = named_generator(seed, "bootstrap", "network")
    n = ok.shape[1]
    picks = stream.integers(0, n, size=(500, n))
    rows = []
    for i, source in enumerate(found):
        if not source:
            continue
        both = ok[0] & ok[i]
        for target in knowledge.mechanisms.values():
            name = target.process.observable
            sign = 1.0 if target.process.direction == "+" else -1.0
            change = np.where(both, sign * (found[source][name] - found[""][name]), np.nan)
            if both.sum() < 3:
                continue
            with np.errstate(all="ignore"):
                resampled = np.nanmedian(change[picks], axis=1)
            rows.append({
                "source": source, "target": target.id, "observable": name,
                "change": np.nanmedian(change), "ci_low": np.nanpercentile(resampled, 2.5),
                "ci_high": np.nanpercentile(resampled, 97.5), "low": np.nanpercentile(change, 5),
                "high": np.nanpercentile(change, 95), "draws": int(both.sum()),
            })  # fmt: skip
    return pd.DataFrame(rows)


def _chain(graph: nx.MultiDiGraph, source: str, target: str, sign: str) -> str:
    """Return the shortest chain of claims of the given sign, or an empty text."""
    return next((str(p) for p in paths_between(graph, source, target, longest=LONGEST) if p.sign == sign), "")


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
    for pair in dict.fromkeys((*by_pair, *claims)):
        source, target = pair
        if source == target:
            continue
        row, claim = by_pair.get(pair, {"source": source, "target": target}), claims.get(pair, "")
        chain = ""
        if pair not in by_pair:
            verdict = "no switch"
        elif observable[source] == observable[target]:
            verdict = "same quantity" if claim else "shared"
        else:
            change = row["change"]
            seen = abs(change) >= SEEN and row["ci_low"] * row["ci_high"] > 0.0
            sign = "+" if change > 0 else "-"
            if claim == "±":
                verdict = "disputed"
            elif claim:
                verdict = ("agrees" if sign == claim else "opposite") if seen else "not seen"
            elif seen and abs(change) >= STRONG:
                chain = _chain(driving, source, target, sign)
                verdict = "chain" if chain else "not claimed"
            else:
                verdict = "weak"
        reason = chain or (REASONS.get(pair) or REASONS.get((source, "*")) or "" if verdict in (
            "opposite", "not seen", "not claimed") else "")  # fmt: skip
        rows.append({**row, "observable": observable[target], "claim": claim, "verdict": verdict, "reason": reason})
    return pd.DataFrame(rows)[
        ["source", "target", "observable", "claim", "verdict", "change", "ci_low", "ci_high", "low", "high", "draws",
         "reason"]
    ]  # fmt: skip


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
            wrong = r.verdict in ("opposite", "not seen")
            axes.text(
                x, y + 0.02, {"-": "−"}.get(r.claim, r.claim), ha="center", va="center", fontsize=9, fontweight="bold"
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
        "burden_ml": BURDEN_ML,
        "days": DAYS,
        "knowledge_digest": knowledge.digest,
        "verdicts": {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--tumor", default="melanoma")
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    knowledge = load_knowledge()
    found, ok = levels(knowledge, settings(knowledge, given.tumor, given.draws, given.seed))
    table = compare(knowledge, edges(knowledge, found, ok, given.seed))
    table.to_csv(given.out / "network.tsv", sep="\t", index=False, float_format="%.4g", lineterminator="\n")
    record = summary(knowledge, table, tumor=given.tumor, draws=given.draws, seed=given.seed)
    (given.out / "network.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draw(knowledge, table, given.out / "network.png")
    for verdict, n in record["verdicts"].items():
        print(f"{n:5d}  {verdict}: {VERDICTS[verdict]}")
    for row in table[table["verdict"].isin(["opposite", "not seen"])].itertuples():
        print(f"{row.verdict}: {row.source} {row.claim} {row.target} ({row.change:+.3f}) {row.reason}")


if __name__ == "__main__":
    main()
