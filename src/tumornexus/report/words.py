"""Numbers and names as a reader meets them, and the fixed words for strength of evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

DAYS_PER_MONTH = 365.25 / 12.0
NOT_AVAILABLE = "not available"

STEP_NAMES = {
    1: "Antigen release",
    2: "Antigen presentation",
    3: "Priming",
    4: "Trafficking",
    5: "Infiltration",
    6: "Recognition",
    7: "Killing",
}

RESEARCH_USE = (
    "Research use only. A simulation of what the measurements are consistent with; it advises nobody's treatment."
)

TIER_MEANING = {
    "trial-calibrated": "the model is within 10 points of a trial of these drug classes in this cancer",
    "class-extrapolated": "each drug class is part of a trial that the model reproduces; this combination is not",
    "mechanistic hypothesis": "a drug class in it was never compared with a trial, or missed: direction only",
}

GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "Consistent with",
        "The measurements are more probable if the mechanism is present than if it is absent. It does not say that the "
        "mechanism causes the resistance; one sample cannot show that.",
    ),
    (
        "Activity",
        "One number in [0, 1] for a mechanism: the probability that it is present times its expected extent. Extent is "
        "the level relative to the reference or, for a genetic mechanism, the fraction of cancer cells that carry it. "
        "The simulator never uses this mean; it uses draws.",
    ),
    (
        "90% interval",
        "The range that holds 90% of the probability, 5% below and 5% above. For trajectories and responses it "
        "reflects what the measurements leave open about this patient and the spread of the model's parameters, "
        "not errors of the model's form.",
    ),
    (
        "Likelihood ratio",
        "How much more probable the measured value is if the mechanism is present than if it is absent. Above 1 "
        "speaks for, below 1 against; 1 says nothing.",
    ),
    (
        "Not measured",
        "No usable biomarker in the files. The range shown is only how often the mechanism occurs in this cancer type. "
        "It never means inactive.",
    ),
    (
        "Barrier",
        "How far a step of the cancer-immunity cycle is closed, from 0 (open) to 1 (closed): the strongest "
        "activity among the mechanisms that break it. The broken step is the "
        "one most closed; of steps about equally closed, the earliest.",
    ),
    (
        "Twin",
        "One virtual patient as an ensemble of parameter sets (draws), each grown to the measured tumor and "
        "weighted by its match to the measurements.",
    ),
    (
        "Dominant node",
        "A mechanism whose reversal in the simulation changes this patient's course most. A high activity alone does "
        "not make a node dominant.",
    ),
    (
        "Response",
        "RECIST 1.1 objective response: the sum of the longest diameters of the target lesions falls by at least 30%. "
        "Progression is a rise of 20% and 5 mm over the smallest sum, a new lesion, or clear growth of another one.",
    ),
    (
        "Trial-calibrated",
        "For these drug classes in this cancer a published arm was compared with the model, which came within 10 "
        "points of its response. About a dozen scale parameters were chosen against such arms; there is no formal fit "
        "yet.",
    ),
    (
        "Class-extrapolated",
        "Each drug class is part of an arm that the model reproduces, in another cancer or another combination.",
    ),
    (
        "Mechanistic hypothesis",
        "A drug class in it was never compared with a trial, or the model missed. The simulation gives a direction and "
        "a reason; a probability would pretend to knowledge.",
    ),
    (
        "Favored over the reference",
        "The reference is the standard of care or backbone that the ranking compares with. In paired draws (same "
        "virtual patient, same luck) the tumor is smaller than under it: clearly favored in 95% of the weight or more, "
        "favored in at least 80%, slightly favored in at least 60%; disfavored in the mirror image; otherwise not "
        "separated.",
    ),
    (
        "Refuted",
        "A randomized trial of this combination or of its added part was negative. It stays in the list so that nobody "
        "proposes it again unawares.",
    ),
    (
        "Primary, adaptive, acquired",
        "Resistance from the start; resistance as the tumor's answer to immune attack; resistance after a response.",
    ),
)

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "Association, not cause",
        "A profile says which mechanisms the sample is consistent with. Only an intervention can show that one of them "
        "holds the tumor up.",
    ),
    (
        "One biopsy is not the tumor",
        "Lesions differ from each other and change under treatment. The twin knows the sample that was measured, "
        "at the time it was taken.",
    ),
    (
        "Bulk RNA does not see place",
        "Excluded and inflamed tumors can look alike in bulk. Published accuracy for the three classes from bulk "
        "RNA is about 0.7, so the phenotype is a probability here.",
    ),
    (
        "Mechanisms outside the catalogue",
        "A cause that no record describes cannot be found. If nothing explains the course, that is one reading.",
    ),
    (
        "Intervals cover parameters, not form",
        "The bands show what is open about parameters and about this patient. An error in the model's equations would "
        "not widen them.",
    ),
    (
        "Trials met other patients",
        "Calibrated rates come from selected populations. Performance status, comorbidity, earlier lines and site of "
        "metastasis shift them in ways that are only partly modeled.",
    ),
    (
        "Toxicity is a population number",
        "Grade 3 or higher adverse events are predicted from exposure and drug class. Who will have colitis or "
        "myocarditis is not.",
    ),
    (
        "Rare events are rare in the ensemble",
        "With a limited number of draws, escape clones and late relapses below a few percent are not resolved.",
    ),
)

_DOSE = re.compile(r"\s+(?=\d|AUC|\(|once\b|qd\b|bid\b|q\d+[dw]\b)")


def percent(share: float | None, digits: int = 0) -> str:
    """Write a probability in [0, 1] as percent; tails as below 1 and above 99, absence in words."""
    if share is None or not math.isfinite(share):
        return NOT_AVAILABLE
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 < share < 1:
        return ">99%"
    return f"{100 * share:.{digits}f}%"


def percent_range(low: float | None, high: float | None) -> str:
    """Write an interval of probabilities, such as ``34–68%``."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return NOT_AVAILABLE
    return f"{100 * low:.0f}–{100 * high:.0f}%"


def significant(value: float | None, digits: int = 2) -> str:
    """Write a number with `digits` significant digits and no exponent where a reader can do without."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 6 or size < -4:
        return f"{value:.{digits - 1}e}"
    text = f"{round(value, digits - 1 - size):.{max(0, digits - 1 - size)}f}"
    return text


def ratio(value: float) -> str:
    """Write a ratio without the digits that nobody can read: ``<0.001``, ``0.31``, ``>1000``."""
    return "<0.001" if value < 1e-3 else ">1000" if value > 1e3 else significant(value)


def fold(value: float | None) -> str:
    """Write a ratio, such as ``×0.31``."""
    return NOT_AVAILABLE if value is None or not math.isfinite(value) else "×" + ratio(value)


def months(value: float | None, horizon_months: float | None = None) -> str:
    """Write a time in months; a time that is absent was not reached within the horizon."""
    if value is None or not math.isfinite(value) or (horizon_months and value >= horizon_months * 0.999):
        return f"not reached by {horizon_months:.0f} months" if horizon_months else "not reached"
    return f"{value:.1f} months"


def activity(value: float) -> str:
    """Write an activity with two decimals, the most that its interval supports."""
    return f"{value:.2f}"


def listed(parts: Iterable[str], conjunction: str = "and") -> str:
    """Join names as prose: ``a``, ``a and b``, ``a, b and c``."""
    items = list(parts)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {conjunction} {items[-1]}" if items else ""


def plain(identifier: str) -> str:
    """Turn an id such as ``tam_m2`` into words."""
    return identifier.replace("_", " ")


def agents_of(regimen: str) -> list[str]:
    """Return the agent names of a regimen string in order, without doses and schedules.

    ``"ipilimumab 3 mg/kg q3w x4 + nivolumab 1 mg/kg q3w x4 then nivolumab 240 mg q2w"`` gives ipilimumab, nivolumab.
    """
    names: list[str] = []
    for part in re.split(r"\s+\+\s+|\s+then\s+", regimen.strip()):
        name = plain(_DOSE.split(part.strip(), maxsplit=1)[0].strip())
        if name and name not in names:
            names.append(name)
    return names


def short_regimens(regimens: Sequence[str], names: Mapping[str, str] | None = None) -> dict[str, str]:
    """Map each regimen string to agent names only; where two would read the same, both keep their doses."""
    called = names or {}
    short = {r: " + ".join(called.get(a, a) for a in agents_of(r)) or "untreated" for r in regimens}
    counts: dict[str, int] = {}
    for name in short.values():
        counts[name] = counts.get(name, 0) + 1
    return {regimen: regimen if counts[name] > 1 else name for regimen, name in short.items()}


def favored(share: float) -> str:
    """Return the fixed word for a share of paired draws in which the tumor is smaller than under the reference."""
    if share >= 0.95:
        return "clearly favored"
    if share >= 0.80:
        return "favored"
    if share >= 0.60:
        return "slightly favored"
    if share > 0.40:
        return "not separated"
    return favored(1.0 - share).replace("favored", "disfavored")
