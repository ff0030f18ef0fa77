"""Statistical probability of response to PD-1 blockade from an inflamed score, mutational burden and clinical facts.

    log odds(response) = base(tumor type) + sum_j b_j (x_j - c_j)

x_j are the transformed features below, c_j their mean in the patients of the fit. A feature that was not measured adds
nothing to the log odds and its whole spread to the interval. The coefficients, their covariance and the base rates are
frozen in ``data/response_model.json``, which ``scripts/build_response_model.py`` writes. The score is the mean
probability over the uncertainty of the log odds, so that what is not known draws it towards one half; it
orders patients, and does not claim that a feature causes response.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from tumornexus.knowledge import Knowledge

PD1_AGENTS = frozenset(
    {
        "nivolumab",
        "pembrolizumab",
        "atezolizumab",
        "durvalumab",
        "avelumab",
        "cemiplimab",
        "dostarlimab",
        "toripalimab",
        "tislelizumab",
    }
)
CTLA4_AGENTS = frozenset({"ipilimumab", "tremelimumab"})
# Between-trial standard deviation of the log odds of response, and its value where a tumor type has no trial.
TRIAL_SD = 0.25
UNKNOWN_BASE, UNKNOWN_SD = 0.15, 0.9
HIGH_TMB, MOST_TMB = 10.0, 100.0  # per Mb
Z90 = 1.6448536269514722
_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(31)


@dataclass(frozen=True)
class IcbScore:
    """Statistical probability of objective response to PD-1 blockade.

    Attributes:
        score: mean probability; low, high: 90 % interval from coefficients, base rate, missing features and
            study-to-study spread.
        base_rate: response rate of the tumor type for a patient at the mean of all features.
        features: features used, as transformed; a missing one is absent and widens the interval.
        missing: features of the model that were not measured.
    """

    score: float
    low: float
    high: float
    base_rate: float
    features: dict[str, float]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ResponseModel:
    """The frozen model, all arrays over features (feature,).

    Attributes:
        features: names.
        coefficients, covariance: log odds per unit of the transformed feature.
        center, sd: mean and standard deviation of the transformed feature where the model was fitted.
        intercepts: tumor type to (log odds at the center, standard deviation).
        study_sd: standard deviation of the log odds between studies of one tumor type.
        provenance: how it came to be.
    """

    features: tuple[str, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    center: np.ndarray
    sd: np.ndarray
    intercepts: dict[str, tuple[float, float]]
    study_sd: float
    provenance: dict[str, Any] = field(default_factory=dict)


def _clipped(value: float, limit: float) -> float:
    return float(min(max(value, -limit), limit))


def _number(facts: Mapping[str, object], name: str) -> float | None:
    value = facts.get(name)
    usable = isinstance(value, int | float) and math.isfinite(float(value))
    return float(value) if usable else None  # type: ignore[arg-type]


def _log2_tmb(inflamed: float, facts: Mapping[str, object], tmb_median: float) -> float | None:
    """log2 of (mutations per Mb + 10) over (median of the tumor type + 10), burden limited to 100.

    Ten per Mb is the usual cut for a high burden: well below it differences are counts of single variants on a panel
    and change response little. Relative to the type, so that a patient without burden is one of that type and not of
    all.
    """
    burden = _number(facts, "tmb_per_mb")
    if burden is None:
        return None
    return math.log2((min(max(burden, 0.0), MOST_TMB) + HIGH_TMB) / (tmb_median + HIGH_TMB))


def _log2_nlr(inflamed: float, facts: Mapping[str, object], tmb_median: float) -> float | None:
    """log2 of the neutrophil-to-lymphocyte ratio over 4, limited to 2."""
    ratio = _number(facts, "nlr")
    return None if ratio is None else _clipped(math.log2(max(ratio, 0.1) / 4.0), 2.0)


def _albumin(inflamed: float, facts: Mapping[str, object], tmb_median: float) -> float | None:
    """Albumin over 3.9 g/dL in steps of 0.5, limited to 3."""
    value = _number(facts, "albumin_g_dl")
    return None if value is None else _clipped((value - 3.9) / 0.5, 3.0)


def _age(inflamed: float, facts: Mapping[str, object], tmb_median: float) -> float | None:
    """Age over 63 years in decades, limited to 3."""
    value = _number(facts, "age_year")
    return None if value is None else _clipped((value - 63.0) / 10.0, 3.0)


def _prior(inflamed: float, facts: Mapping[str, object], tmb_median: float) -> float | None:
    """1 after any systemic therapy of the advanced disease, 0 before."""
    stated = facts.get("prior_systemic_therapy")
    if isinstance(stated, bool):
        return float(stated)
    line = _number(facts, "line")
    if line is not None:
        return float(line > 1.0)
    before = [facts[n] for n in ("prior_anti_pd1", "prior_anti_ctla4") if isinstance(facts.get(n), bool)]
    return 1.0 if any(before) else None


def _msi(inflamed: float, facts: Mapping[str, object], tmb_median: float) -> float | None:
    """1 when the tumor is microsatellite-unstable, 0 when stable."""
    stated = facts.get("msi_high")
    return float(stated) if isinstance(stated, bool) else None


def _inflamed(inflamed: float, facts: Mapping[str, object], tmb_median: float) -> float | None:
    """Frozen inflamed score in reference standard deviations, limited to 2.5."""
    return _clipped(inflamed, 2.5) if math.isfinite(inflamed) else None


TRANSFORMS: Mapping[str, Callable[[float, Mapping[str, object], float], float | None]] = {
    "inflamed": _inflamed,
    "log2_tmb": _log2_tmb,
    "log2_nlr": _log2_nlr,
    "albumin": _albumin,
    "age": _age,
    "prior_therapy": _prior,
    "msi_high": _msi,
}


def response_features(inflamed: float, facts: Mapping[str, object], tmb_median: float) -> dict[str, float]:
    """Transformed features that could be read, by name.

    Args:
        inflamed: frozen inflamed score in reference standard deviations, NaN where not measured.
        facts: typed clinical facts (``tmb_per_mb, nlr, albumin_g_dl, age_year, prior_systemic_therapy, line,
            msi_high``).
        tmb_median: median burden of the tumor type, mutations per Mb.
    """
    found = {name: read(inflamed, facts, tmb_median) for name, read in TRANSFORMS.items()}
    return {name: value for name, value in found.items() if value is not None}


def response_base_rates(knowledge: Knowledge, agents: frozenset[str] = PD1_AGENTS) -> dict[str, tuple[float, float]]:
    """Log odds of objective response to one of `agents` alone per tumor type, and their standard deviation.

    Arms of one antibody (PD-1 or PD-L1 by default) in trials marked for fitting, weighted by patients; arms of held-out
    trials are not read. The standard deviation holds sampling error and the spread between trials.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in knowledge.trials.values():
        if (
            trial.use != "fit"
            or trial.tumor is None
            or trial.endpoint not in ("RECIST", "Lugano")
            or trial.out_of_scope
        ):
            continue
        for arm in trial.arm:
            if len(arm.drugs) == 1 and arm.drugs[0] in agents and arm.outcome.orr is not None:
                rate = min(max(arm.outcome.orr / 100.0, 0.005), 0.98)
                found.setdefault(trial.tumor, []).append((rate, float(arm.n or 100)))
    rates = {}
    for tumor, arms in found.items():
        logits = np.array([math.log(r / (1.0 - r)) for r, _ in arms])
        weights = 1.0 / (TRIAL_SD**2 + np.array([1.0 / (n * r * (1.0 - r)) for r, n in arms]))
        center = float((weights * logits).sum() / weights.sum())
        spread = float((weights * (logits - center) ** 2).sum() / weights.sum()) if len(arms) > 1 else TRIAL_SD**2
        rates[tumor] = (center, math.sqrt(1.0 / float(weights.sum()) + max(spread, TRIAL_SD**2)))
    return rates


def unknown_base() -> tuple[float, float]:
    """Log odds of response and its standard deviation in a tumor type without trial (assumed: 15 %, wide)."""
    return math.log(UNKNOWN_BASE / (1.0 - UNKNOWN_BASE)), UNKNOWN_SD


def icb_score(
    features: Mapping[str, float],
    tumor: str,
    rates: Mapping[str, tuple[float, float]],
    model: ResponseModel,
    shift: tuple[float, float] = (0.0, 0.0),
) -> IcbScore:
    """Probability of objective response to PD-1 blockade with its 90 % interval.

    Args:
        features: from `response_features`; any may be missing.
        tumor: id of the tumor type; its base rate is the model's, else that of trials (`rates`), else 15 % with a wide
            interval.
        rates: from `response_base_rates`.
        model: the frozen model.
        shift: log odds of another treatment over PD-1 blockade, and its standard deviation.
    """
    base, base_sd = model.intercepts.get(tumor) or rates.get(tumor) or unknown_base()
    base, variance = base + shift[0], base_sd**2 + shift[1] ** 2 + model.study_sd**2
    known = np.array([name in features for name in model.features], dtype=bool)
    raw = np.array([features.get(name, 0.0) for name in model.features])
    x = np.where(known, raw - model.center, 0.0)
    logit = base + float(model.coefficients @ x)
    variance += float(x @ model.covariance @ x) + float(((model.coefficients * model.sd)[~known] ** 2).sum())
    deviation = Z90 * math.sqrt(variance)
    score = mean_probability(logit, variance)
    low, high, rate = (1.0 / (1.0 + math.exp(-v)) for v in (logit - deviation, logit + deviation, base))
    used = {name: features[name] for name in model.features if name in features}
    return IcbScore(score, low, high, rate, used, tuple(n for n in model.features if n not in features))


def mean_probability(logit: float, variance: float) -> float:
    """Mean of 1 / (1 + e^-v) over v ~ N(logit, variance), by Gauss-Hermite quadrature with 31 points."""
    values = logit + math.sqrt(2.0 * variance) * _NODES
    return float((_WEIGHTS / (1.0 + np.exp(-values))).sum() / math.sqrt(math.pi))


def pack_model(model: ResponseModel) -> dict[str, Any]:
    """Plain data of a model, as stored."""
    return {
        "features": list(model.features),
        "coefficients": np.round(model.coefficients, 4).tolist(),
        "covariance": np.round(model.covariance, 6).tolist(),
        "center": np.round(model.center, 4).tolist(),
        "sd": np.round(model.sd, 4).tolist(),
        "intercepts": {k: [round(v, 4) for v in pair] for k, pair in sorted(model.intercepts.items())},
        "study_sd": round(model.study_sd, 4),
        "provenance": model.provenance,
    }


def unpack_model(stored: Mapping[str, Any]) -> ResponseModel:
    """Model from its stored form."""
    return ResponseModel(
        tuple(stored["features"]),
        *(np.array(stored[k], dtype=float) for k in ("coefficients", "covariance", "center", "sd")),
        {k: (float(a), float(b)) for k, (a, b) in stored["intercepts"].items()},
        float(stored["study_sd"]),
        dict(stored["provenance"]),
    )


@lru_cache(maxsize=1)
def load_response_model() -> ResponseModel:
    """Load the model that ships with the package (cached)."""
    text = resources.files("tumornexus.profile").joinpath("data/response_model.json").read_text(encoding="utf-8")
    return unpack_model(json.loads(text))
