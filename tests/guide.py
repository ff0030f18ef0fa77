"""The record that the guide makes, taken from its page, so that guide and tests cannot drift apart."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "add_a_mechanism.md"
MECHANISM = "interleukin_8"


def blocks(language: str) -> list[str]:
    """Return the code blocks of one language on the guide's page, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def write_guide_records(folder: Path) -> Path:
    """Write what a reader of the guide has written at its end, and nothing else; return the folder."""
    (folder / "mechanisms").mkdir(parents=True)
    (folder / "mechanisms" / f"{MECHANISM}.toml").write_text("\n".join(blocks("toml")), encoding="utf-8")
    (folder / "references.bib").write_text("\n".join(blocks("bibtex")), encoding="utf-8")
    return folder
