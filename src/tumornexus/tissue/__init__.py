"""The tissue scale: cells on a lattice, fields, vessels and matrix, one pure step.

Takes a rule, a profile or a slide and gives back tissues in time. May import errors, activities, units, provenance,
spatial, knowledge, biology and systemic; never io or profile.
"""
