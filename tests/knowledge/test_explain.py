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


def test_what_has_no_record_of_its_own_is_explained(small: Knowledge) -> None:
    for name, kind, identifier, says in (
        ("ido_rna", "biomarker", "ido/ido_rna", "A biomarker of IDO1 up-regulation"),
        ("ido/ido_rna", "biomarker", "ido/ido_rna", "A biomarker of IDO1 up-regulation"),
        ("step 3", "step", "3", "Step 3 of the cancer-immunity cycle"),
        ("kynurenine", "observable", "kynurenine", "Mechanisms push it as listed"),
        ("killing.suppression", "rate law", "killing.suppression", "A rate law of the process 'killing'"),
        ("alpha2020", "reference", "alpha2020", "A PD-1 study"),
        ("https://doi.org/10.1000/Alpha", "reference", "alpha2020", "A PD-1 study"),
        ("PMID 123", "reference", "beta2021", "Twice"),
        ("TDO", "gene", "TDO2", "other names: TDO, TPH2A"),
        ("cd8a", "gene", "CD8A", "No record of the catalogue names it"),
    ):
        found = explain(small, name)
        assert (found.kind, found.id) == (kind, identifier), name
        assert says in " ".join(found.paragraphs)
        for table in found.tables:
            assert all(len(row) == len(table.columns) for row in table.rows)


def test_tables_of_what_has_no_record(small: Knowledge) -> None:
    assert ("biomarker", "ido/ido_rna", "up") in explain(small, "gene:IDO1").tables[0].rows
    assert ("mechanism", "ido", "expected.source") in explain(small, "alpha2020").tables[0].rows
    assert ("up", "ido", "cause") in explain(small, "observable:kynurenine").tables[0].rows
    assert any(row[1] == "ido" for row in explain(small, "step 3").tables[0].rows)


def test_things_that_share_a_name_point_to_each_other(small: Knowledge) -> None:
    found = explain(small, "IDO1")
    assert (found.kind, found.id) == ("mechanism", "ido")
    assert found.also == ("gene:IDO1",)
    for other in found.also:
        assert explain(small, other).kind == "gene"
    assert explain(small, "mechanism:IDO1").also == ()


def test_what_speaks_against_a_reference(small: Knowledge) -> None:
    assert explain(small, "alpha2020").warnings == ()


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("alpha2021", "alpha2020"), ("kynurenin", "kynurenine"), ("ido_rn", "ido_rna"), ("killing.supression",
      "killing.suppression"), ("ID01", "IDO1"), ("TOD2", "TDO2"), ("mechanism:idoo", "ido"), ("gene:TDO3", "TDO2")],
)  # fmt: skip
def test_near_misses_of_every_kind_are_suggested(small: Knowledge, name: str, suggested: str) -> None:
    with pytest.raises(InputError, match=f"did you mean.*{suggested}"):
        explain(small, name)


def test_every_name_in_the_shipped_catalogue_is_explained() -> None:
    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.load import KINDS, names_of
    from tumornexus.knowledge.lookup import look_up
    from tumornexus.knowledge.model_names import observables, rate_laws

    k = load_knowledge()
    for plural, kind in KINDS.items():
        for identifier, record in getattr(k, plural).items():
            assert look_up(k, f"{kind}:{identifier}") == [(kind, identifier)]
            for name in names_of(record):
                assert k.named(kind, name) == identifier, f"{kind} {identifier}: {name}"
    for m in k.mechanisms.values():
        for b in m.biomarker:
            assert explain(k, f"biomarker:{m.id}/{b.id}").paragraphs
    for prefix, names in (
        ("observable", observables()),
        ("rate law", rate_laws()),
        ("reference", list(k.references)[::10]),
    ):
        for name in names:
            assert explain(k, f"{prefix}:{name}").id == name
    for step in k.cycle:
        assert explain(k, f"step {step}").paragraphs
