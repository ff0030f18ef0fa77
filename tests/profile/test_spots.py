"""Visium-like spots: gene scores and the user's shares, smoothed; X untouched; nothing called that has no threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from single_cells import genes
from tumornexus.errors import InputError
from tumornexus.profile import profile_spots, score_spots
from tumornexus.profile.reference import panels


def spots(n: int = 18) -> Any:
    """A hexagonal slide whose left half holds tumor and whose right half holds T cells and their genes."""
    import anndata

    rng = np.random.default_rng(1)
    row, column = np.divmod(np.arange(n * n), n)
    xy = np.c_[column + 0.5 * (row % 2), row * np.sqrt(3) / 2] * 100.0
    names = sorted({*genes(600), *panels()["inflamed"], *panels()["stroma"], *panels()["lymphoid"]})
    rate = np.full((n * n, len(names)), 0.8)
    right = column >= n // 2
    rate[np.ix_(right, [names.index(g) for g in panels()["inflamed"]])] = 4.0
    tumor = np.clip(np.where(right, 0.2, 0.8) + rng.normal(0, 0.1, n * n), 0.01, 1)
    obs = pd.DataFrame({"Tumor": tumor, "CD8 T cells": 1 - tumor, "notes": "x"}, index=[f"b{i}" for i in range(n * n)])
    return anndata.AnnData(X=sparse.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs,
                           var=pd.DataFrame(index=names), obsm={"spatial": xy})  # fmt: skip


def test_scores_follow_the_genes_and_smoothing_lowers_the_noise():
    data = spots()
    found = profile_spots(data, shares=["Tumor", "CD8 T cells"])
    assert found.spacing == pytest.approx(100.0)
    raw, smooth = found.scores["inflamed"], found.scores["inflamed_smoothed"]
    right = (data.obsm["spatial"][:, 0] > 1100) & (data.obsm["spatial"][:, 0] < 1600)
    left = data.obsm["spatial"][:, 0] < 600
    assert raw[right].mean() > raw[left].mean() + 0.3
    assert smooth[right].std() < 0.6 * raw[right].std()
    pair = found.pairs["Tumor", "CD8_T"]
    assert pair.rho < -0.7
    assert pair.p < 0.02


def test_order_of_spots_changes_no_score():
    data = spots()
    order = np.random.default_rng(2).permutation(data.n_obs)
    a, b = profile_spots(data), profile_spots(data[order].copy())
    pd.testing.assert_frame_equal(a.scores.iloc[order], b.scores)


def test_the_object_comes_back_with_scores_and_the_same_x():
    data = spots()
    scored = score_spots(data, shares=["Tumor"])
    assert scored.X.data.tobytes() == data.X.data.tobytes()
    assert "tumornexus" not in data.obsm
    assert {"inflamed", "inflamed_smoothed", "share_Tumor_smoothed"} <= set(scored.obsm["tumornexus"].columns)


@pytest.mark.parametrize(("share", "message"), [("Tumors", "did you mean Tumor"), ("notes", "not known")])
def test_shares_are_known_types(share, message):
    with pytest.raises(InputError, match=message):
        profile_spots(spots(), shares=[share])


def test_shares_and_places_are_checked():
    data = spots()
    data.obs["Tumor"] -= 2
    with pytest.raises(InputError, match="negative"):
        profile_spots(data, shares=["Tumor"])
    del data.obsm["spatial"]
    with pytest.raises(InputError, match="coordinates"):
        profile_spots(data)


def test_a_list_of_which_half_was_not_measured_is_not_scored():
    data = spots()
    kept = [g for g in data.var_names if g not in panels()["lymphoid"]]
    found = profile_spots(data[:, kept].copy())
    assert "lymphoid" not in found.scores
    assert any(n.startswith("lymphoid") for n in found.notes)
