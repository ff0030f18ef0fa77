"""Model parameters as one vector with names.

A vector, because mechanisms and drugs change *any* parameter by the same three laws (multiply, add, saturate) and this
must not recompile; names, because rate laws read ``p.cd8_kill_rate`` and never an index.
"""

from __future__ import annotations

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp

from tumornexus.errors import near_misses


class Params(eqx.Module):
    """Parameter vector `values`, shape (..., parameter), with static `names`."""

    values: jax.Array
    names: tuple[str, ...] = eqx.field(static=True)

    def __getattr__(self, name: str) -> jax.Array:
        if name.startswith("_") or name in ("values", "names"):
            raise AttributeError(name)
        try:
            index = self.names.index(name)
        except ValueError:
            raise AttributeError(f"no parameter '{name}'; {near_misses(name, self.names)}") from None
        return self.values[..., index]


class Recorder:
    """Stand-in for `Params` that notes which names a law reads; the tests find dead parameters with it."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> jax.Array:
        self.read.add(name)
        return jnp.asarray(self._values[name], dtype=jnp.result_type(float))


def hill(x: jax.Array, half: jax.Array | float, power: float = 1.0) -> jax.Array:
    """Saturating effect x^n / (half^n + x^n) in [0, 1] for a non-negative x."""
    if power == 1.0:
        return x / (half + x)
    # A floor keeps the derivative of x**n finite at 0 (0**0 in the chain rule for n < 1 gives inf, for n > 1 gives 0).
    xn = jnp.maximum(x, 1e-12) ** power
    return xn / (jnp.asarray(half) ** power + xn)
