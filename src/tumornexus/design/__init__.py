"""Design: which resistance nodes dominate this patient's simulated course, and which combinations follow from them.

Takes a `Twin`; gives dominant nodes (single and pairwise in-silico reversal) and a `Ranking` of regimens with tier,
reason and counter-evidence. May import: ``trial``, ``systemic`` and the layers above them.
"""

from tumornexus.design.candidates import Candidate, propose
from tumornexus.design.nodes import reverse_nodes
from tumornexus.design.ranking import Ranking, rank_combinations

__all__ = ["Candidate", "Ranking", "propose", "rank_combinations", "reverse_nodes"]
