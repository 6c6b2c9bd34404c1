"""A plan whose names hold template, shell and HTML text, from the command line: seeded, drilled, answered, shown."""

from __future__ import annotations

import json
from pathlib import Path

from prefect_drs.plan.read.yaml_text import YamlDocument
from tests.e2e.rehearsal import Rehearsal

PLAN = """\
schemaVersion: "1.1"
protectionGroups:
  - {groupName: "a {0} [red]", region: me-central-1, sourceServerIds: [x-a1]}
  - {groupName: "b/../$(touch marker)", region: me-central-1, sourceServerIds: [x-b1]}
recoveryPlans:
  - planName: "Plan {prod} $(touch marker)"
    description: "<script>alert(1)</script>"
    waves:
      - {waveName: "DB {primary}", waveNumber: 1, protectionGroupNames: ["a {0} [red]"]}
      - waveName: "Web'; rm -rf x | <img src=x onerror=alert(1)>"
        waveNumber: 2
        protectionGroupNames: ["b/../$(touch marker)"]
        dependsOnWaves: [1]
        pauseBeforeWave: true
"""
"""The plan that failed, with names of its groups and a description beside."""
BY, COMMENT = 'CORP\\tom O"Brien {x} $(touch marker) [bold]', "\x1b[31m<b>yes</b>\nand {0}"


def test_a_plan_with_hostile_names_is_drilled_approved_and_shown_as_it_is_called(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    file = tmp_path / "hostile.yaml"
    file.write_text(PLAN, encoding="utf-8")
    drill = rehearsal.drill(*rehearsal.seeded(file))
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    told = rehearsal.cli("approve", execution_id, "--wave", "2", "--by", BY, "--comment", COMMENT)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"approved by {BY}: wave 2")
    assert drill.ended() == 0, drill.stderr

    report, plan = drill.report(), YamlDocument(PLAN).value["recoveryPlans"][0]
    assert report["status"] == "COMPLETED"
    assert report["planName"] == plan["planName"]
    assert [wave["waveName"] for wave in report["waves"]] == [wave["waveName"] for wave in plan["waves"]]
    assert (report["waves"][1]["approval"]["by"], report["waves"][1]["approval"]["comment"]) == (BY, COMMENT)
    assert "wave 2 Web'; rm -rf x | <img src=x onerror=alert(1)> waits for approval" in drill.stderr
    assert {job["tags"]["prefect-drs:plan"] for job in rehearsal.jobs("me-central-1")} == {
        "Plan _prod_ __touch marker_"
    }

    shown, as_json = rehearsal.cli("status", execution_id), rehearsal.cli("status", execution_id, "--json")
    for line in (plan["planName"], "DB {primary}", "Web'; rm -rf x", BY):
        assert line in shown.stdout
    assert json.loads(as_json.stdout)["waves"][1]["approval"]["comment"] == COMMENT
    output = drill.stderr + drill.stdout + shown.stdout + as_json.stdout + told.stdout
    assert "\x1b" not in output
    assert "Traceback" not in output
    assert not Path("marker").exists()
