"""Errors a user can act on.

Every error that reaches a user names the file, the field, the offending value and what would have been
valid. The command line turns a `NexusError` into one clear message and exit code 2; anything else is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class NexusError(Exception):
    """Base of every error caused by input rather than by a defect in the program.

    Parameters are keyword-only and optional; those given are woven into one sentence.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
        value: object = None,
        valid: str | None = None,
    ) -> None:
        self.problem, self.file, self.line, self.field, self.value, self.valid = (
            problem,
            file,
            line,
            field,
            value,
            valid,
        )
        parts = (f"{file}" if file else "", f"line {line}" if line else "", f"field '{field}'" if field else "")
        where = ", ".join(part for part in parts if part)
        got = f" (got {value!r})" if value is not None else ""
        stop = "" if problem.rstrip().endswith((".", "?", "!")) and not got else "."
        hint = ""
        if valid and valid.startswith("did you mean"):
            # A near miss ends the sentence as a question; everything else is a list of what would have been valid.
            stop, hint = "", f"; {valid}"
        elif valid:
            hint = f" Valid: {valid.rstrip('.')}."
        super().__init__(f"{where + ': ' if where else ''}{problem}{got}{stop}{hint}")


class InputError(NexusError):
    """A patient, cohort or option file or value cannot be used as it is."""


class KnowledgeFormError(NexusError):
    """A knowledge record does not have the required form (missing field, wrong type)."""


class KnowledgeMeaningError(NexusError):
    """A well-formed knowledge record says something that cannot be true or resolved."""


class RegimenError(NexusError):
    """A regimen string cannot be read or names an infeasible dose or schedule."""


class TrajectoryWarning(UserWarning):
    """Some trajectories of an ensemble failed numerically; the others are returned."""


class SimulationError(NexusError):
    """A simulation as a whole could not be carried out."""


def near_misses(name: str, known: Iterable[str], n: int = 5) -> str:
    """Return a hint listing the known names closest to `name`, or some of them when nothing is close."""
    known = sorted(set(known))
    lowered = {k.lower(): k for k in reversed(known)}
    close = [lowered[k] for k in difflib.get_close_matches(name.lower(), list(lowered), n=n, cutoff=0.6)]
    if close:
        return "did you mean " + ", ".join(close) + "?"
    shown = ", ".join(known[:12])
    return shown + (f", ... ({len(known)} in all)" if len(known) > 12 else "")
