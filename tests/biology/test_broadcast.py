"""One battery for every rate law: a law is a function of one place, whatever the shape in which places come.

The host scale calls the laws on (lesion, batch), the tissue on (ny, nx) and (nz, ny, nx), with parameters as scalars,
as (batch,) or as arrays of the same shape where drugs act by their concentration there. Each law is called on random
places one by one and on the same places in all of these shapes; the numbers agree to rounding.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumornexus.biology import (
    cart,
    checkpoints,
    contacts,
    ctdna,
    dissemination,
    growth,
    host,
    killing,
    lymphoid,
    mechanics,
    mediators,
    metabolism,
    motility,
    myeloid,
    presentation,
    priming,
    stroma,
    tcells,
    trafficking,
    transport,
    vasculature,
    virus,
)  # fmt: skip
from tumornexus.biology.environment import Cells, Local, Signals
from tumornexus.biology.params import Params
from tumornexus.biology.presentation import CloneTraits
from tumornexus.systemic.dynamics import LAWS

MODULES = (
    cart, checkpoints, contacts, ctdna, dissemination, growth, host, killing, lymphoid, mechanics, mediators,
    metabolism, motility, myeloid, presentation, priming, stroma, tcells, trafficking, transport, vasculature, virus,
)  # fmt: skip
# Public functions that are no law of one place.
NO_LAW = {
    "contacts.hit_table": "a table for one patient",
    "mediators.well_mixed": "says how signals spread",
}
# Arguments by name: the largest value of a random one in [0, 1) times this; what is not named here goes up to 1.
LARGEST = {
    "antigen_load": 1e4, "car_t_total": 1e3, "pdl1_load": 1e3, "dying": 1e3, "coefficient": 30.0, "hits_per_day": 50.0,
    "kill_rate": 5.0, "hits": 3.0, "matrix": 3.0, "oxygen": 60.0, "lactate": 20.0, "stiffness": 20.0, "vessels": 3.0,
    "per_cell": 10.0, "memory": 1e3, "blood_cd8": 1e3, "dendritic_node": 50.0, "helper": 10.0, "vesicle": 5.0,
    "ifng": 3.0, "type1_ifn": 3.0, "vegf": 3.0, "mature": 20.0, "perfused": 2.0, "pressure": 3.0,
    "killers": 0.3,
}  # fmt: skip
FIXED: dict[str, Any] = {
    "ndim": 2,
    "site_um": 16.0,
    "dt": 1.0 / 24.0,
    "table": contacts.HitTable(np.linspace(-9.0, 3.0, 32), np.linspace(-11.0, 2.0, 32), np.float64(0.1)),
}
PLACES = 12
# Shape of the places, and how many of its axes parameters have.
CASES = {
    "plane": ((3, 4), 0),
    "space, parameters of each place": ((3, 2, 2), 3),
    "lesions of patients": ((2, 6), 1),
}
COMPILED_FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def public_functions(module: ModuleType) -> dict[str, Callable]:
    short = module.__name__.rsplit(".", 1)[1]
    found = inspect.getmembers(module, inspect.isfunction)
    return {f"{short}.{n}": f for n, f in found if f.__module__ == module.__name__ and not n.startswith("_")}


LAW: dict[str, Callable] = {
    name: f for module in MODULES for name, f in public_functions(module).items() if name not in NO_LAW
}
NAMES_OF_ARGUMENTS = sorted(
    {
        argument.name
        for law in LAW.values()
        for argument in inspect.signature(law).parameters.values()
        if argument.default is inspect.Parameter.empty
    }
    - {"local", "cells", "clone", "p", *FIXED}
)


def places(seed: int) -> dict[str, np.ndarray]:
    """Return random places, name of the quantity to (place,)."""
    generator = np.random.default_rng(seed)

    def uniform(largest: float = 1.0) -> np.ndarray:
        return largest * generator.random(PLACES) * (generator.random(PLACES) > 0.15)

    # A twentieth each: twenty kinds of cells at most fill the place.
    found = {f"cells.{n}": uniform(0.05) for n in Cells.__dataclass_fields__}
    found |= {f"cells.{n}": uniform(3.0) for n in ("vessels", "matrix")}
    found |= {f"cells.{n}": uniform() for n in ("mhc1", "pdl1", "alt_checkpoint", "silencing", "tls", "bacteria")}
    found |= {"cells.car_antigen": uniform()}
    found |= {f"signals.{n}": uniform(60.0 if n == "oxygen" else 3.0) for n in Signals.__dataclass_fields__}
    found |= {f"clone.{n}": (generator.random(PLACES) > 0.5).astype(float) for n in CloneTraits._fields}
    return found | {n: uniform(LARGEST.get(n, 1.0)) for n in NAMES_OF_ARGUMENTS}


def evaluate(place: dict[str, jax.Array], p: Params) -> dict[str, tuple[jax.Array, ...]]:
    """Return the results of all laws, each as a tuple of arrays."""
    cells = Cells(**{n: place[f"cells.{n}"] for n in Cells.__dataclass_fields__})
    signals = Signals(**{n: place[f"signals.{n}"] for n in Signals.__dataclass_fields__})
    clone = CloneTraits(*(place[f"clone.{n}"] for n in CloneTraits._fields))
    known = {**place, **FIXED, "local": Local(cells, signals), "cells": cells, "clone": clone, "p": p}
    found = {}
    for name, law in LAW.items():
        wanted = [a.name for a in inspect.signature(law).parameters.values() if a.default is inspect.Parameter.empty]
        found[name] = tuple(jax.tree.leaves(law(**{a: known[a] for a in wanted})))
    return found


@pytest.fixture(scope="module")
def on(names: tuple[str, ...]) -> Callable:
    compiled = jax.jit(lambda place, values: evaluate(place, Params.of(values, names)), compiler_options=COMPILED_FAST)

    def run(place: dict[str, np.ndarray], values: np.ndarray) -> dict[str, tuple[np.ndarray, ...]]:
        with jax.enable_x64(True):
            return jax.device_get(compiled({n: jnp.asarray(x) for n, x in place.items()}, jnp.asarray(values)))

    return run


def test_the_battery_holds_every_law():
    assert {name for name, f in LAW.items() if f in LAWS} == {
        f"{f.__module__.rsplit('.', 1)[1]}.{f.__name__}" for f in LAWS
    }
    assert len(LAW) >= len(LAWS) + 10  # those of the tissue scale


@settings(deadline=None, max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_laws_give_the_same_number_at_a_place_whatever_the_shape(on, knowledge, seed):
    generator = np.random.default_rng(seed)
    records = list(knowledge.parameters.values())
    typical = np.array([r.value for r in records])
    bounded = np.array([r.bounded or (r.unit == "1" and r.low >= 0.0 and r.high <= 1.0) for r in records])

    def spread(*shape: int) -> np.ndarray:
        values = typical.reshape(-1, *[1] * len(shape)) * np.exp(
            0.5 * generator.standard_normal((len(typical), *shape))
        )
        return np.where(bounded.reshape(-1, *[1] * len(shape)), np.minimum(values, 1.0), values)

    flat = places(seed)
    for case, (shape, own) in CASES.items():
        values = spread(*shape[len(shape) - own :])
        together = on({n: x.reshape(shape) for n, x in flat.items()}, values)
        of_place = np.broadcast_to(
            values.reshape(-1, *[1] * (len(shape) - own), *values.shape[1:]), (len(typical), *shape)
        )
        of_place = of_place.reshape(len(typical), PLACES)
        for place in generator.choice(PLACES, 4, replace=False):
            alone = on({n: x[place] for n, x in flat.items()}, of_place[:, place])
            for name, parts in alone.items():
                assert len(parts) == len(together[name]), name
                for single, array in zip(parts, together[name], strict=True):
                    assert np.shape(single) == (), f"{name}: a place of its own has axes"
                    same = np.broadcast_to(array, shape).ravel()[place]
                    np.testing.assert_allclose(same, single, rtol=1e-9, atol=1e-13, err_msg=f"{name}, {case}")
