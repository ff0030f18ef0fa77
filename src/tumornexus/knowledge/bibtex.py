"""A small strict reader of BibTeX files: who said it, where, and how to find it again.

Only what a bibliography of plain entries needs: ``@type{key, field = {value}, ...}`` with braces, quotes or bare
numbers. String macros, cross-references and ``#`` concatenation are refused with file and line, because a source that
is read wrongly is worse than one that is not read.
"""

from __future__ import annotations

import re
from pathlib import Path

from tumornexus.errors import KnowledgeFormError

_ENTRY = re.compile(r"@(\w+)\s*\{\s*([^\s,{}]+)\s*,")
_FIELD = re.compile(r"\s*([A-Za-z][\w-]*)\s*=\s*")
_BARE = re.compile(r"[\w.-]+")
_ACCENT = re.compile(r"\\[`'^\"~=.uvHtcdbr]\s*\{?\s*([A-Za-z])\s*\}?|\{\\[`'^\"~=.](\w)\}")


def _delimited(text: str, start: int) -> int:
    """Return the index just after the value that opens at `start` with ``{`` or a quote, or -1 if it never closes."""
    depth, quoted = 0, text[start] == '"'
    i = start + 1 if quoted else start
    while i < len(text):
        c = text[i]
        if c == "\\":
            i += 2
            continue
        if c == "{":
            depth += 1
        elif c == "}":
            depth -= 1
            if depth == 0 and not quoted:
                return i + 1
            if depth < 0:
                return -1
        elif c == '"' and quoted and depth == 0:
            return i + 1
        i += 1
    return -1


def _plain(value: str) -> str:
    """Drop protective braces, accents' markup and line breaks from a value."""
    value = _ACCENT.sub(lambda m: m.group(1) or m.group(2), value)
    value = value.replace("{", "").replace("}", "").replace("\\&", "&").replace("\\%", "%").replace("\\_", "_")
    return re.sub(r"\s+", " ", value.replace("--", "-").replace("~", " ")).strip()


def read_bibtex(text: str, file: str | Path) -> dict[str, dict[str, str]]:
    """Read the references of one BibTeX file: key to its fields, with ``entry`` holding the type (``article``...).

    Args:
        text: content of the file.
        file: name used in error messages.

    Raises:
        KnowledgeFormError: an entry does not close, a field has no value, or a key is given twice.
    """
    references: dict[str, dict[str, str]] = {}
    position = 0

    def fail(problem: str, at: int, value: object = None, valid: str | None = None) -> KnowledgeFormError:
        line = text.count("\n", 0, at) + 1
        return KnowledgeFormError(problem, file=file, line=line, value=value, valid=valid)

    while True:
        at = text.find("@", position)
        if at < 0:
            return references
        line_start = text.rfind("\n", 0, at) + 1
        if text[line_start:at].strip():
            if text[line_start:at].lstrip().startswith("%"):
                position = at + 1
                continue
            raise fail(
                "text before an entry", at, text[line_start:at].strip()[:40], "entries, and lines starting with %"
            )
        if text[at : at + 8].lower() == "@comment":
            opening = text.find("{", at)
            closing = _delimited(text, opening) if opening >= 0 else -1
            if closing < 0:
                raise fail("@comment does not close", at)
            position = closing
            continue
        head = _ENTRY.match(text, at)
        if not head:
            raise fail("not an entry", at, text[at : at + 40].split("\n")[0], "@article{key, field = {value}, ...}")
        entry, key = head.group(1).lower(), head.group(2)
        if entry in {"string", "preamble"}:
            raise fail(f"@{entry} is not supported", at, valid="write values out in each entry")
        fields = {"entry": entry}
        i = head.end()
        while True:
            while i < len(text) and text[i] in " \t\r\n,":
                i += 1
            if i < len(text) and text[i] == "}":
                break
            match = _FIELD.match(text, i)
            if not match:
                got = text[i : i + 40].split("\n")[0]
                raise fail(f"entry '{key}' does not close or has a field without a value", i, got, "field = {value},")
            name, i = match.group(1).lower(), match.end()
            if i < len(text) and text[i] in '{"':
                closing = _delimited(text, i)
                if closing < 0:
                    raise fail(f"field '{name}' of '{key}' does not close", i)
                value = text[i + 1 : closing - 1]
            else:
                bare = _BARE.match(text, i)
                if not bare:
                    raise fail(f"field '{name}' of '{key}' has no value", i, valid='{value}, "value" or a number')
                value, closing = bare.group(0), bare.end()
            if name in fields:
                raise fail(f"field '{name}' of '{key}' is given twice", i)
            fields[name] = _plain(value)
            i = closing
            while i < len(text) and text[i] in " \t\r\n":
                i += 1
            if i >= len(text) or text[i] not in ",}":
                got = text[i : i + 30].split("\n")[0]
                raise fail(
                    f"after field '{name}' of '{key}'", min(i, len(text) - 1), got, "a comma or the closing brace"
                )
        if key in references:
            raise fail("key given twice", at, key, "one entry a key")
        references[key] = fields
        position = i + 1


def line_of_key(text: str, key: str) -> int | None:
    """Return the line of a BibTeX text on which the entry of a key begins."""
    found = re.search(rf"@\w+\s*\{{\s*{re.escape(key)}\s*,", text)
    return text.count("\n", 0, found.start()) + 1 if found else None


def short_citation(reference: dict[str, str]) -> str:
    """Format a reference for a reader: first author, venue, year and DOI or PMID."""
    author = reference.get("author", reference.get("title", "?"))
    first = author.split(" and ")[0].split(",")[0].strip()
    several = " et al." if " and " in author else ""
    venue = reference.get("journal", reference.get("booktitle", reference.get("publisher", "")))
    parts = [f"{first}{several}", venue, reference.get("year", "")]
    if reference.get("doi"):
        parts.append(f"doi:{reference['doi']}")
    elif reference.get("pmid"):
        parts.append(f"PMID {reference['pmid']}")
    return ", ".join(part for part in parts if part)
