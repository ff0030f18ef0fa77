"""Every row of the table of published outcomes is an arm here, with the same numbers and in the same order."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from by_path import script
from facts import facts
from tumornexus.knowledge import load_knowledge
from tumornexus.knowledge.check import SIMULATED_ENDPOINTS

CATALOGUE = load_knowledge()


def _columns() -> dict[str, str]:
    return dict(script("build_trials").OUTCOMES)


def _number(text: str) -> float | None:
    found = re.fullmatch(r"~?(\d+(?:\.\d+)?)", text.strip())
    return float(found.group(1)) if found else None


def test_every_row_is_an_arm_with_its_numbers() -> None:
    by_trial: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in facts("trials.tsv"):
        by_trial[row["trial"]].append(row)
    columns = _columns()
    for name, rows in by_trial.items():
        trial = CATALOGUE.trial(name)
        assert trial.name == name
        assert trial.disease == rows[0]["cancer"]
        assert len(trial.arm) == len(rows), name
        assert trial.negative == any("NEGATIVE" in row["notes"] for row in rows), name
        for row, arm in zip(rows, trial.arm, strict=True):
            where = f"{name}, {arm.name}"
            assert arm.regimen_text == f"{row['drugs']}: {row['dose_schedule']}", where
            n = re.search(r"\d+", row["n"])
            assert arm.n == (int(n.group()) if n else None), where
            for field, column in columns.items():
                assert getattr(arm.outcome, field) == _number(row[column]), f"{where}, {field}"
            from_memory = "" if row["fields_from_memory"] == "none" else row["fields_from_memory"]
            assert (arm.from_memory or "") == from_memory, where
            assert arm.control == row["arm"].startswith("control"), where


def test_numbers_of_the_table_are_read_as_printed() -> None:
    """Columns hold a number, nothing, "not reached" or the reference of a hazard ratio, and nothing else."""
    odd = {
        row[column].strip()
        for row in facts("trials.tsv")
        for column in _columns().values()
        if _number(row[column]) is None
    }
    assert odd <= {"", "NR", "ref"}


@pytest.mark.parametrize("trial", list(CATALOGUE.trials))
def test_a_trial_is_simulated_or_says_why_not(trial: str) -> None:
    record = CATALOGUE.trials[trial]
    covered = record.tumor is not None and record.endpoint in SIMULATED_ENDPOINTS
    assert covered or record.out_of_scope
    if record.out_of_scope:
        assert len(record.out_of_scope) > 20
