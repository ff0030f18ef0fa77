"""The host around the tissue: drugs in blood and tissue, lymph node, blood and gut.

The tissue is a sample of one lesion: each of its cells stands for `million_per_site` million cells of the lesion. The
compartments obey `systemic.dynamics.host_flux`; what the lesion takes from blood and sends to the node is counted here.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tumornexus.biology.drug_action import Acted, Acts, modulate, occupancy
from tumornexus.biology.params import Params
from tumornexus.biology.pharmacology import Kinetics, propagate
from tumornexus.systemic.dynamics import Exchange, host_flux, node
from tumornexus.systemic.integrate import frozen
from tumornexus.systemic.ode import (
    CIRCULATING,
    DEPOSITS,
    LESION_VARIED,
    Patient,
    Setting,
    clearance_factors,
    hazard_rate,
)  # fmt: skip
from tumornexus.systemic.state import HOST
from tumornexus.systemic.treatment import SLOTS, Treatment

Compartments = NamedTuple("Compartments", [(name, jax.Array) for name in HOST])
Compartments.__doc__ = "Node, blood and gut, scalars: Mcell, or levels as in `systemic.state.State`."


class Host(eqx.Module):
    """What changes outside the tissue."""

    compartments: Compartments
    amounts: jax.Array  # (slot, 2), dose units in the central and peripheral compartment
    soaked: jax.Array  # (slot,), concentration that well-supplied tissue has taken up from plasma


class Drugs(eqx.Module):
    """A regimen as the tissue needs it, one member: tables of acts (slot, acted, 1) and kinetics (slot, 1)."""

    acts: Acts
    kinetics: Kinetics
    clearance_exponent: jax.Array  # (slot, 1)
    first_dose_day: jax.Array  # (slot, 1)
    million_per_unit: jax.Array  # (slot, kind of DEPOSITS)
    bolus: jax.Array  # (day, slot)
    input_rate: jax.Array  # (day, slot)


def narrow(treatment: Treatment) -> tuple[Acts, Acted]:
    """Return the acts of a regimen on the parameters that it changes, and which these are.

    The host scale keeps all parameters that any therapy changes, so that nothing recompiles; on a lattice each of them
    is an array, so that only those in play are kept.
    """
    acts, acted = treatment.acts, treatment.acted
    multiply = [i for i in range(len(acted.multiply)) if np.any(acts.multiply[:, i] != 1.0)]
    add = [i for i in range(len(acted.add)) if np.any(acts.add[:, i] != 0.0)]
    saturate = [i for i in range(len(acted.saturate)) if np.any(acts.saturates[:, i] != 0.0)]
    kept = Acted(
        multiply=tuple(acted.multiply[i] for i in multiply),
        add=tuple(acted.add[i] for i in add),
        saturate=tuple(acted.saturate[i] for i in saturate),
        upper=acted.upper,
    )
    tables = {
        "multiply": acts.multiply[:, multiply], "add": acts.add[:, add], "saturate": acts.saturate[:, saturate],
        "saturates": acts.saturates[:, saturate],
    }  # fmt: skip
    narrowed = eqx.tree_at(lambda a: tuple(getattr(a, n) for n in tables), acts, tuple(tables.values()))
    every = {*kept.multiply, *kept.add, *kept.saturate}
    return narrowed, Acted(kept.multiply, kept.add, kept.saturate, tuple(u for u in acted.upper if u[0] in every))


def drugs_of(treatment: Treatment) -> tuple[Drugs, Acted]:
    """Return a regimen for one member, float32, and which parameters it changes."""
    acts, acted = narrow(treatment)

    def one_member(x: np.ndarray) -> jax.Array:
        return jnp.asarray(np.asarray(x)[..., None], jnp.float32)

    def days(x: np.ndarray) -> jax.Array:
        # No treatment has no days; a table that is looked up needs one.
        return jnp.asarray(x if len(x) else np.zeros((1, SLOTS)), jnp.float32)

    return (
        Drugs(
            acts=jax.tree.map(one_member, acts),
            kinetics=jax.tree.map(one_member, treatment.kinetics),
            clearance_exponent=one_member(treatment.clearance_exponent),
            first_dose_day=one_member(treatment.first_dose_day),
            million_per_unit=jnp.asarray(treatment.million_per_unit, jnp.float32),
            bolus=days(treatment.bolus),
            input_rate=days(treatment.input_rate),
        ),
        acted,
    )


def plasma(host: Host, drugs: Drugs) -> jax.Array:
    """Return plasma concentrations (slot, 1) in the unit of each drug's EC50."""
    return host.amounts[:, :1] * drugs.kinetics.nm_per_unit


def under_drugs(
    bare: Params, host: Host, drugs: Drugs, access: tuple[jax.Array, jax.Array], acted: Acted, hill_is_one: bool
) -> tuple[Params, Params]:
    """Return the parameters of each voxel and those of the host, drugs applied.

    `access`: what part of the drug in blood reaches each voxel, of antibodies and of small molecules, over that in
    typical tumor. Large molecules soak into tissue over days (`soaked`), small ones follow plasma; what is given on
    the spot acts in full. Receptors of cells in blood and of the endothelium meet the drug in plasma. Parameters that
    no drug changes stay scalars.
    """
    a = drugs.acts
    in_plasma = plasma(host, drugs)
    h = modulate(bare, a, occupancy(in_plasma, a.ec50, a.hill, hill_is_one=hill_is_one), acted)
    h = Params(tuple(jnp.reshape(v, ()) for v in h.values), h.names)
    voxels = access[0].shape
    flat = [jnp.minimum(x.reshape(-1), h.access_ceiling) for x in access]
    slow = a.penetration_rate > 0.0
    ratio = a.tumor_to_plasma * jnp.where(slow, flat[0], flat[1])
    ratio = jnp.where(a.local > 0.0, 1.0, ratio)
    here = jnp.where(slow, host.soaked[:, None], in_plasma) * ratio
    p = modulate(bare, a, occupancy(here, a.ec50, a.hill, hill_is_one=hill_is_one), acted)
    # In a fixed order, unlike that of a set: the same program, and so the same bits, in every process.
    changed = dict.fromkeys((*acted.multiply, *acted.add, *acted.saturate))
    p = p.replaced({n: getattr(p, n).reshape(voxels) for n in changed if getattr(p, n).size > 1 or voxels == ()})
    p = p.replaced({name: getattr(h, name) for name in CIRCULATING})
    steroid = jnp.clip(h.steroid_exposure + host.compartments.steroid, 0.0, 1.0)
    with_steroid = {"steroid_exposure": jnp.clip(p.steroid_exposure + host.compartments.steroid, 0.0, 1.0)}
    return p.replaced(with_steroid), h.replaced({"steroid_exposure": steroid})


def given(host: Host, drugs: Drugs, day: jax.Array, dt: jax.Array) -> tuple[Host, jax.Array, jax.Array]:
    """Return the host after the bolus doses that fall on the start of this step, the virus (million units) injected and
    the NK cells (Mcell) infused.

    Doses come at midnight: in the step whose start is a whole day, to within half a step, because the product of step
    number and `dt` is off by more than any small tolerance after months.
    """
    today = jnp.floor(day + 0.5 * dt).astype(int)
    starts = (day - today) < 0.5 * dt
    within = today < drugs.bolus.shape[0]
    bolus = jnp.where(starts & within, drugs.bolus[jnp.minimum(today, drugs.bolus.shape[0] - 1)], 0.0)
    cells = jnp.sum(bolus[:, None] * drugs.million_per_unit, 0)
    amounts = host.amounts.at[:, 0].add(bolus)
    c = host.compartments
    c = c._replace(
        blood_car_t=c.blood_car_t + cells[DEPOSITS.index("blood_car_t")],
        blood_cd8=c.blood_cd8 + cells[DEPOSITS.index("blood_cd8")],
    )
    return Host(c, amounts, host.soaked), cells[DEPOSITS.index("virus")], cells[DEPOSITS.index("nk")]


def advance(
    host: Host,
    drugs: Drugs,
    exchange: Exchange,
    treg_share: jax.Array,
    bare: Params,
    h: Params,
    day: jax.Array,
    dt: jax.Array,
    acted: Acted,
    hill_is_one: bool,
) -> Host:
    """Return the host after one step: compartments with rates frozen over it, drugs exactly."""
    c = host.compartments
    primed = node(c, treg_share, exchange.vesicles, h).primed_per_day
    gain, loss = host_flux(c, primed, exchange, h)
    patient = Patient(
        values=jnp.stack([jnp.reshape(v, (1,)) for v in bare.values]),
        lesion_factors=jnp.ones((len(LESION_VARIED), 1, 1)),
        acts=drugs.acts,
        kinetics=drugs.kinetics,
        clearance_exponent=drugs.clearance_exponent,
        first_dose_day=drugs.first_dose_day,
        million_per_unit=drugs.million_per_unit[..., None],
    )
    since = jnp.maximum(day - drugs.first_dose_day, 0.0)
    setting = Setting(bare.names, acted, hill_is_one)
    gain["toxicity_hazard"] = jnp.sum(hazard_rate(plasma(host, drugs), since, h, patient, setting))
    after = {
        name: frozen(getattr(c, name), jnp.asarray(gain[name], jnp.float32), jnp.asarray(loss[name], jnp.float32), dt)
        for name in HOST
    }
    today = jnp.minimum(jnp.floor(day + 0.5 * dt).astype(int), drugs.input_rate.shape[0] - 1)
    factor = clearance_factors(jnp.reshape(bare.clearance_factor, (1,)), drugs.clearance_exponent)
    amounts, mean = propagate(
        drugs.kinetics, host.amounts[..., None], since, dt, drugs.input_rate[today][:, None], factor
    )
    level = mean[:, 0, 0] * drugs.kinetics.nm_per_unit[:, 0]
    rate = drugs.acts.penetration_rate[:, 0]
    soaked = jnp.where(rate > 0.0, frozen(host.soaked, rate * level, rate, dt), level)
    return Host(Compartments(**after), amounts[..., 0], soaked)
