"""Plans before they run, by operations: checked, shown, compared, forecast, resolved. No Prefect server is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.cli import main
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import Context, invoke
from tests.operations.events import MANIFEST, SERVERS
from tests.rig import ACCOUNT, Rig, WaveSpec, simulated_aws

ELSEWHERE = Context(caller="ada", files=False)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig


def code_of(name: str, body: dict[str, Any], context: Context | None = None) -> str:
    with pytest.raises(PrefectDrsError) as refused:
        invoke(name, body, context=context)
    return refused.value.code


def changed(**wave: Any) -> dict[str, Any]:
    """The manifest with a change of its second wave."""
    manifest = deepcopy(MANIFEST)
    manifest["recoveryPlans"][0]["waves"][1].update(wave)
    return manifest


def stored_manifest(rig: Rig) -> dict[str, Any]:
    """The shop's plan over servers that the simulated DRS has."""
    servers = list(rig.manifest({1: WaveSpec(3)}).protection_groups[0].source_server_ids)
    text = json.dumps(MANIFEST)
    for name, server in zip(SERVERS, servers, strict=True):
        text = text.replace(name, server)
    manifest: dict[str, Any] = json.loads(text)
    return manifest


@pytest.mark.parametrize("form", ["values", "text", "file"])
def test_a_manifest_is_given_as_values_text_or_file(form: str, tmp_path: Path) -> None:
    text = json.dumps(MANIFEST)
    file = tmp_path / "plan.json"
    file.write_text(text)
    given = {"values": MANIFEST, "text": text, "file": str(file)}[form]
    assert invoke("validate_manifest", {"manifest": given})["valid"]
    assert invoke("show_plan", {"manifest": given})["order"] == [1, 2]


def test_text_may_be_yaml_and_its_faults_have_lines() -> None:
    found = invoke("validate_manifest", {"manifest": "schemaVersion: '1.1'\nprotectionGroups: []\nrecoveryPlans: 7\n"})
    assert not found["valid"]
    assert {(fault["path"], fault["line"]) for fault in found["faults"]} == {("manifest", 3)}
    assert found["errors"] == len(found["faults"])


def test_all_faults_of_a_manifest_come_at_once_and_warnings_are_faults_if_strict() -> None:
    found = invoke("validate_manifest", {"manifest": changed(dependsOnWaves=[7], protectionGroupNames=["nobody"])})
    assert {fault["code"] for fault in found["faults"]} >= {"UNKNOWN_WAVE", "UNKNOWN_GROUP"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("validate_manifest", {"manifest": "plan.yaml"}),
        ("show_plan", {"manifest": "/etc/passwd"}),
        ("show_plan", {"manifest": MANIFEST, "bindings": "/etc/passwd"}),
        ("diff_plan", {"old": None, "new": "/etc/passwd"}),
        ("forecast_plan", {"manifest": "/etc/passwd", "offline": True}),
    ],
)
def test_a_caller_of_another_machine_may_not_name_files(name: str, body: dict[str, Any]) -> None:
    assert code_of(name, body, ELSEWHERE) == "INVALID_PARAMETER"


@pytest.mark.parametrize("name", ["show_plan", "get_runbook", "forecast_plan", "check_existing_instances"])
def test_a_request_that_names_no_plan_says_which_field_is_missing(name: str) -> None:
    with pytest.raises(PrefectDrsError, match="planId") as refused:
        invoke(name, {})
    assert refused.value.code == "MISSING_PARAMETER"


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("show_plan", {"manifest": MANIFEST, "planName": "Other"}, "INVALID_PARAMETER"),
        ("show_plan", {"manifest": MANIFEST, "planId": "Shop"}, "VALIDATION_ERROR"),
        ("show_plan", {"manifest": MANIFEST, "bindings": {"sourceServers": 7}}, "VALIDATION_ERROR"),
        ("get_runbook", {"manifest": MANIFEST, "waivers": {"NO_SUCH": "why"}}, "VALIDATION_ERROR"),
        ("get_runbook", {"manifest": MANIFEST, "exclude": {"db": ""}}, "VALIDATION_ERROR"),
        ("get_runbook", {"manifest": MANIFEST, "at": "yesterday"}, "VALIDATION_ERROR"),
        ("forecast_plan", {"manifest": MANIFEST, "samples": 0}, "VALIDATION_ERROR"),
        ("forecast_plan", {"manifest": MANIFEST, "offline": True, "exclude": {"db": "gone"}}, "INVALID_PARAMETER"),
        ("diff_plan", {"old": {}, "new": None}, "VALIDATION_ERROR"),
        ("diff_plan", {"old": None}, "MISSING_PARAMETER"),
    ],
)
def test_a_bad_body_has_a_code(name: str, body: dict[str, Any], code: str) -> None:
    assert code_of(name, body) == code


def test_show_is_what_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(MANIFEST))
    shown = invoke("show_plan", {"manifest": MANIFEST})
    assert main(["show", str(file), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == shown
    assert [wave["pauseBeforeWave"] for wave in shown["waves"]] == [False, True]
    assert shown["waves"][1]["dependsOnWaves"] == [1]


def test_a_difference_is_none_between_equal_plans_and_names_the_wave_that_changed() -> None:
    same = invoke("diff_plan", {"old": MANIFEST, "new": MANIFEST})
    assert same["plans"] == []
    differs = invoke("diff_plan", {"old": MANIFEST, "new": changed(pauseBeforeWave=False)})
    assert [plan["name"] for plan in differs["plans"]] == ["Shop"]
    assert invoke("diff_plan", {"old": None, "new": MANIFEST})["plans"]


def test_a_forecast_needs_no_account_if_it_is_offline() -> None:
    result = invoke("forecast_plan", {"manifest": MANIFEST, "offline": True, "samples": 10})
    assert (result["planName"], result["serversFrom"]) == ("Shop", "manifest")


def test_a_forecast_of_a_failback_names_its_steps() -> None:
    result = invoke("forecast_plan", {"manifest": MANIFEST, "offline": True, "samples": 10, "failback": True})
    assert (result["failback"], result["targets"]) == (True, [])
    names = [wave["waveName"] for wave in sorted(result["waves"], key=lambda wave: wave["waveNumber"])]
    assert names[:2] == ["Protect in the other direction", "Stop writes"]
    assert names[-1] == "Hand over and protect forward"
    recovery = invoke("forecast_plan", {"manifest": MANIFEST, "offline": True, "samples": 10})
    assert recovery["failback"] is False
    assert result["rtoP50Seconds"] > recovery["rtoP50Seconds"]


def test_a_forecast_of_a_failback_reads_disks_and_jobs_where_servers_come_from(rig: Rig) -> None:
    manifest = stored_manifest(rig)
    result = invoke("forecast_plan", {"manifest": manifest, "samples": 10, "failback": True})
    assert (result["serversFrom"], result["servers"]) == ("accounts", 3)
    assert any("as if no server replicated back yet" in note for note in result["notes"])


def test_a_runbook_is_what_a_run_would_do_and_says_whether_it_would_be_refused(rig: Rig) -> None:
    manifest = stored_manifest(rig)
    runbook = invoke("get_runbook", {"manifest": manifest, "executionType": "RECOVERY"})
    assert (runbook["refused"], runbook["mode"]) == (False, "recovery")
    assert [len(wave["servers"]) for wave in runbook["waves"]] == [1, 2]
    unknown = deepcopy(manifest)
    unknown["protectionGroups"][0]["sourceServerIds"] = [SERVERS[0]]
    refused = invoke("get_runbook", {"manifest": unknown})
    assert refused["refused"]
    assert any(SERVERS[0] in finding["message"] for finding in refused["findings"])
    assert rig.jobs() == [], "a dry run starts nothing"
    assert ACCOUNT in json.dumps(runbook)
