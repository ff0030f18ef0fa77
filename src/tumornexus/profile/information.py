"""What to measure next, without simulation: how much an input that was not measured is expected to tell.

For each input (a blood count, a stain, sequencing, ...) the biomarkers that it would yield and that nothing has told
yet are taken as tests of the presence of their mechanisms (`experiment`). Expected information is the mutual
information of presence and outcome in bits, from the presence that the profile has now: nothing where a mechanism is
already certain, most where it is open and the test is sharp. Mechanisms are independent given the evidence
(`Activities`), so their bits add, each weighted by the mechanism's relevance to checkpoint inhibitors.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import pandas as pd

from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Biomarker, Mechanism
from tumornexus.profile.experiment import Experiment, expected_change, experiment_of, information_bits, together
from tumornexus.profile.fusion import temper
from tumornexus.profile.measure import ADJUSTED_GAIN
from tumornexus.profile.methylation import biomarkers_of
from tumornexus.profile.phenotype import PATHOLOGIST
from tumornexus.profile.profile import CENTERING, Plan, Profile, plan_of, ratio_of_pathologist
from tumornexus.profile.reference import Reference, load_reference

# Weight of a mechanism's bits by its relevance to checkpoint inhibitors; evenly spaced, assumed.
RELEVANCE = {"none": 0.0, "low": 1.0 / 3.0, "moderate": 2.0 / 3.0, "high": 1.0}
PHENOTYPE = "immune phenotype"  # stands beside mechanisms where a section would tell it
COLUMNS = ("input", "biomarkers", "mechanisms", "information_bits", "activity_change", "needs", "reason")


@dataclass(frozen=True)
class Measurement:
    """One thing that can be ordered: the inputs and clinical facts that it yields and what it takes to get it.

    `when`: ``before`` treatment or ``on`` treatment.
    """

    id: str
    name: str
    inputs: tuple[str, ...]
    fields: tuple[str, ...]
    needs: str
    when: str

    def yields(self, biomarker: Biomarker) -> bool:
        """Whether this measurement tells a biomarker."""
        if biomarker.input == "clinical":
            return biomarker.field in self.fields
        return biomarker.input in self.inputs


@dataclass(frozen=True, eq=False)
class Option:
    """A measurement that one patient lacks.

    Attributes:
        measurement: what would be ordered.
        biomarkers: ids of what it would tell and nothing has told yet.
        tests: mechanism to the test that the measurement makes of it.
        bits: mechanism to expected information, unweighted; `PHENOTYPE` may be among them.
        information_bits: their sum, weighted by relevance.
        activity_change: expected absolute change of activities, summed with the same weights.
        untold: biomarkers whose record has no ratio for one of two outcomes, which are left out.
    """

    measurement: Measurement
    biomarkers: tuple[str, ...]
    tests: dict[str, Experiment]
    bits: dict[str, float]
    information_bits: float
    activity_change: float
    untold: tuple[str, ...]


@lru_cache(maxsize=1)
def measurements() -> tuple[Measurement, ...]:
    """Return the table of measurements that ships with the package."""
    text = resources.files("tumornexus.profile").joinpath("data/measurements.tsv").read_text("utf-8")
    return tuple(
        Measurement(r["id"], r["name"], _words(r["inputs"]), _words(r["fields"]), r["needs"], r["when"])
        for r in csv.DictReader(text.splitlines(), delimiter="\t")
    )


def _words(cell: str) -> tuple[str, ...]:
    return tuple(w for w in cell.split(",") if w)


def _orders(mechanisms: Iterable[Mechanism]) -> list[Measurement]:
    """The table's measurements, and one for each fact that only a record of the user names."""
    known = {f for m in measurements() for f in m.fields}
    own = {b.field: None for m in mechanisms for b in m.biomarker if b.input == "clinical" and b.field not in known}
    return [
        *measurements(),
        *(Measurement(str(f), str(f).replace("_", " "), (), (str(f),), "not known", "before") for f in own if f),
    ]


def _given(measurement: Measurement, profile: Profile) -> bool:
    """Whether the patient's files hold a measurement, whatever it told. A panel may miss genes that an exome reads."""
    patient = profile.patient
    held = {
        "expression": patient.expression is not None or patient.single_cell is not None,
        "mutation": patient.mutations is not None and patient.mutation_assay == "exome",
        "copy_number": patient.copy_number is not None,
        "hla": patient.hla is not None,
        "microbiome": patient.microbiome is not None,
        "methylation": patient.methylation is not None,
    }
    return any(held[i] for i in measurement.inputs)


def _tests(
    mechanism: Mechanism, wanted: Sequence[Biomarker], profile: Profile, plan: Plan, reference: Reference
) -> tuple[Experiment | None, tuple[str, ...]]:
    """The test that some unmeasured biomarkers make of a mechanism, and those whose records do not say enough."""
    prevalence = plan.prevalence[mechanism.id][profile.tumor]
    inside = profile.tumor in reference.cohort_tumors
    share = CENTERING * (prevalence if inside else plan.reference_prevalence[mechanism.id])
    clonal = mechanism.extent == "clonal_fraction"
    called = any(e.measured and e.llr and e.input != "expression" for e in profile.evidence[mechanism.id])
    return _joined(tuple(wanted), share, clonal, plan.rho[mechanism.id], called)


@lru_cache(maxsize=8192)
def _joined(
    biomarkers: tuple[Biomarker, ...], share: float, clonal: bool, rho: float, called: bool
) -> tuple[Experiment | None, tuple[str, ...]]:
    """Several biomarkers of one mechanism as one test; remembered, because patients of a cohort lack the same.

    Weights are those of `fuse`: scores of one mechanism share what they say by their correlation `rho`; of calls the
    strongest counts fully and the others half, and all of them half where a call was measured already (`called`).
    """
    soft, hard, untold = [], [], []
    for biomarker in biomarkers:
        test = experiment_of(biomarker, share, clonal, ADJUSTED_GAIN)
        if test is None:
            untold.append(biomarker.id)
        elif biomarker.input == "expression" and biomarker.separation:
            soft.append(test)
        else:
            hard.append(test)
    hard.sort(key=lambda e: -information_bits(0.5, e))
    weights = [temper(len(soft), rho)] * len(soft)
    weights += [0.5 if called or i else 1.0 for i in range(len(hard))]
    tests = [*soft, *hard]
    return (together(tests, weights) if tests else None), tuple(untold)


def phenotype_bits(shares: Sequence[float], ratio: float) -> float:
    """Expected information in bits of a pathologist's call on the phenotype, from the probabilities known now.

    The call names the true class with chance r / (r + 2) and each other with 1 / (r + 2), which gives the class that is
    named the record's likelihood ratio r.
    """
    hit, miss = ratio / (ratio + 2.0), 1.0 / (ratio + 2.0)
    found = 0.0
    for i, p in enumerate(shares):
        called = p * hit + (1.0 - p) * miss
        after = [q * (hit if j == i else miss) / called for j, q in enumerate(shares)]
        found += called * _entropy(after)
    return max(0.0, _entropy(shares) - found)


def _entropy(shares: Sequence[float]) -> float:
    return -sum(p * math.log2(p) for p in shares if p > 0.0)


@lru_cache(maxsize=4)
def _menu(
    knowledge: Knowledge, reference: Reference
) -> tuple[tuple[Measurement, tuple[tuple[Mechanism, tuple[Biomarker, ...]], ...]], ...]:
    """Every measurement with the mechanisms that it tells of and the biomarkers by which it does."""
    mechanisms = plan_of(knowledge, reference).mechanisms
    own = {m.id: biomarkers_of(m.id, m.biomarker) for m in mechanisms}
    menu = []
    for measurement in _orders(mechanisms):
        rows = ((m, tuple(b for b in own[m.id] if measurement.yields(b))) for m in mechanisms)
        menu.append((measurement, tuple((m, b) for m, b in rows if b)))
    return tuple(menu)


def options(profile: Profile, knowledge: Knowledge, reference: Reference | None = None) -> list[Option]:
    """Return every measurement that a patient lacks and that would tell something, most expected information first.

    What is only known under treatment is left out for a sample taken before it.
    """
    reference = reference or load_reference()
    plan = plan_of(knowledge, reference)
    before = profile.patient.clinical.get("timepoint") in (None, "pre", "baseline")
    told = {m.id: {e.biomarker for e in profile.evidence[m.id] if e.measured} for m in plan.mechanisms}
    found = []
    for measurement, yielded in _menu(knowledge, reference):
        if _given(measurement, profile) or (before and measurement.when == "on"):
            continue
        names, untold, tests, bits = [], [], {}, {}
        total = change = 0.0
        for mechanism, biomarkers in yielded:
            wanted = [b for b in biomarkers if b.id not in told[mechanism.id]]
            if not wanted:
                continue
            test, silent = _tests(mechanism, wanted, profile, plan, reference)
            untold += silent
            if test is None:
                continue
            names += [b.id for b in wanted if b.id not in silent]
            activity = profile.activities.by_mechanism[mechanism.id]
            weight = RELEVANCE[mechanism.relevance_ici]
            tests[mechanism.id] = test
            bits[mechanism.id] = information_bits(activity.presence, test)
            total += weight * bits[mechanism.id]
            extent = activity.alpha / (activity.alpha + activity.beta)
            change += weight * expected_change(activity.presence, test) * extent
        if "immune_phenotype" in measurement.fields and not _phenotype_called(profile):
            ratio = ratio_of_pathologist(knowledge)
            if ratio:
                bits[PHENOTYPE] = phenotype_bits((profile.p_inflamed, profile.p_excluded, profile.p_desert), ratio)
                total += bits[PHENOTYPE]
                names.append(PATHOLOGIST)
        if bits:
            found.append(
                Option(
                    measurement, tuple(dict.fromkeys(names)), tests, bits, total, change, tuple(dict.fromkeys(untold))
                )
            )
    return sorted(found, key=lambda o: (-o.information_bits, o.measurement.id))


def _phenotype_called(profile: Profile) -> bool:
    from tumornexus.profile.cells import called_phenotype

    return called_phenotype(profile.patient) is not None


def said_of(option: Option, profile: Profile, knowledge: Knowledge, most: int = 2) -> str:
    """Say in words what a measurement is mostly about."""
    parts = []
    for name in sorted(option.bits, key=lambda m: (-option.bits[m] * _weight(m, knowledge), m))[:most]:
        if name == PHENOTYPE:
            parts.append(f"the immune phenotype ({option.bits[name]:.2f} bits)")
        else:
            now = profile.activities.by_mechanism[name].presence
            record = knowledge.mechanisms[name]
            parts.append(f"{record.name} (probability now {now:.2f}, {option.bits[name]:.2f} bits)")
    more = len(option.bits) - len(parts)
    said = "tells of " + " and ".join(parts) + (f" and {more} more" if more else "")
    if not option.information_bits:
        said += "; none of it matters to checkpoint inhibitors"
    if option.untold:
        said += f"; not counted, because one of two outcomes has no likelihood ratio: {', '.join(option.untold)}"
    return said


def _weight(name: str, knowledge: Knowledge) -> float:
    return 1.0 if name == PHENOTYPE else RELEVANCE[knowledge.mechanisms[name].relevance_ici]


def option_row(option: Option, profile: Profile, knowledge: Knowledge) -> dict[str, object]:
    """One row of measure_next.tsv; a measurement of which the files hold a part is named with what is left."""
    known = any(f in profile.patient.clinical for f in option.measurement.fields)
    return {
        "input": option.measurement.name + (f" (further: {', '.join(option.biomarkers)})" if known else ""),
        "biomarkers": ", ".join(option.biomarkers),
        "mechanisms": ", ".join(option.bits),
        "information_bits": round(option.information_bits, 4),
        "activity_change": round(option.activity_change, 4),
        "needs": option.measurement.needs,
        "reason": said_of(option, profile, knowledge),
    }


def information_table(profiles: Sequence[Profile], knowledge: Knowledge) -> pd.DataFrame:
    """Return measure_next.tsv of a profile: first column `sample`, then `COLUMNS`, most information first per sample.

    `information_bits`: expected, weighted by relevance; `activity_change`: expected absolute change of activities,
    summed with the same weights; `needs`: what it takes to measure it. Costs are not in the catalogue.
    """
    rows = [
        {"sample": p.sample, **option_row(o, p, knowledge)} for p in profiles for o in options(p, knowledge)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["sample", *COLUMNS])
