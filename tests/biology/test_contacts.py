"""Killing by several hits: the chain against linear algebra and simulation, its limits, and its form in steps."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from tumornexus.biology import contacts
from tumornexus.biology.params import Params

NAMES = ("hits_to_kill", "damage_repair")
TABLE = jax.jit(contacts.hit_table)
IN_STEP = jax.jit(contacts.hits_in_step)
STEPS_OF = jax.jit(contacts.mean_steps_to_death)
STEPS = jax.jit(lambda m, dt, v: contacts.mean_steps_to_death(m, dt, Params.of(v, NAMES)))


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def first_passage(hit: float, repair: float, number: int) -> float:
    """Return the mean time from 0 to `number` hits of the chain, by its generator."""
    q = np.zeros((number, number))
    for k in range(number):
        if k + 1 < number:
            q[k, k + 1] = hit
        if k:
            q[k, k - 1] = k * repair
        q[k, k] = -hit - k * repair
    return float(np.linalg.solve(-q, np.ones(number))[0])


def steps_by_matrix(hits: float, heal: float, number: int) -> float:
    """Return the mean number of steps to death, by the transition matrix."""
    q = np.zeros((number, number))
    for k in range(number):
        for left in range(k + 1):
            for after in range(left, number):
                q[k, after] += binom.pmf(left, k, 1.0 - heal) * poisson.pmf(after - left, hits)
    return float(np.linalg.solve(np.eye(number) - q, np.ones(number))[0])


@settings(deadline=None, max_examples=40)
@given(
    hits=st.floats(1e-2, 20.0), repair=st.floats(0.1, 60.0), number=st.integers(1, contacts.MOST_HITS),
    dt=st.sampled_from([1 / 144, 1 / 24, 1 / 12]),
)  # fmt: skip
def test_the_chain_in_steps_dies_as_its_matrix_says(hits, repair, number, dt):
    found = float(STEPS(jnp.asarray(hits), dt, jnp.array([float(number), repair])))
    assert found == pytest.approx(steps_by_matrix(hits, 1.0 - np.exp(-repair * dt), number), rel=1e-6)


def test_rare_death_keeps_its_digits_in_single_precision(names, typical):
    p = Params.of(jnp.asarray(typical), names)
    single = Params.of(jnp.asarray(typical, dtype=jnp.float32), names)
    hits = np.logspace(-4, 1, 20)
    exact = np.asarray(STEPS_OF(jnp.asarray(hits), 1 / 24, p))
    found = np.asarray(STEPS_OF(jnp.asarray(hits, dtype=jnp.float32), 1 / 24, single))
    np.testing.assert_allclose(found, exact, rtol=1e-4)


@pytest.mark.parametrize("dt", [1 / 1440, 1 / 24, 1 / 12])
def test_hits_of_the_table_keep_the_mean_time_whatever_the_step(names, typical, dt):
    p = Params.of(jnp.asarray(typical), names)
    table = TABLE(dt, p)
    kill = jnp.array([1e-3, 0.1, 1.0, 4.0, 16.0])
    hits = IN_STEP(kill, table)
    steps = np.asarray(STEPS_OF(hits, dt, p))
    np.testing.assert_allclose(steps * (1.0 - np.exp(-np.asarray(kill) * dt)), 1.0, rtol=2e-3)
    assert float(IN_STEP(jnp.asarray(0.0), table)) == 0.0


def test_steps_of_a_minute_kill_as_the_continuous_chain(names, typical):
    p = Params.of(jnp.asarray(typical), names)
    number, repair = int(typical[names.index("hits_to_kill")]), float(typical[names.index("damage_repair")])
    dt, kill = 1 / 1440, np.array([0.1, 1.0, 4.0, 16.0])
    per_day = np.asarray(IN_STEP(jnp.asarray(kill), TABLE(dt, p))) / dt
    times = [first_passage(h, repair, number) for h in per_day]
    np.testing.assert_allclose(times, 1.0 / kill, rtol=1e-2)


@pytest.mark.parametrize("repair", [5.0, 60.0])
def test_three_hits_of_the_chain_take_as_long_as_the_formula_says(repair):
    h = 11.0
    assert first_passage(h, repair, 3) == pytest.approx(3 / h + 3 * repair / h**2 + 2 * repair**2 / h**3)
    assert first_passage(h, repair, 1) == pytest.approx(1 / h)


def test_killing_needs_hits_in_close_succession():
    """Twice the hits kill more than twice as often, up to 2^3 where they are rare (cooperation of T cells)."""
    v, dt = jnp.array([3.0, 20.0]), 1 / 1440
    steps = lambda hits: float(STEPS(jnp.asarray(hits), dt, v))  # noqa: E731
    gain = [steps(h) / steps(2.0 * h) for h in (1e-4, 5e-3, 0.5)]
    assert gain[0] == pytest.approx(8.0, rel=0.03)
    assert gain[0] > gain[1] > gain[2]


def test_simulated_targets_die_at_the_rate_of_killing_with_steps_of_an_hour(names, typical):
    p = Params.of(jnp.asarray(typical), names)
    dt, kill, number = 1 / 24, 4.0, int(typical[names.index("hits_to_kill")])
    table = TABLE(dt, p)
    mean, heal = float(IN_STEP(jnp.asarray(kill), table)), float(table.heal)
    generator = np.random.Generator(np.random.PCG64(5))
    carried, steps, alive = np.zeros(20_000, int), np.zeros(20_000), np.ones(20_000, bool)
    while alive.any():
        steps += alive
        carried = generator.binomial(carried, 1.0 - heal) + generator.poisson(mean, carried.shape)
        alive &= carried < number
    # Five standard errors of 20 000 nearly exponential times.
    assert steps.mean() * (1.0 - np.exp(-kill * dt)) == pytest.approx(1.0, abs=5.0 / np.sqrt(20_000))
