"""The meaning check: a sound catalogue passes, and each kind of nonsense is found where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.check import Finding, apply_law, check_meaning, count_origins


def errors(findings: list[Finding]) -> list[Finding]:
    """Only what must be mended."""
    return [f for f in findings if f.severity == "error"]


def test_apply_law() -> None:
    assert apply_law("multiply", 3.0, 2.0) == 6.0
    assert apply_law("multiply", 3.0, 2.0, 0.0) == 2.0
    assert apply_law("add", 3.0, 2.0, 0.5) == 3.5
    assert apply_law("saturate", 3.0, 2.0) == 3.0
    assert apply_law("saturate", 3.0, 2.0, 0.0) == 2.0


def test_small_catalogue_has_only_what_was_planted(small: Knowledge) -> None:
    found = errors(check_meaning(small))
    # The small drugs carry no molar mass, and its tables hold a single trial.
    assert {f.field for f in found} == {"molar_mass_g_per_mol"}


@pytest.mark.parametrize(
    ("file", "old", "new", "severity", "field", "says"),
    [
        ("mechanisms/ido.toml", 'target = "t_cell_exhaustion"', 'target = "exhaustion_t"', "error", "drives.target",
         "no such mechanism"),
        ("mechanisms/ido.toml", 'reversed_by = ["ido_inhibitor"]', 'reversed_by = ["ido_inhibtor"]', "error",
         "reversed_by", "did you mean ido_inhibitor"),
        ("mechanisms/ido.toml", 'reversed_by = ["ido_inhibitor"]', "", "warning", "reverses", "does not list it"),
        ("mechanisms/t_cell_exhaustion.toml", 'kind = "outcome"', 'kind = "outcome"\nraised_by = ["ido_inhibtor"]',
         "error", "raised_by", "did you mean ido_inhibitor"),
        ("mechanisms/t_cell_exhaustion.toml", 'kind = "outcome"',
         'kind = "outcome"\nraised_by = ["ido_inhibitor"]\nreversed_by = ["ido_inhibitor"]', "error", "raised_by",
         "cannot raise and reverse"),
        ("mechanisms/ido.toml", 'trials = ["echo_301"]', 'trials = ["echo_302"]', "error", "claim_conflict[1].trials",
         "echo_301"),
        ("mechanisms/ido.toml", '"TDO2"', '"TDO"', "error", "biomarker 'ido_rna'.genes", "write TDO2"),
        ("mechanisms/ido.toml", '"TDO2"', '"TDOX"', "error", "biomarker 'ido_rna'.genes", "not an approved"),
        ("mechanisms/ido.toml", "separation = 1.0", "", "error", "biomarker 'ido_rna'", "says nothing"),
        ("mechanisms/ido.toml", 'parameter = "ido_activity"', 'parameter = "ido_activty"', "error",
         "effect[1].parameter", "did you mean ido_activity"),
        ("mechanisms/ido.toml", "value = 3.0\nlow = 2.0\nhigh = 5.0", "value = 30.0\nlow = 2.0\nhigh = 50.0", "warning",
         "effect[1].value", "plausible range"),
        ("mechanisms/ido.toml", 'law = "multiply"\nvalue = 3.0\nlow = 2.0', 'law = "add"\nvalue = -3.0\nlow = -4.0',
         "error", "effect[1].value", "0 or more"),
        ("mechanisms/ido.toml", 'source = ["alpha2020"]', 'source = ["alfa2020"]', "error", "source",
         "did you mean alpha2020"),
        ("mechanisms/ido.toml", 'relevance_car_t = "low"', 'relevance_car_t = "none"', "warning", "expected.car_t",
         "yet it has an influence"),
        ("therapies/ido_inhibitor.toml", '"epacadostat", ', "", "warning", "therapy", "does not list it"),
        ("therapies/ido_inhibitor.toml", '"epacadostat"', '"epacodostat"', "error", "agents", "epacadostat"),
        ("drugs/nivolumab.toml", 'usual = "nivolumab 240 mg q2w"', 'usual = "nivolumab 240 q2w"', "error", "usual",
         "without a unit"),
        ("drugs/nivolumab.toml", 'usual = "nivolumab 240 mg q2w"', 'usual = "ipilimumab 240 mg q2w"', "error", "usual",
         "nivolumab alone"),
        ("drugs/nivolumab.toml", 'unit = "nM"', 'unit = "furlong"', "error", "affinity.unit", "wrong dimension"),
        ("drugs/nivolumab.toml", 'unit = "nM"', 'unit = "nMM/"', "error", "affinity.unit", "not a unit"),
        ("drugs/nivolumab.toml", "usual_max_single_dose = 480", "usual_max_single_dose = 100", "warning",
         "usual_max_single_dose", "below the usual dose of"),
        ("parameters.toml", 'unit = "1"', 'unit = "blorp"', "error", "unit", "not a unit"),
        ("parameters.toml", "high = 10.0", "high = 0.5", "error", "value", "low <= value <= high"),
        ("parameters.toml", "spread_sd_log = 0.2", "bounded = true", "error", "bounded", "[0, 1]"),
        ("tumors.toml", "desert = 0.3", "desert = 0.4", "error", "inflamed", "must be 1"),
        ("tumors.toml", 'mechanism = "ido"', 'mechanism = "t_cell_exhaustion"', "error", "prevalence",
         "no prevalence for the cause 'ido'"),
        ("tumors.toml", 'regimen = "nivolumab 240 mg q2w"', 'regimen = "nivolumab 2400000 mg q2w"', "error",
         "standard_of_care[1].regimen", "ten times"),
        ("trials.toml", 'tumor = "melanoma"', 'tumor = "melanom"', "error", "tumor", "did you mean melanoma"),
        ("trials.toml", 'drugs = ["epacadostat", "nivolumab"]', 'drugs = ["epacadostat"]', "warning",
         "arm 'epacadostat + pembrolizumab'.drugs", "the regimen names"),
    ],
)  # fmt: skip
def test_each_kind_of_nonsense_is_found(
    catalogue: Path, file: str, old: str, new: str, severity: str, field: str, says: str
) -> None:
    path = catalogue / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    found = [f for f in check_meaning(load_knowledge(catalogue)) if f.field == field and says in f.message]
    assert [f.severity for f in found][:1] == [severity]
    assert field in str(found[0])


def test_what_the_model_does_not_read_is_found_when_the_caller_tells(small: Knowledge) -> None:
    found = check_meaning(small, read_by_model={"pd1_signal"}, observables={"exhaustion", "killing"})
    unread = [f for f in found if "no rate law reads it" in f.message]
    assert [(f.severity, f.value) for f in unread] == [("error", "ido_activity")]
    unseen = [f for f in found if f.field == "process.observable"]
    assert [f.value for f in unseen] == ["kynurenine"]


def test_counts_of_sourced_and_assumed_statements(small: Knowledge) -> None:
    counts = count_origins(small)
    assert counts["parameter"] == {
        "records": 2, "statements": 2, "sourced": 1, "assumed": 1, "unsourced": 1, "from_memory": 0,
    }  # fmt: skip
    assert counts["mechanism"]["sourced"] == counts["mechanism"]["statements"]


def test_findings_are_sorted_errors_first(small: Knowledge) -> None:
    severities = [f.severity for f in check_meaning(small)]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
