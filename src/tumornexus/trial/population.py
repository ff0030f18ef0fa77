"""Virtual patients of a tumor type as a trial meets them: mechanisms, body, biomarkers, burden.

Mechanisms are drawn by their prevalence in the tumor type, correlated along the network that the records claim. What a
trial selects on (PD-L1 staining, mutation load, performance status) is an imperfect reading of what the simulator
holds, so that a biomarker predicts only as far as its biology does.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
import pandas as pd
from scipy.special import betaincinv, ndtr, ndtri

from tumornexus.activities import named_generator
from tumornexus.errors import SimulationError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.records import Tumor
from tumornexus.profile.fusion import LEVEL_PRIOR
from tumornexus.systemic.calibration import shift
from tumornexus.systemic.solver import Lesions, grow
from tumornexus.systemic.state import State, patient_mean
from tumornexus.systemic.twin import (
    apply_effects,
    bounded_mask,
    draw_bare,
    draw_burden,
    draw_effects,
    draw_lesions,
    parameter_names,
)

# Correlation of the latent scales of two mechanisms of which one drives the other. Assumed: correlations between
# pathway and cell scores within a tumor type are mostly 0.2 to 0.5.
NETWORK_CORRELATION = 0.3
# Correlation of a biopsy's PD-L1 score with the tumor's mean PD-L1, and of counted mutations with antigenicity, on
# normal scales. Assumed: one slide of one lesion, and mutations are only the raw material of antigens.
PDL1_CORRELATION = 0.7
TMB_CORRELATION = 0.6
# Of PD-L1-positive lung cancers 42 % score 50 % or more (22 of 52 %: Dietel 2019, Lung Cancer 134:174). With a uniform
# u the score 1 + 99 u^k meets that for k = ln(49 / 99) / ln(0.58); other tumor types are assumed to be alike.
PDL1_POWER = float(np.log(49.0 / 99.0) / np.log(0.58))
# Participants of registration trials in advanced cancer: median near 62 years, nine in ten between 43 and 81; six in
# ten men where both sexes fall ill; ECOG 0 in half, 2 in few. From memory of their baseline tables, assumed for all.
AGE_MEAN, AGE_SD, AGE_LOW, AGE_HIGH = 62.0, 11.5, 18.0, 92.0
MALE_SHARE = {"prostate": 1.0, "tnbc": 0.01}
MALE_DEFAULT = 0.6
ECOG_SHARES = (0.5, 0.45, 0.05)
ECOG_BURDEN_CORRELATION = 0.3
LDH_BURDEN_POWER, LDH_GLYCOLYSIS, LDH_SD_LOG, LDH_MEDIAN = 0.25, 0.4, 0.3, 0.75


@dataclass(frozen=True)
class Patients:
    """Virtual patients, member axis first.

    Attributes:
        tumor: tumor id.
        names, values: parameters (member, parameter), with the effects of mechanisms.
        state: at the start of treatment.
        lesions: shares and factors of the lesions.
        luck: seed of chance in small clones, (member,), shared by all arms.
        activities: mechanism to activity in [0, 1], (member,).
        facts: a row a member: age (years), sex, ecog, ldh_ratio (over the upper limit of normal), pd_l1 (percent), tmb
            (per megabase), msi_high, braf_v600, volume_ml.
    """

    tumor: str
    names: tuple[str, ...]
    values: np.ndarray
    state: State
    lesions: Lesions
    luck: np.ndarray
    activities: Mapping[str, np.ndarray]
    facts: pd.DataFrame
    drawn: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: np.ndarray) -> Patients:
        import jax

        return Patients(
            self.tumor, self.names, self.values[index], jax.tree.map(lambda x: np.asarray(x)[index], self.state),
            self.lesions[index], self.luck[index], {m: a[index] for m, a in self.activities.items()},
            self.facts.iloc[index].reset_index(drop=True), self.drawn[index],
        )  # fmt: skip


@functools.lru_cache(maxsize=8)
def _network(edges: tuple[tuple[str, str, int], ...], mechanisms: tuple[str, ...]) -> np.ndarray:
    """Return a matrix (mechanism, source) whose rows have length 1 and whose products are the correlations."""
    index = {m: i for i, m in enumerate(mechanisms)}
    wanted = np.eye(len(mechanisms))
    for source, target, sign in edges:
        i, j = index[source], index[target]
        wanted[i, j] = wanted[j, i] = sign * NETWORK_CORRELATION
    # The nearest that can be: negative eigenvalues cut, rows scaled back to length one.
    size, vectors = np.linalg.eigh(wanted)
    root = vectors * np.sqrt(np.clip(size, 1e-6, None))
    return root / np.linalg.norm(root, axis=1, keepdims=True)


def draw_mechanisms(knowledge: Knowledge, tumor: Tumor, n: int, seed: int, address: str) -> dict[str, np.ndarray]:
    """Draw activities of the causes of a tumor type, mechanism to (member,) in [0, 1].

    A cause is present where a latent standard normal exceeds the quantile of its prevalence; latent scales of causes
    that the records connect (`drives`) correlate by `NETWORK_CORRELATION`, with the sign of the claim. Given presence
    the extent follows the prior of profiles.
    """
    causes = {m for m, record in knowledge.mechanisms.items() if record.kind == "cause"}
    share = {p.mechanism: p.value for p in tumor.prevalence if p.mechanism in causes}
    names = tuple(share)
    edges = tuple(
        (m, d.target, 1 if d.sign == "+" else -1)
        for m in names for d in knowledge.mechanisms[m].drives if d.target in share and d.target != m
    )  # fmt: skip
    own = np.stack([named_generator(seed, "mechanism", address, m).standard_normal(n) for m in names])
    latent = _network(edges, names) @ own
    out = {}
    for m, z in zip(names, latent, strict=True):
        u = named_generator(seed, "extent", address, m).random(n)
        out[m] = np.where(ndtr(z) > 1.0 - share[m], betaincinv(*LEVEL_PRIOR, u), 0.0)
    return out


def _body(tumor: Tumor, n: int, seed: int, address: str) -> pd.DataFrame:
    """Draw age and sex, which hang on nothing else."""
    stream = named_generator(seed, "body", address)
    age = np.clip(AGE_MEAN + AGE_SD * stream.standard_normal(n), AGE_LOW, AGE_HIGH)
    male = stream.random(n) < MALE_SHARE.get(tumor.id, MALE_DEFAULT)
    return pd.DataFrame({"age": age, "sex": np.where(male, "male", "female")})


@functools.cache
def _reference() -> dict[str, dict[str, list[float]]]:
    """Return, per tumor type, quantiles of tumor-mean PD-L1 and mean and deviation of ln antigenicity."""
    text = resources.files("tumornexus.systemic").joinpath("data/reference_population.json").read_text("utf-8")
    return json.loads(text)["tumors"]


QUANTILES = np.array([0.005, 0.01, 0.025, *np.arange(0.05, 0.951, 0.05).round(2), 0.975, 0.99, 0.995])


def antigenicity_of(values: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return ln antigenicity, floored at ln 0.01, (member,)."""
    return np.log(np.maximum(values[:, names.index("antigenicity")], 0.01))


def tumor_pdl1(state: State) -> np.ndarray:
    """Return PD-L1 averaged over lesions by volume, (member,)."""
    return np.asarray(patient_mean(state).pdl1)


def _mutations(tumor: Tumor, ln_antigenicity: np.ndarray, seed: int, address: str) -> np.ndarray:
    """Return mutations per megabase: log-normal with the quartiles of the tumor type, following antigenicity."""
    mean, sd = _reference()[tumor.id]["ln_antigenicity"]
    z = TMB_CORRELATION * (ln_antigenicity - mean) / max(sd, 1e-6)
    noise = named_generator(seed, "tmb", address).standard_normal(len(z))
    z = z + np.sqrt(1.0 - TMB_CORRELATION**2) * noise
    spread = np.clip(np.log(tumor.tmb_high / tumor.tmb_low) / (2 * 0.6745), 0.2, 1.5)
    return tumor.tmb_median * np.exp(spread * z)


def _staining(tumor: Tumor, level: np.ndarray, seed: int, address: str) -> np.ndarray:
    """Return the PD-L1 score in percent: positive in the share of the tumor type, highest where the level is."""
    rank = np.interp(level, _reference()[tumor.id]["pdl1_quantiles"], QUANTILES)
    noise = named_generator(seed, "pd_l1", address).standard_normal(len(level))
    z = PDL1_CORRELATION * ndtri(np.clip(rank, 0.005, 0.995)) + np.sqrt(1.0 - PDL1_CORRELATION**2) * noise
    u = ndtr(z)
    positive = tumor.pd_l1_positive
    inside = np.clip((u - (1.0 - positive)) / max(positive, 1e-9), 0.0, 1.0)
    return np.where(u > 1.0 - positive, 1.0 + 99.0 * inside**PDL1_POWER, np.clip(u, 0.0, 0.99))


def draw_patients(
    tumor_id: str,
    knowledge: Knowledge,
    n: int,
    *,
    seed: int,
    address: str,
    shifts: Mapping[str, np.ndarray] | None = None,
    braf_v600: bool | None = None,
    biomarkers: bool = True,
) -> Patients:
    """Return the virtual patients of `n` draws whose tumors reach their burden, in the order of the draws.

    `address` names the draws: the same address and seed give the same patients. `shifts` are calibrated amounts by
    parameter, (draw,). Without `biomarkers` TMB and PD-L1 stay out: the scales that they need are made so.

    Raises:
        SimulationError: no draw reaches its burden.
    """
    tumor = knowledge.tumor(tumor_id)
    names = parameter_names(knowledge)
    carriers = named_generator(seed, "braf", address).random(n) < tumor.braf_v600
    driven = carriers if braf_v600 is None else np.full(n, braf_v600)
    with_braf = draw_bare(knowledge, tumor, n, seed, address, True)
    bare = np.where(driven[:, None], with_braf, draw_bare(knowledge, tumor, n, seed, address, False))
    shift(bare, names, shifts or {}, knowledge)
    activities = draw_mechanisms(knowledge, tumor, n, seed, address)
    if "mapk_activation" in activities:  # a BRAF V600 tumor is MAPK-active by definition
        activities["mapk_activation"] = np.where(driven, np.maximum(activities["mapk_activation"], 0.5),
                                                 activities["mapk_activation"])  # fmt: skip
    effects = draw_effects(knowledge, n, seed, address)
    values = apply_effects(bare, activities, effects, names, bounded_mask(knowledge))
    target = draw_burden(tumor, values, names, seed, address)
    lesions = draw_lesions(values, names, seed, address)
    luck = named_generator(seed, "luck", address).integers(0, 2**32, size=n, dtype=np.uint32)
    grown = grow(values, names, target, lesions=lesions, luck=luck)
    reached = np.flatnonzero(grown.status == 0)
    if not len(reached):
        raise SimulationError(
            "no drawn tumor reaches its burden", field="tumor", value=tumor_id, valid=f"one of {n} draws"
        )
    facts = _body(tumor, n, seed, address)
    relative = np.log(target / tumor.burden_ml)
    stream = named_generator(seed, "state of health", address)
    z = ECOG_BURDEN_CORRELATION * np.clip(relative, -2.5, 2.5)
    z = z + np.sqrt(1.0 - ECOG_BURDEN_CORRELATION**2) * stream.standard_normal(n)
    facts["ecog"] = np.searchsorted(np.cumsum(ECOG_SHARES)[:-1], ndtr(z))
    glycolysis = activities.get("glycolysis", np.zeros(n))
    facts["ldh_ratio"] = LDH_MEDIAN * np.exp(
        LDH_BURDEN_POWER * relative + LDH_GLYCOLYSIS * glycolysis + LDH_SD_LOG * stream.standard_normal(n)
    )
    facts["msi_high"] = np.full(n, tumor.msi_high >= 0.5)
    facts["braf_v600"] = driven
    facts["volume_ml"] = target
    if biomarkers:
        facts["tmb"] = _mutations(tumor, antigenicity_of(values, names), seed, address)
        facts["pd_l1"] = _staining(tumor, tumor_pdl1(grown.state), seed, address)
    everyone = Patients(tumor_id, names, values, grown.state, lesions, luck, activities, facts, np.arange(n))
    return everyone[reached]
