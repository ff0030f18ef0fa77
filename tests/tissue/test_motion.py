"""Walking: swaps lose nobody, agree with the plain twin, and have the rates, walls and densities the rule promises."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tissue import plain
from tumornexus.errors import SimulationError
from tumornexus.tissue.motion import MOST, MoveDraws, carry, draw_moves, wander

move = jax.jit(wander)
draw = jax.jit(draw_moves, static_argnums=(1, 2))


def scene(seed: int, shape: tuple[int, ...], groups: int = 3) -> dict:
    """Return a crowded lattice of cells of every speed, with a rough ground."""
    rng = np.random.default_rng(seed)
    cell = rng.random(shape) < 0.6
    return {
        "speed": np.where(cell & (rng.random(shape) < 0.8), rng.exponential(60.0, shape), 0.0).astype(np.float32),
        "follows": np.where(cell, rng.integers(0, groups, shape), 0).astype(np.uint8),
        "yields": np.where(cell, rng.random(shape), 1.0).astype(np.float32),
        "potential": rng.normal(0.0, 1.5, (groups, *shape)).astype(np.float32),
        "ease": rng.random((len(shape), *shape)).astype(np.float32),
    }


def still(shape: tuple[int, ...]) -> dict:
    """Return an empty, open lattice."""
    ndim = len(shape)
    return {
        "speed": np.zeros(shape, np.float32),
        "follows": np.zeros(shape, np.uint8),
        "yields": np.ones(shape, np.float32),
        "potential": np.zeros((2, *shape), np.float32),
        "ease": np.ones((ndim, *shape), np.float32),
    }


@pytest.mark.parametrize(("shape", "rounds"), [((8, 12), 12), ((4, 4), 7), ((4, 6, 8), 12), ((12,), 5)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_agrees_with_the_plain_twin(shape: tuple[int, ...], rounds: int, seed: int):
    here, draws = scene(seed, shape), draw(jax.random.key(seed), rounds, shape)
    source = np.asarray(move(**here, dt=0.1, draws=draws))
    twin = plain.wander(**here, dt=0.1, order=np.asarray(draws.order), bits=np.asarray(draws.bits))
    np.testing.assert_array_equal(source, twin)
    assert (source.ravel() != np.arange(source.size)).any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), shape=st.sampled_from([(8, 12), (4, 6, 8)]))
def test_everybody_stands_somewhere_exactly_once(seed: int, shape: tuple[int, ...]):
    source = np.asarray(move(**scene(seed, shape), dt=0.1, draws=draw(jax.random.key(seed), 6, shape)))
    np.testing.assert_array_equal(np.sort(source.ravel()), np.arange(source.size))
    # One round moves by one site at most: six rounds visit each axis of 2D three times, of 3D twice.
    was, now = (np.stack(np.unravel_index(x, shape)) for x in (source.ravel(), np.arange(source.size)))
    assert np.abs(was - now).max() <= 6 // len(shape)


@jax.jit
def hops(here: dict, site: jax.Array) -> jax.Array:
    """Return for each of the 2^16 draws whether the pair (site, site + 1) of a line swaps in one round of a day."""
    order, pairs = (site % 2)[None], here["speed"].shape[0] // 2

    def one(bits: jax.Array) -> jax.Array:
        draws = MoveDraws(order, jnp.broadcast_to(bits, (1, pairs)))
        return wander(**here, dt=1.0, draws=draws)[site] == site + 1

    return jax.vmap(one)(jnp.arange(2**16, dtype=jnp.uint16))


def chance_of_hop(here: dict, site: int) -> float:
    """Return the exact share of draws at which the pair (site, site + 1) swaps in one round of a day."""
    return float(np.asarray(hops(here, jnp.asarray(site, jnp.int32))).mean())


@pytest.mark.parametrize("speed", [0.001, 0.3, 0.75])
@pytest.mark.parametrize("site", [2, 3])
def test_a_walker_in_the_open_hops_at_its_speed(speed: float, site: int):
    here = still((8,))
    here["speed"][site] = speed
    assert chance_of_hop(here, site) == pytest.approx(speed, abs=2.0**-16, rel=2.0**-12)


@pytest.mark.parametrize("speed", [0.1, 0.7, 5.0])
@pytest.mark.parametrize("rise", [0.5, -2.0])
def test_a_hop_and_its_return_balance_at_any_speed(speed: float, rise: float):
    here = still((8,))
    here["potential"][1, 3:] = rise
    there = {name: x.copy() for name, x in here.items()}
    here["speed"][2], here["follows"][2] = speed, 1
    there["speed"][3], there["follows"][3] = speed, 1
    ratio = chance_of_hop(here, 2) / chance_of_hop(there, 2)
    assert ratio == pytest.approx(np.exp(rise), rel=2e-3)


def test_rates_of_a_pair_follow_the_equation():
    """Both move, both yield a little, each follows its own signal; what they gain together decides."""
    here = still((8,))
    here["potential"] = np.zeros((3, 8), np.float32)
    here["potential"][1, 3:], here["potential"][2, 3:] = 1.0, 0.4
    here["speed"][2:4], here["follows"][2:4], here["yields"][2:4] = (0.5, 0.3), (1, 2), (0.4, 0.8)
    here["ease"][0, 2:4] = 0.9, 0.6
    bias = 2.0 / (1.0 + np.exp(-(1.0 - 0.4)))
    rate = 0.6 * (0.5 * 0.8 + 0.3 * 0.4) * bias
    assert chance_of_hop(here, 2) == pytest.approx(rate, rel=2e-3)


def test_no_pair_swaps_more_often_than_the_limit():
    here = still((8,))
    here["speed"][2:4] = 100.0
    assert chance_of_hop(here, 2) == pytest.approx(MOST, abs=1e-4)


@pytest.mark.parametrize(("shape", "starts"), [((28, 28), (7, 20)), ((20, 20, 20), (5, 14))])
@pytest.mark.parametrize("per_round", [0.1, MOST])
def test_squared_displacement_grows_by_speed(shape: tuple[int, ...], starts: tuple[int, int], per_round: float):
    """In every axis alike, also when a walker hops in most rounds. Nobody comes near another or the border."""
    ndim, rounds, members = len(shape), 12, 2400 if len(shape) == 2 else 600
    here = still(shape)
    start = np.stack(np.meshgrid(*[starts] * ndim, indexing="ij")).reshape(ndim, -1)
    here["speed"][tuple(start)] = per_round * rounds
    draws = jax.vmap(lambda key: draw_moves(key, rounds, shape))(jax.random.split(jax.random.key(6), members))
    source = jax.jit(jax.vmap(lambda draws: wander(**here, dt=1.0, draws=draws)))(draws)
    walkers = np.ravel_multi_index(tuple(start), shape)
    ended = np.stack([np.argmax(np.asarray(source).reshape(members, -1) == w, axis=1) for w in walkers], axis=1)
    moved = np.stack(np.unravel_index(ended, shape)) - start[:, None, :]
    squares = (moved**2).mean(axis=2)  # walkers of one member share the order of rounds
    expected = per_round * rounds / ndim
    error = squares.std(axis=1) / np.sqrt(members)
    assert (error < 0.04 * expected).all()  # would tell the rejected rules apart: 28 % less, 75 % more
    assert (np.abs(squares.mean(axis=1) - expected) < 4.0 * error).all()


def test_each_block_of_rounds_visits_every_axis_once():
    for ndim in (2, 3):
        orders = jax.jit(jax.vmap(lambda key, shape=(4,) * ndim: draw_moves(key, 12, shape).order))
        order = np.asarray(orders(jax.random.split(jax.random.key(1), 300)))
        axis, parity = order // 2, order % 2
        blocks = np.sort(axis.reshape(-1, ndim), axis=1)
        np.testing.assert_array_equal(blocks, np.broadcast_to(np.arange(ndim), blocks.shape))
        assert np.abs(parity.mean(axis=0) - 0.5).max() < 4.0 * 0.5 / np.sqrt(300)
        assert np.abs((axis[:, 0] == 0).mean() - 1.0 / ndim) < 4.0 * 0.5 / np.sqrt(300)


@pytest.mark.parametrize("speed", [6.0, 60.0])
def test_walkers_settle_where_the_potential_is_high(speed: float):
    """Without crowding their density is proportional to exp(U), at half a hop and at five hops a round."""
    shape, rounds, members, steps = (8, 8), 12, 256, 120
    y, x = np.mgrid[:8, :8]
    height = (0.8 * np.sin(y * 0.9) + 0.7 * np.cos(x * 0.8 + 0.1 * y)).astype(np.float32)
    potential = jnp.stack([jnp.zeros(shape), jnp.asarray(height)])
    walker = jnp.zeros((members, *shape), bool).at[:, 3, 3].set(True)
    ground = jnp.ones((2, *shape))

    def step(walker: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        order = draw(key, rounds, shape).order
        bits = jax.vmap(lambda key: draw_moves(key, rounds, shape).bits)(jax.random.split(key, members))

        def one(walker: jax.Array, bits: jax.Array) -> jax.Array:
            who = walker.astype(jnp.uint8)
            source = wander(who * speed, who, jnp.ones(shape), potential, ground, 1.0, MoveDraws(order, bits))
            return carry(walker, source)

        walker = jax.vmap(one)(walker, bits)
        return walker, walker.sum(axis=0)

    _, counts = jax.jit(lambda w, k: jax.lax.scan(step, w, k))(walker, jax.random.split(jax.random.key(3), steps))
    counts = np.asarray(counts)[20:].sum(axis=0)
    density = np.exp(height) / np.exp(height).sum()
    assert counts.sum() == members * (steps - 20)
    shown = counts / counts.sum()
    # Successive positions of a walker are not independent: twice the error of independent ones.
    error = 2.0 * np.sqrt(density / counts.sum())
    assert (np.abs(shown - density) < 4.0 * error).all()
    assert np.corrcoef(shown.ravel(), density.ravel())[0, 1] > 0.99


def test_nobody_passes_a_wall_or_moves_what_stands_still():
    here = scene(1, (8, 12), groups=1)
    here["ease"][:, :, 5] = 0.0
    here["speed"] *= 100.0
    source = np.asarray(move(**here, dt=1.0, draws=draw(jax.random.key(1), 12, (8, 12))))
    column = np.unravel_index(source, (8, 12))[1]
    np.testing.assert_array_equal(source[:, 5], np.arange(96).reshape(8, 12)[:, 5])
    assert (column[:, :5] < 5).all()
    assert (column[:, 6:] > 5).all()
    here["speed"][:] = 0.0
    source = np.asarray(move(**here, dt=1.0, draws=draw(jax.random.key(1), 12, (8, 12))))
    np.testing.assert_array_equal(source.ravel(), np.arange(96))


def test_replicates_move_as_they_do_alone():
    shape = (4, 6, 8)
    scenes = [scene(seed, shape) for seed in range(3)]
    draws = [draw(jax.random.key(seed), 6, shape) for seed in range(3)]
    stacked = {name: jnp.stack([s[name] for s in scenes]) for name in scenes[0]}
    together = jax.jit(jax.vmap(lambda here, bits: wander(**here, dt=0.1, draws=MoveDraws(draws[0].order, bits))))(
        stacked, jnp.stack([d.bits for d in draws])
    )
    for alone, here, d in zip(together, scenes, draws, strict=True):
        np.testing.assert_array_equal(alone, move(**here, dt=0.1, draws=MoveDraws(draws[0].order, d.bits)))


def test_numbers_of_pairs_are_even_and_differ_between_rounds():
    bits = np.asarray(draw_moves(jax.random.key(2), 5, (64, 64)).bits)
    assert bits.shape == (5, 2048)
    assert bits.dtype == np.uint16
    assert np.abs(bits.mean(axis=1) / 65535 - 0.5).max() < 4.0 * 0.289 / np.sqrt(2048)
    assert np.abs(np.corrcoef(bits) - np.eye(5)).max() < 4.0 / np.sqrt(2048)


def test_carry_moves_every_array_alike():
    shape = (4, 8)
    source = jax.random.permutation(jax.random.key(1), 32).reshape(shape).astype(jnp.int32)
    tree = {"kind": jnp.arange(32, dtype=jnp.uint8).reshape(shape), "age": jnp.arange(32.0).reshape(shape)}
    moved = carry(tree, source)
    np.testing.assert_array_equal(moved["kind"], source)
    np.testing.assert_array_equal(moved["age"], source)
    assert moved["kind"].dtype == jnp.uint8


@pytest.mark.parametrize(("shape", "groups", "words"), [((6, 7), 1, "even"), ((2, 8), 1, "even"), ((4, 4), 17, "16")])
def test_what_pairs_cannot_tile_is_refused(shape: tuple[int, ...], groups: int, words: str):
    here = scene(1, shape, groups)
    with pytest.raises(SimulationError, match=words):
        wander(**here, dt=0.1, draws=MoveDraws(jnp.zeros(1, jnp.int32), jnp.zeros((1, 1), jnp.uint16)))
