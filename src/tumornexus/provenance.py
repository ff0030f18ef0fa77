"""Provenance: what produced a result, enough to produce it again.

Takes the call, the seed and the digest of the knowledge that was used; gives a plain dictionary that is written as
``manifest.json`` beside every result. It holds what the user typed and nothing else about the machine's folders, so
a manifest can be shared as it is. Standard library only.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

from tumornexus import __version__

SCHEMA = 1
"""Version of the manifest's form; raised when a field changes its meaning."""

PACKAGES = ("numpy", "scipy", "pandas", "jax", "jaxlib", "equinox", "xarray")
"""Packages whose version can change a number; looked up by metadata, never imported."""


def installed_version(package: str) -> str | None:
    """Return the installed version of a package without importing it, or None when it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def manifest(
    call: Sequence[str], seed: int, knowledge_digest: str, *, time: datetime | None = None, **extra: Any
) -> dict[str, Any]:
    """Describe one run so that another person can repeat it.

    Args:
        call: the command as typed, one word an item; the program's own path is reduced to its name.
        seed: the seed of every random stream of the run.
        knowledge_digest: digest of the knowledge files that were read (`Knowledge.digest`).
        time: when the run started; now, if not given. Stored in UTC to the second.
        extra: further facts of the run (samples, draws, notes), added under their names; they must be plain data.

    Returns:
        A dictionary of plain data. All fields but ``time_utc`` are equal for two equal runs on one machine.
    """
    words = [str(word) for word in call]
    if words:
        words[0] = PurePath(words[0]).name
    started = (time or datetime.now(UTC)).astimezone(UTC)
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "call": words,
        "seed": int(seed),
        "knowledge_digest": knowledge_digest,
        "versions": {
            "tumornexus": __version__,
            "python": platform.python_version(),
            **{package: installed_version(package) for package in PACKAGES},
        },
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "time_utc": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    taken = sorted(record.keys() & extra.keys())
    if taken:
        raise ValueError(f"manifest fields given twice: {', '.join(taken)}")
    return record | {name: plain(value) for name, value in extra.items()}


def added_records(folder: PurePath | str | None, records: Sequence[str]) -> dict[str, Any]:
    """Return the manifest's field on a folder of further records, ``{}`` where none was named.

    Args:
        folder: as the user typed it.
        records: ``kind/id`` of each record that it added (`Knowledge.added`).
    """
    return {} if folder is None else {"knowledge_added": {"folder": str(folder), "records": list(records)}}


def plain(value: Any) -> Any:
    """Turn arrays, tuples, sets and paths into what JSON can hold; a path keeps the form in which it was given."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy and JAX arrays and scalars, without importing either
        return plain(value.tolist())
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not plain data")


def to_json(record: Mapping[str, Any]) -> str:
    """Write a manifest in its stable form: sorted keys, two-space indent, UTF-8, one final newline.

    Not-a-number and infinity are refused, because JSON has no word for them.
    """
    return json.dumps(plain(record), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
