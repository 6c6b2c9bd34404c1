"""What this package writes is readable by its owner only, whatever the umask is; folders that exist keep their mode."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_drs.cli import main
from prefect_drs.core.private_files import create_file, make_folder, truncate_file, write_file
from prefect_drs.execution.events import CancelAsked
from prefect_drs.plan import Bindings, write_bindings
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.simulator import StepClock
from prefect_drs.simulator.server import SandboxServer

SAMPLE = Path(__file__).parents[2] / "examples" / "three-tier.json"


@pytest.fixture(params=[0o000, 0o022, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    former = os.umask(request.param)
    yield request.param
    os.umask(former)


def modes(folder: Path) -> dict[str, int]:
    """The mode of everything under a folder, by its relative path."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.rglob("*"))}


def is_private(found: dict[str, int], folder: Path) -> bool:
    return all(mode == (0o700 if (folder / name).is_dir() else 0o600) for name, mode in found.items())


def test_files_and_folders_are_private_under_any_umask(umask: int, tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    create_file(tmp_path / "a" / "b" / "new").close()
    truncate_file(tmp_path / "a" / "log").close()
    write_file(tmp_path / "a" / "whole", b"content")
    assert modes(tmp_path) == {"a": 0o700, "a/b": 0o700, "a/b/new": 0o600, "a/log": 0o600, "a/whole": 0o600}


def test_a_folder_that_is_there_keeps_its_mode_and_a_file_gets_its_own(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o775)
    (tmp_path / "shared").chmod(0o775)
    (tmp_path / "shared" / "log").write_text("former, longer")
    (tmp_path / "shared" / "log").chmod(0o644)
    make_folder(tmp_path / "shared" / "x")
    with truncate_file(tmp_path / "shared" / "log") as file:
        file.write(b"new")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o775
    assert (tmp_path / "shared" / "log").read_text() == "new"
    assert modes(tmp_path / "shared") == {"log": 0o600, "x": 0o700}


def test_a_link_is_followed_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("before")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_file(tmp_path / "link", b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "after"
    write_file(Path(os.devnull), b"nothing")
    assert not Path(os.devnull).is_file()


def test_a_file_that_cannot_be_written_leaves_no_draft_and_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_file(tmp_path / "taken", b"content")
    with pytest.raises(FileExistsError):
        make_folder(Path(__file__))
    with pytest.raises(OSError, match=r"Not a directory|exists"):
        make_folder(Path(__file__) / "below")
    assert list(modes(tmp_path)) == ["taken"]


def test_journals_are_private(umask: int, tmp_path: Path) -> None:
    event = CancelAsked(at=datetime(2030, 1, 1, tzinfo=UTC), by="Eva")
    StoredJournal(FolderStorage(tmp_path / "home" / "journal"), "exec-1").append([event])
    found = modes(tmp_path)
    assert "home/journal/exec-1/00000001.json" in found
    assert is_private(found, tmp_path)


def test_bindings_and_states_are_private(umask: int, tmp_path: Path) -> None:
    write_bindings(Bindings(), tmp_path / "bindings.yaml")
    with SandboxServer(clock=StepClock(), state_file=tmp_path / "states" / "one"):
        pass
    found = modes(tmp_path)
    assert set(found) == {"bindings.yaml", "states", "states/one"}
    assert is_private(found, tmp_path)


def test_what_the_sandbox_commands_write_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("PREFECT_DRS_HOME", str(home))
    former = os.umask(0)
    try:
        assert main(["sandbox", "start", "--state", str(tmp_path / "states" / "one")]) == 0
        assert main(["sandbox", "seed", str(SAMPLE), "--bindings", str(tmp_path / "made" / "bindings.yaml")]) == 0
        running = modes(tmp_path)
        assert main(["sandbox", "stop"]) == 0
    finally:
        os.umask(former)
    assert {"home/sandbox.json", "home/sandbox.log", "made/bindings.yaml"} <= set(running)
    assert is_private(running, tmp_path)
    assert "states/one" in modes(tmp_path)
    assert is_private(modes(tmp_path), tmp_path)


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/usr/bin/setpriv").exists(), reason="needs root to become another")
def test_another_user_can_read_no_journal(tmp_path: Path) -> None:
    event = CancelAsked(at=datetime(2030, 1, 1, tzinfo=UTC), by="Eva")
    StoredJournal(FolderStorage(tmp_path / "home" / "journal"), "exec-1").append([event])
    read = ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", "cat"]
    done = subprocess.run(
        [*read, str(tmp_path / "home" / "journal" / "exec-1" / "00000001.json")], capture_output=True, check=False
    )
    assert (done.returncode != 0, done.stdout) == (True, b"")
