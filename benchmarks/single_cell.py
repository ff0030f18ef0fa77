"""How fast 200,000 single cells are read, profiled and scored: synthetic counts, 2,000 genes, a tenth of them seen.

    python benchmarks/single_cell.py [--cells 200000] [--genes 2000] [--density 0.1]

Two samples of eight types. The time holds reading from AnnData in memory, composition, pseudobulk of each type, states,
signals and the scores of each cell, and the profile of both samples from their pseudobulk.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.io import Patient, read_single_cells
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import load_reference, profile_patient, profile_single_cells, score_cells
from tumornexus.profile.cell_states import states
from tumornexus.profile.signaling import pairs

TYPES = ("CD8 T cell", "CD4 T cell", "Treg", "NK", "TAM", "Fibroblast", "Endothelial", "Tumor")


def synthetic(cells: int, genes: int, density: float) -> Any:
    import anndata
    from scipy import sparse

    rng = np.random.default_rng(1)
    reference = load_reference()
    markers = {g for s in states().values() for g in s.genes}
    markers |= {g for p in pairs().values() for g in (*p["ligand"], *p["receptor"])}
    stable = [reference.genes[i] for i in reference.stable]
    names = list(dict.fromkeys([*sorted(markers), *stable, *reference.genes]))[:genes]
    matrix = sparse.random(cells, genes, density, format="csr", dtype=np.float32, rng=rng,
                           data_rvs=lambda n: rng.poisson(1.5, n) + 1.0)  # fmt: skip
    obs = pd.DataFrame({"cell_type": rng.choice(TYPES, cells), "sample": rng.choice(["s1", "s2"], cells)},
                       index=[f"c{i}" for i in range(cells)])  # fmt: skip
    return anndata.AnnData(X=matrix, obs=obs, var=pd.DataFrame(index=names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200_000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--density", type=float, default=0.1)
    wanted = parser.parse_args()
    data = synthetic(wanted.cells, wanted.genes, wanted.density)
    knowledge = load_knowledge()
    begin, cpu = time.perf_counter(), time.process_time()
    found = read_single_cells(data, knowledge=knowledge)
    read = time.perf_counter()
    for cells in found.values():
        profile_single_cells(cells, knowledge)
    profiled = time.perf_counter()
    for name, cells in found.items():
        profile_patient(Patient(name, name, "nsclc", single_cell=cells), knowledge)
    scored = time.perf_counter()
    score_cells(data, knowledge, copy=False)
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{wanted.cells:,} cells x {wanted.genes:,} genes, {data.X.nnz:,} values")
    print(f"  read {read - begin:.1f} s, profile of cells {profiled - read:.1f} s, profile of samples "
          f"{scored - profiled:.1f} s, scores in the object {end - scored:.1f} s")  # fmt: skip
    print(f"  in all {end - begin:.1f} s ({time.process_time() - cpu:.1f} CPU-s), peak memory {peak:.1f} GB")


if __name__ == "__main__":
    main()
