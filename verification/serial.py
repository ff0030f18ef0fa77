"""Forecasts of lesion diameters at landmarks, scored against what came later, next to what needs no mechanism.

Data: 1,461 target lesions of five atezolizumab trials (FIR, POPLAR, BIRCH, OAK: NSCLC; IMvigor210: urothelial; POPLAR
and OAK also docetaxel), one a patient. At each landmark (2, 3 or 4 readings on treatment) every method forecasts the
next reading and all later ones. Whatever is estimated (errors of readings, discrepancy of the model, errors of the
other methods, the empirical population) comes from the other trials: a whole trial is left out at a time.

Scores on the natural logarithm of diameter, values under 5 mm counted as 5 mm (RECIST 1.1): continuous ranked
probability score (CRPS), absolute error of the median, coverage of the central 50 % and 90 % interval. Later
readings of a patient are averaged first, so that each patient counts once.

Usage: TUMORNEXUS_DATA=... python verification/serial.py [--out DIR]

It takes about 20 minutes, and skips with a message where the data are absent.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.integrate import cumulative_trapezoid

sys.path.insert(0, str(Path(__file__).parent))
from serial_data import Lesion, read_lesions
from serial_fit import SMALLEST_MM, believed, fit, flat, track_of
from serial_laws import FLOOR_MM, LARGEST_MM, LAWS, Errors
from serial_population import DRAWS, HORIZON_DAYS, REGIMENS, SEED, Population, populations

from tumornexus.knowledge import load_knowledge
from tumornexus.systemic.assimilate import weigh
from tumornexus.systemic.readings import ErrorModel, Followed, Forecast, at_days, forecast

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
LANDMARKS = (2, 3, 4)
ASSIMILATED, PRIOR = "simulated, assimilated", "simulated, baseline only"
CONTROL, EMPIRICAL = "no mechanism", "population"
METHODS = (ASSIMILATED, PRIOR, CONTROL, *LAWS, EMPIRICAL)
GRID = np.linspace(np.log(FLOOR_MM), np.log(2.0 * LARGEST_MM), 140)  # ln mm, on which distributions are compared
NEAR_DAYS = 21.0  # readings of other patients that count as of the same day
BOOTSTRAP = 1000
COURSES = 600  # of a population that a lesion is weighed on
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Task:
    """A lesion at a landmark: `n` readings with the baseline are known, those after them are forecast."""

    lesion: Lesion
    landmark: int

    @property
    def n(self) -> int:
        return self.landmark + 1

    @property
    def later(self) -> np.ndarray:
        return self.lesion.days[self.n :]


def some_of(population: Population, n: int = COURSES, seed: int = 1) -> Population:
    """Return courses drawn from a population, with equal weights: a forecast needs no more of them."""
    kept = np.random.default_rng(seed).choice(len(population.weights), n, p=population.weights)
    return replace(population, diameter_mm=population.diameter_mm[kept], weights=np.full(n, 1.0 / n),
                   patient=population.patient[kept])  # fmt: skip


def tasks_of(lesions: Sequence[Lesion]) -> list[Task]:
    """Return every lesion at every landmark that has a reading after it."""
    return [Task(x, k) for x in lesions for k in LANDMARKS if len(x.days) > k + 1]


def score(cdf: np.ndarray, observed: float) -> tuple[float, float, bool, bool]:
    """Return CRPS, absolute error of the median, and whether the 50 and 90 % intervals hold `observed` (ln mm).

    `cdf` on `GRID`; what lies under the floor is an atom there, which any interval that reaches it includes. CRPS is
    the integral of cdf^2 up to the observed value and of (1 - cdf)^2 from it on.
    """
    y = max(observed, float(GRID[0]))
    below, above = (cumulative_trapezoid(f**2, GRID, initial=0.0) for f in (cdf, 1.0 - cdf))
    crps = float(np.interp(y, GRID, below) + above[-1] - np.interp(y, GRID, above))
    return crps, *_places([_at(cdf, q) for q in QUANTILES], y)


def _at(cdf: np.ndarray, q: float) -> float:
    """Return the quantile of a distribution on `GRID`."""
    i = int(np.searchsorted(cdf, q))
    if i == 0 or i == len(GRID):
        return float(GRID[min(i, len(GRID) - 1)])
    part = (q - cdf[i - 1]) / (cdf[i] - cdf[i - 1])
    return float(GRID[i - 1] + part * (GRID[i] - GRID[i - 1]))


def _places(q: Sequence[float], y: float) -> tuple[float, bool, bool]:
    return abs(q[2] - y), q[1] - 1e-9 <= y <= q[3] + 1e-9, q[0] - 1e-9 <= y <= q[4] + 1e-9


def score_sample(values: np.ndarray, observed: float) -> tuple[float, float, bool, bool]:
    """Return the scores of an equally weighted sample (ln mm), exactly: mean |x - y| - mean |x - x'| / 2."""
    y, x = max(observed, float(GRID[0])), np.sort(np.maximum(values, GRID[0]))
    n = len(x)
    spread = float(np.sum((2.0 * np.arange(1, n + 1) - n - 1.0) * x)) / n**2
    return float(np.mean(np.abs(x - y))) - spread, *_places(np.quantile(x, QUANTILES).tolist(), y)


def simulated(task: Task, population: Population, error: ErrorModel, readings: int) -> Forecast:
    """Return the forecast of a task from the population, weighted on the first `readings`."""
    track = track_of(task.lesion, population, readings, error)
    posterior = weigh(population.weights, [track])
    scale = task.lesion.mm[0] / population.diameter_mm[:, :1]
    course = at_days(population.diameter_mm * scale, population.days, task.later, SMALLEST_MM)
    followed: Followed = posterior.followed[0]
    return forecast(course, task.later, followed, posterior.weights, error, smallest_weight=0.02)


def law_points(tasks: Sequence[Task]) -> dict[str, list[np.ndarray]]:
    """Return ln diameter forecast by each law for the later readings of each task."""
    return {name: [law(t.lesion.days[: t.n], t.lesion.mm[: t.n], t.later) for t in tasks] for name, law in LAWS.items()}


def law_errors(tasks: Sequence[Task], points: Sequence[np.ndarray], use: Sequence[int]) -> Errors:
    """Return the errors of a law in the tasks `use`."""
    rows = [
        (tasks[i].landmark, day - tasks[i].lesion.days[tasks[i].n - 1], y - x)
        for i in use
        for day, y, x in zip(tasks[i].later, tasks[i].lesion.log[tasks[i].n :], points[i], strict=True)
    ]
    return Errors.of(*(np.array(c) for c in zip(*rows, strict=True)))


def empirical(lesions: Sequence[Lesion]) -> tuple[np.ndarray, np.ndarray]:
    """Return day and ln change from baseline of all readings of some lesions."""
    return np.concatenate([x.days[1:] for x in lesions]), np.concatenate([x.log[1:] - x.log[0] for x in lesions])


def _close(days: np.ndarray, day: float) -> np.ndarray:
    """Return which readings of others count as of the same day: those near it, at least the nearest 30."""
    away = np.abs(days - day)
    return away <= max(NEAR_DAYS, 0.15 * day, float(np.partition(away, 29)[29]))


def estimate(
    name: str, train: Sequence[Lesion], population: Mapping[tuple[str, str], Population], digest: str
) -> tuple[tuple[ErrorModel, float], tuple[ErrorModel, float]]:
    """Return the error models with and without mechanisms, kept in ``out/serial`` because they take minutes."""
    path = ROOT / "out" / "serial" / f"fit_{name}_{digest[:12]}.json"
    if not path.exists():
        plain = fit(train, population, flat())
        found = fit(train, population, start=plain[0])
        path.write_text(json.dumps([[asdict(m), v] for m, v in (found, plain)]), "utf-8")
    (found, a), (plain, b) = json.loads(path.read_text("utf-8"))
    return (ErrorModel(**found), a), (ErrorModel(**plain), b)


def fold(
    trial: str, lesions: Sequence[Lesion], tasks: Sequence[Task], points: Mapping[str, Sequence[np.ndarray]],
    population: Mapping[tuple[str, str], Population], digest: str,
) -> tuple[Iterator[tuple], dict]:  # fmt: skip
    """Return the scores of one trial, with everything estimated on the others, and what was estimated."""
    train = [x for x in lesions if x.trial != trial]
    (error, fitted), (plain_error, plain_fitted) = estimate(f"without_{trial}", train, population, digest)
    estimated = {
        "simulated": {**asdict(error), "log_likelihood": fitted},
        "no mechanism": {**asdict(plain_error), "log_likelihood": plain_fitted},
        "training lesions": len(train),
    }

    def rows() -> Iterator[tuple]:
        for treatment in REGIMENS:
            mine = [i for i, t in enumerate(tasks) if (t.lesion.trial, t.lesion.treatment) == (trial, treatment)]
            if not mine:
                continue
            other = [i for i, t in enumerate(tasks) if t.lesion.trial != trial and t.lesion.treatment == treatment]
            errors = {name: law_errors(tasks, points[name], other) for name in LAWS}
            prior = np.zeros((0, len(GRID)))
            near_day, near_change = empirical([x for x in train if x.treatment == treatment])
            for i in mine:
                task = tasks[i]
                if task.landmark == LANDMARKS[0]:
                    prior = simulated(task, population[task.lesion.tumor, treatment], error, 1).cdf(GRID)
                found = {
                    ASSIMILATED: simulated(task, population[task.lesion.tumor, treatment], error, task.n).cdf(GRID),
                    PRIOR: prior[task.landmark - LANDMARKS[0] :],  # tasks of a lesion follow each other
                    CONTROL: simulated(task, flat(), plain_error, task.n).cdf(GRID),
                }
                for j, day in enumerate(task.later):
                    observed = float(task.lesion.log[task.n + j])
                    scores = {name: score(c[j], observed) for name, c in found.items()}
                    for name in LAWS:
                        away = day - task.lesion.days[task.n - 1]
                        values = points[name][i][j] + errors[name].at(task.landmark, away)
                        scores[name] = score_sample(values, observed)
                    values = task.lesion.log[0] + near_change[_close(near_day, day)]
                    scores[EMPIRICAL] = score_sample(values, observed)
                    for name in METHODS:
                        yield (trial, treatment, task.lesion.patient, task.landmark, j, float(day), name,
                               *scores[name])  # fmt: skip

    return rows(), estimated


COLUMNS = ["trial", "treatment", "patient", "landmark", "ahead", "day", "method", "crps", "error", "in50", "in90"]
SCORES = ["crps", "error", "in50", "in90"]


def by_patient(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """Return scores with one row a patient, landmark and method: of the next reading, or the mean of all later."""
    rows = table[table["ahead"] == 0] if target == "next" else table
    keys = ["trial", "treatment", "patient", "landmark", "method"]
    return rows.groupby(keys, observed=True, sort=False)[SCORES].mean().reset_index()


def summary(table: pd.DataFrame, groups: Sequence[str]) -> list[dict]:
    """Return mean scores of each method by target, landmark and `groups`."""
    out = []
    for target in ("next", "later"):
        scored = by_patient(table, target)
        for key, rows in scored.groupby([*groups, "landmark", "method"], observed=True, sort=False):
            named: dict = dict(zip([*groups, "landmark", "method"], list(key), strict=True))  # type: ignore[arg-type]
            named["landmark"] = int(named["landmark"])
            out.append({"target": target, **named, "n": len(rows),
                        **{s: round(float(rows[s].mean()), 4) for s in SCORES}})  # fmt: skip
    return out


def differences(table: pd.DataFrame, seed: int = 1) -> list[dict]:
    """Return CRPS of the assimilated population minus that of each other method, with a 95 % bootstrap interval over
    patients; below zero the assimilated population is better."""
    out = []
    for target in ("next", "later"):
        scored = by_patient(table, target)
        for key, rows in scored.groupby(["treatment", "landmark"], sort=False):
            treatment, landmark = key  # type: ignore[misc]
            wide = rows.pivot(index="patient", columns="method", values="crps")
            pick = np.random.default_rng(seed).integers(0, len(wide), (BOOTSTRAP, len(wide)))
            for method in METHODS[1:]:
                change = (wide[ASSIMILATED] - wide[method]).to_numpy()
                low, high = np.quantile(change[pick].mean(axis=1), [0.025, 0.975])
                out.append({"target": target, "treatment": treatment, "landmark": int(landmark), "against": method,
                            "n": len(wide), "difference": round(float(change.mean()), 4),
                            "low": round(float(low), 4), "high": round(float(high), 4)})  # fmt: skip
    return out


def scaling(population: Mapping[tuple[str, str], Population], lesions: Sequence[Lesion]) -> dict:
    """Return rank correlation of baseline size with change at about 12 and 26 weeks, simulated and measured: what
    speaks for or against scaling a course to the baseline."""
    from scipy.stats import spearmanr

    out: dict[str, dict] = {"simulated": {}, "measured": {}}
    for (tumor, regimen), p in population.items():
        log = np.log(np.maximum(p.diameter_mm, SMALLEST_MM))
        for week in (12, 26):
            rho = spearmanr(log[:, 0], log[:, week] - log[:, 0]).statistic
            out["simulated"][f"{tumor} {regimen} week {week}"] = round(float(rho), 3)
    for treatment in REGIMENS:
        for week in (12, 26):
            pairs = [
                (x.log[0], x.log[i] - x.log[0])
                for x in lesions
                if x.treatment == treatment
                for i in np.flatnonzero(np.abs(x.days - 7 * week) <= NEAR_DAYS)[:1]
            ]
            rho = spearmanr(*zip(*pairs, strict=True)).statistic
            out["measured"][f"{treatment} week {week}"] = round(float(rho), 3)
    return out


def main() -> None:
    """Score everything, print it and write results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trial", help="only this trial is tested; nothing is written")
    parser.add_argument("--out", type=Path, help="folder for serial.json and serial.png; without it where they ship")
    options = parser.parse_args()
    data = Path(os.environ.get("TUMORNEXUS_DATA", ROOT.parent / "shared" / "data"))
    if not (data / "laleh2022_lesion_growth").is_dir():
        print(f"skipped: no laleh2022_lesion_growth in {data}; TUMORNEXUS_DATA names the folder that holds it")
        return
    knowledge = load_knowledge()
    every = populations(knowledge, ROOT / "out" / "serial")
    population = {key: some_of(p) for key, p in every.items()}
    lesions, counts = read_lesions(data, HORIZON_DAYS)
    tasks = tasks_of(lesions)
    points = law_points(tasks)
    rows, estimated = [], {}
    for trial in [options.trial] if options.trial else dict.fromkeys(x.trial for x in lesions):
        found, estimated[trial] = fold(trial, lesions, tasks, points, population, knowledge.digest)
        rows += found
        print(f"{trial}: {estimated[trial]}", flush=True)
    table = pd.DataFrame(rows, columns=COLUMNS)
    pooled, against = summary(table, ["treatment"]), differences(table)
    with pd.option_context("display.width", 200, "display.max_rows", 500):
        print(pd.DataFrame(pooled).to_string(index=False))
        print(pd.DataFrame(against).to_string(index=False))
    if options.trial:
        return
    (everything, fitted), _ = estimate("all", lesions, population, knowledge.digest)
    print(f"all trials (what ships): {everything}")
    table.to_csv(ROOT / "out" / "serial" / "scores.tsv.gz", sep="\t", index=False)
    result = {
        "date": datetime.date.today().isoformat(), "knowledge_digest": knowledge.digest, "seed": SEED, "draws": DRAWS,
        "regimens": REGIMENS, "counts": counts, "estimated": estimated,
        "shipped": {**asdict(everything), "log_likelihood": fitted}, "scaling": scaling(every, lesions),
        "log_likelihood_by_share_of_simulated_change": believed(lesions, every, everything),
        "scores": pooled, "scores_by_trial": summary(table, ["trial", "treatment"]), "differences": against,
    }  # fmt: skip
    folder, figures = options.out or RESULTS, options.out or ROOT / "docs" / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serial.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    from serial_figure import draw

    draw(result, lesions, population, everything, figures / "serial.png")


if __name__ == "__main__":
    main()
