"""Rebuild ``knowledge/data/genes.tsv``: approved human gene symbols with their aliases and previous symbols.

The facts are those of the HUGO Gene Nomenclature Committee (genenames.org), which places its data in the public domain
(CC0). Two forms of them are read:

* ``--complete-set hgnc_complete_set.txt``: HGNC's own table (columns ``symbol``, ``alias_symbol``, ``prev_symbol``,
  ``status``); use this one for a newer release.
* ``--symbol-map map.csv``: columns ``Symbol`` (any name) and ``Approved.Symbol``, as HGNChelper compiles it from HGNC.
  The shipped table was built from the map of HGNChelper's repository, commit 7f76944919a5 (April 2022), exported from
  ``data/hgnc.table.rda`` to CSV.

Names that a spreadsheet made of gene symbols (``1-Mar``) are left out: they fit two genes each. All loci are kept, not
only protein-coding ones, so that a long non-coding RNA in a user's file counts as known rather than as a wrong name.

    python scripts/build_genes.py --symbol-map map.csv --release "2022-04, through HGNChelper 7f76944919a5"
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections import defaultdict
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "src" / "tumornexus" / "knowledge" / "data" / "genes.tsv"
SPREADSHEET_DATE = re.compile(
    r"(?i)\d{1,4}[-./ ](jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*([-./ ]\d+)?$"
    r"|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[-./ ]\d+$|\d+[./-]\d+([./-]\d+)?$|\d+(\.\d+)?(e[+-]?\d+)?$"
)
# A name usable as a gene label: no blanks, pipes or sentence-like descriptions.
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._/()-]*$")


def from_complete_set(path: Path) -> dict[str, set[str]]:
    """Read HGNC's complete set: approved symbol to its other names."""
    names: dict[str, set[str]] = {}
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            if row.get("status", "Approved") == "Approved":
                fields = (row.get("alias_symbol", ""), row.get("prev_symbol", ""))
                names[row["symbol"]] = {name for text in fields for name in (text or "").split("|")}
    return names


def from_symbol_map(path: Path) -> dict[str, set[str]]:
    """Read a map from any name to approved symbols."""
    names: dict[str, set[str]] = defaultdict(set)
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            for approved in row["Approved.Symbol"].split(" /// "):
                names[approved].add(row["Symbol"])
    return dict(names)


def write(names: dict[str, set[str]], release: str, target: Path) -> tuple[int, int]:
    """Write the table; return the numbers of symbols and of aliases."""
    lines = [
        "# Approved human gene symbols with aliases and previous symbols (all separated by |).",
        f"# Source: HUGO Gene Nomenclature Committee (genenames.org), CC0; release {release}.",
        "# Rebuilt by scripts/build_genes.py, which says how. An alias that several genes claim appears at each of",
        "# them and is read as ambiguous.",
        "symbol\taliases",
    ]
    n_aliases = 0
    for symbol in sorted(names):
        # A name that is itself approved stays approved, so it would be dead weight as somebody's alias.
        aliases = sorted(
            name for name in names[symbol] - set(names) if LABEL.match(name) and not SPREADSHEET_DATE.match(name)
        )
        n_aliases += len(aliases)
        lines.append(f"{symbol}\t{'|'.join(aliases)}")
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(names), n_aliases


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--complete-set", type=Path)
    source.add_argument("--symbol-map", type=Path)
    parser.add_argument("--release", required=True, help="release or date of the source, for the header")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    names = from_complete_set(options.complete_set) if options.complete_set else from_symbol_map(options.symbol_map)
    symbols, aliases = write(names, options.release, options.out)
    print(f"{symbols} symbols, {aliases} aliases, {options.out.stat().st_size / 1e6:.2f} MB: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
