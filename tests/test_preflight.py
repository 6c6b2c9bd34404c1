"""What stands already in an account: told, and refused where a launch could only fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_drs.report.model import ExecutionStatus
from prefect_drs.runbook import FindingSeverity, resolve
from tests.rig import REGION, Rig, WaveSpec, simulated_aws


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
