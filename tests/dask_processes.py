"""A Dask scheduler and its workers as processes of a test, on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])}


def wait_for(what: Callable[[], object], seconds: float = 60.0):
    """Return the first truth that `what` yields."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise TimeoutError("waited in vain")


Cluster = tuple[str, list[subprocess.Popen], subprocess.Popen]


@contextmanager
def cluster(folder: Path, workers: int, **settings: str) -> Iterator[Cluster]:
    """Start a scheduler and workers without nannies; yield its address, the workers and the scheduler; stop all.

    `settings`: further variables of their environment.
    """
    told, started = folder / "scheduler.json", []

    def start(module: str, *words: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *words, "--no-dashboard"]
        log = open(folder / f"{module}-{len(started)}.log", "w")  # noqa: SIM115
        process = subprocess.Popen(command, env=ENVIRONMENT | settings, cwd=folder, stdout=log, stderr=log)
        log.close()
        started.append(process)
        return process

    try:
        scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told))
        address = wait_for(lambda: told.exists() and json.loads(told.read_text() or "{}").get("address"))
        crew = [start("dask_worker", address, "--no-nanny", "--nthreads", "1") for _ in range(workers)]
        yield address, crew, scheduler
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
