"""Death, dropout and follow-up by their laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from tumornexus.errors import InputError
from tumornexus.trial.survival import (
    YEAR_DAYS,
    DeathHazard,
    FollowUp,
    background_per_day,
    cumulative_hazard,
    death_day,
    death_thresholds,
    disease_per_day,
    expected_progression_free,
    expected_survival,
    observed_until,
)

WEEKS = np.arange(0.0, 729.0, 7.0)
LAW = DeathHazard()
# Probability of death within a year at 50, 60, 70 and 80 in the United States, 2017 (period life table of the Social
# Security Administration): the table that the Gompertz law was fitted to.
TABLE = {"male": (0.00500, 0.01152, 0.02289, 0.05821), "female": (0.00312, 0.00689, 0.01528, 0.04277)}


@pytest.mark.parametrize("sex", ["male", "female"])
def test_background_mortality_is_that_of_the_life_table(sex):
    age = np.array([50.5, 60.5, 70.5, 80.5])
    yearly = -np.expm1(-YEAR_DAYS * background_per_day(age, [sex] * 4))
    assert yearly == pytest.approx(np.array(TABLE[sex]), rel=0.2)


def test_sexes_by_word_and_letter_and_no_other():
    age = np.full(4, 60.0)
    found = background_per_day(age, ["male", "M", "female", "f"])
    assert found[0] == found[1] > found[2] == found[3]
    with pytest.raises(InputError, match=r"unknown sex.*other"):
        background_per_day(age, ["male", "other", "f", "m"])


def hazard(volume: np.ndarray, law: DeathHazard = LAW, **facts: np.ndarray) -> np.ndarray:
    n = len(volume)
    return cumulative_hazard(volume, WEEKS, np.full(n, 60.0), ["male"] * n, law, **facts)


def test_a_constant_hazard_gives_exponential_survival():
    """A held tumor and next to no background: thresholds spread as exp(-rate t), and expectation is the law itself."""
    volume = np.full((4000, len(WEEKS)), 100.0)
    cumulative = cumulative_hazard(
        volume, WEEKS, np.full(4000, 0.0), ["female"] * 4000, replace(LAW, rate_per_year=1.0)
    )
    rate = cumulative[0, -1] / WEEKS[-1]
    assert rate == pytest.approx(1.0 / YEAR_DAYS, rel=1e-3)
    day = death_day(cumulative, WEEKS, death_thresholds(3, np.arange(4000)))
    assert np.isinf(day).mean() == pytest.approx(np.exp(-rate * 728.0), abs=0.02)
    lifetimes = np.where(np.isinf(day), 1e9, day)
    truncated = lifetimes[lifetimes <= 728.0]
    whole = -np.expm1(-rate * 728.0)
    assert kstest(truncated, lambda t: -np.expm1(-rate * t) / whole).pvalue > 1e-3
    assert expected_survival(cumulative) == pytest.approx(np.exp(-rate * WEEKS), rel=1e-3)


def test_without_tumor_there_is_only_the_background():
    cumulative = hazard(np.zeros((1, len(WEEKS))))
    age = 60.0 + WEEKS / YEAR_DAYS
    rate = background_per_day(age, ["male"] * len(WEEKS))
    assert cumulative[0, -1] == pytest.approx(np.sum(0.5 * (rate[1:] + rate[:-1])) * 7.0)


def test_parts_of_the_law():
    none = np.zeros(1)

    def at(*volume: float, law: DeathHazard = LAW, ecog: float = 0.0, ldh: float = 0.5) -> float:
        v = np.array([volume])
        return float(disease_per_day(v, law, none + ecog, none + ldh)[0, -1]) * YEAR_DAYS

    assert at(100.0) == pytest.approx(LAW.rate_per_year)
    assert at(400.0) == pytest.approx(2.0 * LAW.rate_per_year)  # square root of burden
    assert at(100.0, ecog=1.0) == pytest.approx(1.63 * LAW.rate_per_year, rel=0.01)
    assert at(100.0, ldh=1.1) == pytest.approx(2.04 * LAW.rate_per_year, rel=0.01)
    assert at(100.0, ldh=np.nan, ecog=np.nan) == at(100.0)
    assert at(50.0, 20.0, 50.0) == pytest.approx(at(50.0) * 60.0 / 30.0)  # grown from 20 to 50 mL, 10 mL floor
    assert at(100.0, 0.0, 1000.0) == pytest.approx(LAW.growth_limit * at(1000.0))
    assert at(100.0, 50.0) == pytest.approx(at(50.0))  # what shrinks is judged by its size


VOLUMES = st.lists(st.floats(0.0, 2000.0), min_size=4, max_size=4)


@settings(max_examples=60, deadline=None)
@given(VOLUMES, st.floats(0.0, 0.01), st.floats(0.0, 3.0), st.floats(0.0, 3.0))
def test_more_growth_never_helps(at, rate, a, b):
    """A tumor times a factor that grows from 1 has no smaller hazard at any time."""
    law = replace(LAW, burden_exponent=a, growth_exponent=b)
    volume = np.interp(WEEKS, [0.0, 100.0, 300.0, 728.0], at)[None]
    less, more = hazard(volume, law), hazard(volume * np.exp(rate * WEEKS), law)
    assert (more >= less * (1.0 - 1e-12)).all()
    assert (np.diff(less) >= 0.0).all()


@given(st.lists(st.floats(0.01, 10.0), min_size=3, max_size=3), st.floats(0.01, 30.0))
def test_the_day_of_death_solves_the_threshold(steps, threshold):
    days = np.array([0.0, 10.0, 20.0, 30.0])
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])[None]
    found = float(death_day(cumulative, days, np.array([threshold]))[0])
    if threshold > cumulative[0, -1]:
        assert found == np.inf
    else:
        assert np.interp(found, days, cumulative[0]) == pytest.approx(threshold)


def test_a_failed_member_has_no_death_and_counts_in_no_curve():
    volume = np.full((3, len(WEEKS)), 100.0)
    volume[1] = np.nan
    cumulative = hazard(volume)
    assert death_day(cumulative, WEEKS, np.full(3, 0.1))[1] == np.inf
    assert np.isfinite(expected_survival(cumulative)).all()
    np.testing.assert_allclose(expected_survival(cumulative), np.exp(-cumulative[0]))


def test_expected_curves_are_the_means_of_drawn_ones():
    g = np.random.default_rng(0)
    volume = g.uniform(1.0, 500.0, (6000, 1)) * np.exp(np.outer(g.uniform(-0.005, 0.005, 6000), WEEKS))
    cumulative = hazard(volume)
    died = death_day(cumulative, WEEKS, death_thresholds(1, np.arange(6000)))
    progression = g.choice([56.0, 168.0, 336.0, np.inf], 6000)
    for day in (56.0, 168.0, 364.0, 700.0):
        k = int(day // 7)
        assert expected_survival(cumulative)[k] == pytest.approx(np.mean(died > day), abs=0.02)
        free = expected_progression_free(cumulative, WEEKS, progression)
        assert free[k] == pytest.approx(np.mean(np.minimum(died, progression) > day), abs=0.02)
    weights = np.where(progression > 100.0, 1.0, 0.0)
    assert expected_progression_free(cumulative, WEEKS, progression, weights)[8] > 0.5


def test_follow_up():
    patient = np.arange(5000)
    end, left = observed_until(FollowUp(), 728.0, 1, patient)
    assert (end == 728.0).all()
    early = np.mean(left <= 365.25)
    assert early == pytest.approx(-np.expm1(-0.12), abs=0.015)
    assert (left[np.isfinite(left)] < 728.0).all()
    end, left = observed_until(FollowUp(6.0, 12.0, 0.0), 728.0, 1, patient)
    assert np.isinf(left).all()
    assert end.min() == pytest.approx(6.0 * YEAR_DAYS / 12.0, abs=1.0)
    assert end.max() == pytest.approx(18.0 * YEAR_DAYS / 12.0, abs=1.0)
    assert end.mean() == pytest.approx(12.0 * YEAR_DAYS / 12.0, rel=0.02)
    assert observed_until(FollowUp(60.0), 728.0, 1, patient)[0].max() == 728.0


@pytest.mark.parametrize(("make", "field"), [
    (lambda: DeathHazard(rate_per_year=-1.0), "rate_per_year"),
    (lambda: DeathHazard(growth_limit=0.5), "growth_limit"),
    (lambda: DeathHazard(floor_ml=0.0), "floor_ml"),
    (lambda: FollowUp(dropout_per_year=-0.1), "dropout_per_year"),
    (lambda: FollowUp(months=float("nan")), "months"),
])  # fmt: skip
def test_values_out_of_range_are_refused(make, field):
    with pytest.raises(InputError, match=field):
        make()


@pytest.mark.realdata
def test_what_the_law_starts_from_is_what_oak_and_poplar_show(shared_data):
    """Every number that the docstrings of `DeathHazard` and `FollowUp` quote from these two trials."""
    from lifelines import CoxPHFitter

    t = pd.read_csv(shared_data / "oak_poplar_nsclc" / "clinical.tsv", sep="\t")
    assert len(t) == 1137
    table = pd.DataFrame({
        "days": t["OS_days"].clip(lower=0.5), "event": t["OS_event"], "sum": np.log(t["SLD_baseline_mm"]),
        "ecog": t["ECOG"], "male": t["sex"] == "M", "age": t["age"], "pdl1": t["treatment"] != "docetaxel",
        "cohort": t["cohort"],
    }).dropna()  # fmt: skip
    fit = CoxPHFitter().fit(table.astype({"male": float, "pdl1": float}), "days", "event", strata=["cohort"])
    assert fit.params_["sum"] == pytest.approx(0.52, abs=0.01)
    assert fit.standard_errors_["sum"] == pytest.approx(0.06, abs=0.01)
    assert fit.params_["ecog"] == pytest.approx(LAW.ecog, abs=0.01)
    assert t["ECOG"].mean() == pytest.approx(0.64, abs=0.01)
    assert t["SLD_baseline_mm"].median() == 68.0
    for name, before, after in (("atezolizumab", 0.23, 0.95), ("docetaxel", 0.50, 1.23)):
        g = t[t["treatment"] == name]
        progressed = (g["PFS_event"] == 1) & (g["OS_days"] > g["PFS_days"] + 1)
        died = (g["PFS_event"] == 1) & (g["OS_event"] == 1) & ~progressed
        assert YEAR_DAYS * died.sum() / g["PFS_days"].sum() == pytest.approx(before, abs=0.01)
        later = (g["OS_days"] - g["PFS_days"])[progressed].sum()
        assert YEAR_DAYS * g.loc[progressed, "OS_event"].sum() / later == pytest.approx(after, abs=0.01)
    lost = ((t["OS_event"] == 0) & (t["OS_days"] < 300)).sum() / t["OS_days"].clip(upper=300).sum()
    assert lost * YEAR_DAYS == pytest.approx(FollowUp().dropout_per_year, abs=0.01)
