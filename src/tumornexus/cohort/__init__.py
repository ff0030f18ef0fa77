"""What the profiles of many patients say about response and survival, cohort by cohort.

Takes tables with one row a patient (activities or any other score, response, follow-up) and gives association tables,
meta-analyses over cohorts, discrimination and calibration with intervals, and figures. Cohorts are never poured into
one pot: each comparison is made within a cohort and then pooled. Randomized arms have modules of their own
(`interaction`, `rmst`, `landmark`, `competing`, `decision`), and so has the command ``tumornexus cohort`` (`outcomes`,
`study`, `study_report`). May import errors, knowledge, io and profile, never a simulator. Survival models come from
lifelines.
"""

from tumornexus.cohort.association import (
    associate_response,
    associate_survival,
    benjamini_hochberg,
    pool_associations,
)
from tumornexus.cohort.auc import PooledAuc, auc, auc_interval, pooled_auc, pooled_difference
from tumornexus.cohort.calibration import Calibration, calibration
from tumornexus.cohort.meta import Pooled, random_effects
from tumornexus.cohort.published import PublishedScore, published_scores, score_cohort
from tumornexus.cohort.survival import Concordance, concordance, concordance_difference, hazard_ratio

__all__ = [
    "Calibration",
    "Concordance",
    "Pooled",
    "PooledAuc",
    "PublishedScore",
    "associate_response",
    "associate_survival",
    "auc",
    "auc_interval",
    "benjamini_hochberg",
    "calibration",
    "concordance",
    "concordance_difference",
    "hazard_ratio",
    "pool_associations",
    "pooled_auc",
    "pooled_difference",
    "published_scores",
    "random_effects",
    "score_cohort",
]
