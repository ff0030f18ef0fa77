"""Show the order of the integrator and the error of the simulator's step of one day.

    python verification/integrator.py [--out FOLDER]

Twelve melanoma-like tumors with and without drug effects are integrated for eight weeks with steps of 4 days down to an
hour and compared with steps of a quarter of an hour. Writes ``integrator.png`` and ``integrator.tsv``: the root mean
square relative error over all states and the largest relative error of the cancer cells, per step. The slope should be
four until rounding; at the simulator's step, one day, cancer cells should be right within a thousandth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pandas as pd

from tumornexus.knowledge import load_knowledge
from tumornexus.systemic.dynamics import flux
from tumornexus.systemic.integrate import exponential_rk4
from tumornexus.systemic.ode import Patient, Setting, bare_parameters
from tumornexus.systemic.solver import Lesions, grow, patients_of
from tumornexus.systemic.state import State, members_last
from tumornexus.systemic.treatment import NO_ACTS, no_treatment
from tumornexus.systemic.twin import draw_bare, parameter_names

mpl.use("Agg")
import matplotlib.pyplot as plt

REACH_DAYS = 56.0
STEPS_DAYS = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 1.0 / 24.0)
REFERENCE_DAYS = 1.0 / 96.0
# What drugs change at full effect, held constant, so that the order is the integrator's and not that of the dosing.
SITUATIONS = {
    "untreated": {},
    "PD-1 blocked": {"pd1_signal": 0.05},
    "PD-1 blocked, cytotoxic drug": {"pd1_signal": 0.05, "cytotoxic_kill": 0.05},
}


def errors(changes: dict[str, float], n: int = 12) -> pd.DataFrame:
    """Return one row a step with the errors of all states and of the cancer cells."""
    knowledge = load_knowledge()
    names = parameter_names(knowledge)
    candidates = draw_bare(knowledge, knowledge.tumors["melanoma"], 96, 0, "integrator", braf_v600=False)
    grown = grow(candidates, names, np.full(len(candidates), 20.0))
    chosen = np.flatnonzero(grown.status == 0)[:n]
    values, state = candidates[chosen].copy(), jax.tree.map(lambda x: np.asarray(x)[chosen], grown.state)
    for name, value in changes.items():
        values[:, names.index(name)] = value

    setting = Setting(names, NO_ACTS, True)

    @jax.jit
    def march(patient: Patient, start: State, dt: jax.Array, steps: jax.Array) -> State:
        p, h = bare_parameters(patient, setting)
        step = lambda _, x: exponential_rk4(x, lambda _half, y: flux(y, p, h), dt)[0]  # noqa: E731
        return jax.lax.fori_loop(0, steps, step, start)

    def run(dt: float) -> tuple[np.ndarray, np.ndarray]:
        m = len(chosen)
        with jax.enable_x64(True):
            patient = patients_of(values, Lesions.single(m), [no_treatment()], np.zeros(m, int))
            end = march(patient, members_last(state), jnp.asarray(dt), jnp.asarray(round(REACH_DAYS / dt)))
            flat = np.concatenate([np.asarray(x).reshape(-1, m) for x in jax.tree.leaves(end)]).T
            return flat, np.asarray(end.cancer).sum(axis=(0, 1))

    fine, fine_cancer = run(REFERENCE_DAYS)
    scale = np.maximum(np.abs(fine), 1e-9 * np.abs(fine).max(axis=1, keepdims=True))
    rows = []
    for dt in STEPS_DAYS:
        end, cancer = run(dt)
        rms = float(np.sqrt((((end - fine) / scale) ** 2).mean()))
        rows.append((dt, rms, float(np.abs(cancer / fine_cancer - 1.0).max())))
    return pd.DataFrame(rows, columns=["step_days", "rms_relative_error", "cancer_relative_error_max"])


def main() -> None:
    """Write the table and the figure, print slope and error at one day."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(5.2, 4.0), layout="constrained")
    tables = []
    for label, changes in SITUATIONS.items():
        table = errors(changes)
        middle = table[table["step_days"].between(0.1, 1.0)]
        slope = np.polyfit(np.log(middle["step_days"]), np.log(middle["rms_relative_error"]), 1)[0]
        at_one_day = table.loc[table["step_days"] == 1.0, "cancer_relative_error_max"].iloc[0]
        print(f"{label}: order {slope:.2f}, largest error of cancer cells at one day {100 * at_one_day:.4f} %")
        axes.loglog(table["step_days"], table["rms_relative_error"], "o-", label=f"{label} (slope {slope:.2f})")
        tables.append(table.assign(situation=label))
    guide = np.array([STEPS_DAYS[-1], STEPS_DAYS[0]])
    anchor = tables[0].loc[tables[0]["step_days"] == 1.0, "rms_relative_error"].iloc[0]
    axes.loglog(guide, anchor * guide**4, "k:", label="fourth order")
    axes.axvline(1.0, color="0.7", lw=1)
    axes.annotate("step of the simulator", (1.0, axes.get_ylim()[0]), rotation=90, va="bottom", ha="right", color="0.5")
    axes.set(xlabel="Step (days)", ylabel="Relative error after eight weeks (root mean square)")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(out / "integrator.png", dpi=160)
    pd.concat(tables).to_csv(out / "integrator.tsv", sep="\t", index=False)
    print(out / "integrator.png")


if __name__ == "__main__":
    main()
