"""A made-up frame with the look of a tumor: nests of cancer cells in stroma, vessels, T cells held at the border.

Shared by the tests of files and pictures and of use for looking at pictures: it is drawn, not simulated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from tumornexus.cellkinds import KINDS


def smooth(rng: np.random.Generator, shape: tuple[int, ...], sites: float) -> np.ndarray:
    """A random landscape of unit variance whose hills are about `sites` wide."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), sites, mode="reflect")
    return (field - field.mean()) / field.std()


def frame(
    shape: tuple[int, ...] = (48, 60), *, day: float = 10.0, seed: int = 0, infiltrated: float = 0.3
) -> dict[str, Any]:
    """Return a frame; `infiltrated` in [0, 1] is how far T cells reach into the nests."""
    rng = np.random.default_rng(seed)
    width = max(2.0, min(shape) / 14)
    nest = smooth(rng, shape, width)
    kind = np.zeros(shape, np.uint8)
    inside = nest > 0.1
    draw = np.random.default_rng(seed + 1 + int(day)).random(shape)

    def put(name: str, where: np.ndarray) -> None:
        kind[where] = KINDS.index(name)

    put("cancer", inside & (draw < 0.93))
    put("persister", inside & (draw < 0.03))
    put("dead_antigen", inside & (draw > 0.93) & (draw < 0.96))
    stroma = ~inside
    edges = np.array([0.0, 0.12, 0.2, 0.22, 0.26, 0.3, 0.33, 0.36, 0.4, 0.44, 0.47, 0.49, 0.51, 0.54, 0.57, 0.62])
    names = ("caf_matrix", "caf_cytokine", "dendritic", "tam_m1", "tam_m2", "mdsc", "neutrophil", "cd8_effector",
             "cd4_helper", "treg", "nk", "gamma_delta", "b_cell", "cd8_progenitor", "cd8_terminal")  # fmt: skip
    for name, low, high in zip(names, edges[:-1], edges[1:], strict=True):
        put(name, stroma & (draw >= low) & (draw < high))
    reach = np.exp(-np.clip(nest - 0.1, 0, None) / (0.05 + infiltrated))
    other = np.random.default_rng(seed + 99).random(shape)
    put("cd8_effector", inside & (other < 0.18 * infiltrated * reach))
    put("cd8_terminal", inside & (other > 1 - 0.09 * infiltrated * reach))
    vessel = (np.random.default_rng(seed + 7).random(shape) < np.where(stroma, 0.02, 0.004)).astype(np.float32)
    kind[vessel > 0] = 0
    matrix = np.clip(1.2 - 0.8 * nest + 0.2 * smooth(rng, shape, 3), 0.05, 3).astype(np.float32)
    oxygen = ndimage.gaussian_filter(vessel.astype(float), width / 2, mode="nearest")
    cd8 = np.isin(kind, [KINDS.index(k) for k in ("cd8_effector", "cd8_terminal")]).astype(float)
    fields = {
        "oxygen": 60 * oxygen / oxygen.max(),
        "ifng": 12 * ndimage.gaussian_filter(cd8, 3, mode="nearest"),
        "tgfb": np.clip(1.5 - nest, 0, None),
        "cxcl9_10": 2 * ndimage.gaussian_filter(cd8, 5, mode="nearest"),
    }
    coarse = tuple(slice(None, None, 2) for _ in shape)
    return {
        "kind": kind,
        "clone": ((kind == 1) & (smooth(rng, shape, 4) > 1.3)).astype(np.uint8),
        "age": rng.random(shape, np.float32),
        "mhc1": rng.random(shape, np.float32),
        "pdl1": rng.random(shape, np.float32),
        "vessel": vessel,
        "matrix": matrix,
        "fields": {n: f[coarse].astype(np.float32) for n, f in fields.items()},
        "day": float(day),
    }
