"""A summary for the terminal: what was found, where the cycle is broken, what matters, what could change it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tumornexus.report import words
from tumornexus.report.figures.nodes import said
from tumornexus.report.next_steps import value_words
from tumornexus.report.rows import MechanismRow, View
from tumornexus.report.sentences import answers
from tumornexus.report.view import build_view

CATEGORY_STYLES = {"intrinsic": "blue", "extrinsic": "dark_orange3", "host": "green"}
TIER_STYLES = {"trial-calibrated": "bold", "class-extrapolated": "", "mechanistic hypothesis": "dim italic"}


def interval_bar(mean: float, low: float, high: float, width: int = 16) -> str:
    """Draw an activity in [0, 1] as text: a line over the interval with a dot at the mean."""
    at = [round(min(1.0, max(0.0, v)) * (width - 1)) for v in (low, mean, high)]
    cells = ["─" if at[0] <= i <= at[2] else "·" for i in range(width)]
    cells[at[1]] = "●"
    return "".join(cells)


def _mechanisms(view: View, n: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
    for column in ("Mechanism", "0   activity   1", "Mean (90% interval)", "Steps"):
        table.add_column(column, no_wrap=column != "Mechanism", min_width=22 if column == "Mechanism" else None)
    measured = [m for m in view.mechanisms if m.measured]
    rows: list[MechanismRow] = sorted(measured, key=lambda m: (-m.mean, m.id))[:n]
    for m in rows:
        style = CATEGORY_STYLES.get(m.category, "")
        mark = f" (node {view.badge_of(m.id)})" if view.badge_of(m.id) else ""
        steps = ", ".join(str(s) for s in m.steps)
        table.add_row(
            Text(m.name + mark, style="bold" if m.active else ""),
            Text(interval_bar(m.mean, m.low, m.high), style=style),
            Text(f"{m.mean:.2f} ({m.low:.2f}–{m.high:.2f})"),
            Text(steps),
        )
    return table


def _regimens(view: View, n: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "Regimen", "Response (90%)", "PFS", "AE ≥ 3", "Tier"):
        table.add_column(column, no_wrap=column == "", min_width=18 if column == "Regimen" else None)
    rows = list(view.regimens[:n])
    if view.standard is not None and view.standard not in rows:
        rows.append(view.standard)
    for r in rows:
        name = Text(r.short, style=TIER_STYLES[r.tier])
        if r.accepted:
            name.append("  standard of care", style="cyan")
        if r.standard:
            name.append("  reference", style="cyan")
        if r.refuted:
            name.append("  refuted by a randomized trial", style="red")
        if r.response is not None:
            response = f"{words.percent(r.response)} ({words.percent_range(r.low, r.high)})"
        elif r.standard:
            response = "reference"
        elif r.hypothesis:
            response = {"smaller": "smaller tumor", "larger": "larger tumor"}.get(r.direction, "unclear")
        else:
            response = words.NOT_AVAILABLE
        pfs = "–" if r.hypothesis else "not reached" if r.pfs_months is None else f"{r.pfs_months:.1f} mo"
        ae3 = words.percent(r.ae3)
        table.add_row(
            Text(str(r.rank)), name, Text(response), Text(pfs), Text(ae3), Text(r.tier, style=TIER_STYLES[r.tier])
        )
    return table


def print_summary(result: Any, console: Console | None = None, knowledge: Any = None) -> None:
    """Print the findings of a run in about forty lines.

    `knowledge` gives mechanisms and cancer types their full names; without it ids are written as words. Everything from
    files is printed as plain text, so markup in a sample name has no effect.
    """
    console = console or Console()
    view = build_view(result, knowledge)
    said_so = answers(view)
    console.print()
    console.print(Text.assemble((view.sample, "bold"), "  ", (view.tumor_name, "dim")))
    console.print(Text(words.RESEARCH_USE, style="yellow"))
    for title, sentence in (
        ("Why it resists", said_so.why),
        ("What matters most", said_so.what),
        ("What could change it", said_so.then),
    ):
        console.print()
        console.print(Text(title, style="bold cyan"))
        console.print(Padding(Text(sentence), (0, 0, 0, 2)))
    console.print()
    console.print(Text("Top mechanisms", style="bold cyan"))
    console.print(Padding(_mechanisms(view, 8), (0, 0, 0, 2)))
    lost = [m.name for m in view.mechanisms if not m.measured]
    if lost:
        shown = words.listed(lost) if len(lost) <= 8 else ", ".join(lost[:8]) + f" and {len(lost) - 8} more"
        console.print(Padding(Text(f"Not measured: {shown}", style="dim"), (0, 0, 0, 2)))
    broken = next((b for b in view.barriers if b.broken), None)
    if broken is not None:
        by = f", by {words.listed(broken.by[:3])}" if broken.by else ""
        line = f"step {broken.step}, {broken.full_name}: {broken.mean:.2f} ({broken.low:.2f}–{broken.high:.2f}){by}"
        console.print()
        console.print(Text.assemble(("Broken step  ", "bold cyan"), line))
    if view.nodes:
        console.print()
        console.print(
            Text("Dominant nodes (simulated outcome when reversed, relative to not reversed)", style="bold cyan")
        )
        for index, node in enumerate([*view.nodes[:5], *view.pairs[:1]]):
            mark = "pair" if node.partner else str(index + 1)
            style = "" if node.resolved else "dim"
            open_end = "" if node.resolved else "  interval includes no change"
            console.print(
                Padding(Text(f"{mark:>4}  {node.name}: {said(view, node)}{open_end}", style=style), (0, 0, 0, 0))
            )
    if view.regimens:
        console.print()
        console.print(Text("Best regimens", style="bold cyan"))
        console.print(Padding(_regimens(view, 5), (0, 0, 0, 2)))
    if view.measure_next:
        console.print()
        console.print(Text("What to measure next (expected information; value for the choice)", style="bold cyan"))
        for row in view.measure_next[:3]:
            said_so_far = f"{row.name}: {row.bits:.2f} bits; {value_words(row)}"
            console.print(Padding(Text(said_so_far), (0, 0, 0, 2)))
    console.print()
