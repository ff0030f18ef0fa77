"""Severe events: usual regimens reach their recorded risk, early more than late, and pairs only where both act."""

from __future__ import annotations

import numpy as np
import pytest

from simulated import Tumors, rows, usual
from tumornexus.knowledge import Knowledge, parse_regimen
from tumornexus.systemic.kinetics import effect_days
from tumornexus.systemic.solver import treat
from tumornexus.systemic.treatment import Treatment

pytestmark = pytest.mark.simulation

DRUGS = ("nivolumab", "ipilimumab", "cisplatin", "paclitaxel", "lenvatinib", "car_t")


@pytest.fixture(scope="module")
def hazards(tumors: Tumors, knowledge: Knowledge) -> dict[str, np.ndarray]:
    """Return the cumulative hazard each week under some regimens, for an average patient whom no event stops."""
    regimens: dict[str, Treatment] = {d: usual(knowledge, d) for d in DRUGS}
    regimens["pair"] = usual(knowledge, "nivolumab", "ipilimumab")
    regimens["pair and cisplatin"] = usual(knowledge, "nivolumab", "ipilimumab", "cisplatin")
    index = np.zeros(len(regimens), int)
    values = tumors.values[""][index].copy()
    for name, value in (("toxicity_threshold", 1e6), ("toxicity_frailty", 1.0), ("clearance_factor", 1.0),
                        ("toxicity_window", knowledge.parameters["toxicity_window"].value)):  # fmt: skip
        values[:, tumors.names.index(name)] = value
    data = treat(
        values, tumors.names, rows(tumors.state[""], index), list(regimens.values()), np.arange(len(regimens)),
        keep=["toxicity_hazard"], precise=True,
    )  # fmt: skip
    return dict(zip(regimens, data["toxicity_hazard"].values, strict=True))


@pytest.mark.parametrize("drug", DRUGS)
def test_the_usual_regimen_reaches_the_recorded_risk_within_the_window(drug: str, hazards, knowledge: Knowledge):
    week = round(knowledge.parameters["toxicity_window"].value / 7)
    risk = 100.0 * (1.0 - np.exp(-hazards[drug][week]))
    assert risk == pytest.approx(knowledge.drugs[drug].toxicity.ae3_percent, rel=0.15)


def test_events_come_early(hazards):
    first, second = hazards["nivolumab"][26], hazards["nivolumab"][52] - hazards["nivolumab"][26]
    assert 0.0 < second < 0.6 * first


def test_the_two_checkpoints_together_cost_more_than_their_sum_and_leave_other_drugs_alone(hazards):
    alone = hazards["nivolumab"][26] + hazards["ipilimumab"][26]
    assert hazards["pair"][26] > 1.1 * alone
    added = hazards["pair and cisplatin"][26] - hazards["pair"][26]
    assert added == pytest.approx(hazards["cisplatin"][26], rel=0.02)


def test_half_a_course_has_half_the_days_of_effect(knowledge: Knowledge):
    drug = knowledge.drugs["cisplatin"]
    two, four = (effect_days(drug, parse_regimen(f"cisplatin 75 mg/m2 q3w x{n}", knowledge), 1e4) for n in (2, 4))
    assert 0.4 < two / four < 0.55
