"""Fixtures of the cohort tests."""

from __future__ import annotations

import pytest

from tumornexus.knowledge import Knowledge, load_knowledge


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """The knowledge base that ships."""
    return load_knowledge()
