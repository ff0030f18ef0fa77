"""The state of one virtual patient at the host scale."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Cells
from tumornexus.biology.presentation import CloneTraits

CLONES = ("wild_type", "b2m_loss", "jak_loss", "car_antigen_loss", "pathway_reactivated")

# Cells of the lesion that occupy sites, besides cancer clones and persisters.
RESIDENT = (
    "cd8_progenitor", "cd8_effector", "cd8_terminal", "cd4_helper", "treg", "nk", "car_t", "dendritic", "mdsc",
    "tam_m1", "tam_m2", "caf_matrix", "caf_cytokine", "dead_antigen",
)  # fmt: skip
LEVELS = ("vessels", "matrix", "mhc1", "pdl1", "alt_checkpoint", "silencing")


class State(eqx.Module):
    """Amounts in million cells (Mcell) and levels; every leaf is non-negative by construction of the integrator."""

    cancer: jax.Array  # (clone,) Mcell
    persister: jax.Array  # (clone,) Mcell
    cd8_progenitor: jax.Array
    cd8_effector: jax.Array
    cd8_terminal: jax.Array
    cd4_helper: jax.Array
    treg: jax.Array
    nk: jax.Array
    car_t: jax.Array
    dendritic: jax.Array
    mdsc: jax.Array
    tam_m1: jax.Array
    tam_m2: jax.Array
    caf_matrix: jax.Array
    caf_cytokine: jax.Array
    dead_antigen: jax.Array
    vessels: jax.Array  # relative to well-vascularized tumor
    matrix: jax.Array  # relative to typical carcinoma
    mhc1: jax.Array
    pdl1: jax.Array
    alt_checkpoint: jax.Array
    silencing: jax.Array
    ln_dendritic: jax.Array  # lymph node, Mcell
    ln_primed: jax.Array
    ln_helper: jax.Array
    blood_cd8: jax.Array  # blood, Mcell, tumor-specific
    blood_car_t: jax.Array
    microbiome: jax.Array  # 0 dysbiotic .. 1 favorable
    lymphocytes: jax.Array  # relative to normal


def clone_traits() -> CloneTraits:
    """Return what distinguishes the clones, in the order of `CLONES`."""
    return CloneTraits(
        mhc1=jnp.array([1.0, 0.0, 1.0, 1.0, 1.0]),
        ifn=jnp.array([1.0, 1.0, 0.0, 1.0, 1.0]),
        car_antigen=jnp.array([1.0, 1.0, 1.0, 0.0, 1.0]),
        targeted=jnp.array([1.0, 1.0, 1.0, 1.0, 0.0]),
    )


def total_cells(state: State) -> jax.Array:
    """Return all occupied sites of the lesion in Mcell."""
    residents = sum(getattr(state, name) for name in RESIDENT)
    return jnp.sum(state.cancer, -1) + jnp.sum(state.persister, -1) + residents


def volume_ml(state: State, site_density: jax.Array) -> jax.Array:
    """Return lesion volume in mL: occupied sites over sites per mL."""
    return total_cells(state) / site_density


def densities(state: State) -> Cells:
    """Return the lesion as fractions of occupied sites plus its slow levels."""
    total = jnp.maximum(total_cells(state), 1e-9)
    values = {name: getattr(state, name) / total for name in RESIDENT}
    levels = {name: getattr(state, name) for name in LEVELS}
    return Cells(
        cancer=jnp.sum(state.cancer, -1) / total, persister=jnp.sum(state.persister, -1) / total, **values, **levels
    )
