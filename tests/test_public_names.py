"""The package root is an honest table of contents."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import tumornexus

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", list(tumornexus.PUBLIC))
def test_public_name_resolves(name: str) -> None:
    value = getattr(tumornexus, name)
    assert callable(value)
    assert value.__doc__, f"{name} has no docstring"
    assert value is getattr(importlib.import_module(tumornexus.PUBLIC[name]), name)


def test_all_lists_the_public_names_in_pipeline_order() -> None:
    assert tumornexus.__all__ == list(tumornexus.PUBLIC)


def test_unknown_name_lists_what_exists() -> None:
    with pytest.raises(AttributeError, match="load_knowledge"):
        tumornexus.profil_patient


def test_version_agrees_with_citation_and_changelog() -> None:
    assert f"version: {tumornexus.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## [{tumornexus.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_import_is_light() -> None:
    """Importing the package loads neither NumPy nor anything heavier."""
    code = (
        "import sys, tumornexus; "
        "print(sorted({'numpy', 'pandas', 'jax', 'pydantic', 'rich', 'matplotlib'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_layers_say_what_they_are() -> None:
    """Each layer's `__init__` opens by saying what it takes and gives."""
    for init in sorted((ROOT / "src" / "tumornexus").glob("*/__init__.py")):
        assert ast.get_docstring(ast.parse(init.read_text())), f"{init.parent.name}/__init__.py has no docstring"
