"""A made-up but realistic RunResult and knowledge base for the report's tests; nothing in it comes from a patient."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tumornexus.activities import Activities, Activity

INTERFACE, METABOLIC = "tumor-immune interface", "metabolic competition"
CYTOKINE, SYSTEMIC = "cytokine-chemokine network", "systemic interface"

# id, name, category, hub, cycle steps, kind, presence, alpha, beta, measured, drives
MECHANISMS: list[tuple[Any, ...]] = [
    (
        "wnt_beta_catenin",
        "WNT/beta-catenin activation",
        "intrinsic",
        INTERFACE,
        (2, 3, 4),
        "cause",
        0.94,
        9,
        2.6,
        True,
        ["cdc1_loss", "immune_desert"],
    ),
    ("low_tmb", "Low tumor mutational burden", "intrinsic", INTERFACE, (1, 6), "cause", 0.30, 4, 6, True, []),
    ("b2m_loss", "B2M loss", "intrinsic", INTERFACE, (6,), "cause", 0.06, 2, 5, True, ["mhc1_downregulation"]),
    (
        "ifng_pathway_defect",
        "Interferon-gamma pathway defect",
        "intrinsic",
        INTERFACE,
        (6, 7),
        "cause",
        0.18,
        3,
        5,
        True,
        ["mhc1_downregulation"],
    ),
    (
        "mapk_activation",
        "MAPK pathway activation",
        "intrinsic",
        INTERFACE,
        (2, 5),
        "cause",
        0.97,
        8,
        3,
        True,
        ["il6", "il10", "mhc1_downregulation"],
    ),
    (
        "pi3k_activation",
        "PTEN loss and PI3K activation",
        "intrinsic",
        INTERFACE,
        (5, 7),
        "cause",
        0.62,
        6,
        5,
        True,
        ["ccl2_like"],
    ),
    (
        "epigenetic_silencing",
        "Epigenetic silencing of immune genes",
        "intrinsic",
        INTERFACE,
        (2, 4, 6),
        "cause",
        0.55,
        5,
        6,
        True,
        ["mhc1_downregulation"],
    ),
    (
        "apm_loss",
        "Antigen-processing machinery loss",
        "intrinsic",
        INTERFACE,
        (6,),
        "cause",
        0.35,
        4,
        7,
        True,
        ["mhc1_downregulation"],
    ),
    (
        "glycolysis",
        "Aerobic glycolysis",
        "intrinsic",
        METABOLIC,
        (5, 7),
        "cause",
        0.71,
        6,
        4,
        True,
        ["lactate", "nutrient_depletion"],
    ),
    (
        "hypoxia",
        "Hypoxia",
        "extrinsic",
        METABOLIC,
        (5, 7),
        "cause",
        0.66,
        5,
        5,
        True,
        ["pdl1_upregulation", "adenosine", "glycolysis"],
    ),
    ("ido", "IDO1 tryptophan catabolism", "extrinsic", METABOLIC, (3, 7), "cause", 0.28, 3, 6, True, ["treg"]),
    (
        "mdsc",
        "Myeloid-derived suppressor cells",
        "extrinsic",
        CYTOKINE,
        (3, 7),
        "cause",
        0.74,
        6,
        4.5,
        True,
        ["arginine_depletion", "il10"],
    ),
    ("treg", "Regulatory T cells", "extrinsic", CYTOKINE, (3, 7), "cause", 0.33, 3, 5, True, ["il10"]),
    (
        "tam_m2",
        "M2-like tumor-associated macrophages",
        "extrinsic",
        CYTOKINE,
        (5, 7),
        "cause",
        0.88,
        7,
        4,
        True,
        ["il10", "tgf_beta"],
    ),
    (
        "caf",
        "Cancer-associated fibroblasts",
        "extrinsic",
        CYTOKINE,
        (5,),
        "cause",
        0.81,
        8,
        5,
        True,
        ["dense_matrix", "tgf_beta", "cxcl12"],
    ),
    (
        "tgf_beta",
        "TGF-beta signaling",
        "extrinsic",
        CYTOKINE,
        (5, 7),
        "cause",
        0.79,
        7,
        5,
        True,
        ["dense_matrix", "immune_excluded"],
    ),
    ("cxcl12", "CXCL12 barrier", "extrinsic", CYTOKINE, (4, 5), "cause", 0.41, 4, 6, True, ["immune_excluded"]),
    (
        "alternative_checkpoints",
        "Alternative checkpoints (LAG-3, TIM-3, TIGIT)",
        "extrinsic",
        INTERFACE,
        (7,),
        "cause",
        0.44,
        4,
        6,
        True,
        ["t_cell_exhaustion"],
    ),
    (
        "cdc1_loss",
        "Loss of cDC1 dendritic cells",
        "extrinsic",
        INTERFACE,
        (2, 3),
        "cause",
        0.76,
        7,
        4,
        True,
        ["immune_desert"],
    ),
    (
        "abnormal_vasculature",
        "Abnormal vasculature",
        "extrinsic",
        SYSTEMIC,
        (4, 5),
        "cause",
        0.58,
        5,
        5,
        True,
        ["hypoxia"],
    ),
    ("gut_dysbiosis", "Gut dysbiosis", "host", SYSTEMIC, (3,), "cause", 0.45, 3, 4, False, ["cdc1_loss"]),
    ("hla_homozygosity", "HLA class I homozygosity", "host", SYSTEMIC, (2, 6), "cause", 0.22, 3, 5, False, []),
    ("car_antigen_loss", "CAR target antigen loss", "intrinsic", INTERFACE, (6,), "cause", 0.05, 2, 6, False, []),
    ("mhc1_downregulation", "MHC class I down-regulation", "intrinsic", INTERFACE, (6,), "state", 0.52, 5, 6, True, []),
    (
        "pdl1_upregulation",
        "PD-L1 up-regulation",
        "extrinsic",
        INTERFACE,
        (7,),
        "state",
        0.38,
        4,
        6,
        True,
        ["t_cell_exhaustion"],
    ),
    ("lactate", "Lactate accumulation", "extrinsic", METABOLIC, (7,), "state", 0.63, 5, 5, True, []),
    ("adenosine", "Adenosine accumulation", "extrinsic", METABOLIC, (7,), "state", 0.49, 4, 5, True, []),
    ("il10", "Interleukin-10", "extrinsic", CYTOKINE, (3,), "state", 0.51, 4, 5, True, []),
    ("dense_matrix", "Dense matrix", "extrinsic", CYTOKINE, (5,), "state", 0.77, 7, 5, True, ["interstitial_pressure"]),
    (
        "interstitial_pressure",
        "Raised interstitial pressure",
        "extrinsic",
        SYSTEMIC,
        (4,),
        "state",
        0.4,
        3,
        5,
        False,
        [],
    ),
]

NIVO = "nivolumab 240 mg q2w"
# regimen, tier, response, pfs, ae3, cost, evidence, reason, against, log-volume gain at 24 months
REGIMENS: list[tuple[Any, ...]] = [
    (
        "ipilimumab 3 mg/kg q3w x4 + nivolumab 1 mg/kg q3w x4 then nivolumab 240 mg q2w",
        "trial-calibrated",
        0.47,
        9.8,
        0.57,
        3,
        "CheckMate 067",
        "Adds priming (step 3), the second highest barrier.",
        "Three times the grade 3 or higher toxicity of PD-1 blockade alone.",
        -1.5,
    ),
    (
        "nivolumab 480 mg q4w + relatlimab 160 mg q4w",
        "trial-calibrated",
        0.38,
        7.1,
        0.21,
        3,
        "RELATIVITY-047",
        "LAG-3 is co-expressed on the infiltrating CD8 cells.",
        "Infiltration, the broken step, is not addressed.",
        -0.9,
    ),
    (
        NIVO + " + bevacizumab 15 mg/kg q3w",
        "class-extrapolated",
        0.36,
        6.9,
        0.29,
        3,
        "IMbrave150 (hepatocellular carcinoma)",
        "Normalizes vessels and eases trafficking and hypoxia.",
        "No randomized trial in melanoma; the window is dose dependent.",
        -0.8,
    ),
    (
        NIVO,
        "trial-calibrated",
        0.29,
        4.9,
        0.16,
        2,
        "standard of care; CheckMate 066",
        "Standard of care in this cancer.",
        "Leaves the broken step as it is.",
        0.0,
    ),
    (
        "dabrafenib 150 mg bid + trametinib 2 mg qd",
        "trial-calibrated",
        0.64,
        10.9,
        0.41,
        3,
        "COMBI-d",
        "BRAF V600E found; fast cell kill and antigen release.",
        "Relapse through reactivation clones; later a colder tumor.",
        -0.35,
    ),
    (
        NIVO + " + galunisertib 150 mg bid",
        "mechanistic hypothesis",
        None,
        None,
        0.24,
        3,
        "phase 1b only",
        "TGF-beta and matrix close step 5.",
        "Stroma re-deposits matrix; two TGF-beta trials were negative in other cancers.",
        -1.3,
    ),
    (
        NIVO + " + pexidartinib 400 mg bid",
        "mechanistic hypothesis",
        None,
        None,
        0.33,
        3,
        "phase 1",
        "Depletes M2-like macrophages.",
        "CXCR2-positive MDSC fill the niche.",
        -0.3,
    ),
    (
        NIVO + " + navarixin 30 mg qd",
        "mechanistic hypothesis",
        None,
        None,
        0.27,
        3,
        "phase 2 negative in three cancers",
        "Lowers MDSC recruitment.",
        "Monocytes and macrophages fill the niche.",
        -0.25,
    ),
    (
        NIVO + " + azacitidine 75 mg/m2 d1,8 q3w",
        "class-extrapolated",
        0.31,
        5.2,
        0.38,
        2,
        "small phase 2",
        "Restores MHC-I and chemokines.",
        "Lymphocyte toxicity.",
        -0.3,
    ),
    (
        NIVO + " + radiotherapy 8 Gy once",
        "class-extrapolated",
        0.32,
        5.3,
        0.18,
        1,
        "phase 2",
        "Releases antigen in one lesion.",
        "Abscopal effect is rare; raises TGF-beta.",
        -0.3,
    ),
    (
        NIVO + " + fmt 1 transfer once",
        "mechanistic hypothesis",
        None,
        None,
        0.17,
        2,
        "two single-arm phase 1 trials",
        "Raises priming if dysbiosis is present.",
        "Microbiome was not measured.",
        -0.2,
    ),
    (
        "carboplatin AUC5 q3w x4 + paclitaxel 175 mg/m2 q3w x4 + " + NIVO,
        "class-extrapolated",
        0.34,
        5.5,
        0.55,
        2,
        "combination calibrated in NSCLC",
        "Antigen release, transient MDSC loss.",
        "Lymphopenia and steroids.",
        -0.1,
    ),
    (
        NIVO + " + epacadostat 100 mg bid",
        "trial-calibrated",
        0.29,
        4.7,
        0.22,
        3,
        "ECHO-301/KEYNOTE-252",
        "IDO1 is expressed.",
        "Refuted by a randomized trial: ECHO-301/KEYNOTE-252 showed no benefit in melanoma.",
        0.02,
    ),
    (
        "lifileucel 7.5e9 cells once",
        "class-extrapolated",
        0.30,
        4.1,
        0.95,
        4,
        "C-144-01",
        "Infused T cells bypass priming.",
        "Lymphodepletion and IL-2; infiltration still limits.",
        -0.4,
    ),
]


def fake_knowledge() -> SimpleNamespace:
    """Records with the field names of `tumornexus.knowledge.records`, short of content."""
    mechanisms = {}
    for ident, name, category, hub, steps, kind, *_rest, drives in MECHANISMS:
        mechanisms[ident] = SimpleNamespace(
            id=ident,
            name=name,
            category=category,
            hub=hub,
            cycle_steps=steps,
            kind=kind,
            claim=f"{name} lowers the response to PD-1 blockade.",
            biomarker=(SimpleNamespace(id=f"{ident}_signature", input="expression", genes=("A", "B")),),
            reversed_by=("tgf_beta_inhibitor",) if ident in ("caf", "tgf_beta") else (),
            drives=tuple(
                SimpleNamespace(target=t, sign="-" if t == "cdc1_loss_" else "+", source=("a2020",)) for t in drives
            ),
            claim_conflict=(
                (
                    SimpleNamespace(
                        claim="IDO1 inhibition restores response.", finding="ECHO-301 was negative.", trials=()
                    ),
                )
                if ident == "ido"
                else ()
            ),
            source=("spranger2015",),
        )
    cycle_names = [
        "Release of cancer-cell antigens",
        "Cancer antigen presentation",
        "Priming and activation",
        "Trafficking of T cells to tumors",
        "Infiltration of T cells into tumors",
        "Recognition of cancer cells by T cells",
        "Killing of cancer cells",
    ]
    return SimpleNamespace(
        mechanisms=mechanisms,
        therapies={"tgf_beta_inhibitor": SimpleNamespace(id="tgf_beta_inhibitor", name="TGF-beta inhibitor")},
        tumors={"melanoma": SimpleNamespace(id="melanoma", name="Cutaneous melanoma", standard_of_care=())},
        cycle={i + 1: SimpleNamespace(step=i + 1, name=n, question="") for i, n in enumerate(cycle_names)},
        references={},
        digest="0123456789abcdef",
    )


def _profile(sample: str) -> SimpleNamespace:
    generator = np.random.default_rng(3)
    by, evidence = {}, {}
    for ident, _name, _cat, _hub, _steps, _kind, presence, alpha, beta, measured, _drives in MECHANISMS:
        by[ident] = Activity(presence, alpha, beta, "measured" if measured else "sampled")
        if measured:
            evidence[ident] = tuple(
                SimpleNamespace(
                    biomarker=f"{ident}_{kind}",
                    value=float(generator.normal()),
                    unit="reference SD",
                    percentile=float(generator.uniform(5, 98)),
                    weight=float(generator.normal(0.8, 0.7)),
                    missing=("GENE1", "GENE2") if kind == "signature" and presence < 0.4 else (),
                )
                for kind in ("signature", "mutation")
            )
    barrier = {
        1: (0.31, True),
        2: (0.44, True),
        3: (0.58, True),
        4: (0.47, True),
        5: (0.78, True),
        6: (0.28, True),
        7: (0.49, False),
    }
    by_step = {s: tuple(m[0] for m in MECHANISMS if s in m[4] and m[6] > 0.5)[:3] for s in range(1, 8)}
    return SimpleNamespace(
        sample=sample,
        tumor="melanoma",
        activities=Activities(sample, "melanoma", by),
        evidence=evidence,
        phenotype="excluded",
        p_inflamed=0.21,
        p_excluded=0.58,
        p_desert=0.21,
        inflamed_score=-0.42,
        barriers={
            s: SimpleNamespace(step=s, mean=m, low=max(0, m - 0.17), high=min(1, m + 0.15), measured=ok, by=by_step[s])
            for s, (m, ok) in barrier.items()
        },
        broken_step=5,
        icb=SimpleNamespace(score=0.31, low=0.16, high=0.49, features={"TMB": 1.1, "albumin": 0.2}),
        missing=("gut_dysbiosis", "hla_homozygosity"),
        notes=("Expression was detected as TPM.",),
        patient=SimpleNamespace(
            sample=sample,
            patient="Pt10",
            tumor="melanoma",
            clinical={
                "tmb_per_mb": 7.4,
                "msi_high": False,
                "ldh_uln_ratio": 1.3,
                "nlr": 3.9,
                "age_year": 61.0,
                "lesion_sum_mm": 74.0,
                "treatment": "nivolumab",
                "timepoint": "before treatment",
            },
            expression=pd.Series(np.ones(17654)),
            mutations=pd.DataFrame({"gene": ["BRAF"] * 212}),
            hla=None,
            copy_number=None,
            notes=(),
            source="synthetic",
        ),
    )


def _trajectories(n_draws: int) -> xr.Dataset:
    generator = np.random.default_rng(7)
    day = np.arange(0.0, 731.0, 7.0)
    names = ["untreated", *[r[0] for r in REGIMENS]]
    luck, growth = generator.normal(size=n_draws), np.log(2) / generator.lognormal(np.log(170), 0.3, n_draws)
    volume = np.zeros((len(names), n_draws, day.size))
    cd8, killing, hypoxia = (np.zeros_like(volume) for _ in range(3))
    for i in range(len(names)):
        gain = 0.0 if i == 0 else 1.15 - REGIMENS[i - 1][9] + 0.35 * generator.normal(size=n_draws)
        rate = growth - (0 if i == 0 else 0.0042) * np.clip(gain + 0.85 * luck, 0, None)
        relapse = np.clip(generator.normal(0.0, 1.0, n_draws) + 0.2, 0, None)
        wave = 1 - np.exp(-day / 45.0)
        log = growth[:, None] * day * (1 - wave) + rate[:, None] * day * wave
        log = log + (0.004 * relapse[:, None] * np.clip(day - 330, 0, None) if i else 0.0)
        volume[i] = 38.0 * np.exp(np.clip(log, -9.0, 3.2))
        cd8[i] = 0.02 + 0.05 * (gain * np.exp(0.4 * luck))[:, None] * wave
        killing[i] = 0.01 + 0.03 * np.clip(gain + luck, 0, None)[:, None] * wave
        hypoxia[i] = np.clip(0.45 - 0.1 * np.mean(gain) * wave + 0.05 * luck[:, None], 0, 1)
    dims = ("regimen", "draw", "time")
    data = xr.Dataset(
        {
            "tumor_volume_ml": (dims, volume),
            "cd8_infiltration": (dims, cd8),
            "killing": (dims, killing),
            "hypoxia": (dims, hypoxia),
        },
        coords={"regimen": names, "time": day, "weight": ("draw", generator.dirichlet(np.full(n_draws, 4.0)))},
    )
    data["killing"].attrs["units"] = "1/day"
    return data


def fake_result(sample: str = "Pt10_pre", n_draws: int = 64) -> SimpleNamespace:
    """A RunResult with 30 mechanisms, 14 regimens and `n_draws` draws."""
    nodes = pd.DataFrame(
        [
            ("tgf_beta", "", -1.02, -1.71, -0.35),
            ("wnt_beta_catenin", "", -0.84, -1.62, -0.12),
            ("tam_m2", "", -0.52, -0.98, -0.08),
            ("caf", "", -0.47, -1.10, 0.04),
            ("cdc1_loss", "", -0.31, -0.83, 0.06),
            ("mdsc", "", -0.22, -0.61, 0.08),
            ("hypoxia", "", -0.18, -0.52, 0.12),
            ("mapk_activation", "", -0.15, -0.66, 0.21),
            ("glycolysis", "", -0.06, -0.25, 0.09),
            ("pi3k_activation", "", 0.02, -0.22, 0.24),
            ("tgf_beta", "wnt_beta_catenin", -1.94, -3.02, -0.81),
            ("tgf_beta", "tam_m2", -1.55, -2.44, -0.60),
            ("wnt_beta_catenin", "tam_m2", -1.31, -2.20, -0.41),
            ("caf", "wnt_beta_catenin", -1.22, -2.31, -0.22),
            ("tgf_beta", "caf", -1.18, -1.96, -0.41),
            ("cdc1_loss", "tgf_beta", -1.35, -2.11, -0.52),
            ("cdc1_loss", "wnt_beta_catenin", -0.95, -1.80, -0.20),
            ("caf", "tam_m2", -0.88, -1.60, -0.12),
            ("mdsc", "tgf_beta", -1.20, -2.00, -0.45),
            ("mdsc", "tam_m2", -0.70, -1.4, -0.05),
        ],
        columns=["mechanism", "partner", "effect", "low", "high"],
    )
    ranking = pd.DataFrame(
        [
            {
                "regimen": r,
                "tier": t,
                "response": np.nan if p is None else p,
                "response_low": np.nan if p is None else max(0, p - 0.14),
                "response_high": np.nan if p is None else min(1, p + 0.15),
                "pfs_months": np.nan if m is None else m,
                "ae3": a,
                "cost_tier": c,
                "evidence": e,
                "reason": w,
                "against": g,
            }
            for r, t, p, m, a, c, e, w, g, _ in REGIMENS
        ]
    )
    outcomes = pd.DataFrame(
        {"regimen": ranking["regimen"], "orr": ranking["response"], "pfs_median": ranking["pfs_months"], "cr": 0.08}
    )
    return SimpleNamespace(
        profile=_profile(sample),
        trajectories=_trajectories(n_draws),
        outcomes=outcomes,
        nodes=nodes,
        ranking=ranking,
        twin=SimpleNamespace(
            n_draws=n_draws,
            n_effective=41.3,
            n_failed=1,
            burden_ml=38.2,
            notes=("One draw did not reach the measured burden and has no weight.",),
        ),
        manifest={
            "call": ["tumornexus", "run", "patient", "--out", "out"],
            "seed": 1,
            "knowledge_digest": "0123456789abcdef",
            "time": "2026-01-01T00:00:00Z",
            "versions": {"tumornexus": "0.1.0", "python": "3.11.9", "numpy": "2.0"},
        },
    )
