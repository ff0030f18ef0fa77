"""Fixtures of the report's tests: a made-up run, its knowledge, and the page made from them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from report.fake import fake_knowledge, fake_result
from tumornexus.report.page import page
from tumornexus.report.rows import View
from tumornexus.report.view import build_view


@pytest.fixture(scope="session")
def result() -> SimpleNamespace:
    return fake_result()


@pytest.fixture(scope="session")
def knowledge() -> SimpleNamespace:
    return fake_knowledge()


@pytest.fixture(scope="session")
def view(result, knowledge) -> View:
    return build_view(result, knowledge)


@pytest.fixture(scope="session")
def html(view) -> str:
    return page(view)
