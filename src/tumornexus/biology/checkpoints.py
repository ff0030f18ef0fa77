"""Inhibitory receptors and exhaustion of CD8 T cells (cycle step 7).

Equation: brake = 1 / (1 + pd1_weight * pd1_signal * PD-L1 + alt_weight * (LAG-3 + TIM-3 + TIGIT) * level).
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.environment import Local
from tumornexus.biology.params import Params, hill


class ExhaustionRates(NamedTuple):
    """Per cell and day: progenitor to effector, effector to terminal, self-renewal of progenitors."""

    differentiate: jax.Array
    exhaust: jax.Array
    renew: jax.Array


def pd1_release(local: Local, p: Params) -> jax.Array:
    """Return the fraction of what PD-1 holds back that is free, in (0, 1]: 1 / (1 + pd1_weight pd1_signal PD-L1)."""
    return 1.0 / (1.0 + p.pd1_weight * p.pd1_signal * local.pdl1)


def brake(local: Local, p: Params) -> jax.Array:
    """Return the fraction of T-cell function that inhibitory receptors leave, in (0, 1].

    Blocking one receptor leaves the others: with several co-expressed, single blockade is insufficient. TIGIT acts by
    withholding CD226, which PD-1 blockade already restores in part (Banta 2022), so the share `tigit_via_cd226` of it
    goes with pd1_signal.
    """
    pd1 = p.pd1_weight * p.pd1_signal * local.pdl1
    tigit = p.tigit_signal * (1.0 - p.tigit_via_cd226 * (1.0 - p.pd1_signal))
    alternative = p.alt_weight * (p.lag3_signal + p.tim3_signal + tigit) * local.alt_checkpoint
    return 1.0 / (1.0 + pd1 + alternative)


def alt_checkpoint_target(local: Local, p: Params) -> jax.Array:
    """Return the level of alternative checkpoints that the environment drives towards, in [0, 1].

    They follow IFN-gamma and chronic stimulation, so they rise under PD-1 blockade (Koyama 2016).
    """
    drive = local.ifng + p.alt_tgfb * local.tgfb + p.alt_il10 * local.il10
    return hill(p.checkpoint_induction * drive, p.alt_drive_half)


def rates(local: Local, recognized: jax.Array, p: Params) -> ExhaustionRates:
    """Return exhaustion rates of CD8 T cells per day.

    PD-1 signalling holds progenitors back; blockade releases their differentiation and proliferation but does not
    rescue terminal cells (Im 2016, Siddiqui 2019, Miller 2019). Tertiary lymphoid structures are a niche where
    progenitors renew (Jansen 2019, Cabrita 2020).
    """
    released = pd1_release(local, p)
    # Receptor signalling saturates, so that persisting antigen exhausts even where cells show little of it (assumed).
    chronic = hill(recognized, p.exhaustion_antigen_half) * (1.0 + local.tgfb + p.exhaustion_hypoxia * local.hypoxia)
    niche = 1.0 + p.tls_support * local.tls
    return ExhaustionRates(
        differentiate=p.progenitor_differentiation * recognized * (p.differentiation_floor + released),
        exhaust=p.exhaustion_rate * chronic,
        renew=p.progenitor_renewal * recognized * (p.renewal_floor + released) * local.arginine * niche,
    )
