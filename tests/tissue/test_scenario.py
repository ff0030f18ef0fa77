"""Scenario files: what they mean, and one clear sentence for everything that can be wrong in one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumornexus.errors import InputError, NexusError
from tumornexus.knowledge import load_knowledge
from tumornexus.tissue.scenario import EVENT_RATES, MOST_DAYS, Scenario, read_scenario
from tumornexus.tissue.size import MULTIPLE, Lattice, largest_that_fits, lattice_of, memory_bytes, require_memory

KNOWLEDGE = load_knowledge()
BASE = {"tumor": '"melanoma"', "days": "6", "size_um": "[400, 300]"}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "tissue"


def written(folder: Path, tables: str = "", **fields: str | None) -> Path:
    """Write a scenario: the smallest valid one, with fields replaced or (None) left out, and further tables."""
    chosen = {k: v for k, v in {**BASE, **fields}.items() if v is not None}
    path = folder / "s.toml"
    path.write_text("\n".join(f"{k} = {v}" for k, v in chosen.items()) + f"\n{tables}\n", encoding="utf-8")
    return path


def read(folder: Path, tables: str = "", **fields: str | None) -> Scenario:
    return read_scenario(written(folder, tables, **fields), KNOWLEDGE, free=2**62)


def test_smallest_scenario_has_stated_defaults(tmp_path: Path) -> None:
    scenario = read(tmp_path)
    assert scenario.tumor == "melanoma"
    assert scenario.regimens == ("untreated",)
    assert scenario.seed == 0
    assert scenario.dt_hours == 1.0
    assert scenario.steps == 6 * 24
    # sites that are filled as tissue is packed hold its density of cells
    density, packing = KNOWLEDGE.parameters["site_density"].value * 1e6, KNOWLEDGE.parameters["packing"].value
    assert density * (scenario.site_um * 1e-4) ** 3 == pytest.approx(packing, rel=1e-12)


def test_names_become_ids_and_regimens_normal(tmp_path: Path) -> None:
    tables = '[mechanisms]\n"TGF-beta" = 1\n[set]\ncd8_entry = 2.0\n'
    scenario = read(tmp_path, tables, tumor='"RCC"', regimens='["Keytruda 200 mg q3w", "untreated"]')
    assert scenario.tumor == "rcc"
    assert scenario.mechanisms == {"tgf_beta": 1.0}
    assert scenario.overrides == {"cd8_entry": 2.0}
    assert scenario.regimens == ("pembrolizumab 200 mg q3w", "untreated")


def test_command_line_wins_over_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[set]\ncd8_entry = 2.0\n")
    assert read_scenario(path, KNOWLEDGE, overrides={"cd8_entry": 3.0}).overrides == {"cd8_entry": 3.0}


def test_site_follows_density_set_by_hand(tmp_path: Path) -> None:
    dense = read(tmp_path, "[set]\nsite_density = 1000.0\npacking = 0.9")
    given_by_hand = read(tmp_path, site_um="17")
    assert dense.site_um == pytest.approx(10.0 * 0.9 ** (1.0 / 3.0))
    assert given_by_hand.site_um == 17.0


WRONG = {
    "unknown field": ({"sise_um": "[1, 1]"}, "", ("sise_um", "did you mean size_um")),
    "unknown tumor": ({"tumor": '"melanom"'}, "", ("'tumor'", "melanom", "did you mean melanoma")),
    "disease not covered": ({"tumor": '"ovarian cancer"'}, "", ("'tumor'", "ovarian cancer")),
    "tumor is no text": ({"tumor": "3"}, "", ("'tumor'", "text")),
    "tumor missing": ({"tumor": None}, "", ("'tumor'", "missing")),
    "days missing": ({"days": None}, "", ("'days'", "missing")),
    "days negative": ({"days": "-3"}, "", ("'days'", "-3", "greater than 0")),
    "days text": ({"days": '"60"'}, "", ("'days'", "'60'", "a number")),
    "days a truth value": ({"days": "true"}, "", ("'days'", "True")),
    "days infinite": ({"days": "inf"}, "", ("'days'", "finite")),
    "days beyond the horizon": ({"days": "800"}, "", ("'days'", "800", "728")),
    "days below a step": ({"days": "0.02"}, "", ("'days'", "shorter than one step")),
    "days no whole number of steps": ({"days": "1.03"}, "", ("'days'", "whole number of steps")),
    "seed negative": ({"seed": "-1"}, "", ("'seed'", "-1")),
    "seed broken": ({"seed": "1.5"}, "", ("'seed'", "1.5", "whole number")),
    "size missing": ({"size_um": None}, "", ("'size_um'", "missing")),
    "size one number": ({"size_um": "[400]"}, "", ("'size_um'", "two numbers", "[400]")),
    "size four numbers": ({"size_um": "[400, 400, 400, 400]"}, "", ("'size_um'", "two numbers")),
    "size no list": ({"size_um": "400"}, "", ("'size_um'", "400")),
    "size zero": ({"size_um": "[0, 400]"}, "", ("'size_um'", "positive")),
    "size negative": ({"size_um": "[400, -400]"}, "", ("'size_um'", "positive")),
    "size text": ({"size_um": '["a", 400]'}, "", ("size_um", "a number")),
    "site too small": ({"site_um": "0.5"}, "", ("'site_um'", "0.5", "5")),
    "step zero": ({"dt_hours": "0"}, "", ("'dt_hours'", "greater than 0")),
    "step no part of a day": ({"dt_hours": "5"}, "", ("'dt_hours'", "whole number of steps")),
    "step too long": ({"dt_hours": "12"}, "", ("'dt_hours'", "too long", "at most 8 hours", "per day")),
    "unknown phenotype": ({"phenotype": '"hot"'}, "", ("'phenotype'", "hot", "inflamed", "desert")),
    "unknown drug": ({"regimen": '"pembrolizumap 200 mg q3w"'}, "", ("s.toml", "'regimen'", "pembrolizumab")),
    "dose without unit": ({"regimen": '"pembrolizumab 200 q3w"'}, "", ("s.toml", "regimen", "200")),
    "regimen a number": ({"regimen": "3"}, "", ("'regimen'", "3")),
    "regimens not a list": ({"regimens": '"untreated"'}, "", ("'regimens'", "untreated")),
    "regimens empty": ({"regimens": "[]"}, "", ("'regimens'",)),
    "regimen and regimens": ({"regimen": '"untreated"', "regimens": '["untreated"]'}, "", ("'regimens'", "both")),
    "regimen twice": ({"regimens": '["untreated", "Untreated"]'}, "", ("twice", "untreated")),
    "sample alone": ({"sample": '"P1"'}, "", ("'sample'", "without a patient")),
    "patient folder absent": ({"patient": '"nobody"'}, "", ("'patient'", "no such folder", "nobody")),
    "slide absent": ({"slide": '"cells.tsv"'}, "", ("'slide.file'", "no such file", "cells.tsv")),
    "unknown mechanism": ({}, "[mechanisms]\ntgf_bta = 1.0", ("mechanisms.tgf_bta", "did you mean")),
    "mechanism above one": ({}, "[mechanisms]\ntgf_beta = 1.5", ("mechanisms.tgf_beta", "1.5", "from 0 to 1")),
    "mechanism no number": ({}, '[mechanisms]\ntgf_beta = "high"', ("mechanisms.tgf_beta", "high")),
    "mechanism NaN": ({}, "[mechanisms]\ntgf_beta = nan", ("mechanisms.tgf_beta", "nan")),
    "mechanism twice": ({}, "[mechanisms]\ntgf_beta = 1.0\nM25 = 0.5", ("mechanisms.M25", "twice", "tgf_beta")),
    "mechanism is an outcome": ({}, "[mechanisms]\nimmune_excluded = 1.0", ("immune_excluded", "yields", "tgf_beta")),
    "mechanisms no table": ({"mechanisms": "1"}, "", ("'mechanisms'", "table")),
    "unknown parameter": ({}, "[set]\ncd8_entri = 2.0", ("set", "cd8_entri", "did you mean")),
    "parameter out of range": ({}, "[set]\ncd8_entry = 2000.0", ("set.cd8_entry", "2000", "sources")),
    "parameter no number": ({}, '[set]\ncd8_entry = "2"', ("set.cd8_entry", "'2'")),
    "unknown output": ({}, "[output]\nevry_days = 5", ("output.evry_days", "did you mean every_days")),
    "unknown format": ({}, '[output]\nformat = "csv"', ("output.format", "csv", "h5ad", "zarr")),
    "movie no truth value": ({}, '[output]\nmovie = "yes"', ("output.movie", "true or false")),
    "snapshots too dense": ({}, "[output]\nevery_days = 0.01", ("output.every_days", "multiple of 1 hours")),
    "checkpoint between steps": ({}, "[output]\ncheckpoint_hours = 2.5", ("checkpoint_hours", "multiple of 1 hours")),
    "slide without file": ({}, "[slide]\npixel_um = 0.39", ("slide.file", "missing")),
    "pixel size zero": ({}, '[slide]\nfile = "s.toml"\npixel_um = 0', ("slide.pixel_um", "greater than 0")),
    "slide field misspelt": ({}, '[slide]\nfile = "s.toml"\npixl_um = 0.4', ("pixl_um", "did you mean pixel_um")),
    "phenotype and slide": ({"phenotype": '"desert"', "slide": '"s.toml"'}, "", ("'phenotype'", "slide", "one of")),
    "slide in 3D": ({"size_um": "[400, 400, 400]", "slide": '"s.toml"'}, "", ("'size_um'", "flat")),
    "not TOML": ({"tumor": "melanoma"}, "", ("s.toml", "not valid TOML")),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_clear_sentence(case: str, tmp_path: Path) -> None:
    fields, tables, words = WRONG[case]
    with pytest.raises(NexusError) as told:
        read(tmp_path, tables, **fields)
    message = str(told.value)
    assert "s.toml" in message
    assert "\n" not in message.split("not valid TOML")[0]
    for word in words:
        assert word in message, message


def test_absent_file_suggests_its_neighbor(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(InputError, match=r"did you mean s\.toml"):
        read_scenario(tmp_path / "t.toml", KNOWLEDGE)


def test_patient_gives_the_tumor_and_may_not_contradict_it(tmp_path: Path) -> None:
    (tmp_path / "p1").mkdir()
    open_tumor = read(tmp_path, tumor=None, patient='"p1"')
    assert open_tumor.tumor is None
    assert open_tumor.with_tumor("nsclc").tumor == "nsclc"
    named = read(tmp_path, patient='"p1"')
    assert named.with_tumor("melanoma").tumor == "melanoma"
    with pytest.raises(InputError, match=r"different tumor types.*'melanoma'.*nsclc"):
        named.with_tumor("nsclc")


def test_step_limit_comes_from_the_core(tmp_path: Path) -> None:
    path = written(tmp_path, dt_hours="0.5")
    with pytest.raises(InputError, match=r"hits of CAR-T cells.*at most 0\.25 hours"):
        read_scenario(path, KNOWLEDGE, largest_step=lambda scenario, knowledge: (0.25, "hits of CAR-T cells"))


def test_faster_rate_set_by_hand_shortens_the_step(tmp_path: Path) -> None:
    read(tmp_path, dt_hours="8")
    with pytest.raises(InputError, match="dc_maturation = 3 per day"):
        read(tmp_path, "[set]\ndc_maturation = 3.0", dt_hours="8")


def test_event_rates_are_rates_of_the_catalogue() -> None:
    for name in EVENT_RATES:
        assert KNOWLEDGE.parameters[name].unit == "1/day", name


def test_horizon_is_the_host_scales() -> None:
    from tumornexus.systemic.treatment import HORIZON_DAYS

    assert MOST_DAYS == HORIZON_DAYS


def test_digest_follows_what_moves_cells_and_nothing_else(tmp_path: Path) -> None:
    base = read(tmp_path).digest()
    assert read(tmp_path).digest() == base
    assert read(tmp_path, '[output]\nmovie = false\nformat = "zarr"').digest() == base
    changes: list[tuple[str, dict[str, str]]] = [
        ("", {"seed": "1"}),
        ("", {"days": "7"}),
        ("", {"size_um": "[400, 400]"}),
        ("", {"regimen": '"pembrolizumab 200 mg q3w"'}),
        ("[mechanisms]\ntgf_beta = 1.0", {}),
        ("[set]\ncd8_entry = 2.0", {}),
        ("[output]\nevery_days = 2", {}),
    ]
    others = [read(tmp_path, tables, **fields).digest() for tables, fields in changes]
    assert len({base, *others}) == len(others) + 1
    assert read(tmp_path).digest("activities 1") != base


def test_slide_counts_by_its_content(tmp_path: Path) -> None:
    cells = tmp_path / "cells.tsv"
    cells.write_text("x\ty\tcell_type\n1\t2\tTumor\n")
    first = read(tmp_path, slide='"cells.tsv"', size_um=None).digest()
    cells.write_text("x\ty\tcell_type\n1\t3\tTumor\n")
    assert read(tmp_path, slide='"cells.tsv"', size_um=None).digest() != first


@given(size=st.lists(st.floats(1.0, 20_000.0), min_size=2, max_size=3), site=st.floats(5.0, 60.0))
def test_lattice_covers_what_was_asked_and_less_than_four_sites_more(size: list[float], site: float) -> None:
    lattice = lattice_of(size, site)
    assert all(n % MULTIPLE == 0 and n > 0 for n in lattice.shape)
    for asked, got in zip(size, lattice.size_um, strict=True):
        assert asked * (1 - 1e-6) <= got < asked + MULTIPLE * site + 1e-6
    assert lattice.sites == math.prod(lattice.shape)


def test_rounding_is_told_only_where_something_was_rounded() -> None:
    assert lattice_of((400.0, 800.0), 10.0).note is None
    assert lattice_of((400.0, 800.0), 10.0).shape == (80, 40)  # y before x
    note = lattice_of((2500.0, 2500.0), 17.0).note
    assert note == "size rounded up from 2500 x 2500 um to 2516 x 2516 um: 148 x 148 sites of 17 um"


@given(shape=st.lists(st.integers(1, 400).map(lambda n: MULTIPLE * n), min_size=2, max_size=3), share=st.floats(0, 1.5))
def test_largest_that_fits_fits_and_nothing_larger_is_refused(shape: list[int], share: float) -> None:
    lattice = Lattice(tuple(shape), 17.0, tuple(17.0 * n for n in reversed(shape)))
    free = int(memory_bytes(shape) * share)
    fits = largest_that_fits(lattice, free)
    if memory_bytes(shape) <= free:
        assert fits is not None
        assert fits.shape == lattice.shape
    elif fits is not None:
        assert memory_bytes(fits.shape) <= free
        assert all(a <= b for a, b in zip(fits.shape, lattice.shape, strict=True))
    else:
        assert memory_bytes([MULTIPLE for _ in shape]) > free


def test_memory_grows_with_sites_and_holds_at_least_the_state() -> None:
    small, large = memory_bytes((148, 148)), memory_bytes((1480, 1480))
    assert large > small
    assert large - small > (1480**2 - 148**2) * 47  # the state alone, once
    assert memory_bytes((400, 400), coarse=1) > memory_bytes((400, 400), coarse=2)


def test_lattice_too_large_is_refused_before_it_is_made(tmp_path: Path) -> None:
    path = written(tmp_path, size_um="[200000, 200000, 200000]")
    with pytest.raises(
        InputError, match=r"'size_um'.*GB of memory and 2\.0 GB are free.*at most about \[(\d+)"
    ) as told:
        read_scenario(path, KNOWLEDGE, free=2_000_000_000)
    assert "200000" in str(told.value)
    with pytest.raises(InputError, match="more free memory"):
        require_memory(lattice_of((400.0, 400.0), 17.0), 1000, "s.toml")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_examples_are_valid(path: Path) -> None:
    scenario = read_scenario(path, KNOWLEDGE)
    assert scenario.lattice.sites < 50_000


def test_there_are_examples_in_two_and_three_dimensions() -> None:
    sizes = {len(read_scenario(path, KNOWLEDGE).size_um) for path in EXAMPLES.glob("*.toml")}
    assert sizes == {2, 3}
