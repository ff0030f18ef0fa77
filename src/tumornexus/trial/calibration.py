"""Priors of the shifts that calibration finds; the artefact itself is `tumornexus.systemic.calibration`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

from tumornexus.activities import named_generator
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.systemic import calibration as artefact
from tumornexus.systemic.calibration import Calibration, none, shift
from tumornexus.trial.survival import DeathHazard

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


def _with_law(found: Calibration, path: Path | str | None) -> Calibration:
    try:
        DeathHazard(**found.death)
    except (TypeError, InputError) as error:
        raise InputError(f"no law of death: {error}", file=path, field="death", value=dict(found.death),
                         valid="values of DeathHazard, as `tumornexus calibrate` writes them") from None  # fmt: skip
    return found


def load_calibration(path: Path | str, knowledge: Knowledge) -> Calibration:
    """Read an artefact as `systemic.calibration.load_calibration` does, and require a law of death that can be.

    Raises:
        InputError: as there, or values of the law that do not exist or are out of range.
    """
    return _with_law(artefact.load_calibration(path, knowledge), path)


def shipped(knowledge: Knowledge) -> Calibration:
    """Return the calibration that comes with the program, or none."""
    return _with_law(artefact.shipped(knowledge), None)


__all__ = ["PRIOR_SD", "Calibration", "load_calibration", "log_prior", "none", "prior", "shift", "shipped"]
