"""Whose tissue it is: phenotypes set what they say and nothing else, and what is set by hand wins."""

from __future__ import annotations

import numpy as np
import pytest

from tumornexus.activities import Activities, Activity
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.tissue.patient import PHENOTYPES, VirtualPatient, activities_of, virtual_patient


def levels(activities: Activities, mechanisms: list[str]) -> dict[str, np.ndarray]:
    drawn = activities.draws(64, 0)
    return {m: drawn[m] for m in mechanisms}


@pytest.mark.parametrize("phenotype", PHENOTYPES)
def test_a_phenotype_names_causes_of_the_catalogue(knowledge: Knowledge, phenotype: str):
    for mechanism, level in PHENOTYPES[phenotype].items():
        assert knowledge.mechanisms[mechanism].kind == "cause", mechanism
        assert 0.0 <= level <= 1.0


@pytest.mark.parametrize("phenotype", PHENOTYPES)
def test_a_phenotype_sets_exactly_what_it_says(knowledge: Knowledge, phenotype: str):
    bare = activities_of("melanoma", knowledge, None, {}, None)
    set_ = activities_of("melanoma", knowledge, phenotype, {}, None)
    wanted = PHENOTYPES[phenotype]
    for mechanism, drawn in levels(set_, list(wanted)).items():
        np.testing.assert_allclose(drawn, min(wanted[mechanism], 1.0 - 1e-4), atol=0.01, err_msg=mechanism)
    for mechanism in set(bare.by_mechanism) - set(wanted):
        assert set_.by_mechanism[mechanism] == bare.by_mechanism[mechanism]
    assert set(set_.by_mechanism) == set(bare.by_mechanism) | set(wanted)


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_what_is_set_by_hand_wins_over_phenotype_and_measurement(knowledge: Knowledge, level: float):
    measured = Activities("sample", "melanoma", {"tgf_beta": Activity(1.0, 80.0, 20.0, "measured")})
    assert levels(activities_of("melanoma", knowledge, None, {}, measured), ["tgf_beta"])["tgf_beta"].mean() > 0.7
    found = activities_of("melanoma", knowledge, "excluded", {"tgf_beta": level}, measured)
    np.testing.assert_allclose(levels(found, ["tgf_beta"])["tgf_beta"], level, atol=0.01)
    np.testing.assert_allclose(levels(found, ["caf"])["caf"], 0.9, atol=0.01)


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"tumor": "melanomma"}, "tumor"),
        ({"phenotype": "hot"}, "phenotype"),
        ({"mechanisms": {"tgf_betta": 0.5}}, "mechanisms"),
        ({"mechanisms": {"dense_matrix": 0.5}}, "only causes"),
        ({"mechanisms": {"tgf_beta": 1.5}}, "mechanisms.tgf_beta"),
        ({"mechanisms": {"tgf_beta": float("nan")}}, "mechanisms.tgf_beta"),
    ],
)
def test_what_cannot_be_is_refused_by_name(knowledge: Knowledge, how: dict, field: str):
    with pytest.raises(InputError, match=field):
        virtual_patient(how.pop("tumor", "melanoma"), knowledge, **how)


@pytest.mark.simulation
def test_a_patient_is_one_member_that_has_grown(patient: VirtualPatient, knowledge: Knowledge):
    assert patient.names == tuple(knowledge.parameters)
    assert patient.values.shape == (len(patient.names),)
    assert np.isfinite(patient.values).all()
    assert np.asarray(patient.state.blood_cd8).shape == (1,)
    assert np.asarray(patient.state.cancer).sum() > 0.0
    off = [m for m, level in PHENOTYPES["inflamed"].items() if level == 0.0]
    assert not set(off) & set(patient.activities)


@pytest.mark.simulation
def test_the_same_seed_gives_the_same_patient(patient: VirtualPatient, knowledge: Knowledge):
    again = virtual_patient("melanoma", knowledge, phenotype="inflamed", seed=1)
    np.testing.assert_array_equal(again.values, patient.values)


@pytest.mark.simulation
def test_a_mechanism_set_by_hand_acts(patient: VirtualPatient, knowledge: Knowledge):
    """The phenotype says that there is no B2M loss; by hand there is."""
    lost = virtual_patient("melanoma", knowledge, phenotype="inflamed", mechanisms={"b2m_loss": 1.0}, seed=1)
    j = lost.names.index("initial_fraction_b2m_loss")
    assert lost.values[j] > patient.values[j] + 0.5
    assert lost.activities["b2m_loss"] > 0.99
    assert "b2m_loss" not in patient.activities
