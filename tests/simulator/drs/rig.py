"""A small estate in one account, and clients for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from prefect_drs.aws.assume_role import caller_session
from prefect_drs.simulator import DRSBackend, Sandbox

ACCOUNT = "123456789012"
REGION = "us-east-1"
GIB = 1024**3
NO_RETRIES = Config(retries={"total_max_attempts": 1})


@dataclass
class Rig:
    sandbox: Sandbox
    region: str = REGION
    account: str = ACCOUNT
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = caller_session().client(  # type: ignore[call-overload]
                service, region_name=self.region, config=NO_RETRIES
            )
        return self._clients[service]

    @property
    def drs(self) -> Any:
        return self.client("drs")

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    @property
    def backend(self) -> DRSBackend:
        return self.sandbox.backend(self.account, self.region)

    def seed(self, count: int = 1, **given: Any) -> list[str]:
        made = []
        for _ in range(count):
            number = len(self.backend.servers) + 1
            settings: dict[str, Any] = {
                "hostname": f"server{number:03}",
                "ram_bytes": 8 * GIB,
                "cpus": 2,
                "disks": [{"deviceName": "/dev/sda1", "bytes": 100 * GIB}],
                **given,
            }
            made.append(self.backend.seed_source_server(**settings).server_id)
        return made

    def start(self, ids: list[str], *, drill: bool = True, **more: Any) -> dict[str, Any]:
        entries = [{"sourceServerID": i} for i in ids]
        job: dict[str, Any] = self.drs.start_recovery(sourceServers=entries, isDrill=drill, **more)["job"]
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        (found,) = self.drs.describe_jobs(filters={"jobIDs": [job_id]})["items"]
        job: dict[str, Any] = found
        return job

    def advance(self, seconds: float) -> None:
        self.sandbox.clock.advance(seconds)

    def launch(self, ids: list[str], *, drill: bool = True, **more: Any) -> dict[str, Any]:
        job = self.start(ids, drill=drill, **more)
        self.advance(3600)
        return self.job(job["jobID"])

    def server(self, server_id: str) -> dict[str, Any]:
        (found,) = self.drs.describe_source_servers(filters={"sourceServerIDs": [server_id]})["items"]
        server: dict[str, Any] = found
        return server

    def events(self, job_id: str) -> list[str]:
        return [item["event"] for item in self.drs.describe_job_log_items(jobID=job_id)["items"]]

    def instance(self, instance_id: str) -> dict[str, Any]:
        found = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        instance: dict[str, Any] = found
        return instance

    def copies(self) -> list[dict[str, Any]]:
        """The instances that DRS launched from source servers; its own replication servers are none."""
        of_servers = [{"Name": "tag-key", "Values": ["AWSElasticDisasterRecoverySourceServerID"]}]
        found = self.ec2.describe_instances(Filters=of_servers)["Reservations"]
        return [instance for reservation in found for instance in reservation["Instances"]]

    def network(self, cidr: str = "10.1.0.0/16", subnet: str = "10.1.1.0/24") -> tuple[str, str, str]:
        """A VPC, a subnet in it and a security group."""
        vpc = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        subnet_id = self.ec2.create_subnet(VpcId=vpc, CidrBlock=subnet, AvailabilityZone=f"{self.region}b")
        group = self.ec2.create_security_group(GroupName="app", Description="app", VpcId=vpc)["GroupId"]
        return vpc, subnet_id["Subnet"]["SubnetId"], group

    def change_template(self, server_id: str, *, default: bool = True, **data: Any) -> None:
        template = self.drs.get_launch_configuration(sourceServerID=server_id)["ec2LaunchTemplateID"]
        made = self.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
        if default:
            number = str(made["LaunchTemplateVersion"]["VersionNumber"])
            self.ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=number)


def hearing_drs(rig: Rig, *kinds: str) -> Callable[[], list[dict[str, Any]]]:
    """What DRS tells EventBridge of these kinds from now on, read from a queue that is a rule's target."""
    url = rig.client("sqs").create_queue(QueueName="heard")["QueueUrl"]
    named = rig.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    rig.client("events").put_rule(
        Name="drs", EventPattern=json.dumps({"source": ["aws.drs"], "detail-type": list(kinds)})
    )
    rig.client("events").put_targets(Rule="drs", Targets=[{"Id": "queue", "Arn": named["QueueArn"]}])

    def heard() -> list[dict[str, Any]]:
        answer = rig.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return heard


def refused(code: str) -> Any:
    """Expect AWS's error of this code."""
    return pytest.raises(ClientError, match=rf"\({code}\)")
