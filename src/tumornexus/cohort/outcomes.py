"""Outcomes of profiled patients: response, PFS and OS from clinical facts, and what each patient was given.

One row a patient, before treatment. Who is left out is counted with the reason, and a value that is no outcome is an
error that names it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.patient import Patient
from tumornexus.io.tables import to_number
from tumornexus.io.timepoint import is_before
from tumornexus.profile.profile import Profile
from tumornexus.profile.response import CTLA4_AGENTS, PD1_AGENTS

OUTCOMES = ("response", "PFS", "OS")
_BINARY = {"r": 1.0, "nr": 0.0, "yes": 1.0, "no": 0.0, "1": 1.0, "0": 0.0, "true": 1.0, "false": 0.0}
_BEST = {"cr": 1.0, "pr": 1.0, "sd": 0.0, "pd": 0.0, "r": 1.0, "nr": 0.0}
_NOT_EVALUABLE = ("", "ne", "na", "not evaluable", "unknown", "nd")
_LONG = {"complete response": "cr", "partial response": "pr", "stable disease": "sd", "progressive disease": "pd"}


@dataclass(frozen=True, eq=False)
class CohortTable:
    """Patients of one cohort.

    Attributes:
        name: of the cohort; path: its folder.
        table: one row a patient: `sample, patient, cohort, cancer_type, treatment_class, response, PFS_days, PFS_event,
            OS_days, OS_event`, then one column a score.
        scores: names of these columns (those that were measured in some patient).
        left_out: reason to number of samples.
    """

    name: str
    path: Path
    table: pd.DataFrame
    scores: tuple[str, ...]
    left_out: dict[str, int]


def treatment_class(words: object) -> str:
    """Class of what was given: ``PD-1``, ``CTLA-4``, ``PD-1 + CTLA-4``, the same with ``+ other``, or the words given.

    Only the words before a comma or "after" count: what follows is earlier treatment in published tables.
    """
    text = re.split(r",|\bafter\b", str(words or "").lower())[0].strip()
    if not text:
        return "not given"
    pd1 = any(a in text for a in (*PD1_AGENTS, "pd-1", "pd-l1", "pd1", "pdl1", "pd-(l)1"))
    ctla4 = any(a in text for a in (*CTLA4_AGENTS, "ctla"))
    if not (pd1 or ctla4):
        return text
    known = r"pd-?l?1|pd-\(l\)1|ctla-?4|anti|blockade|and|mono(therapy)?|combo|combination|" + "|".join(
        (*PD1_AGENTS, *CTLA4_AGENTS)
    )
    rest = re.sub(known, " ", text)
    other = bool(re.search(r"[a-z]{4,}", rest)) and bool(re.search(r"\+|&|/|\band\b|\bwith\b|\bplus\b", text))
    name = "PD-1 + CTLA-4" if pd1 and ctla4 else "PD-1" if pd1 else "CTLA-4"
    return f"{name} + other" if other else name


def response_of(facts: Mapping[str, object], path: Path) -> float:
    """1 for an objective response, 0 for none, NaN where it is not known.

    ``response_binary`` (R or NR) comes before ``response`` (RECIST: CR and PR respond, SD and PD do not).
    """
    for column, words in (("response_binary", _BINARY), ("response", _BEST)):
        said = str(facts.get(column) or "").strip().lower()
        said = _LONG.get(said, said)
        if said in words:
            return words[said]
        if said not in _NOT_EVALUABLE:
            valid = "R or NR" if column == "response_binary" else "CR, PR, SD, PD, or NE and empty where not known"
            raise InputError("a word that is no response", file=path, field=column, value=said, valid=valid)
    return float("nan")


def followed(facts: Mapping[str, object], endpoint: str, path: Path) -> tuple[float, float]:
    """Days and event (1 or 0) of an endpoint; NaN for both unless both are given."""
    columns = f"{endpoint}_days", f"{endpoint}_event"
    days, event = (to_number(_text(facts.get(c)), path, c, v) for c, v in zip(columns, ("days", "1 or 0"), strict=True))
    if event is not None and event not in (0.0, 1.0):
        raise InputError(
            "an event that is neither yes nor no", file=path, field=columns[1], value=event, valid="1 or 0"
        )
    if days is None or event is None:
        return float("nan"), float("nan")
    return float(days), float(event)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def cohort_table(profiles: Iterable[Profile], name: str, path: Path) -> CohortTable:
    """Table of one cohort from its profiles, one sample a patient, before treatment.

    Scores are the mean activity of each mechanism that was measured (else NaN), ``icb_response_score`` and
    ``inflamed_score``.
    """
    rows, left_out, seen = [], Counter[str](), set[str]()
    for profile in profiles:
        patient: Patient = profile.patient
        facts = patient.clinical
        if not is_before(facts.get("timepoint")):
            left_out["not taken before treatment"] += 1
            continue
        if patient.patient in seen:
            left_out["a further sample of the same patient"] += 1
            continue
        outcome: dict[str, float] = {"response": response_of(facts, path)}
        for endpoint in OUTCOMES[1:]:
            outcome[f"{endpoint}_days"], outcome[f"{endpoint}_event"] = followed(facts, endpoint, path)
        if all(np.isnan(v) for v in outcome.values()):
            left_out["no outcome"] += 1
            continue
        seen.add(patient.patient)
        measured = {n: a.mean for n, a in profile.activities.by_mechanism.items() if a.origin == "measured"}
        rows.append({
            "sample": profile.sample, "patient": patient.patient, "cohort": name, "cancer_type": profile.tumor,
            "treatment_class": treatment_class(facts.get("treatment")), **outcome,
            "icb_response_score": profile.icb.score, "inflamed_score": profile.inflamed_score, **measured,
        })  # fmt: skip
    table = pd.DataFrame(rows)
    fixed = ("sample", "patient", "cohort", "cancer_type", "treatment_class")
    if len(table):
        numbers = [c for c in table.columns if c not in fixed]
        table[numbers] = table[numbers].astype(float)
        table = table.dropna(axis=1, how="all")
        for column in ("response", *(f"{e}_{k}" for e in OUTCOMES[1:] for k in ("days", "event"))):
            if column not in table.columns:
                table[column] = np.nan
    outcomes = ("response", "PFS_days", "PFS_event", "OS_days", "OS_event")
    scores = tuple(c for c in table.columns if c not in (*fixed, *outcomes))
    return CohortTable(name, Path(path), table, scores, dict(left_out))
