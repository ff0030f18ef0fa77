"""Global sensitivity of response, progression-free survival and tumor volume to every parameter (Morris' method).

    python verification/sensitivity.py [--out FOLDER] [--trajectories 10] [--seed 0]

Elementary effects of Morris 1991 with the mean of absolute values of Campolongo 2007 (mu*), computed by SALib. One step
moves a parameter by two thirds of its span: its published or assumed range, cut to a factor of `FACTOR` around its
value, on a logarithmic scale (logit scale for shares, a thousandth of the range for parameters whose value is zero,
which drugs and mechanisms raise). The tumor is a melanoma of 20 mL; each set of parameters is grown and treated by
every regimen of `REGIMENS`, chosen so that every process has a regimen in which it matters.

Outputs: depth of response (smallest sum of diameters over that at the start), progression-free time to two years, and
ln of the volume at 24 weeks. A parameter is *dead* where no step of it changed any output of any regimen by a single
bit. Writes ``sensitivity.tsv`` and ``sensitivity.png``, and exits with 1 where a parameter is
dead and neither in `ELSEWHERE` nor of a process in `SPATIAL`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import pandas as pd
from SALib.analyze import morris as analysis
from SALib.sample import morris as sampling

from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.knowledge.records import Parameter
from tumornexus.systemic.solver import Lesions, grow, treat
from tumornexus.systemic.treatment import Treatment, prepare, untreated
from tumornexus.systemic.twin import draw_lesions, parameter_names
from tumornexus.trial.recist import recist

mpl.use("Agg")
import matplotlib.pyplot as plt

FACTOR = 1.5
LITTLE = 1e-3  # of the upper end, for what is zero without a drug: enough to show that it is read
LEVELS = 4
BURDEN_ML = 20.0
REGIMENS = {
    "untreated": "",
    "nivolumab": "nivolumab 240 mg q2w",
    "nivolumab + ipilimumab": "nivolumab 1 mg/kg q3w x4 + ipilimumab 3 mg/kg q3w x4",
    "chemotherapy": "carboplatin + paclitaxel + pembrolizumab",
    "BRAF + MEK": "dabrafenib 150 mg bid + trametinib 2 mg qd",
    "CAR-T": "car_t",
    "oncolytic virus": "t_vec",
    "radiotherapy": "radiotherapy",
    "epigenetic": "decitabine",
}
# Parameters that are read where this analysis does not look, and where.
ELSEWHERE = {
    "toxicity_threshold": "time of severe events only", "second_lesion": "number of lesions, which is fixed here",
    "vessel_density": "tissue scale",
}  # fmt: skip
# Laws of what only space has (`process` of their parameters): the host scale, which is simulated here, reads none.
SPATIAL = ("transport", "motility", "contacts", "mechanics")
# Parameters whose value is zero or neutral here because a mechanism, drug or fact sets them, raised so that what hangs
# on them is alive; and an antigenicity low enough for most tumors to grow.
ALIVE = {
    "antigenicity": 0.2, "mapk_dependence": 0.7, "mapk_output": 1.0, "antibiotic_exposure": 0.3,
    "steroid_exposure": 0.1, "vaccine_antigen": 0.5, "bacteria_setpoint": 0.3, "il2_signal": 0.1,
    "redirected_kill": 0.1,
}  # fmt: skip


def to_value(parameter: Parameter, value: float, share: np.ndarray) -> np.ndarray:
    """Return the parameter at shares in [0, 1] of its span."""
    if value <= 0.0:
        return share * parameter.high * LITTLE
    if parameter.bounded and value < 1.0:
        low, high = (np.log(x / (1.0 - x)) for x in (max(parameter.low, 0.01), min(parameter.high, 0.99)))
        center = np.log(value / (1.0 - value))
        low, high = max(low, center - np.log(FACTOR)), min(high, center + np.log(FACTOR))
        return 1.0 / (1.0 + np.exp(-(low + share * (high - low))))
    low, high = max(parameter.low, value / FACTOR), min(parameter.high, value * FACTOR)
    return np.exp(np.log(low) + share * (np.log(high) - np.log(low)))


def treatments(knowledge: Knowledge) -> list[Treatment]:
    """Return the regimens of this analysis; a part that is only a drug takes its usual dose."""

    def usual(part: str) -> str:
        return knowledge.drugs[part].usual if part in knowledge.drugs else part

    out = []
    for text in REGIMENS.values():
        doses = " + ".join(usual(part.strip()) for part in text.split("+"))
        out.append(prepare(parse_regimen(doses, knowledge), knowledge) if text else untreated(knowledge))
    return out


def simulated(values: np.ndarray, names: tuple[str, ...], knowledge: Knowledge) -> dict[str, np.ndarray]:
    """Return the outputs by '<output>, <regimen>', each (set,)."""
    # Two lesions that differ in the same way for all sets, more where `lesion_spread` is larger.
    spread = names.index("lesion_spread")
    reference = np.array([[p.value for p in knowledge.parameters.values()]])
    reference[0, names.index("second_lesion")] = 1.0
    one = draw_lesions(reference, names, 0, "sensitivity")
    power = values[:, spread] / reference[0, spread]
    lesions = Lesions(np.repeat(one.shares, len(values), 0), one.factors ** power[:, None, None])
    grown = grow(values, names, np.full(len(values), BURDEN_ML), lesions=lesions)
    print(f"{np.mean(grown.status == 0):.0%} of the sets reach {BURDEN_ML:g} mL; the others are treated as they are")
    out = {"ln days to 20 mL": np.log(grown.days + 1.0)}
    n, arms = len(values), treatments(knowledge)
    data = treat(
        np.tile(values, (len(arms), 1)), names, jax.tree.map(lambda x: np.concatenate([x] * len(arms)), grown.state),
        arms, np.repeat(np.arange(len(arms)), n), lesions=lesions[np.tile(np.arange(n), len(arms))],
        keep=("tumor_volume", "toxicity_hazard"),
    )  # fmt: skip
    response = recist(data["lesion_volume"].values, data["time"].values)
    outputs = {
        "response": response.change_percent,
        "progression-free months": response.pfs_months,
        "ln volume at 24 weeks": np.log(np.maximum(data["tumor_volume"].values[:, 24], 1e-6)),
        "toxicity hazard at 24 weeks": data["toxicity_hazard"].values[:, 24],
    }
    for name, value in outputs.items():
        for i, arm in enumerate(REGIMENS):
            out[f"{name}, {arm}"] = np.asarray(value[i * n : (i + 1) * n], dtype=float)
    return out


def main() -> None:
    """Sample, simulate, rank, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    parser.add_argument("--trajectories", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    knowledge = load_knowledge()
    names = parameter_names(knowledge)
    problem = {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}
    shares = sampling.sample(problem, options.trajectories, num_levels=LEVELS, seed=options.seed)
    values = np.stack(
        [to_value(p, ALIVE.get(n, p.value), shares[:, j]) for j, (n, p) in enumerate(knowledge.parameters.items())],
        axis=1,
    )
    outputs = simulated(values, names, knowledge)

    rows = {name: {"parameter": name, "status": knowledge.parameters[name].status} for name in names}
    moved = np.zeros(len(names), dtype=bool)
    step_of = np.argmax(np.diff(shares, axis=0) != 0.0, axis=1)
    inside = (np.arange(len(shares) - 1) + 1) % (len(names) + 1) != 0  # steps within one trajectory
    for label, value in outputs.items():
        finite = np.where(np.isfinite(value), value, np.nanmedian(value))
        effects = analysis.analyze(problem, shares, finite, num_levels=LEVELS, seed=options.seed)
        scale = max(float(np.std(finite)), 1e-12)
        for j, name in enumerate(names):
            # In standard deviations of the output over all sets, so that outputs can be compared.
            rows[name][label] = float(effects["mu_star"][j]) / scale
        known = np.isfinite(value)
        changed = inside & known[1:] & known[:-1] & (np.diff(value) != 0.0)
        np.logical_or.at(moved, step_of[changed], True)
    table = pd.DataFrame(rows.values()).set_index("parameter")
    main_outputs = [c for c in table.columns if c.startswith(("response", "progression", "ln volume"))]
    table.insert(1, "strongest", table[main_outputs].max(axis=1))
    table.insert(2, "where", table[main_outputs].idxmax(axis=1))
    table.insert(3, "dead", ~moved)
    table = table.sort_values("strongest", ascending=False)
    options.out.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(options.out / "sensitivity.tsv", sep="\t")
    draw(table, options.out / "sensitivity.png")
    print(table[["status", "strongest", "where"]].head(25).round(2).to_string())
    elsewhere = set(ELSEWHERE) | {name for name in names if knowledge.parameters[name].process in SPATIAL}
    dead = [name for name in table.index[table["dead"]] if name not in elsewhere]
    print(f"{len(shares)} sets of {len(names)} parameters, {len(REGIMENS)} regimens; dead: {', '.join(dead) or 'none'}")
    sys.exit(1 if dead else 0)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the thirty strongest parameters: mu* on the outputs under three regimens."""
    shown = table.head(30)[::-1]
    arms = ("nivolumab", "chemotherapy", "CAR-T")
    figure, axes = plt.subplots(1, len(arms), figsize=(12, 8), sharey=True, layout="constrained")
    for axis, arm in zip(axes, arms, strict=True):
        for offset, (output, color) in enumerate(
            (("response", "#2b6cb0"), ("progression-free months", "#dd6b20"), ("ln volume at 24 weeks", "#4a5568"))
        ):
            places = np.arange(len(shown)) + (1 - offset) * 0.25
            axis.barh(places, shown[f"{output}, {arm}"], height=0.25, color=color, label=output)
        axis.set_title(arm)
        axis.set_xlabel("mu* (standard deviations of the output)")
    axes[0].set_yticks(np.arange(len(shown)), [f"{n}  ({s})" for n, s in shown["status"].items()], fontsize=8)
    axes[0].legend(loc="lower right", fontsize=8, frameon=False)
    figure.suptitle("What outcomes hang on: Morris screening of all parameters, melanoma of 20 mL")
    figure.savefig(path, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    main()
