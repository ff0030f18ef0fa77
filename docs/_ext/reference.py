"""Pages written from the source: rate laws, clinical facts, command line, Python names.

The source is read, not imported, so that building the site never loads a simulator; docstrings are shown as they stand,
because an equation in plain text must not be taken for markup.
"""

from __future__ import annotations

import ast
import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from markdown import code, remove_others, table, text, write
from sphinx.application import Sphinx

import tumornexus

PACKAGE = Path(tumornexus.__file__).parent
FUNCTION = ast.FunctionDef | ast.ClassDef


def public(tree: ast.Module) -> Iterator[FUNCTION]:
    """Yield the documented public functions and classes of a module, in their order in the file."""
    for node in tree.body:
        if isinstance(node, FUNCTION) and not node.name.startswith("_") and ast.get_docstring(node):
            yield node


def literal(docstring: str) -> list[str]:
    """Show a docstring as it stands."""
    fence = "````"
    return [f"{fence}text", docstring.replace("``", "`"), fence, ""]


def signature(node: FUNCTION) -> str:
    """Write the call of a function or class with its annotations."""
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returns}"


def module_file(name: str) -> Path:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def rate_laws() -> list[str]:
    """The rate laws, one section a process."""
    lines = [
        "# Rate laws",
        "",
        "Taken from the source of `tumornexus.biology`. Each file is one process and opens with its equation; both "
        "scales of the model call the same functions. The numbers are in the parameter records.",
        "",
    ]
    for path in sorted((PACKAGE / "biology").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        doc = ast.get_docstring(tree)
        if path.name == "__init__.py" or not doc:
            continue
        lines += [f"## {path.stem.replace('_', ' ').capitalize()}", "", *literal(doc)]
        for node in public(tree):
            lines += [f"### {code(node.name)}", "", *literal(ast.get_docstring(node) or "")]
    return lines


def parameters() -> list[str]:
    """Every number of the model with unit, spread and origin."""
    from tumornexus.knowledge import load_knowledge

    records = load_knowledge().parameters
    lines = [
        "# Parameters",
        "",
        "A parameter is *measured*, *calibrated* or *assumed*, and says so. The spread is the between-patient standard "
        "deviation of the natural logarithm (of the logit where the parameter is bounded by 0 and 1).",
        "",
    ]
    groups: dict[str, list] = {}
    for record in records.values():
        groups.setdefault(record.process, []).append(record)
    for process in sorted(groups):
        lines += [f"## {text(process)}", ""]
        lines += table(
            ["parameter", "meaning", "value (low to high)", "unit", "spread", "status", "origin"],
            [
                [
                    code(p.id), text(p.meaning), f"{p.value:.4g} ({p.low:.4g} to {p.high:.4g})", text(p.unit or "1"),
                    f"{p.spread_sd_log:.3g}", p.status,
                    text("; ".join(filter(None, [*p.source, p.assumed and f"assumed: {p.assumed}", p.note]))),
                ]
                for p in groups[process]
            ],
        )  # fmt: skip
    return lines


def clinical_facts() -> list[str]:
    """The clinical facts that a patient file or a clinical table may hold."""
    from tumornexus.io import clinical

    lines = [
        "# Clinical facts",
        "",
        "Names in `patient.toml` (table `[facts]`) and in the columns of `clinical.tsv`. Any may be missing; a missing "
        "fact is never read as zero or as no.",
        "",
    ]
    lines += table(
        ["fact", "unit", "range", "also read from the columns"],
        [
            [code(columns[0]), text(unit), f"{low:g} to {high:g}", ", ".join(code(c) for c in columns[1:])]
            for columns, low, high, unit in clinical.NUMBERS.values()
        ],
    )
    lines += ["Yes or no:", ""]
    lines += table(
        ["fact", "also read from the columns"],
        [[code(fact), ", ".join(code(c) for c in columns if c != fact)] for fact, columns in clinical.FLAGS.items()],
    )
    lines += ["Text:", ""]
    lines += table(
        ["fact", "also read from the columns"],
        [[code(fact), ", ".join(code(c) for c in columns if c != fact)] for fact, columns in clinical.TEXTS.items()],
    )
    return lines


def run_help(*words: str) -> str:
    """What ``tumornexus WORDS --help`` prints, in plain characters."""
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "tumornexus", *words, "--help"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return "\n".join(
        line.rstrip() for line in done.stdout.replace("python -m tumornexus", "tumornexus").strip("\n").splitlines()
    )


def command_line() -> list[str]:
    """The help of every command, as the program prints it."""
    lines = [
        "# Command line",
        "",
        "What each command prints with `--help`. An input that cannot be used ends with exit code 2 and one message "
        "that names file, field, value and what would be valid; results are written whole or not at all.",
        "",
    ]
    if importlib.util.find_spec("tumornexus.cli") is None:
        return [*lines, "This checkout has no command line."]
    return [*lines, *described(())]


def described(words: tuple[str, ...]) -> list[str]:
    """The help of a command and of the commands below it."""
    shown = run_help(*words)
    title = [f"## tumornexus {' '.join(words)}", ""] if words else []
    lines = [*title, "```text", shown, "```", ""]
    block = re.search(r"^\W*Commands\b(.*)", shown, re.S | re.M)
    for name in dict.fromkeys(re.findall(r"^[^\w\n]{1,4}([a-z][a-z-]*)(?= |$)", block[1] if block else "", re.M)):
        lines += described((*words, name))
    return lines


def compared_arms() -> list[str]:
    """List every fitted arm with published and simulated response, from the table that the ranking's tiers use."""
    record = json.loads((PACKAGE / "systemic" / "data" / "calibration.json").read_text(encoding="utf-8"))
    arms = record["arms"]
    gaps = sorted(abs(a["orr_simulated"] - a["orr_published"]) for a in arms)
    close = sum(gap <= 10.0 for gap in gaps)
    rows = [
        (
            text(a["trial_name"]),
            text(a["tumor"]),
            code(a["regimen"]),
            f"{a['orr_published']:g}",
            f"{a['orr_simulated']:g}",
            f"{a['orr_simulated'] - a['orr_published']:+.0f}",
        )
        for a in sorted(arms, key=lambda a: abs(a["orr_simulated"] - a["orr_published"]))
    ]
    return [
        "# Compared with fitted trials",
        "",
        "Objective response (percent) of virtual patients of each tumor type against the published arm, best "
        "agreement first. Only trials marked `fit` appear; held-out trials have not been run. Virtual "
        "patients carry no selection by PD-L1, line or prior therapy except BRAF V600, measurements have no "
        "reader error, and new lesions are not simulated, so that this is a check of order and size, not a "
        "calibration.",
        "",
        f"{len(arms)} arms, {close} within 10 points; mean absolute gap {sum(gaps) / len(gaps):.1f} points, median "
        f"{gaps[len(gaps) // 2]:.1f}. {record['draws']} virtual patients per tumor type, seed {record['seed']}, "
        f"knowledge digest {code(record['knowledge_digest'])}.",
        "",
        *table(("trial", "tumor", "regimen", "published", "simulated", "gap"), rows),
    ]


def compared_network() -> list[str]:
    """Set the network that the simulator shows against the claims, from the table of verification/network.py."""
    results = Path(__file__).parents[2] / "verification" / "results"
    record = json.loads((results / "network.json").read_text(encoding="utf-8"))
    with (results / "network.tsv").open(encoding="utf-8", newline="") as handle:
        pairs = list(csv.DictReader(handle, delimiter="\t"))

    def change(row: dict[str, str], prefix: str = "") -> str:
        value, low, high = (row[prefix + c] for c in ("change", "ci_low", "ci_high"))
        return f"{float(value):+.3f} ({float(low):+.3f} to {float(high):+.3f})" if value else ""

    def rows(*verdicts: str) -> list[list[str]]:
        found = [r for r in pairs if r["verdict"] in verdicts]
        found.sort(key=lambda r: (verdicts.index(r["verdict"]), -abs(float(r["change"] or 0.0)), r["source"]))
        return [
            [code(r["source"]), r["claim"], code(r["target"]), code(r["observable"]), r["verdict"], change(r),
             change(r, "grown_"), text(r["reason"]) or "not known"]
            for r in found
        ]  # fmt: skip

    head = ["raised", "claim", "moved", "observable", "verdict", "change of ln observable", "grown up with it"]
    return [
        "# Compared with the claims",
        "",
        "Who moves whom in the simulator when one mechanism is switched on at full activity, or one state is raised by "
        "a parameter of its own, against what the literature claims ([the network of claims](../network.md)). The "
        "tumors carry the other mechanisms as often as their type does, grow untreated to its usual burden, and are "
        "followed for twelve weeks without treatment, with and without the mechanism. The change is that of ln of the "
        "target's observable, mean over weeks 5 to 12, signed so that positive means more of the target mechanism: "
        "median over draws with its 95 % interval. Beside it stands the same for tumors that grew up with the "
        "mechanism to the same burden. What shows only under treatment does not show here.",
        "",
        f"{record['draws']} draws of {text(record['tumor'])}, seed {record['seed']}, knowledge digest "
        f"{code(record['knowledge_digest'])}. `verification/network.py` writes the table of all pairs and a figure; "
        "both are under `verification/results`.",
        "",
        *table(
            ("verdict", "pairs", "meaning"),
            [[v, str(record["verdicts"][v]), text(meaning)] for v, meaning in record["meaning"].items()],
        ),
        "## Claims that the simulator does not show",
        "",
        *table([*head, "likely reason"], rows("opposite", "varies", "not seen", "in the long run", "disputed")),
        "## Claims that were not tested",
        "",
        *table(("raised", "claim", "moved", "why"), [
            [*r[:3], text(record["meaning"][r[4]])] for r in rows("no switch", "same quantity")]),
        "## Moved strongly, and claimed by nobody",
        "",
        "Candidates for claims that the catalogue lacks, or for artifacts of the model.",
        "",
        *table(head, [r[:-1] for r in rows("not claimed")]),
        "## Claims that the simulator shows",
        "",
        *table(head, [r[:-1] for r in rows("agrees")]),
    ]  # fmt: skip


def public_files() -> list[str]:
    """The registered public files with address, hash, license and terms."""
    from tumornexus.io.datasets import REGISTRY, registry

    note = " ".join(line.lstrip("# ") for line in REGISTRY.read_text(encoding="utf-8").split("[[")[0].splitlines())
    lines = ["# Public files", "", text(note.strip()), ""]
    for record in registry().values():
        lines += [f"## {code(record.name)}", "", f"{text(record.what)}.", ""]
        lines += table(
            ["", ""],
            [
                ["cite", text(record.citation)],
                ["file", f"[{text(record.path)}]({record.url}) of {text(record.repository)}"],
                ["size, bytes", str(record.bytes)],
                ["SHA-256", code(record.sha256)],
                ["license", text(record.license)],
                ["terms", text(record.terms)],
            ],
        )
    return lines


def python_names() -> list[str]:
    """The public names of the package root, in pipeline order."""
    lines = [
        "# Python interface",
        "",
        "The names of the package root, in the order in which the pipeline uses them. Importing `tumornexus` takes "
        "milliseconds: each name is loaded on first use.",
        "",
    ]
    for name, module in tumornexus.PUBLIC.items():
        try:
            node = find(module, name)
        except (LookupError, FileNotFoundError):
            lines += [f"## {code(name)}", "", f"Not in this checkout (would be in {code(module)}).", ""]
            continue
        lines += [f"## {code(name)}", "", "```python", f"# from {module}", signature(node), "```", ""]
        lines += literal(ast.get_docstring(node) or "")
    return lines


def find(module: str, name: str) -> FUNCTION:
    """Find a definition, following the imports of a folder's `__init__`."""
    tree = ast.parse(module_file(module).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, FUNCTION) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and node.module and any((a.asname or a.name) == name for a in node.names):
            original = next(a.name for a in node.names if (a.asname or a.name) == name)
            return find(node.module, original)
    raise LookupError(f"{module} does not define {name}")


PAGES = {
    "rate_laws": rate_laws,
    "parameters": parameters,
    "clinical_facts": clinical_facts,
    "command_line": command_line,
    "python": python_names,
    "compared_arms": compared_arms,
    "compared_network": compared_network,
    "public_files": public_files,
}


def write_reference(app: Sphinx) -> None:
    """Write all pages before Sphinx looks for sources."""
    folder = Path(app.srcdir) / "reference"
    for name, page in PAGES.items():
        write(folder / f"{name}.md", page())
    remove_others(folder, {folder / f"{name}.md" for name in PAGES})


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write_reference, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
