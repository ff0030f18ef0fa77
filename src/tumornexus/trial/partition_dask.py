"""Partitions on Dask: workers of a running scheduler, or worker processes of this machine.

Partitions are handed out a few at a time, so memory does not grow with their number. A worker that dies costs the
partition that it was computing, which another one computes again. Workers compute and send back; they write nothing.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from time import monotonic
from typing import Any

from tumornexus.errors import InputError, SimulationError
from tumornexus.machine import cores
from tumornexus.trial.partition_attempt import Outcome, Work, attempt, software

CONNECT_S = 8
"""How long to try to reach a scheduler, s."""
PATIENCE_S = 120.0
"""How long to wait while a scheduler has no worker at all, s: batch systems start them one by one."""
LOSSES = 3
"""How many workers of this machine a partition may take with it before the run is given up. On a cluster the
scheduler counts (its setting ``distributed.scheduler.allowed-failures``)."""
_AHEAD = 2  # partitions handed out for each thread of the workers: one being computed, one waiting
_POLL_S = 0.5


def read_address(dask: str, workers: int = 1) -> str | int:
    """Return the address of a scheduler, or the number of local workers that ``local`` or ``local:N`` asks for.

    Raises:
        InputError: neither an address nor a number of workers; two different numbers of workers.
    """
    local = re.fullmatch(r"local(?::(\d+))?", dask)
    if local and local[1] is None:
        return workers if workers > 1 else cores()
    if local:
        number = int(local[1])
        if number < 1 or workers not in (1, number):
            raise InputError(
                "numbers of workers that disagree" if number else "no workers", field="dask", value=dask,
                valid="local:N with N of 1 or more, and no other number beside it",
            )  # fmt: skip
        return number
    if re.fullmatch(r"[\w.-]+:\d+", dask):
        return f"tcp://{dask}"
    if re.fullmatch(r"(tcp|tls|ws|wss)://(\[[0-9a-fA-F:]+\]|[\w.-]+):\d+", dask):
        return dask
    raise InputError("no address of a scheduler", field="dask", value=dask, valid="tcp://host:port, local, local:4")


def on_dask(
    work: Work, tasks: list[Any], numbers: Sequence[int], keys: tuple[str, ...], where: str | int, notes: list[str]
) -> Iterator[tuple[int, Outcome]]:
    """Yield number and outcome of partitions as workers finish them; lost workers are told in `notes`.

    Raises:
        InputError: Dask is not installed, or the scheduler cannot be reached.
        SimulationError: a partition was lost with its worker too often, workers with other versions, no workers, or
            the scheduler has gone.
    """
    if isinstance(where, int):
        where = min(where, len(numbers))
    with _client(where) as client:
        threads = max(1, cores() // where) if isinstance(where, int) else 1
        yield from _Run(client, work, tasks, keys, threads, where, notes).outcomes(numbers)


@contextlib.contextmanager
def _client(where: str | int) -> Iterator[Any]:
    """Connect to a scheduler, or start workers of this machine and stop them at the end."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "Dask is not installed", field="dask", value=where, valid='pip install "tumornexus[cluster]"'
        ) from None
    if isinstance(where, str):
        try:
            client = Client(where, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError):
            raise InputError(
                f"no Dask scheduler answered within {CONNECT_S} s", field="dask", value=where,
                valid="the address that dask scheduler printed, reachable from here",
            ) from None  # fmt: skip
        with client:
            yield client
        return
    # No loss is forgiven by the scheduler itself: it also counts partitions that only waited on the lost worker.
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.scheduler.worker-saturation": 1.0}
    with (
        dask.config.set(settings),
        # Memory is not limited per process: compiling the simulation takes more for a moment than Dask would grant.
        LocalCluster(
            n_workers=where, threads_per_worker=1, processes=True, memory_limit=0,
            # No dashboard; without an address of its own Dask would warn where its usual port is taken.
            dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
            preload=["tumornexus.trial.partition_worker"], silence_logs="CRITICAL",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


class _Run:
    """The partitions of one run on one client. Holds what is handed out and how often each was lost."""

    def __init__(
        self, client: Any, work: Work, tasks: list[Any], keys: tuple[str, ...], threads: int, where: str | int,
        notes: list[str],
    ) -> None:  # fmt: skip
        self.client, self.work, self.tasks, self.keys = client, work, tasks, keys
        self.threads, self.where, self.notes = threads, where, notes
        self.flying: dict[Any, int] = {}  # future to number
        self.losses: Counter[int] = Counter()
        self.seen_worker = monotonic()

    def outcomes(self, numbers: Iterable[int]) -> Iterator[tuple[int, Outcome]]:
        """Keep the workers busy until all partitions are done; whatever happens, leave nothing on the scheduler."""
        waiting = iter(numbers)
        exhausted = False
        try:
            while self.flying or not exhausted:
                room = self._room()
                while not exhausted and len(self.flying) < room:
                    number = next(waiting, None)
                    if number is None:
                        exhausted = True
                    else:
                        self._submit(number)
                for future in self._done():
                    number = self.flying.pop(future)
                    outcome = self._outcome(future, number)
                    if outcome:
                        future.release()
                        yield number, outcome
        finally:
            with contextlib.suppress(Exception):
                self.client.cancel(list(self.flying))

    def _submit(self, number: int) -> None:
        key = f"tumornexus-{uuid.uuid4().hex}"  # two runs on one scheduler must not meet
        future = self.client.submit(attempt, self.work, self.tasks[number], self.threads, key=key, pure=False)
        self.flying[future] = number

    def _room(self) -> int:
        """Return how many partitions may be handed out."""
        try:
            threads = sum(self.client.nthreads().values())
        except (OSError, TimeoutError) as error:
            raise self._gone() from error
        if threads:
            self.seen_worker = monotonic()
        elif monotonic() - self.seen_worker > PATIENCE_S:
            raise SimulationError(
                f"the scheduler has had no worker for {PATIENCE_S:.0f} s", field="dask", value=self.where,
                valid="workers started with the scheduler's address",
            )  # fmt: skip
        return max(_AHEAD, _AHEAD * threads)

    def _done(self) -> list[Any]:
        """Return futures that ended, after waiting a moment for one."""
        from concurrent.futures import CancelledError

        from distributed import wait

        if not self.flying:
            return []
        try:
            with self.client.as_current():
                return list(wait(list(self.flying), timeout=_POLL_S, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            return []
        except (CancelledError, OSError) as error:
            raise self._gone() from error

    def _outcome(self, future: Any, number: int) -> Outcome | None:
        """Return what a worker sent back; None if it was lost and the partition handed out again."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            outcome: Outcome = future.result()
        except KilledWorker as error:
            self.losses[number] += 1
            self._lost(number, error)
            return None
        except (CancelledError, OSError) as error:
            raise self._gone() from error
        except Exception as error:
            raise SimulationError(
                f"partition '{self.keys[number]}' cannot be handed to a worker: {type(error).__name__}: {error}",
                valid="the same installation on every worker",
            ) from error
        own = software()
        if outcome.software != own:
            name = next(n for n in own if outcome.software.get(n) != own[n])
            raise SimulationError(
                f"a worker has another version of {name} ({outcome.software.get(name)}, here {own[name]})",
                valid="the same versions on every worker: others give other numbers or other files",
            )
        return outcome

    def _lost(self, number: int, error: Exception) -> None:
        key = self.keys[number]
        if isinstance(self.where, str) or self.losses[number] > LOSSES:
            often = "as often as the scheduler allows" if isinstance(self.where, str) else f"{LOSSES + 1} times"
            raise SimulationError(
                f"partition '{key}' was lost with its worker {often}",
                valid="more memory, or fewer patients a partition; finished partitions are kept",
            ) from error
        self.notes.append(f"partition '{key}' was lost with its worker; it was computed again")
        self._submit(number)

    def _gone(self) -> SimulationError:
        return SimulationError(
            "the scheduler has gone", field="dask", value=self.where,
            valid="the same call once more, with a scheduler that runs; finished partitions are kept",
        )  # fmt: skip
