"""What the coverage page calls a switch: a process, cell, signal or drug taken away moves what it is seen by.

Cases are the `[switch]` tables of ``docs/coverage.toml``. Both arms of every case start from the same state of the six
responsive tumors of `simulated.Tumors` and ride in one ensemble call; they differ in the stated parameters, in the
mechanism that is reversed, or in the drug that is left out. Draws are compared pairwise. Nobody has a severe adverse
event in either arm: its steroids and pauses would hide what a drug does.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest

from by_path import script
from simulated import Tumors, usual
from simulated import untreated as no_drug
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.dynamics import OBSERVABLES
from tumornexus.systemic.solver import treat

SAME = 0.0005  # what rounding of observables to float32 may leave in the logarithm of one that must stay
TINY = 1e-9

SWITCHES = script("build_coverage").read().switch


class Pairs:
    """Both arms of every switch, simulated in one call; arms that several switches share are simulated once."""

    def __init__(self, tumors: Tumors, knowledge: Knowledge) -> None:
        self.n = tumors.n
        self.place: dict[tuple, int] = {}
        drugs = sorted({d for s in SWITCHES.values() for d in (s.drugs, s.drugs_off or ())})
        treatments = {d: usual(knowledge, *d) if d else no_drug(knowledge) for d in drugs}
        values, states, assignment = [], [], []

        def add(key: tuple, parameters: np.ndarray, tumor: str, given: tuple[str, ...]) -> None:
            if key not in self.place:
                parameters = parameters.copy()
                parameters[:, tumors.names.index("toxicity_threshold")] = 1e9
                self.place[key] = len(self.place)
                values.append(parameters)
                states.append(tumors.state[tumor])
                assignment.append(drugs.index(given))

        for name, s in SWITCHES.items():
            own = tumors.values[s.tumor]
            add((s.tumor, s.drugs), own, s.tumor, s.drugs)
            without = (tumors.values[""] if s.reverse else own).copy()
            for parameter, value in s.off.items():
                without[:, tumors.names.index(parameter)] = value
            add((name,), without, s.tumor, s.drugs if s.drugs_off is None else s.drugs_off)
        for key in ((), ("nothing",)):  # twice the same: what no switch at all moves
            add(("", key), tumors.values[""], "", ())
        self.data = treat(
            np.concatenate(values), tumors.names, jax.tree.map(lambda *xs: np.concatenate(xs), *states),
            list(treatments.values()), np.repeat(assignment, self.n),
            keep=sorted({o for s in SWITCHES.values() for o in s.expect}),
        )  # fmt: skip

    def level(self, key: tuple, observable: str, weeks: tuple[int, int]) -> np.ndarray:
        """Return the mean of ln observable over some weeks, both ends included, shape (draw,)."""
        i = self.place[key]
        seen = self.data[observable].values[i * self.n : (i + 1) * self.n, weeks[0] : weeks[1] + 1].astype(float)
        return np.log(np.maximum(seen, TINY)).mean(axis=1)

    def change(self, name: str, observable: str) -> np.ndarray:
        """Return ln observable without over with what the switch takes away, shape (draw,)."""
        s = SWITCHES[name]
        return self.level((name,), observable, s.weeks) - self.level((s.tumor, s.drugs), observable, s.weeks)


@pytest.fixture(scope="module")
def courses(tumors: Tumors, knowledge: Knowledge) -> Pairs:
    return Pairs(tumors, knowledge)


@pytest.mark.simulation
def test_no_arm_fails_numerically(courses: Pairs):
    assert (courses.data["status"].values == 0).all()


@pytest.mark.simulation
def test_nothing_switched_off_moves_nothing(courses: Pairs):
    for observable in courses.data.data_vars:
        if observable in OBSERVABLES:
            levels = [courses.level(("", key), observable, (0, 52)) for key in ((), ("nothing",))]
            np.testing.assert_array_equal(*levels, err_msg=observable)


@pytest.mark.simulation
@pytest.mark.parametrize("switch", list(SWITCHES))
def test_what_is_switched_off_moves_its_observables(switch: str, courses: Pairs):
    case, missed = SWITCHES[switch], []
    for observable, way in case.expect.items():
        change = courses.change(switch, observable)
        if way == "=":
            held = np.abs(change).max() < SAME
        else:
            moved = change if way == "+" else -change
            held = moved.mean() > case.least and (moved > 0.0).mean() >= 0.75
        if not held:
            missed.append(f"{observable} ({way}): {np.round(change, 4)}")
    assert not missed, f"{case.what} off: {'; '.join(missed)}"
