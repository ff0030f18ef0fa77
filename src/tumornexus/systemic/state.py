"""The state of virtual patients at the host scale: lesions and the host they share."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Cells
from tumornexus.biology.presentation import CloneTraits

CLONES = ("wild_type", "b2m_loss", "jak_loss", "car_antigen_loss", "pathway_reactivated")
LESIONS = 4  # places for lesions: three to measure, and the last for metastases that are occult or new
OCCULT = LESIONS - 1

# Cells of the lesion that occupy sites, besides cancer clones and persisters.
RESIDENT = (
    "infected", "cd8_progenitor", "cd8_effector", "cd8_terminal", "cd4_helper", "treg", "nk", "gamma_delta", "b_cell",
    "car_t", "dendritic", "neutrophil", "mdsc", "tam_m1", "tam_m2", "caf_matrix", "caf_cytokine", "dead_antigen",
)  # fmt: skip
LEVELS = (
    "vessels", "matrix", "mhc1", "pdl1", "alt_checkpoint", "silencing", "tls", "bacteria", "car_antigen",
)  # fmt: skip


class State(eqx.Module):
    """Amounts in million cells (Mcell) and levels; every leaf is non-negative by construction of the integrator.

    Shapes: cancer and persister (clone, lesion, batch); the other lesion states (lesion, batch); host states (batch,).
    """

    cancer: jax.Array
    persister: jax.Array
    infected: jax.Array
    cd8_progenitor: jax.Array
    cd8_effector: jax.Array
    cd8_terminal: jax.Array
    cd4_helper: jax.Array
    treg: jax.Array
    nk: jax.Array
    gamma_delta: jax.Array
    b_cell: jax.Array
    car_t: jax.Array
    dendritic: jax.Array
    neutrophil: jax.Array
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
    tls: jax.Array
    bacteria: jax.Array
    car_antigen: jax.Array
    virus: jax.Array  # million infectious units in the lesion
    ln_dendritic: jax.Array  # lymph node, Mcell
    ln_primed: jax.Array
    ln_helper: jax.Array
    blood_cd8: jax.Array  # blood, Mcell, tumor-specific
    blood_memory: jax.Array  # central-memory CD8 T cells, tumor-specific
    blood_helper: jax.Array
    blood_car_t: jax.Array
    blood_car_memory: jax.Array
    microbiome: jax.Array  # 0 dysbiotic .. 1 favorable
    lymphocytes: jax.Array  # relative to normal
    niche: jax.Array  # pre-metastatic niche, 0 .. 1
    antiviral: jax.Array  # neutralizing immunity, 0 .. 1
    steroid: jax.Array  # steroid given for an immune-related event, 1 = full dose
    toxicity_hazard: jax.Array  # cumulative hazard of grade >= 3 treatment-related events


HOST = (
    "ln_dendritic", "ln_primed", "ln_helper", "blood_cd8", "blood_memory", "blood_helper", "blood_car_t",
    "blood_car_memory", "microbiome", "lymphocytes", "niche", "antiviral", "steroid", "toxicity_hazard",
)  # fmt: skip


def clone_traits() -> CloneTraits:
    """Return what distinguishes the clones, in the order of `CLONES`, shape (clone, 1, 1)."""

    def column(*values: float) -> jax.Array:
        return jnp.array(values)[:, None, None]

    return CloneTraits(
        mhc1=column(1.0, 0.0, 1.0, 1.0, 1.0),
        ifn=column(1.0, 1.0, 0.0, 1.0, 1.0),
        car_antigen=column(1.0, 1.0, 1.0, 0.0, 1.0),
        targeted=column(1.0, 1.0, 1.0, 1.0, 0.0),
    )


def total_cells(state: State) -> jax.Array:
    """Return all occupied sites of each lesion in Mcell, (lesion, batch)."""
    residents = sum(getattr(state, name) for name in RESIDENT)
    return jnp.sum(state.cancer, 0) + jnp.sum(state.persister, 0) + residents


def volume_ml(state: State, site_density: jax.Array) -> jax.Array:
    """Return the volume of each lesion in mL, (lesion, batch): occupied sites over sites per mL."""
    return total_cells(state) / site_density


def members_last(state: State) -> State:
    """Return a state whose leaves have the member axis first (as stored) with that axis last (as the laws want)."""
    return jax.tree.map(lambda x: jnp.moveaxis(jnp.asarray(x), 0, -1), state)


def patient_mean(state: State) -> Cells:
    """Return densities and levels averaged over lesions by volume, (member,), of a state with the member axis first."""
    last = members_last(state)
    weight = total_cells(last)
    weight = weight / jnp.maximum(jnp.sum(weight, 0), 1e-9)
    return jax.tree.map(lambda x: jnp.sum(weight * x, 0), densities(last))


def densities(state: State) -> Cells:
    """Return each lesion as fractions of occupied sites plus its slow levels, (lesion, batch)."""
    total = jnp.maximum(total_cells(state), 1e-9)
    values = {name: getattr(state, name) / total for name in RESIDENT}
    levels = {name: getattr(state, name) for name in LEVELS}
    return Cells(
        cancer=jnp.sum(state.cancer, 0) / total, persister=jnp.sum(state.persister, 0) / total, **values, **levels
    )
