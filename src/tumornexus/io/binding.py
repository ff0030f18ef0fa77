"""Affinity of neoantigen peptides predicted by MHCflurry, where the user has it and its models.

MHCflurry (O'Donnell et al. 2020, Cell Systems 11:42; from memory, not looked up) is an extra of some hundred megabytes
with models of its own, so it is called only on request (``binding_predictor = "mhcflurry"``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tumornexus.errors import InputError

PREDICTORS = ("mhcflurry",)
SHORTEST, LONGEST = 8, 15  # residues of a peptide that class I models take
_RESIDUES = frozenset("ACDEFGHIKLMNPQRSTVWY")

Predict = Callable[[Sequence[str], Sequence[str]], Mapping[str, float]]


def predictor(name: object, load: Callable[[], Any] | None = None) -> Predict:
    """Return a function from peptides and alleles (``A*02:01``) to the best affinity of each peptide in nM.

    `load` gives the object that predicts (a test's stand-in); by default MHCflurry's presentation predictor.

    Raises:
        InputError: another predictor; MHCflurry or its models are not installed.
    """
    if name not in PREDICTORS:
        raise InputError(
            "unknown predictor", field="binding_predictor", value=name, valid='binding_predictor = "mhcflurry"'
        )
    model = (load or _load)()

    def predict(peptides: Sequence[str], alleles: Sequence[str]) -> Mapping[str, float]:
        wanted = [p for p in dict.fromkeys(peptides) if usable(p)]
        if not wanted:
            return {}
        table = model.predict(peptides=wanted, alleles=[f"HLA-{a}" for a in dict.fromkeys(alleles)], verbose=0)
        return {
            str(p): float(nm)
            for p, nm in zip(table["peptide"], table["affinity"], strict=True)
            if math.isfinite(float(nm))
        }

    return predict


def usable(peptide: object) -> bool:
    """Whether class I models take a peptide: 8 to 15 of the twenty residues."""
    return isinstance(peptide, str) and SHORTEST <= len(peptide) <= LONGEST and set(peptide.upper()) <= _RESIDUES


def _load() -> Any:
    try:
        from mhcflurry import (  # pyright: ignore[reportMissingImports]  # an extra
            Class1PresentationPredictor,
        )
    except ImportError as error:
        raise InputError(
            'predicting binding needs MHCflurry; install it with: pip install "tumornexus[mhcflurry]"',
            field="binding_predictor", valid="a table of neoantigens with ic50, or MHCflurry",
        ) from error  # fmt: skip
    try:
        return Class1PresentationPredictor.load()
    except Exception as error:  # whatever the package raises where its models were not fetched
        raise InputError(
            f"MHCflurry is installed, but its models cannot be loaded ({error}); fetch them with: mhcflurry-downloads "
            "fetch models_class1_presentation",
            field="binding_predictor", valid="the models, or a table of neoantigens with ic50",
        ) from error  # fmt: skip
