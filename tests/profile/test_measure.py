"""Reading single biomarkers."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from tumornexus.errors import InputError
from tumornexus.io.mutations import COLUMNS
from tumornexus.io.patient import Patient
from tumornexus.knowledge.records import Biomarker
from tumornexus.profile.measure import Compiled, read_clinical, read_copy_number, read_hla, read_mutation

EMPTY = Patient("P1", "P1", "melanoma")
LOSS = Biomarker(
    id="b2m",
    input="mutation",
    method="loss_of_function",
    direction="+",
    genes=("B2M",),
    lr_positive=100.0,
    lr_negative=0.4,
    assumed="test",
)
HOTSPOT = Biomarker(
    id="hot",
    input="mutation",
    method="hotspot",
    direction="+",
    genes=("BRAF",),
    changes=("BRAF:V600", "KRAS:G12"),
    lr_positive=40.0,
    lr_negative=0.3,
    assumed="test",
)
TMB = Biomarker(
    id="tmb",
    input="clinical",
    method="logistic",
    direction="-",
    field="tmb_per_mb",
    threshold=10.0,
    scale=2.0,
    lr_positive=20.0,
    lr_negative=0.05,
    assumed="test",
)
MSI = Biomarker(
    id="msi",
    input="clinical",
    method="threshold",
    direction="-",
    field="msi_high",
    threshold=0.5,
    lr_positive=1.1,
    lr_negative=0.04,
    assumed="test",
)
HLA = Biomarker(
    id="hla",
    input="hla",
    method="homozygous_loci",
    direction="+",
    threshold=1.0,
    lr_positive=50.0,
    lr_negative=0.02,
    assumed="t",
)
DEEP = Biomarker(
    id="cn",
    input="copy_number",
    method="loss_of_function",
    direction="+",
    genes=("PTEN",),
    lr_positive=50.0,
    lr_negative=0.7,
    assumed="t",
)


def sequenced(*rows: tuple, assay: str = "exome", **clinical: object) -> Patient:
    table = pd.DataFrame(
        [
            {
                **dict.fromkeys(COLUMNS),
                "vaf": float("nan"),
                "depth": float("nan"),
                "known": False,
                **dict(zip(COLUMNS, r, strict=False)),
            }
            for r in rows
        ],
        columns=list(COLUMNS),
    )
    return replace(EMPTY, mutations=table, mutation_assay=assay, clinical=clinical)


def test_not_sequenced_is_not_measured():
    assert not read_mutation(Compiled(LOSS), EMPTY).measured


def test_sequenced_without_variant_is_evidence_against():
    reading = read_mutation(Compiled(LOSS), sequenced())
    assert reading.measured
    assert reading.llr == pytest.approx(math.log(0.4))


def test_panel_without_variant_says_nothing():
    assert not read_mutation(Compiled(LOSS), sequenced(assay="panel")).measured


def test_plasma_without_variant_says_less_than_tissue():
    tissue, plasma = (read_mutation(Compiled(LOSS), sequenced(assay=assay)) for assay in ("exome", "ctdna"))
    assert plasma.measured
    assert tissue.llr < plasma.llr < 0.0
    a = LOSS.lr_positive * (1.0 - LOSS.lr_negative) / (LOSS.lr_positive - LOSS.lr_negative)
    b = a / LOSS.lr_positive
    assert (1.0 - a) / (1.0 - b) == pytest.approx(LOSS.lr_negative)  # the chances that the ratios of tissue imply
    assert plasma.llr == pytest.approx(math.log((1.0 - 0.75 * a) / (1.0 - 0.75 * b)))


def test_variant_in_plasma_speaks_as_in_tissue_but_not_of_its_extent():
    hits = ("B2M", "truncating", "L15*", 0.4, 200.0), ("B2M", "truncating", "S14*", 0.4, 200.0)
    tissue, plasma = (read_mutation(Compiled(LOSS), sequenced(*hits, assay=assay)) for assay in ("exome", "ctdna"))
    assert plasma.llr == tissue.llr > 0.0
    assert tissue.extent is not None
    assert plasma.extent is None
    assert "plasma" in plasma.note


def test_unannotated_variant_says_nothing():
    reading = read_mutation(Compiled(LOSS), sequenced(("B2M", "other", None)))
    assert not reading.measured
    assert "unknown consequence" in reading.note


def test_missense_is_not_loss():
    assert read_mutation(Compiled(LOSS), sequenced(("B2M", "missense", "K20R"))).llr < 0


def test_single_hit_counts_less_than_two():
    one = read_mutation(Compiled(LOSS), sequenced(("B2M", "truncating", "Y30*", 0.3, 200)))
    two = read_mutation(
        Compiled(LOSS), sequenced(("B2M", "truncating", "Y30*", 0.3, 200), ("B2M", "splice", None, 0.2, 90))
    )
    lost = read_mutation(Compiled(LOSS), sequenced(("B2M", "truncating", "Y30*", 0.85, 200)))
    assert 0 < one.llr < two.llr == lost.llr == pytest.approx(math.log(100))
    assert "other" in one.note
    assert one.extent is not None


@pytest.mark.parametrize(
    ("gene", "change", "hit"),
    [
        ("BRAF", "V600E", True),
        ("BRAF", "V600_K601delinsE", True),
        ("BRAF", "V60E", False),
        ("BRAF", "V6001E", False),
        ("KRAS", "V600E", False),
    ],
)
def test_hotspot_positions(gene, change, hit):
    reading = read_mutation(Compiled(replace_genes(HOTSPOT)), sequenced((gene, "missense", change)))
    assert (reading.llr > 0) == hit


def replace_genes(biomarker: Biomarker) -> Biomarker:
    return biomarker.model_copy(update={"genes": ("BRAF", "KRAS")})


def test_burden_below_the_cut_off_defines_and_measures():
    low, high = (read_clinical(Compiled(TMB), sequenced(tmb_per_mb=v)) for v in (2.0, 20.0))
    assert low.llr == pytest.approx(math.log(20))
    assert low.extent.mean == pytest.approx(0.8)
    assert high.llr == pytest.approx(math.log(0.05))
    assert not read_clinical(Compiled(TMB), EMPTY).measured


def test_flags_and_directions():
    assert read_clinical(Compiled(MSI), sequenced(msi_high=True)).llr == pytest.approx(math.log(0.04))
    assert read_clinical(Compiled(MSI), sequenced(msi_high=False)).llr == pytest.approx(math.log(1.1))


def test_text_in_a_biomarker_field_is_refused():
    with pytest.raises(InputError, match="tmb_per_mb"):
        read_clinical(Compiled(TMB), sequenced(tmb_per_mb="plenty"))


def test_hla_zygosity():
    typed = ("A*02:01", "A*02:01", "B*07:02", "B*08:01", "C*07:01", "C*07:02")
    reading = read_hla(Compiled(HLA), replace(EMPTY, hla=typed))
    assert reading.llr == pytest.approx(math.log(50))
    assert reading.extent.mean == pytest.approx(1 / 3)
    assert read_hla(Compiled(HLA), replace(EMPTY, hla=("A*01:01", *typed[1:]))).llr < 0
    assert not read_hla(Compiled(HLA), replace(EMPTY, hla=("A*01:01", "A*02:01"))).measured
    assert not read_hla(Compiled(HLA), EMPTY).measured


def test_a_loss_call_without_copies_is_weak():
    table = pd.DataFrame({"gene": ["PTEN"], "call": ["deletion"], "copies": [float("nan")], "deep": [False]})
    weak = read_copy_number(Compiled(DEEP), replace(EMPTY, copy_number=table))
    strong = read_copy_number(Compiled(DEEP), replace(EMPTY, copy_number=table.assign(copies=0.1, deep=True)))
    none = read_copy_number(Compiled(DEEP), replace(EMPTY, copy_number=table.iloc[:0]))
    assert 0 < weak.llr < strong.llr
    assert none.llr < 0
    assert not read_copy_number(Compiled(DEEP), EMPTY).measured
