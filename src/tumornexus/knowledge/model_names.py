"""Which parameters the rate laws read, which observables a simulation reports, and the rate laws themselves.

Taken from the source text of `biology` and `systemic`, which this layer may not import, so that a record is checked
and a law explained without a simulator.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class RateLaw:
    """One public function of `biology`: its process (module), name, docstring and the parameters that it names."""

    process: str
    name: str
    text: str
    parameters: tuple[str, ...]


@cache
def _sources(layer: str) -> dict[str, str]:
    folder = resources.files("tumornexus").joinpath(layer)
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".py")), key=lambda f: f.name)
    return {f.name.removesuffix(".py"): f.read_text("utf-8") for f in files}


def _named(tree: ast.AST) -> set[str]:
    """Return x of every ``p.x``, ``h.x`` and ``bare.x``, by which name laws and dynamics know the parameters."""
    named = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            word = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if word in ("p", "h", "bare"):
                named.add(node.attr)
    return named


@cache
def _all_named() -> frozenset[str]:
    return frozenset().union(
        *(_named(ast.parse(t)) for layer in ("biology", "systemic") for t in _sources(layer).values())
    )


def parameters_read(parameters: Collection[str]) -> set[str]:
    """Return those of some parameters that a rate law or the systemic dynamics names."""
    return set(parameters) & _all_named()


@cache
def observables() -> tuple[str, ...]:
    """Return the names under which a simulation reports what it computes."""
    block = re.search(r"OBSERVABLES = \((.*?)\)", _sources("systemic")["dynamics"], re.DOTALL)
    return tuple(re.findall(r'"([a-z0-9_]+)"', block.group(1))) if block else ()


@cache
def rate_laws() -> dict[str, RateLaw]:
    """Return the documented public functions of `biology` under ``process.name``."""
    laws = {}
    for process, text in _sources("biology").items():
        for node in ast.parse(text).body:
            told = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if isinstance(node, ast.FunctionDef) and told and not node.name.startswith("_"):
                laws[f"{process}.{node.name}"] = RateLaw(process, node.name, told, tuple(sorted(_named(node))))
    return laws
