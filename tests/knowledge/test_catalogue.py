"""The shipped catalogue: complete, sound in meaning, and honest about what trials refuted."""

from __future__ import annotations

import pytest

from tumornexus.knowledge import Knowledge, load_knowledge, parse_regimen
from tumornexus.knowledge.check import check_meaning
from tumornexus.knowledge.explain import compare_modalities, explain
from tumornexus.knowledge.load import KINDS
from tumornexus.knowledge.network import claimed_network, feedback_loops

TABLE_1 = {
    "low_tmb", "b2m_loss", "ifng_pathway_defect", "mapk_activation", "pi3k_activation", "wnt_beta_catenin",
    "glycolysis", "hypoxia", "epigenetic_silencing", "mdsc", "treg", "tam_m2", "caf", "alternative_checkpoints",
    "gut_dysbiosis", "hla_homozygosity",
}  # fmt: skip
TUMORS = {
    "melanoma", "nsclc", "rcc", "urothelial", "hnscc", "tnbc", "crc_mss", "crc_msi_h", "hcc", "pdac", "gbm", "gastric",
    "prostate", "chl",
}  # fmt: skip


@pytest.fixture(scope="module")
def k() -> Knowledge:
    """The shipped catalogue."""
    return load_knowledge()


def test_meaning_has_no_errors(k: Knowledge) -> None:
    errors = [str(f) for f in check_meaning(k) if f.severity == "error"]
    assert not errors, "\n".join(errors)


def test_table_1_is_complete(k: Knowledge) -> None:
    assert {m.id for m in k.mechanisms.values() if m.table1} == TABLE_1
    assert all(k.mechanisms[m].kind == "cause" for m in TABLE_1)


def test_tumor_types_are_complete(k: Knowledge) -> None:
    assert set(k.tumors) >= TUMORS


@pytest.mark.parametrize(
    ("name", "tumor"),
    [("clear-cell renal carcinoma", "rcc"), ("RCC", "rcc"), ("SKCM", "melanoma"), ("Hodgkin lymphoma", "chl")],
)
def test_tumors_answer_to_their_synonyms(k: Knowledge, name: str, tumor: str) -> None:
    assert k.tumor(name).id == tumor


@pytest.mark.parametrize(
    "text",
    [
        "nivolumab 240 mg q2w + ipilimumab 1 mg/kg q6w",
        "ipilimumab 3 mg/kg q3w x4 + nivolumab 1 mg/kg q3w x4 then nivolumab 240 mg q2w",
        "carboplatin AUC5 q3w x4 + pemetrexed 500 mg/m2 q3w",
        "dabrafenib 150 mg bid + trametinib 2 mg qd",
        "radiotherapy 8 Gy qd x3 + pembrolizumab 200 mg q3w",
        "car_t 1e8 cells once",
        "fmt 1 transfer once",
    ],
)
def test_regimens_of_the_design_are_read(k: Knowledge, text: str) -> None:
    assert parse_regimen(text, k).text == text


def test_ido_tells_of_its_failed_randomized_trial(k: Knowledge) -> None:
    told = " ".join(explain(k, "ido").warnings)
    assert "failed in a randomized trial (ECHO-301" in told
    assert "PFS hazard ratio 1" in told


def test_every_record_is_explained(k: Knowledge) -> None:
    for plural in KINDS:
        for identifier in getattr(k, plural):
            found = explain(k, identifier)
            assert found.paragraphs
            for table in found.tables:
                assert all(len(row) == len(table.columns) for row in table.rows)


def test_modalities_share_some_resistance_and_not_all(k: Knowledge) -> None:
    kinds = [row[6] for row in compare_modalities(k).rows]
    assert {"shared", "checkpoint inhibitors", "CAR-T"} <= set(kinds)


def test_network_holds_every_mechanism_and_has_reinforcing_loops(k: Knowledge) -> None:
    graph = claimed_network(k)
    assert set(k.mechanisms) <= set(graph)
    assert any(loop.sign == "+" for loop in feedback_loops(graph))


def test_lactate_and_suppressor_cells_reinforce_each_other(k: Knowledge) -> None:
    """Glycolysis makes lactate, lactate feeds MDSC, and MDSC bring back, through vessels and hypoxia, glycolysis."""
    loops = [loop for loop in feedback_loops(claimed_network(k), through="lactate") if "mdsc" in loop.nodes]
    assert loops
    assert all(loop.sign == "+" for loop in loops)


def test_a_third_of_the_trials_is_held_out(k: Knowledge) -> None:
    share = sum(t.use == "held_out" for t in k.trials.values()) / len(k.trials)
    assert 0.25 <= share <= 0.42
