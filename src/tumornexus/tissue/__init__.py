<<<<<<< HEAD
"""The tissue scale: a lattice of cells with reaction-diffusion fields, vessels and matrix.

Its cells obey the rate laws of ``biology``, evaluated at every place of the lattice; what needs space (moves, pushing,
chemotaxis, diffusion) lives here. The host around it is that of ``systemic``. May import: ``biology``, ``systemic`` and
the layers above them; never ``io`` or ``profile``.
=======
"""The tissue scale: cells on a lattice, fields, vessels and matrix, one pure step.

Takes a rule, a profile or a slide and gives back tissues in time. May import errors, activities, units, provenance,
spatial, knowledge, biology and systemic; never io or profile.
>>>>>>> 61bf5393dc4fff2b57df94054d871ee9d009b1a1
"""
