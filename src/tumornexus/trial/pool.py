"""The pool that calibration learns from: virtual patients of every fitted cohort, each with its own draw of the prior.

All arms that share tumor type and criteria share patients, and every regimen is simulated once for them, so that the
pool serves all trials at once. Held-out trials never enter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.criteria import Criteria
from tumornexus.knowledge.records import Arm as PublishedArm
from tumornexus.knowledge.records import Trial
from tumornexus.trial.calibration import Calibration
from tumornexus.trial.design import Arm, Scans, TrialDesign, out_of_scope, published_design
from tumornexus.trial.simulate import BLOCK, SIZE, Task


@dataclass(frozen=True)
class FittedArm:
    """A published arm and where the pool holds it: cohort and regimen."""

    trial: Trial
    arm: PublishedArm
    cohort: str
    regimen: str


def require_fit(trial: Trial) -> None:
    """Refuse a held-out trial.

    Raises:
        InputError: calibration must not see it.
    """
    if trial.use != "fit":
        raise InputError("calibration must not see a held-out trial", field="use", value=trial.id, valid="fit")


def arms_of(knowledge: Knowledge, use: str = "fit") -> tuple[tuple[FittedArm, ...], dict[str, TrialDesign]]:
    """Return the published arms that the model covers, and the design of every cohort they come from."""
    keys: dict[tuple[str, Criteria], str] = {}
    regimens: dict[str, list[str]] = {}
    found = []
    for trial in knowledge.trials.values():
        if trial.use != use or out_of_scope(trial) is not None:
            continue
        design = published_design(trial, knowledge)
        for arm in design.arm:
            published = next(a for a in trial.arm if a.name == arm.name)
            key = design.tumor_of(arm), design.criteria_of(arm)
            cohort = keys.setdefault(key, f"{key[0]}-{len(keys)}")
            assert arm.regimen is not None
            if arm.regimen not in regimens.setdefault(cohort, []):
                regimens[cohort].append(arm.regimen)
            found.append(FittedArm(trial, published, cohort, arm.regimen))
    designs = {
        cohort: TrialDesign(
            id=cohort, name=cohort, tumor=tumor, selection=criteria, scans=Scans(every_weeks=8, confirm=True),
            arm=tuple(Arm(name=text, regimen=text) for text in regimens[cohort]),
        )
        for (tumor, criteria), cohort in keys.items()
    }  # fmt: skip
    return tuple(found), designs


def pool_tasks(
    designs: dict[str, TrialDesign], prior: Calibration, partitions: int, seed: int
) -> Iterator[tuple[str, Task]]:
    """Yield the partitions of the pool, the first of every cohort before the second of any.

    Every drawn patient has a draw of the prior of its own.
    """
    for number in range(partitions):
        for i, (cohort, design) in enumerate(designs.items()):
            # Cohorts of one tumor type share their draws of patients, and so of the prior: different seeds give each
            # its own, and their chance deviations do not add up over cohorts.
            task = Task(design, number, SIZE, seed + i, prior, per_draw=1, volumes=True)
            yield f"{cohort}-{number:03d}", task


def draws_needed(partitions: int) -> int:
    """Return how many draws of the prior a pool uses."""
    return partitions * BLOCK
