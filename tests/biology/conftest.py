"""Fixtures of the rate laws' tests: the catalogue's parameters as one vector."""

from __future__ import annotations

import numpy as np
import pytest

from tumornexus.knowledge import Knowledge, load_knowledge


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="session")
def names(knowledge: Knowledge) -> tuple[str, ...]:
    return tuple(knowledge.parameters)


@pytest.fixture(scope="session")
def typical(knowledge: Knowledge) -> np.ndarray:
    """Typical value of every parameter, shape (parameter,)."""
    return np.array([p.value for p in knowledge.parameters.values()])
