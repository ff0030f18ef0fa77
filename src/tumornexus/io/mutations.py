"""Somatic variants in one vocabulary.

Three are understood: Sequence Ontology terms as the Variant Effect Predictor writes them (``stop_gained``), the words
of mutation annotation tables (``Nonsense``), and targeted-panel reports (``known_short`` with
``c.1396G>T_p.E466*(0.42,220)``). Each variant gets a class and a protein change in one-letter spelling (``V600E``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.io.expression import Genes
from tumornexus.io.tables import read_text_table

CLASSES = ("truncating", "missense", "splice", "amplification", "deletion", "other")
COLUMNS = ("gene", "variant_class", "protein_change", "vaf", "depth", "copies", "known", "consequence")

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
_PANEL = re.compile(r"^(?:c\.(?P<c>.+?)_)?(?:p\.)?(?P<p>.+?)\((?P<vaf>[0-9.]+),\s*(?P<depth>\d+)\)$")
_COPIES = re.compile(r"^(amplification|loss|gain|deletion)\((?P<copies>\d+(?:\.\d+)?)")

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
    return class_of_change(change) or "other"


def _panel_parts(alteration: str) -> list[dict[str, object]]:
    """Take a targeted-panel alteration string apart; several variants are separated by ``; ``."""
    parts: list[dict[str, object]] = []
    for piece in (p.strip() for p in alteration.split(";")):
        if match := _COPIES.match(piece):
            parts.append({"copies": float(match["copies"])})
        elif match := _PANEL.match(piece):
            change = match["p"]
            parts.append(
                {"protein_change": one_letter(change), "vaf": float(match["vaf"]), "depth": float(match["depth"])}
            )
    return parts


def _strip_cdna(change: str | None) -> str | None:
    """Drop a leading coding change: ``c.1396G>T_p.E466*`` gives ``E466*``."""
    if change is None:
        return None
    text = change.split("_p.", 1)[1] if "_p." in change else change
    if text.startswith("c."):
        return None
    return one_letter(text)


def read_mutations(
    path: Path, genes: Genes, samples: Iterable[str] | None = None, default_sample: str | None = None
) -> tuple[pd.DataFrame, str, list[str]]:
    """Read a mutation table.

    Returns the variants with columns sample, patient and `COLUMNS`; the assay (``"panel"`` where the vocabulary is
    that of a targeted report, else ``"exome"``); and notes. `vaf` is a fraction in [0, 1], `depth` reads, `copies`
    gene copies, `known` says that the source itself marks the variant as functional. Raises `InputError` for missing
    columns, a table without consequence and protein change, or numbers that are not.
    """
    table = read_text_table(path, required=["gene"] if default_sample is not None else ["sample", "gene"])
    if "consequence" not in table.columns and "protein_change" not in table.columns:
        raise InputError(
            "a mutation table needs the kind of variant",
            file=path,
            field="consequence",
            valid="columns consequence and protein_change",
        )
    if default_sample is not None and "sample" not in table.columns:
        table["sample"] = default_sample
    # The words of the whole table tell the assay, so that one sample is read alone as it is read in its table.
    panel = "alteration" in table.columns or (
        "consequence" in table.columns and bool(table["consequence"].isin(["known_short", "likely_short"]).any())
    )
    if samples is not None:
        table = table[table["sample"].isin(set(samples))]
    words = table["consequence"] if "consequence" in table.columns else pd.Series(None, index=table.index, dtype=object)
    changes = (
        table["protein_change"]
        if "protein_change" in table.columns
        else pd.Series(None, index=table.index, dtype=object)
    )
    vaf = _numbers(table, ("vaf", "t_vaf", "VAF", "tumor_f"), path)
    depth = _numbers(table, ("depth", "t_depth"), path)
    if np.any(vaf > 1.0) or np.any(vaf < 0.0):
        bad = vaf[(vaf > 1.0) | (vaf < 0.0)][0]
        raise InputError(
            "a variant allele fraction outside 0 to 1", file=path, field="vaf", value=float(bad), valid="0 to 1"
        )
    approved: dict[str, str] = {g: genes.approved(g) or g for g in table["gene"].dropna().unique()}
    rows: list[tuple[object, ...]] = []
    alterations = table["alteration"] if "alteration" in table.columns else [None] * len(table)
    patients = table["patient"] if "patient" in table.columns else table["sample"]
    for sample, patient, gene, word, change, alteration, fraction, reads in zip(
        table["sample"], patients, table["gene"], words, changes, alterations, vaf, depth, strict=True
    ):
        if gene is None:
            continue
        word = None if word is None or word != word else word
        change = None if change is None or change != change else change
        lowered = (word or "").lower()
        if panel and lowered in {"amplification", "gain", "deletion", "loss"}:
            parts = _panel_parts(alteration) if isinstance(alteration, str) else []
            copies = min((float(p["copies"]) for p in parts if "copies" in p), default=np.nan)  # type: ignore[arg-type]
            kind = "deletion" if lowered in {"deletion", "loss"} else "amplification"
            rows.append((sample, patient, approved[gene], kind, None, np.nan, np.nan, copies, lowered != "gain", word))
            continue
        parts = [p for p in _panel_parts(alteration) if "vaf" in p] if isinstance(alteration, str) else []
        if parts:
            rows += [
                (
                    sample,
                    patient,
                    approved[gene],
                    classify(word, p["protein_change"]),
                    p["protein_change"],  # type: ignore[arg-type]
                    p["vaf"],
                    p["depth"],
                    np.nan,
                    True,
                    word,
                )
                for p in parts
            ]
            continue
        spelled = _strip_cdna(change)
        rows.append(
            (
                sample,
                patient,
                approved[gene],
                classify(word, spelled),
                spelled,
                fraction,
                reads,
                np.nan,
                lowered == "known_short",
                word,
            )
        )
    result = pd.DataFrame(rows, columns=["sample", "patient", *COLUMNS])
    for column in ("vaf", "depth", "copies"):
        result[column] = result[column].astype(float)
    notes = []
    unclear = int((result["variant_class"] == "other").sum())
    if unclear:
        notes.append(
            f"{unclear} of {len(result)} variants have no readable consequence and count neither for nor against a gene"
        )
    if panel:
        notes.append("mutations come from a targeted panel: a gene without a variant may not have been sequenced")
    return result, "panel" if panel else "exome", notes


def _numbers(table: pd.DataFrame, names: tuple[str, ...], path: Path) -> np.ndarray:
    """Read the first of several possible numeric columns, NaN where absent."""
    for name in names:
        if name in table.columns:
            column = table[name]
            numbers = pd.to_numeric(column, errors="coerce")
            bad = column.notna() & numbers.isna()
            if bad.any():
                raise InputError(
                    "text where a number belongs",
                    file=path,
                    field=name,
                    value=column[bad].iloc[0],
                    valid="a number or an empty cell",
                )
            return numbers.to_numpy(dtype=float)
    return np.full(len(table), np.nan)


def read_copy_number(
    path: Path, genes: Genes, keys: Iterable[str] | None = None, default_sample: str | None = None
) -> pd.DataFrame:
    """Read gene-level copy-number calls: columns sample (or patient), gene, call ("amplification" or "deletion"),
    copies.

    Amplification and deletion words of any case are understood in a column ``cna`` (or ``call``); absolute copies in a
    column ``copies`` where the source gives them. `deep` is True only where copies say so (at most 0.5), because
    published tables mix one-copy losses with deep deletions.
    """
    table = read_text_table(path, required=["gene"])
    key = "sample" if "sample" in table.columns else "patient"
    if key not in table.columns:
        if default_sample is None:
            raise InputError(
                "a copy-number table needs a sample or patient column",
                file=path,
                field="sample",
                valid="a column sample",
            )
        table["sample"], key = default_sample, "sample"
    word = next((c for c in ("cna", "call", "copy_number_call") if c in table.columns), None)
    if word is None and "copies" not in table.columns:
        raise InputError(
            "a copy-number table needs calls",
            file=path,
            field="cna",
            valid="a column cna (Amplification, Deletion) or copies",
        )
    if keys is not None:
        table = table[table[key].isin(set(keys))]
    copies = _numbers(table, ("copies", "copy_number"), path)
    lowered = table[word].str.lower() if word else pd.Series("", index=table.index)
    call = np.where(
        lowered.str.startswith("amp") | lowered.eq("gain"),
        "amplification",
        np.where(lowered.str.startswith("del") | lowered.isin(["loss", "homdel"]), "deletion", ""),
    )
    call = np.where(
        (call == "") & (copies <= 0.5), "deletion", np.where((call == "") & (copies >= 6), "amplification", call)
    )
    result = pd.DataFrame(
        {
            "key": table[key].to_numpy(),
            "gene": [genes.approved(g) or g for g in table["gene"]],
            "call": call,
            "copies": copies,
        }
    )
    result["deep"] = (result["copies"] <= 0.5) | lowered.eq("homdel").to_numpy()
    return result[result["call"] != ""].reset_index(drop=True)
