"""`prefect-drs forecast`: from the accounts with what was recorded, or offline from the manifest alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from prefect_drs.cli import main
from prefect_drs.cli.forecast_view import BAR, bar
from prefect_drs.execution.events import JobStarted, ServerStatus
from prefect_drs.forecast import WaveForecast
from prefect_drs.operations.forecast_targets import TargetForecast
from prefect_drs.plan.model import Manifest
from prefect_drs.plan.targets import Target, TargetKind
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from tests.cli.conftest import Run
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec, simulated_aws

CHAIN = {1: WaveSpec(3), 2: WaveSpec(2, (1,), gate=True)}


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with simulated_aws() as rig:
        yield rig


def written(manifest: Manifest) -> dict[str, Any]:
    """The manifest as a file has it."""
    data = manifest.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    for wave in data["recoveryPlans"][0]["waves"]:
        wave["protectionGroupNames"] = wave.pop("groups")
    return data


def kept(data: Manifest | dict[str, Any], folder: Path) -> str:
    path = folder / "plan.json"
    path.write_text(json.dumps(written(data) if isinstance(data, Manifest) else data))
    return str(path)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def record(home: Path, servers: tuple[str, ...], seconds: float, name: str = "exec") -> None:
    """Two former drills in which each of those servers took that long."""
    for number in (1, 2):
        start = datetime(2026, 1, number, tzinfo=UTC)
        events = [
            JobStarted(
                at=start, wave_number=1, batch="1.1", job_id="drsjob-1", account_id=ACCOUNT, region=REGION,
                server_ids=servers, started_at=start,
            ),
            *(
                ServerStatus(
                    at=start + timedelta(seconds=seconds), wave_number=1, source_server_id=server,
                    launch_status="LAUNCHED", job_id="drsjob-1",
                )
                for server in servers
            ),
        ]  # fmt: skip
        StoredJournal(FolderStorage(home / "journal"), f"{name}-{number}").append(events)


def test_servers_come_from_the_accounts_and_durations_from_what_was_recorded(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = rig.manifest(CHAIN)
    file = kept(manifest, tmp_path)
    assert main(["forecast", file, "--json"]) == 0
    before = told(capsys)
    record(tmp_path, tuple(s for group in manifest.protection_groups for s in group.source_server_ids), 4000.0)
    assert main(["forecast", file, "--json"]) == 0
    after = told(capsys)
    assert before["serversFrom"] == after["serversFrom"] == "accounts"
    assert (before["servers"], before["recordedServers"]) == (5, 0)
    assert after["recordedServers"] == 5
    assert after["criticalPath"] == [1, 2]
    assert 8000 < after["rtoP50Seconds"] < 11000
    assert before["rtoP50Seconds"] < 4000
    assert rig.jobs() == []


def test_servers_are_named_as_the_plan_names_them_with_their_ids_beside(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = written(rig.manifest(CHAIN))
    first, second = data["protectionGroups"][0]["sourceServerIds"][:2]
    data["protectionGroups"][0]["sourceServerIds"][:2] = ["p-db1", "p-db2"]
    bindings = tmp_path / "bindings.yaml"
    bindings.write_text(f"sourceServers: {{p-db1: {first}, p-db2: {second}}}\n")
    record(tmp_path, (first,), 900.0)
    record(tmp_path, (second,), 4000.0, "later")
    command = ["forecast", kept(data, tmp_path), "--bindings", str(bindings), "--offline"]
    assert main(command) == 0
    said = capsys.readouterr()
    (slowest,) = [line for line in said.out.splitlines() if line.startswith("slowest in 1 ")]
    assert f"p-db2 ({second}), " in slowest
    assert "3 of 5 servers have no recorded launch" in said.err
    assert "p-db1" not in said.err
    assert main([*command, "--json"]) == 0
    found = {slow["waveNumber"]: (slow["name"], slow["sourceServerId"]) for slow in told(capsys)["slowestServers"]}
    assert found[1] == ("p-db2", second)


def test_what_would_refuse_a_run_and_other_peoples_jobs_are_told(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = rig.manifest(CHAIN)
    server = manifest.protection_groups[0].source_server_ids[0]
    drs = rig.sessions.client("drs", region=REGION)
    drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    assert main(["forecast", kept(manifest, tmp_path)]) == 0
    said = capsys.readouterr()
    assert "RTO  P50" in said.out
    assert "SERVER_IN_ACTIVE_JOB" in said.err
    assert "1 other job(s) with 1 server(s)" in said.err


def test_offline_the_servers_are_those_that_the_manifest_names(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = written(rig.manifest(CHAIN))
    del data["protectionGroups"][1]["sourceServerIds"]
    data["protectionGroups"][1]["serverSelectionTags"] = {"tier": "web"}
    calls = len(rig.sandbox.calls)
    assert main(["forecast", kept(data, tmp_path), "--offline", "--json"]) == 0
    result = told(capsys)
    assert (result["serversFrom"], result["servers"]) == ("manifest", 3)
    assert result["unknownGroups"] == [data["protectionGroups"][1]["groupName"]]
    assert len(rig.sandbox.calls) == calls


def test_accounts_that_cannot_be_read_leave_the_manifest(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = kept(rig.manifest(CHAIN), tmp_path)
    rig.sandbox.faults.add(
        {
            "kind": "operation", "operation": "DescribeSourceServers", "effect": "error",
            "code": "AccessDeniedException", "message": "not you",
        }
    )  # fmt: skip
    assert main(["forecast", file, "--json"]) == 0
    result = told(capsys)
    assert result["serversFrom"] == "manifest"
    assert any("not you" in note for note in result["notes"])


def test_the_samples_of_the_repository_are_forecast_offline(cli: Run, tmp_path: Path) -> None:
    done = cli("forecast", "examples/diamond.yaml", "--offline", "--json", PREFECT_DRS_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["planName"] == "ShopRecovery"
    assert [wave["waveNumber"] for wave in result["waves"]] == [1, 2, 3, 4, 5, 6, 7]
    assert result["rtoP50Seconds"] < result["rtoP90Seconds"]


def test_where_no_server_is_known_the_remedy_is_told(cli: Run, tmp_path: Path) -> None:
    done = cli("forecast", "examples/three-tier.json", "--offline", PREFECT_DRS_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "give --bindings" in done.stderr


@pytest.mark.parametrize(
    ("wave", "drawn"),
    [
        (WaveForecast(1, 2, 0, 0, 500, 1000, 1.0), "█" * 20 + "░" * 20),
        (WaveForecast(1, 2, 500, 600, 750, 1000, 0.0), " " * 20 + "█" * 10 + "░" * 10),
        (WaveForecast(1, 2, 1000, 1000, 1000, 1000, 0.0), " " * (BAR - 1) + "█"),
    ],
)
def test_a_bar_stands_where_its_wave_does_and_is_never_empty(wave: WaveForecast, drawn: str) -> None:
    text: Text = bar(wave, 1000.0)
    assert text.plain == drawn


@pytest.mark.parametrize(
    ("p50", "p90", "outlook"), [(100, 120, "met"), (100, 121, "at risk"), (121, 130, "missed"), (120, 120, "met")]
)
def test_a_target_is_met_where_nine_of_ten_runs_meet_it(p50: float, p90: float, outlook: str) -> None:
    assert TargetForecast(Target(TargetKind.RTO, None, 120.0, "PT2M"), p50, p90).outlook == outlook


def test_each_rto_target_is_compared_with_p50_and_p90(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = written(rig.manifest(CHAIN, rtoTarget="PT9H", rpoTarget="PT15M"))
    data["recoveryPlans"][0]["waves"][1]["rtoTarget"] = "PT5M"
    path = kept(data, tmp_path)
    assert main(["forecast", path, "--offline"]) == 0
    said = capsys.readouterr().out
    assert "RTO target of the plan 9 h 00 min: met, P50 " in said
    assert "RTO target of 2 wave 2 5 min 00 s: missed, P50 " in said
    assert main(["forecast", path, "--offline", "--json"]) == 0
    found = told(capsys)
    plan, wave = found["targets"]
    assert (plan["waveNumber"], plan["outlook"], plan["p50Seconds"]) == (None, "met", found["rtoP50Seconds"])
    assert (wave["waveNumber"], wave["outlook"], wave["targetSeconds"]) == (2, "missed", 300.0)
    assert wave["p90LateSeconds"] == pytest.approx(wave["p90Seconds"] - 300, abs=0.11)
