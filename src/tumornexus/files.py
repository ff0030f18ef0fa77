"""Files that appear whole or not at all. Standard library only.

Content goes under a temporary name beside its target, is flushed to disk, and only then takes the target's name: a
reader never meets half a file, whatever killed the writer.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

PARTIAL = ".partial"
"""Ending of a temporary name, which also begins with a dot."""


def temporary_name(target: Path) -> Path:
    """Return the name under which a file is written before it takes its own."""
    return target.with_name(f".{target.name}{PARTIAL}")


def sync(path: Path) -> None:
    """Force a file or folder to disk; some file systems cannot do so for folders, which only weakens durability."""
    with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; after the block, flush it to disk and rename it.

    After an error the target is as it was and the temporary file is gone.
    """
    partial = temporary_name(target)
    try:
        yield partial
        sync(partial)
        os.replace(partial, target)
        sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write several files that belong together, in the order given; the last one says that the others are there.

    All are on disk under temporary names before the first is renamed, so a full disk changes nothing. Folders must
    exist. A process killed between two renames leaves the first files only: readers go by the last.

    Raises:
        OSError: the files cannot be written; none has appeared unless a rename itself failed.
    """
    try:
        for target, content in contents.items():
            with open(temporary_name(target), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for target in contents:
            os.replace(temporary_name(target), target)
            sync(target.parent)
    finally:
        for target in contents:
            temporary_name(target).unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder."""
    for left in folder.glob(f".*{PARTIAL}"):
        left.unlink(missing_ok=True)
