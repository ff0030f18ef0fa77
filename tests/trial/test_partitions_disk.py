"""A full disk: a small file system of the test's own, in a mount namespace that ends with the processes in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dask_processes import ENVIRONMENT
from partition_work import contents, tasks, work
from tumornexus.trial.partitions import run_partitions

DRIVER = """
import json, sys
from partition_work import work
from tumornexus.errors import InputError
from tumornexus.trial.partitions import run_partitions
try:
    done = run_partitions(work, json.loads(sys.argv[2]), sys.argv[1], identity={"seed": 1})
except InputError as error:
    print(f"refused: {error}")
else:
    print(f"computed {done.computed}, kept {done.kept}")
"""

# The file system grows between the two calls, as if space had been made; nothing outside the namespace sees it.
SCRIPT = """
set -e
mount -t tmpfs -o size=160k tmpfs disk
"$PYTHON" driver.py disk/run "$TASKS"
cp -a disk/run left
mount -o remount,size=16m disk
"$PYTHON" driver.py disk/run "$TASKS"
cp -a disk/run mended
"""


def test_a_full_disk_is_told_and_finished_partitions_stay(tmp_path: Path):
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    (tmp_path / "disk").mkdir()
    probe = [*namespace, "mount", "-t", "tmpfs", "tmpfs", "disk"]
    try:
        able = subprocess.run(probe, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        pytest.skip("this system lets no test mount a file system of its own (unshare --user --mount)")
    big = {key: task | {"n": 400} for key, task in tasks().items()}
    (tmp_path / "driver.py").write_text(DRIVER)
    run_partitions(work, big, tmp_path / "undisturbed", identity={"seed": 1})
    undisturbed = contents(tmp_path / "undisturbed")
    assert sum(map(len, undisturbed.values())) > 160 * 1024, "the test's disk must be too small"

    environment = ENVIRONMENT | {"PYTHON": sys.executable, "TASKS": json.dumps(big)}
    done = subprocess.run([*namespace, "sh", "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith(f"refused: disk{os.sep}run: the results cannot be written: No space left on device")
    left = contents(tmp_path / "left")
    finished = [name for name in left if name.startswith("records")]
    assert 0 < len(finished) < 6
    assert len(left) == 1 + 3 * len(finished)
    assert all(undisturbed[name] == content for name, content in left.items() if name != "manifest.json")
    assert second == f"computed {6 - len(finished)}, kept {len(finished)}"
    assert contents(tmp_path / "mended") == undisturbed
