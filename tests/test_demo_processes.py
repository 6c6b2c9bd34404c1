"""The processes of `make demo`: none outlives it, not even one in a session of its own."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from tests.demo_module import demo_module
from tests.e2e.rehearsal import until

LEAVES_A_CHILD = "sh -c 'setsid sleep 600 & exec sleep 600'"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return demo_module("processes")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    return tmp_path


def test_a_process_and_its_child_in_another_session_are_ended(home: Path, module: ModuleType) -> None:
    processes = module.Processes(home)
    started = processes.start(LEAVES_A_CHILD, "sleep.log")
    until(lambda: len({os.getsid(found) for found in module.processes_of(home)}) == 2 or None, "the child runs")
    processes.end()
    assert started.poll() is not None
    assert list(module.processes_of(home)) == []


def test_processes_of_another_folder_are_left_alone(home: Path, module: ModuleType, tmp_path: Path) -> None:
    processes = module.Processes(home)
    started = processes.start("sleep 600", "sleep.log")
    module.kill_what_is_left(tmp_path / "other")
    assert started.poll() is None
    processes.end()
    assert started.poll() is not None
