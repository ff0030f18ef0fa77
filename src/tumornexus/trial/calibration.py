"""What calibration changes: shifts of population parameters, with their joint uncertainty, as one artefact.

A shift moves the median of a parameter in every tumor type alike, on the logarithmic scale (logit where the parameter
lives in [0, 1]): drugs and laws are universal, tumors differ by what is known of them. Nothing is fitted for one tumor
type or one trial.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from tumornexus.activities import named_generator
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge

# Standard deviation of the prior of each shift. The record's value is the center and its range the limit; widths say
# how far a value that nobody has measured in patients may lie from the one that was set by hand (0.4: a factor of 2.2
# either way, 95 %), narrower where data or small effects bind it.
PRIOR_SD: Mapping[str, float] = {
    # recognition and killing
    "antigenicity_half": 0.4, "antigenicity_power": 0.2, "cd8_kill_rate": 0.4, "contact_half": 0.4,
    # priming, entry, T-cell states
    "priming_rate": 0.5, "dc_node_half": 0.4, "cd8_entry": 0.4, "exhaustion_rate": 0.4,
    "progenitor_differentiation": 0.4, "terminal_killing": 0.4,
    # brakes
    "pd1_weight": 0.4, "alt_weight": 0.5, "ctla4_brake": 0.4, "treg_suppression": 0.4, "mdsc_suppression": 0.3,
    "tam_suppression": 0.3, "matrix_exclusion": 0.4,
    # growth and other drugs
    "growth_unmasking": 0.15, "cytotoxic_sensitivity": 0.5, "mapk_kill_rate": 0.4,
    "initial_fraction_pathway_reactivated": 0.5, "vessel_regression": 0.4, "persister_switch_on": 0.4,
}  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """Draws of population shifts and what else a prediction needs.

    Attributes:
        names: parameters that are shifted.
        shifts: (draw, parameter), on ln or logit scale.
        trial_sd: standard deviation of a trial's own deviation, on the logit scale of rates (``rate``) and the log
            scale of hazards (``hazard``): populations, readers and eras differ. Zero mean.
        death: parameters of the hazard of death that were fitted, by name.
        provenance: how it was made: call, seed, versions, knowledge digest, arms, budget.
    """

    names: tuple[str, ...]
    shifts: np.ndarray
    trial_sd: Mapping[str, float] = field(default_factory=dict)
    death: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_draws(self) -> int:
        return len(self.shifts)

    def of(self, draw: np.ndarray) -> dict[str, np.ndarray]:
        """Return the shifts of each member by parameter; `draw` (member,) counts modulo the number of draws."""
        rows = self.shifts[np.asarray(draw) % self.n_draws]
        return {name: rows[:, j] for j, name in enumerate(self.names)}

    def digest(self) -> str:
        """Return 16 hexadecimal digits of what changes simulated numbers."""
        parts = [",".join(self.names), json.dumps([dict(self.trial_sd), dict(self.death)], sort_keys=True)]
        content = "\x1f".join(parts).encode() + np.ascontiguousarray(self.shifts).tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def save(self, path: Path | str) -> None:
        """Write the artefact as JSON."""
        record = {
            "what": "calibrated shifts of tumornexus population parameters (ln, logit where bounded)",
            "digest": self.digest(), "names": self.names, "trial_sd": self.trial_sd, "death": self.death,
            "provenance": self.provenance, "shifts": [[float(f"{x:.6g}") for x in row] for row in self.shifts],
        }  # fmt: skip
        Path(path).write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def none() -> Calibration:
    """Return the calibration that changes nothing: values as the records have them."""
    return Calibration((), np.zeros((1, 0)))


def shipped(knowledge: Knowledge) -> Calibration:
    """Return the calibration that comes with the program, or none where the parameters are as the records have them."""
    with resources.as_file(resources.files("tumornexus.trial").joinpath("data/calibration.json")) as path:
        return load_calibration(path, knowledge) if path.is_file() else none()


def _limits(name: str, knowledge: Knowledge) -> tuple[float, float]:
    """Return the range of the record as shifts of its value."""
    p = knowledge.parameters[name]
    if p.bounded and 0.0 < p.value < 1.0:
        low, high = np.clip([p.low, p.high], 1e-6, 1.0 - 1e-6)
        at = [np.log(x / (1.0 - x)) for x in (low, p.value, high)]
    else:
        at = [np.log(max(x, 1e-12)) for x in (p.low, p.value, p.high)]
    return float(at[0] - at[1]), float(at[2] - at[1])


def prior(knowledge: Knowledge, n: int, seed: int) -> Calibration:
    """Return `n` draws of the shifts from their priors: normal, cut at the range of the record."""
    columns = []
    for name, sd in PRIOR_SD.items():
        low, high = (ndtr(x / sd) for x in _limits(name, knowledge))
        u = named_generator(seed, "calibration prior", name).random(n)
        columns.append(sd * ndtri(np.clip(low + u * (high - low), 1e-9, 1.0 - 1e-9)))
    return Calibration(tuple(PRIOR_SD), np.stack(columns, axis=1), provenance={"what": "draws of the prior"})


def log_prior(shifts: np.ndarray, knowledge: Knowledge) -> np.ndarray:
    """Return the log density of the prior up to a constant, -inf outside the ranges of the records; (draw,)."""
    total = np.zeros(len(shifts))
    for j, (name, sd) in enumerate(PRIOR_SD.items()):
        low, high = _limits(name, knowledge)
        x = shifts[:, j]
        total += np.where((x >= low) & (x <= high), -0.5 * (x / sd) ** 2, -np.inf)
    return total


def load_calibration(path: Path | str, knowledge: Knowledge) -> Calibration:
    """Read an artefact of `tumornexus calibrate`.

    Raises:
        InputError: not such a file, a parameter that the catalogue lacks, or a changed content.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text("utf-8"))
        found = Calibration(
            tuple(record["names"]), np.array(record["shifts"], dtype=float).reshape(-1, len(record["names"])),
            record["trial_sd"], record["death"], record["provenance"],
        )  # fmt: skip
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InputError(problem, file=path, valid="a file of `tumornexus calibrate`") from None
    except (ValueError, KeyError, TypeError):
        raise InputError("not a calibration", file=path, valid="a file of `tumornexus calibrate`") from None
    if unknown := [n for n in found.names if n not in knowledge.parameters]:
        raise InputError("parameters that the catalogue lacks", file=path, field="names", value=unknown,
                         valid="a calibration made with this catalogue")  # fmt: skip
    if not len(found.shifts) or not np.isfinite(found.shifts).all():
        raise InputError("no draws, or draws that are no numbers", file=path, field="shifts",
                         valid="one row of finite numbers a draw")  # fmt: skip
    return found
