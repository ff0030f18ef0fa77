"""Read fields of results that may be objects, mappings or absent, and print them for a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tumornexus.report import words


def get(thing: Any, name: str, default: Any = None) -> Any:
    """Read a field of an object or a mapping; a field that is absent or None gives `default`."""
    value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
    return default if value is None else value


def finite(value: Any) -> float | None:
    """Return `value` as a float, or None where it is not a finite number."""
    try:
        out = float(value)
    except (TypeError, ValueError):
        return None
    return out if math.isfinite(out) else None


def names_of(knowledge: Any, group: str) -> dict[str, str]:
    return {k: str(get(record, "name", words.plain(k))) for k, record in dict(get(knowledge, group, {})).items()}


def scalar_text(value: Any) -> str:
    """Print one field of evidence: numbers with three digits, lists joined, absence as a dash."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return words.significant(float(value), 3)
    if isinstance(value, str):
        return value or "–"
    if isinstance(value, Mapping):
        return "; ".join(f"{words.plain(str(k))} {scalar_text(v)}" for k, v in value.items()) or "–"
    if isinstance(value, Sequence | np.ndarray | set | frozenset):
        return ", ".join(scalar_text(v) for v in value) or "–"
    return str(value)


def share_column(frame: Any, column: str) -> list[float | None]:
    """Read a column of probabilities; a column with a value above 1 is in percent."""
    if frame is None or column not in frame:
        return [None] * (0 if frame is None else len(frame))
    values = [finite(v) for v in frame[column]]
    scale = 100.0 if any(v is not None and v > 1.0 for v in values) else 1.0
    return [None if v is None else v / scale for v in values]


def text_of(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()


def flat(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for key, value in mapping.items():
        name = f"{prefix}{words.plain(str(key))}"
        if isinstance(value, Mapping):
            out += flat(value, f"{name}: ")
        elif isinstance(value, list | tuple) and str(key) in ("call", "argv", "command"):
            out.append((name, " ".join(str(v) for v in value)))
        else:
            out.append((name, scalar_text(value)))
    return out
