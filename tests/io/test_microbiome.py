"""Stool tables: every format says the same of the same community, and what cannot be used is refused by name."""

from __future__ import annotations

import gzip

import pytest

from io_cohorts import write_cohort, write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.microbiome import read_microbiome

AKK, RECTALE, RAMOSUM = "Akkermansia_muciniphila", "Eubacterium_rectale", "Erysipelatoclostridium_ramosum"
TRUTH = {AKK: 0.1, RECTALE: 0.6, RAMOSUM: 0.3}
FIRMICUTES = "k__Bacteria|p__Firmicutes|c__Clostridia|o__Eubacteriales|f__Lachnospiraceae|g__Lachnospiraceae_x|"
METAPHLAN4 = (
    "#mpa_vJun23_CHOCOPhlAnSGB_202403\n#/usr/bin/metaphlan in.fastq\n#5000 reads processed\n"
    "#SampleID\tMetaphlan_Analysis\n"
    "#clade_name\tNCBI_tax_id\trelative_abundance\tadditional_species\n"
    "UNCLASSIFIED\t-1\t50.0\t\nk__Bacteria\t2\t50.0\t\n"
    f"{FIRMICUTES}s__Lachnospira_rectalis\t1\t30.0\t\n"
    f"{FIRMICUTES}s__Lachnospira_rectalis|t__SGB4933\t1\t30.0\t\n"
    f"{FIRMICUTES}s__Thomasclavelia_ramosa\t1\t15.0\t\n"
    f"{FIRMICUTES}s__Thomasclavelia_ramosa|t__SGB6744\t1\t15.0\t\n"
    "k__Bacteria|p__Verrucomicrobia|c__V|o__V|f__V|g__Akkermansia|s__Akkermansia_muciniphila\t1\t5.0\t\n"
    "k__Bacteria|p__Verrucomicrobia|c__V|o__V|f__V|g__Akkermansia|s__Akkermansia_muciniphila|t__SGB9226\t1\t5.0\t\n"
)
METAPHLAN3 = (
    "#mpa_v30_CHOCOPhlAn_201901\nclade_name\tNCBI_tax_id\tP1\tP2\n"
    f"k__Bacteria\t2\t100\t100\n{FIRMICUTES}s__Eubacterium_rectale\t1\t60\t0\n"
    f"{FIRMICUTES}s__Erysipelatoclostridium_ramosum\t1\t30\t100\n"
    "k__Bacteria|p__V|c__V|o__V|f__V|g__Akkermansia|s__Akkermansia_muciniphila\t1\t10\t0\n"
)
KRAKEN = (
    " 20.00\t200\t200\tU\t0\tunclassified\n 80.00\t800\t20\tR\t1\troot\n 78.00\t780\t80\tD\t2\t  Bacteria\n"
    "  6.00\t60\t60\tS\t239935\t        Akkermansia muciniphila\n"
    " 36.00\t360\t300\tS\t39491\t        [Eubacterium] rectale\n"
    "  6.00\t60\t60\tS1\t1\t          [Eubacterium] rectale ATCC 33656\n"
    " 18.00\t180\t180\tS\t1547\t        Thomasclavelia ramosa\n"
    "  2.00\t20\t20\tS\t9606\t        Homo sapiens\n"
)
BRACKEN = (
    "name\ttaxonomy_id\ttaxonomy_lvl\tkraken_assigned_reads\tadded_reads\tnew_est_reads\tfraction_total_reads\n"
    "Akkermansia muciniphila\t239935\tS\t60\t40\t100\t0.1\nAgathobacter rectalis\t39491\tS\t360\t240\t600\t0.6\n"
    "Thomasclavelia ramosa\t1547\tS\t180\t120\t300\t0.3\n"
)
MOTUS = (
    "# git tag version 3.0.3 |  motus version 3.0.3 | gene database: nr3.0.3\n# call: motus profile\n"
    "#consensus_taxonomy\tunnamed sample\n"
    "Akkermansia muciniphila [ref_mOTU_v3_03591]\t0.09\n"
    "[Eubacterium] rectale [ref_mOTU_v3_03657]\t0.5\n[Eubacterium] rectale [ref_mOTU_v3_99999]\t0.04\n"
    "Clostridium ramosum [ref_mOTU_v3_01234]\t0.27\nunassigned\t0.1\n"
)
GTDB = (
    "clade_name\tP1\nd__Bacteria\t100\nd__Bacteria;p__Bacillota_A\t60\n"
    "d__Bacteria;p__B;c__C;o__O;f__L;g__Agathobacter;s__Agathobacter rectalis\t60\n"
    "d__Bacteria;p__B;c__C;o__O;f__L;g__Thomasclavelia;s__Thomasclavelia ramosa\t30\n"
    "d__Bacteria;p__V;c__V;o__V;f__A;g__Akkermansia;s__Akkermansia muciniphila\t10\n"
)
PLAIN = f"taxon\tP1\tP2\n{AKK}\t0.1\t0\n{RECTALE}\t0.6\t0.5\n{RAMOSUM}\t0.3\t0.5\n"
FORMATS = {
    "metaphlan4": METAPHLAN4, "metaphlan3": METAPHLAN3, "kraken2": KRAKEN, "bracken": BRACKEN, "motus": MOTUS,
    "gtdb": GTDB, "plain": PLAIN,
}  # fmt: skip


def write(tmp_path, text: str, name: str = "stool.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


def first(path):
    return next(iter(read_microbiome(path).values()))


@pytest.mark.parametrize("profiler", FORMATS)
def test_every_format_says_the_same_of_the_same_community(tmp_path, profiler):
    found = first(write(tmp_path, FORMATS[profiler]))
    assert found.profiler == profiler
    assert found.abundance.to_dict() == pytest.approx(TRUTH)
    assert found.unmapped == ()


def test_the_form_decides_not_the_name_nor_the_line_ends(tmp_path):
    path = tmp_path / "anything.tsv.gz"
    path.write_bytes(gzip.compress(("﻿" + KRAKEN).replace("\n", "\r\n").encode()))
    assert first(path).abundance.to_dict() == pytest.approx(TRUTH)


VARIANTS = {
    "metaphlan 4 with read statistics": METAPHLAN4.replace(
        "#clade_name\tNCBI_tax_id\trelative_abundance\tadditional_species",
        "#clade_name\tclade_taxid\trelative_abundance\tcoverage\testimated_number_of_reads_from_the_clade",
    ).replace("\t\n", "\t0.1\t100\n"),
    "metaphlan 2, no header": "\n".join(
        "\t".join([r[0], r[2]]) for r in (x.split("\t") for x in METAPHLAN3.splitlines()[2:])
    ) + "\n",
    "kraken 2 with minimizers": "\n".join(
        "\t".join([*r[:3], "9", "8", *r[3:]]) for r in (x.split("\t") for x in KRAKEN.splitlines())
    ) + "\n",
    "kraken 2 on GTDB": KRAKEN.replace("[Eubacterium] rectale\n", "Agathobacter rectalis\n") + (
        "  0.00\t0\t0\tS\t1\t  Blautia_A wexlerae\n"
    ),
    "bracken, combined": (
        "name\ttaxonomy_id\ttaxonomy_lvl\tP1_num\tP1_frac\tP2_num\tP2_frac\n"
        "Akkermansia muciniphila\t1\tS\t10\t0.1\t0\t0\n[Eubacterium] rectale\t2\tS\t60\t0.6\t5\t1\n"
        "Clostridium ramosum\t3\tS\t30\t0.3\t0\t0\n"
    ),
    "motus with taxon ids": MOTUS.replace("#consensus_taxonomy\t", "#consensus_taxonomy\tNCBI_tax_id\t").replace(
        "]\t", "]\t1\t"
    ).replace("unassigned\t", "unassigned\tNA\t"),
    "motus with numbers apart": (
        "# motus version 3.1.0\n#mOTU\tconsensus_taxonomy\tP1\n"
        "ref_mOTU_v31_1\tk__B|p__V|c__V|o__V|f__A|g__Akkermansia|s__Akkermansia muciniphila\t0.1\n"
        "ref_mOTU_v31_2\tk__B|p__F|c__C|o__C|f__L|g__Agathobacter|s__Agathobacter rectalis\t0.6\n"
        "ref_mOTU_v31_3\tk__B|p__F|c__E|o__E|f__E|g__Thomasclavelia|s__Thomasclavelia ramosa\t0.3\n"
    ),
    "motus, counts": MOTUS.replace("0.09", "9").replace("0.5", "50").replace("0.04", "4").replace("0.27", "27").replace(
        "\t0.1", "\t7"
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_options_of_the_profilers_change_nothing(tmp_path, variant):
    found = first(write(tmp_path, VARIANTS[variant]))
    assert found.profiler.startswith(variant.split(",")[0].split()[0])
    assert found.abundance.to_dict() == pytest.approx(TRUTH)


@pytest.mark.parametrize(("text", "share"), [(METAPHLAN4, 0.5), (MOTUS, 0.1), (PLAIN, 0.0), (KRAKEN, 380 / 980)])
def test_what_no_species_stands_for_is_told(tmp_path, text, share):
    assert first(write(tmp_path, text)).unresolved == pytest.approx(share)


def test_database_versions_are_read(tmp_path):
    assert first(write(tmp_path, METAPHLAN4)).database == "mpa_vJun23_CHOCOPhlAnSGB_202403"
    assert first(write(tmp_path, METAPHLAN3)).database == "mpa_v30_CHOCOPhlAn_201901"
    assert first(write(tmp_path, MOTUS)).database == "mOTUs 3"


def test_human_reads_are_left_out_and_said(tmp_path):
    found = first(write(tmp_path, KRAKEN))
    assert "Homo_sapiens" not in found.abundance.index
    assert any("20 human reads" in n for n in found.notes)


def test_several_clades_of_one_species_are_added_and_counted(tmp_path):
    assert first(write(tmp_path, MOTUS)).merged == 1


def test_a_species_with_an_unknown_name_is_kept_and_reported(tmp_path):
    found = first(write(tmp_path, PLAIN.replace(RAMOSUM, "Novum_genus_novum")))
    assert found.unmapped == ("Novum_genus_novum",)
    assert found.unmapped_share == pytest.approx(0.3)
    assert found.abundance.sum() == pytest.approx(1.0)


def test_percent_fractions_and_counts_scale_alike(tmp_path):
    rows = [line.split("\t") for line in PLAIN.splitlines()]
    for factor in (100, 1000):
        body = [[r[0], *(f"{float(v) * factor:g}" for v in r[1:])] for r in rows[1:]]
        text = "\n".join("\t".join(r) for r in [rows[0], *body]) + "\n"
        found = read_microbiome(write(tmp_path, text))
        assert found["P1"].abundance.to_dict() == pytest.approx(TRUTH)
        assert any("counts" in n for n in found["P1"].notes) == (factor == 1000)


def test_a_column_reads_the_same_alone(tmp_path):
    path = write(tmp_path, PLAIN)
    assert read_microbiome(path, {"P2"})["P2"].abundance.equals(read_microbiome(path)["P2"].abundance)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gene\tP1\nTP53\t3\nB2M\t4\n", "not known"),
        ("hello world\n", "not known"),
        (PLAIN.replace("0.6", "NaN"), "Eubacterium_rectale"),
        (PLAIN.replace("0.6", ""), "Eubacterium_rectale"),
        (PLAIN.replace("0.6", "inf"), "Eubacterium_rectale"),
        (PLAIN.replace("0.6", "-0.6"), "-0.6"),
        (PLAIN.replace("0.6", "0.2"), "sum 0.6"),
        (PLAIN.replace("\tP2", "\tP1"), "more than once"),
        (PLAIN.replace(RAMOSUM, RECTALE), "more than once"),
        (PLAIN.replace("0\n", "0\t0\n", 1), "4 cells"),
        (METAPHLAN3.replace("60\t0", "60\t7"), "sum 107"),
        (METAPHLAN3.replace("clade_name\tNCBI_tax_id\tP1\tP2\n", ""), "no header"),
        (METAPHLAN3.replace("|s__", "|s_"), "no species"),
        (METAPHLAN4.replace("UNCLASSIFIED\t-1\t50.0\t\n", ""), "UNCLASSIFIED"),
        (BRACKEN.replace("\tS\t", "\tG\t"), "bracken -l S"),
        (BRACKEN.replace("600", "-600"), "-600"),
        (KRAKEN.replace("\tS\t", "\tG\t").replace("S1", "G1"), "rank S"),
        (MOTUS.replace("#consensus_taxonomy\tunnamed sample\n", "").replace("# ", "#"), "no header"),
        (MOTUS.replace("v3_99999", "v3_03657"), "more than once"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_name(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_microbiome(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "Valid:" in str(caught.value)


def test_a_sample_without_any_species_is_refused(tmp_path):
    with pytest.raises(InputError, match="no species was detected"):
        read_microbiome(
            write(tmp_path, "name\ttaxonomy_id\ttaxonomy_lvl\ta\tb\tnew_est_reads\tf\nX y\t1\tS\t0\t0\t0\t0\n")
        )


def test_a_patient_folder_names_its_profile_or_is_found(tmp_path):
    toml = 'sample = "P1"\ntumor = "nsclc"\n'
    named = write_patient(tmp_path / "a", toml + 'microbiome = "gut.kreport"\n', gut_dot_kreport=KRAKEN)
    found = write_patient(tmp_path / "b", toml, microbiome_dot_tsv=METAPHLAN4)
    merged = write_patient(tmp_path / "c", toml, abundance_dot_tsv=PLAIN)
    for folder in (named, found, merged):
        stool = read_patient(folder).microbiome
        assert stool is not None
        assert stool.abundance.to_dict() == pytest.approx(TRUTH)
    assert read_patient(write_patient(tmp_path / "d", toml)).microbiome is None


def test_a_profile_of_somebody_else_is_refused_or_said(tmp_path):
    toml = 'sample = "X"\ntumor = "nsclc"\n'
    with pytest.raises(InputError, match="no column of this patient"):
        read_patient(write_patient(tmp_path / "a", toml, microbiome_dot_tsv=PLAIN))
    alone = "\n".join("\t".join(line.split("\t")[:2]) for line in PLAIN.splitlines()) + "\n"
    stool = read_patient(write_patient(tmp_path / "b", toml, microbiome_dot_tsv=alone)).microbiome
    assert stool is not None
    assert any("'P1'" in n for n in stool.notes)


def test_two_tables_in_one_folder_are_ambiguous(tmp_path):
    toml = 'sample = "P1"\ntumor = "nsclc"\n'
    folder = write_patient(tmp_path, toml, microbiome_dot_tsv=PLAIN, abundance_dot_tsv=PLAIN)
    with pytest.raises(InputError, match="exist"):
        read_patient(folder)


def test_a_cohort_is_joined_by_sample_or_patient_and_strangers_are_counted(tmp_path):
    text = (
        PLAIN.replace("\tP1\tP2", "\tP1\t02")
        .replace("taxon\t", "taxon\tZ9\t")
        .replace("_muciniphila\t", "_muciniphila\t0.1\t")
    )
    text = text.replace("_rectale\t", "_rectale\t0.6\t").replace("_ramosum\t", "_ramosum\t0.3\t")
    cohort = read_cohort(write_cohort(tmp_path, abundance=text))
    have = {p.sample: p.microbiome is not None for p in cohort}
    assert have == {"P1": True, "P2": True, "P3": False}
    assert all(any("1 stool profiles belong to no sample" in n and "Z9" in n for n in p.notes) for p in cohort)
    one = read_patient(tmp_path, "P2")
    assert one.microbiome is not None
    assert one.microbiome.abundance.equals(cohort.patient("P2").microbiome.abundance)  # type: ignore[union-attr]
    assert one.notes == cohort.patient("P2").notes


def test_a_cohort_may_have_one_file_a_sample(tmp_path):
    folder = write_cohort(tmp_path)
    (folder / "microbiome").mkdir()
    (folder / "microbiome" / "P1.kreport").write_text(KRAKEN)
    (folder / "microbiome" / "P3_bracken.tsv").write_text(BRACKEN)
    (folder / "microbiome" / "stranger.kreport").write_text(KRAKEN)
    cohort = read_cohort(folder)
    assert [p.microbiome.profiler if p.microbiome else None for p in cohort] == ["kraken2", None, "bracken"]
    assert "stranger.kreport" in " ".join(cohort.patients[0].notes)
    assert [any("file P3_bracken.tsv" in n for n in p.microbiome.notes) for p in cohort if p.microbiome] == [
        False,
        True,
    ]
    (folder / "microbiome" / "P1.bracken").write_text(BRACKEN)
    with pytest.raises(InputError, match="two stool profiles of one sample"):
        read_cohort(folder)


def test_a_profile_without_a_name_belongs_to_no_cohort(tmp_path):
    with pytest.raises(InputError, match="one sample in a cohort"):
        read_cohort(write_cohort(tmp_path, abundance=METAPHLAN4))


@pytest.mark.realdata
def test_the_derosa_cohort_is_read_whole(shared_data):
    folder = shared_data / "microbiome_derosa2024_nsclc"
    cohort = read_cohort(folder)
    assert len(cohort) == 499
    for patient in cohort:
        assert patient.microbiome is not None
        assert patient.microbiome.abundance.sum() == pytest.approx(1.0)
        assert isinstance(patient.clinical["antibiotics_60d"], bool)


def test_the_unit_of_a_stool_table_is_judged_on_the_whole_cohort(tmp_path):
    """A column in percent beside one in fractions is refused for every sample, also when only one is read."""
    species = ("Akkermansia_muciniphila", "Eubacterium_rectale", "Ruminococcus_bromii")
    text = "taxon\tP1\tP2\n" + "".join(f"{s}\t{v}\t{100 * v}\n" for s, v in zip(species, (0.5, 0.3, 0.2), strict=True))
    folder = write_cohort(tmp_path, abundance=text)
    with pytest.raises(InputError) as whole:
        read_cohort(folder)
    for sample in ("P1", "P2"):
        with pytest.raises(InputError) as alone:
            read_patient(folder, sample)
        assert str(alone.value) == str(whole.value)
