"""A record to fill in: every field of a mechanism with what it means and what it can be.

What a person has to write stands in angle brackets and is refused until it is written, so that nothing of the scaffold
passes for knowledge.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from tumornexus.errors import InputError, near_misses
from tumornexus.knowledge import records
from tumornexus.knowledge.load import DATA, Knowledge, fold, names_of, read_all
from tumornexus.knowledge.load import KINDS as KNOWN
from tumornexus.knowledge.model_names import observables
from tumornexus.knowledge.schema import NOTES, schema_name, writable, write_schemas

KINDS = ("cause", "state", "outcome")
WIDTH = 110
BIBLIOGRAPHY = """\
% Sources of these records, as any reference manager exports them. A key of the program's own bibliography can be
% cited without an entry here (`tumornexus explain KEY` shows it).
%
% @article{author2026,
%   author  = {Author, Ann and Other, Bo},
%   title   = {...},
%   journal = {...},
%   year    = {2026},
%   doi     = {10....},
% }
"""


@dataclass(frozen=True)
class Scaffold:
    """What was written: the record, and names of the catalogue that are close to the new id."""

    record: Path
    written: tuple[Path, ...]
    near: tuple[str, ...]


def _comment(text: str, indent: str = "# ") -> str:
    return "\n".join(
        textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    )


def _field(owner: str, name: str, value: str, words: Iterable[str] = ()) -> str:
    """Return a comment and a line ``name = value``."""
    note = NOTES[owner].get(name) or NOTES["Sourced"].get(name, "")
    listed = f" One of: {', '.join(words)}." if words else ""
    return f"{_comment(note + listed)}\n{name} = {value}\n"


def mechanism_text(identifier: str, knowledge: Knowledge, kind: str = "cause") -> str:
    """Return the text of a new mechanism's file.

    Args:
        identifier: its id.
        knowledge: whose parameters, tumor types and observables are named in the comments.
        kind: ``cause``, ``state`` or ``outcome``; only a cause has effects and a prevalence to fill in.
    """
    moved = sorted({e.parameter for m in knowledge.mechanisms.values() for e in m.effect})
    m = "Mechanism"
    top = [
        f"#:schema ../schemas/{schema_name('mechanisms/*.toml')}",
        "#",
        _comment("Replace everything in <angle brackets>; delete what does not apply. Every value has a source or says "
                 "why it is assumed. Then: tumornexus check --knowledge FOLDER"),
        "",
        f'id = "{identifier}"',
        _field(m, "name", '"<name>"'),
        _field(m, "aliases", "[]"),
        _field(m, "claim", '"<one sentence that could be wrong>"'),
        _field(m, "kind", f'"{kind}"'),
        _field(m, "category", '"<category>"', get_args(records.Category)),
        _field(m, "resistance", '["<when>"]', get_args(records.Resistance)),
        _field(m, "evidence", '"<evidence>"', get_args(records.Evidence)),
        _field(m, "grade", '"exploratory"', get_args(records.Grade)),
        _field(m, "cycle_steps", '["<steps, as numbers without quotes>"]'),
        _field(m, "hub", '"<hub>"', get_args(records.Hub)),
        _field(m, "relevance_ici", '"<relevance>"', get_args(records.Relevance)),
        _field(m, "relevance_car_t", '"<relevance>"', get_args(records.Relevance)),
        _field(m, "reversed_by", "[]  # such as " + ", ".join(f'"{t}"' for t in list(knowledge.therapies)[:3])),
        *([] if kind == "cause" else [_field(m, "raised_by", "[]")]),
        _field(m, "source", '["<key>"]'),
        "[process]",
        _field("Process", "observable", '"<observable>"', observables()),
        _field("Process", "direction", '"<+ or ->"'),
        "[expected]",
        _field("Expected", "pd1", '"<influence>"', get_args(records.Influence)),
        _field("Expected", "car_t", '"<influence>"', get_args(records.Influence)),
        'source = ["<key>"]',
        "",
        _comment("How it is measured: one block a biomarker. Soft evidence (expression) has a separation, hard "
                 "evidence (a mutation, a clinical call) has lr_positive and lr_negative instead."),
        "[[biomarker]]",
        _field("Biomarker", "id", f'"{identifier}_rna"'),
        _field("Biomarker", "input", '"expression"', _words("input")),
        _field("Biomarker", "method", '"zmean"'),
        _field("Biomarker", "direction", '"+"'),
        _field("Biomarker", "genes", '["<HGNC symbol>"]'),
        _field("Biomarker", "separation", '"<number; 0.5 weak, 1 usual, 1.5 strong>"'),
        _field("Biomarker", "adjust_for", '"inflamed"').replace("\nadjust_for", "\n# adjust_for"),
        'source = ["<key>"]',
        'assumed = "<why this separation>"',
        "",
    ]  # fmt: skip
    if kind == "cause":
        top += [
            _comment("How it acts on the model: one block a parameter."),
            "[[effect]]",
            _field("Effect", "parameter", '"<parameter>"'),
            _comment("Parameters that mechanisms move so far: " + ", ".join(moved)
                     + ". tumornexus explain PARAMETER tells value, unit and range."),
            _field("Effect", "law", '"multiply"', get_args(records.Law)),
            _field("Effect", "value", '"<number>"'),
            'low = "<number>"',
            'high = "<number>"',
            'source = ["<key>"]',
            'assumed = "<why this size; delete where the source gives it>"',
            "",
            _comment("How often it is present. Add one block for each tumor type whose share is known: "
                     + ", ".join(knowledge.tumors) + "."),
            "[[prevalence]]",
            _field("OccursIn", "tumor", '"any"'),
            _field("OccursIn", "value", '"<number>"'),
            'low = "<number>"',
            'high = "<number>"',
            'source = ["<key>"]',
            'assumed = "<why this share; delete where the source gives it>"',
            "",
        ]  # fmt: skip
    top += [
        _comment("What it drives, as the literature claims; the network is drawn from these claims."),
        "# [[drives]]",
        f'# target = "<mechanism, such as {next(iter(knowledge.mechanisms), "another")}>"',
        '# sign = "+"',
        '# source = ["<key>"]',
        "",
        _comment("What speaks against it. A therapy that reverses the process and does not help says so in "
                 "[[not_reversed]] (therapy, reason, source)."),
        "# [[claim_conflict]]",
        '# claim = "<what was claimed>"',
        '# finding = "<what was found later>"',
        '# source = ["<key>"]',
    ]  # fmt: skip
    return "\n".join(top) + "\n"


def _words(field: str) -> tuple[str, ...]:
    return get_args(records.Biomarker.model_fields[field].annotation)


def new_mechanism(identifier: str, into: Path, kind: str = "cause", *, folder: Path = DATA) -> Scaffold:
    """Write ``INTO/mechanisms/ID.toml`` with the schemas beside it and a bibliography to fill, overwriting nothing.

    Args:
        identifier: the new id.
        into: folder of further records, made if absent.
        kind: ``cause``, ``state`` or ``outcome``.
        folder: the catalogue itself.

    Raises:
        InputError: the id is malformed or taken, the kind is unknown, or the file is there already.
    """
    if kind not in KINDS:
        raise InputError("unknown kind of mechanism", field="--kind", value=kind, valid=", ".join(KINDS))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", identifier):
        suggested = re.sub(r"[^a-z0-9]+", "_", identifier.lower()).strip("_")
        valid = "lower-case letters, digits and underscores, starting with a letter"
        if re.match(r"[a-z]", suggested):
            valid += f", such as {suggested}"
        raise InputError("malformed id", field="ID", value=identifier, valid=valid)
    if into.exists() and not into.is_dir():
        raise InputError("not a folder", file=into, field="--into", valid="a folder for records, or a name for one")
    record = into / "mechanisms" / f"{identifier}.toml"
    if record.exists():
        raise InputError("there is such a record already, and it is not overwritten", file=record, field="ID",
                         value=identifier, valid="another id, or edit that file")  # fmt: skip
    shipped = read_all(folder)[0]
    has_records = into.is_dir() and any(p.suffix in (".toml", ".bib") for p in into.rglob("*"))
    knowledge = read_all(folder, into)[0] if has_records else shipped
    for plural in ("mechanisms", "therapies"):  # the network needs both kinds of names distinct
        for other in getattr(knowledge, plural).values():
            names = names_of(other) if plural == "mechanisms" else (other.id,)
            if fold(identifier) in {fold(n) for n in names}:
                raise InputError(
                    f"the name is taken by the {KNOWN[plural]} '{other.id}' ({other.name})",
                    field="ID",
                    value=identifier,
                    valid=f"another id, or that record (`tumornexus explain {other.id}`)",
                )
    names = [n for m in knowledge.mechanisms.values() for n in names_of(m)]
    close = near_misses(identifier, names, n=3)
    near = close.removeprefix("did you mean ").rstrip("?").split(", ") if close.startswith("did you mean") else []
    text = mechanism_text(identifier, shipped, kind)
    writable(record.parent)
    written = [record, *write_schemas(into / "schemas", shipped)]
    if not any(into.glob("*.bib")):
        bibliography = into / "references.bib"
        bibliography.write_text(BIBLIOGRAPHY, encoding="utf-8")
        written.append(bibliography)
    with record.open("x", encoding="utf-8") as stream:
        stream.write(text)
    return Scaffold(record, tuple(written), tuple(near))
