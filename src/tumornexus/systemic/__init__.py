"""The host scale: tumor, lymph node, blood and gut as compartments, integrated for ensembles of virtual patients.

Takes parameters drawn from `Activities` and the knowledge base, and regimens as dose tables; gives `Trajectories`
(xarray) with a status for each trajectory. May import: ``biology`` and the layers above it; never ``io`` or
``profile``.
"""

from tumornexus.systemic.ensemble import simulate, simulate_twins
from tumornexus.systemic.treatment import Treatment, prepare
from tumornexus.systemic.twin import Facts, Twin, parameterize, reverse

__all__ = ["Facts", "Treatment", "Twin", "parameterize", "prepare", "reverse", "simulate", "simulate_twins"]
