"""The scoring of serial forecasts: exact laws are recovered, scores are those of textbooks, nothing of a tested trial
is used to forecast it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from by_path import script


@pytest.fixture(scope="module")
def serial():
    return script("serial", "verification")


@pytest.fixture(scope="module")
def laws():
    return script("serial_laws", "verification")


DAYS = np.array([0.0, 40.0, 80.0, 125.0, 170.0])
LATER = np.array([210.0, 300.0])


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        ("exponential, all", lambda t: 30.0 * np.exp(0.002 * t)),
        ("exponential, last two", lambda t: 30.0 * np.exp(-0.003 * t)),
        ("Gompertz", lambda t: 30.0 * np.exp(0.004 * (1.0 - np.exp(-0.01 * t)) / 0.01)),
        ("Bertalanffy", lambda t: 15.0 + 25.0 * np.exp(-0.012 * t)),
        ("biexponential", lambda t: 40.0 * (np.exp(-0.01 * t) + np.exp(0.0015 * t) - 1.0)),
    ],
)
def test_each_law_recovers_its_own_course(laws, name, curve):
    np.testing.assert_allclose(laws.LAWS[name](DAYS, curve(DAYS), LATER), np.log(curve(LATER)), atol=0.03)


def test_laws_stay_where_a_lesion_can_be(laws):
    for name, law in laws.LAWS.items():
        for mm in ([100.0, 150.0, 220.0], [60.0, 9.0, 0.0], [20.0, 20.0, 20.0]):
            found = law(DAYS[:3], np.array(mm), np.array([700.0]))
            assert np.log(laws.FLOOR_MM) - 1e-9 <= found[0] <= np.log(laws.LARGEST_MM) + 1e-9, name


def test_score_of_a_normal_is_the_textbook_one(serial):
    mean, sd = np.log(40.0), 0.3
    cdf = norm.cdf(serial.GRID, mean, sd)
    for y in (np.log(40.0), np.log(25.0), np.log(90.0)):
        z = (y - mean) / sd
        exact = sd * (z * (2.0 * norm.cdf(z) - 1.0) + 2.0 * norm.pdf(z) - 1.0 / np.sqrt(np.pi))
        crps, error, in50, in90 = serial.score(cdf, y)
        assert crps == pytest.approx(exact, abs=5e-4)
        assert error == pytest.approx(abs(y - mean), abs=1e-3)
        assert in90 == (abs(z) < 1.645)
        assert in50 == (abs(z) < 0.674)


def test_a_sample_scores_as_its_distribution(serial):
    values = norm.ppf((np.arange(4000) + 0.5) / 4000.0, np.log(40.0), 0.3)
    for y in (np.log(30.0), np.log(70.0)):
        exact = serial.score(norm.cdf(serial.GRID, np.log(40.0), 0.3), y)
        assert serial.score_sample(values, y) == pytest.approx(exact, abs=1e-3)
    assert serial.score_sample(np.full(9, 3.5), 3.5) == (0.0, 0.0, True, True)


def test_a_lesion_that_is_gone_counts_as_the_floor(serial):
    cdf = np.full(len(serial.GRID), 1.0)  # all of the distribution is at the floor
    assert serial.score(cdf, np.log(0.5)) == (0.0, 0.0, True, True)


def test_a_sharper_forecast_at_the_truth_scores_better(serial):
    y = np.log(40.0)
    scores = [serial.score(norm.cdf(serial.GRID, y, sd), y)[0] for sd in (0.05, 0.2, 0.8)]
    assert scores == sorted(scores)


def test_errors_come_from_like_situations(laws):
    readings, distance = np.repeat([2, 3], 60), np.tile(np.repeat([30.0, 300.0], 30), 2)
    error = np.where(readings == 2, 1.0, 2.0) + np.where(distance > 240.0, 10.0, 0.0)
    found = laws.Errors.of(readings, distance, error)
    assert set(found.at(2, 45.0)) == {1.0}
    assert set(found.at(3, 500.0)) == {12.0}
    assert set(found.at(4, 45.0)) == {2.0}, "nearest number of readings where there is none of its own"


def test_the_flat_population_never_changes(serial):
    fit = script("serial_fit", "verification")
    data = script("serial_data", "verification")
    lesion = data.Lesion("a", "OAK", "nsclc", "docetaxel", DAYS, np.array([40.0, 30.0, 20.0, 21.0, 19.0]))
    found = fit.track_of(lesion, fit.flat(), 5, fit.error_model(fit.START))
    np.testing.assert_allclose(found.course, 40.0)


@pytest.mark.realdata
def test_lesions_of_the_trials(shared_data):
    data = script("serial_data", "verification")
    lesions, counts = data.read_lesions(shared_data, 728)
    assert counts["lesions"] == 1461
    assert counts["used"] + counts["no baseline"] == counts["lesions"]
    assert all(x.days[0] == 0.0 and np.all(np.diff(x.days) > 0) and x.days[-1] <= 728 for x in lesions)
    assert {x.trial for x in lesions} == set(data.TUMOR)
