"""The main line, from files to a finished analysis. Read this first.

    patient files -> Patient -> Profile -> Twin -> Trajectories -> dominant nodes -> ranked combinations -> report

Every step is one public function; this page only connects them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tumornexus.design import Ranking, propose, rank_combinations, reverse_nodes
from tumornexus.design.candidates import backbone_drug
from tumornexus.design.measure_next import measure_next
from tumornexus.design.ranking import TIERS, response_interval, tier_of
from tumornexus.io import read_patient
from tumornexus.io.patient import Patient
from tumornexus.io.write import write_results
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.overrides import check_overrides
from tumornexus.knowledge.regimen import Regimen, parse_regimen
from tumornexus.profile import Profile, profile_patient
from tumornexus.profile.profile import activities_table, intervals_table, profile_record, summary_table
from tumornexus.profile.readable import require_readable
from tumornexus.provenance import added_records, manifest
from tumornexus.report import render_report
from tumornexus.serial_pipeline import CANDIDATES, SerialSummary, given_regimen, has_course, update
from tumornexus.systemic import Facts, Twin, parameterize, prepare, simulate
from tumornexus.systemic.twin import CANDIDATES_PER_DRAW
from tumornexus.trial.recist import recist
from tumornexus.trial.statistics import median_pfs, weighted_quantile

DRAWS = 64
TARGET_LESIONS = 3  # where only the sum is known; RECIST allows five, most trial patients have two to four. Assumed
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class TwinSummary:
    """What the report says about the twin: draws, effective draws, failures, burden in mL, notes."""

    n_draws: int
    n_effective: float
    n_candidates: int
    n_failed: int
    n_controlled: int
    burden_ml: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RunResult:
    """Everything one run found; the report, the terminal summary and the files all read this."""

    profile: Profile
    twin: TwinSummary
    trajectories: xr.Dataset
    outcomes: pd.DataFrame
    nodes: pd.DataFrame
    ranking: pd.DataFrame
    measure_next: pd.DataFrame
    manifest: dict[str, Any]
    serial: SerialSummary | None = None


def silent(_label: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Return a progress bar that shows nothing."""
    return nullcontext(lambda _done: None)


def patient_size(patient: Patient) -> dict[str, float]:
    """Return body size for dosing where it is known (kg, m2); otherwise the defaults of `parse_regimen` apply."""
    size = {"weight_kg": patient.clinical.get("weight_kg"), "bsa_m2": patient.clinical.get("bsa_m2")}
    return {k: float(v) for k, v in size.items() if isinstance(v, (int, float))}


def facts_of(profile: Profile) -> Facts:
    """Return what the twin must match besides mechanisms: infiltration, burden and the BRAF driver.

    Burden is that of as many equal spheres as there are target lesions (`lesion_count`, else `TARGET_LESIONS`) with the
    measured sum of diameters; the driver counts as absent when
    the tumor was sequenced and no V600 variant found.
    """
    clinical = profile.patient.clinical
    diameter = clinical.get("lesion_sum_mm")
    stated = clinical.get("tumor_volume_ml")
    burden = float(stated) if isinstance(stated, (int, float)) else None
    if burden is None and isinstance(diameter, (int, float)) and diameter > 0:
        count = clinical.get("lesion_count")
        n = int(count) if isinstance(count, (int, float)) and count >= 1 else TARGET_LESIONS
        burden = float(n * np.pi / 6.0 * (float(diameter) / n) ** 3 / 1000.0)
    return Facts(inflamed_z=profile.inflamed_score, burden_ml=burden, braf_v600=braf_v600(profile.patient))


def braf_v600(patient: Patient) -> bool | None:
    """Return whether the tumor carries BRAF V600, None when neither sequenced nor stated."""
    stated = patient.clinical.get("braf_v600")
    if isinstance(stated, bool):
        return stated
    if patient.mutations is None or patient.mutations.empty:
        return None
    changes = patient.mutations.loc[patient.mutations["gene"] == "BRAF", "protein_change"].astype(str)
    return bool(changes.str.contains("V600").any())


def twin_of(
    profile: Profile,
    knowledge: Knowledge,
    *,
    overrides: Mapping[str, float] | None = None,
    n_draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> Twin:
    """Return the virtual patient of a profile."""
    with progress("growing the virtual tumor", n_draws * CANDIDATES_PER_DRAW) as tick:
        return parameterize(
            profile.activities, knowledge, facts=facts_of(profile), overrides=overrides, n_draws=n_draws, seed=seed,
            progress=tick,
        )  # fmt: skip


def twin_response(twin: Twin, regimen: Regimen, knowledge: Knowledge) -> tuple[float, float, float]:
    """Return probability of objective response under a regimen and its 90 % interval over the ensemble."""
    data = simulate(twin, [prepare(regimen, knowledge)])
    result = recist(data["lesion_volume"].isel(regimen=0).values, data["time"].values)
    share = float(np.sum(twin.weights[result.objective]))
    tier = tier_of(regimen.drugs, twin.tumor, knowledge)
    return (share, *response_interval(share, twin.n_effective, tier.error))


def outcome_table(trajectories: xr.Dataset, hypotheses: set[str]) -> pd.DataFrame:
    """Return RECIST outcomes per regimen: shares of best response, PFS and best change of diameter (percent).

    `hypotheses` are regimens that carry no probability: their cells stay empty.
    """
    weights, days = trajectories["weight"].values, trajectories["time"].values
    rows = []
    for i, regimen in enumerate(trajectories["regimen"].values):
        result = recist(trajectories["lesion_volume"].isel(regimen=i).values, days)
        share = [float(np.sum(weights[result.best == k])) for k in range(4)]
        if regimen in hypotheses:
            rows.append((regimen, *(float("nan"),) * 8))
            continue
        change = weighted_quantile(result.change_percent, weights, (0.05, 0.5, 0.95))
        rows.append((regimen, *share, median_pfs(result, weights), *map(float, change)))
    columns = [
        "regimen",
        "cr",
        "pr",
        "sd",
        "pd",
        "pfs_months",
        "best_change_low",
        "best_change_median",
        "best_change_high",
    ]
    return pd.DataFrame(rows, columns=columns)


def analyze(
    profile: Profile,
    knowledge: Knowledge,
    *,
    regimens: Sequence[str] = (),
    overrides: Mapping[str, float] | None = None,
    n_draws: int = DRAWS,
    seed: int = 0,
    call: Sequence[str] = (),
    records: Path | None = None,
    progress: Progress = silent,
) -> RunResult:
    """Take a profile through twin, nodes and ranking.

    `records` is the folder of further records that `knowledge` was read with, for the manifest.
    """
    tumor = knowledge.tumors[profile.tumor]
    size = patient_size(profile.patient)
    requested = [parse_regimen(text, knowledge, **size) for text in regimens]
    serial, course = None, has_course(profile.patient)
    # Readings leave few of the draws, so more of them are grown, and as many as usual taken on.
    drawn = max(CANDIDATES, n_draws) if course else n_draws
    twin = twin_of(profile, knowledge, overrides=overrides, n_draws=drawn, seed=seed, progress=progress)
    if course:
        twin, serial = update(twin, profile.patient, knowledge, n_draws=n_draws, seed=seed)
    backbone = prepare(parse_regimen(backbone_drug(knowledge, tumor).usual, knowledge, **size), knowledge)
    with progress("reversing mechanisms", 0) as tick:
        nodes = reverse_nodes(twin, knowledge, backbone, progress=tick)
    clinical = dict(profile.patient.clinical)
    driver = braf_v600(profile.patient)
    if driver is not None:
        clinical["braf_v600"] = driver
    candidates = propose(nodes, knowledge, tumor, clinical, requested=requested, patient=size)
    with progress("simulating combinations", len(candidates) * twin.n_draws) as tick:
        ranking: Ranking = rank_combinations(twin, knowledge, candidates, nodes, progress=tick)
    burden = float(weighted_quantile(ranking.trajectories["tumor_volume"].values[0, :, 0], twin.weights, 0.5)[0])
    return RunResult(
        profile=profile,
        twin=TwinSummary(
            n_draws, twin.n_effective, twin.n_candidates, twin.n_failed, twin.n_controlled, burden, twin.notes
        ),
        trajectories=ranking.trajectories,
        outcomes=outcome_table(
            ranking.trajectories, set(ranking.table.loc[ranking.table["tier"] == TIERS[2], "regimen"])
        ),
        nodes=nodes,
        ranking=ranking.table,
        measure_next=measure_next(profile, knowledge, twin, ranking.table, ranking.trajectories, seed),
        manifest=manifest(
            call,
            seed,
            knowledge.digest,
            sample=profile.sample,
            draws=n_draws,
            **added_records(records, knowledge.added),
        ),
        serial=serial,
    )


def run(
    path: Path | str,
    *,
    sample: str | None = None,
    out: Path | str | None = None,
    regimens: Sequence[str] = (),
    overrides: Mapping[str, float] | None = None,
    n_draws: int = DRAWS,
    seed: int = 0,
    call: Sequence[str] = (),
    records: Path | None = None,
    progress: Progress = silent,
) -> RunResult:
    """Take one patient from files to a report.

    Args:
        path: patient folder, or cohort folder with `sample`.
        out: folder for the results; None writes nothing.
        regimens: further regimens to simulate and rank.
        overrides: model parameters set to one value in all draws, by id, in the parameter's unit.
        records: folder of further records, added to the catalogue (``--knowledge DIR``).

    Raises:
        InputError, RegimenError, KnowledgeFormError, KnowledgeMeaningError: what is wrong with the input, before
            anything is written.
    """
    knowledge = load_knowledge(extra=records)
    require_readable(knowledge)
    check_overrides(overrides or {}, knowledge)
    patient = read_patient(path, sample, knowledge)
    given = (given_regimen(patient),) if has_course(patient) else ()
    for text in (*given, *regimens):
        prepare(parse_regimen(text, knowledge), knowledge)
    profile = profile_patient(patient, knowledge)
    result = analyze(
        profile,
        knowledge,
        regimens=regimens,
        overrides=overrides,
        n_draws=n_draws,
        seed=seed,
        call=call or ("run", str(path)),
        records=records,
        progress=progress,
    )
    if out is not None:
        write_run(result, knowledge, Path(out))
    return result


def twin_columns(result: RunResult, knowledge: Knowledge) -> tuple[float, float, float]:
    """Return the simulated response to the first requested regimen, else to the PD-1 backbone alone; NaN where the tier
    allows no probability."""
    table = result.ranking
    rows = table[table["origin"] == "requested"]
    if not len(rows):
        therapy = backbone_drug(knowledge, knowledge.tumors[result.profile.tumor]).therapy
        alone = [
            len(drugs) == 1 and knowledge.drugs[drugs[0]].therapy == therapy
            for drugs in (parse_regimen(text, knowledge).drugs for text in table["regimen"])
        ]
        rows = table[alone]
    if not len(rows):
        return (float("nan"),) * 3
    first = rows.iloc[0]
    return float(first["response"]), float(first["response_low"]), float(first["response_high"])


def write_run(result: RunResult, knowledge: Knowledge, out: Path) -> None:
    """Write all files of a run, all or none: tables, profile.json, report.html, manifest.json."""
    import tempfile

    from tumornexus.profile.reference import load_reference

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        render_report(result, knowledge, page)
        html = page.read_text("utf-8")
    summary = summary_table([result.profile])
    for name, value in zip(("score", "low", "high"), twin_columns(result, knowledge), strict=True):
        summary[f"twin_response_{name}"] = value
    write_results(
        out,
        {
            "activities.tsv": activities_table([result.profile]),
            "intervals.tsv": intervals_table([result.profile]),
            "summary.tsv": summary,
            "profile.json": {
                "reference": load_reference().provenance,
                "samples": {result.profile.sample: profile_record(result.profile)},
            },
            "nodes.tsv": result.nodes,
            "ranking.tsv": result.ranking.drop(columns=["score"]),
            "measure_next.tsv": result.measure_next,
            "outcomes.tsv": result.outcomes,
            "trajectories.tsv": trajectory_table(result.trajectories),
            "report.html": html,
            **({"serial.tsv": serial_table(result.serial)} if result.serial else {}),
            "manifest.json": {**result.manifest, "reference_digest": load_reference().digest},
        },
    )


def serial_table(serial: SerialSummary) -> pd.DataFrame:
    """Return readings and forecast of the sum of target diameters (mm) by day."""
    return serial.readings.merge(serial.forecast, on="day", how="outer").sort_values("day")


def trajectory_table(trajectories: xr.Dataset) -> pd.DataFrame:
    """Return weighted quantiles of tumor volume (mL) per regimen and day."""
    weights = trajectories["weight"].values
    rows = []
    for i, regimen in enumerate(trajectories["regimen"].values):
        volume = trajectories["tumor_volume"].isel(regimen=i).values
        for j, day in enumerate(trajectories["time"].values):
            good = np.isfinite(volume[:, j])
            if not good.any():
                rows.append((regimen, int(day), *(float("nan"),) * 3))
                continue
            low, middle, high = weighted_quantile(volume[good, j], weights[good], (0.05, 0.5, 0.95))
            rows.append((regimen, int(day), float(low), float(middle), float(high)))
    return pd.DataFrame(rows, columns=["regimen", "day", "volume_ml_low", "volume_ml_median", "volume_ml_high"])
