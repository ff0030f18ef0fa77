"""The command line: quick help, one message and exit code 2 for wrong input, no simulator where none is needed."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guide import MECHANISM, write_guide_records
from io_cohorts import expression, expression_text, write_cohort
from tumornexus import cli

# Cold start on an idle machine is a third of a second; a shared machine may name a longer limit.
HELP_SECONDS = float(os.environ.get("TUMORNEXUS_HELP_SECONDS", "0.8" if os.environ.get("CI") else "0.5"))


def test_help_comes_at_once():
    def seconds() -> float:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tumornexus.cli", "--help"], capture_output=True, text=True, check=True
        )
        assert "profile" in done.stdout
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < HELP_SECONDS


def test_help_names_every_command(command):
    told = command("--help")
    assert told.code == 0
    for name in (
        "run", "profile", "cohort", "design", "export-sbml", "export", "network", "explain", "compare", "check",
        "schema", "new", "data",
    ):  # fmt: skip
        assert name in told.out
    for name in (
        "run", "profile", "cohort", "design", "network", "export", "explain", "compare", "check", "export-sbml",
    ):  # fmt: skip
        told = command(name, "--help")
        assert told.code == 0
        assert "--knowledge" in told.out


def test_the_version_is_the_packages(command):
    from tumornexus import __version__

    told = command("--version")
    assert (told.code, told.out.strip()) == (0, f"tumornexus {__version__}")


CASES = {
    "missing folder": ("run", "{tmp}/nowhere", "--out", "{out}"),
    "cohort without sample": ("run", "{cohort}", "--out", "{out}"),
    "sample not in the cohort": ("run", "{cohort}", "--sample", "P9", "--out", "{out}"),
    "unknown drug": ("run", "{cohort}", "--sample", "P1", "--regimen", "nivolumbab 240 mg q2w", "--out", "{out}"),
    "dose without unit": ("run", "{cohort}", "--sample", "P1", "--regimen", "nivolumab 240 q2w", "--out", "{out}"),
    "override of an unknown parameter": (
        "run",
        "{cohort}",
        "--sample",
        "P1",
        "--set",
        "cd8_entri=2",
        "--out",
        "{out}",
    ),
    "override out of bounds": ("design", "{cohort}", "--sample", "P1", "--set", "cd8_entry=-2", "--out", "{out}"),
    "override that is no number": ("run", "{cohort}", "--sample", "P1", "--set", "cd8_entry=many", "--out", "{out}"),
    "override without a value": ("run", "{cohort}", "--sample", "P1", "--set", "cd8_entry", "--out", "{out}"),
    "profile of a missing folder": ("profile", "{tmp}/nowhere", "--out", "{out}"),
    "profile of an unknown sample": ("profile", "{cohort}", "--sample", "P9", "--out", "{out}"),
    "profile with an unknown drug": ("profile", "{cohort}", "--regimen", "nivolumbab 240 mg q2w", "--out", "{out}"),
    "not gzip though named so": ("profile", "{plain}", "--out", "{out}"),
    "empty file": ("profile", "{empty}", "--out", "{out}"),
    "negative expression": ("profile", "{negative}", "--out", "{out}"),
    "unknown cancer type": ("profile", "{cancer}", "--out", "{out}"),
    "design of an unknown sample": ("design", "{cohort}", "--sample", "P9", "--out", "{out}"),
    "export in an unknown layout": ("export-sbml", "nivolumab 240 mg q2w", "--layout", "xml", "--out", "{tmp}/a.xml"),
    "export into a missing folder": ("export-sbml", "nivolumab 240 mg q2w", "--out", "{tmp}/no/a.xml"),
    "explain something unknown": ("explain", "b2m_lost"),
    "explain an unknown gene": ("explain", "gene:CXLC9"),
    "run with records in no folder": ("run", "{cohort}", "--sample", "P1", "--knowledge", "{tmp}/no", "--out", "{out}"),
    "profile with records in no folder": ("profile", "{cohort}", "--knowledge", "{tmp}/no", "--out", "{out}"),
    "design with records in no folder": (
        "design",
        "{cohort}",
        "--sample",
        "P1",
        "--knowledge",
        "{tmp}/no",
        "--out",
        "{out}",
    ),
    "explain with records in no folder": ("explain", "ido", "--knowledge", "{tmp}/no"),
    "compare with records in no folder": ("compare", "ici", "car-t", "--knowledge", "{tmp}/no"),
    "export with records in no folder": (
        "export-sbml",
        "nivolumab 240 mg q2w",
        "--knowledge",
        "{tmp}/no",
        "--out",
        "{tmp}/a.xml",
    ),
    "check of records in no folder": ("check", "--knowledge", "{tmp}/no"),
    "run with a record that cannot be read": (
        "run",
        "{cohort}",
        "--sample",
        "P1",
        "--knowledge",
        "{records}",
        "--out",
        "{out}",
    ),
    "profile with a record that cannot be read": ("profile", "{cohort}", "--knowledge", "{records}", "--out", "{out}"),
    "schemas in place of a file": ("schema", "{cohort}/clinical.tsv"),
    "a new mechanism of a known name": ("new", "mechanism", "hypoxia", "--into", "{out}"),
    "a new mechanism of a malformed id": ("new", "mechanism", "My-Idea", "--into", "{out}"),
    "a new mechanism of an unknown kind": ("new", "mechanism", "my_idea", "--kind", "reason", "--into", "{out}"),
    "compare something unknown": ("compare", "ici", "radiotherapy"),
    "compare a thing with itself": ("compare", "ici", "ici"),
    "fetch an unknown data set": ("data", "fetch", "riaz2071"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One good cohort and some that are wrong in one place."""
    root = tmp_path_factory.mktemp("cohorts")
    rows = expression()
    gene = next(iter(rows))
    negative = {**rows, gene: ["-3", *rows[gene][1:]]}
    good = write_cohort(root / "good")
    clinical = (good / "clinical.tsv").read_text()
    broken = write_guide_records(root / "records")
    record = broken / "mechanisms" / f"{MECHANISM}.toml"
    record.write_text(record.read_text(encoding="utf-8").replace('grade = "supported"', 'grade = "sure"'))
    return {
        "tmp": root,
        "records": broken,
        "cohort": good,
        "plain": write_cohort(root / "plain", expression=expression_text(rows).encode()),
        "empty": write_cohort(root / "empty", expression=gzip.compress(b"")),
        "negative": write_cohort(root / "negative", expression=expression_text(negative)),
        "cancer": write_cohort(
            root / "cancer", clinical=clinical.replace("melanoma", "melanomma").replace("SKCM", "SKKM")
        ),
    }


@pytest.mark.parametrize("words", ["run", "profile", "design", "cohort", "tissue"])
def test_out_that_is_a_file_is_refused_before_anything_is_read(words, command, tmp_path):
    """The input does not exist either: that the message is about --out shows that it was looked at first."""
    file = tmp_path / "results"
    file.write_text("kept")
    for out in (file, file / "below"):
        ended = command(words, tmp_path / "nowhere", "--out", out)
        assert ended.code == 2
        assert "not a folder" in ended.err
        assert "--out" in ended.err
    assert file.read_text() == "kept"


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_one_line_exit_code_two_and_nothing_written(case, command, folders, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept.txt").write_text("from before")
    told = command(*(word.format(out=out, **folders) for word in CASES[case]))
    assert told.code == 2
    lines = [line for line in told.err.splitlines() if line.strip()]
    assert len(lines) == 1, told.err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in told.out + told.err
    assert len(lines[0]) < 600
    # What would be valid, or where to look.
    assert any(word in lines[0] for word in ("Valid:", "did you mean")), lines[0]
    assert sorted(p.name for p in out.iterdir()) == ["kept.txt"]


@pytest.mark.parametrize(
    "words", [("frobnicate",), ("profile", "--no-such-option"), ("run",), ("profile", ".", "--seed", "x", "--out", "o")]
)
def test_wrong_words_exit_with_two_and_no_traceback(words, command):
    told = command(*words)
    assert told.code == 2
    assert "Traceback" not in told.err


def test_a_run_that_is_stopped_says_so(command, monkeypatch):
    monkeypatch.setattr(cli, "app", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
    told = command("check")
    assert (told.code, told.err.strip()) == (130, "stopped")


def test_a_defect_of_the_program_is_not_dressed_up_as_wrong_input(command, monkeypatch):
    monkeypatch.setattr(cli, "app", lambda **_: (_ for _ in ()).throw(ZeroDivisionError("defect")))
    with pytest.raises(ZeroDivisionError):
        command("check")


def test_explain_tells_what_speaks_against_a_target(command):
    told = command("explain", "ido")
    assert told.code == 0
    assert "What speaks against it" in told.out
    assert "ECHO-301" in told.out


def test_compare_shows_both_modalities(command):
    told = command("compare", "ici", "car-t")
    assert told.code == 0
    shared, _, rest = told.out.partition("Relevant to checkpoint inhibitors only")
    assert "tgf_beta" in shared
    alone, _, rest = rest.partition("Relevant to CAR-T cells only")
    assert "b2m_loss" in alone
    assert "car_antigen_loss" in rest
    assert "why" in told.out
    assert len(command("compare", "ici", "car-t", "--reasons").out) > 2 * len(told.out)


def test_check_finds_the_catalogue_in_order(command):
    told = command("check")
    assert told.code == 0, told.out
    assert "0 errors" in told.out


def test_check_names_a_record_without_form(command, tmp_path):
    (tmp_path / "mechanisms").mkdir()
    (tmp_path / "mechanisms" / "broken.toml").write_text('id = "broken"\n')
    told = command("check", "--knowledge", tmp_path)
    assert told.code == 2
    assert "broken.toml" in told.out + told.err
    assert "Traceback" not in told.err


def test_check_as_json_and_its_exit_status(command, folders):
    told = command("check", "--json")
    found = json.loads(told.out)
    assert (told.code, found["errors"], found["added"]) == (0, 0, [])
    assert command("check", "--strict").code == int(found["warnings"] > 0)
    told = command("check", "--json", "--knowledge", folders["records"])
    found = json.loads(told.out)
    assert (told.code, found["errors"]) == (2, 1)
    assert found["findings"][0]["topic"] == "form"
    assert found["findings"][0]["file"].endswith(f"{MECHANISM}.toml")
    assert found["findings"][0]["line"] > 1


def test_check_shows_what_is_to_be_mended_by_topic(command, folders):
    told = command("check", "--knowledge", folders["records"])
    assert told.code == 2
    assert told.out.startswith("Form  1 error")
    assert "1 error, 0 warnings" in told.out


def test_schemas_and_a_new_record_are_written_where_asked(command, tmp_path):
    assert command("schema", tmp_path / "schemas").code == 0
    assert (tmp_path / "schemas" / "mechanisms.schema.json").is_file()
    told = command("new", "mechanism", "hypoxias", "--into", tmp_path / "mine")
    assert told.code == 0
    assert "hypoxia" in told.out
    assert f"tumornexus check --knowledge {tmp_path / 'mine'}" in told.out.replace("\n", " ")
    assert (tmp_path / "mine" / "mechanisms" / "hypoxias.toml").is_file()
    assert command("new", "mechanism", "hypoxias", "--into", tmp_path / "mine").code == 2
    assert command("check", "--knowledge", tmp_path / "mine").code == 2, "nothing is filled in yet"


def test_profile_writes_all_of_its_files(command, folders, tmp_path):
    out = tmp_path / "out"
    told = command("profile", folders["cohort"], "--out", out)
    assert told.code == 0, told.err
    assert {p.name for p in out.iterdir()} >= {
        "activities.tsv",
        "intervals.tsv",
        "summary.tsv",
        "profile.json",
        "manifest.json",
    }


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "hypoxia"),
        ("compare", "ici", "car-t"),
        ("check",),
        ("network", "--loops", "--complementary", "--out", "{out}"),
        ("export", "{out}"),
        ("profile", "{cohort}", "--out", "{out}"),
        ("--help",),
    ],
)
def test_measuring_and_explaining_load_no_simulator(words, folders, tmp_path):
    words = tuple(w.format(out=tmp_path / "out", **folders) for w in words)
    code = (
        "import sys\nfrom tumornexus import cli\n"
        f"sys.argv = ['tumornexus', *{words!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "loaded = sorted({'jax', 'jaxlib', 'equinox'} & set(sys.modules))\nassert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.simulation
def test_a_regimen_is_exported_as_sbml(command, tmp_path):
    pytest.importorskip("libsbml")
    told = command("export-sbml", "nivolumab 240 mg q2w", "--tumor", "melanoma", "--out", tmp_path / "host.xml")
    assert told.code == 0, told.err
    assert "states" in told.out
    assert (tmp_path / "host.xml").read_text(encoding="utf-8").count("dose_nivolumab") > 1
    wrong = command("export-sbml", "no_such_drug 1 mg q2w", "--out", tmp_path / "none.xml")
    assert wrong.code == 2
    assert wrong.err.startswith("error: ")
    assert not (tmp_path / "none.xml").exists()


def test_the_network_answers_and_is_drawn(command, tmp_path):
    """Words of the answers wrap with the terminal, so single words are looked for."""
    assert "edges" in command("network").out
    asked = command("network", "--paths", "hypoxia", "PD-L1", "--through", "lactate", "--reverses", "MDSC")
    assert asked.code == 0
    for word in ("promotes", "reinforcing", "cxcr2_inhibitor"):
        assert word in asked.out
    both = command("network", "--complementary", "--therapy", "anti-PD-1", "--therapy", "antiangiogenic")
    assert "helps" in both.out
    assert command("network", "--out", tmp_path / "net").code == 0
    assert (tmp_path / "net" / "network.html").is_file()


def test_the_catalogue_is_exported(command, tmp_path):
    done = command("export", tmp_path / "open")
    assert done.code == 0
    assert "digest" in done.out
    assert (tmp_path / "open" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("network", "--reverses", "hypoxi"), "did you mean hypoxia"),
        (("network", "--paths", "hypoxia", "nothing_like_it"), "no such mechanism or therapy"),
        (("network", "--therapy", "anti-PD-9"), "unknown therapy"),
        (("network", "--paths", "hypoxia"), "requires 2 arguments"),
        (("export", "out", "--base", "my records"), "not an address"),
    ],
)
def test_a_wrong_question_to_the_network_is_one_message(words, says, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command(*words)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_simulated_responses_are_of_the_regimen_given_and_the_better_calibrated_one_is_named(
    command, tmp_path, monkeypatch
):
    """Simulation is replaced by a stand-in, which fails for one sample: that one has an empty cell, not the others."""
    import pandas as pd

    from tumornexus import pipeline
    from tumornexus.errors import SimulationError

    def twin_of(profile, _knowledge, **_):
        if profile.sample == "P2":
            raise SimulationError("no candidate reaches the burden")
        return profile

    monkeypatch.setattr(pipeline, "twin_of", twin_of)
    monkeypatch.setattr(pipeline, "twin_response", lambda twin, regimen, _: (0.25, 0.1, 0.5))
    folder = write_cohort(tmp_path / "cohort")
    table = pd.read_csv(folder / "clinical.tsv", sep="\t", dtype=str)
    table["treatment"] = ["ipilimumab", "nivolumab", None]
    table.to_csv(folder / "clinical.tsv", sep="\t", index=False)
    ended = command("profile", folder, "--simulate", "--out", tmp_path / "out")
    assert ended.code == 0
    assert "better calibrated: " in ended.out
    assert "P2 was not simulated" in ended.err
    summary = pd.read_csv(tmp_path / "out" / "summary.tsv", sep="\t", index_col="sample")
    assert summary["twin_response_regimen"].str.split().str[0].tolist()[:2] == ["ipilimumab", "nivolumab"]
    assert summary.loc["P1", "twin_response_score"] == 0.25
    assert summary["twin_response_score"].isna().tolist() == [False, True, False]
    record = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert record["twin_or_statistics"].startswith("better calibrated")
    listed = pd.read_csv(tmp_path / "out" / "measure_next.tsv", sep="\t", dtype={"sample": str})
    assert set(listed["sample"]) == set(summary.index)
