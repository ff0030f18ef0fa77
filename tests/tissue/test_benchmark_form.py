"""The benchmark of the tissue: what it counts, on a tissue too small to time."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tissue.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_of_tissue", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("cells", "ndim"), [(20_000, 2), (100_000, 2), (1_000_000, 2), (200_000, 3)])
def test_sizes_hold_about_the_cells_that_they_are_named_after(benchmark, cells: int, ndim: int):
    shape = benchmark.shape_of(cells, ndim, 0.8)
    assert len(shape) == ndim
    assert all(n % 4 == 0 for n in shape)
    assert np.prod(shape) * 0.8 == pytest.approx(cells, rel=0.1)
    assert (cells, ndim) in [size[:2] for size in benchmark.SIZES.values()]


class Clock:
    """A simulation whose cells stay as they are and whose steps take no time."""

    dt_hours = 2.0

    def __init__(self, kind: np.ndarray) -> None:
        self.start = SimpleNamespace(sites=SimpleNamespace(kind=jnp.asarray(kind, jnp.uint8)))
        self.setting = SimpleNamespace(geometry=SimpleNamespace(shape=kind.shape, coarse=2))

    def advance(self, tissue: object, steps: int) -> tuple[object, SimpleNamespace]:
        return tissue, SimpleNamespace(field_residual=jnp.full(steps, 1e-5))


def test_an_agent_is_an_occupied_site(benchmark, monkeypatch: pytest.MonkeyPatch):
    kind = np.zeros((8, 8))
    kind[:3] = 4
    ticks = iter(range(100))
    monkeypatch.setattr(benchmark.time, "process_time", lambda: float(next(ticks)))
    found = benchmark.speed(Clock(kind), 5)
    assert found["cells"] == 24
    assert found["kinds_at_start"] == 1
    assert found["agent_hours_per_cpu_second"] == 24 * 5 * 2.0  # in the one second between two ticks


def test_measures_count_the_living(benchmark):
    from tumornexus.tissue.lattice import KIND

    kind = np.zeros((4, 4), np.uint8)
    kind[0] = [KIND["cancer"], KIND["persister"], KIND["infected"], KIND["dead_antigen"]]
    kind[3] = [KIND["cd8_effector"], KIND["cd8_progenitor"], KIND["cd8_terminal"], KIND["nk"]]
    sites = SimpleNamespace(kind=kind)
    # The voxels above are hypoxic, those below not; of both the half is occupied.
    tissue = SimpleNamespace(sites=sites, signals=SimpleNamespace(hypoxia=np.array([[0.8, 0.8], [0.0, 0.0]])))
    found = benchmark.measures(tissue, 2)
    assert found["tumor_cells"] == 3
    assert found["cd8"] == 3
    assert found["hypoxic_fraction"] == pytest.approx(0.4)


def test_difference_of_steps_has_the_error_of_pairs(benchmark):
    half = [{"cd8": [100.0, 50.0]}, {"cd8": [140.0, 50.0]}]
    whole = [{"cd8": [104.0, 40.0]}, {"cd8": [144.0, 60.0]}]
    found = benchmark.compare(whole, half)["cd8"]
    np.testing.assert_allclose(found["relative_difference"], [4.0 / 120.0, 0.0])
    # Equal shifts of both pairs have no error; -10 and +10 have the standard error 10, of a mean of 50.
    np.testing.assert_allclose(found["standard_error"], [0.0, 0.2], atol=1e-12)
