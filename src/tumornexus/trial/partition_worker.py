"""Start-up of a worker process of this machine (Dask calls `dask_setup`)."""

from __future__ import annotations

import signal
import threading


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C to the driver, which stops its workers in order; they would die with tracebacks otherwise."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
