"""The host: gut microbiome and lymphocyte reserve."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.params import Params


class HostRates(NamedTuple):
    """Relaxation of slow host states (per day) and the level they relax towards."""

    microbiome_target: jax.Array
    microbiome_rate: jax.Array
    lymphocyte_gain: jax.Array
    lymphocyte_loss: jax.Array


def rates(p: Params) -> HostRates:
    """Return relaxation of the gut community and of the lymphocyte reserve.

    The community (0 dysbiotic to 1 favorable) moves towards its set-point, which transfer, diet and antibiotics change,
    within weeks (Davar 2021, Baruch 2021: engraftment seen at first sampling). Lymphocytes recover over months after
    chemotherapy or radiation (Ellsworth 2014).
    """
    return HostRates(
        microbiome_target=p.microbiome_setpoint,
        microbiome_rate=p.microbiome_rate,
        lymphocyte_gain=p.lymphocyte_recovery,
        lymphocyte_loss=p.lymphocyte_recovery + p.lymphocyte_depletion,
    )
