"""A run in partitions: each is computed anywhere, written whole, and never computed twice.

A virtual trial of many patients is a list of tasks and one function that turns a task into tables. Tasks are computed
in this process, in worker processes of this machine or on a Dask cluster; this process alone writes, so workers need no
shared file system. Which worker computed what, in which order, and how often the run was interrupted leaves no trace in
the files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumornexus.errors import InputError, SimulationError
from tumornexus.provenance import plain
from tumornexus.trial.partition_attempt import Outcome, Work, attempt
from tumornexus.trial.partition_dask import on_dask, read_address
from tumornexus.trial.partition_folder import PartitionFolder


@dataclass(frozen=True)
class PartitionRun:
    """What a partitioned run left behind.

    Attributes:
        folder: where the tables are, for `read_table`.
        rows: number of rows of each table, over all partitions.
        computed: how many partitions were computed now.
        kept: how many an earlier call had finished.
        notes: what went wrong on the way and was mended: corrupt partitions, lost workers.
    """

    folder: Path
    rows: dict[str, int]
    computed: int
    kept: int
    notes: tuple[str, ...]


def run_partitions(
    work: Work,
    tasks: Mapping[str, Any],
    folder: str | Path,
    *,
    identity: Mapping[str, Any],
    dask: str | None = None,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> PartitionRun:
    """Compute each task and write its tables as Parquet files of `folder`; a run broken off before is gone on with.

    A partition counts as finished when its record stands in the folder and its files have the checksums told there;
    such a one is kept. Files and manifest of a finished run are the same bytes however it was computed. Only the
    partitions being computed and the one being written are held in memory.

    Args:
        work: turns a task into tables (name to table); must be importable where it runs, and use no chance but what
            the task brings. Every partition yields the same tables with the same columns and types.
        tasks: name of each partition to what `work` needs, small and picklable; the order is that of rows.
        folder: made if it does not exist.
        identity: plain data that says which run this is (what is computed, seed, versions, digests of knowledge and
            calibration), without a clock and without where it is computed.
        dask: None: this process, or `workers` processes of this machine if that is more than one. ``"local"``: as many
            as there are cores (or `workers`), ``"local:N"``: N. ``"tcp://host:port"``: the workers of a scheduler.
        workers: worker processes on this machine.
        progress: called with how many more partitions are finished.

    Raises:
        InputError: the folder belongs to another run, is being written by another process or cannot be written (full
            disk included); the scheduler cannot be reached; Dask is not installed; no tasks; an option that cannot be.
        SimulationError: a partition fails, is lost with its worker several times, or yields other tables than the
            rest. Finished partitions stay, and the same call goes on from there.
    """
    if not tasks:
        raise InputError("nothing to compute", field="tasks", value=0, valid="one partition or more")
    where = _where(dask, workers)
    place = PartitionFolder(Path(folder), plain(identity), tuple(tasks))
    try:
        with place.locked():
            return _run(work, list(tasks.values()), place, where, progress or (lambda _: None))
    except OSError as error:
        raise InputError(
            f"the results cannot be written: {error.strerror or error}", file=place.path,
            valid="free space and permission to write; then the same call once more goes on with what is finished",
        ) from error  # fmt: skip


def _where(dask: str | None, workers: int) -> str | int | None:
    """Return the address of a scheduler, a number of local worker processes, or None for this process."""
    if workers < 1:
        raise InputError("no number of workers", field="workers", value=workers, valid="a whole number of 1 or more")
    if dask is None:
        return None if workers == 1 else workers
    return read_address(dask, workers)


def _run(
    work: Work, tasks: list[Any], place: PartitionFolder, where: str | int | None, progress: Callable[[int], None]
) -> PartitionRun:
    place.begin()
    records, notes = place.finished()
    kept = len(records)
    if kept:
        progress(kept)
    missing = [number for number in range(len(tasks)) if number not in records]
    if missing:
        place.mark_unfinished()
    shapes = {n: {name: t["columns"] for name, t in r["tables"].items()} for n, r in records.items()}
    with contextlib.closing(_outcomes(work, tasks, missing, place.keys, where, notes)) as outcomes:
        for number, outcome in outcomes:
            key = place.keys[number]
            if outcome.problem:
                error = SimulationError(f"partition '{key}' failed: {outcome.problem}")
                error.add_note(outcome.trace)
                raise error
            shapes[number] = {name: part.columns for name, part in outcome.parts.items()}
            _same_shape(place.keys, shapes, number)
            records[number] = place.write(number, outcome.parts)
            progress(1)
    return PartitionRun(place.path, place.finish(records), len(missing), kept, tuple(notes))


def _outcomes(
    work: Work, tasks: list[Any], numbers: Sequence[int], keys: tuple[str, ...], where: str | int | None,
    notes: list[str],
) -> Iterator[tuple[int, Outcome]]:  # fmt: skip
    """Yield number and outcome of partitions as they are finished."""
    if where is None:
        for number in numbers:
            yield number, attempt(work, tasks[number])
    elif numbers:
        yield from on_dask(work, tasks, numbers, keys, where, notes)


def _same_shape(keys: tuple[str, ...], shapes: Mapping[int, Mapping[str, Mapping[str, str]]], number: int) -> None:
    """Refuse a partition whose tables, columns or types differ from those of another one."""
    other = next((i for i in shapes if i != number), number)
    new, old = shapes[number], shapes[other]
    if {name: list(c.items()) for name, c in new.items()} == {name: list(c.items()) for name, c in old.items()}:
        return
    if new.keys() != old.keys():
        what = f"tables {', '.join(new)} where partition '{keys[other]}' has {', '.join(old)}"
    else:
        name = next(n for n in new if list(new[n].items()) != list(old[n].items()))
        columns = dict.fromkeys([*new[name], *old[name]])
        differing = [c for c in columns if new[name].get(c) != old[name].get(c)]
        told = f"column {differing[0]}" if differing else "the order of columns"
        here, there = (f" ({s[name].get(differing[0], 'absent')})" if differing else "" for s in (new, old))
        what = f"{told} of table {name}{here} other than in partition '{keys[other]}'{there}"
    raise SimulationError(f"partition '{keys[number]}' yields {what}", valid="the same columns and types everywhere")
