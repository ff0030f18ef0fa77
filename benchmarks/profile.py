"""Time the profile: CPU-seconds and peak memory for 500 samples, and what one patient costs.

    python benchmarks/profile.py [--json [FILE]] [--samples N]

Four measurements, each in a process of its own:

* `cohort`: N complete synthetic transcriptomes, all distinct, all mechanisms, from `Patient` to `Profile`; writing
  the five files is timed beside it.
* `table`: the same after reading them from a gzipped table of expression, so reading is included.
* `patient`: the demo patient in process, from its folder to its profile, with loading of knowledge and reference.
* `command`: `tumornexus profile` on the demo patient, start of Python and writing included.

Targets: the cohort under 10 CPU-seconds and 1 GB, one patient under 2 s in process and 4 s as a command. CPU-seconds
are of the whole process with all its threads; the imports of Python are left out of `cohort` and `patient`, and given
as `import_cpu_s`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SAMPLES = 500
TARGETS = {"cohort_cpu_s": 10.0, "cohort_peak_gb": 1.0, "patient_s": 2.0, "command_s": 4.0}
DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo_patient"


def peak_gb() -> float:
    """Return the largest resident memory of this process so far, in GB (1e9 bytes)."""
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def transcriptomes(n: int) -> Any:
    """Return n synthetic transcriptomes (gene x sample, TPM) with the factors, levels and spreads of the reference."""
    import numpy as np
    import pandas as pd

    from tumornexus.activities import named_generator
    from tumornexus.profile import load_reference

    reference = load_reference()
    generator = named_generator(1, "benchmark", "transcriptomes")
    own = np.sqrt(np.maximum(1.0 - (reference.loadings**2).sum(axis=1), 0.05))
    factors = generator.standard_normal((n, reference.loadings.shape[1]))
    z = factors @ reference.loadings.T + own * generator.standard_normal((n, len(own)))
    linear = np.maximum(2.0 ** (reference.location + reference.scale * z) - 1.0, 0.0)
    tpm = 1e6 * linear / linear.sum(axis=1, keepdims=True)
    samples = [f"S{i:04d}" for i in range(n)]
    return pd.DataFrame(tpm.T, index=pd.Index(reference.genes, name="gene"), columns=samples)


def cohort(n: int) -> dict[str, float]:
    """Profile n samples held in memory and write the result."""
    start = time.process_time()
    from tumornexus.io.patient import Patient
    from tumornexus.knowledge import load_knowledge
    from tumornexus.profile import load_reference, profile_cohort, write_profiles

    imported = time.process_time() - start
    knowledge, _ = load_knowledge(), load_reference()
    table = transcriptomes(n)
    patients = [
        Patient(str(s), str(s), "melanoma", clinical={"tmb_per_mb": 10.0, "nlr": 3.0}, expression=table[s])
        for s in table.columns
    ]
    clock, cpu = time.perf_counter(), time.process_time()
    profiles = profile_cohort(patients, knowledge)
    found = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - clock, "import_cpu_s": imported}
    with tempfile.TemporaryDirectory() as folder:
        cpu = time.process_time()
        write_profiles(profiles, folder, {})
        found["write_cpu_s"] = time.process_time() - cpu
    return found | {"peak_gb": peak_gb(), "samples": float(n)}


def table(n: int, folder: Path) -> dict[str, float]:
    """Read and profile a cohort folder of n samples."""
    from tumornexus.io import read_cohort
    from tumornexus.knowledge import load_knowledge
    from tumornexus.profile import load_reference, profile_cohort

    knowledge, _ = load_knowledge(), load_reference()
    cpu = time.process_time()
    members = read_cohort(folder, knowledge)
    read = time.process_time() - cpu
    profiles = profile_cohort(members, knowledge)
    assert len(profiles) == n
    return {"read_cpu_s": read, "cpu_s": time.process_time() - cpu, "peak_gb": peak_gb()}


def write_table(n: int, folder: Path) -> None:
    """Write the cohort folder that `table` reads."""
    expression = transcriptomes(n)
    with gzip.open(folder / "expression.tsv.gz", "wt", compresslevel=1, encoding="utf-8") as file:
        expression.to_csv(file, sep="\t", float_format="%.4g")
    rows = "".join(f"{s}\tmelanoma\n" for s in expression.columns)
    (folder / "clinical.tsv").write_text("sample\tcancer_type\n" + rows, encoding="utf-8")


def patient() -> dict[str, float]:
    """Read and profile the demo patient, first time in a process and again."""
    from tumornexus.io import read_patient
    from tumornexus.knowledge import load_knowledge
    from tumornexus.profile import profile_patient

    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        knowledge = load_knowledge()
        profile_patient(read_patient(DEMO, knowledge=knowledge), knowledge)
        seconds.append(time.perf_counter() - start)
    return {"first_s": seconds[0], "again_s": seconds[1], "peak_gb": peak_gb()}


def command() -> dict[str, float]:
    """Run `tumornexus profile` on the demo patient, three times; the median counts."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(3):
            start = time.perf_counter()
            call = [sys.executable, "-m", "tumornexus", "profile", str(DEMO), "--out", f"{folder}/{i}"]
            subprocess.run(call, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
    return {"wall_s": sorted(seconds)[1], "slowest_s": max(seconds)}


def apart(*arguments: str) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--child", *arguments], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def bench(n: int) -> dict[str, Any]:
    """All measurements and whether they meet the targets."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--child", "write_table", str(n), folder], check=True)
        found: dict[str, Any] = {
            "cohort": apart("cohort", str(n)),
            "table": apart("table", str(n), folder),
            "patient": apart("patient"),
            "command": command(),
        }
    reached = {
        "cohort_cpu_s": found["cohort"]["cpu_s"],
        "cohort_peak_gb": found["cohort"]["peak_gb"],
        "patient_s": found["patient"]["first_s"],
        "command_s": found["command"]["wall_s"],
    }
    found["targets"] = {k: {"reached": v, "target": TARGETS[k], "met": v < TARGETS[k]} for k, v in reached.items()}
    found["machine"] = {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
    return found


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", nargs="?", const="-", help="write the numbers as JSON, to a file if named")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, *rest = options.child
        if what == "write_table":
            write_table(int(rest[0]), Path(rest[1]))
        elif what == "cohort":
            print(json.dumps(cohort(int(rest[0]))))
        elif what == "table":
            print(json.dumps(table(int(rest[0]), Path(rest[1]))))
        else:
            print(json.dumps(patient()))
        return 0
    found = bench(options.samples)
    if options.json:
        text = json.dumps(found, indent=1)
        print(text)
        if options.json != "-":
            Path(options.json).write_text(text + "\n", encoding="utf-8")
        return 0
    for what in ("cohort", "table", "patient", "command"):
        print(f"{what:<9}" + "  ".join(f"{k} {v:.2f}" for k, v in found[what].items()))
    for what, row in found["targets"].items():
        print(f"  {what:<16}{row['reached']:>7.2f} of {row['target']:<5.1f}{'met' if row['met'] else 'MISSED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
