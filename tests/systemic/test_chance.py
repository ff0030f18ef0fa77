"""Chance in small clones: counts have the right distribution, and large or absent clones are left alone."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tumornexus.systemic.chance import FEW, NORMAL_FROM, leap, poisson, uniforms

MEMBERS = 20_000
DT = 0.1


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def grid(n: int) -> jax.Array:
    """Return the middles of `n` equal parts of (0, 1): averages over them are those of the distribution."""
    return (jnp.arange(n) + 0.5) / n


@pytest.mark.parametrize("mean", [0.1, 0.5, 1.0, 2.5, 5.0, 9.0, 15.0, 100.0, 1e4])
def test_counts_have_the_mean_and_variance_of_a_poisson_number(mean: float):
    counts = np.asarray(poisson(grid(200_000), jnp.asarray(mean)))
    assert (counts >= 0.0).all()
    assert (counts == np.round(counts)).all()
    assert counts.mean() == pytest.approx(mean, rel=0.01)
    assert counts.var() == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize(("low", "high"), [(0.0, NORMAL_FROM), (NORMAL_FROM + 1e-6, 60.0)])
def test_counts_rise_with_the_mean_at_equal_luck(low: float, high: float):
    counts = np.asarray(poisson(grid(999)[:, None], jnp.linspace(low, high, 400)))
    assert (np.diff(counts, axis=1) >= 0.0).all()


def test_a_mean_of_zero_is_no_event():
    assert (np.asarray(poisson(jnp.array([1e-12, 0.5, 1.0 - 1e-12]), jnp.zeros(3))) == 0.0).all()


def test_a_member_draws_the_same_numbers_beside_any_other():
    seeds = jnp.array([1, 2, 3], dtype=jnp.uint64)
    together = np.asarray(uniforms(seeds, jnp.asarray(5), (2,)))
    alone = np.asarray(uniforms(seeds[1:2], jnp.asarray(5), (2,)))
    np.testing.assert_array_equal(together[..., 1:2], alone)
    assert together.shape == (3, 2, 3)
    assert (together[..., 0] != together[..., 1]).all()
    assert (together != np.asarray(uniforms(seeds, jnp.asarray(6), (2,)))).all()


def test_numbers_are_uniform_and_independent_over_members_steps_places_and_parts():
    seeds = jnp.arange(2000, dtype=jnp.uint64)
    numbers = np.stack([np.asarray(uniforms(seeds, jnp.asarray(step), (5,))) for step in range(8)])
    assert (numbers > 0.0).all()
    assert (numbers < 1.0).all()
    counts = np.histogram(numbers, bins=50, range=(0.0, 1.0))[0]
    expected = numbers.size / 50
    assert ((counts - expected) ** 2 / expected).sum() < 49 + 5 * np.sqrt(2 * 49)
    flat = [np.moveaxis(numbers, axis, 0) for axis in range(4)]
    for along in flat:
        a, b = along[:-1].ravel(), along[1:].ravel()
        assert abs(np.corrcoef(a, b)[0, 1]) < 5.0 / np.sqrt(a.size)


def lives(cells: float, birth: float, death: float, days: float) -> np.ndarray:
    """Return the clone sizes in cells of `MEMBERS` members after `days`."""

    def step(now: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        uniform = jax.random.uniform(key, (3, MEMBERS))
        after = now * jnp.exp((birth - death) * DT)
        rates = (jnp.full(MEMBERS, birth), jnp.full(MEMBERS, death), jnp.zeros(MEMBERS))
        return leap(now, after, *rates, jnp.asarray(DT), uniform), None

    keys = jax.random.split(jax.random.key(0), round(days / DT))
    end, _ = jax.jit(lambda x: jax.lax.scan(step, x, keys))(jnp.full(MEMBERS, cells * 1e-6))
    return np.asarray(end) * 1e6


@pytest.mark.parametrize(("cells", "birth", "death"), [(20.0, 0.2, 0.15), (3.5, 0.15, 0.2), (0.25, 0.2, 0.1)])
def test_the_mean_of_many_members_follows_the_equations(cells: float, birth: float, death: float):
    sizes = lives(cells, birth, death, 20.0)
    expected = cells * np.exp((birth - death) * 20.0)
    error = sizes.std() / np.sqrt(MEMBERS)
    assert sizes.mean() == pytest.approx(expected, abs=4.0 * error + 0.01 * expected)


@pytest.mark.parametrize("cells", [1, 3, 6])
def test_extinction_is_as_likely_as_in_the_exact_process(cells: int):
    """A birth-death process that grows dies out with probability (death/birth)^cells."""
    birth, death = 0.3, 0.2
    extinct = float((lives(cells, birth, death, 100.0) == 0.0).mean())
    expected = (death / birth) ** cells
    error = np.sqrt(expected * (1.0 - expected) / MEMBERS)
    # Leaping itself is wrong by a share of (birth + death) dt = 0.05.
    assert extinct == pytest.approx(expected, abs=4.0 * error + 0.02 * expected)


def test_a_dying_clone_dies_out():
    """The probability to be gone at t, ((1 - e^-rt)/(1 - (b/d) e^-rt))^n, from the exact process."""
    n, birth, death, days = 5, 0.1, 0.2, 15.0
    decay = np.exp(-(death - birth) * days)
    expected = ((1.0 - decay) / (1.0 - birth / death * decay)) ** n
    error = np.sqrt(expected * (1.0 - expected) / MEMBERS)
    assert float((lives(n, birth, death, days) == 0.0).mean()) == pytest.approx(
        expected, abs=4 * error + 0.03 * expected
    )


def test_clones_of_many_cells_are_left_to_the_equations():
    before = jnp.array([FEW * 1.001, FEW * 1.5, 1e6, 1e12]) * 1e-6
    after = before * 1.2345
    rate = jnp.full(4, 0.3)
    for u in (0.01, 0.5, 0.99):
        got = leap(before, after, rate, rate, rate, jnp.asarray(1.0), jnp.full((3, 4), u))
        np.testing.assert_array_equal(got, after)


def test_nothing_comes_of_nothing_but_arrivals():
    zero, u = jnp.zeros(99), grid(99)
    birth = jnp.ones(99)
    none = leap(zero, zero, birth, birth, zero, jnp.asarray(1.0), jnp.stack([u, u, u]))
    assert (np.asarray(none) == 0.0).all()
    some = np.asarray(leap(zero, zero, birth, birth, zero + 1e-6, jnp.asarray(1.0), jnp.stack([u, u, u]))) * 1e6
    assert some.mean() == pytest.approx(1.0, abs=0.03)


def test_counts_are_whole_and_never_negative():
    uniform = jax.random.uniform(jax.random.key(1), (3, 5000))
    before = jnp.linspace(0.0, 99.0, 5000) * 1e-6
    rate = jnp.full(5000, 2.0)
    cells = np.asarray(leap(before, before, 0.1 * rate, rate, 0.0 * rate, jnp.asarray(1.0), uniform)) * 1e6
    assert (cells >= 0.0).all()
    np.testing.assert_allclose(cells, np.round(cells), atol=1e-9)
