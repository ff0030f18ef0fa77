"""Occupancy, and how acts change parameters: laws of combination whatever the numbers are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.biology.drug_action import Acted, Acts, modulate, occupancy
from tumornexus.biology.params import Params

NAMES = ("a", "b", "c", "d")
BATCH = 5
EVERY = Acted(multiply=NAMES, add=NAMES, saturate=NAMES, upper=())
KINETIC = ("penetration_rate", "ec50", "hill", "tumor_to_plasma", "local", "hazard", "checkpoint", "stops")
SCALE = np.array([2.0, 5.0, 0.3, 0.7])


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def tables(slots: int, acted: Acted = EVERY) -> dict[str, np.ndarray]:
    """Return neutral acts of `slots` drugs on a batch, to be changed by the test."""
    sizes = {"multiply": acted.multiply, "add": acted.add, "saturate": acted.saturate, "saturates": acted.saturate}
    out = {name: np.ones((slots, BATCH)) for name in KINETIC}
    out |= {name: np.zeros((slots, len(which), BATCH)) for name, which in sizes.items()}
    out["multiply"] += 1.0
    return out


def acts_of(values: dict[str, np.ndarray]) -> Acts:
    return Acts(**{name: jnp.asarray(v) for name, v in values.items()})


def parameters() -> Params:
    """Return four parameters that differ between the members of the batch."""
    return Params.of(jnp.asarray(SCALE[:, None] * np.linspace(1.0, 1.3, BATCH)), NAMES)


def stack(p: Params) -> np.ndarray:
    return np.stack([np.asarray(v) for v in p.values])


def random_tables(generator: np.random.Generator, slots: int) -> dict[str, np.ndarray]:
    out = tables(slots)
    shape = out["multiply"].shape
    out["multiply"] = generator.uniform(0.0, 3.0, shape)
    out["add"] = generator.uniform(0.0, 2.0, shape)
    out["saturate"] = generator.uniform(0.0, 1.0, shape)
    out["saturates"] = (generator.random(shape) < 0.5).astype(float)
    return out


def by_hand(p: Params, t: dict[str, np.ndarray], effect: np.ndarray) -> np.ndarray:
    """Combine the laws as the docstring says, one drug after another: products, sums, a pull to the mean target."""
    e = effect[:, None, :]
    weight = t["saturates"] * e
    kept = np.prod(1.0 - weight, axis=0)
    total = weight.sum(axis=0)
    target = np.divide((weight * t["saturate"]).sum(axis=0), total, out=np.zeros_like(total), where=total > 0.0)
    scaled = stack(p) * np.prod(1.0 + (t["multiply"] - 1.0) * e, axis=0) + (t["add"] * e).sum(axis=0)
    return scaled * kept + target * (1.0 - kept)


def test_acts_of_nothing_change_no_bit():
    p = parameters()
    effect = jnp.asarray(np.linspace(0.0, 1.0, 2 * BATCH).reshape(2, BATCH))
    np.testing.assert_array_equal(stack(modulate(p, acts_of(tables(2)), effect, EVERY)), stack(p))


def test_drugs_without_effect_change_no_bit():
    p, acts = parameters(), acts_of(random_tables(np.random.Generator(np.random.PCG64(2)), 3))
    np.testing.assert_array_equal(stack(modulate(p, acts, jnp.zeros((3, BATCH)), EVERY)), stack(p))


def test_a_parameter_that_no_therapy_addresses_keeps_its_array():
    acted = Acted(multiply=("b",), add=("b",), saturate=(), upper=())
    t = tables(1, acted)
    t["multiply"][:], t["add"][:] = 3.0, 1.0
    p = parameters()
    after = modulate(p, acts_of(t), jnp.ones((1, BATCH)), acted)
    assert after.names == p.names
    assert all(getattr(after, name) is getattr(p, name) for name in ("a", "c", "d"))
    np.testing.assert_allclose(after.b, 3.0 * p.b + 1.0, rtol=1e-15)


def test_full_effect_is_what_the_record_states_and_half_effect_half_way():
    acted = Acted(multiply=("a",), add=("c",), saturate=("d",), upper=())
    t = tables(1, acted)
    t["multiply"][:], t["add"][:], t["saturate"][:], t["saturates"][:] = 0.1, 4.0, 0.9, 1.0
    p = parameters()
    full = modulate(p, acts_of(t), jnp.ones((1, BATCH)), acted)
    np.testing.assert_allclose(stack(full), np.stack([0.1 * p.a, p.b, p.c + 4.0, np.full(BATCH, 0.9)]), rtol=1e-12)
    half = modulate(p, acts_of(t), jnp.full((1, BATCH), 0.5), acted)
    np.testing.assert_allclose(stack(half), np.stack([0.55 * p.a, p.b, p.c + 2.0, 0.5 * (p.d + 0.9)]), rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), slots=st.integers(1, 4))
def test_laws_combine_as_independent_actions(seed, slots):
    generator = np.random.Generator(np.random.PCG64(seed))
    t, effect = random_tables(generator, slots), generator.random((slots, BATCH))
    p = parameters()
    after = stack(modulate(p, acts_of(t), jnp.asarray(effect), EVERY))
    np.testing.assert_allclose(after, by_hand(p, t, effect), rtol=1e-10, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_slots_does_not_matter(seed):
    generator = np.random.Generator(np.random.PCG64(seed))
    t, effect, turn = random_tables(generator, 3), generator.random((3, BATCH)), generator.permutation(3)
    p = parameters()
    one = stack(modulate(p, acts_of(t), jnp.asarray(effect), EVERY))
    other = stack(modulate(p, acts_of({k: v[turn] for k, v in t.items()}), jnp.asarray(effect[turn]), EVERY))
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_bounded_parameters_are_clipped_and_nothing_falls_below_zero():
    """Two drugs of one class add up beyond one; a sum below zero, as a record might state it, ends at zero."""
    acted = Acted(multiply=(), add=NAMES, saturate=(), upper=(("c", 1.0), ("d", 1.0)))
    t = tables(2, acted)
    t["add"][:, 0], t["add"][:, 1], t["add"][:, 2], t["add"][:, 3] = 0.8, -9.0, 0.8, 0.01
    p = parameters()
    after = modulate(p, acts_of(t), jnp.ones((2, BATCH)), acted)
    np.testing.assert_allclose(after.a, p.a + 1.6, rtol=1e-12)  # no bound
    np.testing.assert_array_equal(after.b, np.zeros(BATCH))
    np.testing.assert_array_equal(after.c, np.ones(BATCH))
    np.testing.assert_allclose(after.d, np.minimum(p.d + 0.02, 1.0), rtol=1e-12)  # within its bound


@pytest.mark.parametrize("lesion_parameters", [False, True])
def test_each_lesion_is_changed_by_its_own_effect(lesion_parameters):
    """(slot, lesion, batch) gives at each lesion what (slot, batch) gives with the effect there."""
    lesions = 3
    generator = np.random.Generator(np.random.PCG64(4))
    t, effect = random_tables(generator, 2), generator.random((2, lesions, BATCH))
    acted = Acted(EVERY.multiply, EVERY.add, EVERY.saturate, (("c", 1.0), ("d", 1.0)))
    p = parameters()
    varied = jnp.asarray(generator.uniform(0.5, 2.0, (lesions, BATCH)))
    here = [p.replaced({"a": p.a * varied[i]}) if lesion_parameters else p for i in range(lesions)]
    together = p.replaced({"a": p.a * varied}) if lesion_parameters else p
    after = modulate(together, acts_of(t), jnp.asarray(effect), acted)
    for i in range(lesions):
        alone = modulate(here[i], acts_of(t), jnp.asarray(effect[:, i]), acted)
        for name in NAMES:
            assert getattr(after, name).shape == (lesions, BATCH)
            np.testing.assert_allclose(getattr(after, name)[i], getattr(alone, name), rtol=1e-14, err_msg=name)


@settings(deadline=None, max_examples=60)
@given(
    concentration=st.floats(0.0, 1e9), ec50=st.floats(1e-6, 1e6), hill=st.floats(0.3, 8.0), factor=st.floats(1.0, 10.0)
)
def test_occupancy_lies_between_none_and_full_and_rises_with_concentration(concentration, ec50, hill, factor):
    low, high, half = (
        float(occupancy(jnp.asarray(c), jnp.asarray(ec50), jnp.asarray(hill)))
        for c in (concentration, concentration * factor, ec50)
    )
    assert 0.0 <= low <= high <= 1.0
    assert half == pytest.approx(0.5)


@pytest.mark.parametrize("hill_is_one", [False, True])
def test_no_drug_no_occupancy(hill_is_one):
    for concentration in (0.0, -1e-20):
        effect = occupancy(jnp.asarray(concentration), jnp.asarray(1.0), jnp.asarray(2.0), hill_is_one=hill_is_one)
        assert float(effect) == 0.0


def test_sparing_the_powers_gives_what_an_exponent_of_one_gives():
    concentration, ec50 = jnp.logspace(-9, 9, 50), jnp.asarray(3.0)
    np.testing.assert_allclose(
        occupancy(concentration, ec50, jnp.asarray(7.0), hill_is_one=True),
        occupancy(concentration, ec50, jnp.asarray(1.0)),
        rtol=1e-12,
    )
