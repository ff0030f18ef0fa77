"""A folder imports only from those above it, and measuring never loads a simulator.

The order is read from the imports themselves, wherever in a file they stand; imports under ``TYPE_CHECKING`` count
too, because a type that a layer must know is a dependency.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "tumornexus"

# Each line may import from itself and from the lines above it.
LAYERS = [
    {"errors", "activities", "units", "provenance", "cellkinds", "spatial", "toml_input", "files", "machine"},
    {"knowledge"},
    {"biology"},
    {"systemic"},
    {"tissue"},
    {"io"},
    {"profile"},
    {"cohort"},
    {"trial"},
    {"design"},
    {"report"},
    {"app"},
    {"serial_pipeline"},
    {"pipeline", "tissue_pipeline", "trial_pipeline", "calibration_pipeline"},
    {"cli", "cli_trial"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

SIMULATORS = {"biology", "systemic", "tissue"}
MEASURING = {
    "io",
    "profile",
    "cohort",
    "knowledge",
    "errors",
    "activities",
    "units",
    "provenance",
    "cellkinds",
    "spatial",
    "files",
    "machine",
}

# Besides the order: what a layer must not import although it stands below it.
FORBIDDEN = {
    "io": SIMULATORS,
    "profile": SIMULATORS | {"trial", "design"},
    "biology": {"io", "profile"},
    "systemic": {"io", "profile"},
    "tissue": {"io", "profile"},
}
HEAVY = {
    "jax": MEASURING,
    "jaxlib": MEASURING,
    "equinox": MEASURING,
    "anndata": {"knowledge", "errors", "activities", "units", "provenance", "cellkinds", "spatial"},
}


def layer_of(path: Path) -> str:
    """Return the layer of a source file: its folder, or its own name at the top."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(text: str, path: Path) -> list[tuple[int, str]]:
    """Return (line, absolute dotted name) of every import in the text of a file, relative ones resolved."""
    module = ["tumornexus", *path.relative_to(PACKAGE).with_suffix("").parts]
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(text, filename=str(path))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*module[: -node.level]] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            # `from tumornexus import profile` names a layer in its aliases
            found += [(node.lineno, f"{name}.{alias.name}") for alias in node.names]
    return found


FILES = sorted(
    p for p in PACKAGE.rglob("*.py") if p.relative_to(PACKAGE).parts[0] not in {"__init__.py", "__main__.py"}
)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_layers(path: Path) -> None:
    own = layer_of(path)
    assert own in RANK, f"{own} is not a known layer; add it to LAYERS in this test and to the design notes"
    for line, name in imports(path.read_text(encoding="utf-8"), path):
        parts = name.split(".")
        if parts[0] == "tumornexus" and len(parts) > 1 and parts[1] in RANK:
            other = parts[1]
            assert RANK[other] <= RANK[own], f"{path.name}:{line}: layer '{own}' imports '{other}', which is below it"
            assert other not in FORBIDDEN.get(own, set()), f"{path.name}:{line}: '{own}' must not import '{other}'"
        assert own not in HEAVY.get(parts[0], set()), f"{path.name}:{line}: '{own}' must not import {parts[0]}"


def test_reader_of_imports_sees_every_form() -> None:
    """The check itself is checked: nested, relative and aliased imports are all seen."""
    text = "def f():\n    import jax.numpy as jnp\nfrom ..biology import killing\nfrom tumornexus import systemic\n"
    names = {name for _, name in imports(text, PACKAGE / "profile" / "probe.py")}
    assert names == {"jax.numpy", "tumornexus.biology.killing", "tumornexus.systemic"}


@pytest.mark.parametrize("modules", ["tumornexus.profile, tumornexus.io, tumornexus.knowledge", "tumornexus.cli"])
def test_measuring_loads_no_simulator(modules: str) -> None:
    code = f"import {modules}, sys; print(sorted({{'jax', 'jaxlib', 'equinox'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
