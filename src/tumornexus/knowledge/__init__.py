"""What is known: mechanisms, therapies, drugs, tumors, trials and numbers, as typed records read from TOML.

Takes: the files under ``knowledge/data`` and, if the user names one, a folder of further records of the same layout.
Gives: `Knowledge`, an immutable catalogue with look-up by id or alias; its meaning checks
(`tumornexus.knowledge.check`), the claimed network (`tumornexus.knowledge.network`), explanations
(`tumornexus.knowledge.explain`) and regimen strings (`tumornexus.knowledge.regimen`).
May import: `errors`, `activities`, `units`, `provenance`. It never imports JAX, pandas, AnnData or, at import,
matplotlib.
"""

from tumornexus.knowledge.genes import GeneTable
from tumornexus.knowledge.load import DATA, Knowledge, form_problems, load_knowledge
from tumornexus.knowledge.regimen import Regimen, parse_regimen

__all__ = ["DATA", "GeneTable", "Knowledge", "Regimen", "form_problems", "load_knowledge", "parse_regimen"]
