"""Reading the catalogue: TOML, BibTeX and the gene table into one immutable `Knowledge`.

Layout of a folder: ``mechanisms/<id>.toml``, ``therapies/<id>.toml`` and ``drugs/<id>.toml`` hold one record each (the
file's stem is the id); ``parameters.toml``, ``cells.toml``, ``mediators.toml``, ``cycle.toml``, ``tumors.toml`` and
``trials.toml`` hold lists (``[[parameter]]`` and so on); every ``*.bib`` holds references; ``genes.tsv`` the symbols.
A folder of further records has the same layout; whatever it lacks is simply not added.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from tumornexus.errors import InputError, KnowledgeFormError, near_misses
from tumornexus.knowledge.bibtex import read_bibtex
from tumornexus.knowledge.genes import GeneTable
from tumornexus.knowledge.records import (
    Cell,
    CycleStep,
    Drug,
    Mechanism,
    Mediator,
    Parameter,
    Record,
    Therapy,
    Trial,
    Tumor,
)

DATA = Path(__file__).parent / "data"

FOLDERS: dict[str, type[Record]] = {"mechanisms": Mechanism, "therapies": Therapy, "drugs": Drug}
LISTS: dict[str, tuple[str, type[Record]]] = {
    "parameters": ("parameter", Parameter),
    "cells": ("cell", Cell),
    "mediators": ("mediator", Mediator),
    "cycle": ("step", CycleStep),
    "tumors": ("tumor", Tumor),
    "trials": ("trial", Trial),
}
KINDS: dict[str, str] = {
    "mechanisms": "mechanism", "therapies": "therapy", "drugs": "drug", "tumors": "tumor", "trials": "trial",
    "parameters": "parameter", "cells": "cell", "mediators": "mediator",
}  # fmt: skip

_GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "κ": "kappa", "ζ": "zeta", "ω": "omega"})
R = TypeVar("R", bound=Record)


def fold(name: str) -> str:
    """Reduce a name to what matters in look-up: lower case, letters and digits only, Greek letters spelled out."""
    return re.sub(r"[^a-z0-9]+", "", name.lower().translate(_GREEK))


def names_of(record: Record) -> tuple[str, ...]:
    """All names under which a record may be asked for: id, name, aliases, synonyms, OncoTree codes."""
    found = [str(getattr(record, "id", ""))]
    if getattr(record, "name", None):
        found.append(record.name)  # type: ignore[attr-defined]
    for attribute in ("aliases", "synonyms", "oncotree"):
        found.extend(getattr(record, attribute, ()))
    return tuple(name for name in found if name)


def _spellings(records: Iterable[Record]) -> list[str]:
    """Names worth suggesting: ids, and other names only where they are not the id in other letters."""
    spellings: dict[str, str] = {}
    every = [names_of(record) for record in records]
    for names in (*(n[:1] for n in every), *(n[1:] for n in every)):
        for name in names:
            spellings.setdefault(fold(name), name)
    return list(spellings.values())


@dataclass(frozen=True, eq=False, repr=False)
class Knowledge:
    """The catalogue: everything the program knows before it has seen a patient.

    Attributes:
        mechanisms, therapies, drugs, parameters, cells, mediators, tumors, trials: id to record, in reading order.
        cycle: step 1-7 of the cancer-immunity cycle to its record.
        references: bibliography key to its fields.
        digest: first 16 hexadecimal digits of the SHA-256 over all file names and contents.
        origin: ``kind/id`` to the file it was read from.
        genes: approved symbols and aliases, read on first use.
    """

    mechanisms: Mapping[str, Mechanism]
    therapies: Mapping[str, Therapy]
    drugs: Mapping[str, Drug]
    parameters: Mapping[str, Parameter]
    cells: Mapping[str, Cell]
    mediators: Mapping[str, Mediator]
    tumors: Mapping[str, Tumor]
    trials: Mapping[str, Trial]
    cycle: Mapping[int, CycleStep]
    references: Mapping[str, Mapping[str, str]]
    digest: str
    origin: Mapping[str, str] = field(default_factory=dict, repr=False)
    genes: GeneTable = field(default_factory=GeneTable)

    def __repr__(self) -> str:
        return f"Knowledge({len(self.mechanisms)} mechanisms, {len(self.drugs)} drugs, digest {self.digest})"

    @property
    def causes(self) -> dict[str, Mechanism]:
        """The mechanisms that carry effects on the model."""
        return {i: m for i, m in self.mechanisms.items() if m.kind == "cause"}

    def table(self, kind: str) -> Mapping[str, Record]:
        """The records of a kind, named in the singular or plural (``mechanism`` or ``mechanisms``)."""
        plural = kind if kind in KINDS else next((p for p, s in KINDS.items() if s == kind), None)
        if plural is None:
            raise InputError("unknown kind of record", value=kind, valid=", ".join(KINDS.values()))
        return getattr(self, plural)

    @cached_property
    def _index(self) -> dict[str, dict[str, list[str]]]:
        """Folded name to the ids that carry it, for each plural kind; the id itself comes first."""
        index: dict[str, dict[str, list[str]]] = {}
        for plural in KINDS:
            table = index.setdefault(plural, {})
            for identifier, record in getattr(self, plural).items():
                for name in names_of(record):
                    owners = table.setdefault(fold(name), [])
                    if identifier not in owners:
                        owners.append(identifier)
        return index

    def _find(self, plural: str, name: str) -> Any:
        records: Mapping[str, Record] = getattr(self, plural)
        if name in records:
            return records[name]
        owners = self._index[plural].get(fold(name), [])
        if fold(name) and len(owners) == 1:
            return records[owners[0]]
        exact = [i for i in owners if fold(i) == fold(name)]
        if len(exact) == 1:
            return records[exact[0]]
        if owners:
            raise InputError(
                f"more than one {KINDS[plural]} goes by this name",
                field=KINDS[plural],
                value=name,
                valid=", ".join(owners),
            )
        close = near_misses(name, _spellings(records.values()))
        valid = close if close.startswith("did you mean") or len(records) > 20 else ", ".join(records)
        raise InputError(f"unknown {KINDS[plural]}", field=KINDS[plural], value=name, valid=valid)

    def mechanism(self, name: str) -> Mechanism:
        """Find a mechanism by id, name or alias; unknown names raise `InputError` with near misses."""
        return self._find("mechanisms", name)

    def therapy(self, name: str) -> Therapy:
        """Find a therapy by id, name or alias."""
        return self._find("therapies", name)

    def drug(self, name: str) -> Drug:
        """Find a drug by id, name or alias."""
        return self._find("drugs", name)

    def tumor(self, name: str) -> Tumor:
        """Find a tumor type by id, name, synonym or OncoTree code (``clear-cell renal carcinoma``, ``RCC``)."""
        return self._find("tumors", name)

    def trial(self, name: str) -> Trial:
        """Find a trial by id or name."""
        return self._find("trials", name)

    def parameter(self, name: str) -> Parameter:
        """Find a model parameter by id."""
        return self._find("parameters", name)

    def resolve(self, name: str) -> tuple[str, Record]:
        """Find anything by id or alias: returns its kind (``mechanism``, ``drug``, ...) and its record.

        Ids win over aliases, and mechanisms over therapies over drugs and so on, so ``ido`` is the mechanism.

        Raises:
            InputError: nothing goes by this name; the message lists near misses.
        """
        for plural, kind in KINDS.items():
            if name in getattr(self, plural):
                return kind, getattr(self, plural)[name]
        folded = fold(name)
        for by_id in (True, False):
            for plural, kind in KINDS.items():
                owners = self._index[plural].get(folded, []) if folded else []
                owners = [i for i in owners if not by_id or fold(i) == folded]
                if len(owners) == 1:
                    return kind, getattr(self, plural)[owners[0]]
        known = _spellings(record for plural in KINDS for record in getattr(self, plural).values())
        close = near_misses(name, known)
        if not close.startswith("did you mean"):
            holding = [other for other in known if len(folded) > 2 and folded in fold(other)]
            kinds = ", ".join(KINDS.values())
            close = f"did you mean {', '.join(holding[:8])}?" if holding else f"an id or alias of a {kinds}"
        raise InputError("nothing in the catalogue goes by this name", field="name", value=name, valid=close)

    def citation(self, key: str) -> str:
        """Format the reference behind a bibliography key for a reader; an unknown key is returned as it is."""
        from tumornexus.knowledge.bibtex import short_citation

        return short_citation(dict(self.references[key])) if key in self.references else key


def _form_error(error: ValidationError, file: str, record: str) -> list[KnowledgeFormError]:
    """Turn pydantic's complaints about one record into errors naming file, record, field, value and what is valid."""
    problems = []
    for item in error.errors(include_url=False):
        path = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in item["loc"]).lstrip(".")
        message = item["msg"].removeprefix("Value error, ")
        value = item.get("input")
        valid = None
        if item["type"] == "missing":
            message, value = "field is missing", None
        elif item["type"] == "extra_forbidden":
            message = "unknown field"
        elif item["type"] == "literal_error":
            message, valid = "not one of the allowed words", str(item.get("ctx", {}).get("expected", ""))
        elif item["type"] == "string_pattern_mismatch":
            message, valid = "malformed id", "lower-case letters, digits and underscores, starting with a letter"
        elif isinstance(value, dict):
            value = None  # a whole sub-record says less than the message
        problems.append(
            KnowledgeFormError(
                f"record '{record}': {message}", file=file, field=path or None, value=value, valid=valid or None
            )
        )
    return problems


def _parse_toml(content: bytes, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise KnowledgeFormError("not UTF-8 text", file=file, field=f"byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise KnowledgeFormError(f"not valid TOML: {error}", file=file) from None


class _Reader:
    """Collects records and problems over one or two folders."""

    def __init__(self) -> None:
        self.records: dict[str, dict[Any, Record]] = {kind: {} for kind in (*FOLDERS, *LISTS)}
        self.references: dict[str, dict[str, str]] = {}
        self.origin: dict[str, str] = {}
        self.problems: list[KnowledgeFormError] = []
        self.hash = hashlib.sha256()
        self.genes: Path | None = None

    def add(self, kind: str, cls: type[Record], raw: dict[str, Any], file: str, stem: str | None = None) -> None:
        key_field = "step" if kind == "cycle" else "id"
        label = str(raw.get(key_field, stem or "?"))
        try:
            record = cls.model_validate(raw)
        except ValidationError as error:
            self.problems.extend(_form_error(error, file, label))
            return
        key = getattr(record, key_field)
        if stem is not None and key != stem:
            self.problems.append(
                KnowledgeFormError("the id must equal the file's stem", file=file, field="id", value=key, valid=stem)
            )
            return
        if key in self.records[kind]:
            self.problems.append(
                KnowledgeFormError(
                    f"record '{key}' is defined twice",
                    file=file,
                    field=key_field,
                    value=key,
                    valid=f"a name other than that of the record in {self.origin[f'{kind}/{key}']}",
                )
            )
            return
        self.records[kind][key] = record
        self.origin[f"{kind}/{key}"] = file

    def read(self, folder: Path, label: str) -> None:
        files = sorted(p for p in folder.rglob("*") if p.suffix in {".toml", ".bib", ".tsv"} and p.is_file())
        for path in files:
            name = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            self.hash.update(f"{label}{name}\0{len(content)}\0".encode())
            self.hash.update(content)
            try:
                self.dispatch(path, name, content, label + name)
            except KnowledgeFormError as error:
                self.problems.append(error)

    def dispatch(self, path: Path, name: str, content: bytes, shown: str) -> None:
        parent = name.rpartition("/")[0]
        if path.suffix == ".bib":
            for key, reference in read_bibtex(content.decode("utf-8"), shown).items():
                known = self.references.get(key)
                same = known is not None and any(
                    known.get(f) and known.get(f, "").lower() == reference.get(f, "").lower() for f in ("doi", "title")
                )
                if known is not None and not same:
                    self.problems.append(
                        KnowledgeFormError(
                            "bibliography key names two different works",
                            file=shown,
                            field=key,
                            value=reference.get("title"),
                            valid=f"'{known.get('title')}'",
                        )
                    )
                else:
                    self.references[key] = {**reference, **(known or {})}
        elif name == "genes.tsv":
            self.genes = path
        elif path.suffix == ".toml" and parent in FOLDERS:
            self.add(parent, FOLDERS[parent], _parse_toml(content, shown), shown, path.stem)
        elif path.suffix == ".toml" and not parent and path.stem in LISTS:
            table, cls = LISTS[path.stem]
            raw = _parse_toml(content, shown)
            unknown = [key for key in raw if key != table]
            if unknown or not isinstance(raw.get(table, []), list):
                raise KnowledgeFormError(
                    "unexpected table", file=shown, field=(unknown or [table])[0], valid=f"[[{table}]] only"
                )
            for entry in raw.get(table, []):
                self.add(path.stem, cls, entry, shown)
        elif path.suffix == ".toml" and not parent:
            valid = ", ".join([f"{k}/<id>.toml" for k in FOLDERS] + [f"{k}.toml" for k in LISTS])
            raise KnowledgeFormError("no kind of record goes by this file name", file=shown, valid=valid)
        # Other tables (second readings, derived values) travel with the digest but are read by whoever owns them.

    def knowledge(self) -> Knowledge:
        # Plain dictionaries rather than read-only proxies: a Knowledge travels to workers by pickle, proxies cannot.
        return Knowledge(
            **self.records,  # type: ignore[arg-type]
            references=self.references,
            digest=self.hash.hexdigest()[:16],
            origin=self.origin,
            genes=GeneTable(self.genes),
        )


def _read(folder: Path, extra: Path | None) -> tuple[Knowledge, list[KnowledgeFormError]]:
    reader = _Reader()
    for place, label, field_name in ((folder, "", "knowledge"), (extra, "extra/", "extra")):
        if place is None:
            continue
        if not place.is_dir():
            raise InputError("no such folder of knowledge records", file=place, field=field_name,
                             valid="a folder with mechanisms/, therapies/, drugs/ or the list files")  # fmt: skip
        reader.read(place, label)
    return reader.knowledge(), reader.problems


def form_problems(folder: Path | None = None, extra: Path | None = None) -> list[KnowledgeFormError]:
    """Return every form problem of a knowledge folder instead of raising the first (used by ``tumornexus check``)."""
    return _read(Path(folder) if folder else DATA, Path(extra) if extra else None)[1]


@lru_cache(maxsize=4)
def _load(folder: Path, extra: Path | None) -> Knowledge:
    knowledge, problems = _read(folder, extra)
    if problems:
        first = problems[0]
        more = f" ({len(problems) - 1} further problems; `tumornexus check` lists them all)" if problems[1:] else ""
        raise KnowledgeFormError(first.problem + more, file=first.file, field=first.field, value=first.value,
                                 valid=first.valid)  # fmt: skip
    return knowledge


def load_knowledge(folder: Path | None = None, extra: Path | None = None) -> Knowledge:
    """Read the catalogue that ships with the program, or another folder of the same layout.

    Args:
        folder: knowledge folder; None for the shipped one. Results are remembered for the process.
        extra: folder of further records, added to it; an id that exists already is refused.

    Raises:
        KnowledgeFormError: a record lacks a field, has an unknown one or a wrong type; the message names
            file, record, field and value.
        InputError: a folder does not exist.
    """
    return _load(Path(folder).resolve() if folder else DATA, Path(extra).resolve() if extra else None)


def every_source(record: Record) -> Iterable[tuple[str, str]]:
    """Yield (path of the field, bibliography key) for every source named anywhere in a record."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        if name in ("source", "cost_source"):
            yield from ((name, key) for key in value or ())
        elif isinstance(value, Record):
            yield from ((f"{name}.{path}", key) for path, key in every_source(value))
        elif isinstance(value, tuple):
            for i, item in enumerate(value, start=1):
                if isinstance(item, Record):
                    yield from ((f"{name}[{i}].{path}", key) for path, key in every_source(item))
