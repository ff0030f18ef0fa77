"""Explaining the catalogue: everything known under a name, as titles, paragraphs and tables.

The text is data, not terminal output: the command line prints it, the documentation renders it. Conflicts between
reviews and trials come with the trials' numbers, because "it failed" without numbers invites disbelief.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tumornexus.knowledge.linked import external_terms
from tumornexus.knowledge.load import Knowledge, every_source, fold, names_of
from tumornexus.knowledge.records import (
    Act,
    Arm,
    Biomarker,
    Cell,
    ClaimConflict,
    Disease,
    Drug,
    Effect,
    Mechanism,
    Mediator,
    Parameter,
    Record,
    Therapy,
    Trial,
    Tumor,
)

_INFLUENCE = {"worse": "worsens it", "none": "no influence expected", "better": "marks a better response"}
_RELEVANT = ("moderate", "high")


@dataclass(frozen=True)
class Table:
    """A small table: title, column names, rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Explanation:
    """What the catalogue knows under one name.

    Attributes:
        kind: a kind of record (``mechanism``, ``drug``, ...) or one of `tumornexus.knowledge.lookup.FURTHER`.
        id: the record's id.
        title: heading.
        paragraphs: text, most important first.
        warnings: what speaks against the claim: refuting trials, conflicting evidence, things left out of scope.
        tables: numbers.
        references: bibliography key and formatted reference of everything cited.
        also: other things of the same name, as ``kind:id``.
    """

    kind: str
    id: str
    title: str
    paragraphs: tuple[str, ...]
    warnings: tuple[str, ...]
    tables: tuple[Table, ...]
    references: tuple[tuple[str, str], ...]
    also: tuple[str, ...] = ()


def _number(value: float | None, unit: str = "", digits: int = 4) -> str:
    if value is None:
        return ""
    return f"{value:.{digits}g}{unit}"


def _join(items: Iterable[str]) -> str:
    words = list(items)
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def _steps(knowledge: Knowledge, steps: Iterable[int]) -> str:
    named = [f"{s} ({knowledge.cycle[s].name})" if s in knowledge.cycle else str(s) for s in steps]
    return _join(named) if named else "none"


def _name(knowledge: Knowledge, plural: str, identifier: str) -> str:
    record = getattr(knowledge, plural).get(identifier)
    return f"{record.name} ({identifier})" if record is not None else identifier


def origin_of(item: object) -> str:
    """Say where a statement comes from: its sources, and why it is assumed if it is."""
    source, assumed = getattr(item, "source", ()), getattr(item, "assumed", None)
    parts = [", ".join(source)] if source else []
    if assumed:
        parts.append("assumed: " + assumed)
    return "; ".join(parts)


def _control(trial: Trial, arm: Arm) -> Arm | None:
    return next((a for a in trial.arm if a.control and a is not arm), None)


def trial_sentence(trial: Trial) -> str:
    """Tell one trial's result in a sentence with its numbers, the control arm beside the others."""
    design = "randomized" if trial.randomized else "single-group" if len(trial.arm) == 1 else "non-randomized"
    verdict = "negative " if trial.negative else ""
    arms = [_arm_words(arm) for arm in trial.arm]
    return f"{trial.name} ({verdict}{design} trial, {trial.disease}, {trial.line}): " + "; ".join(arms) + "."


def _arm_words(arm: Arm) -> str:
    o = arm.outcome
    said = []
    if arm.n:
        said.append(f"n = {arm.n}")
    for value, word, unit in (
        (o.orr, "response", " %"), (o.pfs_median, "median PFS", " months"), (o.os_median, "median OS", " months"),
        (o.pfs_hr, "PFS hazard ratio", ""), (o.os_hr, "OS hazard ratio", ""), (o.ae3, "grade 3+ events", " %"),
    ):  # fmt: skip
        if value is not None:
            said.append(f"{word} {value:g}{unit}")
    tail = " (control)" if arm.control else ""
    return f"{arm.name}{tail}: {', '.join(said) if said else 'no numbers reported'}"


def _arm_table(title: str, trials: Iterable[Trial]) -> Table:
    rows = []
    for trial in trials:
        for arm in trial.arm:
            o = arm.outcome
            rows.append((
                trial.name, "negative" if trial.negative else "", arm.name + (" (control)" if arm.control else ""),
                str(arm.n or ""), _number(o.orr), _number(o.cr), _number(o.pfs_median), _number(o.os_median),
                _number(o.pfs_hr), _number(o.os_hr), _number(o.ae3),
            ))  # fmt: skip
    columns = (
        "trial", "verdict", "arm", "n", "ORR %", "CR %", "PFS months", "OS months", "PFS HR", "OS HR", "grade 3+ %",
    )  # fmt: skip
    return Table(title, columns, tuple(rows))


def trials_of(knowledge: Knowledge, drugs: Iterable[str]) -> list[Trial]:
    """Trials in which any of these drugs was given in an arm that is not the control."""
    wanted = set(drugs)
    return [t for t in knowledge.trials.values() if any(wanted & set(a.drugs) for a in t.arm if not a.control)]


def tested_in(knowledge: Knowledge, drugs: Iterable[str]) -> list[Trial]:
    """Trials that put these drugs to the test: an arm holds one of them and its control arm does not.

    Where the control arm of a randomized trial is not recorded, drugs that serve as controls in other trials count as
    the backbone: nivolumab is not to blame for what was added to it.
    """
    agents = set(drugs)
    comparators = {d for t in knowledge.trials.values() for a in t.arm if a.control for d in a.drugs}
    found: dict[str, Trial] = {}
    for trial in trials_of(knowledge, agents):
        for arm in trial.arm:
            control = _control(trial, arm)
            backbone = set(control.drugs) if control else comparators if trial.randomized else set()
            if not arm.control and agents & (set(arm.drugs) - backbone):
                found[trial.id] = trial
    return list(found.values())


def _conflict_words(knowledge: Knowledge, conflict: ClaimConflict) -> str:
    numbers = " ".join(trial_sentence(knowledge.trials[t]) for t in conflict.trials if t in knowledge.trials)
    return f"Claimed: {conflict.claim} Found: {conflict.finding}" + (f" {numbers}" if numbers else "")


def _against(
    knowledge: Knowledge, conflicts: Iterable[ClaimConflict], therapies: Iterable[str], targeting: str, agents_of: str
) -> tuple[list[str], list[Trial]]:
    """What speaks against a claim, in words, and all trials that bear on it.

    A randomized trial that the record itself names as conflicting, and that tested an agent against the target, refutes
    the target. Other negative trials of its agents are reported as a share of all randomized ones, because an agent
    may fail in one disease and work in the next.
    """
    conflicts = list(conflicts)
    mentioned = {t: knowledge.trials[t] for c in conflicts for t in c.trials if t in knowledge.trials}
    agents = {a for t in therapies if t in knowledge.therapies for a in knowledge.therapies[t].agents}
    tested = {t.id: t for t in tested_in(knowledge, agents)}
    randomized = [t for t in tested.values() if t.randomized]
    failed = [t for t in randomized if t.negative]
    named = [t for t in failed if t.id in mentioned]
    warnings = []
    if named:
        word = "a randomized trial" if len(named) == 1 else f"{len(named)} randomized trials"
        warnings.append(f"{targeting} failed in {word} ({_join(t.name for t in named)}).")
    if failed and (len(randomized) > len(named) or not named):
        names = _join(t.name for t in failed)
        if len(randomized) == 1:
            warnings.append(f"The only randomized trial of {agents_of} in the catalogue was negative ({names}).")
        else:
            verb = "was" if len(failed) == 1 else "were"
            warnings.append(
                f"Of {len(randomized)} randomized trials of {agents_of} in the catalogue, {len(failed)} {verb} "
                f"negative ({names})."
            )
    warnings += [_conflict_words(knowledge, c) for c in conflicts]
    warnings += [trial_sentence(t) for t in failed if t.id not in mentioned]
    return warnings, list({**mentioned, **tested}.values())


def _shift_rows(knowledge: Knowledge, items: Iterable[Effect | Act]) -> tuple[tuple[str, ...], ...]:
    rows = []
    for e in items:
        parameter = knowledge.parameters.get(e.parameter)
        words = {"multiply": f"times {e.value:g}", "add": f"plus {e.value:g}", "saturate": f"toward {e.value:g}"}[e.law]
        default = f"{parameter.value:g} {parameter.unit}".removesuffix(" 1") if parameter else "?"
        rows.append((e.parameter, words, f"{e.low:g} to {e.high:g}", default, origin_of(e)))
    return tuple(rows)


def biomarker_row(b: Biomarker) -> tuple[str, ...]:
    """Return how a biomarker is measured: id, input and method, direction, what it reads, weight."""
    reads = b.field or ", ".join((*b.genes, *(f"-{g}" for g in b.genes_down), *b.changes)) or b.method
    if b.threshold is not None:
        reads += f" at {b.threshold:g} {b.unit or ''}".rstrip()
    if b.separation is not None:
        weight = f"separation {b.separation:g} SD"
    else:
        weight = f"LR+ {_number(b.lr_positive) or '-'}, LR- {_number(b.lr_negative) or '-'}"
    return b.id, f"{b.input}, {b.method}", ("high" if b.direction == "+" else "low") + " speaks for it", reads, weight


def _mechanism(k: Knowledge, m: Mechanism) -> tuple[list[str], list[str], list[Table]]:
    article = {"cause": "a cause: it acts on the model", "state": "a state that the model computes",
               "outcome": "an outcome of the dynamics"}[m.kind]  # fmt: skip
    paragraphs = [
        m.claim,
        f"In the catalogue it is {article}; {m.category}, {_join(m.resistance)} resistance, hub: {m.hub}. "
        f"Evidence: {m.evidence}; grade: {m.grade}.",
        f"It breaks steps of the cancer-immunity cycle: {_steps(k, m.cycle_steps)}.",
        f"Response to PD-1 blockade: {_INFLUENCE[m.expected.pd1]} (relevance {m.relevance_ici}). CAR-T: "
        f"{_INFLUENCE[m.expected.car_t]} (relevance {m.relevance_car_t})."
        + (f" {m.expected.note}" if m.expected.note else ""),
        f"In a simulation it pushes '{m.process.observable}' {'up' if m.process.direction == '+' else 'down'}.",
    ]
    if m.reversed_by:
        paragraphs.append(f"Reversed by: {_join(_name(k, 'therapies', t) for t in m.reversed_by)}.")
    else:
        paragraphs.append("No therapy in the catalogue reverses it.")
    if m.raised_by:
        paragraphs.append(f"Brought about by: {_join(_name(k, 'therapies', t) for t in m.raised_by)}.")
    drivers = [o.id for o in k.mechanisms.values() for d in o.drives if d.target == m.id]
    warnings, trials = _against(k, m.claim_conflict, m.reversed_by, "Targeting it", "agents against it")
    warnings += [
        f"{_name(k, 'therapies', e.therapy)} does not overcome the resistance: {e.reason}" for e in m.not_reversed
    ]
    tables = []
    if m.biomarker:
        columns = ("biomarker", "input, method", "direction", "reads", "weight")
        tables.append(Table("How it is measured", columns, tuple(biomarker_row(b) for b in m.biomarker)))
    if m.effect:
        columns = ("parameter", "at full activity", "range", "typical value", "origin")
        tables.append(Table("How it acts", columns, _shift_rows(k, m.effect)))
    if m.drives or drivers:
        rows = [("drives" if d.sign == "+" else "holds back", d.target, ", ".join(d.source)) for d in m.drives]
        rows += [("driven by", d, "") for d in dict.fromkeys(drivers)]
        tables.append(Table("Its place in the network", ("relation", "mechanism", "source"), tuple(rows)))
    if trials:
        tables.append(_arm_table("Trials that targeted it", trials))
    prevalence = [
        (t.name, f"{100 * p.value:.0f} %", f"{100 * p.low:.0f} to {100 * p.high:.0f} %", origin_of(p))
        for t in k.tumors.values() for p in t.prevalence if p.mechanism == m.id
    ]  # fmt: skip
    if prevalence:
        tables.append(Table("How often it is present", ("tumor", "share", "range", "origin"), tuple(prevalence)))
    return paragraphs, warnings, tables


def _therapy(k: Knowledge, t: Therapy) -> tuple[list[str], list[str], list[Table]]:
    paragraphs = [
        t.rationale,
        f"{'A class of agents' if t.kind == 'class' else 'A strategy'}: {t.modality}; target: {t.target}. "
        f"Status: {t.status}.",
        f"It helps steps of the cancer-immunity cycle: {_steps(k, t.cycle_steps)}.",
        "Mechanisms it reverses: " + (_join(_name(k, "mechanisms", m) for m in t.reverses) or "none")
        + (" of its own" if t.composed_of else "") + ".",
        f"Toxicity: {t.toxicity}.",
    ]  # fmt: skip
    if t.composed_of:
        through = dict.fromkeys(m for part in k.with_parts(t.id)[1:] for m in part.reverses if m not in t.reverses)
        paragraphs.insert(2, "Composed of " + _join(_name(k, "therapies", p) for p in t.composed_of) + ".")
        if through:
            paragraphs.insert(5, "Through these: " + _join(_name(k, "mechanisms", m) for m in through) + ".")
    if t.agents:
        paragraphs.append("Agents: " + _join(k.drugs[a].name if a in k.drugs else a for a in t.agents) + ".")
    warnings, trials = _against(k, t.claim_conflict, [t.id], "An agent of this class", "its agents")
    tables = []
    if t.act:
        columns = ("parameter", "at full effect", "range", "typical value", "origin")
        tables.append(Table("How it acts", columns, _shift_rows(k, t.act)))
    if trials:
        tables.append(_arm_table("Trials of this class", trials))
    return paragraphs, warnings, tables


def _drug(k: Knowledge, d: Drug) -> tuple[list[str], list[str], list[Table]]:
    paragraphs = [
        f"{d.name} acts as {_join(_name(k, 'therapies', t) for t in d.therapy)}; given {d.route}. Status: {d.status}.",
        f"Usual regimen: {d.usual} (at most {d.usual_max_single_dose:g} {d.dose_unit} at once for an adult of 75 kg).",
        f"Grade 3 or higher treatment-related events alone: {d.toxicity.ae3_percent:g} % "
        f"({d.toxicity.low:g} to {d.toxicity.high:g})"
        + (f"; typical: {', '.join(d.toxicity.typical)}" if d.toxicity.typical else "") + ".",
        f"Cost tier {d.cost_tier} of 4: {d.cost_note}.",
    ]  # fmt: skip
    pk = [
        (name, _number(value), unit)
        for name, value, unit in (
            ("clearance", d.pk.clearance, "L/day"), ("central volume", d.pk.v_central, "L"),
            ("peripheral volume", d.pk.v_peripheral, "L"), ("exchange", d.pk.q, "L/day"),
            ("absorption", d.pk.ka_per_day, "1/day"), ("bioavailability", d.pk.bioavailability, ""),
            ("half-life of the effect", d.pk.effect_half_life_day, "day"), ("half-maximal effect", d.affinity.ec50,
             d.affinity.unit), ("Hill exponent", d.affinity.hill, ""),
            ("tumor to plasma", d.affinity.tumor_to_plasma, ""),
        )
        if value is not None
    ]  # fmt: skip
    tables = [Table(f"Pharmacology ({d.pk.model.replace('_', ' ')})", ("quantity", "value", "unit"), tuple(pk))]
    trials = trials_of(k, [d.id])
    warnings = [trial_sentence(t) for t in tested_in(k, [d.id]) if t.negative]
    if d.investigational:
        warnings.insert(0, "Investigational: not approved.")
    if trials:
        tables.append(_arm_table("Trials", trials))
    return paragraphs, warnings, tables


def _tumor(k: Knowledge, t: Tumor) -> tuple[list[str], list[str], list[Table]]:
    paragraphs = [
        t.name + (f", also called {_join(t.synonyms)}" if t.synonyms else "") + f". Response by {t.endpoint}.",
        f"Volume doubles in {t.doubling_time_day:g} days ({t.doubling_time_low:g} to {t.doubling_time_high:g}); usual "
        f"burden {t.burden_ml:g} mL ({t.burden_low:g} to {t.burden_high:g}); {t.tmb_median:g} mutations per megabase "
        f"({t.tmb_low:g} to {t.tmb_high:g}).",
        f"PD-L1 positive {100 * t.pd_l1_positive:.0f} %, MSI-high {100 * t.msi_high:.1f} %; inflamed "
        f"{100 * t.inflamed:.0f} %, excluded {100 * t.excluded:.0f} %, desert {100 * t.desert:.0f} %.",
    ]  # fmt: skip
    prevalence = tuple(
        (_name(k, "mechanisms", p.mechanism), f"{100 * p.value:.0f} %", f"{100 * p.low:.0f} to {100 * p.high:.0f} %",
         origin_of(p))
        for p in sorted(t.prevalence, key=lambda p: -p.value)
    )  # fmt: skip
    care = tuple((s.regimen, str(s.line), s.requires or "", ", ".join(s.source)) for s in t.standard_of_care)
    tables = [
        Table("Mechanisms", ("mechanism", "share", "range", "origin"), prevalence),
        Table("Standard of care", ("regimen", "line", "requires", "source"), care),
    ]
    if t.override:
        rows = tuple((o.parameter, f"{o.value:g}", f"{o.low:g} to {o.high:g}", origin_of(o)) for o in t.override)
        tables.append(Table("What is wired differently", ("parameter", "value", "range", "origin"), rows))
    trials = [trial for trial in k.trials.values() if trial.tumor == t.id]
    if trials:
        tables.append(_arm_table("Trials", trials))
    return paragraphs, [trial_sentence(trial) for trial in trials if trial.negative], tables


def _trial(k: Knowledge, t: Trial) -> tuple[list[str], list[str], list[Table]]:
    use = "kept from calibration, for testing predictions" if t.use == "held_out" else "used for calibration"
    paragraphs = [
        trial_sentence(t),
        f"Selection: {t.selection}; endpoint: {t.endpoint}; {use}. Read: {t.checked}.",
    ]
    warnings = ["A negative trial: it did not meet its primary endpoint."] if t.negative else []
    if t.out_of_scope:
        warnings.append(f"Not simulated: {t.out_of_scope}")
    memory = [a.name for a in t.arm if a.from_memory]
    if memory:
        warnings.append(f"Some numbers were entered from memory and not re-read (arms {_join(memory)}).")
    arms = tuple((a.name, a.regimen or a.regimen_text, ", ".join(a.drugs), a.note or "") for a in t.arm)
    return paragraphs, warnings, [_arm_table("Results", [t]), Table("Arms", ("arm", "regimen", "drugs", "note"), arms)]


def _parameter(k: Knowledge, p: Parameter) -> tuple[list[str], list[str], list[Table]]:
    unit = "" if p.unit == "1" else f" {p.unit}"
    spread = "logit" if p.bounded else "natural logarithm"
    paragraphs = [
        f"{p.meaning[:1].upper()}{p.meaning[1:]}: {p.value:g}{unit} ({p.low:g} to {p.high:g}), {p.status}. "
        f"Process: {p.process}.",
        f"Between patients: standard deviation {p.spread_sd_log:g} of the {spread}."
        if p.spread_sd_log else "Shared by all patients.",
        f"Origin: {origin_of(p)}." + (f" {p.note}" if p.note else ""),
    ]  # fmt: skip
    rows = [("mechanism", m.id, e) for m in k.mechanisms.values() for e in m.effect if e.parameter == p.id]
    rows += [("therapy", t.id, a) for t in k.therapies.values() for a in t.act if a.parameter == p.id]
    moved = tuple((kind, owner, f"{e.law} {e.value:g}", f"{e.low:g} to {e.high:g}") for kind, owner, e in rows)
    return paragraphs, [], [Table("Who moves it", ("kind", "id", "how", "range"), moved)] if moved else []


def _disease(k: Knowledge, d: Disease) -> tuple[list[str], list[str], list[Table]]:
    trials = [t for t in k.trials.values() if fold(t.disease) in {fold(name) for name in names_of(d)}]
    paragraphs = [
        f"{d.name}, also called {_join(d.synonyms)}.",
        f"Covered are {_join(t.name for t in k.tumors.values())}.",
    ]
    if d.nearest:
        paragraphs.append(f"Nearest to it: {_join(_name(k, 'tumors', t) for t in d.nearest)}.")
    tables = [_arm_table("Trials kept as evidence", trials)] if trials else []
    return paragraphs, [f"Not covered: {d.reason}."], tables


def _plain(k: Knowledge, record: Cell | Mediator) -> tuple[list[str], list[str], list[Table]]:
    skipped = {"id", "name", "source", "assumed"}
    shown = [
        f"{field.replace('_', ' ')}: {_join(map(str, value)) if isinstance(value, tuple) else value}"
        for field in type(record).model_fields
        if field not in skipped and (value := getattr(record, field))
    ]
    return [f"{record.name}; " + "; ".join(shown) + "."], [], []


def explain(knowledge: Knowledge, name: str) -> Explanation:
    """Gather everything known under an id, name or alias.

    Args:
        knowledge: the catalogue.
        name: for example ``ido``, ``anti-PD-1``, ``nivolumab``, ``melanoma``, ``CheckMate-067``, ``growth_rate``,
            ``CD274``, ``killing.cd8_kill`` or a DOI; ``kind:name`` where several things share a name
            (``mediator:lactate``).

    Raises:
        InputError: nothing goes by this name; near misses are listed.
    """
    from tumornexus.knowledge.further import TELL
    from tumornexus.knowledge.lookup import look_up

    (kind, identifier), *others = look_up(knowledge, name)
    also = tuple(f"{k.replace(' ', '_')}:{i}" for k, i in others)
    if kind in TELL:
        return replace(TELL[kind](knowledge, identifier), also=also)
    record = knowledge.table(kind)[identifier]
    tell: dict[str, Callable[..., tuple[list[str], list[str], list[Table]]]] = {
        "mechanism": _mechanism, "therapy": _therapy, "drug": _drug, "tumor": _tumor, "trial": _trial,
        "parameter": _parameter, "cell": _plain, "mediator": _plain, "disease": _disease,
    }  # fmt: skip
    paragraphs, warnings, tables = tell[kind](knowledge, record)
    if terms := external_terms(knowledge, kind, identifier):
        said = _join(term if match == "exact" else f"{term} ({match})" for term, match in terms)
        paragraphs.append(f"In other vocabularies: {said}.")
    return Explanation(
        kind=kind,
        id=identifier,
        title=str(getattr(record, "name", identifier)),
        paragraphs=tuple(paragraphs),
        warnings=tuple(warnings),
        tables=tuple(tables),
        references=cited(knowledge, [record, *_trials_in(knowledge, record)]),
        also=also,
    )


def _trials_in(knowledge: Knowledge, record: Record) -> list[Trial]:
    named = [t for c in getattr(record, "claim_conflict", ()) for t in c.trials]
    return [knowledge.trials[t] for t in named if t in knowledge.trials]


def cited(knowledge: Knowledge, records: Iterable[Record]) -> tuple[tuple[str, str], ...]:
    """Return key and formatted reference of everything that some records cite."""
    keys = dict.fromkeys(key for record in records for _, key in every_source(record))
    return tuple((key, knowledge.citation(key)) for key in keys)


def compare_modalities(knowledge: Knowledge) -> Table:
    """Set resistance to checkpoint inhibitors against resistance to CAR-T, one row a mechanism.

    A mechanism is *shared* when its relevance is moderate or high to both, *distinct* when to one only, *minor*
    otherwise. The reason is the record's own note on the expected influence or, without one, where it acts.
    """
    rows = []
    order = {"high": 0, "moderate": 1, "low": 2, "none": 3}
    for m in sorted(
        knowledge.mechanisms.values(), key=lambda m: (order[m.relevance_ici], order[m.relevance_car_t], m.id)
    ):
        ici, car_t = m.relevance_ici in _RELEVANT, m.relevance_car_t in _RELEVANT
        kind = "shared" if ici and car_t else "checkpoint inhibitors" if ici else "CAR-T" if car_t else "minor"
        steps = ", ".join(map(str, m.cycle_steps)) or "none"
        way = "raises" if m.process.direction == "+" else "lowers"
        reason = m.expected.note or f"{way} {m.process.observable.replace('_', ' ')} (cycle steps {steps})"
        rows.append((
            m.id, m.name, m.relevance_ici, m.relevance_car_t, m.expected.pd1, m.expected.car_t, kind, reason,
        ))  # fmt: skip
    order_kind = {"shared": 0, "checkpoint inhibitors": 1, "CAR-T": 2, "minor": 3}
    rows.sort(key=lambda row: order_kind[row[6]])
    columns = (
        "mechanism", "name", "relevance to ICI", "relevance to CAR-T", "expected with PD-1 blockade",
        "expected with CAR-T", "resistance", "reason",
    )  # fmt: skip
    return Table("Resistance to checkpoint inhibitors and to CAR-T", columns, tuple(rows))
