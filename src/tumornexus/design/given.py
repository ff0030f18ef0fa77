"""The regimen that a patient was given, from the words of a clinical table.

Tables name drugs or classes, seldom doses: a drug found by name stands for its usual regimen, a class for the usual
antibody of the tumor type. What follows a comma or "after" is earlier treatment.
"""

from __future__ import annotations

import re

from tumornexus.design.candidates import CHECKPOINT, backbone_drug
from tumornexus.errors import RegimenError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Drug, Tumor
from tumornexus.knowledge.regimen import Regimen, parse_regimen

_PD1 = re.compile(r"pd-?l?-?1\b|pd-?\(l\)-?1|checkpoint")
_CTLA4 = re.compile(r"ctla-?4")
_EARLIER = re.compile(r",|\bafter\b|\bfollowing\b")
_JOINED = re.compile(r"\+|\bplus\b|\band\b|\bwith\b|&")


def regimen_given(words: object, tumor: Tumor, knowledge: Knowledge) -> Regimen | None:
    """Return the usual regimen of the drugs that `words` name, None where they name no drug or class of the catalogue.

    Drugs joined by "or" or a slash are alternatives, and the first stands for all; drugs joined by "+", "and" or "with"
    are given together. A class counts where none of its drugs is named.
    """
    text = _EARLIER.split(str(words or "").lower())[0]
    chosen: dict[str, Drug] = {}
    for part in _JOINED.split(text):
        named = sorted((part.find(n), d) for d in knowledge.drugs for n in _spellings(knowledge.drugs[d]) if n in part)
        if named:
            chosen.setdefault(named[0][1], knowledge.drugs[named[0][1]])
    classes = {t for drug in chosen.values() for t in drug.therapy}
    if _PD1.search(text) and not classes & set(CHECKPOINT):
        drug = backbone_drug(knowledge, tumor)
        chosen[drug.id] = drug
    if _CTLA4.search(text) and "anti_ctla4" not in classes and "ipilimumab" in knowledge.drugs:
        chosen["ipilimumab"] = knowledge.drugs["ipilimumab"]
    if not chosen:
        return None
    try:
        return parse_regimen(" + ".join(d.usual for d in chosen.values()), knowledge)
    except RegimenError:
        return None


def _spellings(drug: Drug) -> tuple[str, ...]:
    """Names of a drug that are long enough to be found inside a sentence."""
    return tuple(n for n in dict.fromkeys((drug.id.replace("_", " "), drug.name.lower())) if len(n) >= 5)
