"""Cell fractions: the published example, the conditions of the optimum, mixtures of known parts, what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.io.patient import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import load_reference, profile_patient
from tumornexus.profile.deconvolution import (
    UNIVERSE_TOTAL,
    bounded_least_squares,
    cell_groups,
    cell_shares,
    composition,
    deconvolve,
    load_signature,
)
from tumornexus.profile.measure import score_sample
from tumornexus.profile.profile import profile_record

EXAMPLE = Path(__file__).parent / "data" / "quantiseq_example.tsv"
# Output of quanTIseq itself on its example (quanTIseq_cell_fractions.txt): B, M1, M2, monocytes, neutrophils, NK, CD4,
# CD8, regulatory T, dendritic.
PUBLISHED = {
    "sample0": [0.00371552192, 0.03352351183, 0.03072196022, 0.0, 0.03272785149, 0.01647005469, 0.0, 0.00702707911,
                0.01993958672, 0.0],
    "sample1": [0.00413627370, 0.03064588529, 0.03345387671, 0.0, 0.03531623371, 0.01462093151, 0.0, 0.00748693520,
                0.02293050795, 0.0],
}  # fmt: skip


@pytest.mark.parametrize("sample", PUBLISHED)
def test_the_published_program_gives_the_same_fractions(sample):
    table = pd.read_csv(EXAMPLE, sep="\t", comment="#", index_col=0)
    signature = load_signature()
    assert len(table) == 153
    solution = bounded_least_squares(table[list(signature.cells)].to_numpy(), table[sample].to_numpy())
    np.testing.assert_allclose(cell_shares(solution, signature.rna_content), PUBLISHED[sample], atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 3.0))
def test_the_solution_is_the_constrained_optimum(seed, size):
    """Karush-Kuhn-Tucker: the gradient is -mu where x > 0 and at least -mu elsewhere, mu > 0 only when the sum is 1."""
    rng = np.random.default_rng(seed)
    a = rng.lognormal(0.0, 1.0, (30, 5))
    b = a @ (size * rng.dirichlet(np.ones(5))) * rng.lognormal(0.0, 0.3, 30)
    x = bounded_least_squares(a, b)
    assert (x >= 0.0).all()
    assert x.sum() <= 1.0 + 1e-6
    gradient = a.T @ (a @ x - b)
    scale = np.abs(a.T @ b).max()
    mu = -gradient[x > 1e-9].mean() if x.sum() > 1.0 - 1e-6 else 0.0
    assert mu >= -1e-5 * scale
    np.testing.assert_allclose(gradient[x > 1e-9], -mu, atol=1e-4 * scale)
    assert (gradient >= -mu - 1e-4 * scale).all()


def test_a_pure_mixture_is_taken_apart_exactly():
    signature = load_signature()
    truth = 0.6 * np.random.default_rng(1).dirichlet(np.ones(len(signature.cells)))
    rna = truth * signature.rna_content
    rna *= truth.sum() / rna.sum()
    share, error = deconvolve(signature.profiles @ rna, signature)
    np.testing.assert_allclose(share, truth, atol=1e-9)
    np.testing.assert_allclose(error, 0.28 * truth, atol=1e-9, err_msg="only the error of the total is left")


def test_error_grows_with_noise_and_holds_the_truth():
    signature = load_signature()
    rng = np.random.default_rng(3)
    held, errors = [], {0.2: [], 1.0: []}
    for _ in range(60):
        truth = 0.5 * rng.dirichlet(np.full(len(signature.cells), 0.6))
        rna = truth * signature.rna_content * (0.5 / (truth * signature.rna_content).sum())
        for sd, found in errors.items():
            noisy = (signature.profiles * 2.0 ** (sd * rng.standard_normal(signature.profiles.shape))) @ rna
            share, error = deconvolve(noisy, signature)
            found.append(error.mean())
            if sd == 1.0:
                held.append(np.abs(share - truth) <= np.maximum(1.645 * error, 0.01))
    assert np.mean(errors[1.0]) > 1.5 * np.mean(errors[0.2])
    assert np.mean(held) > 0.85


def sample_of(expression: pd.Series):
    reference = load_reference()
    return composition(expression, score_sample(expression, reference), reference)


def typical() -> pd.Series:
    reference = load_reference()
    return pd.Series(2.0**reference.location - 1.0, index=pd.Index(reference.genes)).clip(lower=0.0)


def test_groups_name_cells_of_the_catalogue_with_genes_that_can_be_read():
    knowledge, reference, signature = load_knowledge(), load_reference(), load_signature()
    for group in cell_groups():
        assert set(group.cells) <= set(knowledge.cells), group.id
        assert group.signature is None or group.signature in signature.cells
        assert group.signature or group.markers
        assert all(knowledge.genes.approved(g) == g for g in group.markers), group.id
        assert not group.markers or len(reference.positions(group.markers)) >= 0.5 * len(group.markers)
    assert sorted(g.signature for g in cell_groups() if g.signature) == sorted(signature.cells)
    assert sum(g in reference.index for g in signature.genes) >= 0.95 * len(signature.genes)


def test_planted_cells_are_found():
    """A typical tumor with a fifth of B cells added: fraction and marker score of B cells rise, others not."""
    signature, before = load_signature(), typical()
    i = signature.cells.index("B.cells")
    added = pd.Series(signature.profiles[:, i], index=signature.genes) * UNIVERSE_TOTAL / 1e6
    found = {c.group: c for c in sample_of(before.add(0.2 * added.reindex(before.index).fillna(0.0))).cells}
    start = {c.group: c for c in sample_of(before).cells}
    gain = found["b_cell"].fraction - start["b_cell"].fraction
    assert gain == pytest.approx(0.2, rel=0.5)
    assert found["b_cell"].marker_score > start["b_cell"].marker_score + 1.0
    for other in ("nk", "tam_m2", "cd8"):
        assert abs(found[other].fraction - start[other].fraction) < 0.05
    for c in found.values():
        if c.fraction is not None:
            assert 0.0 <= c.low <= c.fraction <= c.high <= 1.0
        if c.marker_score is not None:
            assert c.marker_low < c.marker_score < c.marker_high


@pytest.mark.parametrize("factor", [0.1, 50.0])
def test_the_unit_of_the_sample_does_not_matter(factor):
    one, other = sample_of(typical()), sample_of(factor * typical())
    for a, b in zip(one.cells, other.cells, strict=True):
        if a.fraction is not None:
            assert a.fraction == pytest.approx(b.fraction, abs=1e-3)


def test_too_few_genes_give_no_fraction_and_say_so():
    reference, signature = load_reference(), load_signature()
    expression = typical().drop(list(signature.genes[:90]), errors="ignore").drop(["CD8A", "CD8B"], errors="ignore")
    found = sample_of(expression)
    assert found.other is None
    assert "too few" in found.note
    assert all(c.fraction is None for c in found.cells)
    cd8 = next(c for c in found.cells if c.group == "cd8")
    assert (cd8.marker_score, cd8.genes_missing) == (None, ("CD8A", "CD8B"))
    assert next(c for c in found.cells if c.group == "endothelial").marker_score is not None
    assert reference.index["CD8A"] >= 0


def test_fractions_are_in_the_record_and_enter_no_activity():
    knowledge = load_knowledge()
    expression = typical()
    profile = profile_patient(Patient("S", "S", "melanoma", expression=expression), knowledge)
    record = profile_record(profile)["cell_fractions"]
    assert record["cells"]["cd8"]["ontology"] == "CL:0000625"
    shares = [c["fraction"] for c in record["cells"].values() if c["fraction"] is not None]
    assert sum(shares) + record["other"] == pytest.approx(1.0)
    assert profile_record(profile_patient(Patient("S", "S", "melanoma"), knowledge))["cell_fractions"] is None
