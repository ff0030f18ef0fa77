"""The ordinary differential equations of a treated host, and the events that doses are.

`Body` is everything that changes: cells, levels and drugs. Between doses it follows `derivative`, which the integrator
solves and `systemic.export` writes out for other simulators; a dose adds to a compartment
(`apply_dose`) or sets an input rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tumornexus.biology import mediators
from tumornexus.biology.drug_action import Acted, Acts, modulate, occupancy
from tumornexus.biology.params import Params
from tumornexus.biology.pharmacology import Kinetics, central_loss
from tumornexus.systemic.dynamics import Flux, flux
from tumornexus.systemic.state import LESIONS, State, densities, total_cells

# Receptors on cells that come from blood, and on the endothelium, meet the drug in plasma, wherever the law that reads
# them is evaluated; a vaccine acts in the node. For the endothelium this also keeps access of a drug from depending on
# its own concentration.
CIRCULATING = ("cxcr2_signal", "ccr2_signal", "vegf_signal", "vaccine_antigen")
# Parameters in which the lesions of one patient differ, by log-normal factors of standard deviation lesion_spread.
LESION_VARIED = ("growth_rate", "cd8_entry", "matrix_deposition", "vegf_production", "tgfb_production")
FIRST_LESION = np.eye(1, LESIONS)[0]  # 1 for the lesion that is irradiated or injected
DEPOSITS = ("blood_car_t", "blood_cd8", "nk", "virus")  # states that a dose can add to


class Tissue(eqx.Module):
    """What the positive integrator advances: the state and the drugs in each lesion, (slot, lesion, batch)."""

    state: State
    tumor_drug: jax.Array


class Body(eqx.Module):
    """A treated host: tissue, and drug amounts (slot, 2, batch) in the central and peripheral compartment."""

    tissue: Tissue
    amounts: jax.Array


@dataclass(frozen=True)
class Setting:
    """What is static about an ensemble: names of parameters and what drugs may act on."""

    names: tuple[str, ...]
    acted: Acted
    hill_is_one: bool


class Patient(eqx.Module):
    """What is constant over a course: parameters, how lesions differ, and the drugs of the regimen."""

    values: jax.Array  # (parameter, batch)
    lesion_factors: jax.Array  # (varied, lesion, batch), in the order of LESION_VARIED
    acts: Acts
    kinetics: Kinetics  # (slot, batch)
    clearance_exponent: jax.Array  # (slot, batch)
    first_dose_day: jax.Array  # (slot, batch)
    million_per_unit: jax.Array  # (slot, kind of DEPOSITS, batch), cells or virus that a dose unit brings


def bare_parameters(patient: Patient, setting: Setting) -> tuple[Params, Params]:
    """Return the parameters without drugs as lesions see them (lesion, batch) and as the host does (batch,)."""
    h = Params.of(patient.values, setting.names)
    varied = {name: getattr(h, name) * patient.lesion_factors[i] for i, name in enumerate(LESION_VARIED)}
    return h.replaced(varied), h


def with_drugs(tissue: Tissue, plasma: jax.Array, patient: Patient, setting: Setting) -> tuple[Params, Params]:
    """Return both sets of parameters under drugs; `plasma` (slot, batch) in the unit of each drug's EC50."""
    p, h = bare_parameters(patient, setting)
    a = patient.acts
    one = setting.hill_is_one
    in_blood = occupancy(plasma, a.ec50, a.hill, hill_is_one=one)
    h = modulate(h, a, in_blood, setting.acted)
    here = jnp.where(
        a.penetration_rate[:, None] > 0.0, tissue.tumor_drug, reach(tissue.state, p, h, patient) * plasma[:, None]
    )
    in_tumor = occupancy(here, a.ec50[:, None], a.hill[:, None], hill_is_one=one)
    p = modulate(p, a, in_tumor, setting.acted).replaced({name: getattr(h, name) for name in CIRCULATING})
    # Steroids given for an event add to those the patient takes anyway.
    steroid = {"steroid_exposure": jnp.clip(h.steroid_exposure + tissue.state.steroid, 0.0, 1.0)}
    # Without the barrier the compiler computes parameters under drugs again in every law that reads them.
    return jax.lax.optimization_barrier((p.replaced(steroid), h.replaced(steroid)))


def reach(state: State, p: Params, h: Params, patient: Patient) -> jax.Array:
    """Return the concentration in each lesion over that in plasma once in balance, (slot, lesion, batch).

    The ratio of the drug in a typical tumor, times the accessible fraction of this one relative to it. What is given
    on the spot (radiation, injections) reaches the first lesion in full and no other.
    """
    seen = p.replaced({name: getattr(h, name) for name in CIRCULATING})
    access = mediators.drug_access(densities(state), seen)
    ratio = patient.acts.tumor_to_plasma[:, None] * jnp.minimum(access / p.access_typical, p.access_ceiling)
    return jnp.where(patient.acts.local[:, None] > 0.0, FIRST_LESION[:, None], ratio)


def concentration(amounts: jax.Array, patient: Patient) -> jax.Array:
    """Return plasma concentrations (slot, batch) from amounts (slot, 2, batch)."""
    return amounts[:, 0] * patient.kinetics.nm_per_unit


def clearance_factors(clearance_factor: jax.Array, exponent: jax.Array) -> jax.Array:
    """Return the linear clearance of each drug over the typical patient's, (slot, batch).

    f^e, f (batch,) the patient's clearance of the drug that the parameter's spread is taken from and e (slot, batch)
    the standard deviation of ln clearance of each drug over that of f. So a patient lies as many standard deviations
    from the typical clearance for all drugs, and their clearances spread by the CV of their records. That all drugs of
    a patient share the deviation is a simplification: antibodies and small molecules leave by different routes.
    """
    return clearance_factor**exponent


def hazard_rate(plasma: jax.Array, since: jax.Array, h: Params, patient: Patient, setting: Setting) -> jax.Array:
    """Return the hazard of grade >= 3 treatment-related events per day, (batch,).

    Additive over drugs in proportion to their effect in plasma and to exp(-days since their first dose over the
    window), because most events come early; times the patient's frailty. `treatment.prepare` scales the drugs so that
    the usual regimen reaches the recorded risk within the window. Releasing PD-1 and CTLA-4 together multiplies the
    hazard of these drugs (CheckMate-067: 55 % with both, 16 and 27 % with either). `since` (slot, batch) or scalar.
    """
    a = patient.acts
    effect = occupancy(plasma, a.ec50, a.hill, hill_is_one=setting.hill_is_one)
    bare = Params.of(patient.values, setting.names)
    braked = h.ctla4_brake / jnp.maximum(bare.ctla4_brake, 1e-9)
    released = jnp.clip(1.0 - h.pd1_signal, 0.0, 1.0) * jnp.clip(1.0 - braked, 0.0, 1.0)
    synergy = 1.0 + (h.toxicity_pd1_ctla4 - 1.0) * released * a.checkpoint
    early = jnp.exp(-jnp.maximum(since, 0.0) / h.toxicity_window)
    return h.toxicity_frailty * jnp.sum(a.hazard * synergy * effect * early, 0) / h.toxicity_window


def tissue_flux(tissue: Tissue, plasma: jax.Array, since: jax.Array, patient: Patient, setting: Setting) -> Flux:
    """Return production and per-capita loss of the `Tissue` at plasma concentrations (slot, batch), `since` days after
    the first dose of each drug."""
    p, h = with_drugs(tissue, plasma, patient, setting)
    state = flux(tissue.state, p, h)
    hazard = hazard_rate(plasma, since, h, patient, setting)
    gain = eqx.tree_at(lambda s: s.toxicity_hazard, state.gain, hazard)
    # Antibodies follow plasma with a delay of days; drugs that follow within hours have no state (rate 0).
    rate = patient.acts.penetration_rate[:, None]
    arriving = rate * reach(tissue.state, p, h, patient) * plasma[:, None]
    drug_loss = jnp.broadcast_to(rate, tissue.tumor_drug.shape)
    return Flux(Tissue(gain, arriving), Tissue(state.loss, drug_loss), state.divide)


def derivative(t: jax.Array, body: Body, input_rate: jax.Array, patient: Patient, setting: Setting) -> Body:
    """Return d(body)/dt in units per day at `t` days after the start; `input_rate` (slot, batch) dose units per day."""
    since = jnp.maximum(t - patient.first_dose_day, 0.0)
    both = tissue_flux(body.tissue, concentration(body.amounts, patient), since, patient, setting)
    tissue = jax.tree.map(lambda x, g, d: g - d * x, body.tissue, both.gain, both.loss)
    k = patient.kinetics
    bare = Params.of(patient.values, setting.names)
    factor = clearance_factors(bare.clearance_factor, patient.clearance_exponent)
    central, peripheral = body.amounts[:, 0], body.amounts[:, 1]
    out = central_loss(k, central, since, factor)
    amounts = jnp.stack(
        [input_rate + k.k_in * peripheral - out * central, k.k_out * central - k.k_in * peripheral], axis=1
    )
    return Body(tissue, amounts)


def apply_dose(body: Body, bolus: jax.Array, cells: jax.Array) -> Body:
    """Return the body after a dose: `bolus` (slot, batch) to the central compartments, `cells` (kind, batch), million.

    Cell products enter blood, NK cells the lesions in proportion to their volume, virus is injected into the first
    lesion.
    """
    state = body.tissue.state
    total = total_cells(state)
    share = total / jnp.maximum(jnp.sum(total, 0), 1e-12)
    injected = FIRST_LESION[:, None]
    state = eqx.tree_at(
        lambda s: (s.blood_car_t, s.blood_cd8, s.nk, s.virus),
        state,
        (state.blood_car_t + cells[0], state.blood_cd8 + cells[1], state.nk + share * cells[2],
         state.virus + injected * cells[3]),
    )  # fmt: skip
    return Body(Tissue(state, body.tissue.tumor_drug), body.amounts.at[:, 0].add(bolus))
