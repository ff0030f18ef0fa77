"""One biology: a small stirred tissue follows the host scale within the band of its own replicates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from by_path import script as load
from tumornexus.knowledge import load_knowledge
from tumornexus.systemic.state import State, members_last, patient_mean, total_cells
from tumornexus.tissue.patient import virtual_patient

script = load("well_mixed", "verification")


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


@pytest.fixture(scope="module")
def drawn(knowledge):
    return virtual_patient(script.TUMOR, knowledge, phenotype=script.PHENOTYPE, seed=1)


def test_the_band_is_that_of_a_mean_of_normal_numbers():
    """Against the formula for one comparison, and its cover over many."""
    draws = np.random.default_rng(0)
    values = 10.0 * (1.0 + 0.1 * draws.standard_normal((1, 8, 1, 1)))
    found = script.band(values, np.full((1, 1, 1), 10.0))
    half = student.ppf(0.975, 7) * np.std(values / 10.0, ddof=1) / np.sqrt(8)
    assert found.half_width[0, 0, 0] == pytest.approx(half)
    assert found.difference[0, 0, 0] == pytest.approx(values.mean() / 10.0 - 1.0)
    misses = 0
    for _ in range(400):
        many = script.band(5.0 + draws.standard_normal((2, 8, 3, 4)), np.full((2, 3, 4), 5.0))
        misses += bool((np.abs(many.difference) > many.half_width).any())
    assert misses <= 400 * 0.05 + 3 * np.sqrt(400 * 0.05 * 0.95)


def test_lesions_merge_without_losing_a_cell(drawn):
    one = script.merged(drawn.state)
    for name in State.__dataclass_fields__:
        before, after = np.asarray(getattr(drawn.state, name)), np.asarray(getattr(one, name))
        assert after.shape == before.shape
        if name not in script.LEVELS:
            np.testing.assert_allclose(after.sum(), before.sum(), rtol=1e-9, err_msg=name)
    assert (np.asarray(total_cells(members_last(one)))[1:] == 0.0).all()
    before, after = patient_mean(drawn.state), patient_mean(one)
    for name in before.__dataclass_fields__:
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-5, err_msg=name)


def test_a_stirred_tissue_follows_the_host_scale(knowledge, drawn):
    """Two weeks of chemotherapy on 1e4 sites: the band of twelve replicates holds zero everywhere, widened by 1 % for
    the step of two hours; and it is narrow enough to notice a rate that is wrong by a quarter."""
    days, hours, number = 14, 2.0, 12
    patient = script.comparable(drawn)
    regimen = script.treatments(knowledge, days, ["carboplatin + pemetrexed"])["carboplatin + pemetrexed"]
    reference, growth = script.host_scale(patient, [regimen], steps_per_day=2)
    geometry = script.geometry_of(10_000)
    runs = script.tissue_scale(patient, [regimen], geometry, growth, number, hours, days)
    assert runs.values.shape == (1, number, 2, len(script.VARIABLES))
    assert runs.refused == 0.0
    found = script.band(runs.values, reference)
    assert (np.abs(found.difference) <= found.half_width + 0.01).all(), script.worst(
        found, ["chemotherapy"]
    ).to_string()
    of = script.VARIABLES.index
    assert found.half_width[..., of("tumor cells")].max() < 0.12
    assert found.half_width[..., of("CD8 T cells")].max() < 0.25
    # The band tells this patient from one whose T cells enter the tumor a quarter less often.
    entry = 0.75 * float(patient.values[patient.names.index("cd8_entry")])
    other = script.host_scale(script.comparable(drawn, {"cd8_entry": entry}), [regimen], steps_per_day=2).values
    wrong = script.band(runs.values, other)
    assert (np.abs(wrong.difference) > wrong.half_width + 0.01).any()
