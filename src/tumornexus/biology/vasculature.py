"""Vessels: angiogenesis by VEGF, pruning, normalization, how many there are."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class VesselRates(NamedTuple):
    """Sprouting (vessel units per day) and regression (per day)."""

    sprout: jax.Array
    regress: jax.Array


def rates(local: Local, p: Params) -> VesselRates:
    """Return vessel growth and loss.

    Sprouting follows VEGF and a VEGF-independent route (FGF, ANG2) that hypoxia opens and that limits anti-VEGF therapy
    (Casanovas 2005); vessels saturate at the normal density. Without VEGF immature vessels regress, so blockade first
    opens the endothelium (lower VEGF, see trafficking) and lowers pressure, then prunes: a normalization window
    (Jain 2005, Huang 2012). Irradiation kills endothelium (radiation_vessel_loss per unit of radiation kill).
    """
    escape = p.vegf_escape * local.hypoxia
    sprout = p.angiogenesis_rate * (p.angiogenesis_floor + p.angiogenesis_vegf * hill(local.vegf, 1.0) + escape)
    immature = p.vessel_vegf_dependence / (1.0 + p.vessel_vegf_rescue * local.vegf)
    return VesselRates(
        sprout=sprout / (1.0 + local.vessels),
        regress=p.vessel_regression * (1.0 + immature) + p.radiation_vessel_loss * p.radiation_kill,
    )


def vessel_share(site_um: float | jax.Array, ndim: int, p: Params) -> jax.Array:
    """Return the share of lattice sites, in [0, 1], that a vessel passes through where `vessels` = 1.

    On a plane each profile takes one site: share = vessel_density * site_um^2. In space vessels without preferred
    direction have a length per volume of twice the profiles per area (stereology, Underwood 1970), and a straight line
    in a random direction passes 3 / (2 site_um) sites per length: share = 3 * vessel_density * site_um^2.

    Args:
        site_um: edge of a site, um.
        ndim: 2 or 3.
    """
    profiles = 1e-6 * p.vessel_density * site_um * site_um
    return jnp.minimum(profiles if ndim == 2 else 3.0 * profiles, 1.0)
