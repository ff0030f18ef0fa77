"""Partitions in one process: the same bytes whatever happened, whole files, and refusals that say why."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest

from partition_work import contents, tasks, work
from tumornexus.errors import InputError, SimulationError
from tumornexus.trial.partition_folder import encode, read_table
from tumornexus.trial.partitions import run_partitions

IDENTITY = {"call": ["trial", "X"], "seed": 1, "versions": {"numpy": "2"}, "knowledge_digest": "abc"}


def run(folder: Path, todo: dict[str, Any] | None = None, **options: Any):
    return run_partitions(work, todo or tasks(), folder, **({"identity": IDENTITY} | options))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    run(folder)
    return contents(folder)


def test_tables_come_back_as_they_were_made(tmp_path: Path):
    seen = []
    done = run(tmp_path / "new" / "run", progress=seen.append)
    assert (done.computed, done.kept, done.notes, seen) == (6, 0, (), [1] * 6)
    assert done.rows == {"patients": 240, "scans": 1200}
    for table in ("patients", "scans"):
        expected = pd.concat([work(task)[table] for task in tasks().values()], ignore_index=True)
        pd.testing.assert_frame_equal(read_table(done.folder, table), expected)
        pd.testing.assert_frame_equal(pd.read_parquet(done.folder / table), expected)
    assert list(read_table(done.folder, "patients", columns=["pfs_days", "arm"])) == ["pfs_days", "arm"]


def test_a_missing_value_is_null_and_not_a_number_that_spoils_sums(tmp_path: Path):
    """DuckDB and Polars tell null from NaN: a mean over NaN is NaN."""
    run(tmp_path)
    column = ds.dataset(tmp_path / "patients").to_table()["response_day"]
    expected = np.concatenate([work(t)["patients"]["response_day"] for t in tasks().values()])
    assert column.null_count == np.isnan(expected).sum() > 0


def test_the_manifest_says_which_run_and_which_bytes(undisturbed: dict[str, bytes]):
    manifest = json.loads(undisturbed["manifest.json"])
    assert manifest["identity"] == IDENTITY
    assert manifest["complete"] is True
    files = {f["file"]: f["sha256"] for table in manifest["tables"].values() for f in table["files"]}
    import hashlib

    parquet = {name: hashlib.sha256(x).hexdigest() for name, x in undisturbed.items() if name.endswith(".parquet")}
    assert files == parquet
    assert len(files) == 12


def test_the_same_call_once_more_computes_nothing(tmp_path: Path, undisturbed: dict[str, bytes]):
    run(tmp_path)
    seen = []
    again = run(tmp_path, progress=seen.append)
    assert (again.computed, again.kept, seen) == (0, 6, [6])
    assert contents(tmp_path) == undisturbed


def break_off(folder: Path) -> None:
    with pytest.raises(SimulationError, match=r"partition 'p3' failed: RuntimeError: drawn from an empty urn"):
        run(folder, tasks() | {"p3": {"seed": 3, "fail": True}})


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_failing_partition_is_named_and_finished_ones_stay(tmp_path: Path, undisturbed: dict[str, bytes]):
    break_off(tmp_path)
    kept = contents(tmp_path)
    assert sorted(p for p in kept if p.startswith("records")) == [f"records/part-0000{i}.json" for i in range(3)]
    assert all(undisturbed[name] == content for name, content in kept.items() if name != "manifest.json")
    with pytest.raises(InputError, match=r"not finished \(3 of 6 partitions\)"):
        read_table(tmp_path, "patients")
    assert len(read_table(tmp_path, "patients", unfinished=True)) == 120
    done = run(tmp_path)
    assert (done.computed, done.kept) == (3, 3)
    assert contents(tmp_path) == undisturbed


def test_an_error_of_input_keeps_its_words(tmp_path: Path):
    def refuse(_: Any) -> dict[str, pd.DataFrame]:
        raise InputError("too few virtual patients qualify", field="selection.tmb", value=3)

    with pytest.raises(SimulationError, match=r"^partition 'p0' failed: field 'selection\.tmb': too few .* \(got 3\)"):
        run_partitions(refuse, {"p0": 0}, tmp_path, identity={})


def test_the_trace_of_a_failing_partition_is_kept_for_who_looks_for_it(tmp_path: Path):
    with pytest.raises(SimulationError) as caught:
        run(tmp_path, {"p0": {"seed": 3, "fail": True}})
    assert 'raise RuntimeError("drawn from an empty urn")' in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: flip(f / "patients" / "part-00002.parquet"), "patients/part-00002.parquet does not have its"),
        (lambda f: (f / "scans" / "part-00002.parquet").unlink(), "scans/part-00002.parquet is gone"),
        (lambda f: (f / "records" / "part-00002.json").write_text("{"), "its record cannot be read"),
        (lambda f: (f / "records" / "part-00002.json").write_text('{"key": "p5"}'), "its record is that of 'p5'"),
    ],
)  # fmt: skip
def test_a_corrupt_partition_alone_is_computed_again(
    tmp_path: Path, undisturbed: dict[str, bytes], damage: Callable[[Path], Any], told: str
):
    run(tmp_path)
    damage(tmp_path)
    assert contents(tmp_path) != undisturbed
    done = run(tmp_path)
    assert (done.computed, done.kept) == (1, 5)
    (note,) = done.notes
    assert note.startswith(f"partition 'p2': {told}")
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"identity": IDENTITY | {"seed": 2}}, "seed is 1 there and 2 here"),
        ({"identity": IDENTITY | {"versions": {"numpy": "3"}}}, r'versions\.numpy is "2" there and "3" here'),
        ({"identity": IDENTITY | {"calibration": "c"}}, 'calibration is absent there and "c" here'),
        ({"todo": tasks(7)}, r"partitions is 6 \(p0, p1, p2, \.\.\.\) there and 7 "),
    ],
)
def test_the_folder_of_another_run_is_refused_and_left_alone(tmp_path: Path, change: dict[str, Any], told: str):
    run(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=f"holds another run: .*{told}"):
        run(tmp_path, **change)
    assert contents(tmp_path) == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(InputError, match=r"not empty .* thesis\.docx"):
        run(tmp_path)
    assert list(contents(tmp_path)) == ["thesis.docx"]
    with pytest.raises(InputError, match="cannot be written"):
        run(tmp_path / "thesis.docx")


def test_temporary_files_of_a_killed_run_are_swept(tmp_path: Path, undisturbed: dict[str, bytes]):
    break_off(tmp_path)
    (tmp_path / "patients" / ".part-00003.parquet.partial").write_bytes(b"half a f")
    (tmp_path / "patients" / "part-00003.parquet").write_bytes(b"whole, but its record was never written")
    run(tmp_path)
    assert contents(tmp_path) == undisturbed


def test_two_processes_do_not_write_one_folder(tmp_path: Path):
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tumornexus.trial.partition_folder import PartitionFolder\n"
        "with PartitionFolder(Path(sys.argv[1]), {}, ('a',)).locked():\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process is writing"):
            run(tmp_path)
    finally:
        holder.kill()
        holder.communicate()
    assert run(tmp_path).computed == 6  # the system lifted the lock of the killed process


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (lambda t: {"patients": t["patients"]}, "yields tables patients where partition 'p0' has patients, scans"),
        (lambda t: t | {"scans": t["scans"].assign(day=0.5)}, r"column day of table scans \(double\) other .*int64"),
        (lambda t: t | {"scans": t["scans"][["day", "patient", "sum_mm"]]}, "the order of columns of table scans"),
        (lambda t: {}, "yields no tables"),
        (lambda t: t | {"records": t["scans"]}, "no name of a table"),
        (lambda t: t | {"scans": t["scans"].assign(day=pd.Timestamp(0))}, "neither numbers nor truth values nor text"),
        (lambda t: t | {"scans": t["scans"].set_axis(["a", "a", "b"], axis=1)}, "names that differ"),
    ],
)  # fmt: skip
def test_partitions_that_do_not_belong_together_are_refused(tmp_path: Path, second: Callable[[Any], Any], told: str):
    def uneven(task: dict[str, Any]) -> dict[str, pd.DataFrame]:
        tables = work(task)
        return second(tables) if task["seed"] == 1 else tables

    with pytest.raises(SimulationError, match=told) as caught:
        run_partitions(uneven, tasks(3), tmp_path, identity={})
    assert "'p1'" in str(caught.value)
    assert [p.name for p in (tmp_path / "records").iterdir()] == ["part-00000.json"]


def test_a_column_of_missing_text_has_the_type_of_text():
    """Else a part in which nobody progressed could not be read together with the others."""
    for column in ([None, None], [], ["lost antigen", None], ["", ""]):
        assert encode("patients", pd.DataFrame({"cause": pd.Series(column, dtype=object)})).columns == {
            "cause": "string"
        }
    with pytest.raises(SimulationError, match=r"patients\.cause"):
        encode("patients", pd.DataFrame({"cause": ["text", 3]}))


def test_index_and_insertion_order_of_tables_leave_no_trace(tmp_path: Path, undisturbed: dict[str, bytes]):
    def otherwise(task: dict[str, Any]) -> dict[str, pd.DataFrame]:
        tables = work(task)
        return {name: tables[name].set_axis(range(7, 7 + len(tables[name]))) for name in reversed(tables)}

    run_partitions(otherwise, tasks(), tmp_path, identity=IDENTITY)
    assert contents(tmp_path) == undisturbed


def test_interrupted_by_hand_and_gone_on_with(tmp_path: Path, undisturbed: dict[str, bytes]):
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=stop)
    assert run(tmp_path).kept == 1
    assert contents(tmp_path) == undisturbed


def test_a_file_that_the_system_refuses_leaves_no_half_of_it(tmp_path: Path, undisturbed: dict[str, bytes]):
    """A real limit of the process on the size of files, in the middle of a file's bytes."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    big = tasks() | {"p2": {"seed": 2, "n": 4000}}
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        with pytest.raises(InputError, match="the results cannot be written: File too large"):
            run(tmp_path, big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    left = contents(tmp_path)
    assert len(left) == 1 + 3 * 2
    assert all(undisturbed[name] == content for name, content in left.items() if name != "manifest.json")
    assert run(tmp_path, big).kept == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dask": "10.0.0.1"}, "no address of a scheduler"),
        ({"dask": "local:0"}, "no workers"),
        ({"dask": "local:2", "workers": 3}, "disagree"),
        ({"workers": 0}, "no number of workers"),
        ({"dask": "http://10.0.0.1:8786"}, r"tcp://host:port, local, local:4"),
    ],
)
def test_options_that_cannot_be_are_refused_before_the_folder_is_touched(tmp_path: Path, options: dict, told: str):
    with pytest.raises(InputError, match=told):
        run(tmp_path / "new", **options)
    with pytest.raises(InputError, match="nothing to compute"):
        run_partitions(work, {}, tmp_path / "new", identity={})
    assert not (tmp_path / "new").exists()


def test_reading_says_what_there_is(tmp_path: Path):
    with pytest.raises(InputError, match="no partitioned run"):
        read_table(tmp_path, "patients")
    run(tmp_path)
    with pytest.raises(InputError, match="did you mean patients"):
        read_table(tmp_path, "patient")
    with pytest.raises(InputError, match="did you mean pfs_days"):
        read_table(tmp_path, "patients", columns=["pfs_day"])
