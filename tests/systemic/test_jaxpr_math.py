"""The interpreter of traced code computes what JAX computes."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tumornexus.errors import SimulationError
from tumornexus.knowledge import load_knowledge, parse_regimen
from tumornexus.systemic.export.jaxpr_math import Graph, Symbols, evaluate, ordered, trace
from tumornexus.systemic.ode import Body, Tissue, derivative
from tumornexus.systemic.solver import Lesions, patients_of, setting_of
from tumornexus.systemic.state import CLONES, HOST, LESIONS, State
from tumornexus.systemic.treatment import SLOTS, prepare
from tumornexus.systemic.twin import draw_bare, parameter_names


def interpreted(function: Callable, *args: jax.typing.ArrayLike) -> list[np.ndarray]:
    """Return what the expressions of a function give where every element of its arguments is an input."""
    graph, values, inputs = Graph(), {}, []
    for i, leaf in enumerate(jax.tree.leaves(args)):
        leaf = np.asarray(leaf, dtype=float)
        names = np.empty(leaf.shape, dtype=object)
        for index in np.ndindex(leaf.shape):
            names[index] = f"x{i}_" + "_".join(map(str, index))
            values[names[index]] = float(leaf[index])
        inputs.append(Symbols.named(graph, names))
    result = trace(function, *jax.tree.unflatten(jax.tree.structure(args), inputs))
    return [np.reshape(evaluate(x.ravel().tolist(), values), x.shape) for x in jax.tree.leaves(result)]


def agrees(function: Callable, *args: jax.typing.ArrayLike) -> None:
    with jax.enable_x64(True):
        expected = jax.tree.leaves(function(*jax.tree.map(jnp.asarray, args)))
    found = interpreted(function, *args)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.astype(float), np.asarray(b, dtype=float), rtol=1e-10, atol=1e-300)


FUNCTIONS: dict[str, Callable] = {
    "arithmetic": lambda x, y: (x + y, x - y, x * y, x / y, -x),
    "powers": lambda x, y: (x**3, x**-2, jnp.abs(x) ** y, jnp.sqrt(jnp.abs(x)), jax.lax.rsqrt(jnp.abs(x))),
    "transcendental": lambda x, y: (jnp.exp(x), jnp.log(jnp.abs(x)), jnp.tanh(x), jax.nn.sigmoid(x), jnp.sinh(x)),
    "near_zero": lambda x, y: (jnp.expm1(1e-9 * x), jnp.log1p(1e-9 * x), jnp.expm1(x), jnp.log1p(jnp.abs(x))),
    "bounds": lambda x, y: (jnp.maximum(x, y), jnp.minimum(x, y), jnp.clip(x, -0.5, 0.5), jnp.sign(x), jnp.abs(x)),
    "branches": lambda x, y: jnp.where((x > y) & ~(x < -1.0) | (y >= 0.5), x, 2.0 * y),
    "rounding": lambda x, y: (jnp.floor(3.0 * x), jnp.ceil(3.0 * y)),
    "sums": lambda x, y: (x.sum(), x.sum(0), x.prod(1), x.max(0), y.min(1), jnp.any(x > 0), x.T @ y),
    "moves": lambda x, y: (x[1], x[:, ::-1], jnp.stack([x, y], 1), jnp.concatenate([x, y]), x[jnp.array([2, 0])]),
    "places": lambda x, y: (x.at[1].set(y[0]), x.at[:, 0].add(y[:, 1]), jnp.pad(x, 1), jnp.roll(x, 1, 0)),
    "nested": lambda x, y: jax.jit(lambda a: a * jax.lax.optimization_barrier(y))(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations_are_those_of_jax(name: str) -> None:
    generator = np.random.default_rng(0)
    agrees(FUNCTIONS[name], generator.normal(size=(3, 2)), generator.normal(size=(3, 2)))


def test_constants_fold_and_equal_expressions_are_one() -> None:
    graph = Graph()
    x = Symbols.named(graph, "x")
    twice = trace(lambda v: (jnp.exp(v) * 2.0 + 0.0 * v, 2.0 * jnp.exp(v), v - v * 1.0 + v**0), x)
    first, second, _ = (np.asarray(r).item() for r in twice)
    assert first is second
    assert [node.op for node in ordered([first])] == ["symbol", "exp", "mul"]


def test_a_loop_is_refused() -> None:
    with pytest.raises(SimulationError, match="while"):
        trace(lambda v: jax.lax.while_loop(lambda a: a < 9.0, lambda a: 2.0 * a, v), Symbols.named(Graph(), "x"))


def test_the_whole_model_is_what_jax_computes() -> None:
    """The derivative of a host at a random state, with drugs of both routes."""
    knowledge = load_knowledge()
    names, generator = parameter_names(knowledge), np.random.default_rng(1)
    text = " + ".join(knowledge.drugs[d].usual for d in ("nivolumab", "dabrafenib"))
    treatment = prepare(parse_regimen(text, knowledge), knowledge, 28)
    values = draw_bare(knowledge, knowledge.tumors["melanoma"], 1, 0, "sbml", braf_v600=False)
    patient = patients_of(values, Lesions.single(1), [treatment], np.zeros(1, int))
    setting = setting_of(names, treatment)

    def shape(name: str) -> tuple[int, ...]:
        lesion = (1,) if name in HOST else (LESIONS, 1)
        return (len(CLONES), *lesion) if name in ("cancer", "persister") else lesion

    state = State(**{name: generator.uniform(0.05, 0.9, shape(name)) for name in State.__dataclass_fields__})
    body = Body(Tissue(state, generator.random((SLOTS, LESIONS, 1))), generator.random((SLOTS, 2, 1)))

    agrees(lambda t, b, u, p: derivative(t, b, u, p, setting), 10.0, body, np.ones((SLOTS, 1)), patient)
