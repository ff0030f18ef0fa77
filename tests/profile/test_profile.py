"""Profiles: the same alone and in company, empty where nothing was measured, written whole."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from io_cohorts import expression, expression_text, write_cohort
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.patient import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import load_reference, profile_cohort, profile_patient, write_profiles
from tumornexus.profile.profile import activities_table

COHORTS = (
    "gide2019_pd1",
    "riaz2017",
    "vanallen2015",
    "hugo2016",
    "imvigor210",
    "jung2019_nsclc",
    "snyder2017",
    "miao2018_rcc",
    "nathanson2017",
)


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


def identical(a, b) -> bool:
    """Bit-identical results."""
    return (a.activities, a.icb, a.barriers, a.phenotype, a.p_desert, a.inflamed_score) == (
        b.activities, b.icb, b.barriers, b.phenotype, b.p_desert, b.inflamed_score,
    )  # fmt: skip


def test_same_alone_shuffled_and_with_foreign_genes(tmp_path, knowledge):
    rows = expression()
    company = profile_cohort(read_cohort(write_cohort(tmp_path / "a")), knowledge)
    shuffled = {g: rows[g] for g in np.random.default_rng(2).permutation(list(rows))}
    shuffled |= {f"FOREIGN{i}": ["7", "1e5", "0"] for i in range(50)}
    other = profile_cohort(read_cohort(write_cohort(tmp_path / "b", expression=expression_text(shuffled))), knowledge)
    for one, two in zip(company, other, strict=True):
        alone = profile_patient(read_patient(tmp_path / "a", one.sample), knowledge)
        assert identical(one, alone)
        assert identical(one, two)


def test_nothing_measured_is_an_empty_cell_not_the_prior(tmp_path, knowledge):
    profile = profile_patient(
        read_cohort(write_cohort(tmp_path, expression=None, mutations=None, hla=None)).patient("P3"), knowledge
    )
    table = activities_table([profile])
    assert table.drop(columns="sample").isna().all(axis=None)
    assert {a.origin for a in profile.activities.by_mechanism.values()} == {"sampled"}
    assert profile.phenotype is None
    assert profile.broken_step is None
    assert "expression" in profile.missing
    assert 0 < profile.icb.low < profile.icb.score < profile.icb.high < 1


def test_a_missing_gene_is_named_and_widens(tmp_path, knowledge):
    rows = expression()
    rows["B2M"] = ["", rows["B2M"][1], rows["B2M"][2]]
    first, second, _ = profile_cohort(read_cohort(write_cohort(tmp_path, expression=expression_text(rows))), knowledge)
    absent = [e for items in first.evidence.values() for e in items if "B2M" in e.genes_missing]
    assert absent
    assert not any(
        "B2M" in e.genes_missing for items in second.evidence.values() for e in items if e.input == "expression"
    )


def test_planted_drivers_are_found(tmp_path, knowledge):
    first, second, _ = profile_cohort(read_cohort(write_cohort(tmp_path)), knowledge)
    assert first.activities.by_mechanism["mapk_activation"].presence > 0.9
    assert first.activities.by_mechanism["b2m_loss"].presence > 0.5
    assert second.activities.by_mechanism["b2m_loss"].presence < 0.1
    assert first.activities.by_mechanism["hla_homozygosity"].mean == pytest.approx(1 / 3, abs=0.1)


def test_missing_data_only_widens(tmp_path, knowledge):
    """Taking everything away must not make a mechanism look inactive: its interval is that of the prevalence."""
    folder = write_cohort(tmp_path, expression=None, mutations=None)
    activity = profile_patient(read_patient(folder, "P1"), knowledge).activities.by_mechanism["mapk_activation"]
    low, high = activity.interval()
    assert high - low > 0.5


def test_files_have_the_promised_columns(tmp_path, knowledge):
    profiles = profile_cohort(read_cohort(write_cohort(tmp_path / "in")), knowledge)
    out = tmp_path / "out"
    write_profiles(profiles, out, {"call": ["test"]})
    assert sorted(p.name for p in out.iterdir()) == [
        "activities.tsv",
        "intervals.tsv",
        "manifest.json",
        "profile.json",
        "summary.tsv",
    ]
    activities = pd.read_csv(out / "activities.tsv", sep="\t", dtype={"sample": str})
    expected = [m.id for m in knowledge.mechanisms.values() if m.kind != "outcome"]
    assert list(activities.columns) == ["sample", *expected]
    values = activities.drop(columns="sample")
    assert ((values >= 0) & (values <= 1) | values.isna()).all(axis=None)
    intervals = pd.read_csv(out / "intervals.tsv", sep="\t")
    assert list(intervals.columns) == ["sample", "mechanism", "low", "high"]
    assert (intervals["low"] <= intervals["high"]).all()
    summary = pd.read_csv(out / "summary.tsv", sep="\t")
    assert list(summary.columns) == [
        "sample",
        "phenotype",
        "p_inflamed",
        "p_excluded",
        "p_desert",
        "broken_step",
        "icb_response_score",
        "icb_response_low",
        "icb_response_high",
    ]
    np.testing.assert_allclose(summary[["p_inflamed", "p_excluded", "p_desert"]].sum(axis=1), 1.0)
    record = json.loads((out / "profile.json").read_text())
    assert set(record["samples"]) == {"P1", "P2", "P3"}
    evidence = record["samples"]["P1"]["mechanisms"]["mapk_activation"]["evidence"]
    assert any(e["value"] == "BRAF V600E" and e["llr"] > 2 for e in evidence)
    assert json.loads((out / "manifest.json").read_text())["reference_digest"] == load_reference().digest


def test_wrong_input_writes_nothing(tmp_path, knowledge):
    with pytest.raises(InputError):
        write_profiles(profile_cohort(read_cohort(tmp_path / "absent"), knowledge), tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


def test_no_simulator_is_imported():
    code = (
        "import sys, tumornexus.profile, tumornexus.io; print(sorted({'jax', 'anndata', 'equinox'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_reference_holds_no_patient(knowledge):
    reference = load_reference()
    assert "no patient values" in reference.provenance["content"]
    assert reference.loadings.shape[1] <= 20
    assert len(reference.genes) == len(reference.location) == len(reference.scale)
    assert list(reference.genes) == sorted(reference.genes)


def test_new_record_is_scored_without_a_rebuild(knowledge):
    from tumornexus.knowledge.records import Biomarker

    reference = load_reference()
    fresh = Biomarker(
        id="new",
        input="expression",
        method="zmean",
        direction="+",
        genes=("CD8A", "GZMA", "PRF1", "NKG7"),
        separation=1.0,
        assumed="t",
    )
    score = reference.score_reference(fresh)
    assert score.quantiles is None
    assert 0.5 < score.sd < 1.1, "four correlated genes average to most of one gene's spread"


@pytest.mark.realdata
@pytest.mark.parametrize("cohort", COHORTS)
def test_every_cohort_as_its_folder_is(shared_data, knowledge, cohort):
    folder = shared_data / cohort
    members = read_cohort(folder, knowledge)
    chosen = [members.patients[i] for i in (0, len(members) // 2, len(members) - 1)]
    profiles = profile_cohort(chosen, knowledge)
    for profile in profiles:
        assert identical(profile, profile_patient(read_patient(folder, profile.sample, knowledge), knowledge))
        assert profile.phenotype is not None
        measured = [a for a in profile.activities.by_mechanism.values() if a.origin == "measured"]
        assert len(measured) >= 10


@pytest.mark.parametrize("call", ["inflamed", "excluded", "desert"])
def test_what_a_pathologist_saw_moves_the_phenotype_and_is_silent_when_not_given(call, knowledge):
    """The share of the called phenotype rises over that of the tumor type by the ratio of the record, as odds."""
    nobody = Patient("P1", "P1", "melanoma")
    away, seen = (profile_patient(p, knowledge) for p in (nobody, replace(nobody, clinical={"immune_phenotype": call})))
    before, after = (getattr(p, f"p_{call}") for p in (away, seen))
    assert (away.phenotype, seen.phenotype) == (None, call)
    assert after / (1.0 - after) == pytest.approx(10.0 * before / (1.0 - before))
    assert [any("immune phenotype of a section" in m for m in p.missing) for p in (away, seen)] == [True, False]


@pytest.mark.realdata
def test_first_patient_of_the_main_line(shared_data, knowledge):
    started = time.process_time()
    profile = profile_patient(read_patient(shared_data / "riaz2017", "Pt10", knowledge), knowledge)
    assert time.process_time() - started < 2.0
    assert profile.tumor == "melanoma"
    assert profile.activities.by_mechanism["mapk_activation"].presence > 0.9, "NRAS G12C"
    assert profile.activities.by_mechanism["low_tmb"].presence > 0.5, "75 nonsynonymous mutations"
    assert profile.phenotype == "desert"


@pytest.mark.realdata
def test_scores_agree_with_pathology_and_response(shared_data, knowledge):
    cohort = [p for p in read_cohort(shared_data / "imvigor210", knowledge) if "immune_phenotype" in p.clinical]
    hidden = [replace(p, clinical={k: v for k, v in p.clinical.items() if k != "immune_phenotype"}) for p in cohort]
    seen = [p.phenotype for p in profile_cohort(hidden, knowledge)]
    labelled = list(zip(seen, [str(p.clinical["immune_phenotype"]) for p in cohort], strict=True))
    assert np.mean([a == b for a, b in labelled]) > 0.55
    melanoma = profile_cohort(read_cohort(shared_data / "gide2019_pd1", knowledge), knowledge)
    responders = [p.icb.score for p in melanoma if p.patient.clinical["response_binary"] == "R"]
    others = [p.icb.score for p in melanoma if p.patient.clinical["response_binary"] == "NR"]
    assert np.mean(np.subtract.outer(responders, others) > 0) > 0.7
