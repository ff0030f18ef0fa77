"""Curated records: what must hold for therapies, drugs, tumors and trials whatever their numbers are."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from by_path import script
from tumornexus.knowledge import Knowledge, load_knowledge
from tumornexus.knowledge.regimen import parse_regimen

ROOT = Path(__file__).parents[2]
# Strategies of Table 1 and section 6 of the main review, by mechanism or by step.
SEED_THERAPIES = (
    "neoantigen_vaccine", "chemotherapy", "radiotherapy", "nk_cell_therapy", "t_cell_redirecting",
    "sting_agonist", "type_i_interferon", "braf_mek_inhibitor", "pi3k_inhibitor", "mtor_inhibitor",
    "wnt_inhibitor", "ldh_inhibitor", "mct_inhibitor", "hif_inhibitor", "antiangiogenic", "dnmt_inhibitor",
    "hdac_inhibitor", "cxcr2_inhibitor", "csf1r_inhibitor", "anti_ctla4", "ccr4_antagonist", "cd40_agonist",
    "ox40_agonist", "fap_inhibitor", "tgf_beta_inhibitor", "anti_lag3", "dual_checkpoint_blockade", "fmt",
    "probiotic", "diet", "chemokine_modulator", "ido_inhibitor", "anti_pd1", "anti_pdl1", "car_t",
)  # fmt: skip
# Entered a second time from the publications and labels, per day and liter: clearance, central volume.
# Pexidartinib: 5.83 L/h for a man of 80 kg (abstract of Yin 2020) and 98.0 L (its Table 2, as nlmixr2lib codes it).
# Before, the label's 5.1 L/h and 187 L stood here, from memory: one compartment, clearance near a woman's.
# Tocilizumab: 12.5 mL/h (label). Losartan: its metabolite EXP3174, 47 mL/min and 10 L (abstract of Lo 1995).
# Dexamethasone: 3.5 mL/min/kg and 1.0 L/kg of 75 kg (abstract of Brady 1987).
READ_TWICE = {
    "nivolumab": (0.262, 4.25), "pembrolizumab": (0.22, 3.48), "atezolizumab": (0.23, 3.25), "ipilimumab": (0.36, 4.15),
    "durvalumab": (0.232, 3.51), "bevacizumab": (0.206, 2.68), "dabrafenib": (19.3 * 24, 39.1),
    "trametinib": (5.83 * 24, 61.9), "pexidartinib": (5.83 * 24, 98.0), "pemetrexed": (8.29 * 24, 18.9),
    "alpelisib": (9.2 * 24, 114.0), "carboplatin": (4.4 * 24, 16.0), "azacitidine": (146.0 * 24, 76.0),
    "tocilizumab": (0.0125 * 24, 3.5), "losartan": (0.047 * 1440, 10.0), "dexamethasone": (0.0035 * 75 * 1440, 75.0),
}  # fmt: skip


@pytest.fixture(scope="module")
def catalogue() -> Knowledge:
    return load_knowledge()


@pytest.mark.parametrize("therapy", SEED_THERAPIES)
def test_every_strategy_of_the_review_is_there(catalogue: Knowledge, therapy: str):
    assert therapy in catalogue.therapies


def test_a_failed_target_says_so(catalogue: Knowledge):
    conflicts = catalogue.therapies["ido_inhibitor"].claim_conflict
    assert any("echo_301_keynote_252" in c.trials for c in conflicts)
    told = {t for therapy in catalogue.therapies.values() for c in therapy.claim_conflict for t in c.trials}
    # Every trial that failed is told beside a therapy it tested.
    assert {t.id for t in catalogue.trials.values() if t.negative} <= told


@pytest.mark.parametrize("drug", READ_TWICE)
def test_pharmacokinetics_read_twice(catalogue: Knowledge, drug: str):
    pk = catalogue.drugs[drug].pk
    clearance, volume = READ_TWICE[drug]
    assert pk.clearance == pytest.approx(clearance, rel=2e-3)
    assert pk.v_central == pytest.approx(volume, rel=2e-3)


def test_every_regimen_can_be_read(catalogue: Knowledge):
    for drug in catalogue.drugs.values():
        parsed = parse_regimen(drug.usual, catalogue)
        assert parsed.drugs == (drug.id,)
        assert parsed.doses(28).max() <= 2 * drug.usual_max_single_dose * (1 + 1e-9)  # bid is summed over the day
    for trial in catalogue.trials.values():
        for arm in trial.arm:
            if arm.regimen:
                assert set(parse_regimen(arm.regimen, catalogue).drugs) == set(arm.drugs), trial.id
    for tumor in catalogue.tumors.values():
        assert tumor.standard_of_care
        for care in tumor.standard_of_care:
            parse_regimen(care.regimen, catalogue)


def test_a_third_of_the_trials_is_held_out_by_a_rule_blind_to_outcomes(catalogue: Knowledge):
    build = script("build_trials")
    hand = tomllib.loads((ROOT / "scripts" / "trials_hand.toml").read_text(encoding="utf-8"))
    held = [t for t in catalogue.trials.values() if t.use == "held_out"]
    assert 0.3 <= len(held) / len(catalogue.trials) <= 0.37
    for trial in catalogue.trials.values():
        family = hand.get(trial.id, {}).get("family", trial.id)
        assert trial.use == build.use(family)
        assert trial.id == build.trial_id(trial.name)


def test_every_tumor_knows_every_cause(catalogue: Knowledge):
    causes = {m.id for m in catalogue.mechanisms.values() if m.kind == "cause"}
    for tumor in catalogue.tumors.values():
        given = [p.mechanism for p in tumor.prevalence]
        assert len(given) == len(set(given))
        assert causes <= set(given), tumor.id
        assert tumor.inflamed + tumor.excluded + tumor.desert == pytest.approx(1.0)
        assert tumor.doubling_time_low < tumor.doubling_time_day < tumor.doubling_time_high
        assert all(p.low <= p.value <= p.high for p in tumor.prevalence)


@pytest.mark.parametrize(
    ("name", "tumor"),
    [
        ("urothelial carcinoma", "urothelial"), ("non-small-cell lung cancer", "nsclc"), ("melanoma", "melanoma"),
        ("clear-cell renal carcinoma", "rcc"), ("RCC", "rcc"), ("ccRCC", "rcc"), ("LUAD", "nsclc"),
        ("bladder", "urothelial"), ("Head & Neck", "hnscc"), ("pancreatic cancer", "pdac"), ("Hodgkin lymphoma", "chl"),
    ],
)  # fmt: skip
def test_cancer_types_by_their_everyday_names(catalogue: Knowledge, name: str, tumor: str):
    assert catalogue.tumor(name).id == tumor
