"""Provenance: stable, complete, and silent about the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tumornexus import provenance

TIME = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def test_manifest_holds_what_a_repeat_needs() -> None:
    record = provenance.manifest(["tumornexus", "run", "a"], 7, "0123456789abcdef", time=TIME, samples=3)
    assert record["call"] == ["tumornexus", "run", "a"]
    assert (record["seed"], record["knowledge_digest"], record["samples"]) == (7, "0123456789abcdef", 3)
    assert record["time_utc"] == "2026-01-02T03:04:05Z"
    assert record["versions"].keys() >= {"tumornexus", "python", "numpy", "jax"}
    assert all(record["versions"].values())


def test_equal_runs_give_equal_text() -> None:
    one, two = (
        provenance.to_json(provenance.manifest(["run"], 1, "d", time=TIME, b=b, a=(1, 2)))
        for b in ({"x": 1, "y": np.float64(0.1)}, {"y": 0.1, "x": np.int64(1)})
    )
    assert one == two
    assert one.endswith("}\n")
    assert json.loads(one)["b"] == {"x": 1, "y": 0.1}


def test_only_what_the_user_typed_is_kept() -> None:
    program = Path(sys.prefix) / "bin" / "tumornexus"
    text = provenance.to_json(provenance.manifest([str(program), "run", "../data/x"], 1, "d"))
    assert '"../data/x"' in text
    for private in (sys.prefix, str(Path.cwd()), str(Path.home())):
        assert private not in text


def test_fields_are_not_overwritten_in_silence() -> None:
    with pytest.raises(ValueError, match="platform"):
        provenance.manifest(["run"], 1, "d", platform="mine")


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        provenance.manifest(["run"], 1, "d", thing=object())
    with pytest.raises(ValueError, match="JSON"):
        provenance.to_json({"x": float("nan")})


def test_versions_are_read_without_importing() -> None:
    code = (
        "import sys\n"
        "from tumornexus.provenance import manifest\n"
        "manifest(['run'], 1, 'd')\n"
        "print(sorted({'numpy', 'jax', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
