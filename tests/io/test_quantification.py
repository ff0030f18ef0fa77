"""Expression from quantifiers: the same library gives the same TPM from every file, and counts ask for lengths."""

from __future__ import annotations

import numpy as np
import pytest

from io_cohorts import expression, expression_text, write_cohort, write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.ensembl import _symbols
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient

TOML = 'sample = "P1"\ntumor = "melanoma"\n'
RNG = np.random.default_rng(7)
ROWS = expression(("P1",))
GENES = list(ROWS)
TPM = np.array([float(v[0]) for v in ROWS.values()])
LENGTHS = RNG.integers(300, 9000, len(GENES))
IDS = {s: i for i, s in sorted(_symbols().items(), reverse=True)}
# A library of so many reads that rounding to whole reads loses nothing that matters.
COUNTS = np.round(TPM * LENGTHS * 50).astype(int)
OF_COUNTS = COUNTS / LENGTHS / (COUNTS / LENGTHS).sum() * 1e6


def scores(patient) -> dict[str, tuple[float, float, float]]:
    found = profile_patient(patient, load_knowledge()).activities.by_mechanism
    return {n: (a.mean, *a.interval()) for n, a in found.items()}


def patient_with(folder, settings: str = "", **files: str):
    return read_patient(write_patient(folder, TOML + settings, **files))


def salmon(names=GENES, tpm=TPM) -> str:
    lines = [f"{n}\t1000\t800\t{v!r}\t10" for n, v in zip(names, map(float, tpm), strict=True)]
    return "Name\tLength\tEffectiveLength\tTPM\tNumReads\n" + "\n".join(lines) + "\n"


def two_transcripts(gene_of=lambda g: g):
    """Each gene's TPM on two transcripts, and the table of their genes."""
    names = [f"ENST{2 * i + k:011d}.3" for i in range(len(GENES)) for k in (0, 1)]
    tpm = [v * share for v in TPM for share in (0.25, 0.75)]
    genes = "transcript\tgene\n" + "".join(
        f"{n.partition('.')[0]}\t{gene_of(GENES[i // 2])}\n" for i, n in enumerate(names)
    )
    return names, tpm, genes


def test_tpm_and_log_tpm_give_identical_activities(tmp_path):
    linear = patient_with(tmp_path / "a", expression_dot_tsv=expression_text(ROWS, ("P1",)))
    logged = {g: [repr(float(np.log2(float(v[0]) + 1)))] for g, v in ROWS.items()}
    log = patient_with(tmp_path / "b", expression_dot_tsv=expression_text(logged, ("P1",)))
    assert (linear.expression_scale, log.expression_scale) == ("tpm", "log2_tpm")
    a, b = scores(linear), scores(log)
    for mechanism in a:
        np.testing.assert_allclose(a[mechanism], b[mechanism], atol=1e-9)


@pytest.mark.parametrize("factor", [0.5, 3.0, 1000.0])
def test_activities_do_not_depend_on_the_scale(tmp_path, factor):
    one = patient_with(tmp_path / "a", expression_dot_tsv=expression_text(ROWS, ("P1",)))
    scaled = {g: [repr(float(v[0]) * factor)] for g, v in ROWS.items()}
    other = patient_with(tmp_path / "b", expression_dot_tsv=expression_text(scaled, ("P1",)))
    a, b = scores(one), scores(other)
    worst = max(abs(a[m][0] - b[m][0]) for m in a)
    assert worst < 0.02


def test_salmon_kallisto_and_table_agree(tmp_path):
    table = patient_with(tmp_path / "t", expression_dot_tsv=expression_text(ROWS, ("P1",)))
    kallisto = "target_id\tlength\teff_length\test_counts\ttpm\n" + "".join(
        f"{g}\t1000\t800\t10\t{v!r}\n" for g, v in zip(GENES, map(float, TPM), strict=True)
    )
    names, tpm, genes = two_transcripts()
    ids, _, _ = two_transcripts()
    full = [f"{n}|{IDS[GENES[i // 2]]}.9|-|-|X-1|X|100|" for i, n in enumerate(ids) if GENES[i // 2] in IDS]
    some = [v for i, v in enumerate(tpm) if GENES[i // 2] in IDS]
    found = {
        "salmon": patient_with(tmp_path / "s", quant_dot_sf=salmon()),
        "kallisto": patient_with(tmp_path / "k", abundance_dot_tsv=kallisto),
        "transcripts": patient_with(
            tmp_path / "x", 'transcript_genes = "genes.tsv"\n', quant_dot_sf=salmon(names, tpm), genes_dot_tsv=genes
        ),
        "gencode": patient_with(tmp_path / "g", quant_dot_sf=salmon(full, some)),
        "ensembl": patient_with(
            tmp_path / "e", quant_dot_sf=salmon([f"{IDS[g]}.12" if g in IDS else g for g in GENES])
        ),
    }
    for name, patient in found.items():
        both = patient.expression.index.intersection(table.expression.index)
        assert len(both) >= 0.97 * len(GENES), name
        np.testing.assert_allclose(patient.expression[both], table.expression[both], rtol=1e-12, err_msg=name)
    assert any("transcripts summed" in n for n in found["transcripts"].notes)


def test_counts_become_tpm_by_length(tmp_path):
    """featureCounts, STAR and a table of counts with lengths give the same TPM, C/L over its sum."""
    feature = "# Program:featureCounts v2\nGeneid\tChr\tStart\tEnd\tStrand\tLength\t/data/P1.bam\n" + "".join(
        f"{g}\t1\t1\t9\t+\t{n}\t{c}\n" for g, n, c in zip(GENES, LENGTHS, COUNTS, strict=True)
    )
    star = "N_unmapped\t9\t9\t9\nN_multimapping\t9\t9\t9\nN_noFeature\t9\t9\t9\nN_ambiguous\t9\t9\t9\n" + "".join(
        f"{g}\t{c}\t{c // 50}\t{c}\n" for g, c in zip(GENES, COUNTS, strict=True)
    )
    lengths = "gene\tlength_bp\n" + "".join(f"{g}\t{n}\n" for g, n in zip(GENES, LENGTHS, strict=True))
    table = "gene\tlength_bp\tP1\n" + "".join(
        f"{g}\t{n}\t{c}\n" for g, n, c in zip(GENES, LENGTHS, COUNTS, strict=True)
    )
    settings = 'gene_lengths = "lengths.tsv"\n'
    found = {
        "feature": patient_with(tmp_path / "f", 'expression = "f.txt"\n', f_dot_txt=feature),
        "star": patient_with(tmp_path / "s", settings, ReadsPerGene_dot_out_dot_tab=star, lengths_dot_tsv=lengths),
        "table": patient_with(tmp_path / "t", expression_dot_tsv=table),
        "beside": patient_with(
            tmp_path / "b", settings, lengths_dot_tsv=lengths,
            expression_dot_tsv="gene\tP1\n" + "".join(f"{g}\t{c}\n" for g, c in zip(GENES, COUNTS, strict=True)),
        ),
    }  # fmt: skip
    for name, patient in found.items():
        np.testing.assert_allclose(patient.expression[GENES], OF_COUNTS, rtol=1e-9, err_msg=name)
        assert patient.expression_scale == "counts"
    assert any("reverse" in n for n in found["star"].notes)
    bare = "\n".join("\t".join(line.split("\t")[::2]) for line in table.split("\n"))
    for name, files in {"t": {"expression_dot_tsv": bare}, "s": {"ReadsPerGene_dot_out_dot_tab": star}}.items():
        with pytest.raises(InputError, match="counts cannot be compared between genes without the length") as caught:
            patient_with(tmp_path / f"no{name}", **files)
        assert "gene_lengths" in str(caught.value)
        assert "umi_counts" in str(caught.value)


def test_strands_that_tell_nothing(tmp_path):
    def star(share: float) -> str:
        return "N_unmapped\t9\t9\t9\n" + "".join(
            f"{g}\t{c}\t{int(c * share)}\t{int(c * (1 - share))}\n" for g, c in zip(GENES, COUNTS, strict=True)
        )

    lengths = "gene\tlength_bp\n" + "".join(f"{g}\t{n}\n" for g, n in zip(GENES, LENGTHS, strict=True))
    settings = 'gene_lengths = "lengths.tsv"\n'

    def read(name: str, share: float, more: str = ""):
        return patient_with(
            tmp_path / name, settings + more, ReadsPerGene_dot_out_dot_tab=star(share), lengths_dot_tsv=lengths
        )

    assert any("unstranded" in n for n in read("a", 0.5).notes)
    assert any("forward" in n for n in read("b", 0.95).notes)
    with pytest.raises(InputError, match="strands do not tell"):
        read("c", 0.75)
    assert read("d", 0.75, 'strandedness = "forward"\n').expression is not None
    with pytest.raises(InputError, match="unknown strandedness"):
        read("e", 0.75, 'strandedness = "yes"\n')


def test_what_is_refused(tmp_path):
    names, tpm, _ = two_transcripts()
    with pytest.raises(InputError, match="lists transcripts") as caught:
        patient_with(tmp_path / "a", quant_dot_sf=salmon(names, tpm))
    assert "transcript_genes" in str(caught.value)
    rows = {n: [repr(float(v))] for n, v in zip(names, tpm, strict=True)}
    with pytest.raises(InputError, match="rows are transcripts"):
        patient_with(tmp_path / "b", expression_dot_tsv=expression_text(rows, ("P1",)))
    mouse = {f"ENSMUSG{i:011d}": v for i, v in enumerate(ROWS.values())}
    with pytest.raises(InputError, match="mouse"):
        patient_with(tmp_path / "c", expression_dot_tsv=expression_text(mouse, ("P1",)))
    with pytest.raises(InputError, match="quantifier's and holds tpm"):
        patient_with(tmp_path / "d", 'expression_scale = "counts"\n', quant_dot_sf=salmon())
    with pytest.raises(InputError, match="no transcript of the expression file"):
        patient_with(
            tmp_path / "e", 'transcript_genes = "g.tsv"\n', quant_dot_sf=salmon(names, tpm),
            g_dot_tsv="transcript\tgene\nENST9\tB2M\n",
        )  # fmt: skip


def test_unique_molecules_need_no_lengths(tmp_path):
    text = "gene\tP1\n" + "".join(f"{g}\t{int(v * 7)}\n" for g, v in zip(GENES, TPM, strict=True))
    patient = patient_with(tmp_path, 'expression_scale = "umi_counts"\n', expression_dot_tsv=text)
    assert patient.expression.sum() == pytest.approx(1e6)


def test_cohort_of_quantifications(tmp_path):
    folder = write_cohort(tmp_path, expression=None)
    for k, sample in enumerate(("P1", "P3")):
        (folder / "expression" / sample).mkdir(parents=True)
        (folder / "expression" / sample / "quant.sf").write_text(salmon(tpm=TPM * (1 + k)))
    cohort = read_cohort(folder)
    assert cohort.patient("P2").expression is None
    np.testing.assert_allclose(cohort.patient("P1").expression[GENES], TPM)
    assert read_patient(folder, "P3").expression.equals(cohort.patient("P3").expression)
    (folder / "expression" / "P3" / "quant.sf").write_text(salmon(GENES[:-1], TPM[:-1]))
    with pytest.raises(InputError, match="different annotations"):
        read_cohort(folder)


def test_notes_of_a_folder_are_those_of_each_sample(tmp_path):
    """One library is stranded and one is not: each sample says so of itself, alone and in the cohort."""
    star = "N_unmapped\t9\t9\t9\nN_multimapping\t9\t9\t9\nN_noFeature\t9\t9\t9\nN_ambiguous\t9\t9\t9\n"
    for sample, weaker in (("P1", 50), ("P2", 1)):
        (tmp_path / "expression" / sample).mkdir(parents=True)
        rows = "".join(f"{g}\t{c}\t{c // weaker}\t{c}\n" for g, c in zip(GENES, COUNTS, strict=True))
        (tmp_path / "expression" / sample / "ReadsPerGene.out.tab").write_text(star + rows)
    lengths = "".join(f"{g}\t{n}\n" for g, n in zip(GENES, LENGTHS, strict=True))
    (tmp_path / "lengths.tsv").write_text("gene\tlength_bp\n" + lengths)
    (tmp_path / "cohort.toml").write_text('gene_lengths = "lengths.tsv"\n')
    (tmp_path / "clinical.tsv").write_text("sample\tcancer_type\nP1\tmelanoma\nP2\tmelanoma\n")
    cohort = read_cohort(tmp_path)
    said = {p.sample: [n for n in p.notes if "library read as" in n] for p in cohort}
    assert [len(v) for v in said.values()] == [1, 1]
    assert "reverse" in said["P1"][0]
    assert "unstranded" in said["P2"][0]
    for patient in cohort:
        assert read_patient(tmp_path, patient.sample).notes == patient.notes
