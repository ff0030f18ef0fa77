"""Endpoints of simulated patients: RECIST 1.1 response, progression and toxicity.

Takes trajectories of `systemic`; gives outcomes per member and arm. May import: ``systemic`` and the layers above it,
``io`` and ``profile``. Virtual populations, measurement error and trial designs build on this.
"""
