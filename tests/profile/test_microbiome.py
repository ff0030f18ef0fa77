"""TOPOSCORE as published, diversity as others compute it, and evidence from the stool that reaches the profile."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from io_cohorts import write_patient
from tumornexus.io.clades import load_clades
from tumornexus.io.microbiome import Microbiome
from tumornexus.io.patient import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient
from tumornexus.profile.microbiome import (
    AKKERMANSIA,
    alpha_diversity,
    genus_share,
    scfa_producers,
    scfa_shares,
    stool_facts,
    stool_lines,
    stool_record,
    toposcore,
    toposcore_species,
)

SIG1, SIG2 = (sorted(s) for s in toposcore_species())
NOBODY = Patient("P1", "P1", "nsclc")


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


def community(n1: int, n2: int, akkermansia: float = 0.0) -> pd.Series:
    """A community of so many unfavorable and favorable species, Akkermansia and one that stands in no list."""
    species = [*SIG1[:n1], *SIG2[:n2]]
    share = dict.fromkeys(species, 0.001) | ({AKKERMANSIA: akkermansia} if akkermansia else {})
    return pd.Series({**share, "Escherichia_coli": 1.0 - sum(share.values())})


def stool(n1: int = 10, n2: int = 20, akkermansia: float = 0.0, profiler: str = "metaphlan4") -> Microbiome:
    return Microbiome(community(n1, n2, akkermansia), profiler, vocabulary=True)


def gut(patient: Patient, knowledge):
    profile = profile_patient(patient, knowledge)
    return profile, {e.biomarker: e for e in profile.evidence["gut_dysbiosis"]}


def test_the_two_sets_are_the_published_ones():
    assert (len(SIG1), len(SIG2)) == (37, 45)
    assert not set(SIG1) & set(SIG2)
    assert AKKERMANSIA not in {*SIG1, *SIG2}


def test_the_names_of_the_sets_are_those_of_the_table_of_names(repo_root):
    text = (repo_root / "src/tumornexus/profile/data/toposcore_species.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader((x for x in text.splitlines() if not x.startswith("#")), delimiter="\t")
    clades, n = load_clades(), 0
    for row in rows:
        for number in row["SGB_Jan21"].split(","):
            assert clades.sgb[number.strip().removesuffix("_group")] == row["species_Jan21"]
        for column in ("GTDB_r207", "GTDB_r220"):
            for name in filter(None, (x.strip().removeprefix("s__") for x in row[column].split(","))):
                assert clades.gtdb[name] == row["species_Jan21"]
                n += 1
    assert n > 2 * 82


@pytest.mark.realdata
def test_the_packaged_sets_equal_the_table_of_facts(shared_data, repo_root):
    facts = shared_data.parent / "facts" / "toposcore_species.tsv"
    if not facts.is_file():
        pytest.skip("the table of facts is not beside the cohorts")
    text = (repo_root / "src/tumornexus/profile/data/toposcore_species.tsv").read_text(encoding="utf-8")
    ours = [x for x in text.splitlines() if not x.startswith("#")]
    assert ours == facts.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("n1", "n2", "akkermansia", "category", "call"),
    [
        (37, 0, 0.01, "SIG1", "SIG1+"),
        (0, 45, 0.0, "SIG2", "SIG2+"),  # Akkermansia does not matter outside the gray zone
        (0, 45, 0.3, "SIG2", "SIG2+"),
        (18, 18, 0.01, "SIG1", "SIG1+"),  # 0.4568
        (10, 20, 0.0, "Gray", "SIG1+"),  # 0.5871, Akkermansia absent
        (10, 20, 0.01, "Gray", "SIG2+"),
        (10, 20, 0.0479, "Gray", "SIG2+"),
        (10, 20, 0.04799, "Gray", "SIG1+"),  # at 4.799 % it is high
        (0, 0, 0.0, "SIG1", "SIG1+"),  # 0.5: an empty community is dysbiotic
    ],
)
def test_the_published_rule_on_constructed_communities(n1, n2, akkermansia, category, call):
    found = toposcore(community(n1, n2, akkermansia))
    assert found.score == pytest.approx((n2 / 45 - n1 / 37 + 1) / 2)
    assert (found.n_sig1, found.n_sig2) == (n1, n2)
    assert (found.category, found.call) == (category, call)


def test_every_pair_of_counts_falls_where_the_authors_cut_offs_put_it():
    # In units of 1/3330, S is 1665 + 37 n2 - 45 n1, and the cut-offs of the analysis, 0.5351351 and 0.7911411, are
    # 1665 + 117 (a tie for 27 and 36 species, which counts as SIG1) and halfway between 1665 + 969 and 1665 + 970.
    assert abs((1665 + 117) / 3330 - 0.5351351) < 1e-7
    assert abs((1665 + 969.5) / 3330 - 0.7911411) < 1e-7
    for n1 in range(38):
        for n2 in range(46):
            steps = 37 * n2 - 45 * n1
            expected = "SIG1" if steps <= 117 else "SIG2" if steps >= 970 else "Gray"
            assert toposcore(pd.Series(1.0, index=[*SIG1[:n1], *SIG2[:n2], "x"])).category == expected


def test_presence_counts_not_amount():
    small, large = community(10, 20), community(10, 20) * 1.0
    large[SIG2[0]] = 0.5
    assert toposcore(small).score == toposcore(large).score
    gone = small.copy()
    gone[SIG2[0]] = 0.0
    assert toposcore(gone).n_sig2 == 19


def test_diversity_of_known_communities():
    even = alpha_diversity(pd.Series(0.25, index=list("abcd")))
    assert even == pytest.approx({"shannon": math.log(4), "simpson": 0.75, "richness": 4, "evenness": 1.0})
    single = alpha_diversity(pd.Series([1.0, 0.0], index=["a", "b"]))
    assert (single["shannon"], single["simpson"], single["richness"]) == (0.0, 0.0, 1.0)
    assert math.isnan(single["evenness"])


def test_diversity_does_not_depend_on_scale_or_absent_species():
    p = pd.Series(np.random.default_rng(3).gamma(0.3, size=200))
    assert alpha_diversity(p) == pytest.approx(alpha_diversity(pd.concat([p * 100, pd.Series(0.0, index=range(9))])))


def test_diversity_equals_scikit_bio():
    skbio = pytest.importorskip("skbio.diversity.alpha", reason="scikit-bio is not installed")
    for seed in range(5):
        counts = np.random.default_rng(seed).poisson(np.random.default_rng(seed).gamma(0.3, 40.0, size=150))
        ours = alpha_diversity(pd.Series(counts.astype(float)))
        assert ours["shannon"] == pytest.approx(skbio.shannon(counts, base=math.e))
        assert ours["simpson"] == pytest.approx(skbio.simpson(counts))
        assert ours["richness"] == skbio.observed_features(counts)
        assert ours["evenness"] == pytest.approx(skbio.pielou_e(counts))


def test_genera_and_producers_add_their_species():
    p = pd.Series(
        {"Faecalibacterium_prausnitzii": 0.2, "Faecalibacterium_SGB15346": 0.1, "Faecalibacillus_faecis": 0.1,
         "Roseburia_inulinivorans": 0.1, "Escherichia_coli": 0.5}
    )  # fmt: skip
    assert genus_share(p, "Faecalibacterium") == pytest.approx(0.3)
    assert scfa_shares(p) == pytest.approx({"butyrate": 0.4, "propionate": 0.1})
    assert all(species | genera for species, genera in scfa_producers().values())


def test_the_stool_speaks_for_and_against_dysbiosis(knowledge):
    base = profile_patient(NOBODY, knowledge).activities.by_mechanism["gut_dysbiosis"]
    assert base.origin == "sampled"
    bad, evidence = gut(replace(NOBODY, microbiome=stool(20, 5)), knowledge)
    good, _ = gut(replace(NOBODY, microbiome=stool(2, 40, 0.01)), knowledge)
    presence = [p.activities.by_mechanism["gut_dysbiosis"].presence for p in (good, bad)]
    assert presence[0] < base.presence < presence[1]
    assert all(evidence[b].measured and evidence[b].llr for b in evidence)
    assert evidence["toposcore"].llr == pytest.approx(math.log(4.0))
    assert "20 of 37 unfavorable" in evidence["toposcore"].note


def test_akkermansia_decides_in_the_gray_zone(knowledge):
    without = gut(replace(NOBODY, microbiome=stool(10, 20, 0.0)), knowledge)[1]["toposcore"]
    some = gut(replace(NOBODY, microbiome=stool(10, 20, 0.01)), knowledge)[1]["toposcore"]
    assert without.value == some.value
    assert without.llr > 0 > some.llr


def test_overabundant_akkermansia_is_no_sign_of_health(knowledge):
    evidence = gut(replace(NOBODY, microbiome=stool(10, 20, 0.2)), knowledge)[1]
    assert not evidence["akkermansia"].measured
    assert "overabundance" in evidence["akkermansia"].note
    assert evidence["toposcore"].llr > 0


@pytest.mark.parametrize("profiler", ["kraken2", "bracken", "motus", "metaphlan3", "plain"])
def test_the_score_is_shown_but_not_used_where_its_cut_offs_do_not_hold(knowledge, profiler):
    profile, evidence = gut(replace(NOBODY, microbiome=stool(20, 5, profiler=profiler)), knowledge)
    assert not evidence["toposcore"].measured
    assert evidence["toposcore"].value == pytest.approx(toposcore(community(20, 5)).score)
    assert "not used" in evidence["toposcore"].note
    assert evidence["bifidobacterium"].measured
    assert profile.activities.by_mechanism["gut_dysbiosis"].origin == "measured"


def test_the_clinical_table_fills_in_and_is_named_where_it_differs(knowledge):
    table = replace(NOBODY, clinical={"toposcore": 0.9})
    assert gut(table, knowledge)[1]["toposcore"].llr < 0
    both = gut(replace(table, microbiome=stool(20, 5)), knowledge)[1]["toposcore"]
    assert both.llr > 0
    assert "clinical table says 0.9" in both.note
    fallback = gut(replace(table, microbiome=stool(20, 5, profiler="kraken2")), knowledge)[1]["toposcore"]
    assert fallback.llr < 0
    assert "clinical table" in fallback.note


def test_a_stool_changes_no_mechanism_that_does_not_ask_for_it(knowledge):
    with_stool = profile_patient(replace(NOBODY, microbiome=stool()), knowledge).activities.by_mechanism
    without = profile_patient(NOBODY, knowledge).activities.by_mechanism
    assert {n for n in without if without[n] != with_stool[n]} == {"gut_dysbiosis"}


def test_what_is_not_measured_is_said(knowledge):
    assert "stool metagenome" in profile_patient(NOBODY, knowledge).missing
    assert "stool metagenome" not in profile_patient(replace(NOBODY, microbiome=stool()), knowledge).missing
    assert "stool metagenome" not in profile_patient(replace(NOBODY, clinical={"toposcore": 0.9}), knowledge).missing


def test_the_record_holds_everything_and_is_json():
    record = stool_record(stool(), {"antibiotics_60d": True})
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["from_clinical_table"]["antibiotics_60d"] is True
    assert record["from_clinical_table"]["ppi"] is None
    assert record["toposcore"]["score"] == stool_facts(stool())["toposcore"].value


def test_the_terminal_counts_calls_and_what_could_not_be_called():
    assert stool_lines([]) == []
    (line,) = stool_lines([stool(20, 5), stool(2, 40), stool(2, 40), stool(2, 40, profiler="motus")])
    assert "4 stool profiles: 1 SIG1+" in line
    assert "2 SIG2+" in line
    assert "1 on which" in line


def test_the_command_shows_the_evidence(tmp_path):
    from typer.testing import CliRunner

    from tumornexus.cli import app

    rows = "\n".join(f"{s}\t{100 * v:.6f}" for s, v in community(20, 5).items()) + "\n"
    toml = 'sample = "P1"\ntumor = "nsclc"\nmicrobiome = "gut.tsv"\n[facts]\nantibiotics_60d = true\nppi = true\n'
    folder = write_patient(tmp_path / "P1", toml, gut_dot_tsv="taxon\tP1\n" + rows)
    done = CliRunner().invoke(app, ["profile", str(folder), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "SIG1+: 20 of 37 unfavorable" in done.output
    sample = json.loads((tmp_path / "out" / "profile.json").read_text())["samples"]["P1"]
    assert sample["microbiome"]["toposcore"]["call"] == "SIG1+"
    assert sample["microbiome"]["from_clinical_table"] == {
        "antibiotics_60d": True, "antibiotics_days_before": None, "ppi": True, "fiber_g_day": None,
    }  # fmt: skip
    evidence = {e["biomarker"]: e for e in sample["mechanisms"]["gut_dysbiosis"]["evidence"]}
    assert evidence["toposcore"]["measured"]
    assert sample["mechanisms"]["antibiotic_exposure"]["evidence"][0]["llr"] > 0
    table = pd.read_csv(tmp_path / "out" / "activities.tsv", sep="\t")
    assert table.loc[0, "gut_dysbiosis"] > 0.2
