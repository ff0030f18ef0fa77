"""Checkpoints of a run: saved whole, read back bit by bit, and refused by another run."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tumornexus.errors import InputError
from tumornexus.io.write import json_ready, whole

CHECKPOINT = "checkpoint.npz"
FORM = 1
"""Version of a checkpoint's form."""
SAME = ("scenario", "knowledge", "versions")
"""What a checkpoint and the run that goes on from it share, in the order in which a difference is told."""
_MEANING = {
    "scenario": "it belongs to another scenario",
    "knowledge": "it was made with other records of the catalogue",
    "versions": "it was made with other versions of the program or its libraries",
}


def _content_digest(arrays: Mapping[str, np.ndarray], meta: str) -> str:
    digest = hashlib.sha256(meta.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\x1f{name}\x1f{array.dtype.str}\x1f{array.shape}\x1f".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write a checkpoint: every array bit by bit, and what run it belongs to.

    `meta` is plain data with at least the fields of `SAME`: ``scenario`` and ``knowledge`` (digests) and ``versions``.
    The file is complete on disk before it takes the place of the one before, so one good checkpoint always exists.

    Raises:
        InputError: the file cannot be written.
        ValueError: `meta` lacks a field of `SAME`, an array's name is taken, or it holds Python objects.
    """
    missing = [name for name in SAME if name not in meta]
    if missing:
        raise ValueError(f"a checkpoint needs {', '.join(missing)} in its meta")
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    if any(a.dtype.hasobject for a in plain.values()) or any(n.startswith("__") for n in plain):
        raise ValueError("a checkpoint holds plain arrays with names that do not start with '__'")
    text = json.dumps(json_ready({**meta, "form": FORM}), sort_keys=True)
    content = io.BytesIO()
    np.savez(content, __meta__=np.array(text), __digest__=np.array(_content_digest(plain, text)), **plain)
    with whole(Path(path)) as partial, open(partial, "wb") as file:
        file.write(content.getbuffer())


def load_checkpoint(
    path: Path, expected: Mapping[str, Any] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a checkpoint; return its arrays, bit by bit as saved, and its meta.

    Args:
        path: file of `save_checkpoint`.
        expected: fields of `SAME` that the checkpoint must have to go on from it.

    Raises:
        InputError: there is none, it is damaged, or it was made by another scenario, catalogue or version.
    """
    path = Path(path)
    start_anew = "another --out folder, or --fresh to discard it and start anew"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise InputError("there is no checkpoint to resume from", file=path, valid="a run without --resume") from None
    except OSError as error:
        raise InputError(f"the checkpoint cannot be read: {error.strerror}", file=path, valid=start_anew) from None
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        text, digest = str(arrays.pop("__meta__")), str(arrays.pop("__digest__"))
        meta = json.loads(text)
        sound = _content_digest(arrays, text) == digest and meta["form"] == FORM
    except Exception:  # damaged bytes make zipfile and NumPy fail in a dozen ways, each of them meaning this
        sound, arrays, meta = False, {}, {}
    if not sound:
        raise InputError("the checkpoint is damaged or no checkpoint of this program", file=path, valid=start_anew)
    for name in SAME:
        if expected is not None and json_ready(expected.get(name)) != meta.get(name):
            raise InputError(
                f"this checkpoint cannot be resumed: {_MEANING[name]}", file=path, field=name, value=meta.get(name),
                valid=start_anew,
            )  # fmt: skip
    return arrays, meta


def start_from(
    out: Path, expected: Mapping[str, Any], resume: bool | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return the checkpoint from which a run in the folder `out` goes on, or None where it starts at the beginning.

    Args:
        out: folder of the results; the checkpoint in it is `CHECKPOINT`.
        expected: as in `load_checkpoint`.
        resume: None goes on where a checkpoint is there; True requires one; False discards it.

    Raises:
        InputError: as `load_checkpoint`.
    """
    path = Path(out) / CHECKPOINT
    if resume is False:
        path.unlink(missing_ok=True)
        return None
    if resume is None and not path.exists():
        return None
    return load_checkpoint(path, expected)
