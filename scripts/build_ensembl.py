"""Rebuild ``io/data/ensembl.tsv.gz`` and ``io/data/gene_places.tsv``: Ensembl gene ids and where genes lie.

Both are facts of Ensembl, which puts no restriction on their use. They were taken from the tables ``grch38`` and
``grch37`` (Ensembl 109) that the R package annotables 0.2.0 compiles with BioMart (repository stephenturner/annotables,
commit d2e86c7e2ca0), each exported to tab-separated text with the columns ``ensgene, symbol, chr, start, end,
biotype``.

* ``ensembl.tsv.gz``: every id whose symbol leads to an approved one of ``knowledge/data/genes.tsv``, with those ids of
  GRCh37 that GRCh38 no longer has.
* ``gene_places.tsv``: chromosome, first and last base (1-based, inclusive) on both builds of the genes that mutation
  and copy-number biomarkers of the catalogue name, on primary chromosomes only.

    python scripts/build_ensembl.py --grch38 grch38.tsv --grch37 grch37.tsv
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import pandas as pd

from tumornexus.io import ensembl
from tumornexus.knowledge import load_knowledge

CHROMOSOMES = {*map(str, range(1, 23)), "X", "Y", "MT"}


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grch38", type=Path, required=True)
    parser.add_argument("--grch37", type=Path, required=True)
    arguments = parser.parse_args()
    knowledge = load_knowledge()
    tables = {
        "GRCh38": pd.read_csv(arguments.grch38, sep="\t", dtype={"chr": str}, keep_default_na=False),
        "GRCh37": pd.read_csv(arguments.grch37, sep="\t", dtype={"chr": str}, keep_default_na=False),
    }
    symbols: dict[str, str] = {}
    for table in tables.values():
        for gene_id, symbol in zip(table["ensgene"], table["symbol"], strict=True):
            approved = knowledge.genes.approved(symbol) if symbol else None
            if approved and gene_id.startswith("ENSG"):
                symbols.setdefault(gene_id, approved)
    text = "".join(f"{gene_id}\t{symbols[gene_id]}\n" for gene_id in sorted(symbols))
    ensembl.IDS.write_bytes(gzip.compress(("gene_id\tsymbol\n" + text).encode(), mtime=0))

    wanted = sorted(
        {
            gene
            for mechanism in knowledge.mechanisms.values()
            for biomarker in mechanism.biomarker
            if biomarker.input in ("mutation", "copy_number")
            for gene in (*biomarker.genes, *(c.rpartition(":")[0] for c in biomarker.changes))
            if gene
        }
    )
    lines = [
        "# Places of genes on primary chromosomes, 1-based, inclusive. Source: Ensembl 109, through",
        "# annotables 0.2.0 (commit d2e86c7e2ca0). Rebuilt by scripts/build_ensembl.py.",
        "gene\tbuild\tchromosome\tstart\tend",
    ]
    for build, table in tables.items():
        table = table[table["chr"].isin(CHROMOSOMES)]
        table = table.assign(gene=[knowledge.genes.approved(s) if s else None for s in table["symbol"]])
        for gene in wanted:
            rows = table[(table["gene"] == gene) & (table["biotype"] == "protein_coding")].drop_duplicates("ensgene")
            if rows["chr"].nunique() != 1:
                raise SystemExit(f"{gene} is on {rows['chr'].nunique()} chromosomes of {build}")
            lines.append(f"{gene}\t{build}\t{rows['chr'].iloc[0]}\t{rows['start'].min()}\t{rows['end'].max()}")
    ensembl.PLACES.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(symbols)} ids, {len(wanted)} genes")


if __name__ == "__main__":
    main()
