"""Modules that stand outside every package: those of `make demo`, and the examples."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[1] / "deployments/sandbox"


def module_of(file: Path) -> ModuleType:
    """The module in that file."""
    spec = importlib.util.spec_from_file_location(f"demo_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def demo_module(name: str) -> ModuleType:
    """The module of the demo of that name."""
    return module_of(FOLDER / f"{name}.py")
