"""The regimen grammar: what it reads, what it refuses, and that writing and reading agree."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.errors import RegimenError
from tumornexus.knowledge import Knowledge, parse_regimen


def days(regimen, drug: str, horizon: int = 200) -> list[int]:
    """Days with a dose of one drug."""
    return np.flatnonzero(regimen.doses(horizon)[:, regimen.drugs.index(drug)]).tolist()


def test_interval_and_flat_dose(small: Knowledge) -> None:
    r = parse_regimen("nivolumab 240 mg q2w", small)
    table = r.doses(60)
    assert table.shape == (60, 1)
    assert days(r, "nivolumab", 60) == [0, 14, 28, 42, 56]
    assert table.sum() == 5 * 240
    assert r.last_day is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("ipilimumab 3 mg/kg once", 3 * 80), ("ipilimumab 75 mg/m2 once", 150), ("ipilimumab 0.2 g once", 200),
        ("carboplatin AUC5 once", 5 * (60 + 25)), ("carboplatin AUC 5 once", 5 * 85), ("radiotherapy 8 Gy once", 8),
        ("car_t 1e8 cells once", 1e8), ("car_t 2e6 cells/kg once", 1.6e8), ("fmt 1 transfer once", 1),
        ("interferon_alfa_2b 0.1 mg once", 100), ("nivolumab .5 mg once", 0.5),
    ],
)  # fmt: skip
def test_dose_units_become_the_amount_for_this_patient(small: Knowledge, text: str, amount: float) -> None:
    r = parse_regimen(text, small, weight_kg=80, bsa_m2=2.0, gfr_ml_min=60)
    assert r.doses(1)[0, 0] == pytest.approx(amount)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("once", [0]), ("qd x3", [0, 1, 2]), ("q3w x3", [0, 21, 42]), ("qw x2", [0, 7]), ("q10d x2", [0, 10]),
        ("d1,8 q3w x2", [0, 7, 21, 28]), ("d1, 8 q3w x1", [0, 7]), ("d1-3 q4w x2", [0, 1, 2, 28, 29, 30]),
        ("2/7 x2", [0, 1, 7, 8]), ("qd 2/7 x1", [0, 1]), ("once from d15", [14]), ("q1w x2 from d3", [2, 9]),
    ],
)  # fmt: skip
def test_schedules(small: Knowledge, schedule: str, expected: list[int]) -> None:
    r = parse_regimen(f"nivolumab 240 mg {schedule}", small)
    assert days(r, "nivolumab") == expected
    assert r.last_day == expected[-1]


def test_twice_daily_sums_both_doses_and_21_of_28_rests_a_week(small: Knowledge) -> None:
    assert parse_regimen("epacadostat 100 mg bid", small).doses(5).ravel().tolist() == [200.0] * 5
    table = parse_regimen("epacadostat 100 mg 21/28", small).doses(56)[:, 0]
    assert np.array_equal(np.flatnonzero(table == 0), np.r_[21:28, 49:56])
    assert parse_regimen("epacadostat 100 mg bid 14/21", small).doses(1)[0, 0] == 200


def test_then_starts_one_interval_after_the_last_dose_of_the_longest_limited_component(small: Knowledge) -> None:
    r = parse_regimen("ipilimumab 3 mg/kg q3w x4 + nivolumab 1 mg/kg q3w x4 then nivolumab 240 mg q2w", small)
    assert r.drugs == ("ipilimumab", "nivolumab")
    assert days(r, "ipilimumab") == [0, 21, 42, 63]
    assert days(r, "nivolumab", 113) == [0, 21, 42, 63, 84, 98, 112]
    amounts = r.doses(113)[:, 1]
    assert amounts[63] == 75
    assert amounts[84] == 240


def test_an_unlimited_drug_goes_on_through_then_unless_it_is_named_again(small: Knowledge) -> None:
    r = parse_regimen("nivolumab 360 mg q3w + carboplatin AUC5 q3w x2 then epacadostat 100 mg qd", small)
    assert days(r, "nivolumab", 100) == [0, 21, 42, 63, 84]
    assert days(r, "epacadostat", 45) == [42, 43, 44]
    switched = parse_regimen("nivolumab 360 mg q3w + carboplatin AUC5 q3w x2 then nivolumab 480 mg q4w", small)
    assert days(switched, "nivolumab", 100) == [0, 21, 42, 70, 98]


def test_loading_dose_two_ways(small: Knowledge) -> None:
    for text in ("nivolumab 400 mg once then nivolumab 250 mg qw", "nivolumab 250 mg qw loading 400 mg"):
        table = parse_regimen(text, small).doses(22)[:, 0]
        assert table[[0, 7, 14, 21]].tolist() == [400, 250, 250, 250], text
        assert table.sum() == 1150


def test_names_may_be_aliases_with_spaces_digits_and_case(small: Knowledge) -> None:
    r = parse_regimen("OPDIVO 240 MG Q2W + interferon alfa 2b 80 ug qd", small)
    assert r.text == "nivolumab 240 mg q2w + interferon_alfa_2b 80 ug qd"
    assert parse_regimen("CAR-T 1e+8 cells once", small).text == "car_t 1e8 cells once"
    assert parse_regimen("BMS-936558 240 mg q2w", small).drugs == ("nivolumab",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"), ("   ", "empty"), ("nivolumba 240 mg q2w", "did you mean nivolumab"),
        ("nivolumab 240 q2w", "without a unit"), ("nivolumab 240", "without a unit"),
        ("nivolumab 2 Gy once", "does not fit"), ("radiotherapy 200 mg once", "does not fit"),
        ("radiotherapy 2 Gy/kg once", "unknown dose unit"), ("nivolumab AUC5 q3w", "not dosed by AUC"),
        ("nivolumab 5000 mg q2w", "ten times"), ("nivolumab 240 mg", "schedule is missing"),
        ("nivolumab 240 mg sometimes", "unknown schedule"), ("nivolumab 240 mg q0w", "at least one day"),
        ("nivolumab 240 mg q2w x0", "at least 1"), ("nivolumab 240 mg q2w x-2", "at least 1"),
        ("nivolumab 240 mg once x4", "at least 1"), ("nivolumab -240 mg q2w", "positive"),
        ("nivolumab 0 mg q2w", "positive"), ("nivolumab 240 mg d1,8", "cycle's length"),
        ("nivolumab 240 mg d1,30 q3w", "outside a cycle"), ("nivolumab 240 mg d0 q3w", "count from 1"),
        ("nivolumab 240 mg 28/21", "days on"), ("nivolumab 240 mg q2w x4 x4", "given twice"),
        ("nivolumab 240 mg q2w daily", "cannot read what follows"), ("nivolumab 240 mg q2w +", "empty"),
        ("+ nivolumab 240 mg q2w", "empty"), ("nivolumab 240 mg q2w then", "empty"),
        ("nivolumab 240 mg q2w then ipilimumab 1 mg/kg q3w", "nothing ends before 'then'"),
        ("nivolumab 240 mg q2w + nivolumab 480 mg q4w", "twice in one phase"), ("nivolumab q2w", "dose is missing"),
        ("nivolumab", "dose is missing"), ("nivolumab 240 mg q2w from d0", "counted from 1"), ("240 mg q2w", "unknown"),
        ("nivolumab 240 mg q2w loading", "cannot read the dose"), ("nivolumab 1e999 mg once", "positive"),
    ],
)  # fmt: skip
def test_wrong_regimens_say_what_is_wrong(small: Knowledge, text: str, says: str) -> None:
    with pytest.raises(RegimenError, match=says):
        parse_regimen(text, small)


def test_missing_dose_shows_the_usual_one(small: Knowledge) -> None:
    with pytest.raises(RegimenError, match="nivolumab 240 mg q2w"):
        parse_regimen("nivolumab q2w", small)


@pytest.mark.parametrize("name", ["weight_kg", "bsa_m2", "gfr_ml_min"])
def test_patient_measures_must_be_positive(small: Knowledge, name: str) -> None:
    with pytest.raises(RegimenError, match=name):
        parse_regimen("nivolumab 240 mg q2w", small, **{name: 0.0})


def test_negative_horizon_is_refused_and_zero_is_empty(small: Knowledge) -> None:
    r = parse_regimen("nivolumab 240 mg q2w", small)
    assert r.doses(0).shape == (0, 1)
    with pytest.raises(RegimenError):
        r.doses(-1)


DOSES = {
    "nivolumab": st.one_of(
        st.floats(0.001, 4800, allow_nan=False).map(lambda v: f"{v!r} mg"),
        st.integers(1, 60).map(lambda v: f"{v} mg/kg"),
        st.integers(1, 2000).map(lambda v: f"{v / 10} mg/m2"),
    ),
    "carboplatin": st.integers(1, 9).map(lambda v: f"AUC{v}"),
    "car_t": st.floats(1e5, 9e9).map(lambda v: f"{v:.3e} cells"),
    "radiotherapy": st.floats(0.5, 24).map(lambda v: f"{v:.2f} Gy"),
}
SCHEDULES = st.one_of(
    st.sampled_from(["qd", "bid", "tid", "21/28", "bid 5/7", "qw"]),
    st.integers(1, 8).map(lambda n: f"q{n}w"),
    st.integers(1, 60).map(lambda n: f"q{n}d"),
    st.lists(st.integers(1, 21), min_size=1, max_size=4).map(lambda d: f"d{','.join(map(str, d))} q3w"),
)


@st.composite
def phases(draw: st.DrawFn, limited: bool) -> str:
    """A phase of one to three drugs, each limited when another phase must follow."""
    drugs = draw(st.lists(st.sampled_from(sorted(DOSES)), min_size=1, max_size=3, unique=True))
    parts = []
    for drug in drugs:
        text = f"{drug} {draw(DOSES[drug])} {draw(SCHEDULES)}"
        if limited or draw(st.booleans()):
            text += f" x{draw(st.integers(1, 6))}"
        if draw(st.booleans()):
            text += f" from d{draw(st.integers(1, 30))}"
        parts.append(text)
    return " + ".join(parts)


@st.composite
def regimens(draw: st.DrawFn) -> str:
    """One to three phases joined by then."""
    n = draw(st.integers(1, 3))
    return " then ".join(draw(phases(limited=i < n - 1)) for i in range(n))


@settings(max_examples=60, deadline=None)
@given(text=regimens(), horizon=st.integers(0, 300), longer=st.integers(0, 100))
def test_normalized_text_reads_back_as_the_same_regimen(small: Knowledge, text: str, horizon: int, longer: int) -> None:
    r = parse_regimen(text, small)
    again = parse_regimen(r.text, small)
    assert again == r
    table = r.doses(horizon)
    assert np.array_equal(table, again.doses(horizon))
    assert table.shape == (horizon, len(r.drugs))
    assert (table >= 0).all()
    # A longer look ahead never changes what was planned before.
    assert np.array_equal(r.doses(horizon + longer)[:horizon], table)


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="nivolumab 240mgq2wx4+then./,d-AUC5", max_size=40))
def test_any_text_is_a_regimen_or_a_regimen_error(small: Knowledge, text: str) -> None:
    # Any other exception would fail the test: that is the law.
    with contextlib.suppress(RegimenError):
        parse_regimen(text, small)
