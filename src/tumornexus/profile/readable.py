"""Which biomarkers of the catalogue could be read in a patient at all, and whether they mean the unit that is read.

`tumornexus.knowledge` may not know the clinical facts or the gene universe; this layer does.
"""

from __future__ import annotations

from tumornexus.errors import InputError, KnowledgeMeaningError, near_misses
from tumornexus.io.clinical import FACTS, NUMBERS
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.check import Finding
from tumornexus.knowledge.load import line_in
from tumornexus.knowledge.records import Biomarker
from tumornexus.profile.microbiome import STOOL_FACTS
from tumornexus.profile.phenotype import PATHOLOGIST
from tumornexus.profile.reference import FEWEST_COVERED, Reference, load_reference
from tumornexus.units import compatible, parse_unit


def biomarker_findings(knowledge: Knowledge, reference: Reference | None = None) -> list[Finding]:
    """Return what is wrong with how biomarkers are to be read, in the order of the records.

    * ``error``: a clinical fact that the program reads in another unit than the record means (g/L against g/dL);
    * ``warning``: a biomarker that nothing reads (most of its genes are not in the gene
      universe of the reference);
    * ``info``: a fact that the program has no name for, which is read from a column of that name, its unit unchecked;
      single genes outside the universe.
    """
    reference = reference or load_reference()
    found = []
    for m in knowledge.mechanisms.values():
        file = knowledge.origin.get(f"mechanisms/{m.id}", "mechanisms")

        def say(b: Biomarker, severity, field, message, value, topic, m=m, file=file) -> None:
            where = f"biomarker '{b.id}'.{field}"
            line = line_in(knowledge, file, "mechanisms", m.id, where, value) if severity != "info" else None
            found.append(Finding(severity, file, m.id, where, value, message, topic, line))

        for b in m.biomarker:
            if m.kind == "outcome" and b.id != PATHOLOGIST:
                say(
                    b,
                    "info",
                    "id",
                    "tells how the outcome is recognized in a patient; not read, because the profile has no "
                    "activity for what the dynamics yield",
                    b.id,
                    "coverage",
                )
            if b.input == "expression":
                genes = (*b.genes, *b.genes_down)
                absent = [g for g in genes if g not in reference.index]
                few = len(absent) > (1.0 - FEWEST_COVERED) * len(genes)
                if absent:
                    message = "orphan: too few of its genes are in the reference" if few else "not in the reference"
                    say(b, "warning" if few else "info", "genes", message, absent[0] if few else absent, "orphans")
            elif b.field in NUMBERS and _differ(b.unit, NUMBERS[b.field][3]):
                say(b, "error", "unit", f"unit mismatch: '{b.field}' is read in {NUMBERS[b.field][3]}", b.unit,
                    "values and units")  # fmt: skip
            elif b.field and b.field not in FACTS and not (b.input == "microbiome" and b.field in STOOL_FACTS):
                close = near_misses(b.field, FACTS)
                say(b, "info", "field", "the program has no fact of this name and reads a column so named"
                    + (f"; {close}" if close.startswith("did") else ""), b.field, "coverage")  # fmt: skip
    return found


def _differ(unit: str | None, read: str) -> bool:
    """Tell whether two units are both units of measurement and not the same one; words such as `ratio` are none."""
    if unit is None or unit == read:
        return False
    try:
        known = parse_unit(read, field="unit")
    except InputError:
        return False
    try:
        return not compatible(unit, read) or parse_unit(unit, field="unit") != known
    except InputError:
        return True


def require_readable(knowledge: Knowledge) -> None:
    """Require that biomarkers which a user added mean the unit in which their fact is read.

    Raises:
        KnowledgeMeaningError: names file, line, record, field and the unit that is read.
    """
    if not knowledge.added:
        return
    for finding in biomarker_findings(knowledge):
        if finding.severity == "error" and finding.file in knowledge.added_files:
            raise KnowledgeMeaningError(
                f"record '{finding.record}': {finding.message}", file=finding.file, line=finding.line,
                field=finding.field, value=finding.value,
            )  # fmt: skip
