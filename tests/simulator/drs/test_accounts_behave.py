"""Several accounts: AssumeRole, its checks, the end of sessions."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from prefect_drs.simulator import mock_drs, plant_role
from prefect_drs.simulator.services.assume_role import trusts

from .documented import documented
from .rig import GIB, NO_RETRIES, Rig, refused

STS = "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"
EXTERNAL_ID = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html"
EXPIRY = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html"
TARGET = "222222222222"
ROLE = f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole"


def make_role(principal: Any = "arn:aws:iam::123456789012:root", condition: Any = None) -> None:
    from moto.iam.models import iam_backends

    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": principal}}
    if condition is not None:
        statement["Condition"] = condition
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    plant_role(TARGET)
    iam_backends[TARGET]["aws"].get_role("DRSOrchestrationRole").assume_role_policy_document = policy


def session(rig: Rig, **more: Any) -> boto3.Session:
    got = rig.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test", **more)["Credentials"]
    return boto3.Session(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"], region_name=rig.region)


def client(taken: boto3.Session, service: str) -> Any:
    return taken.client(service, config=NO_RETRIES)  # type: ignore[call-overload]


@documented(STS)
def test_a_missing_role_cannot_be_assumed(rig: Rig) -> None:
    with refused("AccessDenied"):
        session(rig)


@documented(STS)
def test_a_role_that_does_not_trust_the_caller_cannot_be_assumed(rig: Rig) -> None:
    make_role("arn:aws:iam::999999999999:root")
    with refused("AccessDenied"):
        session(rig)


@documented(EXTERNAL_ID)
def test_the_external_id_of_the_trust_policy_must_be_given(rig: Rig) -> None:
    make_role(condition={"StringEquals": {"sts:ExternalId": "right"}})
    for given in ({}, {"ExternalId": "wrong"}):
        with refused("AccessDenied"):
            session(rig, **given)
    assert client(session(rig, ExternalId="right"), "sts").get_caller_identity()["Account"] == TARGET


@documented(STS)
def test_a_session_longer_than_the_role_allows_is_refused(rig: Rig) -> None:
    make_role()
    with refused("ValidationError"):
        session(rig, DurationSeconds=7200)


@documented(STS)
def test_the_keys_of_a_session_reach_the_account_of_its_role(rig: Rig) -> None:
    make_role()
    target = rig.sandbox.backend(TARGET, rig.region)
    target.initialize_service()
    target.seed_source_server(hostname="far", ram_bytes=GIB, cpus=1, disks=[])
    drs = client(session(rig), "drs")
    assert [s["sourceProperties"]["identificationHints"]["hostname"] for s in
            drs.describe_source_servers()["items"]] == ["far"]  # fmt: skip
    assert rig.drs.describe_source_servers()["items"] == []


@documented(EXPIRY)
def test_an_expired_session_is_refused_by_every_service(rig: Rig) -> None:
    make_role()
    rig.sandbox.backend(TARGET, rig.region).initialize_service()
    taken = session(rig, DurationSeconds=900)
    client(taken, "drs").describe_jobs()
    rig.advance(901)
    for service, operation, code in (
        ("drs", "describe_jobs", "ExpiredTokenException"),
        ("ec2", "describe_vpcs", "RequestExpired"),
        ("sts", "get_caller_identity", "ExpiredToken"),
        ("ssm", "describe_parameters", "ExpiredTokenException"),
    ):
        with refused(code):
            getattr(client(taken, service), operation)()
    client(session(rig), "drs").describe_jobs()


@documented(EXPIRY)
def test_a_session_is_refused_from_its_stated_expiry_on(rig: Rig) -> None:
    make_role()
    got = rig.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    assert (got["Expiration"] - rig.sandbox.clock.now()).total_seconds() == 3600


def test_checks_of_assume_role_can_be_left_out() -> None:
    with mock_drs(checks_assume_role=False) as sandbox:
        assert client(session(Rig(sandbox)), "sts").get_caller_identity()["Account"] == TARGET


def test_a_credentials_fault_ends_the_sessions_of_an_account(rig: Rig) -> None:
    make_role()
    rig.sandbox.backend(TARGET, rig.region).initialize_service()
    drs = client(session(rig), "drs")
    drs.describe_jobs()
    rig.sandbox.faults.add({"kind": "credentials", "account": TARGET, "times": 1})
    for _ in range(2):
        with refused("ExpiredTokenException"):
            drs.describe_jobs()
    client(session(rig), "drs").describe_jobs()


CALLER = ("arn:aws:sts::123456789012:assumed-role/Ops/me", "123456789012")


def policy(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Statement": {"Effect": effect, "Action": "sts:AssumeRole", **more}}


@pytest.mark.parametrize(
    ("document", "holds"),
    [
        (policy(Principal="*"), True),
        (policy(Principal={"AWS": "123456789012"}), True),
        (policy(Principal={"AWS": ["arn:aws:iam::123456789012:role/Ops"]}), True),
        (policy(Principal={"AWS": ["arn:aws:iam::123456789012:role/Other"]}), False),
        (policy(Principal={"Service": "ec2.amazonaws.com"}), False),
        (policy(Principal="*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}), False),
        (policy(Principal="*", Condition={"StringLike": {"sts:ExternalId": "ab*"}}), True),
        (policy(Principal="*", Condition={"StringNotEquals": {"sts:ExternalId": "abc"}}), False),
        (policy("Deny", Principal="*"), False),
        ({"Statement": [policy(Principal="*")["Statement"], policy("Deny", Principal="*")["Statement"]]}, False),
        ({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Principal": "*"}]}, False),
        ({}, False),
    ],
)
def test_a_trust_policy_is_read_as_iam_reads_it(document: dict[str, Any], holds: bool) -> None:
    assert trusts(json.dumps(document), *CALLER, external_id="abc") is holds
