"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tumornexus.files import sweep, temporary_name, whole_file, write_whole


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_takes_its_name_when_it_is_complete(tmp_path: Path):
    target = tmp_path / "table"
    target.write_text("old")
    with whole_file(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(tmp_path) == ["table"]


def test_an_error_leaves_what_was_there(tmp_path: Path):
    target = tmp_path / "table"
    target.write_text("old")

    def broken_off() -> None:
        with whole_file(target) as partial:
            partial.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["table"]


def test_files_that_belong_together_appear_together_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    order, rename = [], os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (order.append(Path(new).name), rename(old, new)))
    write_whole({tmp_path / "b": b"1", tmp_path / "a": b"2"})
    assert order == ["b", "a"]
    order.clear()
    with pytest.raises(FileNotFoundError):
        write_whole({tmp_path / "b": b"3", tmp_path / "nowhere" / "a": b"4"})
    assert order == []
    assert (tmp_path / "b").read_bytes() == b"1"
    assert names(tmp_path) == ["a", "b"]


def test_sweeping_takes_temporary_files_only(tmp_path: Path):
    for name in ("kept", ".kept", "kept.partial"):
        (tmp_path / name).touch()
    temporary_name(tmp_path / "kept").touch()
    sweep(tmp_path)
    assert names(tmp_path) == [".kept", "kept", "kept.partial"]
