"""Partitions on Dask, with real processes on loopback: what is lost is computed again, to the same bytes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='Dask is not installed: pip install "tumornexus[cluster]"')

from dask_processes import ENVIRONMENT, cluster, wait_for
from partition_work import contents, tasks, threads_of, work
from tumornexus.errors import InputError, SimulationError
from tumornexus.machine import cores
from tumornexus.trial import partition_dask
from tumornexus.trial.partition_folder import read_table
from tumornexus.trial.partitions import run_partitions

IDENTITY = {"seed": 1}

DRIVER = """
import json, sys
from partition_work import work
from tumornexus.trial.partitions import run_partitions
if __name__ == "__main__":
    folder, tasks, dask = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    run_partitions(work, tasks, folder, identity={"seed": 1}, dask=dask)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    run_partitions(work, tasks(), folder, identity=IDENTITY)
    return contents(folder)


def in_background(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def starts(folder: Path) -> dict[int, list[int]]:
    """Return the processes that began each partition, by its seed."""
    found: dict[int, list[int]] = {}
    for path in sorted(folder.iterdir()):
        if path.read_text():
            found.setdefault(int(path.name.split("-")[0]), []).append(int(path.read_text()))
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_worker_killed_in_mid_run_costs_only_its_partition(tmp_path: Path, undisturbed: dict[str, bytes]):
    pids, gate = tmp_path / "pids", tmp_path / "gate"
    pids.mkdir()
    with cluster(tmp_path, 2) as (address, crew, _):

        def kill_one() -> None:
            try:
                own = {worker.pid for worker in crew}
                busy = wait_for(lambda: [p for begun in starts(pids).values() for p in begun if p in own])
                victim = next(worker for worker in crew if worker.pid == busy[0])
                victim.kill()
                victim.wait()
            finally:
                gate.touch()

        killer = in_background(kill_one)
        done = run_partitions(work, tasks(pids=str(pids), gate=str(gate)), tmp_path / "run", identity=IDENTITY,
                              dask=address)  # fmt: skip
        killer.join(10)
        assert sum(worker.poll() is not None for worker in crew) == 1
    assert done.computed == 6
    assert contents(tmp_path / "run") == undisturbed
    begun = starts(pids)
    assert sorted(begun) == list(range(6))
    assert sum(len(p) for p in begun.values()) == 7  # the lost one twice, every other one once


def test_the_scheduler_killed_in_mid_run_is_told_and_the_run_goes_on_without_it(
    tmp_path: Path, undisturbed: dict[str, bytes]
):
    with cluster(tmp_path, 1) as (address, _, scheduler):

        def kill() -> None:
            wait_for(lambda: len(list((tmp_path / "run" / "records").glob("*.json"))) >= 2)
            scheduler.kill()

        killer = in_background(kill)
        with pytest.raises(SimulationError, match="the scheduler has gone"):
            run_partitions(work, tasks(sleep=0.3), tmp_path / "run", identity=IDENTITY, dask=address)
        killer.join(10)
    left = contents(tmp_path / "run")
    assert all(undisturbed[name] == content for name, content in left.items() if name != "manifest.json")
    done = run_partitions(work, tasks(), tmp_path / "run", identity=IDENTITY)
    assert done.kept >= 2
    assert contents(tmp_path / "run") == undisturbed


def test_the_driver_killed_and_started_again(tmp_path: Path, undisturbed: dict[str, bytes]):
    pids, run = tmp_path / "pids", tmp_path / "run"
    pids.mkdir()
    (tmp_path / "driver.py").write_text(DRIVER)
    slow = tasks(pids=str(pids), sleep=0.2)
    command = [sys.executable, str(tmp_path / "driver.py"), str(run), json.dumps(slow), '"local:2"']
    driver = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(list((run / "records").glob("*.json"))) >= 2)
    finally:
        driver.kill()
        driver.wait()
    workers = {pid for begun in starts(pids).values() for pid in begun}
    assert workers
    wait_for(lambda: all(gone(pid) for pid in workers))  # workers do not outlive their driver
    kept = {p.name: p.stat().st_mtime_ns for p in (run / "records").glob("*.json")}
    assert json.loads((run / "manifest.json").read_text())["complete"] is False
    assert subprocess.run([*command[:-1], "null"], env=ENVIRONMENT, check=False).returncode == 0
    assert contents(run) == undisturbed
    assert all((run / "records" / name).stat().st_mtime_ns == time_ns for name, time_ns in kept.items())


def test_stopped_by_hand_leaves_neither_workers_nor_half_files(tmp_path: Path, undisturbed: dict[str, bytes]):
    pids, run = tmp_path / "pids", tmp_path / "run"
    pids.mkdir()
    (tmp_path / "driver.py").write_text(DRIVER)
    slow = tasks(pids=str(pids), sleep=1.5)  # not finished before the interrupt on a busy machine
    command = [sys.executable, str(tmp_path / "driver.py"), str(run), json.dumps(slow), '"local:2"']
    # In a session of its own, so that the terminal's Ctrl-C can be played: it reaches driver and workers alike.
    driver = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_for(lambda: len(list((run / "records").glob("*.json"))) >= 1)
        os.killpg(driver.pid, signal.SIGINT)
        driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.wait()
    assert driver.returncode != 0
    assert all(gone(pid) for begun in starts(pids).values() for pid in begun)
    left = contents(run)
    assert all(undisturbed[name] == content for name, content in left.items() if name != "manifest.json")
    run_partitions(work, tasks(), run, identity=IDENTITY)
    assert contents(run) == undisturbed


def test_a_partition_that_kills_every_worker_is_named_and_the_others_are_finished(
    tmp_path: Path, undisturbed: dict[str, bytes]
):
    deadly = tasks() | {"p5": {"seed": 5, "die": True}}
    with pytest.raises(SimulationError, match="partition 'p5' was lost with its worker 4 times"):
        run_partitions(work, deadly, tmp_path, identity=IDENTITY, dask="local:2")
    left = contents(tmp_path)
    assert len([name for name in left if name.startswith("records")]) == 5
    assert all(undisturbed[name] == content for name, content in left.items() if name != "manifest.json")


def test_a_cluster_is_not_killed_worker_by_worker(tmp_path: Path):
    """There the scheduler says how often a partition may take a worker with it; here never."""
    deadly = {"p0": {"seed": 0, "die": True}}
    with (
        cluster(tmp_path, 2, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as (address, crew, _),
        pytest.raises(SimulationError, match="'p0' was lost with its worker as often as the scheduler allows"),
    ):
        run_partitions(work, deadly, tmp_path / "run", identity=IDENTITY, dask=address)
    assert [worker.returncode for worker in crew].count(3) == 1


def test_local_workers_give_the_bytes_of_one_process_and_share_the_cores(
    tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    done = run_partitions(work, tasks(), tmp_path / "run", identity=IDENTITY, workers=2)
    assert (done.computed, done.notes) == (6, ())
    assert contents(tmp_path / "run") == undisturbed
    run_partitions(threads_of, tasks(), tmp_path / "seen", identity=IDENTITY, dask="local:2")
    seen = read_table(tmp_path / "seen", "seen")
    assert seen["pid"].nunique() == 2
    assert os.getpid() not in set(seen["pid"])
    assert set(seen["threads"]) == {max(1, cores() // 2)}
    assert seen["cache"].str.contains("tumornexus").all()


def test_a_failing_partition_on_a_worker_is_named(tmp_path: Path):
    with socket.socket() as other, contextlib.suppress(OSError):  # somebody has the port of Dask's dashboard
        other.bind(("127.0.0.1", 8787))
        other.listen()
        _check_failing(tmp_path / "taken")
    _check_failing(tmp_path / "free")


def _check_failing(folder: Path) -> None:
    with pytest.raises(SimulationError, match="partition 'p1' failed: RuntimeError: drawn from an empty urn") as caught:
        run_partitions(work, {"p1": {"seed": 1, "fail": True}}, folder, identity=IDENTITY, dask="local:1")
    assert "partition_work.py" in "".join(caught.value.__notes__)


def test_an_unreachable_scheduler_is_one_clear_error(tmp_path: Path):
    begun = time.monotonic()
    with pytest.raises(InputError, match=r"no Dask scheduler answered .*tcp://127\.0\.0\.1:9"):
        run_partitions(work, tasks(), tmp_path, identity=IDENTITY, dask="tcp://127.0.0.1:9")
    assert time.monotonic() - begun < 12


def test_a_scheduler_without_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(partition_dask, "PATIENCE_S", 1.0)
    with cluster(tmp_path, 0) as (address, _, _), pytest.raises(SimulationError, match="has had no worker for 1 s"):
        run_partitions(work, tasks(), tmp_path / "run", identity=IDENTITY, dask=address)


def test_workers_with_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(partition_dask, "software", lambda: {"tumornexus": "0.0.0"})
    with pytest.raises(SimulationError, match=r"another version of tumornexus .* here 0\.0\.0"):
        run_partitions(work, tasks(1), tmp_path, identity=IDENTITY, dask="local:1")


def test_without_dask_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r'pip install "tumornexus\[cluster\]"'):
        run_partitions(work, tasks(1), tmp_path, identity=IDENTITY, dask="local:2")


def test_the_example_of_the_guide_runs(tmp_path: Path, repo_root: Path):
    page = (repo_root / "docs" / "scale_out.md").read_text(encoding="utf-8")
    (example,) = (x for x in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE) if "def work" in x)
    (tmp_path / "example.py").write_text(example)
    done = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{'draws': 800} ()")
