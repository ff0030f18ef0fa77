"""Decision curves of `predictive`: rules fitted on one trial and judged on the other, and the score within arms."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.cohort import auc_interval, calibration
from tumornexus.cohort.decision import DecisionCurve, decision_curve, net_benefit
from tumornexus.cohort.survival import lifelines

DECISION = {"OS": (365.0, np.arange(-0.10, 0.2001, 0.02)), "PFS": (182.0, np.arange(-0.10, 0.2001, 0.02))}
RULES = {
    "blood TMB": "burden",
    "blood TMB ≥ 16": "burden_high",
    "response score": "score_with_burden",
    "STK11 or KEAP1": "stk11_or_keap1_plasma",
}


def predicted_benefit(
    train: pd.DataFrame, test: pd.DataFrame, marker: str | None, endpoint: str, day: float
) -> np.ndarray:
    """Risk by `day` under docetaxel minus that under atezolizumab for the test patients, Cox model on the others."""
    columns = ["treated"]
    sets = [train.assign(days=train[f"{endpoint}_days"], event=train[f"{endpoint}_event"]), test.copy()]
    if marker is not None:
        columns += ["z", "both"]
    risks = {}
    center = float(train[marker].mean()) if marker is not None else 0.0
    for t in sets:
        if marker is not None:
            t["z"] = t[marker] - center
            t["both"] = t["z"] * t["treated"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lifelines().CoxPHFitter().fit(sets[0][[*columns, "days", "event"]], "days", "event")
        for arm in (0.0, 1.0):
            given = sets[1].assign(treated=arm)
            if marker is not None:
                given["both"] = given["z"] * arm
            risks[arm] = 1.0 - model.predict_survival_function(given[columns], times=[day]).to_numpy()[0]
    return risks[0.0] - risks[1.0]


def decisions(table: pd.DataFrame, draws: int) -> dict[str, DecisionCurve]:
    """Decision curves by endpoint: each rule is fitted on one trial and judged on the other."""
    known = table.dropna(subset=list(RULES.values())).reset_index(drop=True)
    found = {}
    for endpoint, (day, thresholds) in DECISION.items():
        benefits = {name: np.full(len(known), np.nan) for name in ("same for all", *RULES)}
        for trial in known["cohort"].unique():
            test = (known["cohort"] == trial).to_numpy()
            for name in benefits:
                benefits[name][test] = predicted_benefit(known[~test], known[test], RULES.get(name), endpoint, day)
        columns = [known[c].to_numpy(dtype=float) for c in ("treated", f"{endpoint}_days", f"{endpoint}_event")]
        found[endpoint] = decision_curve(benefits, *columns, day, thresholds, known["cohort"].to_numpy(), draws=draws)
    return found


def beats(decision: pd.DataFrame) -> dict[str, list[float]]:
    """Thresholds at which a rule is above treating all and above treating nobody, both intervals above 0."""
    sure = decision[(decision["over_low"] > 0) & (decision["low"] > 0)]
    keys = decision.loc[~decision["rule"].isin(["treat all", "same for all"]), ["endpoint", "rule"]].drop_duplicates()
    return {
        f"{e}: {r}": sure.loc[(sure["endpoint"] == e) & (sure["rule"] == r), "threshold"].round(2).tolist()
        for e, r in keys.to_numpy()
    }


def score_in_arms(table: pd.DataFrame, draws: int) -> dict[str, Any]:
    """The response score in each arm: discrimination, and under atezolizumab calibration and net benefit."""
    known, found = table.dropna(subset="score_with_burden"), {}
    for arm, own in known.groupby("treatment"):
        area = auc_interval(own["score_with_burden"].to_numpy(), own["response"].to_numpy())
        found[f"auc_{arm}"] = {
            "auc": [round(v, 4) for v in area],
            "n": len(own),
            "responders": int(own["response"].sum()),
        }
    own = known[known["treated"] == 1]
    p, y = own["icb_response_score"].to_numpy(), own["response"].to_numpy()
    scale = calibration(p, y, own["cohort"].to_numpy())
    found["calibration"] = {k: round(float(getattr(scale, k)), 4) for k in
                            ("slope", "slope_low", "slope_high", "in_the_large", "brier", "brier_of_rate")}  # fmt: skip
    thresholds, rng = np.array([0.05, 0.10, 0.15, 0.20, 0.25, 0.30]), np.random.default_rng(1)
    samples = []
    for i in range(draws + 1):
        rows = np.arange(len(y)) if i == 0 else rng.integers(0, len(y), len(y))
        ours, every = net_benefit(p[rows], y[rows], thresholds), net_benefit(np.ones(len(y)), y[rows], thresholds)
        samples.append([ours, ours - every, ours - np.maximum(every, 0.0)])
    values = np.array(samples)
    low, high = np.quantile(values[1:], (0.025, 0.975), axis=0)
    found["net_benefit"] = {
        word: [[round(float(v), 4) for v in (values[0, i, j], low[i, j], high[i, j])] for j in range(len(thresholds))]
        for i, word in enumerate(("score", "minus_treat_all", "minus_better_of_all_and_none"))
    } | {"thresholds": thresholds.tolist()}
    return found
