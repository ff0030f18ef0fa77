"""Records to rates to concentrations: the simulator's daily steps and the full plasma curve, against closed solutions.

Published curves of all drugs are in ``verification/pk.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.integrate import solve_ivp, trapezoid

from tumornexus.biology.pharmacology import Kinetics, propagate
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.knowledge.records import PK, Drug
from tumornexus.systemic.kinetics import administrations, kinetics_of, per_mass_concentration, plasma_curve

ORAL = ("dabrafenib", "trametinib", "pexidartinib", "alpelisib", "vorinostat")
STEP = jax.jit(propagate)


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def simulated(drug: Drug, daily: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return concentration (dose units/L) at the end of each day and its mean over the day, in steps of a day."""
    rates = kinetics_of(drug)
    k = Kinetics(**{name: jnp.asarray([v]) for name, v in rates.items()})
    amounts, ends, means = jnp.zeros((1, 2, 1)), [], []
    for day, dose in enumerate(daily.tolist()):
        bolus, spread = (0.0, dose) if drug.route == "oral" else (dose, 0.0)
        amounts, mean = STEP(
            k, amounts.at[0, 0].add(bolus), jnp.asarray(float(day)), 1.0, jnp.full((1, 1), spread), jnp.ones(1)
        )
        ends.append(float(amounts[0, 0, 0]))
        means.append(float(mean[0, 0, 0]))
    scale = rates["nm_per_unit"] / per_mass_concentration(drug)
    return np.array(ends) * scale, np.array(means) * scale


def of(drug: Drug, **values: Any) -> Drug:
    """Return the drug with other kinetics."""
    return drug.model_copy(update={"pk": PK(assumed="test", **values)})


# -- the simulator's steps ---------------------------------------------------------------------------------------------


def test_nivolumab_reaches_its_published_steady_state(knowledge: Knowledge):
    """Zhao 2025 Table S2 typed here: trough and mean of 240 mg every two weeks, clearance falling to 0.74."""
    cl, v1, v2, q, change = 0.262, 4.25, 2.63, 0.785, -0.303

    def slope(t: float, c: np.ndarray) -> list[float]:
        now = cl * np.exp(change * t**2.82 / (58.3**2.82 + t**2.82))
        return [(-now * c[0] - q * (c[0] - c[1])) / v1, q * (c[0] - c[1]) / v2]

    c, troughs = np.zeros(2), []
    for cycle in range(52):
        c[0] += 240.0 / v1
        c = solve_ivp(slope, (14.0 * cycle, 14.0 * (cycle + 1)), c, rtol=1e-10, atol=1e-10, method="LSODA").y[:, -1]
        troughs.append(c[0])
    daily = parse_regimen("nivolumab 240 mg q2w", knowledge).doses(728)[:, 0]
    ends, means = simulated(knowledge.drugs["nivolumab"], daily)
    np.testing.assert_allclose(ends[13::14], troughs, rtol=1e-3)
    assert means[-14:].mean() == pytest.approx(240.0 / (14.0 * cl * np.exp(change)), rel=0.01)
    assert means[-14:].mean() > 1.25 * 240.0 / (14.0 * cl)  # without the change it would be a quarter lower


# Steps of a day are of second order where elimination saturates. Between two doses tocilizumab falls through the range
# in which it does (Km 2.7 mg/L), and daily steps then leave 0.7 % at the lowest concentrations; others stay above.
STEP_ERROR = {"tocilizumab": 0.01}


def test_daily_steps_and_plasma_curve_of_every_infused_drug_agree(knowledge: Knowledge):
    seen = 0
    for drug in knowledge.drugs.values():
        if drug.route != "iv" or drug.pk.model == "effect":
            continue
        seen += 1
        regimen = parse_regimen(drug.usual, knowledge)
        ends, _ = simulated(drug, regimen.doses(56)[:, 0])
        evenings = np.arange(1.0, 57.0) - 1e-9  # before the next dose
        curve = plasma_curve(drug, administrations(regimen, drug.id, 56), evenings)
        step_error = STEP_ERROR.get(drug.id, 1e-3)
        np.testing.assert_allclose(ends, curve, rtol=step_error, atol=1e-5 * curve.max(), err_msg=drug.id)
    assert seen > 10


@pytest.mark.parametrize("name", ORAL)
def test_the_daily_mean_of_an_oral_drug_is_the_mean_of_its_full_curve_at_steady_state(name, knowledge: Knowledge):
    """Spreading the dose over the day loses the peaks and keeps the mean."""
    drug = knowledge.drugs[name]
    regimen = parse_regimen(drug.usual, knowledge)
    _, means = simulated(drug, regimen.doses(100)[:, 0])
    fine = np.linspace(98.0, 99.0, 2001)
    curve = plasma_curve(drug, administrations(regimen, name, 100), fine)
    assert means[98] == pytest.approx(trapezoid(curve, fine), rel=0.02)
    assert curve.max() > 1.1 * means[98]


def test_bioavailability_scales_saturable_elimination_too(knowledge: Knowledge):
    """The simulator counts dose units as given; the body eliminates what arrived."""
    drug = of(knowledge.drugs["nivolumab"], model="two_compartment", clearance=0.2, v_central=4.0, v_peripheral=3.0,
              q=0.5, vmax_per_day=12.0, km_per_l=5.0, bioavailability=0.4)  # fmt: skip
    daily = np.zeros(42)
    daily[[0, 14, 28]] = 600.0
    ends, _ = simulated(drug, daily)
    curve = plasma_curve(drug, [(d, 600.0) for d in (0, 14, 28)], np.arange(1.0, 43.0) - 1e-9)
    np.testing.assert_allclose(ends, curve, rtol=1e-2)


def test_rates_of_an_effect_model_are_its_half_life_alone(knowledge: Knowledge):
    for drug in knowledge.drugs.values():
        if drug.pk.model != "effect":
            continue
        ends = simulated(drug, np.array([8.0]))[0] * per_mass_concentration(drug)  # its EC50 is in dose units
        per_day = 0.5 ** (1.0 / drug.pk.effect_half_life_day)
        if drug.route == "oral":  # spread over the day, the dose has had less time to decay
            per_day = (1.0 - per_day) / -np.log(per_day)
        assert ends[0] == pytest.approx(8.0 * per_day, rel=1e-12), drug.id


def test_concentration_is_in_the_unit_of_the_ec50(knowledge: Knowledge):
    drug = knowledge.drugs["nivolumab"]
    nm = kinetics_of(drug)["nm_per_unit"] * 240.0
    assert nm == pytest.approx(240.0 / 4.25 / 143600.0 * 1e6, rel=1e-9)  # mg/L over g/mol, in nM
    by_mass = drug.model_copy(update={"affinity": drug.affinity.model_copy(update={"unit": "mg/L"})})
    assert kinetics_of(by_mass)["nm_per_unit"] * 240.0 == pytest.approx(240.0 / 4.25, rel=1e-9)


# -- doses in time -----------------------------------------------------------------------------------------------------


def test_administrations_are_the_doses_of_the_regimen_hour_by_hour(knowledge: Knowledge):
    for drug in knowledge.drugs.values():
        regimen = parse_regimen(drug.usual, knowledge)
        given = administrations(regimen, drug.id, 120)
        daily = np.bincount(given[:, 0].astype(int), weights=given[:, 1], minlength=120)
        np.testing.assert_allclose(daily, regimen.doses(120)[:, 0], rtol=1e-12, err_msg=drug.id)
    twice = administrations(parse_regimen("dabrafenib 150 mg bid x2", knowledge), "dabrafenib", 9)
    np.testing.assert_allclose(twice, [(0.0, 150.0), (0.5, 150.0), (1.0, 150.0), (1.5, 150.0)])


def test_a_loading_dose_replaces_the_first_one_only(knowledge: Knowledge):
    regimen = parse_regimen("nivolumab 240 mg q2w loading 480 mg x3 from d8", knowledge)
    given = administrations(regimen, "nivolumab", 90)
    np.testing.assert_allclose(given, [(7.0, 480.0), (21.0, 240.0), (35.0, 240.0)])


# -- the full curve ----------------------------------------------------------------------------------------------------

ONE = {"model": "one_compartment", "clearance": 30.0, "v_central": 20.0}
TIMES = np.linspace(0.01, 2.0, 60)


def test_absorption_from_the_gut_is_batemans_function_after_the_lag(knowledge: Knowledge):
    drug = of(knowledge.drugs["alpelisib"], **ONE, ka_per_day=12.0, lag_day=0.05, bioavailability=0.6)
    k, since = 30.0 / 20.0, np.maximum(TIMES - 0.05, 0.0)
    bateman = 0.6 * 100.0 / 20.0 * 12.0 / (12.0 - k) * (np.exp(-k * since) - np.exp(-12.0 * since))
    np.testing.assert_allclose(plasma_curve(drug, [(0.0, 100.0)], TIMES), bateman, rtol=1e-9, atol=1e-12)


def test_an_infusion_rises_to_its_plateau_and_falls_when_it_stops(knowledge: Knowledge):
    drug = of(knowledge.drugs["nivolumab"], **ONE, input_day=0.4)
    k = 30.0 / 20.0
    during = 100.0 / 0.4 / 30.0 * (1.0 - np.exp(-k * np.minimum(TIMES, 0.4)))
    np.testing.assert_allclose(
        plasma_curve(drug, [(0.0, 100.0)], TIMES), during * np.exp(-k * np.maximum(TIMES - 0.4, 0.0)), rtol=1e-9
    )


@pytest.mark.parametrize(
    "detail",
    [{}, {"ka_per_day": 9.0}, {"ka_per_day": 9.0, "lag_day": 0.1, "input_day": 0.2}, {"input_day": 0.1}],
    ids=["bolus", "oral", "lag and release", "infusion"],
)
def test_the_area_under_a_dose_is_dose_over_clearance_however_it_enters(detail: dict[str, float], knowledge: Knowledge):
    drug = of(knowledge.drugs["alpelisib"], model="two_compartment", clearance=30.0, v_central=20.0, v_peripheral=8.0,
              q=10.0, bioavailability=0.5, **detail)  # fmt: skip
    fine = np.linspace(0.0, 20.0, 40001)
    area = trapezoid(plasma_curve(drug, [(0.0, 100.0)], fine), fine)
    assert area == pytest.approx(0.5 * 100.0 / 30.0, rel=1e-4)


def test_doses_of_a_linear_drug_add_up(knowledge: Knowledge):
    drug = knowledge.drugs["pexidartinib"]
    first, second = (plasma_curve(drug, [dose], TIMES) for dose in ((0.0, 250.0), (0.5, 400.0)))
    both = plasma_curve(drug, [(0.5, 400.0), (0.0, 250.0)], TIMES)
    np.testing.assert_allclose(both, first + second, rtol=1e-9, atol=1e-12)


def test_the_clock_of_changing_clearance_starts_with_the_first_dose(knowledge: Knowledge):
    drug, times = knowledge.drugs["nivolumab"], np.linspace(0.5, 90.0, 40)
    doses = np.array([(0.0, 240.0), (14.0, 240.0), (40.0, 240.0)])
    early = plasma_curve(drug, doses, times)
    late = plasma_curve(drug, doses + np.array([100.0, 0.0]), times + 100.0)
    np.testing.assert_allclose(late, early, rtol=1e-7)


def test_solver_and_matrix_exponential_agree_where_both_can_be_used(knowledge: Knowledge):
    """A change of clearance by nothing takes the way of the adaptive solver."""
    pk = {"model": "two_compartment", "clearance": 0.3, "v_central": 4.0, "v_peripheral": 3.0, "q": 0.6}
    plain = of(knowledge.drugs["nivolumab"], **pk)
    still = of(knowledge.drugs["nivolumab"], **pk, clearance_log_change=0.0, clearance_t50_day=9.0, clearance_hill=2.0)
    doses, times = [(0.0, 240.0), (14.0, 240.0)], np.linspace(0.0, 60.0, 50)
    np.testing.assert_allclose(plasma_curve(still, doses, times), plasma_curve(plain, doses, times), rtol=1e-8)


def test_what_nab_paclitaxel_loses_from_plasma_it_eliminates_or_keeps(knowledge: Knowledge):
    """Mass balance with saturable elimination and two tissues: dose = integral of elimination, after long enough."""
    drug = knowledge.drugs["nab_paclitaxel"]
    fine = np.concatenate([np.linspace(0.0, 1.0, 20001), np.linspace(1.0, 250.0, 20001)[1:]])
    c = plasma_curve(drug, [(0.0, 190.0)], fine)
    gone = trapezoid(drug.pk.vmax_per_day * c / (drug.pk.km_per_l + c), fine)
    assert gone == pytest.approx(190.0, rel=1e-3)


def test_times_may_come_in_any_order_and_before_the_first_dose(knowledge: Knowledge):
    drug, doses = knowledge.drugs["nivolumab"], [(1.0, 240.0)]
    ordered = plasma_curve(drug, doses, [0.0, 1.0, 2.0, 5.0])
    np.testing.assert_array_equal(plasma_curve(drug, doses, [[5.0, 0.0], [2.0, 5.0]]), ordered[[[3, 0], [2, 3]]])
    assert ordered[0] == 0.0
    assert ordered[1] == pytest.approx(240.0 / 4.25)
    assert plasma_curve(drug, [], [0.0, 3.0]).tolist() == [0.0, 0.0]


def test_a_patient_who_clears_twice_as_fast_has_half_the_exposure(knowledge: Knowledge):
    drug, fine = knowledge.drugs["bevacizumab"], np.linspace(0.0, 400.0, 20001)
    slow, fast = (trapezoid(plasma_curve(drug, [(0.0, 900.0)], fine, clearance_factor=f), fine) for f in (1.0, 2.0))
    assert fast == pytest.approx(0.5 * slow, rel=1e-3)


def test_a_drug_without_plasma_is_refused_by_name(knowledge: Knowledge):
    with pytest.raises(InputError, match="radiotherapy"):
        plasma_curve(knowledge.drugs["radiotherapy"], [(0.0, 8.0)], [1.0])


# -- the record --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"model": "one_compartment", "v_central": 3.0}, "clearance"),
        ({"model": "one_compartment", "clearance": 3.0}, "v_central"),
        ({"model": "two_compartment", "clearance": 3.0, "v_central": 3.0, "q": 1.0}, "v_peripheral"),
        ({**ONE, "clearance_log_change": -0.3}, "clearance_t50_day"),
        ({**ONE, "vmax_per_day": 1.0}, "km_per_l"),
        ({**ONE, "q": 1.0, "v_peripheral": 2.0}, "two_compartment"),
        ({**ONE, "deep_v": 9.0, "deep_vmax_per_day": 1.0, "deep_km_per_l": 1.0}, "deep"),
        ({"model": "effect", "effect_half_life_day": 5.0, "clearance": 3.0}, "v_central"),
        ({"model": "effect", "clearance": 3.0, "v_central": 3.0}, "effect_half_life_day"),
        ({"model": "one_compartment", "v_central": 3.0, "vmax_per_day": 1.0, "km_per_l": 2.0,
          "clearance_log_change": -0.3, "clearance_t50_day": 50.0, "clearance_hill": 2.0}, "needs clearance"),
    ],
)  # fmt: skip
def test_half_given_kinetics_are_refused_and_the_missing_value_is_named(values: dict[str, Any], says: str):
    with pytest.raises(ValidationError, match=says):
        PK(assumed="test", **values)
