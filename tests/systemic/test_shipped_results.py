"""Files that ship with the package and results that the docs quote come from the catalogue as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumornexus.knowledge import load_knowledge

ROOT = Path(__file__).parents[2]
SHIPPED = (
    "src/tumornexus/systemic/data/calibration.json",
    "src/tumornexus/systemic/data/reference_population.json",
    "verification/results/network.json",
)


@pytest.mark.parametrize("file", SHIPPED)
def test_a_shipped_result_was_made_from_the_present_catalogue(file: str) -> None:
    made_from = json.loads((ROOT / file).read_text(encoding="utf-8"))["knowledge_digest"]
    assert made_from == load_knowledge().digest, f"{file} is older than the catalogue: make it again"
