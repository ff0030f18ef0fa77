"""The same somatic variants written as a table, as MAF, and as VCF annotated by VEP or by SnpEff."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CSQ = "Allele|Consequence|IMPACT|SYMBOL|Gene|Feature_type|Feature|BIOTYPE|HGVSc|HGVSp|CANONICAL|PICK"
GRCH38_CHR1 = 248956422


@dataclass(frozen=True)
class Variant:
    """One variant in all vocabularies; `alt` of `depth` reads carry it."""

    gene: str
    place: tuple[str, int, str, str]
    term: str
    word: str
    change: str | None
    short: str | None
    alt: int = 40
    depth: int = 100


VARIANTS = (
    Variant("B2M", ("15", 44711583, "CTC", "C"), "frameshift_variant", "Frame_Shift_Del",
            "p.Leu15PhefsTer41", "p.L15Ffs*41", 62, 100),
    Variant("JAK1", ("1", 64841314, "G", "A"), "stop_gained&splice_region_variant", "Nonsense_Mutation",
            "p.Arg659Ter", "p.R659*", 31, 120),
    Variant("JAK2", ("9", 5064883, "G", "T"), "splice_donor_variant&intron_variant", "Splice_Site", None,
            "p.X321_splice"),
    Variant("PTEN", ("10", 87933148, "C", "T"), "stop_gained", "Nonsense_Mutation", "p.Arg130Ter", "p.R130*", 80, 110),
    Variant("STK11", ("19", 1220488, "C", "CA"), "frameshift_variant", "Frame_Shift_Ins", "p.Pro179ThrfsTer3",
            "p.P179Tfs*3", 20, 90),
    Variant("CTNNB1", ("3", 41224646, "C", "T"), "missense_variant", "Missense_Mutation", "p.Ser45Phe", "p.S45F"),
    Variant("BRAF", ("7", 140753336, "A", "T"), "missense_variant", "Missense_Mutation", "p.Val600Glu",
            "p.V600E", 35, 77),
    Variant("STAT1", ("2", 190995000, "C", "T"), "synonymous_variant", "Silent", "p.Leu407=", "p.L407="),
)  # fmt: skip


def table_text(variants=VARIANTS) -> str:
    """As a plain table."""
    lines = ["gene\tprotein_change\tconsequence\tvaf\tdepth"]
    lines += [f"{v.gene}\t{v.change or ''}\t{v.term}\t{v.alt / v.depth!r}\t{v.depth}" for v in variants]
    return "\n".join(lines) + "\n"


def maf_text(variants=VARIANTS, build: str = "GRCh38", barcode: str = "P1") -> str:
    """As MAF with a version line."""
    header = (
        "Hugo_Symbol\tNCBI_Build\tChromosome\tStart_Position\tReference_Allele\tTumor_Seq_Allele2\tVariant_Classification"
        "\tTumor_Sample_Barcode\tHGVSp_Short\tt_ref_count\tt_alt_count\tt_depth"
    )
    lines = ["#version 2.4", header]
    for v in variants:
        chrom, start, ref, alt = v.place
        cells = (v.gene, build, chrom, start, ref, alt, v.word, barcode, v.short or "", v.depth - v.alt, v.alt, v.depth)
        lines.append("\t".join(map(str, cells)))
    return "\n".join(lines) + "\n"


def csq(v: Variant, allele: str | None = None) -> str:
    """VEP's entry of a variant, beside one of a transcript that codes for nothing."""
    ref, alt = v.place[2:]
    allele = allele or (alt if len(ref) == len(alt) else alt[1:] or "-")
    change = f"ENSP00000000001.2:{v.change}".replace("=", "%3D") if v.change else ""
    other = f"{allele}|downstream_gene_variant|MODIFIER|OTHER|ENSG00000000002|Transcript|ENST2|lncRNA||||"
    entry = f"{allele}|{v.term}|HIGH|{v.gene}|ENSG00000000001|Transcript|ENST1|protein_coding|c.1A>T|{change}|YES|1"
    return f"CSQ={other},{entry}"


def ann(v: Variant) -> str:
    """SnpEff's entry of a variant."""
    alt = v.place[3]
    gene = f"{v.gene}|ENSG00000000001|transcript|ENST1|protein_coding|1/3"
    return f"ANN={alt}|{v.term}|HIGH|{gene}|c.1A>T|{v.change or ''}|||||"


def header(tag: str = "CSQ", samples: tuple[str, ...] = ("P1",), length: int = GRCH38_CHR1, extra: str = "") -> str:
    """Header of a VCF."""
    form = {
        "CSQ": f'##INFO=<ID=CSQ,Number=.,Type=String,Description="Ensembl VEP. Format: {CSQ}">',
        "ANN": "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation'\">",
        "": '##INFO=<ID=XX,Number=1,Type=String,Description="nothing">',
    }[tag]
    contigs = "".join(f"##contig=<ID={c}>\n" for c in ("2", "3", "7", "9", "10", "15", "19"))
    names = "\t".join(("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples))
    return (
        f"##fileformat=VCFv4.2\n##contig=<ID=1,length={length}>\n{contigs}{form}\n{extra}"
        '##FILTER=<ID=PASS,Description="ok">\n##FILTER=<ID=germline,Description="in the normal">\n'
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">\n'
        '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="reads">\n'
        '##FORMAT=<ID=AF,Number=A,Type=Float,Description="fraction">\n'
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="depth">\n'
        f"{names}\n"
    )


def vcf_text(variants=VARIANTS, tag: str = "CSQ", samples: tuple[str, ...] = ("P1",), tumor: str = "P1", **more) -> str:
    """As VCF; samples other than `tumor` carry no read of any variant."""
    lines = []
    for v in variants:
        chrom, start, ref, alt = v.place
        info = csq(v) if tag == "CSQ" else ann(v)
        cells = [f"0/1:{v.depth - v.alt},{v.alt}" if s == tumor else "0/0:50,0" for s in samples]
        lines.append("\t".join((chrom, str(start), ".", ref, alt, ".", "PASS", info, "GT:AD", *cells)))
    return header(tag, samples, **more) + "\n".join(lines) + "\n"


def write_patient_with(folder: Path, name: str, text: str, settings: str = "") -> Path:
    """Write a patient folder whose variants lie in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "patient.toml").write_text(f'sample = "P1"\ntumor = "melanoma"\nmutations = "{name}"\n{settings}')
    (folder / name).write_text(text)
    return folder
