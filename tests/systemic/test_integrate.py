"""The integrators: their orders, signs at any step, and exactness where the flux is frozen."""

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
from tumornexus.systemic.dynamics import flux
from tumornexus.systemic.integrate import exponential_rk4, exponential_trapezoid
from tumornexus.systemic.ode import Setting, bare_parameters
from tumornexus.systemic.solver import Lesions, patients_of
from tumornexus.systemic.state import members_last
from tumornexus.systemic.treatment import NO_ACTS, no_treatment

REACH_DAYS = 8.0


class Pair(NamedTuple):
    """A flux of any tree of states, as the integrator reads it."""

    gain: object
    loss: object


def trapezoid(x: object, law: Callable, dt: jax.Array) -> object:
    """Return the state after one step of order two."""
    return exponential_trapezoid(x, lambda _, y: law(y), dt)[0]


def rk4(x: object, law: Callable, dt: jax.Array) -> object:
    """Return the state after one step of order four."""
    return exponential_rk4(x, lambda _, y: law(y), dt)[0]


def march(x: object, law: Callable, dt: float, steps: int, method: Callable = trapezoid) -> object:
    """Integrate a small system in steps of one length."""
    with jax.enable_x64(True):
        x = jax.tree.map(lambda v: jnp.asarray(v, dtype=float), x)
        h = jnp.asarray(dt)
        x = jax.lax.fori_loop(0, steps, lambda _, y: method(y, law, h), x) if steps > 3 else x
        for _ in range(steps if steps <= 3 else 0):
            x = method(x, law, h)
    return jax.tree.map(np.asarray, x)


def order(errors: list[float]) -> float:
    """Return the order of convergence from errors at steps halved each time, by least squares on the logarithms."""
    return -float(np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0])


@pytest.mark.parametrize("method", [trapezoid, rk4])
@settings(deadline=None, max_examples=40)
@given(
    x=st.floats(0.0, 1e9),
    loss=st.one_of(st.just(0.0), st.floats(-1.0, -1e-9), st.floats(1e-9, 50.0)),
    gain=st.floats(0.0, 1e6),
    dt=st.floats(1e-6, 20.0),
)
def test_constant_gain_and_loss_are_integrated_exactly(method, x, loss, gain, dt):
    got = float(march(x, lambda s: Pair(jnp.asarray(gain), jnp.asarray(loss)), dt, 1, method))
    decay = np.exp(-loss * dt)
    fed = gain * dt if loss == 0.0 else gain * -np.expm1(-loss * dt) / loss
    assert got == pytest.approx(x * decay + fed, rel=1e-9, abs=1e-300)


def test_linear_decay_does_not_depend_on_the_number_of_steps():
    law = lambda s: Pair(jnp.zeros_like(s), jnp.asarray(0.7))  # noqa: E731
    once, often = march(3.0, law, 10.0, 1), march(3.0, law, 0.1, 100)
    assert once == pytest.approx(3.0 * np.exp(-7.0), rel=1e-12)
    assert often == pytest.approx(once, rel=1e-12)


METHODS = [(trapezoid, 1.8, 2.3), (rk4, 3.3, 4.6)]


@pytest.mark.parametrize(("method", "least", "most"), METHODS)
def test_logistic_growth_converges_with_its_order(method: Callable, least: float, most: float):
    """dx/dt = r x (1 - x / k) has a closed solution."""
    r, k, x0, reach = 0.6, 10.0, 0.5, 6.0
    exact = k / (1.0 + (k / x0 - 1.0) * np.exp(-r * reach))
    law = lambda s: Pair(jnp.zeros_like(s), -r * (1.0 - s / k))  # noqa: E731
    errors = [abs(float(march(x0, law, reach / n, n, method)) - exact) for n in (8, 16, 32, 64)]
    assert least < order(errors) < most, errors


@pytest.mark.parametrize(("method", "least", "most"), METHODS)
def test_two_coupled_states_converge_with_their_order_and_conserve_their_sum(
    method: Callable, least: float, most: float
):
    """A <-> B with a rate that depends on the state, written as gain and loss; compared with a far finer solution."""

    def law(s):
        a, b = s
        forward, backward = 0.5 * (1.0 + b), 0.3
        return Pair((backward * b, forward * a), (forward, backward * jnp.ones_like(b)))

    fine = np.array(march((1.0, 0.2), law, 4.0 / 1024, 1024, method))
    ends = [np.array(march((1.0, 0.2), law, 4.0 / n, n, method)) for n in (8, 16, 32, 64)]
    assert least < order([float(np.abs(e - fine).max()) for e in ends]) < most
    # Gain and loss are rounded to different exponentials, so the sum drifts, but like the error and not like the step.
    drift = [abs(e.sum() - 1.2) for e in ends]
    assert order(drift) > least


@settings(deadline=None, max_examples=30)
@given(dt=st.floats(0.1, 1e4), x=st.floats(0.0, 1e6), kill=st.floats(0.0, 1e4), feed=st.floats(0.0, 1e3))
def test_a_stiff_predator_keeps_its_prey_positive_at_any_step(dt, x, kill, feed):
    law = lambda s: Pair((jnp.asarray(feed), 0.1 * s[0]), (kill * s[1], jnp.asarray(1.0)))  # noqa: E731
    prey, predator = march((x, 2.0), law, dt, 3)
    assert np.isfinite([prey, predator]).all()
    assert prey >= 0.0
    assert predator >= 0.0


def test_rates_that_change_within_a_step_keep_order_four():
    """The stages see the rates at the start, middle and end: dx/dt = cos(t) x, x = exp(sin t)."""

    def error(n: int) -> float:
        dt = 4.0 / n
        with jax.enable_x64(True):

            def one(x: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
                law = lambda half, y: Pair(jnp.zeros_like(y), -jnp.cos(k * dt + 0.5 * half * dt))  # noqa: E731
                x = exponential_rk4(x, law, jnp.asarray(dt))[0]
                return x, x

            _, path = jax.lax.scan(one, jnp.asarray(1.0), jnp.arange(n))
        # Over the whole path: at single times the error changes its sign.
        return float(np.abs(np.asarray(path) - np.exp(np.sin(dt * np.arange(1, n + 1)))).max())

    errors = [error(n) for n in (16, 32, 64, 128)]
    assert 3.3 < order(errors) < 4.6, errors


def full_model(tumors: Tumors, method: Callable) -> Callable:
    """Return a function of step size and number of steps that integrates six untreated tumors from their burden."""
    chosen = rows(tumors.state["tgf_beta"], np.arange(tumors.n))
    values = tumors.values["tgf_beta"]
    # Untreated tumors sit near a quasi-stationary composition; shaken, every equation has somewhere to go.
    shaken = jax.tree.map(lambda x: x * 1.5, chosen)
    shaken = type(chosen)(**{**shaken.__dict__, "mhc1": chosen.mhc1 * 0.5, "silencing": chosen.silencing})
    setting = Setting(tumors.names, NO_ACTS, True)

    @jax.jit
    def march_all(patient: object, state: object, dt: jax.Array, steps: jax.Array) -> object:
        p, h = bare_parameters(patient, setting)
        return jax.lax.fori_loop(0, steps, lambda _, x: method(x, lambda y: flux(y, p, h), dt), state)

    def run(dt: float, steps: int) -> np.ndarray:
        with jax.enable_x64(True):
            patient = patients_of(values, Lesions.single(tumors.n), [no_treatment()], np.zeros(tumors.n, int))
            end = march_all(patient, members_last(shaken), jnp.asarray(dt), jnp.asarray(steps))
            return np.concatenate([np.asarray(x).reshape(-1, tumors.n) for x in jax.tree.leaves(end)]).T

    return run


@pytest.fixture(scope="module")
def slow(tumors: Tumors) -> Callable:
    return full_model(tumors, trapezoid)


@pytest.fixture(scope="module")
def quick(tumors: Tumors) -> Callable:
    return full_model(tumors, rk4)


@pytest.fixture(scope="module")
def fine(quick: Callable) -> np.ndarray:
    return quick(REACH_DAYS / 1024, 1024)


def errors_of(run: Callable, fine: np.ndarray, steps: tuple[int, ...]) -> list[float]:
    """Return root mean square relative errors over all states."""
    scale = np.maximum(np.abs(fine), 1e-9 * np.abs(fine).max(axis=1, keepdims=True))
    return [float(np.sqrt((((run(REACH_DAYS / n, n) - fine) / scale) ** 2).mean())) for n in steps]


@pytest.mark.simulation
def test_the_full_model_converges_with_order_two(slow: Callable, fine: np.ndarray):
    errors = errors_of(slow, fine, (16, 32, 64, 128))
    assert 1.8 < order(errors) < 2.3, errors


@pytest.mark.simulation
def test_the_full_model_converges_with_order_four(quick: Callable, fine: np.ndarray):
    errors = errors_of(quick, fine, (16, 32, 64, 128))
    assert 3.3 < order(errors) < 4.6, errors


@pytest.mark.simulation
def test_a_step_of_one_day_is_accurate_enough(quick: Callable, fine: np.ndarray):
    """The step of the simulator keeps every tumor's cancer cells within a thousandth over a week."""
    assert np.abs(quick(1.0, 8)[:, 0] / fine[:, 0] - 1.0).max() < 1e-3


@pytest.mark.simulation
@pytest.mark.parametrize("dt", [5.0, 20.0, 80.0])
def test_the_full_model_stays_positive_at_absurd_steps(slow: Callable, dt: float):
    """Accuracy is gone at such steps, signs are not."""
    end = slow(dt, 5)
    assert not np.isnan(end).any()
    assert (end >= 0.0).all()
