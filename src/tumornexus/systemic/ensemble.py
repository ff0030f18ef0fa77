"""Twins times regimens as one ensemble, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import jax
import numpy as np
import xarray as xr

from tumornexus.errors import SimulationError
from tumornexus.systemic.solver import SAVE_EVERY_DAYS, Lesions, treat
from tumornexus.systemic.treatment import Treatment
from tumornexus.systemic.twin import Twin

# Observables that every trajectory keeps; asking for all of them of every draw would fill memory for nothing.
KEPT = (
    "tumor_volume", "cd8_infiltration", "cd8_effector", "killing", "checkpoint_inhibition", "hypoxia", "lactate",
    "treg", "mdsc", "m2", "matrix", "recognition", "clone_b2m_loss", "clone_jak_loss", "cart_tumor", "persister",
    "pdl1", "exhaustion", "priming", "infiltration", "antigen_release", "dc_mature", "microbiome", "new_lesion_volume",
    "toxicity_hazard", "gamma_delta", "tls", "ctdna",
)  # fmt: skip

LONG_NAMES = {
    "tumor_volume": ("Tumor volume", "mL"),
    "cd8_infiltration": ("CD8 T cells in the tumor", "fraction of cells"),
    "killing": ("T-cell function left by inhibitors", "fraction"),
    "hypoxia": ("Hypoxic response", "fraction"),
    "recognition": ("Recognition of cancer cells by CD8 T cells", "fraction"),
    "lesion_volume": ("Volume of each lesion", "mL"),
    "new_lesion_volume": ("Volume of occult or new metastases", "mL"),
    "toxicity_hazard": ("Cumulative hazard of severe treatment-related events", ""),
    "clone_b2m_loss": ("Cancer cells without MHC class I (B2M or HLA loss)", "fraction"),
    "treg": ("Regulatory T cells", "fraction of cells"),
    "mdsc": ("Myeloid-derived suppressor cells", "fraction of cells"),
    "ph": ("pH between the cells", ""),
    "lactate_uptake": ("Lactate burned by cancer cells", "capacity of a well-oxygenated cell, per cell"),
    "stiffness": ("Elastic modulus of the tumor", "kPa"),
    "mechanosignaling": ("Mechanical signaling of cancer cells", "fraction"),
    "scfa": ("Short-chain fatty acids in stool", "mmol/kg"),
    "anergy": ("T cells that meet antigen without costimulation", "fraction"),
    "ctdna": ("Tumor DNA in plasma", "haploid genome equivalents/mL"),
    "ctdna_b2m_loss": ("DNA of cells without MHC class I in plasma", "haploid genome equivalents/mL"),
}


def simulate_twins(
    twins: Sequence[Twin],
    treatments: Sequence[Treatment],
    *,
    horizon_days: int | None = None,
    steps_per_day: int = 1,
    keep: Sequence[str] = KEPT,
    stochastic: bool = True,
    precise: bool = False,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Simulate every twin under every treatment; dims (twin, regimen, draw, time), `weight` and `status` included.

    `stochastic`: whether clones of few cells are counted (see `chance`) or follow the equations. `precise`: the
    integrator of order four (see `treat`); order two is enough for shares of responders.
    All twins must have the same number of draws (they are variants of one twin, or padded alike).
    """
    draws = {t.n_draws for t in twins}
    if len(draws) != 1:
        raise SimulationError("twins of one call need the same number of draws", value=sorted(draws))
    n, n_twins, n_regimens = draws.pop(), len(twins), len(treatments)
    if horizon_days is not None:
        longest = min(len(t.doses) for t in treatments)
        if not 0 < horizon_days <= longest or horizon_days % SAVE_EVERY_DAYS:
            valid = f"whole weeks, {SAVE_EVERY_DAYS} to {longest} days"
            raise SimulationError("cannot simulate to this day", field="horizon_days", value=horizon_days, valid=valid)
        treatments = [t.until(horizon_days) for t in treatments]
    values = np.concatenate([t.values for t in twins for _ in treatments])
    state = jax.tree.map(lambda *xs: np.concatenate(xs), *[t.state for t in twins for _ in treatments])
    lesions = Lesions(
        np.concatenate([t.lesions.shares for t in twins for _ in treatments]),
        np.concatenate([t.lesions.factors for t in twins for _ in treatments]),
    )
    # Arms and variants share their luck, so that they differ by treatment only.
    luck = np.concatenate([t.luck for t in twins for _ in treatments])
    assignment = np.tile(np.repeat(np.arange(n_regimens), n), n_twins)
    data = treat(
        values, twins[0].names, state, treatments, assignment, lesions=lesions, luck=luck if stochastic else None,
        steps_per_day=steps_per_day, keep=keep, precise=precise, progress=progress,
    )  # fmt: skip
    shape = (n_twins, n_regimens, n)
    out = {}
    for name, array in data.data_vars.items():
        dims = ("twin", "regimen", "draw", *array.dims[1:])
        long_name, units = LONG_NAMES.get(str(name), (str(name), ""))
        out[name] = (dims, array.values.reshape(*shape, *array.shape[1:]), {"long_name": long_name, "units": units})
    coords = {"time": data["time"], "regimen": [t.text for t in treatments]}
    ds = xr.Dataset(out, coords=coords, attrs={"failures": _by_draw(data.attrs["failures"], shape)})
    ds["weight"] = (("draw",), twins[0].weights)
    return ds


def _by_draw(failures: str, shape: tuple[int, int, int]) -> str:
    """Return the failures with twin and draw in place of the member of the flat ensemble."""
    table = json.loads(failures)
    for row in table:
        twin, _, draw = np.unravel_index(row.pop("member"), shape)
        row |= {"twin": int(twin), "draw": int(draw)}
    return json.dumps(table)


def simulate(twin: Twin, treatments: Sequence[Treatment], **options: object) -> xr.Dataset:
    """Simulate one twin under each treatment: `Trajectories` with dims (regimen, draw, time)."""
    return simulate_twins([twin], treatments, **options).isel(twin=0)  # type: ignore[arg-type]
