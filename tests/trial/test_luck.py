"""Addressed random numbers: their distribution, and that nothing but seed, decision, patient and place matters."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest, pearsonr

from tumornexus.trial.luck import exponentials, normals, uniforms


def test_distributions():
    patient = np.arange(400)
    u = uniforms(1, "test", patient, 50)
    assert u.shape == (400, 50)
    assert ((u > 0.0) & (u < 1.0)).all()
    assert kstest(u.ravel(), "uniform").pvalue > 1e-3
    assert kstest(normals(1, "test", patient, 50).ravel(), "norm").pvalue > 1e-3
    assert kstest(exponentials(1, "test", np.arange(5000)), "expon").pvalue > 1e-3


def test_neighbors_are_independent():
    u = uniforms(2, "test", np.arange(3000), 4)
    pairs = [(u[:-1, 0], u[1:, 0]), (u[:, 0], u[:, 1]), (u[:, 0], uniforms(3, "test", np.arange(3000), 1)[:, 0]),
             (u[:, 0], uniforms(2, "other", np.arange(3000), 1)[:, 0])]  # fmt: skip
    for a, b in pairs:
        assert abs(pearsonr(a, b).statistic) < 0.06


def test_a_number_depends_on_its_address_alone():
    whole = uniforms(1, "test", np.arange(100), 30)
    some = np.array([77, 3, 50])
    np.testing.assert_array_equal(uniforms(1, "test", some, 30), whole[some])
    np.testing.assert_array_equal(uniforms(1, "test", some, np.array([29, 0])), whole[some][:, [29, 0]])
    assert not np.isin(uniforms(2, "test", np.arange(100), 30), whole).any()
