"""The integrator: second order, positive at any step, exact where the flux is frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulated import Tumors, rows
from tumornexus.biology.params import Params
from tumornexus.systemic.dynamics import flux
from tumornexus.systemic.integrate import exponential_trapezoid

REACH_DAYS = 8.0


class Pair(NamedTuple):
    """A flux of any tree of states, as the integrator reads it."""

    gain: object
    loss: object


def march(x: object, law: Callable, dt: float, steps: int) -> object:
    """Integrate a small system step by step in plain Python."""
    with jax.enable_x64(True):
        x = jax.tree.map(lambda v: jnp.asarray(v, dtype=float), x)
        for _ in range(steps):
            x = exponential_trapezoid(x, law, jnp.asarray(dt))
    return jax.tree.map(np.asarray, x)


def order(errors: list[float]) -> float:
    """Return the order of convergence from errors at steps halved each time, by least squares on the logarithms."""
    return -float(np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0])


@settings(deadline=None, max_examples=40)
@given(
    x=st.floats(0.0, 1e9),
    loss=st.one_of(st.just(0.0), st.floats(-1.0, -1e-9), st.floats(1e-9, 50.0)),
    gain=st.floats(0.0, 1e6),
    dt=st.floats(1e-6, 20.0),
)
def test_constant_gain_and_loss_are_integrated_exactly(x, loss, gain, dt):
    got = float(march(x, lambda s: Pair(jnp.asarray(gain), jnp.asarray(loss)), dt, 1))
    decay = np.exp(-loss * dt)
    fed = gain * dt if loss == 0.0 else gain * -np.expm1(-loss * dt) / loss
    assert got == pytest.approx(x * decay + fed, rel=1e-9, abs=1e-300)


def test_linear_decay_does_not_depend_on_the_number_of_steps():
    law = lambda s: Pair(jnp.zeros_like(s), jnp.asarray(0.7))  # noqa: E731
    once, often = march(3.0, law, 10.0, 1), march(3.0, law, 0.1, 100)
    assert once == pytest.approx(3.0 * np.exp(-7.0), rel=1e-12)
    assert often == pytest.approx(once, rel=1e-12)


def test_logistic_growth_converges_with_order_two():
    """dx/dt = r x (1 - x / k) has a closed solution."""
    r, k, x0, reach = 0.6, 10.0, 0.5, 6.0
    exact = k / (1.0 + (k / x0 - 1.0) * np.exp(-r * reach))
    law = lambda s: Pair(jnp.zeros_like(s), -r * (1.0 - s / k))  # noqa: E731
    errors = [abs(float(march(x0, law, reach / n, n)) - exact) for n in (8, 16, 32, 64)]
    assert 1.8 < order(errors) < 2.3


def test_two_coupled_states_converge_with_order_two_and_conserve_their_sum():
    """A <-> B with a rate that depends on the state, written as gain and loss; compared with a far finer solution."""

    def law(s):
        a, b = s
        forward, backward = 0.5 * (1.0 + b), 0.3
        return Pair((backward * b, forward * a), (forward, backward * jnp.ones_like(b)))

    fine = np.array(march((1.0, 0.2), law, 4.0 / 1024, 1024))
    ends = [np.array(march((1.0, 0.2), law, 4.0 / n, n)) for n in (8, 16, 32, 64)]
    assert 1.8 < order([float(np.abs(e - fine).max()) for e in ends]) < 2.3
    # Gain and loss are rounded to different exponentials, so the sum drifts, but like the error and not like the step.
    drift = [abs(e.sum() - 1.2) for e in ends]
    assert order(drift) > 1.8


@settings(deadline=None, max_examples=30)
@given(dt=st.floats(0.1, 1e4), x=st.floats(0.0, 1e6), kill=st.floats(0.0, 1e4), feed=st.floats(0.0, 1e3))
def test_a_stiff_predator_keeps_its_prey_positive_at_any_step(dt, x, kill, feed):
    law = lambda s: Pair((jnp.asarray(feed), 0.1 * s[0]), (kill * s[1], jnp.asarray(1.0)))  # noqa: E731
    prey, predator = march((x, 2.0), law, dt, 3)
    assert np.isfinite([prey, predator]).all()
    assert prey >= 0.0
    assert predator >= 0.0


@pytest.fixture(scope="module")
def full_model(tumors: Tumors) -> Callable:
    """Return a function of step size and number of steps that integrates six untreated tumors from their burden."""
    chosen = rows(tumors.state["tgf_beta"], np.arange(tumors.n))
    values = tumors.values["tgf_beta"]
    # Untreated tumors sit near a quasi-stationary composition; shaken, every equation has somewhere to go.
    shaken = jax.tree.map(lambda x: x * 1.5, chosen)
    shaken = type(chosen)(**{**shaken.__dict__, "mhc1": chosen.mhc1 * 0.5, "silencing": chosen.silencing})

    @jax.jit
    def march_all(dt: jax.Array, steps: jax.Array) -> object:
        def one(v: jax.Array, s: object) -> object:
            p = Params(v, tumors.names)
            return jax.lax.fori_loop(0, steps, lambda _, x: exponential_trapezoid(x, lambda y: flux(y, p), dt), s)

        return jax.vmap(one)(values, shaken)

    def run(dt: float, steps: int) -> np.ndarray:
        with jax.enable_x64(True):
            end = march_all(jnp.asarray(dt), jnp.asarray(steps))
        return np.concatenate([np.asarray(x).reshape(tumors.n, -1) for x in jax.tree.leaves(end)], axis=1)

    return run


@pytest.mark.simulation
def test_the_full_model_converges_with_order_two(full_model: Callable):
    fine = full_model(REACH_DAYS / 2048, 2048)
    scale = np.maximum(np.abs(fine), 1e-9 * np.abs(fine).max(axis=1, keepdims=True))
    errors = []
    for n in (16, 32, 64, 128):
        error = np.abs(full_model(REACH_DAYS / n, n) - fine) / scale
        errors.append(float(np.sqrt((error**2).mean())))
    assert 1.8 < order(errors) < 2.3, errors


@pytest.mark.simulation
def test_a_step_of_one_day_is_accurate_enough(full_model: Callable, tumors: Tumors):
    """The step of the simulator keeps every tumor's cancer cells within half a percent over a week."""
    fine, coarse = full_model(REACH_DAYS / 2048, 2048), full_model(1.0, 8)
    assert np.abs(coarse[:, 0] / fine[:, 0] - 1.0).max() < 5e-3


@pytest.mark.simulation
@pytest.mark.parametrize("dt", [5.0, 20.0, 80.0])
def test_the_full_model_stays_positive_at_absurd_steps(full_model: Callable, dt: float):
    """Accuracy is gone at such steps, signs are not."""
    end = full_model(dt, 5)
    assert not np.isnan(end).any()
    assert (end >= 0.0).all()
