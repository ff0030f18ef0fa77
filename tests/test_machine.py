"""What a process takes of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tumornexus.errors import InputError
from tumornexus.machine import THREADS, cores

PROBE = """
import json, os, sys
from tumornexus.machine import cores, keep_compiled, limit_threads
if sys.argv[1] == "after":
    import jax
keep_compiled()
limit_threads(1)
early = "jax" in sys.modules
import jax
wanted = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs", "persistent_cache_min_entry_size_bytes")
print(json.dumps([early, cores(), os.environ["PJRT_NPROC"], *(getattr(jax.config, f"jax_{name}") for name in wanted)]))
"""


def probe(when: str, **further: str) -> list:
    environment = {k: v for k, v in os.environ.items() if k not in (THREADS, "PJRT_NPROC", "JAX_COMPILATION_CACHE_DIR")}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, when], env=environment | further, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_compiled_code_is_kept_whether_jax_is_there_yet_or_not():
    before, after = probe("before"), probe("after")
    assert (before[0], after[0]) == (False, True)  # asking for the cache imports no JAX
    assert before[1:] == after[1:]
    assert before[1:3] == [1, "1"]
    assert "tumornexus" in before[3]
    assert before[4:] == [0.3, 0]


def test_the_environment_has_the_last_word():
    assert probe("before", JAX_COMPILATION_CACHE_DIR="/elsewhere", TUMORNEXUS_THREADS="3")[1:4] == [
        3,
        "3",
        "/elsewhere",
    ]


def test_threads_are_those_granted_unless_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(THREADS, raising=False)
    assert 1 <= cores() <= (os.cpu_count() or 1)
    monkeypatch.setenv(THREADS, "7")
    assert cores() == 7
    for wrong in ("0", "two", "-1", ""):
        monkeypatch.setenv(THREADS, wrong)
        with pytest.raises(InputError, match=THREADS):
            cores()
