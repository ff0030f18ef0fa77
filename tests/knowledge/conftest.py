"""A small catalogue of our own in a temporary folder, so that these tests do not depend on the real records."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumornexus.knowledge import Knowledge, load_knowledge

BIB = """
% a comment line with an @ sign
@article{alpha2020,
  author = {M{\\"u}ller, Anna and Berg, Bo},
  title = {A {PD-1} study},
  journal = {J Test},
  year = 2020,
  doi = {10.1000/alpha},
}
@article{beta2021, author = "Cox, Dee", title = "Twice", year = {2021}, pmid = {123}}
"""

PARAMETERS = """
[[parameter]]
id = "ido_activity"
value = 1.0
unit = "1"
low = 0.0
high = 10.0
spread_sd_log = 0.2
status = "assumed"
meaning = "relative activity of IDO1"
process = "metabolism"
assumed = "defined as 1 in the typical tumor"

[[parameter]]
id = "pd1_signal"
value = 1.0
unit = "1"
low = 0.0
high = 3.0
status = "measured"
meaning = "relative PD-1 signal"
process = "checkpoints"
source = ["alpha2020"]
"""

IDO = """
id = "ido"
name = "IDO1 up-regulation"
aliases = ["IDO1", "indoleamine 2,3-dioxygenase"]
claim = "IDO1 starves T cells of tryptophan."
kind = "cause"
category = "extrinsic"
resistance = ["adaptive"]
evidence = "preclinical/clinical"
grade = "supported"
cycle_steps = [3, 7]
hub = "metabolic competition"
relevance_ici = "moderate"
relevance_car_t = "low"
reversed_by = ["ido_inhibitor"]
source = ["alpha2020"]

[process]
observable = "kynurenine"
direction = "+"

[expected]
pd1 = "none"
car_t = "worse"
source = ["alpha2020"]

[[biomarker]]
id = "ido_rna"
input = "expression"
method = "zmean"
direction = "+"
genes = ["IDO1", "TDO2"]
separation = 1.0
source = ["beta2021"]

[[effect]]
parameter = "ido_activity"
law = "multiply"
value = 3.0
low = 2.0
high = 5.0
source = ["alpha2020"]

[[drives]]
target = "t_cell_exhaustion"
sign = "+"
source = ["alpha2020"]

[[claim_conflict]]
claim = "IDO1 inhibition restores response."
finding = "A randomized trial of epacadostat with pembrolizumab showed no benefit."
trials = ["echo_301"]
source = ["alpha2020"]
"""

EXHAUSTION = """
id = "t_cell_exhaustion"
name = "T-cell exhaustion"
claim = "Chronic antigen exhausts T cells."
kind = "outcome"
category = "extrinsic"
resistance = ["adaptive"]
evidence = "clinical"
grade = "established"
cycle_steps = [7]
hub = "tumor-immune interface"
relevance_ici = "high"
relevance_car_t = "high"
source = ["alpha2020"]
[process]
observable = "exhaustion"
direction = "+"
[expected]
pd1 = "worse"
car_t = "worse"
source = ["alpha2020"]
[[drives]]
target = "ido"
sign = "-"
source = ["alpha2020"]
"""

THERAPY = """
id = "{id}"
name = "{name}"
kind = "class"
modality = "{modality}"
target = "{target}"
rationale = "Because."
cycle_steps = [{steps}]
reverses = [{reverses}]
agents = [{agents}]
status = "approved"
toxicity = "immune-related"
source = ["alpha2020"]
[[act]]
parameter = "{parameter}"
law = "multiply"
value = 0.1
low = 0.0
high = 0.5
source = ["alpha2020"]
"""

DRUG = """
id = "{id}"
name = "{name}"
aliases = [{aliases}]
therapy = ["{therapy}"]
route = "iv"
dose_unit = "{unit}"
usual = "{usual}"
usual_max_single_dose = {most}
cost_tier = 3
cost_note = "list price"
status = "approved"
source = ["alpha2020"]
[pk]
model = "one_compartment"
clearance = 0.25
v_central = 4.0
source = ["alpha2020"]
[affinity]
ec50 = 1.0
unit = "nM"
source = ["alpha2020"]
[toxicity]
ae3_percent = 15.0
low = 10.0
high = 20.0
source = ["alpha2020"]
"""

DRUGS = (
    ("nivolumab", "Nivolumab", '"Opdivo", "BMS-936558"', "anti_pd1", "mg", "nivolumab 240 mg q2w", 480),
    ("ipilimumab", "Ipilimumab", "", "anti_pd1", "mg", "ipilimumab 3 mg/kg q3w x4", 750),
    ("epacadostat", "Epacadostat", "", "ido_inhibitor", "mg", "epacadostat 100 mg bid", 300),
    ("carboplatin", "Carboplatin", "", "ido_inhibitor", "mg", "carboplatin AUC5 q3w x4", 900),
    ("radiotherapy", "Radiotherapy", '"RT"', "ido_inhibitor", "Gy", "radiotherapy 8 Gy qd x3", 24),
    ("car_t", "CAR-T cells", '"CAR-T"', "ido_inhibitor", "cells", "car_t 1e8 cells once", 1e9),
    ("fmt", "Fecal microbiota transfer", "", "ido_inhibitor", "transfer", "fmt 1 transfer once", 1),
    ("interferon_alfa_2b", "Interferon alfa-2b", '"interferon alfa 2b"', "ido_inhibitor", "ug",
     "interferon_alfa_2b 80 ug qd", 200),
)  # fmt: skip

TUMORS = """
[[tumor]]
id = "melanoma"
name = "Melanoma"
synonyms = ["cutaneous melanoma", "SKCM"]
oncotree = ["MEL"]
doubling_time_day = 190
doubling_time_low = 80
doubling_time_high = 400
burden_ml = 40
burden_low = 5
burden_high = 200
tmb_median = 13
tmb_low = 2
tmb_high = 60
pd_l1_positive = 0.4
msi_high = 0.0
inflamed = 0.4
excluded = 0.3
desert = 0.3
source = ["alpha2020"]
[[tumor.prevalence]]
mechanism = "ido"
value = 0.3
low = 0.1
high = 0.5
source = ["alpha2020"]
[[tumor.standard_of_care]]
regimen = "nivolumab 240 mg q2w"
source = ["alpha2020"]
"""

TRIALS = """
[[trial]]
id = "echo_301"
name = "ECHO-301"
tumor = "melanoma"
disease = "melanoma"
line = "1L"
selection = "none"
endpoint = "RECIST"
use = "held_out"
randomized = true
negative = true
source = ["beta2021"]
checked = "read"
[[trial.arm]]
name = "epacadostat + pembrolizumab"
drugs = ["epacadostat", "nivolumab"]
regimen = "epacadostat 100 mg bid + nivolumab 240 mg q2w"
regimen_text = "epacadostat 100 mg BID + nivolumab"
n = 354
outcome = { orr = 34.2, pfs_median = 4.7, pfs_hr = 1.0, os_hr = 1.13 }
[[trial.arm]]
name = "placebo"
drugs = ["nivolumab"]
regimen_text = "nivolumab"
n = 352
control = true
outcome = { orr = 31.5, pfs_median = 4.9 }
"""

CYCLE = "".join(
    f'[[step]]\nstep = {i}\nname = "step {i}"\nquestion = "Does it work?"\nobservable = "killing"\n'
    'source = ["alpha2020"]\n'
    for i in range(1, 8)
)

GENES = "# test table\nsymbol\taliases\nIDO1\tIDO|INDO\nTDO2\tTDO|TPH2A\nCD8A\tCD8|p32\nC1orf112\t\nB2M\t\nGENEX\tp32\n"


def write_catalogue(folder: Path) -> Path:
    """Write the small catalogue and return its folder."""
    for sub in ("mechanisms", "therapies", "drugs"):
        (folder / sub).mkdir(parents=True)
    files = {
        "references.bib": BIB, "parameters.toml": PARAMETERS, "tumors.toml": TUMORS, "trials.toml": TRIALS,
        "cycle.toml": CYCLE, "genes.tsv": GENES,
        "mechanisms/ido.toml": IDO, "mechanisms/t_cell_exhaustion.toml": EXHAUSTION,
        "therapies/ido_inhibitor.toml": THERAPY.format(
            id="ido_inhibitor", name="IDO1 inhibitor", modality="metabolic", target="IDO1", steps="3, 7",
            reverses='"ido"', parameter="ido_activity",
            agents='"epacadostat", "carboplatin", "radiotherapy", "car_t", "fmt", "interferon_alfa_2b"'),
        "therapies/anti_pd1.toml": THERAPY.format(
            id="anti_pd1", name="PD-1 blockade", modality="checkpoint inhibitor", target="PD-1", steps="7",
            reverses='', parameter="pd1_signal", agents='"nivolumab", "ipilimumab"'),
    }  # fmt: skip
    for identifier, name, aliases, therapy, unit, usual, most in DRUGS:
        files[f"drugs/{identifier}.toml"] = DRUG.format(
            id=identifier, name=name, aliases=aliases, therapy=therapy, unit=unit, usual=usual, most=most
        )
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """Folder of the small catalogue, to be changed by a test."""
    return write_catalogue(tmp_path / "catalogue")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    """The small catalogue, loaded."""
    return load_knowledge(write_catalogue(tmp_path_factory.mktemp("small") / "catalogue"))
