"""A made-up virtual trial: tables with the columns that a trial writes and rates that look like one. No biology."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.cohort.survival import lifelines

MONTH = 365.25 / 12.0
CAUSES = ("t_cell_exhaustion", "tgf_beta", "b2m_loss", "treg", "mdsc", "low_tmb", "wnt_beta_catenin", "adenosine",
          "hypoxia", "ifng_pathway_defect", "dense_matrix", "drug_tolerant_persister")  # fmt: skip
ARMS = {"nivolumab + ipilimumab": (0.58, 0.55), "nivolumab": (0.45, 0.28), "ipilimumab": (0.19, 0.27)}
"""Arm to probability that a tumor shrinks and probability of a grade >= 3 event."""


def fake_trial(
    n: int = 300, arms: Sequence[str] | dict[str, tuple[float, float]] = ARMS, months: float = 24.0, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return patients and scans of `n` patients in each arm; the same patients everywhere."""
    rates = arms if isinstance(arms, dict) else dict.fromkeys(arms, (0.4, 0.3))
    rng, end = np.random.default_rng(seed), months * MONTH
    frailty, base = rng.random(n), np.round(rng.lognormal(4.1, 0.45, n), 1)
    patients, scans = [], []
    for arm, (rate, toxic) in rates.items():
        for i in range(n):
            chance = np.random.default_rng((seed, i))  # the same luck in each arm
            shrinks = frailty[i] < rate
            kill, regrow = (chance.uniform(0.006, 0.03), chance.choice([0.0, 0.0, 0.004, 0.008])) if shrinks else (
                chance.uniform(0, 0.004), chance.uniform(0.001, 0.012))  # fmt: skip
            left = chance.uniform(0.65, 1.0) if not shrinks else chance.choice([0.0, 0.1, 0.3, 0.5, 0.6])
            death = chance.exponential(1500 if shrinks else 420)
            dropout = chance.exponential(6000)
            rows, row = _follow(arm, i, base[i], left, kill, regrow, min(end, death, dropout), chance)
            progressed = row.pop("progressed")
            stop = min(end, dropout)
            last = rows[-1]["day"] if rows else 0.0
            if progressed is None:
                dies = death <= stop
                row |= {"pfs_days": death if dies else last, "pfs_event": dies, "reason": "death" if dies else "none"}
            else:
                row |= {"pfs_days": progressed, "pfs_event": True,
                        "reason": chance.choice(["target", "new lesion", "non-target"], p=[0.6, 0.3, 0.1])}  # fmt: skip
            row |= {"os_days": min(death, stop), "os_event": death <= stop}
            responded = row["best"] in ("CR", "PR")
            row["dor_days"] = row["pfs_days"] - row["response_day"] if responded else np.nan
            row["dor_event"] = bool(responded and row["pfs_event"])
            failed = row["reason"] in ("target", "new lesion", "non-target")
            late = responded or row["pfs_days"] > 180
            row["resistance"] = ("secondary" if late else "primary") if failed else "none"
            weights = np.linspace(1, 0.05, len(CAUSES)) ** 2
            named = failed and chance.random() > 0.08
            row["cause"] = chance.choice(CAUSES, p=weights / weights.sum()) if named else ""
            event = chance.random() < toxic
            row["ae3_day"] = float(chance.exponential(60.0)) + 5 if event else np.inf
            if row["ae3_day"] > row["os_days"]:
                row["ae3_day"] = np.inf
            row["left_day"] = dropout if dropout < min(end, death) else np.inf
            row |= {"ipfs_days": row["pfs_days"], "ipfs_event": row["pfs_event"], "tumor": "melanoma", "draw": i % 20}
            patients.append({"arm": arm, "patient": i, **row, "base_mm": base[i], "age": 60.0})
            scans += rows
    columns = ["arm", "patient", "day", "sum_mm", "response"]
    return pd.DataFrame(patients), pd.DataFrame(scans, columns=columns)


def _follow(arm, i, base, left, kill, regrow, stop, chance) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Scan one tumor every 8 weeks until it progresses: its scans and best response."""
    rows, nadir, best, first, progressed, change = [], base, "NE", np.nan, None, np.nan
    for day in np.arange(56.0, stop, 56.0):
        true = base * ((1 - left) * np.exp(-kill * day) + left * np.exp((regrow - kill * 0.3) * day))
        size = float(true * chance.normal(1.0, 0.05))
        size = 0.0 if size < 3.0 else round(size, 1)
        change = np.nanmin([change, 100 * (size / base - 1)])
        if size >= 1.2 * nadir and size >= nadir + 5:
            now, progressed = "PD", float(day)
        else:
            now = "CR" if size == 0 else "PR" if size <= 0.7 * base else "SD"
        nadir = min(nadir, size)
        rows.append({"arm": arm, "patient": i, "day": float(day), "sum_mm": size, "response": now})
        if now in ("CR", "PR") and np.isnan(first):
            first = float(day)
        best = max(best, now, key=("NE", "PD", "SD", "PR", "CR").index)
        if progressed:
            break
    row = {"best": best, "best_unconfirmed": best, "irecist_best": {"NE": "NE", "PD": "iCPD"}.get(best, "i" + best),
           "change_percent": float(change), "response_day": first, "progressed": progressed}  # fmt: skip
    return rows, row


def fake_endpoints(patients: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
    """Return estimates with bootstrap intervals in the layout of ``endpoints.json``; hazard ratios by rate ratio."""
    arms = list(dict.fromkeys(patients["arm"]))
    tables = {arm: patients[patients["arm"] == arm] for arm in arms}
    rng = np.random.default_rng(seed)
    out: dict[str, Any] = {"n": len(tables[arms[0]]), "seed": seed, "arms": {}, "hazard_ratios": {}}
    for arm, table in tables.items():
        n = len(table)
        entries = {
            "orr": table["best"].isin(["CR", "PR"]), "cr": table["best"] == "CR", "pd": table["best"] == "PD",
            "dcr": table["best"].isin(["CR", "PR", "SD"]), "ae3": np.isfinite(table["ae3_day"]),
        }  # fmt: skip
        told = {name: _interval(100 * hit.mean(), 196 * np.sqrt(hit.mean() * (1 - hit.mean()) / n))
                for name, hit in entries.items()}  # fmt: skip
        for name, days, event in (("pfs", "pfs_days", "pfs_event"), ("os", "os_days", "os_event")):
            fit = lifelines().KaplanMeierFitter().fit(table[days], table[event])
            median = float(fit.median_survival_time_) / MONTH
            known = np.isfinite(median)
            told[f"{name}_median"] = (
                {"estimate": median, "low": 0.8 * median, "high": 1.3 * median if median < 16 else None}
                if known
                else {"estimate": None, "low": 14.0, "high": None}
            )
            for month in (6, 12, 24):
                if not (name == "os" and month == 6):
                    told[f"{name}_{month}"] = _interval(100 * float(fit.predict(month * MONTH)), 5.0)
        told["dor_median"] = {"estimate": None, "low": None, "high": None}
        out["arms"][arm] = told
    last = tables[arms[-1]]
    for arm in arms[:-1]:
        out["hazard_ratios"][arm] = {}
        for name in ("pfs", "os"):
            own, other = (
                max(t[f"{name}_event"].sum(), 1) / max(t[f"{name}_days"].sum(), 1) for t in (tables[arm], last)
            )
            ratio = own / other
            spread = np.exp(1.96 * rng.uniform(0.10, 0.14))
            out["hazard_ratios"][arm][name] = {"estimate": ratio, "low": ratio / spread, "high": ratio * spread}
    return out


def _interval(value: float, half: float) -> dict[str, float]:
    return {"estimate": value, "low": max(0.0, value - half), "high": min(100.0, value + half)}
