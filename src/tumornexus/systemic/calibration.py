"""What calibration changes: shifts of population parameters, with their joint uncertainty, as one artefact.

A shift moves the median of a parameter in every tumor type alike, on the logarithmic scale (logit where the parameter
lives in [0, 1]): drugs and laws are universal, tumors differ by what is known of them. Nothing is fitted for one tumor
type or one trial.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge


@dataclass(frozen=True)
class Calibration:
    """Draws of population shifts and what else a prediction needs.

    Attributes:
        names: parameters that are shifted.
        shifts: (draw, parameter), on ln or logit scale.
        trial_sd: standard deviation of trials around the model, zero mean, on the logit scale of rates (``rate``),
            of survival at a time (``hazard``) and of severe events (``toxicity``), and the log scale of hazard ratios
            (``ratio``); see `tumornexus.trial.deviation`.
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

    def simulated_digest(self) -> str:
        """Return 16 hexadecimal digits of what changes the course of a patient: all but the deviation of trials."""
        return replace(self, trial_sd={}).digest()

    def save(self, path: Path | str) -> None:
        """Write the artefact as JSON."""
        # The digest is that of what is written, so that it tells whether somebody changed the file.
        rounded = [[float(f"{x:.6g}") for x in row] for row in self.shifts]
        written = replace(self, shifts=np.array(rounded, dtype=float).reshape(self.shifts.shape))
        record = {
            "what": "calibrated shifts of tumornexus population parameters (ln, logit where bounded)",
            "digest": written.digest(), "names": self.names, "trial_sd": self.trial_sd, "death": self.death,
            "provenance": self.provenance, "shifts": rounded,
        }  # fmt: skip
        Path(path).write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def none() -> Calibration:
    """Return the calibration that changes nothing: values as the records have them."""
    return Calibration((), np.zeros((1, 0)))


def load_calibration(path: Path | str, knowledge: Knowledge) -> Calibration:
    """Read an artefact of `tumornexus calibrate`.

    Raises:
        InputError: not such a file, a parameter that the catalogue lacks, or a changed content.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text("utf-8"))
        names, rows = tuple(record["names"]), record["shifts"]
        found = Calibration(
            names, np.array(rows, dtype=float).reshape(len(rows), len(names)),
            {k: float(v) for k, v in record["trial_sd"].items()}, {k: float(v) for k, v in record["death"].items()},
            dict(record["provenance"]),
        )  # fmt: skip
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InputError(problem, file=path, valid="a file of `tumornexus calibrate`") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError("not a calibration", file=path, valid="a file of `tumornexus calibrate`") from None
    if unknown := [n for n in found.names if n not in knowledge.parameters]:
        raise InputError("parameters that the catalogue lacks", file=path, field="names", value=unknown,
                         valid="a calibration made with this catalogue")  # fmt: skip
    if bad := {k: v for k, v in found.trial_sd.items() if not (np.isfinite(v) and v >= 0.0)}:
        raise InputError("a standard deviation that is none", file=path, field="trial_sd", value=bad,
                         valid="numbers of at least 0")  # fmt: skip
    if not len(found.shifts) or not np.isfinite(found.shifts).all():
        raise InputError("no draws, or draws that are no numbers", file=path, field="shifts",
                         valid="one row of finite numbers a draw")  # fmt: skip
    told = record.get("digest")
    if told != found.digest():
        raise InputError("the numbers were changed after they were written", file=path, field="digest",
                         value=told, valid=f"{found.digest()} for these numbers; or the file as it was")  # fmt: skip
    return found


def shipped(knowledge: Knowledge) -> Calibration:
    """Return the calibration that comes with the program, or none where the parameters are as the records have them."""
    with resources.as_file(resources.files("tumornexus.systemic").joinpath("data/calibrated_shifts.json")) as path:
        return load_calibration(path, knowledge) if path.is_file() else none()


def shift(values: np.ndarray, names: tuple[str, ...], shifts: Mapping[str, np.ndarray], knowledge: Knowledge) -> None:
    """Move parameters in place by calibrated amounts, (member,) each: of ln, or of the logit where bounded.

    The whole population moves; the spread between patients stays.
    """
    for name, amount in shifts.items():
        j = names.index(name)
        parameter = knowledge.parameters[name]
        column = values[:, j]
        if parameter.bounded and 0.0 < parameter.value < 1.0:
            inside = np.clip(column, 1e-9, 1.0 - 1e-9)
            moved = 1.0 / (1.0 + np.exp(-(np.log(inside / (1.0 - inside)) + amount)))
            values[:, j] = np.where((column > 0.0) & (column < 1.0), moved, column)
        else:
            values[:, j] = column * np.exp(amount)
