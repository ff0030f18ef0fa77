"""Rank regimens by what the twin does under them, and say for each why it is there and what speaks against it.

Order: regimens whose parts have been compared with trials come first, mechanistic hypotheses after them; within each
group by a score with stated weights. The Pareto front over benefit, toxicity and cost is marked, so that a reader with
other weights can choose differently.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import pandas as pd
import xarray as xr

from tumornexus.design.candidates import Candidate, backbone_drug
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Arm, Trial
from tumornexus.systemic.ensemble import simulate
from tumornexus.systemic.treatment import prepare, untreated
from tumornexus.systemic.twin import Twin
from tumornexus.trial.recist import recist
from tumornexus.trial.statistics import median_pfs
from tumornexus.trial.toxicity import grade3_percent, grade3_percent_simulated

TIERS = ("trial-calibrated", "class-extrapolated", "mechanistic hypothesis")
# One point of response weighs as much as two points of two-year control or three points of grade >= 3 toxicity; one
# cost
# tier costs two points of response. Assumed: no published trade-off covers all four; see `pareto`.
WEIGHTS = {"response": 1.0, "durable": 0.5, "ae3": -0.33, "cost": -0.02}
CLOSE_POINTS = 10.0  # a trial arm counts as reproduced when simulated and published response differ by at most this


@dataclass(frozen=True)
class Ranking:
    """`table`: one row a regimen, best first (columns of ranking.tsv plus `origin`, `pareto`); `trajectories` likewise,
    then the natural course (regimen "untreated"), which is not ranked."""

    table: pd.DataFrame
    trajectories: xr.Dataset


@dataclass(frozen=True)
class Compared:
    """One fitted trial arm beside the model: response in percent, patients, therapy classes."""

    trial: str
    tumor: str
    classes: frozenset[str]
    published: float
    simulated: float
    n: int

    @property
    def close(self) -> bool:
        """Whether the model reproduces the arm within `CLOSE_POINTS` points."""
        return abs(self.published - self.simulated) <= CLOSE_POINTS


@functools.cache
def calibration_table() -> tuple[Compared, ...]:
    """Return the fitted arms with which the model was compared (written by ``scripts/build_population.py``)."""
    text = resources.files("tumornexus.systemic").joinpath("data/calibration.json").read_text("utf-8")
    return tuple(
        Compared(
            a["trial_name"], a["tumor"], frozenset(a["classes"]), a["orr_published"], a["orr_simulated"], a["n"] or 50
        )
        for a in json.loads(text)["arms"]
    )


def logit(percent: float) -> float:
    """Return the log odds of a percentage, kept between 1 and 99."""
    p = min(max(percent, 1.0), 99.0) / 100.0
    return float(np.log(p / (1.0 - p)))


def logit_error(arms: Sequence[Compared]) -> float:
    """Return the root mean square difference between model and trials in log odds of response; 1 where none is
    given."""
    return float(np.sqrt(np.mean([(logit(a.simulated) - logit(a.published)) ** 2 for a in arms]))) if arms else 1.0


def response_interval(share: float, n_effective: float, error: float) -> tuple[float, float]:
    """Return the 90 % interval of a response probability: finite ensemble (Wilson) and model error, added in log
    odds."""
    low, high = wilson(share, n_effective)
    if not np.isfinite(error):
        return low, high
    middle = logit(100.0 * share)
    down = np.hypot(middle - logit(100.0 * low), 1.645 * error)
    up = np.hypot(logit(100.0 * high) - middle, 1.645 * error)
    bottom, top = 1.0 / (1.0 + np.exp(down - middle)), 1.0 / (1.0 + np.exp(-up - middle))
    return float(min(share, bottom)), float(max(share, top))


def classes_of(drugs: Sequence[str], knowledge: Knowledge) -> frozenset[str]:
    """Return therapy classes of a set of drugs, PD-1 and PD-L1 antibodies as one class."""
    classes = {t for d in drugs for t in knowledge.drugs[d].therapy}
    return frozenset("pd1_axis" if c in ("anti_pd1", "anti_pdl1") else c for c in classes)


@dataclass(frozen=True)
class Tier:
    """Tier of a regimen, the sentence behind it, and the model's error on the logit scale for its interval."""

    name: str
    support: str
    error: float


def tier_of(drugs: Sequence[str], tumor: str, knowledge: Knowledge) -> Tier:
    """Return the tier of a combination in a tumor type.

    Trial-calibrated: over all compared arms with these classes in this cancer, weighted by patients, the model's
    response
    is within `CLOSE_POINTS` points of the published one. Class-extrapolated: no such arm, but each class is part of
    some
    arm that the model reproduces; a cell product only of one in this cancer, because its target antigen does not carry
    over. Otherwise, and where the model misses its own trials, a mechanistic hypothesis. The support names every arm.
    """
    classes = classes_of(drugs, knowledge)
    bound = {t for t, record in knowledge.therapies.items() if record.modality == "cell therapy"}
    reproduced: set[str] = set()
    own: list[Compared] = []
    for arm in calibration_table():
        if arm.classes == classes and arm.tumor == tumor:
            own.append(arm)
        if arm.close:
            reproduced |= arm.classes if arm.tumor == tumor else arm.classes - bound
    everywhere = calibration_table()
    if own:
        weights = np.array([a.n for a in own], dtype=float)
        published = float(np.average([a.published for a in own], weights=weights))
        simulated = float(np.average([a.simulated for a in own], weights=weights))
        arms = ", ".join(f"{a.trial} {a.published:.0f}" for a in own)
        told = f"response in trials {published:.0f} % ({arms}), model {simulated:.0f} %"
        if abs(published - simulated) <= CLOSE_POINTS:
            return Tier(TIERS[0], told, logit_error([a for a in everywhere if a.close]))
        return Tier(TIERS[2], "compared and missed: " + told, float("nan"))
    if classes <= reproduced:
        return Tier(TIERS[1], "its classes are compared with trials in other settings", logit_error(everywhere))
    return Tier(TIERS[2], "not every class in it has been compared with a trial", float("nan"))


def _matches(arm: Arm, drugs: frozenset[str], knowledge: Knowledge) -> bool:
    known = [d for d in arm.drugs if d in knowledge.drugs]
    return len(known) == len(arm.drugs) > 0 and classes_of(known, knowledge) == classes_of(tuple(drugs), knowledge)


@dataclass(frozen=True)
class ClinicalEvidence:
    """What trials of the same classes found: in words, what speaks against, and whether a randomized trial refuted
    it."""

    words: str
    against: tuple[str, ...]
    refuted: bool


def evidence_for(drugs: Sequence[str], tumor: str, knowledge: Knowledge) -> ClinicalEvidence:
    """Return clinical evidence of a combination; `refuted` when a randomized trial of it in this cancer was
    negative."""
    key = frozenset(drugs)
    here: list[str] = []
    elsewhere: list[str] = []
    against_here: list[str] = []
    against_elsewhere: list[str] = []
    refuted = False
    for trial in knowledge.trials.values():
        for arm in trial.arm:
            if arm.control or not _matches(arm, key, knowledge):
                continue
            local = (arm.tumor or trial.tumor) == tumor
            (here if local else elsewhere).append(_told(trial, arm))
            if trial.negative:
                told = f"{trial.name} ({trial.disease}, {trial.selection or 'unselected'}) failed"
                (against_here if local else against_elsewhere).append(told)
                refuted |= local and trial.randomized and trial.endpoint == "RECIST"
    words = "; ".join(dict.fromkeys(here[:2])) or (
        "elsewhere: " + "; ".join(dict.fromkeys(elsewhere[:2])) if elsewhere else ""
    )
    return ClinicalEvidence(
        words=words or "no trial of this combination in the catalogue",
        against=tuple(dict.fromkeys((*against_here, *(against_elsewhere[:2] if len(key) > 1 else ())))),
        refuted=refuted,
    )


def _told(trial: Trial, arm: Arm) -> str:
    parts = []
    if arm.outcome.orr is not None:
        parts.append(f"response {arm.outcome.orr:g} %")
    if arm.outcome.pfs_hr is not None and not arm.control:
        parts.append(f"PFS hazard ratio {arm.outcome.pfs_hr:g}")
    return f"{trial.name}{' (randomized)' if trial.randomized else ''}" + (": " + ", ".join(parts) if parts else "")


def _class_conflicts(drugs: Sequence[str], knowledge: Knowledge) -> list[str]:
    """Name, for each added class, the negative trials that the catalogue holds against it (the backbone is left
    out)."""
    told = []
    for drug in drugs:
        for therapy in knowledge.drugs[drug].therapy:
            record = knowledge.therapies[therapy]
            if therapy in ("anti_pd1", "anti_pdl1") and len(drugs) > 1:
                continue
            negative = {
                f"{knowledge.trials[t].name} ({knowledge.trials[t].disease}, {knowledge.trials[t].line})": None
                for conflict in record.claim_conflict
                for t in conflict.trials
                if t in knowledge.trials and knowledge.trials[t].negative
            }
            if negative and len(drugs) > 1:
                told.append(f"{record.name}: negative in {', '.join(negative)}")
    return list(dict.fromkeys(told))


def wilson(successes: float, n_effective: float) -> tuple[float, float]:
    """Return the 90 % Wilson interval of a proportion from an effective number of draws."""
    z, p = 1.645, successes
    middle = (p + z * z / (2 * n_effective)) / (1 + z * z / n_effective)
    half = z / (1 + z * z / n_effective) * np.sqrt(p * (1 - p) / n_effective + z * z / (4 * n_effective**2))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def is_backbone(candidate: Candidate, tumor: str, knowledge: Knowledge) -> bool:
    """Return whether a candidate is the PD-1 or PD-L1 backbone of this tumor type given alone, whichever antibody."""
    backbone = backbone_drug(knowledge, knowledge.tumors[tumor])
    drugs = candidate.regimen.drugs
    return len(drugs) == 1 and knowledge.drugs[drugs[0]].therapy == backbone.therapy


def rank_combinations(
    twin: Twin,
    knowledge: Knowledge,
    candidates: Sequence[Candidate],
    nodes: pd.DataFrame,
    *,
    progress: Callable[[int], None] | None = None,
) -> Ranking:
    """Simulate every candidate on the twin for two years and rank them.

    Response is the weighted share of draws with RECIST CR or PR; its interval holds the finite ensemble and the model's
    error on compared trials. Hypotheses
    carry no probability (empty cells) but a reason that names the simulated direction against the backbone. `ae3` is
    the simulated percent of patients with a grade >= 3 event within the toxicity window (180 days).
    """
    treatments = [prepare(c.regimen, knowledge) for c in candidates]
    data = simulate(twin, [*treatments, untreated(knowledge)], progress=progress)
    volume, days = data["tumor_volume"].values, data["time"].values
    lesions = data["lesion_volume"].values
    hazard, event_day = data["toxicity_hazard"].values, data["toxicity_event_day"].values
    window = knowledge.parameters["toxicity_window"].value
    weights, n_eff = twin.weights, twin.n_effective
    backbone = next((i for i, c in enumerate(candidates) if is_backbone(c, twin.tumor, knowledge)), 0)
    log_end = np.log(np.maximum(np.nan_to_num(volume[:, :, -1], nan=np.inf), 0.01))
    effect = {(r.mechanism, r.partner): r.effect for r in nodes.itertuples()}
    rows = []
    for i, candidate in enumerate(candidates):
        drugs = candidate.regimen.drugs
        result = recist(lesions[i], days)
        response = float(np.sum(weights[result.objective]))
        durable = float(np.sum(weights[~result.progressed]))
        tier = tier_of(drugs, twin.tumor, knowledge)
        low, high = response_interval(response, n_eff, tier.error)
        evidence = evidence_for(drugs, twin.tumor, knowledge)
        against = dict.fromkeys((*evidence.against, *_class_conflicts(drugs, knowledge)))
        # Simulated rather than recorded: the simulation starts from the recorded rates (single drugs in melanoma
        # agree to 3 points), knows dose and schedule besides (nivolumab with ipilimumab 3 or 1 mg/kg: 48 and 42 %; 48
        # and 34 % in CheckMate-511; the recorded rates give 55 % for both), and is what pauses drugs.
        ae3 = grade3_percent_simulated(hazard[i], event_day[i], days, weights, window)
        recorded, _, _ = grade3_percent(drugs, knowledge)
        cost = max(knowledge.drugs[d].cost_tier for d in drugs)
        smaller = float(np.sum(weights[log_end[i] < log_end[backbone] - 0.05]))
        larger = float(np.sum(weights[log_end[i] > log_end[backbone] + 0.05]))
        rows.append(
            {
                "regimen": candidate.regimen.text,
                "tier": tier.name,
                "response": response,
                "response_low": low,
                "response_high": high,
                "pfs_months": median_pfs(result, weights),
                "ae3": ae3,
                "cost_tier": cost,
                "evidence": f"{evidence.words}. {tier.support[0].upper()}{tier.support[1:]}.",
                "reason": _reason(candidate, knowledge, effect, smaller, larger, i == backbone),
                "against": "; ".join((*against, _toxicity_words(ae3, recorded, cost))),
                "refuted": evidence.refuted,
                "origin": candidate.origin,
                "durable": durable,
                "score": WEIGHTS["response"] * response
                + WEIGHTS["durable"] * durable
                + WEIGHTS["ae3"] * ae3 / 100.0
                + WEIGHTS["cost"] * cost,
            }
        )
    table = pd.DataFrame(rows)
    table["pareto"] = _pareto(table)
    order = table.assign(group=(table["tier"] == TIERS[2]).astype(int)).sort_values(
        ["group", "score", "regimen"], ascending=[True, False, True], kind="stable"
    )
    index = order.index.to_numpy()
    table = table.loc[index].reset_index(drop=True)
    hypothesis = table["tier"] == TIERS[2]
    table.loc[hypothesis, ["response", "response_low", "response_high", "pfs_months", "durable"]] = np.nan
    return Ranking(table=table, trajectories=data.isel(regimen=[*index, len(candidates)]))


def _toxicity_words(ae3: float, recorded: float, cost: int) -> str:
    return (
        f"grade 3 or higher events in about {ae3:.0f} % (recorded rates of its drugs give {recorded:.0f} %), "
        f"cost tier {cost} of 4"
    )


def _reason(
    candidate: Candidate,
    knowledge: Knowledge,
    effect: Mapping[tuple[str, str], float],
    smaller: float,
    larger: float,
    is_backbone: bool,
) -> str:
    """Say in one sentence why a regimen is listed and what the simulation does with it."""
    if candidate.nodes:
        names = [knowledge.mechanisms[m].name for m in candidate.nodes]
        steps = sorted(
            {
                s
                for d in candidate.regimen.drugs
                for t in knowledge.drugs[d].therapy
                for s in knowledge.therapies[t].cycle_steps
            }
        )
        share = [
            f"{name} (tumor volume x {np.exp(effect.get((m, ''), 0.0)):.2f} at one year when reversed)"
            for m, name in zip(candidate.nodes, names, strict=True)
        ]
        why = "Acts on " + " and ".join(share) + f"; covers cycle steps {', '.join(map(str, steps))}"
    else:
        why = {
            "standard of care": "Standard of care of this cancer",
            "backbone": "Checkpoint backbone for comparison",
            "CAR-T backbone": "Independent of MHC class I and mutation load",
            "requested": "Requested",
        }.get(candidate.origin, candidate.origin.capitalize())
    if is_backbone:
        return why + "; the reference of the comparisons."
    if smaller > larger + 0.1:
        return f"{why}; smaller tumor than the backbone in {100 * smaller:.0f} % of draws at two years."
    if larger > smaller + 0.1:
        return f"{why}; larger tumor than the backbone in {100 * larger:.0f} % of draws at two years."
    return f"{why}; little difference from the backbone at two years."


def _pareto(table: pd.DataFrame) -> np.ndarray:
    """Return True where no other regimen is at least as good in response, durability, toxicity and cost and better in
    one."""
    points = np.column_stack([table["response"], table["durable"], -table["ae3"], -table["cost_tier"]]).astype(float)
    at_least = (points[:, None, :] <= points[None, :, :]).all(axis=2)
    better = (points[:, None, :] < points[None, :, :]).any(axis=2)
    return ~(at_least & better).any(axis=1)
