"""Fixtures of design: the catalogue and a tiny twin, taken through nodes and ranking once."""

from __future__ import annotations

import pandas as pd
import pytest

from simulated import keep_compiled
from tumornexus.activities import Activities, Activity
from tumornexus.design import Candidate, Ranking, propose, rank_combinations, reverse_nodes
from tumornexus.design.candidates import backbone_drug
from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.systemic import Twin, parameterize, prepare


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="session")
def twin(knowledge: Knowledge, pytestconfig: pytest.Config) -> Twin:
    """Eight draws or fewer of a lung cancer with seven active causes, so that pairs are formed among six of them."""
    keep_compiled(pytestconfig)
    present = {
        "tgf_beta": 0.9, "hypoxia": 0.9, "treg": 0.9, "glycolysis": 0.9, "mdsc": 0.9, "tam_m2": 0.9,
        "alternative_checkpoints": 0.9, "b2m_loss": 0.0,
    }  # fmt: skip
    measured = {m: Activity(p, 6.0, 3.0, "measured") for m, p in present.items()}
    return parameterize(Activities("tiny", "nsclc", measured), knowledge, n_draws=8)


@pytest.fixture(scope="session")
def nodes(twin: Twin, knowledge: Knowledge) -> pd.DataFrame:
    usual = backbone_drug(knowledge, knowledge.tumors["nsclc"]).usual
    return reverse_nodes(twin, knowledge, prepare(parse_regimen(usual, knowledge), knowledge))


@pytest.fixture(scope="session")
def candidates(nodes: pd.DataFrame, knowledge: Knowledge) -> list[Candidate]:
    return propose(nodes, knowledge, knowledge.tumors["nsclc"], {})


@pytest.fixture(scope="session")
def ranking(twin: Twin, knowledge: Knowledge, candidates: list[Candidate], nodes: pd.DataFrame) -> Ranking:
    return rank_combinations(twin, knowledge, candidates, nodes)
