"""Single cells are read as they are: which matrix, which genes, which types; or refused with one error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from single_cells import TYPES, genes, normalized, single_cells
from tumornexus.errors import InputError
from tumornexus.io import read_single_cells
from tumornexus.io.ensembl import _symbols


@pytest.fixture(scope="module")
def data():
    return single_cells()


def test_counts_are_read_by_sample_and_type(data):
    cells = read_single_cells(data)["s1"]
    assert cells.counts == dict(sorted(TYPES.items(), key=lambda i: (-i[1], i[0])))
    assert cells.scale.name == "counts"
    assert cells.names["TAM"].ontology == "CL:0000235"
    np.testing.assert_allclose(cells.total, np.asarray(data.X.sum(axis=1)).ravel())
    assert list(cells.genes) == sorted(genes())


@pytest.mark.parametrize("place", ["layer", "raw"])
def test_counts_are_found_wherever_they_are(data, place):
    log = normalized(data)
    if place == "layer":
        log.layers["counts"] = data.X.copy()
    else:
        log.raw = data
    cells = read_single_cells(log)["s1"]
    assert cells.scale.name == "counts"
    assert (cells.matrix != read_single_cells(data)["s1"].matrix).nnz == 0


@pytest.mark.parametrize(("base", "name"), [(np.e, "log1p"), (2.0, "log2")])
def test_logarithm_and_target_are_told_by_content(data, base, name):
    cells = read_single_cells(normalized(data, 1e4, base))["s1"]
    assert cells.scale.name == name
    assert cells.scale.target == pytest.approx(1e4, rel=1e-3)
    counts = read_single_cells(data)["s1"]
    parts = np.asarray(counts.matrix.todense()) / counts.total[:, None]
    np.testing.assert_allclose(np.asarray(cells.matrix.todense()) / cells.total[:, None], parts, atol=1e-6)


def test_a_layer_called_counts_that_holds_logarithms_is_not_believed(data):
    log = normalized(data)
    log.layers["counts"] = log.X.copy()
    assert read_single_cells(log)["s1"].scale.name == "log1p"


def test_scaled_values_are_refused(data):
    scaled = normalized(data)
    scaled.X = np.asarray(scaled.X.todense()) - 1.0
    with pytest.raises(InputError, match="negative"):
        read_single_cells(scaled)


def test_scaled_values_with_normalized_ones_in_raw_are_passed_over(data):
    log = normalized(data)
    scaled = log.copy()
    scaled.X = np.asarray(log.X.todense()) - 1.0
    scaled.raw = log
    found, expected = read_single_cells(scaled)["s1"], read_single_cells(log)["s1"]
    assert (found.scale.name, found.scale.slot) == ("log1p", "raw")
    assert abs(found.matrix - expected.matrix).max() == 0


def test_values_without_a_common_total_are_refused_or_assumed_aloud(data):
    rough = data.copy()
    rough.X = rough.X * np.float32(7.3)
    rough.X = rough.X.tocsr()
    with pytest.raises(InputError, match="neither counts nor normalized"):
        read_single_cells(rough)
    part = normalized(data)[:, :700].copy()
    assert "assumed" in read_single_cells(part)["s1"].scale.words


def test_ensembl_ids_and_feature_names_say_the_same_as_symbols(data):
    symbol_of = {s: i for i, s in _symbols().items()}
    kept = [g for g in data.var_names if g in symbol_of]
    assert len(kept) > 1000
    plain = data[:, kept].copy()
    ids = plain.copy()
    ids.var_names = [f"{symbol_of[g]}.7" for g in kept]
    feature = plain.copy()
    feature.var_names = [f"ENSG9{i:010d}" for i in range(len(kept))]
    feature.var["feature_name"] = kept
    expected = read_single_cells(plain)["s1"]
    for other in (ids, feature):
        found = read_single_cells(other)["s1"]
        assert list(found.genes) == list(expected.genes)
        assert (found.matrix != expected.matrix).nnz == 0


def test_columns_of_one_symbol_are_added(data):
    twice = data.copy()
    twice.var["feature_name"] = list(twice.var_names)
    twice.var_names = [f"id{i}" for i in range(twice.n_vars)]
    twice.var.iloc[1, 0] = twice.var.iloc[0, 0]
    cells = read_single_cells(twice)["s1"]
    at = cells.genes.get_loc(twice.var.iloc[0, 0])
    np.testing.assert_array_equal(np.asarray(cells.matrix[:, at].todense()).ravel(),
                                  np.asarray(data.X[:, :2].sum(axis=1)).ravel())  # fmt: skip
    assert any("added" in n for n in cells.notes)


def test_unknown_types_are_refused_by_name_with_near_misses_or_counted(data):
    odd = data.copy()
    odd.obs["cell_type"] = odd.obs["cell_type"].astype(str).replace({"TAM": "Macrofage", "Treg": "blob"})
    with pytest.raises(InputError, match=r"'Macrofage' \(40 cells, near: Macrophage.*'blob' \(10 cells"):
        read_single_cells(odd)
    cells = read_single_cells(odd, unknown="count")["s1"]
    assert cells.unknown() == {"Macrofage": 40, "blob": 10}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.obs.drop(columns="cell_type"), "cell types is not known"),
        (lambda d: d.obs.assign(cell_type=[None, *d.obs["cell_type"].astype(str)[1:]]), "1 cells have no type"),
        (lambda d: d.obs.assign(sample=[None, *d.obs["sample"].astype(str)[1:]]), "1 cells have no sample"),
    ],
)
def test_gaps_are_refused(data, change, message):
    broken = data.copy()
    broken.obs = change(broken)
    with pytest.raises(InputError, match=message):
        read_single_cells(broken)


def test_mouse_genes_and_empty_cells_are_refused(data):
    mouse = data.copy()
    mouse.var_names = [g.title() for g in mouse.var_names]
    with pytest.raises(InputError, match="mouse"):
        read_single_cells(mouse)
    empty = data.copy()
    empty.X = sparse.csr_matrix(np.vstack([np.zeros((1, data.n_vars)), np.asarray(data.X.todense())[1:]]))
    with pytest.raises(InputError, match="1 cells have no transcript"):
        read_single_cells(empty)


def test_files_say_the_same_as_objects(data, tmp_path):
    data.write_h5ad(tmp_path / "cells.h5ad")
    found = read_single_cells(tmp_path / "cells.h5ad")["s1"]
    assert (found.matrix != read_single_cells(data)["s1"].matrix).nnz == 0
    with pytest.raises(InputError, match=r"did you mean cells\.h5ad"):
        read_single_cells(tmp_path / "cell.h5ad")
    (tmp_path / "cells.rds").write_text("x")
    with pytest.raises(InputError, match="not a kind of file"):
        read_single_cells(tmp_path / "cells.rds")


@pytest.mark.filterwarnings("ignore")  # of mudata about its own defaults
def test_mudata_is_read_by_its_modality_of_transcripts(data):
    mudata = pytest.importorskip("mudata")
    protein = data[:, :5].copy()
    both = mudata.MuData({"rna": data.copy(), "prot": protein})
    both.obs["cell_type"] = pd.Categorical(data.obs["cell_type"])
    cells = read_single_cells(both)["s1"]
    assert (cells.matrix != read_single_cells(data)["s1"].matrix).nnz == 0
    with pytest.raises(InputError, match="modality"):
        read_single_cells(mudata.MuData({"a": data.copy(), "b": protein}))
