"""libRoadRunner in a process of its own: ``python -m tumornexus.systemic.export.roadrunner_process``.

Reads pickled requests (action, arguments) from standard input, the first of them the path of an SBML file, and answers
each with (True, result) or (False, message). `roadrunner.Runner` starts it.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MOST_STEPS = 50_000  # between two times that are read


class Model:
    """A loaded file and what can be asked of it."""

    def __init__(self, path: str) -> None:
        import roadrunner

        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)  # errors are raised as well
        # The newer of its two compilers takes seconds where the other takes minutes.
        roadrunner.Config.setValue(roadrunner.Config.LLVM_BACKEND, roadrunner.Config.LLJIT)
        self.runner: Any = roadrunner.RoadRunner(path)

    def start(self, values: Mapping[str, float]) -> None:
        """Go back to the start, with quantities set."""
        self.runner.resetAll()
        for name, value in values.items():
            self.runner[name] = value

    def run(
        self, times: Sequence[float], columns: Sequence[str], rtol: float | None, atol: Sequence[float] | None
    ) -> np.ndarray:  # fmt: skip
        """Return columns at times, (time, column)."""
        integrator = self.runner.getIntegrator()
        if rtol is not None:
            integrator.setValue("relative_tolerance", rtol)
        if atol is not None:
            integrator.setValue("absolute_tolerance", list(atol))
        integrator.setValue("maximum_num_steps", MOST_STEPS)
        self.runner.timeCourseSelections = list(columns)
        return np.array(self.runner.simulate(times=list(times)))

    def rates(self, values: Mapping[str, float], states: Sequence[str], time: float) -> np.ndarray:
        """Return rates of change at a time, (state,), with quantities set."""
        self.runner.model.setTime(time)
        for name, value in values.items():
            self.runner[name] = value
        return np.array([self.runner[f"{name}'"] for name in states])


def main() -> None:
    """Answer requests until there are no more."""
    # CVODE prints warnings to standard output: they go to standard error, or they would stand between answers.
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    model: Model | None = None
    while True:
        try:
            action, arguments = pickle.load(requests)
        except EOFError:
            return
        try:
            if model is None:
                model, result = Model(*arguments), None
            else:
                result = getattr(model, action)(*arguments)
            reply = (True, result)
        except Exception as error:
            reply = (False, f"{type(error).__name__}: {error}")
        pickle.dump(reply, replies)
        replies.flush()


if __name__ == "__main__":
    main()
