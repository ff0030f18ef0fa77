"""tumornexus: which resistance mechanisms matter in this tumor, and what rational combinations would do.

The public names, in the order in which the pipeline uses them. Reading this list is reading the table of contents;
`tumornexus.pipeline` tells the same story in one page. Names are looked up on first use, so that ``import
tumornexus`` costs milliseconds and measuring a tumor never loads a simulator.

Research use only: nothing here advises anybody's treatment.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that type checkers and editors see what `__getattr__` finds
    from tumornexus.design import rank_combinations, reverse_nodes
    from tumornexus.io import read_cohort, read_patient
    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.regimen import parse_regimen
    from tumornexus.pipeline import run
    from tumornexus.profile import profile_cohort, profile_patient
    from tumornexus.report import render_report
    from tumornexus.systemic import parameterize, simulate

__version__ = "0.1.0"

# Public name to the module that defines it, in pipeline order.
PUBLIC: dict[str, str] = {
    "load_knowledge": "tumornexus.knowledge",
    "read_cohort": "tumornexus.io",
    "read_patient": "tumornexus.io",
    "profile_patient": "tumornexus.profile",
    "profile_cohort": "tumornexus.profile",
    "parse_regimen": "tumornexus.knowledge.regimen",
    "parameterize": "tumornexus.systemic",
    "simulate": "tumornexus.systemic",
    "reverse_nodes": "tumornexus.design",
    "rank_combinations": "tumornexus.design",
    "render_report": "tumornexus.report",
    "run": "tumornexus.pipeline",
}

__all__ = [  # noqa: RUF022  pipeline order is the point of this list
    "load_knowledge",
    "read_cohort",
    "read_patient",
    "profile_patient",
    "profile_cohort",
    "parse_regimen",
    "parameterize",
    "simulate",
    "reverse_nodes",
    "rank_combinations",
    "render_report",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562) and keep it."""
    if name not in PUBLIC:
        raise AttributeError(f"module 'tumornexus' has no attribute {name!r}; public names: {', '.join(PUBLIC)}")
    value = getattr(importlib.import_module(PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *PUBLIC})
