"""Earlier lines of treatment: which regimen stands for a word such as ``chemotherapy`` in a tumor type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tumornexus.errors import InputError, near_misses
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Tumor
from tumornexus.knowledge.regimen import parse_regimen

# Where the standard of care of a tumor type names no cytotoxic drug, the one that trials in it compared with.
CHEMOTHERAPY = {
    "melanoma": "dacarbazine 1000 mg/m2 q3w",  # control of CheckMate-037, KEYNOTE-002
    "crc_msi_h": "oxaliplatin 85 mg/m2 q2w + fluorouracil 2800 mg/m2 q2w",  # FOLFOX, control of KEYNOTE-177
    "crc_mss": "oxaliplatin 85 mg/m2 q2w + fluorouracil 2800 mg/m2 q2w",
}
DEFAULT = {"anti_pd1": "pembrolizumab", "anti_pdl1": "atezolizumab", "anti_ctla4": "ipilimumab"}


def prior_regimen(word: str, tumor: Tumor, knowledge: Knowledge) -> str | None:
    """Return the regimen that stands for an earlier treatment, None where there is none.

    `word` is a therapy or drug id. A drug stands for its usual regimen, a checkpoint inhibitor for that of one antibody
    alone; of other classes, what matches in the first standard of care of the tumor type that holds it; else the
    tumor's control chemotherapy, else the usual regimen of an agent.
    """
    name = word if word in knowledge.drugs else DEFAULT.get(word)
    if name is not None:
        return knowledge.drugs[name].usual
    for care in tumor.standard_of_care:
        phases = care.regimen.split(" then ")[0].split(" + ")
        kept = [c for c in phases if word in knowledge.drugs[parse_regimen(c, knowledge).drugs[0]].therapy]
        if kept:
            return " + ".join(kept)
    if word == "chemotherapy" and tumor.id in CHEMOTHERAPY:
        return CHEMOTHERAPY[tumor.id]
    name = next((d for d, drug in knowledge.drugs.items() if word in drug.therapy), None)
    return knowledge.drugs[name].usual if name is not None else None


def check_prior(words: Sequence[str], tumor: Tumor, knowledge: Knowledge, path: Path | None) -> None:
    """Require that every earlier treatment is known.

    Raises:
        InputError: a word that is no therapy or drug, or one without an agent.
    """
    for word in words:
        known = word in knowledge.drugs or word in knowledge.therapies
        if not known or prior_regimen(word, tumor, knowledge) is None:
            names = sorted({t for d in knowledge.drugs.values() for t in d.therapy} | set(knowledge.drugs))
            raise InputError("not an earlier treatment that can be simulated", file=path, field="selection.prior",
                             value=word, valid=near_misses(word, names))  # fmt: skip
