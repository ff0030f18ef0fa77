"""The right-hand side: rate laws of `biology` on compartment averages, as production and per-capita loss.

Every state obeys dx/dt = gain - loss * x with gain >= 0; `loss` may be negative (net growth). The integrator uses this
form to keep positive states positive at any step.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology import (
    cart,
    checkpoints,
    growth,
    host,
    killing,
    lymphoid,
    mediators,
    metabolism,
    myeloid,
    presentation,
    priming,
    stroma,
    trafficking,
    vasculature,
)  # fmt: skip
from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill
from tumornexus.systemic.state import State, clone_traits, densities, total_cells


class Flux(NamedTuple):
    """Production (units per day) and per-capita loss (per day) of every state."""

    gain: State
    loss: State


class Situation(NamedTuple):
    """What the laws see at one moment, shared by the right-hand side and the observables."""

    local: Local
    recognized: jax.Array  # (clone,)
    recognized_mean: jax.Array
    volume_ml: jax.Array
    total: jax.Array
    access: jax.Array  # closure: fraction of T cells that reach cancer nests
    immune_kill: jax.Array  # (clone,) per cancer cell and day
    car_kill: jax.Array  # (clone,)
    growth: growth.GrowthRates
    entry: jax.Array  # fraction of circulating T cells that enter per day
    primed_per_day: jax.Array  # Mcell of daughters per day


def situation(state: State, p: Params) -> Situation:
    """Return the local environment and the rates that several equations share."""
    clones = clone_traits()
    cells = densities(state)
    recognized = presentation.recognition(cells, clones, p)
    share = state.cancer / jnp.maximum(jnp.sum(state.cancer), 1e-12)
    recognized_mean = jnp.sum(recognized * share)
    local = mediators.quasi_steady(cells, recognized_mean, p)
    total = total_cells(state)
    volume = total / p.site_density
    access = killing.infiltrate_access(local, p)
    mhc1 = presentation.mhc1_of_clone(cells.mhc1, clones, p)
    car_seen = presentation.car_recognition(clones, p)
    car_kill = killing.car_t_rate(local, car_seen, p) * access
    immune_kill = (
        killing.cd8_rate(local, recognized, p) * access
        + killing.nk_rate(local, mhc1, p) * access
        + killing.macrophage_rate(local, p)
    )
    return Situation(
        local=local,
        recognized=recognized,
        recognized_mean=recognized_mean,
        volume_ml=volume,
        total=total,
        access=access,
        immune_kill=immune_kill,
        car_kill=car_kill,
        growth=growth.rates(local, clones, p),
        entry=p.cd8_entry * trafficking.entry_factor(local, p) * hill(volume, p.entry_half_volume),
        primed_per_day=p.naive_precursors
        * state.lymphocytes
        * priming.activation(state.ln_dendritic, cells.treg * p.node_treg, state.ln_helper, p)
        * priming.burst(p),
    )


def flux(state: State, p: Params) -> Flux:
    """Return production and loss of every state under parameters `p` (drugs already applied)."""
    now = situation(state, p)
    local, total, g = now.local, now.total, now.growth
    seen = now.recognized_mean
    die_immune = now.immune_kill + now.car_kill
    room = jnp.maximum(1.0 - now.volume_ml / p.max_volume, -1.0)

    # Cancer cells: net rate as one per-capita number, so exponential growth is integrated exactly.
    new = jnp.array([0.0, 1.0, 1.0, 1.0, 1.0])
    division = g.divide[0] * state.cancer[0]
    mutants = new * p.escape_mutation_rate * division
    to_persister = g.to_persister
    cancer_gain = g.from_persister * state.persister + mutants
    cancer_loss = g.die + g.drug_kill + die_immune + to_persister - g.divide * room
    persister_gain = to_persister * state.cancer
    persister_loss = g.from_persister + g.persister_die + 0.5 * die_immune
    dying = jnp.sum((g.die + g.drug_kill + die_immune) * state.cancer) + jnp.sum(
        (g.persister_die + 0.5 * die_immune) * state.persister
    )

    ex = checkpoints.rates(local, seen, p)
    functional = killing.function(local, p)
    crowd = 1.0 / (1.0 + (local.cd8_progenitor + local.cd8_effector) / p.tcell_crowding)
    # Survival needs antigen and cytokines shared by all T cells present: attrition grows with their density.
    attrition = 1.0 + (local.cd8_progenitor + local.cd8_effector + local.cd8_terminal) / p.tcell_capacity
    entering = now.entry * state.blood_cd8
    cd8_exhaust = ex.exhaust
    effector_growth = p.effector_proliferation * seen * functional * (1.0 + p.il2_signal) * crowd
    harm = p.lymphocyte_depletion
    # Cells in tissue divide less and see less drug than those in node and blood.
    harm_tumor = p.tumor_lymphocyte_harm * harm

    my = myeloid.rates(local, p)
    ly = lymphoid.rates(local, state.lymphocytes, p)
    st = stroma.rates(local, p)
    ve = vasculature.rates(local, p)
    dc = priming.dendritic(local, state.microbiome, p)
    ho = host.rates(p)

    car_total = state.blood_car_t + state.car_t
    car_antigen = jnp.sum(presentation.car_recognition(clone_traits(), p) * state.cancer) * now.access
    ca = cart.rates(car_antigen, car_total, p)
    cart_loss = p.cart_exhaustion * (local.tgfb + hill(p.pd1_signal * local.pdl1, 1.0) + local.hypoxia)
    car_entry = p.cd8_entry * trafficking.car_t_entry_factor(local, p) * hill(now.volume_ml, p.entry_half_volume)

    silence_target = jnp.clip(p.epigenetic_silencing, 0.0, 0.98)
    gain = State(
        cancer=cancer_gain,
        persister=persister_gain,
        cd8_progenitor=p.progenitor_share * entering,
        cd8_effector=(1.0 - p.progenitor_share) * entering
        + p.differentiation_burst * ex.differentiate * state.cd8_progenitor,
        cd8_terminal=cd8_exhaust * state.cd8_effector,
        cd4_helper=p.helper_egress * state.ln_helper * now.entry / p.cd8_entry,
        treg=ly.recruit_treg * total + ly.helper_to_treg * state.cd4_helper,
        nk=ly.recruit_nk * total,
        car_t=car_entry * state.blood_car_t,
        dendritic=dc.recruit * total,
        mdsc=my.recruit_mdsc * total,
        tam_m1=my.recruit_tam * total + my.m2_to_m1 * state.tam_m2,
        tam_m2=my.m1_to_m2 * state.tam_m1,
        caf_matrix=st.recruit_matrix * total + st.cytokine_to_matrix * state.caf_cytokine,
        caf_cytokine=st.recruit_cytokine * total + st.matrix_to_cytokine * state.caf_matrix,
        dead_antigen=dying,
        vessels=ve.sprout,
        matrix=st.deposit,
        mhc1=p.induction_rate * presentation.mhc1_target(local, p),
        pdl1=p.induction_rate * presentation.pdl1_target(local, p),
        alt_checkpoint=p.checkpoint_rate * checkpoints.alt_checkpoint_target(local, p),
        silencing=p.silencing_rate * silence_target,
        ln_dendritic=dc.emigrate * state.dendritic,
        ln_primed=now.primed_per_day,
        ln_helper=p.helper_priming * hill(state.ln_dendritic, p.dc_node_half) * p.costimulation * state.lymphocytes,
        blood_cd8=p.primed_egress * state.ln_primed,
        blood_car_t=jnp.zeros_like(total),
        microbiome=ho.microbiome_rate * ho.microbiome_target,
        lymphocytes=ho.lymphocyte_gain,
    )
    loss = State(
        cancer=cancer_loss,
        persister=persister_loss,
        cd8_progenitor=p.progenitor_death * attrition + ex.differentiate - ex.renew * crowd + harm_tumor,
        cd8_effector=p.effector_death * attrition + cd8_exhaust - effector_growth + harm_tumor,
        cd8_terminal=p.terminal_death * attrition + harm_tumor,
        cd4_helper=p.helper_death + ly.helper_to_treg + harm_tumor,
        treg=ly.treg_die + harm_tumor,
        nk=ly.nk_die + harm_tumor,
        car_t=ca.contract + harm_tumor - ca.expand * metabolism.tcell_fitness(local, p) + cart_loss,
        dendritic=dc.emigrate + dc.die,
        mdsc=my.mdsc_die,
        tam_m1=my.tam_die + my.m1_to_m2,
        tam_m2=my.tam_die + my.m2_to_m1,
        caf_matrix=st.caf_die + st.matrix_to_cytokine,
        caf_cytokine=st.caf_die + st.cytokine_to_matrix,
        dead_antigen=p.dead_clearance,
        vessels=ve.regress,
        matrix=st.degrade,
        mhc1=p.induction_rate,
        pdl1=p.induction_rate,
        alt_checkpoint=p.checkpoint_rate,
        silencing=p.silencing_rate,
        ln_dendritic=p.ln_dendritic_death,
        ln_primed=p.primed_egress,
        ln_helper=p.helper_egress,
        blood_cd8=p.blood_cd8_decay + now.entry + harm,
        blood_car_t=ca.contract - ca.expand + car_entry + harm,
        microbiome=ho.microbiome_rate,
        lymphocytes=ho.lymphocyte_loss,
    )
    return Flux(gain, loss)


OBSERVABLES = (
    "tumor_volume", "recognition", "mhc1", "pdl1", "antigen_release", "dc_mature", "priming", "cd8_blood",
    "cd8_infiltration", "cd8_effector", "infiltration", "killing", "checkpoint_inhibition", "exhaustion", "treg",
    "mdsc", "m2", "tgfb", "il6", "il10", "vegf", "hypoxia", "lactate", "glucose", "arginine", "kynurenine", "adenosine",
    "caf_matrix", "caf_cytokine", "matrix", "vessel_function", "interstitial_pressure", "drug_access", "microbiome",
    "persister", "clone_b2m_loss", "clone_jak_loss", "clone_car_antigen_loss", "cart_tumor", "car_recognition",
    "cxcl9_10", "ifng", "ifng_response", "silencing", "growth", "mapk_activity", "immune_kill", "lymphocytes",
)  # fmt: skip


def observe(state: State, p: Params) -> dict[str, jax.Array]:
    """Return the observables by name: what records refer to as `process.observable`, reports plot and tests check.

    Volumes in mL, cell populations as fractions of sites (blood in Mcell), rates per day, oxygen-derived hypoxia in
    [0, 1], lactate and glucose in mM, other signals in half-effect units.
    """
    now = situation(state, p)
    local = now.local
    cd8 = local.cd8_progenitor + local.cd8_effector + local.cd8_terminal
    cancer = jnp.maximum(jnp.sum(state.cancer) + jnp.sum(state.persister), 1e-12)
    of_clone = (state.cancer + state.persister) / cancer
    share = state.cancer / jnp.maximum(jnp.sum(state.cancer), 1e-12)
    released = p.dead_clearance * local.dead_antigen * p.antigen_release_gain
    return {
        "tumor_volume": now.volume_ml,
        "recognition": now.recognized_mean,
        "mhc1": jnp.sum(presentation.mhc1_of_clone(local.mhc1, clone_traits(), p) * of_clone),
        "pdl1": local.pdl1,
        "antigen_release": released * presentation.antigen_breadth(p),
        "dc_mature": state.ln_dendritic,
        "priming": now.primed_per_day,
        "cd8_blood": state.blood_cd8,
        "cd8_infiltration": cd8,
        "cd8_effector": local.cd8_effector,
        "infiltration": now.entry * now.access,
        "killing": killing.function(local, p),
        "checkpoint_inhibition": 1.0 - checkpoints.brake(local, p),
        "exhaustion": local.cd8_terminal / jnp.maximum(cd8, 1e-12),
        "treg": local.treg,
        "mdsc": local.mdsc,
        "m2": local.tam_m2,
        "tgfb": local.tgfb,
        "il6": local.il6,
        "il10": local.il10,
        "vegf": local.vegf,
        "hypoxia": local.hypoxia,
        "lactate": local.lactate,
        "glucose": local.glucose,
        "arginine": local.arginine,
        "kynurenine": local.kynurenine,
        "adenosine": local.adenosine,
        "caf_matrix": local.caf_matrix,
        "caf_cytokine": local.caf_cytokine,
        "matrix": local.matrix,
        "vessel_function": local.perfusion,
        "interstitial_pressure": local.pressure,
        "drug_access": local.drug_access,
        "microbiome": state.microbiome,
        "persister": jnp.sum(state.persister) / cancer,
        "clone_b2m_loss": of_clone[1],
        "clone_jak_loss": of_clone[2],
        "clone_car_antigen_loss": of_clone[3],
        "cart_tumor": local.car_t,
        "car_recognition": jnp.sum(presentation.car_recognition(clone_traits(), p) * of_clone),
        "cxcl9_10": local.cxcl9_10,
        "ifng": local.ifng,
        "ifng_response": p.ifng_response * (1.0 - of_clone[2]),
        "silencing": local.silencing,
        "growth": jnp.sum((now.growth.divide - now.growth.die) * share),
        "mapk_activity": p.mapk_output * (1.0 - p.mapk_inhibition),
        "immune_kill": jnp.sum((now.immune_kill + now.car_kill) * share),
        "lymphocytes": state.lymphocytes,
    }
