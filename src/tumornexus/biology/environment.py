"""The local environment that every rate law reads: what one site of tissue, or an averaged lesion, contains."""

from __future__ import annotations

import equinox as eqx
import jax


class Cells(eqx.Module):
    """Cell densities and slow states of a piece of tissue.

    Densities are fractions of sites, where a site holds about one cell. Levels are in [0, 1] unless said. All fields
    share one shape: (lesion, batch) at the host scale, (row, col) on a lattice. Laws are elementwise, so they do not
    care which.
    """

    cancer: jax.Array  # proliferating cancer cells, all clones
    persister: jax.Array  # drug-tolerant, slow-cycling cancer cells, all clones
    infected: jax.Array  # cancer cells infected by an oncolytic virus
    cd8_progenitor: jax.Array  # stem-like (TCF1+) exhausted, tumor-specific
    cd8_effector: jax.Array
    cd8_terminal: jax.Array  # terminally exhausted
    cd4_helper: jax.Array
    treg: jax.Array
    nk: jax.Array
    gamma_delta: jax.Array
    b_cell: jax.Array
    car_t: jax.Array
    dendritic: jax.Array
    neutrophil: jax.Array
    mdsc: jax.Array
    tam_m1: jax.Array
    tam_m2: jax.Array
    caf_matrix: jax.Array
    caf_cytokine: jax.Array
    dead_antigen: jax.Array  # dying cells not yet cleared: antigen and danger signals
    vessels: jax.Array  # vessel density relative to well-vascularized tumor (= 1)
    matrix: jax.Array  # matrix density relative to a typical carcinoma (= 1), non-negative
    mhc1: jax.Array  # induction of MHC class I (and II) on IFN-gamma-responsive cancer cells
    pdl1: jax.Array  # PD-L1 level on IFN-gamma-responsive cancer and myeloid cells
    alt_checkpoint: jax.Array  # LAG-3, TIM-3, TIGIT level on T cells
    silencing: jax.Array  # epigenetically silenced fraction of antigen-presentation and chemokine genes
    tls: jax.Array  # tertiary lymphoid structures, 1 = mature ones throughout
    bacteria: jax.Array  # intratumoral bacteria, 1 = a heavily colonized tumor
    car_antigen: jax.Array  # CAR target left on cancer cells that carry it (1 = before trogocytosis)


class Signals(eqx.Module):
    """Concentrations at the same places; units in `tumornexus.biology.mediators`."""

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
    hypoxia: jax.Array
    glucose: jax.Array
    lactate: jax.Array
    arginine: jax.Array
    kynurenine: jax.Array
    adenosine: jax.Array
    pressure: jax.Array
    perfusion: jax.Array
    drug_access: jax.Array


class Local(eqx.Module):
    """Cells and signals together: the argument of every rate law."""

    cells: Cells
    signals: Signals

    def __getattr__(self, name: str) -> jax.Array:
        if name.startswith("_") or name in ("cells", "signals"):
            raise AttributeError(name)
        if name in Cells.__dataclass_fields__:
            return getattr(self.cells, name)
        if name in Signals.__dataclass_fields__:
            return getattr(self.signals, name)
        raise AttributeError(f"the local environment has no '{name}'")
