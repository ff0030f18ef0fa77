"""Pharmacokinetics over a step: amounts against independent mathematics, limits and derivatives."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from tumornexus.biology.pharmacology import Kinetics, central_loss, propagate

CONSTANT = {"k_elim": 0.0, "k_out": 0.0, "k_in": 0.0, "nm_per_unit": 1.0, "cl_log_change": 0.0, "cl_t50_day": 1.0,
            "cl_hill": 1.0, "vmax": 0.0, "km": 1.0}  # fmt: skip
NIVOLUMAB = {"k_elim": 0.0616, "k_out": 0.185, "k_in": 0.298, "cl_log_change": -0.303, "cl_t50_day": 58.3,
             "cl_hill": 2.82}  # fmt: skip
SATURABLE = {"k_elim": 0.066, "k_out": 0.136, "k_in": 0.138, "vmax": 20.0, "km": 30.0}
COMPILED = jax.jit(propagate)

rate = st.one_of(st.just(0.0), st.floats(1e-6, 1e3, allow_subnormal=False))
amount = st.floats(0.0, 1e3, allow_subnormal=False)
step_length = st.floats(0.05, 7.0)


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def kinetics(**values: float) -> Kinetics:
    return Kinetics(**{name: jnp.asarray([v], dtype=float) for name, v in (CONSTANT | values).items()})


def step(
    k: Kinetics, amounts: tuple[float, float], dt: float, input_rate: float = 0.0, t: float = 0.0, factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return (after, mean) of one drug in one member, (2,) each."""
    after, mean = COMPILED(
        k, jnp.asarray(amounts, dtype=float).reshape(1, 2, 1), jnp.asarray(float(t)), jnp.asarray(float(dt)),
        jnp.full((1, 1), float(input_rate)), jnp.asarray([float(factor)]),
    )  # fmt: skip
    return np.asarray(after)[0, :, 0], np.asarray(mean)[0, :, 0]


def exact(
    k_elim: float, k_out: float, k_in: float, amounts: tuple[float, float], dt: float, input_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same by one exponential of (amounts, input, integral of amounts): Van Loan 1978."""
    m = np.zeros((5, 5))
    m[:2, :2] = [[-(k_elim + k_out), k_in], [k_out, -k_in]]
    m[0, 2] = input_rate
    m[3:, :2] = np.eye(2)
    end = expm(m * dt) @ np.array([*amounts, 1.0, 0.0, 0.0])
    return end[:2], end[3:] / dt


@settings(deadline=None, max_examples=150)
@given(k_elim=rate, k_out=rate, k_in=rate, x=amount, y=amount, input_rate=amount, dt=step_length)
def test_constant_coefficients_are_solved_exactly_at_any_step(k_elim, k_out, k_in, x, y, input_rate, dt):
    after, mean = step(kinetics(k_elim=k_elim, k_out=k_out, k_in=k_in), (x, y), dt, input_rate)
    end, average = exact(k_elim, k_out, k_in, (x, y), dt, input_rate)
    # Amounts near the smallest number that a float holds are flushed to zero.
    scale = 1e-11 * (x + y + input_rate * dt) + 1e-290
    np.testing.assert_allclose(after, end, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(mean, average, rtol=1e-9, atol=scale)
    assert (after >= 0.0).all()
    assert (mean >= 0.0).all()


@pytest.mark.parametrize("same", [0.0, 1e-9, 1e-4, 0.3, 0.51, 7.0, 2e3])
@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-7, 1e-3])
def test_equal_rates_without_exchange_are_not_a_special_case(same, gap):
    """With k_out = 0 and k_elim = k_in both eigenvalues coincide; a formula that divides by their gap loses digits."""
    after, mean = step(kinetics(k_elim=same + gap, k_in=same), (3.0, 2.0), 1.0, 5.0)
    end, average = exact(same + gap, 0.0, same, (3.0, 2.0), 1.0, 5.0)
    np.testing.assert_allclose(after, end, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(mean, average, rtol=1e-10)


@settings(deadline=None, max_examples=60)
@given(k_out=rate, k_in=rate, x=amount, y=amount, input_rate=amount, dt=step_length)
def test_without_elimination_nothing_is_lost(k_out, k_in, x, y, input_rate, dt):
    after, _ = step(kinetics(k_out=k_out, k_in=k_in), (x, y), dt, input_rate)
    assert after.sum() == pytest.approx(x + y + input_rate * dt, rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(k_elim=rate, k_out=rate, k_in=rate, x=amount, y=amount, input_rate=amount, dt=step_length)
def test_what_is_no_longer_in_the_body_has_been_eliminated(k_elim, k_out, k_in, x, y, input_rate, dt):
    """Mass balance: elimination is k_elim times the mean central amount, whatever the exchange."""
    after, mean = step(kinetics(k_elim=k_elim, k_out=k_out, k_in=k_in), (x, y), dt, input_rate)
    assert after.sum() + k_elim * mean[0] * dt == pytest.approx(x + y + input_rate * dt, rel=1e-9)


def test_two_half_steps_are_one_step():
    k = kinetics(k_elim=0.3, k_out=0.5, k_in=0.4)
    middle, first = step(k, (5.0, 1.0), 0.5, 2.0)
    end, second = step(k, (middle[0], middle[1]), 0.5, 2.0)
    whole, mean = step(k, (5.0, 1.0), 1.0, 2.0)
    np.testing.assert_allclose(end, whole, rtol=1e-13)
    np.testing.assert_allclose(0.5 * (first + second), mean, rtol=1e-13)


def over(values: dict[str, float], start: float, days: float, steps: int) -> np.ndarray:
    """Return the amounts after `days` in so many steps from 240 units in the central compartment, input 3 a day."""
    k, dt = kinetics(**values), days / steps
    amounts = (240.0, 0.0)
    for i in range(steps):
        after, _ = step(k, amounts, dt, 3.0, start + i * dt)
        amounts = (after[0], after[1])
    return np.array(amounts)


def reference(values: dict[str, float], start: float, days: float) -> np.ndarray:
    """Return the same from the equations as published, by an adaptive solver."""
    v = CONSTANT | values

    def slope(t: float, a: np.ndarray) -> list[float]:
        change = v["cl_log_change"] * t ** v["cl_hill"] / (v["cl_t50_day"] ** v["cl_hill"] + t ** v["cl_hill"])
        out = v["k_elim"] * np.exp(change) * a[0] + v["vmax"] * a[0] / (v["km"] + a[0])
        exchange = v["k_out"] * a[0] - v["k_in"] * a[1]
        return [3.0 - out - exchange, exchange]

    return solve_ivp(slope, (start, start + days), [240.0, 0.0], rtol=1e-12, atol=1e-12, method="DOP853").y[:, -1]


@pytest.mark.parametrize(("values", "start"), [(NIVOLUMAB, 30.0), (SATURABLE, 0.0), (NIVOLUMAB | SATURABLE, 5.0)])
def test_changing_clearance_is_followed_to_second_order(values, start):
    true = reference(values, start, 16.0)
    errors = [np.abs(over(values, start, 16.0, n) - true).max() for n in (8, 16, 32, 64)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 1.8).all(), (errors, orders)
    assert (orders < 2.3).all(), (errors, orders)


@pytest.mark.parametrize("values", [NIVOLUMAB, SATURABLE])
def test_steps_of_a_day_are_accurate_to_a_thousandth(values):
    np.testing.assert_allclose(over(values, 0.0, 28.0, 28), reference(values, 0.0, 28.0), rtol=1e-3)


def loss(k: Kinetics, amount_central: float, t: float, factor: float = 1.0) -> float:
    return float(central_loss(k, jnp.full((1, 1), amount_central), jnp.asarray(t), jnp.asarray([factor]))[0, 0])


def test_clearance_changes_from_its_first_to_its_last_value_and_is_half_way_in_logs_at_t50():
    k = kinetics(**NIVOLUMAB | {"k_out": 0.0})
    assert loss(k, 1.0, 0.0) == pytest.approx(0.0616, rel=1e-12)
    assert loss(k, 1.0, 58.3) == pytest.approx(0.0616 * np.exp(-0.303 / 2.0), rel=1e-12)
    assert loss(k, 1.0, 1e6) == pytest.approx(0.0616 * np.exp(-0.303), rel=1e-9)


def test_saturable_elimination_is_first_order_far_below_km_and_constant_far_above():
    k = kinetics(vmax=20.0, km=1e3)
    assert loss(k, 1e-6, 0.0) == pytest.approx(20.0 / 1e3, rel=1e-6)
    assert 1e9 * loss(k, 1e9, 0.0) == pytest.approx(20.0, rel=1e-5)
    after, _ = step(kinetics(vmax=20.0, km=1e-9), (240.0, 0.0), 1.0)
    assert after[0] == pytest.approx(220.0, rel=2e-3)


def test_without_vmax_km_has_no_effect():
    few, many = (step(kinetics(**NIVOLUMAB | {"km": km}), (9.0, 2.0), 1.0, 1.0, 50.0) for km in (1e-3, 1e3))
    np.testing.assert_array_equal(few, many)


def test_a_patients_clearance_factor_scales_linear_elimination_and_nothing_else():
    k = kinetics(k_elim=0.1, k_out=0.3, k_in=0.2, vmax=5.0, km=10.0)
    assert loss(k, 10.0, 0.0, 2.0) - loss(k, 10.0, 0.0, 1.0) == pytest.approx(0.1, rel=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"k_elim": 0.5, "k_in": 0.5},
        {"k_elim": 0.5},
        {"k_out": 0.5, "k_in": 0.5},
        {"k_elim": 900.0, "k_out": 30.0},
        NIVOLUMAB,
        SATURABLE | {"km": 1e-3},
    ],
)
@pytest.mark.parametrize("x", [0.0, 1.0])
def test_derivatives_by_rates_are_finite_and_right_where_rates_are_zero_or_equal(values, x):
    names = ("k_elim", "k_out", "k_in", "cl_log_change", "cl_hill", "vmax", "km")
    given_values = CONSTANT | values

    def total(rates: jax.Array) -> jax.Array:
        changed = kinetics(**given_values)
        changed = Kinetics(
            **{n: getattr(changed, n) for n in CONSTANT} | {n: rates[i : i + 1] for i, n in enumerate(names)}
        )
        amounts = jnp.asarray([[[x], [0.7]]])
        after, mean = propagate(changed, amounts, jnp.asarray(0.0), 1.0, jnp.full((1, 1), 2.0), jnp.ones(1))
        return jnp.sum(after * jnp.asarray([[1.0], [0.3]])) + jnp.sum(mean * jnp.asarray([[0.5], [2.0]]))

    at = jnp.asarray([given_values[n] for n in names])
    total, slope_of = jax.jit(total), jax.grad(total)
    gradient = np.asarray(slope_of(at))
    assert np.isfinite(gradient).all()
    for i, value in enumerate(np.asarray(at)):
        h = 1e-4 * max(abs(value), 1e-2)
        # One-sided to second order: rates cannot be negative.
        points = [float(total(at.at[i].add(j * h))) for j in range(3)]
        slope = (-3.0 * points[0] + 4.0 * points[1] - points[2]) / (2.0 * h)
        assert gradient[i] == pytest.approx(slope, rel=2e-3, abs=1e-6), names[i]


def test_members_and_slots_do_not_mix():
    """Four members of three drugs at once are twelve single runs; rates may differ between members."""
    generator = np.random.Generator(np.random.PCG64(4))
    each = {name: generator.uniform(0.1, 1.0, (3, 4)) * (-1.0 if name == "cl_log_change" else 1.0) for name in CONSTANT}
    amounts, given_rate = generator.uniform(0.0, 9.0, (3, 2, 4)), generator.uniform(0.0, 5.0, (3, 4))
    factor, since = generator.uniform(0.5, 2.0, 4), generator.uniform(0.0, 3.0, (3, 4))

    def run(*arrays: np.ndarray, rates: dict[str, np.ndarray]) -> tuple[jax.Array, jax.Array]:
        a, t, u, f = (jnp.asarray(x) for x in arrays)
        return COMPILED(Kinetics(**{n: jnp.asarray(v) for n, v in rates.items()}), a, t, 1.0, u, f)

    after, mean = run(amounts, since, given_rate, factor, rates=each)
    for s in range(3):
        for b in range(4):
            one = {n: v[s : s + 1, b] for n, v in each.items()}
            cut = (slice(s, s + 1), slice(b, b + 1))
            alone = run(amounts[s : s + 1, :, b : b + 1], since[cut], given_rate[cut], factor[b : b + 1], rates=one)
            np.testing.assert_allclose(after[s, :, b], alone[0][0, :, 0], rtol=1e-12)
            np.testing.assert_allclose(mean[s, :, b], alone[1][0, :, 0], rtol=1e-12)


def test_single_precision_is_finite_and_close():
    rows = ({}, {"k_elim": 0.5, "k_in": 0.5}, {"k_elim": 900.0, "k_out": 30.0, "k_in": 0.01}, NIVOLUMAB, SATURABLE)
    table = {n: [(CONSTANT | row)[n] for row in rows] for n in CONSTANT}

    def mean_after(dtype: type) -> np.ndarray:
        k = Kinetics(**{n: jnp.asarray(v, dtype) for n, v in table.items()})
        amounts, u = jnp.full((len(rows), 2, 1), 3.0, dtype), jnp.full((len(rows), 1), 2.0, dtype)
        return np.asarray(COMPILED(k, amounts, jnp.asarray(4.0, dtype), 1.0, u, jnp.ones(1, dtype)))

    with jax.enable_x64(False):
        coarse = mean_after(np.float32)
    np.testing.assert_allclose(coarse, mean_after(np.float64), rtol=1e-3, atol=1e-6)
