"""What to measure next, over the twin: the value of information on the choice between regimens.

The decision is which of the ranked regimens to give, and its benefit is that of the ranking (response, two-year
control, toxicity and cost with the weights of `ranking.WEIGHTS`; one point is worth one percentage point of response).
Draws of the twin carry which mechanisms are present and what happens under each regimen, so that no new simulation is
needed: an outcome k of a test weights draw j by P(k | presence of the mechanism in draw j),

    value = sum_k max_r sum_j w_j P(k | j) U_jr  -  max_r sum_j w_j U_jr

which is never negative, zero for a test that changes no choice, and largest for a test that is always right (EVPPI of
the mechanism). An input that tells of several mechanisms has at least the value of the best of them, which is what is
given: reweighting a hundred draws by thirty mechanisms at once would leave a handful of draws.

Regimens that a randomized trial refuted are no options. Mechanistic hypotheses are, because most combinations are; a
value that rests on one is marked (`basis`): it orders inputs and is no statement about a probability of response.

A maximum over noisy means is too large. Presence is therefore shuffled over the draws many times; the mean over
shuffles is subtracted, and a value is claimed only where it exceeds the shuffled ones beyond chance over all inputs
(Benjamini-Hochberg, false discovery rate 10 %). What is not claimed is zero, with the noise level beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from tumornexus.activities import named_generator
from tumornexus.design.ranking import TIERS, WEIGHTS
from tumornexus.knowledge import Knowledge
from tumornexus.profile import Profile
from tumornexus.profile.experiment import PERFECT, Experiment
from tumornexus.profile.information import COLUMNS, Option, option_row, options
from tumornexus.systemic.twin import Twin
from tumornexus.trial.recist import recist

SHUFFLES, RESAMPLES = 1000, 400
FALSE_DISCOVERY = 0.1
MOST_CELLS = 4_000_000  # numbers that one chunk of shuffles holds
Z90 = 1.6448536269514722
DECISION = ("decision_value", "low", "high", "perfect_value", "noise", "resolved", "basis")
CALIBRATED, HYPOTHESES = "compared with trials", "mechanistic hypotheses"
ALL_COLUMNS = (*COLUMNS[:5], *DECISION, *COLUMNS[5:])


@dataclass(frozen=True, eq=False)
class Choice:
    """The decision as the draws see it.

    Attributes:
        regimens: names of those that no randomized trial refuted.
        calibrated: (regimen,) which of them have been compared with trials.
        benefit: (draw, regimen), in points.
        weights: (draw,), sum one.
    """

    regimens: tuple[str, ...]
    calibrated: tuple[bool, ...]
    benefit: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Value:
    """Value of one input in points, `low` and `high` its 90 % interval; `noise`: 95 % of shuffled values lie below.

    `perfect` is the value of knowing its best mechanism for certain, `mechanism` that mechanism.
    """

    value: float
    low: float
    high: float
    perfect: float
    noise: float
    resolved: bool
    mechanism: str | None


def choice_of(ranking: pd.DataFrame, trajectories: xr.Dataset, weights: np.ndarray) -> Choice:
    """Return the decision from a ranking and its trajectories, whose regimens stand in the same order."""
    days = trajectories["time"].values
    names, calibrated, columns = [], [], []
    for i, row in enumerate(ranking.to_dict("records")):
        if row["refuted"]:
            continue
        found = recist(trajectories["lesion_volume"].isel(regimen=i).values, days)
        fixed = WEIGHTS["ae3"] * row["ae3"] / 100.0 + WEIGHTS["cost"] * row["cost_tier"]
        columns.append(WEIGHTS["response"] * found.objective + WEIGHTS["durable"] * ~found.progressed + fixed)
        names.append(str(row["regimen"]))
        calibrated.append(row["tier"] != TIERS[2])
    benefit = 100.0 * np.stack(columns, axis=1) if columns else np.zeros((len(weights), 0))
    return Choice(tuple(names), tuple(calibrated), benefit, np.asarray(weights, dtype=float))


def likelihood(test: Experiment, present: np.ndarray) -> np.ndarray:
    """P(outcome | draw), shape (..., outcome, draw), for `present` (..., draw) of truth values."""
    return np.where(present[..., None, :], test.present[:, None], test.absent[:, None])


def gain(choice: Choice, test: Experiment, present: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Value of a test in points, before any correction; `present` (..., draw), `weights` (draw,) or (..., draw)."""
    w = choice.weights if weights is None else weights
    after = (likelihood(test, present) * w[..., None, :]) @ choice.benefit  # (..., outcome, regimen)
    now = (w @ choice.benefit).max(axis=-1)
    return np.maximum(after.max(axis=-1).sum(axis=-1) - now, 0.0)


def _best(choice: Choice, tests: Mapping[str, Experiment], present: Mapping[str, np.ndarray]) -> float:
    """Largest gain over the mechanisms of one input."""
    return max(float(gain(choice, t, present[m])) for m, t in tests.items())


def _best_of_many(
    choice: Choice,
    tests: Mapping[str, Experiment],
    present: Mapping[str, np.ndarray],
    order: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Largest gain of one input for each shuffle of presence, `order` (shuffle, draw), or each of `weights` likewise.

    In chunks, because four thousand draws times a thousand shuffles times the outcomes of a score fill memory.
    """
    rows = order if order is not None else weights
    if rows is None:
        raise ValueError("neither shuffles nor weights")
    step = max(1, MOST_CELLS // (rows.shape[1] * max(len(t.present) for t in tests.values())))
    found = []
    for i in range(0, len(rows), step):
        part = slice(i, i + step)
        every = [
            gain(
                choice, t, present[m] if order is None else present[m][order[part]],
                None if weights is None else weights[part],
            )
            for m, t in tests.items()
        ]  # fmt: skip
        found.append(np.max(every, axis=0))
    return np.concatenate(found)


def values(
    choice: Choice,
    inputs: Sequence[Mapping[str, Experiment]],
    present: Mapping[str, np.ndarray],
    seed: int,
    sample: str,
) -> list[Value]:
    """Value of every input; `present`: mechanism to truth values (draw,); each input maps mechanisms to their tests.

    Mechanisms that are present in all draws or in none cannot tell draws apart and are left out.
    """
    n = len(choice.weights)
    varies = {m for m, p in present.items() if 0 < int(np.sum(p)) < n}
    known = [{m: t for m, t in tests.items() if m in varies} for tests in inputs]
    nothing = Value(0.0, 0.0, 0.0, 0.0, 0.0, False, None)
    if len(choice.regimens) < 2:
        return [nothing] * len(inputs)
    stream = named_generator(seed, "measure_next", sample)
    order = np.argsort(stream.random((SHUFFLES, n)), axis=1)
    again = choice.weights * stream.exponential(size=(RESAMPLES, n))
    again /= again.sum(axis=1, keepdims=True)
    found, chance = [], []
    for tests in known:
        if not tests:
            found.append(nothing)
            chance.append(1.0)
            continue
        raw = _best(choice, tests, present)
        null = _best_of_many(choice, tests, present, order=order)
        spread = float(np.std(_best_of_many(choice, tests, present, weights=again)))
        certain = dict.fromkeys(tests, PERFECT)
        bias = float(np.mean(_best_of_many(choice, certain, present, order=order)))
        value = max(raw - float(null.mean()), 0.0)
        found.append(
            Value(
                value, max(0.0, value - Z90 * spread), value + Z90 * spread,
                max(_best(choice, certain, present) - bias, 0.0), float(np.quantile(null, 0.95)), False,
                max(tests, key=lambda m: float(gain(choice, tests[m], present[m]))),
            )
        )  # fmt: skip
        chance.append((1.0 + float(np.sum(null >= raw - 1e-9))) / (SHUFFLES + 1.0) if raw > 0.0 else 1.0)
    claimed = _discoveries(chance)
    return [
        Value(v.value, v.low, v.high, max(v.perfect, v.value), v.noise, True, v.mechanism)
        if c and v.value > 0.0
        else Value(0.0, 0.0, v.high, 0.0, v.noise, False, v.mechanism)
        for v, c in zip(found, claimed, strict=True)
    ]


def _discoveries(chance: Sequence[float]) -> np.ndarray:
    """Which p-values are discoveries at `FALSE_DISCOVERY` (Benjamini and Hochberg), those of 1 being no hypotheses."""
    p = np.asarray(chance)
    tested = np.flatnonzero(p < 1.0)
    order = tested[np.argsort(p[tested], kind="stable")]
    passed = np.flatnonzero(p[order] <= FALSE_DISCOVERY * np.arange(1, len(order) + 1) / max(len(order), 1))
    claimed = np.zeros(len(p), dtype=bool)
    if len(passed):
        claimed[order[: passed[-1] + 1]] = True
    return claimed


def measure_next(
    profile: Profile, knowledge: Knowledge, twin: Twin, ranking: pd.DataFrame, trajectories: xr.Dataset, seed: int = 0
) -> pd.DataFrame:
    """Return measure_next.tsv of a run: what was not measured, first what is worth most to the choice, then by bits.

    Columns: those of the profile's table and `decision_value` (points of benefit; zero where it is not above the noise
    of the draws), `low`, `high` (90 % interval), `perfect_value` (of a test that is always right), `noise` (95 % of
    shuffled values lie below), `resolved`.
    """
    choice = choice_of(ranking, trajectories, twin.weights)
    listed = options(profile, knowledge)
    present = {m: np.asarray(a) > 0.0 for m, a in twin.activities.items() if twin.effects.get(m)}
    found = values(choice, [o.tests for o in listed], present, seed, profile.sample)
    rows = []
    for option, value in zip(listed, found, strict=True):
        row = option_row(option, profile, knowledge)
        row |= {
            "decision_value": round(value.value, 2), "low": round(value.low, 2), "high": round(value.high, 2),
            "perfect_value": round(value.perfect, 2), "noise": round(value.noise, 2), "resolved": value.resolved,
        }  # fmt: skip
        row["basis"] = _basis(option, value, choice, present)
        row["reason"] = f"{_said(option, value, choice, present, twin, knowledge)}; {row['reason']}"
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(ALL_COLUMNS))
    return table.sort_values(
        ["resolved", "decision_value", "information_bits", "input"], ascending=[False, False, False, True],
        kind="stable", ignore_index=True,
    )  # fmt: skip


def chosen(choice: Choice, test: Experiment, present: np.ndarray) -> tuple[int, int]:
    """Return the best regimen after a result that speaks for the mechanism and after one that does not."""
    speaks = test.present > test.absent
    sides = [choice.weights * likelihood(test, present)[side].sum(axis=0) for side in (speaks, ~speaks)]
    first, second = (int(np.argmax(w @ choice.benefit)) for w in sides)
    return first, second


def _basis(option: Option, value: Value, choice: Choice, present: Mapping[str, np.ndarray]) -> str:
    """Whether all regimens that a result would choose between have been compared with trials."""
    if value.mechanism is None or len(choice.regimens) < 2:
        return ""
    now = int(np.argmax(choice.weights @ choice.benefit))
    picked = (now, *chosen(choice, option.tests[value.mechanism], present[value.mechanism]))
    return CALIBRATED if all(choice.calibrated[i] for i in picked) else HYPOTHESES


def _said(
    option: Option, value: Value, choice: Choice, present: Mapping[str, np.ndarray], twin: Twin, knowledge: Knowledge
) -> str:
    """Say what a measurement would do to the choice."""
    if len(choice.regimens) < 2:
        return "no choice to inform: fewer than two ranked regimens"
    if value.mechanism is None:
        modeled = [m for m in option.tests if m in present]
        return (
            "its mechanisms are the same in all draws" if modeled else "none of its mechanisms acts in the simulation"
        )
    if not value.resolved:
        return f"value for the choice not above the noise of {twin.n_draws} draws ({value.noise:.1f} points)"
    test, here = option.tests[value.mechanism], present[value.mechanism]
    names = [choice.regimens[i] for i in chosen(choice, test, here)]
    name = knowledge.mechanisms[value.mechanism].name
    if names[0] == names[1]:
        return f"a clear result on {name} could change the choice"
    return f"with {name} {names[0]} does best, without it {names[1]}"
