"""The skeleton: locks, settings and files that a fresh clone depends on."""

from __future__ import annotations

import os
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def lock_lines(name: str) -> list[str]:
    """Requirements of a lock, each with its hashes on one line."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    return {m[1]: m[2] for line in lock_lines(name) if (m := re.match(r"([a-z0-9.-]+)==([^ ;]+)", line))}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_every_requirement_with_hashes(name: str) -> None:
    for line in lock_lines(name):
        assert re.match(r"[a-z0-9.-]+==\S+", line), line
        assert "--hash=sha256:" in line, f"{line.split()[0]} has no hash"


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_index_or_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--index|--extra-index|--find-links|--trusted-host", text)


def test_dev_lock_contains_the_runtime_lock_unchanged() -> None:
    runtime, dev = (pins(name) for name in LOCKS)
    assert runtime.items() <= dev.items()


# Extras that no test of ours needs: some sixty packages for one reader, whose test skips without them, and a predictor
# whose models cannot be fetched here, which a stand-in replaces.
NOT_LOCKED = ("spatial", "mhcflurry")


def test_locks_cover_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = project["optional-dependencies"]
    assert set(NOT_LOCKED) <= set(groups)
    extras = [item for name, group in groups.items() if name not in NOT_LOCKED for item in group]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=,; ]", item)[0].lower() for item in requirements}

    assert names(project["dependencies"]) <= pins("requirements.lock").keys()
    assert names(extras) <= pins("requirements-dev.lock").keys()


def test_every_exception_in_the_settings_has_a_reason() -> None:
    """Beside each ignored rule stands why."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ignored = re.search(r"^ignore = \[\n(.*?)^\]", text, re.S | re.M)
    assert ignored
    per_file = re.search(r"^\[tool\.ruff\.lint\.per-file-ignores\]\n(.*?)(?=^\[)", text, re.S | re.M)
    pyright = re.findall(r"^report\w+ = (?:false|\"none\").*$", text, re.M)
    filters = re.findall(r"^  [\"']ignore:.*$", text, re.M)
    assert per_file
    for line in [*ignored[1].splitlines(), *per_file[1].strip().splitlines(), *pyright, *filters]:
        assert re.search(r"#\s*\S.{3,}", line), f"no reason beside: {line.strip()}"


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("install", "demo", "test", "lint", "bench", "verify", "docs"):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_ci_script_is_executable_and_strict() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")


def test_wheel_carries_the_knowledge_and_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an installed package reads must be inside the wheel: every data file of the source tree is."""
    from hatchling import build

    monkeypatch.chdir(ROOT)
    wheel = tmp_path / build.build_wheel(str(tmp_path))
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    expected = {
        str(path.relative_to(source))
        for path in (source / "tumornexus").rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }
    assert expected <= inside, sorted(expected - inside)
    assert not [name for name in inside if name.startswith(("tests", "docs"))]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_front_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]+)[^)]*\)", text)
    missing = [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()]
    assert not missing
