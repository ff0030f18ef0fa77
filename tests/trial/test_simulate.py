"""One partition of a trial: the same patients and luck in each arm, whatever else is simulated beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from simulated import keep_compiled
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.criteria import Criteria
from tumornexus.trial import simulate
from tumornexus.trial.calibration import Calibration, none
from tumornexus.trial.design import Arm, Choice, TrialDesign
from tumornexus.trial.outcomes import arm_outcomes
from tumornexus.trial.partition_folder import encode
from tumornexus.trial.population import Patients
from tumornexus.trial.scans import ScanPlan
from tumornexus.trial.simulate import (
    SIZE,
    ArmCourse,
    Task,
    choices,
    courses,
    enroll,
    join,
    meets,
    progressed_on,
    run_partition,
)
from tumornexus.trial.survival import DeathHazard, FollowUp

pytestmark = pytest.mark.simulation
CHEMOTHERAPY = "carboplatin AUC5 q3w x4 + pemetrexed 500 mg/m2 q3w"
PD1 = "pembrolizumab 200 mg q3w"
POSITIVE = Criteria(pd_l1=">=1%")
DESIGN = TrialDesign(
    id="four_arms", name="four arms", tumor="nsclc", months=9,
    arm=(
        Arm(name="then PD-1", regimen=CHEMOTHERAPY, on_progression=PD1),
        Arm(name="by PD-L1", choose=(Choice(when=POSITIVE, regimen=PD1), Choice(regimen=CHEMOTHERAPY))),
        Arm(name="PD-1", regimen=PD1),
        Arm(name="chemotherapy", regimen=CHEMOTHERAPY),
    ),
)  # fmt: skip
TASK = Task(DESIGN, number=1, size=20, seed=5, calibration=none(), volumes=True)


@dataclass(frozen=True)
class Made:
    courses: list[ArmCourse]
    tables: dict[str, pd.DataFrame]
    again: dict[str, pd.DataFrame]
    fewer: dict[str, pd.DataFrame]
    everyone: Patients
    kept: np.ndarray
    later: Patients

    def arm(self, name: str, table: str = "patients") -> pd.DataFrame:
        found = self.tables[table]
        return found[found["arm"] == name].reset_index(drop=True)


@pytest.fixture(scope="module")
def made(knowledge: Knowledge, pytestconfig: pytest.Config) -> Made:
    keep_compiled(pytestconfig)
    with pytest.MonkeyPatch.context() as patch:
        # An earlier line as long as the trial shares its compiled code.
        patch.setattr(simulate, "HORIZON_DAYS", DESIGN.horizon_days)
        found = courses(TASK, knowledge)
        last_two = DESIGN.model_copy(update={"arm": DESIGN.arm[2:]})
        fewer = run_partition(replace(TASK, design=last_two, size=8))
        everyone = found[3].patients
        kept, later = progressed_on(everyone, CHEMOTHERAPY, knowledge)
        return Made(found, run_partition(TASK), run_partition(TASK), fewer, everyone, kept, later)


def test_same_task_same_bytes(made):
    for name, table in made.tables.items():
        assert encode(name, table).content == encode(name, made.again[name]).content


def test_fewer_patients_and_arms_change_nobody(made):
    few = made.fewer["patients"]
    assert set(few["arm"]) == {"PD-1", "chemotherapy"}
    for arm, table in few.groupby("arm"):
        pd.testing.assert_frame_equal(
            table.reset_index(drop=True), made.arm(str(arm)).head(8), check_exact=False, rtol=1e-6
        )


def test_arms_share_patients(made):
    p = made.tables["patients"]
    assert list(dict.fromkeys(p["arm"])) == [a.name for a in DESIGN.arm]
    facts = ["patient", "draw", "age", "sex", "ecog", "ldh_ratio", "volume_ml", "pd_l1", "tmb", "base_mm"]
    facts += [c for c in p.columns if c.startswith("m_")]
    first = made.arm("chemotherapy")[facts]
    assert first["patient"].tolist() == list(range(SIZE, SIZE + 20))  # the second partition
    for arm in DESIGN.arm:
        pd.testing.assert_frame_equal(made.arm(arm.name)[facts], first)
    assert first["age"].nunique() > 15


def test_arms_share_luck(made):
    """Arms with one treatment agree bit by bit; who leaves does so on one day in all arms."""
    a, b = made.arm("then PD-1"), made.arm("chemotherapy")
    same = ["best", "pfs_days", "pfs_event", "change_percent", "ae3_day"]
    pd.testing.assert_frame_equal(a[same], b[same])
    both = a["left_day"].lt(np.inf) & b["left_day"].lt(np.inf)
    assert (a["left_day"][both] == b["left_day"][both]).all()


def test_next_line_changes_survival_only_after_progression(made, knowledge):
    own, alone = made.courses[0], made.courses[3]
    plan, follow, law = ScanPlan(confirm=False), FollowUp(months=9.0), DeathHazard()
    day = arm_outcomes(own.course, own.patients.facts.assign(patient=own.number), plan, follow, law, seed=5)
    progression = day.progression_day
    volume = simulate._next_line(own, progression, knowledge, DESIGN.horizon_days)
    days = own.course["time"].values
    before = days[None, :] <= progression[:, None]
    assert before.any()
    total, first = volume.sum(axis=1), alone.course["lesion_volume"].values.sum(axis=1)
    np.testing.assert_array_equal(total[before], first[before])
    after = ~before & np.isfinite(progression)[:, None] & (days[None, :] > progression[:, None] + 28.0)
    assert np.abs(np.log(total[after] / first[after])).max() > 0.05  # another drug, another course
    a, b = made.arm("then PD-1"), made.arm("chemotherapy")
    free = ~np.isfinite(progression)
    assert free.any()
    assert (a["os_days"] == b["os_days"])[free].all()
    differing = a["os_days"] != b["os_days"]
    assert differing.any()
    assert (a["os_days"][differing] > progression[differing]).all()


def test_who_never_progresses_has_no_next_line(made, knowledge):
    own = made.courses[0]
    volume = simulate._next_line(own, np.full(20, np.inf), knowledge, DESIGN.horizon_days)
    np.testing.assert_array_equal(volume, own.course["lesion_volume"].values)


def test_choose_gives_each_the_right_regimen(made):
    chosen, pd1, chemotherapy = (made.arm(a) for a in ("by PD-L1", "PD-1", "chemotherapy"))
    positive = chosen["pd_l1"] >= 1.0
    assert 0 < positive.sum() < 20
    for column in ("pfs_days", "os_days", "best", "ae3_day"):
        assert (chosen[column][positive] == pd1[column][positive]).all()
        assert (chosen[column][~positive] == chemotherapy[column][~positive]).all()
    assert (chosen["pfs_days"] != pd1["pfs_days"]).any()


def test_first_choice_that_fits_counts():
    facts = pd.DataFrame({"pd_l1": [0.5, 20.0, 80.0], "ecog": [0, 1, 1]})
    arm = Arm(name="a", choose=(
        Choice(when=Criteria(pd_l1=">=50%"), regimen="x"), Choice(when=Criteria(ecog="1-2"), regimen="y"),
        Choice(regimen="z"),
    ))  # fmt: skip
    assert choices(arm, facts).tolist() == [2, 1, 0]
    assert choices(Arm(name="b", regimen="x"), facts).tolist() == [0, 0, 0]


def test_meets_reads_each_criterion():
    facts = pd.DataFrame({
        "pd_l1": [0.5, 50.0], "tmb": [3.0, 12.0], "ecog": [0, 2], "age": [50.0, 80.0], "ldh_ratio": [0.8, 1.5],
        "msi_high": [False, True], "braf_v600": [True, False],
    })  # fmt: skip
    criteria = Criteria(pd_l1=">=50%", tmb=">=10", ecog="0-1", age="<75", ldh="<=1", msi="high", braf_v600=False)
    found = meets(facts, criteria)
    assert {k: v.tolist() for k, v in found.items()} == {
        "pd_l1": [False, True], "tmb": [False, True], "ecog": [True, False], "age": [True, False],
        "ldh": [True, False], "msi": [False, True], "braf_v600": [False, True],
    }  # fmt: skip
    assert meets(facts, Criteria(prior=("chemotherapy",))) == {}


def test_earlier_line_is_simulated(made):
    """Who comes from an earlier line progressed on it: the tumor is what that treatment left, larger than its nadir."""
    kept, later, before = made.kept, made.later, made.everyone
    assert 0 < len(kept) < len(before)
    course = made.courses[3].course  # the same treatment of the same people
    volume, days = course["tumor_volume"].values, course["time"].values
    for i, member in enumerate(kept):
        at = np.flatnonzero(np.isclose(volume[member], later.facts["volume_ml"].iloc[i], rtol=1e-5))
        assert any(k > 0 and days[k] % 56 == 0 for k in at)
        assert later.facts["volume_ml"].iloc[i] > 1.05 * volume[member, : at.max() + 1].min()
    assert (later.facts["volume_ml"] >= simulate.SMALLEST_ML).all()
    grown = later.facts["volume_ml"].to_numpy() / before.facts["volume_ml"].to_numpy()[kept]
    assert np.median(grown) > 1.0
    assert not later.state.toxicity_hazard.any()
    assert not later.state.steroid.any()
    assert (later.luck == before.luck[kept] + 1).all()  # other chance than in the line before
    np.testing.assert_array_equal(later.values, before.values[kept])
    assert later.facts["age"].tolist() == before.facts["age"].iloc[kept].tolist()


def test_enrollment_after_earlier_treatment(made, knowledge, pytestconfig):
    """With `prior`, those who enter are the ones of whom `progressed_on` says so, in their order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, "HORIZON_DAYS", DESIGN.horizon_days)
        patch.setattr(
            "tumornexus.trial.simulate.prior_regimen",
            lambda word, tumor, known: CHEMOTHERAPY if word == "chemotherapy" else None,
        )
        patients, draw = enroll(replace(TASK, size=5), "nsclc", Criteria(prior=("chemotherapy",)), knowledge)
    assert len(patients) == len(draw) == 5
    n = int(np.sum(made.kept < 20))
    expected = made.later.facts["volume_ml"].to_numpy()[: min(n, 5)]
    np.testing.assert_allclose(patients.facts["volume_ml"].to_numpy()[: len(expected)], expected, rtol=1e-6)


def test_volumes_are_those_of_the_course(made):
    for own in made.courses:
        wide = made.arm(own.arm.name, "volumes")
        columns = [c for c in wide.columns if c[1:].isdigit()]
        assert columns == [f"d{d}" for d in range(0, int(own.course["time"].values[-1]) + 1, 28)]
        at = np.isin(own.course["time"].values, [int(c[1:]) for c in columns])
        np.testing.assert_allclose(wide[columns], own.course["tumor_volume"].values[:, at], rtol=1e-6)
    assert (made.arm("PD-1")["volume_ml"] > 0).all()


def test_scans_belong_to_patients(made):
    s = made.tables["scans"]
    assert set(s["arm"]) == {a.name for a in DESIGN.arm}
    assert set(s["patient"]) <= set(made.tables["patients"]["patient"])


def test_calibration_moves_the_population(made, knowledge):
    """More killing, more responses: a shift changes courses and nothing of the body."""
    strong = Calibration(("cd8_kill_rate",), np.array([[2.0]]))
    design = DESIGN.model_copy(update={"arm": DESIGN.arm[2:3]})
    shifted = run_partition(replace(TASK, design=design, calibration=strong))["patients"]
    plain = made.arm("PD-1")
    assert shifted["change_percent"].median() < plain["change_percent"].median()
    assert set(shifted["draw"]) == {4}  # the second partition starts with draw 128 / 32


@pytest.fixture
def few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "MOST_BLOCKS", 1)


@pytest.mark.usefixtures("few_blocks", "made")
def test_empty_selection_names_the_criterion(knowledge):
    with pytest.raises(InputError, match="too few virtual patients qualify") as told:
        enroll(TASK, "nsclc", Criteria(tmb=">=5000", ecog="0-1"), knowledge)
    assert told.value.field == "selection.tmb"
    assert told.value.value == 0
    assert "tmb: 0" in str(told.value)


@pytest.mark.usefixtures("few_blocks", "made")
def test_too_many_patients_without_criteria(knowledge):
    with pytest.raises(InputError, match="too few") as told:
        enroll(replace(TASK, size=500), "nsclc", Criteria(), knowledge)
    assert told.value.field == "selection"


def test_scarce_criterion_is_told_by_its_share():
    """An earlier treatment counts among those who were given it, not among all who were drawn."""
    passed = {"all criteria": 1, "pd_l1": 4, "prior chemotherapy": 2, "prior chemotherapy, treated": 4}
    error = simulate._too_few(TASK, "nsclc", 1000, passed)
    assert error.field == "selection.pd_l1"
    assert "prior chemotherapy: 2 of 4 treated" in str(error)
    passed |= {"pd_l1": 900, "prior chemotherapy": 0, "prior chemotherapy, treated": 900}
    assert simulate._too_few(TASK, "nsclc", 1000, passed).field == "selection.prior"


def test_join_of_parts_is_the_whole(made):
    whole = made.everyone
    parts = [whole[np.arange(7)], whole[np.arange(7, 7)], whole[np.arange(7, 20)]]
    again = join(parts)
    np.testing.assert_array_equal(again.values, whole.values)
    np.testing.assert_array_equal(again.luck, whole.luck)
    pd.testing.assert_frame_equal(again.facts, whole.facts)
    np.testing.assert_array_equal(again.state.cancer, whole.state.cancer)
