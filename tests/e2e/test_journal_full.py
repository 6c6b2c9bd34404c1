"""A drill whose journal's disk becomes full: it ends with one line, launches nothing more, and is resumed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tests.e2e.rehearsal import Rehearsal, plan
from tests.small_disk import small_disk

REGION = "ap-southeast-4"


def test_a_drill_that_cannot_write_its_journal_ends_even_while_other_waves_wait_at_gates(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    waves = {"Database": ["j-db1"], "Application": ["j-app1"], "Web": ["j-web1"]}
    manifest = plan(
        REGION, waves, gates=["Application", "Web"], after={"Application": ["Database"], "Web": ["Database"]}
    )
    file, bindings = rehearsal.seeded(manifest)
    with small_disk(tmp_path / "disk", size="2m") as disk:
        home = str(disk.path / "home")
        drill = rehearsal.drill(file, bindings, PREFECT_DRS_HOME=home)
        execution_id = drill.execution_id()
        drill.says(f"prefect-drs approve {execution_id} --wave 2")
        drill.says(f"prefect-drs approve {execution_id} --wave 3")
        disk.fill()

        approved = rehearsal.cli("approve", execution_id, "--wave", "2")

        assert approved.returncode == 0, approved.stderr
        assert drill.ended() == 3  # although wave 3 waits for a person
        assert "Traceback" not in drill.stderr
        last = drill.stderr.splitlines()[-1]
        assert last.startswith(f"prefect-drs: the journal cannot be written: {home}/journal/{execution_id}/")
        assert "No space left on device; free space there" in last
        assert f"`prefect-drs resume {execution_id}`" in last
        assert not [name for name in disk.files("home/**/*") if "/.0" in name]
        assert len(rehearsal.jobs(REGION)) == 1

        refused = rehearsal.cli("resume", execution_id, "--yes", PREFECT_DRS_HOME=home)
        assert refused.returncode == 3
        assert "No space left on device" in refused.stderr.splitlines()[-1]
        assert len(rehearsal.jobs(REGION)) == 1

        disk.empty()
        resumed = rehearsal.cli("resume", execution_id, "--yes", "--json", PREFECT_DRS_HOME=home)
        assert resumed.returncode == 0, resumed.stderr
        assert json.loads(resumed.stdout)["status"] == "COMPLETED"
    launches = Counter(s["sourceServerID"] for job in rehearsal.jobs(REGION) for s in job["participatingServers"])
    assert sorted(launches.values()) == [1, 1, 1]


def test_a_drill_that_cannot_begin_its_journal_says_so_and_launches_nothing(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    region = "ap-southeast-5"
    file, bindings = rehearsal.seeded(plan(region, {"Database": ["j-db1"]}))
    with small_disk(tmp_path / "disk") as disk:
        disk.read_only()
        drill = rehearsal.drill(file, bindings, "--yes", PREFECT_DRS_HOME=str(disk.path / "home"))
        assert drill.ended() == 3
        last = drill.stderr.splitlines()[-1]
        assert last.startswith(f"prefect-drs: the journal cannot be written: {disk.path}/home: ")
        assert "Read-only file system; make it writable" in last
    assert rehearsal.jobs(region) == []
