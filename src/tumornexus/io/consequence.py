"""What a variant does to the protein: consequence words and protein changes in one vocabulary.

Three vocabularies are understood: Sequence Ontology terms as the Variant Effect Predictor and SnpEff write them
(``stop_gained``), the words of mutation annotation tables (``Nonsense_Mutation``), and targeted-panel reports
(``known_short``). Each variant gets one of `CLASSES` and a protein change in one-letter spelling (``V600E``).
"""

from __future__ import annotations

import re

CLASSES = ("truncating", "missense", "splice", "amplification", "deletion", "silent", "other")

_THREE = {
    "Ala": "A",
    "Arg": "R",
    "Asn": "N",
    "Asp": "D",
    "Cys": "C",
    "Gln": "Q",
    "Glu": "E",
    "Gly": "G",
    "His": "H",
    "Ile": "I",
    "Leu": "L",
    "Lys": "K",
    "Met": "M",
    "Phe": "F",
    "Pro": "P",
    "Ser": "S",
    "Thr": "T",
    "Trp": "W",
    "Tyr": "Y",
    "Val": "V",
    "Ter": "*",
    "Sec": "U",
    "Xaa": "X",
}
_THREE_PATTERN = re.compile("|".join(_THREE))
# Most damaging first: a variant with several terms takes the first class that any of its terms has.
_TERMS: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "truncating",
        frozenset(
            [
                "stop_gained",
                "frameshift_variant",
                "frameshift",
                "start_lost",
                "stop_gain",
                "nonsense",
                "nonsense_mutation",
                "frame_shift_del",
                "frame_shift_ins",
                "frame_shift",
                "translation_start_site",
                "start_codon_snp",
                "transcript_ablation",
                "exon_loss_variant",
                "de_novo_start_outofframe",
            ]
        ),
    ),
    (
        "splice",
        frozenset(
            [
                "splice_acceptor_variant",
                "splice_donor_variant",
                "splice_site",
                "splice",
                "essential_splice",
                "splice_site_snp",
            ]
        ),
    ),
    (
        "missense",
        frozenset(
            [
                "missense_variant",
                "missense",
                "missense_mutation",
                "inframe_deletion",
                "inframe_insertion",
                "conservative_inframe_deletion",
                "conservative_inframe_insertion",
                "disruptive_inframe_deletion",
                "disruptive_inframe_insertion",
                "rare_amino_acid_variant",
                "in_frame_del",
                "in_frame_ins",
                "insertion",
                "deletion",
                "inframe_indel",
                "stop_lost",
                "nonstop",
                "nonstop_mutation",
                "protein_altering_variant",
            ]
        ),
    ),
    ("amplification", frozenset(["amplification", "amp", "gain"])),
    ("deletion", frozenset(["deep_deletion", "homdel", "loss", "homozygous_deletion"])),
)
# No change of the protein is expected: the effects that VEP and SnpEff rate LOW or MODIFIER, and their MAF names.
_SILENT = frozenset(
    [
        "synonymous_variant", "synonymous", "silent", "start_retained_variant", "stop_retained_variant",
        "incomplete_terminal_codon_variant", "initiator_codon_variant", "mature_mirna_variant", "intron_variant",
        "intron", "intragenic_variant", "intergenic_variant", "intergenic_region", "igr", "rna", "lincrna",
        "non_coding_transcript_variant", "non_coding_transcript_exon_variant", "nmd_transcript_variant",
        "upstream_gene_variant", "downstream_gene_variant", "5'flank", "3'flank", "5'utr", "3'utr",
        "5_prime_utr_variant", "3_prime_utr_variant", "5_prime_utr_premature_start_codon_gain_variant",
        "regulatory_region_variant", "tf_binding_site_variant", "splice_region_variant", "splice_region",
        "splice_polypyrimidine_tract_variant", "splice_donor_region_variant", "splice_donor_5th_base_variant",
    ]
)  # fmt: skip
# Words that say only that a variant exists; the protein change decides, and without it the class is "other".
_UNSPECIFIC = frozenset(
    {
        "known_short",
        "likely_short",
        "coding (missense/other)",
        "unannotated in source",
        "short_variant",
        "unknown",
        "other",
    }
)


def one_letter(change: str | None) -> str | None:
    """Spell a protein change in one-letter residues, no prefix: ``p.Val600Glu`` and ``p.V600E`` give ``V600E``."""
    if change is None:
        return None
    text = str(change).strip()
    # VEP writes the protein before the change and escapes what VCF reserves: ENSP00000288602.6:p.Leu597%3D.
    text = text.rpartition(":p.")[2].replace("%3D", "=") if ":p." in text else text.replace("%3D", "=")
    text = text[2:] if text.startswith("p.") else text
    text = text.strip("()")
    text = _THREE_PATTERN.sub(lambda m: _THREE[m.group(0)], text)
    return text or None


def class_of_change(change: str | None) -> str | None:
    """Tell the class from a one-letter protein change alone, or None where it does not say."""
    if change is None:
        return None
    if "splice" in change.lower():
        return "splice"
    if re.fullmatch(r"([A-Z*])\d+(\1|=)", change):
        return "silent"
    if "fs" in change or "*" in change.lstrip("*"):
        return "truncating"
    if re.fullmatch(r"M1[^0-9].*", change):
        return "truncating"
    if re.search(r"[A-Z]\d+[A-Z]$", change) or "del" in change or "ins" in change or "dup" in change:
        return "missense"
    return None


def classify(consequence: str | None, change: str | None) -> str:
    """Give the class of one variant from its consequence word(s) and its one-letter protein change."""
    terms = [t.strip().lower().replace(" ", "_") for t in re.split(r"[&,;]", consequence or "") if t.strip()]
    whole = (consequence or "").strip().lower()
    if whole not in _UNSPECIFIC:
        for name, words in _TERMS:
            if any(t in words for t in terms):
                # A splice-site word on a coding substitution (P329S beside a junction) says less than the stop it
                # makes.
                if name == "splice" and class_of_change(change) == "truncating":
                    return "truncating"
                return name
        if terms and all(t in _SILENT for t in terms):
            return "silent"
    return class_of_change(change) or "other"


def without_splice_residue(change: str | None) -> str | None:
    """Drop the residue next to a splice site (``X150_splice``), which only MAF names, so that all formats agree."""
    return None if change is None or re.fullmatch(r"X\d+_splice", change) else change
