"""Model parameters as arrays with names.

Mechanisms and drugs change *any* parameter by the same three laws (multiply, add, saturate) and this must not
recompile; so parameters are arrays in a fixed order. Rate laws read ``p.cd8_kill_rate`` and never an index.
"""

from __future__ import annotations

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.errors import near_misses


class Params(eqx.Module):
    """Parameters by name. Each is an array that broadcasts against the cells it is used with.

    At the host scale a parameter has shape (batch,), or (lesion, batch) where lesions differ or a drug acts on each
    lesion by its own concentration there.
    """

    values: tuple[jax.Array, ...]
    names: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, table: jax.Array, names: tuple[str, ...]) -> Params:
        """Return the parameters held in the rows of `table`, shape (parameter, ...)."""
        return cls(tuple(table[i] for i in range(len(names))), names)

    def __getattr__(self, name: str) -> jax.Array:
        if name.startswith("_") or name in ("values", "names"):
            raise AttributeError(name)
        try:
            index = self.names.index(name)
        except ValueError:
            raise AttributeError(f"no parameter '{name}'; {near_misses(name, self.names)}") from None
        return self.values[index]

    def replaced(self, changes: Mapping[str, jax.Array]) -> Params:
        """Return the parameters with some of them changed."""
        return Params(tuple(changes.get(n, v) for n, v in zip(self.names, self.values, strict=True)), self.names)


class Recorder:
    """Stand-in for `Params` that notes which names a law reads."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> jax.Array:
        self.read.add(name)
        return jnp.asarray(self._values[name], dtype=jnp.result_type(float))


def hill(x: jax.Array, half: jax.Array | float, power: jax.Array | float = 1.0) -> jax.Array:
    """Saturating effect x^n / (half^n + x^n) in [0, 1] for a non-negative x."""
    if isinstance(power, float) and power == 1.0:
        return x / (half + x)
    if isinstance(power, float) and power == 2.0:
        return x * x / (jnp.asarray(half) * half + x * x)
    # A floor keeps the derivative of x**n finite at 0 (0**0 in the chain rule for n < 1 gives inf, for n > 1 gives 0).
    xn = jnp.maximum(x, 1e-12) ** power
    return xn / (jnp.asarray(half) ** power + xn)
