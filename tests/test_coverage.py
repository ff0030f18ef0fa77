"""The coverage page: what it claims is looked up, and what lacks a source, an observable or a test does not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from by_path import script
from tumornexus.errors import InputError
from tumornexus.knowledge import Knowledge, load_knowledge

coverage = script("build_coverage")
SWITCH = {"what": "Treg", "off": {"treg_recruitment": 0.0}, "expect": {"treg": "-"}}
FULL = {
    "name": "Regulatory T cells", "records": ["mechanism:treg"], "sourced": ["effect:treg.treg_recruitment"],
    "observable": ["treg"], "test": ["process:treg", "switch:treg"],
}  # fmt: skip


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="module")
def real(knowledge: Knowledge):
    """The examiner of the real data file, with the tests that pytest collects."""
    found = coverage.Examiner(
        coverage.read(), knowledge, coverage.observables(), coverage.states(), coverage.shown_phenomena()
    )
    assert len(found.collected) > 500
    return found


@pytest.fixture
def judge(knowledge: Knowledge, tmp_path: Path):
    """Judge one element of a data file with one switch."""
    nodes = {
        f"{coverage.SWITCH_OFF}[treg]",
        f"{coverage.DIRECTION}::test_raising_a_mechanism_moves_its_process_as_the_record_says[treg]",
        "tests/other.py::test_something[a]",
    }

    def verdict(switch: dict = SWITCH, shown: tuple[int, ...] = (), **changes: object):
        element = {k: v for k, v in (FULL | changes).items() if v is not None}
        group = {"A": {"title": "all", "first": 1, "last": 1}}
        path = tmp_path / "coverage.toml"
        path.write_text(toml({"group": group, "switch": {"treg": switch}, "element": {"1": element}}), "utf-8")
        names = (coverage.observables(), coverage.states())
        return coverage.Examiner(coverage.read(path), knowledge, *names, shown, nodes, path).verdicts()[0]

    return verdict


def toml(tables: dict) -> str:
    """Write tables of tables of plain values."""

    def plain(value: object) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{k} = {plain(v)}" for k, v in value.items()) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(map(plain, value)) + "]"
        return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')

    lines = []
    for kind, rows in tables.items():
        for name, row in rows.items():
            lines += [f"[{kind}.{name}]", *(f"{k} = {plain(v)}" for k, v in row.items())]
    return "\n".join(lines)


# -------------------------------------------------------------------------------------------------------- the real page


def test_the_page_is_what_the_generator_gives(real):
    text = coverage.page(real.data, real.verdicts())
    assert coverage.PAGE.read_text("utf-8") == text, "run scripts/build_coverage.py"


def test_the_list_is_whole_and_its_groups_share_it_out(real):
    assert len(real.data.element) == 215
    inside = [n for g in real.data.group.values() for n in range(g.first, g.last + 1)]
    assert inside == sorted(real.data.element)
    assert len({e.name for e in real.data.element.values()}) == 215


def test_what_counts_has_all_three_and_what_does_not_says_why(real):
    verdicts = real.verdicts()
    for v in verdicts:
        if v.counts:
            assert v.numbers, v.number
            assert v.observables, v.number
            assert v.tests, v.number
        else:
            assert coverage.lacking(v), v.number
    assert sum(v.counts for v in verdicts) >= 100


# ------------------------------------------------------------------------------------------------------------- the rule


def test_an_element_with_all_three_counts_at_the_grade_of_its_record(judge, knowledge):
    verdict = judge()
    assert verdict.counts
    assert verdict.grade == knowledge.mechanisms["treg"].grade


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"sourced": []}, "sourced number"),
        ({"sourced": ["parameter:treg_recruitment"]}, "sourced number"),  # in the catalogue, but assumed only
        ({"records": ["mechanism:treg", "therapy:anti_tim3"]}, "sourced number"),  # all of its numbers are assumed
        ({"observable": [], "test": ["switch:treg", "tests/other.py::test_something"]}, "observable"),
        ({"observable": ["column:ranking.ae3"], "test": ["switch:treg", "phenomenon:164"]}, "switch-off test"),
    ],
)
def test_without_one_of_the_three_it_does_not(judge, knowledge, changes: dict, missing: str):
    assert not knowledge.parameters["treg_recruitment"].source
    verdict = judge(**changes)
    assert not verdict.counts
    assert verdict.missing == (missing,)


def test_a_switch_that_no_element_names_is_an_error(judge):
    with pytest.raises(InputError, match="no element names these switches"):
        judge(test=["process:treg"])


def test_a_gap_undoes_an_element_that_has_all_three(judge):
    verdict = judge(gap="one half of it")
    assert not verdict.counts
    assert "one half of it" in coverage.lacking(verdict)


def test_a_phenomenon_counts_only_while_it_is_shown(judge):
    tests = ["phenomenon:1", "switch:treg"]
    with pytest.raises(InputError, match="unknown phenomenon"):
        judge(test=tests)
    tests = ["phenomenon:164", "switch:treg"]
    assert "phenomenon:164" in judge(test=tests, shown=(164,)).tests
    assert "phenomenon:164" in judge(test=tests).not_shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"records": ["mechanism:tregs"]}, "unknown mechanism"),
        ({"records": ["treg"]}, "cannot be read"),
        ({"law": ["lymphoid:rate"]}, "unknown function"),
        ({"law": ["lymphatic:rates"]}, "no such module"),
        ({"state": ["tregs"]}, "unknown state"),
        ({"sourced": ["effect:treg.mdsc_recruitment"]}, "unknown effect of treg"),
        ({"sourced": ["drug:nivolumab.deposit"]}, "has no deposit"),
        ({"sourced": ["conflict:arginine_depletion"]}, "states no conflict"),
        ({"observable": ["tregs"]}, "did you mean treg"),
        ({"observable": ["treg", "mdsc"]}, "none of its tests watches"),
        ({"observable": ["column:ranking.tregs"]}, "unknown column of ranking.tsv"),
        ({"observable": ["activity:immune_desert"]}, "that the profile scores"),
        ({"test": ["switch:treg", "process:mdsc"]}, "unknown test"),
        ({"test": ["switch:treg", "tests/other.py::test_some"]}, "unknown test"),
        ({"test": ["switch:treg", "switch:tregs"]}, "unknown switch"),
        ({"renamed": ["x"]}, "element.1.renamed"),
        ({"switch": SWITCH | {"off": {"treg_recruit": 0.0}}}, "did you mean treg_recruitment"),
        ({"switch": SWITCH | {"tumor": "immune_desert"}}, "mechanism with effects"),
        ({"switch": SWITCH | {"reverse": True}}, "exactly one way"),
        ({"switch": SWITCH | {"expect": {"treg": "="}}}, "expect that something moves"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_an_error_that_names_it(judge, changes: dict, words: str):
    with pytest.raises(InputError, match=words) as error:
        judge(**changes)
    assert "coverage.toml" in str(error.value)


def test_a_test_with_cases_may_be_named_without_one(judge):
    assert judge(test=["switch:treg", "tests/other.py::test_something"]).counts
