"""Oncolytic virus: infection, lysis, spread, and antiviral immunity."""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.params import Params, hill
from tumornexus.biology.presentation import CloneTraits


class VirusRates(NamedTuple):
    """Infection per cancer cell and day (by clone); lysis per infected cell and day; clearance of virus per day."""

    infect: jax.Array
    lyse: jax.Array
    clear: jax.Array


def rates(per_cell: jax.Array, antiviral: jax.Array, type1_ifn: jax.Array, clone: CloneTraits, p: Params) -> VirusRates:
    """Return infection, lysis and clearance.

    infect = virus_infectivity * v / (v + virus_half) / (1 + antiviral interferon in responsive clones), v = infectious
    units per cell of the lesion; clear = virus_clearance * (1 + virus_neutralization * antiviral). Clones without
    interferon signalling (JAK loss) are infected more easily. Spread is limited by clearance and by neutralizing
    immunity, so the distant effect comes through priming. Direction: Kaufman 2015; sizes assumed.
    """
    guarded = 1.0 + p.virus_interferon * type1_ifn * clone.ifn
    return VirusRates(
        infect=p.virus_infectivity * hill(per_cell, p.virus_half) / guarded,
        lyse=p.virus_lysis,
        clear=p.virus_clearance * (1.0 + p.virus_neutralization * antiviral),
    )
