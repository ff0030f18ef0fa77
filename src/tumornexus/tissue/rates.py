"""Rates of the cell on each site: the laws of `biology` at its place, sorted by what happens to the cell.

At most one thing happens to a cell within a step. `systemic.dynamics.flux` sorts the same laws into gains and losses of
compartments.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology import (
    cart,
    checkpoints,
    dissemination,
    growth,
    host,
    killing,
    lymphoid,
    mechanics,
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
from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params
from tumornexus.tissue.census import Census, Seen, touching
from tumornexus.tissue.lattice import KIND, Geometry, Ground

# What becomes of a cell that switches, and of one that takes the other way out (0: it leaves the tissue).
SWITCH = {
    "cancer": "persister", "persister": "cancer", "cd8_progenitor": "cd8_effector", "cd8_effector": "cd8_terminal",
    "cd4_helper": "treg", "tam_m1": "tam_m2", "tam_m2": "tam_m1", "caf_matrix": "caf_cytokine",
    "caf_cytokine": "caf_matrix",
}  # fmt: skip
OTHER = {"cancer": "infected", "dendritic": "empty"}
REMAINS = ("cancer", "persister", "infected")  # kinds that leave a dying cell behind; others vanish
ARRIVING = (
    "cd8_progenitor", "cd8_effector", "cd4_helper", "treg", "nk", "gamma_delta", "b_cell", "car_t", "dendritic",
    "neutrophil", "mdsc", "tam_m1", "caf_matrix", "caf_cytokine",
)  # fmt: skip
LOCAL = ("caf_matrix", "caf_cytokine")  # arise from fibroblasts on the spot; the others come out of vessels


class Fates(NamedTuple):
    """Per cell and day, of sites (place in voxel, *voxels); zero on empty sites."""

    die: jax.Array
    switch: jax.Array
    other: jax.Array
    divide: jax.Array


class Flow(NamedTuple):
    """What a place does besides the fates of its cells; voxel arrays unless said."""

    attack: jax.Array  # of sites: death by immune cells per cancer cell and day, where it takes several hits
    arrive: dict[str, jax.Array]  # new cells per occupied site and day; of blood cells by the named kinds of `ARRIVING`
    cd8_entry: jax.Array  # share of circulating cells that enter the lesion per day if all of it were like this place
    helper_entry: jax.Array
    car_entry: jax.Array
    mhc1: jax.Array  # targets of levels
    pdl1: jax.Array
    alt_checkpoint: jax.Array
    vessels: vasculature.VesselRates
    stroma: stroma.StromaRates
    bacteria: host.BacteriaRates
    form_tls: jax.Array
    lose_tls: jax.Array
    trogocytosis: jax.Array
    virus_clear: jax.Array
    seeds: jax.Array  # founder cells of metastases per cycling cancer cell and day


class Blood(NamedTuple):
    """What the host supplies; scalars."""

    cd8: jax.Array  # Mcell in circulation
    helper: jax.Array
    car_t: jax.Array
    car_expand: jax.Array  # division of CAR-T cells on the antigen of the whole lesion, per day
    car_contract: jax.Array
    microbiome: jax.Array
    lymphocytes: jax.Array
    antiviral: jax.Array
    lesion: jax.Array  # Mcell of the lesion that the tissue is a sample of
    supply: jax.Array  # share of the circulation that it drains
    room: jax.Array  # factor on division by the burden of the whole host


def _spread_over(kind: jax.Array, rates: dict[str, jax.Array]) -> jax.Array:
    """Return for each site the rate of its kind; kinds not named have none."""
    total = jnp.zeros(kind.shape, jnp.float32)
    for name, rate in rates.items():
        total = jnp.where(kind == KIND[name], rate, total)
    return total


def of_cells(
    kind: jax.Array,
    local: Local,
    census: Census,
    seen: Seen,
    ground: Ground,
    blood: Blood,
    p: Params,
    geometry: Geometry,
) -> tuple[Fates, Flow]:
    """Return what happens to the cells on all sites, and to each place."""
    free = geometry.stirred
    g = growth.rates(local, census.traits, p)
    v = virus.rates(ground.virus, blood.antiviral, local.type1_ifn, census.traits, p)
    t = tcells.rates(local, seen.recognized_mean, p)
    my = myeloid.rates(local, p)
    ly = lymphoid.rates(local, blood.lymphocytes, seen.mhc1_mean, p)
    st = stroma.rates(local, p)
    dc = priming.dendritic(local, blood.microbiome, p)
    own_harm, _ = tcells.harm(p)

    near = touching(local, census, p, geometry)
    immune = (
        killing.cd8_rate(near, seen.recognized, p)
        + killing.cd4_rate(near, seen.mhc2, p)
        + killing.nk_rate(near, seen.mhc1, p)
        + killing.gamma_delta_rate(near, seen.mhc1, p)
    )
    car = killing.car_t_rate(near, seen.car, p)
    if free:
        # Well mixed there are no nests: the host scale's closure says what share of killers would reach them.
        access = killing.infiltrate_access(local, p)
        immune, car = immune * access, car * access
    attacked = immune + killing.macrophage_rate(near, p) + car
    spared = p.persister_immune_share * attacked
    brake = 1.0 if free else mechanics.pressure_brake(census.crowding, p)
    lethal = {
        "cancer": g.die + g.drug_kill,
        "persister": g.persister_die,
        "infected": v.lyse,
        "cd8_progenitor": t.progenitor_die,
        "cd8_effector": t.effector_die,
        "cd8_terminal": t.terminal_die,
        "cd4_helper": t.helper_die,
        "treg": ly.treg_die + own_harm,
        "nk": ly.nk_die + own_harm,
        "gamma_delta": ly.gamma_delta_die + own_harm,
        "b_cell": ly.b_cell_die + own_harm,
        "car_t": blood.car_contract + tcells.car_t_attrition(local, p),
        "dendritic": dc.die,
        "neutrophil": my.neutrophil_die,
        "mdsc": my.mdsc_die,
        "tam_m1": my.tam_die,
        "tam_m2": my.tam_die,
        "caf_matrix": st.caf_die,
        "caf_cytokine": st.caf_die,
        "dead_antigen": p.dead_clearance,
    }
    if free:
        lethal |= {"cancer": lethal["cancer"] + attacked, "persister": lethal["persister"] + spared}
        attack = jnp.zeros(kind.shape, jnp.float32)
    else:
        attack = _spread_over(kind, {"cancer": attacked, "persister": spared})
    fates = Fates(
        die=_spread_over(kind, lethal),
        switch=_spread_over(
            kind,
            {
                "cancer": g.to_persister,
                "persister": g.from_persister,
                "cd8_progenitor": t.differentiate,
                "cd8_effector": t.exhaust,
                "cd4_helper": ly.helper_to_treg,
                "tam_m1": my.m1_to_m2,
                "tam_m2": my.m2_to_m1,
                "caf_matrix": st.matrix_to_cytokine,
                "caf_cytokine": st.cytokine_to_matrix,
            },
        ),
        other=_spread_over(kind, {"cancer": v.infect, "dendritic": dc.emigrate}),
        divide=_spread_over(
            kind,
            {
                "cancer": g.divide * blood.room * brake,
                "persister": g.persister_divide * blood.room * brake,
                "cd8_progenitor": t.progenitor_divide,
                "cd8_effector": t.effector_divide,
                "gamma_delta": ly.gamma_delta_divide,
                "car_t": blood.car_expand * metabolism.tcell_fitness(local, p),
            },
        ),
    )

    entry = trafficking.entry_factor(local, p) * blood.supply
    cd8_entry = p.cd8_entry * entry
    helper_entry = p.helper_entry * entry
    car_entry = p.cd8_entry * trafficking.car_t_entry_factor(local, p) * blood.supply
    entering = cd8_entry * blood.cd8 / blood.lesion
    flow = Flow(
        attack=attack,
        arrive={
            "cd8_progenitor": p.progenitor_share * entering,
            "cd8_effector": (1.0 - p.progenitor_share) * entering,
            "cd4_helper": helper_entry * blood.helper / blood.lesion,
            "treg": ly.recruit_treg,
            "nk": ly.recruit_nk,
            "gamma_delta": ly.recruit_gamma_delta,
            "b_cell": ly.recruit_b_cell,
            "car_t": car_entry * blood.car_t / blood.lesion,
            "dendritic": dc.recruit,
            "neutrophil": my.recruit_neutrophil,
            "mdsc": my.recruit_mdsc,
            "tam_m1": my.recruit_tam,
            "caf_matrix": st.recruit_matrix,
            "caf_cytokine": st.recruit_cytokine,
        },
        cd8_entry=cd8_entry,
        helper_entry=helper_entry,
        car_entry=car_entry,
        mhc1=presentation.mhc1_target(local, p),
        pdl1=presentation.pdl1_target(local, p),
        alt_checkpoint=checkpoints.alt_checkpoint_target(local, p),
        vessels=vasculature.rates(local, p),
        stroma=st,
        bacteria=host.bacteria(local, p),
        form_tls=ly.form_tls,
        lose_tls=ly.lose_tls,
        trogocytosis=cart.trogocytosis(local, p),
        virus_clear=v.clear,
        seeds=dissemination.seeding_rate(local, p),
    )
    return fates, flow
