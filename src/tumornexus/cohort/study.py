"""Cohort mode: what each mechanism has to do with response, PFS and OS, stratum by stratum and pooled.

Takes `CohortTable`s, one a folder. A stratum is one cohort, cancer type and class of treatment; patients of different
strata are never compared. Within a stratum: AUC and odds ratio per standard deviation for response, Cox hazard ratio
per standard deviation for PFS and OS, q over the scores. Over strata: random effects, q over the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumornexus.cohort.association import (
    FEWEST_PER_CLASS,
    associate_response,
    associate_survival,
    benjamini_hochberg,
    pool_associations,
)
from tumornexus.cohort.outcomes import OUTCOMES, CohortTable
from tumornexus.cohort.survival import FEWEST_EVENTS
from tumornexus.errors import InputError, near_misses

STRATA = ("cohort", "cancer_type", "treatment_class")
FEWEST_PATIENTS = 20  # below this an interval spans nearly every value; `--fewest` lowers it knowingly
COLUMNS = (
    "outcome", *STRATA, "score", "n", "events", "auc", "auc_low", "auc_high", "ratio", "low", "high", "log_ratio", "se",
    "p", "q", "note",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class CohortStudy:
    """Associations of a set of cohorts.

    Attributes:
        table: all patients, one row each.
        scores: what was associated.
        outcomes: those that could be looked at.
        associations: one row an outcome, stratum and score (`COLUMNS`): odds ratio of response or hazard ratio per
            standard deviation; `events` are responders for response.
        pooled: one row an outcome and score over strata: `outcome, score, k, ratio, low, high, p, q, tau, i2, low_new,
            high_new`.
        notes: what was left out and why.
    """

    table: pd.DataFrame
    scores: tuple[str, ...]
    outcomes: tuple[str, ...]
    associations: pd.DataFrame
    pooled: pd.DataFrame
    notes: tuple[str, ...]


def check_outcomes(names: Sequence[str]) -> tuple[str, ...]:
    """Outcomes asked for, in their order; all when none is named."""
    spelled = {o.lower(): o for o in OUTCOMES}
    for name in names:
        if name.lower() not in spelled:
            raise InputError("unknown outcome", field="--outcome", value=name, valid=near_misses(name, OUTCOMES))
    return tuple(o for o in OUTCOMES if not names or o.lower() in {n.lower() for n in names})


def usable_outcomes(cohort: CohortTable, asked: Sequence[str], fewest: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """Outcomes of one cohort that say something, and why each of the others does not."""
    usable, why = [], {}
    for outcome in asked:
        if not len(cohort.table):
            why[outcome] = "no outcome column holds a value"
            continue
        if outcome == "response":
            known = cohort.table["response"].dropna()
            ones = int(known.sum())
            classes = {"responders": ones, "non-responders": len(known) - ones}
            lacking = [k for k, v in classes.items() if v < FEWEST_PER_CLASS]
            if not len(known):
                why[outcome] = "no column response or response_binary, or it is empty"
            elif min(classes.values()) == 0:
                why[outcome] = f"one class only ({len(known)} patients, no {lacking[0]})"
            elif lacking:
                why[outcome] = f"fewer than {FEWEST_PER_CLASS} {lacking[0]}"
        else:
            known = cohort.table[f"{outcome}_event"].dropna()
            if not len(known):
                why[outcome] = f"no columns {outcome}_days and {outcome}_event, or they are empty"
            elif int(known.sum()) < FEWEST_EVENTS:
                why[outcome] = f"fewer than {FEWEST_EVENTS} events"
        if outcome not in why and len(known) < fewest:
            why[outcome] = f"{len(known)} patients, fewer than {fewest}"
        if outcome not in why:
            usable.append(outcome)
    return tuple(usable), why


def refuse_useless(cohort: CohortTable, asked: Sequence[str], fewest: int) -> tuple[str, ...]:
    """Outcomes of one cohort that say something; `InputError` when none does, with the reason of each."""
    usable, why = usable_outcomes(cohort, asked, fewest)
    if usable:
        return usable
    left = "; ".join(f"{n} samples: {reason}" for reason, n in cohort.left_out.items())
    raise InputError(
        "the cohort has no outcome to associate with",
        file=cohort.path,
        value="; ".join(f"{k}: {v}" for k, v in why.items()) + (f" ({left})" if left else ""),
        valid=f"a clinical table with response (CR, PR, SD, PD) or response_binary (R, NR), or PFS_days and PFS_event, "
        f"or OS_days and OS_event, for at least {fewest} patients (--fewest) with both outcomes among them",
    )


def _refuse_untested(parts: Sequence[pd.DataFrame], cohorts: Sequence[CohortTable], fewest: int) -> None:
    """Refuse cohorts that fall into strata of which none could be tested, and say why of each stratum."""
    if any(bool(p["p"].notna().any()) for p in parts):
        return
    why = {}
    for part in parts:
        for row in part.drop_duplicates(["outcome", *STRATA]).to_dict("records"):
            stratum = " / ".join(str(row[c]) for c in STRATA)
            why.setdefault(f"{row['outcome']}, {stratum}", f"{row['n']} patients, {row['note'] or 'no result'}")
    shown = "; ".join(f"{k}: {v}" for k, v in list(why.items())[:8]) + ("; ..." if len(why) > 8 else "")
    raise InputError(
        "nothing could be tested: patients are compared within one cohort, cancer type and class of treatment, and "
        "no such stratum is large enough",
        file=cohorts[0].path,
        field="cancer_type, treatment",
        value=shown or "no score was measured",
        valid=f"strata of patients with both outcomes ({FEWEST_PER_CLASS} responders and as many non-responders, or "
        f"{FEWEST_EVENTS} events); one spelling for one cancer type and one treatment",
    )


def study(
    cohorts: Sequence[CohortTable], outcomes: Sequence[str] = OUTCOMES, fewest: int = FEWEST_PATIENTS
) -> CohortStudy:
    """Associate every score with every outcome, in strata and pooled.

    Args:
        cohorts: one a folder, names distinct.
        outcomes: of ``response, PFS, OS``.
        fewest: patients with a known outcome that a cohort needs.

    Raises:
        InputError: a cohort in which no outcome can be used, or no stratum in which any score could be tested.
    """
    usable = {c.name: refuse_useless(c, outcomes, fewest) for c in cohorts}
    found = tuple(o for o in outcomes if any(o in v for v in usable.values()))
    notes = []
    for cohort in cohorts:
        _, why = usable_outcomes(cohort, outcomes, fewest)
        notes += [f"{cohort.name}: {o} left out: {reason}" for o, reason in why.items()]
        notes += [f"{cohort.name}: {n} samples left out: {reason}" for reason, n in cohort.left_out.items()]
    table = pd.concat([c.table for c in cohorts], ignore_index=True)
    scores = tuple(dict.fromkeys(s for c in cohorts for s in c.scores))
    parts, pooled = [], []
    for outcome in found:
        here = table[table["cohort"].isin([n for n, v in usable.items() if outcome in v])]
        known = here[here["response" if outcome == "response" else f"{outcome}_event"].notna()]
        if outcome == "response":
            rows = associate_response(known, list(scores), STRATA)
            rows = rows.rename(columns={"responders": "events", "log_or": "log_ratio", "odds_ratio": "ratio",
                                        "or_low": "low", "or_high": "high"})  # fmt: skip
        else:
            rows = associate_survival(known, list(scores), outcome, STRATA)
            rows = rows.rename(
                columns={"log_hr": "log_ratio", "hazard_ratio": "ratio", "hr_low": "low", "hr_high": "high"}
            )
            rows[["auc", "auc_low", "auc_high"]] = np.nan
        parts.append(rows.assign(outcome=outcome)[list(COLUMNS)])
        whole = pool_associations(rows, "log_ratio").rename(columns={"estimate": "ratio"})
        pooled.append(whole.assign(outcome=outcome))
    _refuse_untested(parts, cohorts, fewest)
    together = pd.concat(pooled, ignore_index=True)
    for outcome in found:
        mine = together["outcome"] == outcome
        together.loc[mine, "q"] = benjamini_hochberg(together.loc[mine, "p"].to_numpy())
    order = ["outcome", "score", "k", "ratio", "low", "high", "p", "q", "tau", "i2", "low_new", "high_new"]
    return CohortStudy(table, scores, found, pd.concat(parts, ignore_index=True), together[order], tuple(notes))
