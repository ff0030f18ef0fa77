"""Expressions as SBML infix text, and their shared parts as nested function definitions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tumornexus.errors import SimulationError
from tumornexus.systemic.export.jaxpr_math import Node, Scalar, ordered

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "^", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
    "eq": "==", "ne": "!=", "and": "&&", "or": "||",
}  # fmt: skip
# max and min of SBML Level 3 Version 2 rather than piecewise, which simulators turn into branches.
CALLS = {
    "exp": "exp", "log": "ln", "sqrt": "sqrt", "tanh": "tanh", "sinh": "sinh", "atanh": "arctanh", "abs": "abs",
    "floor": "floor", "ceil": "ceil", "max": "max", "min": "min", "xor": "xor",
}  # fmt: skip


def number(x: Any) -> str:
    """Return a number or truth value as a formula that reads back bit for bit."""
    if isinstance(x, bool):
        return "true" if x else "false"
    x = float(x)
    if math.isnan(x):
        raise SimulationError("an undefined number in the equations")
    text = "infinity" if math.isinf(x) else repr(abs(x))
    return f"(-{text})" if x < 0 else text


def _operation(node: Node, text: Mapping[int, str]) -> str:
    a = [text[x.index] if isinstance(x, Node) else number(x) for x in node.args]
    if node.op in INFIX:
        return f"({a[0]} {INFIX[node.op]} {a[1]})"
    if node.op in ("neg", "not"):
        return f"({'-' if node.op == 'neg' else '!'}{a[0]})"
    if node.op == "select":
        return f"piecewise({a[1]}, {a[0]}, {a[2]})"
    return f"{CALLS[node.op]}({', '.join(a)})"


def formula(x: Scalar, named: Mapping[int, str] | None = None) -> str:
    """Return a scalar as an SBML infix formula; nodes in `named` (index to text) are written by name."""
    if not isinstance(x, Node):
        return number(x)
    text = dict(named or {})
    inside: dict[int, Node] = {}
    waiting = [x]
    while waiting:
        node = waiting.pop()
        if node.index not in inside and node.index not in text:
            inside[node.index] = node
            waiting += [a for a in node.args if isinstance(a, Node)]
    for index in sorted(inside):  # a node is made after its arguments
        node = inside[index]
        text[index] = node.name if node.op == "symbol" else _operation(node, text)
    return text[x.index]


def shared(nodes: Sequence[Node], outputs: Iterable[Scalar] = ()) -> list[Node]:
    """Return which of the `nodes` are worth a name: used more than once, and more than one operation on inputs."""
    uses = Counter(a.index for n in nodes for a in n.args if isinstance(a, Node))
    uses.update(x.index for x in outputs if isinstance(x, Node))
    operations: dict[int, int] = {}
    chosen = []
    for n in nodes:
        if n.op == "symbol":
            operations[n.index] = 0
            continue
        operations[n.index] = 1 + sum(operations[a.index] for a in n.args if isinstance(a, Node))
        if uses[n.index] > 1 and operations[n.index] > 1:
            chosen.append(n)
            operations[n.index] = 0
    return chosen


class Functions:
    """Writes each rate as nested function definitions, one for each layer of intermediate results.

    libRoadRunner (2.0 to 2.10 at least) copies an assignment rule into every place that reads it, so that a model whose
    intermediate results build on each other takes exponential time and memory to load. The arguments of a function are
    computed once: those of a layer are the results of the layer before. Equal layers, such as those of lesions, share a
    definition.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], str] = {}

    @property
    def definitions(self) -> list[tuple[str, int, str]]:
        """Every function as (id, number of arguments, body); arguments are called a0, a1, ..."""
        return [(name, n, body) for (n, body), name in self._made.items()]

    def rate(self, root: Scalar, name: str) -> str:
        """Return a formula for `root` that calls the functions; new ones are called after `name`."""
        if not isinstance(root, Node):
            return number(root)
        nodes = ordered([root])
        named = {n.index for n in shared(nodes) if n is not root}
        layer: dict[int, int] = {}
        for n in nodes:
            below = max((layer[a.index] for a in n.args if isinstance(a, Node)), default=0)
            layer[n.index] = below + (n.index in named)

        def collect(x: Node, into: dict[int, Node]) -> None:
            """Add the inputs and named results that the expression of `x` reads, in order of appearance."""
            waiting = [x]
            while waiting:
                y = waiting.pop()
                if y.op == "symbol" or (y is not x and y.index in named):
                    into.setdefault(y.index, y)
                else:
                    waiting += [a for a in reversed(y.args) if isinstance(a, Node)]

        def written(x: Node, names: Mapping[int, str]) -> str:
            return formula(x, {i: text for i, text in names.items() if i != x.index})

        arguments: dict[int, Node] = {}
        collect(root, arguments)
        call: tuple[str, list[Node]] | None = None  # the function made last and what it is given

        def body(names: Mapping[int, str], depth: int) -> str:
            if call is None:
                return written(root, names)
            # Results of the layer above are computed here; what is of an earlier one is passed on.
            given = [written(x, names) if x.index in named and layer[x.index] > depth else names[x.index]
                     for x in call[1]]  # fmt: skip
            return f"{call[0]}({', '.join(given)})"

        for depth in range(max((layer[i] for i in named), default=0), 0, -1):
            inside = list(arguments.values())
            text = body({x.index: f"a{j}" for j, x in enumerate(inside)}, depth)
            made = self._made.setdefault((len(inside), text), f"{name}_{len(self._made)}")
            call = (made, inside)
            arguments = {}
            for x in inside:
                if x.index in named and layer[x.index] == depth:
                    collect(x, arguments)
                else:
                    arguments.setdefault(x.index, x)
        return body({x.index: x.name for x in arguments.values()}, 0)
