"""Gene symbols: which names are approved, which are old, and whether they are human at all.

The table ``genes.tsv`` holds approved HGNC symbols with their aliases and previous symbols (see its header for origin).
It is read on first use only, so `tumornexus --help` never pays for it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tumornexus.errors import KnowledgeFormError

_TITLE_CASE = re.compile(r"[A-Z][a-z]+[A-Za-z0-9.-]*$|[0-9]+[a-z][A-Za-z0-9]*Rik$|mt-[A-Z]")
_HUMAN_MIXED = re.compile(r"C(\d+|X|Y)orf\d+")
_EXCEL_DATE = re.compile(r"(\d{1,2})-(Mar|Sep|Dec)$", re.IGNORECASE)


@dataclass(frozen=True)
class GeneTable:
    """Approved human gene symbols and the names that lead to them.

    Attributes:
        path: the tab-separated file with columns ``symbol`` and ``aliases`` (separated by ``|``); None for an
            empty table.
        numbers_path: the tab-separated file with columns ``symbol`` and ``hgnc``; None where there are no numbers.
    """

    path: Path | None = field(default=None)
    numbers_path: Path | None = field(default=None)

    @cached_property
    def _numbers(self) -> dict[str, str]:
        numbers: dict[str, str] = {}
        if self.numbers_path is not None:
            for at, line in enumerate(self.numbers_path.read_text(encoding="utf-8").splitlines(), start=1):
                if line.startswith("#") or line == "symbol\thgnc" or not line:
                    continue
                symbol, _, number = line.partition("\t")
                if not symbol or not number.isdigit():
                    raise KnowledgeFormError(
                        "a row needs a symbol, a tab and a number",
                        file=self.numbers_path,
                        field=f"line {at}",
                        value=line[:40],
                    )
                numbers[symbol] = number
        return numbers

    def hgnc(self, symbol: str) -> str | None:
        """Return the HGNC identifier of an approved symbol (``HGNC:17635`` for CD274), or None if it is not known."""
        number = self._numbers.get(symbol)
        return f"HGNC:{number}" if number else None

    @cached_property
    def _maps(self) -> tuple[frozenset[str], dict[str, str]]:
        symbols: list[str] = []
        alias_lists: list[tuple[str, str]] = []
        if self.path is not None and self.path.exists():
            for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), start=1):
                if line.startswith("#") or line == "symbol\taliases" or not line:
                    continue
                symbol, separator, aliases = line.partition("\t")
                if not symbol or not separator:
                    raise KnowledgeFormError(
                        "a row needs a symbol, a tab and aliases (which may be empty)",
                        file=self.path,
                        field=f"line {number}",
                        value=line[:40],
                    )
                symbols.append(symbol)
                if aliases:
                    alias_lists.append((symbol, aliases))
        approved = frozenset(symbols)
        owners: dict[str, str | None] = {}
        for symbol, aliases in alias_lists:
            for alias in aliases.split("|"):
                # An alias that two genes claim says nothing; it must not pick one of them by file order.
                owners[alias] = symbol if owners.get(alias, symbol) == symbol else None
        return approved, {alias: symbol for alias, symbol in owners.items() if symbol and alias not in approved}

    @property
    def symbols(self) -> frozenset[str]:
        """All approved symbols."""
        return self._maps[0]

    def __len__(self) -> int:
        return len(self.symbols)

    def approved(self, symbol: str) -> str | None:
        """Return the approved symbol for a gene name, or None if the name is unknown or ambiguous.

        An approved symbol stays as it is; an alias or previous symbol is translated when exactly one gene claims it.
        Letter case is repaired only for open reading frames (``C1ORF112`` is read as ``C1orf112``); a name that a
        spreadsheet turned into a date (``1-Mar``) is ambiguous by nature and returns None.
        """
        approved, aliases = self._maps
        if symbol in approved:
            return symbol
        if symbol in aliases:
            return aliases[symbol]
        stripped = symbol.strip()
        if stripped != symbol:
            return self.approved(stripped)
        if _EXCEL_DATE.match(symbol):
            return None
        open_frame = re.fullmatch(r"(?i)C(\d+|X|Y)ORF(\d+)", symbol)
        if open_frame:
            name = f"C{open_frame.group(1).upper()}orf{open_frame.group(2)}"
            return name if name in approved else aliases.get(name)
        return None

    def other_names(self, symbol: str) -> list[str]:
        """Return the aliases and previous symbols that lead to an approved symbol and to no other."""
        return sorted(alias for alias, owner in self._maps[1].items() if owner == symbol)

    def near(self, symbol: str, n: int = 3) -> list[str]:
        """Return the approved symbols closest to a name that is none: one typing error away first, then similar ones.

        A typing error is a letter too many, too few, wrong, or two exchanged; names of old that are that close lead to
        their approved symbol.
        """
        approved, aliases = self._maps
        name = symbol.strip().upper()
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
        halves = [(name[:i], name[i:]) for i in range(len(name) + 1)]
        edits = [
            name,
            *(a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1),
            *(a + b[1:] for a, b in halves if b),
        ]
        edits += [a + c + b[1:] for a, b in halves if b for c in letters]
        edits += [a + c + b for a, b in halves for c in letters]
        close = [e for e in edits if e in approved] + [aliases[e] for e in edits if e in aliases]
        if not close:
            like = [s for s in approved if s[:1] == name[:1] and abs(len(s) - len(name)) < 3]
            close = difflib.get_close_matches(name, sorted(like), n=n, cutoff=0.7)
        return list(dict.fromkeys(close))[:n]

    def hint(self, symbol: str) -> str:
        """Return the nearest symbols as the end of a message, empty where nothing is near."""
        close = self.near(symbol)
        return f"; did you mean {', '.join(close)}?" if close else ""

    def is_mouse(self, symbols: Iterable[str]) -> bool:
        """Tell whether gene names are mouse rather than human: the majority is in title case (`Cd8a`)."""
        letters = [s for s in symbols if any(c.isalpha() for c in s) and not _HUMAN_MIXED.match(s)]
        # Single-letter stems such as "T" carry no case information and are left out of the vote.
        votes = [bool(_TITLE_CASE.match(s)) for s in letters if sum(c.isalpha() for c in s) > 1]
        return bool(votes) and sum(votes) > 0.5 * len(votes)

    def looks_like_mouse(self, symbols: Iterable[str]) -> bool:
        """Same as `is_mouse`."""
        return self.is_mouse(symbols)
