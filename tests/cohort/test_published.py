"""Published scores: rules written out by hand, direction, what is missing stays missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tumornexus.cohort import published_scores, score_cohort
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.profile import load_reference


@pytest.fixture(scope="module")
def linear() -> pd.DataFrame:
    """Expression of every gene of every score and of the stable genes, 12 patients."""
    reference = load_reference()
    genes = {g for s in published_scores().values() for g in (*s.genes, *s.genes_down, *sum(s.pairs, ()))}
    genes |= {reference.genes[i] for i in reference.stable[:60]}
    rng = np.random.default_rng(1)
    values = rng.lognormal(2.0, 1.0, size=(len(genes), 12))
    return pd.DataFrame(values, index=sorted(genes), columns=[f"S{i}" for i in range(12)])


def test_the_rules_written_out(linear):
    tmb = pd.Series(np.arange(12.0), index=linear.columns)
    found = score_cohort(linear, load_reference(), tmb=tmb)
    log2 = np.log2(linear + 1)
    assert found["cyt"].to_numpy() == pytest.approx(np.sqrt((linear.loc["PRF1"] + 0.01) * (linear.loc["GZMA"] + 0.01)))
    assert found["cxcl9_spp1"].to_numpy() == pytest.approx((log2.loc["CXCL9"] - log2.loc["SPP1"]).to_numpy())
    z = log2.sub(log2.mean(axis=1), axis=0).div(log2.std(axis=1, ddof=0), axis=0)
    assert found["gep"].to_numpy() == pytest.approx(z.loc[list(published_scores()["gep"].genes)].mean().to_numpy())
    assert found["pan_f_tbrs"].to_numpy() == pytest.approx(
        -z.loc[list(published_scores()["pan_f_tbrs"].genes)].mean().to_numpy()
    ), "a resistance score is turned, so that high means response"
    cox = published_scores()["cox_is"]
    assert found["cox_is"].to_numpy() == pytest.approx(
        -(log2.loc[list(cox.genes)].mean() / log2.loc[list(cox.genes_down)].mean()).to_numpy()
    )
    pairs = [linear.loc[a] > linear.loc[b] for a, b in published_scores()["impres"].pairs]
    assert found["impres"].to_numpy() == pytest.approx(np.sum(pairs, axis=0))
    assert (found["tmb"] == tmb).all()
    assert found["tide"].isna().all(), "a score of another program that was not run is missing"


def test_depth_does_not_move_the_normalized_score(linear):
    one, two = (score_cohort(linear * f, load_reference())["gep_weighted"].to_numpy() for f in (1.0, 8.0))
    assert two == pytest.approx(one, abs=1e-6)


def test_unmeasured_genes_make_a_score_missing_and_order_of_rows_nothing(linear):
    cut = linear.drop(index=["PRF1", "SPP1", "CXCL9"])
    found = score_cohort(cut, load_reference())
    assert found["cxcl9"].isna().all()
    assert found["cxcl9_spp1"].isna().all()
    assert found["gep"].notna().all(), "17 of 18 genes are enough"
    shuffled = linear.sample(frac=1.0, random_state=2)
    pd.testing.assert_frame_equal(
        score_cohort(linear, load_reference()), score_cohort(shuffled, load_reference()), rtol=1e-9
    )


def test_other_programs_scores_are_turned(linear):
    given = pd.Series(np.arange(12.0), index=linear.columns)
    found = score_cohort(linear, load_reference(), external={"tide": given})
    assert (found["tide"] == -given).all()


def test_logarithms_are_refused(linear):
    with pytest.raises(InputError, match="linear scale"):
        score_cohort(np.log2(linear) - 5.0, load_reference())


def test_definitions_name_approved_genes_and_a_source(knowledge: Knowledge):
    for name, score in published_scores().items():
        genes = (*score.genes, *score.genes_down, *sum(score.pairs, ()))
        unknown = [g for g in genes if g not in knowledge.genes.symbols]
        assert not unknown, f"{name}: {unknown}"
        assert score.source
        assert score.sign in (1, -1)
        assert len(score.weights) in (0, len(score.genes))


def test_weights_that_do_not_fit_the_genes_are_refused(linear):
    broken = {"x": replace(published_scores()["gep_weighted"], weights=(1.0,))}
    with pytest.raises(ValueError, match="shorter"):
        score_cohort(linear, load_reference(), scores=broken)
