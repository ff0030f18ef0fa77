"""Show the exposure of every antibody's usual regimen against the closed solution of its compartments.

    python verification/pk.py [--out FOLDER]

Writes ``pk.png`` (plasma concentration over 24 weeks, simulator's daily means beside superposed exponentials) and
``pk.tsv`` with the largest relative difference per drug, which should be rounding only, and the average exposure at
steady state against dose over clearance.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy.linalg import expm

from tumornexus.biology.pharmacology import propagator
from tumornexus.knowledge import load_knowledge, parse_regimen
from tumornexus.systemic.treatment import Treatment, prepare

mpl.use("Agg")
import matplotlib.pyplot as plt

DAYS = 168


def simulated(treatment: Treatment) -> np.ndarray:
    """Return mean plasma concentration of each day of slot 0 as the simulator computes it."""
    a = treatment.acts
    with jax.enable_x64(True):
        over = propagator(*(jnp.asarray(x[0]) for x in (a.k_elim, a.k_out, a.k_in)), jnp.asarray(1.0))
    step, mean, amount, out = np.asarray(over.step), np.asarray(over.mean), np.zeros(2), []
    for dose in treatment.doses[:DAYS, 0]:
        amount[0] += dose
        out.append((mean @ amount)[0] * float(a.nm_per_unit[0]))
        amount = step @ amount
    return np.array(out)


def closed(treatment: Treatment) -> np.ndarray:
    """Return the same by superposing, dose by dose, the integral of the matrix exponential over each day."""
    a = treatment.acts
    k10, k12, k21 = (float(x[0]) for x in (a.k_elim, a.k_out, a.k_in))
    generator = np.array([[-(k10 + k12), k21], [k12, -k21]])
    integral = np.linalg.solve(generator, expm(generator) - np.eye(2))[0]
    kernel = np.array([integral @ expm(generator * day)[:, 0] for day in range(DAYS)])
    return np.convolve(treatment.doses[:DAYS, 0], kernel)[:DAYS] * float(a.nm_per_unit[0])


def main() -> None:
    """Write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    knowledge = load_knowledge()
    drugs = [d for d in knowledge.drugs.values() if d.pk.model == "two_compartment"]
    columns = 4
    figure, grid = plt.subplots(
        -(-len(drugs) // columns),
        columns,
        figsize=(11, 1.9 * -(-len(drugs) // columns)),
        layout="constrained",
        squeeze=False,
    )
    rows = []
    for axes, drug in zip(grid.flat, drugs, strict=False):
        treatment = prepare(parse_regimen(drug.usual, knowledge), knowledge)
        ours, exact = simulated(treatment), closed(treatment)
        rows.append((drug.id, drug.usual, float(np.abs(ours - exact).max() / exact.max())))
        axes.plot(exact, color="0.6", lw=3, label="closed solution")
        axes.plot(ours, color="C0", lw=1, label="simulator")
        axes.set_title(drug.usual, fontsize=7)
        axes.tick_params(labelsize=6)
    for axes in grid.flat[len(drugs) :]:
        axes.set_axis_off()
    grid[0, 0].legend(frameon=False, fontsize=6)
    figure.supxlabel("Day", fontsize=8)
    figure.supylabel("Plasma concentration (nM, or units of the drug's EC50)", fontsize=8)
    figure.savefig(out / "pk.png", dpi=140)
    table = pd.DataFrame(rows, columns=["drug", "regimen", "largest_relative_difference"])
    table.to_csv(out / "pk.tsv", sep="\t", index=False)
    print(f"{len(table)} drugs, largest relative difference {table['largest_relative_difference'].max():.1e}")
    print(out / "pk.png")


if __name__ == "__main__":
    main()
