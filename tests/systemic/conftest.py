"""Fixtures of the simulator's tests: the catalogue and one ensemble of responsive tumors for all files."""

from __future__ import annotations

import pytest

from simulated import Tumors, keep_compiled, responsive_tumors
from tumornexus.knowledge import Knowledge, load_knowledge


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="session")
def tumors(knowledge: Knowledge, pytestconfig: pytest.Config) -> Tumors:
    """Six responsive melanoma-like tumors, bare and with each mechanism, grown to one burden."""
    keep_compiled(pytestconfig)
    return responsive_tumors(knowledge)
