"""Whatever happens to a stored journal, reading it gives the events that were appended or names the damaged object."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.events import Event
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.view import report_of
from prefect_drs.orchestration.storage.block_journal import BlockStorage
from prefect_drs.recovery.journal import FencedError, FolderStorage, JournalDamagedError, StoredJournal
from tests.rig import WaveSpec, simulated_aws

EXECUTION = "exec-1"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a drill of two waves, one of them behind a gate."""
    folder = tmp_path_factory.mktemp("journal")
    with simulated_aws() as rig:
        rig.run(rig.engine(rig.runbook({1: WaveSpec(2), 2: WaveSpec(1, (1,), gate=True)}), EXECUTION, stored(folder)))
    return folder


@pytest.fixture
def folder(real: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    shutil.copytree(real / EXECUTION, tmp_path / EXECUTION)
    return tmp_path


def stored(folder: Path) -> StoredJournal:
    return StoredJournal(FolderStorage(folder), EXECUTION)


def objects(folder: Path) -> list[Path]:
    return sorted((folder / EXECUTION).iterdir())


def refusal(journal: StoredJournal) -> str:
    with pytest.raises(JournalDamagedError) as refused:
        journal.read()
    said = refused.value.message
    assert re.search(rf"journal object {EXECUTION}/\d{{8}}\.json", said)
    assert "\n" not in said
    assert len(said) < 600
    return said


Damage = Callable[[list[Path]], None]


def cut(which: int) -> Damage:
    return lambda found: (
        found[which].write_bytes(found[which].read_bytes()[: found[which].stat().st_size // 2]) and None
    )


def replaced(which: int, old: bytes, new: bytes) -> Damage:
    def damage(found: list[Path]) -> None:
        content = found[which].read_bytes()
        assert old in content
        found[which].write_bytes(content.replace(old, new, 1))

    return damage


def written(which: int, content: bytes) -> Damage:
    return lambda found: found[which].write_bytes(content) and None


def gone(*which: int) -> Damage:
    def damage(found: list[Path]) -> None:
        for path in [found[index] for index in which]:
            path.unlink()

    return damage


def extra(content: bytes) -> Damage:
    def damage(found: list[Path]) -> None:
        (found[-1].parent / f"{len(found) + 1:08d}.json").write_bytes(content)

    return damage


def resealed(which: int, change: Callable[[dict[str, object]], None]) -> Damage:
    """What another release would have written: changed, and whole by its own checksum."""

    def damage(found: list[Path]) -> None:
        from prefect_drs.recovery.journal_record import sealed_record

        entry = json.loads(found[which].read_bytes())
        del entry["checksum"]
        change(entry)
        found[which].write_bytes(sealed_record(entry))

    return damage


def of_a_newer_kind(entry: dict[str, object]) -> None:
    entry["events"][0]["kind"] = "ServerBlessed"  # type: ignore[index]


def with_a_newer_field(entry: dict[str, object]) -> None:
    entry["events"][0]["blessed"] = True  # type: ignore[index]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut(-1), "it is cut off"),
        (cut(2), "it is cut off"),
        (cut(0), "it is cut off"),
        (written(-1, b""), "it is empty"),
        (written(2, b""), "it is empty"),
        (written(2, b"\0" * 400), "it is cut off"),  # what some file systems leave after a loss of power
        (written(2, b"null"), "Extra data|has not the form"),
        (written(2, b'{"previous": "", "holder": "", "events": {}}'), "has not the form"),
        (written(2, b'{"previous": ""}'), "has not the form"),
        (written(2, b"[" * 100_000), "it is cut off"),
        (written(2, b"\xff\xfe}"), "utf-8"),
        (replaced(-1, b'"at":"20', b'"at":"19'), "it was altered"),
        (replaced(3, b'"kind":"', b'"kind":"X'), "it was altered"),
        (replaced(-1, b'"checksum":"', b'"checksum":"x'), "has not the form"),
        (gone(2), "00000003.json is missing, but there are later ones"),
        (gone(2, 3), "00000003.json is missing"),
        (gone(0), "00000001.json is missing"),
        (gone(*range(1, 8)), "00000002.json is missing"),
        (extra(b""), "it is empty"),
        (extra(b'{"previous":"","holder":"","events":[]}'), "it does not follow from the one before"),
        (resealed(-1, of_a_newer_kind), "ServerBlessed.* newer release: upgrade prefect-drs"),
        (resealed(-1, with_a_newer_field), "blessed: Extra inputs are not permitted; .*newer release"),
        (resealed(3, lambda entry: entry.update(previous="")), "it does not follow from the one before"),
    ],
)
def test_each_kind_of_damage_is_told_in_one_line_with_the_remedy(folder: Path, damage: Damage, said: str) -> None:
    damage(objects(folder))
    told = refusal(stored(folder))
    assert re.search(said, told), told
    assert "restore it from a backup" in told or "newer release" in told


def test_drafts_and_notes_beside_the_objects_are_no_damage(folder: Path) -> None:
    events = stored(folder).read()
    (folder / EXECUTION / ".00000099.json.0123").write_bytes(b"half")
    (folder / EXECUTION / "notes.txt").write_bytes(b"looked at on Monday")
    (folder / EXECUTION / "00000003.json.bak").write_bytes(b"")
    assert stored(folder).read() == events


def test_a_journal_of_a_release_without_checksums_is_read_and_gone_on_with(folder: Path) -> None:
    from hashlib import sha256

    events = stored(folder).read()
    previous = ""
    for path in objects(folder):
        entry = json.loads(path.read_bytes()) | {"previous": previous}
        del entry["checksum"]
        path.write_bytes(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        previous = sha256(path.read_bytes()).hexdigest()
    journal = stored(folder)
    assert journal.read() == events
    journal.append(events[-1:])
    assert stored(folder).read() == (*events, events[-1])
    first = objects(folder)[0]
    first.write_bytes(first.read_bytes().replace(b'"mode":"drill"', b'"mode":"recovery"'))
    assert "00000002.json cannot be relied on: it does not follow" in refusal(stored(folder))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_after_any_random_change_reading_gives_the_same_events_or_names_an_object(real: Path, seed: int) -> None:
    chance = random.Random(seed)
    storage = Objects({f"{EXECUTION}/{path.name}": path.read_bytes() for path in objects(real)})
    events = StoredJournal(storage, EXECUTION).read()
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        storage.damage(chance)
    journal = StoredJournal(storage, EXECUTION)
    try:
        found = journal.read()
    except JournalDamagedError:
        refusal(journal)
    else:  # where the last objects are gone, it is as if they had never been written
        assert found == events or (storage.last_gone and found == events[: len(found)])


class Objects:
    """A journal's storage in memory that can be damaged at random."""

    atomic = True

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.last_gone = False

    def read(self, name: str) -> bytes | None:
        return self.objects.get(name)

    def create(self, name: str, content: bytes) -> bool:
        return self.objects.setdefault(name, content) is content

    def listing(self, folder: str) -> list[str]:
        return [name.removeprefix(f"{folder}/") for name in self.objects]

    def damage(self, chance: random.Random) -> None:
        """Flip, take out or put in bytes of an object; cut it; take it away; let two change places; copy one on."""
        names = sorted(self.objects)
        name = chance.choice(names)
        content = bytearray(self.objects[name])
        place = chance.randrange(len(content)) if content else 0
        match chance.choice(("flip", "flip", "remove", "insert", "cut", "delete", "swap", "copy", "digit")):
            case "flip" if content:
                content[place] ^= 1 << chance.randrange(8)
            case "remove":
                del content[place : place + chance.randrange(1, 9)]
            case "insert":
                content[place:place] = chance.choice((b" ", b"0", b'"', b",", b"\n", b"}", chance.randbytes(3)))
            case "cut":
                del content[place:]
            case "digit":
                digits = [at for at, byte in enumerate(content) if byte in b"0123456789"]
                if digits:
                    content[chance.choice(digits)] = chance.choice(b"0123456789")
            case "delete":
                self.last_gone |= name == names[-1]
                del self.objects[name]
                return
            case "swap":
                other = chance.choice(names)
                self.objects[name], self.objects[other] = self.objects[other], self.objects[name]
                return
            case _:
                self.objects[f"{EXECUTION}/{len(names) + 1:08d}.json"] = bytes(content)
                return
        self.objects[name] = bytes(content)


class TearingBlock:
    """A block whose writes are not atomic: a process that dies leaves a part of the file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.survives: float = 1.0

    def read_path(self, path: str) -> bytes:
        return (self._folder / path).read_bytes()

    def write_path(self, path: str, content: bytes) -> None:
        (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self._folder / path).write_bytes(content[: int(len(content) * self.survives)])
        if self.survives < 1:
            raise KeyboardInterrupt  # the process ends here


@pytest.mark.parametrize("survives", [0.0, 0.5])
def test_a_last_object_that_its_writer_left_half_written_is_refused_with_how_to_go_on(
    real: Path, tmp_path: Path, survives: float
) -> None:
    block = TearingBlock(tmp_path)
    events = StoredJournal(FolderStorage(real), EXECUTION).read()
    journal = StoredJournal(BlockStorage(block), EXECUTION)
    journal.append(events[:2])
    block.survives = survives
    with pytest.raises(KeyboardInterrupt):
        journal.append(events[2:3])
    block.survives = 1.0
    told = refusal(StoredJournal(BlockStorage(block), EXECUTION))
    assert "it is the last one" in told
    assert f"delete it and go on with `prefect-drs resume {EXECUTION}`" in told
    with pytest.raises(FencedError):  # nobody writes over it, nor after it
        journal.append(events[2:3])

    (tmp_path / EXECUTION / "00000002.json").unlink()
    resumed = StoredJournal(BlockStorage(block), EXECUTION)
    assert resumed.read() == events[:2]
    resumed.append(events[2:3])
    assert StoredJournal(BlockStorage(block), EXECUTION).read() == events[:3]


def test_a_gap_is_found_on_a_block_that_cannot_list(real: Path, tmp_path: Path) -> None:
    shutil.copytree(real / EXECUTION, tmp_path / EXECUTION)
    gone(2, 3, 4)(objects(tmp_path))
    assert "00000003.json is missing" in refusal(StoredJournal(BlockStorage(TearingBlock(tmp_path)), EXECUTION))


def test_events_that_contradict_each_other_are_told_in_one_line(folder: Path) -> None:
    events: tuple[Event, ...] = stored(folder).read()
    foreign = next(event for event in events if event.kind == "WaveStarted").model_copy(update={"wave_number": 77})
    for understand in (state_of, report_of):
        with pytest.raises(PrefectDrsError, match=r"event 2 .*WaveStarted.* does not fit .*77"):
            understand((events[0], foreign))
