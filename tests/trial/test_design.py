"""Designs: from a file, from a published trial, and what is wrong with one."""

from __future__ import annotations

import re

import pytest

from tumornexus.errors import InputError, NexusError, RegimenError
from tumornexus.knowledge.criteria import Bound, Criteria
from tumornexus.knowledge.regimen import parse_regimen
from tumornexus.trial import population
from tumornexus.trial.design import (
    MOST_MONTHS,
    POSSIBLE,
    UNTREATED,
    Arm,
    check_selection,
    find_trial,
    out_of_scope,
    published_design,
    read_design,
)

HEAD = 'tumor = "nsclc"\n'
ARM = '[[arm]]\nname = "a"\nregimen = "pembrolizumab 200 mg q3w"\n'


@pytest.fixture
def design(tmp_path, knowledge):
    """Return a function that reads a design from text."""

    def read(text: str, name: str = "mine"):
        path = tmp_path / f"{name}.toml"
        path.write_text(text, "utf-8")
        return read_design(path, knowledge)

    return read


def test_smallest_design(design):
    found = design(HEAD + ARM)
    assert (found.id, found.name, found.tumor, found.line, found.months) == ("mine", "mine", "nsclc", 1, 24)
    assert found.selection == Criteria()
    assert found.horizon_days % 7 == 0
    assert found.horizon_days >= found.months * 30.4375 > found.horizon_days - 7
    assert found.notes == ()


def test_everything_at_once(design, knowledge):
    found = design(
        'name = "A trial"\ntumor = "Non-small cell lung cancer"\nline = 2\nmonths = 12\n'
        "dropout_percent_per_year = 10.0\n"
        '[selection]\npd_l1 = "1-49%"\necog = "0-1"\nprior = ["chemotherapy"]\negfr_alk = "wild-type"\n'
        "[scans]\nevery_weeks = 6\nconfirm = true\n"
        '[[arm]]\nname = "a"\nregimen = "PEMBROLIZUMAB 200mg Q3W"\non_progression = "docetaxel 75 mg/m2 q3w"\n'
        '[[arm]]\nname = "b"\n[[arm.choose]]\nwhen = { tmb = ">=10" }\nregimen = "nivolumab 240 mg q2w"\n'
        '[[arm.choose]]\nregimen = "docetaxel 75 mg/m2 q3w"\n'
        '[[arm]]\nname = "c"\nregimen = "Untreated"\ntumor = "melanoma"\n[arm.criteria]\nbraf_v600 = true\n'
    )
    assert found.tumor == "nsclc"
    a, b, c = found.arm
    assert a.regimens == ("pembrolizumab 200 mg q3w",)
    assert parse_regimen(str(a.on_progression), knowledge).drugs == ("docetaxel",)
    assert b.regimens == ("nivolumab 240 mg q2w", "docetaxel 75 mg/m2 q3w")
    assert c.regimen == UNTREATED
    assert (found.tumor_of(a), found.tumor_of(c)) == ("nsclc", "melanoma")
    assert found.criteria_of(a) is found.selection
    assert found.criteria_of(c) == Criteria(braf_v600=True)
    assert any("EGFR" in note for note in found.notes)


def test_later_line_without_earlier_treatment_is_told(design):
    assert any("no earlier treatment" in n for n in design("line = 2\n" + HEAD + ARM).notes)
    treated = 'line = 2\ntumor = "nsclc"\n[selection]\nprior = ["chemotherapy"]\n'
    assert not design(treated + ARM).notes


WRONG = [
    # what is written, field, words of the message
    (ARM, "tumor", "field is missing"),
    ('tumor = "lungg cancer"\n' + ARM, "tumor", "lungg"),
    (HEAD, "arm", "missing"),
    (HEAD + "arm = []\n", "arm", "arm"),
    (HEAD + '[arm]\nname = "a"\n', "arm", r"\[\[arm\]\]"),
    (HEAD + '[[arm]]\nname = "a"\n', "arm.1", "an arm needs 'regimen'"),
    (HEAD + '[[arm]]\nregimen = "nivolumab 240 mg q2w"\n', "arm.1.name", "missing"),
    (HEAD + ARM + ARM, "arm.name", "one name"),
    (HEAD + ARM + '[[arm.choose]]\nregimen = "nivolumab 240 mg q2w"\n', "arm.1", "an arm needs 'regimen'"),
    (HEAD + ARM.replace("pembrolizumab", "pembrolizumap"), "arm 'a', regimen", "pembrolizumab"),
    (HEAD + ARM + 'on_progression = "no such thing"\n', "arm 'a', on_progression", "unknown drug"),
    (HEAD + ARM + 'tumor = "lungg"\n', "arm 'a', tumor", "lungg"),
    (HEAD + ARM.replace("200 mg q3w", ""), "arm 'a', regimen", "pembrolizumab"),
    (HEAD + '[[arm]]\nname = "a"\nregimen = ""\n', "arm 'a', regimen", "regimen"),
    ("month = 12\n" + HEAD + ARM, "month", "did you mean months"),
    ("months = 2\n" + HEAD + ARM, "months", "3"),
    (f"months = {MOST_MONTHS + 1}\n" + HEAD + ARM, "months", str(MOST_MONTHS)),
    ("months = 12.5\n" + HEAD + ARM, "months", "whole number"),
    ("line = 0\n" + HEAD + ARM, "line", "1"),
    ("dropout_percent_per_year = 100.0\n" + HEAD + ARM, "dropout_percent_per_year", "100"),
    (HEAD + "[scans]\nevery_weeks = 1\n" + ARM, "scans.every_weeks", "2"),
    ("months = 3\n" + HEAD + "[scans]\nevery_weeks = 26\n" + ARM, "scans.every_weeks", "first scan"),
    (HEAD + "[scans]\nevery = 8\n" + ARM, "scans.every", "every_weeks"),
    (HEAD + '[selection]\npdl1 = ">1"\n' + ARM, "selection.pdl1", "did you mean pd_l1"),
    (HEAD + '[selection]\npd_l1 = "high"\n' + ARM, "selection.pd_l1", "not a bound"),
    (HEAD + '[selection]\npd_l1 = ">100%"\n' + ARM, "selection.pd_l1", "from 0 to 100"),
    (HEAD + '[selection]\ntmb = "<0"\n' + ARM, "selection.tmb", "above 0"),
    (HEAD + '[selection]\necog = "3-4"\n' + ARM, "selection.ecog", "from 0 to 2"),
    (HEAD + '[selection]\nage = "<18"\n' + ARM, "selection.age", "from 18 to 92"),
    (HEAD + '[selection]\nmsi = "high"\n' + ARM, "selection.msi", "crc_msi_h"),
    (HEAD + "[selection]\nbrain_metastases = true\n" + ARM, "selection.brain_metastases", "no brain metastases"),
    ('tumor = "hnscc"\n[selection]\nbraf_v600 = true\n' + ARM, "selection.braf_v600", "melanoma"),
    (HEAD + '[selection]\nprior = ["radium"]\n' + ARM, "selection.prior", "radium"),
    (HEAD + '[selection]\nprior = "chemotherapy"\n' + ARM, "selection.prior", ""),
    (
        HEAD + '[[arm]]\nname = "a"\n[[arm.choose]]\nwhen = { pd_l1 = ">1" }\nregimen = "nivolumab 240 mg q2w"\n',
        "arm 'a', choose", "last",
    ),
    (
        HEAD + '[[arm]]\nname = "a"\n[[arm.choose]]\nwhen = { prior = ["chemotherapy"] }\n'
        'regimen = "nivolumab 240 mg q2w"\n[[arm.choose]]\nregimen = "untreated"\n',
        "arm 'a', when.prior", "earlier treatment",
    ),
    (  # nobody has them, and everybody would have been given this
        HEAD + '[[arm]]\nname = "a"\n[[arm.choose]]\nwhen = { brain_metastases = true }\n'
        'regimen = "nivolumab 240 mg q2w"\n[[arm.choose]]\nregimen = "untreated"\n',
        "arm 'a', choose 1, when.brain_metastases", "no brain metastases",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field", "words"), WRONG, ids=[f"{i}-{w[1]}" for i, w in enumerate(WRONG)])
def test_wrong_designs(design, text, field, words):
    with pytest.raises((InputError, RegimenError)) as told:
        design(text)
    assert str(told.value.file).endswith("mine.toml"), str(told.value)
    assert told.value.field == field, str(told.value)
    assert re.search(words, str(told.value)), str(told.value)


def test_no_such_file(tmp_path, knowledge):
    with pytest.raises(InputError, match="no such trial file"):
        read_design(tmp_path / "none.toml", knowledge)


def test_unknown_trial(knowledge):
    with pytest.raises(InputError, match=r"did you mean.*CheckMate") as told:
        read_design("CheckMate-068", knowledge)
    assert told.value.value == "CheckMate-068"
    with pytest.raises(InputError, match="no such trial"):
        read_design("", knowledge)


def test_trials_are_found_whatever_their_spelling(knowledge):
    for trial in knowledge.trials.values():
        for name in (trial.id, trial.name, trial.name.lower().replace("-", " "), trial.id.upper()):
            assert find_trial(name, knowledge) is trial


def test_every_published_trial_gives_a_design_or_a_reason(knowledge):
    covered = 0
    for trial in knowledge.trials.values():
        reason = out_of_scope(trial)
        if reason is not None:
            with pytest.raises(InputError) as told:
                published_design(trial, knowledge)
            assert reason in str(told.value)
            continue
        found = published_design(trial, knowledge)
        covered += 1
        names = [a.name for a in found.arm]
        assert len(set(names)) == len(names)
        published = {a.name: a for a in trial.arm}
        for arm in found.arm:
            assert arm.regimen is not None
            if arm.regimen != UNTREATED:
                assert parse_regimen(arm.regimen, knowledge).text == arm.regimen
            assert found.tumor_of(arm) in knowledge.tumors
        told_of = " ".join(found.notes)
        assert all(f"'{name}'" in told_of for name in published.keys() - set(names))
        # The last arm is what hazard ratios compare with.
        if any(published[n].control for n in names):
            assert published[names[-1]].control
        if found.line > 1 and not found.selection.prior:
            assert "no earlier treatment" in told_of
    assert covered >= 50


def test_possible_values_are_those_of_virtual_patients():
    assert POSSIBLE["age"] == Bound(population.AGE_LOW, population.AGE_HIGH, (True, True))
    assert POSSIBLE["ecog"].high == len(population.ECOG_SHARES) - 1


def test_selection_that_somebody_meets(knowledge):
    assert check_selection(Criteria(msi="high"), "crc_msi_h", knowledge, None) == ()
    assert check_selection(Criteria(msi="stable", brain_metastases=False), "nsclc", knowledge, None) == ()
    assert check_selection(Criteria(braf_v600=True), "melanoma", knowledge, None) == ()
    with pytest.raises(InputError, match="melanoma"):
        check_selection(Criteria(braf_v600=True), "chl", knowledge, None)


def test_digest_tells_simulations_apart(design):
    base = design(HEAD + ARM)
    assert base.digest() == design(HEAD + ARM).digest()
    assert base.digest() == base.model_copy(update={"notes": ("a note",)}).digest()
    # The same regimen, spelled otherwise, is the same simulation.
    assert base.digest() == design(HEAD + ARM.replace("200 mg q3w", "200mg  Q3W")).digest()
    others = [
        design("months = 12\n" + HEAD + ARM), design(HEAD + ARM.replace("q3w", "q6w")), design(HEAD + ARM, "other"),
        design(HEAD + '[selection]\npd_l1 = ">1"\n' + ARM), design(HEAD + "[scans]\nconfirm = true\n" + ARM),
        design(HEAD + ARM + 'on_progression = "docetaxel 75 mg/m2 q3w"\n'), design("line = 2\n" + HEAD + ARM),
    ]  # fmt: skip
    digests = {d.digest() for d in (base, *others)}
    assert len(digests) == len(others) + 1


def test_errors_are_of_the_program(design):
    """A file of another kind ends in a message, not in a traceback."""
    for text in ("", "arm = 3\n", 'tumor = ["nsclc"]\n' + ARM, HEAD + "selection = 3\n" + ARM, HEAD + "[[arm]]\n"):
        with pytest.raises(NexusError):
            design(text)


def test_arm_is_one_or_the_other():
    with pytest.raises(ValueError, match="regimen"):
        Arm(name="a")
