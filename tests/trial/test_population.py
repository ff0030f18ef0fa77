"""Virtual patients: biomarkers as the tumor type has them, mechanisms correlated as the records claim."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from simulated import keep_compiled
from tumornexus.systemic.twin import parameter_names
from tumornexus.trial import population
from tumornexus.trial.population import (
    NETWORK_CORRELATION,
    QUANTILES,
    TMB_CORRELATION,
    draw_mechanisms,
    draw_patients,
    shift,
)


def edges_of(knowledge, tumor):
    """Return (mechanism, target, sign) of the claims between causes of a tumor type."""
    causes = {m for m, r in knowledge.mechanisms.items() if r.kind == "cause"}
    share = {p.mechanism: p.value for p in tumor.prevalence if p.mechanism in causes}
    drives = [
        (m, d.target, 1 if d.sign == "+" else -1)
        for m in share for d in knowledge.mechanisms[m].drives if d.target in share and d.target != m
    ]  # fmt: skip
    return share, drives


def test_prevalence_is_that_of_the_tumor_type(knowledge):
    for tumor_id in ("melanoma", "nsclc", "pdac"):
        tumor = knowledge.tumors[tumor_id]
        share, _ = edges_of(knowledge, tumor)
        found = draw_mechanisms(knowledge, tumor, 8000, 1, "test")
        assert set(found) == set(share)
        for mechanism, activity in found.items():
            assert ((activity >= 0.0) & (activity <= 1.0)).all()
            sd = np.sqrt(share[mechanism] * (1.0 - share[mechanism]) / 8000)
            assert abs((activity > 0.0).mean() - share[mechanism]) < 5.0 * sd + 1e-9, mechanism


def test_connected_mechanisms_correlate_with_the_sign_of_the_claim(knowledge):
    """Of the latent scales by 0.3; of presence by less, with the same sign."""
    tumor = knowledge.tumors["nsclc"]
    share, drives = edges_of(knowledge, tumor)
    names = tuple(share)
    root = population._network(tuple(drives), names)
    latent = root @ root.T
    np.testing.assert_allclose(np.diag(latent), 1.0)
    for a, b, sign in drives:
        assert latent[names.index(a), names.index(b)] == pytest.approx(sign * NETWORK_CORRELATION, abs=0.01)
    present = {m: a > 0.0 for m, a in draw_mechanisms(knowledge, tumor, 20000, 2, "test").items()}
    checked = 0
    for a, b, sign in drives:
        if 0.1 < share[a] < 0.9 and 0.1 < share[b] < 0.9:
            checked += 1
            assert sign * np.corrcoef(present[a], present[b])[0, 1] > 0.05, (a, b)
    assert checked > 5


def test_draws_have_an_address(knowledge):
    tumor = knowledge.tumors["nsclc"]
    a, b, c = (draw_mechanisms(knowledge, tumor, 200, 1, address) for address in ("x", "x", "y"))
    assert all((a[m] == b[m]).all() for m in a)
    assert any((a[m] != c[m]).any() for m in a)


@pytest.mark.parametrize("tumor_id", ["nsclc", "melanoma", "urothelial"])
def test_scores_of_the_reference_population_have_the_share_of_the_tumor_type(knowledge, tumor_id):
    """A population whose PD-L1 and antigenicity are those of the reference."""
    tumor, reference = knowledge.tumors[tumor_id], population._reference()[tumor_id]
    u = (np.arange(4000) + 0.5) / 4000
    score = population._staining(tumor, np.interp(u, QUANTILES, reference["pdl1_quantiles"]), 3, "test")
    assert ((score >= 0.0) & (score <= 100.0)).all()
    assert (score >= 1.0).mean() == pytest.approx(tumor.pd_l1_positive, abs=0.03)
    if tumor.pd_l1_positive > 0.2:  # 42 % of the positive ones score 50 % or more
        assert (score >= 50.0).sum() / (score >= 1.0).sum() == pytest.approx(0.42, abs=0.04)
        assert np.median(score[u > 0.8]) > np.median(score[u < 0.2])
    mean, sd = reference["ln_antigenicity"]
    antigenicity = mean + sd * ndtri(u)
    tmb = population._mutations(tumor, antigenicity, 3, "test")
    assert np.median(tmb) == pytest.approx(tumor.tmb_median, rel=0.08)
    assert np.corrcoef(np.log(tmb), antigenicity)[0, 1] == pytest.approx(TMB_CORRELATION, abs=0.05)


def test_shift_moves_the_median_and_keeps_the_order(knowledge):
    names = parameter_names(knowledge)
    g = np.random.default_rng(4)
    free = next(n for n in names if not knowledge.parameters[n].bounded)
    bound = next(n for n in names if knowledge.parameters[n].bounded and 0.0 < knowledge.parameters[n].value < 1.0)
    values = np.tile([knowledge.parameters[n].value for n in names], (50, 1))
    values[:, names.index(free)] *= np.exp(0.3 * g.standard_normal(50))
    values[:, names.index(bound)] = g.uniform(0.1, 0.9, 50)
    values[:2, names.index(bound)] = 0.0, 1.0
    moved = values.copy()
    shift(moved, names, {free: np.full(50, 0.5), bound: np.full(50, -0.7)}, knowledge)
    np.testing.assert_allclose(moved[:, names.index(free)], values[:, names.index(free)] * np.exp(0.5))
    a, b = values[2:, names.index(bound)], moved[2:, names.index(bound)]
    np.testing.assert_allclose(np.log(b / (1 - b)), np.log(a / (1 - a)) - 0.7)
    assert moved[:2, names.index(bound)].tolist() == [0.0, 1.0]  # none and all stay what they are
    others = [j for j, n in enumerate(names) if n not in (free, bound)]
    np.testing.assert_array_equal(moved[:, others], values[:, others])


@pytest.fixture(scope="module")
def patients(knowledge, pytestconfig):
    keep_compiled(pytestconfig)
    return draw_patients("melanoma", knowledge, 256, seed=5, address="test")


@pytest.mark.simulation
def test_patients_are_like_their_tumor_type(patients, knowledge):
    """256 draws: shares within four standard errors, and a margin for what the growth to the burden selects."""
    tumor, facts = knowledge.tumors["melanoma"], patients.facts
    assert len(patients) == len(facts) > 200
    n = len(facts)

    def near(share, expected, margin=0.06):
        return abs(share - expected) < 4.0 * np.sqrt(expected * (1.0 - expected) / n) + margin

    assert near((facts["pd_l1"] >= 1.0).mean(), tumor.pd_l1_positive)
    assert near((facts["tmb"] > tumor.tmb_median).mean(), 0.5)
    assert near(facts["braf_v600"].mean(), tumor.braf_v600, 0.0)
    assert near((facts["ecog"] == 0).mean(), population.ECOG_SHARES[0], 0.02)
    assert near((facts["sex"] == "male").mean(), population.MALE_DEFAULT, 0.0)
    assert facts["age"].between(population.AGE_LOW, population.AGE_HIGH).all()
    assert (facts["ldh_ratio"] > 0.0).all()
    assert not facts["msi_high"].any()
    assert np.corrcoef(np.log(facts["volume_ml"]), facts["ecog"])[0, 1] > 0.0


@pytest.mark.simulation
def test_braf_v600_is_one_fact(patients, knowledge):
    """Carriers depend on the driver and are MAPK-active; the others do not depend on it."""
    carrier = patients.facts["braf_v600"].to_numpy()
    depends = patients.values[:, patients.names.index("mapk_dependence")]
    assert (depends[~carrier] == 0.0).all()
    assert np.median(depends[carrier]) > 0.4
    assert (patients.activities["mapk_activation"][carrier] >= 0.5).all()
    for wanted in (True, False):
        chosen = draw_patients("melanoma", knowledge, 16, seed=5, address="test", braf_v600=wanted)
        assert (chosen.facts["braf_v600"] == wanted).all()
        assert ((chosen.values[:, chosen.names.index("mapk_dependence")] > 0.0) == wanted).all()
