"""Public files: an honest registry, and no file whose content is not the registered one."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tumornexus.errors import InputError
from tumornexus.io import datasets

CONTENT = b"sample,response\nP1,PR\n"
RECORD = datasets.Dataset(
    name="tiny",
    what="A tiny table",
    cohort="small2020",
    citation="nobody",
    repository="owner/repository",
    commit="0" * 40,
    path="a folder/table.csv",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    license="CC0",
    terms="none",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local folder and an empty cache, with one registered file."""
    (tmp_path / "local").mkdir()
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path / "local"))
    monkeypatch.setattr(datasets, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(datasets, "registry", lambda: {"tiny": RECORD})
    return tmp_path / "local"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch
    import requests

    def refuse(*_: object, **__: object) -> str:
        raise requests.ConnectionError

    monkeypatch.setattr(pooch, "retrieve", refuse)


@pytest.mark.parametrize("record", datasets.registry().values(), ids=lambda r: r.name)
def test_every_entry_can_be_verified_and_attributed(record: datasets.Dataset) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", record.sha256)
    assert re.fullmatch(r"[0-9a-f]{40}", record.commit)
    assert record.bytes > 0
    assert all((record.what, record.citation, record.license, record.terms, record.cohort))
    assert record.url.startswith("https://")
    assert record.commit in record.url
    assert " " not in record.url


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="riaz2017_clinical"):
        datasets.fetch("riaz2017_clinica")


@pytest.mark.parametrize("place", [".", "tiny", "small2020"])
def test_local_copy_is_found(folder: Path, place: str) -> None:
    target = folder / place / "table.csv"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(CONTENT)
    assert datasets.fetch("tiny") == target
    assert datasets.table()[0]["here"] == "yes"


@pytest.mark.usefixtures("no_network")
def test_local_copy_with_other_content_is_not_used(folder: Path) -> None:
    (folder / "table.csv").write_bytes(CONTENT.replace(b"PR", b"CR"))
    assert datasets.table()[0]["here"] == "no"
    with pytest.raises(InputError, match=r"could not download .*TUMORNEXUS_DATA.*tiny/table\.csv"):
        datasets.fetch("tiny")


def test_downloaded_file_is_kept_and_verified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download lands in the cache once; content with another hash is refused and not kept."""
    import pooch

    public = folder.parent / "public.csv"
    public.write_bytes(CONTENT)
    real, calls = pooch.retrieve, []

    def copying(url: str, known_hash: str, fname: str, path: Path) -> str:
        calls.append(url)
        downloader = lambda _url, output, _pooch: Path(output).write_bytes(public.read_bytes())  # noqa: E731
        return real(url, known_hash=known_hash, fname=fname, path=path, downloader=downloader)

    monkeypatch.setattr(pooch, "retrieve", copying)
    public.write_bytes(b"something else\n")
    with pytest.raises(InputError, match="not the registered one"):
        datasets.fetch("tiny")
    assert not list(folder.parent.glob("cache/**/table.csv"))
    public.write_bytes(CONTENT)
    path = datasets.fetch("tiny")
    assert path.read_bytes() == CONTENT
    assert datasets.fetch("tiny") == path
    assert calls == [RECORD.url, RECORD.url]
    assert "/a%20folder/table.csv" in RECORD.url


def test_local_cohorts_are_the_folders_with_tables(folder: Path) -> None:
    for name in ("beta", "alpha", "notes"):
        (folder / name).mkdir()
    (folder / "beta" / "clinical.tsv").write_text("sample\n")
    (folder / "alpha" / "expression.tsv.gz").write_bytes(b"")
    assert [place.name for place in datasets.local_cohorts()] == ["alpha", "beta"]


def test_variable_that_names_no_folder_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(InputError, match="TUMORNEXUS_DATA"):
        datasets.table()
