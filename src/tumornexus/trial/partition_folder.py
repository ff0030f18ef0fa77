"""The folder of a partitioned run: which run it is, its tables in parts, and a record of each finished part.

    manifest.json                  identity, keys of the partitions and, when all are finished, files and checksums
    patients/part-00000.parquet    one file a table and partition, numbered in the order of the partitions
    scans/part-00000.parquet
    records/part-00000.json        key, rows, column types and checksums, written last: a part without it is unfinished

The same tables give the same bytes: rows and columns in their order, fixed options of the writer, no clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tumornexus.errors import InputError, SimulationError, near_misses
from tumornexus.files import sweep, write_whole
from tumornexus.provenance import installed_version, to_json

MANIFEST = "manifest.json"
RECORDS = "records"
SCHEMA = 1
"""Version of the folder's layout."""

_WRITER = {"compression": "zstd", "version": "2.6", "data_page_version": "1.0", "row_group_size": 2**17,
           "use_dictionary": True, "write_statistics": True, "store_schema": False}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One table of one partition, spelled as Parquet.

    Attributes:
        content: the bytes of the file.
        rows: number of rows.
        columns: Arrow type of each column, in order.
        sha256: checksum of `content`.
    """

    content: bytes
    rows: int
    columns: dict[str, str]
    sha256: str


def encode(name: str, table: pd.DataFrame) -> Part:
    """Spell a table as Parquet: numbers, truth values and text; the index is not kept, a missing value is null.

    Raises:
        SimulationError: a name of a table that cannot be one of a folder, a column named twice or with a name that is
            no text, or one that holds neither numbers nor truth values nor text alone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == RECORDS:
        raise SimulationError("no name of a table", value=name, valid=f"small letters and digits, not '{RECORDS}'")
    if not all(isinstance(c, str) for c in table.columns) or not table.columns.is_unique:
        raise SimulationError(f"columns of table '{name}' need names that differ", value=list(table.columns))
    arrays = {}
    for column in table.columns:
        values = table[column]
        if values.dtype.kind in "biuf":
            arrays[column] = pa.array(values, from_pandas=True)
        elif isinstance(values.dtype, pd.StringDtype) or all(isinstance(v, str) for v in values.dropna()):
            # A column of nothing but missing values is text as well: its type must not depend on who is in the part.
            arrays[column] = pa.array(values.astype(object), type=pa.string(), from_pandas=True)
        else:
            raise SimulationError(
                "a column that is neither numbers nor truth values nor text", field=f"{name}.{column}",
                value=str(values.dtype), valid="one kind of values in a column",
            )  # fmt: skip
    arrow = pa.table(arrays)
    sink = io.BytesIO()
    pq.write_table(arrow, sink, **_WRITER)
    content = sink.getvalue()
    columns = {field.name: str(field.type) for field in arrow.schema}
    return Part(content, arrow.num_rows, columns, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class PartitionFolder:
    """A folder that belongs to one run.

    Attributes:
        path: the folder.
        identity: what makes the run this one, as plain data.
        keys: names of the partitions; a partition's number is its place here.
    """

    path: Path
    identity: dict[str, Any]
    keys: tuple[str, ...]

    def begin(self) -> None:
        """Take the folder: a new or empty one, or that of the same run, left unfinished or not.

        Raises:
            InputError: it holds another run or something else, or it cannot be written.
        """
        wanted = self._manifest()
        self.path.mkdir(parents=True, exist_ok=True)
        there = _read_json(self.path / MANIFEST)
        if there is None:
            strange = sorted(p.name for p in self.path.iterdir() if not p.name.startswith("."))
            if strange:
                what = f"the folder is not empty and has no readable {MANIFEST}; it holds {strange[0]}"
                raise InputError(what, file=self.path, valid="a new or empty folder")
        else:
            parts = ("schema", "identity", "written_by", "keys")
            differing = _difference({k: there.get(k) for k in parts}, {k: wanted[k] for k in parts})
            if differing:
                place, old, new = differing
                raise InputError(
                    f"the folder holds another run: {place.removeprefix('identity.')} is {old} there and {new} here",
                    file=self.path, valid="a new folder, or the call with which this one was begun, to go on with it",
                )  # fmt: skip
        (self.path / RECORDS).mkdir(exist_ok=True)
        for folder in (self.path, *(p for p in self.path.iterdir() if p.is_dir())):
            sweep(folder)

    def mark_unfinished(self) -> None:
        """Say in the manifest which run this is and that parts are missing; comes before any part is written."""
        write_whole({self.path / MANIFEST: to_json(self._manifest()).encode()})

    def finished(self) -> tuple[dict[int, dict[str, Any]], list[str]]:
        """Return the records of the parts whose files have the checksums told there, and a note on each that has not.

        A part of which nothing is there is not started: it has neither record nor note.
        """
        good, notes = {}, []
        for number, key in enumerate(self.keys):
            path = self.path / RECORDS / _name(number, "json")
            if not path.exists():
                continue
            record = _read_json(path)
            wrong = _damage(self.path, number, key, record)
            if wrong:
                notes.append(f"partition '{key}': {wrong}; it is computed again")
            else:
                good[number] = record
        return good, notes

    def write(self, number: int, parts: Mapping[str, Part]) -> dict[str, Any]:
        """Write the tables of a partition and then its record; return the record.

        Raises:
            OSError: they cannot be written; nothing unfinished stands under a final name.
        """
        tables = {n: {"rows": p.rows, "sha256": p.sha256, "columns": p.columns} for n, p in sorted(parts.items())}
        record = {"key": self.keys[number], "tables": tables}
        contents = {self.path / n / _name(number, "parquet"): parts[n].content for n in tables}
        for target in contents:
            target.parent.mkdir(exist_ok=True)
        (self.path / RECORDS / _name(number, "json")).unlink(missing_ok=True)  # that of a corrupt part
        spelled = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()  # columns stay in their order
        write_whole(contents | {self.path / RECORDS / _name(number, "json"): spelled})
        return record

    def finish(self, records: Mapping[int, Mapping[str, Any]]) -> dict[str, int]:
        """Write the manifest of the finished run; return the number of rows of each table."""
        ordered = [records[number]["tables"] for number in range(len(self.keys))]
        tables = {
            name: {
                "rows": sum(t[name]["rows"] for t in ordered),
                "columns": [[c, kind] for c, kind in ordered[0][name]["columns"].items()],
                "files": [
                    {"file": f"{name}/{_name(i, 'parquet')}", "rows": t[name]["rows"], "sha256": t[name]["sha256"]}
                    for i, t in enumerate(ordered)
                ],
            }
            for name in ordered[0]
        }
        content = to_json(self._manifest() | {"complete": True, "tables": tables}).encode()
        if not (self.path / MANIFEST).exists() or (self.path / MANIFEST).read_bytes() != content:
            write_whole({self.path / MANIFEST: content})
        return {name: table["rows"] for name, table in tables.items()}

    def _manifest(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "identity": self.identity,
            "written_by": {"pyarrow": installed_version("pyarrow")},  # another one spells the same table otherwise
            "keys": list(self.keys),
            "complete": False,
        }

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes of this machine from writing the folder; the system lifts it when this one ends.

        Raises:
            InputError: another process holds it.
        """
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        import os

        self.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    "another process is writing this folder", file=self.path, valid="another folder, or wait for it"
                ) from None
            except OSError:
                pass  # a network file system without locks: only the protection is missing
            yield
        finally:
            os.close(handle)


def read_table(
    folder: str | Path, table: str, *, columns: Sequence[str] | None = None, unfinished: bool = False
) -> pd.DataFrame:
    """Read one table of a partitioned run, such as ``patients``, partition by partition in their order.

    Args:
        folder: folder of the run.
        table: its name, which is that of a subfolder.
        columns: those to read; all, if not given.
        unfinished: read what is finished of a run that is not. Otherwise such a run is refused.

    Raises:
        InputError: no partitioned run, an unfinished one, or a table or column that it has not.
    """
    import pyarrow.dataset as ds

    folder = Path(folder)
    there = _read_json(folder / MANIFEST)
    if there is None or "keys" not in there:
        raise InputError("no partitioned run", file=folder, valid=f"a folder with a {MANIFEST} written by one")
    records = [_read_json(path) for path in sorted((folder / RECORDS).glob("part-*.json"))]
    if not there["complete"] and not unfinished:
        raise InputError(
            f"the run is not finished ({len(records)} of {len(there['keys'])} partitions)", file=folder,
            valid="the same call once more, which computes what is missing",
        )  # fmt: skip
    known = sorted({name for record in records if record for name in record["tables"]})
    if table not in known:
        raise InputError("no such table", file=folder, field="table", value=table, valid=near_misses(table, known))
    numbers = [i for i in range(len(there["keys"])) if (folder / RECORDS / _name(i, "json")).exists()]
    data = ds.dataset([str(folder / table / _name(i, "parquet")) for i in numbers], format="parquet")
    for column in columns or ():
        if column not in data.schema.names:
            hint = near_misses(column, data.schema.names)
            raise InputError("no such column", file=folder / table, field="columns", value=column, valid=hint)
    return data.to_table(columns=None if columns is None else list(columns)).to_pandas()


def _name(number: int, ending: str) -> str:
    return f"part-{number:05d}.{ending}"


def _read_json(path: Path) -> dict[str, Any] | None:
    """Return an object of a JSON file; None where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _damage(folder: Path, number: int, key: str, record: Any) -> str:
    """Return what is wrong with a finished partition, or nothing."""
    try:
        if record["key"] != key:
            return f"its record is that of '{record['key']}'"
        told = {name: table["sha256"] for name, table in record["tables"].items()}
    except (TypeError, KeyError):
        return "its record cannot be read"
    for name, checksum in told.items():
        path = folder / name / _name(number, "parquet")
        try:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return f"{name}/{path.name} is gone"
        if found != checksum:
            return f"{name}/{path.name} does not have its checksum"
    return ""


def _difference(old: Any, new: Any, place: str = "") -> tuple[str, str, str] | None:
    """Return the first place where two plain values differ, with both values in words."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            found = _difference(old.get(name), new.get(name), f"{place}.{name}".lstrip("."))
            if found:
                return found
        return None
    if old == new:
        return None
    if place == "keys":
        return "the number or the names of partitions", _count(old), _count(new)
    return place, "absent" if old is None else json.dumps(old), "absent" if new is None else json.dumps(new)


def _count(keys: Any) -> str:
    shown = ", ".join(str(k) for k in (keys or [])[:3])
    return f"{len(keys or [])} ({shown}{', ...' if len(keys or []) > 3 else ''})"
