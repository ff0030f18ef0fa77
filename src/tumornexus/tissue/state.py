"""What a tissue is made of, what is constant over a run, and the random numbers and tally of a step."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax

from tumornexus.biology import contacts
from tumornexus.biology.drug_action import Acted
from tumornexus.biology.environment import Signals
from tumornexus.biology.params import Params
from tumornexus.tissue.crowd import DivisionDraws, draw_divisions
from tumornexus.tissue.host import Drugs, Host
from tumornexus.tissue.lattice import (
    Geometry,
    Ground,
    Sites,
)
from tumornexus.tissue.motion import MoveDraws, draw_moves


class Setting(NamedTuple):
    """What is compiled in."""

    geometry: Geometry
    names: tuple[str, ...]
    acted: Acted
    hill_is_one: bool
    rounds: int  # of walking a step


class Tissue(eqx.Module):
    """Everything that changes."""

    sites: Sites  # on the lattice
    ground: Ground  # on voxels
    signals: Signals  # on voxels, of the last step
    host: Host
    step: jax.Array  # number of the next step


class Fixed(eqx.Module):
    """What is constant over a run."""

    bare: Params  # scalars, without drugs
    drugs: Drugs
    million_per_site: jax.Array
    dt: jax.Array  # days
    hits: contacts.HitTable


class Draws(NamedTuple):
    """Random numbers of one step; of sites (place in voxel, *voxels) unless said."""

    event: jax.Array  # uniform in [0, 1)
    which: jax.Array
    hit: jax.Array
    vessel: jax.Array
    mutate: jax.Array
    divisions: DivisionDraws  # on the lattice
    moves: MoveDraws  # on the lattice


class Tally(NamedTuple):
    """What happened in a step, cells unless said; scalars."""

    births: jax.Array  # of cancer cells
    divisions: jax.Array  # of cells of any kind
    deaths: jax.Array  # of cancer cells
    killed: jax.Array  # of these, by hits of immune cells
    vanished: jax.Array  # cells that left an empty site: dead without remains, remains that were cleared, emigrated
    arrived: jax.Array
    refused: jax.Array  # arrivals that found no room
    blocked: jax.Array  # divisions that found no room
    emigrated: jax.Array  # dendritic cells that left for the node
    seeds: jax.Array  # founder cells of metastases, expected
    field_residual: jax.Array  # largest relative residual of the fields
    fastest: jax.Array  # largest rate of any cell, per day


def draw(key: jax.Array, step: jax.Array, setting: Setting) -> Draws:
    """Return the random numbers of a step: streams by name and step from one key."""
    g = setting.geometry
    blocks = (g.sites_per_voxel, *g.voxels)
    at = jax.random.fold_in(key, step)
    of = [jax.random.fold_in(at, stream) for stream in range(7)]
    return Draws(
        event=jax.random.uniform(of[0], blocks),
        which=jax.random.uniform(of[1], blocks),
        vessel=jax.random.uniform(of[2], blocks),
        mutate=jax.random.uniform(of[3], blocks),
        divisions=draw_divisions(of[4], g.shape),
        hit=jax.random.uniform(of[6], blocks),
        moves=draw_moves(of[5], max(setting.rounds, 1), g.shape),
    )
