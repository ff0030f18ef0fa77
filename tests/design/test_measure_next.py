"""Value of information over draws: laws, a made-up decision whose answer is known, and what noise must not claim."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.design.measure_next import Choice, chosen, gain, values
from tumornexus.design.twin_or_statistics import better_calibrated, comparison
from tumornexus.profile.experiment import NOTHING, PERFECT, call_experiment, tempered

GOOD, POOR = call_experiment(20.0, 0.05), call_experiment(1.5, 0.7)


def made_up(n: int = 64, seed: int = 0) -> SimpleNamespace:
    """Two regimens: A responds without `switch` (70 against 10 %), B with it; `bystander` has nothing to do with it."""
    stream = np.random.default_rng(seed)
    switch, bystander = stream.random(n) < 0.5, stream.random(n) < 0.5
    luck = stream.random(n)
    benefit = 100.0 * np.stack([luck < np.where(switch, 0.1, 0.7), luck < np.where(switch, 0.7, 0.1)], axis=1)
    choice = Choice(("A", "B"), (True, True), benefit, np.full(n, 1.0 / n))
    return SimpleNamespace(choice=choice, present={"switch": switch, "bystander": bystander, "everywhere": luck < 2.0})


def test_the_test_that_separates_two_regimens_ranks_first_and_the_bystander_is_not_claimed():
    case = made_up()
    inputs = [{"bystander": GOOD}, {"switch": POOR}, {"switch": GOOD}, {"everywhere": GOOD}, {}]
    by_stander, poor, good, everywhere, none = values(case.choice, inputs, case.present, 0, "S1")
    assert good.resolved
    assert good.value > 1.5 * poor.value
    # By hand: the best regimen gains 30 points when the switch is known (70 instead of 40 % respond).
    assert good.perfect == pytest.approx(30.0, abs=12.0)
    assert good.low < good.value < good.high
    for nothing in (by_stander, everywhere, none):
        assert not nothing.resolved
        assert nothing.value == 0.0
    assert chosen(case.choice, GOOD, case.present["switch"]) == (1, 0)


def test_expected_value_in_a_large_sample_is_that_by_hand():
    case = made_up(n=40000)
    assert gain(case.choice, PERFECT, case.present["switch"]) == pytest.approx(30.0, abs=1.0)
    # Right with 0.952...: 30 points times (2 x 0.9524 - 1).
    right = GOOD.present[0]
    assert right == pytest.approx(1.0 - GOOD.absent[0])
    assert gain(case.choice, GOOD, case.present["switch"]) == pytest.approx(30.0 * (2 * right - 1.0), abs=1.0)
    assert gain(case.choice, GOOD, case.present["bystander"]) == pytest.approx(0.0, abs=0.5)


@given(
    st.integers(0, 10_000), st.floats(1.05, 100.0), st.floats(0.01, 0.95), st.floats(0.1, 1.0), st.integers(2, 6)
)  # fmt: skip
def test_never_negative_and_no_test_beats_the_perfect_one(seed, high, low, weight, regimens):
    stream = np.random.default_rng(seed)
    weights = stream.dirichlet(np.ones(24))
    names = tuple(map(str, range(regimens)))
    choice = Choice(names, (True,) * regimens, 100.0 * (stream.random((24, regimens)) < 0.4), weights)
    present, test = stream.random(24) < 0.5, call_experiment(high, low)
    best = gain(choice, PERFECT, present)
    assert 0.0 <= gain(choice, test, present) <= best + 1e-9
    assert gain(choice, tempered(test, weight), present) <= gain(choice, test, present) + 1e-9
    assert gain(choice, NOTHING, present) == pytest.approx(0.0, abs=1e-9)


def test_a_mechanism_without_effect_on_outcomes_is_worth_nothing():
    case = made_up()
    same = Choice(("A", "B"), (True, True), np.tile([40.0, 30.0], (64, 1)), case.choice.weights)
    found = values(same, [{"switch": PERFECT}], case.present, 0, "S1")[0]
    assert (found.value, found.perfect, found.resolved) == (0.0, 0.0, False)
    alone = Choice(("A",), (True,), case.choice.benefit[:, :1], case.choice.weights)
    assert values(alone, [{"switch": PERFECT}], case.present, 0, "S1")[0].value == 0.0


def test_noise_is_seldom_claimed():
    """Twenty tests of mechanisms without any bearing, in twenty patients: at most one patient in five has a claim."""
    claims = 0
    for seed in range(20):
        stream = np.random.default_rng(100 + seed)
        benefit = 100.0 * (stream.random((64, 8)) < 0.3)
        choice = Choice(tuple("ABCDEFGH"), (True,) * 8, benefit, np.full(64, 1 / 64))
        present = {str(i): stream.random(64) < stream.uniform(0.1, 0.9) for i in range(20)}
        claims += any(v.resolved for v in values(choice, [{m: GOOD} for m in present], present, 0, f"S{seed}"))
    assert claims <= 4


def test_same_seed_same_table():
    case = made_up()
    once, again = (values(case.choice, [{"switch": GOOD}], case.present, 3, "S1") for _ in range(2))
    assert once == again


def test_the_better_calibrated_probability_is_named_with_date_and_digest():
    found = comparison()
    said = better_calibrated(found["knowledge_digest"])
    assert found["date"] in said
    assert found["knowledge_digest"] in said
    assert "changed since" not in said
    assert "changed since" in better_calibrated("another")
    assert found["better_calibrated"] in ("twin", "statistical", "neither")
