"""The artefact of calibration: priors, round trip, and files that are not one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tumornexus.errors import InputError
from tumornexus.trial.calibration import (
    PRIOR_SD,
    Calibration,
    load_calibration,
    log_prior,
    none,
    prior,
    shipped,
)


def value_of(name, shift, knowledge):
    """Return the value of a parameter that a shift makes of that of the record."""
    p = knowledge.parameters[name]
    if p.bounded and 0.0 < p.value < 1.0:
        return 1.0 / (1.0 + np.exp(-(np.log(p.value / (1.0 - p.value)) + shift)))
    return p.value * np.exp(shift)


@pytest.fixture(scope="module")
def draws(knowledge):
    return prior(knowledge, 4000, seed=1)


@pytest.fixture
def found():
    g = np.random.default_rng(2)
    return Calibration(
        ("cd8_kill_rate", "pd1_weight"), 0.3 * g.standard_normal((7, 2)), {"rate": 0.25, "hazard": 0.15},
        {"rate_per_year": 0.21}, {"seed": 2, "what": "a test"},
    )  # fmt: skip


def test_priors_stay_in_the_range_of_the_record(draws, knowledge):
    for j, name in enumerate(draws.names):
        p, made = knowledge.parameters[name], value_of(name, draws.shifts[:, j], knowledge)
        assert made.min() >= p.low * (1.0 - 1e-6), name
        assert made.max() <= p.high * (1.0 + 1e-6), name


def test_priors_are_as_wide_as_they_say_where_no_limit_is_near(draws, knowledge):
    free = 0
    for j, (name, sd) in enumerate(PRIOR_SD.items()):
        ends = np.array([-3.0, 3.0]) * sd
        edge = knowledge.parameters[name].low, knowledge.parameters[name].high
        if edge[0] <= value_of(name, ends[0], knowledge) and value_of(name, ends[1], knowledge) <= edge[1]:
            free += 1
            assert draws.shifts[:, j].std() == pytest.approx(sd, rel=0.08)
            assert abs(draws.shifts[:, j].mean()) < 0.08 * sd
        assert draws.shifts[:, j].std() < 1.08 * sd
    assert free >= 10


def test_prior_draws_have_an_address(knowledge, draws):
    again = prior(knowledge, 4000, seed=1)
    np.testing.assert_array_equal(again.shifts, draws.shifts)
    np.testing.assert_array_equal(prior(knowledge, 10, seed=1).shifts, draws.shifts[:10])
    assert not np.isclose(prior(knowledge, 4000, seed=2).shifts, draws.shifts).any()
    correlation = np.corrcoef(draws.shifts.T) - np.eye(len(PRIOR_SD))
    assert np.abs(correlation).max() < 0.08


def test_log_prior(draws, knowledge):
    found = log_prior(draws.shifts, knowledge)
    assert np.isfinite(found).all()
    assert log_prior(np.zeros((1, len(PRIOR_SD))), knowledge)[0] == 0.0
    x = draws.shifts / np.array(list(PRIOR_SD.values()))
    np.testing.assert_allclose(found, -0.5 * (x**2).sum(axis=1))


def test_log_prior_ends_with_the_range(knowledge):
    for j, name in enumerate(PRIOR_SD):
        p = knowledge.parameters[name]
        for limit, sign in ((p.low, -1.0), (p.high, 1.0)):
            low, high = 0.0, sign * 100.0  # the shift that meets the limit, by halving
            for _ in range(200):
                middle = 0.5 * (low + high)
                beyond = (value_of(name, middle, knowledge) - limit) * sign > 0.0
                low, high = (low, middle) if beyond else (middle, high)
            if abs(low) > 25.0:
                continue  # a range that starts at 0 has no end on the scale of logarithms
            points = np.zeros((2, len(PRIOR_SD)))
            points[:, j] = low - 1e-6 * sign, low + 1e-3 * sign
            inside, outside = log_prior(points, knowledge)
            assert np.isfinite(inside), name
            assert outside == -np.inf, name


def test_draws_are_counted_round(found):
    of = found.of(np.array([0, 6, 7, 15]))
    assert set(of) == set(found.names)
    np.testing.assert_array_equal(of["pd1_weight"], found.shifts[[0, 6, 0, 1], 1])
    assert none().of(np.arange(5)) == {}


def test_round_trip(tmp_path, found, knowledge):
    path = tmp_path / "calibration.json"
    found.save(path)
    read = load_calibration(path, knowledge)
    assert read.names == found.names
    np.testing.assert_allclose(read.shifts, found.shifts, rtol=1e-5)
    assert (read.trial_sd, read.death, read.provenance) == (found.trial_sd, found.death, found.provenance)
    read.save(tmp_path / "again.json")  # what was read is written byte by byte
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert load_calibration(tmp_path / "again.json", knowledge).digest() == read.digest()


def test_round_trip_of_nothing(tmp_path, knowledge):
    none().save(tmp_path / "none.json")
    assert load_calibration(tmp_path / "none.json", knowledge).digest() == none().digest()


def test_digest_is_that_of_what_changes_numbers(found):
    same = replace(found, provenance={"seed": 3}, trial_sd=dict(reversed(found.trial_sd.items())))
    assert same.digest() == found.digest()
    shifts = found.shifts.copy()
    shifts[3, 1] += 1e-9
    others = [
        replace(found, shifts=shifts), replace(found, names=found.names[::-1]),
        replace(found, trial_sd={"rate": 0.26, "hazard": 0.15}), replace(found, death={"rate_per_year": 0.22}),
        replace(found, shifts=found.shifts[::-1]),
    ]  # fmt: skip
    assert len({c.digest() for c in (found, *others)}) == len(others) + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["shifts"][0].__setitem__(0, 0.111), "were changed"),
        (lambda r: r["trial_sd"].update(rate=0.9), "were changed"),
        (lambda r: r.pop("shifts"), "not a calibration"),
        (lambda r: r["shifts"][0].pop(), "not a calibration"),
        (lambda r: r.update(shifts=[]), "no draws"),
        (lambda r: r.update(shifts="none"), "not a calibration"),
        (lambda r: r["shifts"][0].__setitem__(0, float("nan")), "no numbers"),
        (lambda r: r.update(names=["cd8_kill_rate", "no_such_parameter"]), "no_such_parameter"),
        (lambda r: r.update(trial_sd=[0.1]), "not a calibration"),
        (lambda r: r["trial_sd"].update(rate=-1.0), "a standard deviation that is none"),
        (lambda r: r["trial_sd"].update(rate="wide"), "not a calibration"),
        (lambda r: r["death"].update(rate_per_year=0.9), "were changed"),
        (lambda r: r.update(provenance=3), "not a calibration"),
    ],
)
def test_spoiled_files(tmp_path, found, knowledge, change, words):
    path = tmp_path / "a.json"
    found.save(path)
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=words):
        load_calibration(path, knowledge)


@pytest.mark.parametrize(("death", "words"), [({"speed": 1.0}, "speed"), ({"rate_per_year": -1.0}, "rate_per_year")])
def test_laws_of_death_that_cannot_be(tmp_path, found, knowledge, death, words):
    replace(found, death=death).save(tmp_path / "a.json")
    with pytest.raises(InputError, match=words) as told:
        load_calibration(tmp_path / "a.json", knowledge)
    assert told.value.field == "death"


@pytest.mark.parametrize("content", ["", "[1, 2]", "{", "3", "null"])
def test_other_files(tmp_path, knowledge, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match="not a calibration") as told:
        load_calibration(path, knowledge)
    assert told.value.file == path


def test_no_file(tmp_path, knowledge):
    with pytest.raises(InputError, match="cannot be read"):
        load_calibration(tmp_path / "none.json", knowledge)
    with pytest.raises(InputError):
        load_calibration(tmp_path, knowledge)


def test_what_ships_can_be_read(knowledge):
    found = shipped(knowledge)
    assert set(found.names) <= set(PRIOR_SD)
    if found.names:
        assert np.isfinite(log_prior(found.shifts, knowledge)).all()
