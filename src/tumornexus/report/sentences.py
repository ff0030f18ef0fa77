"""The three sentences of the first screen, and the short advice that follows from what was not measured.

Each answers one question: which mechanisms make the tumor resist, which of them matter most, and what the best
combinations would do compared with the standard and how sure we are. They use only the fixed words of the glossary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tumornexus.report import words
from tumornexus.report.figures.nodes import value_of
from tumornexus.report.rows import NodeRow, RegimenRow, View


@dataclass(frozen=True)
class Answers:
    """One sentence a question."""

    why: str
    what: str
    then: str


def _in_prose(name: str) -> str:
    """Lower the first letter of a name inside a sentence, unless it is an abbreviation such as IDO1 or TGF-beta."""
    first = name.split("-")[0].split()[0] if name else ""
    return name[:1].lower() + name[1:] if first[:1].isupper() and first[1:].islower() and len(first) > 1 else name


def why_sentence(view: View) -> str:
    """Which mechanisms the tumor is consistent with, and at which step the cycle is broken."""
    measured = [m for m in view.mechanisms if m.measured and m.kind == "cause"]
    causes = [m for m in view.active if m.kind == "cause"]
    unmeasured = len([m for m in view.mechanisms if not m.measured])
    total = len(view.mechanisms)
    tail = f"; {unmeasured} of {total} mechanisms were not measured" if unmeasured else ""
    if not measured:
        return f"None of the {total} mechanisms was measured, so the data name no reason for resistance."
    if not causes:
        top = max(measured, key=lambda m: m.mean)
        return (
            f"No measured mechanism is more likely present than absent (highest: {_in_prose(top.name)}, "
            f"{words.activity(top.mean)}, 90% interval {top.low:.2f}–{top.high:.2f}){tail}."
        )
    dominant = {n.mechanism for n in view.dominant}
    shown = sorted(causes, key=lambda m: (m.id not in dominant, -m.mean))[:3]
    shown.sort(key=lambda m: -m.mean)
    parts = [f"{_in_prose(m.name)} ({words.activity(m.mean)}, {m.low:.2f}–{m.high:.2f})" for m in shown]
    top = shown[0]
    parts[0] = f"{_in_prose(top.name)} (activity {words.activity(top.mean)}, 90% interval {top.low:.2f}–{top.high:.2f})"
    broken = next((b for b in view.barriers if b.broken and b.measured), None)
    step = (
        f"; the cycle is broken at step {broken.step}, {broken.name.lower()} "
        f"({broken.mean:.2f}, {broken.low:.2f}–{broken.high:.2f})"
        if broken
        else ""
    )
    if broken is not None:
        close = [str(b.step) for b in view.barriers if b.measured and not b.broken and b.mean >= broken.mean - 0.05]
        plural = "s" if len(close) > 1 else ""
        step += f", with step{plural} {words.listed(close)} about as closed" if close else ""
    more = len(causes) - len(shown)
    said = words.listed([*parts, f"{more} more"] if more > 0 else parts)
    return f"The tumor is consistent with {said}{step}{tail}."


def _effect(view: View, row: NodeRow) -> str:
    value, ends = value_of(view, row.effect), sorted((value_of(view, row.low), value_of(view, row.high)))
    if view.node_quantity == "volume":
        return f"{words.fold(value)} (90% interval {words.ratio(ends[0])}–{words.ratio(ends[1])})"
    return f"by {100 * value:+.0f} points (90% interval {100 * ends[0]:+.0f} to {100 * ends[1]:+.0f})"


def what_sentence(view: View) -> str:
    """Which reversal changes the simulated course most, alone and in a pair."""
    if not view.nodes:
        return "No reversal was simulated, so no mechanism can be called dominant."
    first = view.nodes[0]
    changes = (
        "would change the simulated tumor volume"
        if view.node_quantity == "volume"
        else "would change the simulated response probability"
    )
    span = f" {view.node_span}" if view.node_span else ""
    to = " to " if view.node_quantity == "volume" else " "
    if not first.resolved:
        return (
            f"No single mechanism is clearly dominant: reversing {_in_prose(first.name)}, the first in order, "
            f"{changes}{span}{to}{_effect(view, first)}, an interval that includes no change."
        )
    then = view.dominant[1:3]
    next_ones = (
        f", ahead of {words.listed(_in_prose(n.name) for n in then)}"
        if then
        else ", and no other single mechanism is resolved from no change"
    )
    pair = ""
    if view.pairs and view.pairs[0].resolved:
        best = view.pairs[0]
        if first.mechanism in (best.mechanism, best.partner):
            other = best.partner if first.mechanism == best.mechanism else best.mechanism
            both = f"together with {_in_prose(view.names.get(other, words.plain(other)))}"
        else:
            both = "both " + words.listed(
                _in_prose(view.names.get(m, words.plain(m))) for m in (best.mechanism, best.partner)
            )
        pair = f"; {both},{to}{_effect(view, best).replace('90% interval ', '')}"
    return f"Reversing {_in_prose(first.name)} {changes} most{span},{to}{_effect(view, first)}{next_ones}{pair}."


def best_regimen(view: View) -> RegimenRow | None:
    """The highest-ranked regimen other than the reference that has a probability and is not refuted."""
    return next(
        (r for r in view.regimens if not r.standard and not r.refuted and r.response is not None),
        None,
    )


def word_for(reference: RegimenRow) -> str:
    """What the regimen is that others are compared with."""
    return "a standard of care" if reference.accepted else "the backbone"


def then_sentence(view: View) -> str:
    """What the best combination would do compared with the standard, and how sure that is."""
    if not view.regimens:
        return "No regimen was simulated, so no combination can be compared with the standard."
    best, standard = best_regimen(view), view.standard
    hypothesis = next((r for r in view.regimens if r.hypothesis and not r.refuted and r.direction == "smaller"), None)
    extra = f"; of the hypotheses, {hypothesis.short} points toward a smaller tumor" if hypothesis else ""
    if best is None:
        toward = [r.short for r in view.regimens if not r.refuted and r.direction == "smaller"][:3]
        versus = f" against {standard.short}, {word_for(standard)}" if standard is not None else ""
        points = f"{words.listed(toward)} point{'s' if len(toward) == 1 else ''}" if toward else "none points"
        return (
            "No combination here has been calibrated against trials, so the simulation gives directions and no "
            f"probabilities:{versus}, {points} toward a smaller tumor.".replace(":,", ":")
        )
    if standard is not None and standard.rank < best.rank and standard.response is not None:
        lead = (
            f"No calibrated combination ranks above {word_for(standard)}, {standard.short}, with response probability "
            f"{words.percent(standard.response)} (90% interval {words.percent_range(standard.low, standard.high)}); "
            f"next, {best.short} would give {words.percent(best.response)} ({words.percent_range(best.low, best.high)})"
        )
    else:
        lead = ""
    said = (
        f"{best.short} would give a response with probability {words.percent(best.response)} "
        f"(90% interval {words.percent_range(best.low, best.high)})"
    )
    said = f"{said[:1].upper()}{said[1:]}"
    if best.accepted:
        said = said.replace(f"{best.short[1:]} would", f"{best.short[1:]}, also a standard, would", 1)
    if standard is None or standard.response is None:
        return f"{said}, {best.tier}; the standard of care was not among the simulated regimens{extra}."
    versus = (
        f" against {words.percent(standard.response)} ({words.percent_range(standard.low, standard.high)}) "
        f"with {standard.short}, {word_for(standard)}"
    )
    sure = ""
    if best.favored is not None:
        word = words.favored(best.favored)
        share = "all" if best.favored > 0.995 else f"{words.percent(best.favored)} of"
        verb = "is not separated from it" if word == "not separated" else f"is {word} over it"
        verb = verb.replace(" over it", " against it") if "disfavored" in word else verb
        sure = f", and {verb} (smaller tumor in {share} paired draws"
        sure += f"; {best.tier})"
    else:
        sure = f" ({best.tier})"
    return f"{lead or said + versus}{sure}{extra}."


def answers(view: View) -> Answers:
    """All three sentences."""
    return Answers(why_sentence(view), what_sentence(view), then_sentence(view))


@dataclass(frozen=True)
class Measurement:
    """One mechanism that was not measured and what would measure it."""

    name: str
    by: str
    matters: str
    order: float


def to_measure(view: View) -> list[Measurement]:
    """What was not measured, in the order in which knowing it could change the picture."""
    effects = {n.mechanism: n for n in view.nodes}
    out = []
    for m in view.mechanisms:
        if m.measured:
            continue
        node = effects.get(m.id)
        if node is not None:
            size = abs(node.effect)
            matters = (
                f"Reversing it in the twin changes the outcome to {words.fold(math.exp(node.effect))}"
                if view.node_quantity == "volume"
                else f"Reversing it changes the response probability by {100 * node.effect:+.0f} points"
            )
        else:
            size = 0.2 * m.high
            matters = "Not among the simulated reversals"
        matters += f"; present in about {words.percent(m.presence)} of this cancer."
        out.append(Measurement(m.name, "; ".join(m.measured_by) or "no biomarker in the catalogue", matters, size))
    return sorted(out, key=lambda m: (-m.order, m.name))
