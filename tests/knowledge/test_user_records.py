"""A user's own records, wrong in one place each: one clear error with file and line, and what would be valid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from guide import MECHANISM, write_guide_records
from tumornexus.errors import InputError, KnowledgeFormError, KnowledgeMeaningError, NexusError
from tumornexus.knowledge import load_knowledge
from tumornexus.knowledge.audit import audit
from tumornexus.profile.readable import biomarker_findings, require_readable

RECORD = f"mechanisms/{MECHANISM}.toml"
BIB = "references.bib"

# what is wrong: (file, text, what it becomes, text on the line that must be named, kind of error, words of the message)
CASES: dict[str, tuple[str, str, str, str, type[NexusError], list[str]]] = {
    "broken TOML": (RECORD, "separation = 1.0", "separation =", "separation =", KnowledgeFormError, ["not valid TOML"]),
    "string that never ends": (RECORD, 'name = "Interleukin-8"', 'name = "Interleukin-8', 'name = "Interleukin-8',
                               KnowledgeFormError, ["not valid TOML"]),
    "key given twice": (RECORD, "separation = 1.0", "separation = 1.0\nseparation = 2.0", "separation = 2.0",
                        KnowledgeFormError, ["not valid TOML"]),
    "unknown key": (RECORD, "separation = 1.0", "seperation = 1.0", "seperation", KnowledgeFormError,
                    ["unknown field", "biomarker[1].seperation", "did you mean separation?"]),
    "unknown key at the top": (RECORD, "cycle_steps = [7]", "cycle_step = [7]", "cycle_step =", KnowledgeFormError,
                               ["unknown field", "did you mean cycle_steps?"]),
    "word that is not allowed": (RECORD, 'hub = "cytokine-chemokine network"', 'hub = "cytokines"', "hub =",
                                 KnowledgeFormError, ["hub", "'cytokines'", "'cytokine-chemokine network'"]),
    "text for a number": (RECORD, "value = 2.5", 'value = "2.5-fold"', "2.5-fold", KnowledgeFormError,
                          ["effect[1].value", "2.5-fold", "number"]),
    "bounds in the wrong order": (RECORD, "low = 1.3", "low = 3.3", "[[effect]]", KnowledgeFormError,
                                  ["effect[1]", "low <= value <= high"]),
    "share above one": (RECORD, "value = 0.3", "value = 30", "value = 30", KnowledgeFormError,
                        ["prevalence[1].value", "30"]),
    "neither source nor assumption": (RECORD, 'source = ["alfaro2016"]', "", "[[drives]]", KnowledgeFormError,
                                      ["drives[1]", "source", "assumed"]),
    "left as the scaffold wrote it": (RECORD, "value = 2.5", 'value = "<number>"', "<number>", KnowledgeFormError,
                                      ["still to be filled in", "<number>"]),
    "text left as the scaffold wrote it": (RECORD, 'name = "Interleukin-8"', 'name = "<name>"', "<name>",
                                           KnowledgeMeaningError, ["still to be filled in", "field 'name'"]),
    "drives itself": (RECORD, 'target = "mdsc"', f'target = "{MECHANISM}"', "target =", KnowledgeMeaningError,
                      ["cyclic", "drives itself"]),
    "conflicting alias": (RECORD, '"IL8"', '"tumor hypoxia"', "aliases =", KnowledgeMeaningError,
                          ["conflicting name", "'hypoxia'", "tumor hypoxia", "mechanisms/hypoxia.toml"]),
    "alias that is an id": (RECORD, '"IL8"', '"MDSC"', "aliases =", KnowledgeMeaningError,
                            ["conflicting name", "names interleukin_8, mdsc", "MDSC"]),
    "unit of another quantity": (RECORD, 'law = "multiply"\nvalue = 2.5\nlow = 1.3\nhigh = 4.0\nunit = "1"',
                                 'law = "add"\nvalue = 0.03\nlow = 0.01\nhigh = 0.06\nunit = "mmHg"', 'unit = "mmHg"',
                                 KnowledgeMeaningError, ["unit mismatch", "effect[1].unit", "1/day", "mmHg"]),
    "unit of another size": (RECORD, 'law = "multiply"\nvalue = 2.5\nlow = 1.3\nhigh = 4.0\nunit = "1"',
                             'law = "add"\nvalue = 0.03\nlow = 0.01\nhigh = 0.06\nunit = "1/hour"', 'unit = "1/hour"',
                             KnowledgeMeaningError, ["unit mismatch", "another size of unit", "1/day"]),
    "factor with a unit": (RECORD, 'unit = "1"', 'unit = "1/day"', 'unit = "1/day"', KnowledgeMeaningError,
                           ["factor and has no unit"]),
    "gene typo": (RECORD, 'genes = ["CXCL8"]', 'genes = ["CXLC8"]', "CXLC8", KnowledgeMeaningError,
                  ["biomarker 'cxcl8_rna'.genes", "CXLC8", "did you mean CXCL8"]),
    "outdated gene symbol": (RECORD, 'genes = ["CXCL8"]', 'genes = [\n  "CXCL1",\n  "IL8",\n]', '"IL8",\n',
                             KnowledgeMeaningError, ["write CXCL8", "'IL8'"]),
    "effect on an unknown parameter": (RECORD, '"neutrophil_recruitment"', '"neutrophil_recruitement"', "parameter =",
                                       KnowledgeMeaningError,
                                       ["no such parameter", "did you mean neutrophil_recruitment"]),
    "unknown observable": (RECORD, '"neutrophil"', '"neutrophils"', "observable =", KnowledgeMeaningError,
                           ["no such observable", "did you mean neutrophil"]),
    "unknown therapy": (RECORD, '"cxcr2_inhibitor"', '"cxcr2_inhibtor"', "reversed_by =", KnowledgeMeaningError,
                        ["no such therapy", "did you mean cxcr2_inhibitor"]),
    "unknown mechanism": (RECORD, 'target = "mdsc"', 'target = "mdscs"', "target =", KnowledgeMeaningError,
                          ["no such mechanism", "did you mean mdsc"]),
    "unknown tumor type": (RECORD, 'tumor = "any"', 'tumor = "melanom"', 'tumor = "melanom"', KnowledgeMeaningError,
                           ["no such tumor type", "did you mean melanoma"]),
    "a parameter pushed below what it can be": (RECORD, "value = 2.5\nlow = 1.3", "value = -2.5\nlow = -3.0",
                                                "value = -2.5", KnowledgeMeaningError, ["0 or more"]),
    "source that does not resolve": (RECORD, 'source = ["alfaro2016"]', 'source = ["alfaro2061"]', "alfaro2061",
                                     KnowledgeMeaningError,
                                     ["no such key in the bibliography", "did you mean alfaro2016"]),
    "source named twice": (RECORD, 'source = ["alfaro2016"]', 'source = ["alfaro2016", "alfaro2016"]', "alfaro2016",
                           KnowledgeMeaningError, ["named twice"]),
    "same work under two keys": (BIB, "@article{alfaro2016,", "@article{again2020,\n  title = {Again},\n  doi = "
                                 "{10.1038/S41591-020-0856-X},\n}\n@article{alfaro2016,", "@article{again2020,",
                                 KnowledgeMeaningError, ["duplicate reference", "'schalper2020'", "cite that key"]),
    "work that the program has under another key": (
        BIB, "10.1158/1078-0432.CCR-15-2463", "10.1126/science.1104819", "@article{alfaro2016,", KnowledgeMeaningError,
        ["duplicate reference", "'jain2005'"]),
    "key of another work": (BIB, "@article{alfaro2016,", "@article{jain2005,", "@article{jain2005,",
                            KnowledgeFormError, ["two different works", "jain2005"]),
    "key twice in one file": (BIB, "@article{alfaro2016,", "@article{yuen2020,", "@article{yuen2020,\n  author = {Alf",
                              KnowledgeFormError, ["key given twice", "yuen2020"]),
    "malformed DOI": (BIB, "doi = {10.1158/1078-0432.CCR-15-2463}", "doi = {CCR-15-2463}", "@article{alfaro2016,",
                      KnowledgeMeaningError, ["malformed DOI", "CCR-15-2463"]),
    "malformed PMID": (BIB, "pmid = {32405063}", "pmid = {PMC8286544}", "@article{yuen2020,", KnowledgeMeaningError,
                       ["malformed PMID", "PMC8286544"]),
    "comma forgotten in a reference": (BIB, "year = {2016},", "year = {2016}", "doi = {10.1158", KnowledgeFormError,
                                       ["after field 'year' of 'alfaro2016'", "a comma or the closing brace"]),
}  # fmt: skip


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the guide makes, seen from the folder above it."""
    write_guide_records(tmp_path / "my_records")
    monkeypatch.chdir(tmp_path)
    return Path("my_records")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_with(file: Path, marker: str) -> int:
    """Return the line, from 1, on which a text of the file begins."""
    text = file.read_text(encoding="utf-8")
    assert marker in text
    return text.count("\n", 0, text.index(marker)) + 1


def test_the_records_themselves_are_in_order(records: Path) -> None:
    assert load_knowledge(extra=records).added == (f"mechanisms/{MECHANISM}",)
    assert audit(records, further=biomarker_findings).exit_code(strict=True) == 0


@pytest.mark.parametrize("case", CASES)
def test_one_clear_error_with_file_and_line(case: str, records: Path) -> None:
    name, old, new, marker, kind, words = CASES[case]
    edit(records / name, old, new)
    with pytest.raises(kind) as caught:
        load_knowledge(extra=records)
    said = str(caught.value)
    assert said.startswith(f"my_records/{name}, line {line_with(records / name, marker)}"), said
    for word in words:
        assert word in said
    assert "\n" not in said
    # The curator's tool finds the same, at the same place, and fails.
    found = audit(records)
    assert found.exit_code() == (2 if kind is KnowledgeFormError else 1)
    first = next(f for f in found.findings if f.severity == "error")
    assert (first.file, first.line) == (f"my_records/{name}", line_with(records / name, marker))


def test_states_that_only_follow_from_one_another(records: Path) -> None:
    text = (records / RECORD).read_text(encoding="utf-8").partition("[[effect]]")[0].replace('"cause"', '"state"')
    for one, other in (("alpha_state", "beta_state"), ("beta_state", "alpha_state")):
        own = text.replace(MECHANISM, one).replace("Interleukin-8", one).replace('"IL-8", "IL8", "CXCL8 excess"', "")
        own = own.replace('reversed_by = ["cxcr2_inhibitor"]', "").replace('"cxcl8_rna"', f'"{one}_rna"')
        own += f'[[drives]]\ntarget = "{other}"\nsign = "+"\nassumed = "circle"\n'
        (records / "mechanisms" / f"{one}.toml").write_text(own, encoding="utf-8")
    with pytest.raises(KnowledgeMeaningError, match=r"cyclic: it follows only from beta_state") as caught:
        load_knowledge(extra=records)
    line = line_with(records / "mechanisms/alpha_state.toml", "[[drives]]")
    assert str(caught.value).startswith(f"my_records/mechanisms/alpha_state.toml, line {line}, field 'drives'")


def test_an_id_that_the_program_has(records: Path) -> None:
    text = (records / RECORD).read_text(encoding="utf-8").replace(f'id = "{MECHANISM}"', 'id = "hypoxia"')
    (records / "mechanisms/hypoxia.toml").write_text(text, encoding="utf-8")
    with pytest.raises(KnowledgeFormError, match=r"my_records/mechanisms/hypoxia.toml, line 1, field 'id'.*twice"):
        load_knowledge(extra=records)


def test_a_mechanism_with_the_id_of_a_therapy(records: Path) -> None:
    file = records / "therapies" / f"{MECHANISM}.toml"
    file.parent.mkdir()
    shipped = Path(load_knowledge().files["therapies/cxcr2_inhibitor.toml"]).read_text(encoding="utf-8")
    file.write_text(shipped.replace('id = "cxcr2_inhibitor"', f'id = "{MECHANISM}"'), encoding="utf-8")
    with pytest.raises(KnowledgeMeaningError) as caught:
        load_knowledge(extra=records)
    assert "my_records/therapies" in str(caught.value)
    every = [f.message for f in audit(records).findings]
    assert any("a mechanism has the same id" in message for message in every)


def test_an_id_that_is_not_the_name_of_the_file(records: Path) -> None:
    (records / RECORD).rename(records / "mechanisms/il8.toml")
    with pytest.raises(KnowledgeFormError, match=r"il8.toml, line 1, field 'id'.*stem"):
        load_knowledge(extra=records)


def test_a_clinical_biomarker_in_another_unit(records: Path) -> None:
    block = (
        '[[biomarker]]\nid = "low_albumin"\ninput = "clinical"\nmethod = "logistic"\ndirection = "-"\n'
        'field = "albumin_g_dl"\nthreshold = 35\nscale = 5\nunit = "g/L"\nlr_positive = 2.0\nlr_negative = 0.7\n'
        'assumed = "for the test"\n\n[[effect]]'
    )
    edit(records / RECORD, "[[effect]]", block)
    with pytest.raises(KnowledgeMeaningError, match="unit mismatch: 'albumin_g_dl' is read in g/dL") as caught:
        require_readable(load_knowledge(extra=records))
    assert f"line {line_with(records / RECORD, 'unit = ' + chr(34) + 'g/L')}" in str(caught.value)
    assert audit(records, further=biomarker_findings).exit_code() == 1
    edit(records / RECORD, 'unit = "g/L"', 'unit = "g/dL"')
    load_knowledge.__globals__["_load"].cache_clear()
    require_readable(load_knowledge(extra=records))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda r: (r / "mechanism").mkdir() or (r / "mechanism/a.toml").write_text(""), "mechanism/a.toml.*no kind"),
        (lambda r: (r / "genes.tsv").write_text("symbol\taliases\n"), "genes.tsv.*comes with the program"),
        (lambda r: (r / RECORD).write_bytes(b'id = "x"\nname = "\xff"\n'), "line 2.*not UTF-8"),
        (lambda r: (r / BIB).write_bytes(b"@article{a,\n title={\xff}}"), "references.bib, line 2.*not UTF-8"),
        (lambda r: (r / "parameters.toml").write_text("parameter = [1]\n"), "line 1.*unexpected table"),
        (lambda r: (r / "tumors.toml").write_text("[[tumour]]\nid = 'x'\n"), r"tumors.toml, line 1.*\[tumor\]\] only"),
    ],
)  # fmt: skip
def test_files_that_are_not_records(records: Path, make: Callable[[Path], object], says: str) -> None:
    make(records)
    with pytest.raises(KnowledgeFormError, match=says):
        load_knowledge(extra=records)


def test_a_folder_that_is_missing_or_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_knowledge(extra=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no record in this folder"):
        load_knowledge(extra=tmp_path / "empty")


def test_the_program_alone_is_as_before(records: Path) -> None:
    alone = load_knowledge()
    extended = load_knowledge(extra=records)
    assert MECHANISM not in alone.mechanisms
    assert alone.added == ()
    assert MECHANISM not in alone.therapies["cxcr2_inhibitor"].reverses
    assert extended.digest != alone.digest
    assert {i: m for i, m in extended.mechanisms.items() if i != MECHANISM} == dict(alone.mechanisms)
