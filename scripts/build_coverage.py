"""Check what represents each of the 215 elements of the project's list, and write ``docs/coverage.md``.

    python scripts/build_coverage.py            writes the page and prints what is not yet covered
    python scripts/build_coverage.py --check    writes nothing; exit code 1 where the page is not what this gives

``docs/coverage.toml`` names, for each element, records, laws, states, numbers, observables and tests. Nothing in it is
believed: each item is looked up in the catalogue, the model, the collected tests and the outcome of the phenomena, and
an element counts only when it has a number with a source, something observable, and a test that switches it off.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumornexus.errors import InputError, near_misses
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.records import Mechanism

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "coverage.toml"
PAGE = ROOT / "docs" / "coverage.md"
AIM = 190  # elements that the project wants to represent
NUMBER, OBSERVABLE, TEST = "sourced number", "observable", "switch-off test"
DIRECTION = "tests/systemic/test_direction.py"
SWITCH_OFF = "tests/systemic/test_switch_off.py::test_what_is_switched_off_moves_its_observables"
BIOMARKER = "tests/profile/test_biomarkers.py::test_a_biomarker_speaks_and_is_silent_when_taken_away"
GRADES = ("exploratory", "supported", "established")
# Tables that the program writes, and the module that names their columns.
TABLES = {
    "summary": "profile/profile.py", "intervals": "profile/profile.py", "nodes": "design/nodes.py",
    "ranking": "design/ranking.py",
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- form


class Row(BaseModel):
    """Base of what the data file holds: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Element(Row):
    """One element of the list, and what is said to represent it."""

    name: str
    records: tuple[str, ...] = ()
    law: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    sourced: tuple[str, ...] = ()
    observable: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    gap: str | None = None
    note: str | None = None


class Switch(Row):
    """One thing switched off in the model, and what must move: a case of the tests in ``test_switch_off.py``."""

    what: str
    tumor: str = ""
    drugs: tuple[str, ...] = ()
    drugs_off: tuple[str, ...] | None = None
    off: dict[str, float] = {}
    reverse: bool = False
    expect: dict[str, str] = Field(min_length=1)
    least: float = Field(default=0.05, gt=0.0)
    weeks: tuple[int, int] = (1, 8)

    @property
    def moved(self) -> set[str]:
        """Observables that must move, not those that must stay."""
        return {name for name, way in self.expect.items() if way != "="}


class Group(Row):
    """A part of the list."""

    title: str
    first: int
    last: int


class Data(Row):
    """The data file."""

    group: dict[str, Group]
    switch: dict[str, Switch]
    element: dict[int, Element]


def read(path: Path = DATA) -> Data:
    """Read and check the form of the data file; an error names the field.

    Raises:
        InputError: broken TOML, an unknown or missing field, a gap in the numbering, a switch that switches nothing.
    """
    try:
        data = Data.model_validate(tomllib.loads(path.read_text("utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", file=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(first["msg"], file=path, field=where, value=first.get("input")) from None
    numbers = sorted(data.element)
    if numbers != list(range(1, len(numbers) + 1)):
        raise InputError("elements must be numbered from 1 without a gap", file=path, field="element")
    for name, switch in data.switch.items():
        ways = (bool(switch.off), switch.reverse, switch.drugs_off is not None)
        if sum(ways) != 1:
            raise InputError(
                "needs exactly one way to switch off", file=path, field=f"switch.{name}", value=ways,
                valid="'off', 'reverse = true' or 'drugs_off'",
            )  # fmt: skip
        wrong = set(switch.expect.values()) - {"+", "-", "="}
        if wrong or not switch.moved:
            raise InputError(
                "must expect that something moves", file=path, field=f"switch.{name}.expect", value=switch.expect,
                valid="'+', '-' or '=', at least one of the first two",
            )  # fmt: skip
    return data


# --------------------------------------------------------------------------------------------------------- what exists


def observables() -> tuple[str, ...]:
    """Return the names that a simulation reports."""
    from tumornexus.systemic.dynamics import OBSERVABLES

    return OBSERVABLES


def states() -> frozenset[str]:
    """Return the leaves of the simulator's state."""
    from tumornexus.systemic.state import State

    return frozenset(State.__dataclass_fields__)


def shown_phenomena(page: Path = ROOT / "docs" / "phenomena.md") -> frozenset[int]:
    """Return the phenomena that the last run showed together with their control, as its outcome says."""
    found = re.search(r"## Outcome\s+Run of [^:]*?: (\d+) of \d+ shown\s*\(([\d,\s]+)\)", page.read_text("utf-8"))
    if not found:
        raise InputError("does not say which phenomena were shown", file=page, field="## Outcome")
    numbers = frozenset(int(n) for n in found[2].split(","))
    if len(numbers) != int(found[1]):
        raise InputError("number and list of shown phenomena disagree", file=page, field="## Outcome")
    return numbers


def collected(paths: Iterable[str]) -> frozenset[str]:
    """Return the ids of all tests that pytest collects from some files."""
    call = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *sorted(set(paths))]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTEST_ADDOPTS": ""})
    ids = frozenset(line for line in done.stdout.splitlines() if "::" in line and line.startswith("tests/"))
    if done.returncode:
        raise InputError(f"tests cannot be collected:\n{done.stdout[-2000:]}{done.stderr[-500:]}", field="test")
    return ids


# ------------------------------------------------------------------------------------------------------------- verdict


@dataclass(frozen=True)
class Verdict:
    """What the code found for one element."""

    number: int
    element: Element
    numbers: tuple[str, ...]  # items with a source
    unsourced: tuple[str, ...]  # numbers without one, and records that have none
    observables: tuple[str, ...]
    tests: tuple[str, ...]
    not_shown: tuple[str, ...]  # phenomena that the last run did not show
    grade: str
    missing: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether the element is represented by the strict rule."""
        return not self.missing and not self.element.gap


@dataclass
class Examiner:
    """Looks up every item of the data file; an item that does not exist is an error, one without a source is told."""

    data: Data
    knowledge: Knowledge
    observed: Collection[str]
    states: Collection[str]
    shown: Collection[int]
    nodes: Collection[str] | None = None  # collected test ids; None: collect them
    file: Path = DATA
    _where: str = field(default="", init=False)

    def verdicts(self) -> list[Verdict]:
        """Return one verdict for each element, in order."""
        self._check_switches()
        return [self._verdict(n, e) for n, e in sorted(self.data.element.items())]

    # -- errors -----------------------------------------------------------------------------------------------------

    def _known(self, kind: str, name: str, known: Collection[str]) -> str:
        if name not in known:
            raise InputError(f"unknown {kind}", file=self.file, field=self._where, value=name,
                             valid=near_misses(name, known))  # fmt: skip
        return name

    def _split(self, item: str, kinds: Collection[str], separator: str = ":") -> tuple[str, str]:
        kind, _, rest = item.partition(separator)
        if kind not in kinds or not rest:
            raise InputError("cannot be read", file=self.file, field=self._where, value=item,
                             valid=", ".join(f"{k}{separator}..." for k in kinds))  # fmt: skip
        return kind, rest

    # -- numbers ----------------------------------------------------------------------------------------------------

    def _statements(self, item: str) -> Sequence[Any]:
        """Return the sourced statements that an item of `sourced` names."""
        readers: dict[str, Callable[[str], Sequence[Any]]] = {
            "parameter": lambda i: [self.knowledge.parameters[self._known("parameter", i, self.knowledge.parameters)]],
            "effect": lambda i: self._part("mechanisms", i, "effect", "parameter"),
            "act": lambda i: self._part("therapies", i, "act", "parameter"),
            "biomarker": lambda i: self._part("mechanisms", i, "biomarker", "id"),
            "prevalence": lambda i: self._part("tumors", i, "prevalence", "mechanism"),
            "override": lambda i: self._part("tumors", i, "override", "parameter"),
            "drug": self._of_drug,
            "cost": self._cost,
            "conflict": self._conflicts,
            "trial": lambda i: [self.knowledge.trials[self._known("trial", i, self.knowledge.trials)]],
            "panel": self._panel,
        }
        kind, rest = self._split(item, readers)
        return readers[kind](rest)

    def _part(self, plural: str, item: str, part: str, key: str) -> Sequence[Any]:
        owner, _, name = item.partition(".")
        records: Mapping[str, Any] = getattr(self.knowledge, plural)
        parts = {getattr(x, key): x for x in getattr(records[self._known(plural, owner, records)], part)}
        return [parts[self._known(f"{part} of {owner}", name, parts)]]

    def _of_drug(self, item: str) -> Sequence[Any]:
        owner, _, name = item.partition(".")
        drug = self.knowledge.drugs[self._known("drug", owner, self.knowledge.drugs)]
        part = getattr(drug, self._known("part of a drug", name, ("pk", "affinity", "toxicity", "deposit")))
        if part is None:
            raise InputError(f"'{owner}' has no {name}", file=self.file, field=self._where, value=item)
        return [part]

    def _cost(self, owner: str) -> Sequence[Any]:
        drug = self.knowledge.drugs[self._known("drug", owner, self.knowledge.drugs)]
        return [SimpleNamespace(source=drug.cost_source, assumed=drug.cost_note)]

    def _conflicts(self, owner: str) -> Sequence[Any]:
        both: dict[str, Any] = {**self.knowledge.mechanisms, **self.knowledge.therapies}
        found = both[self._known("mechanism or therapy", owner, both)].claim_conflict
        if not found:
            raise InputError("states no conflict", file=self.file, field=self._where, value=owner)
        return found

    def _panel(self, name: str) -> Sequence[Any]:
        panels = tomllib.loads((ROOT / "src/tumornexus/profile/data/panels.toml").read_text("utf-8"))
        told = str(panels[self._known("panel", name, panels)].get("source", ""))
        assumed = told.startswith("assumed")
        return [SimpleNamespace(source=() if assumed else (told,), assumed=told if assumed else None)]

    def _record(self, item: str) -> bool:
        """Check that a record exists; return whether it has a sourced number of its own (or needs none)."""
        kinds = {"mechanism": "mechanisms", "therapy": "therapies", "drug": "drugs", "cell": "cells",
                 "mediator": "mediators", "tumor": "tumors", "trial": "trials", "cycle": "cycle"}  # fmt: skip
        kind, name = self._split(item, kinds)
        records: Mapping[Any, Any] = getattr(self.knowledge, kinds[kind])
        if kind == "cycle":
            return bool(records[int(self._known("step", name, [str(s) for s in records]))])
        record = records[self._known(kind, name, records)]
        if kind == "mechanism":
            return any(x.source for x in (*record.biomarker, *record.effect))
        if kind == "therapy":
            agents = [self.knowledge.drugs[d] for d in record.agents]
            return any(x.source for x in record.act) or any(self._has_numbers(d) for d in agents)
        return self._has_numbers(record) if kind == "drug" else True

    @staticmethod
    def _has_numbers(drug: Any) -> bool:
        return any(part is not None and part.source for part in (drug.pk, drug.affinity, drug.deposit))

    # -- observables ------------------------------------------------------------------------------------------------

    def _observable(self, item: str) -> str:
        kind, _, rest = item.partition(":")
        if not rest:
            return self._known("observable", item, self.observed)
        if kind == "activity":
            scored = [m.id for m in self.knowledge.mechanisms.values() if m.kind != "outcome" and m.biomarker]
            self._known("mechanism that the profile scores", rest, scored)
        elif kind == "field":
            record, _, name = rest.partition(".")
            self._known("record type", record, ("mechanism",))
            self._known("field of a mechanism", name, Mechanism.model_fields)
        elif kind == "column":
            table, _, name = rest.partition(".")
            text = (ROOT / "src/tumornexus" / TABLES[self._known("table", table, TABLES)]).read_text("utf-8")
            self._known(f"column of {table}.tsv", name, set(re.findall(r'"([a-z0-9_]+)"', text)))
        else:
            raise InputError("cannot be read", file=self.file, field=self._where, value=item,
                             valid="an observable, activity:..., column:... or field:...")  # fmt: skip
        return item

    # -- tests ------------------------------------------------------------------------------------------------------

    @cached_property
    def collected(self) -> Collection[str]:
        """Ids of the tests that the named files hold."""
        if self.nodes is not None:
            return self.nodes
        named = [t.partition("::")[0] for e in self.data.element.values() for t in e.test if "::" in t]
        return collected([DIRECTION, SWITCH_OFF.partition("::")[0], BIOMARKER.partition("::")[0], *named])

    def _test(self, item: str) -> tuple[bool, set[str] | None]:
        """Check that a test exists; return whether it holds, and what it watches (None: its own code says)."""
        if "::" in item:
            if not any(n == item or n.startswith(f"{item}[") for n in self.collected):
                self._known("test", item, self.collected)
            return True, None
        kind, rest = self._split(item, ("process", "response", "reversal", "switch", "biomarker", "phenomenon"))
        if kind == "phenomenon":
            from_table = {int(k) for k in re.findall(r"Phenomenon\(\s*(\d+),", self._phenomena_table)}
            self._known("phenomenon", rest, [str(n) for n in sorted(from_table)])
            return int(rest) in self.shown, None
        if kind == "switch":
            self._known("switch", rest, self.data.switch)
            self._known("test", f"{SWITCH_OFF}[{rest}]", self.collected)
            return True, self.data.switch[rest].moved
        if kind == "biomarker":
            self._known("test", f"{BIOMARKER}[{rest}]", self.collected)
            return True, {f"activity:{rest.partition('.')[0]}"}
        name, _, therapy = rest.partition("/")
        record = self.knowledge.mechanisms[self._known("mechanism", name, self.knowledge.mechanisms)]
        cause = bool(record.effect)
        function = {
            ("process", True): "test_raising_a_mechanism_moves_its_process_as_the_record_says",
            ("process", False): "test_a_state_or_outcome_follows_from_a_cause_that_claims_to_drive_it",
            ("response", True): "test_raising_a_mechanism_moves_the_response_as_published",
            ("response", False): "",
            ("reversal", True): "test_a_reversing_therapy_moves_the_process_back",
            ("reversal", False): "test_a_therapy_reverses_a_state_or_outcome_where_a_cause_has_raised_it",
        }[kind, cause]
        self._known("test", f"{DIRECTION}::{function}[{name}{'-' + therapy if therapy else ''}]", self.collected)
        return True, {"tumor_volume" if kind == "response" else record.process.observable}

    @cached_property
    def _phenomena_table(self) -> str:
        return (ROOT / "verification" / "phenomena_table.py").read_text("utf-8")

    def _check_switches(self) -> None:
        k = self.knowledge
        for name, switch in self.data.switch.items():
            self._where = f"switch.{name}"
            for observable in switch.expect:
                self._known("observable", observable, self.observed)
            for parameter in switch.off:
                self._known("parameter", parameter, k.parameters)
            for drug in (*switch.drugs, *(switch.drugs_off or ())):
                self._known("drug", drug, k.drugs)
            if switch.tumor and switch.tumor != "braf_v600":
                causes = [m.id for m in k.mechanisms.values() if m.effect]
                self._known("mechanism with effects", switch.tumor, causes)
        used = {t.partition(":")[2] for e in self.data.element.values() for t in e.test if t.startswith("switch:")}
        unused = sorted(set(self.data.switch) - used)
        if unused:
            raise InputError("no element names these switches", file=self.file, field="switch", value=unused)

    # -- one element ------------------------------------------------------------------------------------------------

    def _verdict(self, number: int, element: Element) -> Verdict:
        self._where = f"element.{number}.records"
        bare = tuple(r for r in element.records if not self._record(r))
        self._where = f"element.{number}.law"
        for law in element.law:
            self._law(law)
        self._where = f"element.{number}.state"
        for state in element.state:
            self._known("state", state, self.states)
        self._where = f"element.{number}.sourced"
        statements = {item: self._statements(item) for item in element.sourced}
        numbers = tuple(i for i, s in statements.items() if any(x.source for x in s))
        self._where = f"element.{number}.observable"
        seen = tuple(self._observable(o) for o in element.observable)
        self._where = f"element.{number}.test"
        results = {t: self._test(t) for t in element.test}
        holding = {t: watched for t, (holds, watched) in results.items() if holds}
        watched = [w for w in holding.values() if w is not None]
        if watched and len(watched) == len(results):  # all tests say what they watch
            unseen = set(seen) - set().union(*watched)
            if unseen:
                raise InputError("observables that none of its tests watches", file=self.file, field=self._where,
                                 value=sorted(unseen), valid=", ".join(sorted(set().union(*watched))))  # fmt: skip
        missing = [NUMBER] if not numbers or bare else []
        missing += [] if seen else [OBSERVABLE]
        missing += [] if any(w is None or w & set(seen) for w in holding.values()) else [TEST]
        # An element that is itself a phenomenon is not represented by its parts while the phenomenon is not shown.
        if f"phenomenon:{number}" in results and f"phenomenon:{number}" not in holding and TEST not in missing:
            missing.append(TEST)
        return Verdict(
            number, element, numbers, (*(i for i in statements if i not in numbers), *bare), seen, tuple(holding),
            tuple(t for t in results if t not in holding), self._grade(element, statements, numbers), tuple(missing),
        )  # fmt: skip

    def _law(self, item: str) -> None:
        module, _, name = item.partition(":")
        path = module if module.startswith("tumornexus.") else f"tumornexus.biology.{module}"
        try:
            found = importlib.import_module(path)
        except ModuleNotFoundError:
            raise InputError("no such module", file=self.file, field=self._where, value=item) from None
        self._known(f"function of {path}", name, [n for n in dir(found) if callable(getattr(found, n))])

    def _grade(self, element: Element, statements: Mapping[str, Sequence[Any]], numbers: Sequence[str]) -> str:
        """Return the weakest grade of the mechanisms named; without one what the origin of the numbers allows."""
        named = [r.partition(":")[2] for r in element.records if r.startswith("mechanism:")]
        if named:
            return min((self.knowledge.mechanisms[m].grade for m in named), key=GRADES.index)
        plain = any(x.source and not getattr(x, "assumed", None) for i in numbers for x in statements[i])
        return "supported" if plain else "exploratory"


# ---------------------------------------------------------------------------------------------------------------- page


def code(items: Iterable[str]) -> str:
    """Set items in code font, one after the other."""
    return ", ".join(f"`{i}`" for i in items)


def plain(text: str) -> str:
    """Escape what Markdown would read in a table cell."""
    return re.sub(r"([|<>*_\[\]])", r"\\\1", text)


def covered_row(v: Verdict, twins: Mapping[int, Sequence[int]]) -> str:
    """Return the table row of an element that counts."""
    e = v.element
    by = "<br>".join(code(x) for x in (e.records, e.law, [f"state {s}" for s in e.state]) if x)
    told = [plain(e.note)] if e.note else []
    if len([r for r in e.records if r.startswith("mechanism:")]) > 1:
        told.append("Several mechanisms share it.")
    if twins.get(v.number):
        told.append("Same tests as " + ", ".join(map(str, twins[v.number])) + ".")
    if v.unsourced:
        told.append(f"Without a source: {code(v.unsourced)}.")
    if v.not_shown:
        told.append(f"Not shown: {code(v.not_shown)}.")
    name = f"{plain(e.name)}{'<br>' + ' '.join(told) if told else ''}"
    return f"| {v.number} | {name} | {by} | {code(v.numbers)} | {code(v.observables)} | {code(v.tests)} | {v.grade} |"


def lacking(v: Verdict) -> str:
    """Say in words what an element that does not count lacks."""
    parts = []
    if v.missing:
        parts.append("no " + ", no ".join(v.missing))
    if NUMBER in v.missing and v.unsourced:
        parts.append(f"without a source: {code(v.unsourced)}")
    if v.not_shown:
        parts.append(f"not shown in the last run: {code(v.not_shown)}")
    if v.element.gap:
        parts.append(plain(v.element.gap))
    return "; ".join(parts)


def ease(v: Verdict) -> tuple[bool, int, int]:
    """Order of what is not yet there: one item to supply first, then parts of an element, then all of it."""
    return bool(v.element.gap), len(v.missing), v.number


def switch_row(name: str, s: Switch) -> str:
    """Return the table row of one switch."""
    if s.drugs_off is not None:
        how = f"{code(s.drugs)} against {code(s.drugs_off) or 'no drug'}"
    else:
        how = "parameters without it" if s.reverse else code(f"{k} = {v:g}" for k, v in s.off.items())
        how += f" under {code(s.drugs)}" if s.drugs else ""
    words = {"+": "up", "-": "down", "=": "unmoved"}
    moves = ", ".join(f"`{o}` {words[w]}" for o, w in s.expect.items())
    when = "at day 0" if s.weeks == (0, 0) else f"weeks {s.weeks[0]} to {s.weeks[1]}"
    tumor = f"`{s.tumor}`" if s.tumor else "bare"
    return f"| `{name}` | {plain(s.what)} | {tumor} | {how} | {moves} | {s.least:g}, {when} |"


INTRO = """# Coverage

<!-- written by scripts/build_coverage.py: edit docs/coverage.toml, not this page -->

**{counting} of {all}** elements of the list that the project set out to cover are represented; the aim is {aim}.
By grade: {grades}. An element counts only when it has all three of:

1. a **number with a source**: a parameter, an effect, an act of a therapy, a drug's kinetics or affinity, or a
   biomarker, with a key of the bibliography. A number that is only assumed does not count, and a mechanism, therapy or
   drug without any sourced number of its own undoes the element;
2. an **observable**: what a simulation reports or what the program writes;
3. a **switch-off test**: one that takes the thing away and sees the observable move. `switch:` cases are listed below;
   `process:`, `response:` and `reversal:` are generated from the records (with and without the mechanism, with and
   without the therapy); `biomarker:` takes one measurement away; a `phenomenon:` counts only while the last run shows
   it together with its [control arm](phenomena.md) (`make verify` runs them). Elements that are no biology name the
   test that fails when what computes them is taken away.

Naming a thing in a text does not count, nor does an element of which only a part is there. All items below are looked
up by the script that writes this page, and a test fails when the page is not what it gives. The grade is the weakest of
the mechanisms named; without one it is *supported* where a number is taken from its source as it is, else
*exploratory*.
"""
SWITCHES = """
## Switches

Each is a pair of arms in one ensemble of six tumors that respond to PD-1 blockade, from the same state on;
`tests/systemic/test_switch_off.py` runs them all. The last column is the least mean change of the logarithm of the
observable that passes, and when it is read.
"""


def page(data: Data, verdicts: Sequence[Verdict]) -> str:
    """Return the page."""
    counting = [v for v in verdicts if v.counts]
    same = defaultdict(list)
    for v in counting:
        same[frozenset(v.tests)].append(v.number)
    twins = {n: [o for o in numbers if o != n] for numbers in same.values() for n in numbers}
    grades = ", ".join(f"{sum(v.grade == g for v in counting)} {g}" for g in reversed(GRADES))
    intro = INTRO.format(counting=len(counting), all=len(verdicts), grades=grades, aim=AIM)
    lines = [intro, "| group | represented | of |", "| --- | --- | --- |"]
    for letter, group in data.group.items():
        inside = [v for v in verdicts if group.first <= v.number <= group.last]
        lines.append(f"| {letter}. {plain(group.title)} | {sum(v.counts for v in inside)} | {len(inside)} |")
    order = "Easiest first: elements that lack one of the three, then those of which a part is missing, then the rest."
    lines += ["", "## Not yet", "", order, ""]
    lines += ["| no. | element | what is missing |", "| --- | --- | --- |"]
    lines += [
        f"| {v.number} | {plain(v.element.name)} | {lacking(v)} |"
        for v in sorted((v for v in verdicts if not v.counts), key=ease)
    ]
    for letter, group in data.group.items():
        inside = [v for v in verdicts if group.first <= v.number <= group.last]
        rows = [covered_row(v, twins) for v in inside if v.counts]
        lines += ["", f"## {letter}. {plain(group.title)}", ""]
        if rows:
            head = "| no. | element | represented by | sourced number | observable | switch-off test | grade |"
            lines += [head, "|" + " --- |" * 7, *rows]
        absent = [str(v.number) for v in inside if not v.counts]
        if absent:
            lines += ["", f"Not yet: {', '.join(absent)}."]
    lines += [SWITCHES, "| switch | switched off | tumor | how | expected | least change |", "|" + " --- |" * 6]
    lines += [switch_row(n, s) for n, s in data.switch.items()]
    return "\n".join(lines) + "\n"


def build() -> tuple[Data, list[Verdict]]:
    """Return the data and what the code found."""
    data = read()
    return data, Examiner(data, load_knowledge(), observables(), states(), shown_phenomena()).verdicts()


def main() -> int:
    """Write or check the page and say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is out of date")
    options = parser.parse_args()
    data, verdicts = build()
    text = page(data, verdicts)
    for v in sorted((v for v in verdicts if not v.counts), key=ease):
        print(f"{v.number:4d}  {v.element.name}: {lacking(v)}")
    print(f"{sum(v.counts for v in verdicts)} of {len(verdicts)} represented")
    if options.check:
        fresh = PAGE.is_file() and PAGE.read_text("utf-8") == text
        print(f"{PAGE.relative_to(ROOT)}: {'as it should be' if fresh else 'out of date, run without --check'}")
        return 0 if fresh else 1
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
