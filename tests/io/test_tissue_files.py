"""Files of a tissue: everything on the lattice is found again in them, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tissue_frames import frame
from tumornexus.cellkinds import KINDS, ONTOLOGY
from tumornexus.errors import InputError
from tumornexus.io.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint, start_from
from tumornexus.io.tissue import UNITS, cells_of, write_cells, write_fields, write_summary
from tumornexus.knowledge import load_knowledge
from tumornexus.provenance import manifest

CLONES = ("wild_type", "b2m_loss")
HOW: dict[str, Any] = {"site_um": 17.0, "coarse": 2}
META = {"scenario": "a" * 16, "knowledge": "b" * 16, "versions": {"jax": "1"}, "day": 3.0}


def read_cells(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anndata

        return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)


@pytest.mark.parametrize("shape", [(12, 20), (8, 12, 16)])
@pytest.mark.parametrize("format", ["h5ad", "zarr"])
def test_lattice_can_be_rebuilt_from_its_cells(tmp_path: Path, shape: tuple[int, ...], format: str) -> None:
    given = frame(shape)
    told = manifest(["tumornexus", "tissue"], 1, "digest")
    path = write_cells(tmp_path / "cells_day010", given, format, clones=CLONES, uns=told, **HOW)
    assert path.name == f"cells_day010.{format}"
    adata = read_cells(path)
    site = tuple(np.floor(adata.obsm["spatial"][:, ::-1] / 17.0).astype(int).T)
    kind = np.zeros(shape, np.uint8)
    kind[site] = [KINDS.index(k) for k in adata.obs["kind"]]
    np.testing.assert_array_equal(kind, given["kind"])
    for level in ("age", "mhc1", "pdl1", "vessel", "matrix"):
        np.testing.assert_array_equal(adata.obs[level].to_numpy(), given[level][site], err_msg=level)
    voxel = tuple(index // 2 for index in site)
    for signal, values in given["fields"].items():
        np.testing.assert_array_equal(np.asarray(adata[:, signal].X).ravel(), values[voxel], err_msg=signal)
    assert json.loads(adata.uns["provenance"])["knowledge_digest"] == "digest"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_cells_are_named_once_and_by_the_ontology() -> None:
    adata = cells_of(frame(day=10), clones=CLONES, **HOW)
    later = cells_of(frame(day=20), clones=CLONES, **HOW)
    assert adata.obs_names.is_unique
    assert not set(adata.obs_names) & set(later.obs_names)
    assert all(isinstance(name, str) for name in adata.obs_names)
    for kind, term in zip(adata.obs["kind"], adata.obs["ontology"], strict=True):
        assert term == (ONTOLOGY[kind] or "")
    malignant = adata.obs["kind"].isin(["cancer", "persister", "infected"])
    assert set(adata.obs.loc[malignant, "clone"]) == set(CLONES)
    assert set(adata.obs.loc[~malignant, "clone"]) == {""}
    assert adata.obs["cell_type"].dtype == "category"
    # what SpatialData needs of a table
    attrs = adata.uns["spatialdata_attrs"]
    assert set(adata.obs[attrs["region_key"]]) == {attrs["region"]}
    assert adata.obs[attrs["instance_key"]].is_unique


def test_empty_lattice_is_a_table_without_rows(tmp_path: Path) -> None:
    given = frame((8, 8))
    given["kind"] = np.zeros((8, 8), np.uint8)
    adata = read_cells(write_cells(tmp_path / "none", given, **HOW))
    assert adata.shape == (0, 4)
    assert adata.obsm["spatial"].shape == (0, 2)


def test_units_are_those_of_the_catalogue() -> None:
    mediators = load_knowledge().mediators
    for signal, unit in UNITS.items():
        assert signal == "stiffness" or mediators[signal].unit == unit
    adata = cells_of(frame(), units={"ifng": "pM"}, **HOW)
    assert dict(adata.var["unit"]) == {"oxygen": "1", "ifng": "pM", "tgfb": "1", "cxcl9_10": "1"}


@pytest.mark.parametrize("shape", [(12, 20), (8, 12, 16)])
def test_fields_keep_values_places_and_means(tmp_path: Path, shape: tuple[int, ...]) -> None:
    import xarray as xr

    given = frame(shape)
    path = write_fields(tmp_path / "fields_day010", given, **HOW)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = xr.open_zarr(path).load()
    for signal, values in given["fields"].items():
        np.testing.assert_array_equal(data[signal].values, values)
    assert data["oxygen"].attrs["units"] == "mmHg"
    assert data.attrs["day"] == 10.0
    np.testing.assert_allclose(data["x"], 34.0 * (np.arange(shape[-1] // 2) + 0.5))
    assert float(data["matrix"].mean()) == pytest.approx(float(given["matrix"].mean()), rel=1e-5)
    assert data["oxygen"].dims == (("z", "y", "x") if len(shape) == 3 else ("y", "x"))


def test_writing_again_replaces_the_whole_folder(tmp_path: Path) -> None:
    first, second = frame((8, 8)), frame((8, 8), seed=5)
    first["fields"]["only_first"] = first["fields"]["oxygen"]
    for given in (first, second):
        path = write_fields(tmp_path / "f", given, **HOW)
    assert not (path / "only_first").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["f.zarr"]


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'csv'.*h5ad, zarr"):
        write_cells(tmp_path / "c", frame((8, 8)), "csv", **HOW)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_cells(tmp_path / "file" / "c", frame((8, 8)), **HOW)


def test_summary_has_its_columns_and_refuses_others(tmp_path: Path) -> None:
    rows = [{"day": 0.0, "cancer": 5}, {"day": 1.0}]
    write_summary(tmp_path / "summary.tsv", rows, ("day", "cancer", "hypoxic_fraction"))
    table = pd.read_csv(tmp_path / "summary.tsv", sep="\t")
    assert list(table.columns) == ["day", "cancer", "hypoxic_fraction"]
    assert table["cancer"].tolist()[0] == 5
    assert table["cancer"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match="mixing"):
        write_summary(tmp_path / "summary.tsv", [{"day": 0.0, "mixing": 1.0}], ("day",))


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    special = np.array([np.nan, -0.0, np.inf, 1e-45], np.float32)
    return {"kind": rng.integers(0, 21, (8, 8)).astype(np.uint8), "age": rng.random((8, 8), np.float32),
            "special": special, "step": np.array(7, np.int64), "sites/none": np.zeros((0, 3))}  # fmt: skip


def test_checkpoint_comes_back_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, arrays(), META)
    back, meta = load_checkpoint(path, META)
    assert meta["day"] == 3.0
    assert back.keys() == arrays().keys()
    for name, array in arrays().items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("scenario", "c" * 16, "another scenario"),
        ("knowledge", "c" * 16, "other records of the catalogue"),
        ("versions", {"jax": "2"}, "other versions"),
    ],
)
def test_checkpoint_of_another_run_is_refused(tmp_path: Path, field: str, value: Any, words: str) -> None:
    save_checkpoint(tmp_path / CHECKPOINT, arrays(), META)
    with pytest.raises(InputError, match=f"{words}.*--fresh"):
        start_from(tmp_path, {**META, field: value})


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, {"kind": np.arange(64, dtype=np.uint8)}, META)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        path.write_bytes(bytes(changed))
        try:
            back, meta = load_checkpoint(path, META)
        except InputError:
            continue
        # bytes that carry nothing, such as times in the archive's directory
        assert back["kind"].tolist() == list(range(64))
        assert meta["day"] == 3.0
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="is damaged"):
        load_checkpoint(path)


def test_start_follows_resume_and_fresh(tmp_path: Path) -> None:
    assert start_from(tmp_path, META) is None
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        start_from(tmp_path, META, resume=True)
    save_checkpoint(tmp_path / CHECKPOINT, arrays(), META)
    for resume in (None, True):
        found = start_from(tmp_path, META, resume=resume)
        assert found is not None
        assert found[1]["day"] == 3.0
    assert start_from(tmp_path, {**META, "scenario": "other"}, resume=False) is None
    assert not (tmp_path / CHECKPOINT).exists()


def test_failed_save_leaves_the_checkpoint_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, arrays(), META)
    before = path.read_bytes()

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match="No space left"):
        save_checkpoint(path, arrays(), {**META, "day": 4.0})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]


def test_checkpoint_needs_what_identifies_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="knowledge, versions"):
        save_checkpoint(tmp_path / CHECKPOINT, arrays(), {"scenario": "a"})
    with pytest.raises(ValueError, match="plain arrays"):
        save_checkpoint(tmp_path / CHECKPOINT, {"a": np.array([{}])}, META)


def test_reading_and_importing_loads_neither_simulator_nor_anndata() -> None:
    code = (
        "import tumornexus.io.tissue, tumornexus.cli, sys; print(sorted({'jax', 'anndata', 'zarr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
