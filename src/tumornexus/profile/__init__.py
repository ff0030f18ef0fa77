"""From what was measured in a patient to which resistance mechanisms are active, and how sure that is.

Takes a `Patient` (io) and the mechanism records (knowledge); gives a `Profile`: activities with evidence, immune
phenotype, barriers along the cancer-immunity cycle and a statistical response score. Each sample is scored by itself
against a frozen reference, so it gets the same numbers alone and in a cohort. May import errors, activities,
provenance, knowledge and io, never a simulator.
"""

from tumornexus.profile.profile import (
    Barrier,
    Evidence,
    IcbScore,
    Profile,
    profile_cohort,
    profile_patient,
    write_profiles,
)
from tumornexus.profile.reference import Reference, load_reference
from tumornexus.profile.scores import ssgsea

__all__ = [
    "Barrier",
    "Evidence",
    "IcbScore",
    "Profile",
    "Reference",
    "load_reference",
    "profile_cohort",
    "profile_patient",
    "ssgsea",
    "write_profiles",
]
