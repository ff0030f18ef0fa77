"""The exported model in libRoadRunner: load a regimen once, run any of its patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumornexus.errors import SimulationError
from tumornexus.systemic.export.equations import Equations, Quantity

# libRoadRunner gives doses of day 0 while it resets, with the patient that it has then; for the next patient they are
# due just after the start.
START_DAY = 1e-9
MOST_STEPS = 50_000  # between two times that are read


class Runner:
    """A file of `export_sbml` in libRoadRunner; compiling it takes seconds, changing the patient does not."""

    def __init__(self, path: str | Path, equations: Equations) -> None:
        try:
            import roadrunner
        except ImportError:
            raise SimulationError(
                'running SBML needs libRoadRunner; install it with: pip install "tumornexus[verify]"'
            ) from None
        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)  # errors are raised as well
        self.runner: Any = roadrunner.RoadRunner(str(path))
        self.equations = equations
        self.states = tuple(equations.rates)

    def set_patient(self, quantities: Mapping[str, Quantity] | None = None) -> None:
        """Go back to the start with the constants and states of a patient (`quantities_of`); default: the file's."""
        self.runner.resetAll()
        for name, own in self.equations.quantities.items():
            quantity = (quantities or {}).get(name, own)
            value = quantity.value
            if name.startswith(("dose_", "intake_")) and name.endswith("_day") and value < START_DAY:
                value = START_DAY
            self.runner[name] = value

    def run(
        self, days: Sequence[float] | np.ndarray, columns: Sequence[str], *, rtol: float | None = None,
        atol: float | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Return `columns` on `days`, of which the first is 0, (time, column); CVODE's tolerances by default."""
        integrator = self.runner.getIntegrator()
        if rtol is not None:
            integrator.setValue("relative_tolerance", rtol)
        if atol is not None:
            # One number would be multiplied by the initial value of each state, which for a rare clone is next to zero.
            integrator.setValue("absolute_tolerance", [atol] * len(self.states))
        integrator.setValue("maximum_num_steps", MOST_STEPS)
        self.runner.timeCourseSelections = list(columns)
        try:
            return np.array(self.runner.simulate(times=list(map(float, days))))
        except RuntimeError as error:
            raise SimulationError(f"libRoadRunner stopped: {error}") from None

    def rates(self, values: Mapping[str, float]) -> np.ndarray:
        """Return the rates of change of all states, (state,), with some quantities set."""
        for name, value in values.items():
            self.runner[name] = value
        return np.array([self.runner[f"{name}'"] for name in self.states])
