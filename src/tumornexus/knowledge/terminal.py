"""The catalogue on a terminal: findings of a check by topic, explanations with their tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from tumornexus.knowledge.audit import Audit
from tumornexus.knowledge.check import TOPICS, Finding
from tumornexus.knowledge.explain import Explanation, Table

_COLOR = {"error": "red", "warning": "yellow", "info": "cyan"}
_WORD = {"error": "error", "warning": "warning", "info": "note"}
NAMES_SHOWN = 12
"""Records named beside a note that holds for many; ``--json`` names all."""


def counted(number: int, word: str) -> str:
    """Return a number with its word: ``1 error``, ``2 errors``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def rich_table(table: Table) -> RichTable:
    """Return a table for the terminal."""
    out = RichTable(title=escape(table.title), title_justify="left")
    for column in table.columns:
        out.add_column(escape(column), overflow="fold")
    for row in table.rows:
        out.add_row(*(escape(cell) for cell in row))
    return out


_RESISTANCE = {
    "shared": "Relevant to both",
    "checkpoint inhibitors": "Relevant to checkpoint inhibitors only",
    "CAR-T": "Relevant to CAR-T cells only",
    "minor": "Of minor relevance to both",
}


def print_comparison(table: Table, console: Console | None = None, *, reasons: bool = False) -> None:
    """Show `explain.compare_modalities` group by group, with the reason of each mechanism on request."""
    console = console or Console(highlight=False)
    console.print(table.title + " (expected influence on response; relevance)", style="bold", markup=False)
    for kind, heading in _RESISTANCE.items():
        rows = [row for row in table.rows if row[6] == kind]
        if not rows:
            continue
        group = RichTable(title=f"\n{heading}, {len(rows)}", title_justify="left", box=None, pad_edge=False)
        for column in ("mechanism", "PD-1 blockade", "CAR-T cells"):
            group.add_column(column, no_wrap=column != "mechanism", ratio=1 if column == "mechanism" else None)
        for identifier, name, ici, car_t, pd1, car, _, reason in rows:
            what = Text(f"{name} ").append(identifier, style="dim")
            if reasons:
                what.append(f"\n  {reason}", style="dim")
            group.add_row(what, f"{pd1} ({ici})", f"{car} ({car_t})")
        console.print(group)
    if not reasons:
        console.print("\n--reasons tells why.", style="dim")


def print_explanation(told: Explanation, console: Console | None = None) -> None:
    """Show everything known under a name."""
    console = console or Console(soft_wrap=False, highlight=False)
    console.print(told.title, style="bold", markup=False)
    console.print(f"{told.kind} {told.id}\n", style="dim", markup=False)
    for paragraph in told.paragraphs:
        console.print(paragraph + "\n", markup=False)
    if told.warnings:
        console.print("What speaks against it", style="bold")
        for warning in told.warnings:
            console.print(f"- {warning}", markup=False)
        console.print()
    for table in told.tables:
        console.print(rich_table(table))
    if told.references:
        console.print("References", style="bold")
        for key, text in told.references:
            console.print(f"{key}: {text}", markup=False)
    for other in told.also:
        console.print(f"Also of this name: tumornexus explain {other}", style="dim", markup=False)


def print_audit(found: Audit, console: Console | None = None, *, quiet: bool = False) -> None:
    """Show what a check found, topic by topic; notes that hold for many records are drawn together."""
    console = console or Console(soft_wrap=False, highlight=False)
    by_topic: dict[str, list[Finding]] = defaultdict(list)
    for finding in found.findings:
        if finding.severity != "info" or not quiet:
            by_topic[finding.topic].append(finding)
    for topic in sorted(by_topic, key=lambda t: TOPICS.index(t) if t in TOPICS else len(TOPICS)):
        _print_topic(console, topic, by_topic[topic])
    if not quiet and not found.extended:
        console.print(_origins(found))
        status = ", ".join(f"{n} {word}" for word, n in found.parameter_status.items())
        console.print(f"Parameters: {status}.", markup=False)
    if found.added:
        console.print(f"Added: {', '.join(found.added)}. What concerns only the program's records is left out.",
                      markup=False)  # fmt: skip
    style = "red" if found.count("error") else "yellow" if found.count("warning") else "green"
    words = ", ".join(counted(found.count(s), _WORD[s]) for s in ("error", "warning", "info"))
    console.print(f"{words}, digest {found.digest}", style=style, markup=False)


def _print_topic(console: Console, topic: str, findings: list[Finding]) -> None:
    number = {s: sum(f.severity == s for f in findings) for s in _WORD}
    words = ", ".join(counted(n, _WORD[s]) for s, n in number.items() if n)
    console.print(Text.assemble((topic.capitalize(), "bold"), (f"  {words}", "dim")))
    files: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.severity != "info":
            files[finding.file].append(finding)
    for file, inside in files.items():
        console.print(f"  {file}", style="dim", markup=False, soft_wrap=True)  # a path is not broken: it is copied
        for finding in inside:
            console.print(Padding(_line(finding), (0, 0, 0, 4), expand=False))
    for message, names in _drawn_together(f for f in findings if f.severity == "info"):
        console.print(Padding(Text.assemble(("note: ", _COLOR["info"]), message + names), (0, 0, 0, 2), expand=False))
    console.print()


def _line(finding: Finding) -> Text:
    place = f"line {finding.line}, " if finding.line else ""
    record = f"{finding.record}, " if finding.record and finding.record not in finding.file else ""
    got = f" (got {finding.value!r})" if finding.value is not None else ""
    return Text.assemble(
        (f"{_WORD[finding.severity]}: ", _COLOR[finding.severity]),
        (f"{place}{record}{finding.field}: ".replace(", : ", ": "), "dim"),
        f"{finding.message}{got}",
    )


def _drawn_together(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Return (message, whom it concerns); a message that names its records itself needs no list."""
    owners: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        owners[finding.message].append(finding.record)
    told = []
    for message, names in owners.items():
        more = f", ... and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        shown = ", ".join(names[:NAMES_SHOWN]) + more
        told.append((message, "" if len(names) == 1 and names[0] in message else f" ({len(names)}): {shown}"
                     if len(names) > 1 else f" ({names[0]})"))  # fmt: skip
    return told


def _origins(found: Audit) -> RichTable:
    """Return the table of where statements come from."""
    table = RichTable(title="Where its statements come from", title_justify="left")
    columns = ("records", "statements", "sourced", "assumed", "unsourced", "from_memory")
    table.add_column("kind")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for kind, counts in found.origins.items():
        table.add_row(kind, *(str(counts[c]) for c in columns))
    return table
