"""Earlier lines: which regimen stands for a word."""

from __future__ import annotations

import pytest

from tumornexus.errors import InputError
from tumornexus.knowledge.regimen import parse_regimen
from tumornexus.trial.prior import CHEMOTHERAPY, check_prior, prior_regimen


def therapies(text, knowledge):
    return [set(knowledge.drugs[d].therapy) for d in parse_regimen(text, knowledge).drugs]


def test_a_class_stands_for_drugs_of_that_class(knowledge):
    words = {t for d in knowledge.drugs.values() for t in d.therapy}
    for tumor in knowledge.tumors.values():
        for word in words:
            text = prior_regimen(word, tumor, knowledge)
            assert text is not None, (word, tumor.id)
            assert all(word in own for own in therapies(text, knowledge)), (word, tumor.id, text)


def test_a_drug_stands_for_its_usual_regimen(knowledge):
    tumor = knowledge.tumors["nsclc"]
    for drug in ("docetaxel", "nivolumab", "ipilimumab"):
        assert prior_regimen(drug, tumor, knowledge) == knowledge.drugs[drug].usual


def test_an_inhibitor_is_given_alone(knowledge):
    for word in ("anti_pd1", "anti_pdl1", "anti_ctla4"):
        text = prior_regimen(word, knowledge.tumors["melanoma"], knowledge)
        assert len(parse_regimen(text, knowledge).drugs) == 1


def test_chemotherapy_is_that_of_the_tumor(knowledge):
    assert prior_regimen("chemotherapy", knowledge.tumors["melanoma"], knowledge) == CHEMOTHERAPY["melanoma"]
    platinum = prior_regimen("chemotherapy", knowledge.tumors["nsclc"], knowledge)
    assert "carboplatin" in platinum
    assert "pembrolizumab" not in platinum


def test_unknown_words(knowledge):
    tumor = knowledge.tumors["nsclc"]
    check_prior(["chemotherapy", "anti_pd1", "docetaxel"], tumor, knowledge, None)
    with pytest.raises(InputError, match=r"did you mean.*anti_pd1") as told:
        check_prior(["anti_pd-1"], tumor, knowledge, None)
    assert told.value.field == "selection.prior"
    assert prior_regimen("surgery", tumor, knowledge) is None
    with pytest.raises(InputError, match="surgery"):
        check_prior(["surgery"], tumor, knowledge, None)
