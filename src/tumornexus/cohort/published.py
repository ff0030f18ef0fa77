"""Scores that others publish, computed on a cohort by one set of rules so that they can be compared.

Definitions are data (``data/published_scores.toml``). Most are standardized within the cohort, which lets them see the
other patients; the frozen scores of this package do not. Scores whose genes are not measured are missing, never zero.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import pandas as pd

from tumornexus.errors import InputError
from tumornexus.profile.measure import universe_vector
from tumornexus.profile.reference import FEWEST_COVERED, Reference
from tumornexus.profile.scores import log_expression, ssgsea

METHODS = ("zmean", "weighted", "geometric", "ratio", "difference", "ssgsea", "pairs", "tmb", "external")


@dataclass(frozen=True)
class PublishedScore:
    """One published score: `id`, `name`, rule (`method`, genes, weights, pairs), direction and source.

    `sign` is +1 where a high score is meant to go with response; `score_cohort` returns scores already turned that way.
    """

    id: str
    name: str
    method: str
    sign: int
    genes: tuple[str, ...]
    genes_down: tuple[str, ...]
    weights: tuple[float, ...]
    pairs: tuple[tuple[str, str], ...]
    source: str
    note: str


@lru_cache(maxsize=1)
def published_scores() -> dict[str, PublishedScore]:
    """Read the definitions that ship, by id."""
    text = resources.files("tumornexus.cohort").joinpath("data/published_scores.toml").read_text(encoding="utf-8")
    found = {}
    for name, entry in tomllib.loads(text).items():
        pairs = tuple(tuple(p.split(">")) for p in entry.get("pairs", ()))
        found[name] = PublishedScore(
            name, entry["name"], entry["method"], int(entry["sign"]), tuple(entry["genes"]),
            tuple(entry.get("genes_down", ())), tuple(entry.get("weights", ())), pairs, entry["source"],
            entry.get("note", ""),
        )  # fmt: skip
    return found


def _measured(table: pd.DataFrame, genes: Sequence[str]) -> list[str] | None:
    """Those of the genes that were measured in most samples, or None with fewer than half of them."""
    present = [g for g in genes if g in table.index and bool(table.loc[g].notna().mean() > 0.5)]
    return present if present and len(present) >= FEWEST_COVERED * len(genes) else None


def _standardized(log2: pd.DataFrame, genes: list[str]) -> np.ndarray:
    """Mean over genes of values standardized within the cohort, shape (patient,); genes that do not vary count zero."""
    x = log2.loc[genes].to_numpy(dtype=float)
    spread = np.nanstd(x, axis=1, keepdims=True)
    z = np.where(spread > 1e-9, (x - np.nanmean(x, axis=1, keepdims=True)) / np.maximum(spread, 1e-9), 0.0)
    return np.nanmean(z, axis=0)


def _zmean(score: PublishedScore, linear: pd.DataFrame, log2: pd.DataFrame, reference: Reference) -> np.ndarray | None:
    up, down = _measured(linear, score.genes), _measured(linear, score.genes_down) if score.genes_down else []
    if up is None or down is None:
        return None
    return _standardized(log2, up) - (_standardized(log2, down) if down else 0.0)


def _weighted(
    score: PublishedScore, linear: pd.DataFrame, log2: pd.DataFrame, reference: Reference
) -> np.ndarray | None:
    genes = _measured(linear, score.genes)
    if genes is None:
        return None
    weight = dict(zip(score.genes, score.weights, strict=True))
    found = []
    for sample in linear.columns:
        normalized, _ = log_expression(
            universe_vector(linear[sample], reference), reference.stable, reference.stable_log2
        )
        known = [g for g in genes if g in reference.index]
        found.append(
            float("nan")
            if normalized is None
            else float(np.nansum([weight[g] * normalized[reference.index[g]] for g in known]))
        )
    return np.array(found)


def _geometric(
    score: PublishedScore, linear: pd.DataFrame, log2: pd.DataFrame, reference: Reference
) -> np.ndarray | None:
    genes = _measured(linear, score.genes)
    return None if genes is None else np.exp(np.log(linear.loc[genes].to_numpy(dtype=float) + 0.01).mean(axis=0))


def _ratio(score: PublishedScore, linear: pd.DataFrame, log2: pd.DataFrame, reference: Reference) -> np.ndarray | None:
    up, down = _measured(linear, score.genes), _measured(linear, score.genes_down)
    if up is None or down is None:
        return None
    below = np.maximum(np.nanmean(log2.loc[down].to_numpy(), axis=0), 1e-6)
    return np.nanmean(log2.loc[up].to_numpy(), axis=0) / below


def _difference(
    score: PublishedScore, linear: pd.DataFrame, log2: pd.DataFrame, reference: Reference
) -> np.ndarray | None:
    up, down = _measured(linear, score.genes), _measured(linear, score.genes_down)
    if up is None or down is None:
        return None
    return np.nanmean(log2.loc[up].to_numpy(), axis=0) - np.nanmean(log2.loc[down].to_numpy(), axis=0)


def _ssgsea(score: PublishedScore, linear: pd.DataFrame, log2: pd.DataFrame, reference: Reference) -> np.ndarray | None:
    up, down = _measured(linear, score.genes), _measured(linear, score.genes_down) if score.genes_down else []
    if up is None or down is None:
        return None
    found = []
    for sample in linear.columns:
        values = linear[sample].dropna()
        a, b = (values.index.get_indexer([g for g in genes if g in values.index]) for genes in (up, down))
        x = values.to_numpy(dtype=float)
        found.append(ssgsea(x, a) - (ssgsea(x, b) if len(b) else 0.0))
    return np.array(found)


def _pairs(score: PublishedScore, linear: pd.DataFrame, log2: pd.DataFrame, reference: Reference) -> np.ndarray | None:
    known = [(a, b) for a, b in score.pairs if a in linear.index and b in linear.index]
    if len(known) < FEWEST_COVERED * len(score.pairs):
        return None
    return np.sum([linear.loc[a].to_numpy() > linear.loc[b].to_numpy() for a, b in known], axis=0).astype(float)


RULES: Mapping[str, Callable[[PublishedScore, pd.DataFrame, pd.DataFrame, Reference], np.ndarray | None]] = {
    "zmean": _zmean,
    "weighted": _weighted,
    "geometric": _geometric,
    "ratio": _ratio,
    "difference": _difference,
    "ssgsea": _ssgsea,
    "pairs": _pairs,
}


def score_cohort(
    linear: pd.DataFrame,
    reference: Reference,
    *,
    tmb: pd.Series | None = None,
    external: Mapping[str, pd.Series] | None = None,
    scores: Mapping[str, PublishedScore] | None = None,
) -> pd.DataFrame:
    """Score one cohort, turned so that higher means response; shape (patient, score), NaN where not measured.

    Args:
        linear: linear expression (TPM-like), genes x patients of one cohort; standardization is within these columns.
        reference: stable genes of the frozen reference, for the weighted score.
        tmb: mutations per Mb by patient.
        external: scores of other programs by id (``tide``), as they print them; turned here.
        scores: definitions; those that ship, if not given.
    """
    if bool((linear < 0).any(axis=None)):
        raise InputError("negative expression; the scores need a linear scale", valid="TPM or the like")
    log2 = np.log2(linear + 1.0)
    found = {}
    for name, score in (scores or published_scores()).items():
        if score.method == "tmb":
            values = None if tmb is None else tmb.reindex(linear.columns).to_numpy(dtype=float)
        elif score.method == "external":
            given = (external or {}).get(name)
            values = None if given is None else given.reindex(linear.columns).to_numpy(dtype=float)
        else:
            values = RULES[score.method](score, linear, log2, reference)
        found[name] = np.full(linear.shape[1], np.nan) if values is None else score.sign * values
    return pd.DataFrame(found, index=linear.columns)
