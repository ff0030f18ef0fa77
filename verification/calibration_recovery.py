"""Does the calibration recover what is known? Emulator on unseen patients, planted shifts, figures from the simulator.

    python verification/calibration_recovery.py --pool FOLDER [--replicates 30] [--out verification/results]

FOLDER is the pool of `tumornexus calibrate`, finished or not (targets with too few patients are left out and counted).

* *Emulator*: learned on the even partitions, scored on the odd ones. Calibration curve and slope (logit of what
  happened on the emulated logit; 1 is right), gain in log loss over the bare rate of the odd partitions themselves,
  and z: the gap between emulated and seen rate of a target over the error that the emulator states, standard
  deviation 1 if honest.
* *Planted*: shifts are drawn from the prior, trials' deviations from theirs, and published figures are made of them:
  the emulated logit, an error of the emulator, one deviation per arm and sort of figure, then binomial noise with the
  arm's own number of patients (survival at several times from the same patients). The posterior is sampled as in
  calibration. Ranks of the truth are uniform, and intervals cover what they say, if the inference is right; they
  cover more where it is cautious by design (a figure counts as part of its arm, tails are those of Student's t).
* *Simulator*: no new simulation. Patients of the odd partitions are split at the median of one parameter; each half's
  rates are taken for published figures; the emulator is that of the even partitions. The posterior of that parameter
  should move to the half's own mean. The other parameters keep the spread of their prior in such a half, which a single
  draw of the calibration has not: rates of a mixture are taken for those of its center, so that the check is of
  direction and size, not of coverage.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.activities import named_generator
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.trial.calibrate import (
    FEWEST_ROWS,
    TRIAL_SD_PRIOR,
    Emulator,
    Target,
    emulate,
    features,
    flags_of,
    held_out_score,
    sample,
    targets_of,
)
from tumornexus.trial.calibration import PRIOR_SD, Calibration, prior
from tumornexus.trial.partition_folder import read_table
from tumornexus.trial.pool import arms_of, draws_needed
from tumornexus.trial.simulate import SIZE

DRAWS = 400  # of each posterior
LEVELS = (0.5, 0.9)
COLUMNS = ["trial", "arm", "patient", "draw", "best", "pfs_days", "pfs_event"]
Pool = Mapping[tuple[str, str], pd.DataFrame]


def believed(folder: Path, knowledge: Knowledge) -> tuple[Calibration, dict[str, Any]]:
    """Return the draws of the prior that a pool was made with, and its identity.

    Raises:
        InputError: the pool comes from another catalogue or another prior.
    """
    identity = json.loads((folder / "manifest.json").read_text("utf-8"))["identity"]
    found = prior(knowledge, draws_needed(identity["partitions"]), identity["seed"] // 1000)
    for field, is_now in (("knowledge_digest", knowledge.digest), ("shifts", found.digest())):
        if identity[field] != is_now:
            raise InputError("the pool was made with another catalogue or prior", file=folder, field=field,
                             value=identity[field], valid=f"{is_now}: the version that made the pool")  # fmt: skip
    return found, identity


def parts_of(patients: pd.DataFrame) -> tuple[Pool, Pool, Pool]:
    """Return the patients of each cohort and regimen: all, those of even and those of odd partitions."""
    odd = (patients["patient"].to_numpy() // SIZE) % 2 == 1
    parts = (patients, patients[~odd], patients[odd])
    keys = patients[["trial", "arm"]].drop_duplicates().itertuples(index=False, name=None)
    pairs = [(str(c), str(a)) for c, a in keys]
    return tuple({(c, a): p[(p["trial"] == c) & (p["arm"] == a)] for c, a in pairs} for p in parts)


def usable(targets: Sequence[Target], pools: Sequence[Pool]) -> tuple[Target, ...]:
    """Return the targets that have enough patients in every pool."""

    def enough(target: Target, pool: Pool) -> bool:
        patients = pool.get((target.arm.cohort, target.arm.regimen))
        return patients is not None and len(flags_of(patients, target)[0]) >= FEWEST_ROWS

    return tuple(t for t in targets if all(enough(t, p) for p in pools))


def check_emulator(emulator: Emulator, pool: Pool, believed: Calibration) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return how the emulator does on patients it did not see, and its calibration curve in ten equal bins."""
    score = held_out_score(emulator, pool, believed)
    emulated, seen, kind, z = [], [], [], []
    for j, target in enumerate(emulator.targets):
        patients = pool[target.arm.cohort, target.arm.regimen]
        rows, flag = flags_of(patients, target)
        f = features(believed.shifts[patients["draw"].to_numpy()[rows] % believed.n_draws])
        p = 1.0 / (1.0 + np.exp(-(f @ emulator.coefficients[j])))
        slope = (f * (p * (1.0 - p))[:, None]).mean(axis=0)
        variance = (p * (1.0 - p)).sum() / len(p) ** 2 + slope @ emulator.covariance[j] @ slope
        z.append((flag.mean() - p.mean()) / np.sqrt(variance))
        emulated.append(p)
        seen.append(flag)
        kind += [target.kind] * len(p)
    table = pd.DataFrame({"kind": kind, "emulated": np.concatenate(emulated), "seen": np.concatenate(seen)})
    table["bin"] = pd.qcut(table["emulated"], 10, labels=False, duplicates="drop")
    curve = table.groupby("bin").agg(emulated=("emulated", "mean"), seen=("seen", "mean"), n=("seen", "size"))
    out: dict[str, Any] = {"patients_and_targets": len(table), "z_sd": float(np.std(z)), "z_mean": float(np.mean(z))}
    for name in ("orr", "pfs"):
        part, own = table[table["kind"] == name], score[score["kind"] == name]
        intercept, slope = calibration_line(part["emulated"].to_numpy(), part["seen"].to_numpy(bool))
        out[name] = {
            "targets": len(own), "slope": slope, "intercept": intercept, "loss": float(own["loss"].mean()),
            "gain_over_bare_rate": float((own["loss_of_rate"] - own["loss"]).mean()),
            "targets_with_gain": int((own["loss_of_rate"] > own["loss"]).sum()),
            "mean_gap_of_rate_points": float(100.0 * (own["rate"] - own["emulated"]).abs().mean()),
        }  # fmt: skip
    return out, curve.reset_index(drop=True)


def calibration_line(p: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Return intercept and slope of the logistic regression of what was seen on the logit of a probability."""
    x = np.log(np.clip(p, 1e-4, 1 - 1e-4)) - np.log1p(-np.clip(p, 1e-4, 1 - 1e-4))
    f, at = np.stack([np.ones(len(x)), x], axis=1), np.array([0.0, 1.0])
    for _ in range(50):
        q = 1.0 / (1.0 + np.exp(-(f @ at)))
        step = np.linalg.solve((f * (q * (1.0 - q))[:, None]).T @ f, f.T @ (seen - q))
        at = at + step
        if np.abs(step).max() < 1e-9:
            break
    return float(at[0]), float(at[1])


def figures_of(
    emulator: Emulator, shifts: np.ndarray, trial_sd: Mapping[str, float], generator: np.random.Generator
) -> np.ndarray:
    """Return shares that trials would have published under known shifts (parameter,), one a target."""
    logit, error = (x[0] for x in emulator.logit(shifts[None]))
    logit = logit + error * generator.standard_normal(len(logit))
    members: dict[tuple[int, str], list[int]] = {}
    for j, target in enumerate(emulator.targets):
        members.setdefault((id(target.arm), target.sort), []).append(j)
    shares = np.zeros(len(logit))
    for (_, sort), js in members.items():
        own = logit[js] + trial_sd[sort] * generator.standard_normal()
        n = int(emulator.targets[js[0]].arm.arm.n or 30)
        order = sorted(range(len(js)), key=lambda i: emulator.targets[js[i]].months)
        left, before = n, 1.0
        for i in order:  # later times are of those still free: the same patients, and never more of them
            p = min(1.0 / (1.0 + np.exp(-own[i])), before)
            left = generator.binomial(left, min(p / before, 1.0)) if before > 0.0 else 0
            before = p
            shares[js[i]] = (left + 0.5) / (n + 1.0)
    return shares


def replicate(
    number: int, emulator: Emulator, knowledge: Knowledge, truth: Calibration, steps: int, seed: int
) -> dict[str, Any]:
    """Plant one draw of the prior, infer it back; return ranks, intervals and diagnostics."""
    generator = named_generator(seed, "recovery", str(number))
    sd = {k: float(s * np.abs(generator.standard_normal())) for k, s in TRIAL_SD_PRIOR.items()}
    planted = truth.shifts[number]
    observed = figures_of(emulator, planted, sd, generator)
    found, told = sample(emulator, knowledge, draws=DRAWS, seed=seed + number, steps=steps, observed=observed)
    bounds = {q: np.quantile(found.shifts, [0.5 - q / 2, 0.5 + q / 2], axis=0) for q in LEVELS}
    return {
        "truth": planted, "mean": found.shifts.mean(0), "sd": found.shifts.std(0),
        "rank": (found.shifts < planted).mean(0), "trial_sd": sd, "trial_sd_found": dict(found.trial_sd),
        "covered": {q: (planted >= b[0]) & (planted <= b[1]) for q, b in bounds.items()},
        "width": {q: b[1] - b[0] for q, b in bounds.items()}, **told,
    }  # fmt: skip


def summary_of(replicates: Sequence[Mapping[str, Any]], knowledge: Knowledge) -> dict[str, Any]:
    """Return coverage, widths and shrinkage by parameter and over all, the most informed parameter first."""
    wide = prior(knowledge, 4000, 9)
    widths = {q: np.subtract(*np.quantile(wide.shifts, [0.5 + q / 2, 0.5 - q / 2], axis=0)) for q in LEVELS}
    truth, mean = (np.array([r[k] for r in replicates]) for k in ("truth", "mean"))
    ranks = np.array([r["rank"] for r in replicates])
    by_parameter = {}
    for j, name in enumerate(PRIOR_SD):
        own = {f"covered_{q:.0%}": float(np.mean([r["covered"][q][j] for r in replicates])) for q in LEVELS}
        width = float(np.mean([r["width"][0.9][j] for r in replicates]) / widths[0.9][j])
        slope = float(np.cov(truth[:, j], mean[:, j])[0, 1] / np.var(truth[:, j], ddof=1))
        by_parameter[name] = {
            **own, "width_90%_over_prior": width, "slope_of_mean_on_truth": slope,
            "error_over_prior_sd": float(np.sqrt(np.mean((mean - truth)[:, j] ** 2)) / wide.shifts[:, j].std()),
            "mean_rank": float(ranks[:, j].mean()),
        }  # fmt: skip
    ordered = dict(sorted(by_parameter.items(), key=lambda kv: kv[1]["width_90%_over_prior"]))
    # Parameters of one replicate share its data: the interval of coverage comes from whole replicates.
    over_all = {}
    for q in LEVELS:
        each = np.array([r["covered"][q].mean() for r in replicates])
        over_all[f"covered_{q:.0%}"] = float(each.mean())
        over_all[f"covered_{q:.0%}_standard_error"] = float(each.std(ddof=1) / np.sqrt(len(each)))
    sds = {
        k: {
            "planted": [r["trial_sd"][k] for r in replicates],
            "found": [r["trial_sd_found"][k] for r in replicates],
        } for k in TRIAL_SD_PRIOR
    }  # fmt: skip
    return {
        "replicates": len(replicates), **over_all,
        "rank_histogram": np.histogram(ranks, bins=10, range=(0.0, 1.0))[0].tolist(),
        "trial_sd": {
            k: {"mean_planted": float(np.mean(v["planted"])), "mean_found": float(np.mean(v["found"])),
                "correlation": float(np.corrcoef(v["planted"], v["found"])[0, 1])} for k, v in sds.items()
        },
        "largest_drift_in_sd": float(np.max([r["largest_drift_in_sd"] for r in replicates])),
        "median_drift_in_sd": float(np.median([r["largest_drift_in_sd"] for r in replicates])),
        "acceptance": float(np.mean([r["acceptance"] for r in replicates])), "parameters": ordered,
    }  # fmt: skip


def from_simulator(
    name: str, emulator: Emulator, pool: Pool, believed: Calibration, knowledge: Knowledge, steps: int, seed: int
) -> list[dict[str, Any]]:
    """Take the rates of patients below and above the median of a parameter for published figures; infer it back."""
    j = list(PRIOR_SD).index(name)
    value = {k: believed.shifts[t["draw"].to_numpy() % believed.n_draws, j] for k, t in pool.items()}
    middle = float(np.median(np.concatenate(list(value.values()))))
    out = []
    for side, above in (("below", False), ("above", True)):
        half = {k: t[(value[k] > middle) == above] for k, t in pool.items()}
        kept, targets, shares = [], [], []
        for i, target in enumerate(emulator.targets):
            rows, flag = flags_of(half[target.arm.cohort, target.arm.regimen], target)
            if len(rows) < 20:
                continue
            mates = sum(t.arm is target.arm and t.sort == target.sort for t in emulator.targets)
            kept.append(i)
            targets.append(replace(target, n=len(rows) / mates))
            shares.append((flag.sum() + 0.5) / (len(rows) + 1.0))
        part = Emulator(tuple(targets), emulator.coefficients[kept], emulator.covariance[kept])
        found, told = sample(part, knowledge, draws=DRAWS, seed=seed, steps=steps, observed=np.array(shares))
        draws = np.concatenate([v[(v > middle) == above] for v in value.values()])
        low, high = np.quantile(found.shifts[:, j], [0.05, 0.95])
        out.append({
            "parameter": name, "half": side, "truth": float(draws.mean()), "mean": float(found.shifts[:, j].mean()),
            "low_90%": float(low), "high_90%": float(high), "targets": len(targets),
            "drift_in_sd": told["largest_drift_in_sd"],
        })  # fmt: skip
    return out


def write(result: Mapping[str, Any], replicates: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write the figure and the numbers."""
    from calibration_recovery_figure import draw

    folder.mkdir(parents=True, exist_ok=True)
    draw(result, replicates, folder / "calibration_recovery.png")
    text = json.dumps(result, indent=1, default=float)
    (folder / "calibration_recovery.json").write_text(text + "\n", "utf-8")


def main() -> None:
    """Command line: checks, figure, JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    parser.add_argument("--replicates", type=int, default=30)
    parser.add_argument("--steps", type=int, default=3000, help="of the sampler; the first half is burn-in")
    parser.add_argument("--split", type=int, default=4, help="parameters whose halves of the pool are taken for trials")
    parser.add_argument("--minutes", type=float, default=60.0, help="no replicate is begun after this time")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    knowledge = load_knowledge()
    shifts, identity = believed(options.pool, knowledge)
    patients = read_table(options.pool, "patients", columns=COLUMNS, unfinished=True)
    everyone, even, odd = parts_of(patients)
    every = targets_of(arms_of(knowledge)[0], knowledge)
    half = emulate(usable(every, (even, odd)), even, shifts)
    checked, curve = check_emulator(half, odd, shifts)
    print(json.dumps(checked, indent=1), flush=True)
    emulator = emulate(usable(every, (everyone,)), everyone, shifts)
    truth = prior(knowledge, options.replicates, 10_000 + options.seed)
    replicates = []
    for number in range(options.replicates):
        if time.monotonic() - begun > 60.0 * options.minutes:
            break
        replicates.append(replicate(number, emulator, knowledge, truth, options.steps, options.seed))
        drift = replicates[-1]["largest_drift_in_sd"]
        print(f"replicate {number}: drift {drift:.2f}, {time.monotonic() - begun:.0f} s", flush=True)
    summary = summary_of(replicates, knowledge)
    halves: list[dict[str, Any]] = []
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "knowledge_digest": knowledge.digest, "seed": options.seed,
        "pool": {"partitions_asked": identity["partitions"], "patients": len(patients),
                 "fewest_in_an_arm": int(min(map(len, everyone.values())))},
        "targets": {"all": len(every), "used": len(emulator.targets), "in_check_of_emulator": len(half.targets)},
        "parameter_order": list(PRIOR_SD), "steps": options.steps, "draws": DRAWS,
        "emulator": checked | {"curve": curve.to_dict("list")}, "planted": summary, "simulator": halves,
    }  # fmt: skip
    write(result, replicates, options.out)
    for name in list(summary["parameters"])[: options.split]:
        halves += from_simulator(name, half, odd, shifts, knowledge, options.steps, options.seed)
        print(halves[-2:], flush=True)
        write(result, replicates, options.out)
    print(f"covered 50 %: {summary['covered_50%']:.2f}, 90 %: {summary['covered_90%']:.2f}")
    for name, own in summary["parameters"].items():
        told = (
            f"{own['covered_50%']:.2f} {own['covered_90%']:.2f}, width {own['width_90%_over_prior']:.2f} of the prior"
        )
        print(f"{name:32s} covered {told}, slope {own['slope_of_mean_on_truth']:.2f}")


if __name__ == "__main__":
    main()
