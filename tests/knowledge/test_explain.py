"""Explanations: everything known under a name, the inconvenient parts included."""

from __future__ import annotations

import pytest

from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.explain import compare_modalities, explain, trial_sentence


def test_every_record_under_every_name_is_explained(small: Knowledge) -> None:
    from tumornexus.knowledge.load import KINDS, names_of

    for plural, kind in KINDS.items():
        for identifier, record in getattr(small, plural).items():
            for name in names_of(record):
                found = explain(small, name)
                assert (found.kind, found.id) == (kind, identifier)
                assert all(found.paragraphs)
                for table in found.tables:
                    assert all(len(row) == len(table.columns) for row in table.rows)


def test_a_failed_trial_is_told_with_its_numbers(small: Knowledge) -> None:
    for name, says in {
        "ido": "Targeting it failed in a randomized trial (ECHO-301)",
        "ido_inhibitor": "The only randomized trial of its agents in the catalogue was negative (ECHO-301)",
    }.items():
        told = " ".join(explain(small, name).warnings)
        assert says in told
        assert "median PFS 4.7 months" in told
        assert "OS hazard ratio 1.13" in told
        assert "placebo (control): n = 352, response 31.5 %" in told


def test_a_backbone_is_not_blamed_for_what_was_added_to_it(small: Knowledge) -> None:
    assert not any("ECHO-301" in w for w in explain(small, "nivolumab").warnings)
    assert any("ECHO-301" in w for w in explain(small, "epacadostat").warnings)


def test_references_are_formatted(small: Knowledge) -> None:
    assert dict(explain(small, "ido").references)["alpha2020"] == "Muller et al., J Test, 2020, doi:10.1000/alpha"


def test_trial_sentence(small: Knowledge) -> None:
    said = trial_sentence(small.trials["echo_301"])
    assert said.startswith("ECHO-301 (negative randomized trial, melanoma, 1L): ")


def test_unknown_name_suggests(small: Knowledge) -> None:
    with pytest.raises(InputError, match="nivolumab"):
        explain(small, "nivolumap")


def test_modalities_are_compared(small: Knowledge) -> None:
    table = compare_modalities(small)
    kinds = {row[0]: row[6] for row in table.rows}
    assert kinds == {"t_cell_exhaustion": "shared", "ido": "checkpoint inhibitors"}
    assert all(len(row) == len(table.columns) and row[-1] for row in table.rows)
