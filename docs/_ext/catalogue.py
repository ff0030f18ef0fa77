"""The catalogue as pages: one per mechanism, therapy, drug and tumor type, and a table of all trials.

Adding a record adds its page. The pages are written under ``docs/catalogue`` when a build starts and hold nothing that
is not in the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from markdown import code, listed, number, reference, remove_others, span, table, text, write
from sphinx.application import Sphinx

from tumornexus.knowledge import Knowledge, load_knowledge

Lines = list[str]


class Catalogue:
    """Writes the pages of one `Knowledge`."""

    def __init__(self, knowledge: Knowledge, folder: Path) -> None:
        self.knowledge, self.folder = knowledge, folder
        self.written: set[Path] = set()

    def page(self, path: str, lines: Iterable[str]) -> None:
        write(self.folder / path, lines)
        self.written.add(self.folder / path)

    def link(self, kind: str, identifier: str) -> str:
        """Link to a record's page from another record's page, or its id in code font where it has none."""
        record = getattr(self.knowledge, kind).get(identifier)
        return f"[{text(record.name)}](../{kind}/{identifier}.md)" if record else code(identifier)

    def drug(self, name: str) -> str:
        """Link a drug of a trial arm; an arm may also name agents that the catalogue does not hold."""
        return (
            f"[{text(self.knowledge.drugs[name].name)}](drugs/{name}.md)"
            if name in self.knowledge.drugs
            else text(name)
        )

    def origin(self, statement: Any) -> str:
        """Say where a value comes from: its sources, or that it is assumed and why."""
        parts = []
        if statement.source:
            parts.append(listed(code(key) for key in statement.source))
        if statement.assumed:
            parts.append(f"assumed: {text(statement.assumed)}")
        if statement.note:
            parts.append(text(statement.note))
        return "; ".join(parts)

    def references(self, *groups: Iterable[Any]) -> Lines:
        """List every source that a page cites, in alphabetical order of its key."""
        keys: set[str] = set()
        for group in groups:
            for item in group:
                keys |= {item} if isinstance(item, str) else set(item.source)
        if not keys:
            return []
        return [
            "## Sources",
            "",
            *(f"- {code(key)} {reference(key, self.knowledge.references)}" for key in sorted(keys)),
        ]

    def conflicts(self, conflicts: Iterable[Any]) -> Lines:
        lines: Lines = []
        for conflict in conflicts:
            trials = f" Trials: {listed(code(t) for t in conflict.trials)}." if conflict.trials else ""
            lines += [
                ":::{admonition} Claim and later evidence disagree",
                ":class: warning",
                "",
                f"**Claim.** {text(conflict.claim)}",
                "",
                f"**Finding.** {text(conflict.finding)}{trials} ({self.origin(conflict)})",
                ":::",
                "",
            ]
        return lines

    def mechanism(self, m: Any) -> Lines:
        lines = [f"# {text(m.name)}", "", text(m.claim), ""]
        lines += table(
            ["", ""],
            [
                ["id", code(m.id)],
                ["also known as", listed(text(a) for a in m.aliases)],
                ["kind", KINDS[m.kind]],
                ["category", text(m.category)],
                ["resistance", listed(m.resistance)],
                ["evidence", f"{text(m.evidence)} ({text(m.grade)})"],
                ["steps of the cancer-immunity cycle", listed(str(s) for s in m.cycle_steps)],
                ["hub", text(m.hub)],
                ["relevance to checkpoint inhibitors", m.relevance_ici],
                ["relevance to CAR-T cells", m.relevance_car_t],
                ["extent is a", m.extent.replace("_", " ")],
                ["moves", f"{code(m.process.observable)} {'up' if m.process.direction == '+' else 'down'}"],
            ],
        )
        lines += self.conflicts(m.claim_conflict)
        lines += [
            "## Expected influence on response",
            "",
            f"PD-1 blockade: **{m.expected.pd1}**. CAR-T cells: **{m.expected.car_t}**. ({self.origin(m.expected)})",
            "",
            "## How it is measured",
            "",
        ]
        measured = table(
            ["biomarker", "input", "method", "on", "direction", "weight", "source"],
            [
                [
                    code(b.id), b.input, b.method.replace("_", " "), self.measured_on(b), b.direction, self.weight(b),
                    self.origin(b),
                ]
                for b in m.biomarker
            ],
        )  # fmt: skip
        lines += measured or [
            "No biomarker of the catalogue measures it; it is sampled from its prevalence or simulated.",
            "",
        ]
        if m.effect:
            lines += ["## How it acts", "", "Change of a model parameter at full activity (law and interval).", ""]
            lines += table(
                ["parameter", "law", "value", "source"],
                [[code(e.parameter), e.law, span(e.value, e.low, e.high), self.origin(e)] for e in m.effect],
            )
        else:
            lines += ["## How it acts", "", "It carries no effect of its own: the rate laws produce it.", ""]
        if m.drives:
            lines += ["## What it drives, as the literature claims", ""]
            lines += table(
                ["target", "sign", "source"],
                [[self.link("mechanisms", d.target), d.sign, self.origin(d)] for d in m.drives],
            )
        driven = [(other, d) for other in self.knowledge.mechanisms.values() for d in other.drives if d.target == m.id]
        if driven:
            lines += ["## What drives it", ""]
            lines += table(["mechanism", "sign"], [[self.link("mechanisms", o.id), d.sign] for o, d in driven])
        if m.raised_by:
            lines += ["## What treatment brings it about", ""]
            lines += [*(f"- {self.link('therapies', t)}" for t in m.raised_by), ""]
        lines += ["## What reverses it", ""]
        lines += [f"- {self.link('therapies', t)}" for t in m.reversed_by] or ["No therapy of the catalogue."]
        lines += [""]
        for exception in m.not_reversed:
            therapy = self.link("therapies", exception.therapy)
            lines += [f"{therapy}: {text(exception.reason)} ({self.origin(exception)})", ""]
        return lines + self.references(
            m.source, m.biomarker, m.effect, m.drives, m.claim_conflict, m.not_reversed, [m.expected]
        )

    @staticmethod
    def measured_on(b: Any) -> str:
        """Say which genes, changes or facts a biomarker reads."""
        parts = []
        if b.genes:
            parts.append(listed(text(g) for g in b.genes))
        if b.genes_down:
            parts.append("against " + listed(text(g) for g in b.genes_down))
        if b.changes:
            parts.append(listed(text(c) for c in b.changes))
        if b.field:
            limit = "" if b.threshold is None else f" at {number(b.threshold)} {text(b.unit or '')}".rstrip()
            parts.append(code(b.field) + limit)
        if b.adjust_for:
            parts.append(f"(adjusted for {text(b.adjust_for)})")
        return "; ".join(parts)

    @staticmethod
    def weight(b: Any) -> str:
        """Say how much a biomarker counts: separation for soft evidence, likelihood ratios for hard evidence."""
        parts = []
        if b.separation is not None:
            parts.append(f"d' {number(b.separation)}")
        if b.lr_positive is not None:
            parts.append(f"LR+ {number(b.lr_positive)}")
        if b.lr_negative is not None:
            parts.append(f"LR- {number(b.lr_negative)}")
        return ", ".join(parts)

    def therapy(self, t: Any) -> Lines:
        lines = [f"# {text(t.name)}", "", text(t.rationale), ""]
        lines += table(
            ["", ""],
            [
                ["id", code(t.id)],
                ["also known as", listed(text(a) for a in t.aliases)],
                ["kind", f"{text(t.modality)} ({t.kind})"],
                ["target", text(t.target)],
                ["steps of the cancer-immunity cycle", listed(str(s) for s in t.cycle_steps)],
                ["reverses", listed(self.link("mechanisms", m) for m in t.reverses)],
                ["composed of", listed(self.link("therapies", p) for p in t.composed_of)],
                ["agents", listed(self.link("drugs", d) for d in t.agents)],
                ["clinical status", text(t.status)],
                ["toxicity", text(t.toxicity)],
            ],
        )
        lines += self.conflicts(t.claim_conflict)
        if t.act:
            lines += ["## What it does in the model", "", "Change of a model parameter at full effect.", ""]
            lines += table(
                ["parameter", "law", "value", "source"],
                [[code(a.parameter), a.law, span(a.value, a.low, a.high), self.origin(a)] for a in t.act],
            )
        return lines + self.references(t.source, t.act, t.claim_conflict)

    def drug_page(self, d: Any) -> Lines:
        pk = d.pk
        kinetics = [
            ("clearance", pk.clearance, "L/day"), ("central volume", pk.v_central, "L"),
            ("peripheral volume", pk.v_peripheral, "L"), ("intercompartmental clearance", pk.q, "L/day"),
            ("absorption", pk.ka_per_day, "per day"), ("half-life of the effect", pk.effect_half_life_day, "days"),
            ("between-patient CV of clearance", pk.cv_clearance, ""),
        ]  # fmt: skip
        tox = d.toxicity
        lines = [f"# {text(d.name)}", ""]
        if d.investigational:
            lines += ["Investigational agent.", ""]
        lines += table(
            ["", ""],
            [
                ["id", code(d.id)],
                ["also known as", listed(text(a) for a in d.aliases)],
                ["acts through", listed(self.link("therapies", t) for t in d.therapy)],
                ["route", text(d.route)],
                ["usual regimen", code(d.usual)],
                ["largest usual single dose", f"{number(d.usual_max_single_dose)} {text(d.dose_unit)}"],
                ["clinical status", text(d.status)],
                ["cost tier (1 to 4)", f"{d.cost_tier}: {text(d.cost_note)}"],
                [
                    "grade 3 or higher adverse events",
                    f"{span(tox.ae3_percent, tox.low, tox.high)} % ({self.origin(tox)})",
                ],
                ["typical", listed(text(x) for x in tox.typical)],
            ],
        )
        lines += ["## Pharmacology", "", f"Model: {pk.model.replace('_', ' ')}. ({self.origin(pk)})", ""]
        lines += table(
            ["quantity", "value"], [[n, f"{number(v)} {u}".strip()] for n, v, u in kinetics if v is not None]
        )
        a = d.affinity
        lines += [
            f"Half-maximal effect at {number(a.ec50)} {text(a.unit)}, Hill exponent {number(a.hill)}, "
            f"tumor-to-plasma ratio {number(a.tumor_to_plasma)}. ({self.origin(a)})",
            "",
        ]
        return lines + self.references(d.source, [pk, a, tox])

    def tumor(self, t: Any) -> Lines:
        lines = [f"# {text(t.name)}", ""]
        lines += table(
            ["", ""],
            [
                ["id", code(t.id)],
                ["also known as", listed(text(s) for s in (*t.synonyms, *t.oncotree))],
                ["response criteria", t.endpoint],
                ["volume doubling time, days", span(t.doubling_time_day, t.doubling_time_low, t.doubling_time_high)],
                ["burden at treatment, mL", span(t.burden_ml, t.burden_low, t.burden_high)],
                ["mutations per Mb", span(t.tmb_median, t.tmb_low, t.tmb_high)],
                ["PD-L1 positive", number(t.pd_l1_positive)],
                ["MSI-high", number(t.msi_high)],
                [
                    "inflamed / excluded / desert",
                    f"{number(t.inflamed)} / {number(t.excluded)} / {number(t.desert)}",
                ],
                ["origin", self.origin(t)],
            ],
        )
        lines += ["## Prevalence of mechanisms", ""]
        lines += table(
            ["mechanism", "prevalence", "source"],
            [
                [self.link("mechanisms", p.mechanism), span(p.value, p.low, p.high), self.origin(p)]
                for p in sorted(t.prevalence, key=lambda p: -p.value)
            ],
        )
        if t.override:
            lines += ["## Parameters that differ here", ""]
            lines += table(
                ["parameter", "value", "reason and source"],
                [[code(o.parameter), span(o.value, o.low, o.high), self.origin(o)] for o in t.override],
            )
        lines += ["## Standard of care", ""]
        lines += table(
            ["regimen", "line", "requires", "source"],
            [[code(s.regimen), str(s.line), text(s.requires or ""), self.origin(s)] for s in t.standard_of_care],
        )
        return lines + self.references([t], t.prevalence, t.override, t.standard_of_care)

    def trials(self) -> Lines:
        lines = [
            "# Trials",
            "",
            "Published outcomes of the arms. *Fit* means that calibration may see the trial; a *held out* trial is "
            "refused by the calibration code. What the model does not cover is listed with "
            "the reason. ORR in percent; medians in months; AE3, grade 3 or higher adverse "
            "events, in percent. Empty: not reported or not entered.",
            "",
        ]
        by_tumor: dict[str, list[Any]] = {}
        for trial in self.knowledge.trials.values():
            tumor = self.knowledge.tumors.get(trial.tumor) if trial.tumor else None
            by_tumor.setdefault(tumor.name if tumor else f"Other: {trial.disease}", []).append(trial)
        for name in sorted(by_tumor, key=lambda n: (n.startswith("Other"), n)):
            lines += [f"## {text(name)}", ""]
            rows = []
            for trial in sorted(by_tumor[name], key=lambda t: t.name):
                title = f"[{text(trial.name)}](https://doi.org/{trial.doi})" if trial.doi else text(trial.name)
                use = ("fit" if trial.use == "fit" else "held out") + (", negative" if trial.negative else "")
                for i, arm in enumerate(trial.arm):
                    o = arm.outcome
                    rows.append(
                        [
                            title if i == 0 else "", use if i == 0 else "", text(trial.line) if i == 0 else "",
                            text(arm.name), listed((self.drug(d) for d in arm.drugs), empty=""),
                            "" if arm.n is None else str(arm.n),
                            *(number(v) for v in (o.orr, o.pfs_median, o.os_median, o.ae3)),
                        ]
                    )  # fmt: skip
            lines += table(["trial", "use", "line", "arm", "drugs", "n", "ORR", "PFS", "OS", "AE3"], rows)
            left_out = [t for t in by_tumor[name] if t.out_of_scope]
            lines += [f"- {text(t.name)} ({text(t.endpoint)}): {text(t.out_of_scope)}." for t in left_out]
            lines += [""] if left_out else []
        return lines

    def diseases(self) -> Lines:
        """Diseases that have a name in the vocabulary but no numbers."""
        lines = [
            "# Diseases not covered", "",
            "Asked for one of these, the program says so instead of taking another in its stead. Trials in them are "
            "kept as evidence and are not simulated.", "",
        ]  # fmt: skip
        records = sorted(self.knowledge.diseases.values(), key=lambda d: d.name.lower())
        return lines + table(
            ["disease", "other names", "OncoTree", "why not", "nearest"],
            [
                [
                    text(d.name), listed(text(n) for n in d.synonyms), listed((code(c) for c in d.oncotree), ""),
                    text(d.reason),
                    listed((f"[{text(self.knowledge.tumors[t].name)}](tumors/{t}.md)" for t in d.nearest), ""),
                ]
                for d in records
            ],
        )  # fmt: skip

    def index(self, kind: str, title: str, intro: str, row: Callable[[Any], list[str]], head: list[str]) -> None:
        """Write the table and the hidden table of contents of one kind."""
        records = sorted(getattr(self.knowledge, kind).values(), key=lambda r: r.name.lower())
        lines = [f"# {title}", "", intro, ""]
        lines += table(["", *head], [[f"[{text(r.name)}]({kind}/{r.id}.md)", *row(r)] for r in records])
        lines += ["```{toctree}", ":hidden:", "", *(f"{kind}/{r.id}" for r in records), "```"]
        self.page(f"{kind}.md", lines)

    def write_all(self) -> None:
        k = self.knowledge
        self.index(
            "mechanisms", "Mechanisms", "Each is one record: how it is measured, how it acts, how it is treated.",
            lambda m: [
                m.kind, m.category, listed((str(s) for s in m.cycle_steps), ""), text(m.grade), m.expected.pd1,
                m.expected.car_t,
            ],
            ["kind", "category", "cycle steps", "grade", "PD-1 response", "CAR-T response"],
        )  # fmt: skip
        self.index(
            "therapies", "Therapies", "Classes of agents and strategies, and the mechanisms they reverse.",
            lambda t: [text(t.modality), text(t.target), str(len(t.agents))], ["modality", "target", "agents"],
        )  # fmt: skip
        self.index(
            "drugs", "Drugs", "Agents with pharmacokinetics, affinity, usual regimen, toxicity and clinical status.",
            lambda d: [code(d.usual), f"{number(d.toxicity.ae3_percent)} %", str(d.cost_tier)],
            ["usual regimen", "grade 3+ adverse events", "cost tier"],
        )  # fmt: skip
        self.index(
            "tumors", "Tumor types", "Growth, burden, mutation load, prevalence of mechanisms and standard of care.",
            lambda t: [
                number(t.doubling_time_day), number(t.tmb_median),
                f"{number(t.inflamed)} / {number(t.excluded)} / {number(t.desert)}",
            ],
            ["doubling time, days", "mutations per Mb", "inflamed / excluded / desert"],
        )  # fmt: skip
        pages = {"mechanisms": self.mechanism, "therapies": self.therapy, "drugs": self.drug_page, "tumors": self.tumor}
        for kind, page in pages.items():
            for record in getattr(k, kind).values():
                self.page(f"{kind}/{record.id}.md", page(record))
        self.page("trials.md", self.trials())
        self.page("diseases.md", self.diseases())
        self.page(
            "index.md",
            [
                "# Catalogue", "", "Written from the records of the knowledge base when this site was built.", "",
                *table(
                    ["kind", "records"],
                    [
                        [f"[{name}]({kind}.md)", str(len(getattr(k, kind)))]
                        for kind, name in [
                            ("mechanisms", "Mechanisms"), ("therapies", "Therapies"), ("drugs", "Drugs"),
                            ("tumors", "Tumor types"), ("trials", "Trials"), ("diseases", "Diseases not covered"),
                        ]
                    ],
                ),
                f"Digest of these records: {code(k.digest)}. Every result names the digest that it was made with.",
                "", "```{toctree}", ":hidden:", "", "mechanisms", "therapies", "drugs", "tumors", "trials", "diseases",
                "```",
            ],
        )  # fmt: skip
        remove_others(self.folder, self.written)


KINDS = {
    "cause": "cause: it carries effects on the model",
    "state": "state: a variable of the model, measured to set the state before treatment",
    "outcome": "outcome: what the dynamics yield",
}


def write_catalogue(app: Sphinx) -> None:
    """Write all pages before Sphinx looks for sources; `tumornexus_records` names a folder of further records."""
    extra = app.config.tumornexus_records
    Catalogue(load_knowledge(extra=Path(extra) if extra else None), Path(app.srcdir) / "catalogue").write_all()


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("tumornexus_records", "", "env", str)
    app.connect("builder-inited", write_catalogue, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
