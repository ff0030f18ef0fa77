"""Several lesions, chance and severe events in the full model: one ensemble of eight weeks for each question."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr

from simulated import BURDEN_ML, Tumors, rows, usual
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.systemic.solver import Grown, Lesions, grow, treat
from tumornexus.systemic.state import LESIONS, OCCULT
from tumornexus.systemic.treatment import Treatment, prepare

pytestmark = pytest.mark.simulation

KEPT = ("tumor_volume", "new_lesion_volume", "toxicity_hazard", "virus")
DAYS = 56


@dataclass(frozen=True)
class Host:
    """Tumors of the fixture spread over lesions, and their treatment with nivolumab."""

    names: tuple[str, ...]
    values: np.ndarray
    lesions: Lesions
    grown: Grown
    treatment: Treatment

    def treat(self, rows: np.ndarray | None = None, values: np.ndarray | None = None, luck=None) -> xr.Dataset:
        """Return the course of some members, by default of all, with other parameters or luck."""
        rows = np.arange(len(self.values)) if rows is None else rows
        state = type(self.grown.state)(**{k: np.asarray(v)[rows] for k, v in vars(self.grown.state).items()})
        return treat(
            (self.values if values is None else values)[rows], self.names, state, [self.treatment],
            np.zeros(len(rows), int), lesions=self.lesions[rows], luck=None if luck is None else luck[rows], keep=KEPT,
        )  # fmt: skip

    def changed(self, **parameters: float) -> np.ndarray:
        """Return the parameters with some of them set."""
        values = self.values.copy()
        for name, value in parameters.items():
            values[:, self.names.index(name)] = value
        return values


def host_of(tumors: Tumors, knowledge: Knowledge, shares: tuple[float, ...], **parameters: float) -> Host:
    values, n = tumors.values[""].copy(), tumors.n
    for name, value in parameters.items():
        values[:, tumors.names.index(name)] = value
    single = Lesions.single(n)
    lesions = Lesions(np.tile(np.array(shares), (n, 1)), single.factors)
    grown = grow(values, tumors.names, np.full(n, BURDEN_ML), lesions=lesions)
    return Host(tumors.names, values, lesions, grown, usual(knowledge, "nivolumab").until(DAYS))


@pytest.fixture(scope="module")
def halves(tumors: Tumors, knowledge: Knowledge) -> Host:
    """Two equal lesions and no spread."""
    return host_of(tumors, knowledge, (0.5, 0.5, 0.0, 0.0), dissemination_rate=0.0)


@pytest.fixture(scope="module")
def spreading(tumors: Tumors, knowledge: Knowledge) -> Host:
    """Three lesions that spread a few founder cells a week."""
    return host_of(tumors, knowledge, (0.5, 0.3, 0.2, 0.0), dissemination_rate=1e-10, niche_floor=0.5)


def test_an_empty_lesion_stays_empty(halves: Host):
    cancer = np.asarray(halves.grown.state.cancer)
    assert (cancer[:, :, :2] >= 0.0).all()
    assert (cancer[:, :, 2:] == 0.0).all()
    course = halves.treat()
    assert (course["status"].values == 0).all()
    assert course["lesion_volume"].sizes["lesion"] == LESIONS
    assert (course["lesion_volume"].values[:, 2:] == 0.0).all()
    assert (course["new_lesion_volume"].values == 0.0).all()


def test_two_lesions_of_half_the_size_are_alike(halves: Host):
    volume = halves.treat()["lesion_volume"].values
    assert (volume[:, 0] > 0.0).all()
    np.testing.assert_allclose(volume[:, 0], volume[:, 1], rtol=1e-6)
    np.testing.assert_allclose(volume[:, 0, 0] * 2.0, halves.treat()["tumor_volume"].values[:, 0], rtol=1e-5)


def test_the_tumor_is_the_sum_of_its_lesions(spreading: Host):
    course = spreading.treat(luck=np.arange(len(spreading.values)))
    total = course["lesion_volume"].values.sum(axis=1)
    np.testing.assert_allclose(total, course["tumor_volume"].values, rtol=1e-5)
    new = course["lesion_volume"].values[:, OCCULT]
    np.testing.assert_array_equal(new, course["new_lesion_volume"].values)


def test_equal_luck_is_equal_whatever_the_batch(spreading: Host):
    """Bits do not depend on the neighbors; another seed gives another course, and no seed the equations'."""
    n = len(spreading.values)
    luck = np.arange(n) + 100
    whole, few = spreading.treat(luck=luck), np.array([n - 1, 1])
    alone, other, none = spreading.treat(few, luck=luck), spreading.treat(luck=luck + 50), spreading.treat()
    for name in (*KEPT, "lesion_volume"):
        np.testing.assert_array_equal(alone[name].values, whole[name].values[few], err_msg=name)
    new = [x["new_lesion_volume"].values for x in (whole, other, none)]
    assert (new[0] != new[1]).any()
    assert (new[0] != new[2]).any()


def test_without_frailty_there_is_no_event(halves: Host):
    course = halves.treat(values=halves.changed(toxicity_frailty=0.0, toxicity_threshold=1e-9))
    assert np.isinf(course["toxicity_event_day"].values).all()
    assert (course["toxicity_hazard"].values == 0.0).all()


def test_a_severe_event_pauses_the_drug(halves: Host):
    frail = {"toxicity_frailty": 1.0, "toxicity_pause": 42.0}
    spared = halves.treat(values=halves.changed(**frail, toxicity_threshold=1e9))
    struck = halves.treat(values=halves.changed(**frail, toxicity_threshold=0.01))
    assert np.isinf(spared["toxicity_event_day"].values).all()
    day = struck["toxicity_event_day"].values
    assert (day > 0.0).all()
    assert (day < 28.0).all()
    given, held = (x["plasma"].values[:, :, 0] for x in (spared, struck))
    before = struck["time"].values[None] <= day[:, None]
    np.testing.assert_array_equal(held[before], given[before])
    # Doses are every two weeks, so from the dose after the event on there is less drug.
    after = struck["time"].values[None] > day[:, None] + 14.0
    assert after.any()
    assert (held[after] < 0.9 * given[after]).all()


def test_injections_that_fall_into_a_pause_are_as_if_never_planned(halves: Host, knowledge: Knowledge):
    """Living products pause as drugs do: bit for bit the course of a regimen without the doses of days 1 to 20."""
    planned = prepare(parse_regimen("t_vec 4e8 PFU q1w", knowledge), knowledge, DAYS)
    doses = planned.doses.copy()
    doses[1:21] = 0.0
    n = len(halves.values)
    values = halves.changed(toxicity_frailty=1.0, toxicity_threshold=1e-9, toxicity_pause=20.0)
    values[2 * n // 3 :, halves.names.index("toxicity_threshold")] = 1e9  # spared
    twice = np.tile(np.arange(n), 2)
    course = treat(
        values[twice], halves.names, rows(halves.grown.state, twice), [planned, replace(planned, doses=doses)],
        np.repeat([0, 1], n), lesions=halves.lesions[twice], keep=KEPT,
    )  # fmt: skip
    day = course["toxicity_event_day"].values.reshape(2, n)
    struck = np.isfinite(day[0])
    assert (day[:, struck] == 1.0).all()
    assert struck.any()
    assert not struck.all()
    virus, volume = (course[name].values.reshape(2, n, -1) for name in ("virus", "tumor_volume"))
    for x in (virus, volume):
        np.testing.assert_array_equal(x[0, struck], x[1, struck])
    # Read each week before the dose of that day: the doses of days 7 and 14 show on days 14 and 21.
    assert (virus[0, ~struck, 2:4] > 1.1 * virus[1, ~struck, 2:4]).all()
    assert (virus[0, struck, 4] > 1.1 * virus[0, struck, 3]).all()  # given again on day 21
