"""The exported model in libRoadRunner: load a regimen once, run any of its patients."""

from __future__ import annotations

import contextlib
import importlib.util
import pickle
import select
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumornexus.errors import SimulationError
from tumornexus.systemic.export.equations import Equations, Quantity

# libRoadRunner gives doses of day 0 while it resets, with the patient that it has then; for the next patient they are
# due just after the start.
START_DAY = 1e-9


def _stop(process: subprocess.Popen) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # the process may be gone already
                pipe.close()
    process.kill()
    process.wait()


class Runner:
    """A file of `export_sbml` in libRoadRunner; compiling it takes seconds, changing the patient does not.

    libRoadRunner works in a process of its own (`roadrunner_process`): its quick compiler crashes where JAX has
    compiled much before, and its other one needs minutes.
    """

    def __init__(self, path: str | Path, equations: Equations) -> None:
        if importlib.util.find_spec("roadrunner") is None:
            raise SimulationError(
                'running SBML needs libRoadRunner; install it with: pip install "tumornexus[verify]"'
            ) from None
        self.equations = equations
        self.states = tuple(equations.rates)
        self._path = str(path)
        self._load()

    def _load(self) -> None:
        command = [sys.executable, "-m", "tumornexus.systemic.export.roadrunner_process"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        weakref.finalize(self, _stop, self._process)
        self._ask("load", self._path)

    def _ask(self, action: str, *arguments: Any, limit_s: float | None = None) -> Any:
        """Return what the process answers to an action of `roadrunner_process.Model`."""
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            pickle.dump((action, arguments), requests)
            requests.flush()
            if not select.select([replies], [], [], limit_s)[0]:
                _stop(self._process)
                self._load()
                raise SimulationError(f"libRoadRunner did not finish within {limit_s:g} s")
            done, result = pickle.load(replies)
        except (EOFError, OSError):
            raise SimulationError("the process of libRoadRunner ended", value=self._process.poll()) from None
        if not done:
            raise SimulationError(f"libRoadRunner stopped: {result}")
        return result

    def set_patient(self, quantities: Mapping[str, Quantity] | None = None) -> None:
        """Go back to the start with the constants and states of a patient (`quantities_of`); default: the file's."""
        values = {}
        for name, own in self.equations.quantities.items():
            value = (quantities or {}).get(name, own).value
            if name.startswith(("dose_", "intake_")) and name.endswith("_day") and value < START_DAY:
                value = START_DAY
            values[name] = value
        self._ask("start", values)

    def run(
        self, days: Sequence[float] | np.ndarray, columns: Sequence[str], *, rtol: float | None = None,
        atol: float | None = None, limit_s: float | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Return `columns` on `days`, of which the first is 0, (time, column); CVODE's tolerances by default.

        Raises:
            SimulationError: CVODE stopped, or was not done within `limit_s` seconds; the next patient must then be set
                anew.
        """
        # One number would be multiplied by the initial value of each state, which for a rare clone is next to zero.
        each = None if atol is None else [atol] * len(self.states)
        return self._ask("run", list(map(float, days)), list(columns), rtol, each, limit_s=limit_s)

    def rates(self, values: Mapping[str, float], *, day: float = 0.0) -> np.ndarray:
        """Return the rates of change of all states on a day, (state,), per day, with some quantities set."""
        return self._ask("rates", dict(values), self.states, day)
