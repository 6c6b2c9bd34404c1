"""KMS keys of encrypted volumes: which keys are meant, which states refuse, and what is told where none can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prefect_drs.runbook import Runbook
from prefect_drs.simulator.drs.replication import DEFAULT_PIT_POLICY
from prefect_drs.simulator.roles import plant_role
from tests.runbook.world import TARGET, World, codes


def refused(runbook: Runbook) -> list[str]:
    return [finding.message for finding in runbook.refusals if finding.code == "KMS_KEY_UNUSABLE"]


def pending_deletion(kms: Any) -> str:
    key = kms.create_key()["KeyMetadata"]
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    return str(key["Arn"])


def missing(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn[:-4] + "0000"


def asymmetric(kms: Any) -> str:
    return str(kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (pending_deletion, "its state is PendingDeletion"),
        (missing, "there is no such key"),
        (asymmetric, "it is no symmetric encryption key"),
    ],
)
def test_a_key_that_encrypts_nothing_refuses_and_says_who_uses_it(
    make: Callable[[Any], str], why: str, world: World
) -> None:
    server = world.server("db1")
    key = make(world.client("kms"))
    world.encrypt(server, "CUSTOM", key)
    (message,) = refused(world.resolve(server))
    assert f"KMS key {key} of the replication of db1 ({server}) cannot encrypt volumes: {why}" in message


def test_the_accounts_default_key_for_ebs_is_looked_at(world: World) -> None:
    key = world.client("kms").create_key()["KeyMetadata"]
    world.client("ec2").modify_ebs_default_kms_key_id(KmsKeyId=key["Arn"])
    server = world.server()
    assert world.resolve(server).findings == ()
    world.client("kms").disable_key(KeyId=key["KeyId"])
    (message,) = refused(world.resolve(server))
    assert "by the account's default key for EBS" in message


def test_a_key_of_the_launch_templates_block_devices_is_looked_at(world: World) -> None:
    server = world.server()
    key = missing(world.client("kms"))
    device = {"DeviceName": "/dev/sda1", "Ebs": {"Encrypted": True, "KmsKeyId": key}}
    world.template(server, InstanceType="m6i.large", BlockDeviceMappings=[device])
    (message,) = refused(world.resolve(server))
    assert f"the launch template of {server}" in message


def test_a_server_that_is_not_encrypted_asks_for_no_key(world: World) -> None:
    server = world.server()
    world.encrypt(server, "NONE")
    world.resolve(server)
    calls = world.sessions.calls.snapshot()
    assert not calls["kms:DescribeKey"]
    assert not calls["ec2:GetEbsDefaultKmsKeyId"]


def test_one_key_of_many_servers_is_asked_for_once(world: World) -> None:
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    servers = world.servers(5)
    for server in servers:
        world.encrypt(server, "CUSTOM", key)
    assert world.resolve(servers).findings == ()
    assert world.sessions.calls.snapshot()["kms:DescribeKey"] == 1


def test_beyond_25_servers_the_replication_configuration_template_stands_for_the_rest(world: World) -> None:
    servers = world.servers(26)
    key = missing(world.client("kms"))
    world.client("drs").create_replication_configuration_template(
        associateDefaultSecurityGroup=True,
        bandwidthThrottling=0,
        createPublicIP=False,
        dataPlaneRouting="PRIVATE_IP",
        defaultLargeStagingDiskType="GP3",
        ebsEncryption="CUSTOM",
        ebsEncryptionKeyArn=key,
        pitPolicy=[dict(rule) for rule in DEFAULT_PIT_POLICY],
        replicationServerInstanceType="t3.small",
        replicationServersSecurityGroupsIDs=[],
        stagingAreaSubnetId=world.subnet,
        stagingAreaTags={},
        useDedicatedReplicationServer=False,
    )
    runbook = world.resolve(servers)
    (message,) = refused(runbook)
    assert f"KMS key {key} of the replication configuration template cannot" in message
    (told,) = [finding.message for finding in runbook.findings if finding.code == "KMS_KEY_UNCHECKED"]
    assert "the replication configurations of 1 further server(s)" in told


@pytest.mark.parametrize("denied", ["kms:DescribeKey", "drs:GetReplicationConfiguration", "ec2:GetEbsDefaultKmsKeyId"])
def test_what_may_not_be_read_is_told_with_the_permission_and_refuses_nothing(denied: str, world: World) -> None:
    plant_role(TARGET)
    server = world.server(account=TARGET)
    if denied.startswith("kms"):
        drs = world.sessions.client("drs", account_id=TARGET, region="us-west-2")
        arn = f"arn:aws:kms:us-west-2:{TARGET}:key/11111111-2222-3333-4444-555555555555"
        drs.update_replication_configuration(sourceServerID=server, ebsEncryption="CUSTOM", ebsEncryptionKeyArn=arn)
    plant_role(TARGET, missing_actions=[denied])
    runbook = world.resolve({"accountId": TARGET, "sourceServerIds": [server]})
    assert codes(runbook) == ["KMS_KEY_UNCHECKED"]
    assert runbook.refusals == ()
    assert denied in runbook.findings[0].message
