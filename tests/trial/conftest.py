"""Fixtures of the endpoints' tests."""

from __future__ import annotations

import pytest

from tumornexus.knowledge import Knowledge, load_knowledge


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()
