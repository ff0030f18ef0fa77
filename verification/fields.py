"""Argue that the fields of the tissue scale solve their equation, and say what they cost.

    python verification/fields.py [--out FOLDER]

Four parts, drawn in ``fields.png`` with the numbers in ``fields.json``:

* a slab supplied on one side against the analytic profile;
* the largest error against manufactured solutions as the spacing shrinks, two and three dimensions, constant and uneven
  loss: the slope should be two;
* oxygen between vessels, one site (17 um) square, on voxels of 34 and 17 um against voxels of 4.25 um, means over
  34 um. Nearly all of this error is the width of the vessels and not the order of the method: to its surroundings a
  vessel of one voxel is a cylinder of radius about 0.2 voxel (Peaceman 1978, for wells, as quoted by others), 7 um on
  34 um and 3.5 um on 17 um, where the square of the reference has about 10 um. Capillaries lie between;
* error and residual after each iteration, from zero and from the answer before 1 % of the voxels changed.

CPU milliseconds of each call, compilation left out, are measured in this process: for one core run it under
``taskset -c 0``.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np

from tumornexus.tissue.fields import Grid, direct, exchange

mpl.use("Agg")
import matplotlib.pyplot as plt

SITE_UM = 17.0
LENGTHS_UM = np.array([60.0, 100.0, 140.0, 200.0, 250.0], np.float32)
ITERATIONS = (0, 1, 2, 3, 4, 5, 6, 8, 10)
SIZES = ((164, 164), (165, 165), (500, 500), (29, 29, 29))

# The number of iterations is traced so that one compilation serves them all.
solve = jax.jit(exchange, static_argnames="grid")
solve_constant = jax.jit(direct, static_argnames="grid")


def slab(n: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return position (um), analytic and computed concentration of a slab of 510 um supplied in its first 102 um."""
    extent, supplied, length = 510.0, 102.0, 80.0
    x = (np.arange(n) + 0.5) * extent / n
    beyond = np.sinh(supplied / length) * np.cosh((extent - x) / length)
    before = np.sinh(extent / length) - np.sinh((extent - supplied) / length) * np.cosh(x / length)
    analytic = np.where(x > supplied, beyond, before) / np.sinh(extent / length)
    gain = jnp.asarray(np.broadcast_to(x < supplied, (1, 4, n)), jnp.float32)
    return x, analytic, np.asarray(solve_constant(gain, length, Grid((4, n), extent / n)))[0, 0]


def manufactured_error(n: int, ndim: int, uneven: float) -> float:
    """Return the largest error for c = 1 + 0.4 product of cosines, with loss = 1 + uneven mean of the cosines."""
    extent, length = 400.0, 40.0
    x = (np.arange(n) + 0.5) * extent / n
    waves = [axis % 2 + 1 for axis in range(ndim)]
    lines = [
        np.cos(np.pi * k * x / extent).reshape([-1 if a == axis else 1 for a in range(ndim)])
        for axis, k in enumerate(waves)
    ]
    wave = 0.4 * functools.reduce(np.multiply, lines)
    loss = 1.0 + uneven * sum(lines) / ndim + np.zeros_like(wave)
    gain = loss * (1.0 + wave) + (length * np.pi / extent) ** 2 * sum(k**2 for k in waves) * wave
    grid = Grid((n,) * ndim, extent / n)
    with jax.enable_x64(True):
        gain, loss = jnp.asarray(gain)[None], jnp.asarray(loss)[None]
        c = solve(gain, loss, length, gain, grid, 24).values if uneven else solve_constant(gain, length, grid)
        return float(jnp.abs(c[0] - 1.0 - wave).max())


def between_vessels(sites: int = 40, length: float = 100.0) -> tuple[dict[float, np.ndarray], np.ndarray]:
    """Return oxygen as means over 34 um, keyed by the edge of its voxels (um), and where vessels are.

    Vessels exchange 160 times as fast as cells take up, 1.5 % of sites; cells take up 0.5 to 3, none in one corner.
    """
    rng = np.random.default_rng(3)
    vessel = 160.0 * (rng.random((sites, sites)) < 0.015)
    uptake = rng.uniform(0.5, 3.0, (sites, sites))
    uptake[: sites // 3, : sites // 3] = 0.0
    found = {}
    for edge in (34.0, 17.0, 4.25):
        loss, gain = uptake + vessel, vessel
        if edge < SITE_UM:
            fine = np.ones((round(SITE_UM / edge),) * 2)
            loss, gain = np.kron(loss, fine), np.kron(gain, fine)
        elif edge > SITE_UM:
            loss, gain = (coarsened(x, round(edge / SITE_UM)) for x in (loss, gain))
        with jax.enable_x64(True):
            grid = Grid(loss.shape, edge)
            c = solve(
                jnp.asarray(gain)[None], jnp.asarray(loss)[None], length, jnp.asarray(gain)[None], grid, 30
            ).values
        found[edge] = coarsened(np.asarray(c[0]), sites // 2, parts=True)
    return found, coarsened(vessel, 2) > 0.0


def coarsened(x: np.ndarray, n: int, *, parts: bool = False) -> np.ndarray:
    """Return means of blocks n wide, or of blocks such that n of them make an axis."""
    k = x.shape[0] // n if parts else n
    return x.reshape(x.shape[0] // k, k, x.shape[1] // k, k).mean(axis=(1, 3))


def tissue(shape: tuple[int, ...], changed: float = 0.0) -> tuple[jax.Array, jax.Array]:
    """Return gain and loss of five fields: vessels (3 % of voxels, 40), cells (0.5 to 3), half of the tissue without.

    `changed` is the share of voxels whose vessels and cells are drawn anew.
    """
    rng, again = np.random.default_rng(0), np.random.default_rng(1)

    def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return 40.0 * (rng.random(shape) < 0.03), rng.uniform(0.5, 3.0, (len(LENGTHS_UM), *shape))

    (vessels, cells), (other_vessels, other_cells) = drawn(rng), drawn(again)
    new = again.random(shape) < changed
    vessels, cells = np.where(new, other_vessels, vessels), np.where(new, other_cells, cells)
    places = np.indices(shape) // 12  # bare squares 12 voxels (0.4 mm) wide, as on a chessboard
    cells = np.where(places.sum(axis=0) % 2, cells, 0.0)
    gain = np.broadcast_to(vessels, cells.shape)
    return jnp.asarray(gain, jnp.float32), jnp.asarray(cells + vessels, jnp.float32)


def convergence(shape: tuple[int, ...]) -> dict[str, list[list[float]]]:
    """Return, from zero and from the answer before the change, [iterations, largest error / maximum, residual]."""
    grid = Grid(shape, 2.0 * SITE_UM)
    before = solve(*tissue(shape), LENGTHS_UM, jnp.ones((5, *shape), jnp.float32), grid, 30).values
    gain, loss = tissue(shape, changed=0.01)
    exact = solve(gain, loss, LENGTHS_UM, before, grid, 30).values
    found = {}
    for label, guess in (("from zero", jnp.zeros_like(before)), ("1 % changed", before)):
        rows = []
        for n in ITERATIONS:
            c, residual, _ = solve(gain, loss, LENGTHS_UM, guess, grid, n)
            rows.append([n, float(jnp.abs(c - exact).max() / exact.max()), float(residual.max())])
        found[label] = rows
    return found


def cpu_ms(call: Callable[[], object], repeats: int = 9) -> float:
    """Return the median CPU milliseconds of a call that is compiled already."""
    jax.block_until_ready(call())
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(call())
        taken.append(1e3 * (time.process_time() - start))
    return float(np.median(taken))


def costs() -> dict[str, dict[str, float]]:
    """Return CPU milliseconds a field by size: constant loss, and uneven loss with four iterations."""
    found = {}
    for shape in SIZES:
        grid = Grid(shape, 2.0 * SITE_UM)
        gain, loss = tissue(shape)
        many = jnp.concatenate([gain, gain, gain])[:12]
        constant = cpu_ms(lambda many=many, grid=grid: solve_constant(many, 80.0, grid))
        uneven = {n: cpu_ms(lambda g=gain, k=loss, grid=grid, n=n: solve(g, k, LENGTHS_UM, g, grid, n)) for n in (0, 4)}
        found["x".join(map(str, shape))] = {
            "constant_ms_per_field": round(constant / 12, 3),
            "uneven_ms_per_field_4_iterations": round(uneven[4] / 5, 3),
            "uneven_ms_per_field_and_iteration": round((uneven[4] - uneven[0]) / 20, 3),
            "all_17_fields_ms": round(constant + uneven[4], 2),
        }
    return found


def main() -> None:
    """Write figure and numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/verification"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(2, 2, figsize=(9.6, 7.4), layout="constrained")
    report: dict[str, object] = {}

    x, analytic, computed = slab()
    report["slab_largest_relative_error"] = float(np.abs(computed / analytic - 1.0).max())
    fine_x, fine, _ = slab(600)
    axes[0, 0].plot(fine_x, fine, color="0.6", lw=2, label="analytic")
    axes[0, 0].plot(x, computed, "o", ms=4, color="C0", label="computed, 17 µm")
    axes[0, 0].axvspan(0.0, 102.0, color="C3", alpha=0.08, lw=0)
    axes[0, 0].annotate("supply", (51.0, 0.05), ha="center", color="C3")
    axes[0, 0].set(xlabel="Position (µm)", ylabel="Concentration", ylim=(0.0, None), xlim=(0.0, 510.0))
    axes[0, 0].set_title("Slab supplied on one side, L = 80 µm", fontsize=10)
    axes[0, 0].legend(frameon=False)

    report["order"] = {}
    for mark, (ndim, sizes) in zip("os", {2: (16, 32, 64, 128), 3: (12, 24, 48)}.items(), strict=True):
        for color, uneven in (("C0", 0.0), ("C1", 0.5)):
            error = [manufactured_error(n, ndim, uneven) for n in sizes]
            spacing = 400.0 / np.array(sizes)
            slope = float(np.polyfit(np.log(spacing), np.log(error), 1)[0])
            label = f"{ndim}D, {'uneven' if uneven else 'constant'} loss"
            report["order"][label] = round(slope, 3)
            axes[0, 1].loglog(
                spacing, error, mark, color=color, ms=5, lw=1, mfc="none" if ndim == 3 else color,
                ls="--" if ndim == 3 else "-", label=f"{label}: slope {slope:.2f}",
            )  # fmt: skip
    guide = np.array([3.5, 30.0])
    axes[0, 1].loglog(guide, 3e-6 * guide**2, "k:", lw=1, label="second order")
    axes[0, 1].set_xticks([4, 8, 16, 32], ["4", "8", "16", "32"])
    axes[0, 1].minorticks_off()
    axes[0, 1].set(xlabel="Edge of a voxel (µm)", ylabel="Largest error (concentration about 1)")
    axes[0, 1].set_title("Manufactured solutions", fontsize=10)
    axes[0, 1].legend(frameon=False, fontsize=8)

    oxygen, vessels = between_vessels()
    reference = oxygen[4.25]
    report["oxygen"] = {}
    top = 1.02 * reference.max()
    axes[1, 0].plot([0.0, top], [0.0, top], color="0.6", lw=1)
    for edge, color in ((34.0, "C0"), (17.0, "C2")):
        off = oxygen[edge] - reference
        report["oxygen"][f"{edge:g} um"] = {
            "rms_error_over_mean": round(float(np.sqrt((off**2).mean()) / reference.mean()), 4),
            "rms_error_over_mean_beside_vessels": round(
                float(np.sqrt((off[~vessels] ** 2).mean()) / reference.mean()), 4
            ),
            "largest_error_over_mean": round(float(np.abs(off).max() / reference.mean()), 4),
            "error_of_the_mean": round(float(off.mean() / reference.mean()), 4),
        }
        rms = 100.0 * np.sqrt((off**2).mean()) / reference.mean()
        axes[1, 0].plot(
            reference.ravel(),
            oxygen[edge].ravel(),
            ".",
            ms=4,
            color=color,
            label=f"{edge:g} µm: rms {rms:.1f} % of mean",
        )
    axes[1, 0].set(xlabel="Computed on 4.25 µm (blood = 1)", ylabel="Computed on coarser voxels")
    axes[1, 0].set_title("Oxygen between vessels of one site, L = 100 µm", fontsize=10)
    axes[1, 0].legend(frameon=False)

    for (label, rows), color in zip(convergence((164, 164)).items(), ("C0", "C1"), strict=True):
        report[f"164x164, {label}: iterations, largest error, residual"] = [
            [n, *(f"{e:.1e}" for e in r)] for n, *r in rows
        ]
        n, error, residual = np.array(rows).T
        axes[1, 1].semilogy(n, error, "o-", ms=4, color=color, label=f"{label}: largest error / maximum")
        axes[1, 1].semilogy(n, residual, "s--", ms=4, mfc="none", color=color, label=f"{label}: residual")
    axes[1, 1].set(xlabel="Iterations", ylabel="Largest over five fields, L = 60 to 250 µm")
    axes[1, 1].set_title("Uneven loss, 164 × 164, float32", fontsize=10)
    axes[1, 1].legend(frameon=False, fontsize=8)
    figure.savefig(out / "fields.png", dpi=160)

    report["cost"] = costs()
    (out / "fields.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))
    print(out / "fields.png")


if __name__ == "__main__":
    main()
