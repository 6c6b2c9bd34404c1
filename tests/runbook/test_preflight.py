"""What stands already in an account: told, and refused where a launch could only fail."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from rich.console import Console

from prefect_drs.aws.location import Location
from prefect_drs.core.errors import UsageError
from prefect_drs.execution.events import ExecutionStarted
from prefect_drs.execution.view import report_of
from prefect_drs.orchestration.executions.reports import pending_launches
from prefect_drs.report.markdown import report_summary
from prefect_drs.report.model import ExecutionStatus, WaveStatus
from prefect_drs.report.terminal import report_view
from prefect_drs.runbook import FindingSeverity, resolve
from prefect_drs.runbook.waivers import parse_waivers
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec, simulated_aws


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig


def subnet(rig: Rig) -> str:
    ec2 = rig.sessions.client("ec2", region=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    return ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]


@pytest.mark.parametrize(("mode", "codes"), [("drill", {"ADDRESS_IN_USE"}), ("recovery", set())])
def test_a_static_address_that_a_former_drill_still_holds_refuses_the_next_drill(
    rig: Rig, mode: str, codes: set[str]
) -> None:
    settings = {"subnetId": subnet(rig), "staticPrivateIp": "10.9.1.20"}
    manifest = rig.manifest({1: WaveSpec(1, settings=settings)})
    first = resolve(manifest, manifest.plan(None), mode="drill", sessions=rig.sessions, clock=rig.clock)
    assert rig.run(rig.engine(first)).status is ExecutionStatus.COMPLETED

    second = resolve(manifest, manifest.plan(None), mode=mode, sessions=rig.sessions, clock=rig.clock)  # type: ignore[arg-type]

    assert {finding.code for finding in second.refusals} == codes
    told = [finding.code for finding in second.findings if finding.severity is FindingSeverity.INFO]
    assert told == ["RECOVERY_INSTANCE_EXISTS"]


def test_a_server_that_launches_with_any_address_may_be_drilled_again(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1)})
    for execution in ("exec-1", "exec-2"):
        runbook = resolve(manifest, manifest.plan(None), mode="drill", sessions=rig.sessions, clock=rig.clock)
        assert rig.run(rig.engine(runbook, execution)).status is ExecutionStatus.COMPLETED


def test_with_the_source_region_down_a_waiver_with_its_reason_lets_the_recovery_begin(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(2)})
    backend = rig.sandbox.backend(ACCOUNT, REGION)
    for server_id in manifest.protection_groups[0].source_server_ids:
        backend.stall_replication(backend.servers[server_id])
    waivers = parse_waivers(["NOT_REPLICATING=us-east-1 is down"])

    runbook = resolve(
        manifest, manifest.plan(None), mode="recovery", sessions=rig.sessions, clock=rig.clock, waivers=waivers
    )

    assert runbook.refusals == ()
    report = rig.run(rig.engine(runbook))
    assert report.status is ExecutionStatus.COMPLETED
    told = [(finding.code, finding.severity, finding.waived_because) for finding in report.findings]
    assert told == [("NOT_REPLICATING", FindingSeverity.WAIVED, "us-east-1 is down")] * 2


@pytest.mark.parametrize("text", ["UNCHECKED=never mind", "NOT_REPLICATING", "NOT_REPLICATING= ", "nonsense=x"])
def test_a_waiver_without_a_reason_or_of_what_cannot_be_waived_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="waive"):
        parse_waivers([text])


def test_a_wave_goes_on_without_a_server_that_is_left_out_and_the_report_keeps_the_reason(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(2), 2: WaveSpec(1, after=(1,))})
    gone, kept = manifest.protection_groups[0].source_server_ids
    rig.sandbox.backend(ACCOUNT, REGION).servers.pop(gone)
    runbook = resolve(
        manifest,
        manifest.plan(None),
        mode="drill",
        sessions=rig.sessions,
        clock=rig.clock,
        exclude={gone: "deleted | <by mistake>"},
        waivers={"EXCLUSION_AGAINST_POLICY": "one is enough"},
    )

    report = rig.run(rig.engine(runbook))

    assert report.status is ExecutionStatus.COMPLETED
    assert [server.source_server_id for server in report.waves[0].servers] == [kept]
    (excluded,) = json.loads(report.to_json())["waves"][0]["excluded"]
    assert excluded == {
        "sourceServerId": gone, "name": gone, "group": report.waves[0].excluded[0].group,
        "reason": "deleted | <by mistake>",
    }  # fmt: skip
    assert f"left out {gone}" in report_summary(report)
    assert "<by mistake>" not in report_summary(report)
    console = Console(file=io.StringIO(), width=200)
    console.print(report_view(report))
    assert isinstance(console.file, io.StringIO)
    assert f"left out {gone} ({gone})" in console.file.getvalue()
    assert "deleted | <by mistake>" in console.file.getvalue()


def test_a_wave_of_which_nobody_is_left_completes_and_those_that_wait_for_it_go_on(rig: Rig) -> None:
    manifest = rig.manifest({1: WaveSpec(1, gate=True), 2: WaveSpec(1, after=(1,))})
    (gone,) = manifest.protection_groups[0].source_server_ids
    runbook = resolve(
        manifest,
        manifest.plan(None),
        mode="drill",
        sessions=rig.sessions,
        clock=rig.clock,
        exclude={gone: "deleted"},
        waivers={"EXCLUSION_AGAINST_POLICY": "the others do not need it"},
    )
    assert [finding.code for finding in runbook.findings] == ["EXCLUSION_AGAINST_POLICY", "WAVE_EMPTY"]

    report = rig.run(rig.engine(runbook))

    assert [wave.status for wave in report.waves] == [WaveStatus.COMPLETED, WaveStatus.COMPLETED]
    assert report.waves[0].approval is not None, "its gate is asked"
    assert report.waves[0].jobs == ()
    assert report.waves[1].launched == 1
    assert report.status is ExecutionStatus.COMPLETED


def test_where_each_server_is_still_to_be_launched_is_read_from_a_report(rig: Rig) -> None:
    where = subnet(rig)
    manifest = rig.manifest({1: WaveSpec(1), 2: WaveSpec(1, after=(1,), settings={"subnetId": where})})
    runbook = resolve(manifest, manifest.plan(None), mode="drill", sessions=rig.sessions, clock=rig.clock)
    begun = ExecutionStarted(at=rig.clock.now(), execution_id="e", runbook=runbook)
    pending = list(pending_launches(report_of([begun])))
    assert [(launch.location, launch.subnet_id) for launch in pending] == [
        (Location(ACCOUNT, REGION), None),
        (Location(ACCOUNT, REGION), where),
    ]
    assert list(pending_launches(rig.run(rig.engine(runbook)))) == []
