"""Whose tissue it is: one virtual patient of a tumor type, or of a measured profile, before treatment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from tumornexus.activities import Activities, Activity
from tumornexus.errors import InputError, near_misses
from tumornexus.knowledge import Knowledge
from tumornexus.systemic.state import CLONES, State, patient_mean
from tumornexus.systemic.twin import Facts, Twin, parameterize, reverse

CANDIDATES = 32  # draws of the virtual patient, of which the typical one is taken
EXTENT = (2.5, 2.0)  # Beta distribution of the level of a mechanism that is present and was not measured
SURE = 1e5  # sum of both shapes of the Beta distribution that stands for a level set by hand

# What makes each immune phenotype, as levels of causes; nothing else of the tissue is set. States, such as a dense
# matrix, are not listed: they follow.
PHENOTYPES: dict[str, dict[str, float]] = {
    "inflamed": {
        "wnt_beta_catenin": 0.0, "cdc1_loss": 0.0, "tgf_beta": 0.0, "caf": 0.0, "cxcl12": 0.0, "solid_stress": 0.0,
        "matrix_stiffness": 0.0, "epigenetic_silencing": 0.0, "low_tmb": 0.0, "apm_loss": 0.0, "b2m_loss": 0.0,
        "ifng_pathway_defect": 0.0,
    },
    "excluded": {
        "wnt_beta_catenin": 0.0, "cdc1_loss": 0.0, "low_tmb": 0.0, "apm_loss": 0.0, "b2m_loss": 0.0,
        "tgf_beta": 0.9, "caf": 0.9, "cxcl12": 0.9,
    },
    "desert": {
        "wnt_beta_catenin": 0.95, "cdc1_loss": 0.9, "tgf_beta": 0.0, "caf": 0.0, "cxcl12": 0.0, "b2m_loss": 0.0,
    },
}  # fmt: skip


@dataclass(frozen=True)
class VirtualPatient:
    """One member: `values` (parameter,) with the effects of mechanisms, `state` with a leading axis of one."""

    tumor: str
    names: tuple[str, ...]
    values: np.ndarray
    state: State
    activities: Mapping[str, float]
    notes: tuple[str, ...]


# A mechanism set to nothing says that its clone has not taken over, so that draws where it did are not of this kind.
CLONE_OF = {"b2m_loss": "b2m_loss", "ifng_pathway_defect": "jak_loss"}
MOST_ESCAPED = 0.1  # share of cancer cells; assumed, 0.05 to 0.3


def _set(level: float) -> Activity:
    if level <= 0.0:
        return Activity(0.0, 1.0, 1.0, "measured")
    share = min(level, 1.0 - 1e-4)
    return Activity(1.0, SURE * share, SURE * (1.0 - share), "measured")


def activities_of(
    tumor: str, knowledge: Knowledge, phenotype: str | None, by_hand: Mapping[str, float], measured: Activities | None
) -> Activities:
    """Return the activities of a scenario: those measured, else the prevalence of the tumor type; then the phenotype's;
    then those set by hand.

    Raises:
        InputError: the tumor type, the phenotype or a mechanism is not known, a mechanism is a state or an outcome that
            the simulation yields by itself, or a level is not in [0, 1].
    """
    if tumor not in knowledge.tumors:
        raise InputError("no such tumor type", field="tumor", value=tumor, valid=near_misses(tumor, knowledge.tumors))
    if phenotype is not None and phenotype not in PHENOTYPES:
        raise InputError("no such phenotype", field="phenotype", value=phenotype, valid=", ".join(PHENOTYPES))
    causes = {m for m, record in knowledge.mechanisms.items() if record.kind == "cause"}
    chosen = {**(PHENOTYPES[phenotype] if phenotype else {}), **by_hand}
    for mechanism, level in chosen.items():
        if mechanism not in causes:
            known = mechanism in knowledge.mechanisms
            problem = "the simulation yields this by itself, only causes can be set" if known else "no such mechanism"
            raise InputError(problem, field="mechanisms", value=mechanism, valid=near_misses(mechanism, causes))
        if not 0.0 <= level <= 1.0:
            raise InputError("a level out of range", field=f"mechanisms.{mechanism}", value=level, valid="0 to 1")
    if measured is None:
        prevalence = knowledge.tumors[tumor].prevalence
        base = {p.mechanism: Activity(p.value, *EXTENT, "sampled") for p in prevalence}
        sample = f"tissue {tumor}"
    else:
        base, sample = dict(measured.by_mechanism), measured.sample
    return Activities(sample, tumor, base | {m: _set(level) for m, level in chosen.items()})


def virtual_patient(
    tumor: str,
    knowledge: Knowledge,
    *,
    phenotype: str | None = None,
    mechanisms: Mapping[str, float] | None = None,
    measured: Activities | None = None,
    facts: Facts | None = None,
    overrides: Mapping[str, float] | None = None,
    seed: int = 0,
    reversed_: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> VirtualPatient:
    """Return the typical one of `CANDIDATES` virtual patients: the median of CD8 T cells in the tumor.

    Mechanisms that neither the phenotype nor `mechanisms` (id to level in [0, 1]) sets are drawn by prevalence in the
    tumor type, or from `measured`. Each draw is grown without treatment to its burden at the host scale. Draws that
    have escaped by a clone whose mechanism is set to 0 are left out, unless all have. Mechanisms in `reversed_` are
    switched off from then on: the tumor is as it has grown.

    Raises:
        InputError: see `activities_of`.
        SimulationError: no draw grows to its burden.
    """
    activities = activities_of(tumor, knowledge, phenotype, mechanisms or {}, measured)
    twin = parameterize(
        activities, knowledge, facts=facts, overrides=overrides, n_draws=CANDIDATES, seed=seed, progress=progress
    )
    cells = patient_mean(twin.state)
    cd8 = np.asarray(cells.cd8_progenitor + cells.cd8_effector + cells.cd8_terminal)
    order = np.argsort(cd8, kind="stable")
    weights = twin.weights * ~_escaped(twin, activities)
    cumulated = np.cumsum((weights if weights.any() else twin.weights)[order])
    i = int(order[np.searchsorted(cumulated, 0.5 * cumulated[-1])])
    if reversed_:
        twin = reverse(twin, knowledge, reversed_)
    drawn = {name: float(level[i]) for name, level in twin.activities.items() if level[i] > 0.0}
    return VirtualPatient(
        tumor=tumor,
        names=twin.names,
        values=twin.values[i],
        state=jax.tree.map(lambda x: np.asarray(x)[i : i + 1], twin.state),
        activities=drawn,
        notes=twin.notes,
    )


def _escaped(twin: Twin, activities: Activities) -> np.ndarray:
    """Return the draws (draw,) in which a clone prevails whose mechanism is known to be absent."""
    cells = np.asarray(twin.state.cancer) + np.asarray(twin.state.persister)  # (draw, clone, lesion)
    of_clone = cells.sum(-1) / np.maximum(cells.sum((1, 2)), 1e-12)[:, None]
    found = np.zeros(len(of_clone), bool)
    for mechanism, clone in CLONE_OF.items():
        known = activities.by_mechanism.get(mechanism)
        if known is not None and known.origin == "measured" and known.presence == 0.0:
            found |= of_clone[:, CLONES.index(clone)] > MOST_ESCAPED
    return found
