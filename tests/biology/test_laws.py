"""Every rate law at once: shapes, signs, bounds and monotonicities that biology demands whatever the numbers are."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.biology import (
    cart,
    checkpoints,
    contacts,
    ctdna,
    dissemination,
    growth,
    host,
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
    trafficking,
    transport,
    vasculature,
    virus,
)  # fmt: skip
from tumornexus.biology.environment import Cells, Local, Signals
from tumornexus.biology.params import Params, Recorder, hill
from tumornexus.biology.presentation import CloneTraits

FRACTIONS = (
    "cancer", "persister", "infected", "cd8_progenitor", "cd8_effector", "cd8_terminal", "cd4_helper", "treg", "nk",
    "gamma_delta", "b_cell", "car_t", "dendritic", "neutrophil", "mdsc", "tam_m1", "tam_m2", "caf_matrix",
    "caf_cytokine", "dead_antigen",
)  # fmt: skip
LEVELS = ("mhc1", "pdl1", "alt_checkpoint", "silencing", "tls", "bacteria", "car_antigen")
OPEN = ("vessels", "matrix")
FIELDS = (*FRACTIONS, *LEVELS, *OPEN)
N = 64

# Wild type, without B2M, without JAK, without the CAR antigen, with a reactivated pathway.
CLONES = CloneTraits(
    mhc1=np.array([1.0, 0.0, 1.0, 1.0, 1.0]),
    ifn=np.array([1.0, 1.0, 0.0, 1.0, 1.0]),
    car_antigen=np.array([1.0, 1.0, 1.0, 0.0, 1.0]),
    targeted=np.array([1.0, 1.0, 1.0, 1.0, 0.0]),
)


def tissue(seed: int, shape: tuple[int, ...], sparsity: float = 0.5) -> Cells:
    """Return random tissue: fractions that add up to at most one, many of them zero; levels in [0, 1]."""
    generator = np.random.Generator(np.random.PCG64(seed))
    raw = generator.exponential(size=(len(FRACTIONS), *shape)) * (generator.random((len(FRACTIONS), *shape)) > sparsity)
    raw = raw / np.maximum(raw.sum(axis=0), 1e-12) * generator.random(shape)
    values = {name: raw[i] for i, name in enumerate(FRACTIONS)}
    values |= {name: generator.random(shape) for name in LEVELS}
    values |= {name: 3.0 * generator.random(shape) ** 2 for name in OPEN}
    return Cells(**{name: jnp.asarray(v) for name, v in values.items()})


def clones_beside(cells: Cells) -> CloneTraits:
    """Return the clones along an axis in front of those of the cells."""
    return CloneTraits(*(trait.reshape(-1, *(1,) * cells.mhc1.ndim) for trait in CLONES))


def all_laws(cells: Cells, p: Params) -> dict[str, jax.Array]:
    """Evaluate every law on one environment; keys are ``module.quantity``, clones along a first axis."""
    clone = clones_beside(cells)
    recognized = presentation.recognition(cells, clone, p)
    mean = recognized[0]
    local = mediators.quasi_steady(cells, mean, p)
    mhc1 = presentation.mhc1_of_clone(cells.mhc1, clone, p)
    mhc2 = presentation.mhc2_of_clone(cells.mhc1, clone, p)
    car_seen = presentation.car_recognition(cells, clone, p)
    reserve, microbiome, node, antiviral = (level + 0.0 * cells.mhc1 for level in (0.8, 0.6, 0.3, 0.4))
    vesicle = dissemination.vesicles(1e4 * (cells.cancer + cells.persister) * cells.pdl1, p)
    niche = dissemination.niche_target(vesicle, p)
    out = {
        "presentation.recognition": recognized,
        "presentation.mhc1_of_clone": mhc1,
        "presentation.mhc1_target": presentation.mhc1_target(local, p),
        "presentation.pdl1_target": presentation.pdl1_target(local, p),
        "presentation.mhc2_of_clone": mhc2,
        "presentation.car_recognition": car_seen,
        "checkpoints.brake": checkpoints.brake(local, p),
        "checkpoints.alt_checkpoint_target": checkpoints.alt_checkpoint_target(local, p),
        "metabolism.tcell_fitness": metabolism.tcell_fitness(local, p),
        "killing.suppression": killing.suppression(local, p),
        "killing.function": killing.function(local, p),
        "killing.cd8_rate": killing.cd8_rate(local, recognized, p),
        "killing.cd4_rate": killing.cd4_rate(local, mhc2, p),
        "killing.nk_rate": killing.nk_rate(local, mhc1, p),
        "killing.gamma_delta_rate": killing.gamma_delta_rate(local, mhc1, p),
        "killing.macrophage_rate": killing.macrophage_rate(local, p),
        "killing.car_t_rate": killing.car_t_rate(local, car_seen, p),
        "killing.infiltrate_access": killing.infiltrate_access(local, p),
        "trafficking.entry_factor": trafficking.entry_factor(local, p),
        "trafficking.car_t_entry_factor": trafficking.car_t_entry_factor(local, p),
        "priming.activation": priming.activation(node, cells.treg, cells.cd4_helper, p),
        "priming.burst": priming.burst(p) + 0.0 * cells.mhc1,
        "cart.trogocytosis": cart.trogocytosis(local, p),
        "dissemination.vesicles": vesicle,
        "dissemination.node_suppression": dissemination.node_suppression(vesicle, p),
        "dissemination.niche_target": niche,
        "dissemination.seeding_rate": dissemination.seeding_rate(local, p),
        "dissemination.establishment": dissemination.establishment(niche, p),
        "growth.starvation": growth.starvation(local, p),
        "growth.orphaned": growth.orphaned(local, p),
        "metabolism.lactate_uptake": metabolism.lactate_uptake(local, p),
        "stroma.stiffness_kpa": stroma.stiffness_kpa(cells.matrix, p),
        "stroma.mechanosignaling": stroma.mechanosignaling(stroma.stiffness_kpa(cells.matrix, p), p),
        "host.short_chain_fatty_acids": host.short_chain_fatty_acids(microbiome, p),
        "priming.anergy": priming.anergy(cells.treg, 1.0 / priming.restraint(local, p), p),
        "ctdna.plasma_copies": ctdna.plasma_copies(1e2 * cells.cancer, p),
        "motility.matrix_drag": motility.matrix_drag(cells.matrix, p),
        "motility.alignment": motility.alignment(cells.matrix, p),
        "motility.arrest": motility.arrest(mean, p),
        "motility.squeezing": motility.squeezing(p),
        "contacts.mean_steps_to_death": contacts.mean_steps_to_death(0.1 + cells.cancer, 1.0 / 24.0, p),
        "mechanics.pressure_brake": mechanics.pressure_brake(cells.cancer, p),
        "vasculature.vessel_share": vasculature.vessel_share(16.0, 3, p),
    }
    families = {
        "signals": local.signals,
        "checkpoints": checkpoints.rates(local, mean, p),
        "growth": growth.rates(local, clone, p),
        "lymphoid": lymphoid.rates(local, reserve, cells.mhc1, p),
        "myeloid": myeloid.rates(local, p),
        "stroma": stroma.rates(local, p),
        "vasculature": vasculature.rates(local, p),
        "priming": priming.dendritic(local, microbiome, p),
        "cart": cart.rates(1e3 * cells.cancer, 1e2 * cells.car_t, p),
        "virus": virus.rates(3.0 * cells.infected, antiviral, local.type1_ifn, clone, p),
        "host": host.bacteria(local, p),
        "transport": transport.lengths_um(p),
        "motility": motility.motility(local, p),
        "guidance": motility.guidance(local, p),
    }
    for family, values in families.items():
        fields = (
            values._asdict()
            if isinstance(values, tuple)
            else {f: getattr(values, f) for f in Signals.__dataclass_fields__}
        )
        out |= {f"{family}.{field}": value for field, value in fields.items()}
    return out


BOUNDED = (
    "presentation.recognition", "presentation.mhc1_of_clone", "presentation.mhc1_target", "presentation.pdl1_target",
    "presentation.mhc2_of_clone", "presentation.car_recognition", "checkpoints.brake",
    "checkpoints.alt_checkpoint_target", "metabolism.tcell_fitness", "dissemination.node_suppression",
    "dissemination.niche_target",
    "killing.suppression", "killing.function", "killing.infiltrate_access", "trafficking.entry_factor",
    "signals.arginine", "signals.drug_access", "stroma.mechanosignaling", "priming.anergy",
    "metabolism.lactate_uptake", "motility.matrix_drag", "motility.alignment", "motility.arrest",
    "motility.squeezing", "mechanics.pressure_brake", "vasculature.vessel_share",
)  # fmt: skip
# What a steroid or an inhibitor scales is at most one; what is one without any tissue is allowed to be exactly one.
FREE_OF_TISSUE = {"priming.burst"}


@pytest.fixture(scope="module")
def law(names: tuple[str, ...], typical: np.ndarray) -> Callable[[Cells], dict[str, np.ndarray]]:
    """Return all laws at typical parameters, compiled for batches of `N` environments."""
    compiled = jax.jit(lambda cells, values: all_laws(cells, Params.of(values, names)))

    def run(cells: Cells, values: np.ndarray = typical) -> dict[str, np.ndarray]:
        with jax.enable_x64(True):
            return jax.device_get(
                compiled(jax.tree.map(lambda x: jnp.asarray(x, dtype=float), cells), jnp.asarray(values))
            )

    return run


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), sparsity=st.sampled_from([0.0, 0.3, 0.7, 0.95]))
def test_rates_and_signals_are_finite_and_never_negative(law, seed, sparsity):
    for name, value in law(tissue(seed, (N,), sparsity)).items():
        assert np.isfinite(value).all(), name
        assert (value >= 0.0).all(), name


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), stretch=st.sampled_from([0.25, 4.0]))
def test_rates_stay_finite_and_non_negative_for_parameters_far_from_typical(law, typical, knowledge, seed, stretch):
    """Each parameter times a random factor; those bounded in [0, 1] stay there."""
    generator = np.random.Generator(np.random.PCG64(seed))
    values = typical * stretch ** generator.standard_normal(len(typical))
    bounded = np.array([p.bounded or p.high <= 1.0 for p in knowledge.parameters.values()])
    values = np.where(bounded, np.clip(values, 0.0, 1.0), values)
    for name, value in law(tissue(seed, (N,)), values).items():
        assert np.isfinite(value).all(), name
        assert (value >= 0.0).all(), name


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_fractions_stay_between_none_and_all(law, seed):
    out = law(tissue(seed, (N,)))
    for name in BOUNDED:
        assert (out[name] <= 1.0 + 1e-12).all(), name


def test_scalar_batch_and_lattice_agree(law, names, typical):
    """One environment alone, in a batch, on a lattice and with a parameter vector of its own gives the same numbers."""
    batch = tissue(3, (N,))
    lattice = jax.tree.map(lambda x: x.reshape(8, 8), batch)
    flat = law(batch)
    square = law(lattice)
    with jax.enable_x64(True):
        own = jax.vmap(lambda c, v: all_laws(c, Params.of(v, names)), out_axes=-1)(
            jax.tree.map(lambda x: jnp.asarray(x, dtype=float), batch), jnp.tile(jnp.asarray(typical), (N, 1))
        )
        stacked = all_laws(
            jax.tree.map(lambda x: jnp.asarray(x, dtype=float), batch),
            Params.of(jnp.tile(jnp.asarray(typical)[:, None], (1, N)), names),
        )
    alone = {i: law(jax.tree.map(lambda x, i=i: x[i], batch)) for i in (0, 17)}
    for name, value in own.items():
        # A rate that reads parameters only has no axis of its own and broadcasts; the clones are a first axis.
        clones = alone[0][name].shape
        assert flat[name].shape in ((*clones, N), clones), name
        assert square[name].shape in ((*clones, 8, 8), clones), name
        lattice_value = np.broadcast_to(square[name], (*clones, 8, 8)).reshape(value.shape)
        for other in (lattice_value, np.broadcast_to(flat[name], value.shape), stacked[name]):
            np.testing.assert_allclose(other, value, rtol=1e-9, atol=1e-15, err_msg=name)
        for i, single in alone.items():
            np.testing.assert_allclose(single[name], value[..., i], rtol=1e-9, atol=1e-15, err_msg=name)


def test_empty_tissue_attracts_no_stroma_and_kills_nothing(law):
    """Without cells there is nothing to kill, no signal from them and no fibroblast activation by a tumor."""
    nothing = Cells(**{name: jnp.zeros(N) for name in FIELDS})
    out = law(nothing)
    for name in (
        "killing.cd8_rate", "killing.nk_rate", "killing.macrophage_rate", "killing.car_t_rate", "stroma.recruit_matrix",
        "stroma.recruit_cytokine", "stroma.deposit", "signals.ifng", "signals.tgfb", "signals.il6", "signals.il10",
        "signals.vegf", "signals.cxcl12", "cart.expand", "killing.cd4_rate", "killing.gamma_delta_rate",
        "cart.trogocytosis", "lymphoid.form_tls", "dissemination.vesicles", "dissemination.niche_target",
        "virus.infect",
    ):  # fmt: skip
        assert (out[name] == 0.0).all(), name


def steps(field: str, low: float, high: float) -> Cells:
    """Return one random tissue `N` times, with one field rising from `low` to `high`."""
    one = tissue(11, (1,), sparsity=0.0)
    same = jax.tree.map(lambda x: jnp.tile(x, N), one)
    values = {name: getattr(same, name) for name in FIELDS}
    values[field] = jnp.linspace(low, high, N)
    return Cells(**values)


RISES, FALLS = 1.0, -1.0
MONOTONE = [  # field, quantity, sense
    ("vessels", "signals.perfusion", RISES),
    ("vessels", "signals.oxygen", RISES),
    ("vessels", "signals.hypoxia", FALLS),
    ("vessels", "signals.glucose", RISES),
    ("vessels", "signals.lactate", FALLS),
    ("vessels", "trafficking.entry_factor", RISES),
    ("vessels", "signals.drug_access", RISES),
    ("matrix", "signals.perfusion", FALLS),
    ("matrix", "signals.hypoxia", RISES),
    ("matrix", "killing.infiltrate_access", FALLS),
    ("matrix", "trafficking.entry_factor", FALLS),
    ("matrix", "signals.pressure", RISES),
    ("matrix", "signals.drug_access", FALLS),
    ("cancer", "signals.oxygen", FALLS),
    ("cancer", "signals.glucose", FALLS),
    ("cancer", "signals.lactate", RISES),
    ("mdsc", "signals.arginine", FALLS),
    ("mdsc", "killing.suppression", FALLS),
    ("mdsc", "metabolism.tcell_fitness", FALLS),
    ("treg", "killing.function", FALLS),
    ("treg", "priming.activation", FALLS),
    ("tam_m2", "killing.function", FALLS),
    ("caf_matrix", "signals.tgfb", RISES),
    ("caf_matrix", "killing.infiltrate_access", FALLS),
    ("caf_cytokine", "signals.il6", RISES),
    ("caf_cytokine", "growth.to_persister", RISES),
    ("pdl1", "checkpoints.brake", FALLS),
    ("pdl1", "killing.cd8_rate", FALLS),
    ("pdl1", "checkpoints.differentiate", FALLS),
    ("alt_checkpoint", "checkpoints.brake", FALLS),
    ("silencing", "presentation.recognition", FALLS),
    ("silencing", "signals.cxcl9_10", FALLS),
    ("silencing", "signals.ccl4", FALLS),
    ("silencing", "trafficking.entry_factor", FALLS),
    ("mhc1", "presentation.recognition", RISES),
    ("mhc1", "killing.nk_rate", FALLS),
    ("cd8_effector", "signals.ifng", RISES),
    ("cd8_effector", "signals.cxcl9_10", RISES),
    ("cd8_effector", "signals.kynurenine", RISES),
    ("dead_antigen", "priming.emigrate", RISES),
    ("dead_antigen", "signals.adenosine", RISES),
    ("dendritic", "signals.cxcl9_10", RISES),
    ("cd4_helper", "priming.activation", RISES),
    ("cd4_helper", "killing.cd4_rate", RISES),
    ("mhc1", "presentation.mhc2_of_clone", RISES),
    ("gamma_delta", "killing.gamma_delta_rate", RISES),
    ("mhc1", "killing.gamma_delta_rate", FALLS),
    ("pdl1", "killing.gamma_delta_rate", FALLS),
    ("neutrophil", "killing.suppression", FALLS),
    ("neutrophil", "signals.arginine", FALLS),
    ("neutrophil", "dissemination.seeding_rate", RISES),
    ("b_cell", "killing.macrophage_rate", RISES),
    ("cd4_helper", "lymphoid.form_tls", RISES),
    ("dendritic", "lymphoid.form_tls", RISES),
    ("tls", "lymphoid.recruit_b_cell", RISES),
    ("tls", "checkpoints.renew", RISES),
    ("car_antigen", "presentation.car_recognition", RISES),
    ("car_t", "cart.trogocytosis", RISES),
    ("cancer", "cart.trogocytosis", FALLS),
    ("infected", "signals.type1_ifn", RISES),
    ("bacteria", "signals.il6", RISES),
    ("bacteria", "myeloid.m1_to_m2", RISES),
    ("vessels", "host.colonize", FALLS),
    ("vessels", "growth.starvation", FALLS),  # necrosis far from vessels
    ("matrix", "growth.starvation", RISES),
    ("cancer", "dissemination.vesicles", RISES),
    ("pdl1", "dissemination.node_suppression", FALLS),
    ("pdl1", "dissemination.establishment", RISES),
    ("caf_cytokine", "metabolism.lactate_uptake", RISES),
    ("cancer", "metabolism.lactate_uptake", RISES),
    ("matrix", "stroma.stiffness_kpa", RISES),
    ("matrix", "stroma.mechanosignaling", RISES),
    ("treg", "priming.anergy", RISES),
    ("cancer", "ctdna.plasma_copies", RISES),
    ("matrix", "motility.t_cell", FALLS),
    ("matrix", "motility.cancer_cell", FALLS),
    ("matrix", "motility.alignment", FALLS),
    ("mhc1", "motility.arrest", FALLS),
    ("silencing", "guidance.t_cell", FALLS),
    ("matrix", "guidance.car_t", RISES),
    ("silencing", "guidance.dendritic_cell", FALLS),
    ("tam_m2", "guidance.treg", RISES),
    ("cancer", "mechanics.pressure_brake", FALLS),
    ("cancer", "contacts.mean_steps_to_death", FALLS),
]


@pytest.mark.parametrize(("field", "quantity", "sense"), MONOTONE)
def test_laws_move_the_way_biology_says(law, field, quantity, sense):
    value = law(steps(field, 0.0, 2.0 if field in OPEN else 0.9))[quantity].reshape(-1, N)
    change = sense * np.diff(value, axis=-1)
    assert (change >= -1e-12 * np.abs(value).max()).all()
    assert (sense * (value[:, -1] - value[:, 0])).max() > 0.0


def test_lactate_and_the_other_metabolites_lower_tcell_fitness(names, typical):
    """Each metabolite alone, the others held."""
    with jax.enable_x64(True):
        p = Params.of(jnp.asarray(typical), names)
        base = mediators.quasi_steady(jax.tree.map(lambda x: jnp.tile(x, N), tissue(5, (1,), 0.0)), jnp.full(N, 0.5), p)
        for signal, sense in (
            ("lactate", FALLS),
            ("kynurenine", FALLS),
            ("adenosine", FALLS),
            ("glucose", RISES),
            ("arginine", RISES),
        ):
            fields = {f: getattr(base.signals, f) for f in Signals.__dataclass_fields__}
            fields[signal] = jnp.linspace(0.01, 30.0, N)
            fitness = np.asarray(metabolism.tcell_fitness(Local(base.cells, Signals(**fields)), p))
            assert (sense * np.diff(fitness) > 0.0).all(), signal


def test_a_clone_without_b2m_is_seen_by_no_cd8_cell_and_by_more_nk_cells(law):
    out = law(tissue(7, (N,), sparsity=0.0))
    assert (out["presentation.recognition"][1] == 0.0).all()
    assert (out["presentation.mhc1_of_clone"][1] == 0.0).all()
    assert (out["killing.nk_rate"][1] > out["killing.nk_rate"][0]).all()
    redirected = out["killing.cd8_rate"][1]
    assert (redirected == 0.0).all()  # without a bispecific antibody nothing else lets a T cell kill it


def test_cells_die_with_their_vessel_only_where_vessels_are_lost(law):
    cells = tissue(7, (N,), sparsity=0.0)
    out = law(cells)
    growing = out["vasculature.sprout"] >= out["vasculature.regress"] * np.asarray(cells.vessels)
    assert 0 < growing.sum() < N
    assert (out["growth.orphaned"][growing] == 0.0).all()
    assert (out["growth.orphaned"][~growing] > 0.0).all()
    assert (out["growth.orphaned"] <= out["vasculature.regress"]).all()


def test_a_clone_deaf_to_interferon_keeps_only_basal_mhc1(law, typical, names):
    out = law(tissue(7, (N,), sparsity=0.0))
    np.testing.assert_allclose(out["presentation.mhc1_of_clone"][2], typical[names.index("mhc1_basal")])
    assert (out["presentation.recognition"][2] <= out["presentation.recognition"][0]).all()


def test_cd4_and_gamma_delta_t_cells_reach_a_clone_without_b2m_but_cd4_cells_none_deaf_to_interferon(law):
    """MHC-II and the killing by CD4 cells ask for interferon signalling and not for B2M; gamma-delta T cells are freed
    by the loss of MHC-I."""
    out = law(tissue(7, (N,), sparsity=0.0))
    np.testing.assert_array_equal(out["killing.cd4_rate"][1], out["killing.cd4_rate"][0])
    assert (out["killing.cd4_rate"][0] > 0.0).all()
    assert (out["killing.cd4_rate"][2] == 0.0).all()
    assert (out["killing.gamma_delta_rate"][1] > out["killing.gamma_delta_rate"][0]).all()


def test_virus_follows_its_load_and_is_held_by_interferon_and_immunity(names, typical):
    """Interferon guards the clones that respond to it and no other; neutralizing immunity clears the virus."""
    with jax.enable_x64(True):
        p = Params.of(jnp.asarray(typical), names)
        clone = CloneTraits(*(jnp.asarray(trait)[:, None] for trait in CLONES))
        rising, one, none = jnp.linspace(0.0, 5.0, N), jnp.ones(N), jnp.zeros(N)
        load = virus.rates(rising, none, one, clone, p)
        interferon = virus.rates(one, none, rising, clone, p)
        immunity = virus.rates(one, rising, one, clone, p)
    infect = np.asarray(load.infect)
    assert (infect[:, 0] == 0.0).all()
    assert (np.diff(infect, axis=-1) > 0.0).all()
    assert (infect <= typical[names.index("virus_infectivity")]).all()
    guarded = np.diff(np.asarray(interferon.infect), axis=-1)
    assert (guarded[[0, 1, 3, 4]] < 0.0).all()
    assert (guarded[2] == 0.0).all()
    assert (np.diff(np.asarray(immunity.clear)) > 0.0).all()


def test_car_t_cells_see_their_antigen_and_not_mhc1(law):
    """Recognition by CAR-T cells is the same for all clones that carry the antigen, whatever their MHC-I."""
    low, high = law(steps("mhc1", 0.0, 0.0)), law(steps("mhc1", 1.0, 1.0))
    seen = low["presentation.car_recognition"]
    np.testing.assert_array_equal(seen, high["presentation.car_recognition"])
    assert (seen[[0, 1, 2, 4]] == seen[[0]]).all()
    assert (seen[3] == 0.0).all()
    assert (low["killing.car_t_rate"][3] == 0.0).all()
    np.testing.assert_array_equal(low["killing.car_t_rate"][0], low["killing.car_t_rate"][1])


def with_value(names: tuple[str, ...], typical: np.ndarray, **changed: float) -> np.ndarray:
    out = typical.copy()
    for name, value in changed.items():
        out[names.index(name)] = value
    return out


PARAMETER_SENSE = [  # parameter, quantity, sense, from, to
    ("antigenicity", "presentation.recognition", RISES, 0.1, 2.0),
    ("hla_breadth", "presentation.recognition", RISES, 0.5, 1.0),
    ("antigen_processing", "presentation.recognition", RISES, 0.2, 1.0),
    ("pd1_signal", "checkpoints.brake", FALLS, 0.0, 1.0),
    ("pd1_signal", "checkpoints.differentiate", FALLS, 0.0, 1.0),
    ("lag3_signal", "checkpoints.brake", FALLS, 0.0, 1.0),
    ("tim3_signal", "checkpoints.brake", FALLS, 0.0, 1.0),
    ("tigit_signal", "checkpoints.brake", FALLS, 0.0, 1.0),
    ("ctla4_brake", "priming.activation", FALLS, 0.0, 2.0),
    ("costimulation", "priming.activation", RISES, 0.5, 2.0),
    ("oxygen_consumption", "signals.hypoxia", RISES, 0.5, 4.0),
    ("hif_gain", "signals.hypoxia", RISES, 0.5, 2.0),
    ("glycolysis_rate", "signals.lactate", RISES, 0.5, 4.0),
    ("lactate_export", "signals.lactate", RISES, 0.2, 2.0),
    ("glycolysis_rate", "signals.glucose", FALLS, 0.5, 4.0),
    ("arginase_activity", "signals.arginine", FALLS, 0.5, 4.0),
    ("ido_activity", "signals.kynurenine", RISES, 0.1, 3.0),
    ("vegf_signal", "trafficking.entry_factor", FALLS, 0.1, 2.0),
    ("vegf_signal", "vasculature.sprout", RISES, 0.1, 2.0),
    ("tgfb_signal", "killing.infiltrate_access", FALLS, 0.1, 2.0),
    ("tgfb_signal", "lymphoid.helper_to_treg", RISES, 0.1, 2.0),
    ("tgfb_signal", "growth.divide", FALLS, 0.1, 2.0),  # blockade gives cytostasis up
    ("cxcr2_signal", "myeloid.recruit_mdsc", RISES, 0.2, 1.0),
    ("csf1r_signal", "myeloid.tam_die", FALLS, 0.1, 1.0),
    ("csf1r_signal", "signals.cxcr2_ligand", FALLS, 0.1, 1.0),  # fibroblasts answer CSF-1R blockade with CXCL1/8
    ("cxcr2_signal", "signals.ccl2", FALLS, 0.1, 1.0),  # the niche fills with CCR2+ monocytes
    ("mapk_inhibition", "presentation.mhc1_target", RISES, 0.0, 1.0),
    ("mapk_inhibition", "growth.drug_kill", RISES, 0.0, 1.0),
    ("mapk_inhibition", "priming.activation", FALLS, 0.0, 1.0),
    ("cytotoxic_kill", "growth.drug_kill", RISES, 0.0, 0.2),
    ("cytotoxic_kill", "growth.to_persister", RISES, 0.0, 0.2),
    ("type1_ifn", "presentation.mhc1_target", RISES, 0.0, 1.0),
    ("type1_ifn", "priming.emigrate", RISES, 0.0, 1.0),
    ("steroid_exposure", "killing.function", FALLS, 0.0, 1.0),
    ("car_antigen_density", "presentation.car_recognition", RISES, 0.05, 1.0),
    ("redirected_kill", "killing.cd8_rate", RISES, 0.0, 1.0),
    ("helper_kill_rate", "killing.cd4_rate", RISES, 0.0, 8.0),
    ("mhc2_inducible", "killing.cd4_rate", RISES, 0.0, 1.0),
    ("antigenicity", "killing.cd4_rate", RISES, 0.1, 2.0),
    ("gamma_delta_kill_rate", "killing.gamma_delta_rate", RISES, 0.5, 16.0),
    ("gamma_delta_self_inhibition", "killing.gamma_delta_rate", FALLS, 0.3, 1.0),
    ("pd1_signal", "killing.gamma_delta_rate", FALLS, 0.0, 1.0),
    ("gamma_delta_response", "lymphoid.recruit_gamma_delta", RISES, 0.0, 3.0),
    ("neutrophil_suppression", "killing.function", FALLS, 0.0, 5.0),
    ("b_cell_opsonization", "killing.macrophage_rate", RISES, 0.0, 2.0),
    ("tls_formation", "lymphoid.form_tls", RISES, 0.001, 0.05),
    ("tls_loss", "lymphoid.lose_tls", RISES, 0.002, 0.1),
    ("tls_support", "checkpoints.renew", RISES, 0.0, 2.0),
    ("trogocytosis_rate", "cart.trogocytosis", RISES, 0.0, 5.0),
    ("virus_infectivity", "virus.infect", RISES, 0.05, 3.0),
    ("virus_interferon", "virus.infect", FALLS, 0.0, 10.0),
    ("type1_ifn", "virus.infect", FALLS, 0.0, 1.0),
    ("virus_neutralization", "virus.clear", RISES, 0.0, 50.0),
    ("virus_ifn", "signals.type1_ifn", RISES, 0.0, 20.0),
    ("antibiotic_exposure", "host.clear", RISES, 0.0, 1.0),
    ("bacteria_clearance", "host.clear", RISES, 0.05, 2.0),
    ("bacteria_setpoint", "host.colonize", RISES, 0.0, 1.0),
    ("bacteria_drug_inactivation", "growth.drug_kill", FALLS, 0.0, 3.0),
    ("necrosis_rate", "growth.die", RISES, 0.0, 0.1),
    ("necrosis_rate", "growth.persister_die", RISES, 0.0, 0.1),
    ("necrosis_oxygen", "growth.die", RISES, 2.5, 5.0),
    ("cuff_death", "growth.die", RISES, 0.0, 1.0),
    ("cuff_death", "growth.persister_die", RISES, 0.0, 1.0),
    ("vessel_vegf_dependence", "growth.orphaned", RISES, 0.0, 10.0),
    ("radiation_kill", "growth.drug_kill", RISES, 0.0, 2.0),
    ("radiation_kill", "vasculature.regress", RISES, 0.0, 2.0),
    ("vesicle_suppression", "dissemination.node_suppression", FALLS, 0.0, 2.0),
    ("pd1_signal", "dissemination.node_suppression", FALLS, 0.0, 1.0),
    ("niche_half", "dissemination.niche_target", FALLS, 0.05, 2.0),
    ("niche_floor", "dissemination.establishment", RISES, 0.0, 1.0),
    ("dissemination_rate", "dissemination.seeding_rate", RISES, 0.0, 5e-5),
    ("neutrophil_dissemination", "dissemination.seeding_rate", RISES, 0.0, 3.0),
    ("lactate_caf", "metabolism.lactate_uptake", RISES, 0.0, 1.5),
    ("dc_suppression", "priming.anergy", RISES, 0.0, 4.0),
    ("ctla4_brake", "priming.anergy", RISES, 0.0, 20.0),
    ("costimulation", "priming.anergy", FALLS, 0.5, 4.0),
    ("ctdna_half_life", "ctdna.plasma_copies", RISES, 0.011, 0.1),
]
# What has to be present for a parameter to matter.
BACKGROUND = {
    "mapk_inhibition": {"mapk_dependence": 0.95},
    "bacteria_drug_inactivation": {"cytotoxic_kill": 0.2},
    "bacteria_clearance": {"antibiotic_exposure": 1.0},
}


@pytest.mark.parametrize(("parameter", "quantity", "sense", "low", "high"), PARAMETER_SENSE)
def test_parameters_move_the_laws_the_way_biology_says(law, names, typical, parameter, quantity, sense, low, high):
    cells = tissue(13, (N,), sparsity=0.0)
    background = BACKGROUND.get(parameter, {})
    before = law(cells, with_value(names, typical, **background, **{parameter: low}))[quantity]
    after = law(cells, with_value(names, typical, **background, **{parameter: high}))[quantity]
    assert (sense * (after - before) >= -1e-12 * np.abs(after).max()).all()
    assert (sense * (after - before)).max() > 0.0


def test_no_fraction_of_a_hill_term_leaves_its_range():
    with jax.enable_x64(True):
        x = jnp.logspace(-12, 12, 200)
        for power in (1.0, 2.0, 0.5):
            value = np.asarray(hill(x, 2.0, power))
            assert (value >= 0.0).all()
            assert (value <= 1.0).all()
            assert (np.diff(value) >= 0.0).all()
            assert float(hill(jnp.asarray(2.0), 2.0, power)) == pytest.approx(0.5)
        slope = jax.vmap(jax.grad(lambda v: hill(v, 2.0, 2.0)))(jnp.asarray([0.0, 1e-13, 1.0]))
    assert np.isfinite(np.asarray(slope)).all()


def test_a_patient_far_below_one_parameter_name_gets_a_hint(names, typical):
    p = Params.of(jnp.asarray(typical), names)
    with pytest.raises(AttributeError, match="cd8_kill_rate"):
        p.cd8_kill_rat


def test_host_levels_relax_towards_a_set_point_in_range(knowledge):
    recorder = Recorder({k: p.value for k, p in knowledge.parameters.items()})
    rates = host.rates(recorder)
    assert 0.0 <= float(rates.microbiome_target) <= 1.0
    # Without treatment the lymphocyte reserve rests at its normal value of one.
    assert float(rates.lymphocyte_gain) == pytest.approx(float(rates.lymphocyte_loss))
    assert {"microbiome_setpoint", "lymphocyte_depletion"} <= recorder.read


def test_ph_falls_by_one_for_the_buffered_amount_of_lactate_and_never_above_normal(names, typical):
    with jax.enable_x64(True):
        p = Params.of(jnp.asarray(with_value(names, typical, ph_normal=7.3, ph_buffering=40.9)), names)
        excess = jnp.array([-1.0, 0.0, 40.9 * 0.3, 40.9])
        ph = np.asarray(metabolism.extracellular_ph(p.lactate_blood + excess, p))
    np.testing.assert_allclose(ph, [7.3, 7.3, 7.0, 6.3])


def test_cancer_cells_burn_lactate_only_with_oxygen(names, typical):
    with jax.enable_x64(True):
        p = Params.of(jnp.asarray(typical), names)
        base = mediators.quasi_steady(jax.tree.map(lambda x: jnp.tile(x, N), tissue(5, (1,), 0.0)), jnp.full(N, 0.5), p)
        fields = {f: getattr(base.signals, f) for f in Signals.__dataclass_fields__}
        fields["oxygen"] = jnp.linspace(0.0, 40.0, N)
        uptake = np.asarray(metabolism.lactate_uptake(Local(base.cells, Signals(**fields)), p))
    assert uptake[0] == 0.0
    assert (np.diff(uptake) > 0.0).all()


def test_stiffness_runs_from_normal_tissue_through_a_carcinoma_as_collagen_gels_do(names, typical):
    value = dict(zip(names, typical, strict=True))
    with jax.enable_x64(True):
        p = Params.of(jnp.asarray(typical), names)
        soft, carcinoma, dense = np.asarray(stroma.stiffness_kpa(jnp.array([0.0, 1.0, 2.0]), p))
    assert soft == pytest.approx(value["stiffness_normal"])
    assert carcinoma - soft == pytest.approx(value["stiffness_matrix"])
    assert (dense - soft) / (carcinoma - soft) == pytest.approx(2.0 ** value["stiffness_power"])


def test_mechanical_signal_on_stiff_and_soft_gels_is_as_far_apart_as_proliferation(names, typical):
    """Schrader 2011: 2.7 times as many cycling Huh7 cells at 12 as at 1 kPa."""
    with jax.enable_x64(True):
        soft, stiff = np.asarray(
            stroma.mechanosignaling(jnp.array([1.0, 12.0]), Params.of(jnp.asarray(typical), names))
        )
    assert stiff / soft == pytest.approx(2.7, rel=0.02)


def test_a_typical_gut_community_makes_what_healthy_stool_holds(knowledge):
    """Hoverstad 1986: 63 mmol/kg."""
    p = Recorder({k: v.value for k, v in knowledge.parameters.items()})
    made = float(host.short_chain_fatty_acids(p.microbiome_setpoint, p))
    assert made == pytest.approx(62.9, rel=0.02)


def test_costimulation_decides_between_priming_and_anergy(names, typical):
    """Without CTLA-4 and with mature dendritic cells nobody is anergic; without costimulation everybody is."""
    zero, one = jnp.zeros(1), jnp.ones(1)
    for changed, share, primes in (({"ctla4_brake": 0.0}, 0.0, True), ({"costimulation": 0.0}, 1.0, False)):
        p = Params.of(jnp.asarray(with_value(names, typical, **changed)), names)
        np.testing.assert_allclose(np.asarray(priming.anergy(zero, one, p)), share, atol=1e-6)
        assert (np.asarray(priming.activation(one, zero, one, p)) > 0.0).all() == primes


def test_tumor_dna_in_plasma_is_what_its_source_computes(names, typical):
    """Avanzini 2020: 1e9 cells that die at 0.136 per day and shed 0.00014 give 0.21 genome equivalents per mL."""
    changed = with_value(names, typical, ctdna_shedding=1.4e-4, ctdna_half_life=30.0 / 1440.0, plasma_volume=3000.0)
    with jax.enable_x64(True):
        copies = ctdna.plasma_copies(jnp.array([0.0, 0.136e3]), Params.of(jnp.asarray(changed), names))
    none, cubic_centimeter = np.asarray(copies)
    assert none == 0.0
    assert cubic_centimeter == pytest.approx(0.21, rel=0.15)


def test_fewer_clonal_neoantigens_are_recognized_less_while_their_number_primes_as_before(names, typical):
    p = Params.of(jnp.asarray(typical), names)
    shares = jnp.linspace(0.1, 1.4, N)
    seen = np.asarray(presentation.antigen_breadth(p, shares))
    assert (np.diff(seen) > 0.0).all()
    assert float(presentation.antigen_breadth(p, 1.0)) == float(presentation.antigen_breadth(p))
