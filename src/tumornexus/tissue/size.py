"""How large a lattice is, what memory its simulation takes, and whether this machine has it.

All of it before anything is allocated: a lattice that does not fit is refused with the largest that does.
"""

from __future__ import annotations

import bisect
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tumornexus.errors import InputError

MULTIPLE = 4  # sites per axis come in fours: pairs of two parities, on voxels of two sites
COARSE = 2  # sites per edge of a voxel of the fields

# What a site holds: kind, clone, hits (1 byte each); age, mhc1, pdl1, silencing, car_antigen, alt_checkpoint of its
# cell and vessel, matrix, tls, bacteria, virus of the ground (4 bytes each).
SITE_BYTES = 3 + 4 * (6 + 5)
FIELD_ARRAYS = 23 + 6  # signals of `biology.environment.Signals`, and a concentration for each drug of a regimen
# A step holds the state before and after it and what is moved between: three copies. Rate laws read densities, levels
# and signals on every site and give rates; how many of these are alive at once depends on the compiler. 64 arrays are
# an upper estimate (20 densities, 9 levels, 29 signals, 6 in work), since fusion keeps most of them out of memory.
STATE_COPIES = 3
SITE_ARRAYS_IN_WORK = 64
# A field solve keeps field, gain, loss, residual and two vectors on its voxels and, coarsened, 4/3 of them (2D).
FIELD_ARRAYS_IN_WORK = 8
# Most of a small simulation is its compilation: the benchmark of the tissue (`benchmarks/tissue.py`) peaked at 1.8 GB
# with 20 000 cells, 1.9 GB with 100 000, 2.4 GB with 1 000 000 (2D) and 1.7 GB with 200 000 (3D). The rest is slack.
PROGRAM_BYTES = 1_950_000_000


@dataclass(frozen=True)
class Lattice:
    """A regular lattice of sites.

    Attributes:
        shape: sites per axis, ``(y, x)`` or ``(z, y, x)``, each a multiple of `MULTIPLE`.
        site_um: edge of a site, um.
        asked_um: edges asked for, x, y[, z].
    """

    shape: tuple[int, ...]
    site_um: float
    asked_um: tuple[float, ...]

    @property
    def sites(self) -> int:
        """Number of sites."""
        return math.prod(self.shape)

    @property
    def size_um(self) -> tuple[float, ...]:
        """Edges x, y[, z] of the lattice, um."""
        return tuple(n * self.site_um for n in reversed(self.shape))

    @property
    def note(self) -> str | None:
        """What rounding changed, in words; None where the size asked for is met to a thousandth of a site."""
        gained = [got - asked for got, asked in zip(self.size_um, self.asked_um, strict=True)]
        if all(g < 1e-3 * self.site_um for g in gained):
            return None
        asked, got = (" x ".join(f"{length:.5g}" for length in size) for size in (self.asked_um, self.size_um))
        sites = " x ".join(str(n) for n in reversed(self.shape))
        return f"size rounded up from {asked} um to {got} um: {sites} sites of {self.site_um:.4g} um"


def lattice_of(size_um: Sequence[float], site_um: float) -> Lattice:
    """Return the smallest lattice that covers a size (x, y[, z]), every axis a multiple of `MULTIPLE` sites."""
    edge = MULTIPLE * site_um
    # 1e-9 keeps a size of a whole number of sites from gaining four by rounding of the division.
    shape = tuple(MULTIPLE * max(1, math.ceil(length / edge - 1e-9)) for length in reversed(size_um))
    return Lattice(shape, site_um, tuple(float(length) for length in size_um))


def memory_bytes(shape: Sequence[int], coarse: int = COARSE) -> int:
    """Estimate the peak memory of a simulation, bytes.

    bytes = program + sites (copies * SITE_BYTES + 4 * SITE_ARRAYS_IN_WORK)
            + voxels * 4 * (copies * FIELD_ARRAYS + FIELD_ARRAYS_IN_WORK * h),   h = 1 / (1 - 2^-d) for the hierarchy

    with d axes and voxels = sites / coarse^d. An estimate from above; the constants say what they count.
    """
    sites, axes = math.prod(shape), len(shape)
    voxels = sites / coarse**axes
    hierarchy = 1.0 / (1.0 - 0.5**axes)
    per_site = STATE_COPIES * SITE_BYTES + 4 * SITE_ARRAYS_IN_WORK
    per_voxel = 4 * (STATE_COPIES * FIELD_ARRAYS + FIELD_ARRAYS_IN_WORK * hierarchy)
    return math.ceil(PROGRAM_BYTES + sites * per_site + voxels * per_voxel)


def free_bytes() -> int:
    """Return the memory that this process may still take, bytes.

    Where the system tells, memory in caches that can be dropped counts as free, and the limit of a container counts.
    """
    found = []
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass
    if not found:
        try:
            found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (ValueError, OSError, AttributeError):  # no such name on this system
            return 2**63 - 1
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text("ascii"))
        if limit != "max":
            found.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass
    return min(found)


def largest_that_fits(lattice: Lattice, free: int, coarse: int = COARSE) -> Lattice | None:
    """Return the largest lattice of about these proportions that takes at most `free` bytes; None if there is none."""
    longest = max(lattice.shape) // MULTIPLE

    def scaled(k: int) -> tuple[int, ...]:
        """Shape whose longest axis has k times `MULTIPLE` sites; no axis grows when k falls, so memory falls too."""
        return tuple(MULTIPLE * max(1, (n // MULTIPLE) * k // longest) for n in lattice.shape)

    k = bisect.bisect_right(range(1, longest + 1), free, key=lambda k: memory_bytes(scaled(k), coarse))
    if k == 0:
        return None
    shape = scaled(k)
    return Lattice(shape, lattice.site_um, tuple(n * lattice.site_um for n in reversed(shape)))


def require_memory(lattice: Lattice, free: int, file: Path | str, coarse: int = COARSE) -> None:
    """Refuse a lattice that does not fit into the free memory.

    Raises:
        InputError: names the size, what it would take, what is free and the largest size that fits.
    """
    need = memory_bytes(lattice.shape, coarse)
    if need <= free:
        return
    fits = largest_that_fits(lattice, free, coarse)
    size = [math.floor(length) for length in fits.size_um] if fits else None
    raise InputError(
        f"the lattice of {' x '.join(map(str, reversed(lattice.shape)))} sites takes about {need / 1e9:.1f} GB of "
        f"memory and {free / 1e9:.1f} GB are free",
        file=file,
        field="size_um",
        value=[float(f"{length:.6g}") for length in lattice.asked_um],
        valid=f"at most about {size} on this machine" if size else "a machine with more free memory",
    )
