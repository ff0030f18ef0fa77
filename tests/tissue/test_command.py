"""The command `tissue`: a thin layer that reads the scenario, then calls the simulator, here a stand-in."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tumornexus import cli

SCENARIO = 'tumor = "melanoma"\ndays = 2\nsize_um = [400, 300]\nsite_um = 17\n'


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every call of the simulator, which is replaced."""
    made: list[dict[str, Any]] = []

    def run_scenario(scenario: Any, knowledge: Any, out: Path, **how: Any) -> None:
        made.append({"scenario": scenario, "knowledge": knowledge, "out": out, **how})

    stand_in = types.ModuleType("tumornexus.tissue_pipeline")
    stand_in.run_scenario = run_scenario  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tumornexus.tissue_pipeline", stand_in)
    return made


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tumornexus", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_simulator_gets_the_checked_scenario(tmp_path: Path, calls: list[dict[str, Any]], command: Any) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SCENARIO)
    code, out, err = command("tissue", path, "--out", tmp_path / "out", "--set", "cd8_entry=3")
    assert (code, err) == (0, "")
    assert "size rounded up from 400 x 300 um to 408 x 340 um: 24 x 20 sites of 17 um" in out
    (call,) = calls
    assert call["scenario"].tumor == "melanoma"
    assert call["scenario"].overrides == {"cd8_entry": 3.0}
    assert call["out"] == tmp_path / "out"
    assert call["call"][:2] == ["tumornexus", "tissue"]
    assert call["resume"] is None
    assert call["activities"] is None


@pytest.mark.parametrize(("word", "expected"), [("--resume", True), ("--fresh", False)])
def test_resume_and_fresh_are_passed_on(
    tmp_path: Path, calls: list[dict[str, Any]], command: Any, word: str, expected: bool
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SCENARIO)
    assert command("tissue", path, "--out", tmp_path / "out", word)[0] == 0
    assert calls[0]["resume"] is expected


def test_wrong_scenario_is_one_message_and_code_two(tmp_path: Path, calls: list[dict[str, Any]], command: Any) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SCENARIO.replace("days = 2", "days = -2"))
    code, _, err = command("tissue", path, "--out", tmp_path / "out")
    assert code == 2
    assert err.startswith("error: ")
    assert "'days'" in err
    assert not calls
    assert not (tmp_path / "out").exists()


def test_patient_gives_tumor_and_activities(
    tmp_path: Path, calls: list[dict[str, Any]], command: Any, repo_root: Path
) -> None:
    (tmp_path / "demo").symlink_to(repo_root / "examples" / "demo_patient")
    path = tmp_path / "s.toml"
    path.write_text(SCENARIO.replace('tumor = "melanoma"', 'patient = "demo"'))
    code, _, err = command("tissue", path, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert calls[0]["scenario"].tumor in calls[0]["knowledge"].tumors
    assert calls[0]["activities"] is not None
    path.write_text(SCENARIO.replace('"melanoma"', '"gbm"\npatient = "demo"'))
    code, _, err = command("tissue", path, "--out", tmp_path / "out")
    assert code == 2
    assert "different tumor types" in err


def test_help_names_the_command_and_its_options(command: Any) -> None:
    assert "tissue" in command("--help")[1]
    told = command("tissue", "--help")[1]
    for word in ("--out", "--resume", "--fresh", "--knowledge", "--set"):
        assert word in told
