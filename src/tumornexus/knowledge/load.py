"""Reading the catalogue: TOML, BibTeX and the gene table into one immutable `Knowledge`.

Layout of a folder: ``mechanisms/<id>.toml``, ``therapies/<id>.toml`` and ``drugs/<id>.toml`` hold one record each (the
file's stem is the id); ``parameters.toml``, ``cells.toml``, ``mediators.toml``, ``cycle.toml``, ``tumors.toml``,
``diseases.toml``, ``trials.toml`` and ``identifiers.toml`` hold lists (``[[parameter]]`` and so on); every ``*.bib``
holds references; ``genes.tsv`` the symbols, ``hgnc.tsv`` their numbers, ``cell_names.tsv`` names of cells in images.
A folder of further records (``--knowledge DIR``) has the same layout; whatever it lacks is simply not added. What it
says of a record that is there already is joined to that record: a mechanism's `reversed_by` makes the therapy reverse
it, a drug's `therapy` makes it an agent, a mechanism's `prevalence` becomes that of the tumor types.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from tumornexus.errors import InputError, KnowledgeFormError, KnowledgeMeaningError, near_misses
from tumornexus.knowledge.bibtex import line_of_key, read_bibtex
from tumornexus.knowledge.cell_names import CellNames, read_cell_names
from tumornexus.knowledge.genes import GeneTable
from tumornexus.knowledge.lines import Step, entry_of, line_of_field, line_of_path
from tumornexus.knowledge.records import (
    Cell,
    CycleStep,
    Disease,
    Drug,
    Identifiers,
    Mechanism,
    Mediator,
    Parameter,
    Prevalence,
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
    "diseases": ("disease", Disease),
    "trials": ("trial", Trial),
    "identifiers": ("identifier", Identifiers),
}
KINDS: dict[str, str] = {
    "mechanisms": "mechanism", "therapies": "therapy", "drugs": "drug", "tumors": "tumor", "trials": "trial",
    "parameters": "parameter", "cells": "cell", "mediators": "mediator", "diseases": "disease",
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
        diseases: those that have a name here but no numbers, so that asking for one is answered rather than guessed at.
        cycle: step 1-7 of the cancer-immunity cycle to its record.
        references: bibliography key to its fields.
        digest: first 16 hexadecimal digits of the SHA-256 over all file names and contents.
        identifiers: ``kind/id`` to the terms of other vocabularies for that record.
        origin: ``kind/id`` to the file it was read from, as messages name it.
        genes: approved symbols and aliases, read on first use.
        cell_names: names of cells in imaging tables, and the kinds of the model that they stand for.
        files: name of a file in messages to where it lies.
        added: ``kind/id`` of every record that a folder of further records added; `added_files` its files.
    """

    mechanisms: Mapping[str, Mechanism]
    therapies: Mapping[str, Therapy]
    drugs: Mapping[str, Drug]
    parameters: Mapping[str, Parameter]
    cells: Mapping[str, Cell]
    mediators: Mapping[str, Mediator]
    tumors: Mapping[str, Tumor]
    diseases: Mapping[str, Disease]
    trials: Mapping[str, Trial]
    cycle: Mapping[int, CycleStep]
    references: Mapping[str, Mapping[str, str]]
    digest: str
    identifiers: Mapping[str, Identifiers] = field(default_factory=dict, repr=False)
    origin: Mapping[str, str] = field(default_factory=dict, repr=False)
    genes: GeneTable = field(default_factory=GeneTable)
    cell_names: CellNames = field(default_factory=CellNames, repr=False)
    files: Mapping[str, Path] = field(default_factory=dict, repr=False)
    added: tuple[str, ...] = ()
    added_files: tuple[str, ...] = ()

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
        # Diseases without numbers are suggested too, lest a slip in one name leads to another disease.
        named = [*records.values(), *(self.diseases.values() if plural == "tumors" else ())]
        close = near_misses(name, _spellings(named))
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
        """Find a tumor type by id, name, synonym or OncoTree code (``clear-cell renal carcinoma``, ``RCC``).

        Raises:
            InputError: the name is unknown (near misses are listed), or it is that of a disease which the catalogue
                does not cover (the message says why, and what is covered).
        """
        if name not in self.tumors and fold(name) not in self._index["tumors"]:
            owners = self._index["diseases"].get(fold(name), [])
            if owners:
                disease = self.diseases[owners[0]]
                meant = f" (nearest: {', '.join(disease.nearest)})" if disease.nearest else ""
                raise InputError(
                    f"{disease.name} is not covered: {disease.reason}",
                    field="tumor",
                    value=name,
                    valid=", ".join(self.tumors) + meant,
                )
        return self._find("tumors", name)

    def with_parts(self, therapy: str) -> tuple[Therapy, ...]:
        """A therapy followed by all that it is composed of, each once; unknown parts are left out."""
        found: dict[str, Therapy] = {}
        todo = [therapy]
        while todo:
            name = todo.pop(0)
            if name in self.therapies and name not in found:
                found[name] = self.therapies[name]
                todo += self.therapies[name].composed_of
        return tuple(found.values())

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
        raise nothing_named(name, self.spellings(), KINDS.values())

    def named(self, kind: str, name: str) -> str | None:
        """Return the id of the one record of a kind that goes by a name, None where none or several do."""
        plural = next(p for p, s in KINDS.items() if s == kind)
        if name in getattr(self, plural):
            return name
        owners = self._index[plural].get(fold(name), []) if fold(name) else []
        exact = [i for i in owners if fold(i) == fold(name)]
        return owners[0] if len(owners) == 1 else exact[0] if len(exact) == 1 else None

    def spellings(self) -> list[str]:
        """Return every name worth suggesting: ids, and other names that are not the id in other letters."""
        return _spellings(record for plural in KINDS for record in getattr(self, plural).values())

    def citation(self, key: str) -> str:
        """Format the reference behind a bibliography key for a reader; an unknown key is returned as it is."""
        from tumornexus.knowledge.bibtex import short_citation

        return short_citation(dict(self.references[key])) if key in self.references else key


def nothing_named(name: str, known: Iterable[str], kinds: Iterable[str]) -> InputError:
    """Return the error for a name that nothing goes by, with names that are near or that hold it."""
    known, folded = list(known), fold(name)
    close = near_misses(name, known)
    if not close.startswith("did you mean"):
        holding = [other for other in known if len(folded) > 2 and folded in fold(other)]
        close = f"did you mean {', '.join(holding[:8])}?" if holding else f"an id or alias of a {', '.join(kinds)}"
    return InputError("nothing in the catalogue goes by this name", field="name", value=name, valid=close)


PLACEHOLDER = re.compile(r"<[^<>]+>")
"""What the scaffold writes where a person has to: ``<one sentence>``."""
UNFILLED = "still to be filled in"


def _fields_at(cls: type[Record], path: Iterable[Step]) -> list[str]:
    """Return the fields that a record, or the part of it that `path` leads to, can have."""
    for step in path:
        found = cls.model_fields.get(step) if isinstance(step, str) else None
        inner = _types(found.annotation) if found else []
        cls = next((t for t in inner if isinstance(t, type) and issubclass(t, Record)), cls)
    return list(cls.model_fields)


def _types(annotation: Any) -> list[Any]:
    """Return the types that an annotation is made of, such as `Effect` for ``tuple[Effect, ...]``."""
    return [annotation, *(t for part in get_args(annotation) for t in _types(part))]


def _form_error(
    cls: type[Record], error: ValidationError, file: str, record: str, text: str, root: tuple[Step, ...]
) -> list[KnowledgeFormError]:
    """Turn pydantic's complaints about one record into errors naming file, line, field, value and what is valid."""
    problems = []
    # A misspelt key is also a missing one; the spelling is what has to be mended.
    items = sorted(error.errors(include_url=False), key=lambda item: item["type"] == "missing")
    deeper = {item["loc"][:-1] for item in items}
    for item in items:
        if item["type"] == "too_short" and item["loc"] in deeper:
            continue  # its entries were refused one by one
        path = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in item["loc"]).lstrip(".")
        message = item["msg"].removeprefix("Value error, ")
        value = item.get("input")
        valid = None
        if item["type"] == "missing":
            message, value = "field is missing", None
        elif item["type"] == "extra_forbidden":
            message, valid = "unknown field", near_misses(str(item["loc"][-1]), _fields_at(cls, item["loc"][:-1]))
            value = None
        elif isinstance(value, str) and PLACEHOLDER.fullmatch(value):
            message = UNFILLED
        elif item["type"] == "literal_error":
            message, valid = "not one of the allowed words", str(item.get("ctx", {}).get("expected", ""))
        elif item["type"] == "string_pattern_mismatch":
            message, valid = "malformed id", "lower-case letters, digits and underscores, starting with a letter"
        elif isinstance(value, dict):
            value = None  # a whole sub-record says less than the message
        problems.append(
            KnowledgeFormError(
                f"record '{record}': {message}", file=file, line=line_of_path(text, (*root, *item["loc"])),
                field=path or None, value=value, valid=valid or None,
            )
        )  # fmt: skip
    return problems


def _text(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise KnowledgeFormError("not UTF-8 text", file=file, line=line, field=f"byte {error.start}") from None


def _parse_toml(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        line = int(found[1]) if found and found[1] else len(text.splitlines()) or 1
        problem = str(error)[: found.start()] if found else str(error)
        raise KnowledgeFormError(f"not valid TOML: {problem}", file=file, line=line) from None


class _Reader:
    """Collects records and problems over one or two folders."""

    def __init__(self) -> None:
        self.records: dict[str, dict[Any, Any]] = {kind: {} for kind in (*FOLDERS, *LISTS)}
        self.references: dict[str, dict[str, str]] = {}
        self.origin: dict[str, str] = {}
        self.files: dict[str, Path] = {}
        self.added: list[str] = []
        self.added_files: list[str] = []
        self.problems: list[KnowledgeFormError] = []
        self.hash = hashlib.sha256()
        self.genes: Path | None = None
        self.hgnc: Path | None = None
        self.cell_names = CellNames()

    def add(
        self, kind: str, cls: type[Record], raw: dict[str, Any], file: str, text: str, root: tuple[Step, ...] = (),
        stem: str | None = None,
    ) -> None:  # fmt: skip
        key_field = "step" if kind == "cycle" else "id"
        label = str(raw.get(key_field, stem or "?"))
        try:
            record = cls.model_validate(raw)
        except ValidationError as error:
            self.problems.extend(_form_error(cls, error, file, label, text, root))
            return
        key = getattr(record, key_field)
        line = line_of_path(text, (*root, key_field)) if stem not in (None, key) or key in self.records[kind] else None
        if stem is not None and key != stem:
            self.problems.append(
                KnowledgeFormError(
                    "the id must equal the file's stem", file=file, line=line, field="id", value=key, valid=stem
                )
            )
            return
        if key in self.records[kind]:
            self.problems.append(
                KnowledgeFormError(
                    f"record '{key}' is defined twice",
                    file=file,
                    line=line,
                    field=key_field,
                    value=key,
                    valid=f"a name other than that of the record in {self.origin[f'{kind}/{key}']}",
                )
            )
            return
        self.records[kind][key] = record
        self.origin[f"{kind}/{key}"] = file

    def read(self, folder: Path, *, extra: bool) -> None:
        """Read a folder. The digest knows a further folder by the word ``extra``, so that it is the same anywhere."""
        files = sorted(p for p in folder.rglob("*") if p.suffix in {".toml", ".bib", ".tsv"} and p.is_file())
        if extra and not files:
            raise InputError("no record in this folder of further records", file=_shown(folder), field="knowledge",
                             valid="mechanisms/<id>.toml and *.bib (`tumornexus new mechanism ID`)")  # fmt: skip
        before = set(self.origin), set(self.files)
        for path in files:
            name = path.relative_to(folder).as_posix()
            shown = f"{_shown(folder)}/{name}" if extra else name
            self.files[shown] = path
            try:
                content = path.read_bytes()
            except OSError as error:
                self.problems.append(KnowledgeFormError(f"cannot be read: {error.strerror}", file=shown))
                continue
            self.hash.update(f"{'extra/' if extra else ''}{name}\0{len(content)}\0".encode())
            self.hash.update(content)
            try:
                self.dispatch(path, name, content, shown, extra)
            except KnowledgeFormError as error:
                self.problems.append(error)
        if extra:
            self.added = [key for key in self.origin if key not in before[0] and not key.startswith("references/")]
            self.added_files = [file for file in self.files if file not in before[1]]

    def dispatch(self, path: Path, name: str, content: bytes, shown: str, extra: bool) -> None:
        parent = name.rpartition("/")[0]
        if path.suffix == ".bib":
            self.bibliography(_text(content, shown), shown)
        elif name in ("genes.tsv", "hgnc.tsv"):
            if extra:
                raise KnowledgeFormError("the table of gene symbols comes with the program", file=shown,
                                         valid=f"no {name} here")  # fmt: skip
            self.genes, self.hgnc = (path, self.hgnc) if name == "genes.tsv" else (self.genes, path)
        elif name == "cell_names.tsv":
            self.cell_names = read_cell_names(_text(content, shown), shown, self.cell_names)
        elif path.suffix == ".toml" and parent in FOLDERS:
            text = _text(content, shown)
            self.add(parent, FOLDERS[parent], _parse_toml(text, shown), shown, text, stem=path.stem)
        elif path.suffix == ".toml" and not parent and path.stem in LISTS:
            table, cls = LISTS[path.stem]
            text = _text(content, shown)
            raw = _parse_toml(text, shown)
            unknown = [key for key in raw if key != table]
            entries = raw.get(table, [])
            if unknown or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                name = (unknown or [table])[0]
                raise KnowledgeFormError(
                    "unexpected table", file=shown, line=line_of_path(text, (name,)), field=name,
                    valid=f"[[{table}]] only",
                )  # fmt: skip
            for i, entry in enumerate(entries):
                self.add(path.stem, cls, entry, shown, text, (table, i))
        elif path.suffix == ".toml" and (extra or not parent):
            valid = ", ".join([f"{k}/<id>.toml" for k in FOLDERS] + [f"{k}.toml" for k in LISTS])
            raise KnowledgeFormError("no kind of record goes by this file name", file=shown, valid=valid)
        # Other tables (second readings, derived values) travel with the digest but are read by whoever owns them.

    def bibliography(self, text: str, shown: str) -> None:
        """Add the references of one file; a key that stands for two different works is a problem."""
        for key, reference in read_bibtex(text, shown).items():
            known = self.references.get(key)
            same = known is not None and any(
                known.get(f) and known.get(f, "").lower() == reference.get(f, "").lower() for f in ("doi", "title")
            )
            if known is not None and not same:
                self.problems.append(
                    KnowledgeFormError(
                        "bibliography key names two different works",
                        file=shown,
                        line=line_of_key(text, key),
                        field=key,
                        value=reference.get("title"),
                        valid=f"another key, or the work '{known.get('title')}' of {self.origin[f'references/{key}']}",
                    )
                )
            else:
                self.references[key] = {**reference, **(known or {})}
                self.origin.setdefault(f"references/{key}", shown)

    def connect(self) -> None:
        """Tell the other side of what a record says: prevalences to tumor types, additions to their therapies."""
        tumors, therapies = self.records["tumors"], self.records["therapies"]
        for m in self.records["mechanisms"].values():
            stated = {p.tumor: p for p in m.prevalence}
            for identifier, tumor in tumors.items():
                known = any(p.mechanism == m.id for p in tumor.prevalence)
                here = stated.get(identifier, None if known else stated.get("any"))
                if here is not None:
                    named = {f: getattr(here, f) for f in ("value", "low", "high", "source", "assumed", "note")}
                    entry = Prevalence(mechanism=m.id, **named)
                    tumors[identifier] = tumor.model_copy(update={"prevalence": (*tumor.prevalence, entry)})
        for plural, here, there in (("mechanisms", "reversed_by", "reverses"), ("drugs", "therapy", "agents")):
            for key in self.added:
                kind, _, identifier = key.partition("/")
                for therapy in getattr(self.records[plural][identifier], here) if kind == plural else ():
                    other = therapies.get(therapy)
                    if other is not None and identifier not in getattr(other, there):
                        joined = (*getattr(other, there), identifier)
                        therapies[therapy] = other.model_copy(update={there: joined})

    def knowledge(self) -> Knowledge:
        self.connect()
        # Plain dictionaries rather than read-only proxies: a Knowledge travels to workers by pickle, proxies cannot.
        return Knowledge(
            **self.records,
            references=self.references,
            digest=self.hash.hexdigest()[:16],
            origin=self.origin,
            genes=GeneTable(self.genes, self.hgnc),
            cell_names=self.cell_names,
            files=self.files,
            added=tuple(self.added),
            added_files=tuple(self.added_files),
        )


def line_in(knowledge: Knowledge, file: str, plural: str, record: str, field: str, value: object = None) -> int | None:
    """Return the line of a field of a record in its file, None where the file cannot say."""
    path = knowledge.files.get(file)
    if path is None or not path.is_file():
        return None
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if path.suffix == ".bib":
        return line_of_key(text, record)
    if plural not in LISTS:
        return line_of_field(text, field, value)
    root = entry_of(text, LISTS[plural][0], "step" if plural == "cycle" else "id", record)
    return line_of_field(text, field, value, root=root) if root else None


def _shown(place: Path) -> str:
    """Return how messages name a folder: as seen from the current one where it lies below it."""
    try:
        return place.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return place.as_posix()


def _read(folder: Path, extra: Path | None) -> tuple[Knowledge, list[KnowledgeFormError]]:
    reader = _Reader()
    for place in (folder, extra):
        if place is None:
            continue
        if not place.is_dir():
            raise InputError("no such folder of knowledge records", file=_shown(place), field="knowledge",
                             valid="a folder with mechanisms/, therapies/, drugs/ or the list files")  # fmt: skip
        reader.read(place, extra=place is extra)
    return reader.knowledge(), reader.problems


def read_all(folder: Path, extra: Path | None = None) -> tuple[Knowledge, list[KnowledgeFormError]]:
    """Return what can be read of a catalogue and of a folder of further records, and every problem of form."""
    return _read(Path(folder).resolve(), Path(extra).resolve() if extra else None)


def form_problems(folder: Path | None = None, extra: Path | None = None) -> list[KnowledgeFormError]:
    """Return every form problem of a knowledge folder instead of raising the first (used by ``tumornexus check``)."""
    return read_all(folder or DATA, extra)[1]


@lru_cache(maxsize=4)
def _load(folder: Path, extra: Path | None) -> Knowledge:
    knowledge, problems = _read(folder, extra)
    if problems:
        raise _first(problems)
    if extra is not None:
        _require_meaning(knowledge)
    return knowledge


def _first(problems: list[KnowledgeFormError]) -> KnowledgeFormError:
    """Return the first problem, with a word on how many there are."""
    first = problems[0]
    more = _further(len(problems) - 1)
    return KnowledgeFormError(
        first.problem + more, file=first.file, line=first.line, field=first.field, value=first.value, valid=first.valid
    )


def _further(number: int) -> str:
    if not number:
        return ""
    return f" ({number} further problem{'s' if number > 1 else ''}; `tumornexus check` lists them all)"


def _require_meaning(knowledge: Knowledge) -> None:
    """Require that records which a user added make sense beside the others; the program's own are tested elsewhere."""
    from tumornexus.knowledge.check import check_meaning
    from tumornexus.knowledge.model_names import observables, parameters_read

    findings = check_meaning(
        knowledge, read_by_model=parameters_read(set(knowledge.parameters)), observables=observables()
    )
    wrong = [f for f in findings if f.severity == "error" and f.file in knowledge.added_files]
    if wrong:
        first = wrong[0]
        message, _, hint = first.message.partition("; did you mean ")
        more = _further(len(wrong) - 1)
        raise KnowledgeMeaningError(
            f"record '{first.record}': {message}{more}", file=first.file, line=first.line, field=first.field,
            value=first.value, valid=f"did you mean {hint}" if hint else None,
        )  # fmt: skip


def load_knowledge(folder: Path | None = None, extra: Path | None = None) -> Knowledge:
    """Read the catalogue that ships with the program, or another folder of the same layout.

    Args:
        folder: knowledge folder; None for the shipped one. Results are remembered for the process.
        extra: folder of further records (``--knowledge DIR``), added to it; an id that exists already is refused.

    Raises:
        KnowledgeFormError: a record lacks a field, has an unknown one or a wrong type; the message names
            file, line, record, field and value.
        KnowledgeMeaningError: a record of `extra` names something that does not exist or cannot be true.
        InputError: a folder does not exist, or `extra` holds no record.
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
