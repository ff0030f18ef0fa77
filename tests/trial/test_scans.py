"""When scans are made, which lesions are targets, and what a reader writes down."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from tumornexus.errors import InputError
from tumornexus.trial.scans import (
    CENTRAL_READER,
    PERFECT_READER,
    Reader,
    ScanPlan,
    at_days,
    diameter_mm,
    measure,
    read_mm,
    roles,
    sum_of_diameters,
)

WEEKS = np.arange(0.0, 729.0, 7.0)
PERFECT = ScanPlan(window_days=0.0, reader=PERFECT_READER)


def volume_of(diameter: np.ndarray) -> np.ndarray:
    return np.pi / 6.0 * (np.asarray(diameter, dtype=float) / 10.0) ** 3


def held(*diameters: float, members: int = 1) -> np.ndarray:
    """Return lesions that stay as they are, (member, lesion, time)."""
    return np.broadcast_to(volume_of(np.array(diameters))[:, None], (members, len(diameters), len(WEEKS)))


@given(st.floats(0.1, 500.0))
def test_a_sphere_has_the_diameter_that_made_it(diameter):
    assert diameter_mm(volume_of(diameter)) == pytest.approx(diameter)


def test_days_of_scans():
    assert ScanPlan(6, 9).days(200).tolist() == [42, 105, 168]
    # every 6 weeks for the first year, then every 12
    late = ScanPlan(6, 6, 12).days(728) / 7
    assert late.tolist() == [6, 12, 18, 24, 30, 36, 42, 48, 54, 66, 78, 90, 102]
    assert ScanPlan(12, 6).days(84).tolist() == [84]


@pytest.mark.parametrize("field", ["first_weeks", "every_weeks", "later_every_weeks"])
def test_an_interval_that_is_none_is_refused(field):
    with pytest.raises(InputError, match=field):
        ScanPlan(**{field: 0})


def test_no_scan_within_the_time_and_impossible_readers_are_refused():
    with pytest.raises(InputError, match="8 weeks"):
        ScanPlan().days(50)
    with pytest.raises(InputError, match="bias"):
        Reader(bias=-0.1)
    with pytest.raises(InputError, match="window_days"):
        ScanPlan(window_days=-1.0)
    with pytest.raises(InputError, match="visible_mm"):
        Reader(visible_mm=6.0)


def test_a_perfect_reader_reads_the_truth():
    volume = np.random.default_rng(0).uniform(0.0, 50.0, (5, 4, len(WEEKS)))
    scans = measure(volume, WEEKS, PERFECT)
    np.testing.assert_array_equal(scans.days, np.tile(56.0 * np.arange(1, 14), (5, 1)))
    np.testing.assert_array_equal(scans.at_mm, diameter_mm(volume)[..., 8::8][..., :13])
    np.testing.assert_array_equal(scans.base_mm, diameter_mm(volume[..., 0]))
    np.testing.assert_array_equal(scans.sum_mm, sum_of_diameters(volume)[:, 8::8][:, :13])


def test_a_scan_between_saved_days_is_read_on_the_line_between_them():
    volume = np.stack([np.arange(len(WEEKS)), np.zeros(len(WEEKS))]).astype(float)[:, None]
    days = np.array([[7.0, 8.75, 725.0], [7.0, 14.0, 700.0]])
    assert at_days(volume, WEEKS, days)[0, 0] == pytest.approx([1.0, 1.25, 725.0 / 7.0])
    assert at_days(volume[::-1], WEEKS, days)[1, 0].tolist() == [1.0, 2.0, 100.0]
    broken = volume.copy()
    broken[..., 2] = np.nan
    days = np.tile([7.0, 21.0], (2, 1))
    assert np.isfinite(at_days(broken, WEEKS, days)).all()  # a neighbor's failure is not the day's


def test_scans_are_made_evenly_within_their_window():
    scans = measure(held(30.0, members=2000), WEEKS, ScanPlan(6, 9), seed=2)
    planned = ScanPlan(6, 9).days(728.0)
    shift = scans.days - planned
    assert np.abs(shift).max() <= 7.0
    assert kstest(shift[:, :-1].ravel(), "uniform", args=(-7.0, 14.0)).pvalue > 1e-3
    assert scans.days.max() <= 728.0  # what was not simulated cannot be scanned
    assert (np.diff(scans.days, axis=1) > 0.0).all()
    narrow = ScanPlan(2, 2)
    assert narrow.shift_days == 3.5
    assert (np.diff(measure(held(30.0, members=500), WEEKS, narrow, seed=2).days, axis=1) > 0.0).all()


@pytest.mark.parametrize("diameter", [12.0, 40.0, 100.0])
def test_errors_have_the_stated_size(diameter):
    """Within a lesion the error of a scan, between lesions the reader's bias besides."""
    scans = measure(held(diameter, members=4000), WEEKS, ScanPlan(), seed=3)
    ln = np.log(scans.at_mm[:, 0] / diameter)
    within = np.hypot(CENTRAL_READER.relative_error, CENTRAL_READER.error_mm / diameter)
    assert ln.std(axis=1, ddof=1).mean() == pytest.approx(within, rel=0.05)
    assert ln[:, 0].std() == pytest.approx(np.hypot(within, CENTRAL_READER.bias), rel=0.05)
    assert np.median(ln) == pytest.approx(0.0, abs=0.005)


def test_lesions_of_a_patient_are_misread_independently():
    scans = measure(held(40.0, 40.0, members=4000), WEEKS, ScanPlan(), seed=4)
    off = np.log(scans.at_mm / 40.0)
    assert abs(np.corrcoef(off[:, 0].mean(axis=1), off[:, 1].mean(axis=1))[0, 1]) < 0.05  # bias
    assert abs(np.corrcoef(off[:, 0, 1] - off[:, 0, 0], off[:, 1, 1] - off[:, 1, 0])[0, 1]) < 0.05  # error


def test_repeated_scans_differ_as_published():
    """Oxnard 2011: 84 % of changes between two scans within 10 %, 3 % at least 20 % larger; here no heavy tails."""
    scans = measure(held(40.0, members=8000), WEEKS, ScanPlan(), seed=1)
    change = scans.at_mm[:, 0, 1] / scans.at_mm[:, 0, 0] - 1.0
    assert 0.80 < np.mean(np.abs(change) < 0.10) < 0.93
    assert np.mean(change >= 0.20) < 0.03


@pytest.mark.realdata
def test_errors_are_those_of_serial_diameters_in_trials(shared_data):
    """Scatter of a diameter about the line between its neighbors, late in treatment, by size; median-based.

    In ln d; for independent errors of equal size its variance is 1 + w^2 + (1 - w)^2 times that of a reading.
    """
    table = pd.read_csv(shared_data / "laleh2022_lesion_growth" / "lesions.tsv.gz", sep="\t")
    table = table.sort_values(["lesion_patient_id", "days"])
    day, d = table["days"].to_numpy(float), table["longest_diameter_mm"].to_numpy(float)
    lesion = table["lesion_patient_id"].to_numpy()
    a, m, b = slice(None, -2), slice(1, -1), slice(2, None)
    use = (lesion[a] == lesion[b]) & (np.minimum(np.minimum(d[a], d[m]), d[b]) >= 10.0)
    use &= (day[m] > 80.0) & (day[b] - day[a] <= 140.0) & (day[m] > day[a])
    share = (day[m] - day[a])[use] / (day[b] - day[a])[use]
    ln = np.log(np.maximum(d, 1.0))
    off = (ln[m][use] - (1.0 - share) * ln[a][use] - share * ln[b][use]) / np.sqrt(1 + share**2 + (1 - share) ** 2)
    size = d[m][use]
    for low, high in ((10, 15), (15, 20), (20, 30), (30, 40), (40, 60)):
        here = (size >= low) & (size < high)
        assert here.sum() > 250
        seen = 1.4826 * np.median(np.abs(off[here] - np.median(off[here])))
        read = np.hypot(CENTRAL_READER.relative_error, CENTRAL_READER.error_mm / np.median(size[here]))
        assert read == pytest.approx(seen, rel=0.2), (low, high)


def test_what_is_small_is_recorded_at_five_millimeters_or_not_seen():
    d = np.array([0.0, 2.4, 2.6, 4.0, 8.0, np.nan])
    read = read_mm(d, np.zeros(6), np.zeros(6), CENTRAL_READER)
    np.testing.assert_array_equal(read[:4], [0.0, 0.0, 5.0, 5.0])
    assert read[4] == pytest.approx(8.0)
    assert np.isnan(read[5])


@given(st.floats(0.1, 200.0), st.floats(1.0, 3.0), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_a_larger_lesion_is_never_read_smaller(diameter, factor, bias, error):
    small, large = read_mm(np.array([diameter, factor * diameter]), np.array(bias), np.array(error), CENTRAL_READER)
    assert large >= small * (1.0 - 1e-12)


def test_luck_is_the_patients_and_the_days():
    volume = np.random.default_rng(1).uniform(1.0, 60.0, (6, 4, len(WEEKS)))
    whole = measure(volume, WEEKS, ScanPlan(6, 6), seed=5)
    order = np.array([4, 0, 3])
    part = measure(volume[order], WEEKS, ScanPlan(6, 6), seed=5, patient=order)
    np.testing.assert_array_equal(part.at_mm, whole.at_mm[order])
    np.testing.assert_array_equal(part.base_mm, whole.base_mm[order])
    seldom = measure(volume, WEEKS, ScanPlan(12, 12), seed=5)  # another plan reads the same on the same day
    np.testing.assert_array_equal(seldom.at_mm, whole.at_mm[..., 1::2])
    np.testing.assert_array_equal(seldom.days, whole.days[:, 1::2])
    assert (measure(volume, WEEKS, ScanPlan(6, 6), seed=6).at_mm != whole.at_mm).all()


def test_targets_are_the_largest_within_both_limits():
    base = np.array([[30.0, 20.0, 40.0, 50.0]])  # the last is occult, so never a target
    assert roles(base)[0].tolist() == [[True, True, True, False]]
    same_organ = np.zeros((1, 4), int)
    assert roles(base, same_organ)[0].tolist() == [[True, False, True, False]]
    assert roles(base, np.array([[0, 1, 1, 1]]))[0].tolist() == [[True, True, True, False]]
    assert roles(base, same_organ)[1].all()  # what is no target is seen all the same


def test_never_more_than_five_targets(monkeypatch):
    monkeypatch.setattr("tumornexus.trial.scans.MEASURED_LESIONS", 8)
    base = np.array([[11.0, 18.0, 12.0, 17.0, 13.0, 16.0, 14.0, 9.0]])
    target, seen = roles(base)
    assert base[target].tolist() == [18.0, 17.0, 13.0, 16.0, 14.0]
    assert seen.all()
    organs = np.array([[0, 0, 0, 0, 1, 1, 1, 1]])
    assert base[roles(base, organs)[0]].tolist() == [18.0, 17.0, 16.0, 14.0]


def test_a_node_is_a_target_from_fifteen_millimeters():
    base, node = np.array([[14.0, 14.0, 20.0, 0.0]]), np.array([[True, False, True, False]])
    target, seen = roles(base, node=node)
    assert target.tolist() == [[False, True, True, False]]
    assert seen.tolist() == [[True, True, True, False]]


def test_a_failed_member_is_marked_and_leaves_the_others_alone():
    volume = held(30.0, 20.0, 0.0, 0.0, members=3).copy()
    alone = measure(volume, WEEKS, ScanPlan())
    volume[1, 2, 40] = np.nan
    scans = measure(volume, WEEKS, ScanPlan())
    assert scans.failed.tolist() == [False, True, False]
    np.testing.assert_array_equal(scans.at_mm[[0, 2]], alone.at_mm[[0, 2]])
