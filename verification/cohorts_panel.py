"""Clinical facts and burden without expression: our model and the six-feature regression. Used by `cohorts`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from build_response_model import PANEL, PANEL_FEATURES, Rows, fit_panel, map_logistic, panel_rows
from cohorts_fold import FORMS, with_burden_form

from tumornexus.cohort import PooledAuc, auc_interval, calibration, pooled_auc, pooled_difference
from tumornexus.knowledge import Knowledge
from tumornexus.profile.response import icb_score, response_base_rates, unknown_base

# Sources of the panel that are one study, and those that are one hospital.
ONE_STUDY = {"Chowell_train": "Chowell", "Chowell_test": "Chowell"}
ONE_HOSPITAL = dict.fromkeys(("Chowell_train", "Chowell_test", "MSK1", "MSK2", "Vanguri_NSCLC"), "MSK")


def described(found: PooledAuc) -> dict[str, Any]:
    """Plain data of a pooled figure."""
    return {
        "estimate": round(found.estimate, 4), "low": round(found.low, 4), "high": round(found.high, 4), "n": found.n,
        "responders": found.responders, "cohorts": len(found.by_cohort), "left_out": list(found.left_out),
        "excludes_zero": found.excludes_zero,
    }  # fmt: skip


def six_features(rows: Rows, raw: pd.DataFrame) -> np.ndarray:
    """The six published features, limited as published: age 85, TMB 50, NLR 25; prior therapy, albumin, cancer type.

    The limits are from memory of Chang et al. 2024, not looked up; TMB, age, NLR and albumin are standardized.
    """
    values = [
        pd.to_numeric(raw[c], errors="coerce").clip(upper=limit)
        for c, limit in (("Age", 85.0), ("TMB", 50.0), ("NLR", 25.0), ("Albumin", 10.0))
    ]
    numbers = [((v - v.mean()) / v.std()).fillna(0.0).to_numpy() for v in values]
    prior = pd.to_numeric(raw["Systemic_therapy_history"], errors="coerce")
    return np.column_stack(
        [*numbers, prior.fillna(prior.mean()).to_numpy(), pd.get_dummies(raw["CancerType"]).to_numpy()]
    )


def clinical_panel(folder: Path, knowledge: Knowledge) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Clinical facts and TMB without expression, leaving out sources; ours and the six-feature logistic regression."""
    rows = panel_rows(folder / PANEL, knowledge)
    raw = pd.read_csv(folder / PANEL / "clinical.tsv.gz", sep="\t", dtype=str)
    raw = raw[raw["response_binary"].isin(["R", "NR"])].reset_index(drop=True)
    rates, six = response_base_rates(knowledge), six_features(rows, raw)
    summary: dict[str, Any] = {}
    tables = []
    for label, groups in (("study", ONE_STUDY), ("hospital", ONE_HOSPITAL)):
        source = np.array([groups.get(n, n) for n in rows.cohort], dtype=object)
        ours, theirs, predicted = (np.full(len(rows.y), np.nan) for _ in range(3))
        for name in sorted(set(source)):
            here = source == name
            model = fit_panel(Rows(*(v[~here] for v in rows)), rates)
            for i in np.flatnonzero(here):
                features = {n: float(v) for n, v in zip(PANEL_FEATURES, rows.x[i], strict=True) if np.isfinite(v)}
                ours[i] = predicted[i] = icb_score(features, rows.tumor[i], rates, model).score
            design = np.column_stack([six[~here], np.ones((~here).sum())])
            b, _ = map_logistic(
                design, rows.y[~here], np.zeros(design.shape[1]), np.diag([1.0] * six.shape[1] + [1e-4])
            )
            theirs[here] = np.column_stack([six[here], np.ones(here.sum())]) @ b
        tmb = rows.x[:, PANEL_FEATURES.index("log2_tmb")]
        forms = {f"burden_{form}": np.full(len(rows.y), np.nan) for form in FORMS}
        for form in FORMS:
            changed = with_burden_form(rows, form, PANEL_FEATURES.index("log2_tmb"), knowledge)
            for name in sorted(set(source)):
                here = source == name
                model = fit_panel(Rows(*(v[~here] for v in changed)), rates)
                base = np.array([model.intercepts.get(t, rates.get(t) or unknown_base())[0] for t in rows.tumor[here]])
                x = np.nan_to_num(changed.x[here] - model.center) @ model.coefficients
                forms[f"burden_{form}"][here] = base + x
        for score, x in (("ours", ours), ("six_feature", theirs), ("tmb", tmb), *forms.items()):
            found = pooled_auc(x, rows.y, source)
            summary.setdefault(label, {})[score] = described(found) | {
                "one_pot": round(float(pooled_auc(x, rows.y, np.full(len(x), "all")).estimate), 4)
            }
            for name in sorted(set(source)):
                here = (source == name) & np.isfinite(x)
                tables.append((label, score, name, int(here.sum()), int(rows.y[here].sum()),
                               *auc_interval(x[here], rows.y[here])))  # fmt: skip
            tables.append((label, score, "pooled", found.n, found.responders, found.estimate, found.low, found.high))
        for other, x in (("six_feature", theirs), ("tmb", tmb)):
            summary[label][f"ours_minus_{other}"] = described(pooled_difference(ours, x, rows.y, source))
        scale = calibration(predicted, rows.y, source)
        summary[label]["calibration"] = {k: v for k, v in vars(scale).items() if k != "bins"}
        if label == "study":
            kept = pd.DataFrame({"predicted": predicted, "response": rows.y, "cohort": source})
    columns = ["left_out", "score", "source", "n", "responders", "auc", "low", "high"]
    return pd.DataFrame(tables, columns=columns), summary, kept
