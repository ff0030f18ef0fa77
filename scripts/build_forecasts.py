"""Frozen forecasts of trials that the catalogue does not hold: forecasts/forecasts.json and forecasts/README.md.

    python scripts/build_forecasts.py [--only ID ...] [--n 300] [--seed 1] [--runs out/forecasts]

Runs every design of forecasts/designs with the calibration that ships. A run that was broken off goes on. A forecast
that stands in forecasts.json is frozen: it is neither computed again nor changed; to make a new one, take its entry
out by hand, in a commit that says why. forecasts/trials.toml says of each trial where its design was read and whether
its outcome was public. `scripts/score_forecasts.py` compares with results.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tumornexus.errors import InputError, NexusError, near_misses
from tumornexus.files import whole_file
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.machine import keep_compiled
from tumornexus.provenance import installed_version
from tumornexus.trial.calibration import Calibration, load_calibration, shipped
from tumornexus.trial.design import read_design
from tumornexus.trial_pipeline import run_trial

FOLDER = Path(__file__).resolve().parents[1] / "forecasts"
OUTCOMES = ("public", "not seen")
KEPT = ("orr", "cr", "pd", "pfs_median", "pfs_6", "pfs_12", "os_median", "os_12", "os_24", "ae3")
WHAT = "predictions of tumornexus for trials that were not fitted; 95 % intervals of a trial of n patients an arm"
TOP = """# Forecasts

Predictions of tumornexus for {count} trials that are neither in its catalogue nor in the table of trials it was built
on. Made by `scripts/build_forecasts.py`; a forecast is frozen once it stands in `forecasts.json`, with date and
digests.

* **Before looking.** No outcome of these trials was fitted, none stands in the designs or in this folder. For {unseen}
  trials no result had been seen when the design was written (`not seen`: registered, no result known to the author; the
  state of the registry is dated in `trials.toml`). For the other {public} the outcome was `public`: their forecasts are
  retrospective. Nobody looked the outcomes up for this, but people who know the field know them, and whoever chose
  records and priors may have too (PD-L1 and TMB of patients of two of them, KEYNOTE-062 and KEYNOTE-355, are among the
  sources of the tumor types). Only the first group is a forecast in the strict sense.
* **Designs** (`designs/`) say what is simplified. Where one drug stands for an investigator's choice, a miss may be
  that.
* **Intervals** hold the uncertainty of the parameters, the deviation of trials from the model and the chance of {n}
  patients an arm; a trial of another size has others. Hazard ratios are against the last arm. "none" is a median or
  bound that is not reached within 24 months.
* **Score them**: write a table of results with the columns `trial`, `arm`, `endpoint`, `value` (tab-separated;
  endpoints as in `forecasts.json`, `NR` for a median that is not reached) and run `python scripts/score_forecasts.py
  RESULTS.tsv`. It prints errors, coverage and interval scores.

Research use only.
"""


def trials_of(folder: Path, knowledge: Knowledge) -> dict[str, dict[str, str]]:
    """Return what trials.toml says of each trial, by id, in its order.

    Raises:
        InputError: a trial without design or a design without trial, a trial of the catalogue, an unknown word.
    """
    path = folder / "trials.toml"
    found = {t["id"]: t for t in tomllib.loads(path.read_text("utf-8"))["trial"]}
    designs = {p.stem for p in (folder / "designs").glob("*.toml")}
    for trial in sorted(designs ^ set(found)):
        has = "no entry in trials.toml" if trial in designs else "no design"
        raise InputError(f"a forecast with {has}", file=path, field="id", value=trial, valid="one of each")
    for trial, own in found.items():
        if trial in knowledge.trials:
            raise InputError("a trial of the catalogue is no forecast", file=path, field="id", value=trial,
                             valid="a trial that the catalogue does not hold")  # fmt: skip
        if own["outcome"] not in OUTCOMES:
            raise InputError("unknown word", file=path, field=f"{trial}, outcome", value=own["outcome"],
                             valid=", ".join(OUTCOMES))  # fmt: skip
    return found


def entry_of(own: Mapping[str, str], result: Any, digests: Mapping[str, Any]) -> dict[str, Any]:
    """Return one frozen forecast from a trial's result (`TrialResult`)."""
    found, design = result.endpoints, result.design
    return {
        "name": own["name"], "registry": own.get("registry"), "outcome_on_the_date": own["outcome"],
        "design": own["design"], "tumor": design.tumor, "design_digest": design.digest(), **digests,
        "n": found["n"], "seed": found["seed"],
        "arms": {
            arm.name: {"regimen": arm.regimen, **{k: found["arms"][arm.name][k] for k in KEPT}} for arm in design.arm
        },
        "hazard_ratios": found["hazard_ratios"],
    }  # fmt: skip


def build(
    folder: Path,
    runs: Path,
    knowledge: Knowledge,
    calibration: Calibration,
    *,
    n: int,
    seed: int,
    only: Sequence[str] = (),
    run: Callable[..., Any] = run_trial,
) -> dict[str, Any]:
    """Run what is not frozen yet, write forecasts.json and README.md after every trial, return all forecasts.

    Raises:
        InputError: an unknown id in `only`, or what `trials_of` and `run_trial` refuse.
    """
    trials = trials_of(folder, knowledge)
    for trial in only:
        if trial not in trials:
            raise InputError("no such forecast", field="--only", value=trial, valid=near_misses(trial, list(trials)))
    path = folder / "forecasts.json"
    known: dict[str, Any] = json.loads(path.read_text("utf-8"))["forecasts"] if path.is_file() else {}
    for trial, own in trials.items():
        source = folder / "designs" / f"{trial}.toml"
        if only and trial not in only:
            continue
        if trial in known:
            changed = known[trial]["design_digest"] != read_design(source, knowledge).digest()
            print(f"{trial}: frozen{', but its design has changed since' if changed else ''}", flush=True)
            continue
        result = run(source, n=n, seed=seed, out=runs / trial, calibration=calibration, call=("build_forecasts", trial))
        digests = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"), "knowledge_digest": knowledge.digest,
            "calibration_digest": calibration.digest(), "tumornexus": installed_version("tumornexus"),
        }  # fmt: skip
        known[trial] = entry_of(own, result, digests)
        ordered = {t: known[t] for t in trials if t in known}
        with whole_file(path) as partial:
            partial.write_text(json.dumps({"what": WHAT, "forecasts": ordered}, indent=1) + "\n", "utf-8")
        with whole_file(folder / "README.md") as partial:
            partial.write_text(page(ordered), "utf-8")
        print(f"{trial}: done", flush=True)
    return {t: known[t] for t in trials if t in known}


def _told(value: Mapping[str, float | None] | None, digits: int) -> str:
    if value is None:
        return ""
    words = ["none" if value[k] is None else f"{value[k]:.{digits}f}" for k in ("estimate", "low", "high")]
    return f"{words[0]} ({words[1]} to {words[2]})"


def page(forecasts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return README.md: the statement, the stamps and one row an arm."""
    seen = [f["outcome_on_the_date"] for f in forecasts.values()]
    sizes = " or ".join(str(n) for n in sorted({f["n"] for f in forecasts.values()}))
    lines = [TOP.format(count=len(seen), unseen=seen.count("not seen"), public=seen.count("public"), n=sizes)]
    stamps: dict[tuple[Any, ...], list[str]] = {}
    for trial, f in forecasts.items():
        key = (f["date"], f["knowledge_digest"], f["calibration_digest"], f["n"], f["seed"], f["tumornexus"])
        stamps.setdefault(key, []).append(trial)
    lines += ["| date | knowledge | calibration | n | seed | tumornexus | trials |", "| --- | " * 6 + "--- |"]
    lines[-1] = "| " + " | ".join(["---"] * 7) + " |"
    for key, trials in stamps.items():
        told = "all" if len(stamps) == 1 else ", ".join(trials)
        lines.append("| " + " | ".join([str(x) for x in key] + [told]) + " |")
    for outcome, title in (("not seen", "Outcome not seen"), ("public", "Outcome public (retrospective)")):
        own = [f for f in forecasts.values() if f["outcome_on_the_date"] == outcome]
        if not own:
            continue
        lines += [
            "",
            f"## {title}",
            "",
            "| trial | tumor | arm | response, % | median PFS, months | HR of PFS | HR of OS |",
        ]
        lines.append("| " + " | ".join(["---"] * 7) + " |")
        for f in own:
            for arm, values in f["arms"].items():
                ratios = f["hazard_ratios"].get(arm, {})
                cells = [f["name"], f["tumor"], arm, _told(values["orr"], 0), _told(values["pfs_median"], 1)]
                cells += [_told(ratios.get(k), 2) for k in ("pfs", "os")]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=(), metavar="ID")
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("out/forecasts"))
    parser.add_argument("--calibration", type=Path, help="else the one that ships")
    options = parser.parse_args()
    keep_compiled()
    knowledge = load_knowledge()
    try:
        own = options.calibration
        calibration = shipped(knowledge) if own is None else load_calibration(own, knowledge)
        if not calibration.names:
            raise InputError("no calibration ships with this version", field="--calibration",
                             valid="a file of `tumornexus calibrate`")  # fmt: skip
        build(FOLDER, options.runs, knowledge, calibration, n=options.n, seed=options.seed, only=options.only)
    except NexusError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
