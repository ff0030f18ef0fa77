"""What a patient was given, from the words that public tables use."""

from __future__ import annotations

import pytest

from tumornexus.design.given import regimen_given
from tumornexus.knowledge import load_knowledge


@pytest.mark.parametrize(
    ("words", "tumor", "drugs"),
    [
        ("nivolumab, ipilimumab-naive", "melanoma", {"nivolumab"}),
        ("nivolumab after ipilimumab progression", "melanoma", {"nivolumab"}),
        ("anti-PD-1 monotherapy (nivolumab or pembrolizumab)", "melanoma", {"nivolumab"}),
        ("anti-PD-1/PD-L1", "nsclc", {"pembrolizumab"}),
        ("Nivolumab + Ipilimumab", "rcc", {"nivolumab", "ipilimumab"}),
        ("anti-CTLA-4", "melanoma", {"ipilimumab"}),
        ("pembrolizumab/nivolumab", "melanoma", {"pembrolizumab"}),
        ("atezolizumab", "urothelial", {"atezolizumab"}),
        ("surgery", "nsclc", None),
        (None, "nsclc", None),
    ],
)
def test_regimen_given(words, tumor, drugs):
    knowledge = load_knowledge()
    found = regimen_given(words, knowledge.tumors[tumor], knowledge)
    assert (found and set(found.drugs)) == drugs
