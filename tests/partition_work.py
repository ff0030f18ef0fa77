"""Cheap work for tests of partitions: importable by workers, pure NumPy, and as unruly as a task says."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def work(task: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Draw some patients by the task's seed; wait, note the process, or misbehave, where the task says so."""
    rng = np.random.default_rng(task["seed"])
    n = task.get("n", 40)
    if "pids" in task:  # a file for each start of a partition: seed, process
        with open(Path(task["pids"]) / f"{task['seed']}-{time.monotonic_ns()}", "w") as file:
            file.write(str(os.getpid()))
    if "gate" in task:
        end = time.monotonic() + 60.0
        while not Path(task["gate"]).exists():
            if time.monotonic() > end:
                raise TimeoutError("nobody opened the gate")
            time.sleep(0.01)
    time.sleep(task.get("sleep", 0.0))
    if task.get("fail"):
        raise RuntimeError("drawn from an empty urn")
    if task.get("die"):
        os._exit(3)
    pfs = rng.exponential(200.0, n)
    day = np.where(rng.random(n) < 0.3, rng.uniform(40, 120, n), np.nan)
    patients = pd.DataFrame(
        {
            "arm": np.where(np.arange(n) % 2, "nivolumab", "chemotherapy"),
            "patient": np.arange(n) + task["seed"] * n,
            "best": rng.choice(["CR", "PR", "SD", "PD"], n),
            "pfs_days": pfs,
            "pfs_event": rng.random(n) < 0.8,
            "response_day": day,
            "ae3_day": np.where(rng.random(n) < 0.2, 30.0, np.inf),
        }
    )
    scans = pd.DataFrame({"patient": np.repeat(patients["patient"], 5), "day": np.tile(np.arange(5) * 56, n)})
    scans["sum_mm"] = rng.normal(60, 10, len(scans))
    return {"patients": patients, "scans": scans}


def tasks(n: int = 6, **each: Any) -> dict[str, dict[str, Any]]:
    """Return tasks p0, p1, ... with what `each` says in all of them."""
    return {f"p{i}": {"seed": i, **each} for i in range(n)}


def threads_of(task: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Say which process computes, with how many threads, and where it keeps compiled code."""
    from tumornexus.machine import cores

    time.sleep(0.2)
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", "")
    return {"seen": pd.DataFrame({"pid": [os.getpid()], "threads": [cores()], "cache": [cache]})}


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
