"""A mechanism made by following the guide alone, from a folder of its own, with no other edit.

The record is the guide's own text (`docs/add_a_mechanism.md`), so that guide and program cannot drift apart. It must
appear in the profile, act in both simulators, stand in the report and have a page in the catalogue.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from guide import MECHANISM, write_guide_records
from io_cohorts import expression, expression_text, write_cohort
from tumornexus import cli
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.scaffold import new_mechanism

ROOT = Path(__file__).resolve().parents[1]
PATIENT = ROOT / "examples" / "demo_patient"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a reader of the guide has made: the scaffold, and the guide's blocks in its place."""
    folder = tmp_path_factory.mktemp("user") / "my_records"
    made = new_mechanism(MECHANISM, folder)
    for file in made.written:
        if file.parent.name != "schemas":
            file.unlink()
    made.record.parent.rmdir()
    return write_guide_records(folder)


@pytest.fixture(scope="module")
def extended(records: Path) -> Knowledge:
    return load_knowledge(extra=records)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the program as a shell would."""
    monkeypatch.setattr(sys, "argv", ["tumornexus", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def package_files() -> dict[str, float]:
    """Name and time of the last change of every file of the package's knowledge."""
    folder = ROOT / "src" / "tumornexus" / "knowledge" / "data"
    return {str(p): os.stat(p).st_mtime for p in folder.rglob("*") if p.is_file()}


def test_the_curators_tool_passes_it_without_a_warning(records: Path, monkeypatch, capsys):
    assert run(monkeypatch, "check", "--strict", "--knowledge", records) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out


def test_it_is_explained_under_every_name(records: Path, extended: Knowledge, monkeypatch, capsys):
    for name in (MECHANISM, *extended.mechanisms[MECHANISM].aliases):
        assert run(monkeypatch, "explain", name, "--knowledge", records) == 0
        assert "neutrophil" in capsys.readouterr().out
    assert run(monkeypatch, "explain", MECHANISM) == 2, "the program alone does not know it"


def test_it_is_compared(records: Path, monkeypatch, capsys):
    assert run(monkeypatch, "compare", "ici", "car-t", "--knowledge", records) == 0
    with_it = capsys.readouterr().out
    assert run(monkeypatch, "compare", "ici", "car-t") == 0
    assert len(with_it) > len(capsys.readouterr().out)


def test_it_is_measured(records: Path, extended: Knowledge, tmp_path: Path, monkeypatch):
    """High CXCL8 speaks for it, low CXCL8 against it; every other mechanism is what it was."""
    rows = expression()
    level = [float(x) for x in rows.get("CXCL8", ["10", "10", "10"])]
    rows["CXCL8"] = [f"{100.0 * max(level):g}", f"{max(level):g}", "0.0"]
    cohort = write_cohort(tmp_path / "cohort", expression=expression_text(rows))
    for out, extra in (("with", ["--knowledge", records]), ("without", [])):
        assert run(monkeypatch, "profile", cohort, "--out", tmp_path / out, *extra) == 0
    with_it, without = (
        pd.read_csv(tmp_path / out / "activities.tsv", sep="\t", index_col="sample") for out in ("with", "without")
    )
    assert set(with_it.columns) - set(without.columns) == {MECHANISM}
    pd.testing.assert_frame_equal(with_it[without.columns], without)
    assert with_it.loc["P1", MECHANISM] > with_it.loc["P3", MECHANISM]
    manifest = json.loads((tmp_path / "with" / "manifest.json").read_text())
    assert manifest["knowledge_digest"] == extended.digest
    assert manifest["knowledge_added"] == {"folder": str(records), "records": [f"mechanisms/{MECHANISM}"]}
    assert "knowledge_added" not in json.loads((tmp_path / "without" / "manifest.json").read_text())
    told = json.loads((tmp_path / "with" / "profile.json").read_text())
    assert "cxcl8_rna" in json.dumps(told["samples"]["P1"])


def test_it_has_a_page_in_the_catalogue(extended: Knowledge, tmp_path: Path, monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    from catalogue import Catalogue

    Catalogue(extended, tmp_path).write_all()
    page = (tmp_path / "mechanisms" / f"{MECHANISM}.md").read_text(encoding="utf-8")
    record = extended.mechanisms[MECHANISM]
    assert record.claim[:60] in page
    for key in ("schalper2020", "yuen2020", "alfaro2016"):
        assert key in page
    assert "neutrophil_recruitment" in page
    assert f"mechanisms/{MECHANISM}" in (tmp_path / "mechanisms.md").read_text(encoding="utf-8")
    # The records that it names show it in turn.
    assert record.name in (tmp_path / "therapies" / "cxcr2_inhibitor.md").read_text(encoding="utf-8")
    assert record.name in (tmp_path / "mechanisms" / "mdsc.md").read_text(encoding="utf-8")
    assert record.name in (tmp_path / "tumors" / "melanoma.md").read_text(encoding="utf-8")


def test_it_is_in_the_network_of_claims(extended: Knowledge):
    from tumornexus.knowledge.network import claimed_network

    assert claimed_network(extended).has_edge(MECHANISM, "mdsc")


@pytest.fixture(scope="module")
def finished(records: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config):
    """One small run of the whole main line: the folder of its files, and the result."""
    from simulated import keep_compiled
    from tumornexus.pipeline import run as run_patient

    keep_compiled(pytestconfig)
    before = package_files()
    out = tmp_path_factory.mktemp("out")
    found = run_patient(PATIENT, out=out, n_draws=8, records=records, call=["tumornexus", "run"])
    assert package_files() == before, "no edit of the package's own records"
    return out, found


@pytest.mark.simulation
def test_its_effect_moves_its_observable(extended: Knowledge, pytestconfig: pytest.Config):
    """Present at full activity against absent, in the same untreated patients; absent changes no bit."""
    from simulated import keep_compiled, untreated
    from tumornexus.systemic.solver import grow, treat
    from tumornexus.systemic.twin import apply_effects, bounded_mask, draw_bare, parameter_names

    keep_compiled(pytestconfig)
    record, names, n = extended.mechanisms[MECHANISM], parameter_names(extended), 8
    bare = draw_bare(extended, extended.tumors["melanoma"], n, 0, "guide", braf_v600=False)
    sizes = {MECHANISM: tuple((e, np.full(n, e.value)) for e in record.effect)}
    mask = bounded_mask(extended)
    absent, present = (apply_effects(bare, {MECHANISM: np.full(n, a)}, sizes, names, mask) for a in (0.0, 1.0))
    np.testing.assert_array_equal(absent, apply_effects(bare, {}, {}, names, mask))
    values = np.concatenate([absent, present])
    grown = grow(values, names, np.full(2 * n, 20.0))
    course = treat(values, names, grown.state, [untreated(extended)], np.zeros(2 * n, dtype=int))
    level = course[record.process.observable].values[:, 1:9].mean(axis=1)
    both = (grown.status[:n] == 0) & (grown.status[n:] == 0)
    assert both.sum() >= n // 2
    change = np.log(level[n:][both] / level[:n][both])
    assert record.process.direction == "+"
    assert (change > 0.2).all(), change


@pytest.mark.simulation
def test_it_acts_in_the_tissue(extended: Knowledge, pytestconfig: pytest.Config):
    """The same tissue in a patient with and without it: after a week more neutrophils stand among the cells."""
    from dataclasses import replace

    from simulated import keep_compiled, untreated
    from tumornexus.systemic.twin import apply_effects, bounded_mask
    from tumornexus.tissue.lattice import KIND, Geometry
    from tumornexus.tissue.patient import virtual_patient
    from tumornexus.tissue.simulate import prepare_tissue
    from tumornexus.tissue.start import from_rule, scalars

    keep_compiled(pytestconfig)
    absent = virtual_patient("melanoma", extended, mechanisms={MECHANISM: 0.0}, seed=1)
    sizes = {MECHANISM: tuple((e, np.full(1, e.value)) for e in extended.mechanisms[MECHANISM].effect)}
    values = apply_effects(
        absent.values[None], {MECHANISM: np.ones(1)}, sizes, absent.names, bounded_mask(extended)
    )  # fmt: skip
    geometry = Geometry((64, 64), 15.7)
    start = from_rule(absent.state, scalars(absent.values, absent.names), geometry, 1)
    number = []
    for patient in (absent, replace(absent, values=values[0])):
        simulation = prepare_tissue(patient, untreated(extended), geometry, dt_hours=2.0, seed=1, start=start)
        kinds = [np.asarray(tissue.sites.kind) for tissue, _ in simulation.run(12 * 7, 12)]
        number.append(sum(int((kind == KIND["neutrophil"]).sum()) for kind in kinds[3:]))
    assert number[1] > 1.5 * number[0] > 0, number


@pytest.mark.simulation
def test_the_model_reports_what_the_checks_believe_it_reports():
    from tumornexus.knowledge.model_names import observables
    from tumornexus.systemic.dynamics import OBSERVABLES

    assert observables() == OBSERVABLES


@pytest.mark.simulation
def test_the_twin_carries_it(finished, extended: Knowledge):
    out, found = finished
    assert MECHANISM in found.profile.activities.by_mechanism
    assert MECHANISM in pd.read_csv(out / "activities.tsv", sep="\t").columns
    assert (
        MECHANISM
        in json.loads((out / "profile.json").read_text(encoding="utf-8"))["samples"][found.profile.sample]["mechanisms"]
    )
    assert found.manifest["knowledge_digest"] == extended.digest


@pytest.mark.simulation
def test_the_report_tells_of_it(finished, extended: Knowledge):
    out, _ = finished
    page = (out / "report.html").read_text(encoding="utf-8")
    assert extended.mechanisms[MECHANISM].name in page
    assert "Elevated serum interleukin-8" in page
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["knowledge_added"]["records"] == [f"mechanisms/{MECHANISM}"]
