"""The check on randomized arms: what counts as a variant, rules fitted elsewhere, the trials' own results."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tumornexus.knowledge import load_knowledge

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    """The script, with those that it names."""
    folder = ROOT / "verification"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("predictive", folder / "predictive.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["predictive"] = module
    spec.loader.exec_module(module)
    return module


def test_a_synonymous_variant_and_an_unknown_one_of_an_oncogene_do_not_count(script, tmp_path):
    import predictive_data

    rows = [("A", "STK11", "nonsense", ""), ("B", "STK11", "synonymous", ""), ("B", "KRAS", "missense", "unknown"),
            ("C", "KRAS", "missense", "known"), ("C", "KEAP1", "missense", "unknown")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["sample", "gene", "consequence", "status"])
    table.to_csv(tmp_path / "mutations_ctdna.tsv.gz", sep="\t", index=False)
    found = predictive_data.variants(tmp_path).set_index("sample")
    assert found["STK11_plasma"].to_dict() == {"A": 1.0, "B": 0.0, "C": 0.0}
    assert found["KRAS_plasma"].to_dict() == {"A": 0.0, "B": 0.0, "C": 1.0}
    assert found["stk11_or_keap1_plasma"].tolist() == [1.0, 0.0, 1.0]


def test_predicted_benefit_is_what_was_planted(script):
    """Exponential times: hazard 0.004 a day under control, under the drug 0.004 for marker 0 and 0.001 for marker 1."""
    pytest.importorskip("lifelines")
    import predictive_decision

    rng = np.random.default_rng(1)
    arm, marker = rng.integers(0, 2, 6000).astype(float), rng.integers(0, 2, 6000).astype(float)
    days = rng.exponential(1.0 / np.where((arm == 1) & (marker == 1), 0.001, 0.004))
    table = pd.DataFrame({"treated": arm, "m": marker, "OS_days": days, "OS_event": 1.0})
    half = np.arange(6000) < 3000
    found = predictive_decision.predicted_benefit(table[half], table[~half], "m", "OS", 200.0)
    truth = np.exp(-0.2) - np.exp(-0.8)
    assert found[marker[~half] == 1].mean() == pytest.approx(truth, abs=0.05)
    assert found[marker[~half] == 0].mean() == pytest.approx(0.0, abs=0.05)
    same = predictive_decision.predicted_benefit(table[half], table[~half], None, "OS", 200.0)
    assert np.ptp(same) < 1e-12


@pytest.mark.realdata
def test_the_trials_own_results_come_out(script, shared_data):
    """Hazard ratio of death in OAK against the one in the catalogue, which the trial reported; numbers of patients."""
    pytest.importorskip("lifelines")
    knowledge = load_knowledge()
    table = script.patients(shared_data / script.COHORT, knowledge)
    assert len(table) == 1137
    assert int(table["blood_TMB"].notna().sum()) == int(table["KRAS_plasma"].notna().sum()) == 853
    assert (table.loc[table["blood_TMB"].notna(), "MSAF"] >= 0.01).all(), "burden is counted with enough tumor DNA only"
    reported = knowledge.trials["oak"].arm[0].outcome.os_hr
    found = script.treatment_effects(table)
    assert found["OAK OS"]["ratio"] == pytest.approx(reported, abs=0.03)
    # A marker that the profile read: carriers of a damaging STK11 or KEAP1 variant have the higher activity.
    carriers = table["stk11_or_keap1_plasma"] == 1
    activity = table["mechanism:stk11_keap1_loss"]
    assert activity[carriers].max() > 2 * activity[~carriers].max()
    assert (table.loc[table["blood_TMB"] == 0, "mechanism:low_tmb"]).isna().all()
