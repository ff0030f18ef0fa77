"""How far signals, nutrients and drugs reach in tissue.

In space the quasi-steady laws of `mediators` and `metabolism` become balances

    0 = length^2 laplacian(c) - loss(x) c + gain(x),    length^2 = diffusivity / unit of loss,

in which gain and loss are those of the law. In uniform tissue c = gain / loss, the value of the law itself; a source
that is smaller than the length is felt over about one length where loss = 1, over length / sqrt(loss) elsewhere.
Losses are measured in units of the laws: for oxygen and glucose perfusion plus demand, for lactate perfusion plus
washout, for arginine one plus consumers, for all others one, the uptake and decay of packed tissue.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from tumornexus.biology.params import Params


class Lengths(NamedTuple):
    """Length of each field in micrometers, where the loss of its law is one. The order is that of `Signals`."""

    ifng: jax.Array
    type1_ifn: jax.Array
    tgfb: jax.Array
    il6: jax.Array
    il10: jax.Array
    vegf: jax.Array
    cxcl9_10: jax.Array
    ccl4: jax.Array
    cxcl12: jax.Array
    cxcr2_ligand: jax.Array
    ccl2: jax.Array
    csf1: jax.Array
    ccl22: jax.Array
    oxygen: jax.Array
    glucose: jax.Array
    lactate: jax.Array
    arginine: jax.Array
    kynurenine: jax.Array
    adenosine: jax.Array
    antibody: jax.Array
    small_molecule: jax.Array


def lengths_um(p: Params) -> Lengths:
    """Return how far each signal reaches, sqrt(diffusivity / loss), in micrometers.

    Cytokines are stopped by the cells that take them up (diffusion and consumption, Oyler-Yaniv 2017): IFN-gamma by
    most cells of a melanoma (30 to 40 um, Centofanti 2023). Chemokines stick to heparan sulfate and share one length,
    CXCL12 a shorter one. Oxygen: a cord around a vessel falls to `necrosis_oxygen` at 100 to 200 um (Thomlinson 1955).
    Antibodies are held by their antigen (Thurber 2008), small drugs by uptake into the first cells (doxorubicin).
    Hypoxia, pressure, perfusion and drug access follow from other fields and do not diffuse.
    """
    return Lengths(
        ifng=p.ifng_length,
        type1_ifn=p.type1_ifn_length,
        tgfb=p.tgfb_length,
        il6=p.il6_length,
        il10=p.il10_length,
        vegf=p.vegf_length,
        cxcl9_10=p.chemokine_length,
        ccl4=p.chemokine_length,
        cxcl12=p.cxcl12_length,
        cxcr2_ligand=p.chemokine_length,
        ccl2=p.chemokine_length,
        csf1=p.csf1_length,
        ccl22=p.chemokine_length,
        oxygen=p.oxygen_length,
        glucose=p.glucose_length,
        lactate=p.lactate_length,
        arginine=p.amino_acid_length,
        kynurenine=p.amino_acid_length,
        adenosine=p.adenosine_length,
        antibody=p.antibody_length,
        small_molecule=p.small_molecule_length,
    )
