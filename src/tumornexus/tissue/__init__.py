"""The tissue scale: a lattice of cells, fields, vessels and matrix, advanced by one pure step.

One code for two and three dimensions. Rates come from ``biology``; only what needs space (moving, pushing, diffusion)
is written here. May import: ``biology``, ``systemic`` and the layers above them; never ``io`` or ``profile``.
"""
