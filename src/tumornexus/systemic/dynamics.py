"""The right-hand side: rate laws of `biology` on compartment averages, as production and per-capita loss.

Every state obeys dx/dt = gain - loss * x with gain >= 0; `loss` may be negative (net growth). The integrator uses this
form to keep positive states positive at any step. Two sets of parameters enter, because a drug acts by its
concentration where it is: `p` as each lesion sees them, `h` as node, blood and gut do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology import (
    cart,
    checkpoints,
    ctdna,
    dissemination,
    growth,
    killing,
    lymphoid,
    mediators,
    metabolism,
    myeloid,
    presentation,
    priming,
    stroma,
    tcells,
    trafficking,
    vasculature,
    virus,
)  # fmt: skip
from tumornexus.biology import host as host_laws
from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill
from tumornexus.systemic.state import OCCULT, State, clone_traits, densities, total_cells

# Seams where a law of one folder is called: what `benchmarks/systemic.py` counts as the model's laws.
LAWS = (
    cart.rates, cart.trogocytosis, checkpoints.alt_checkpoint_target, checkpoints.brake, checkpoints.rates,
    dissemination.establishment, dissemination.niche_target, dissemination.node_suppression, dissemination.seeding_rate,
    dissemination.vesicles, growth.rates, host_laws.bacteria, host_laws.rates, killing.car_t_rate, killing.cd4_rate,
    killing.cd8_rate, killing.function, killing.gamma_delta_rate, killing.infiltrate_access, killing.macrophage_rate,
    killing.nk_rate, killing.suppression, lymphoid.rates, mediators.quasi_steady, metabolism.adenosine_level,
    metabolism.arginine_balance, metabolism.glucose_balance, metabolism.hypoxia_fraction, metabolism.kynurenine_level,
    metabolism.lactate_balance, metabolism.oxygen_balance, metabolism.perfusion, metabolism.tcell_fitness,
    myeloid.rates,
    presentation.antigen_breadth, presentation.car_recognition, presentation.mhc1_of_clone, presentation.mhc1_target,
    presentation.mhc2_of_clone, presentation.pdl1_target, presentation.recognition, priming.activation, priming.burst,
    priming.dendritic, priming.memory,
    priming.recall, stroma.rates, tcells.car_t_attrition, tcells.harm,
    tcells.rates, trafficking.car_t_entry_factor, trafficking.entry_factor, vasculature.rates,
    virus.rates,
)  # fmt: skip


class Flux(NamedTuple):
    """Production (units per day) and per-capita loss (per day) of every state; `divide`: the divisions per cancer cell
    and day that the net loss of cancer cells contains, which chance in small clones needs apart."""

    gain: Any
    loss: Any
    divide: jax.Array


class Node(NamedTuple):
    """Priming in the draining lymph node; each (batch,)."""

    treg: jax.Array  # weight of Treg there
    primed_per_day: jax.Array  # Mcell of daughters per day


class Exchange(NamedTuple):
    """What lesions and host exchange, all lesions together; each (batch,)."""

    emigrating: jax.Array  # dendritic cells that reach the node, Mcell per day
    cd8_entry: jax.Array  # share of circulating CD8 T cells that enter per day; helper and CAR-T cells likewise
    helper_entry: jax.Array
    car_entry: jax.Array
    car_antigen: jax.Array  # antigen that CAR-T cells meet, Mcell
    car_tumor: jax.Array  # CAR-T cells in lesions, Mcell
    virus: jax.Array  # million infectious units
    vesicles: jax.Array  # in units of their half-effect


class Situation(NamedTuple):
    """What the laws see at one moment, shared by the right-hand side and the observables."""

    local: Local
    recognized: jax.Array  # (clone, lesion, batch)
    recognized_mean: jax.Array  # (lesion, batch)
    mhc1_mean: jax.Array  # (lesion, batch)
    volume_ml: jax.Array  # (lesion, batch)
    total: jax.Array
    access: jax.Array  # closure: fraction of T cells that reach cancer nests
    immune_kill: jax.Array  # (clone, lesion, batch) per cancer cell and day
    car_kill: jax.Array
    growth: growth.GrowthRates
    virus: virus.VirusRates
    supply: jax.Array  # share of the circulation that a lesion drains: rises with its volume, below 1 in sum
    entry: jax.Array  # fraction of circulating CD8 T cells that enter each lesion per day
    vesicles: jax.Array  # (batch,)
    node: Node


def node(host: Any, treg_share: jax.Array, vesicle: jax.Array, h: Params) -> Node:
    """Return priming in the draining node; `host` has the compartments of `HOST`, `treg_share` is that of lesions."""
    node_treg = treg_share * h.node_treg
    activated = priming.activation(host.ln_dendritic, node_treg, host.ln_helper, h)
    primed = (
        h.naive_precursors
        * priming.recall(host.blood_memory, h)
        * host.lymphocytes
        * activated
        * dissemination.node_suppression(vesicle, h)
        * priming.burst(h)
    )
    return Node(node_treg, primed)


def host_flux(host: Any, primed_per_day: jax.Array, x: Exchange, h: Params) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return production and per-capita loss of node, blood and gut by the names of `HOST`.

    `host` has those names as attributes, each (batch,). The same for both scales: `x` comes from lesion averages at
    the host scale and from counted cells at the tissue scale.
    """
    roused = h.antiviral_rate * hill(x.virus, h.antiviral_half)
    me = priming.memory(host.blood_cd8, host.ln_dendritic, h)
    ho = host_laws.rates(h)
    car_total = host.blood_car_t + host.blood_car_memory + x.car_tumor
    ca = cart.rates(x.car_antigen, car_total, h)
    harm = h.lymphocyte_depletion
    # Conditioning ends before the cells are infused: it takes the host's own lymphocytes, not the CAR-T cells.
    own = harm + h.conditioning
    zero = jnp.zeros_like(host.steroid)
    gain = {
        "ln_dendritic": x.emigrating,
        "ln_primed": primed_per_day,
        "ln_helper": h.helper_priming * hill(host.ln_dendritic, h.dc_node_half) * h.costimulation * host.lymphocytes,
        "blood_cd8": h.primed_egress * host.ln_primed,
        "blood_memory": me.form,
        "blood_helper": h.helper_egress * host.ln_helper,
        "blood_car_t": ca.recall * host.blood_car_memory,
        "blood_car_memory": h.cart_memory_share * ca.contract * host.blood_car_t,
        "microbiome": ho.microbiome_rate * ho.microbiome_target,
        "lymphocytes": ho.lymphocyte_gain,
        "niche": h.niche_rate * dissemination.niche_target(x.vesicles, h),
        "antiviral": roused,
        "steroid": zero,
        "toxicity_hazard": zero,
    }
    loss = {
        "ln_dendritic": h.ln_dendritic_death,
        "ln_primed": h.primed_egress,
        "ln_helper": h.helper_egress,
        "blood_cd8": h.blood_cd8_decay + x.cd8_entry + own,
        "blood_memory": me.lose + h.conditioning,
        "blood_helper": h.blood_helper_decay + x.helper_entry + own,
        "blood_car_t": ca.contract - ca.expand + x.car_entry + harm,
        "blood_car_memory": h.cart_memory_decline + ca.recall + harm,
        "microbiome": ho.microbiome_rate,
        "lymphocytes": ho.lymphocyte_loss,
        "niche": h.niche_rate,
        "antiviral": h.antiviral_loss + roused,
        "steroid": h.steroid_taper,
        "toxicity_hazard": zero,
    }
    return gain, loss


def situation(state: State, p: Params, h: Params) -> Situation:
    """Return the local environment and the rates that several equations share."""
    clones = clone_traits()
    cells = densities(state)
    recognized = presentation.recognition(cells, clones, p)
    share = state.cancer / jnp.maximum(jnp.sum(state.cancer, 0), 1e-12)
    recognized_mean = jnp.sum(recognized * share, 0)
    local = mediators.quasi_steady(cells, recognized_mean, p)
    total = total_cells(state)
    volume = total / p.site_density
    access = killing.infiltrate_access(local, p)
    mhc1 = presentation.mhc1_of_clone(cells.mhc1, clones, p)
    mhc2 = presentation.mhc2_of_clone(cells.mhc1, clones, p)
    car_kill = killing.car_t_rate(local, presentation.car_recognition(cells, clones, p), p) * access
    immune_kill = (
        killing.cd8_rate(local, recognized, p)
        + killing.cd4_rate(local, mhc2, p)
        + killing.nk_rate(local, mhc1, p)
        + killing.gamma_delta_rate(local, mhc1, p)
    ) * access + killing.macrophage_rate(local, p)
    per_cell = state.virus / jnp.maximum(total, 1e-9)
    supply = volume / (jnp.sum(volume, 0) + p.entry_half_volume)
    vesicle = dissemination.vesicles(jnp.sum(jnp.sum(state.cancer, 0) * cells.pdl1, 0), h)
    treg_share = jnp.sum(cells.treg * total, 0) / jnp.maximum(jnp.sum(total, 0), 1e-9)
    return Situation(
        local=local,
        recognized=recognized,
        recognized_mean=recognized_mean,
        mhc1_mean=jnp.sum(mhc1 * share, 0),
        volume_ml=volume,
        total=total,
        access=access,
        immune_kill=immune_kill,
        car_kill=car_kill,
        growth=growth.rates(local, clones, p),
        virus=virus.rates(per_cell, state.antiviral, local.type1_ifn, clones, p),
        supply=supply,
        entry=p.cd8_entry * trafficking.entry_factor(local, p) * supply,
        vesicles=vesicle,
        node=node(state, treg_share, vesicle, h),
    )


def deaths(now: Situation, state: State, p: Params) -> tuple[jax.Array, jax.Array]:
    """Return the deaths of cycling and of persisting cancer cells, Mcell per day, each (clone, lesion, batch)."""
    die_immune = now.immune_kill + now.car_kill
    g = now.growth
    return (
        (g.die + g.drug_kill + die_immune) * state.cancer,
        (g.persister_die + p.persister_immune_share * die_immune) * state.persister,
    )


def flux(state: State, p: Params, h: Params) -> Flux:
    """Return production and loss of every state under parameters `p` and `h` (drugs already applied)."""
    now = situation(state, p, h)
    local, total, g, v = now.local, now.total, now.growth, now.virus
    seen = now.recognized_mean
    die_immune = now.immune_kill + now.car_kill
    room = jnp.maximum(1.0 - jnp.sum(now.volume_ml, 0) / h.max_volume, -1.0)

    # Cancer cells: net rate as one per-capita number, so exponential growth is integrated exactly.
    escapes = jnp.array([0.0, 1.0, 1.0, 1.0, 1.0])[:, None, None]
    mutants = escapes * p.escape_mutation_rate * (g.divide * state.cancer)[:1]
    seeds = dissemination.seeding_rate(local, p) * state.cancer
    # Founder cells of all measured lesions settle at the place for new ones.
    settled = dissemination.establishment(state.niche, h) * jnp.sum(seeds[:, :OCCULT], 1)
    arriving = jnp.zeros_like(state.cancer).at[:, OCCULT].set(settled)
    persister_immune = p.persister_immune_share * die_immune
    cycling_deaths, persister_deaths = deaths(now, state, p)
    dying = jnp.sum(cycling_deaths, 0) + jnp.sum(persister_deaths, 0) + v.lyse * state.infected

    entering = now.entry * state.blood_cd8
    own_tumor, _ = tcells.harm(p)

    t = tcells.rates(local, seen, p)
    my = myeloid.rates(local, p)
    ly = lymphoid.rates(local, state.lymphocytes, now.mhc1_mean, p)
    st = stroma.rates(local, p)
    ve = vasculature.rates(local, p)
    dc = priming.dendritic(local, state.microbiome, p)
    ba = host_laws.bacteria(local, p)

    helper_entry = p.helper_entry * trafficking.entry_factor(local, p) * now.supply
    car_seen = presentation.car_recognition(local.cells, clone_traits(), p)
    car_antigen = jnp.sum(car_seen * state.cancer, 0) * now.access
    car_total = state.blood_car_t + state.blood_car_memory + jnp.sum(state.car_t, 0)
    ca = cart.rates(jnp.sum(car_antigen, 0), car_total, h)
    car_entry = p.cd8_entry * trafficking.car_t_entry_factor(local, p) * now.supply
    exchange = Exchange(
        emigrating=jnp.sum(dc.emigrate * state.dendritic, 0),
        cd8_entry=jnp.sum(now.entry, 0),
        helper_entry=jnp.sum(helper_entry, 0),
        car_entry=jnp.sum(car_entry, 0),
        car_antigen=jnp.sum(car_antigen, 0),
        car_tumor=jnp.sum(state.car_t, 0),
        virus=jnp.sum(state.virus, 0),
        vesicles=now.vesicles,
    )
    host_gain, host_loss = host_flux(state, now.node.primed_per_day, exchange, h)

    gain = State(
        cancer=g.from_persister * state.persister + mutants + arriving,
        persister=g.to_persister * state.cancer,
        infected=jnp.sum(v.infect * state.cancer, 0),
        cd8_progenitor=p.progenitor_share * entering,
        cd8_effector=(1.0 - p.progenitor_share) * entering
        + p.differentiation_burst * t.differentiate * state.cd8_progenitor,
        cd8_terminal=t.exhaust * state.cd8_effector,
        cd4_helper=helper_entry * state.blood_helper,
        treg=ly.recruit_treg * total + ly.helper_to_treg * state.cd4_helper,
        nk=ly.recruit_nk * total,
        gamma_delta=ly.recruit_gamma_delta * total,
        b_cell=ly.recruit_b_cell * total,
        car_t=car_entry * state.blood_car_t,
        dendritic=dc.recruit * total,
        neutrophil=my.recruit_neutrophil * total,
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
        silencing=p.silencing_rate * jnp.clip(p.epigenetic_silencing, 0.0, 0.98),
        tls=ly.form_tls,
        bacteria=ba.colonize,
        car_antigen=p.car_antigen_recovery,
        virus=p.virus_burst * v.lyse * state.infected,
        **host_gain,
    )
    loss = State(
        cancer=g.die + g.drug_kill + die_immune + g.to_persister + v.infect - g.divide * room,
        persister=g.from_persister + g.persister_die + persister_immune - g.persister_divide * room,
        infected=jnp.broadcast_to(v.lyse, total.shape),
        cd8_progenitor=t.progenitor_die + t.differentiate - t.progenitor_divide,
        cd8_effector=t.effector_die + t.exhaust - t.effector_divide,
        cd8_terminal=t.terminal_die,
        cd4_helper=t.helper_die + ly.helper_to_treg,
        treg=ly.treg_die + own_tumor,
        nk=ly.nk_die + own_tumor,
        gamma_delta=ly.gamma_delta_die - ly.gamma_delta_divide + own_tumor,
        b_cell=ly.b_cell_die + own_tumor,
        car_t=ca.contract + tcells.car_t_attrition(local, p) - ca.expand * metabolism.tcell_fitness(local, p),
        dendritic=dc.emigrate + dc.die,
        neutrophil=my.neutrophil_die,
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
        silencing=p.silencing_rate + p.reopening_rate,
        tls=ly.lose_tls + ly.form_tls,
        bacteria=ba.clear,
        car_antigen=p.car_antigen_recovery + cart.trogocytosis(local, p),
        virus=v.clear,
        **host_loss,
    )
    # Laws that depend on parameters only come without the axes of their state.
    full = jax.tree.map(lambda x, g, d: (jnp.broadcast_to(g, x.shape), jnp.broadcast_to(d, x.shape)), state, gain, loss)
    is_pair = lambda x: isinstance(x, tuple)  # noqa: E731
    return Flux(
        jax.tree.map(lambda t: t[0], full, is_leaf=is_pair),
        jax.tree.map(lambda t: t[1], full, is_leaf=is_pair),
        g.divide * jnp.ones_like(state.cancer),
    )


OBSERVABLES = (
    "tumor_volume", "recognition", "mhc1", "pdl1", "alt_checkpoint", "antigen_release", "dc_mature", "priming",
    "cd8_blood", "cd8_infiltration", "cd8_effector", "cd8_progenitor", "infiltration", "nest_access", "killing",
    "checkpoint_inhibition", "exhaustion", "treg", "mdsc", "m2", "neutrophil", "gamma_delta", "b_cell", "tls", "nk",
    "tgfb", "il6", "il10", "vegf", "hypoxia", "oxygen", "lactate", "glucose", "arginine", "kynurenine", "adenosine",
    "caf_matrix", "caf_cytokine", "matrix", "vessels", "vessel_function", "interstitial_pressure", "drug_access",
    "microbiome", "bacteria", "virus", "persister", "clone_b2m_loss", "clone_jak_loss", "clone_car_antigen_loss",
    "clone_pathway_reactivated", "cart_tumor", "cart_blood", "car_recognition", "car_antigen", "cxcl9_10", "ifng",
    "ifng_response", "silencing", "growth", "mapk_activity", "immune_kill", "lymphocytes", "niche", "vesicles",
    "new_lesion_volume", "toxicity_hazard", "clonal_diversity", "ph", "lactate_uptake", "stiffness", "mechanosignaling",
    "scfa", "anergy", "ctdna", "ctdna_b2m_loss",
)  # fmt: skip


def diversity(amounts: jax.Array) -> jax.Array:
    """Return the probability that two cells drawn at random are of different kinds, (batch,): Simpson's index
    sum of s (1 - s) over the shares s of the kinds of `amounts` (kind, batch); 0 for one kind alone."""
    shares = amounts / jnp.maximum(jnp.sum(amounts, 0), 1e-12)
    return jnp.maximum(jnp.sum(shares * (1.0 - shares), 0), 0.0)


def observe(state: State, p: Params, h: Params) -> dict[str, jax.Array]:
    """Return the observables by name, (batch,): what records refer to, reports plot and tests check.

    Averages over lesions are weighted by volume. Volumes in mL, cell populations as fractions of sites (blood in
    Mcell), rates per day, oxygen in mmHg, hypoxia in [0, 1], lactate and glucose in mM, stiffness in kPa, short-chain
    fatty acids in mmol per kg of stool, tumor DNA in haploid genome equivalents per mL of plasma (all, and that of the
    clone without B2M), other signals in half-effect units. `clonal_diversity` is that of the clones, persisters being
    one kind more. `lesion_volume` (lesion, batch) comes besides the names of `OBSERVABLES`.
    """
    now = situation(state, p, h)
    local = now.local
    weight = now.volume_ml / jnp.maximum(jnp.sum(now.volume_ml, 0), 1e-12)

    def mean(x: jax.Array) -> jax.Array:
        return jnp.sum(weight * x, 0)

    cd8 = local.cd8_progenitor + local.cd8_effector + local.cd8_terminal
    both = jnp.sum(state.cancer + state.persister, 1)
    of_clone = both / jnp.maximum(jnp.sum(both, 0), 1e-12)
    share = state.cancer / jnp.maximum(jnp.sum(state.cancer, 0), 1e-12)
    of_lesion = (state.cancer + state.persister) / jnp.maximum(jnp.sum(state.cancer + state.persister, 0), 1e-12)
    released = p.dead_clearance * local.dead_antigen * p.antigen_release_gain * presentation.antigen_breadth(p)
    mhc1 = presentation.mhc1_of_clone(local.mhc1, clone_traits(), p)
    car_seen = presentation.car_recognition(local.cells, clone_traits(), p)
    cycling_deaths, persister_deaths = deaths(now, state, p)
    dead = jnp.sum(cycling_deaths + persister_deaths, 1)  # (clone, batch)
    lysed = jnp.sum(now.virus.lyse * state.infected, 0)
    stiffness = stroma.stiffness_kpa(local.matrix, p)
    values = {
        "tumor_volume": jnp.sum(now.volume_ml, 0),
        "recognition": mean(now.recognized_mean),
        "mhc1": mean(jnp.sum(mhc1 * of_lesion, 0)),
        "pdl1": mean(local.pdl1),
        "alt_checkpoint": mean(local.alt_checkpoint),
        "antigen_release": mean(released),
        "dc_mature": state.ln_dendritic,
        "priming": now.node.primed_per_day,
        "cd8_blood": state.blood_cd8,
        "cd8_infiltration": mean(cd8),
        "cd8_effector": mean(local.cd8_effector),
        "cd8_progenitor": mean(local.cd8_progenitor),
        "infiltration": jnp.sum(now.entry * now.access, 0),
        "nest_access": mean(now.access),
        "killing": mean(killing.function(local, p)),
        "checkpoint_inhibition": mean(1.0 - checkpoints.brake(local, p)),
        "exhaustion": mean(local.cd8_terminal) / jnp.maximum(mean(cd8), 1e-12),
        "treg": mean(local.treg),
        "mdsc": mean(local.mdsc),
        "m2": mean(local.tam_m2),
        "neutrophil": mean(local.neutrophil),
        "gamma_delta": mean(local.gamma_delta),
        "b_cell": mean(local.b_cell),
        "tls": mean(local.tls),
        "nk": mean(local.nk),
        "tgfb": mean(local.tgfb),
        "il6": mean(local.il6),
        "il10": mean(local.il10),
        "vegf": mean(local.vegf),
        "hypoxia": mean(local.hypoxia),
        "oxygen": mean(local.oxygen),
        "lactate": mean(local.lactate),
        "glucose": mean(local.glucose),
        "arginine": mean(local.arginine),
        "kynurenine": mean(local.kynurenine),
        "adenosine": mean(local.adenosine),
        "caf_matrix": mean(local.caf_matrix),
        "caf_cytokine": mean(local.caf_cytokine),
        "matrix": mean(local.matrix),
        "vessels": mean(local.vessels),
        "vessel_function": mean(local.perfusion),
        "interstitial_pressure": mean(local.pressure),
        "drug_access": mean(local.drug_access),
        "microbiome": state.microbiome,
        "bacteria": mean(local.bacteria),
        "virus": jnp.sum(state.virus, 0),
        "persister": jnp.sum(state.persister, (0, 1)) / jnp.maximum(jnp.sum(both, 0), 1e-12),
        "clone_b2m_loss": of_clone[1],
        "clone_jak_loss": of_clone[2],
        "clone_car_antigen_loss": of_clone[3],
        "clone_pathway_reactivated": of_clone[4],
        "cart_tumor": mean(local.car_t),
        "cart_blood": state.blood_car_t + state.blood_car_memory,
        "car_recognition": mean(jnp.sum(car_seen * of_lesion, 0)),
        "car_antigen": mean(local.car_antigen),
        "cxcl9_10": mean(local.cxcl9_10),
        "ifng": mean(local.ifng),
        "ifng_response": mean(p.ifng_response * (1.0 - of_lesion[2])),
        "silencing": mean(local.silencing),
        "growth": mean(jnp.sum((now.growth.divide - now.growth.die) * share, 0)),
        "mapk_activity": mean(p.mapk_output * (1.0 - p.mapk_inhibition)),
        "immune_kill": mean(jnp.sum((now.immune_kill + now.car_kill) * share, 0)),
        "lymphocytes": state.lymphocytes,
        "niche": state.niche,
        "vesicles": now.vesicles,
        "new_lesion_volume": now.volume_ml[OCCULT],
        "toxicity_hazard": state.toxicity_hazard,
        "clonal_diversity": diversity(jnp.stack([*jnp.sum(state.cancer, 1), jnp.sum(state.persister, (0, 1))])),
        "ph": mean(metabolism.extracellular_ph(local.lactate, p)),
        "lactate_uptake": mean(metabolism.lactate_uptake(local, p)),
        "stiffness": mean(stiffness),
        "mechanosignaling": mean(stroma.mechanosignaling(stiffness, p)),
        "scfa": host_laws.short_chain_fatty_acids(state.microbiome, h),
        "anergy": priming.anergy(now.node.treg, mean(1.0 / priming.restraint(local, p)), h),
        "ctdna": ctdna.plasma_copies(jnp.sum(dead, 0) + lysed, h),
        "ctdna_b2m_loss": ctdna.plasma_copies(dead[1], h),
    }
    return {**values, "lesion_volume": now.volume_ml}
