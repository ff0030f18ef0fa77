"""From traced JAX code to formulas: the arithmetic of a function as a graph of scalar operations.

`trace` runs a function's jaxpr over arrays whose elements are numbers or `Node`s. What the result is computed from is
then an explicit expression, so an export of the model is made from the code that simulates it and cannot drift from
it. Moving data (slices, gathers, broadcasts) leaves no node behind; equal expressions are one node; constants fold.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

from tumornexus.errors import SimulationError

Scalar = Any  # a Node, or a Python number where the value is constant

BOOLEAN = {"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not", "xor"}
COMMUTATIVE = {"add", "mul", "max", "min", "eq", "ne", "and", "or", "xor"}


class Node:
    """One scalar operation: `op` on `args` (nodes or numbers), or a named input (`op` "symbol").

    `origin` is the "folder.module.function" that computes it, for readable names in an export.
    """

    __slots__ = ("args", "index", "name", "op", "origin")

    def __init__(self, op: str, args: tuple[Scalar, ...], index: int, name: str = "", origin: str = "") -> None:
        self.op, self.args, self.index, self.name, self.origin = op, args, index, name, origin

    def __repr__(self) -> str:
        return self.name or f"{self.op}#{self.index}"


def _divide(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def _power(a: float, b: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.power(np.float64(a), np.float64(b)))


def _of_numpy(function: Callable[[float], Any]) -> Callable[[float], float]:
    def one(x: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(np.float64(x)))

    return one


NUMERIC: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _divide,
    "pow": _power,
    "neg": lambda a: -a,
    "exp": _of_numpy(np.exp),
    "log": _of_numpy(np.log),
    "sinh": _of_numpy(np.sinh),
    "atanh": _of_numpy(np.arctanh),
    "sqrt": _of_numpy(np.sqrt),
    "tanh": _of_numpy(np.tanh),
    "abs": abs,
    "floor": _of_numpy(np.floor),
    "ceil": _of_numpy(np.ceil),
    "max": lambda a, b: float(np.maximum(a, b)),
    "min": lambda a, b: float(np.minimum(a, b)),
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "xor": lambda a, b: a != b,
    "not": lambda a: not a,
    "select": lambda condition, yes, no: yes if condition else no,
}


class Graph:
    """Makes nodes; asking twice for the same operation on the same arguments gives the same node.

    `functions` collects the functions whose code was traced, as "folder.module.function".
    """

    def __init__(self) -> None:
        self._made: dict[tuple, Node] = {}
        self._count = 0
        self.origin = ""
        self.functions: set[str] = set()
        self.positive: set[str] = set()

    def symbol(self, name: str, *, positive: bool = False) -> Node:
        """Return the input called `name`; a `positive` one needs no comparison with zero."""
        if positive:
            self.positive.add(name)
        return self._node("symbol", (), name)

    def _node(self, op: str, args: tuple[Scalar, ...], name: str = "") -> Node:
        # Numbers by type and value: 1, 1.0 and True are equal as keys. Node identity is its index.
        key: tuple = tuple(("n", a.index) if isinstance(a, Node) else (type(a).__name__, a) for a in args)
        if op in COMMUTATIVE:
            key = tuple(sorted(key, key=repr))
        found = self._made.get((op, name, key))
        if found is None:
            found = Node(op, args, self._count, name, self.origin)
            self._made[op, name, key] = found
            self._count += 1
        return found

    def apply(self, op: str, *args: Scalar) -> Scalar:
        """Return `op` of `args`, folded where it can be told without values.

        x * 0 is taken as 0: a rate that is infinite or undefined there is a defect of the model that its own tests
        look for. This is what removes empty drug slots.
        """
        if not any(isinstance(a, Node) for a in args):
            return NUMERIC[op](*args)
        short = _SHORT.get(op)
        if short is not None:
            result = short(self, *args)
            if result is not None:
                return result
        return self._node(op, args)


def _is(x: Scalar, value: float) -> bool:
    return not isinstance(x, Node) and x == value


def _negative(g: Graph, x: Scalar) -> Scalar:
    return g.apply("neg", x)


def _add(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    if _is(a, 0.0):
        return b
    if _is(b, 0.0):
        return a
    return None


def _subtract(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    if _is(b, 0.0):
        return a
    if _is(a, 0.0):
        return _negative(g, b)
    return None


def _multiply(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    for x, y in ((a, b), (b, a)):
        if _is(x, 0.0):
            return 0.0
        if _is(x, 1.0):
            return y
        if _is(x, -1.0):
            return _negative(g, y)
    return None


def _quotient(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    if _is(a, 0.0):
        return 0.0
    return a if _is(b, 1.0) else None


def _raise(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    if _is(b, 1.0):
        return a
    return 1.0 if _is(b, 0.0) or _is(a, 1.0) else None


def _negate(g: Graph, a: Scalar) -> Scalar:
    return a.args[0] if isinstance(a, Node) and a.op == "neg" else None


def _choose(g: Graph, condition: Scalar, yes: Scalar, no: Scalar) -> Scalar:
    if not isinstance(condition, Node):
        return yes if condition else no
    if yes is no or (not isinstance(yes, Node) and not isinstance(no, Node) and yes == no):
        return yes
    if isinstance(yes, bool) and isinstance(no, bool):
        return condition if yes else g.apply("not", condition)
    if is_boolean(yes) or is_boolean(no):
        chosen = g.apply("and", condition, yes)
        return g.apply("or", chosen, g.apply("and", g.apply("not", condition), no))
    return None


def _larger(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    if a is b or _is(b, -math.inf):
        return a
    return b if _is(a, -math.inf) else None


def _smaller(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    if a is b or _is(b, math.inf):
        return a
    return b if _is(a, math.inf) else None


def _greater(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    return True if isinstance(a, Node) and a.name in g.positive and _is(b, 0.0) else None


def _both(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    for x, y in ((a, b), (b, a)):
        if not isinstance(x, Node):
            return y if x else False
    return a if a is b else None


def _either(g: Graph, a: Scalar, b: Scalar) -> Scalar:
    for x, y in ((a, b), (b, a)):
        if not isinstance(x, Node):
            return True if x else y
    return a if a is b else None


_SHORT: dict[str, Callable[..., Scalar]] = {
    "add": _add,
    "sub": _subtract,
    "mul": _multiply,
    "div": _quotient,
    "pow": _raise,
    "neg": _negate,
    "select": _choose,
    "gt": _greater,
    "max": _larger,
    "min": _smaller,
    "and": _both,
    "or": _either,
}


def is_boolean(x: Scalar) -> bool:
    """Return whether a scalar is a truth value."""
    return x.op in BOOLEAN if isinstance(x, Node) else isinstance(x, bool)


# What follows interprets jaxprs. Arrays are NumPy: of numbers where all is constant, else of objects.


def _plain(x: Any) -> Any:
    """Return an array of Python numbers and nodes, (same shape), dtype object."""
    x = np.asarray(x)
    if x.dtype == object:
        return x
    out = np.empty(x.shape, dtype=object)
    out.flat = x.ravel().tolist()
    return out


def _elementwise(g: Graph, op: str) -> Callable[..., np.ndarray]:
    def rule(*arrays: Any, **_: Any) -> np.ndarray:
        arrays = np.broadcast_arrays(*[_plain(a) for a in arrays])
        out = np.empty(arrays[0].shape, dtype=object)
        for index in np.ndindex(out.shape):
            out[index] = g.apply(op, *[a[index] for a in arrays])
        return out

    return rule


def _integer_power(g: Graph, x: Scalar, n: int) -> Scalar:
    if n < 0:
        return g.apply("div", 1.0, _integer_power(g, x, -n))
    if n == 0:
        return 1.0
    # As the compiler does: products rather than a general power.
    half = _integer_power(g, x, n // 2) if n > 1 else 1.0
    square = g.apply("mul", half, half)
    return g.apply("mul", square, x) if n % 2 else square


def _sign(g: Graph, x: Scalar) -> Scalar:
    below = g.apply("select", g.apply("lt", x, 0.0), -1.0, 0.0)
    return g.apply("select", g.apply("gt", x, 0.0), 1.0, below)


def _logistic(g: Graph, x: Scalar) -> Scalar:
    return g.apply("div", 1.0, g.apply("add", 1.0, g.apply("exp", g.apply("neg", x))))


def _near_zero(g: Graph, x: Scalar, near: Scalar, far: Scalar) -> Scalar:
    return g.apply("select", g.apply("lt", g.apply("abs", x), 0.5), near, far)


def _log1p(g: Graph, x: Scalar) -> Scalar:
    # SBML has no log1p; near 0, where log(1 + x) loses digits, it is 2 artanh(x / (2 + x)).
    ratio = g.apply("div", x, g.apply("add", 2.0, x))
    return _near_zero(g, x, g.apply("mul", 2.0, g.apply("atanh", ratio)), g.apply("log", g.apply("add", 1.0, x)))


def _expm1(g: Graph, x: Scalar) -> Scalar:
    half = g.apply("mul", 0.5, x)
    product = g.apply("mul", g.apply("mul", 2.0, g.apply("exp", half)), g.apply("sinh", half))
    return _near_zero(g, x, product, g.apply("sub", g.apply("exp", x), 1.0))


def _convert(g: Graph, x: Scalar, dtype: np.dtype) -> Scalar:
    if dtype == np.bool_:
        return x if is_boolean(x) else g.apply("ne", x, 0.0)
    if is_boolean(x):
        return g.apply("select", x, 1.0, 0.0)
    if not isinstance(x, Node):
        return int(x) if np.issubdtype(dtype, np.integer) else float(x)
    if np.issubdtype(dtype, np.integer):
        raise _unsupported("convert_element_type to integers")
    return x


def _reduce(g: Graph, op: str) -> Callable[..., np.ndarray]:
    def rule(x: Any, *, axes: Sequence[int], **_: Any) -> np.ndarray:
        x = _plain(x)
        kept = [i for i in range(x.ndim) if i not in axes]
        rows = x.transpose(*kept, *axes).reshape(*[x.shape[i] for i in kept], -1)
        out = np.empty(rows.shape[:-1], dtype=object)
        for index in np.ndindex(out.shape):
            out[index] = functools.reduce(lambda a, b: g.apply(op, a, b), rows[index].tolist())
        return out

    return rule


def _dot(g: Graph, a: Any, b: Any, *, dimension_numbers: Any, **_: Any) -> np.ndarray:
    (contract_a, contract_b), (batch_a, batch_b) = dimension_numbers
    a, b = _plain(a), _plain(b)
    free_a = [i for i in range(a.ndim) if i not in (*contract_a, *batch_a)]
    free_b = [i for i in range(b.ndim) if i not in (*contract_b, *batch_b)]
    shape = [a.shape[i] for i in (*batch_a, *free_a)] + [b.shape[i] for i in free_b]
    a = a.transpose(*batch_a, *free_a, *contract_a).reshape(*[a.shape[i] for i in (*batch_a, *free_a)], -1)
    b = b.transpose(*batch_b, *free_b, *contract_b).reshape(*[b.shape[i] for i in (*batch_b, *free_b)], -1)
    out = np.empty(shape, dtype=object)
    n, m = len(batch_a), len(free_a)
    for index in np.ndindex(out.shape):
        rows = zip(a[index[: n + m]], b[(*index[:n], *index[n + m :])], strict=True)
        products = [g.apply("mul", x, y) for x, y in rows]
        out[index] = functools.reduce(lambda x, y: g.apply("add", x, y), products, 0.0)
    return out


# Primitives that move elements without changing them. They are run on positions instead of values, by JAX itself, so
# that every indexing mode means here what it means there; the numbers are how many operands carry elements.
MOVES: dict[str, int | None] = {
    "broadcast_in_dim": 1, "reshape": 1, "expand_dims": 1, "squeeze": 1, "transpose": 1, "slice": 1, "rev": 1,
    "dynamic_slice": 1, "gather": 1, "copy": 1, "copy_p": 1, "concatenate": None, "stack": None, "pad": 2,
    "dynamic_update_slice": 2,
    "scatter": 3,  # the middle operand holds indices
}  # fmt: skip


def _move(equation: Any, values: list[Any]) -> np.ndarray:
    name = equation.primitive.name
    carried = [0, 2] if name == "scatter" else list(range(MOVES[name] or len(values)))
    elements: list[Scalar] = []
    operands: list[Any] = []
    for i, value in enumerate(values):
        if i in carried:
            flat = _plain(value)
            operands.append(np.arange(len(elements), len(elements) + flat.size).reshape(flat.shape))
            elements += flat.ravel().tolist()
        else:
            if np.asarray(value).dtype == object:
                raise _unsupported(f"{name} at a place that depends on values")
            operands.append(value)
    params = dict(equation.params)
    if name == "gather" and params.get("fill_value") is not None:
        params["fill_value"] = -1
    positions = np.asarray(equation.primitive.bind(*[jax.numpy.asarray(o) for o in operands], **params))
    if positions.size and (positions.min() < 0 or positions.max() >= len(elements)):
        raise _unsupported(f"{name} outside of an array")
    out = np.empty(positions.shape, dtype=object)
    out.flat = [elements[i] for i in positions.ravel().tolist()]
    return out


def _scatter_add(g: Graph, equation: Any, values: list[Any]) -> np.ndarray:
    operand, indices, updates = values
    if np.asarray(indices).dtype == object:
        raise _unsupported("scatter-add at a place that depends on values")
    out, flat = _plain(operand).copy(), _plain(updates).ravel()
    # Which element each update lands on, from the primitive itself: its matrix with respect to the updates.
    zeros = jax.numpy.zeros(out.shape)
    one_each = jax.numpy.eye(flat.size).reshape(flat.size, *np.shape(updates))
    lands = jax.vmap(lambda u: equation.primitive.bind(zeros, indices, u, **equation.params))(one_each)
    for k, target in zip(*np.nonzero(np.asarray(lands).reshape(flat.size, -1)), strict=True):
        out.flat[target] = g.apply("add", out.flat[target], flat[k])
    return out


def _rules(g: Graph) -> dict[str, Callable[..., Any]]:
    """Return what each primitive does to arrays of scalars."""
    one_to_one = [
        "add", "sub", "mul", "div", "pow", "neg", "exp", "log", "sinh", "atanh", "sqrt", "tanh", "abs", "floor", "ceil",
        "max", "min", "lt", "le", "gt", "ge", "eq", "ne",
    ]  # fmt: skip
    rules: dict[str, Callable[..., Any]] = {name: _elementwise(g, name) for name in one_to_one}
    rules |= {name: _elementwise(g, name) for name in ("and", "or", "not", "xor")}

    def each(function: Callable[..., Scalar]) -> Callable[..., np.ndarray]:
        def rule(*arrays: Any, **_: Any) -> np.ndarray:
            arrays = np.broadcast_arrays(*[_plain(a) for a in arrays])
            out = np.empty(arrays[0].shape, dtype=object)
            for index in np.ndindex(out.shape):
                out[index] = function(*[a[index] for a in arrays])
            return out

        return rule

    def select(which: Any, *cases: Any, **_: Any) -> np.ndarray:
        if len(cases) != 2:
            raise _unsupported("select_n with more than two cases")
        return each(lambda c, no, yes: g.apply("select", c, yes, no))(which, *cases)

    def clamp(low: Any, x: Any, high: Any, **_: Any) -> np.ndarray:
        return each(lambda a, b, c: g.apply("min", g.apply("max", b, a), c))(low, x, high)

    rules |= {
        "add_any": rules["add"],
        "select_n": select,
        "clamp": clamp,
        "sign": each(lambda x: _sign(g, x)),
        "log1p": each(lambda x: _log1p(g, x)),
        "expm1": each(lambda x: _expm1(g, x)),
        "logistic": each(lambda x: _logistic(g, x)),
        "square": each(lambda x: g.apply("mul", x, x)),
        "rsqrt": each(lambda x: g.apply("div", 1.0, g.apply("sqrt", x))),
        "stop_gradient": lambda x, **_: x,
        "integer_pow": lambda x, *, y, **_: each(lambda v: _integer_power(g, v, y))(x),
        "convert_element_type": lambda x, *, new_dtype, **_: each(lambda v: _convert(g, v, np.dtype(new_dtype)))(x),
        "reduce_sum": _reduce(g, "add"),
        "reduce_prod": _reduce(g, "mul"),
        "reduce_max": _reduce(g, "max"),
        "reduce_min": _reduce(g, "min"),
        "reduce_and": _reduce(g, "and"),
        "reduce_or": _reduce(g, "or"),
        "dot_general": functools.partial(_dot, g),
    }
    return rules


INLINED = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where jit, closed_call, custom_jvp and custom_vjp keep their body


def _unsupported(what: str) -> SimulationError:
    return SimulationError(
        f"the model uses {what}, which cannot be written as a formula",
        valid="operations in tumornexus.io.jaxpr_math; add a rule there",
    )


def _functions(equation: Any, package: str) -> list[str]:
    """Return the functions of `package` that an equation comes from, "folder.module.function", innermost first."""
    traceback = getattr(equation.source_info, "traceback", None)
    found = []
    for frame in getattr(traceback, "frames", ()):
        path = frame.file_name.replace("\\", "/")
        # Parameters and `hill` are grammar, not laws.
        if package in path and not path.endswith("/params.py"):
            module = path.rsplit(package, 1)[-1].removesuffix(".py").replace("/", ".")
            found.append(f"{module}.{frame.function_name.split('.')[0]}")
    return found


def _run(g: Graph, rules: Mapping[str, Callable], jaxpr: Any, consts: Sequence, args: Sequence, package: str) -> list:
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else known[atom]

    outer = g.origin
    for equation in jaxpr.eqns:
        values = [read(atom) for atom in equation.invars]
        name = equation.primitive.name
        if not outer:
            functions = _functions(equation, package)
            g.functions.update(functions)
            g.origin = functions[0] if functions else ""
        body = next((equation.params[k] for k in INLINED if k in equation.params), None)
        if body is not None and name not in ("scan", "while", "cond"):
            inner, its_consts = (body.jaxpr, body.consts) if hasattr(body, "consts") else (body, ())
            results = _run(g, rules, inner, its_consts, values, package)
        elif name == "optimization_barrier":
            results = values
        elif all(np.asarray(v).dtype != object for v in values):
            done = equation.primitive.bind(*[jax.numpy.asarray(v) for v in values], **equation.params)
            results = [np.asarray(x) for x in (done if equation.primitive.multiple_results else [done])]
        elif name in MOVES:
            results = [_move(equation, values)]
        elif name in ("scatter-add", "scatter_add"):
            results = [_scatter_add(g, equation, values)]
        elif name in rules:
            results = [rules[name](*values, **equation.params)]
        else:
            raise _unsupported(f"the operation '{name}'")
        known.update(zip(equation.outvars, results, strict=True))
    g.origin = outer
    return [read(atom) for atom in jaxpr.outvars]


def _input(x: Any) -> np.ndarray:
    array = x.array if isinstance(x, Symbols) else np.asarray(x)
    return array if any(isinstance(e, Node) for e in array.flat) else array.astype(float)


def trace(function: Callable, *args: Any, package: str = "tumornexus/") -> Any:
    """Return what `function` computes, as a pytree like its result with arrays of scalars for leaves.

    Args:
        function: written in JAX, without loops or branches that depend on values.
        args: pytrees whose leaves are arrays of numbers (constant), or object arrays of numbers and nodes made by one
            `Graph` (see `symbols`), which become inputs.
        package: part of the path of the files whose functions name intermediate results.
    """
    leaves, tree = jax.tree.flatten(args)
    graphs = [x.graph for x in leaves if isinstance(x, Symbols)]
    if not graphs:
        raise SimulationError("nothing to trace: no argument holds symbols")
    g = graphs[0]
    with jax.enable_x64(True):
        shapes = [jax.ShapeDtypeStruct(np.shape(x.array if isinstance(x, Symbols) else x), np.float64) for x in leaves]
        flat_tree: list[Any] = []

        def flat(*xs: Any) -> list[Any]:
            out, structure = jax.tree.flatten(function(*jax.tree.unflatten(tree, xs)))
            flat_tree[:] = [structure]
            return out

        closed = jax.make_jaxpr(flat)(*shapes)
        inputs = [_input(x) for x in leaves]
        results = _run(g, _rules(g), closed.jaxpr, closed.consts, inputs, package)
    return jax.tree.unflatten(flat_tree[0], [_plain(x) for x in results])


class Symbols:
    """An array of nodes and numbers that enters `trace` as one leaf."""

    def __init__(self, graph: Graph, array: np.ndarray) -> None:
        self.graph, self.array = graph, array

    @classmethod
    def named(cls, graph: Graph, names: Any) -> Symbols:
        """Return inputs called by an array of names; elements that are numbers or nodes stay what they are."""
        names = np.asarray(names, dtype=object)
        array = np.empty(names.shape, dtype=object)
        for index in np.ndindex(array.shape):
            name = names[index]
            array[index] = graph.symbol(name) if isinstance(name, str) else name
        return cls(graph, array)


def ordered(outputs: Iterable[Scalar]) -> list[Node]:
    """Return every node that the outputs are computed from, arguments before what uses them."""
    seen: dict[int, Node] = {}
    waiting = [x for x in outputs if isinstance(x, Node)]
    while waiting:
        node = waiting.pop()
        if node.index not in seen:
            seen[node.index] = node
            waiting += [a for a in node.args if isinstance(a, Node)]
    # A node is made after its arguments, so its index is larger.
    return [seen[i] for i in sorted(seen)]


def evaluate(outputs: Sequence[Scalar], values: Mapping[str, float]) -> list[float]:
    """Return the outputs as numbers at given values of the inputs."""
    known: dict[int, Any] = {}

    def of(x: Scalar) -> Any:
        return known[x.index] if isinstance(x, Node) else x

    for node in ordered(outputs):
        known[node.index] = values[node.name] if node.op == "symbol" else NUMERIC[node.op](*[of(a) for a in node.args])
    return [of(x) for x in outputs]
