"""Write the signature matrix of the deconvolution, with approved gene symbols.

    python scripts/build_til10.py QUANTISEQ_REPOSITORY [--out src/tumornexus/profile/data/til10.tsv]

QUANTISEQ_REPOSITORY is a checkout of icbi-lab/quanTIseq on GitHub (BSD 3-clause, `quantiseq/LICENSE.txt`). Read are
TIL10_signature.txt (170 genes, ten immune cell types, TPM), TIL10_mRNA_scaling.txt (RNA content of a cell),
TIL10_rmgenes.txt (genes that the authors leave out for RNA-seq) and TIL10_TCGA_aberrant_immune_genes.txt (genes that
tumor cells express). Both lists are left out here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from tumornexus.io.write import write_text
from tumornexus.knowledge import load_knowledge

FOLDER = Path("quantiseq") / "deconvolution"
HEADER = """\
# Signature matrix TIL10 (TPM of ten immune cell types; row mrna_content: RNA content of a cell, relative), approved
# gene symbols, {n} genes: those left out by the authors for RNA-seq and for tumors ({dropped}) are not here. Written by
# scripts/build_til10.py from icbi-lab/quanTIseq. Finotello et al. 2019, Genome Medicine 11:34,
# doi:10.1186/s13073-019-0638-6. Its license:
"""


def main() -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    default = Path(__file__).resolve().parents[1] / "src" / "tumornexus" / "profile" / "data" / "til10.tsv"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    folder = options.repository / FOLDER
    genes = load_knowledge().genes
    signature = pd.read_csv(folder / "TIL10_signature.txt", sep="\t", index_col=0)
    content = pd.read_csv(folder / "TIL10_mRNA_scaling.txt", sep="\t", index_col=0, header=None).iloc[:, 0]
    lists = ("TIL10_rmgenes.txt", "TIL10_TCGA_aberrant_immune_genes.txt")
    left_out = {line.strip() for name in lists for line in (folder / name).read_text().splitlines() if line.strip()}
    kept = signature.loc[[g for g in signature.index if g not in left_out]]
    kept.index = pd.Index([genes.approved(str(g)) or str(g) for g in kept.index], name="gene")
    if kept.index.has_duplicates:
        raise SystemExit("two genes of the signature share an approved symbol")
    license_text = (options.repository / "quantiseq" / "LICENSE.txt").read_text(encoding="utf-8").strip()
    table = pd.concat([content[list(signature.columns)].to_frame("mrna_content").T, kept.sort_index()])
    table.index.name = "gene"
    text = HEADER.format(n=len(kept), dropped=len(signature) - len(kept))
    text += "".join(f"# {line}".rstrip() + "\n" for line in license_text.splitlines())
    write_text(options.out, text + table.to_csv(sep="\t", float_format="%.6g", lineterminator="\n"))
    print(f"{options.out}: {len(kept)} genes, {len(signature) - len(kept)} left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
