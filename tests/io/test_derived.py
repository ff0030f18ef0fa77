"""Facts from small tables: microsatellites, neoantigens, T-cell receptors."""

from __future__ import annotations

import pandas as pd
import pytest

from io_cohorts import write_patient
from tumornexus.errors import InputError
from tumornexus.io import read_cohort, read_patient
from tumornexus.io.clinical import EXOME_MB
from tumornexus.io.derived import read_msi, read_neoantigens
from tumornexus.io.receptors import read_tcr


def written(tmp_path, text: str):
    path = tmp_path / "table.tsv"
    path.write_text(text)
    return path


def test_microsatellite_status_and_scores(tmp_path):
    status, _ = read_msi(written(tmp_path, "sample\tmsi_status\nP1\tMSI-H\nP2\tMSS\nP3\t\n"))
    assert status == {"P1": {"msi_high": True}, "P2": {"msi_high": False}}
    score, notes = read_msi(written(tmp_path, "sample\tmsisensor_score\nP1\t10\nP2\t5\nP3\t0.4\n"))
    assert score == {"P1": {"msi_high": True}, "P3": {"msi_high": False}}
    assert "not used" in notes["P2"][0], "between stable and high nothing is claimed"
    own = "Total_Number_of_Sites\tNumber_of_Somatic_Sites\t%\n640\t128\t20.0\n"
    assert read_msi(written(tmp_path, own), default_sample="P1", tool="msisensor2")[0] == {"P1": {"msi_high": True}}
    with pytest.raises(InputError, match="the tool is not named"):
        read_msi(written(tmp_path, own), default_sample="P1")
    with pytest.raises(InputError, match="the tool is not named"):
        read_msi(written(tmp_path, own), default_sample="P1", tool="msisensor-pro")
    with pytest.raises(InputError, match="outside what is possible"):
        read_msi(written(tmp_path, "sample\tmsisensor_score\nP1\t130\n"))
    with pytest.raises(InputError, match="status or a score"):
        read_msi(written(tmp_path, "sample\tx\nP1\t1\n"))


def test_neoantigens_count_mutations_that_bind(tmp_path):
    text = (
        "sample\tgene\teffect\tpeptide\tic50\tclonal\n"
        "P1\tA\tp.A1B\tAAAAAAAAA\t40\tyes\nP1\tA\tp.A1B\tCAAAAAAAA\t90\tyes\nP1\tB\tp.B2C\tDAAAAAAAA\t499\tno\n"
        "P1\tC\tp.C3D\tEAAAAAAAA\t500\tyes\nP2\tC\tp.C3D\tEAAAAAAAA\t9\tyes\n"
    )
    facts, notes = read_neoantigens(written(tmp_path, text))
    assert facts["P1"] == {"neoantigens_per_mb": pytest.approx(2 / EXOME_MB), "clonal_neoantigens": 1.0}
    assert facts["P2"]["clonal_neoantigens"] == 1.0
    assert "2 neoantigens" in notes["P1"][0]
    facts, _ = read_neoantigens(written(tmp_path, "peptide\nAAAAAAAAA\nAAAAAAAAA\nCAAAAAAAA\n"), default_sample="P1")
    assert facts["P1"]["neoantigens_per_mb"] == pytest.approx(2 / EXOME_MB)
    with pytest.raises(InputError, match="needs the mutation or the peptide"):
        read_neoantigens(written(tmp_path, "sample\tx\nP1\t1\n"))


def test_clonality_of_the_tumor_not_of_blood(tmp_path):
    text = "patient\tSample Type\tClonality\n01\tPBMC\t0.4\n01\tTumor\t0.1\n02\tPBMC\t0.3\n"
    facts, notes = read_tcr(written(tmp_path, text))
    assert facts == {"01": {"tcr_clonality": 0.1}}
    assert "not of the tumor" in notes["02"][0]
    with pytest.raises(InputError, match="outside 0 to 1"):
        read_tcr(written(tmp_path, "sample\tclonality\nP1\t14\n"))


def test_derived_facts_reach_patients_and_cohorts(tmp_path):
    folder = write_patient(
        tmp_path / "p",
        'sample = "P1"\ntumor = "melanoma"\nmsi_tool = "msisensor"\n',
        msi_dot_tsv="Total_Number_of_Sites\tNumber_of_Somatic_Sites\t%\n640\t200\t31.25\n",
        tcr_dot_tsv="clonality\n0.2\n",
    )
    clinical = read_patient(folder).clinical
    assert clinical["msi_high"] is True
    assert clinical["tcr_clonality"] == 0.2
    (tmp_path / "msi.tsv").write_text("patient\tmsi_status\n01\tMSI-H\n02\tMSI-H\n")
    (tmp_path / "clinical.tsv").write_text(
        "sample\tpatient\tcancer_type\tMSI\nP1\t01\tmelanoma\tMSS\nP2\t02\tmelanoma\tNA\n"
    )
    one, two = read_cohort(tmp_path)
    assert one.clinical["msi_high"] is False, "what the clinical table says stands"
    assert two.clinical["msi_high"] is True


@pytest.mark.realdata
def test_published_neoantigens_and_receptors(shared_data):
    """snyder2017: counts of distinct mutations with a predicted binder, made here with pandas from the raw table."""
    folder = shared_data / "snyder2017"
    raw = pd.read_csv(folder / "neoantigens.tsv.gz", sep="\t", dtype=str)
    raw = raw[raw["ic50"].astype(float) < 500].drop_duplicates(["sample", "chr", "start", "ref", "alt"])
    counts = raw.groupby("sample").size()
    cohort = read_cohort(folder)
    for patient in cohort:
        if patient.sample in counts.index:
            expected = counts[patient.sample] / EXOME_MB
            assert patient.clinical["neoantigens_per_mb"] == pytest.approx(expected)
    clonality = [p.clinical["tcr_clonality"] for p in cohort if "tcr_clonality" in p.clinical]
    assert len(clonality) >= 15
    assert all(0 <= c <= 1 for c in clonality)
