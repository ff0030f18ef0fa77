"""Pharmacokinetics over a step, occupancy, and how acts change parameters: laws against independent mathematics."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad_vec
from scipy.linalg import expm

from tumornexus.biology.params import Params
from tumornexus.biology.pharmacology import Acts, Modulation, modulate, occupancy, propagator

rate = st.floats(1e-3, 50.0)
step_length = st.floats(0.05, 7.0)


def matrices(k_elim: float, k_out: float, k_in: float, dt: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the simulator's step and mean matrices and the generator of the two-compartment system."""
    with jax.enable_x64(True):
        over = propagator(*(jnp.asarray(x, dtype=float) for x in (k_elim, k_out, k_in, dt)))
    return np.asarray(over.step), np.asarray(over.mean), np.array([[-(k_elim + k_out), k_in], [k_out, -k_in]])


@settings(deadline=None, max_examples=60)
@given(k_elim=rate, k_out=st.one_of(st.just(0.0), rate), k_in=rate, dt=step_length)
def test_the_step_is_the_matrix_exponential(k_elim, k_out, k_in, dt):
    step, _, generator = matrices(k_elim, k_out, k_in, dt)
    np.testing.assert_allclose(step, expm(generator * dt), rtol=1e-6, atol=1e-9)
    assert (step >= -1e-12).all()


@settings(deadline=None, max_examples=60)
@given(k_elim=st.floats(1e-2, 20.0), k_out=st.floats(0.0, 5.0), k_in=st.floats(1e-2, 5.0), dt=step_length)
def test_mean_amounts_are_the_average_over_the_step(k_elim, k_out, k_in, dt):
    """The integral of a matrix exponential is a corner of a larger one (Van Loan 1978)."""
    _, mean, generator = matrices(k_elim, k_out, k_in, dt)
    block = np.block([[generator, np.eye(2)], [np.zeros((2, 4))]])
    np.testing.assert_allclose(mean, expm(block * dt)[:2, 2:] / dt, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dt", [0.25, 1.0])
def test_mean_amounts_agree_with_quadrature(dt):
    _, mean, generator = matrices(0.4, 0.3, 0.2, dt)
    integral, _ = quad_vec(lambda t: expm(generator * t), 0.0, dt, epsrel=1e-9)
    np.testing.assert_allclose(mean, integral / dt, rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(k_elim=st.floats(1e-2, 50.0), k_out=st.floats(0.0, 50.0), k_in=st.floats(1e-2, 50.0), dt=step_length)
def test_what_is_no_longer_in_the_body_has_been_eliminated(k_elim, k_out, k_in, dt):
    """Mass balance: amount at the start = amount at the end + k_elim times the mean central amount times dt."""
    step, mean, _ = matrices(k_elim, k_out, k_in, dt)
    left = step.sum(axis=0)
    eliminated = k_elim * mean[0] * dt
    np.testing.assert_allclose(left + eliminated, 1.0, rtol=1e-6, atol=1e-8)


def test_two_half_steps_are_one_step():
    half, _, _ = matrices(0.3, 0.5, 0.4, 0.5)
    whole, _, _ = matrices(0.3, 0.5, 0.4, 1.0)
    np.testing.assert_allclose(half @ half, whole, rtol=1e-12)


@pytest.mark.parametrize("same", [0.5, 5.0])
def test_equal_rates_without_exchange_are_not_a_special_case(same):
    """With k_out = 0 and k_elim = k_in both eigenvalues coincide, and their difference must not be a divisor."""
    step, mean, generator = matrices(same, 0.0, same, 1.0)
    np.testing.assert_allclose(step, expm(generator), rtol=1e-6)
    np.testing.assert_allclose(mean[0, 0], (1.0 - np.exp(-same)) / same, rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    concentration=st.floats(0.0, 1e9), ec50=st.floats(1e-6, 1e6), hill=st.floats(0.3, 8.0), factor=st.floats(1.0, 10.0)
)
def test_occupancy_lies_between_none_and_full_and_rises_with_concentration(concentration, ec50, hill, factor):
    with jax.enable_x64(True):
        low, high, half = (
            float(occupancy(jnp.asarray(c), jnp.asarray(ec50), jnp.asarray(hill)))
            for c in (concentration, concentration * factor, ec50)
        )
    assert 0.0 <= low <= high <= 1.0
    assert half == pytest.approx(0.5)


def test_no_drug_no_occupancy():
    assert float(occupancy(jnp.asarray(0.0), jnp.asarray(1.0), jnp.asarray(2.0))) == 0.0
    assert float(occupancy(jnp.asarray(-1e-20), jnp.asarray(1.0), jnp.asarray(2.0))) == 0.0


def neutral_acts(slots: int, acted: int) -> dict[str, np.ndarray]:
    ones, none = np.ones(slots), np.zeros((slots, acted))
    return {
        "k_elim": ones, "k_out": ones, "k_in": ones, "nm_per_unit": ones, "penetration_rate": ones, "ec50": ones,
        "hill": ones, "tumor_to_plasma": ones, "multiply": none + 1.0, "add": none, "saturate": none.copy(),
        "saturates": none.copy(),
    }  # fmt: skip


WHERE = Modulation(index=np.array([0, 2, 3]), in_tumor=np.array([1.0, 0.0, 1.0]), upper=np.full(3, np.inf))
P = Params(jnp.asarray([2.0, 5.0, 0.3, 0.7]), ("a", "b", "c", "d"))


def test_acts_of_nothing_change_no_bit():
    effect = jnp.asarray([0.3, 1.0])
    after = modulate(P, Acts(**neutral_acts(2, 3)), effect, effect, WHERE)
    np.testing.assert_array_equal(after.values, P.values)


def test_drugs_without_effect_change_no_bit():
    acts = neutral_acts(2, 3)
    acts["multiply"], acts["add"] = np.full((2, 3), 0.1), np.full((2, 3), 4.0)
    acts["saturate"], acts["saturates"] = np.full((2, 3), 0.9), np.ones((2, 3))
    none = jnp.zeros(2)
    np.testing.assert_array_equal(modulate(P, Acts(**acts), none, none, WHERE).values, P.values)


def test_full_effect_is_what_the_record_states_and_half_effect_half_way():
    acts = neutral_acts(1, 3)
    acts["multiply"][0, 0], acts["add"] = 0.1, np.array([[0.0, 4.0, 0.0]])
    acts["saturate"][0, 2], acts["saturates"][0, 2] = 0.9, 1.0
    full = modulate(P, Acts(**acts), jnp.ones(1), jnp.ones(1), WHERE).values
    np.testing.assert_allclose(full, [0.2, 5.0, 4.3, 0.9], rtol=1e-6)
    half = modulate(P, Acts(**acts), jnp.full(1, 0.5), jnp.full(1, 0.5), WHERE).values
    np.testing.assert_allclose(half, [1.1, 5.0, 2.3, 0.8], rtol=1e-6)


def test_parameters_of_node_and_blood_follow_plasma_and_the_others_the_tumor():
    acts = neutral_acts(1, 3)
    acts["multiply"] = np.full((1, 3), 0.5)
    only_plasma = modulate(P, Acts(**acts), jnp.ones(1), jnp.zeros(1), WHERE).values
    np.testing.assert_allclose(only_plasma, [2.0, 5.0, 0.15, 0.7], rtol=1e-6)
    only_tumor = modulate(P, Acts(**acts), jnp.zeros(1), jnp.ones(1), WHERE).values
    np.testing.assert_allclose(only_tumor, [1.0, 5.0, 0.3, 0.35], rtol=1e-6)


def test_the_order_of_slots_does_not_matter():
    generator = np.random.Generator(np.random.PCG64(1))
    acts = neutral_acts(3, 3)
    acts["multiply"] = generator.uniform(0.1, 2.0, (3, 3))
    acts["add"] = generator.uniform(0.0, 1.0, (3, 3))
    acts["saturate"], acts["saturates"] = generator.uniform(0.0, 1.0, (3, 3)), np.array([[1.0, 0.0, 0.0]] * 3)
    plasma, tumor = generator.uniform(size=3), generator.uniform(size=3)
    turned = {k: v[[2, 0, 1]] for k, v in acts.items()}
    with jax.enable_x64(True):
        p = Params(jnp.asarray([2.0, 5.0, 0.3, 0.7]), P.names)
        a = modulate(p, Acts(**acts), jnp.asarray(plasma), jnp.asarray(tumor), WHERE).values
        b = modulate(p, Acts(**turned), jnp.asarray(plasma[[2, 0, 1]]), jnp.asarray(tumor[[2, 0, 1]]), WHERE).values
    np.testing.assert_allclose(a, b, rtol=1e-12)
