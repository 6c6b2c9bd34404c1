"""A plan over three accounts and four regions, entered by AssumeRole with ExternalIds: drilled, and stopped where an
account cannot be entered.

The caller's own account, one with servers found by tags in a region that has to be enabled, and one whose servers a
staging account replicates. All by the command line in processes of its own; what came of it is read with plain boto3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.e2e.rehearsal import ACCOUNT, Rehearsal

ROLE = "DRSOrchestrationRole"
DATA, WEB, STAGING = "222222222222", "333333333333", "444444444444"
EXTERNAL_IDS = {DATA: "of-the-data-account", WEB: "of-the-web-account", STAGING: "of-the-staging-account"}
CORE_REGION, DATA_REGION, OPT_IN_REGION, WEB_REGION = "us-east-2", "eu-central-1", "eu-south-1", "eu-west-2"
PLACES = {(ACCOUNT, CORE_REGION), (DATA, DATA_REGION), (DATA, OPT_IN_REGION), (WEB, WEB_REGION)}
ADDRESSES = {"e-db1": "10.40.1.21", "e-db2": "10.40.1.22", "e-web1": "10.50.7.11"}
MANIFEST: dict[str, Any] = {
    "schemaVersion": "1.1",
    "protectionGroups": [
        {"groupName": "core", "region": CORE_REGION, "sourceServerIds": ["e-dns1"]},
        {
            "groupName": "data",
            "accountId": DATA,
            "region": DATA_REGION,
            "sourceServerIds": ["e-db1", "e-db2"],
            "launchConfig": {"subnetId": "net-data", "securityGroupIds": ["sgroup-data"]},
            "servers": [
                {"sourceServerId": name, "launchTemplate": {"staticPrivateIp": ADDRESSES[name]}}
                for name in ("e-db1", "e-db2")
            ],
        },
        {
            "groupName": "applications",
            "accountId": DATA,
            "region": OPT_IN_REGION,
            "serverSelectionTags": {"Estate": "drill", "Tier": "application"},
        },
        {
            "groupName": "web",
            "accountId": WEB,
            "region": WEB_REGION,
            "sourceServerIds": ["e-web1", "e-web2"],
            "launchConfig": {"subnetId": "net-web", "instanceType": "m5.large", "copyTags": True},
            "servers": [{"sourceServerId": "e-web1", "launchTemplate": {"staticPrivateIp": ADDRESSES["e-web1"]}}],
        },
    ],
    "recoveryPlans": [
        {
            "planName": "Estate",
            "waves": [
                {"waveName": "Core and data", "waveNumber": 1, "protectionGroupNames": ["core", "data"]},
                {
                    "waveName": "Applications",
                    "waveNumber": 2,
                    "protectionGroupName": "applications",
                    "dependsOnWaves": [1],
                },
                {
                    "waveName": "Web",
                    "waveNumber": 3,
                    "protectionGroupName": "web",
                    "pauseBeforeWave": True,
                    "dependsOnWaves": [2],
                },
            ],
        }
    ],
}


@dataclass
class Estate:
    """The estate in the sandbox, its accounts saved as blocks, and a way into each account with plain boto3."""

    rehearsal: Rehearsal
    file: Path
    bindings: Path
    accounts: Path

    def seed(self, **changed: Any) -> None:
        """Build what is not there; `changed` tells otherwise of the data account."""
        told: dict[str, dict[str, Any]] = {
            account: {"externalId": external_id} for account, external_id in EXTERNAL_IDS.items()
        }
        told[WEB]["stagingAccount"] = STAGING
        told[DATA] |= changed
        self.accounts.write_text(json.dumps({"accounts": told}), encoding="utf-8")
        seed = ("sandbox", "seed", self.file, "--bindings", self.bindings, "--accounts", self.accounts)
        done = self.rehearsal.cli(*seed)
        assert done.returncode == 0, done.stderr

    def op(self, name: str, body: dict[str, Any]) -> Any:
        """One operation by the command line."""
        file = self.rehearsal.folder / f"{name}.json"
        file.write_text(json.dumps(body), encoding="utf-8")
        done = self.rehearsal.cli("op", name, "--body", f"@{file}")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def client(self, service: str, account: str, region: str) -> Any:
        """Plain boto3 in an account, by its role."""
        if account == ACCOUNT:
            return self.rehearsal.client(service, region)
        keys = self.rehearsal.client("sts", region).assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/{ROLE}",
            RoleSessionName="witness",
            ExternalId=EXTERNAL_IDS[account],
        )["Credentials"]
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=region)
        endpoint = self.rehearsal.environment["AWS_ENDPOINT_URL"]
        return session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]

    def requests(self, **query: str) -> list[dict[str, Any]]:
        """What the sandbox was asked."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        found: list[dict[str, Any]] = self.rehearsal.control("GET", f"/requests?limit=50000&{asked}")["requests"]
        return found

    def mark(self) -> str:
        """The number of the latest request."""
        return str(max((request["number"] for request in self.requests()), default=0))


@pytest.fixture(scope="module")
def estate(rehearsal: Rehearsal) -> Iterator[Estate]:
    folder = rehearsal.folder
    file = folder / "estate.json"
    file.write_text(json.dumps(MANIFEST, indent=2), encoding="utf-8")
    made = Estate(rehearsal, file, folder / "estate.bindings.yaml", folder / "accounts.yaml")
    made.seed()
    regions = {DATA: [DATA_REGION, OPT_IN_REGION], WEB: [WEB_REGION]}
    for account, held in regions.items():
        body = {"accountId": account, "externalId": EXTERNAL_IDS[account], "regions": held}
        assert made.op("add_target_account", body)["usableRegions"] == held
    yield made
    for account in regions:
        made.op("delete_target_account", {"accountId": account})


def test_the_plan_is_drilled_in_every_account_and_region_by_roles_with_external_ids(estate: Estate) -> None:
    mark = estate.mark()
    drill = estate.rehearsal.drill(estate.file, estate.bindings, "--yes")
    report = drill.report()
    assert drill.ended() == 0, drill.stderr
    assert report["status"] == "COMPLETED"

    jobs = {job["jobId"]: job for wave in report["waves"] for job in wave["jobs"]}
    assert {(job["accountId"], job["region"]) for job in jobs.values()} == PLACES
    first, second, third = report["waves"]
    assert {(job["accountId"], job["region"]) for job in first["jobs"]} == {(ACCOUNT, CORE_REGION), (DATA, DATA_REGION)}
    assert [(job["accountId"], job["region"]) for job in second["jobs"]] == [(DATA, OPT_IN_REGION)]
    assert [(job["accountId"], job["region"]) for job in third["jobs"]] == [(WEB, WEB_REGION)]
    assert third["approval"]["decision"] == "APPROVED"
    assert len(second["servers"]) == 2  # those that carry both tags, which no file names

    launched = _launched_by_drs(estate, report)
    servers = {server["sourceServerId"]: server for wave in report["waves"] for server in wave["servers"]}
    assert {server_id: server["recoveryInstanceId"] for server_id, server in servers.items()} == launched
    assert len(launched) == 7
    _has_its_addresses(estate, {server["name"]: server["recoveryInstanceId"] for server in servers.values()})

    # the staging account replicates the web servers and was not launched in
    web = estate.client("drs", WEB, WEB_REGION).describe_source_servers()["items"]
    assert {(one["stagingArea"]["status"], one["stagingArea"]["stagingAccountID"]) for one in web} == {
        ("EXTENDED", STAGING)
    }
    assert estate.client("drs", STAGING, WEB_REGION).describe_jobs()["items"] == []

    # every launch in another account was asked for by its role, and no secret is in what was said
    started = estate.requests(operation="StartRecovery", after=mark)
    assert {(one["accountId"], one["region"]) for one in started} == PLACES
    assert all(
        one["role"] == ("" if one["accountId"] == ACCOUNT else f"arn:aws:iam::{one['accountId']}:role/{ROLE}")
        for one in started
    )
    assert not any(secret in drill.stdout + drill.stderr for secret in EXTERNAL_IDS.values())

    # what the drill left in all three accounts is ended by one command
    ended = estate.rehearsal.cli("terminate", report["executionId"], "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    for account, region in PLACES:
        assert estate.client("drs", account, region).describe_recovery_instances()["items"] == []


def _launched_by_drs(estate: Estate, report: dict[str, Any]) -> dict[str, str]:
    """Recovery instance by source server, as each account's DRS has it, read by its role: its jobs are the report's."""
    jobs = {job["jobId"]: job for wave in report["waves"] for job in wave["jobs"]}
    launched: dict[str, str] = {}
    for account, region in PLACES:
        told = estate.client("drs", account, region).describe_jobs()["items"]
        mine = {job["jobID"]: job for job in told if job["tags"]["prefect-drs:execution"] == report["executionId"]}
        assert set(mine) == {
            job_id for job_id, job in jobs.items() if (job["accountId"], job["region"]) == (account, region)
        }
        for job in mine.values():
            assert job["initiatedBy"] == "START_DRILL"
            for server in job["participatingServers"]:
                assert server["launchStatus"] == "LAUNCHED"
                launched[server["sourceServerID"]] = server["recoveryInstanceID"]
    return launched


def _has_its_addresses(estate: Estate, named: dict[str, str]) -> None:
    """Each instance, by the name of its server, has the address and the type that the plan gives it."""
    for name, account, region in (
        ("e-db1", DATA, DATA_REGION),
        ("e-db2", DATA, DATA_REGION),
        ("e-web1", WEB, WEB_REGION),
    ):
        (instance,) = _instances(estate.client("ec2", account, region), named[name])
        assert instance["PrivateIpAddress"] == ADDRESSES[name]
    ec2 = estate.client("ec2", WEB, WEB_REGION)
    first_web, second_web = _instances(ec2, named["e-web1"], named["e-web2"])
    assert first_web["SubnetId"] == second_web["SubnetId"]
    (subnet,) = ec2.describe_subnets(SubnetIds=[first_web["SubnetId"]])["Subnets"]
    assert IPv4Address(second_web["PrivateIpAddress"]) in IPv4Network(subnet["CidrBlock"])
    assert {first_web["InstanceType"], second_web["InstanceType"]} == {"m5.large"}


def _instances(ec2: Any, *ids: str) -> list[dict[str, Any]]:
    found = ec2.describe_instances(InstanceIds=list(ids))["Reservations"]
    by_id = {instance["InstanceId"]: instance for reservation in found for instance in reservation["Instances"]}
    return [by_id[one] for one in ids]


@contextmanager
def another_external_id(estate: Estate) -> Iterator[None]:
    """Somebody changed the ExternalId in the account, and not in its block."""
    estate.seed(externalId="changed-since")
    try:
        yield
    finally:
        estate.seed()


@contextmanager
def no_role(estate: Estate) -> Iterator[None]:
    """Somebody deleted the role."""
    estate.seed(hasRole=False)
    try:
        yield
    finally:
        estate.seed()


@contextmanager
def a_role_that_lacks_an_action(estate: Estate) -> Iterator[None]:
    """Somebody took an action out of the role's policy."""
    estate.seed(missingActions=["drs:StartRecovery"])
    try:
        yield
    finally:
        estate.seed()


@contextmanager
def a_region_that_is_not_enabled(estate: Estate) -> Iterator[None]:
    """The account has not opted in to one of the plan's regions."""
    fault = {"kind": "opt-in", "account": DATA, "region": OPT_IN_REGION}
    (planted,) = estate.rehearsal.control("POST", "/faults", fault)["ids"]
    try:
        yield
    finally:
        assert estate.rehearsal.control("DELETE", f"/faults/{planted}")["removed"]


ENTRY = (
    rf"UNCHECKED: .*cannot enter account {DATA} by role arn:aws:iam::{DATA}:role/{ROLE} with an ExternalId: .*"
    "check that the role exists, that its trust policy names this caller and the same ExternalId"
)


@pytest.mark.parametrize(
    ("circumstance", "told"),
    [
        (another_external_id, ENTRY),
        (no_role, ENTRY),
        (
            a_region_that_is_not_enabled,
            rf"UNCHECKED: .*{OPT_IN_REGION}.*RegionDisabledException.*enable the region in the account, or leave it",
        ),
        (
            a_role_that_lacks_an_action,
            rf"PERMISSION_MISSING: .*role/{ROLE} in account {DATA} lacks 1 permission\(s\): drs:StartRecovery; allow ",
        ),
    ],
)
def test_an_account_that_is_not_as_it_must_be_stops_the_drill_at_preflight_with_the_remedy(
    estate: Estate, circumstance: Callable[[Estate], AbstractContextManager[None]], told: str
) -> None:
    mark = estate.mark()
    with circumstance(estate):
        drill = estate.rehearsal.drill(estate.file, estate.bindings, "--yes")
        assert drill.ended() == 5, drill.stderr
    assert drill.stdout == ""
    first, *findings = drill.stderr.splitlines()
    assert first == f"prefect-drs: preflight refused Estate: {len(findings)} finding(s)"
    assert all(re.match(told, finding) for finding in findings), findings
    assert findings
    assert estate.requests(operation="StartRecovery", after=mark) == []
    assert not any(secret in drill.stderr for secret in EXTERNAL_IDS.values())
