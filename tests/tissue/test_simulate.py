"""A run gives the same bits however it is cut, stopped, stored or threaded."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tissue.scenes import crowded
from tumornexus.errors import SimulationError
from tumornexus.io.checkpoint import load_checkpoint, save_checkpoint
from tumornexus.tissue.patient import VirtualPatient
from tumornexus.tissue.simulate import (
    MOST_ROUNDS,
    Simulation,
    arrays_of,
    frame,
    prepare_tissue,
    rounds_of,
    tissue_of,
)
from tumornexus.tissue.state import Tissue

pytestmark = pytest.mark.simulation
META = {"scenario": "s", "knowledge": "k", "versions": "v"}


def same_bits(one: Tissue, other: Tissue) -> None:
    for (name, x), (_, y) in zip(arrays_of(one).items(), arrays_of(other).items(), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y, err_msg=name)


def last(simulation: Simulation, chunk: int, steps: int, tissue: Tissue) -> Tissue:
    *_, (after, _) = simulation.run(steps, chunk, tissue)
    return after


def test_the_same_seed_gives_the_same_tissue_and_another_another(simulations: dict[str, Simulation]):
    simulation = simulations["flat"]
    start = crowded(simulation, 1)
    one, again = (last(simulation, 1, 4, start) for _ in range(2))
    same_bits(one, again)
    other = last(replace(simulation, key=jax.random.key(4)), 1, 4, start)
    assert (np.asarray(other.sites.kind) != np.asarray(one.sites.kind)).any()


def test_chunks_make_no_difference(simulations: dict[str, Simulation]):
    simulation = simulations["flat"]
    start = crowded(simulation, 2)
    whole, cut = last(simulation, 4, 8, start), last(simulation, 1, 8, start)
    assert int(whole.step) == int(cut.step) == 8
    same_bits(whole, cut)


def test_a_run_goes_on_from_a_checkpoint_bit_by_bit(simulations: dict[str, Simulation], tmp_path: Path):
    simulation = simulations["flat"]
    start = crowded(simulation, 3)
    half = last(simulation, 1, 3, start)
    save_checkpoint(tmp_path / "checkpoint.npz", arrays_of(half), META)
    arrays, _ = load_checkpoint(tmp_path / "checkpoint.npz", META)
    stored = tissue_of(arrays, simulation.start)
    same_bits(half, stored)
    same_bits(last(simulation, 1, 6, stored), last(simulation, 1, 6, start))


def test_threads_make_no_difference(simulations: dict[str, Simulation], tmp_path: Path, pytestconfig: pytest.Config):
    """Another process on one core, its code compiled for one thread, gives the bits of this one."""
    simulation = simulations["flat"]
    start = crowded(simulation, 4)
    plain = jax.tree.map(np.asarray, (start, simulation.fixed))
    (tmp_path / "run.pkl").write_bytes(pickle.dumps((*plain, simulation.setting)))
    code = f"""
import os, pickle
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import jax, numpy as np
from pathlib import Path
from types import SimpleNamespace
jax.config.update("jax_compilation_cache_dir", {str(pytestconfig.cache.mkdir("compiled"))!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
from tumornexus.tissue.simulate import Simulation, arrays_of
tissue, fixed, setting = pickle.loads(Path({str(tmp_path / "run.pkl")!r}).read_bytes())
tissue, fixed = jax.tree.map(jax.numpy.asarray, (tissue, fixed))
simulation = Simulation(fixed, setting, tissue, jax.random.key(3), 6.0)
*_, (after, _) = simulation.run(4, 1)
np.savez({str(tmp_path / "there.npz")!r}, **arrays_of(after))
"""
    paths = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": paths, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=300)
    with np.load(tmp_path / "there.npz") as there:
        for name, x in arrays_of(last(simulation, 1, 4, start)).items():
            np.testing.assert_array_equal(x, there[name], err_msg=name)


def test_a_tissue_that_is_no_longer_a_number_is_refused(simulations: dict[str, Simulation]):
    simulation = simulations["flat"]
    start = crowded(simulation, 5)
    broken = eqx.tree_at(lambda t: t.ground.matrix, start, jnp.full_like(start.ground.matrix, jnp.nan))
    with pytest.raises(SimulationError, match="dt_hours"):
        next(simulation.run(1, 1, broken))


def test_the_last_chunk_is_as_short_as_the_run(simulations: dict[str, Simulation]):
    simulation = simulations["flat"]
    found = [int(tissue.step) for tissue, _ in simulation.run(5, 4, crowded(simulation, 6))]
    assert found == [4, 5]


@pytest.mark.parametrize("where", ["flat", "solid", "stirred"])
def test_a_frame_has_all_of_a_tissue_in_its_shape(simulations: dict[str, Simulation], where: str):
    simulation = simulations[where]
    tissue, _ = simulation.advance(crowded(simulation, 7), 1)
    found = frame(tissue, simulation)
    assert found["day"] == 0.25
    np.testing.assert_array_equal(found["kind"], tissue.sites.kind)
    if where != "stirred":
        assert found["matrix"].shape == found["kind"].shape
        assert found["fields"]["oxygen"].shape == simulation.setting.geometry.voxels
        # Stiffness in kPa rises with matrix, from that of tissue without.
        matrix, kpa = np.asarray(tissue.ground.matrix).ravel(), found["fields"]["stiffness"].ravel()
        assert (np.diff(kpa[np.argsort(matrix)]) >= 0.0).all()
        assert kpa.min() >= float(simulation.fixed.bare.stiffness_normal)


def test_rounds_keep_the_fastest_cells_below_a_hop_a_round(patient: VirtualPatient, simulations: dict[str, Simulation]):
    for name in ("flat", "solid"):
        geometry = simulations[name].setting.geometry
        few, more = rounds_of(patient, geometry, 0.05), rounds_of(patient, geometry, 0.5)
        assert len(geometry.shape) <= few <= more <= MOST_ROUNDS
    assert simulations["stirred"].setting.rounds == 0


def test_the_start_is_part_of_the_seed(patient: VirtualPatient, simulations: dict[str, Simulation], knowledge):
    from tissue.scenes import REGIMEN
    from tumornexus.knowledge import parse_regimen
    from tumornexus.systemic.treatment import prepare

    treatment = prepare(parse_regimen(REGIMEN, knowledge), knowledge, 30)
    geometry = simulations["flat"].setting.geometry
    one, again, other = (prepare_tissue(patient, treatment, geometry, seed=s).start for s in (3, 3, 4))
    same_bits(one, again)
    assert (np.asarray(one.sites.kind) != np.asarray(other.sites.kind)).any()
