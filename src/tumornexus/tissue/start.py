"""Where a tissue begins: a virtual patient's lesion, laid out in nests and stroma.

The composition is that of the host scale at the patient's burden. How it is arranged is a rule: cancer cells in nests
of a typical size, fibroblasts between them, and of the others in nests the share that the host scale's closure lets in.
What the tissue makes of this arrangement follows from its laws.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from tumornexus.activities import named_generator
from tumornexus.biology import killing, mediators, presentation, vasculature
from tumornexus.biology.environment import Cells
from tumornexus.biology.params import Params
from tumornexus.systemic.state import (
    CLONES,
    HOST,
    RESIDENT,
    State,
    clone_traits,
    members_last,
    patient_mean,
    total_cells,
)
from tumornexus.systemic.treatment import SLOTS
from tumornexus.tissue.host import Compartments, Host
from tumornexus.tissue.lattice import KIND, Geometry, Ground, Sites, to_blocks
from tumornexus.tissue.state import Tissue

NEST_UM = 120.0  # correlation length of the border between nests and stroma
NEST_KINDS = ("cancer", "persister", "infected", "dead_antigen")
STROMA_KINDS = ("caf_matrix", "caf_cytokine")
# Vessels of carcinomas run in stroma: their density in nests over that in stroma at the start. Assumed, 0 to 1.
NEST_VESSELS = 0.3
MATRIX_UM = 30.0  # matrix lies this far around the fibroblasts that laid it down; assumed, 10 to 60
LEVELS = ("mhc1", "pdl1", "silencing", "car_antigen", "alt_checkpoint")


def composition(state: State) -> dict[str, float]:
    """Return the share of each kind of cell in all lesions of one patient (member axis first, one member)."""
    cells = patient_mean(state)
    return {name: float(getattr(cells, name)[0]) for name in ("cancer", "persister", *RESIDENT)}


def nests(geometry: Geometry, share: float, generator: np.random.Generator) -> np.ndarray:
    """Return where nests are, (*shape) bool: the highest `share` of a smooth random landscape."""
    field = generator.standard_normal(geometry.shape)
    sigma = NEST_UM / geometry.site_um / 2.0
    field = ndimage.gaussian_filter(field, sigma, mode="reflect")
    return field >= np.quantile(field, 1.0 - share)


def lay_out(
    geometry: Geometry, shares: dict[str, float], filled: float, inside: float, generator: np.random.Generator
) -> np.ndarray:
    """Return kinds on the lattice, uint8: `filled` of all sites hold cells in the proportions `shares`.

    `inside`: chance of an immune cell to stand in a nest, relative to that of a place drawn at random.
    """
    numbers = {name: filled * geometry.n_sites * share for name, share in shares.items()}
    # Numbers are rounded at random, so that rare kinds have the right mean over seeds.
    counts = {name: int(n) + int(generator.random() < n - int(n)) for name, n in numbers.items()}
    crowd = sum(counts[n] for n in NEST_KINDS)
    immune = [n for n in counts if n not in (*NEST_KINDS, *STROMA_KINDS)]
    within = inside * crowd / max(filled * geometry.n_sites, 1.0)
    settled = {name: generator.binomial(counts[name], min(within, 1.0)) for name in immune}
    area = (crowd + sum(settled.values())) / (filled * geometry.n_sites)
    mask = nests(geometry, float(np.clip(area, 0.02, 0.98)), generator).ravel()
    here, there = (generator.permutation(np.flatnonzero(m)) for m in (mask, ~mask))
    kind = np.zeros(geometry.n_sites, np.uint8)
    used = {"here": 0, "there": 0}

    def put(name: str, n: int, first: str) -> None:
        pools = {"here": here, "there": there}
        for pool in (first, "there" if first == "here" else "here"):
            free = pools[pool][used[pool] : used[pool] + n]
            kind[free] = KIND[name]
            used[pool] += len(free)
            n -= len(free)

    for name in NEST_KINDS:
        put(name, counts[name], "here")
    for name in STROMA_KINDS:
        put(name, counts[name], "there")
    for name in immune:
        put(name, settled[name], "here")
        put(name, counts[name] - settled[name], "there")
    return kind.reshape(geometry.shape)


def assemble(
    kind: np.ndarray,
    vessel: np.ndarray | None,
    state: State,
    bare: Params,
    geometry: Geometry,
    generator: np.random.Generator,
) -> tuple[Tissue, float]:
    """Return a tissue with the given kinds of cells in the host of one patient, and how many million cells of the
    patient's lesions each of its cells stands for.

    `state` (member axis first, one member) gives clones, levels, ground and host; `vessel` where vessels are, or None
    to draw them at the patient's density.
    """
    last = members_last(state)
    cells = jax.tree.map(lambda x: np.float32(np.asarray(x)[0]), patient_mean(state))
    shape = geometry.shape
    if vessel is None:
        share = float(vasculature.vessel_share(geometry.site_um, len(shape), bare))
        odds = np.where(nests_of(kind, geometry), NEST_VESSELS, 1.0)
        vessel = generator.random(shape) < float(cells.vessels) * share * odds / odds.mean()
    of_clone = np.asarray(jnp.sum(last.cancer, (1, 2)) + jnp.sum(last.persister, (1, 2)))
    of_clone = of_clone / max(of_clone.sum(), 1e-12)
    clone = generator.choice(len(CLONES), size=shape, p=of_clone).astype(np.uint8)
    cancerous = np.isin(kind, [KIND[n] for n in ("cancer", "persister", "infected")])
    full = jnp.float32
    sites = Sites(
        kind=jnp.asarray(kind, jnp.uint8),
        clone=jnp.asarray(np.where(cancerous, clone, 0), jnp.uint8),
        hits=jnp.zeros(shape, jnp.uint8),
        age=jnp.zeros(shape, full),
        **{name: jnp.full(shape, getattr(cells, name), full) for name in LEVELS},
        vessel=jnp.asarray(vessel, full),
    )
    voxels = () if geometry.stirred else geometry.voxels
    total = float(np.asarray(jnp.sum(total_cells(last))))
    virus = float(np.asarray(jnp.sum(last.virus))) / max(total, 1e-9)
    ground = Ground(
        matrix=jnp.full(voxels, cells.matrix, full) if geometry.stirred else _matrix(kind, cells, geometry, bare),
        **{name: jnp.full(voxels, getattr(cells, name), full) for name in ("tls", "bacteria")},
        virus=jnp.full(voxels, virus, full),
    )
    local = mediators.quasi_steady(cells, jnp.asarray(_recognition(cells, of_clone, bare), full), bare)
    signals = jax.tree.map(lambda x: jnp.full(voxels, x, full), local.signals)
    compartments = Compartments(**{n: jnp.asarray(np.asarray(getattr(last, n))[0], full) for n in HOST})
    compartments = compartments._replace(toxicity_hazard=jnp.zeros((), full))
    host = Host(compartments, jnp.zeros((SLOTS, 2), full), jnp.zeros(SLOTS, full))
    million = total / max(int((kind != 0).sum()), 1)
    return Tissue(sites, ground, signals, host, jnp.asarray(0, jnp.int32)), million


def nests_of(kind: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return the sites around which at least half of the cells, in Gaussian surroundings of two cells, are cancer
    cells."""
    if geometry.stirred:
        return np.zeros(kind.shape, bool)
    of = np.isin(kind, [KIND[n] for n in NEST_KINDS]).astype(float), (kind != 0).astype(float)
    tumor, everything = (ndimage.gaussian_filter(x, 2.0, mode="reflect") for x in of)
    return tumor >= 0.5 * everything


def _matrix(kind: np.ndarray, cells: Cells, geometry: Geometry, bare: Params) -> jax.Array:
    """Return matrix on voxels: the host scale's mean, in proportion to the fibroblasts around, which deposit it.

    Places hold at most `matrix_capacity`. What exceeds it is left out: nests without fibroblasts do not make it, and
    would be rid of it only after months.
    """
    fibroblasts = np.isin(kind, [KIND[n] for n in STROMA_KINDS]).astype(float)
    around = ndimage.gaussian_filter(fibroblasts, MATRIX_UM / geometry.site_um, mode="reflect")
    around = np.asarray(jnp.mean(to_blocks(jnp.asarray(around), geometry.coarse), 0)) + 1e-6
    matrix = np.minimum(float(cells.matrix) * around / around.mean(), float(bare.matrix_capacity))
    return jnp.asarray(matrix, jnp.float32)


def _recognition(cells: Cells, of_clone: np.ndarray, bare: Params) -> float:
    seen = presentation.recognition(cells, jax.tree.map(jnp.ravel, clone_traits()), bare)
    return float(jnp.sum(seen * of_clone))


def from_rule(
    state: State, bare: Params, geometry: Geometry, seed: int, filled: float | None = None
) -> tuple[Tissue, float]:
    """Return a tissue laid out by rule for one patient (see the module); `filled`: share of sites that hold cells."""
    generator = named_generator(seed, "tissue", "layout")
    cells = jax.tree.map(lambda x: np.asarray(x)[0], patient_mean(state))
    local = mediators.quasi_steady(cells, jnp.zeros(()), bare)
    inside = float(killing.infiltrate_access(local, bare))
    kind = lay_out(geometry, composition(state), float(filled or bare.packing), inside, generator)
    return assemble(kind, None, state, bare, geometry, generator)


def scalars(values: np.ndarray, names: tuple[str, ...]) -> Params:
    """Return one patient's parameters as float32 scalars."""
    return Params(tuple(jnp.asarray(v, jnp.float32) for v in values), names)
