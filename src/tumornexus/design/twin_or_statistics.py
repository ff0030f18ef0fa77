"""Which probability of response is better calibrated on real patients: the twin's or the statistical one.

Both stand side by side where a profile is simulated. Which of them to believe was measured on cohorts with expression
and response (``verification/twin_response.py``); what was found ships as ``data/twin_or_statistics.json``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any


@functools.cache
def comparison() -> Mapping[str, Any]:
    """Return what was found: date, digest of the catalogue, patients, cohorts, and for each of ``twin`` and
    ``statistical`` AUC and calibration slope (with 95 % intervals), Brier score and the p value of recalibration."""
    text = resources.files("tumornexus.design").joinpath("data/twin_or_statistics.json").read_text("utf-8")
    return json.loads(text)


def better_calibrated(digest: str) -> str:
    """Name the better calibrated one in a sentence with date and digest; `digest`: of the catalogue in use."""
    found = comparison()
    name = {"twin": "the twin's response", "statistical": "the statistical score", "neither": "neither"}
    parts = [
        f"{word} slope {own['slope'][0]:.2f} ({own['slope'][1]:.2f} to {own['slope'][2]:.2f}), "
        f"Brier {own['brier']:.3f}, AUC {own['auc'][0]:.2f}"
        for word, own in (("twin", found["twin"]), ("statistical", found["statistical"]))
    ]
    other = "" if digest == found["knowledge_digest"] else "; the catalogue has changed since"
    return (
        f"better calibrated: {name[found['better_calibrated']]}, on {found['patients']} patients of "
        f"{len(found['cohorts'])} cohorts ({found['date']}, catalogue {found['knowledge_digest']}{other}): "
        + "; ".join(parts)
    )
