"""Death, dropout and the end of follow-up.

The hazard of death per day of a patient with total tumor volume V(t) is

    h(t) = background(age + t, sex) + r (V / V_ref)^a G(t)^b exp(c ECOG + d [LDH above normal])
    G(t) = min((V + V_floor) / (min over s <= t of V(s) + V_floor), limit)

Burden kills; a tumor that grows from its smallest kills more than one of the same size that is held, because growth
means that treatment no longer holds it; without tumor there is only the background of the general population. Death
comes when the cumulative hazard H reaches a unit exponential threshold, one a patient in all arms. Being a function of
H, expected curves need no drawn deaths: S(t) = mean exp(-H(t)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tumornexus.errors import InputError
from tumornexus.trial.luck import exponentials, uniforms

YEAR_DAYS = 365.25
MONTH_DAYS = YEAR_DAYS / 12.0
# Gompertz law of the United States period life table of 2017, h(age) = h60 exp(slope (age - 60)) per year: weighted
# least squares (weights: deaths of the table) on ln(-ln(1 - q)) at 40 to 90 years, which it meets within 20 % from 50
# to 90 and within 33 % at 40. Social Security Administration, Period Life Tables of the 2020 Trustees Report (read from
# a copy at github.com/econ-ark/HARK, HARK/Calibration/life_tables/us_ssa).
GOMPERTZ = {"male": (0.01039, 0.0883), "female": (0.00637, 0.0969)}
GOMPERTZ_AGE = 60.0


@dataclass(frozen=True)
class DeathHazard:
    """How a tumor kills: the values of the law above, which calibration sets; these are what it starts from.

    Attributes:
        rate_per_year: r, hazard of a fit patient with normal LDH and a held tumor of `reference_ml`. Assumed 0.2: in
            OAK and POPLAR (1,137 patients with NSCLC, median sum of diameters 68 mm) 0.23 deaths a year came before
            progression under atezolizumab, 0.50 under docetaxel, at a mean ECOG of 0.64.
        burden_exponent: a. Assumed 0.5: ln hazard rose by 0.52 (standard error 0.06) per ln sum of diameters there (Cox
            model with ECOG, age, sex and arm), and volume rises in proportion to the sum where patients differ in the
            number of lesions, with its cube where they differ in size; the effect of volume lies between 0.17 and 0.52.
        growth_exponent: b. Assumed 1: deaths a year after progression (0.95 under atezolizumab, 1.23 under docetaxel)
            were 2.5 to 4 times those before it, and a progression is a volume of at least 1.73 times the smallest.
        growth_limit: largest G. Assumed 10, so that a relapse from almost nothing is not deadly at once.
        reference_ml: V_ref, a sum of diameters of about 60 mm in one lesion or 80 to 90 mm in two or three.
        floor_ml: V_floor. Assumed 10 mL: growth of what is smaller than a lesion of 27 mm does not kill.
        ecog: c per point of ECOG: 0.49 (standard error 0.08), ratio 1.63, the same Cox model in OAK and POPLAR.
        ldh: d for LDH above the upper limit of normal: ratio 2.04 (1.26 to 3.28), 153 patients of phase I trials of
            immunotherapy, multivariable (PMC7648370).
    """

    rate_per_year: float = 0.2
    burden_exponent: float = 0.5
    growth_exponent: float = 1.0
    growth_limit: float = 10.0
    reference_ml: float = 100.0
    floor_ml: float = 10.0
    ecog: float = 0.49
    ldh: float = 0.713

    def __post_init__(self) -> None:
        least = {"growth_limit": 1.0, "reference_ml": 1e-6, "floor_ml": 1e-6, "ecog": -np.inf, "ldh": -np.inf}
        for name, value in vars(self).items():
            if not np.isfinite(value) or value < least.get(name, 0.0):
                raise InputError("a value of the law of death is out of range", field=name, value=value,
                                 valid=f"a number of at least {least.get(name, 0.0):g}")  # fmt: skip


@dataclass(frozen=True)
class FollowUp:
    """How long patients are followed.

    Attributes:
        months: of the patient who entered last, None: as long as was simulated.
        accrual_months: patients enter evenly over so long, and the first is followed so much longer.
        dropout_per_year: hazard of leaving (consent withdrawn, lost): no further scans and an unknown end. 0.12: in OAK
            and POPLAR, where everybody alive could be followed for longer, 0.123 a year within 300 days.
    """

    months: float | None = None
    accrual_months: float = 0.0
    dropout_per_year: float = 0.12

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (np.isfinite(value) and value >= 0.0):
                raise InputError("a time of follow-up is out of range", field=name, value=value, valid="0 or more")


def background_per_day(age_years: np.ndarray, sex: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return the hazard of death per day in the general population, in the shape of `age_years` (member, ...).

    Raises:
        InputError: a sex other than ``female`` or ``male`` (or ``f``, ``m``, in any case).
    """
    words = np.char.lower(np.asarray(sex, dtype=str))
    male = np.isin(words, ("male", "m"))
    unknown = ~male & ~np.isin(words, ("female", "f"))
    if unknown.any():
        raise InputError("an unknown sex", field="sex", value=str(np.asarray(sex)[unknown][0]), valid="female, male")
    rate, slope = (np.where(male, m, f) for m, f in zip(GOMPERTZ["male"], GOMPERTZ["female"], strict=True))
    age = np.asarray(age_years, dtype=float)
    wide = (...,) + (None,) * (age.ndim - 1)
    return rate[wide] * np.exp(slope[wide] * (age - GOMPERTZ_AGE)) / YEAR_DAYS


def disease_per_day(total_ml: np.ndarray, law: DeathHazard, ecog: np.ndarray, ldh_ratio: np.ndarray) -> np.ndarray:
    """Return the hazard of death by the tumor per day, (member, time), without the background.

    `total_ml` (member, time), all lesions together; `ecog` and `ldh_ratio` (LDH over its upper limit of normal), both
    (member,), before treatment; a missing one (NaN) counts as 0 and as normal.
    """
    v = np.asarray(total_ml, dtype=float)
    smallest = np.minimum.accumulate(v, axis=1)
    growth = np.minimum((v + law.floor_ml) / (smallest + law.floor_ml), law.growth_limit)
    fitness = law.ecog * np.nan_to_num(ecog) + law.ldh * (np.nan_to_num(ldh_ratio) > 1.0)
    rate = law.rate_per_year / YEAR_DAYS * np.exp(fitness)
    return rate[:, None] * (v / law.reference_ml) ** law.burden_exponent * growth**law.growth_exponent


def cumulative_hazard(
    total_ml: np.ndarray,
    time_days: np.ndarray,
    age_years: np.ndarray,
    sex: Sequence[str] | np.ndarray,
    law: DeathHazard,
    *,
    ecog: np.ndarray | None = None,
    ldh_ratio: np.ndarray | None = None,
) -> np.ndarray:
    """Return the cumulative hazard of death of each member at `time_days`, (member, time), 0 at the first.

    By the trapezoid rule on the saved days. A member whose simulation failed (NaN) has NaN from the first saved day on
    that is not a number.
    """
    time_days = np.asarray(time_days, dtype=float)
    members = len(total_ml)
    none = np.zeros(members)
    age = np.asarray(age_years, dtype=float)[:, None] + time_days / YEAR_DAYS
    h = background_per_day(age, sex) + disease_per_day(
        total_ml, law, none if ecog is None else ecog, none if ldh_ratio is None else ldh_ratio
    )
    steps = 0.5 * (h[:, 1:] + h[:, :-1]) * np.diff(time_days)
    return np.concatenate([np.zeros((members, 1)), np.cumsum(steps, axis=1)], axis=1)


def death_day(cumulative: np.ndarray, time_days: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Return the day on which the cumulative hazard reaches `threshold` (member,), infinite where it does not.

    Linear between saved days. Members with NaN have no day of death.
    """
    time_days = np.asarray(time_days, dtype=float)
    reached = cumulative >= threshold[:, None]
    some = reached.any(axis=1)
    after = np.maximum(np.where(some, reached.argmax(axis=1), 1), 1)
    each = np.arange(len(cumulative))
    low, high = cumulative[each, after - 1], cumulative[each, after]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(high > low, (threshold - low) / (high - low), 0.0)
        day = time_days[after - 1] + share * (time_days[after] - time_days[after - 1])
    return np.where(some, day, np.inf)


def death_thresholds(seed: int, patient: np.ndarray) -> np.ndarray:
    """Return the unit exponential threshold of each patient, (patient,), the same in every arm of the trial `seed`."""
    return exponentials(seed, "death", patient)


def observed_until(
    follow: FollowUp, horizon_days: float, seed: int, patient: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the day on which follow-up ends and the day of dropout (infinite without), both (patient,).

    Follow-up ends at the data cut, `horizon_days` at the latest; a dropout after it is none.
    """
    end = np.full(len(patient), float(horizon_days))
    if follow.months is not None:
        entered = uniforms(seed, "entry", patient)[:, 0]
        end = np.minimum(end, MONTH_DAYS * (follow.months + follow.accrual_months * entered))
    if follow.dropout_per_year == 0.0:
        return end, np.full(len(patient), np.inf)
    left = exponentials(seed, "dropout", patient) * YEAR_DAYS / follow.dropout_per_year
    return end, np.where(left < end, left, np.inf)


def expected_survival(cumulative: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the expected survival curve of a population, (time,): the weighted mean of exp(-H), failed members out."""
    return _mean(np.exp(-cumulative), weights)


def expected_progression_free(
    cumulative: np.ndarray, time_days: np.ndarray, progression_day: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the expected progression-free survival curve, (time,): alive by exp(-H), progression as scans show it.

    `progression_day` (member,) of scans that go on beyond death (`recist.assess` without `until_day`).
    """
    free = np.asarray(progression_day)[:, None] > np.asarray(time_days, dtype=float)
    return _mean(np.where(np.isnan(cumulative), np.nan, free * np.exp(-cumulative)), weights)


def _mean(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    ok = np.isfinite(values).all(axis=1)
    w = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    return np.average(values[ok], axis=0, weights=w[ok])
