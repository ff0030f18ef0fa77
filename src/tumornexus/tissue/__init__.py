"""The tissue scale: a lattice of cells with reaction-diffusion fields, vessels and matrix.

Its cells obey the rate laws of ``biology``, evaluated at every place of the lattice; what needs space (moves, pushing,
chemotaxis, diffusion) lives here. The host around it is that of ``systemic``. May import: ``biology``, ``systemic`` and
the layers above them; never ``io`` or ``profile``.
"""
