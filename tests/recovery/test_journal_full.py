"""A journal that cannot be written or read: one line with path, cause and remedy; no draft, and no launch after it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_drs.execution.events import CancelAsked, Event
from prefect_drs.recovery.journal import FolderStorage, JournalUnavailableError, StoredJournal
from prefect_drs.report.model import ExecutionStatus
from tests.rig import Rig, WaveSpec
from tests.small_disk import SmallDisk, small_disk

AT = datetime(2030, 1, 1, tzinfo=UTC)
EXECUTION = "exec-1"
PLAN = {1: WaveSpec(2), 2: WaveSpec(1, (1,), gate=True), 3: WaveSpec(1, (1,))}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size="1m") as disk:
        yield disk


def asked(by: str) -> Event:
    return CancelAsked(at=AT, by=by)


def stored(folder: Path) -> StoredJournal:
    return StoredJournal(FolderStorage(folder), EXECUTION)


def refusal(journal: StoredJournal, *events: Event) -> str:
    with pytest.raises(JournalUnavailableError) as refused:
        journal.append(events)
    assert "\n" not in refused.value.message
    return refused.value.message


def test_a_full_disk_is_told_with_path_cause_and_remedy_and_leaves_no_draft(disk: SmallDisk) -> None:
    journal = stored(disk.path)
    journal.append([asked("a")])
    disk.fill()
    said = refusal(journal, asked("b"))
    assert said == (
        f"the journal cannot be written: {disk.path}/exec-1/00000002.json: No space left on device; free space there, "
        "or name another place with PREFECT_DRS_HOME or PREFECT_DRS_JOURNAL; then go on with `prefect-drs resume "
        "exec-1` (nothing is launched without a journal)"
    )
    assert disk.files() == ["exec-1/00000001.json"]


def test_what_could_not_be_written_is_followed_by_nothing_until_the_journal_is_read_anew(disk: SmallDisk) -> None:
    journal = stored(disk.path)
    journal.append([asked("a")])
    disk.fill()
    first = refusal(journal, asked("b"))
    disk.empty()
    assert refusal(journal, asked("c")) == first  # what was decided since may rest on what is not kept
    assert journal.read() == (asked("a"),)
    journal.append([asked("d")])
    assert stored(disk.path).read() == (asked("a"), asked("d"))


def test_a_journal_that_cannot_even_begin_says_to_start_again(disk: SmallDisk) -> None:
    disk.read_only()
    said = refusal(stored(disk.path / "journal"), asked("a"))
    assert "Read-only file system; make it writable for this user" in said
    assert f"{disk.path}/journal" in said
    assert said.endswith("then start again (nothing is launched without a journal)")


def test_a_file_system_that_became_read_only_is_told(disk: SmallDisk) -> None:
    journal = stored(disk.path)
    journal.append([asked("a")])
    disk.read_only()
    assert "00000002.json: Read-only file system; make it writable" in refusal(journal, asked("b"))
    assert journal.read() == (asked("a"),)


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    said = refusal(stored(tmp_path / "journal"), asked("a"))
    assert "Not a directory; correct that" in said or "File exists; correct that" in said
    with pytest.raises(JournalUnavailableError, match=r"cannot be read: .*00000001.json: Not a directory"):
        stored(tmp_path / "journal").read()


def test_a_folder_where_an_object_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / EXECUTION / "00000001.json").mkdir(parents=True)
    with pytest.raises(JournalUnavailableError, match=r"cannot be read: .*00000001.json: Is a directory"):
        stored(tmp_path).read()


def test_a_limit_on_file_sizes_is_told_and_leaves_no_draft(tmp_path: Path) -> None:
    program = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.execution.events import CancelAsked
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    StoredJournal(FolderStorage(Path(sys.argv[1])), "exec-1").append([CancelAsked(at=datetime.now(UTC), by="a" * 200)])
except PrefectDrsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "00000001.json: File too large; free space there" in done.stdout
    assert [path.name for path in tmp_path.rglob("*")] == ["exec-1"]


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists() or os.geteuid() != 0, reason="needs root to become another")
@pytest.mark.parametrize("mode", [0o500, 0o000], ids=["not writable", "not readable"])
def test_a_folder_of_another_user_is_told(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "journal"
    stored(folder).append([asked("a")])
    for above in (folder, *folder.parents):
        with suppress(OSError):
            above.chmod(0o755)
    os.chown(folder / EXECUTION, 65534, 65534)
    (folder / EXECUTION).chmod(mode)
    program = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.execution.events import CancelAsked
try:
    StoredJournal(FolderStorage(Path(sys.argv[1])), "exec-1").append([CancelAsked(at=datetime.now(UTC), by="a")])
except PrefectDrsError as error:
    print(error)
"""
    done = subprocess.run(
        [
            "/usr/bin/setpriv",
            "--reuid=65534",
            "--clear-groups",
            "--inh-caps=-all",
            sys.executable,
            "-c",
            program,
            folder,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if "Permission denied" in done.stderr:
        pytest.skip("this user may not read the package")
    assert "00000001.json: Permission denied; make it writable for this user" in done.stdout, done.stderr


def run_until_full(rig: Rig, disk: SmallDisk, events: int) -> bool:
    """Carry the plan out on a disk that is full after so many events; whether it was interrupted by that."""
    seen = 0

    def observe(_: Event) -> None:
        nonlocal seen
        seen += 1
        if seen == events:
            disk.fill()

    engine = rig.engine(rig.runbook(PLAN), EXECUTION, stored(disk.path), observers=(observe,))
    try:
        rig.run(engine)
    except JournalUnavailableError:
        return True
    return False


def test_wherever_an_execution_meets_a_full_disk_it_launches_nothing_more_and_goes_on_once_there_is_space(
    tmp_path: Path,
) -> None:
    from tests.rig import simulated_aws

    interrupted = 0
    for events in range(1, 60):
        with simulated_aws() as rig, small_disk(tmp_path / f"disk-{events}", size="1m") as disk:
            if not run_until_full(rig, disk, events):
                assert events > 15  # the execution has that many events at least
                break
            interrupted += 1
            rig.clock.advance(3600)
            before = len(rig.jobs())
            kept = stored(disk.path).read()
            requested = sum(event.kind == "JobRequested" for event in kept)
            assert before <= requested  # no launch whose intent is not kept
            assert not [name for name in disk.files() if "/." in name]
            disk.empty()
            report = rig.run(rig.engine(None, EXECUTION, stored(disk.path)))
            assert report.status is ExecutionStatus.COMPLETED
            launches = Counter(s["sourceServerID"] for job in rig.jobs() for s in job["participatingServers"])
            assert sorted(launches.values()) == [1, 1, 1, 1]
    assert interrupted >= 15
