"""Write results so that a reader never meets half a file, nor half a result.

A file is written under a temporary name in its own folder, flushed to disk and renamed. A result of several files is
staged completely first and renamed file by file at the end, the manifest last: a folder that holds a manifest is
complete.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.files import sync

Content = str | pd.DataFrame | Mapping[str, Any] | list[Any]


def json_ready(value: Any) -> Any:
    """Turn NumPy values, paths and non-finite numbers into what JSON can say (a number that is not finite is null)."""
    if isinstance(value, Mapping):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(v) for v in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.ndarray):
        return [json_ready(v) for v in value.tolist()]
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def _number(value: Any) -> str:
    """Spell one table cell: empty for missing, shortest exact text for floats."""
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return repr(float(value))
    return str(value).replace("\t", " ").replace("\n", " ")


def as_text(content: Content) -> str:
    """Spell content as file text: strings as they are, tables as tab-separated values, the rest as JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, pd.DataFrame):
        lines = ["\t".join(str(c) for c in content.columns)]
        lines += ["\t".join(_number(v) for v in row) for row in content.itertuples(index=False, name=None)]
        return "\n".join(lines) + "\n"
    return json.dumps(json_ready(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _write_synced(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_results(folder: Path, files: Mapping[str, Content]) -> None:
    """Write several files into `folder` (created if needed) so that either all of them appear or none.

    Everything is spelled and staged in a temporary folder inside `folder` before the first rename, so an error in the
    content or a full disk leaves earlier results untouched. Files are renamed in the given order: name the manifest
    last. Raises `InputError` when the folder cannot be created or written.
    """
    folder = Path(folder)
    texts = {name: as_text(content) for name, content in files.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as error:
        raise InputError(
            f"the output folder cannot be written: {error.strerror}", file=folder, valid="a folder you may write to"
        ) from error
    try:
        for name, text in texts.items():
            for place in (stage, folder):
                (place / name).parent.mkdir(parents=True, exist_ok=True)
            _write_synced(stage / name, text)
        for name in texts:
            os.replace(stage / name, folder / name)
        sync(folder)
    except OSError as error:
        raise InputError(
            f"the results cannot be written: {error.strerror}", file=folder, valid="free space and permission to write"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write one text file atomically."""
    write_results(Path(path).parent, {Path(path).name: text})


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write one tab-separated table atomically; missing values become empty cells."""
    write_results(Path(path).parent, {Path(path).name: table})


def write_json(path: Path, content: Mapping[str, Any] | list[Any]) -> None:
    """Write one JSON file atomically; numbers that are not finite become null."""
    write_results(Path(path).parent, {Path(path).name: content})


@contextlib.contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; after the block, flush it to disk and put it in the target's place.

    A folder (Zarr) is swapped: the old one is moved aside and removed only once the new one stands.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    except OSError as error:
        raise InputError(
            f"the output folder cannot be written: {error.strerror}",
            file=target.parent,
            valid="a folder you may write to",
        ) from error
    try:
        partial = stage / target.name
        yield partial
        for path in (partial, *(p for p in partial.rglob("*"))) if partial.is_dir() else (partial,):
            sync(path)
        if partial.is_dir() and target.exists():
            os.replace(target, stage / "before")
        os.replace(partial, target)
        sync(target.parent)
    except OSError as error:
        raise InputError(
            f"the file cannot be written: {error.strerror or error}",
            file=target,
            valid="free space and permission to write",
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
