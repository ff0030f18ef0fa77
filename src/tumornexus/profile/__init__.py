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
from tumornexus.profile.single_cell import CellProfile, profile_single_cells, score_cells
from tumornexus.profile.slide import SlideProfile, profile_slide, score_slide
from tumornexus.profile.spots import SpotProfile, profile_spots, score_spots

__all__ = [
    "Barrier",
    "CellProfile",
    "Evidence",
    "IcbScore",
    "Profile",
    "Reference",
    "SlideProfile",
    "SpotProfile",
    "load_reference",
    "profile_cohort",
    "profile_patient",
    "profile_single_cells",
    "profile_slide",
    "profile_spots",
    "score_cells",
    "score_slide",
    "score_spots",
    "ssgsea",
    "write_profiles",
]
