"""Slides are read as they are, or refused with one error that says what to repair."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from tumornexus.cellkinds import KINDS
from tumornexus.errors import InputError
from tumornexus.io.slide import read_slide

TYPES = ["Tumor", "CD8_T", "Macrophage", "Other", "Endothelial"]


def cells(n: int = 600, side_px: float = 800.0, seed: int = 1) -> list[list[str]]:
    """Rows of a table with pixels of 0.5 um: 600 cells in 0.16 mm2."""
    draw = np.random.default_rng(seed)
    xy = draw.uniform(0, side_px, (n, 2))
    return [["s1", f"{x:.3f}", f"{y:.3f}", TYPES[i % len(TYPES)]] for i, (x, y) in enumerate(xy)]


def write(path: Path, rows: list[list[str]], header=("sample", "x", "y", "cell_type"), sep: str = "\t") -> Path:
    text = "\n".join(sep.join(r) for r in [list(header), *rows]) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["cells.tsv", "cells.tsv.gz", "cells.csv", "cells.csv.gz"])
def test_every_kind_of_table_says_the_same(tmp_path, name):
    rows = cells()
    slide = read_slide(write(tmp_path / name, rows, sep="," if ".csv" in name else "\t"), pixel_um=0.5)
    np.testing.assert_allclose(slide.xy, np.array([r[1:3] for r in rows], float) * 0.5)
    assert slide.cell_type.tolist() == [r[3] for r in rows]
    assert slide.sample == "s1"
    assert slide.counts == dict.fromkeys(TYPES, 120)
    assert slide.per_mm2 == pytest.approx(600 / 0.16, rel=0.1)
    assert slide.group("immune").sum() == 240


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.filterwarnings("ignore")  # of zarr and anndata about their own formats
def test_anndata_says_the_same_as_a_table(tmp_path, suffix):
    anndata = pytest.importorskip("anndata")
    pytest.importorskip("zarr")
    rows = cells()
    data = anndata.AnnData(
        X=np.zeros((600, 1), np.float32),
        obs={"cell_type": [r[3] for r in rows], "sample": [r[0] for r in rows]},
        obsm={"spatial": np.array([r[1:3] for r in rows], float)},
    )
    path = tmp_path / f"slide{suffix}"
    data.write_h5ad(path) if suffix == ".h5ad" else data.write_zarr(path)
    found = read_slide(path, pixel_um=0.5)
    table = read_slide(write(tmp_path / "cells.tsv", rows), pixel_um=0.5)
    np.testing.assert_array_equal(found.xy, table.xy)
    assert found.cell_type.tolist() == table.cell_type.tolist()
    del data.obsm["spatial"]
    data.write_h5ad(tmp_path / "bare.h5ad")
    with pytest.raises(InputError, match=r"no coordinates.*obsm"):
        read_slide(tmp_path / "bare.h5ad", pixel_um=0.5)


def test_a_file_that_is_no_anndata_is_refused(tmp_path):
    pytest.importorskip("anndata")
    (tmp_path / "slide.h5ad").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        read_slide(tmp_path / "slide.h5ad", pixel_um=0.5)
    with pytest.raises(InputError, match="does not exist"):
        read_slide(tmp_path / "other.zarr", pixel_um=0.5)


def test_columns_in_um_need_no_pixel_size_and_others_do(tmp_path):
    rows = [[r[0], str(float(r[1]) / 2), str(float(r[2]) / 2), r[3]] for r in cells()]
    um = write(tmp_path / "um.tsv", rows, header=("sample", "x_um", "y_um", "cell_type"))
    assert read_slide(um).per_mm2 == pytest.approx(600 / 0.16, rel=0.1)
    with pytest.raises(InputError, match=r"pixel_um.*unit of the coordinates"):
        read_slide(write(tmp_path / "px.tsv", rows))
    with pytest.raises(InputError, match=r"in um already.*0\.5"):
        read_slide(um, pixel_um=0.5)
    named = write(tmp_path / "named.tsv", rows, header=("core", "X0", "Y0", "what"))
    columns = {"x": "X0", "y": "Y0", "cell_type": "what", "sample": "core"}
    assert read_slide(named, pixel_um=1.0, columns=columns).sample == "s1"
    with pytest.raises(InputError, match=r"'X0', 'x'|required column.*x"):
        read_slide(named, pixel_um=1.0)


def test_one_sample_of_several_must_be_named(tmp_path):
    path = write(tmp_path / "cells.tsv", [*cells(), *[["s2", *r[1:]] for r in cells(500, seed=2)]])
    assert len(read_slide(path, sample="s2", pixel_um=0.5)) == 500
    with pytest.raises(InputError, match=r"2 samples.*s1, s2"):
        read_slide(path, pixel_um=0.5)
    with pytest.raises(InputError, match=r"'S3'.*s1"):
        read_slide(path, sample="S3", pixel_um=0.5)


def test_types_that_the_model_lacks_are_counted_and_told(tmp_path):
    slide = read_slide(write(tmp_path / "cells.tsv", cells()), pixel_um=0.5)
    assert slide.left_out == {"Other": 120}
    assert any("120 of 600 cells" in note and "Other (120)" in note for note in slide.notes)
    kinds = slide.kinds(rng=np.random.default_rng(0))
    assert (kinds.left_out.sum(), kinds.vessel.sum(), (kinds.kind > 0).sum()) == (120, 120, 360)
    assert not (kinds.left_out & kinds.vessel).any()


def test_candidates_are_split_by_the_composition_to_one_cell(tmp_path):
    slide = read_slide(write(tmp_path / "cells.tsv", cells()), pixel_um=0.5)
    composition = {"tam_m1": 0.01, "tam_m2": 0.03, "cd8_progenitor": 0.2, "cd8_effector": 0.1, "cd8_terminal": 0.0}
    kinds = slide.kinds(composition, rng=np.random.default_rng(0))
    count = dict(zip(KINDS, np.bincount(kinds.kind, minlength=len(KINDS)).tolist(), strict=True))
    assert (count["tam_m1"], count["tam_m2"]) == (30, 90)
    assert (count["cd8_progenitor"], count["cd8_effector"], count["cd8_terminal"]) == (80, 40, 0)
    assert count["cancer"] == 120
    even = slide.kinds({"cancer": 1.0}, rng=np.random.default_rng(0)).kind  # says nothing of macrophages
    assert (even == KINDS.index("tam_m1")).sum() == 60
    again = slide.kinds(composition, rng=np.random.default_rng(0)).kind
    np.testing.assert_array_equal(again, kinds.kind)
    with pytest.raises(InputError, match="macrophage"):
        slide.kinds({"macrophage": 1.0}, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match=r"tam_m1"):
        slide.kinds({"tam_m1": -1.0}, rng=np.random.default_rng(0))


def test_cells_on_the_edge_are_moved_and_told(tmp_path):
    rows = cells()
    rows[0][1] = "-4"
    slide = read_slide(write(tmp_path / "cells.tsv", rows), pixel_um=0.5, image_size=(800, 800))
    assert slide.x_um[0] == 0
    assert any("1 cells" in note for note in slide.notes)
    assert slide.high.tolist() == [400, 400]


def changed(row: int, column: int, value: str):
    def change(rows: list[list[str]]) -> list[list[str]]:
        rows[row][column] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (changed(7, 1, "nan"), {}, r"1 cells have no coordinate.*row 8"),
        (changed(7, 2, "here"), {}, r"field 'y'.*here"),
        (changed(7, 2, ""), {}, r"field 'y'.*no coordinate"),
        (changed(3, 1, "-20"), {}, r"1 cells lie outside.*-20"),
        (changed(3, 1, "900"), {"image_size": (800, 800)}, r"1 cells lie outside.*900.*0 to 800"),
        (lambda rows: [*rows, rows[4]], {}, r"2 cells share their position"),
        (changed(3, 3, ""), {}, r"1 cells have no type"),
        (lambda rows: changed(2, 3, "Makrophage")(changed(1, 3, "Blorb")(rows)), {},
         r"2 cell types are not known: 'Blorb' \(1 cells\).*'Makrophage' \(1 cells, near: Macrophage"),
        (lambda rows: rows, {"pixel_um": 5.0}, r"field 'pixel_um'.*cells per mm2.*got 5.0.*0.1\d* to 1.7"),
        (lambda rows: rows, {"pixel_um": 0.05}, r"pixel size is wrong"),
        (lambda rows: rows, {"pixel_um": -1.0}, r"not a size.*-1.0"),
        (lambda rows: rows, {"image_size": (800, float("nan"))}, r"field 'image_size'"),
        (lambda rows: rows, {"columns": {"z": "x"}}, r"role of a column.*'z'"),
        (lambda rows: rows, {"columns": {"x": "xx"}}, r"no column of that name for x"),
        (lambda rows: [], {}, r"holds no cell"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_clear_error(tmp_path, change, options, words):
    path = write(tmp_path / "cells.tsv", change(cells()))
    with pytest.raises(InputError, match=words) as error:
        read_slide(path, **{"pixel_um": 0.5, **options})
    if "role" not in words:
        assert "cells.tsv" in str(error.value)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "cells.xlsx").write_text("x")
    with pytest.raises(InputError, match=r"\.xlsx.*\.tsv"):
        read_slide(tmp_path / "cells.xlsx", pixel_um=0.5)
    with pytest.raises(InputError, match="does not exist"):
        read_slide(tmp_path / "none.tsv", pixel_um=0.5)
    (tmp_path / "ragged.tsv").write_text("x\ty\tcell_type\n1\t2\tTumor\n1\t2\tTumor\textra\tmore\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_slide(tmp_path / "ragged.tsv", pixel_um=0.5)
