"""Ligand-receptor activity of the mediators of the catalogue in single cells.

    activity = (sum over ligands of the mean in senders) x (least over receptor subunits of the mean in receivers)

with the mean of ln(1 + CP10k) over cells. Senders are the cells whose type may be one that makes the mediator
(`made_by`), receivers those on which it acts (`acts_on`); T cells of blood and node stand for CD8 T cells of the
tissue, which bring their receptors along. The interval holds the number of cells: the standard error of a product by
the delta method, senders and receivers taken as independent. A product of means says that both ends are there, not
that they meet; for that, see the neighborhoods of a section.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from tumornexus.cellkinds import KINDS
from tumornexus.io.single_cell import SingleCells
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.cell_names import VESSEL
from tumornexus.profile.cell_states import CD8, logged
from tumornexus.profile.estimate import Estimate

FEWEST_CELLS = 10  # fewer senders or receivers do not tell a mean
STAND_IN = {
    "cancer_cell": {"cancer", "persister", "infected"},
    "cd8_blood": CD8,
    "cd8_primed": CD8,
    "cd8_naive": CD8,
    "endothelial": {VESSEL},
}


@dataclass(frozen=True)
class Signal:
    """Ligand-receptor activity of one mediator.

    Attributes:
        mediator: id of the catalogue.
        activity: product of means with its interval; NaN where it cannot be told.
        ligand, receptor: the two means, on the scale of ln(1 + CP10k).
        senders, receivers: number of cells.
        by: ``ligand``, or ``enzyme`` where only the means to make a metabolite are seen.
        note: why it cannot be told, or which genes are missing.
    """

    mediator: str
    activity: Estimate
    ligand: float
    receptor: float
    senders: int
    receivers: int
    by: str
    note: str = ""


@lru_cache(maxsize=1)
def pairs() -> dict[str, dict[str, list[str] | str]]:
    """Return ligands and receptors by mediator, as ``data/receptors.toml`` lists them."""
    text = resources.files("tumornexus.profile").joinpath("data/receptors.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _kinds(cell: str, knowledge: Knowledge) -> set[str]:
    """Return the kinds of the tissue that a cell of the catalogue stands for; none for what is no cell there."""
    if cell in STAND_IN:
        return STAND_IN[cell]
    record = knowledge.cells.get(cell)
    return set(record.states) & set(KINDS) if record else set()


def signals(cells: SingleCells, knowledge: Knowledge) -> tuple[Signal, ...]:
    """Return the activity of every mediator that has a ligand and a receptor gene, in the order of the catalogue."""
    known = set(cells.genes)
    listed = {m: p for m in knowledge.mediators if (p := pairs().get(m))}
    genes = sorted({g for p in listed.values() for g in (*p["ligand"], *p["receptor"])} & known)
    values = logged(cells, genes)
    column = {g: values[:, i] for i, g in enumerate(genes)}

    def with_kinds(names: tuple[str, ...]) -> np.ndarray:
        wanted = {kind for n in names for kind in _kinds(n, knowledge)}
        return cells.where(name for name, row in cells.names.items() if set(row.kinds) & wanted)

    found = []
    for mediator, pair in listed.items():
        record = knowledge.mediators[mediator]
        send, receive = with_kinds(record.made_by), with_kinds(record.acts_on)
        n_send, n_receive = int(send.sum()), int(receive.sum())
        ligands = [g for g in pair["ligand"] if g in column]
        missing = [g for g in (*pair["ligand"], *pair["receptor"]) if g not in column]
        subunits = [g for g in pair["receptor"] if g in column]
        by = str(pair.get("by", "ligand"))
        note = f"not measured: {', '.join(missing)}" if missing else ""
        if min(n_send, n_receive) < FEWEST_CELLS:
            note = f"{n_send} senders and {n_receive} receivers; {FEWEST_CELLS} of each are needed"
        if min(n_send, n_receive) < FEWEST_CELLS or not ligands or len(subunits) < len(pair["receptor"]):
            nothing = Estimate(float("nan"), float("nan"), float("nan"), 0)
            found.append(Signal(mediator, nothing, float("nan"), float("nan"), n_send, n_receive, by, note))
            continue
        sent = np.sum([column[g][send] for g in ligands], axis=0)
        # The subunit of which there is least limits the complex.
        received = min((column[g][receive] for g in subunits), key=lambda v: float(v.mean()))
        left, right = float(sent.mean()), float(received.mean())
        error = np.hypot(right * sent.std(ddof=1) / np.sqrt(n_send), left * received.std(ddof=1) / np.sqrt(n_receive))
        product = left * right
        low, high = max(product - 1.645 * float(error), 0.0), product + 1.645 * float(error)
        estimate = Estimate(product, low, high, min(n_send, n_receive))
        found.append(Signal(mediator, estimate, left, right, n_send, n_receive, by, note))
    return tuple(found)
