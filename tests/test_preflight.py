"""What stands already in an account: told, and refused where a launch could only fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_drs.errors import UsageError
from prefect_drs.report.model import ExecutionStatus
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
    told = [finding.code for finding in second.findings if finding.severity is FindingSeverity.TOLD]
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
        backend.stall_replication(backend.server(server_id))
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
