"""One partition computed, wherever that is: what a worker does, and what it sends back."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tumornexus import __version__
from tumornexus.errors import NexusError, SimulationError
from tumornexus.machine import keep_compiled, limit_threads
from tumornexus.provenance import PACKAGES, installed_version
from tumornexus.trial.partition_folder import Part, encode

Work = Callable[[Any], Mapping[str, pd.DataFrame]]


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back for a partition: its tables, or in words why there are none.

    Attributes:
        parts: the tables, spelled.
        problem: message of an exception, with its kind unless it is one of ours; empty if there was none.
        trace: where it happened.
        software: versions on the worker.
    """

    parts: dict[str, Part]
    problem: str
    trace: str
    software: dict[str, str | None]


def software() -> dict[str, str | None]:
    """Return the versions that decide about the bytes of a result."""
    return {"tumornexus": __version__, **{name: installed_version(name) for name in (*PACKAGES, "pyarrow")}}


def attempt(work: Work, task: Any, threads: int | None = None) -> Outcome:
    """Compute one partition. An exception comes back in words: its class may not exist where the driver runs.

    `threads`: how many threads this process may compute with; as it is, if not given.
    """
    if threads is not None:
        limit_threads(threads)
        keep_compiled()
    try:
        tables = work(task)
        if not isinstance(tables, Mapping) or not tables:
            raise SimulationError("a partition yields no tables", value=type(tables).__name__, valid="a dictionary")
        parts = {name: encode(name, tables[name]) for name in sorted(tables)}
    except Exception as error:
        problem = str(error) if isinstance(error, NexusError) else f"{type(error).__name__}: {error}"
        return Outcome({}, problem, traceback.format_exc(), software())
    return Outcome(parts, "", "", software())
