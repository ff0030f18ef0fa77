"""Drawn virtual patients with grown tumors: what there is to export where no patient was measured."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.solver import Lesions, grow
from tumornexus.systemic.state import State
from tumornexus.systemic.twin import draw_bare, draw_burden, draw_lesions, parameter_names


@dataclass(frozen=True)
class VirtualPatients:
    """Parameters (member, parameter), lesions and the state at the start of treatment, member axis first."""

    names: tuple[str, ...]
    values: np.ndarray
    lesions: Lesions
    state: State

    def __getitem__(self, index: np.ndarray) -> VirtualPatients:
        state = jax.tree.map(lambda x: np.asarray(x)[index], self.state)
        return VirtualPatients(self.names, self.values[index], self.lesions[index], state)


def virtual_patients(
    tumor: str, knowledge: Knowledge, n: int, *, seed: int = 0, braf_v600: bool | None = None
) -> VirtualPatients:
    """Return the first `n` draws of a tumor type, without mechanisms, whose tumors grow to the burden drawn for them.

    Growth follows the equations: small clones are not drawn, as in the export.

    Raises:
        SimulationError: of 4 `n` + 12 draws, fewer than `n` do.
    """
    record = knowledge.tumor(tumor)
    names, sample = parameter_names(knowledge), f"virtual-{record.id}"
    values = draw_bare(knowledge, record, 4 * n + 12, seed, sample, braf_v600)
    lesions = draw_lesions(values, names, seed, sample)
    grown = grow(values, names, draw_burden(record, values, names, seed, sample), lesions=lesions)
    chosen = np.flatnonzero(grown.status == 0)[:n]
    if len(chosen) < n:
        raise SimulationError(
            "too few drawn tumors reach their burden", field="tumor", value=tumor, valid=f"{n} of {len(values)}"
        )
    return VirtualPatients(names, values, lesions, grown.state)[chosen]
