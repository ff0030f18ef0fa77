"""Names of cells in imaging tables, and the kinds of cell of the model that they stand for.

The table ``cell_names.tsv`` says which (see its header). A folder of further records may hold one of its own, whose
names are added; a name that two rows claim is refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tumornexus.cellkinds import KINDS
from tumornexus.errors import KnowledgeFormError

VESSEL, NONE = "vessel", "none"
GROUPS = ("tumor", "immune", "stroma", "vessel", "other")
COLUMNS = ("name", "aliases", "ontology", "kinds", "group", "note")

_GREEK = str.maketrans({"α": "a", "β": "b", "γ": "g", "δ": "d", "φ": "f"})


def reduce_name(name: str) -> str:
    """Reduce a name to what matters in look-up: ``CD8+ T cells``, ``CD8_T`` and ``cd8 t cell`` are one.

    A minus behind a marker means that it is absent and stays (``CD163-``, ``CD4-CD8-``); behind it may stand the end, a
    blank or another marker, so the hyphen of ``CD8-T`` is none.
    """
    text = name.strip().translate(_GREEK)
    text = re.sub(r"(?<=[A-Za-z0-9])[-−⁻](?=$|\s|/|CD\d|FOXP3|HLA)", "neg", text).lower()
    words = [w for w in re.split(r"[^a-z0-9]+", text) if w not in ("", "cell", "cells")]
    whole = re.sub(r"cells?$", "", "".join(words)) or "".join(words)
    return whole[:-1] if len(whole) > 2 and whole.endswith("s") and not whole.endswith(("us", "is", "ss")) else whole


@dataclass(frozen=True)
class CellName:
    """One row of the table.

    Attributes:
        name, aliases: what imaging tables call the cell.
        ontology: its term in the Cell Ontology, empty where there is none.
        kinds: candidate kinds of the model, or ``("vessel",)``, or ``("none",)`` for a cell that is not modeled.
        shares: share of each kind, summing to 1; None where the composition at run time decides.
        group: tumor, immune, stroma, vessel or other.
        note: why, where it is not plain.
    """

    name: str
    aliases: tuple[str, ...]
    ontology: str
    kinds: tuple[str, ...]
    shares: tuple[float, ...] | None
    group: str
    note: str = ""


@dataclass(frozen=True)
class CellNames:
    """All names of cells: `rows` by name, `keys` from reduced name or alias to name."""

    rows: dict[str, CellName] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def find(self, name: str) -> CellName | None:
        """Return what a name stands for, None for a name that is not known."""
        known = self.keys.get(reduce_name(name))
        return self.rows[known] if known else None

    def near(self, name: str, n: int = 3) -> list[str]:
        """Return the names of the table closest to one that it does not hold, without doubles."""
        close = difflib.get_close_matches(reduce_name(name), list(self.keys), n=2 * n, cutoff=0.6)
        return list(dict.fromkeys(self.keys[c] for c in close))[:n]


def read_cell_names(text: str, file: str, known: CellNames | None = None) -> CellNames:
    """Read the table, adding to names that are known already.

    Raises:
        KnowledgeFormError: a missing column or value, an unknown kind or group, shares that do not sum to 1, a term
            that is none of the Cell Ontology, or a name that another row has.
    """
    rows = dict(known.rows) if known else {}
    keys = dict(known.keys) if known else {}
    header: list[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [c.strip() for c in line.split("\t")]
        if header is None:
            if tuple(cells) != COLUMNS:
                raise KnowledgeFormError("wrong columns", file=file, line=number, value=cells,
                                         valid=", ".join(COLUMNS) + " (tab-separated)")  # fmt: skip
            header = cells
            continue
        row = _row(cells, file, number)
        for spelled in (row.name, *row.aliases):
            key = reduce_name(spelled)
            if not key or keys.get(key, row.name) != row.name:
                raise KnowledgeFormError(f"the name stands at '{keys.get(key)}' already", file=file, line=number,
                                         field="aliases", value=spelled, valid="each name at one row")  # fmt: skip
            keys[key] = row.name
        if row.name in rows:
            raise KnowledgeFormError("the name has a row already", file=file, line=number, field="name",
                                     value=row.name, valid="one row a name")  # fmt: skip
        rows[row.name] = row
    return CellNames(rows, keys)


def _row(cells: list[str], file: str, number: int) -> CellName:
    """Read one line of the table."""

    def wrong(problem: str, field: str, value: object, valid: str) -> KnowledgeFormError:
        return KnowledgeFormError(problem, file=file, line=number, field=field, value=value, valid=valid)

    cells = [*cells, *[""] * (len(COLUMNS) - len(cells))]
    if len(cells) != len(COLUMNS) or not cells[0]:
        raise wrong("a row needs a name and six cells", "name", cells[0], "name, aliases, ontology, kinds, group, note")
    name, aliases, ontology, kinds, group, note = cells
    if ontology and not re.fullmatch(r"CL:\d{7}", ontology):
        raise wrong("not a term of the Cell Ontology", "ontology", ontology, "CL: and seven digits, or nothing")
    if group not in GROUPS:
        raise wrong("unknown group", "group", group, ", ".join(GROUPS))
    parts = [p.partition("=") for p in kinds.split("|")]
    names = tuple(p[0].strip() for p in parts)
    special = {VESSEL, NONE} & set(names)
    unknown = [k for k in names if k not in (*KINDS[1:], VESSEL, NONE)]
    if unknown or (special and len(names) > 1) or len(set(names)) < len(names):
        raise wrong("unknown kind, or one that must stand alone or once", "kinds", kinds,
                    ", ".join((*KINDS[1:], VESSEL, NONE)))  # fmt: skip
    if (VESSEL in names) and group != "vessel":
        raise wrong("a vessel has the group vessel", "group", group, "vessel")
    shares = _shares([p[2] for p in parts if p[1]], len(names))
    if shares is not None and not shares:
        raise wrong("shares must stand at every kind or at none and sum to 1", "kinds", kinds, "tam_m1=0.4|tam_m2=0.6")
    return CellName(name, tuple(a.strip() for a in aliases.split("|") if a.strip()), ontology, names, shares, group,
                    note)  # fmt: skip


def _shares(written: Iterable[str], kinds: int) -> tuple[float, ...] | None:
    """Return the shares, None where none are written, an empty tuple where they cannot be."""
    written = list(written)
    if not written:
        return None
    try:
        shares = tuple(float(w) for w in written)
    except ValueError:
        return ()
    good = len(shares) == kinds and all(0 <= s <= 1 for s in shares) and abs(sum(shares) - 1) < 1e-6
    return shares if good else ()
