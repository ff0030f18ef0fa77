"""Candidate regimens: the standard of care, the backbone, and what the dominant nodes suggest to add to it.

No combination is listed by hand. A candidate is a backbone (PD-1 blockade or CAR-T) plus agents of therapies that
reverse a dominant node; the catalogue says which agents those are, how they are given and which trials speak against
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tumornexus.errors import RegimenError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Drug, Therapy, Tumor
from tumornexus.knowledge.regimen import Regimen, parse_regimen
from tumornexus.systemic.treatment import SLOTS

MIN_CANDIDATES = 12
NODES_CONSIDERED = 6
# Classes compared with the backbone where nodes suggest too few combinations, the widely tested ones first.
FILL = (
    "antiangiogenic", "chemotherapy", "radiotherapy", "fmt", "tgf_beta_inhibitor", "dnmt_inhibitor", "cxcr2_inhibitor",
    "csf1r_inhibitor", "ido_inhibitor", "anti_tigit",
)  # fmt: skip
CHECKPOINT = ("anti_pd1", "anti_pdl1")


@dataclass(frozen=True)
class Candidate:
    """One regimen to simulate: why it is there (`origin`) and which nodes it addresses (mechanism ids)."""

    regimen: Regimen
    origin: str  # "standard of care", "backbone", "dominant node", "complementary nodes", "CAR-T backbone", "requested"
    nodes: tuple[str, ...] = ()

    def key(self, knowledge: Knowledge) -> frozenset[str]:
        """The set of drugs, PD-1 antibodies being one: candidates that differ only in which of them are one
        candidate."""
        return frozenset("anti_pd1" if knowledge.drugs[d].therapy == ("anti_pd1",) else d for d in self.regimen.drugs)


def eligible(requires: str | None, clinical: Mapping[str, object]) -> bool:
    """Return whether a standard regimen's requirement is met: unknown facts do not qualify for a biomarker-bound one.

    Understood: ``braf_v600``, ``msi_high``, ``pd_l1>=50%`` (any percentage), joined by ``+``.
    """
    if not requires:
        return True
    for part in requires.replace(" ", "").split("+"):
        name, _, bound = part.partition(">=")
        if bound:
            value = next((clinical[k] for k in ("pd_l1_percent", "pd_l1_tps", "pd_l1_cps") if k in clinical), None)
            if not isinstance(value, (int, float)) or value < float(bound.rstrip("%")):
                return False
        elif clinical.get(name) is not True:
            return False
    return True


def _agents(knowledge: Knowledge, therapy: Therapy) -> list[Drug]:
    """Return the agents of a therapy that act through it alone or mainly, approved ones first, then by cost."""
    agents = [knowledge.drugs[a] for a in therapy.agents if a in knowledge.drugs]
    return sorted(agents, key=lambda d: (d.investigational, len(d.therapy), d.cost_tier, d.id))


def _partners(knowledge: Knowledge, therapy: Therapy, tumor: Tumor) -> list[tuple[Drug, ...]]:
    """Return agents to add for a therapy. BRAF inhibitors are given with a MEK inhibitor, chemotherapy as the doublet
    of
    this tumor's standard of care."""
    if therapy.id == "braf_mek_inhibitor":
        return [(knowledge.drugs["dabrafenib"], knowledge.drugs["trametinib"])]
    if therapy.id == "chemotherapy":
        given = [parse_regimen(line.regimen, knowledge).drugs for line in tumor.standard_of_care]
        given += [a.drugs for t in knowledge.trials.values() if t.tumor == tumor.id for a in t.arm]
        for names in given:
            chemo = tuple(
                knowledge.drugs[d]
                for d in names
                if d in knowledge.drugs and knowledge.drugs[d].therapy == ("chemotherapy",)
            )
            if chemo:
                return [chemo[:2]]
        return []
    return [(d,) for d in _agents(knowledge, therapy)[:1]]


def backbone_drug(knowledge: Knowledge, tumor: Tumor) -> Drug:
    """Return the PD-1 or PD-L1 antibody of this tumor's standard of care, nivolumab where there is none."""
    for line in tumor.standard_of_care:
        for name in parse_regimen(line.regimen, knowledge).drugs:
            if set(knowledge.drugs[name].therapy) & set(CHECKPOINT):
                return knowledge.drugs[name]
    return knowledge.drugs["nivolumab"]


def _allowed(therapy: str, clinical: Mapping[str, object]) -> bool:
    # Inhibitors of a driver are offered only where the driver is known to be there.
    return therapy != "braf_mek_inhibitor" or clinical.get("braf_v600") is True


def propose(
    nodes: pd.DataFrame,
    knowledge: Knowledge,
    tumor: Tumor,
    clinical: Mapping[str, object],
    *,
    requested: Sequence[Regimen] = (),
    patient: Mapping[str, float] | None = None,
) -> list[Candidate]:
    """Return at least ten candidates: requested, standard of care, backbone, node-directed, complementary, CAR-T."""
    size = dict(patient or {})
    found: dict[frozenset[str], Candidate] = {}

    def add(parts: Iterable[str] | Regimen, origin: str, targets: Sequence[str] = ()) -> None:
        try:
            regimen = parts if isinstance(parts, Regimen) else parse_regimen(" + ".join(parts), knowledge, **size)
        except RegimenError:
            if origin == "requested":
                raise
            return
        if len(regimen.drugs) <= SLOTS:
            candidate = Candidate(regimen, origin, tuple(dict.fromkeys(targets)))
            # What the user asks for is simulated as asked, beside anything that resembles it.
            key = frozenset({regimen.text}) if origin == "requested" else candidate.key(knowledge)
            known = found.get(key)
            if known is None:
                found[key] = candidate
            elif targets and not known.nodes:
                found[key] = Candidate(known.regimen, known.origin, candidate.nodes)

    for regimen in requested:
        add(regimen, "requested")
    for line in tumor.standard_of_care:
        if eligible(line.requires, clinical):
            add(parse_regimen(line.regimen, knowledge, **size), "standard of care")
    backbone = backbone_drug(knowledge, tumor)
    add([backbone.usual], "backbone")

    singles = nodes[(nodes["partner"] == "") & (nodes["effect"] < 0)].head(NODES_CONSIDERED)["mechanism"].tolist()
    by_node: dict[str, list[tuple[str, tuple[Drug, ...]]]] = {}
    for mechanism in singles:
        options = []
        for therapy_id in knowledge.mechanisms[mechanism].reversed_by:
            therapy = knowledge.therapies[therapy_id]
            if therapy.kind == "strategy" or therapy_id in CHECKPOINT or not _allowed(therapy_id, clinical):
                continue
            options += [(therapy_id, partner) for partner in _partners(knowledge, therapy, tumor)]
        by_node[mechanism] = options
    for mechanism, options in by_node.items():
        for _, partner in options[:2]:
            add([backbone.usual, *(d.usual for d in partner)], "dominant node", [mechanism])
    strongest = [(m, o[0]) for m, o in by_node.items() if o]
    for i, (a, (therapy_a, drugs_a)) in enumerate(strongest[:4]):
        for b, (therapy_b, drugs_b) in strongest[i + 1 : 4]:
            if therapy_a != therapy_b:
                usual = dict.fromkeys(d.usual for d in (*drugs_a, *drugs_b))
                add([backbone.usual, *usual], "complementary nodes", [a, b])
    # Further checkpoints on the backbone are always worth a comparison.
    for therapy_id in ("anti_ctla4", "anti_lag3"):
        for partner in _partners(knowledge, knowledge.therapies[therapy_id], tumor):
            add([backbone.usual, *(d.usual for d in partner)], "backbone")
    if "car_t" in knowledge.drugs:
        car = knowledge.drugs["car_t"].usual
        add([car], "CAR-T backbone")
        helpful = [(m, o) for m, o in strongest if knowledge.mechanisms[m].relevance_car_t in ("moderate", "high")]
        for mechanism, (_, partner) in helpful[:2]:
            add([car, *(d.usual for d in partner)], "CAR-T backbone", [mechanism])
    for therapy_id in FILL:
        if len(found) >= MIN_CANDIDATES:
            break
        for partner in _partners(knowledge, knowledge.therapies[therapy_id], tumor):
            add([backbone.usual, *(d.usual for d in partner)], "backbone")
    return list(found.values())
