"""Doses to concentrations: the tables of a regimen, and exposure against closed solutions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from tumornexus.biology.pharmacology import propagator
from tumornexus.errors import RegimenError
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.systemic.treatment import DEPOSITS, SLOTS, Treatment, prepare


def table(text: str, knowledge: Knowledge) -> Treatment:
    return prepare(parse_regimen(text, knowledge), knowledge)


def daily_means(treatment: Treatment, slot: int, days: int) -> np.ndarray:
    """Return mean plasma concentration of each day as the simulator computes it, with steps of one day."""
    a = treatment.acts
    with jax.enable_x64(True):
        over = propagator(*(jnp.asarray(x[slot]) for x in (a.k_elim, a.k_out, a.k_in)), jnp.asarray(1.0))
    step, mean = np.asarray(over.step), np.asarray(over.mean)
    doses, amount, out = treatment.step_doses(1)[:, slot], np.zeros(2), []
    for day in range(days):
        amount[0] += doses[day]
        out.append((mean @ amount)[0] * float(a.nm_per_unit[slot]))
        amount = step @ amount
    return np.array(out)


def test_nivolumab_reaches_the_steady_state_of_two_compartments(knowledge: Knowledge):
    """240 mg every two weeks: average, and the day before the next dose, against superposed exponentials within 1 %."""
    drug = knowledge.drugs["nivolumab"]
    pk, dose, tau = drug.pk, 240.0, 14.0
    assert pk.clearance is not None
    assert pk.v_central is not None
    assert pk.q is not None
    assert pk.v_peripheral is not None
    k10, k12, k21 = pk.clearance / pk.v_central, pk.q / pk.v_central, pk.q / pk.v_peripheral
    total = k10 + k12 + k21
    alpha, beta = (0.5 * (total + s * np.sqrt(total**2 - 4.0 * k10 * k21)) for s in (1.0, -1.0))
    first = dose / pk.v_central * (alpha - k21) / (alpha - beta)
    second = dose / pk.v_central * (k21 - beta) / (alpha - beta)

    def steady_mean(t0: float, t1: float) -> float:
        return sum(
            c / (1.0 - np.exp(-r * tau)) * (np.exp(-r * t0) - np.exp(-r * t1)) / (r * (t1 - t0))
            for c, r in ((first, alpha), (second, beta))
        )

    assert drug.molar_mass_g_per_mol is not None
    to_nm = 1e6 / drug.molar_mass_g_per_mol * pk.bioavailability if drug.affinity.unit == "nM" else 1.0
    treatment = table("nivolumab 240 mg q2w", knowledge)
    last_cycle = daily_means(treatment, 0, 728)[-14:]
    assert last_cycle.mean() == pytest.approx(steady_mean(0.0, tau) * to_nm, rel=0.01)
    assert last_cycle[-1] == pytest.approx(steady_mean(tau - 1.0, tau) * to_nm, rel=0.01)
    # Average exposure at steady state is dose over clearance, whatever the compartments.
    assert last_cycle.mean() == pytest.approx(dose / (pk.clearance * tau) * to_nm, rel=0.01)


@pytest.mark.parametrize("steps_per_day", [1, 2, 4])
def test_no_dose_is_lost_or_gained_by_the_choice_of_step(steps_per_day: int, knowledge: Knowledge):
    treatment = table("dabrafenib 150 mg bid + nivolumab 240 mg q2w + car_t 1e8 cells once", knowledge)
    parts = treatment.step_doses(steps_per_day).reshape(-1, steps_per_day, SLOTS).sum(axis=1)
    np.testing.assert_allclose(parts, treatment.doses, rtol=1e-12)
    cells = treatment.step_deposits(steps_per_day).reshape(-1, steps_per_day, len(DEPOSITS)).sum(axis=1)
    np.testing.assert_allclose(cells, treatment.deposits, rtol=1e-12)
    oral = treatment.drugs.index("dabrafenib")
    shares = treatment.step_doses(steps_per_day).reshape(-1, steps_per_day, SLOTS)[0]
    assert np.ptp(shares[:, oral]) == 0.0
    assert (shares[1:, treatment.drugs.index("nivolumab")] == 0.0).all()


def test_every_drug_of_the_catalogue_can_be_prepared(knowledge: Knowledge):
    for drug in knowledge.drugs.values():
        treatment = table(drug.usual, knowledge)
        acts = treatment.acts
        assert treatment.doses[:, 0].sum() > 0.0, drug.id
        assert (treatment.doses[:, 1:] == 0.0).all(), drug.id
        assert acts.k_elim[0] > 0.0, drug.id
        assert acts.k_in[0] > 0.0, drug.id
        assert acts.ec50[0] > 0.0, drug.id
        for field in ("multiply", "add", "saturate", "saturates"):
            assert np.isfinite(getattr(acts, field)).all(), drug.id
        changed = (
            (np.asarray(acts.multiply[0]) != 1.0)
            | (np.asarray(acts.add[0]) != 0.0)
            | (np.asarray(acts.saturates[0]) != 0.0)
        )
        addressed = {a.parameter for t in drug.therapy for a in knowledge.therapies[t].act}
        assert {treatment.acted[j] for j in np.flatnonzero(changed)} == addressed, drug.id
        # A drug must do something: act on a parameter or bring cells.
        assert addressed or treatment.deposits.sum() > 0.0, drug.id


def test_empty_slots_are_neutral(knowledge: Knowledge):
    acts = table("nivolumab 240 mg q2w", knowledge).acts
    assert (np.asarray(acts.multiply[1:]) == 1.0).all()
    assert (np.asarray(acts.add[1:]) == 0.0).all()
    assert (np.asarray(acts.saturates[1:]) == 0.0).all()


def test_a_shorter_treatment_is_the_start_of_the_longer_one(knowledge: Knowledge):
    long = table("nivolumab 240 mg q2w", knowledge)
    short = long.until(56)
    np.testing.assert_array_equal(short.doses, long.doses[:56])
    np.testing.assert_array_equal(short.deposits, long.deposits[:56])


def test_more_drugs_than_slots_are_refused_by_name(knowledge: Knowledge):
    single = [d for d in knowledge.drugs.values() if d.dose_unit == "mg"][: SLOTS + 1]
    with pytest.raises(RegimenError, match=f"at most {SLOTS} drugs"):
        table(" + ".join(d.usual for d in single), knowledge)


def test_the_tables_of_a_two_compartment_drug_are_its_micro_constants(knowledge: Knowledge):
    """expm of the textbook matrix and the simulator's matrix carry an amount alike."""
    for drug in knowledge.drugs.values():
        pk = drug.pk
        if pk.model != "two_compartment":
            continue
        a = table(drug.usual, knowledge).acts
        matrix = np.array(
            [
                [-(pk.clearance + pk.q) / pk.v_central, pk.q / pk.v_peripheral],
                [pk.q / pk.v_central, -pk.q / pk.v_peripheral],
            ]
        )
        with jax.enable_x64(True):
            over = propagator(*(jnp.asarray(x[0]) for x in (a.k_elim, a.k_out, a.k_in)), jnp.asarray(1.0))
        np.testing.assert_allclose(over.step, expm(matrix), rtol=1e-6, atol=1e-12, err_msg=drug.id)
