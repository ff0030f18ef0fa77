"""Reading records: what is accepted, what is refused, and what the messages name."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tumornexus.errors import InputError, KnowledgeFormError
from tumornexus.knowledge import Knowledge, form_problems, load_knowledge
from tumornexus.knowledge.bibtex import read_bibtex, short_citation


def replace(file: Path, old: str, new: str) -> None:
    """Edit a record of the temporary catalogue."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_kind_is_read(small: Knowledge) -> None:
    assert set(small.mechanisms) == {"ido", "t_cell_exhaustion"}
    assert set(small.causes) == {"ido"}
    assert small.drugs["nivolumab"].therapy == ("anti_pd1",)
    assert small.tumors["melanoma"].prevalence[0].mechanism == "ido"
    assert small.trials["echo_301"].negative
    assert list(small.cycle) == list(range(1, 8))
    assert small.references["alpha2020"]["title"] == "A PD-1 study"
    assert len(small.digest) == 16
    assert small.table("drug") is small.drugs


@pytest.mark.parametrize(
    ("name", "kind", "identifier"),
    [
        ("ido", "mechanism", "ido"), ("IDO1", "mechanism", "ido"), ("indoleamine-2,3 dioxygenase", "mechanism", "ido"),
        ("Opdivo", "drug", "nivolumab"), ("PD-1 Blockade", "therapy", "anti_pd1"), ("SKCM", "tumor", "melanoma"),
        ("ECHO-301", "trial", "echo_301"), ("pd1_signal", "parameter", "pd1_signal"),
    ],
)  # fmt: skip
def test_anything_is_found_by_id_name_or_alias(small: Knowledge, name: str, kind: str, identifier: str) -> None:
    found, record = small.resolve(name)
    assert (found, record.id) == (kind, identifier)


def test_unknown_names_list_near_misses(small: Knowledge) -> None:
    with pytest.raises(InputError, match="melanoma"):
        small.tumor("melanomma")
    with pytest.raises(InputError, match="did you mean ido"):
        small.resolve("iddo")
    with pytest.raises(InputError, match="unknown drug"):
        small.drug("")
    with pytest.raises(InputError, match="unknown kind"):
        small.table("planet")


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("mechanisms/ido.toml", 'grade = "supported"', 'grade = "certain"',
         ["ido.toml", "grade", "certain", "supported"]),
        ("mechanisms/ido.toml", 'claim = "IDO1 starves', 'klaim = "IDO1 starves',
         ["ido.toml", "klaim", "unknown field", "did you mean claim?"]),
        ("mechanisms/ido.toml", "cycle_steps = [3, 7]", "cycle_steps = [3, 9]", ["cycle_steps[2]", "9"]),
        ("mechanisms/ido.toml", "value = 3.0", 'value = "three"', ["effect[1].value", "three"]),
        ("mechanisms/ido.toml", "high = 5.0", "high = 2.5", ["low <= value <= high"]),
        ("mechanisms/ido.toml", 'id = "ido"', 'id = "ido_two"', ["stem", "ido_two"]),
        ("mechanisms/ido.toml", 'id = "ido"', 'id = "Ido"', ["malformed id", "lower-case"]),
        ("mechanisms/ido.toml", 'kind = "cause"', 'kind = "state"', ["carries no [[effect]]"]),
        ("mechanisms/ido.toml", 'kind = "cause"', 'kind = "cause"\nraised_by = ["ido_inhibitor"]',
         ["'raised_by' belongs to states and outcomes"]),
        ("parameters.toml", 'assumed = "defined as 1 in the typical tumor"', "", ["ido_activity", "source", "assumed"]),
        ("parameters.toml", "[[parameter]]", "[[params]]", ["unexpected table", "params", "[[parameter]] only"]),
        ("parameters.toml", 'id = "pd1_signal"', 'id = "ido_activity"', ["defined twice"]),
        ("cycle.toml", "step = 7", "step = 6", ["cycle.toml", "defined twice", "6"]),
        ("parameters.toml", "value = 1.0", "value = ", ["not valid TOML", "line"]),
        ("drugs/nivolumab.toml", "clearance = 0.25", "", ["nivolumab.toml", "pk", "clearance"]),
        ("references.bib", "doi = {10.1000/alpha},", "doi = {10.1000/alpha,",
         ["references.bib", "line 10", "closing brace"]),
    ],
)  # fmt: skip
def test_form_errors_name_file_record_field_and_value(
    catalogue: Path, file: str, old: str, new: str, says: list[str]
) -> None:
    replace(catalogue / file, old, new)
    with pytest.raises(KnowledgeFormError) as caught:
        load_knowledge(catalogue)
    for word in says:
        assert word in str(caught.value)


def test_all_form_problems_are_listed_at_once(catalogue: Path) -> None:
    assert form_problems(catalogue) == []
    replace(catalogue / "mechanisms/ido.toml", 'grade = "supported"', 'grade = "certain"')
    replace(catalogue / "drugs/nivolumab.toml", "cost_tier = 3", "cost_tier = 9")
    assert len(form_problems(catalogue)) == 2
    with pytest.raises(KnowledgeFormError, match="1 further problem;"):
        load_knowledge(catalogue)


def test_unknown_file_is_refused_but_tables_of_others_are_left_alone(catalogue: Path) -> None:
    (catalogue / "second_reading.tsv").write_text("a\tb\n")
    assert form_problems(catalogue) == []
    (catalogue / "mechanism.toml").write_text("")
    assert "no kind of record" in str(form_problems(catalogue)[0])


def test_extra_folder_adds_records_and_refuses_duplicates(catalogue: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    (extra / "mechanisms").mkdir(parents=True)
    record = (catalogue / "mechanisms/ido.toml").read_text()
    own = record.replace('id = "ido"', 'id = "my_own"', 1).replace('name = "IDO1 up-regulation"', 'name = "My own"')
    own = "".join(line for line in own.splitlines(keepends=True) if not line.startswith("aliases"))
    own += '[[prevalence]]\ntumor = "any"\nvalue = 0.2\nlow = 0.1\nhigh = 0.4\nsource = ["alpha2020"]\n'
    (extra / "mechanisms/my_own.toml").write_text(own)
    before, after = load_knowledge(catalogue), load_knowledge(catalogue, extra)
    assert set(after.mechanisms) - set(before.mechanisms) == {"my_own"}
    assert after.added == ("mechanisms/my_own",)
    # The other side of what the record says: its therapy reverses it, the tumor type has its prevalence.
    assert after.therapies["ido_inhibitor"].reverses == (*before.therapies["ido_inhibitor"].reverses, "my_own")
    assert after.tumors["melanoma"].prevalence[-1].mechanism == "my_own"
    assert after.tumors["melanoma"].prevalence[-1].value == 0.2
    assert after.digest != before.digest
    (extra / "mechanisms/ido.toml").write_text(record)
    assert "defined twice" in str(form_problems(catalogue, extra)[0])
    with pytest.raises(InputError, match="no such folder"):
        load_knowledge(catalogue, tmp_path / "nowhere")


def test_digest_depends_on_content_and_not_on_place(catalogue: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(catalogue, copy)
    assert load_knowledge(copy).digest == load_knowledge(catalogue).digest
    replace(copy / "parameters.toml", "value = 1.0", "value = 1.1")
    load_knowledge.__globals__["_load"].cache_clear()
    assert load_knowledge(copy).digest != load_knowledge(catalogue).digest


def test_a_catalogue_travels_to_workers(small: Knowledge) -> None:
    again = pickle.loads(pickle.dumps(small))
    assert again.digest == small.digest
    assert again.drug("opdivo") == small.drugs["nivolumab"]


def test_reading_knowledge_imports_nothing_heavy() -> None:
    code = (
        "import sys; from tumornexus.knowledge import load_knowledge; load_knowledge(); "
        "heavy = ('jax', 'pandas', 'anndata', 'matplotlib', 'networkx', 'scipy', 'pint'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bibtex_fields_and_citation() -> None:
    text = (
        '@comment{x}\n% note\n@Article{k1, Author="Ng, A and Wu, B", year=2020, title={The {TGF}-$\\beta$ {\\"o}},}\n'
    )
    references = read_bibtex(text, "x.bib")
    assert references["k1"]["entry"] == "article"
    assert references["k1"]["author"] == "Ng, A and Wu, B"
    assert short_citation(references["k1"]) == "Ng et al., 2020"


@pytest.mark.parametrize(
    "text",
    ["@article{a, title}", "@article{a, title={x}", "@article{a, title={x} year=2020}", "stray @article{a, year=1}",
     "@string{a={b}}", "@article{a, year=1, year=2}", "@article{a, year=1}\n@article{a, year=2}", "@article a",
     "@article{a, title=}"],
)  # fmt: skip
def test_bibtex_errors_name_the_line(text: str) -> None:
    with pytest.raises(KnowledgeFormError, match=r"x\.bib, line \d"):
        read_bibtex(text, "x.bib")


def test_one_key_for_two_works_is_refused(catalogue: Path) -> None:
    (catalogue / "more.bib").write_text("@article{alpha2020, title={A PD-1 study}, doi={10.1000/alpha}}")
    assert form_problems(catalogue) == []
    (catalogue / "more.bib").write_text("@article{alpha2020, title={Another}, doi={10.1000/other}}")
    assert "two different works" in str(form_problems(catalogue)[0])
