"""A slow, obvious twin of one step of the tissue, with the same draws.

Loops over sites and NumPy in float64. The rate laws are those of `biology`, called on the places of the tissue in
a row; who is counted, what diffuses where, what happens to each cell, who arrives, divides, walks and mutates, and what
blood loses is written anew from the description in words. Fields are solved by elimination.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tissue import plain
from tumornexus.biology import (
    cart,
    checkpoints,
    dissemination,
    growth,
    killing,
    lymphoid,
    mechanics,
    mediators,
    metabolism,
    motility,
    myeloid,
    presentation,
    priming,
    stroma,
    tcells,
    trafficking,
    transport,
    vasculature,
    virus,
)  # fmt: skip
from tumornexus.biology import host as host_laws
from tumornexus.biology.environment import Cells, Local
from tumornexus.biology.params import Params
from tumornexus.biology.pharmacology import propagate
from tumornexus.biology.presentation import CloneTraits
from tumornexus.cellkinds import KINDS
from tumornexus.systemic.dynamics import Exchange, host_flux, node
from tumornexus.systemic.ode import CIRCULATING
from tumornexus.systemic.state import CLONES, HOST, clone_traits
from tumornexus.tissue.moves import PUSH
from tumornexus.tissue.state import Draws, Fixed, Setting, Tissue

CANCER = ("cancer", "persister", "infected")
T_CELLS = ("cd8_progenitor", "cd8_effector", "cd8_terminal", "cd4_helper", "treg", "gamma_delta", "car_t")
HUNTERS = ("cd8_progenitor", "cd8_effector", "cd8_terminal", "car_t")
LEVELS = ("mhc1", "pdl1", "silencing", "car_antigen", "alt_checkpoint")
ATTRIBUTES = ("kind", "clone", "hits", "age", *LEVELS)


@dataclass
class Calls:
    """Decides by random numbers, and remembers how close the closest call was, relative to the threshold."""

    closest: float = 1.0

    def less(self, drawn: float, threshold: float) -> bool:
        self.closest = min(self.closest, abs(drawn - threshold) / max(abs(threshold), 1e-3))
        return bool(drawn < threshold)


@dataclass
class After:
    """What a step leaves: as `Tissue` and `Tally`, in plain dictionaries."""

    sites: dict[str, np.ndarray]
    ground: dict[str, np.ndarray]
    signals: dict[str, np.ndarray]
    compartments: dict[str, float]
    amounts: np.ndarray
    soaked: np.ndarray
    tally: dict[str, float] = field(default_factory=dict)
    closest: float = 1.0


def eased(x: Any, gain: Any, loss: Any, dt: float) -> Any:
    """Return the solution of dx/dt = gain - loss x after dt."""
    x, gain, loss = (np.asarray(v, float) for v in (x, gain, loss))
    safe = np.where(loss == 0.0, 1.0, loss)
    settled = gain / safe
    return np.where(loss == 0.0, x + gain * dt, settled + (x - settled) * np.exp(-loss * dt))


class Places:
    """The voxels in a row, or the one place that a stirred tissue is; and which sites belong to each."""

    def __init__(self, setting: Setting) -> None:
        g = setting.geometry
        self.g, self.shape = g, g.shape
        self.sites = list(itertools.product(*map(range, g.shape)))
        self.voxels = list(itertools.product(*map(range, g.voxels)))
        self.voxel_of = [tuple(c // g.coarse for c in site) for site in self.sites]
        number = {v: n for n, v in enumerate(self.voxels)}
        self.voxel_number = np.array([number[v] for v in self.voxel_of])
        self.place_of = np.zeros(len(self.sites), int) if g.stirred else self.voxel_number
        self.n = 1 if g.stirred else len(self.voxels)

    def drawn(self, blocks: Any) -> np.ndarray:
        """Return the draws of all sites in a row from (place in voxel, *voxels)."""
        x, c = np.asarray(blocks, float), self.g.coarse
        inner = [int(np.ravel_multi_index([k % c for k in site], [c] * len(site))) for site in self.sites]
        return np.array([x[(place, *voxel)] for place, voxel in zip(inner, self.voxel_of, strict=True)])

    def near(self, place: int, reach: int) -> list[int]:
        """Return the voxels within `reach` of a voxel along every axis, itself included."""
        here = self.voxels[place]
        return [n for n, v in enumerate(self.voxels) if all(abs(a - b) <= reach for a, b in zip(here, v, strict=True))]

    def around(self, place: int) -> list[int]:
        """Return the sites that a place counts as its surroundings."""
        if self.g.stirred:
            return list(range(len(self.sites)))
        near = set(self.near(place, 1))
        return [i for i, n in enumerate(self.voxel_number) if n in near]

    def diffuse(self, gain: Any, loss: Any, length: float) -> np.ndarray:
        """Solve 0 = L^2 lap(c) - loss c + gain on the voxels, no flux at the border."""
        gain, loss = (np.broadcast_to(np.asarray(x, float), (self.n,)) for x in (gain, loss))
        matrix = np.diag(loss.astype(float))
        weight = (float(length) / (self.g.site_um * self.g.coarse)) ** 2
        for (a, v), (b, w) in itertools.combinations(enumerate(self.voxels), 2):
            if sum(abs(i - j) for i, j in zip(v, w, strict=True)) == 1:
                matrix[[a, b], [a, b]] += weight
                matrix[[a, b], [b, a]] -= weight
        return np.linalg.solve(matrix, gain)


def concentration_effect(concentration: Any, ec50: Any, power: Any) -> Any:
    return concentration**power / (ec50**power + concentration**power)


def under(bare: dict[str, float], drugs: Any, effect: np.ndarray, acted: Any) -> dict[str, Any]:
    """Return parameters under drugs: products, then sums, then pulls; `effect` (slot, place)."""
    a, slots = drugs.acts, range(len(effect))
    values: dict[str, Any] = dict(bare)
    for j, name in enumerate(acted.multiply):
        values[name] = values[name] * np.prod([1 + (float(a.multiply[s, j, 0]) - 1) * effect[s] for s in slots], axis=0)
    for j, name in enumerate(acted.add):
        values[name] = values[name] + sum(float(a.add[s, j, 0]) * effect[s] for s in slots)
    for j, name in enumerate(acted.saturate):
        pull = [float(a.saturates[s, j, 0]) * effect[s] for s in slots]
        kept = np.prod([1 - w for w in pull], axis=0)
        target = sum(w * float(a.saturate[s, j, 0]) for s, w in enumerate(pull)) / np.maximum(sum(pull), 1e-12)
        values[name] = values[name] * kept + target * (1 - kept)
    upper = dict(acted.upper)
    for name in {*acted.multiply, *acted.add, *acted.saturate}:
        values[name] = np.clip(values[name], 0.0, upper.get(name, np.inf))
    return values


def step(tissue: Tissue, draws: Draws, fixed: Fixed, setting: Setting) -> After:
    """Return what one step makes of the tissue."""
    with jax.enable_x64(True):
        return _step(tissue, draws, fixed, setting)


def _step(tissue: Tissue, draws: Draws, fixed: Fixed, setting: Setting) -> After:
    g, dt, million = setting.geometry, float(fixed.dt), float(fixed.million_per_site)
    ndim, stirred, at = len(g.shape), g.stirred, Places(setting)
    calls, n_sites, n = Calls(), len(at.sites), at.n
    bare = {name: float(v) for name, v in zip(fixed.bare.names, fixed.bare.values, strict=True)}
    b = Params(tuple(bare.values()), tuple(bare))
    day = int(tissue.step) * dt
    s = {name: np.asarray(getattr(tissue.sites, name)).ravel() for name in (*ATTRIBUTES, "vessel")}
    s = {name: x.astype(int) if name in ("kind", "clone", "hits") else x.astype(float) for name, x in s.items()}
    kind = [KINDS[k] for k in s["kind"]]
    of_kind = {name: np.array([k == name for k in kind]) for name in KINDS}
    full = s["kind"] != 0
    n_cells = max(full.sum(), 1)
    cancerous = np.array([k in CANCER for k in kind])

    # What is given now: doses of the day at midnight.
    c = {name: float(getattr(tissue.host.compartments, name)) for name in HOST}
    amounts, soaked = np.array(tissue.host.amounts, float), np.array(tissue.host.soaked, float)
    virus_given = nk_given = 0.0
    today = round(day) if abs(day - round(day)) < dt / 2 else int(np.floor(day))
    if abs(day - round(day)) < dt / 2 and today < len(fixed.drugs.bolus):
        for slot, dose in enumerate(np.asarray(fixed.drugs.bolus, float)[today]):
            amounts[slot, 0] += dose
            car_t, cd8, nk, of_virus = np.asarray(fixed.drugs.million_per_unit, float)[slot] * dose
            c["blood_car_t"] += car_t
            c["blood_cd8"] += cd8
            nk_given, virus_given = nk_given + nk, virus_given + of_virus
    ground = {k: np.broadcast_to(np.asarray(getattr(tissue.ground, k), float).ravel(), (n,)).copy() for k in
              ("matrix", "tls", "bacteria", "virus")}  # fmt: skip
    ground["virus"] += virus_given / (n_cells * million)

    # Census.
    share = float(vasculature.vessel_share(g.site_um, ndim, b))
    density: dict[str, np.ndarray] = {name: np.zeros(n) for name in (*KINDS[1:], *LEVELS)}
    crowding, vessels = np.zeros(n), np.zeros(n)
    carriers = {"mhc1": cancerous, "silencing": cancerous, "car_antigen": cancerous, "pdl1": full,
                "alt_checkpoint": np.array([k in T_CELLS for k in kind])}  # fmt: skip
    surroundings = [at.around(place) for place in range(n)]
    for place, around in enumerate(surroundings):
        room = max(full.sum(), 1) if stirred else len(around) * bare["packing"]
        for name in KINDS[1:]:
            density[name][place] = of_kind[name][around].sum() / room
        for name in LEVELS:
            weight = carriers[name][around] + 1e-4
            density[name][place] = (s[name][around] * weight).sum() / weight.sum()
        pressed = around if stirred else np.flatnonzero(np.isin(at.voxel_number, at.near(place, 4)))
        crowding[place] = full[pressed].sum() / len(pressed)
        own = np.flatnonzero(at.place_of == place)
        vessels[place] = s["vessel"][own].sum() / (share * len(own))

    # Drugs at each place.
    kin, acts = fixed.drugs.kinetics, fixed.drugs.acts
    plasma = amounts[:, 0] * np.asarray(kin.nm_per_unit, float)[:, 0]
    ec50, power = (np.asarray(x, float)[:, 0] for x in (acts.ec50, acts.hill))
    before = {k: np.broadcast_to(np.asarray(getattr(tissue.signals, k), float).ravel(), (n,)) for k in
              ("perfusion", "pressure")}  # fmt: skip
    reached = np.asarray(mediators.access_to_drugs(before["perfusion"], before["pressure"], b)) / bare["access_typical"]
    lengths = transport.lengths_um(b)
    if stirred:
        large = small = reached
    else:
        felt = at.diffuse(vessels, 1.0, lengths.oxygen)
        source = reached * vessels / np.maximum(felt, 1e-3)
        large, small = at.diffuse(source, 1.0, lengths.antibody), at.diffuse(source, 1.0, lengths.small_molecule)
    effect = np.zeros((len(plasma), n))
    h_values = under(
        bare, fixed.drugs,
        np.array([[concentration_effect(x, e, w)] for x, e, w in zip(plasma, ec50, power, strict=True)]),
        setting.acted,
    )  # fmt: skip
    h_values = {name: float(np.ravel(v)[0]) for name, v in h_values.items()}
    for slot in range(len(plasma)):
        soaks = float(acts.penetration_rate[slot, 0]) > 0
        ratio = float(acts.tumor_to_plasma[slot, 0]) * np.minimum(large if soaks else small, h_values["access_ceiling"])
        if float(acts.local[slot, 0]) > 0:
            ratio = np.ones(n)
        here = (soaked if soaks else plasma)[slot] * ratio
        effect[slot] = concentration_effect(here, ec50[slot], power[slot])
    values = under(bare, fixed.drugs, effect, setting.acted)
    values |= {name: h_values[name] for name in CIRCULATING}
    values["steroid_exposure"] = np.clip(values["steroid_exposure"] + c["steroid"], 0, 1)
    h_values["steroid_exposure"] = float(np.clip(h_values["steroid_exposure"] + c["steroid"], 0, 1))
    p, h = (Params(tuple(jnp.asarray(v) for v in x.values()), tuple(x)) for x in (values, h_values))

    # Signals. What a cell carries decides how visible it is.
    to_site = lambda tree: jax.tree.map(lambda x: x[at.place_of] if np.ndim(x) else x, tree)  # noqa: E731
    row = {name: jnp.asarray(v) for name, v in density.items()}
    cells = Cells(
        **row, vessels=jnp.asarray(vessels), **{k: jnp.asarray(ground[k]) for k in ("matrix", "tls", "bacteria")}
    )
    traits = CloneTraits(*(np.ravel(column)[s["clone"]] for column in clone_traits()))
    at_site = to_site(cells)
    own_cells = replace(at_site, **{k: jnp.asarray(s[k]) for k in ("mhc1", "silencing", "car_antigen")})
    ps = to_site(p)
    recognized = np.asarray(presentation.recognition(own_cells, traits, ps))
    mhc1 = np.asarray(presentation.mhc1_of_clone(own_cells.mhc1, traits, ps))
    mhc2 = np.asarray(presentation.mhc2_of_clone(own_cells.mhc1, traits, ps))
    car_seen = np.asarray(presentation.car_recognition(own_cells, traits, ps))
    cycling = of_kind["cancer"].astype(float)
    mean_of = lambda x: np.array([(x * cycling)[a].sum() / max(cycling[a].sum(), 1e-6) for a in surroundings])  # noqa: E731
    recognized_mean, mhc1_mean = mean_of(recognized), mean_of(mhc1)
    if stirred:
        local = mediators.quasi_steady(cells, recognized_mean, p)
        felt = vessels
    else:
        reach = {**transport.lengths_um(p)._asdict(), "perfusion": p.oxygen_length}

        def spread(name: str, gain: Any, loss: Any = 1.0) -> jax.Array:
            return jnp.asarray(at.diffuse(gain, loss, float(reach[name])))

        local = mediators.quasi_steady(cells, recognized_mean, p, spread)
        felt = at.diffuse(vessels, 1.0, bare["oxygen_length"])
        local = Local(replace(local.cells, vessels=jnp.asarray(felt)), local.signals)

    # Rates of each cell.
    ls, vs = to_site(local), ground["virus"][at.place_of]
    lesion = max(full.sum() * million, 1e-9)
    volume = lesion / bare["site_density"]
    supply, room = volume / (volume + bare["entry_half_volume"]), max(1 - volume / bare["max_volume"], 0.0)
    access = np.asarray(killing.infiltrate_access(ls, ps)) if stirred else np.ones(n_sites)
    car_antigen = (car_seen * cycling * access).sum() * million
    car_total = c["blood_car_t"] + c["blood_car_memory"] + of_kind["car_t"].sum() * million
    ca = cart.rates(jnp.asarray(car_antigen), jnp.asarray(car_total), h)
    gr = growth.rates(ls, traits, ps)
    vi = virus.rates(vs, c["antiviral"], ls.type1_ifn, traits, ps)
    tc = tcells.rates(ls, recognized_mean[at.place_of], ps)
    my, st = myeloid.rates(ls, ps), stroma.rates(ls, ps)
    ly = lymphoid.rates(ls, c["lymphocytes"], mhc1_mean[at.place_of], ps)
    dc = priming.dendritic(ls, c["microbiome"], ps)
    harm = tcells.harm(ps)[0]
    lk = ls
    if not stirred:  # killers reach what stands in the same voxel
        reach_of = bare["packing"] * g.coarse**ndim
        met = ("cancer", "persister", "cd4_helper", "nk", "gamma_delta", "tam_m1", *HUNTERS)
        inside = {k: np.array([of_kind[k][at.place_of == place].sum() for place in range(n)]) / reach_of for k in met}
        lk = Local(replace(ls.cells, **{k: jnp.asarray(x[at.place_of]) for k, x in inside.items()}), ls.signals)
    car_rate = killing.car_t_rate(lk, car_seen, ps) * access
    by_contact = killing.cd8_rate(lk, recognized, ps) + killing.cd4_rate(lk, mhc2, ps) + killing.nk_rate(lk, mhc1, ps)
    by_contact = by_contact + killing.gamma_delta_rate(lk, mhc1, ps)
    attacked = np.asarray(by_contact * access + killing.macrophage_rate(lk, ps) + car_rate)
    brake = 1.0 if stirred else np.asarray(mechanics.pressure_brake(crowding[at.place_of], ps))
    shield = np.broadcast_to(np.asarray(ps.persister_immune_share), (n_sites,))
    attack = np.where(of_kind["cancer"], attacked, np.where(of_kind["persister"], shield * attacked, 0.0))
    well_mixed_death = attack if stirred else 0.0
    # Of each kind: dies, becomes another, takes the other way out, divides. What is not named does not happen.
    tables: dict[str, tuple[Any, Any, Any, Any]] = {
        "cancer": (gr.die + gr.drug_kill + well_mixed_death, gr.to_persister, vi.infect, gr.divide * room * brake),
        "persister": (gr.persister_die + well_mixed_death, gr.from_persister, 0, gr.persister_divide * room * brake),
        "infected": (vi.lyse, 0, 0, 0),
        "cd8_progenitor": (tc.progenitor_die, tc.differentiate, 0, tc.progenitor_divide),
        "cd8_effector": (tc.effector_die, tc.exhaust, 0, tc.effector_divide),
        "cd8_terminal": (tc.terminal_die, 0, 0, 0),
        "cd4_helper": (tc.helper_die, ly.helper_to_treg, 0, 0),
        "treg": (ly.treg_die + harm, 0, 0, 0),
        "nk": (ly.nk_die + harm, 0, 0, 0),
        "gamma_delta": (ly.gamma_delta_die + harm, 0, 0, ly.gamma_delta_divide),
        "b_cell": (ly.b_cell_die + harm, 0, 0, 0),
        "car_t": (ca.contract + tcells.car_t_attrition(ls, ps), 0, 0, ca.expand * metabolism.tcell_fitness(ls, ps)),
        "dendritic": (dc.die, 0, dc.emigrate, 0),
        "neutrophil": (my.neutrophil_die, 0, 0, 0),
        "mdsc": (my.mdsc_die, 0, 0, 0),
        "tam_m1": (my.tam_die, my.m1_to_m2, 0, 0),
        "tam_m2": (my.tam_die, my.m2_to_m1, 0, 0),
        "caf_matrix": (st.caf_die, st.matrix_to_cytokine, 0, 0),
        "caf_cytokine": (st.caf_die, st.cytokine_to_matrix, 0, 0),
        "dead_antigen": (ps.dead_clearance, 0, 0, 0),
    }
    rates = {k: [np.broadcast_to(np.asarray(x, float), (n_sites,)) for x in four] for k, four in tables.items()}

    # What happens to each cell.
    event, which, hit, of_vessel, of_mutation = (
        at.drawn(x) for x in (draws.event, draws.which, draws.hit, draws.vessel, draws.mutate)
    )
    becomes = {"cancer": "persister", "persister": "cancer", "cd8_progenitor": "cd8_effector",
               "cd8_effector": "cd8_terminal", "cd4_helper": "treg", "tam_m1": "tam_m2", "tam_m2": "tam_m1",
               "caf_matrix": "caf_cytokine", "caf_cytokine": "caf_matrix"}  # fmt: skip
    after, hits, wants = list(kind), s["hits"].copy(), np.zeros(n_sites, bool)
    tally = dict.fromkeys(("deaths", "killed", "vanished", "arrived", "emigrated", "births", "divisions"), 0)
    burst = np.zeros(n)  # further daughters of progenitors that differentiate
    fastest, heal = 0.0, float(fixed.hits.heal)
    most = round(min(max(bare["hits_to_kill"], 1.0), 6.0))
    for i, name in enumerate(kind):
        if name == "empty":
            hits[i] = 0
            continue
        die, switch, other, divides = (x[i] for x in rates[name])
        total = die + switch + other + divides
        fastest = max(fastest, total)
        dies = switches = leaves = False
        leaving = die + switch + other
        stays = np.exp(-leaving * dt)
        if calls.less(event[i], 1 - stays):
            dies = calls.less(which[i] * leaving, die)
            switches = not dies and calls.less(which[i] * leaving, die + switch)
            leaves = not dies and not switches
        elif divides > 0:
            wants[i] = calls.less(event[i], 1 - stays + stays * min(np.exp(divides * dt) - 1, 1.0))
        killed = False
        if not stirred:
            carried, uniform = hits[i], which[i]
            for _ in range(hits[i]):
                if calls.less(uniform, heal):
                    carried, uniform = carried - 1, uniform / max(heal, 1e-6)
                else:
                    uniform = (uniform - heal) / max(1 - heal, 1e-6)
            if attack[i] > 0:
                table = fixed.hits
                lowest = float(table.log_kill[0])
                mean = np.exp(
                    np.interp(np.log(attack[i]), np.array(table.log_kill, float), np.array(table.log_hits, float))
                )
                mean *= min(attack[i] / np.exp(lowest), 1.0)
                chance, upto, new = np.exp(-mean), np.exp(-mean), 0
                while new < 6 and not calls.less(hit[i], upto):
                    new += 1
                    chance *= mean / new
                    upto += chance
                carried += new
            killed = name in ("cancer", "persister") and carried >= most
            hits[i] = 0 if killed else carried
        if dies or killed:
            after[i] = "dead_antigen" if name in CANCER else "empty"
            tally["deaths"] += name in CANCER
            tally["killed"] += killed
        elif switches:
            after[i] = becomes[name]
        elif leaves:
            after[i] = {"cancer": "infected", "dendritic": "empty"}[name]
        if switches and name == "cd8_progenitor":
            burst[at.place_of[i]] += 1
        tally["emigrated"] += leaves and name == "dendritic"
        tally["vanished"] += after[i] == "empty"
        wants[i] &= not killed
        if after[i] not in ("cancer", "persister"):
            hits[i] = 0

    # Arrivals on sites that were empty; from here on rates of places.
    lp = local
    occupied = np.array([full[at.place_of == place].sum() for place in range(n)], float)
    entry = np.asarray(trafficking.entry_factor(lp, p)) * supply
    flows = {"cd8": np.asarray(p.cd8_entry) * entry, "helper": np.asarray(p.helper_entry) * entry,
             "car": np.asarray(p.cd8_entry * trafficking.car_t_entry_factor(lp, p)) * supply}  # fmt: skip
    my, st, ly = myeloid.rates(lp, p), stroma.rates(lp, p), lymphoid.rates(lp, c["lymphocytes"], mhc1_mean, p)
    dc = priming.dendritic(lp, c["microbiome"], p)
    cd8 = flows["cd8"] * c["blood_cd8"] / lesion
    called: dict[str, Any] = {
        "cd8_progenitor": p.progenitor_share * cd8, "cd8_effector": (1 - p.progenitor_share) * cd8,
        "cd4_helper": flows["helper"] * c["blood_helper"] / lesion, "treg": ly.recruit_treg, "nk": ly.recruit_nk,
        "gamma_delta": ly.recruit_gamma_delta, "b_cell": ly.recruit_b_cell,
        "car_t": flows["car"] * c["blood_car_t"] / lesion, "dendritic": dc.recruit,
        "neutrophil": my.recruit_neutrophil, "mdsc": my.recruit_mdsc, "tam_m1": my.recruit_tam,
        "caf_matrix": st.recruit_matrix, "caf_cytokine": st.recruit_cytokine,
    }  # fmt: skip
    out_of_vessels = np.ones(n) if stirred else vessels / np.maximum(felt, 1e-3)
    demand = {}
    # Fibroblasts arise outside of nests; who calls reaches over 100 um.
    all_cells = sum(np.asarray(density[name]) for name in KINDS[1:])
    nest = np.minimum(2 * (density["cancer"] + density["persister"]) / np.maximum(all_cells, 0.5), 1.0)
    precursors = 1 - nest + 0.02
    for name, rate in called.items():
        demand[name] = np.asarray(rate) * occupied * dt
        if name not in ("caf_matrix", "caf_cytokine"):
            demand[name] = demand[name] * out_of_vessels
        elif not stirred:
            share_called = demand[name] / np.maximum(at.diffuse(precursors, 1.0, 100.0), 1e-6)
            demand[name] = precursors * at.diffuse(share_called, 1.0, 100.0)
    more = np.broadcast_to(np.maximum(np.asarray(p.differentiation_burst) - 1, 0), (n,))
    demand["cd8_effector"] = demand["cd8_effector"] + more * burst
    demand["nk"] = demand["nk"] + nk_given / million * occupied / n_cells
    empty = ~full
    share_of = {name: np.zeros(n) for name in demand}
    refused = 0.0
    for place in range(n):
        near = [0] if stirred else at.near(place, 2)
        free = sum(empty[at.place_of == v].sum() for v in near)
        for name, d in demand.items():
            if free:
                share_of[name][near] += d[place] / free
            else:
                refused += d[place]
    came = np.zeros(n_sites, bool)
    for i in np.flatnonzero(empty):
        each = {name: share_of[name][at.place_of[i]] for name in demand}
        total = sum(each.values())
        refused += max(total - 1, 0.0)
        if calls.less(event[i], total):
            upto = 0.0
            for name, x in each.items():
                upto += x
                if calls.less(which[i] * total, upto) or name == "caf_cytokine":
                    after[i], came[i] = name, True
                    break
    tally["arrived"], tally["refused"] = came.sum(), refused

    # Levels that cells carry move towards what their place demands.
    new: dict[str, np.ndarray] = {
        "kind": np.array([KINDS.index(k) for k in after]),
        "clone": np.where(came, 0, s["clone"]),
        "hits": hits,
        "age": np.where(came, 0.0, s["age"] + dt),
    }
    for name, target, rate in (
        ("mhc1", presentation.mhc1_target(ls, ps), ps.induction_rate),
        ("pdl1", presentation.pdl1_target(ls, ps), ps.induction_rate),
        ("alt_checkpoint", checkpoints.alt_checkpoint_target(ls, ps), ps.checkpoint_rate),
    ):
        new[name] = eased(s[name], rate * target, rate, dt)
    closed = ps.silencing_rate * np.clip(np.asarray(ps.epigenetic_silencing), 0, 0.98)
    new["silencing"] = eased(s["silencing"], closed, ps.silencing_rate + ps.reopening_rate, dt)
    bitten = ps.car_antigen_recovery + cart.trogocytosis(ls, ps)
    new["car_antigen"] = eased(s["car_antigen"], ps.car_antigen_recovery, bitten, dt)
    growing = vasculature.rates(ls, ps)
    regress, sprout = (np.broadcast_to(np.asarray(x), (n_sites,)) for x in (growing.regress, growing.sprout))
    vessel = s["vessel"].copy()
    for i in range(n_sites):
        free = 1 - min(share * felt[at.place_of[i]], 0.9)
        rate = regress[i] if vessel[i] else sprout[i] * share / free
        if calls.less(of_vessel[i], 1 - np.exp(-rate * dt)):
            vessel[i] = 1 - vessel[i]

    # Division, mutation.
    stands = new["kind"] != 0
    if stirred:
        mothers, vacant = np.flatnonzero(wants), np.flatnonzero(~stands)
        source, newborn = np.arange(n_sites), np.zeros(n_sites, bool)
        pairs = list(zip(mothers, vacant, strict=False))
        for mother, site in pairs:
            source[site], newborn[site] = mother, True
        blocked = len(mothers) - len(pairs)
    else:
        d = draws.divisions
        shaped = [np.asarray(x).reshape(g.shape) for x in (stands, wants)]
        done = plain.divide(
            *shaped, np.asarray(d.order), np.asarray(d.priority), np.asarray(d.direction), np.asarray(d.strength), PUSH
        )
        source, newborn, blocked = done["source"].ravel(), done["newborn"].ravel(), done["blocked"].sum()
    new = {name: x[source] for name, x in new.items()}
    divided = {source[i] for i in np.flatnonzero(newborn)}
    for i in range(n_sites):
        if source[i] in divided:
            new["age"][i] = 0.0
        if newborn[i]:
            new["hits"][i] = 0
            tally["divisions"] += 1
            tally["births"] += KINDS[new["kind"][i]] in (*CANCER, "dead_antigen")
            if KINDS[new["kind"][i]] == "cancer" and new["clone"][i] == 0:
                for other in range(1, len(CLONES)):
                    if calls.less(of_mutation[i], other * bare["escape_mutation_rate"]):
                        new["clone"][i] = other
                        break
    tally["blocked"] = blocked

    # Walking.
    if not stirred and setting.rounds:
        names = [KINDS[k] for k in new["kind"]]
        # Of the two factors by which matrix slows, one belongs to the cell that leaves, one to the ground.
        slow = np.broadcast_to(np.asarray(motility.matrix_drag(ls.matrix, ps)), (n_sites,))
        coefficient = {k: np.asarray(v) / slow for k, v in motility.motility(ls, ps)._asdict().items()}
        tumor = np.asarray(ls.cancer + ls.persister)
        stop = np.asarray(motility.arrest(recognized_mean[at.place_of] * tumor / (0.1 + tumor), ps))
        speed, follows, yields = np.zeros(n_sites), np.zeros(n_sites, np.uint8), np.ones(n_sites)
        for i, name in enumerate(names):
            if name in motility.WALKERS:
                m = np.broadcast_to(coefficient[motility.WALKERS[name]], (n_sites,))[i]
                speed[i] = 1440 * 2 * ndim * m / g.site_um**2 * (stop[i] if name in HUNTERS else 1.0)
            if name in motility.GUIDED:
                follows[i] = 1 + motility.Guidance._fields.index(motility.GUIDED[name])
            if name != "empty":
                yields[i] = np.broadcast_to(np.asarray(motility.squeezing(ps)), (n_sites,))[i]
        pull = [np.broadcast_to(np.asarray(u), (n_sites,)) for u in motility.guidance(ls, ps)]
        potential = np.stack([np.zeros(n_sites), *pull]).reshape(-1, *g.shape)
        nests = np.asarray(local.cancer + local.persister)
        slope = np.zeros((ndim, n))
        for place, voxel in enumerate(at.voxels):
            for axis in range(ndim):
                low, high = (
                    tuple(min(max(x + (k == axis) * side, 0), at.g.voxels[axis] - 1) if k == axis else x
                          for k, x in enumerate(voxel))
                    for side in (-1, 1)
                )  # fmt: skip
                rise = nests[at.voxels.index(high)] - nests[at.voxels.index(low)]
                slope[axis, place] = rise / max(high[axis] - low[axis], 1)
        steep = (slope**2).sum(0)
        border = np.sqrt(steep) / (0.1 + np.sqrt(steep))
        barred = 1 - np.broadcast_to(np.asarray(motility.alignment(local.matrix, p)), (n,))
        ease = np.stack([(1 - barred * border * x**2 / np.maximum(steep, 1e-8))[at.place_of] * slow for x in slope])
        single = [x.reshape(g.shape).astype(np.float32) for x in (speed, yields)]
        source = plain.wander(
            single[0], follows.reshape(g.shape), single[1], potential.astype(np.float32),
            ease.reshape(-1, *g.shape).astype(np.float32), dt, np.asarray(draws.moves.order),
            np.asarray(draws.moves.bits),
        ).ravel()  # fmt: skip
        new = {name: x[source] for name, x in new.items()}

    # Ground.
    bacteria = host_laws.bacteria(lp, p)
    clear = virus.rates(ground["virus"], c["antiviral"], lp.type1_ifn, CloneTraits(1.0, 1.0, 1.0, 1.0), p).clear
    made = p.virus_burst * p.virus_lysis * density["infected"]
    ground = {
        "matrix": eased(ground["matrix"], st.deposit, st.degrade, dt),
        "tls": eased(ground["tls"], ly.form_tls, ly.lose_tls + ly.form_tls, dt),
        "bacteria": eased(ground["bacteria"], bacteria.colonize, bacteria.clear, dt),
        "virus": eased(ground["virus"], made, clear, dt),
    }

    # Host.
    def mean(rate: Any) -> float:
        return float((rate * occupied).sum() / n_cells)

    on_cancer = (np.asarray(local.pdl1)[at.place_of] * cycling).sum() * million
    exchange = Exchange(
        emigrating=tally["emigrated"] * million / dt,
        cd8_entry=mean(flows["cd8"] * out_of_vessels), helper_entry=mean(flows["helper"] * out_of_vessels),
        car_entry=mean(flows["car"] * out_of_vessels),
        car_antigen=jnp.asarray(car_antigen), car_tumor=of_kind["car_t"].sum() * million,
        virus=mean(ground["virus"]) * n_cells * million,
        vesicles=dissemination.vesicles(jnp.asarray(on_cancer), h),
    )  # fmt: skip
    blood = SimpleNamespace(**{name: jnp.asarray(x) for name, x in c.items()})
    primed = node(blood, of_kind["treg"].sum() / n_cells, exchange.vesicles, h).primed_per_day
    gain, loss = host_flux(blood, primed, exchange, h)
    since = np.maximum(day - np.asarray(fixed.drugs.first_dose_day, float)[:, 0], 0)
    hazard = 0.0
    released = np.clip(1 - h_values["pd1_signal"], 0, 1)
    released *= np.clip(1 - h_values["ctla4_brake"] / max(bare["ctla4_brake"], 1e-9), 0, 1)
    for slot, x in enumerate(plasma):
        together = 1 + (h_values["toxicity_pd1_ctla4"] - 1) * released * float(acts.checkpoint[slot, 0])
        early = np.exp(-since[slot] / h_values["toxicity_window"])
        hazard += float(acts.hazard[slot, 0]) * together * concentration_effect(x, ec50[slot], power[slot]) * early
    gain["toxicity_hazard"] = h_values["toxicity_frailty"] * hazard / h_values["toxicity_window"]
    compartments = {name: float(eased(c[name], gain[name], loss[name], dt)) for name in HOST}
    factor = bare["clearance_factor"] ** np.asarray(fixed.drugs.clearance_exponent, float)
    inflow = np.asarray(fixed.drugs.input_rate, float)[min(today, len(fixed.drugs.input_rate) - 1)]
    double = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, float)), kin)
    left, in_mean = propagate(double, jnp.asarray(amounts[..., None]), since[:, None], dt, inflow[:, None], factor)
    level = np.asarray(in_mean)[:, 0, 0] * np.asarray(kin.nm_per_unit, float)[:, 0]
    rate = np.asarray(acts.penetration_rate, float)[:, 0]
    tally["seeds"] = (
        np.broadcast_to(np.asarray(dissemination.seeding_rate(lp, p)), (n,))[at.place_of] * cycling
    ).sum() * dt
    tally["fastest"] = fastest
    shape = () if stirred else g.voxels
    return After(
        sites={name: x.reshape(g.shape) for name, x in {**new, "vessel": vessel}.items()},
        ground={name: np.asarray(x).reshape(shape) for name, x in ground.items()},
        signals={k: np.broadcast_to(np.asarray(getattr(local.signals, k)), (n,)).reshape(shape)
                 for k in local.signals.__dataclass_fields__},
        compartments=compartments,
        amounts=np.asarray(left)[..., 0],
        soaked=np.where(rate > 0, eased(soaked, rate * level, rate, dt), level),
        tally=tally,
        closest=calls.closest,
    )  # fmt: skip
