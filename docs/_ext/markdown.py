"""Small words for writing Markdown from records: escaping, tables, links, references."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#$~])")
_ENTITY = re.compile(r"&")


def text(value: object) -> str:
    """Escape plain text, so that nothing in a record is read as markup; line breaks become spaces."""
    return _SPECIAL.sub(r"\\\1", _ENTITY.sub("&amp;", " ".join(str(value).split())))


def code(value: object) -> str:
    """Set a short literal in code font."""
    return f"`{str(value).replace('`', '')}`"


def listed(values: Iterable[str], empty: str = "none") -> str:
    """Join already formatted items by commas."""
    return ", ".join(values) or empty


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a pipe table; the cells are Markdown already."""
    body = [f"| {' | '.join(cell.replace(chr(10), ' ') for cell in row)} |" for row in rows]
    if not body:
        return []
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body, ""]


def number(value: float | None) -> str:
    """Write a number in at most four significant digits; a missing one as an empty cell."""
    return "" if value is None else f"{value:.4g}"


def span(value: float, low: float, high: float) -> str:
    """Write a value with its interval."""
    return f"{number(value)} ({number(low)} to {number(high)})"


def reference(key: str, references: Mapping[str, Mapping[str, str]]) -> str:
    """Format one bibliography entry on a line, with its DOI as a link."""
    entry = references.get(key)
    if entry is None:
        return code(key)
    authors = [a.strip() for a in re.split(r"\s+and\s+", entry.get("author", "")) if a.strip()]
    first = authors[0].split(",")[0] if authors else key
    who = text(first + (" et al." if len(authors) > 1 else ""))
    where = text(entry.get("journal") or entry.get("booktitle") or entry.get("publisher") or "")
    parts = [f"{who} ({text(entry.get('year', 'no year'))}).", text(entry.get("title", key)).rstrip(".") + "."]
    if where:
        parts.append(f"*{where}*.")
    doi = entry.get("doi")
    if doi:
        parts.append(f"[doi:{text(doi)}](https://doi.org/{doi})")
    return " ".join(parts)


def write(path: Path, lines: Iterable[str]) -> None:
    """Write a page only where its text changed, so that Sphinx re-reads no more than needed."""
    content = "\n".join(lines).rstrip() + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def remove_others(folder: Path, kept: set[Path]) -> None:
    """Delete generated pages whose record no longer exists."""
    for path in folder.rglob("*.md"):
        if path not in kept:
            path.unlink()


__all__ = ["code", "listed", "number", "reference", "remove_others", "span", "table", "text", "write"]
