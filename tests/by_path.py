"""Scripts of the repository as modules: they are no package, so tests load them from their files."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def script(name: str, folder: str = "scripts") -> ModuleType:
    """Import a file of a folder of the repository, once a run; scripts of a folder import each other by name."""
    if str(ROOT / folder) not in sys.path:
        sys.path.append(str(ROOT / folder))
    return importlib.import_module(name)
