"""Read tab-separated tables and say precisely what is wrong with them.

Every function raises `InputError` naming file, field, offending value and what would have been valid, so that the
readers built on top never see a half-understood table.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError, near_misses

# Spellings of "not known" seen in public cohorts; compared in lower case.
MISSING = frozenset(
    {
        "",
        ".",
        "-",
        "--",
        "na",
        "n/a",
        "nan",
        "none",
        "null",
        "unknown",
        "not available",
        "not evaluable",
        "not reported",
    }
)


def find_table(folder: Path, stem: str) -> Path | None:
    """Return ``stem.tsv`` or ``stem.tsv.gz`` in `folder`, or None; two of them are ambiguous and refused."""
    found = [p for p in (folder / f"{stem}.tsv", folder / f"{stem}.tsv.gz") if p.exists()]
    if len(found) > 1:
        raise InputError(
            f"both {found[0].name} and {found[1].name} exist",
            file=folder,
            valid=f"one {stem} table, so that it is clear which",
        )
    return found[0] if found else None


def read_bytes(path: Path) -> bytes:
    """Return the (decompressed) content of a table, refusing missing, empty, truncated or mislabelled files."""
    path = Path(path)
    content = "lines: name = value" if path.suffix == ".toml" else "a tab-separated table with a header line"
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(
            "the file does not exist", file=path, valid=near_misses(path.name, siblings) or "an existing file"
        )
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", file=path, valid="a readable file") from error
    if not raw:
        raise InputError("the file is empty", file=path, valid=content)
    zipped = raw[:2] == b"\x1f\x8b"
    if path.suffix == ".gz" and not zipped:
        raise InputError(
            "the file is named .gz but is not gzip-compressed",
            file=path,
            valid="compress it with gzip, or name it .tsv",
        )
    if zipped:
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(
                f"the gzip data are damaged or cut off: {error}",
                file=path,
                valid="a complete gzip file; transfer it again",
            ) from error
        if not raw:
            raise InputError("the file is empty", file=path, valid=content)
    if not raw.strip():
        raise InputError("the file is empty", file=path, valid=content)
    return raw


def is_kallisto(path: Path) -> bool:
    """Whether a table is kallisto's: its ``abundance.tsv`` has the name under which stool profiles are kept as well."""
    return read_bytes(path).split(b"\t", 1)[0].lstrip(b"\xef\xbb\xbf") == b"target_id"


def header_of(raw: bytes, path: Path) -> list[str]:
    """Return the column names of a table."""
    line = raw.split(b"\n", 1)[0].rstrip(b"\r")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the header is not UTF-8 text", file=path, valid="a tab-separated UTF-8 text table") from error
    names = next(csv.reader([text], delimiter="\t"))
    if len(names) == 1 and ("," in text or ";" in text):
        raise InputError(
            "the table has a single column and looks comma-separated",
            file=path,
            value=text[:60],
            valid="tab-separated values",
        )
    return [n.strip() for n in names]


def refuse_repeats(names: Sequence[str], path: Path, field: str, what: str) -> None:
    """Refuse a list of ids in which one occurs more than once."""
    repeated = [n for n, k in Counter(names).items() if k > 1]
    if repeated:
        raise InputError(
            f"{len(repeated)} {what} occur more than once",
            file=path,
            field=field,
            value=", ".join(sorted(repeated)[:5]),
            valid="each once; merge or rename the repeats before loading",
        )


def read_text_table(path: Path, required: Iterable[str] = (), raw: bytes | None = None) -> pd.DataFrame:
    """Read a table as plain strings (ids keep their zeros), with None where a cell says that the value is not known."""
    raw = read_bytes(path) if raw is None else raw
    names = header_of(raw, path)
    refuse_repeats(names, path, "header", "column names")
    for column in required:
        if column not in names:
            raise InputError(
                "a required column is missing",
                file=path,
                field=column,
                valid=f"a column named '{column}'; this table has {', '.join(names[:12])}",
            )
    try:
        table = pd.read_csv(
            io.BytesIO(raw),
            sep="\t",
            dtype=str,
            keep_default_na=False,
            header=0,
            names=names,
            index_col=False,
            encoding="utf-8-sig",
        )
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(
            f"the table cannot be read: {str(error).strip()}",
            file=path,
            valid="the same number of tab-separated cells on each line",
        ) from error
    table = table.apply(lambda column: column.str.strip())
    return table.mask(table.apply(lambda column: column.str.lower().isin(MISSING) | column.isna()), None)


def read_number_table(
    path: Path, columns: Sequence[str] | None = None, raw: bytes | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Read a table of numbers with row names in its first column.

    `columns` restricts parsing to some of them. Returns the table (row, column) as float64 with NaN for missing, and
    all column names of the file. Text where a number belongs is refused with its row and column.
    """
    raw = read_bytes(path) if raw is None else raw
    names = header_of(raw, path)
    if len(names) < 2:
        raise InputError(
            "the table has no sample column", file=path, value=names[0], valid="gene names, then one column a sample"
        )
    refuse_repeats(names[1:], path, "header", "samples")
    if "" in names[1:]:
        raise InputError(
            "a sample column has no name", file=path, field="header", value="", valid="a sample id in each column"
        )
    wanted = list(names[1:]) if columns is None else list(columns)
    use = [0, *(names.index(c, 1) for c in wanted)]
    options = {
        "sep": "\t",
        "header": None,
        "skiprows": 1,
        "usecols": sorted(use),
        "names": range(len(names)),
        "index_col": 0,
        "encoding": "utf-8",
        "keep_default_na": False,
        "na_values": {i: ["", "NA", "NaN", "nan", "N/A", "null"] for i in use[1:]},
    }
    try:
        # The default float parser is fast and rounds each number by itself, so a column reads the same alone or not.
        table = pd.read_csv(io.BytesIO(raw), dtype={0: str, **dict.fromkeys(use[1:], np.float64)}, **options)
    except (ValueError, pd.errors.ParserError) as error:
        raise _number_error(raw, path, names, use[1:], error) from error
    if len(table) == 0:
        raise InputError("the table has a header and no rows", file=path, valid="at least one row of values")
    table = table[use[1:]]
    table.columns = pd.Index(wanted)
    table.index = pd.Index([str(g).strip() for g in table.index], name=names[0] or "gene")
    return table, names[1:]


def _number_error(raw: bytes, path: Path, names: list[str], columns: list[int], error: Exception) -> InputError:
    """Find the first cell that is not a number, for a message that says where it is."""
    try:
        text = pd.read_csv(
            io.BytesIO(raw), sep="\t", header=None, skiprows=1, dtype=str, names=range(len(names)), index_col=0
        )
    except (pd.errors.ParserError, ValueError):
        return InputError(
            f"the table cannot be read: {str(error).strip()}",
            file=path,
            valid="the same number of tab-separated cells on each line",
        )
    for i in columns:
        bad = text[i].notna() & pd.to_numeric(text[i], errors="coerce").isna()
        if bad.any():
            row = text.index[bad.to_numpy()][0]
            return InputError(
                f"text where a number belongs (row '{row}')",
                file=path,
                field=names[i],
                value=text[i][bad.to_numpy()].iloc[0],
                valid="a number, or an empty cell where nothing was measured",
            )
    return InputError(f"the table cannot be read: {error}", file=path, valid="a tab-separated table of numbers")


def number_column(table: pd.DataFrame, names: Sequence[str], path: Path) -> np.ndarray:
    """Read the first of several possible numeric columns, NaN where absent."""
    for name in names:
        if name in table.columns:
            column = table[name]
            numbers = pd.to_numeric(column, errors="coerce")
            bad = column.notna() & numbers.isna()
            if bad.any():
                raise InputError(
                    "text where a number belongs",
                    file=path,
                    field=name,
                    value=column[bad].iloc[0],
                    valid="a number or an empty cell",
                )
            return numbers.to_numpy(dtype=float)
    return np.full(len(table), np.nan)


def to_number(value: str | float | int | None, path: Path, field: str, valid: str = "a number") -> float | None:
    """Read one clinical number; None where it is not known, `InputError` where it is text or not finite."""
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return None
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError):
        raise InputError("text where a number belongs", file=path, field=field, value=value, valid=valid) from None
    if np.isnan(number):
        return None
    if np.isinf(number):
        raise InputError("the number is not finite", file=path, field=field, value=value, valid=valid)
    return number


def to_flag(value: str | bool | float | int | None, path: Path, field: str) -> bool | None:
    """Read one yes/no fact; None where it is not known."""
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return None
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in {"1", "1.0", "true", "yes", "y", "positive", "high", "msi-h", "msi", "mutated", "mut"}:
        return True
    if word in {"0", "0.0", "false", "no", "n", "negative", "stable", "mss", "msi-l", "low", "wild-type", "wt"}:
        return False
    raise InputError(
        "neither yes nor no", file=path, field=field, value=value, valid="true or false (also yes/no, 1/0)"
    )
