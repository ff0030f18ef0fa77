"""Regimens to tables: every drug of the catalogue fits, empty slots do nothing, no dose is lost."""

from __future__ import annotations

import numpy as np
import pytest

from tumornexus.errors import RegimenError
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.systemic.treatment import NEVER, SLOTS, Treatment, no_treatment, prepare, untreated


def table(text: str, knowledge: Knowledge) -> Treatment:
    return prepare(parse_regimen(text, knowledge), knowledge)


def changed(treatment: Treatment, slot: int) -> set[str]:
    """Return the parameters on which a slot acts."""
    acts, acted = treatment.acts, treatment.acted
    found = {acted.multiply[j] for j in np.flatnonzero(np.asarray(acts.multiply)[slot] != 1.0)}
    found |= {acted.add[j] for j in np.flatnonzero(np.asarray(acts.add)[slot] != 0.0)}
    return found | {acted.saturate[j] for j in np.flatnonzero(np.asarray(acts.saturates)[slot] != 0.0)}


def test_every_drug_of_the_catalogue_can_be_prepared(knowledge: Knowledge):
    for drug in knowledge.drugs.values():
        treatment = table(drug.usual, knowledge)
        acts, kinetics = treatment.acts, treatment.kinetics
        assert treatment.doses[:, 0].sum() > 0.0, drug.id
        assert (treatment.doses[:, 1:] == 0.0).all(), drug.id
        # A drug with saturable elimination only has no linear one.
        assert kinetics.k_elim[0] + kinetics.vmax[0] > 0.0, drug.id
        assert (np.asarray(kinetics.km) > 0.0).all(), drug.id
        assert (np.asarray(kinetics.cl_t50_day) > 0.0).all(), drug.id
        assert kinetics.nm_per_unit[0] > 0.0, drug.id
        assert acts.ec50[0] > 0.0, drug.id
        assert acts.hazard[0] >= 0.0, drug.id
        for part in (acts, kinetics):
            for field, values in vars(part).items():
                if field == "used":
                    continue  # counted when patients are put together
                assert np.isfinite(values).all(), (drug.id, field)
        addressed = {a.parameter for t in drug.therapy for a in knowledge.therapies[t].act}
        assert changed(treatment, 0) == addressed, drug.id
        # A drug must do something: act on a parameter or bring cells.
        assert addressed or treatment.deposits.sum() > 0.0, drug.id


def test_empty_slots_are_neutral(knowledge: Knowledge):
    treatment = table("nivolumab 240 mg q2w", knowledge)
    assert changed(treatment, 0)
    for slot in range(1, SLOTS):
        assert not changed(treatment, slot)
    assert (np.asarray(treatment.acts.hazard)[1:] == 0.0).all()
    assert (treatment.first_dose_day[1:] == NEVER).all()
    assert treatment.first_dose_day[0] == 0.0


@pytest.mark.parametrize("days", [0, 56])
def test_no_drug_is_no_dose(days: int, knowledge: Knowledge):
    none = untreated(knowledge).until(days)
    assert none.doses.shape == (days, SLOTS)
    for treatment in (none, no_treatment()):
        assert not any(changed(treatment, slot) for slot in range(SLOTS))
        assert treatment.doses.sum() == treatment.deposits.sum() == 0.0
        assert (treatment.first_dose_day == NEVER).all()


def test_no_dose_is_lost_between_bolus_and_input(knowledge: Knowledge):
    treatment = table("dabrafenib 150 mg bid + nivolumab 240 mg q2w + car_t 1e8 cells once", knowledge)
    np.testing.assert_array_equal(treatment.bolus + treatment.input_rate, treatment.doses)
    oral = treatment.drugs.index("dabrafenib")
    assert (treatment.bolus[:, oral] == 0.0).all()
    assert (treatment.input_rate[:, oral] == 300.0).all()
    infused = treatment.drugs.index("nivolumab")
    assert (treatment.input_rate[:, infused] == 0.0).all()
    assert (treatment.bolus[::14, infused] == 240.0).all()
    assert treatment.deposits.sum() > 0.0


def test_a_shorter_treatment_is_the_start_of_the_longer_one(knowledge: Knowledge):
    long = table("nivolumab 240 mg q2w + car_t 1e8 cells once", knowledge)
    short = long.until(56)
    for name in ("doses", "deposits", "bolus", "input_rate"):
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[:56])


def test_more_drugs_than_slots_are_refused_by_name(knowledge: Knowledge):
    single = [d for d in knowledge.drugs.values() if d.dose_unit == "mg"][: SLOTS + 1]
    assert len(single) > SLOTS
    with pytest.raises(RegimenError, match=f"at most {SLOTS} drugs"):
        table(" + ".join(d.usual for d in single), knowledge)
