"""The host: gut microbiome, lymphocyte reserve, bacteria in the tumor."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.environment import Local
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
    within weeks (Davar 2021, Baruch 2021: engraftment seen at first sampling). Antibiotics pull it down
    (antibiotic_exposure). Lymphocytes recover over months after chemotherapy or radiation (Ellsworth 2014).
    """
    return HostRates(
        microbiome_target=p.microbiome_setpoint * (1.0 - p.antibiotic_harm * p.antibiotic_exposure),
        microbiome_rate=p.microbiome_rate,
        lymphocyte_gain=p.lymphocyte_recovery,
        lymphocyte_loss=p.lymphocyte_recovery + p.lymphocyte_depletion + p.conditioning,
    )


def short_chain_fatty_acids(microbiome: jax.Array, p: Params) -> jax.Array:
    """Return acetate, propionate and butyrate in stool together, in mmol per kg: scfa_production * microbiome.

    The community ferments fiber to them: on the usual diet about 63 mmol/kg, 7 under clindamycin (Hoverstad 1986). Diet
    acts through the community that it feeds. The model keeps one microbial signal to dendritic cells, of which they are
    a part (see `priming.dendritic`).
    """
    return p.scfa_production * microbiome


class BacteriaRates(NamedTuple):
    """Colonization (level per day) and clearance (per day) of bacteria in the tumor."""

    colonize: jax.Array
    clear: jax.Array


def bacteria(local: Local, p: Params) -> BacteriaRates:
    """Return the rates of intratumoral bacteria, a level in [0, 1]: hypoxic niches favor them, antibiotics clear them.

    Source: Nejman 2020 (bacteria in seven tumor types), Geller 2017 (pancreatic cancer; inactivation of gemcitabine).
    """
    return BacteriaRates(
        colonize=p.bacteria_rate * p.bacteria_setpoint * (1.0 + local.hypoxia),
        clear=p.bacteria_rate * 2.0 + p.bacteria_clearance * p.antibiotic_exposure,
    )
