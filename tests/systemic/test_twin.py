"""From activities to a virtual patient: null mechanisms change nothing, luck has an address, measurements pull."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from simulated import keep_compiled
from tumornexus.activities import Activities, Activity
from tumornexus.errors import InputError, SimulationError
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.systemic import prepare, simulate
from tumornexus.systemic.state import CLONES, members_last, patient_mean, volume_ml
from tumornexus.systemic.twin import (
    CANDIDATES_PER_DRAW,
    CLONE_PARAMETERS,
    Facts,
    Twin,
    apply_effects,
    bounded_mask,
    draw_bare,
    draw_effects,
    parameter_names,
    parameterize,
    reverse,
)  # fmt: skip

DRAWS = 24


def activities(sample: str = "a", tumor: str = "melanoma", **presence: float) -> Activities:
    """Return activities with the named presences; the extent is drawn around 0.75."""
    return Activities(sample, tumor, {m: Activity(p, 6.0, 2.0, "measured") for m, p in presence.items()})


@pytest.fixture(scope="module", autouse=True)
def _compiled(pytestconfig: pytest.Config) -> None:
    keep_compiled(pytestconfig)


@pytest.fixture(scope="module")
def twin(knowledge: Knowledge) -> Twin:
    return parameterize(activities(b2m_loss=0.7, hypoxia=1.0), knowledge, n_draws=DRAWS)


def same(a: Twin, b: Twin) -> bool:
    """Return whether two twins agree in every bit of parameters, state and weights."""
    pairs = [(a.bare, b.bare), (a.values, b.values), (a.weights, b.weights)]
    pairs += zip(jax.tree.leaves(a.state), jax.tree.leaves(b.state), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def test_effects_of_absent_mechanisms_change_no_bit(knowledge: Knowledge):
    names, bounded = parameter_names(knowledge), bounded_mask(knowledge)
    bare = draw_bare(knowledge, knowledge.tumors["nsclc"], 16, 3, "x")
    effects = draw_effects(knowledge, 16, 3, "x")
    silent = {m: np.zeros(16) for m in knowledge.mechanisms}
    np.testing.assert_array_equal(
        apply_effects(bare, silent, effects, names, bounded), apply_effects(bare, {}, effects, names, bounded)
    )
    # And the bare draws are already in range, so that the clipping at the end moves none of them.
    np.testing.assert_array_equal(apply_effects(bare, {}, effects, names, bounded), bare)


def test_a_mechanism_changes_its_own_parameters_only_and_only_where_it_is_present(knowledge: Knowledge):
    names, bounded = parameter_names(knowledge), bounded_mask(knowledge)
    bare = draw_bare(knowledge, knowledge.tumors["nsclc"], 16, 3, "x")
    effects = draw_effects(knowledge, 16, 3, "x")
    half = np.where(np.arange(16) < 8, 0.8, 0.0)
    for mechanism, record in knowledge.mechanisms.items():
        if not record.effect:
            continue
        after = apply_effects(bare, {mechanism: half}, effects, names, bounded)
        changed = {names[j] for j in np.flatnonzero((after != bare).any(axis=0))}
        assert changed <= {e.parameter for e in record.effect}, mechanism
        np.testing.assert_array_equal(after[8:], bare[8:], err_msg=mechanism)
        assert (after >= 0.0).all(), mechanism
        assert (after[:, bounded] <= 1.0).all(), mechanism


@pytest.mark.parametrize(
    ("law", "value", "expected"), [("multiply", 3.0, 1.0), ("add", 0.4, 0.7), ("saturate", 0.9, 0.7)]
)
def test_half_activity_is_half_the_way(law, value, expected, knowledge: Knowledge):
    """From 0.5: times 1 + (3 - 1)/2 = 2; plus 0.4/2; half way to 0.9."""
    effect = next(m for m in knowledge.mechanisms.values() if m.effect).effect[0]
    effect = effect.model_copy(update={"parameter": "p", "law": law, "value": value, "low": value, "high": value})
    got = apply_effects(
        np.array([[0.5]]), {"m": np.array([0.5])}, {"m": ((effect, np.array([value])),)}, ("p",), np.array([False])
    )
    assert got[0, 0] == pytest.approx(expected)


def test_the_order_of_mechanisms_does_not_matter(knowledge: Knowledge):
    names, bounded = parameter_names(knowledge), bounded_mask(knowledge)
    bare = draw_bare(knowledge, knowledge.tumors["pdac"], 8, 0, "x")
    effects = draw_effects(knowledge, 8, 0, "x")
    one = {m: np.full(8, 0.6) for m in knowledge.mechanisms}
    other = dict(reversed(one.items()))
    np.testing.assert_allclose(
        apply_effects(bare, one, effects, names, bounded),
        apply_effects(bare, other, effects, names, bounded),
        rtol=1e-12,
    )


def test_effect_sizes_stay_between_their_published_bounds(knowledge: Knowledge):
    for mechanism, pairs in draw_effects(knowledge, 200, 0, "x").items():
        for effect, size in pairs:
            assert (size >= effect.low).all(), mechanism
            assert (size <= effect.high).all(), mechanism


@pytest.mark.simulation
def test_presence_zero_is_the_same_as_no_record(knowledge: Knowledge):
    without = parameterize(activities(hypoxia=1.0), knowledge, n_draws=DRAWS)
    with_zero = parameterize(activities(hypoxia=1.0, b2m_loss=0.0, treg=0.0), knowledge, n_draws=DRAWS)
    assert same(without, with_zero)


@pytest.mark.simulation
def test_the_same_seed_gives_the_same_twin_and_another_seed_another(twin: Twin, knowledge: Knowledge):
    again = parameterize(activities(b2m_loss=0.7, hypoxia=1.0), knowledge, n_draws=DRAWS)
    assert same(twin, again)
    other = parameterize(activities(b2m_loss=0.7, hypoxia=1.0), knowledge, n_draws=DRAWS, seed=1)
    assert not same(twin, other)


@pytest.mark.simulation
def test_a_sample_gets_the_same_twin_whoever_came_before(twin: Twin, knowledge: Knowledge):
    other = parameterize(activities("b", "nsclc", treg=1.0), knowledge, n_draws=DRAWS)
    assert other.sample == "b"
    assert same(twin, parameterize(activities(b2m_loss=0.7, hypoxia=1.0), knowledge, n_draws=DRAWS))
    # Two samples with the same measurements are two patients, not one.
    assert not same(twin, parameterize(activities("b", b2m_loss=0.7, hypoxia=1.0), knowledge, n_draws=DRAWS))


@pytest.mark.simulation
def test_one_more_mechanism_leaves_the_draws_of_the_others_alone(knowledge: Knowledge):
    few, more = activities(hypoxia=0.5), activities(treg=0.5, hypoxia=0.5)
    np.testing.assert_array_equal(few.draws(64, 0)["hypoxia"], more.draws(64, 0)["hypoxia"])


@pytest.mark.simulation
def test_weights_sum_to_one_and_count_draws(twin: Twin):
    assert twin.weights.sum() == pytest.approx(1.0)
    assert 1.0 <= twin.n_effective <= twin.n_draws + 1e-9
    assert twin.n_draws <= DRAWS
    assert twin.n_candidates == DRAWS * CANDIDATES_PER_DRAW
    assert twin.n_controlled + twin.n_failed < twin.n_candidates
    assert twin.values.shape == twin.bare.shape == (twin.n_draws, len(twin.names))
    assert all(len(a) == twin.n_draws for a in twin.activities.values())


@pytest.mark.simulation
def test_reversing_b2m_loss_gives_its_cells_back_to_the_wild_type(twin: Twin, knowledge: Knowledge):
    back = reverse(twin, knowledge, ["b2m_loss"])
    place = CLONES.index("b2m_loss")
    assert (twin.state.cancer[:, place] > 0.0).any()
    present = twin.activities["b2m_loss"] > 0.0
    assert (back.state.cancer[present, place] == 0.0).all()
    assert (back.state.persister[present, place] == 0.0).all()
    np.testing.assert_array_equal(back.state.cancer[~present], twin.state.cancer[~present])
    for name in ("cancer", "persister"):
        np.testing.assert_allclose(
            getattr(back.state, name).sum(axis=1), getattr(twin.state, name).sum(axis=1), rtol=1e-12
        )
    untouched = [f for f in type(twin.state).__dataclass_fields__ if f not in ("cancer", "persister")]
    for name in untouched:
        np.testing.assert_array_equal(getattr(back.state, name), getattr(twin.state, name))
    assert (back.activities["b2m_loss"] == 0.0).all()
    np.testing.assert_array_equal(back.activities["hypoxia"], twin.activities["hypoxia"])


@pytest.mark.simulation
def test_reversing_everything_leaves_the_bare_parameters(twin: Twin, knowledge: Knowledge):
    back = reverse(twin, knowledge, twin.activities)
    np.testing.assert_array_equal(back.values, twin.bare)
    np.testing.assert_array_equal(reverse(twin, knowledge, []).values, twin.values)


@pytest.mark.simulation
def test_reversing_a_level_leaves_the_tumor_as_it_has_grown(twin: Twin, knowledge: Knowledge):
    back = reverse(twin, knowledge, ["hypoxia"])
    for a, b in zip(jax.tree.leaves(back.state), jax.tree.leaves(twin.state), strict=True):
        np.testing.assert_array_equal(a, b)
    j = twin.names.index("oxygen_consumption")
    present = twin.activities["hypoxia"] > 0.0
    assert (back.values[present, j] < twin.values[present, j]).all()


@pytest.mark.simulation
def test_a_measured_burden_is_reached(knowledge: Knowledge):
    twin = parameterize(activities(), knowledge, facts=Facts(burden_ml=12.0), n_draws=DRAWS)
    density = twin.values[:, twin.names.index("site_density")]
    volume = np.asarray(volume_ml(members_last(twin.state), density)).sum(axis=0)
    assert (volume >= 12.0 - 1e-6).all()
    assert (volume <= 13.2).all()


@pytest.mark.simulation
def test_a_high_inflamed_score_gives_a_more_infiltrated_twin_than_a_low_one(knowledge: Knowledge):
    def infiltration(z: float) -> float:
        twin = parameterize(activities(), knowledge, facts=Facts(inflamed_z=z), n_draws=DRAWS)
        cells = patient_mean(twin.state)
        cd8 = np.asarray(cells.cd8_progenitor + cells.cd8_effector + cells.cd8_terminal)
        return float(np.sum(twin.weights * np.log(cd8)))

    low, middle, high = (infiltration(z) for z in (-1.5, 0.0, 1.5))
    assert low < middle < high


@pytest.mark.simulation
def test_a_known_driver_decides_dependence_on_the_pathway(knowledge: Knowledge):
    j = parameter_names(knowledge).index("mapk_dependence")
    tumor = knowledge.tumors["melanoma"]
    assert (draw_bare(knowledge, tumor, 64, 0, "x", True)[:, j] > 0.0).all()
    assert (draw_bare(knowledge, tumor, 64, 0, "x", False)[:, j] == 0.0).all()
    unknown = draw_bare(knowledge, tumor, 2000, 0, "x")[:, j] > 0.0
    assert unknown.mean() == pytest.approx(tumor.braf_v600, abs=0.04)


@pytest.mark.simulation
def test_a_tumor_that_cannot_grow_to_its_burden_is_an_error_with_a_way_out(knowledge: Knowledge):
    deadly = knowledge.parameters["radiation_kill"].model_copy(update={"value": 3.0, "high": 5.0})
    hostile = replace(knowledge, parameters={**knowledge.parameters, "radiation_kill": deadly})
    with pytest.raises(SimulationError, match="burden") as caught:
        parameterize(activities(), hostile, facts=Facts(burden_ml=50.0), n_draws=8)
    assert "smaller burden" in str(caught.value)


def test_every_clone_has_a_parameter_that_seeds_it(knowledge: Knowledge):
    assert set(CLONE_PARAMETERS) == set(CLONES[1:])
    assert set(CLONE_PARAMETERS.values()) <= set(knowledge.parameters)


def test_an_override_is_the_same_in_all_draws_and_checked(knowledge: Knowledge):
    twin = parameterize(activities(low_tmb=1.0), knowledge, overrides={"cd8_entry": 1.5}, n_draws=8, seed=3)
    assert (twin.bare[:, twin.names.index("cd8_entry")] == 1.5).all()
    with pytest.raises(InputError, match=r"overrides.cd8_entry.*outside the range"):
        parameterize(activities(low_tmb=1.0), knowledge, overrides={"cd8_entry": -1.0}, n_draws=8)
    with pytest.raises(InputError, match=r"did you mean.*cd8_entry"):
        parameterize(activities(low_tmb=1.0), knowledge, overrides={"cd8_entri": 1.0}, n_draws=8)


def test_a_horizon_beyond_the_table_is_refused(twin: Twin, knowledge: Knowledge):
    treatment = prepare(parse_regimen("nivolumab 240 mg q2w", knowledge), knowledge)
    for days in (0, -7, 10, 7000):
        with pytest.raises(SimulationError, match="whole weeks, 7 to 728 days"):
            simulate(twin, [treatment], horizon_days=days)
