"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

# The same examples in every run, so that a change is judged by what it changed; `make verify` draws new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("new")
settings.load_profile(os.environ.get("TUMORNEXUS_EXAMPLES", "same"))

ROOT = Path(__file__).resolve().parents[1]


def find_shared_data() -> Path | None:
    """Return the folder of public cohorts: $TUMORNEXUS_DATA, else ../shared/data beside the repository."""
    named = os.environ.get("TUMORNEXUS_DATA")
    if named:
        return Path(named) if Path(named).is_dir() else None
    beside = ROOT.parent / "shared" / "data"
    return beside if beside.is_dir() else None


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public cohorts, or a skip that says how to provide it."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip("public cohorts not found: TUMORNEXUS_DATA names the folder that holds riaz2017, vanallen2015, ...")
    return folder


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Return a function that runs the program in this process as a shell would."""

    from tumornexus import cli

    def run(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tumornexus", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return Ended(code, told.out, told.err)

    return run
