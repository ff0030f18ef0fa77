"""Wrong input: each one clear error that names file, field, value and what would be valid; nothing is written."""

from __future__ import annotations

import gzip

import pytest

from io_cohorts import CLINICAL, HLA, MUTATIONS, expression, expression_text, write_cohort, write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient


def refused(call, *words: str) -> InputError:
    """The call raises one InputError whose message holds all words."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, f"'{word}' is not in: {message}"
    assert caught.value.valid, f"no hint of what is valid in: {message}"
    assert caught.value.file is not None
    return caught.value


def changed(gene: str, cells: list[str]) -> str:
    rows = expression()
    rows[gene] = cells
    return expression_text(rows)


def test_missing_folder_names_near_misses(tmp_path):
    write_cohort(tmp_path / "riaz2017")
    refused(lambda: read_cohort(tmp_path / "riaz207"), "does not exist", "riaz2017")


def test_folder_without_tables(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    refused(lambda: read_cohort(tmp_path), "notes.txt", "expression.tsv")


def test_missing_file_named_in_patient_toml(tmp_path):
    folder = write_patient(
        tmp_path / "p",
        'sample = "P1"\ntumor = "melanoma"\nexpression = "rna.tsv"\n',
        expression_dot_tsv="gene\tP1\nCD8A\t3\n",
    )
    refused(lambda: read_patient(folder), "rna.tsv", "does not exist")


@pytest.mark.parametrize("name", ["clinical", "mutations", "hla"])
def test_empty_file(tmp_path, name):
    refused(lambda: read_cohort(write_cohort(tmp_path, **{name: ""})), f"{name}.tsv", "empty")


def test_empty_expression(tmp_path):
    refused(lambda: read_cohort(write_cohort(tmp_path, expression=gzip.compress(b""))), "expression.tsv.gz", "empty")


def test_header_only(tmp_path):
    refused(lambda: read_cohort(write_cohort(tmp_path, expression="gene\tP1\tP2\tP3\n")), "no rows")


def test_not_gzip_though_named_so(tmp_path):
    refused(
        lambda: read_cohort(write_cohort(tmp_path, expression=b"gene\tP1\nCD8A\t3\n")), "expression.tsv.gz", "not gzip"
    )


def test_cut_off_gzip(tmp_path):
    whole = gzip.compress(expression_text(expression()).encode())
    refused(lambda: read_cohort(write_cohort(tmp_path, expression=whole[: len(whole) // 2])), "damaged or cut off")


def test_duplicate_genes(tmp_path):
    text = expression_text(expression()) + "CD8A\t1\t2\t3\n"
    refused(lambda: read_cohort(write_cohort(tmp_path, expression=text)), "genes", "CD8A", "'gene'")


def test_duplicate_samples_in_expression(tmp_path):
    text = expression_text(expression(), ("P1", "P2", "P1"))
    refused(lambda: read_cohort(write_cohort(tmp_path, expression=text)), "samples", "P1")


def test_duplicate_samples_in_clinical(tmp_path):
    text = CLINICAL + "P1\t01\tmelanoma\tpre\t1\t60\n"
    refused(lambda: read_cohort(write_cohort(tmp_path, clinical=text)), "clinical.tsv", "'sample'", "P1")


def test_negative_expression(tmp_path):
    refused(
        lambda: read_cohort(write_cohort(tmp_path, expression=changed("CD8A", ["1", "-2.5", "3"]))),
        "P2",
        "-2.5",
        "negative",
    )


def test_log_scale_declared_as_tpm(tmp_path):
    rows = {g: [f"{min(float(c), 15.0) % 15:.3f}" for c in cells] for g, cells in expression().items()}
    folder = write_cohort(tmp_path, expression=expression_text(rows))
    refused(lambda: read_cohort(folder, scale="tpm"), "log-scale values declared as tpm", "log2_tpm")
    (folder / "cohort.toml").write_text('expression_scale = "TPM"\n')
    refused(lambda: read_cohort(folder), "log-scale values declared as tpm")


def test_linear_values_declared_as_log(tmp_path):
    refused(lambda: read_cohort(write_cohort(tmp_path), scale="log2_tpm"), "cannot be log2(TPM + 1)")


def test_unknown_scale(tmp_path):
    refused(lambda: read_cohort(write_cohort(tmp_path), scale="zscore"), "expression_scale", "zscore", "log2_tpm")


def test_mouse_genes(tmp_path):
    rows = {g.capitalize(): v for g, v in expression().items()}
    refused(lambda: read_cohort(write_cohort(tmp_path, expression=expression_text(rows))), "mouse", "human")


def test_unknown_cancer_type(tmp_path):
    text = CLINICAL.replace("NSCLC", "melonoma")
    refused(
        lambda: read_cohort(write_cohort(tmp_path, clinical=text)),
        "clinical.tsv",
        "cancer_type",
        "melonoma",
        "melanoma",
    )


def test_a_disease_without_numbers_is_refused_with_the_reason(tmp_path):
    refused(
        lambda: read_cohort(write_cohort(tmp_path, clinical=CLINICAL.replace("melanoma", "SCLC"))),
        "clinical.tsv",
        "cancer_type",
        "SCLC",
        "Small-cell lung cancer is not covered",
        "nsclc",
    )


def test_missing_cancer_type(tmp_path):
    text = CLINICAL.replace("cancer_type", "histology")
    refused(lambda: read_cohort(write_cohort(tmp_path, clinical=text)), "cancer_type", "melanoma")


def test_sample_not_in_cohort(tmp_path):
    folder = write_cohort(tmp_path)
    refused(lambda: read_patient(folder, "p1"), "not in this cohort", "p1", "P1")
    refused(lambda: read_patient(folder), "say which")
    refused(lambda: read_cohort(folder).patient("P9"), "P9")


@pytest.mark.parametrize("allele", ["A*2", "A*02", "Q*02:01", "hello", "A*02:01:x"])
def test_malformed_hla_allele(tmp_path, allele):
    refused(
        lambda: read_cohort(write_cohort(tmp_path, hla=HLA.replace("A*02:01;A", allele + ";A"))),
        "hla",
        allele,
        "A*02:01",
    )


def test_sample_that_is_all_nan(tmp_path):
    rows = {g: [v[0], "NaN", v[2]] for g, v in expression().items()}
    refused(lambda: read_cohort(write_cohort(tmp_path, expression=expression_text(rows))), "P2", "all NaN")


def test_sample_that_is_all_zero(tmp_path):
    rows = {g: [v[0], "0", v[2]] for g, v in expression().items()}
    refused(lambda: read_cohort(write_cohort(tmp_path, expression=expression_text(rows))), "P2", "zero")


def test_text_where_numbers_belong(tmp_path):
    refused(
        lambda: read_cohort(write_cohort(tmp_path / "a", expression=changed("CD8A", ["1", "high", "3"]))),
        "CD8A",
        "P2",
        "high",
        "number",
    )
    refused(
        lambda: read_cohort(write_cohort(tmp_path / "b", clinical=CLINICAL.replace("12.5", "many"))),
        "TMB_perMb",
        "many",
    )
    refused(
        lambda: read_cohort(write_cohort(tmp_path / "c", mutations=MUTATIONS.replace("0.62", "most"))), "t_vaf", "most"
    )
    folder = write_patient(tmp_path / "d", 'sample = "P1"\ntumor = "melanoma"\nnlr = "high"\n')
    refused(lambda: read_patient(folder), "patient.toml", "nlr", "high")


def test_impossible_numbers(tmp_path):
    refused(
        lambda: read_cohort(write_cohort(tmp_path / "a", mutations=MUTATIONS.replace("0.62", "62"))),
        "vaf",
        "62",
        "0 to 1",
    )
    refused(lambda: read_cohort(write_cohort(tmp_path / "b", clinical=CLINICAL.replace("\t60", "\t600"))), "age", "600")


def test_missing_columns(tmp_path):
    refused(
        lambda: read_cohort(write_cohort(tmp_path / "a", clinical=CLINICAL.replace("sample", "id"))), "'sample'", "id"
    )
    refused(lambda: read_cohort(write_cohort(tmp_path / "b", mutations="sample\tgene\nP1\tBRAF\n")), "consequence")
    refused(lambda: read_cohort(write_cohort(tmp_path / "c", hla="who\twhat\nP1\tA*02:01\n")), "hla.tsv")


def test_comma_separated(tmp_path):
    refused(lambda: read_cohort(write_cohort(tmp_path, clinical=CLINICAL.replace("\t", ","))), "comma-separated")


def test_ragged_table(tmp_path):
    refused(
        lambda: read_cohort(write_cohort(tmp_path, clinical=CLINICAL + "P4\t04\tmelanoma\tpre\t1\t2\t3\t4\n")),
        "clinical.tsv",
    )


def test_patient_toml(tmp_path):
    refused(lambda: read_patient(write_patient(tmp_path / "a", "sample = \n")), "patient.toml", "TOML")
    refused(lambda: read_patient(write_patient(tmp_path / "b", 'tumor = "melanoma"\n')), "sample")
    refused(lambda: read_patient(write_patient(tmp_path / "c", 'sample = "P1"\n')), "tumor", "melanoma")
    refused(
        lambda: read_patient(write_patient(tmp_path / "d", 'sample = "P1"\ntumor = "melanoma"\nexpresion = "x"\n')),
        "expresion",
    )
    refused(
        lambda: read_patient(
            write_patient(tmp_path / "e", 'sample = "P1"\ntumor = "melanoma"\n[facts]\nmsi_hihg = true\n')
        ),
        "msi_high",
    )
    refused(lambda: read_patient(write_patient(tmp_path / "f", 'sample = 471\ntumor = "melanoma"\n')), "quotes")


def test_two_tables_of_one_kind(tmp_path):
    folder = write_cohort(tmp_path)
    (folder / "clinical.tsv.gz").write_bytes(gzip.compress(CLINICAL.encode()))
    refused(lambda: read_cohort(folder), "both clinical.tsv and clinical.tsv.gz")
