"""Fields: analytic profiles, order of convergence, balance, bounds, and a sparse direct solver as plain twin."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import spsolve

from tumornexus.errors import SimulationError
from tumornexus.tissue.fields import Grid, Solved, direct, exchange, laplacian, relax
from tumornexus.tissue.multigrid import apply, cycle, hierarchy

ENOUGH = 16  # iterations to the last digit of float32

# The number of iterations is traced here only so that one compilation serves them all.
solve = jax.jit(exchange, static_argnames="grid")
solve_constant = jax.jit(direct, static_argnames="grid")
step = jax.jit(relax, static_argnames="grid")

FLAT, BLOCK = Grid((24, 20), 34.0), Grid((6, 9, 5), 34.0)
LENGTHS = np.array([60.0, 200.0], np.float32)


def matrix(shape: tuple[int, ...], reach: float, loss: np.ndarray) -> sparse.csc_matrix:
    """The operator, one voxel and one neighbor at a time."""
    a = sparse.lil_matrix((loss.size, loss.size))
    a.setdiag(loss.ravel())
    number = np.arange(loss.size).reshape(shape)
    for axis, n in enumerate(shape):
        here, there = np.take(number, range(n - 1), axis).ravel(), np.take(number, range(1, n), axis).ravel()
        for i, j in zip(here, there, strict=True):
            a[i, i] += reach
            a[j, j] += reach
            a[i, j] -= reach
            a[j, i] -= reach
    return a.tocsc()


def tissue(grid: Grid, seed: int = 0, fields: int = 2) -> tuple[jax.Array, jax.Array]:
    """Vessels that give and take fast, cells that take, and a part without either, in float32."""
    rng = np.random.default_rng(seed)
    shape = (fields, *grid.shape)
    vessels = 40.0 * (rng.random(grid.shape) < 0.05)
    vessels[(0,) * len(grid.shape)] = 40.0
    cells = rng.uniform(0.5, 3.0, shape)
    cells[:, : grid.shape[0] // 3] = 0.0
    gain = vessels * rng.uniform(0.5, 2.0, shape)
    return jnp.asarray(gain, jnp.float32), jnp.asarray(cells + vessels, jnp.float32)


def modes(extent: float, n: int, ndim: int) -> list[np.ndarray]:
    """Cosines with 1 or 2 half waves along each axis, at the middles of voxels of a square or cube."""
    x = (np.arange(n) + 0.5) * extent / n
    lines = [np.cos(np.pi * (axis % 2 + 1) * x / extent) for axis in range(ndim)]
    return [line.reshape([-1 if a == axis else 1 for a in range(ndim)]) for axis, line in enumerate(lines)]


def manufactured_error(n: int, ndim: int, uneven: float) -> float:
    """Largest error where c = 1 + 0.4 product of cosines and loss = 1 + uneven times a sum of cosines, in float64."""
    extent, length = 400.0, 40.0
    lines = modes(extent, n, ndim)
    wave = 0.4 * functools.reduce(np.multiply, lines)
    loss = 1.0 + uneven * sum(lines) / ndim + np.zeros_like(wave)
    squared = sum((np.pi * (axis % 2 + 1) / extent) ** 2 for axis in range(ndim))
    gain = loss * (1.0 + wave) + length**2 * squared * wave
    assert gain.min() > 0.0
    grid = Grid((n,) * ndim, extent / n)
    with jax.enable_x64(True):
        gain, loss = jnp.asarray(gain)[None], jnp.asarray(loss)[None]
        c = (
            solve(gain, loss, length, gain, grid, iterations=24).values
            if uneven
            else solve_constant(gain, length, grid)
        )
        assert c.dtype == jnp.float64
        return float(jnp.abs(c[0] - 1.0 - wave).max())


@pytest.mark.parametrize("uneven", [0.0, 0.5])
@pytest.mark.parametrize(("ndim", "n"), [(2, 16), (3, 8)])
def test_error_falls_fourfold_when_the_spacing_halves(ndim, n, uneven):
    coarse, fine = manufactured_error(n, ndim, uneven), manufactured_error(2 * n, ndim, uneven)
    assert 3.6 < coarse / fine < 4.4


def test_slab_with_supply_on_one_side_follows_the_hyperbolic_cosine():
    """Supply for x < a, uptake everywhere, no flux at 0 and X: c = sinh(a/L) / sinh(X/L) cosh((X - x)/L) beyond a."""
    n, spacing, a, length = 60, 5.0, 50.0, 60.0
    extent = n * spacing
    x = (np.arange(n) + 0.5) * spacing
    beyond = np.sinh(a / length) * np.cosh((extent - x) / length)
    before = np.sinh(extent / length) - np.sinh((extent - a) / length) * np.cosh(x / length)
    expected = np.where(x > a, beyond, before) / np.sinh(extent / length)
    gain = jnp.asarray(np.broadcast_to(x < a, (1, 4, n)), jnp.float32)
    c = np.asarray(solve_constant(gain, length, Grid((4, n), spacing)))[0]
    np.testing.assert_allclose(c, c[:1].repeat(4, axis=0), rtol=1e-5)
    np.testing.assert_allclose(c[0], expected, rtol=2e-3)


@pytest.mark.parametrize("grid", [FLAT, BLOCK])
def test_both_solvers_agree_with_a_sparse_direct_solver(grid):
    gain, loss = tissue(grid)
    solved = solve(gain, loss, LENGTHS, jnp.zeros_like(gain), grid, iterations=ENOUGH)
    constant = solve_constant(gain, LENGTHS, grid)
    for f, length in enumerate(LENGTHS):
        reach = float(length / grid.spacing_um) ** 2
        for got, k in ((solved.values[f], loss[f]), (constant[f], np.ones(grid.shape))):
            k = np.asarray(k, np.float64)
            expected = spsolve(matrix(grid.shape, reach, k), np.asarray(gain[f], np.float64).ravel())
            np.testing.assert_allclose(got, expected.reshape(grid.shape), rtol=2e-5, atol=1e-6 * expected.max())


@pytest.mark.parametrize("grid", [FLAT, BLOCK])
def test_uniform_tissue_has_the_value_of_the_host_scale(grid):
    gain = jnp.broadcast_to(jnp.array([3.0, 0.7]).reshape((2,) + (1,) * len(grid.shape)), (2, *grid.shape))
    loss = jnp.full_like(gain, 2.5)
    solved = solve(gain, loss, LENGTHS, jnp.zeros_like(gain), grid, iterations=ENOUGH)
    np.testing.assert_allclose(solved.values, gain / loss, rtol=1e-6)
    np.testing.assert_allclose(solve_constant(gain, LENGTHS, grid), gain, rtol=2e-6)


@pytest.mark.parametrize("iterations", [0, 1, ENOUGH])
@pytest.mark.parametrize("grid", [FLAT, BLOCK])
def test_what_is_made_is_what_is_lost(grid, iterations):
    """To 1e-6 in float32 with losses of 0 to 43, and however early the iteration stops."""
    gain, loss = tissue(grid)
    guess = jnp.ones_like(gain)
    solved = solve(gain, loss, LENGTHS, guess, grid, iterations=iterations)
    lost = (np.asarray(loss, np.float64) * np.asarray(solved.values, np.float64)).reshape(2, -1).sum(axis=1)
    made = np.asarray(gain, np.float64).reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose(lost, made, rtol=1e-6)
    assert np.abs(solved.balance).max() < 1e-6
    assert solved.values.min() >= 0.0
    constant = np.asarray(solve_constant(gain, LENGTHS, grid), np.float64).reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose(constant, made, rtol=1e-6)


def test_residual_says_how_well_the_equation_holds():
    gain, loss = tissue(FLAT)
    for iterations in (1, 3):
        solved = solve(gain, loss, LENGTHS, jnp.zeros_like(gain), FLAT, iterations=iterations)
        for f, length in enumerate(LENGTHS):
            a = matrix(FLAT.shape, float(length / FLAT.spacing_um) ** 2, np.asarray(loss[f], np.float64))
            g = np.asarray(gain[f], np.float64).ravel()
            left = g - a @ np.asarray(solved.values[f], np.float64).ravel()
            assert solved.residual[f] == pytest.approx(np.linalg.norm(left) / np.linalg.norm(g), rel=1e-2)


@pytest.mark.parametrize("grid", [FLAT, BLOCK])
def test_residual_falls_fast_whatever_the_length_and_the_loss(grid):
    """At least fourfold an iteration, for L of a third of a voxel and longer than the tissue."""
    lengths = np.array([10.0, 1000.0], np.float32)
    gain, loss = tissue(grid)
    residual = [
        np.asarray(solve(gain, loss, lengths, jnp.zeros_like(gain), grid, iterations=n).residual) for n in (1, 5)
    ]
    assert np.all(residual[1] < residual[0] / 4**4)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([FLAT, BLOCK]), st.integers(0, 2**32 - 1), st.floats(5.0, 2000.0), st.floats(0.02, 1.0))
def test_concentrations_lie_between_the_extremes_of_gain_over_loss(grid, seed, length, density):
    rng = np.random.default_rng(seed)
    shape = (2, *grid.shape)
    gain = rng.lognormal(0.0, 2.0, shape) * (rng.random(shape) < density)
    loss = rng.lognormal(0.0, 1.5, shape)
    gain, loss = jnp.asarray(gain, jnp.float32), jnp.asarray(loss, jnp.float32)
    lengths = np.full(2, length, np.float32)
    c = solve(gain, loss, lengths, jnp.zeros_like(gain), grid, iterations=ENOUGH).values
    constant = solve_constant(gain, lengths, grid)
    for field in range(2):
        for got, ratio in ((c[field], gain[field] / loss[field]), (constant[field], gain[field])):
            assert got.min() >= 0.0
            slack = 1e-4 * ratio.max()
            assert ratio.min() - slack <= got.min()
            assert got.max() <= ratio.max() + slack


def test_answer_is_linear_in_gain_and_nothing_comes_of_nothing():
    gain, loss = tissue(FLAT)
    zero = jnp.zeros_like(gain)
    run = functools.partial(solve, loss=loss, length_um=LENGTHS, guess=zero, grid=FLAT, iterations=ENOUGH)
    other = jnp.flip(gain, axis=1)
    together = run(gain + 3.0 * other).values
    np.testing.assert_allclose(together, run(gain).values + 3.0 * run(other).values, rtol=2e-5)
    nothing = run(zero)
    assert not np.any(nothing.values)
    assert not np.any(nothing.residual)
    assert not np.any(solve_constant(zero, LENGTHS, FLAT))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_reflected_tissue_has_reflected_fields(axis):
    """On axes of even and odd length, of which the coarser grids treat the two ends differently."""
    gain, loss = tissue(BLOCK)
    zero = jnp.zeros_like(gain)
    plain = solve(gain, loss, LENGTHS, zero, BLOCK, iterations=ENOUGH).values
    flipped = solve(jnp.flip(gain, axis), jnp.flip(loss, axis), LENGTHS, zero, BLOCK, iterations=ENOUGH).values
    np.testing.assert_allclose(jnp.flip(flipped, axis), plain, rtol=2e-5)


def test_tissue_one_voxel_thick_is_two_dimensional():
    gain, loss = tissue(FLAT)
    thin = Grid((1, *FLAT.shape), FLAT.spacing_um)
    zero = jnp.zeros_like(gain)
    flat = solve(gain, loss, LENGTHS, zero, FLAT, iterations=ENOUGH).values
    thick = solve(gain[:, None], loss[:, None], LENGTHS, zero[:, None], thin, iterations=ENOUGH).values
    np.testing.assert_allclose(thick[:, 0], flat, rtol=1e-5)
    np.testing.assert_allclose(
        solve_constant(gain[:, None], LENGTHS, thin)[:, 0], solve_constant(gain, LENGTHS, FLAT), rtol=1e-5, atol=1e-6
    )


def test_guess_changes_the_way_but_not_the_answer():
    gain, loss = tissue(FLAT)
    cold = solve(gain, loss, LENGTHS, jnp.zeros_like(gain), FLAT, iterations=ENOUGH)
    warm = solve(gain, loss, LENGTHS, 5.0 + gain, FLAT, iterations=ENOUGH)
    np.testing.assert_allclose(warm.values, cold.values, rtol=1e-4, atol=1e-5)
    moved = loss.at[:, 12, 10].add(2.0)
    few = [solve(gain, moved, LENGTHS, guess, FLAT, iterations=3).residual for guess in (jnp.zeros_like(gain), cold[0])]
    assert np.all(few[1] < 0.1 * few[0])


def test_fields_of_a_batch_do_not_touch_each_other():
    gain, loss = tissue(FLAT)
    zero = jnp.zeros_like(gain)
    both = solve(gain, loss, LENGTHS, zero, FLAT, iterations=ENOUGH)
    changed = solve(gain.at[1].mul(7.0), loss.at[1].add(1.0), LENGTHS, zero, FLAT, iterations=ENOUGH)
    np.testing.assert_array_equal(both.values[0], changed.values[0])


def test_euler_step_lies_between_past_and_steady_state():
    """With no time nothing moves; with much time it is the steady state; between them the balance gives the change."""
    gain, loss = tissue(FLAT)
    before = jnp.full_like(gain, 0.3)
    steady = solve(gain, loss, LENGTHS, before, FLAT, iterations=ENOUGH).values

    def after(steps_per_lifetime: float) -> Solved:
        return step(before, gain, loss, LENGTHS, steps_per_lifetime, FLAT, iterations=ENOUGH)

    np.testing.assert_allclose(after(1e6).values, before, rtol=1e-3)
    np.testing.assert_allclose(after(1e-6).values, steady, rtol=1e-4, atol=1e-5)
    s = 4.0
    c = np.asarray(after(s).values, np.float64)
    net = (np.asarray(gain) - np.asarray(loss) * c).reshape(2, -1).sum(axis=1)
    change = s * (c - np.asarray(before, np.float64)).reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose(change, net, rtol=1e-4)


def test_euler_steps_follow_the_decay_of_a_cosine():
    """Without gain a cosine decays at rate (loss + L^2 k^2) / tau; implicit steps err in proportion to their length."""
    n = FLAT.shape[0]
    line = modes(n * FLAT.spacing_um, n, 1)[0]
    wave = jnp.asarray(1.0 + 0.5 * np.broadcast_to(line[:, None], (2, *FLAT.shape)), jnp.float32)
    rate = 1.0 + (LENGTHS / FLAT.spacing_um) ** 2 * (2.0 - 2.0 * np.cos(np.pi / n))
    expected = np.exp(-1.0) + 0.5 * np.exp(-rate)[:, None] * line
    error = []
    for steps in (16, 32):
        c = wave
        for _ in range(steps):
            c = step(c, jnp.zeros_like(c), jnp.ones_like(c), LENGTHS, float(steps), FLAT, iterations=6).values
        error.append(np.abs(np.asarray(c)[:, :, 0] - expected).max())
    assert error[0] / error[1] == pytest.approx(2.0, rel=0.1)


def test_laplacian_is_that_of_a_cosine_and_sums_to_zero():
    n = 20
    line = modes(1.0, n, 1)[0]
    c = jnp.asarray(np.broadcast_to(line[:, None], (1, n, 3)), jnp.float32)
    np.testing.assert_allclose(laplacian(c), -(2.0 - 2.0 * np.cos(np.pi / n)) * c, atol=1e-6)
    rough = tissue(BLOCK)[0]
    assert np.abs(np.asarray(laplacian(rough), np.float64).sum()) < 1e-3


def test_cycle_is_symmetric_positive_and_close_to_the_inverse():
    _, loss = tissue(BLOCK)
    levels = jax.jit(hierarchy)(loss, jnp.asarray((LENGTHS / BLOCK.spacing_um) ** 2))
    a, b = (jnp.asarray(np.random.default_rng(i).standard_normal(loss.shape), jnp.float32) for i in range(2))
    through = functools.partial(jax.jit(cycle), levels)
    axes = tuple(range(1, a.ndim))
    left, right = (a * through(b)).sum(axes), (b * through(a)).sum(axes)
    scale = np.sqrt((a * through(a)).sum(axes) * (b * through(b)).sum(axes))
    assert np.all(np.abs(left - right) < 1e-5 * scale)
    assert np.all((a * through(a)).sum(axes) > 0.0)
    error = a - through(apply(levels[0], a))
    energy = lambda x: (x * apply(levels[0], x)).sum(axes)  # noqa: E731
    assert np.all(energy(error) < 0.3 * energy(a))


def test_runs_in_a_scan_over_a_batch_and_has_a_gradient():
    small = Grid((4, 4), 34.0)
    gain, loss = tissue(small)
    zero = jnp.zeros_like(gain)

    def march(gain: jax.Array) -> jax.Array:
        one = lambda c, _: (exchange(gain, loss, LENGTHS, c, small, 4).values, None)  # noqa: E731
        return jax.lax.scan(one, zero, None, length=3)[0]

    alone = solve(gain, loss, LENGTHS, zero, small, iterations=ENOUGH).values
    batch = jax.jit(jax.vmap(march))(jnp.stack([gain, 2.0 * gain]))
    np.testing.assert_allclose(batch[0], alone, rtol=1e-4)
    np.testing.assert_allclose(batch[1], 2.0 * alone, rtol=1e-4)
    slope = jax.jit(jax.grad(lambda scale: direct(scale * gain, LENGTHS, small).mean()))(1.0)
    assert slope == pytest.approx(float(gain.mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Grid((), 1.0), "shape"),
        (lambda: Grid((4, 0), 1.0), "shape"),
        (lambda: Grid((4, 4), 0.0), "spacing_um"),
        (lambda: Grid((4, 4), float("nan")), "spacing_um"),
        (lambda: direct(jnp.ones((1, 4, 5)), 1.0, Grid((4, 4), 1.0)), "gain"),
        (
            lambda: exchange(*(jnp.ones((n, 4, 4)) for n in (2, 1)), 1.0, jnp.ones((2, 4, 4)), Grid((4, 4), 1.0), 1),
            "loss",
        ),
    ],
)
def test_wrong_input_is_named(make, field):
    with pytest.raises(SimulationError) as caught:
        make()
    assert caught.value.field == field
