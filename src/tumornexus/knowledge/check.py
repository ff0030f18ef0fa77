"""Checking the meaning of the catalogue: ids that exist, numbers that can be, sources that resolve.

Form (types, required fields) was checked on reading. Here every record is held against the others: a mechanism's
targets, a therapy's agents, a drug's usual regimen, the bounds of the parameters that effects move, gene symbols,
bibliography keys, prevalences, trial references. What nobody refers to, what counts twice and what turns in a circle is
in `tumornexus.knowledge.orphans`. Findings are values: `error` must be mended, `warning` should be looked at, `info` is
something a reader should know (shared genes, shared parameters, counts).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tumornexus.errors import InputError, NexusError, near_misses
from tumornexus.knowledge import orphans
from tumornexus.knowledge.load import KINDS, PLACEHOLDER, UNFILLED, Knowledge, every_source, fold, line_in, names_of
from tumornexus.knowledge.records import (
    Act,
    Disease,
    Drug,
    Effect,
    Mechanism,
    Parameter,
    Record,
    Sourced,
    Therapy,
    Trial,
    Tumor,
)
from tumornexus.knowledge.regimen import parse_regimen

Severity = Literal["error", "warning", "info"]
TOPICS = (
    "records and links", "form", "names", "values and units", "sources", "gene symbols", "parameters and observables",
    "orphans", "double counting", "coverage",
)  # fmt: skip
"""What findings are about, in the order in which a curator reads them."""
_RANK = {"error": 0, "warning": 1, "info": 2}
HELD_OUT_SHARE = (0.25, 0.42)
"""Share of trials kept from calibration: about a third."""
SIMULATED_ENDPOINTS = ("RECIST", "Lugano")
"""Endpoints that the model derives from tumor volume."""


@dataclass(frozen=True)
class Finding:
    """One thing the meaning check has to say.

    Attributes:
        severity: ``error``, ``warning`` or ``info``.
        file, record, field: where it stands.
        value: the value in question, if any.
        message: what is wrong and, where known, how to mend it.
        topic: one of `TOPICS`.
        line: in the file, None where it has none (a finding about the catalogue as a whole).
    """

    severity: Severity
    file: str
    record: str
    field: str
    value: object
    message: str
    topic: str = TOPICS[0]
    line: int | None = None

    def __str__(self) -> str:
        got = f" (got {self.value!r})" if self.value is not None else ""
        line = f", line {self.line}" if self.line else ""
        return f"{self.severity}: {self.file}{line}, record '{self.record}', field '{self.field}': {self.message}{got}"


def apply_law(law: str, value: float, default: float, activity: float = 1.0) -> float:
    """Apply an effect of given activity in [0, 1] to a parameter: multiply, add or saturate (see `Effect`)."""
    if law == "multiply":
        return default * (1.0 + (value - 1.0) * activity)
    if law == "add":
        return default + value * activity
    return default + (value - default) * activity


class _Checker:
    def __init__(self, knowledge: Knowledge) -> None:
        self.k = knowledge
        self.findings: list[Finding] = []

    def say(
        self, severity: Severity, plural: str, record: object, field: str, message: str, value: object = None,
        topic: str = TOPICS[0],
    ) -> None:  # fmt: skip
        if isinstance(value, str) and PLACEHOLDER.fullmatch(value) and message != UNFILLED:
            return  # `placeholders` says it once
        file = self.k.origin.get(f"{plural}/{record}", plural if "." in plural else f"{plural}.toml")
        line = line_in(self.k, file, plural, str(record), field, value) if severity != "info" else None
        self.findings.append(Finding(severity, file, str(record), field, value, message, topic, line))

    def known(
        self, plural: str, record: str, field: str, ids: Iterable[str], table: Mapping[str, object], what: str,
        severity: Severity = "error",
    ) -> None:  # fmt: skip
        for name in ids:
            if name not in table:
                self.say(severity, plural, record, field, f"no such {what}; {near_misses(name, table)}", name)

    def ordered(self, plural: str, record: str, field: str, low: float, value: float, high: float) -> None:
        if not low <= value <= high:
            self.say("error", plural, record, field, f"needs low <= value <= high, got {low:g}, {value:g}, {high:g}",
                     topic="values and units")  # fmt: skip

    # -- records ---------------------------------------------------------------------------------------------------

    def shifts(self, plural: str, record: str, field: str, items: Iterable[Effect | Act]) -> None:
        """Check that effects and acts address parameters and stay where those can be."""
        for i, item in enumerate(items, start=1):
            where = f"{field}[{i}].parameter"
            parameter = self.k.parameters.get(item.parameter)
            if parameter is None:
                self.known(plural, record, where, [item.parameter], self.k.parameters, "parameter")
                continue
            ends = [apply_law(item.law, v, parameter.value) for v in (item.low, item.value, item.high)]
            # A seeded clone is added to a tiny spontaneous one, which may overshoot a bound by that much.
            slack = 1e-3 * max(abs(parameter.high), 1e-9)
            outside = [e for e in ends if e < 0.0 or (parameter.bounded and e > 1.0 + slack)]
            if outside and not (parameter.low < 0.0 and not parameter.bounded):
                domain = "[0, 1]" if parameter.bounded else "0 or more"
                self.say("error", plural, record, f"{field}[{i}].value",
                         f"moves '{item.parameter}' from {parameter.value:g} to {ends[1]:g} "
                         f"({min(ends):g} to {max(ends):g}), but it must be {domain}", item.value,
                         "values and units")  # fmt: skip
            elif not parameter.low - slack <= ends[1] <= parameter.high + slack:
                self.say("warning", plural, record, f"{field}[{i}].value",
                         f"moves '{item.parameter}' from {parameter.value:g} to {ends[1]:g}, outside its plausible "
                         f"range {parameter.low:g} to {parameter.high:g}", item.value, "values and units")  # fmt: skip
            if all(e == parameter.value for e in ends):
                self.say("warning", plural, record, f"{field}[{i}].value", "changes nothing at its default", item.value,
                         "values and units")  # fmt: skip
            if item.unit is not None:
                self.effect_unit(plural, record, f"{field}[{i}].unit", item, parameter)

    def effect_unit(self, plural: str, record: str, field: str, item: Effect | Act, parameter: Parameter) -> None:
        """Check the unit that an effect states: a factor has none, a summand or target that of the parameter."""
        from tumornexus.units import compatible

        unit = str(item.unit)
        wanted = "1" if item.law == "multiply" else parameter.unit
        if unit == wanted:
            return
        if item.law == "multiply":
            message = "law 'multiply' is a factor and has no unit; write \"1\", or use law 'add' or 'saturate'"
        else:
            try:
                other = "another size of unit" if compatible(unit, wanted) else "another quantity"
            except InputError:
                other = "not a unit"
            message = f"unit mismatch: '{parameter.id}' is in {wanted}, and this is {other}; give the value in {wanted}"
        self.say("error", plural, record, field, message, unit, "values and units")

    def genes(self, plural: str, record: str, field: str, symbols: Iterable[str]) -> None:
        if not len(self.k.genes):
            return
        for symbol in symbols:
            approved = self.k.genes.approved(symbol)
            if approved is None:
                self.say("error", plural, record, field, "not an approved human gene symbol, nor an alias of one"
                         + self.k.genes.hint(symbol), symbol, "gene symbols")  # fmt: skip
            elif approved != symbol:
                self.say("error", plural, record, field, f"not the approved symbol; write {approved}", symbol,
                         "gene symbols")  # fmt: skip

    def placeholders(self, plural: str, record: Record) -> None:
        """Find what the scaffold left to be written and a person has not written."""
        for path, value in _texts(record):
            if PLACEHOLDER.fullmatch(value):
                self.say("error", plural, getattr(record, "id", "?"), path, UNFILLED, value, "values and units")

    def occurrence(self, m: Mechanism) -> None:
        """Check how often a mechanism's own record says that it is present."""
        here = "mechanisms"
        known = {**dict.fromkeys(self.k.tumors), "any": None}
        self.known(here, m.id, "prevalence.tumor", (p.tumor for p in m.prevalence), known, "tumor type")
        for tumor, n in Counter(p.tumor for p in m.prevalence).items():
            if n > 1:
                self.say("error", here, m.id, "prevalence.tumor", "given twice", tumor, "values and units")
        tumors = self.k.tumors.values()
        if (
            m.kind == "cause"
            and tumors
            and not m.prevalence
            and not any(p.mechanism == m.id for t in tumors for p in t.prevalence)
        ):
            self.say("error", here, m.id, "prevalence", f"no prevalence for the cause '{m.id}' in any tumor type; add "
                     "[[prevalence]] with tumor = \"any\"", topic="values and units")  # fmt: skip

    def mechanism(self, m: Mechanism) -> None:
        k, here = self.k, "mechanisms"
        self.known(here, m.id, "drives.target", (d.target for d in m.drives), k.mechanisms, "mechanism")
        for d in m.drives:
            if d.target == m.id:
                self.say("error", here, m.id, "drives.target", "cyclic: it drives itself", d.target)
        self.known(here, m.id, "reversed_by", m.reversed_by, k.therapies, "therapy")
        self.known(here, m.id, "raised_by", m.raised_by, k.therapies, "therapy")
        for therapy in sorted(set(m.raised_by) & set(m.reversed_by)):
            self.say("error", here, m.id, "raised_by", "the same therapy cannot raise and reverse it", therapy)
        self.known(here, m.id, "not_reversed.therapy", (e.therapy for e in m.not_reversed), k.therapies, "therapy")
        for therapy in m.reversed_by:
            if therapy in k.therapies and m.id not in k.therapies[therapy].reverses:
                self.say("warning", here, m.id, "reversed_by", f"therapy '{therapy}' does not list it under 'reverses'",
                         therapy)  # fmt: skip
        self.conflicts(here, m)
        self.shifts(here, m.id, "effect", m.effect)
        self.biomarkers(m)
        self.occurrence(m)
        if m.kind != "outcome" and not m.biomarker:
            self.say("info", here, m.id, "biomarker", f"a {m.kind} without a biomarker is never measured",
                     topic="coverage")  # fmt: skip
        if m.extent == "clonal_fraction" and not any(e.law == "add" for e in m.effect) and m.kind == "cause":
            self.say("warning", here, m.id, "effect", "a clonal mechanism should seed a clone (law 'add')")
        if m.relevance_car_t == "none" and m.expected.car_t != "none":
            self.say("warning", here, m.id, "expected.car_t", "relevance to CAR-T is 'none', yet it has an influence",
                     m.expected.car_t)  # fmt: skip
        if m.relevance_ici == "none" and m.expected.pd1 != "none":
            self.say("warning", here, m.id, "expected.pd1", "relevance to checkpoint inhibitors is 'none', yet an "
                     "influence is expected", m.expected.pd1)  # fmt: skip

    def biomarkers(self, m: Mechanism) -> None:
        here = "mechanisms"
        twice = [i for i, n in Counter(b.id for b in m.biomarker).items() if n > 1]
        for identifier in twice:
            self.say("error", here, m.id, "biomarker.id", "given twice", identifier)
        for b in m.biomarker:
            where = f"biomarker '{b.id}'"
            self.genes(here, m.id, f"{where}.genes", b.genes)
            self.genes(here, m.id, f"{where}.genes_down", b.genes_down)
            self.genes(here, m.id, f"{where}.changes", (c.split(":")[0] for c in b.changes))
            both = set(b.genes) & set(b.genes_down)
            if both:
                self.say("error", here, m.id, f"{where}.genes_down", "a gene cannot count up and down", sorted(both))
            needs = {
                "zmean": bool(b.genes), "ssgsea": bool(b.genes), "loss_of_function": bool(b.genes),
                "any_nonsynonymous": bool(b.genes), "promoter": bool(b.genes), "hotspot": bool(b.changes),
                "threshold": b.threshold is not None, "logistic": b.threshold is not None and b.scale is not None,
            }.get(b.method, True)  # fmt: skip
            if not needs:
                self.say("error", here, m.id, where, f"method '{b.method}' lacks what it measures (genes, changes, "
                         "threshold or scale)", b.method)  # fmt: skip
            if b.input == "clinical" and not b.field:
                self.say("error", here, m.id, f"{where}.field", "a clinical biomarker names the fact it reads")
            if b.separation is None and b.lr_positive is None and b.lr_negative is None:
                self.say("error", here, m.id, where, "says nothing: needs separation or likelihood ratios")

    def conflicts(self, plural: str, record: Mechanism | Therapy) -> None:
        for i, conflict in enumerate(record.claim_conflict, start=1):
            self.known(plural, record.id, f"claim_conflict[{i}].trials", conflict.trials, self.k.trials, "trial")

    def therapy(self, t: Therapy) -> None:
        k, here = self.k, "therapies"
        self.known(here, t.id, "reverses", t.reverses, k.mechanisms, "mechanism")
        self.known(here, t.id, "agents", t.agents, k.drugs, "drug")
        self.known(here, t.id, "composed_of", t.composed_of, k.therapies, "therapy")
        for part in t.composed_of:
            if part == t.id or t.id in {p.id for p in k.with_parts(part)}:
                self.say("error", here, t.id, "composed_of", "a strategy cannot be a part of itself", part)
        for mechanism in t.reverses:
            if mechanism in k.mechanisms and t.id not in k.mechanisms[mechanism].reversed_by:
                self.say("warning", here, t.id, "reverses", f"mechanism '{mechanism}' does not list it under "
                         "'reversed_by'", mechanism)  # fmt: skip
        for agent in t.agents:
            if agent in k.drugs and t.id not in k.drugs[agent].therapy:
                self.say("warning", here, t.id, "agents", f"drug '{agent}' does not list it under 'therapy'", agent)
        self.conflicts(here, t)
        self.shifts(here, t.id, "act", t.act)
        if t.kind == "class" and not t.agents:
            self.say("warning", here, t.id, "agents", "a class without an agent cannot be simulated")
        # Cell products act by the cells that a dose adds to the model, not by moving a parameter.
        deposits = any(k.drugs[a].deposit is not None for a in t.agents if a in k.drugs)
        if t.kind == "class" and not t.act and not deposits:
            self.say("warning", here, t.id, "act", "a class without an act does nothing in the model")
        # A strategy may state its aim alone (acts), before any agent or claim of reversal.
        used = (
            t.reverses or t.agents or t.kind == "strategy" or any(t.id in m.reversed_by for m in k.mechanisms.values())
        )
        if not used:
            self.say("warning", here, t.id, "reverses", "orphan: no mechanism and no agent refers to it")

    def drug(self, d: Drug) -> None:
        k, here = self.k, "drugs"
        self.known(here, d.id, "therapy", d.therapy, k.therapies, "therapy")
        for therapy in d.therapy:
            if therapy in k.therapies and d.id not in k.therapies[therapy].agents:
                self.say(
                    "warning", here, d.id, "therapy", f"therapy '{therapy}' does not list it under 'agents'", therapy
                )
        try:
            usual = parse_regimen(d.usual, k)
        except NexusError as error:
            self.say("error", here, d.id, "usual", f"cannot be read: {error}", d.usual)
        else:
            if usual.drugs != (d.id,):
                self.say("error", here, d.id, "usual", f"must name {d.id} alone", d.usual)
            highest = max(c.amount for c in usual.components)
            if highest > 1.001 * d.usual_max_single_dose:
                self.say("warning", here, d.id, "usual_max_single_dose",
                         f"below the usual dose of {highest:g} {d.dose_unit}", d.usual_max_single_dose)  # fmt: skip
        if d.pk.model == "effect":
            if d.affinity.unit != d.dose_unit:
                self.say("error", here, d.id, "affinity.unit", f"an 'effect' model counts in {d.dose_unit}",
                         d.affinity.unit)  # fmt: skip
        else:
            self.unit(here, d.id, "affinity.unit", d.affinity.unit, ("nM", "ng/mL"))
            if d.molar_mass_g_per_mol is None and d.dose_unit in {"mg", "ug"}:
                self.say("error", here, d.id, "molar_mass_g_per_mol", "needed to turn mg into nM")
        self.ordered(here, d.id, "toxicity", d.toxicity.low, d.toxicity.ae3_percent, d.toxicity.high)

    def unit(self, plural: str, record: str, field: str, unit: str, like: tuple[str, ...] = ()) -> None:
        """Check that pint reads a unit and, if `like` is given, that it has the dimension of one of those."""
        from tumornexus.units import compatible, parse_unit

        text = "" if unit == "1" else unit[2:] if unit.startswith("1/") else unit
        try:
            parse_unit(text, field=field)
            if like and not any(compatible(text, other) for other in like):
                self.say("error", plural, record, field, f"wrong dimension; use one like {', '.join(like)}", unit,
                         "values and units")  # fmt: skip
        except InputError:
            self.say("error", plural, record, field, "not a unit", unit, "values and units")

    def parameters(self) -> None:
        topic = "values and units"
        for p in self.k.parameters.values():
            self.unit("parameters", p.id, "unit", p.unit)
            self.ordered("parameters", p.id, "value", p.low, p.value, p.high)
            if p.bounded and (p.low < 0.0 or p.high > 1.0):
                self.say("error", "parameters", p.id, "bounded",
                         f"bounded in [0, 1], but ranges {p.low:g} to {p.high:g}", topic=topic)  # fmt: skip
            if p.spread_sd_log < 0.0:
                self.say("error", "parameters", p.id, "spread_sd_log", "a spread cannot be negative", p.spread_sd_log,
                         topic)  # fmt: skip
            if p.status == "measured" and not p.source:
                self.say("error", "parameters", p.id, "source", "'measured' needs a source", topic="sources")

    def tumor(self, t: Tumor) -> None:
        k, here = self.k, "tumors"
        given = Counter(p.mechanism for p in t.prevalence)
        self.known(here, t.id, "prevalence.mechanism", given, k.mechanisms, "mechanism")
        for mechanism, n in given.items():
            if n > 1:
                self.say("error", here, t.id, "prevalence.mechanism", "given twice", mechanism)
        stated = {p.mechanism for other in k.tumors.values() for p in other.prevalence}
        for m in k.causes:
            if m not in given and m in stated:  # one that no tumor type states is reported once, at the mechanism
                self.say("error", here, t.id, "prevalence", f"no prevalence for the cause '{m}'",
                         topic="values and units")  # fmt: skip
        for p in t.prevalence:
            self.ordered(here, t.id, f"prevalence '{p.mechanism}'", p.low, p.value, p.high)
        self.ordered(here, t.id, "doubling_time_day", t.doubling_time_low, t.doubling_time_day, t.doubling_time_high)
        self.ordered(here, t.id, "burden_ml", t.burden_low, t.burden_ml, t.burden_high)
        self.ordered(here, t.id, "tmb_median", t.tmb_low, t.tmb_median, t.tmb_high)
        total = t.inflamed + t.excluded + t.desert
        if abs(total - 1.0) > 0.011:
            self.say("error", here, t.id, "inflamed", "inflamed + excluded + desert must be 1", round(total, 4))
        self.known(here, t.id, "override.parameter", (o.parameter for o in t.override), k.parameters, "parameter")
        for o in t.override:
            self.ordered(here, t.id, f"override '{o.parameter}'", o.low, o.value, o.high)
        if not t.standard_of_care:
            self.say("error", here, t.id, "standard_of_care", "a tumor type needs at least one standard regimen")
        for i, s in enumerate(t.standard_of_care, start=1):
            self.regimen(here, t.id, f"standard_of_care[{i}].regimen", s.regimen)

    def regimen(self, plural: str, record: str, field: str, text: str) -> tuple[str, ...]:
        try:
            return parse_regimen(text, self.k).drugs
        except NexusError as error:
            self.say("error", plural, record, field, f"cannot be read: {error}", text)
            return ()

    def trial(self, t: Trial) -> None:
        here = "trials"
        if t.tumor is not None:
            self.known(here, t.id, "tumor", [t.tumor], self.k.tumors, "tumor type")
        self.scope(t)
        for arm in t.arm:
            where = f"arm '{arm.name}'"
            # Arms of trials outside the catalogue's reach may hold drugs that it does not know; they cannot be run.
            self.known(
                here, t.id, f"{where}.drugs", arm.drugs, self.k.drugs, "drug", "error" if arm.regimen else "info"
            )
            if arm.regimen:
                drugs = self.regimen(here, t.id, f"{where}.regimen", arm.regimen)
                if drugs and set(drugs) != set(arm.drugs):
                    self.say("warning", here, t.id, f"{where}.drugs", f"the regimen names {', '.join(drugs)}",
                             list(arm.drugs))  # fmt: skip
        if len(Counter(a.name for a in t.arm)) < len(t.arm):
            self.say("error", here, t.id, "arm.name", "two arms have the same name")
        if t.randomized and len(t.arm) > 1 and not any(a.control for a in t.arm):
            self.say("info", here, t.id, "arm.control", "randomized, but no arm is marked as control")

    def scope(self, t: Trial) -> None:
        """Check that a trial's disease has a name in the vocabulary, and that what cannot be simulated says so."""
        here, covered = "trials", ", ".join(SIMULATED_ENDPOINTS)
        named = {fold(n): r for r in (*self.k.diseases.values(), *self.k.tumors.values()) for n in names_of(r)}
        disease = named.get(fold(t.disease))
        if disease is None:
            self.say("error", here, t.id, "disease", "no tumor type and no disease goes by this name; add it to "
                     "'synonyms' in tumors.toml or diseases.toml", t.disease)  # fmt: skip
        if t.out_of_scope:
            return
        if t.tumor is None:
            why = f": {disease.reason}" if isinstance(disease, Disease) else ""
            self.say("error", here, t.id, "out_of_scope", f"must say why a trial without a tumor type is not "
                     f"simulated{why}")  # fmt: skip
        elif isinstance(disease, Disease):
            self.say("error", here, t.id, "tumor", f"the catalogue does not cover {disease.name}, so the trial needs "
                     "'out_of_scope' and no tumor type", t.tumor)  # fmt: skip
        if t.endpoint not in SIMULATED_ENDPOINTS:
            self.say("error", here, t.id, "out_of_scope", f"must say why a trial judged by {t.endpoint} is not "
                     f"simulated; the model covers {covered}")  # fmt: skip

    # -- the catalogue as a whole -------------------------------------------------------------------------------------

    def sources(self) -> None:
        for plural in (*KINDS, "cycle"):
            for identifier, record in getattr(self.k, plural).items():
                merged = {f"prevalence[{i}]" for i, p in enumerate(getattr(record, "prevalence", ()), start=1)
                          if plural == "tumors" and self._stated_by_mechanism(p.mechanism)}  # fmt: skip
                for path, key in every_source(record):
                    if key not in self.k.references and path.partition(".")[0] not in merged:
                        self.say("error", plural, identifier, path, f"no such key in the bibliography; "
                                 f"{near_misses(key, self.k.references)}", key, "sources")  # fmt: skip
                for path, keys in _source_lists(record):
                    for key in (key for key, n in Counter(keys).items() if n > 1):
                        self.say("error", plural, identifier, path, "the same source is named twice", key, "sources")

    def _stated_by_mechanism(self, mechanism: str) -> bool:
        return mechanism in self.k.mechanisms and bool(self.k.mechanisms[mechanism].prevalence)

    def names(self) -> None:
        for plural, kind in KINDS.items():
            owners: dict[str, dict[str, str]] = {}
            for identifier, record in getattr(self.k, plural).items():
                for name in names_of(record):
                    first = owners.setdefault(fold(name), {})
                    first.setdefault(identifier, name)
            for ids in owners.values():
                first, *others = ids
                for identifier in others:
                    self.say("error", plural, identifier, "aliases", f"conflicting name: it names "
                             f"{', '.join(sorted(ids))}, and looking it up is ambiguous; the {kind} '{first}' of "
                             f"{self.k.origin.get(f'{plural}/{first}', plural)} goes by it too", ids[identifier],
                             "names")  # fmt: skip
        # A covered tumor type and an uncovered disease under one name: the second could never be told.
        covered = {fold(name): t.id for t in self.k.tumors.values() for name in names_of(t)}
        for disease in self.k.diseases.values():
            for name in names_of(disease):
                if fold(name) in covered:
                    ids = ", ".join(sorted((covered[fold(name)], disease.id)))
                    self.say("error", "diseases", disease.id, "synonyms", f"conflicting name: it names {ids}, a tumor "
                             "type of the model and a disease that it does not cover", name, "names")  # fmt: skip
            self.known("diseases", disease.id, "nearest", disease.nearest, self.k.tumors, "tumor type")
        for name in set(self.k.mechanisms) & set(self.k.therapies):
            self.say("error", "therapies", name, "id", "a mechanism has the same id; the network needs them distinct",
                     name, "names")  # fmt: skip

    def cells_and_mediators(self) -> None:
        known = dict.fromkeys((*self.k.cells, *self.k.mechanisms, *self.k.mediators))
        known |= dict.fromkeys(state for cell in self.k.cells.values() for state in cell.states)
        for mediator in self.k.mediators.values():
            self.genes("mediators", mediator.id, "genes", mediator.genes)
            if self.k.cells:
                for field in ("made_by", "acts_on"):
                    self.known("mediators", mediator.id, field, getattr(mediator, field), known, "cell", "warning")
            self.unit("mediators", mediator.id, "unit", mediator.unit)
        for cell in self.k.cells.values():
            self.genes("cells", cell.id, "markers", cell.markers)

    def identifiers(self) -> None:
        tables = {kind: getattr(self.k, plural) for plural, kind in KINDS.items()}
        owners: dict[str, set[str]] = defaultdict(set)
        for entry in self.k.identifiers.values():
            kind, _, record = entry.id.partition("/")
            if kind not in tables:
                self.say("error", "identifiers", entry.id, "id", f"no such kind; {', '.join(tables)}", kind)
            else:
                self.known("identifiers", entry.id, "id", [record], tables[kind], kind)
            for term in entry.terms:
                if term.match == "exact":
                    owners[term.id].add(entry.id)
        for term, ids in owners.items():
            if len(ids) > 1:
                self.say("error", "identifiers", sorted(ids)[0], "terms.id",
                         f"means exactly the same as {' and as '.join(sorted(ids))}", term)  # fmt: skip

    def cycle(self) -> None:
        missing = sorted(set(range(1, 8)) - set(self.k.cycle))
        if missing:
            self.say("error", "cycle", "*", "step", f"steps {', '.join(map(str, missing))} are missing")

    def split(self) -> None:
        trials = self.k.trials.values()
        if trials:
            share = sum(t.use == "held_out" for t in trials) / len(trials)
            if not HELD_OUT_SHARE[0] <= share <= HELD_OUT_SHARE[1]:
                self.say(
                    "warning", "trials", "*", "use", f"{share:.0%} of the trials are held out; about a third is meant"
                )

    def model(self, read_by_model: Collection[str] | None, observables: Collection[str] | None) -> None:
        if read_by_model is not None:
            moved = {e.parameter for m in self.k.mechanisms.values() for e in m.effect}
            moved |= {a.parameter for t in self.k.therapies.values() for a in t.act}
            for p in self.k.parameters:
                if p not in read_by_model:
                    severity: Severity = "error" if p in moved else "warning"
                    tail = "; what moves it has no consequence" if p in moved else ""
                    self.say(severity, "parameters", p, "id", f"no rate law reads it{tail}", p,
                             "parameters and observables")  # fmt: skip
        if observables is not None:
            for m in self.k.mechanisms.values():
                if m.process.observable not in observables:
                    self.say("error", "mechanisms", m.id, "process.observable", "no such observable; "
                             + near_misses(m.process.observable, observables), m.process.observable,
                             "parameters and observables")  # fmt: skip
            for step in self.k.cycle.values():
                if step.observable not in observables:
                    self.say("error", "cycle", step.step, "observable", "no such observable; "
                             + near_misses(step.observable, observables), step.observable,
                             "parameters and observables")  # fmt: skip


def check_meaning(
    knowledge: Knowledge,
    *,
    read_by_model: Collection[str] | None = None,
    observables: Collection[str] | None = None,
) -> list[Finding]:
    """Hold every record against the others and return what does not fit, errors first.

    Args:
        knowledge: the catalogue.
        read_by_model: parameter ids that some rate law reads. Knowledge may not import the biology, so the caller says;
            None leaves the question out.
        observables: names that a simulation reports, likewise.
    """
    checker = _Checker(knowledge)
    per_record: list[tuple[str, Callable[..., None]]] = [
        ("mechanisms", checker.mechanism), ("therapies", checker.therapy), ("drugs", checker.drug),
        ("tumors", checker.tumor), ("trials", checker.trial),
    ]  # fmt: skip
    for plural, check in per_record:
        for record in getattr(knowledge, plural).values():
            check(record)
    for check in (
        checker.parameters, checker.cells_and_mediators, checker.identifiers, checker.cycle, checker.sources,
        checker.names, checker.split,
    ):  # fmt: skip
        check()
    for plural in KINDS:
        for record in getattr(knowledge, plural).values():
            checker.placeholders(plural, record)
    checker.model(read_by_model, observables)
    for check_whole in orphans.CHECKS:
        check_whole(knowledge, checker.say)
    return sorted(checker.findings, key=lambda f: (_RANK[f.severity], f.file, f.line or 0, f.field, str(f.value)))


def _texts(record: Record, path: str = "") -> Iterable[tuple[str, str]]:
    """Yield (path of the field, text) for every text written anywhere in a record."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        for i, item in enumerate(value if isinstance(value, tuple) else (value,), start=1):
            here = f"{path}{name}[{i}]" if isinstance(value, tuple) else f"{path}{name}"
            if isinstance(item, Record):
                yield from _texts(item, f"{here}.")
            elif isinstance(item, str):
                yield (
                    here if isinstance(value, tuple) and path else here.partition("[")[0] if path == "" else here,
                    item,
                )


def _source_lists(record: Record, path: str = "") -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield (path of the field, bibliography keys) for every list of sources in a record."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        if name == "source":
            yield f"{path}source", tuple(value or ())
        for i, item in enumerate(value if isinstance(value, tuple) else (value,), start=1):
            if isinstance(item, Record):
                yield from _source_lists(item, f"{path}{name}[{i}]." if isinstance(value, tuple) else f"{path}{name}.")


def _sourced_parts(record: Record) -> Iterable[Sourced]:
    if isinstance(record, Sourced):
        yield record
    for name in type(record).model_fields:
        value = getattr(record, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Record):
                yield from _sourced_parts(item)


def count_origins(knowledge: Knowledge) -> dict[str, dict[str, int]]:
    """Count, for each kind of record, its records and how many of their statements are sourced or assumed.

    Returns:
        Kind to ``{"records", "statements", "sourced", "assumed", "unsourced", "from_memory"}``; a statement with both a
        source and an assumption (a sourced number bent to our use) counts as sourced and as assumed, `unsourced` are
        the assumptions that no source supports, `from_memory` those whose own words, or whose references all, say
        that the source was not looked up.
    """
    counts: dict[str, dict[str, int]] = {}
    recalled = {key for key, reference in knowledge.references.items() if "from memory" in str(reference)}
    for plural, kind in KINDS.items():
        records: Mapping[str, Record] = getattr(knowledge, plural)
        parts = [part for record in records.values() for part in _sourced_parts(record)]
        counts[kind] = {
            "records": len(records),
            "statements": len(parts),
            "sourced": sum(bool(part.source) for part in parts),
            "assumed": sum(bool(part.assumed) for part in parts),
            "unsourced": sum(not part.source for part in parts),
            "from_memory": sum(
                "from memory" in f"{part.note} {part.assumed}"
                or (bool(part.source) and all(key in recalled for key in part.source))
                for part in parts
            ),
        }
    return counts
