"""Results appear whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tumornexus.errors import InputError
from tumornexus.io import write_json, write_results, write_table, write_text


def test_all_files_appear(tmp_path):
    write_results(
        tmp_path / "out",
        {"a.tsv": pd.DataFrame({"x": [1.5, np.nan], "y": ["p", None]}), "b.json": {"n": np.float64("nan")}},
    )
    assert (tmp_path / "out" / "a.tsv").read_text() == "x\ty\n1.5\tp\n\t\n"
    assert json.loads((tmp_path / "out" / "b.json").read_text()) == {"n": None}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.tsv", "b.json"]


def test_failure_leaves_earlier_results_alone(tmp_path):
    write_results(tmp_path, {"a.txt": "old", "b.json": {}})
    with pytest.raises(TypeError):
        write_results(tmp_path, {"a.txt": "new", "b.json": {"x": object()}})
    assert (tmp_path / "a.txt").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.json"]


def test_output_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        write_results(tmp_path / "file", {"a.txt": "x"})


def test_floats_round_trip(tmp_path):
    value = 0.1 + 0.2
    write_table(tmp_path / "t.tsv", pd.DataFrame({"v": [value]}))
    assert float((tmp_path / "t.tsv").read_text().split("\n")[1]) == value
    write_text(tmp_path / "t.txt", "plain\n")
    write_json(tmp_path / "j.json", [1, True])
    assert (tmp_path / "t.txt").read_text() == "plain\n"
    assert json.loads((tmp_path / "j.json").read_text()) == [1, True]
