"""Trafficking and infiltration of T cells (cycle steps 4 and 5)."""

from __future__ import annotations

import jax

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


def endothelium(local: Local, p: Params) -> jax.Array:
    """Return the share of entry that VEGF-exposed endothelium lets pass, in (0, 1]."""
    return 1.0 / (1.0 + p.endothelial_anergy * hill(local.vegf, 1.0))


def entry_factor(local: Local, p: Params) -> jax.Array:
    """Return the factor in [0, 1] by which vessels, chemokines and matrix modulate extravasation.

    factor = perfusion term * CXCL9/10 term * anergy of VEGF-exposed endothelium * matrix and CXCL12 retention
    * answer to CXCL9/10, 1 / (1 + entry_tgfb TGF-beta).
    Sources: Motz 2014 and Schmittnaegel 2017 (VEGF endothelial barrier), Dangaj 2019 (CXCL9/CCL5), Gunderson 2020
    (TGF-beta takes CXCR3 from CD8 T cells).
    """
    retained = 1.0 / (1.0 + p.matrix_exclusion * (p.entry_matrix_share * local.matrix + hill(local.cxcl12, 1.0)))
    answered = hill(local.cxcl9_10, 1.0) / (1.0 + p.entry_tgfb * local.tgfb)
    return hill(local.perfusion, p.access_half) * answered * endothelium(local, p) * retained


def car_t_entry_factor(local: Local, p: Params) -> jax.Array:
    """Return the same factor for CAR-T cells, which respond less to CXCL9/10 and meet the same vessels and matrix."""
    guided = p.cart_unguided_entry + (1.0 - p.cart_unguided_entry) * hill(local.cxcl9_10, 1.0)
    retained = 1.0 / (1.0 + p.matrix_exclusion * local.matrix)
    return p.cart_trafficking * guided * hill(local.perfusion, p.access_half) * endothelium(local, p) * retained
