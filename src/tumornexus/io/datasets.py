"""Public files: where they are, under which terms, and a copy of each whose content is verified.

`registry` reads the list in ``data/datasets.toml``; `fetch` gives the path of a verified file, from the folder that the
environment variable ``TUMORNEXUS_DATA`` names, from the cache, or from its public address. A file whose SHA-256 differs
from the registered one is refused, wherever it came from.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from tumornexus.errors import InputError, near_misses

REGISTRY = Path(__file__).parent / "data" / "datasets.toml"
VARIABLE = "TUMORNEXUS_DATA"


@dataclass(frozen=True)
class Dataset:
    """One public file: what it is, where it is, under which terms.

    Attributes:
        name: the word used in ``tumornexus data fetch NAME``.
        what: content in one line.
        cohort: name of the cohort it belongs to.
        citation: whom to cite.
        repository, commit, path: public repository, fixed commit, path of the file in it.
        bytes, sha256: size and hash of the file.
        license, terms: license as the source states it, and what else to mind.
    """

    name: str
    what: str
    cohort: str
    citation: str
    repository: str
    commit: str
    path: str
    bytes: int
    sha256: str
    license: str
    terms: str

    @property
    def filename(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.path).name

    @property
    def url(self) -> str:
        """The public address of the file at its fixed commit."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{quote(self.path)}"


@cache
def registry(path: Path = REGISTRY) -> dict[str, Dataset]:
    """Read the list of public files, by name."""
    records = [Dataset(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["dataset"]]
    return {record.name: record for record in records}


def dataset(name: str) -> Dataset:
    """Look a public file up by its name.

    Raises:
        InputError: for an unknown name, with the nearest known ones.
    """
    known = registry()
    if name not in known:
        raise InputError("unknown dataset", field="name", value=name, valid=near_misses(name, known))
    return known[name]


def local_folder() -> Path | None:
    """The folder of local copies that ``TUMORNEXUS_DATA`` names, or None when it names none.

    Raises:
        InputError: when it names something that is not a folder.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named)
    if not folder.is_dir():
        raise InputError("not a folder", field=VARIABLE, value=named, valid="a folder with local copies, or unset")
    return folder


def local_cohorts() -> list[Path]:
    """Cohort folders in the folder that ``TUMORNEXUS_DATA`` names: those that hold expression or clinical tables."""
    folder = local_folder()
    tables = ("expression.tsv", "expression.tsv.gz", "clinical.tsv", "clinical.tsv.gz")
    if folder is None:
        return []
    return [place for place in sorted(folder.iterdir()) if any((place / name).is_file() for name in tables)]


def cache_folder() -> Path:
    """Where downloaded files are kept: the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("tumornexus") / "data"


def verified(path: Path, record: Dataset) -> bool:
    """Tell whether a file exists and has the registered hash."""
    if not path.is_file() or path.stat().st_size != record.bytes:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == record.sha256


def locate(record: Dataset) -> Path | None:
    """Find a verified copy without the network.

    ``TUMORNEXUS_DATA`` may hold the file under ``<name>/``, ``<cohort>/`` or directly; the cache comes last.
    """
    folder = local_folder()
    places = [folder / record.name, folder / record.cohort, folder] if folder else []
    for place in [*places, cache_folder() / record.name]:
        if verified(place / record.filename, record):
            return place / record.filename
    return None


def fetch(name: str) -> Path:
    """Return the path of a verified public file, downloading it when no copy is at hand.

    Raises:
        InputError: for an unknown name, when the address cannot be reached, or when the content has another hash.
    """
    record = dataset(name)
    found = locate(record)
    if found:
        return found
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    try:
        path = pooch.retrieve(
            record.url, known_hash=f"sha256:{record.sha256}", fname=record.filename, path=cache_folder() / record.name
        )
    except ValueError as error:  # pooch's word for a hash that differs; it has removed the file
        raise InputError(
            f"the file at {record.url} is not the registered one",
            field="sha256",
            value=name,
            valid=f"SHA-256 {record.sha256}",
        ) from error
    except (requests.RequestException, OSError) as error:
        raise InputError(
            f"could not download {record.url} ({type(error).__name__})",
            field="name",
            value=name,
            valid=f"a network connection, or a folder named by {VARIABLE} that holds {record.name}/{record.filename}",
        ) from error
    return Path(path)


def table() -> list[dict[str, str]]:
    """One row a public file, for ``tumornexus data list``; the full address stands in the documentation."""
    return [
        {
            "name": record.name,
            "what": record.what,
            "here": "yes" if locate(record) else "no",
            "size": f"{record.bytes / 1e6:.1f} MB" if record.bytes >= 1e5 else f"{record.bytes / 1e3:.1f} kB",
            "license": record.license,
            "from": f"{record.repository}@{record.commit[:7]}",
        }
        for record in registry().values()
    ]
