"""The export folder: complete, equal for equal records, and its manifest says what is in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import networkx as nx
import pytest

import tumornexus
from tumornexus.errors import InputError
from tumornexus.io.catalogue import coverage, export_catalogue
from tumornexus.knowledge import Knowledge, load_knowledge


@pytest.fixture(scope="module")
def k() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="module")
def folder(k: Knowledge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "new"
    export_catalogue(k, out)
    return out


def test_manifest_names_every_file_with_its_hash(folder: Path, k: Knowledge) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(manifest["sha256"]) == files
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (manifest["version"], manifest["digest"]) == (tumornexus.__version__, k.digest)
    assert manifest["records"]["mechanisms"] == len(k.mechanisms)


def test_equal_records_give_equal_files(folder: Path, k: Knowledge, tmp_path: Path) -> None:
    export_catalogue(k, tmp_path)
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_graphml_holds_every_mechanism_and_therapy(folder: Path, k: Knowledge) -> None:
    graph = nx.read_graphml(folder / "network.graphml", force_multigraph=True)
    assert {*k.mechanisms, *k.therapies} <= set(graph)


def test_most_drugs_and_all_tumor_types_are_known_elsewhere(k: Knowledge) -> None:
    found = coverage(k)
    assert found["tumors"][0] == found["tumors"][1]
    assert found["drugs"][0] >= 50


def test_a_file_in_the_way_is_an_error(k: Knowledge, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export_catalogue(k, tmp_path / "taken")
