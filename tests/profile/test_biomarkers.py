"""Each biomarker of the catalogue speaks for its mechanism, speaks less when it is turned, and is silent when absent.

One test a biomarker, generated from the records: a patient in whom nothing else speaks, with the measurement at a value
that the record calls positive, at its opposite, and without it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tumornexus.io.mutations import COLUMNS
from tumornexus.io.patient import Patient
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.records import Biomarker
from tumornexus.profile import load_reference, profile_patient
from tumornexus.profile.reference import panels

CATALOGUE = load_knowledge()
CASES = [(m.id, b.id) for m in CATALOGUE.mechanisms.values() if m.kind != "outcome" for b in m.biomarker]
NOBODY = Patient("P1", "P1", "melanoma")
CLEAR = 2.0  # reference standard deviations by which every gene of a signature is shifted


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return CATALOGUE


def expression(biomarker: Biomarker, shift: float | None) -> Patient:
    """A tumor at the reference level in every gene but those of the biomarker: shifted, or not measured."""
    reference = load_reference()
    log2 = np.array(reference.location, dtype=float)
    for genes, sign in ((biomarker.genes, 1.0), (biomarker.genes_down, -1.0)):
        at = reference.positions(genes)
        log2[at] = np.nan if shift is None else log2[at] + sign * shift * reference.scale[at]
    return replace(NOBODY, expression=pd.Series(np.maximum(2.0**log2 - 1.0, 0.0), index=list(reference.genes)))


def mutations(*rows: tuple[str, str, str]) -> Patient:
    """A sequenced tumor with some variants at an allele fraction of one half."""
    empty = {**dict.fromkeys(COLUMNS), "vaf": 0.5, "depth": 200.0, "known": True}
    table = pd.DataFrame([{**empty, **dict(zip(COLUMNS, row, strict=False))} for row in rows], columns=list(COLUMNS))
    return replace(NOBODY, mutations=table)


def variant(b: Biomarker) -> tuple[str, str, str]:
    """A variant that the biomarker asks for: gene, class, protein change."""
    if b.method == "hotspot":
        gene, _, change = b.changes[0].rpartition(":")
        return gene or b.genes[0], "missense", f"{change}E" if change[-1].isdigit() else change
    return b.genes[0], "missense" if b.method == "any_nonsynonymous" else "truncating", "Q10*"


def copies(b: Biomarker, *genes: str) -> Patient:
    """A tumor with copy numbers called, deep deletions or amplifications of some genes."""
    losing = b.method == "loss_of_function" or b.direction == "-"
    row = {"call": "deletion", "copies": 0.0, "deep": True}
    row = row if losing else {"call": "amplification", "copies": 20.0, "deep": False}
    frame = pd.DataFrame([{"gene": g, **row} for g in genes], columns=["gene", "call", "copies", "deep"])
    return replace(NOBODY, copy_number=frame)


def fact(b: Biomarker, positive: bool) -> Patient:
    """A clinical or microbiome fact well beyond its threshold, on either side."""
    assert b.threshold is not None
    step = 3.0 * b.scale if b.scale else max(abs(b.threshold), 1.0)
    above = positive == (b.direction == "+")
    value = b.threshold + step if above else max(b.threshold - step, 0.0)
    return replace(NOBODY, clinical={str(b.field): value})


HOMOZYGOUS = ("A*02:01", "A*02:01", "B*07:02", "B*07:02", "C*07:01", "C*07:01")
HETEROZYGOUS = ("A*02:01", "A*01:01", "B*07:02", "B*08:01", "C*07:01", "C*07:02")


def patients(b: Biomarker) -> tuple[Patient, Patient, Patient]:
    """Return a patient with the biomarker positive, with it turned, and without it."""
    if b.input == "expression":
        way = 1.0 if b.direction == "+" else -1.0
        return expression(b, way * CLEAR), expression(b, -way * CLEAR), expression(b, None)
    if b.input == "mutation":
        return mutations(variant(b)), mutations(), NOBODY
    if b.input == "copy_number":
        return copies(b, *b.genes), copies(b), NOBODY
    if b.input == "hla":
        return replace(NOBODY, hla=HOMOZYGOUS), replace(NOBODY, hla=HETEROZYGOUS), NOBODY
    return fact(b, True), fact(b, False), NOBODY


@pytest.mark.parametrize(("mechanism", "biomarker"), CASES, ids=[".".join(case) for case in CASES])
def test_a_biomarker_speaks_and_is_silent_when_taken_away(mechanism: str, biomarker: str, knowledge: Knowledge):
    record = next(b for b in knowledge.mechanisms[mechanism].biomarker if b.id == biomarker)
    seen = [profile_patient(p, knowledge) for p in patients(record)]
    positive, turned, away = (p.activities.by_mechanism[mechanism] for p in seen)
    evidence = [next(e for e in p.evidence[mechanism] if e.biomarker == biomarker) for p in seen]
    assert [e.measured for e in evidence] == [True, True, False]
    for_it, against, silent = (e.llr for e in evidence)
    assert for_it is not None
    assert against is not None
    assert for_it > 0.0 >= against
    assert silent is None
    assert positive.presence > turned.presence + 0.01
    if record.input != "expression":  # it was the only measurement: without it nothing is known, and nothing invented
        assert (positive.origin, away.origin) == ("measured", "sampled")


def test_the_interferon_signature_moves_the_response_score_and_is_silent_when_absent(knowledge: Knowledge):
    """Effector T-cell and interferon-gamma genes up, down and not measured: response score and what it rests on."""
    genes = Biomarker(
        id="panel", input="expression", method="zmean", direction="+", genes=tuple(panels()["inflamed"]), assumed="test"
    )
    high, low, away = (profile_patient(expression(genes, s), knowledge) for s in (CLEAR, -CLEAR, None))
    assert high.icb.score > away.icb.score > low.icb.score
    assert high.icb.score > low.icb.score + 0.05
    assert away.inflamed_score is None
    assert away.phenotype is None
