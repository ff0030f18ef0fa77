"""The design of a virtual trial: who enters, what each arm gets, when it is scanned.

A design is read from TRIAL.toml or taken from a published trial of the catalogue by its id:

    tumor = "nsclc"
    line = 1
    months = 24
    [selection]                       # see `tumornexus.knowledge.criteria`
    pd_l1 = ">=50%"
    prior = ["chemotherapy"]          # simulated until progression, not flagged
    [scans]
    every_weeks = 8
    confirm = false
    [[arm]]
    name = "pembrolizumab"
    regimen = "pembrolizumab 200 mg q3w x35"
    [[arm]]
    name = "chemotherapy"
    regimen = "carboplatin AUC5 q3w x4 + pemetrexed 500 mg/m2 q3w"
    on_progression = "pembrolizumab 200 mg q3w"        # crossover, or any next line
    [[arm]]
    name = "by PD-L1"
    [[arm.choose]]                    # the first whose criteria a patient meets; the last may have none
    when = { pd_l1 = ">=50%" }
    regimen = "pembrolizumab 200 mg q3w"
    [[arm.choose]]
    regimen = "pembrolizumab 200 mg q3w + carboplatin AUC5 q3w x4 + pemetrexed 500 mg/m2 q3w"
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from tumornexus.errors import InputError, RegimenError, near_misses
from tumornexus.knowledge import Knowledge
from tumornexus.knowledge.criteria import Bound, Criteria, parse_bound
from tumornexus.knowledge.records import Arm as PublishedArm
from tumornexus.knowledge.records import Trial
from tumornexus.knowledge.regimen import parse_regimen
from tumornexus.toml_input import form_error, toml_content
from tumornexus.trial.prior import check_prior

UNTREATED = "untreated"
MONTH_DAYS = 30.4375
MOST_MONTHS = 60
# What a virtual patient can have at all, as `population` draws it (a test compares); a criterion outside of it selects
# nobody, which is told before anything is simulated.
POSSIBLE = {
    "pd_l1": Bound(0.0, 100.0, (True, True)), "tmb": Bound(0.0, float("inf"), (False, False)),
    "ecog": Bound(0.0, 2.0, (True, True)), "age": Bound(18.0, 92.0, (True, True)),
    "ldh": Bound(0.0, float("inf"), (False, False)),
}  # fmt: skip
Text = Annotated[str, Strict()]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]


class Part(BaseModel):
    """Base of a design's tables: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Choice(Part):
    """What a patient gets who meets `when` and none of the choices before it."""

    when: Criteria = Criteria()
    regimen: Text


class Arm(Part):
    """One arm: a regimen for all, or `choose` by biomarker; `on_progression` is the next line after progression.

    `tumor` and `criteria` are those of the trial where None.
    """

    name: Text
    regimen: Text | None = None
    choose: tuple[Choice, ...] = ()
    on_progression: Text | None = None
    tumor: Text | None = None
    criteria: Criteria | None = None

    @model_validator(mode="after")
    def _says_what_is_given(self) -> Arm:
        if (self.regimen is None) == (not self.choose):
            raise ValueError("an arm needs 'regimen', or 'choose' with one regimen a choice")
        return self

    @property
    def regimens(self) -> tuple[str, ...]:
        """All regimens that a patient of this arm may start with."""
        return (self.regimen,) if self.regimen is not None else tuple(c.regimen for c in self.choose)


class Scans(Part):
    """Imaging: weeks between scans, and whether a response needs a second scan (RECIST 1.1, section 4.6)."""

    every_weeks: Annotated[Whole, Field(ge=2, le=26)] = 8
    confirm: bool = False


PUBLISHED = Scans(every_weeks=8, confirm=True)  # of all published trials, as calibration and validation read them


class TrialDesign(Part):
    """A checked design; regimens are in normal form and tumor types are ids."""

    id: Text
    name: Text
    tumor: Text
    line: Annotated[Whole, Field(ge=1, le=10)] = 1
    months: Annotated[Whole, Field(ge=3, le=MOST_MONTHS)] = 24
    selection: Criteria = Criteria()
    scans: Scans = Scans()
    dropout_percent_per_year: Annotated[Number, Field(ge=0.0, lt=100.0)] | None = None  # None: see `FollowUp`
    arm: Annotated[tuple[Arm, ...], Field(min_length=1)]
    notes: tuple[str, ...] = ()

    def tumor_of(self, arm: Arm) -> str:
        return arm.tumor or self.tumor

    def criteria_of(self, arm: Arm) -> Criteria:
        return self.selection if arm.criteria is None else arm.criteria

    @property
    def horizon_days(self) -> int:
        """Days that are simulated: whole weeks that hold the months asked for."""
        return 7 * int(-(-self.months * MONTH_DAYS // 7))

    def digest(self) -> str:
        """Return 16 hexadecimal digits that two designs share only if they ask for the same simulation."""
        return hashlib.sha256(self.model_dump_json(exclude={"notes"}).encode()).hexdigest()[:16]


FIELDS = ("name", "tumor", "line", "months", "selection", "scans", "dropout_percent_per_year", "arm")


def _normal(text: str, knowledge: Knowledge, path: Path | None, field: str) -> str:
    if text.strip().lower() == UNTREATED:
        return UNTREATED
    try:
        return parse_regimen(text, knowledge).text
    except RegimenError as error:
        raise RegimenError(error.problem, file=path, field=field, value=error.value, valid=error.valid) from None


def _between(possible: Bound) -> str:
    if possible.high == float("inf"):
        return f"a bound that holds for some number above {possible.low:g}"
    return f"a bound that holds for some number from {possible.low:g} to {possible.high:g}"


def check_selection(
    criteria: Criteria, tumor_id: str, knowledge: Knowledge, path: Path | None, field: str = "selection"
) -> tuple[str, ...]:
    """Require that somebody with this tumor can meet the criteria; return notes on what they cannot do.

    Raises:
        InputError: criteria that contradict the tumor type, a bound that nobody can meet, or an unknown earlier
            treatment. `field` is how the message calls the table of criteria.
    """
    tumor, notes = knowledge.tumors[tumor_id], []
    where: dict[str, Any] = {"file": path}
    for name, possible in POSSIBLE.items():
        text = getattr(criteria, name)
        if text is not None and not parse_bound(text).meets(possible):
            raise InputError("no virtual patient can meet this", field=f"{field}.{name}", value=text,
                             valid=_between(possible), **where)  # fmt: skip
    high = tumor.msi_high >= 0.5
    if criteria.msi is not None and (criteria.msi == "high") != high:
        other = [t.id for t in knowledge.tumors.values() if (t.msi_high >= 0.5) != high]
        raise InputError(
            f"every virtual {tumor.id} is microsatellite-{'unstable' if high else 'stable'}", field=f"{field}.msi",
            value=criteria.msi, valid=f"another tumor type, such as {', '.join(other[:3])}", **where,
        )  # fmt: skip
    if criteria.braf_v600 and tumor.braf_v600 == 0.0:
        carriers = [t.id for t in knowledge.tumors.values() if t.braf_v600 > 0.0]
        raise InputError(f"no virtual {tumor.id} carries BRAF V600", field=f"{field}.braf_v600", value=True,
                         valid=f"a tumor type with carriers: {', '.join(carriers)}", **where)  # fmt: skip
    if criteria.brain_metastases:
        raise InputError("virtual patients have no brain metastases", field=f"{field}.brain_metastases", value=True,
                         valid="false, or leave it out", **where)  # fmt: skip
    check_prior(criteria.prior, tumor, knowledge, path)
    if criteria.egfr_alk:
        notes.append("EGFR and ALK are not modeled: every virtual patient counts as wild-type")
    return tuple(notes)


def read_design(source: Path | str, knowledge: Knowledge) -> TrialDesign:
    """Return the design in a file, or that of a published trial by id or name.

    Raises:
        InputError, RegimenError: the first thing wrong, naming file, field, value and what would be valid.
    """
    path = Path(source)
    if path.suffix.lower() == ".toml" or path.is_file():
        return _from_file(path, knowledge)
    return published_design(find_trial(str(source), knowledge), knowledge)


def find_trial(name: str, knowledge: Knowledge) -> Trial:
    """Find a published trial by id or name, whatever its case and signs.

    Raises:
        InputError: no such trial; near misses are listed.
    """

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]+", "", text.lower())

    found = {plain(t.id): t for t in knowledge.trials.values()} | {plain(t.name): t for t in knowledge.trials.values()}
    if plain(name) in found:
        return found[plain(name)]
    hint = near_misses(name, [t.name for t in knowledge.trials.values()])
    raise InputError("no such trial", field="trial", value=name,
                     valid=hint or "a TRIAL.toml or the id of a published trial")  # fmt: skip


def out_of_scope(trial: Trial, arm: PublishedArm | None = None) -> str | None:
    """Return why a published trial (or one arm of it) cannot be simulated, None where it can."""
    if trial.out_of_scope is not None:
        return trial.out_of_scope
    if trial.endpoint != "RECIST":
        return f"its endpoint is {trial.endpoint}, which the model does not yield"
    if trial.tumor is None:
        return f"{trial.disease} is not covered"
    if arm is not None and arm.regimen is None:
        return f"its treatment cannot be said with the catalogue's drugs: {arm.regimen_text}"
    return None


def published_design(trial: Trial, knowledge: Knowledge, *, months: int = 24) -> TrialDesign:
    """Return the design of a published trial, control arms last; arms that cannot be simulated are told in `notes`.

    Raises:
        InputError: the model does not cover the disease or the endpoint, or no arm can be simulated.
    """
    reason = out_of_scope(trial)
    if reason is not None:
        raise InputError(f"{trial.name} is not simulated: {reason}", field="trial", value=trial.id,
                         valid="a trial in an advanced solid tumor of the catalogue, judged by RECIST")  # fmt: skip
    notes, arms = [], []
    for arm in sorted(trial.arm, key=lambda a: a.control):
        why = out_of_scope(trial, arm)
        if why is not None:
            notes.append(f"arm '{arm.name}' is left out: {why}")
            continue
        tumor = arm.tumor or trial.tumor
        assert tumor is not None
        criteria = trial.criteria if arm.criteria is None else arm.criteria
        notes += [n for n in check_selection(criteria, tumor, knowledge, None) if n not in notes]
        arms.append(
            Arm(
                name=arm.name, regimen=_normal(str(arm.regimen), knowledge, None, f"arm '{arm.name}'"),
                tumor=arm.tumor, criteria=arm.criteria,
            )
        )  # fmt: skip
    if not arms:
        raise InputError(f"no arm of {trial.name} can be simulated: {'; '.join(notes)}", field="trial", value=trial.id)
    first = re.match(r"(\d+)", trial.line)
    design = TrialDesign(
        id=trial.id, name=trial.name, tumor=str(trial.tumor), line=int(first[1]) if first else 1, months=months,
        selection=trial.criteria, scans=PUBLISHED, arm=tuple(arms),
    )  # fmt: skip
    return design.model_copy(update={"notes": (*notes, *_about_line(design))})


def _about_line(design: TrialDesign) -> tuple[str, ...]:
    """Return the note that a later line needs where no earlier treatment is simulated."""
    if design.line > 1 and not design.selection.prior:
        return ("line is above 1 and no earlier treatment is named (selection.prior): none is simulated",)
    return ()


def _from_file(path: Path, knowledge: Knowledge) -> TrialDesign:
    content = toml_content(path, "trial")
    for key in content:
        if key not in FIELDS:
            raise InputError("unknown field", file=path, field=key, valid=near_misses(key, FIELDS))
    name = content.get("name", path.stem)
    try:
        design = TrialDesign(id=path.stem, **{**content, "name": name})
    except ValidationError as error:
        tables = {"selection": Criteria, "when": Criteria, "arm": Arm, "choose": Choice, "scans": Scans}
        raise form_error(
            error, path, TrialDesign, tables,
            examples={"arm": '[[arm]] with name = "..." and regimen = "nivolumab 240 mg q2w"'},
        ) from None  # fmt: skip
    tumor = _tumor_id(design.tumor, knowledge, path, "tumor")
    if 7 * design.scans.every_weeks > design.horizon_days:
        most = f"at most {design.horizon_days // 7} weeks, or more months"
        raise InputError("the trial ends before its first scan", file=path, field="scans.every_weeks",
                         value=design.scans.every_weeks, valid=most)  # fmt: skip
    names = [a.name for a in design.arm]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise InputError("two arms have one name", file=path, field="arm.name", value=twice[0], valid="a name each")
    arms = []
    for arm in design.arm:
        field = f"arm '{arm.name}'"
        changes: dict[str, Any] = {}
        if arm.regimen is not None:
            changes["regimen"] = _normal(arm.regimen, knowledge, path, f"{field}, regimen")
        if arm.on_progression is not None:
            changes["on_progression"] = _normal(arm.on_progression, knowledge, path, f"{field}, on_progression")
        changes["choose"] = tuple(
            c.model_copy(update={"regimen": _normal(c.regimen, knowledge, path, f"{field}, choose {i}")})
            for i, c in enumerate(arm.choose, 1)
        )
        if arm.tumor is not None:
            changes["tumor"] = _tumor_id(arm.tumor, knowledge, path, f"{field}, tumor")
        own_tumor = str(changes.get("tumor", tumor))
        if any(c.when.prior for c in arm.choose):
            raise InputError("a choice cannot ask for earlier treatment", file=path, field=f"{field}, when.prior",
                             valid="prior = [...] in [selection]")  # fmt: skip
        if arm.choose and arm.choose[-1].when != Criteria():
            raise InputError("patients who meet no choice would get nothing", file=path, field=f"{field}, choose",
                             valid="a last [[arm.choose]] without 'when'")  # fmt: skip
        for i, choice in enumerate(arm.choose, 1):
            check_selection(choice.when, own_tumor, knowledge, path, f"{field}, choose {i}, when")
        arms.append(arm.model_copy(update=changes))
    design = design.model_copy(update={"tumor": tumor, "arm": tuple(arms)})
    notes = [n for a in design.arm for n in check_selection(design.criteria_of(a), design.tumor_of(a), knowledge, path)]
    return design.model_copy(update={"notes": tuple(dict.fromkeys((*notes, *_about_line(design))))})


def _tumor_id(name: str, knowledge: Knowledge, path: Path, field: str) -> str:
    try:
        return knowledge.tumor(name).id
    except InputError as error:
        raise InputError(error.problem, file=path, field=field, value=name, valid=error.valid) from None
