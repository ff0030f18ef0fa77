"""Compare the model with fitted trials and freeze what the twin needs to know of the virtual population.

Writes, under src/tumornexus/systemic/data:

* ``calibration.json``: simulated against published objective response for every arm of a trial marked ``fit`` that the
  model covers. Held-out trials are refused. The scale parameters were chosen by hand and random search on a few of
  these arms (PD-1 blockade in melanoma, NSCLC, colorectal, pancreatic, hepatocellular, head and neck and urothelial
  cancer);
  the table says how well that went, arm by arm.
* ``reference_population.json``: mean and standard deviation of ln CD8 infiltration over all tumor types, with which the
  measured inflamed score is compared; and for each tumor type the scales behind biomarkers of virtual patients:
  quantiles of tumor-mean PD-L1, mean and standard deviation of ln antigenicity.

Usage: python scripts/build_population.py [--draws 128] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from tumornexus.activities import Activities, Activity
from tumornexus.design.ranking import classes_of
from tumornexus.errors import NexusError
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.records import Arm, Trial
from tumornexus.knowledge.regimen import parse_regimen
from tumornexus.profile.fusion import LEVEL_PRIOR
from tumornexus.systemic import Facts, Twin, parameterize, prepare, simulate
from tumornexus.systemic.state import patient_mean
from tumornexus.systemic.treatment import Treatment
from tumornexus.trial.population import QUANTILES, antigenicity_of, draw_patients, tumor_pdl1
from tumornexus.trial.recist import recist

DATA = Path(__file__).parents[1] / "src" / "tumornexus" / "systemic" / "data"


def population(tumor: str, knowledge: Knowledge, draws: int, seed: int, braf_v600: bool | None = None) -> Twin:
    """Return virtual patients of a tumor type: mechanisms by prevalence, nothing measured."""
    activities = Activities(
        f"population {tumor}",
        tumor,
        {p.mechanism: Activity(p.value, *LEVEL_PRIOR, "sampled") for p in knowledge.tumors[tumor].prevalence},
    )
    return parameterize(activities, knowledge, facts=Facts(braf_v600=braf_v600), n_draws=draws, seed=seed)


def in_scope(trial: Trial, arm: Arm) -> bool:
    """Return whether the model can be compared with an arm at all."""
    tumor = arm.tumor or trial.tumor
    untreated_before = "post-pd1" not in trial.selection.lower() and "post-pd1" not in trial.line.lower()
    return (
        trial.use == "fit" and trial.out_of_scope is None and trial.endpoint == "RECIST" and tumor is not None
        and arm.regimen is not None and arm.outcome.orr is not None and untreated_before
        and "refractory" not in f"{trial.selection} {trial.line}".lower()
    )  # fmt: skip


def scales(tumor: str, knowledge: Knowledge, draws: int, seed: int) -> dict[str, list[float]]:
    """Return quantiles of tumor-mean PD-L1, and mean and standard deviation of ln antigenicity, of a tumor type."""
    patients = draw_patients(tumor, knowledge, draws, seed=seed, address=f"scales-{tumor}", biomarkers=False)
    antigenicity = antigenicity_of(patients.values, patients.names)
    level = np.quantile(tumor_pdl1(patients.state), QUANTILES)
    return {
        "pdl1_quantiles": [float(f"{x:.4g}") for x in level],
        "ln_antigenicity": [round(float(antigenicity.mean()), 4), round(float(antigenicity.std()), 4)],
    }


def main() -> None:
    """Build both files and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dry-run", action="store_true", help="print the comparison and write nothing")
    options = parser.parse_args()
    knowledge = load_knowledge()
    twins: dict[tuple[str, bool | None], Twin] = {}

    def twin_of(tumor: str, braf: bool | None) -> Twin:
        if (tumor, braf) not in twins:
            twins[tumor, braf] = population(tumor, knowledge, options.draws, options.seed, braf)
        return twins[tumor, braf]

    infiltration = []
    for tumor in knowledge.tumors:
        twin = twin_of(tumor, None)
        cells = patient_mean(twin.state)
        total = np.asarray(cells.cd8_progenitor + cells.cd8_effector + cells.cd8_terminal)
        infiltration.append((np.log(np.maximum(total, 1e-9)), twin.weights))
    values = np.concatenate([v for v, _ in infiltration])
    weights = np.concatenate([w / len(infiltration) for _, w in infiltration])
    mean = float(np.sum(weights * values))
    sd = float(np.sqrt(np.sum(weights * (values - mean) ** 2)))
    print(f"ln CD8 infiltration {mean:.3f} +- {sd:.3f}")

    # All arms of a population in one call fill the cores.
    chosen: dict[tuple[str, bool | None], list[tuple[Trial, Arm, Treatment]]] = {}
    for trial in knowledge.trials.values():
        for arm in trial.arm:
            if not in_scope(trial, arm):
                continue
            try:
                treatment = prepare(parse_regimen(str(arm.regimen), knowledge), knowledge)
            except NexusError as error:
                print(f"left out: {trial.name} {arm.name}: {error}")
                continue
            who = str(arm.tumor or trial.tumor), True if "BRAF V600" in trial.selection else None
            chosen.setdefault(who, []).append((trial, arm, treatment))
    arms = []
    for who, group in chosen.items():
        twin = twin_of(*who)
        data = simulate(twin, [treatment for _, _, treatment in group], keep=("tumor_volume",))
        for i, (trial, arm, treatment) in enumerate(group):
            result = recist(data["lesion_volume"].isel(regimen=i).values, data["time"].values)
            simulated = 100.0 * float(np.sum(twin.weights[result.objective]))
            arms.append(
                {
                    "trial": trial.id, "trial_name": trial.name, "arm": arm.name, "tumor": who[0],
                    "classes": sorted(classes_of(treatment.drugs, knowledge)), "regimen": treatment.text,
                    "orr_published": arm.outcome.orr, "orr_simulated": round(simulated, 1), "n": arm.n,
                }
            )  # fmt: skip
            told = f"{trial.name:22s} {who[0]:11s} {arm.name[:28]:28s}"
            print(f"{told} published {arm.outcome.orr:5.1f} model {simulated:5.1f}", flush=True)
    error = np.abs([a["orr_simulated"] - a["orr_published"] for a in arms])
    print(f"{len(arms)} arms: mean absolute error {error.mean():.1f} points, median {np.median(error):.1f}")
    if options.dry_run:
        return
    provenance = {"draws": options.draws, "seed": options.seed, "knowledge_digest": knowledge.digest}
    (DATA / "calibration.json").write_text(json.dumps({**provenance, "arms": arms}, indent=1) + "\n", "utf-8")
    reference = {**provenance, "ln_cd8_infiltration_mean": round(mean, 4), "ln_cd8_infiltration_sd": round(sd, 4)}
    reference["tumors"] = {t: scales(t, knowledge, 4 * options.draws, options.seed) for t in knowledge.tumors}
    (DATA / "reference_population.json").write_text(json.dumps(reference, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
