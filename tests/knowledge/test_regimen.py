"""The regimen grammar: what it reads, what it refuses, and that writing and reading agree."""

from __future__ import annotations

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
        ("ipilimumab 0.1 g/m2 once", 200),
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
    ("typeset", "plain"),
    [
        ("interferon_alfa_2b 80 \u00b5g qd", "interferon_alfa_2b 80 ug qd"),
        ("interferon_alfa_2b 1 \u03bcg/kg qd", "interferon_alfa_2b 1 ug/kg qd"),
        ("ipilimumab 75 mg/m\u00b2 q3w \u00d74", "ipilimumab 75 mg/m2 q3w x4"),
        ("epacadostat 100 mg d1\u20135 q4w", "epacadostat 100 mg d1-5 q4w"),
        ("CAR\u2011T 1.e+8 cells once", "car_t 1e8 cells once"),
        ("nivolumab\u00a0240\u2009mg q2w", "nivolumab 240 mg q2w"),
    ],
)
def test_typeset_signs_are_read_as_their_plain_ones(small: Knowledge, typeset: str, plain: str) -> None:
    assert parse_regimen(typeset, small) == parse_regimen(plain, small)


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
        ("nivolumab 1e-999 mg once", "positive"), ("nivolumab nan mg q2w", "positive"),
        ("nivolumab -inf mg q2w", "positive"), ("nivolumab Infinity mg q2w", "positive"),
        ("carboplatin AUCnan q3w", "positive"), ("carboplatin AUC-5 q3w", "positive"),
        ("nivolumab 240 mg q2w loading nan mg", "positive"), ("nivolumab 240 mg q2w loading -1 mg", "positive"),
        ("nivolumab \u2212240 mg q2w", "positive"), ("nivolumab - 240 mg q2w", "cannot read the dose"),
        ("nivolumab \u2212 240 mg q2w", "cannot read the dose"), ("nivolumab 0,5 mg q2w", "cannot read the dose"),
        ("nivolumab $240 mg q2w", "cannot read the dose"), ("nivolumab 240 IU q2w", "unknown dose unit"),
        ("car_t 1e8 mg once", "does not fit car_t, which is given in cells"), ("fmt 2 Gy once", "does not fit fmt"),
        ("nivolumab 240 mg/kg q2w", "is 18000 mg, more than ten times"), ("carboplatin AUC500 q3w", "ten times"),
        ("ipilimumab 8 g/m2 once", "is 15200 mg, more than ten times"), ("car_t 1e99 cells/kg once", "ten times"),
        ("nivolumab 240 mg q2w loading 24 g", "ten times"), ("nivolumab 1e308 mg/kg q2w", "ten times"),
        ("nivolumab 240 mg q-2w", "at least one day"), ("nivolumab 240 mg q0d", "at least one day"),
        ("nivolumab 240 mg q53w", "at most a year"), ("nivolumab 240 mg q2.5w", "unknown schedule"),
        ("nivolumab 240 mg qnanw", "unknown schedule"), ("nivolumab 240 mg 0/7", "days on"),
        ("nivolumab 240 mg -3/7", "days on"), ("nivolumab 240 mg 7/0", "days on"),
        ("nivolumab 240 mg bid 8/7", "days on"), ("nivolumab 240 mg 5/400", "days on"),
        ("nivolumab 240 mg d-1 q3w", "count from 1"), ("nivolumab 240 mg d5-1 q3w", "count from 1"),
        ("nivolumab 240 mg d22 q3w", "lies outside a cycle of 21 days"), ("nivolumab 240 mg d1.5 q3w", "unknown sch"),
        ("nivolumab 240 mg d1-99999999999 q3w", "count from 1"), ("nivolumab 240 mg q2w x2.5", "whole number"),
        ("nivolumab 240 mg q2w xnan", "whole number"), ("nivolumab 240 mg q2w x1e9", "whole number"),
        ("nivolumab 240 mg q2w x99999999999999999999", "more than a century"),
        ("nivolumab 240 mg q2w x2609", "at most x2608"), ("nivolumab 240 mg q2w from d-3", "counted from 1"),
        ("nivolumab 240 mg q2w from d99999999999999999999", "within a century"),
        ("nivolumab 240 mg once loading 100 mg", "there is only one"),
        ("nivolumab 240 mg q2w x1 loading 100 mg", "there is only one"),
        ("opdivo 240 mg q2w + nivolumab 480 mg q4w", "twice in one phase"),
        ("nivolumab 240 mg q2w + nivolumab 240 mg q2w", "twice in one phase"),
        ("nivolumab 240 mg q2w from d100 + ipilimumab 3 mg/kg once then nivolumab 480 mg q4w", "on day 2"),
        ("nivolumab 240 mg d8 q3w + car_t 1e8 cells once then fmt 1 transfer once then nivolumab 360 mg q3w",
         "never given"),
        ("nivolumab 240 mg q2w + + car_t 1e8 cells once", "empty"), ("then", "empty"), ("+", "empty"),
        ("nivolumab 240 mg q2w x4 " * 100, "too long"),
        ("nivolumab 240 mg d1-366 q366d + carboplatin AUC5 d1-366 q366d", "too long"),
    ],
)  # fmt: skip
def test_wrong_regimens_say_what_is_wrong(small: Knowledge, text: str, says: str) -> None:
    with pytest.raises(RegimenError, match=says) as caught:
        parse_regimen(text, small)
    assert caught.value.field
    assert caught.value.valid


@pytest.mark.parametrize("thing", [None, 240.0, b"nivolumab 240 mg q2w", ["nivolumab 240 mg q2w"]])
def test_only_text_is_a_regimen(small: Knowledge, thing: object) -> None:
    with pytest.raises(RegimenError, match="a regimen is text"):
        parse_regimen(thing, small)  # type: ignore[arg-type]


def test_ten_times_the_usual_dose_is_read_and_more_is_not(small: Knowledge) -> None:
    limit = 10 * small.drugs["nivolumab"].usual_max_single_dose
    assert parse_regimen(f"nivolumab {limit} mg once", small).doses(1)[0, 0] == limit
    assert parse_regimen(f"nivolumab {limit / 50} mg/kg once", small, weight_kg=50).doses(1)[0, 0] == limit
    for text in (f"nivolumab {limit * 1.001} mg once", f"nivolumab {limit / 50} mg/kg once"):
        with pytest.raises(RegimenError, match="ten times"):
            parse_regimen(text, small, weight_kg=50.1)


def test_a_long_regimen_ends_on_a_day_that_can_be_named(small: Knowledge) -> None:
    r = parse_regimen("nivolumab 240 mg q2w x2608 from d36525", small)
    assert r.last_day == 36524 + 2607 * 14


def test_missing_dose_shows_the_usual_one(small: Knowledge) -> None:
    with pytest.raises(RegimenError, match="nivolumab 240 mg q2w"):
        parse_regimen("nivolumab q2w", small)


@pytest.mark.parametrize("name", ["weight_kg", "bsa_m2", "gfr_ml_min"])
@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, 10**400, 19000, "75", None, True])
def test_patient_measures_must_be_positive(small: Knowledge, name: str, value: object) -> None:
    with pytest.raises(RegimenError, match=f"{name}.*positive"):
        parse_regimen("nivolumab 240 mg q2w", small, **{name: value})  # type: ignore[arg-type]


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


NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from(["240", "3", "1e8", "1.e+8", ".5", "-0", "1e999", "nan", "+inf", "\u22123", "\u0663", "9" * 400]),
)
WORDS = st.one_of(
    NUMBERS,
    st.sampled_from(["nivolumab", "OPDIVO", "car-t", "interferon alfa 2b", "radiotherapy", "carboplatin", "nobody"]),
    st.sampled_from(
        ["mg", "mg/kg", "mg/m\u00b2", "\u00b5g", "Gy", "cells", "transfers", "PFU", "AUC", "IU", "mg/kg/day"]
    ),
    st.sampled_from(
        ["once", "qd", "bid", "q2w", "qw", "d1,8 q3w", "21/28", "q0w", "d1-", "/", "loading", "from", "then"]
    ),
    st.sampled_from(["+", "-", ",", "x4", "x", "from d15", "", "\x00", "\ud800", "\n"]),
    st.tuples(
        st.sampled_from(["q", "d", "x", "AUC", "from d", ""]), NUMBERS, st.sampled_from(["w", "d", "", "/28"])
    ).map("".join),
)


@st.composite
def almost(draw: st.DrawFn) -> str:
    """A component of the right form whose numbers may be anything, so that many are read."""
    small_number = st.integers(1, 30).map(str)
    number = st.one_of(small_number, small_number, st.integers(300, 400).map(str), NUMBERS)
    n = [draw(number) for _ in range(4)]
    drug, dose = draw(st.sampled_from([("nivolumab", "240 mg"), ("car_t", "1e8 cells"), ("carboplatin", "AUC5")]))
    dose = draw(st.sampled_from([dose, dose, dose, f"{n[0]} mg", f"AUC{n[0]}", f"{n[0]} cells/kg"]))
    schedules = ["q2w", "once", f"q{n[1]}w", f"d{n[1]} q{n[2]}d", f"d1-{n[1]} q4w", f"bid {n[1]}/{n[2]}"]
    schedule = draw(st.sampled_from(schedules))
    option = draw(st.sampled_from(["", f"x{n[3]}", f"from d{n[3]}", f"x{n[2]} from d{n[3]}", f"loading {n[3]} mg"]))
    return f"{drug} {dose} {schedule} {option}"


def read_or_refuse(text: str, knowledge: Knowledge) -> None:
    """Require that text is refused with a `RegimenError` that helps, or is read, planned and written without change."""
    refusal: RegimenError | None = None
    try:
        r = parse_regimen(text, knowledge)
    except RegimenError as error:
        refusal = error
    if refusal is not None:
        assert refusal.field
        assert refusal.valid
        return
    again = parse_regimen(r.text, knowledge)
    assert again == r
    assert again.text == r.text
    table = r.doses(90)
    assert np.isfinite(table).all()
    assert (table >= 0).all()
    assert r.last_day is None or r.last_day >= 0


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_is_a_regimen_or_a_regimen_error(small: Knowledge, text: str) -> None:
    read_or_refuse(text, small)


@settings(max_examples=500, deadline=None)
@given(words=st.lists(WORDS, max_size=14))
def test_any_words_of_the_grammar_are_a_regimen_or_a_regimen_error(small: Knowledge, words: list[str]) -> None:
    read_or_refuse(" ".join(words), small)


@settings(max_examples=500, deadline=None)
@given(parts=st.lists(almost(), min_size=1, max_size=3), joint=st.sampled_from([" + ", " then "]))
def test_any_numbers_in_the_grammar_are_a_regimen_or_a_regimen_error(
    small: Knowledge, parts: list[str], joint: str
) -> None:
    read_or_refuse(joint.join(parts), small)


@settings(max_examples=300, deadline=None)
@given(text=regimens(), place=st.integers(0, 10**6), change=st.one_of(st.just(""), st.text(max_size=3), WORDS))
def test_a_regimen_with_a_slip_is_a_regimen_or_a_regimen_error(
    small: Knowledge, text: str, place: int, change: str
) -> None:
    at = place % len(text)
    read_or_refuse(text[:at] + change + text[at + 1 :], small)
