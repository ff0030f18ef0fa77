"""Ensembles: members never interact, a new regimen never compiles, failures are values."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from simulated import BURDEN_ML, HORIZON_DAYS, Tumors, rows, untreated, usual
from tumornexus.errors import SimulationError, TrajectoryWarning
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.systemic.dynamics import OBSERVABLES, diversity
from tumornexus.systemic.ode import Setting
from tumornexus.systemic.solver import (
    CHUNK,
    SAVE_EVERY_DAYS,
    _compiled_growth,
    _compiled_treatment,
    grow,
    setting_of,
    treat,
)
from tumornexus.systemic.state import CLONES, State
from tumornexus.systemic.treatment import NO_ACTS, prepare
from tumornexus.systemic.twin import draw_bare

pytestmark = pytest.mark.simulation


def stacked(tumors: Tumors) -> tuple[np.ndarray, State]:
    """Return every tumor of the fixture as one ensemble."""
    keys = list(tumors.values)
    values = np.concatenate([tumors.values[m] for m in keys])
    return values, jax.tree.map(lambda *xs: np.concatenate(xs), *[tumors.state[m] for m in keys])


@pytest.fixture(scope="module")
def baseline(tumors: Tumors, knowledge: Knowledge):
    values, state = stacked(tumors)
    return treat(values, tumors.names, state, [usual(knowledge, "nivolumab")], np.zeros(len(values), int))


def test_a_member_does_not_depend_on_its_place_or_its_neighbors(baseline, tumors: Tumors, knowledge: Knowledge):
    """Reversed, in a small batch padded with copies, and beside others under another regimen: the same bits."""
    values, state = stacked(tumors)
    n = len(values)
    both = [untreated(knowledge), usual(knowledge, "nivolumab")]
    order = np.arange(n)[::-1]
    turned = treat(values[order], tumors.names, rows(state, order), both, np.ones(n, int))
    few = np.array([n - 1, 3, 40])
    alone = treat(values[few], tumors.names, rows(state, few), both[1:], np.zeros(3, int))
    mixed = treat(values, tumors.names, state, both, np.arange(n) % 2)
    for name in OBSERVABLES:
        whole = baseline[name].values
        np.testing.assert_array_equal(turned[name].values[::-1], whole, err_msg=name)
        np.testing.assert_array_equal(alone[name].values, whole[few], err_msg=name)
        np.testing.assert_array_equal(mixed[name].values[1::2], whole[1::2], err_msg=name)


def test_an_ensemble_larger_than_a_chunk_is_its_parts(baseline, tumors: Tumors, knowledge: Knowledge):
    values, state = stacked(tumors)
    many = np.resize(np.arange(len(values)), CHUNK + 10)
    long = treat(
        values[many], tumors.names, rows(state, many), [usual(knowledge, "nivolumab")], np.zeros(len(many), int),
        keep=["tumor_volume"],
    )  # fmt: skip
    np.testing.assert_array_equal(long["tumor_volume"].values, baseline["tumor_volume"].values[many])


def test_growth_does_not_depend_on_the_batch(tumors: Tumors):
    values = tumors.values["tgf_beta"]
    whole = grow(values, tumors.names, np.full(len(values), BURDEN_ML))
    alone = grow(values[2:3], tumors.names, np.full(1, BURDEN_ML))
    for a, b in zip(jax.tree.leaves(whole.state), jax.tree.leaves(alone.state), strict=True):
        np.testing.assert_array_equal(a[2:3], b)
    assert whole.days[2] == alone.days[0]


def test_a_new_regimen_and_a_new_patient_compile_nothing(baseline, tumors: Tumors, knowledge: Knowledge):
    one = usual(knowledge, "nivolumab")
    treating, growing = (
        _compiled_treatment(setting_of(tumors.names, one), 1, (*OBSERVABLES, "lesion_volume"), False, False),
        _compiled_growth(Setting(tumors.names, NO_ACTS, True)),
    )
    before = treating._cache_size(), growing._cache_size()
    assert min(before) >= 1
    values = tumors.values["hypoxia"] * 1.01
    grown = grow(values, tumors.names, np.full(len(values), BURDEN_ML / 2))
    regimens = [
        usual(knowledge, "dabrafenib", "trametinib"),
        usual(knowledge, "carboplatin", "pemetrexed", "pembrolizumab"),
        usual(knowledge, "car_t"),
    ]
    treat(values, tumors.names, grown.state, regimens, np.arange(len(values)) % 3)
    assert (treating._cache_size(), growing._cache_size()) == before


def test_diversity_is_that_of_as_many_equal_kinds():
    """n equal kinds: two cells differ with probability 1 - 1/n; one kind or no cell at all: never."""
    amounts = np.zeros((6, 4))
    amounts[:, 0] = 5.0
    amounts[:2, 1] = 0.3
    amounts[3, 2] = 7.0
    np.testing.assert_allclose(diversity(amounts), [1 - 1 / 6, 0.5, 0.0, 0.0], rtol=1e-6, atol=1e-7)


def test_trajectories_say_what_they_are(baseline):
    assert baseline["tumor_volume"].dims == ("member", "time")
    assert baseline["time"].values[0] == 0
    assert set(np.diff(baseline["time"].values)) == {SAVE_EVERY_DAYS}
    assert baseline["time"].values[-1] == HORIZON_DAYS
    assert (baseline["status"].values == 0).all()
    for name in OBSERVABLES:
        value = baseline[name].values
        assert np.isfinite(value).all(), name
        if name != "growth":
            assert (value >= 0.0).all(), name
    clones = [f"clone_{c}" for c in CLONES[1:4]]
    fractions = (
        "recognition", "mhc1", "pdl1", "killing", "checkpoint_inhibition", "exhaustion", "persister", "microbiome",
        "drug_access", "arginine", "clonal_diversity", *clones,
    )  # fmt: skip
    for name in fractions:
        assert (baseline[name].values <= 1.0 + 1e-6).all(), name


def test_tumors_start_treatment_at_their_burden(tumors: Tumors, baseline):
    start = baseline["tumor_volume"].values[:, 0]
    assert (start >= BURDEN_ML * (1 - 1e-6)).all()
    assert (start <= BURDEN_ML * 1.1).all()


def test_a_failed_member_is_reported_and_harms_no_other(baseline, tumors: Tumors, knowledge: Knowledge):
    values, state = stacked(tumors)
    values = values.copy()
    values[5, tumors.names.index("growth_rate")] = np.nan
    with pytest.warns(TrajectoryWarning, match=r"1 of \d+ trajectories .* first member 5 under 'nivolumab"):
        data = treat(
            values, tumors.names, state, [usual(knowledge, "nivolumab")], np.zeros(len(values), int),
            keep=["tumor_volume"],
        )  # fmt: skip
    status = data["status"].values
    assert status[5] == 2
    (told,) = json.loads(data.attrs["failures"])
    assert told["member"] == 5
    assert told["parameters"]["growth_rate"] == "nan"
    assert float(told["parameters"]["cd8_entry"]) == values[5, tumors.names.index("cd8_entry")]
    assert (np.delete(status, 5) == 0).all()
    assert np.isnan(data["tumor_volume"].values[5]).all()
    others = np.delete(np.arange(len(values)), 5)
    np.testing.assert_array_equal(data["tumor_volume"].values[others], baseline["tumor_volume"].values[others])


def test_an_ensemble_without_members_is_refused(tumors: Tumors, knowledge: Knowledge):
    with pytest.raises(SimulationError, match="at least one"):
        grow(np.zeros((0, len(tumors.names))), tumors.names, np.zeros(0))
    with pytest.raises(SimulationError, match="at least one"):
        treat(
            np.zeros((0, len(tumors.names))), tumors.names, tumors.state[""], [untreated(knowledge)], np.zeros(0, int)
        )


def test_doses_reach_plasma_and_only_their_slot(baseline, tumors: Tumors):
    plasma = baseline["plasma"].values
    assert (plasma[:, 1:, 0] > 0.0).all()
    assert (plasma[:, :, 1:] == 0.0).all()
    # Kinetics depend on the patient and on events that pause dosing, not on what mechanisms make of the tumor.
    of_draw = plasma[:, :, 0].reshape(len(tumors.values), tumors.n, -1)
    event = baseline["toxicity_event_day"].values.reshape(len(tumors.values), tumors.n).min(axis=0)
    before = baseline["time"].values[None] <= event[:, None]
    assert before[:, 1].any()
    assert np.ptp(of_draw, axis=0)[before].max() == 0.0


def test_clearance_spreads_by_the_cv_of_each_drug(tumors: Tumors, knowledge: Knowledge):
    """At a constant input concentration is inverse to clearance; the trough of infusions hangs on it a little more."""
    n, text = 200, "nivolumab 240 mg q2w + dabrafenib 150 mg bid + paclitaxel 80 mg/m2 q1w"
    values = draw_bare(knowledge, knowledge.tumors["melanoma"], n, 0, "clearance")
    values[:, tumors.names.index("toxicity_threshold")] = 1e9  # no pause
    treatment = prepare(parse_regimen(text, knowledge), knowledge).until(HORIZON_DAYS)
    course = treat(
        values, tumors.names, rows(tumors.state[""], np.zeros(n, int)), [treatment], np.zeros(n, int),
        keep=["tumor_volume"],
    )  # fmt: skip
    last = course["plasma"].values[:, -1, :3]  # before the doses of the day
    nivolumab, dabrafenib, effect_only = last.T
    published = {name: knowledge.drugs[name].pk.cv_clearance or 0.0 for name in treatment.drugs}
    assert published["nivolumab"] == pytest.approx(0.34)
    assert published["nivolumab"] <= nivolumab.std() / nivolumab.mean() <= 1.3 * published["nivolumab"]
    assert dabrafenib.std() / dabrafenib.mean() == pytest.approx(published["dabrafenib"], rel=0.15)
    assert np.ptp(effect_only) == 0.0  # a half-life of effect is not one of plasma
    # One deviation for all drugs of a patient.
    assert np.corrcoef(np.log(nivolumab), np.log(dabrafenib))[0, 1] > 0.95
