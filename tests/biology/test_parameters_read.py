"""Every parameter of the catalogue is read by a law, and every name a law reads is in the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import tumornexus
from tumornexus.knowledge.model_names import parameters_read
from tumornexus.systemic.twin import CLONE_PARAMETERS

PACKAGE = Path(tumornexus.__file__).parent


def test_no_parameter_is_dead(knowledge):
    """A number that no law reads would let a record claim an effect that cannot happen."""
    unread = set(knowledge.parameters) - parameters_read(set(knowledge.parameters)) - set(CLONE_PARAMETERS.values())
    assert not unread


def test_every_name_that_a_law_reads_is_a_parameter(knowledge):
    for layer in ("biology", "systemic"):
        for path in sorted((PACKAGE / layer).glob("*.py")):
            read = set(re.findall(r"\b(?:p|h|bare)\.([a-z][a-z0-9_]*)", path.read_text("utf-8")))
            of_the_class = {"values", "names", "of", "replaced"}
            assert read - of_the_class - set(knowledge.parameters) <= {
                "value", "bounded", "high", "low", "unit", "spread_sd_log",  # `p` is a record there, not the vector
            }, path.name  # fmt: skip


def test_effects_and_acts_address_parameters_that_exist(knowledge):
    for record in (*knowledge.mechanisms.values(), *knowledge.tumors.values()):
        for change in getattr(record, "effect", ()) or getattr(record, "override", ()):
            assert change.parameter in knowledge.parameters, record.id
    for therapy in knowledge.therapies.values():
        for act in therapy.act:
            assert act.parameter in knowledge.parameters, therapy.id


def test_typical_values_lie_in_their_own_range(knowledge):
    for parameter in knowledge.parameters.values():
        assert parameter.low <= parameter.value <= parameter.high, parameter.id
        assert parameter.value >= 0.0, parameter.id
        if parameter.bounded:
            assert parameter.value <= 1.0, parameter.id
