"""Laws of the step: cells are balanced, nothing comes from nothing, levels have bounds, chances are those of rates."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tissue.scenes import changed, crowded, with_parameters, without_drugs
from tumornexus.biology import mediators
from tumornexus.biology.contacts import HitTable, hit_table
from tumornexus.biology.environment import Cells
from tumornexus.biology.params import Params
from tumornexus.knowledge import Knowledge
from tumornexus.systemic import dynamics
from tumornexus.systemic.state import CLONES, HOST, LESIONS, State
from tumornexus.systemic.state import LEVELS as STATE_LEVELS
from tumornexus.tissue.census import count
from tumornexus.tissue.change import decide, strike
from tumornexus.tissue.host import given
from tumornexus.tissue.lattice import KIND, Geometry, to_blocks, to_lattice
from tumornexus.tissue.rates import Fates
from tumornexus.tissue.simulate import Simulation
from tumornexus.tissue.situation import drug_access, situation
from tumornexus.tissue.state import Fixed, Tissue

pytestmark = pytest.mark.simulation
EVERYWHERE = ["flat", "solid", "stirred"]
LEVELS = ("mhc1", "pdl1", "silencing", "car_antigen", "alt_checkpoint")
TUMOR = ("cancer", "persister", "infected")


def kinds(tissue: Tissue) -> np.ndarray:
    return np.asarray(tissue.sites.kind)


def number(tissue: Tissue, *names: str) -> int:
    return int(np.isin(kinds(tissue), [KIND[n] for n in names]).sum())


def of_kind(tissue: Tissue, kind: np.ndarray) -> Tissue:
    return eqx.tree_at(lambda t: t.sites.kind, tissue, jnp.asarray(kind, jnp.uint8))


def still(simulation: Simulation, knowledge: Knowledge) -> Simulation:
    """Return the simulation with all rates of the patient next to nothing; only walking is left."""
    rates = {n: 1e-9 for n, p in knowledge.parameters.items() if p.unit in ("1/day", "Mcell/day")}
    simulation = with_parameters(without_drugs(simulation), **rates)
    never = HitTable(
        simulation.fixed.hits.log_kill, jnp.full_like(simulation.fixed.hits.log_hits, -100.0), jnp.zeros(())
    )
    return replace(simulation, fixed=eqx.tree_at(lambda f: f.hits, simulation.fixed, never))


@pytest.mark.parametrize("where", EVERYWHERE)
def test_cells_are_balanced(simulations: dict[str, Simulation], where: str):
    simulation = with_parameters(simulations[where], growth_rate=0.5, nk_recruitment=2.0)
    tissue = crowded(simulation, 5)
    vanished = arrived = divisions = 0.0
    for _ in range(12):
        before = int((kinds(tissue) != 0).sum())
        tissue, tally = simulation.advance(tissue, 1)
        after = int((kinds(tissue) != 0).sum())
        assert after == before - tally.vanished[0] + tally.arrived[0] + tally.divisions[0]
        assert tally.births[0] <= tally.divisions[0]
        assert tally.killed[0] <= tally.deaths[0]
        vanished, arrived = vanished + float(tally.vanished[0]), arrived + float(tally.arrived[0])
        divisions += float(tally.divisions[0])
    assert min(vanished, arrived, divisions) >= 3


@pytest.mark.parametrize("where", EVERYWHERE)
def test_levels_vessels_and_ground_stay_within_bounds(simulations: dict[str, Simulation], where: str):
    simulation = simulations[where]
    tissue = crowded(simulation, 6)
    matrix = 1.0  # most it was and is made to be
    for _ in range(40):
        tissue, _ = simulation.advance(tissue, 1)
        for name in LEVELS:
            level = np.asarray(getattr(tissue.sites, name))
            assert level.min() >= 0.0, name
            assert level.max() <= 1.0 + 1e-6, name
        assert set(np.unique(tissue.sites.vessel)) <= {0.0, 1.0}
        for name, most in (("tls", 1.0), ("bacteria", np.inf), ("virus", np.inf), ("matrix", np.inf)):
            x = np.asarray(getattr(tissue.ground, name))
            assert np.isfinite(x).all()
            assert x.min() >= 0.0, name
            assert x.max() <= most + 1e-6, name
        for x in jax.tree.leaves((tissue.signals, tissue.host)):
            assert np.isfinite(np.asarray(x)).all()
            assert np.asarray(x).min() >= 0.0
        matrix = max(matrix, float(tissue.ground.matrix.max()))
    assert matrix < 10.0


@pytest.mark.parametrize("where", EVERYWHERE)
def test_an_empty_lattice_stays_empty(simulations: dict[str, Simulation], where: str):
    simulation = simulations[where]
    tissue = of_kind(crowded(simulation, 7), np.zeros(simulation.setting.geometry.shape))
    for _ in range(12):
        tissue, tally = simulation.advance(tissue, 1)
        assert not kinds(tissue).any()
        assert float(tally.fastest[0]) == 0.0
    assert all(np.isfinite(np.asarray(x)).all() for x in jax.tree.leaves(tissue))


@pytest.mark.parametrize("where", EVERYWHERE)
def test_no_cell_appears_without_a_cause(simulations: dict[str, Simulation], where: str):
    """Tumors without cancer cells get none; without recruitment no B cells or NK cells come."""
    none = {"b_cell_recruitment": 0.0, "nk_recruitment": 0.0}
    simulation = with_parameters(without_drugs(simulations[where]), **none)
    tissue = crowded(simulation, 8)
    absent = (*TUMOR, "dead_antigen", "b_cell", "nk")
    kind = kinds(tissue)
    tissue = of_kind(tissue, np.where(np.isin(kind, [KIND[n] for n in absent]), KIND["caf_matrix"], kind))
    arrived = 0.0
    for _ in range(20):
        tissue, tally = simulation.advance(tissue, 1)
        arrived += float(tally.arrived[0])
        assert number(tissue, *absent) == 0
    assert arrived > 0


@pytest.mark.parametrize("where", EVERYWHERE)
@pytest.mark.parametrize(("clone", "rate"), [(0, 0.0), (2, 0.2), (0, 0.2)])
def test_clones_change_by_mutation_of_the_wild_type_only(
    simulations: dict[str, Simulation], where: str, clone: int, rate: float
):
    simulation = with_parameters(simulations[where], escape_mutation_rate=rate, growth_rate=1.0)
    tissue = crowded(simulation, 9)
    tumor = np.isin(kinds(tissue), [KIND[n] for n in TUMOR])
    tissue = eqx.tree_at(lambda t: t.sites.clone, tissue, jnp.asarray(np.where(tumor, clone, 0), jnp.uint8))
    births = 0.0
    for _ in range(8):
        tissue, tally = simulation.advance(tissue, 1)
        births += float(tally.births[0])
    left = np.asarray(tissue.sites.clone)[np.isin(kinds(tissue), [KIND[n] for n in TUMOR])]
    assert births > 5
    if clone == 0 and rate > 0.0:
        assert set(left) > {0}
    else:
        assert set(left) == {clone}


@pytest.mark.parametrize("where", ["flat", "solid"])
def test_walking_keeps_every_cell_with_what_it_carries(
    simulations: dict[str, Simulation], knowledge: Knowledge, where: str
):
    simulation = still(simulations[where], knowledge)
    before = crowded(simulation, 10)
    shape = simulation.setting.geometry.shape
    # MHC-I as the name of a cell: no two alike, further apart than any change of level.
    names = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape) / np.prod(shape)
    before = eqx.tree_at(lambda t: t.sites.mhc1, before, jnp.asarray(names, jnp.float32))
    after, tally = simulation.advance(before, 1)
    assert float(tally.fastest[0]) < 1e-6

    def carried(tissue: Tissue) -> np.ndarray:
        rows = [np.asarray(getattr(tissue.sites, n)).ravel().astype(float) for n in ("kind", "clone", *LEVELS)]
        return np.stack(rows)[:, np.argsort(np.asarray(tissue.sites.mhc1).ravel())]

    np.testing.assert_allclose(carried(after), carried(before), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(after.sites.vessel, before.sites.vessel)
    assert (kinds(after) != kinds(before)).mean() > 0.2
    dead = kinds(before) == KIND["dead_antigen"]
    assert number(after, "dead_antigen") == dead.sum()


@pytest.mark.parametrize("where", EVERYWHERE)
def test_no_time_changes_nothing(simulations: dict[str, Simulation], where: str):
    simulation = without_drugs(simulations[where])
    never = HitTable(
        simulation.fixed.hits.log_kill, jnp.full_like(simulation.fixed.hits.log_hits, -100.0), jnp.zeros(())
    )
    simulation = replace(simulation, fixed=eqx.tree_at(lambda f: f.hits, simulation.fixed, never))
    simulation = changed(simulation, dt=1e-30)
    before = crowded(simulation, 11)
    after, _ = simulation.advance(before, 1)
    kept = lambda t: (t.sites, t.ground, t.host.compartments, t.host.amounts)  # noqa: E731
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-6), kept(after), kept(before))
    np.testing.assert_array_equal(kinds(after), kinds(before))
    assert int(after.step) == 1


@pytest.mark.parametrize("where", ["flat", "solid"])
def test_a_mirrored_tissue_has_mirrored_fields(simulations: dict[str, Simulation], where: str):
    simulation = simulations[where]
    tissue = crowded(simulation, 12)
    mirror = lambda x: jnp.flip(x, -1) if x.ndim else x  # noqa: E731
    mirrored = eqx.tree_at(
        lambda t: (t.sites, t.ground), tissue, (jax.tree.map(mirror, tissue.sites), jax.tree.map(mirror, tissue.ground))
    )
    one, other = (simulation.advance(t, 1)[0].signals for t in (tissue, mirrored))
    for name, x in vars(one).items():
        np.testing.assert_allclose(np.flip(np.asarray(getattr(other, name)), -1), x, rtol=2e-3, atol=1e-5, err_msg=name)
        assert np.ptp(np.asarray(x)) > 0.0 or name == "type1_ifn"


@pytest.mark.parametrize("where", EVERYWHERE)
@pytest.mark.parametrize("empties", ["many", "few"])
def test_blood_loses_the_cells_that_arrive_or_are_refused(
    simulations: dict[str, Simulation], knowledge: Knowledge, where: str, empties: str
):
    """Nothing but CD8 T cells enters, and nothing else takes them from blood."""
    entry = knowledge.parameters["cd8_entry"].value
    simulation = with_parameters(still(simulations[where], knowledge), cd8_entry=entry)
    start = crowded(simulation, 13)
    if empties == "few":  # of which there are then fewer than cells that come
        full = np.random.default_rng(0).random(kinds(start).shape) < 0.98
        start = of_kind(start, np.where(full & (kinds(start) == 0), KIND["caf_matrix"], kinds(start)))
    million = float(simulation.fixed.million_per_site)
    probe, _ = simulation.advance(start, 1)
    leaving = float(start.host.compartments.blood_cd8 - probe.host.compartments.blood_cd8)
    wanted = 20.0 * million
    blood = start.host.compartments.blood_cd8 * wanted / leaving
    start = eqx.tree_at(lambda t: t.host.compartments.blood_cd8, start, jnp.asarray(blood, jnp.float32))
    arrived = refused = left = 0.0
    n = 60
    for k in range(n):
        after, tally = replace(simulation, key=jax.random.key(k)).advance(start, 1)
        arrived, refused = arrived + float(tally.arrived[0]), refused + float(tally.refused[0])
        left += (float(start.host.compartments.blood_cd8) - float(after.host.compartments.blood_cd8)) / million
    assert left == pytest.approx(20.0 * n, rel=1e-2)
    assert abs(arrived + refused - left) < 4.0 * np.sqrt(arrived) + 0.02 * left
    assert refused > 0.3 * left if empties == "few" else arrived > 0.7 * left


@pytest.mark.parametrize("rates", [(0.3, 1.0, 0.0, 2.2), (0.0, 0.0, 0.0, 1.5), (4.0, 0.0, 0.5, 0.0)])
def test_chances_are_those_of_the_rates_and_numbers_grow_by_the_exponential(rates: tuple[float, ...]):
    n, dt = 400_000, 0.1
    u = np.random.default_rng(1).random((2, n)).astype(np.float32)
    outcome = decide(Fates(*(jnp.full(n, r, jnp.float32) for r in rates)), jnp.asarray(u[0]), jnp.asarray(u[1]), dt)
    loss, divide = sum(rates[:3]), rates[3]
    assert np.stack([np.asarray(x) for x in outcome]).astype(int).sum(0).max() == 1
    shares = [(1.0 - np.exp(-loss * dt)) * rate / max(loss, 1e-9) for rate in rates[:3]]
    shares.append(np.exp(-loss * dt) * np.expm1(divide * dt))
    assert 1.0 - sum(shares[:3]) + shares[3] == pytest.approx(np.exp((divide - loss) * dt))
    for share, found in zip(shares, outcome, strict=True):
        assert abs(float(np.asarray(found).mean()) - share) <= 4.0 * np.sqrt(share * (1 - share) / n)


@jax.jit
def lives(attack: jax.Array, fixed: Fixed) -> tuple[jax.Array, jax.Array]:
    """Return which targets are alive after 400 steps of attack, and how many steps each has lived."""

    def one(state: tuple, key: jax.Array) -> tuple:
        carried, alive, lived = state
        carried, killed = strike(carried, attack, fixed, *jax.random.uniform(key, (2, *attack.shape)))
        return (carried, alive & ~killed, lived + alive), None

    start = (jnp.zeros(attack.shape, jnp.uint8), jnp.ones(attack.shape, bool), jnp.zeros(attack.shape, jnp.int32))
    return jax.lax.scan(one, start, jax.random.split(jax.random.key(2), 400))[0][1:]


@pytest.mark.parametrize(
    ("rate", "hits", "dt"), [(0.5, 3.0, 1 / 24), (2.0, 3.0, 1 / 12), (6.0, 2.0, 1 / 24), (1.0, 1.0, 0.1)]
)
def test_a_target_under_attack_lives_as_long_as_the_rate_says(
    simulations: dict[str, Simulation], rate: float, hits: float, dt: float
):
    bare = with_parameters(simulations["flat"], hits_to_kill=hits).fixed.bare
    dt = jnp.asarray(dt, jnp.float32)
    fixed = Fixed(bare, simulations["flat"].fixed.drugs, jnp.ones(()), dt, hit_table(dt, bare))
    n = 4000
    alive, lived = lives(jnp.full(n, rate, jnp.float32), fixed)
    # Those still alive (none or few) are expected to live as long again.
    expected = 1.0 / -np.expm1(-rate * float(dt))
    mean = (float(jnp.sum(lived)) + float(jnp.sum(alive)) * expected) / n
    assert abs(mean - expected) < 4.0 * expected / np.sqrt(n)


@pytest.mark.parametrize("where", ["flat", "solid"])
def test_even_vessels_let_in_what_the_host_scale_says(simulations: dict[str, Simulation], where: str):
    g, p = simulations[where].setting.geometry, simulations[where].fixed.bare
    cells = {name: jnp.asarray(0.01 + 0.002 * i) for i, name in enumerate(Cells.__dataclass_fields__)}
    cells = Cells(**{**cells, "cancer": jnp.asarray(0.6), "vessels": jnp.asarray(0.7), "matrix": jnp.asarray(0.5)})
    local = mediators.quasi_steady(cells, jnp.asarray(0.3), p)
    even = jax.tree.map(lambda x: jnp.full(g.voxels, x), local)
    found = jax.jit(lambda cells, signals: drug_access(SimpleNamespace(cells=cells), signals, p, g))(
        even.cells, even.signals
    )
    expected = float(mediators.drug_access(cells, p) / p.access_typical)
    for access in found:  # of antibodies and of small molecules
        np.testing.assert_allclose(access, expected, rtol=1e-5)


def test_stirred_the_tissue_is_the_host_scale(simulations: dict[str, Simulation]):
    """The same cells and levels give the same surroundings and signals as one lesion of the host scale."""
    simulation = without_drugs(simulations["stirred"])
    tissue = crowded(simulation, 14)
    shape = simulation.setting.geometry.shape
    even = {name: jnp.full(shape, 0.2 + 0.1 * i, jnp.float32) for i, name in enumerate(LEVELS)}
    empty_host = eqx.tree_at(
        lambda h: (h.amounts, h.soaked, h.compartments.steroid), tissue.host, replace_fn=jnp.zeros_like
    )
    tissue = eqx.tree_at(lambda t: (*(getattr(t.sites, n) for n in even), t.host), tissue, (*even.values(), empty_host))
    kind, clone = kinds(tissue), np.asarray(tissue.sites.clone)
    one = lambda x: jnp.zeros((LESIONS, 1)).at[0, 0].set(x)  # noqa: E731
    million = float(simulation.fixed.million_per_site)

    def by_clone(name: str) -> jax.Array:
        return jnp.stack([one(million * ((kind == KIND[name]) & (clone == k)).sum()) for k in range(len(CLONES))])

    values = {n: one(million * (kind == k).sum()) for n, k in KIND.items() if n not in ("empty", "cancer", "persister")}
    blocks = jax.tree.map(lambda x: to_blocks(x, 2), tissue.sites)
    fixed = simulation.fixed
    share = 1e-6 * fixed.bare.vessel_density * simulation.setting.geometry.site_um**2
    census = count(blocks, tissue.ground, fixed.bare.packing, share, simulation.setting.geometry)
    values |= {name: one(getattr(census.cells, name)) for name in STATE_LEVELS}
    host = {name: jnp.reshape(getattr(tissue.host.compartments, name), (1,)) for name in HOST}
    state = State(cancer=by_clone("cancer"), persister=by_clone("persister"), virus=one(0.0), **values, **host)
    p = Params(tuple(jnp.reshape(v, (1,)) for v in fixed.bare.values), fixed.bare.names)
    expected = dynamics.situation(state, p, p).local
    for name in Cells.__dataclass_fields__:
        np.testing.assert_allclose(getattr(census.cells, name), getattr(expected, name)[0, 0], rtol=1e-5, err_msg=name)
    signals = simulation.advance(tissue, 1)[0].signals
    for name, x in vars(signals).items():
        np.testing.assert_allclose(x, getattr(expected, name)[0, 0], rtol=1e-5, err_msg=name)


def test_killers_kill_in_their_own_voxel_only(simulations: dict[str, Simulation]):
    simulation = without_drugs(simulations["flat"])
    attacks = {}
    now_of = jax.jit(lambda tissue, sites: situation(tissue, sites, simulation.fixed, simulation.setting).flow.attack)
    for place in ((1, 1), (2, 0)):  # voxels are two sites wide: the first shares that of the cancer cell
        kind = np.zeros((12, 12))
        kind[0, 0], kind[place] = KIND["cancer"], KIND["cd8_effector"]
        tissue = of_kind(simulation.start, kind)
        attack = now_of(tissue, jax.tree.map(lambda x: to_blocks(x, 2), tissue.sites))
        attacks[place] = float(to_lattice(attack, 2)[0, 0])
    assert attacks[1, 1] > 0.01
    assert attacks[2, 0] == 0.0


def test_a_dose_is_given_every_day_at_any_length_of_step(simulations: dict[str, Simulation]):
    simulation = simulations["flat"]
    drugs, host = simulation.fixed.drugs, simulation.start.host
    n = 82 * 150
    every = eqx.tree_at(lambda d: d.bolus, drugs, jnp.ones((n, drugs.bolus.shape[1])))

    @jax.jit
    def received(dt: jax.Array) -> jax.Array:
        one = lambda k: given(host, every, k * dt, dt)[0].amounts[0, 0] - host.amounts[0, 0]  # noqa: E731
        return jax.vmap(one)(jnp.arange(n, dtype=jnp.int32))

    for steps_a_day in (1, 4, 24, 41, 82):
        doses = np.asarray(received(jnp.asarray(1.0 / steps_a_day, jnp.float32)))
        doses = doses[: n // steps_a_day * steps_a_day].reshape(-1, steps_a_day)
        np.testing.assert_array_equal(doses[:, 0], 1.0)
        assert not doses[:, 1:].any()


def test_the_geometry_of_blocks_is_its_own_inverse():
    for shape in ((8, 12), (4, 8, 12)):
        x = jnp.arange(Geometry(shape, 17.0).n_sites).reshape(shape)
        np.testing.assert_array_equal(to_lattice(to_blocks(x, 2), 2), x)
