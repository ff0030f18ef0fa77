"""What a process may take of the machine: cores, and a cache of compiled simulations. Imports no JAX by itself."""

from __future__ import annotations

import os
import sys

import platformdirs

from tumornexus.errors import InputError

THREADS = "TUMORNEXUS_THREADS"
"""Environment variable: how many threads a process computes with, instead of one a core."""

_XLA_THREADS = "PJRT_NPROC"  # how many threads XLA starts on a CPU, read when its first computation begins


def cores() -> int:
    """Return how many cores this process may use: those the system grants it, or what `THREADS` says.

    Raises:
        InputError: `THREADS` is no whole number of 1 or more.
    """
    named = os.environ.get(THREADS)
    if named is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not named.isdecimal() or int(named) < 1:
        raise InputError("no number of threads", field=THREADS, value=named, valid="a whole number of 1 or more")
    return int(named)


def limit_threads(number: int) -> None:
    """Let this process compute with `number` threads, unless its environment says how many already."""
    os.environ.setdefault(THREADS, str(number))
    os.environ.setdefault(_XLA_THREADS, os.environ[THREADS])


def keep_compiled() -> None:
    """Keep compiled simulations in the user's cache folder, so that a second start takes seconds.

    A folder that the environment names (JAX_COMPILATION_CACHE_DIR) is left as it is. JAX reads the environment when it
    is imported; where it is imported already, it is told.
    """
    wanted: dict[str, object] = {
        "jax_persistent_cache_min_compile_time_secs": 0.3,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        wanted["jax_compilation_cache_dir"] = platformdirs.user_cache_dir("tumornexus") + "/compiled"
    for name, value in wanted.items():
        if "jax" in sys.modules:
            sys.modules["jax"].config.update(name, value)
        else:
            os.environ[name.upper()] = str(value)
