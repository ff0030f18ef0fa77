"""iRECIST: progression that a later scan must confirm, and responses after an unconfirmed one.

Rules after Seymour et al. 2017, Lancet Oncol 18:e143 (table 2 read at PMC5648544, and the answers of the RECIST working
group at recist.eortc.org/irecist): what RECIST 1.1 calls progression is unconfirmed (iUPD). A scan at least 4 weeks
later confirms it (iCPD) by

    a sum of targets at least 5 mm above that of the iUPD,
    new lesions larger by at least 5 mm in their sum, or more of them,
    further growth of a non-target that was the reason, or
    progression in a category that had none at the iUPD;

increases over several scans add up. A scan that shows none of the reasons resets it: a later progression is again
unconfirmed. Otherwise it stays iUPD. The guideline asks for the confirming scan 4 to 8 weeks after the iUPD; here it is
the next one of the plan, as in trials that report iRECIST beside RECIST.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tumornexus.trial.recist import Found, confirmed, find, stable_disease
from tumornexus.trial.scans import MEASURABLE_MM, Scans

IBEST = ("iCR", "iPR", "iSD", "iUPD", "iCPD", "NE")
ICR, IPR, ISD, IUPD, ICPD, INE = range(6)
CONFIRM_AFTER_DAYS = 26  # 4 weeks, with the 2 days of tolerance that the working group recommends
# Seymour 2017 asks for 5 mm of targets and new lesions; of non-targets for any increase. A reader cannot tell an
# increase below 5 mm from error, so the same limit is assumed for them.
FURTHER_MM = 5.0


@dataclass(frozen=True)
class ImmuneAssessment:
    """iRECIST of each member, (member,) each.

    Attributes:
        best: index into `IBEST`.
        progression_day: day of the unconfirmed progression that was confirmed later or was never taken back, infinite
            without one.
        confirmed_day: day of the scan that confirmed it (iCPD), infinite without.
        pseudo: whether a progression by RECIST 1.1 was taken back by a later scan (pseudo-progression).
    """

    best: np.ndarray
    progression_day: np.ndarray
    confirmed_day: np.ndarray
    pseudo: np.ndarray


@dataclass
class _Open:
    """Unconfirmed progressions that wait for a scan; values are those of the scan that showed them."""

    waits: np.ndarray  # (member,)
    day: np.ndarray  # (member,)
    reasons: np.ndarray  # (reason, member)
    sum_mm: np.ndarray  # (member,)
    new_mm: np.ndarray  # (member,)
    new: np.ndarray  # (member,) number of new lesions
    lesion_mm: np.ndarray  # (member, lesion)

    def take(self, who: np.ndarray, day: np.ndarray, reasons: np.ndarray, sum_mm: np.ndarray, new_mm: np.ndarray,
             new: np.ndarray, lesion_mm: np.ndarray) -> None:  # fmt: skip
        self.waits |= who
        self.reasons[:, who] = reasons[:, who]
        own = (self.day, self.sum_mm, self.new_mm, self.new, self.lesion_mm)
        for kept, now in zip(own, (day, sum_mm, new_mm, new, lesion_mm), strict=True):
            kept[who] = now[who]

    def worse(self, day: np.ndarray, reasons: np.ndarray, sum_mm: np.ndarray, new_mm: np.ndarray, new: np.ndarray,
              lesion_mm: np.ndarray, other: np.ndarray) -> np.ndarray:  # fmt: skip
        """Return whose waiting progression a scan confirms; `other` (member, lesion) are the non-targets."""
        further_other = (other & (lesion_mm - self.lesion_mm >= FURTHER_MM)).any(axis=1)
        further = (
            (self.reasons[0] & (sum_mm - self.sum_mm >= FURTHER_MM))
            | (self.reasons[1] & ((new_mm - self.new_mm >= FURTHER_MM) | (new > self.new)))
            | (self.reasons[2] & further_other)
            | (reasons & ~self.reasons).any(axis=0)
        )
        return self.waits & further & (day - self.day >= CONFIRM_AFTER_DAYS)


def assess_immune(scans: Scans, until_day: np.ndarray | float = np.inf, found: Found | None = None) -> ImmuneAssessment:
    """Judge each member by iRECIST from the scans made up to `until_day` (member,), as `recist.assess` does.

    Everybody is scanned beyond an unconfirmed progression. A member that failed numerically keeps the progression of
    its first scan, unconfirmed. Responses need the confirmation that the plan asks for.
    """
    found = find(scans) if found is None else found
    days, plan, members = scans.days, scans.plan, len(scans.failed)
    made = days <= np.broadcast_to(np.asarray(until_day, dtype=float), members)[:, None]
    new_lesion = (scans.at_mm >= MEASURABLE_MM) & ~scans.seen[..., None]
    other, sums = scans.seen & ~scans.target, scans.sum_mm
    nothing = np.zeros(members)
    wait = _Open(np.zeros(members, bool), nothing.copy(), np.zeros((3, members), bool), nothing.copy(), nothing.copy(),
                 nothing.copy(), np.zeros(scans.base_mm.shape))  # fmt: skip
    pseudo, confirmed_day = np.zeros(members, bool), np.full(members, np.inf)
    counted = np.zeros_like(made)
    unconfirmed = np.zeros(members, bool)
    for k, day in enumerate(days.T):
        here = made[:, k] & np.isinf(confirmed_day) & ~(scans.failed & (k > 0))
        reasons, lesion_mm = found.by_reason[:, :, k], scans.at_mm[..., k]
        new_mm = np.where(new_lesion[..., k], lesion_mm, 0.0).sum(axis=1)
        now = (reasons, sums[:, k], new_mm, new_lesion[..., k].sum(axis=1).astype(float), lesion_mm)
        shown = here & reasons.any(axis=0)
        confirmed_day = np.where(shown & wait.worse(day, *now, other), day, confirmed_day)
        back = here & wait.waits & ~shown
        pseudo |= back
        wait.waits &= ~back
        wait.take(shown & ~wait.waits, day, *now)
        unconfirmed |= shown
        counted[:, k] = here & ~shown
    after = plan.confirm_after_days if plan.confirm else 0.0
    stable = stable_disease(scans, counted)
    best = np.select(
        [
            np.isfinite(confirmed(found.complete & counted, days, after)),
            np.isfinite(confirmed(found.response & counted, days, after)),
            stable,
            np.isfinite(confirmed_day),
            unconfirmed,
        ],
        [ICR, IPR, ISD, ICPD, IUPD],
        INE,
    )
    return ImmuneAssessment(best, np.where(wait.waits, wait.day, np.inf), confirmed_day, pseudo)
