"""What partitions cost besides the simulation: time and memory of a run whose work is drawing random tables.

    python benchmarks/partitions.py [--partitions N] [--patients N] [--arms N] [--dask local:2] [--json FILE]

The tables have the size of a virtual trial's (40 columns a patient and arm, 13 scans), and cost next to nothing to
make, so the time is that of encoding, sending, writing and flushing to disk. `driver_mib` is the peak memory of the
process that writes; it must not grow with the number of partitions.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tumornexus.trial.partitions import run_partitions

SCANS = 13
COLUMNS = 36  # of numbers, besides the named ones


def work(task: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Draw tables of the size of a virtual trial's."""
    rng, n = np.random.default_rng(task["seed"]), task["patients"] * task["arms"]
    patients = pd.DataFrame(rng.random((n, COLUMNS)), columns=[f"x{i}" for i in range(COLUMNS)])
    patients.insert(0, "arm", np.repeat([f"arm {i}" for i in range(task["arms"])], task["patients"]))
    patients.insert(1, "patient", np.tile(np.arange(task["patients"]), task["arms"]))
    patients["best"] = rng.choice(["CR", "PR", "SD", "PD"], n)
    patients["cause"] = rng.choice(["treg", "mdsc", ""], n)
    scans = patients[["arm", "patient"]].loc[np.repeat(np.arange(n), SCANS)]
    scans = scans.assign(day=np.tile(np.arange(SCANS) * 56.0, n), sum_mm=np.round(rng.random(n * SCANS) * 100, 1))
    return {"patients": patients, "scans": scans}


def main() -> None:
    """Run once and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=20)
    parser.add_argument("--patients", type=int, default=500, help="patients a partition")
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--dask", default=None)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    tasks = {f"p{i:05d}": {"seed": i, "patients": given.patients, "arms": given.arms} for i in range(given.partitions)}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        done = run_partitions(work, tasks, folder, identity={"benchmark": "partitions"}, dask=given.dask)
        seconds = time.perf_counter() - begun
        size = sum(p.stat().st_size for p in Path(folder).rglob("*.parquet"))
        begun = time.perf_counter()
        run_partitions(work, tasks, folder, identity={"benchmark": "partitions"}, dask=given.dask)
        again = time.perf_counter() - begun
    rows = done.rows["patients"]
    found = {
        "rows": rows, "seconds": round(seconds, 2), "us_per_row": round(1e6 * seconds / rows, 1),
        "bytes_per_row": round(size / rows), "verify_seconds": round(again, 2),
        "driver_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
