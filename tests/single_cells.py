"""Small synthetic single cells with known answers, for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tumornexus.profile.cell_states import states
from tumornexus.profile.reference import load_reference
from tumornexus.profile.signaling import pairs

MARKERS = sorted(
    {g for s in states().values() for g in s.genes}
    | {g for p in pairs().values() for g in (*p["ligand"], *p["receptor"])}
)
TYPES = {"CD8 T cell": 60, "CD4 T cell": 40, "Treg": 10, "TAM": 40, "Fibroblast": 30, "Tumor": 80, "Endothelial": 12}
# Markers that each type carries here, with their rate in molecules a cell.
CARRIED = {
    "CD8 T cell": {"TCF7": 6, "IL7R": 6, "CXCR3": 4, "PDCD1": 1},
    "TAM": {"CD163": 8, "MRC1": 6, "SPP1": 9, "CXCL9": 1, "CD274": 3},
    "Fibroblast": {"FAP": 5, "POSTN": 9, "ACTA2": 6, "CXCL12": 5},
    "Treg": {"IL2RB": 2, "IL2RG": 2},
}


def genes(n: int = 1500) -> list[str]:
    """The markers, the stable genes of the reference and others of its universe."""
    reference = load_reference()
    stable = [reference.genes[i] for i in reference.stable]
    every = dict.fromkeys([*MARKERS, *stable, *reference.genes])
    return [g for g in every if not g.startswith("ENSG")][:n]


def single_cells(seed: int = 1, times: int = 1, samples: tuple[str, ...] = ("s1",), n_genes: int = 1500) -> Any:
    """AnnData of counts with columns cell_type and sample; every sample has the same cells, each `times` times."""
    import anndata

    names = genes(n_genes)
    rng = np.random.default_rng(seed)
    types = np.repeat(list(TYPES), list(TYPES.values()))
    rate = np.full((len(types), len(names)), 0.6)
    rate[:, [names.index(g) for g in MARKERS]] = 0.01
    for kind, carried in CARRIED.items():
        for gene, level in carried.items():
            rate[np.ix_(types == kind, [names.index(gene)])] = level
    counts = rng.poisson(rate).astype(np.float32)
    copies = times * len(samples)
    obs = pd.DataFrame(
        {"cell_type": np.tile(types, copies), "sample": np.repeat(samples, times * len(types))},
        index=[f"c{i}" for i in range(copies * len(types))],
    )
    return anndata.AnnData(X=sparse.csr_matrix(np.tile(counts, (copies, 1))), obs=obs, var=pd.DataFrame(index=names))


def normalized(data: Any, target: float = 1e4, base: float = np.e) -> Any:
    """The same cells as log of 1 + counts normalized to a total, the counts gone."""
    new = data.copy()
    dense = np.asarray(new.X.todense(), float)
    scaled = np.log1p(dense / dense.sum(axis=1, keepdims=True) * target) / np.log(base)
    new.X = sparse.csr_matrix(scaled.astype(np.float32))
    return new
