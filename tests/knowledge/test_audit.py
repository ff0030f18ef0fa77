"""The curator's tool: every topic is found in a catalogue that is wrong there, and a sound one passes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from guide import MECHANISM, write_guide_records
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.audit import Audit, audit
from tumornexus.knowledge.check import TOPICS, check_meaning
from tumornexus.knowledge.model_names import observables, parameters_read, rate_laws
from tumornexus.knowledge.terminal import print_audit
from tumornexus.profile.readable import biomarker_findings


@pytest.fixture(scope="module")
def shipped() -> Audit:
    return audit(further=biomarker_findings)


def told(found: Audit, **options: bool) -> str:
    """What the terminal shows."""
    text = io.StringIO()
    print_audit(found, Console(file=text, width=100), **options)
    return text.getvalue()


def test_the_shipped_catalogue_has_nothing_to_mend(shipped: Audit) -> None:
    assert [str(f) for f in shipped.findings if f.severity == "error"] == []
    assert shipped.exit_code() == 0
    assert shipped.exit_code(strict=True) == int(shipped.count("warning") > 0)


def test_every_finding_has_a_known_topic_and_what_must_be_mended_a_line(shipped: Audit) -> None:
    for finding in shipped.findings:
        assert finding.topic in TOPICS
        assert finding.line or finding.severity == "info", str(finding)


def test_counts_add_up(shipped: Audit) -> None:
    assert shipped.records["mechanism"] == len(load_knowledge().mechanisms)
    assert sum(shipped.parameter_status.values()) == shipped.records["parameter"]
    for counts in shipped.origins.values():
        assert counts["sourced"] + counts["unsourced"] == counts["statements"]
        assert counts["unsourced"] <= counts["assumed"]


def test_json_holds_everything_and_is_plain(shipped: Audit) -> None:
    record = json.loads(json.dumps(shipped.to_dict()))
    assert len(record["findings"]) == len(shipped.findings)
    assert record["errors"] + record["warnings"] + record["notes"] == len(shipped.findings)
    assert set(record["findings"][0]) == {
        "severity", "topic", "file", "line", "record", "field", "value", "message",
    }  # fmt: skip


def test_notes_of_many_records_are_drawn_together(shipped: Audit) -> None:
    text = told(shipped)
    assert text.count("cannot be resolved") == 1
    assert len(text.splitlines()) < 120
    assert all(len(line) <= 100 for line in text.splitlines())
    for topic in {f.topic for f in shipped.findings}:
        assert topic.capitalize() in text
    assert "note:" not in told(shipped, quiet=True)


@pytest.mark.parametrize(
    ("file", "old", "new", "topic", "severity", "says"),
    [
        ("mechanisms/ido.toml", '"TDO2"', '"TDO"', "gene symbols", "error", "write TDO2"),
        ("mechanisms/ido.toml", '"TDO2"', '"TOD2"', "gene symbols", "error", "did you mean TDO2"),
        ("mechanisms/ido.toml", '"IDO1", "TDO2"', '"IDO1", "IDO1"', "double counting", "error", "given twice"),
        ("mechanisms/ido.toml", 'grade = "supported"', 'grade = "sure"', "form", "error", "allowed words"),
        ("references.bib", "@article{beta2021", "@article{gamma2022, title={Nobody}, year=2022}\n@article{beta2021",
         "orphans", "warning", "no record cites it"),
        ("references.bib", "@article{beta2021", "@article{gamma2022, title={Nobody}, year=2022}\n@article{beta2021",
         "sources", "info", "cannot be resolved"),
        ("references.bib", "pmid = {123}", "doi = {https://doi.org/10.1000/Alpha}", "sources", "error",
         "duplicate reference"),
        ("parameters.toml", 'id = "pd1_signal"', 'id = "pd2_signal"', "parameters and observables", "warning",
         "no rate law reads it"),
        ("mechanisms/ido.toml", 'observable = "kynurenine"', 'observable = "kynurenin"', "parameters and observables",
         "error", "did you mean kynurenine"),
        ("mechanisms/ido.toml", 'source = ["alpha2020"]', 'source = ["alpha2021"]', "sources", "error", "alpha2020"),
        ("drugs/nivolumab.toml", '"Opdivo"', '"Epacadostat"', "names", "error", "conflicting name"),
        ("drugs/epacadostat.toml", 'therapy = ["ido_inhibitor"]', 'therapy = ["ido_inhibitor", "anti_pd1"]',
         "records and links", "warning", "does not list it"),
        ("mechanisms/t_cell_exhaustion.toml", 'target = "ido"', 'target = "t_cell_exhaustion"', "records and links",
         "error", "drives itself"),
        ("mechanisms/ido.toml", 'target = "t_cell_exhaustion"', 'target = "ido"', "orphans", "warning",
         "no mechanism drives this outcome"),
    ],
)  # fmt: skip
def test_each_topic_is_found(
    catalogue: Path, file: str, old: str, new: str, topic: str, severity: str, says: str
) -> None:
    path = catalogue / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    before = {str(f) for f in audit(folder=catalogue).findings}
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    new_findings = [f for f in audit(folder=catalogue).findings if str(f) not in before]
    found = [f for f in new_findings if f.topic == topic and says in f.message]
    assert [f.severity for f in found][:1] == [severity], new_findings


def test_a_drug_that_acts_twice_on_one_parameter(catalogue: Path) -> None:
    for name in ("ido_inhibitor", "anti_pd1"):
        path = catalogue / "therapies" / f"{name}.toml"
        path.write_text(path.read_text().replace('parameter = "pd1_signal"', 'parameter = "ido_activity"'))
    drug = catalogue / "drugs/epacadostat.toml"
    drug.write_text(drug.read_text().replace('["ido_inhibitor"]', '["ido_inhibitor", "anti_pd1"]'))
    said = [f.message for f in audit(folder=catalogue).findings if f.topic == "double counting"]
    assert any("'ido_activity' through more than one of its therapies" in m for m in said)


def test_two_mechanisms_with_one_signature(catalogue: Path) -> None:
    ido = (catalogue / "mechanisms/ido.toml").read_text()
    marker = ido[ido.index("[[biomarker]]") : ido.index("[[effect]]")].replace("ido_rna", "again_rna")
    other = catalogue / "mechanisms/t_cell_exhaustion.toml"
    other.write_text(other.read_text() + "\n" + marker)
    found = [f for f in audit(folder=catalogue).findings if f.topic == "double counting" and f.severity == "warning"]
    assert ["one measurement would count for two mechanisms" in f.message for f in found] == [True]


def test_cells_and_mediators_that_take_part_in_nothing(catalogue: Path) -> None:
    (catalogue / "cells.toml").write_text(
        '[[cell]]\nid = "lonely"\nname = "Lonely"\nstates = []\nsource = ["alpha2020"]\n'
        '[[cell]]\nid = "maker"\nname = "Maker"\nstates = ["m"]\nsource = ["alpha2020"]\n'
    )
    (catalogue / "mediators.toml").write_text(
        '[[mediator]]\nid = "idle"\nname = "Idle"\nunit = "nM"\nmade_by = ["maker"]\nacts_on = []\n'
        'source = ["alpha2020"]\n'
    )
    said = {f.record: f for f in audit(folder=catalogue).findings if f.topic == "orphans"}
    assert "no model state holds it" in said["lonely"].message
    assert "acts on nothing" in said["idle"].message
    assert (said["lonely"].line, said["idle"].line) == (4, 6)
    assert "maker" not in said


def test_genes_that_describe_but_measure_nothing(catalogue: Path) -> None:
    (catalogue / "cells.toml").write_text(
        '[[cell]]\nid = "cd8"\nname = "CD8"\nstates = ["m"]\nmarkers = ["CD8A", "TDO2"]\nsource = ["alpha2020"]\n'
    )
    found = [f for f in audit(folder=catalogue).findings if "no biomarker reads" in f.message]
    assert [(f.record, f.value, f.topic) for f in found] == [("cd8", ["CD8A"], "orphans")]


def test_references_that_were_not_read_again(catalogue: Path) -> None:
    bib = catalogue / "references.bib"
    bib.write_text(bib.read_text().replace("pmid = {123}", "pmid = {123}, note = {values from memory}"))
    found = [f.record for f in audit(folder=catalogue).findings if "from memory" in f.message]
    assert found == ["beta2021"]


def test_a_biomarker_of_an_outcome_is_told_as_not_read(small: Knowledge, catalogue: Path) -> None:
    ido = (catalogue / "mechanisms/ido.toml").read_text()
    marker = ido[ido.index("[[biomarker]]") : ido.index("[[effect]]")]
    other = catalogue / "mechanisms/t_cell_exhaustion.toml"
    other.write_text(other.read_text() + "\n" + marker)
    found = [f for f in biomarker_findings(load_knowledge(catalogue)) if "outcome" in f.message]
    assert [(f.record, f.severity, f.topic) for f in found] == [("t_cell_exhaustion", "info", "coverage")]
    assert not [f for f in biomarker_findings(small) if "outcome" in f.message or f.severity != "info"]


def test_a_folder_of_further_records_is_told_only_what_concerns_it(tmp_path: Path) -> None:
    found = audit(write_guide_records(tmp_path / "mine"), further=biomarker_findings)
    assert found.added == (f"mechanisms/{MECHANISM}",)
    assert {f.severity for f in found.findings} == {"info"}
    assert all(MECHANISM in f.message or f.record == MECHANISM for f in found.findings)
    assert found.digest != load_knowledge().digest


def test_names_of_the_model_are_read_without_it(small: Knowledge) -> None:
    assert parameters_read({"ido_activity", "nothing_reads_this"}) == {"ido_activity"}
    assert {"tumor_volume", "kynurenine"} <= set(observables())
    law = rate_laws()["killing.suppression"]
    assert (law.process, law.name) == ("killing", "suppression")
    assert {"treg_suppression", "neutrophil_suppression"} <= set(law.parameters)
    assert "fraction" in law.text
    findings = check_meaning(small, read_by_model=parameters_read(small.parameters), observables=observables())
    assert not [f for f in findings if f.topic == "parameters and observables"]
