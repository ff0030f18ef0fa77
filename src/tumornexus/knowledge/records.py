"""Record types of the knowledge base: the form of what is known.

Each class is one kind of TOML record under ``knowledge/data``. Form is checked here (types, ranges, required
fields); meaning (known ids, signs, units, sources) is checked in `tumornexus.knowledge.check`.
Sources are keys of ``references.bib``; a number without one must say ``assumed = "why"``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tumornexus.knowledge.base import Record
from tumornexus.knowledge.criteria import Criteria

Category = Literal["intrinsic", "extrinsic", "host"]
Resistance = Literal["primary", "adaptive", "acquired"]
Evidence = Literal["clinical", "preclinical/clinical", "preclinical"]
Grade = Literal["established", "supported", "exploratory"]
Hub = Literal["tumor-immune interface", "metabolic competition", "cytokine-chemokine network", "systemic interface"]
Relevance = Literal["none", "low", "moderate", "high"]
Law = Literal["multiply", "add", "saturate"]
Sign = Literal["+", "-"]
Influence = Literal["worse", "none", "better"]
Step = Annotated[int, Field(ge=1, le=7)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Sourced(Record):
    """A statement that carries its sources, or says in words that it is assumed and why."""

    source: tuple[str, ...] = ()
    assumed: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _has_origin(self) -> Sourced:
        if not self.source and not self.assumed:
            raise ValueError("needs 'source' (keys of references.bib) or 'assumed' (why, in words)")
        return self


class Effect(Sourced):
    """How a mechanism at full activity changes one model parameter.

    For an activity a in [0, 1], ``multiply``: p (1 + (value - 1) a);  ``add``: p + value a;  ``saturate``:
    p + (value - p) a.
    `low` and `high` bound the value between studies or patients. `unit`, where given, is checked: that of the
    parameter for ``add`` and ``saturate``, "1" for ``multiply``.
    """

    parameter: str
    law: Law
    value: float
    low: float
    high: float
    unit: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Effect:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"needs low <= value <= high, got {self.low}, {self.value}, {self.high}")
        return self


class Drive(Sourced):
    """A signed edge of the network as the literature claims it: this mechanism moves `target`."""

    target: str
    sign: Sign
    where: str | None = None  # place in the seed literature, such as "002 s3.2.3"


class Biomarker(Sourced):
    """How a mechanism is measured.

    `input` names the modality. Expression: `method` ``zmean`` (housekeeping-normalized log2 contrast, mean of
    reference z-scores over `genes` minus that over `genes_down`) or ``ssgsea``. Mutation: `method` ``loss_of_function``
    (truncating or listed hotspot in any of `genes`), ``hotspot`` (`changes` such as "BRAF:V600") or
    ``any_nonsynonymous``.
    Clinical: `method` ``threshold`` or ``logistic`` on `field` with `threshold` (and `scale`, the logistic width).
    HLA: `method` ``homozygous_loci``. Methylation: `method` ``promoter`` (at least one of `genes` with `threshold` of
    its copies in cancer cells methylated). Direction ``+``: a high value speaks for the mechanism.
    Soft evidence: `separation` is the distance between present and absent in reference standard deviations (d').
    Hard evidence: `lr_positive` and `lr_negative` are likelihood ratios of a positive and a negative call.
    `adjust_for` names a covariate ("inflamed") whose frozen regression is removed first, because suppressor signatures
    rise with infiltration and the residual is what counts.
    """

    id: str
    input: Literal["expression", "mutation", "copy_number", "clinical", "hla", "microbiome", "methylation"]
    method: Literal[
        "zmean",
        "ssgsea",
        "loss_of_function",
        "hotspot",
        "any_nonsynonymous",
        "threshold",
        "logistic",
        "homozygous_loci",
        "promoter",
    ]
    direction: Sign
    genes: tuple[str, ...] = ()
    genes_down: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    field: str | None = None
    threshold: float | None = None
    scale: float | None = None
    unit: str | None = None
    separation: float | None = Field(default=None, gt=0.0)
    lr_positive: float | None = Field(default=None, gt=1.0)
    lr_negative: float | None = Field(default=None, gt=0.0, lt=1.0)
    adjust_for: Literal["inflamed"] | None = None
    license: str | None = None
    provenance: str | None = None


class Process(Record):
    """The simulated observable that a mechanism acts on, and the direction in which it pushes it."""

    observable: str
    direction: Sign


class Expected(Sourced):
    """Direction of influence on response, from the published claim and not from the effect's sign."""

    pd1: Influence
    car_t: Influence


class OccursIn(Sourced):
    """How often the mechanism is present in a tumor type, or in `any` tumor type that is not named otherwise.

    Written in the mechanism's own file; `tumornexus.knowledge.load` hands it to the tumor types as their `Prevalence`.
    """

    tumor: str
    value: Fraction
    low: Fraction
    high: Fraction

    @model_validator(mode="after")
    def _ordered(self) -> OccursIn:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"needs low <= value <= high, got {self.low}, {self.value}, {self.high}")
        return self


class ClaimConflict(Sourced):
    """Later or contrary evidence: what was claimed, what was found."""

    claim: str
    finding: str
    trials: tuple[str, ...] = ()  # trial ids of trials.toml


class Exception_(Sourced):
    """Why a therapy that reverses the process does not improve the response."""

    therapy: str
    reason: str


class Mechanism(Record):
    """One resistance mechanism: how it is measured, how it acts, how it is treated."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    aliases: tuple[str, ...] = ()
    claim: str
    kind: Literal["cause", "state", "outcome"]
    extent: Literal["level", "clonal_fraction"] = "level"
    category: Category
    resistance: tuple[Resistance, ...] = Field(min_length=1)
    evidence: Evidence
    grade: Grade
    cycle_steps: tuple[Step, ...]
    hub: Hub
    relevance_ici: Relevance
    relevance_car_t: Relevance
    table1: bool = False
    seed: str | None = None
    process: Process
    reversed_by: tuple[str, ...] = ()  # therapy ids
    raised_by: tuple[str, ...] = ()  # therapy ids: treatments that bring about this state or outcome
    not_reversed: tuple[Exception_, ...] = ()
    expected: Expected
    biomarker: tuple[Biomarker, ...] = ()
    effect: tuple[Effect, ...] = ()
    drives: tuple[Drive, ...] = ()
    prevalence: tuple[OccursIn, ...] = ()  # here or in tumors.toml, not in both
    claim_conflict: tuple[ClaimConflict, ...] = ()
    source: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _kind_and_effects(self) -> Mechanism:
        if self.kind == "cause" and not self.effect:
            raise ValueError("a cause needs at least one [[effect]]")
        if self.kind != "cause" and self.effect:
            raise ValueError(f"a {self.kind} carries no [[effect]]: its biology is in the rate laws")
        if self.kind == "cause" and self.raised_by:
            raise ValueError("a cause is there before treatment: 'raised_by' belongs to states and outcomes")
        return self


class Act(Sourced):
    """What a therapy does to one model parameter at full effect (occupancy 1); laws and `unit` as in `Effect`."""

    parameter: str
    law: Law
    value: float
    low: float
    high: float
    unit: str | None = None


class Therapy(Record):
    """A class of agents, or a strategy (a way of choosing rather than an agent).

    `composed_of` names the therapies that a strategy combines, chooses among or gives in turn; what those reverse it
    reverses too, so that `reverses` holds only what is claimed of the strategy as such. A strategy without parts states
    its aim as acts, which no drug record carries.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    aliases: tuple[str, ...] = ()
    kind: Literal["class", "strategy"]
    modality: str  # e.g. "checkpoint inhibitor", "targeted", "vascular", "microbiome"
    target: str
    rationale: str
    cycle_steps: tuple[Step, ...]
    reverses: tuple[str, ...] = ()  # mechanism ids
    act: tuple[Act, ...] = ()
    agents: tuple[str, ...] = ()  # drug ids
    composed_of: tuple[str, ...] = ()  # therapy ids
    status: str
    claim_conflict: tuple[ClaimConflict, ...] = ()
    toxicity: str
    seed: str | None = None
    source: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _kind_and_parts(self) -> Therapy:
        if self.kind == "class" and self.composed_of:
            raise ValueError("a class of agents is not composed of therapies; only a strategy has 'composed_of'")
        if self.kind == "strategy" and self.agents:
            raise ValueError("a strategy has no 'agents' of its own; name the therapies in 'composed_of'")
        if self.kind == "strategy" and not self.composed_of and not self.act:
            raise ValueError("a strategy needs 'composed_of' (therapy ids) or at least one [[act]]")
        return self


class PK(Sourced):
    """Pharmacokinetics of the typical patient. Volumes L, clearances L/day, amounts in the drug's dose unit.

    Amounts: gut or depot D, central A1 = V1 C1, peripheral A2 = V2 C2, deep A3 = V3 C3; t days since the first dose.

        CL(t)  = clearance * exp(clearance_log_change * t^h / (clearance_t50_day^h + t^h)),  h = clearance_hill
        dA1/dt = input - CL C1 - vmax_per_day C1 / (km_per_l + C1) - q (C1 - C2) - deep
        dA2/dt = q (C1 - C2)
        dA3/dt = deep = deep_vmax_per_day (C1 / (deep_km_per_l + C1) - C3 / (deep_km_per_l + C3)),  V3 = deep_v
        input  = ka_per_day D,  dD/dt = bioavailability * dose(t) - ka_per_day D;  without ka the dose itself

    A dose starts `lag_day` after it is taken and lasts `input_day` (infusion, or release into the gut), 0 at once.
    Apparent values of an oral drug (CL/F, V/F) have bioavailability 1.
    `model`: ``one_compartment`` and ``two_compartment`` act by concentration. ``effect`` acts by amount: each unit
    given decays with `effect_half_life_day` and `ec50` is in dose units (radiation, microbiota transfer, vaccines,
    virus, and cytotoxic drugs whose damage outlasts them); its plasma values, if any, serve the plasma curve alone,
    as does the deep compartment.
    """

    model: Literal["one_compartment", "two_compartment", "effect"]
    clearance: float | None = Field(default=None, gt=0.0)
    clearance_log_change: float | None = None  # ln of final over initial clearance
    clearance_t50_day: float | None = Field(default=None, gt=0.0)
    clearance_hill: float | None = Field(default=None, gt=0.0)
    v_central: float | None = Field(default=None, gt=0.0)
    v_peripheral: float | None = Field(default=None, gt=0.0)
    q: float | None = Field(default=None, gt=0.0)
    vmax_per_day: float | None = Field(default=None, gt=0.0)  # dose units/day, beside the linear clearance
    km_per_l: float | None = Field(default=None, gt=0.0)  # dose units/L
    deep_v: float | None = Field(default=None, gt=0.0)
    deep_vmax_per_day: float | None = Field(default=None, gt=0.0)
    deep_km_per_l: float | None = Field(default=None, gt=0.0)
    ka_per_day: float | None = Field(default=None, gt=0.0)
    lag_day: float = Field(default=0.0, ge=0.0, lt=1.0)
    input_day: float = Field(default=0.0, ge=0.0, lt=1.0)
    bioavailability: float = Field(default=1.0, gt=0.0, le=1.0)
    effect_half_life_day: float | None = Field(default=None, gt=0.0)
    cv_clearance: float | None = Field(default=None, ge=0.0)  # between-patient CV as a fraction; None: no spread

    @model_validator(mode="after")
    def _complete(self) -> PK:
        groups = (
            ("clearance_log_change", "clearance_t50_day", "clearance_hill"),
            ("vmax_per_day", "km_per_l"),
            ("v_peripheral", "q"),
            ("deep_v", "deep_vmax_per_day", "deep_km_per_l"),
        )
        plasma = ("clearance", "v_central", "ka_per_day", *(f for group in groups for f in group))
        need = {
            "one_compartment": ("v_central",),
            "two_compartment": ("v_central", "v_peripheral", "q"),
            "effect": ("effect_half_life_day",),
        }[self.model]
        missing = [f for f in need if getattr(self, f) is None]
        if any(getattr(self, f) is not None for f in plasma) or self.model != "effect":
            missing += ["v_central"] if self.v_central is None and "v_central" not in missing else []
            missing += ["clearance (or vmax_per_day)"] if self.clearance is None and self.vmax_per_day is None else []
        if missing:
            raise ValueError(f"pk model '{self.model}' needs {', '.join(missing)}")
        for group in groups:
            given = [f for f in group if getattr(self, f) is not None]
            if given and len(given) < len(group):
                raise ValueError(f"pk needs {', '.join(group)} together, got only {', '.join(given)}")
        if self.clearance_log_change is not None and self.clearance is None:
            raise ValueError("pk clearance_log_change needs clearance")
        if self.model == "one_compartment" and self.q is not None:
            raise ValueError("pk model 'one_compartment' has no q and v_peripheral; use 'two_compartment'")
        if self.model != "effect" and self.deep_v is not None:
            raise ValueError(f"pk model '{self.model}' has no deep compartment; it serves plasma curves of 'effect'")
        return self


class Affinity(Sourced):
    """Concentration of half-maximal effect at the target, in nM of drug in plasma (dose units for `effect` models)."""

    ec50: float = Field(gt=0.0)
    unit: str
    hill: float = Field(default=1.0, gt=0.0)
    tumor_to_plasma: float = Field(default=1.0, gt=0.0)


class Toxicity(Sourced):
    """Grade >= 3 treatment-related adverse events of the agent alone, percent of patients, and its interval."""

    ae3_percent: float = Field(ge=0.0, le=100.0)
    low: float
    high: float
    typical: tuple[str, ...] = ()


class Deposit(Sourced):
    """Cells that a dose adds to a model state (CAR-T, TIL), in million cells per administered unit."""

    state: str
    million_per_unit: float = Field(gt=0.0)


class Drug(Record):
    """One agent: pharmacokinetics, affinity, dosing, toxicity, cost and clinical standing."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    aliases: tuple[str, ...] = ()
    therapy: tuple[str, ...] = Field(min_length=1)  # therapy ids through which it acts
    route: Literal["iv", "oral", "subcutaneous", "intratumoral", "infusion of cells", "external beam", "enteral"]
    dose_unit: Literal["mg", "Gy", "cells", "transfer", "PFU", "ug"]
    molar_mass_g_per_mol: float | None = Field(default=None, gt=0.0)
    pk: PK
    affinity: Affinity
    usual: str  # a regimen string of this drug alone
    usual_max_single_dose: float  # in dose_unit for a 75 kg, 1.9 m2 adult
    deposit: Deposit | None = None
    toxicity: Toxicity
    cost_tier: Annotated[int, Field(ge=1, le=4)]  # 1 generic or cheap ... 4 engineered cell product
    cost_note: str
    cost_source: tuple[str, ...] = ()  # where a price behind the tier can be read
    status: str
    investigational: bool = False
    source: tuple[str, ...] = Field(min_length=1)


class Parameter(Sourced):
    """A number of the model: value, unit, between-patient spread and origin.

    `spread_sd_log` is the between-patient standard deviation of the natural logarithm (0: shared by all patients); for
    quantities bounded in [0, 1] (`bounded`) it is the standard deviation of the logit.
    """

    id: str
    value: float
    unit: str
    low: float
    high: float
    spread_sd_log: float = 0.0
    bounded: bool = False
    status: Literal["measured", "calibrated", "assumed"]
    meaning: str
    process: str  # the biology module that reads it


class Cell(Sourced):
    """A cell population of the model, with its Cell Ontology term."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    ontology: str | None = None  # e.g. "CL:0000625"; None where the ontology has no term
    states: tuple[str, ...]  # model states that hold it; empty where the model has none, and the note says so
    markers: tuple[str, ...] = ()


class Mediator(Sourced):
    """A signal between cells: soluble, a metabolite, or a receptor with its ligand; the note says how it is modeled."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()
    unit: str
    made_by: tuple[str, ...]
    acts_on: tuple[str, ...]
    identifier: str | None = None  # ChEBI or HGNC


class Term(Record):
    """A term of another vocabulary: its identifier as prefix and number, the name it has there, how it relates.

    `match` follows SKOS, read from the record: the term means the same (``exact``), nearly the same (``close``),
    something wider (``broad``) or something narrower (``narrow``).
    """

    id: str = Field(
        pattern=r"^(ATC:[A-Z]\d\d[A-Z]{1,2}(\d\d)?|CHEBI:\d+|MONDO:\d{7}|CL:\d{7}|HGNC:\d+|ONCOTREE:[A-Z0-9_]+)$"
    )
    name: str
    match: Literal["exact", "close", "broad", "narrow"] = "exact"


class Identifiers(Record):
    """What other vocabularies call one record, named by kind and id (``drug/nivolumab``)."""

    id: str = Field(pattern=r"^[a-z]+/[a-z0-9_]+$")
    terms: tuple[Term, ...] = Field(min_length=1)


class CycleStep(Record):
    """One step of the cancer-immunity cycle."""

    step: Step
    name: str
    question: str
    observable: str
    source: tuple[str, ...]


class Prevalence(Sourced):
    """How often a mechanism is present in a tumor type, with an interval."""

    mechanism: str
    value: Fraction
    low: Fraction
    high: Fraction


class Override(Sourced):
    """A model parameter whose value differs in this tumor type for a named, measurable reason."""

    parameter: str
    value: float
    low: float
    high: float


class StandardOfCare(Sourced):
    """A standard first- or later-line regimen of a tumor type."""

    regimen: str
    line: int = 1
    requires: str | None = None  # e.g. "braf_v600", "msi_high", "pd_l1>=50%"


class Tumor(Sourced):
    """A tumor type: growth, burden, mutation load, prevalences and standard of care."""

    id: str
    name: str
    synonyms: tuple[str, ...] = ()
    oncotree: tuple[str, ...] = ()
    endpoint: Literal["RECIST", "Lugano"] = "RECIST"
    doubling_time_day: float
    doubling_time_low: float
    doubling_time_high: float
    burden_ml: float
    burden_low: float
    burden_high: float
    tmb_median: float
    tmb_low: float
    tmb_high: float
    pd_l1_positive: Fraction
    msi_high: Fraction
    # Share whose growth depends on BRAF V600 (sets mapk_dependence); RAS-driven tumors do not count.
    braf_v600: Fraction = 0.0
    inflamed: Fraction
    excluded: Fraction
    desert: Fraction
    prevalence: tuple[Prevalence, ...]
    override: tuple[Override, ...] = ()
    standard_of_care: tuple[StandardOfCare, ...]


class Disease(Record):
    """A disease that has a name here but no numbers: asked for as a tumor type, it is refused with the reason."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    synonyms: tuple[str, ...] = Field(min_length=1)
    oncotree: tuple[str, ...] = ()
    reason: str  # why the catalogue does not cover it
    nearest: tuple[str, ...] = ()  # tumor ids a reader may have meant, never used in its stead


class Outcome(Record):
    """Published outcomes of an arm (percent, months); absent means not reported."""

    orr: float | None = None
    cr: float | None = None
    pd: float | None = None
    pfs_median: float | None = None
    pfs_6: float | None = None
    pfs_12: float | None = None
    pfs_24: float | None = None
    os_median: float | None = None
    os_12: float | None = None
    os_24: float | None = None
    pfs_hr: float | None = None
    os_hr: float | None = None
    ae3: float | None = None


class Arm(Record):
    """One arm of a trial."""

    name: str
    drugs: tuple[str, ...]  # drug ids where known to the catalogue, else free text in `regimen_text`
    regimen: str | None = None  # regimen string where it can be expressed
    regimen_text: str
    n: int | None = None
    control: bool = False
    tumor: str | None = None  # tumor id where it differs from the trial's
    outcome: Outcome
    from_memory: str | None = None
    selection: str | None = None
    criteria: Criteria | None = None  # where they differ from the trial's; an empty table is that of the trial
    note: str | None = None

    @field_validator("criteria")
    @classmethod
    def _none_where_empty(cls, value: Criteria | None) -> Criteria | None:
        return None if value == Criteria() else value


class Trial(Record):
    """A published trial; `use` says whether calibration may see it."""

    id: str
    name: str
    tumor: str | None = None  # tumor id; None when the catalogue does not hold the disease
    disease: str
    line: str
    selection: str
    criteria: Criteria = Criteria()  # `selection` as the simulator reads it, as far as it can
    endpoint: Literal["RECIST", "Lugano", "IMWG", "pathological CR", "EFS/RFS", "hematologic", "other"]
    use: Literal["fit", "held_out"]
    out_of_scope: str | None = None
    randomized: bool
    negative: bool = False
    arm: tuple[Arm, ...] = Field(min_length=1)
    source: tuple[str, ...]
    doi: str | None = None
    checked: str
