"""Laws of what single cells say: order, number, names and depth of cells; states and signals planted are found."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from single_cells import TYPES, normalized, single_cells
from tumornexus.io import read_single_cells
from tumornexus.io.patient import Patient
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import profile_patient, profile_single_cells, score_cells
from tumornexus.profile.cell_states import assign, state_scores, states
from tumornexus.profile.cells import cell_facts
from tumornexus.profile.estimate import Estimate, mean, share, share_draws
from tumornexus.profile.profile import profile_record
from tumornexus.profile.signaling import pairs


@pytest.fixture(scope="module")
def knowledge():
    return load_knowledge()


@pytest.fixture(scope="module")
def data():
    return single_cells()


def one(data, **how):
    return profile_single_cells(next(iter(read_single_cells(data, **how).values())))


def estimates(found) -> dict[str, Estimate]:
    """Every number with an interval, by name."""
    table = {f"{t.name} of all": t.of_all for t in found.composition}
    table |= {f"{t.name} of immune": t.of_immune for t in found.composition if t.of_immune is not None}
    table |= {f"stage {k}": v for k, v in found.exhaustion.items()} | {f"caf {k}": v for k, v in found.caf.items()}
    table |= {f"signal {s.mediator}": s.activity for s in found.signals}
    table |= {"m2": found.m2_position, "treg": found.treg_of_cd4, "treg of immune": found.treg_of_immune}
    return {k: v for k, v in table.items() if v is not None and math.isfinite(v.value)}


def test_twice_the_cells_change_no_number_and_narrow_every_interval(data):
    single, double = estimates(one(data)), estimates(one(single_cells(times=2)))
    assert single.keys() == double.keys()
    assert len(single) > 20
    for name, found in double.items():
        assert found.value == pytest.approx(single[name].value, rel=1e-12), name
        if found.high > found.low:
            assert found.high - found.low < single[name].high - single[name].low, name


def test_order_of_cells_and_genes_changes_nothing(data):
    rng = np.random.default_rng(3)
    shuffled = data[rng.permutation(data.n_obs), rng.permutation(data.n_vars)].copy()
    a, b = one(data), one(shuffled)
    assert [(t.name, t.cells, t.of_all) for t in a.composition] == [(t.name, t.cells, t.of_all) for t in b.composition]
    assert a.exhaustion == b.exhaustion
    np.testing.assert_allclose(a.pseudobulk, b.pseudobulk, rtol=1e-12)
    for name, found in estimates(b).items():
        assert found.value == pytest.approx(estimates(a)[name].value, rel=1e-9), name


def test_synonyms_of_types_change_nothing(data):
    other = data.copy()
    words = {"CD8 T cell": "CD8+ T cells", "TAM": "Macrophage", "Treg": "FOXP3+ T cell", "Fibroblast": "CAF",
             "Endothelial": "CD31+", "Tumor": "malignant cell", "CD4 T cell": "T helper"}  # fmt: skip
    other.obs["cell_type"] = other.obs["cell_type"].astype(str).replace(words)
    # Two spellings in one file are one type as well.
    mixed = data.copy()
    kinds = mixed.obs["cell_type"].astype(str).to_numpy(dtype=object)
    kinds[np.flatnonzero(kinds == "TAM")[::2]] = "Macrophage"
    mixed.obs["cell_type"] = kinds
    expected = one(data)
    for renamed in (other, mixed):
        found = one(renamed)
        assert found.composition == expected.composition
        assert found.exhaustion == expected.exhaustion
        assert repr(found.signals) == repr(expected.signals)  # NaN is not equal to itself
        assert found.pseudobulk.equals(expected.pseudobulk)


def test_depth_of_all_cells_changes_nothing_and_depth_of_each_no_state(data):
    deep = data.copy()
    deep.X = (data.X * np.float32(3)).tocsr()
    a, b = one(data), one(deep)
    np.testing.assert_allclose(a.pseudobulk, b.pseudobulk, rtol=1e-12)
    uneven = data.copy()
    factor = np.random.default_rng(1).integers(1, 6, data.n_obs).astype(np.float32)
    uneven.X = data.X.multiply(factor[:, None]).tocsr()
    c = one(uneven)
    assert c.exhaustion == a.exhaustion
    assert c.m2_position.value == pytest.approx(a.m2_position.value, rel=1e-9)
    for x, y in zip(a.signals, c.signals, strict=True):
        assert x.activity.value == pytest.approx(y.activity.value, rel=1e-9, nan_ok=True)


def test_logarithms_of_normalized_counts_say_the_same_states(data):
    counts, logs = one(data), one(normalized(data))
    assert logs.exhaustion == counts.exhaustion
    assert logs.m2_position.value == pytest.approx(counts.m2_position.value, abs=1e-5)
    # Without counts all cells weigh alike; within a type of equal depth that is nearly the same.
    assert np.corrcoef(np.log1p(counts.pseudobulk["total"]), np.log1p(logs.pseudobulk["total"]))[0, 1] > 0.99


def test_a_sample_says_the_same_alone_and_in_company(data):
    alone = one(data)
    company = read_single_cells(single_cells(samples=("s0", "s1", "s2")))
    found = profile_single_cells(company["s1"])
    assert estimates(found) == estimates(alone)
    np.testing.assert_allclose(found.pseudobulk, alone.pseudobulk, rtol=1e-12)


def test_what_was_planted_is_found(data):
    found = one(data)
    by_name = {t.name: t for t in found.composition}
    assert by_name["CD8_T"].of_all.value == 60 / 272
    assert by_name["CD8_T"].of_immune.value == 60 / 150
    assert found.treg_of_cd4.value == 0.2
    assert found.mdsc_of_immune is None
    assert any("no MDSC" in n for n in found.notes)
    assert found.exhaustion["cd8_progenitor"].low > 0.8
    assert found.caf["caf_matrix"].low > 0.7
    assert found.m2_position.low > 0.3
    activity = {s.mediator: s.activity.value for s in found.signals}
    assert activity["pd_l1"] > 20 * activity["csf1"]
    assert found.pseudobulk.loc["CD163", "Macrophage"] > 50 * max(found.pseudobulk.loc["CD163", "Tumor"], 1)


def test_a_type_that_one_sample_lacks_is_zero_and_one_nobody_knows_is_not_told(data):
    both = single_cells(samples=("s1", "s2"))
    kept = both[~((both.obs["sample"] == "s2") & (both.obs["cell_type"] == "Treg"))].copy()
    cells = read_single_cells(kept)
    assert profile_single_cells(cells["s2"]).treg_of_cd4.value == 0.0
    no_treg = data[data.obs["cell_type"] != "Treg"].copy()
    assert one(no_treg).treg_of_cd4 is None


def test_cells_of_no_known_type_count_among_all(data):
    odd = data.copy()
    odd.obs["cell_type"] = odd.obs["cell_type"].astype(str).replace({"Treg": "blob"})
    found = one(odd, unknown="count")
    assert sum(t.cells for t in found.composition) == data.n_obs
    assert found.immune == 140
    assert any("blob (10)" in n for n in found.notes)


def test_states_whose_markers_were_not_measured_are_not_told(data):
    genes = [g for g in data.var_names if g not in set(states()["cd8_terminal"].genes)]
    found = one(data[:, genes].copy())
    assert math.isnan(found.exhaustion["cd8_progenitor"].value)
    assert math.isfinite(found.m2_position.value)
    assert any("cd8_terminal not measured" in n for n in found.notes)


def test_state_score_is_the_stated_mean(data):
    cells = read_single_cells(data)["s1"]
    scores = state_scores(cells)["caf_cytokine"]
    dense = np.asarray(data.X.todense(), float)
    for i in (0, 150, 271):
        seen = [min(1.0, math.log1p(1e4 * dense[i, data.var_names.get_loc(g)] / dense[i].sum()))
                for g in states()["caf_cytokine"].genes]  # fmt: skip
        assert scores[i] == pytest.approx(np.mean(seen))


def test_assignment_needs_a_clear_winner():
    scores = {"a": np.array([0.0, 0.5, 0.5, 0.1]), "b": np.array([0.0, 0.5, 0.2, 0.4])}
    assert assign(scores, ("a", "b")).tolist() == [-1, -1, 0, 1]


def test_intervals_cover_what_they_say():
    rng = np.random.default_rng(5)
    for p, n in ((0.1, 60), (0.5, 25)):
        found = [share(int(k), n) for k in rng.binomial(n, p, 2000)]
        assert 0.86 < np.mean([e.low <= p <= e.high for e in found]) < 0.96
    means = [mean(rng.normal(1.0, 2.0, 60)) for _ in range(2000)]
    assert 0.87 < np.mean([e.low <= 1.0 <= e.high for e in means]) < 0.93
    assert share_draws(3, 30).mean() == pytest.approx(3.5 / 31, rel=0.01)


def test_every_marker_and_pair_names_approved_genes_and_known_mediators(knowledge):
    listed = [g for s in states().values() for g in s.genes]
    listed += [g for p in pairs().values() for g in (*p["ligand"], *p["receptor"])]
    assert [g for g in listed if knowledge.genes.approved(g) != g] == []
    assert set(pairs()) <= set(knowledge.mediators)
    stages = [set(states()[s].genes) for s in ("cd8_progenitor", "cd8_effector", "cd8_terminal")]
    assert sum(map(len, stages)) == len(set().union(*stages))


def test_scores_come_back_in_the_object_and_x_is_untouched(data, tmp_path):
    import anndata

    before = data.X.copy()
    scored = score_cells(data)
    for held in (data, scored):
        assert held.X.dtype == before.dtype
        for part in ("data", "indices", "indptr"):
            assert getattr(held.X, part).tobytes() == getattr(before, part).tobytes()
    assert "tumornexus" not in data.obsm
    table = scored.obsm["tumornexus"]
    assert list(table.columns) == [*states(), "m2_position"]
    assert table["m2_position"].notna().sum() <= TYPES["TAM"]
    np.testing.assert_array_equal(
        table["cd8_progenitor"], state_scores(read_single_cells(data)["s1"])["cd8_progenitor"]
    )
    assert scored.uns["tumornexus"]["knowledge_digest"] == load_knowledge().digest
    scored.write_h5ad(tmp_path / "scored.h5ad")
    again = anndata.read_h5ad(tmp_path / "scored.h5ad")
    assert again.obsm["tumornexus"].equals(table)
    in_place = data.copy()
    assert score_cells(in_place, copy=False) is in_place


@pytest.mark.filterwarnings("ignore")  # of mudata about its own defaults
def test_mudata_comes_back_as_mudata(data):
    mudata = pytest.importorskip("mudata")
    both = mudata.MuData({"rna": data.copy(), "prot": data[:, :5].copy()})
    scored = score_cells(both)
    assert isinstance(scored, mudata.MuData)
    assert "tumornexus" in scored.mod["rna"].obsm
    assert "tumornexus" not in scored.mod["prot"].obsm
    assert "tumornexus" not in both.mod["rna"].obsm


def test_pseudobulk_is_scored_like_bulk(data, knowledge):
    cells = read_single_cells(data)["s1"]
    bulk = profile_single_cells(cells).pseudobulk["total"]
    from_cells = profile_patient(Patient("s1", "p1", "melanoma", single_cell=cells), knowledge)
    from_bulk = profile_patient(Patient("s1", "p1", "melanoma", expression=bulk), knowledge)
    for name, found in from_cells.evidence.items():
        for mine, theirs in zip(found, from_bulk.evidence[name], strict=True):
            if mine.input == "expression" and mine.measured:
                assert mine.z == pytest.approx(theirs.z, abs=1e-9)
                assert mine.llr == pytest.approx(theirs.llr, abs=1e-9)
    measured = [e for found in from_cells.evidence.values() for e in found if e.input == "expression" and e.measured]
    assert len(measured) > 5
    assert "expression" not in from_cells.missing
    assert profile_record(from_cells)["single_cell"]["treg_of_cd4"]["value"] == 0.2


def test_bulk_goes_before_pseudobulk(data, knowledge):
    cells = read_single_cells(data)["s1"]
    bulk = profile_single_cells(cells).pseudobulk["total"].copy()
    bulk["CD8A" if "CD8A" in bulk.index else "TCF7"] *= 10
    with_both = profile_patient(Patient("s1", "p1", "melanoma", expression=bulk, single_cell=cells), knowledge)
    assert with_both.patient.expression is bulk
    assert any("pseudobulk" in n for n in with_both.notes)


def treg_evidence(patient, knowledge):
    return next(e for e in profile_patient(patient, knowledge).evidence["treg"] if e.biomarker == "treg_percent_of_cd4")


def test_share_of_treg_is_evidence_that_weighs_by_the_number_of_cells(data, knowledge):
    few = Patient("s1", "p1", "melanoma", single_cell=read_single_cells(data)["s1"])
    many = replace(few, single_cell=read_single_cells(single_cells(times=20))["s1"])
    weak, strong = treg_evidence(few, knowledge), treg_evidence(many, knowledge)
    assert weak.value == strong.value == 20.0
    assert 0 < weak.llr < strong.llr
    assert "10 Treg of 50 CD4 T cells" in weak.note
    stated = treg_evidence(replace(few, clinical={"treg_percent_of_cd4": 5.0}), knowledge)
    assert stated.value == 5.0
    assert stated.llr is not None
    assert stated.llr < 0
    assert cell_facts(Patient("s1", "p1", "melanoma")) == {}
