"""Luck of virtual patients: random numbers addressed by decision, patient and place, the same in every arm.

A stream is named by words (`activities.named_generator`); within it each patient has a stream of SplitMix64 (Steele,
Lea and Flood 2014, OOPSLA), and a number is found by its place in that. So a patient's luck depends neither on who
else is in the batch nor on how many numbers others need, and thousands of patients are drawn in one array operation.
"""

from __future__ import annotations

import numpy as np

from tumornexus.activities import named_generator

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniforms(seed: int, decision: str, patient: np.ndarray, place: np.ndarray | int = 1) -> np.ndarray:
    """Return uniform numbers in (0, 1), (patient, place), of the stream `decision` of a trial.

    `patient` (n,) are patient numbers, `place` (k,) addresses within a patient's stream, or how many to take from 0.
    """
    places = np.arange(place) if isinstance(place, int) else np.asarray(place)
    stream = named_generator(seed, "trial", decision).integers(0, 2**64, dtype=np.uint64, size=1)
    own = _mix(stream ^ _mix(np.asarray(patient).astype(np.uint64) * _GOLDEN + _GOLDEN))
    word = _mix(own[:, None] + (places.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    # 52 bits and the middle of each step: never 0 or 1, where a logarithm or a normal quantile is infinite.
    return ((word >> np.uint64(12)).astype(float) + 0.5) / 2.0**52


def normals(seed: int, decision: str, patient: np.ndarray, place: np.ndarray | int = 1) -> np.ndarray:
    """Return standard normal numbers, (patient, place); arguments as in `uniforms`."""
    from scipy.special import ndtri

    return ndtri(uniforms(seed, decision, patient, place))


def exponentials(seed: int, decision: str, patient: np.ndarray) -> np.ndarray:
    """Return one unit exponential number a patient, (patient,)."""
    return -np.log(uniforms(seed, decision, patient)[:, 0])
