"""Expected information: laws of tests, of entropy, and of the list of what was not measured."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_cohorts import write_cohort
from tumornexus.io import read_cohort
from tumornexus.io.patient import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient
from tumornexus.profile.experiment import (
    NOTHING,
    PERFECT,
    Experiment,
    both,
    call_experiment,
    compressed,
    information_bits,
    logistic_experiment,
    score_experiment,
    tempered,
)
from tumornexus.profile.information import information_table, measurements, options, phenotype_bits

PRIORS = st.floats(0.001, 0.999)
TESTS = st.one_of(
    st.builds(call_experiment, st.floats(1.05, 300.0), st.floats(0.005, 0.95)),
    st.builds(logistic_experiment, st.floats(1.05, 30.0), st.floats(0.03, 0.95)),
    st.builds(
        lambda d, p, c: score_experiment(round(d, 2), round(p, 2), c), st.floats(0.2, 3.0), PRIORS, st.booleans()
    ),
)


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


def proper(test: Experiment) -> bool:
    return bool(
        np.isclose(test.present.sum(), 1.0) and np.isclose(test.absent.sum(), 1.0) and (test.present >= 0).all()
    )


@given(PRIORS, TESTS)
def test_posteriors_average_to_the_prior_and_information_is_between_nothing_and_all(prior, test):
    assert proper(test)
    chance, after = test.posterior(prior)
    assert (chance * after).sum() == pytest.approx(prior, abs=1e-9)
    assert 0.0 <= information_bits(prior, test) <= information_bits(prior, PERFECT) + 1e-12
    assert information_bits(prior, NOTHING) == 0.0


@given(PRIORS, TESTS, st.floats(0.05, 1.0))
def test_a_discounted_test_is_proper_and_tells_less(prior, test, weight):
    less = tempered(test, weight)
    assert proper(less)
    kept = (test.present > 0) & (test.absent > 0)
    assert less.log_ratio == pytest.approx(weight * test.log_ratio[kept], abs=1e-6)
    assert information_bits(prior, less) <= information_bits(prior, test) + 1e-9


@given(PRIORS, TESTS, TESTS)
def test_two_tests_tell_at_least_as_much_as_one_and_merging_outcomes_never_adds(prior, a, b):
    whole = Experiment(np.outer(a.present, b.present).ravel(), np.outer(a.absent, b.absent).ravel())
    assert information_bits(prior, both(a, b)) <= information_bits(prior, whole) + 1e-9
    assert information_bits(prior, whole) >= max(information_bits(prior, a), information_bits(prior, b)) - 1e-9
    assert proper(compressed(whole))


def test_a_call_has_the_ratios_of_its_record():
    test = call_experiment(10.0, 0.2)
    assert np.exp(test.log_ratio) == pytest.approx([10.0, 0.2])
    # sensitivity 0.816, specificity 0.918: 10 = a / b and 0.2 = (1 - a) / (1 - b), by hand.
    assert test.present[0] == pytest.approx(8.0 / 9.8)
    assert test.absent[0] == pytest.approx(0.8 / 9.8)


def test_known_information_of_a_symmetric_channel():
    test = Experiment(np.array([0.9, 0.1]), np.array([0.1, 0.9]))
    capacity = 1.0 + 0.9 * math.log2(0.9) + 0.1 * math.log2(0.1)
    assert information_bits(0.5, test) == pytest.approx(capacity)


def test_the_more_uncertain_mechanism_has_more_information():
    test = Experiment(np.array([0.8, 0.2]), np.array([0.2, 0.8]))
    found = [information_bits(p, test) for p in (0.01, 0.05, 0.2, 0.5)]
    assert found == sorted(found)
    assert found[0] < 0.2 * found[-1]
    assert information_bits(0.0, test) == information_bits(1.0, test) == 0.0


def test_phenotype_bits_fall_with_certainty():
    assert phenotype_bits((1 / 3, 1 / 3, 1 / 3), 10.0) > phenotype_bits((0.9, 0.05, 0.05), 10.0) > 0.0
    assert phenotype_bits((1.0, 0.0, 0.0), 10.0) == pytest.approx(0.0)
    assert phenotype_bits((0.4, 0.3, 0.3), 1.0) == pytest.approx(0.0)


def test_what_was_measured_is_never_listed(tmp_path, knowledge):
    for patient in read_cohort(write_cohort(tmp_path), knowledge):
        profile = profile_patient(patient, knowledge)
        told = {e.biomarker for items in profile.evidence.values() for e in items if e.measured}
        for option in options(profile, knowledge):
            assert not told & set(option.biomarkers)
            assert option.information_bits >= 0.0
        names = {o.measurement.id for o in options(profile, knowledge)}
        assert ("hla_types" in names) == (patient.hla is None)
        assert ("expression" in names) == (patient.expression is None)


def test_measuring_takes_an_input_off_the_list_and_a_panel_leaves_sequencing_on_it(knowledge):
    nobody = Patient("S1", "P1", "melanoma")

    def listed(patient: Patient) -> list[str]:
        return [o.measurement.id for o in options(profile_patient(patient, knowledge), knowledge)]

    assert {"expression", "sequencing", "steroids", "ldh", "section"} <= set(listed(nobody))
    assert "steroids" not in listed(replace(nobody, clinical={"steroids": False}))
    assert "section" not in listed(replace(nobody, clinical={"immune_phenotype": "desert", "treg_percent_of_cd4": 5.0}))
    assert "hla_types" not in listed(replace(nobody, hla=("A*01:01", "A*02:01")))
    # What is known under treatment only is no option before it.
    assert "ki67" not in listed(nobody)
    assert "ki67" in listed(replace(nobody, clinical={"timepoint": "on"}))


def test_a_mechanism_without_relevance_counts_nothing(knowledge):
    profile = profile_patient(Patient("S1", "P1", "melanoma"), knowledge)
    target = next(o for o in options(profile, knowledge) if o.measurement.id == "antigen_stain")
    assert target.bits["car_antigen_loss"] > 0.0
    assert target.information_bits == 0.0


def test_the_table_is_ordered_and_names_what_it_is_about(knowledge):
    profile = profile_patient(Patient("0471", "P1", "melanoma"), knowledge)
    table = information_table([profile, profile], knowledge)
    first = table.iloc[: len(table) // 2]
    assert list(table.columns[:2]) == ["sample", "input"]
    assert first["information_bits"].is_monotonic_decreasing
    assert set(table["sample"]) == {"0471"}
    assert first["reason"].str.contains("tells of").all()
    assert first["input"].iloc[0] == "RNA expression of the tumor"


def test_every_biomarker_of_the_catalogue_belongs_to_one_measurement(knowledge):
    for mechanism in knowledge.mechanisms.values():
        for biomarker in mechanism.biomarker:
            assert sum(m.yields(biomarker) for m in measurements()) >= 1, (mechanism.id, biomarker.id)
    assert len({m.id for m in measurements()}) == len(measurements())
    assert {m.when for m in measurements()} == {"before", "on"}
