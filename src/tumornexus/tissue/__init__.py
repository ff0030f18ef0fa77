"""The tissue scale: cells on a lattice with the fields around them, from the same rate laws as the host scale.

May import: ``systemic``, ``biology`` and the layers above them; never ``io`` or ``profile``.
"""
