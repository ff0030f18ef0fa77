"""Divisions: nobody is lost or doubled, and the plain twin agrees."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tissue import plain
from tumornexus.errors import SimulationError
from tumornexus.tissue.crowd import Division, DivisionDraws, divide, draw_divisions

push = jax.jit(divide, static_argnums=3, static_argnames="open_border")
draw = jax.jit(draw_divisions, static_argnums=1)


def tissue(seed: int, shape: tuple[int, ...], filled: float = 0.75, dividing: float = 0.4) -> tuple:
    rng = np.random.default_rng(seed)
    occupied = rng.random(shape) < filled
    return occupied, occupied & (rng.random(shape) < dividing), draw(jax.random.key(seed), shape)


def divided(*asked: object, **options: object) -> Division:
    return Division(*(np.asarray(x) for x in push(*asked, **options)))


@pytest.mark.parametrize(("shape", "reach"), [((8, 12), 3), ((9, 5), 20), ((4, 6, 8), 4), ((8, 8), 1)])
@pytest.mark.parametrize("open_border", [False, True])
@pytest.mark.parametrize("resistant", [False, True])
def test_divisions_agree_with_the_plain_twin(shape: tuple, reach: int, open_border: bool, resistant: bool):
    births = 0
    for seed in range(4):
        occupied, wants, draws = tissue(seed, shape)
        resist = np.random.default_rng(seed).random(shape).astype(np.float32) ** 2 if resistant else None
        result = divided(occupied, wants, draws, reach, resist=resist, open_border=open_border)
        numbers = {name: np.asarray(x) for name, x in draws._asdict().items()}
        twin = plain.divide(occupied, wants, **numbers, reach=reach, resist=resist, open_border=open_border)
        for name, value in twin.items():
            np.testing.assert_array_equal(getattr(result, name), value, err_msg=name)
        births += int(result.births)
    assert births > 0


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from([(8, 12), (4, 6, 8)]),
    filled=st.floats(0.0, 1.0),
    open_border=st.booleans(),
)
def test_every_old_cell_appears_once_and_mothers_twice(seed: int, shape: tuple, filled: float, open_border: bool):
    occupied, wants, draws = tissue(seed, shape, filled)
    result = divided(occupied, wants, draws, 3, open_border=open_border)
    after = occupied.ravel()[result.source]
    assert after.sum() == occupied.sum() + result.births - result.left.sum()
    assert (after | ~occupied).all()  # no old site falls empty
    seen = np.bincount(result.source[after], minlength=occupied.size) + result.left.ravel()
    mothers = seen == 2
    assert (seen[occupied.ravel()] >= 1).all()
    assert (seen[~occupied.ravel()] == 0).all()
    assert seen.max(initial=0) <= 2
    assert not (mothers & ~wants.ravel()).any()
    assert mothers.sum() == result.births
    assert (result.newborn <= after).all()
    assert mothers[result.source[result.newborn]].all()
    assert not (result.blocked & result.newborn).any()
    assert wants.ravel()[result.source[result.blocked]].all()
    assert not mothers[result.source[result.blocked]].any()
    if not open_border:
        assert result.left.sum() == 0
        assert result.newborn.sum() == result.births
        assert result.blocked.sum() + result.births == wants.sum()
    was, now = (np.stack(np.unravel_index(x.ravel(), shape)) for x in (result.source, np.arange(occupied.size)))
    # One site in each direction; a daughter of a moved mother starts beside her.
    assert np.abs(was - now).max() <= 1


def test_a_full_lattice_blocks_every_wish():
    shape = (8, 12)
    full = np.ones(shape, bool)
    result = divided(full, full, draw(jax.random.key(1), shape), 5)
    np.testing.assert_array_equal(result.source.ravel(), np.arange(96))
    assert result.blocked.all()
    assert not result.newborn.any()


@pytest.mark.parametrize("shape", [(4, 6), (4, 4, 4)])
def test_a_cell_alone_divides_wherever_it_stands(shape: tuple[int, ...]):
    for site in np.ndindex(shape):
        alone = np.zeros(shape, bool)
        alone[site] = True
        for direction in range(2 * len(shape)):
            draws = draw(jax.random.key(1), shape)._replace(direction=jnp.full(shape, direction, jnp.uint8))
            result = divided(alone, alone, draws, 1)
            assert result.births == 1
            (daughter,) = np.argwhere(result.newborn)
            assert np.abs(daughter - site).sum() == 1


def column(cells: str, wish: int, reach: int, **options: object) -> Division:
    """Return the divisions in a column of `x` (cell) and `.`, where one cell wants to divide downward."""
    occupied = np.array([c == "x" for c in cells])
    draws = DivisionDraws(*(np.asarray(x) for x in draw(jax.random.key(1), (len(cells),))))
    draws = draws._replace(direction=np.zeros(len(cells), np.uint8))
    return divided(occupied, np.arange(len(cells)) == wish, draws, reach, **options)


def test_cells_between_mother_and_room_move_by_one():
    result = column("xxxx.x.x", wish=1, reach=3)
    np.testing.assert_array_equal(result.source, [0, 1, 1, 2, 3, 5, 6, 7])
    np.testing.assert_array_equal(np.flatnonzero(result.newborn), [2])


def test_a_push_ends_at_its_reach():
    assert column("xxxx.x.x", wish=1, reach=2).births == 0
    assert column("xxxx.x.x", wish=1, reach=3).births == 1


def test_cells_before_a_wall_turn_around():
    assert np.flatnonzero(column(".xxx", wish=2, reach=3).newborn) == [1]
    # The wall is farther than a push could feel.
    assert column(".xxxxxx", wish=1, reach=3).births == 0


def test_over_an_open_border_the_last_cell_leaves():
    result = column(".xxx", wish=2, reach=3, open_border=True)
    np.testing.assert_array_equal(result.source, [0, 1, 2, 2])
    np.testing.assert_array_equal(result.left, [0, 0, 0, 1])
    alone = column("...x", wish=3, reach=3, open_border=True)  # the daughter herself
    assert (alone.births, alone.newborn.sum()) == (1, 0)
    np.testing.assert_array_equal(alone.left, [0, 0, 0, 1])


def test_of_two_wishes_in_a_run_the_higher_divides():
    shape, occupied = (6,), np.array([1, 1, 1, 1, 0, 0], bool)
    draws = draw(jax.random.key(1), shape)._replace(direction=jnp.zeros(6, jnp.uint8))
    for high, low in ((0, 2), (2, 0)):
        priority = np.zeros(6, np.uint32)
        priority[high], priority[low] = 2**31, 2**30
        wants = np.isin(np.arange(6), [0, 2])
        result = divided(occupied, wants, draws._replace(priority=jnp.asarray(priority)), 4)
        assert result.source[result.newborn] == [high]
        assert result.source[result.blocked] == [low]


def test_resistance_lets_a_push_through_with_the_product_of_its_chances():
    shape = (2000, 6)
    occupied = np.broadcast_to(np.array([1, 1, 1, 1, 0, 0], bool), shape)
    wants = np.broadcast_to(np.arange(6) == 0, shape)
    draws = draw(jax.random.key(4), shape)._replace(direction=jnp.full(shape, 2, jnp.uint8))  # along the last axis
    resist = np.broadcast_to(np.array([0.9, 0.2, 0.5, 0.1, 0.9, 0.9], np.float32), shape)
    expected = 0.8 * 0.5 * 0.9
    births = divided(occupied, wants, draws, 4, resist=resist).births
    assert abs(births / 2000 - expected) < 4.0 * np.sqrt(expected * (1 - expected) / 2000)
    assert divided(occupied, wants, draws, 4, resist=0.0).births == 2000
    assert divided(occupied, wants, draws, 4, resist=1.0).births == 0
    beside_room = np.broadcast_to(np.arange(6) == 3, shape)
    assert divided(occupied, beside_room, draws, 4, resist=1.0).births == 2000


@pytest.mark.parametrize("shape", [(64, 64), (28, 28, 28)])
def test_a_growing_cluster_is_round(shape: tuple[int, ...]):
    """No axis is favored over another, and moments of fourth order are near those of a disk or ball."""
    ndim, cells = len(shape), 900

    def grow(key: jax.Array) -> jax.Array:
        def step(carry: tuple) -> tuple:
            occupied, key = carry
            key, wish, draws = jax.random.split(key, 3)
            wants = occupied & jax.random.bernoulli(wish, 0.1, shape)
            result = divide(occupied, wants, draw_divisions(draws, shape), 6)
            return occupied.reshape(-1)[result.source], key

        start = jnp.zeros(shape, bool).at[tuple(n // 2 for n in shape)].set(True)
        return jax.lax.while_loop(lambda c: jnp.sum(c[0]) < cells, step, (start, key))[0]

    grown = jax.jit(grow)
    second, fourth = [], []
    for seed in range(12):
        place = np.argwhere(np.asarray(grown(jax.random.key(seed)))).astype(float)
        place -= place.mean(axis=0)
        second.append((place**2).mean(axis=0))
        r2 = (place**2).sum(axis=1)
        # A sum over axes of x^4 less its mean over all directions at this radius: 0 for a disk or ball.
        fourth.append(((place**4).sum(axis=1) - 3.0 / (ndim + 2) * r2**2).mean() / (r2**2).mean())
    second, fourth = np.array(second), np.array(fourth)
    error = second.std(axis=0) / np.sqrt(len(second))
    assert (error < 0.12 * second.mean()).all()
    assert (np.abs(second.mean(axis=0) - second.mean()) < 4.0 * error).all()
    # A diamond has 0.107; choosing the nearest empty site gives 0.073. An octahedron has 0.150: in 3D a cluster no
    # wider than the reach still bulges along the axes.
    assert abs(fourth.mean()) < (0.03 if ndim == 2 else 0.13)


@pytest.mark.parametrize("reach", [0, 256])
def test_a_reach_that_is_no_distance_is_refused(reach: int):
    with pytest.raises(SimulationError, match="1 to 254"):
        divide(*tissue(1, (4, 4)), reach)


def test_replicates_divide_as_they_do_alone():
    shape = (4, 6, 8)
    one_by_one = [tissue(seed, shape) for seed in range(3)]
    order = one_by_one[0][2].order
    one_by_one = [(occupied, wants, draws._replace(order=order)) for occupied, wants, draws in one_by_one]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *one_by_one)
    axes = (0, 0, DivisionDraws(None, 0, 0, 0))
    together = jax.jit(jax.vmap(partial(divide, reach=3), in_axes=axes))(*stacked[:2], stacked[2]._replace(order=order))
    for n, asked in enumerate(one_by_one):
        alone = push(*asked, 3)
        jax.tree.map(lambda a, b, n=n: np.testing.assert_array_equal(a[n], b), together, alone)
