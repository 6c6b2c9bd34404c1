"""The CloudFormation templates, deployed into the simulated AWS as far as moto goes; the roles they make carry a drill.

Moto's CloudFormation knows no bucket and topic policies and no Cloud Map, and of a bucket's properties only the
encryption: what it leaves out is listed below and is only linted. It refuses a reference to what it does not know, so
that the server's entry in Cloud Map is taken out. Its task definitions have no roles, and its ECS gives tasks no
credentials: the test takes those of the role from STS, as ECS does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from cfnlint.decode.cfn_yaml import load as load_template
from moto.sts.models import sts_backends
from pydantic import SecretStr

from prefect_drs.aws.drs import describe_source_servers
from prefect_drs.aws.errors import PermissionDeniedError
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.aws.sns import publish
from prefect_drs.core.errors import PreflightRefusedError
from prefect_drs.plan.model import Manifest
from prefect_drs.recovery.drivers import run_plainly
from prefect_drs.runbook import resolve
from prefect_drs.simulator import plant_role
from prefect_drs.simulator.runtime import current
from prefect_drs.simulator.sessions import Session
from tests.examples.places import EXAMPLES
from tests.rig import ACCOUNT, GIB, REGION, Rig, simulated_aws

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")  # what moto does not know, see below

TEMPLATES = EXAMPLES / "cloudformation"
TARGET, EXTERNAL_ID = "222222222222", "correct-horse-battery"
ELSEWHERE = "arn:aws:iam::123456789012:role/central/Orchestrator"
UNKNOWN_TO_MOTO = {
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::ServiceDiscovery::PrivateDnsNamespace",
    "AWS::ServiceDiscovery::Service",
}


class Stack:
    """A template as a stack of one account."""

    def __init__(self, name: str, client: Any, **parameters: str) -> None:
        self.template = load_template(str(TEMPLATES / name / "template.yaml"))
        values = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self.template["Resources"].get("Server", {}).get("Properties", {}).pop("ServiceRegistries", None)
        body = json.dumps(self.template)
        client.create_stack(StackName=name, TemplateBody=body, Parameters=values, Capabilities=["CAPABILITY_NAMED_IAM"])
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
        made = client.list_stack_resources(StackName=name)["StackResourceSummaries"]
        self.made = {
            each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made if each["LogicalResourceId"]
        }

    @property
    def left_out(self) -> set[str]:
        """The types of resources that were not made."""
        asked = self.template["Resources"]
        return {asked[name]["Type"] for name in asked.keys() - self.made.keys()}


def credentials_of_a_task(role_arn: str, account: str) -> boto3.Session:
    """What ECS hands to a task of that role; the sandbox applies the role's policies to it, as to any session."""
    given = sts_backends[account]["aws"].assume_role(
        region_name=REGION, role_session_name="task", role_arn=role_arn, policy="", duration=3600, external_id=""
    )
    until = current().now() + timedelta(hours=24)
    current().sessions.add(Session(given.access_key_id, account, role_arn, until))
    return boto3.Session(given.access_key_id, given.secret_access_key, given.session_token, region_name=REGION)


def network() -> dict[str, str]:
    ec2 = boto3.client("ec2")
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]]
    return {"Vpc": vpc["VpcId"], "Subnets": ",".join(subnets), "WorkerImage": "registry.example/prefect-drs:1"}


def hub(**parameters: str) -> Stack:
    return Stack("hub", boto3.client("cloudformation"), **network(), **parameters)


def target(orchestrator: str) -> Stack:
    """The role, made by somebody who may deploy in the target account."""
    deployer = boto3.client("sts").assume_role(RoleArn=plant_role(TARGET, "Deployer"), RoleSessionName="deploy")[
        "Credentials"
    ]
    client = boto3.client(
        "cloudformation",
        aws_access_key_id=deployer["AccessKeyId"],
        aws_secret_access_key=deployer["SecretAccessKey"],
        aws_session_token=deployer["SessionToken"],
    )
    return Stack("target-account", client, OrchestratorRoleArn=orchestrator, ExternalId=EXTERNAL_ID)


def sessions_of(stack: Stack, external_id: str = EXTERNAL_ID) -> Sessions:
    access = AccountAccess(TARGET, external_id=SecretStr(external_id))
    return Sessions([access], session=credentials_of_a_task(stack.outputs["OrchestratorRoleArn"], ACCOUNT))


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as made:
        yield made


def drilled(rig: Rig, sessions: Sessions) -> Any:
    """A drill of two waves in the target account."""
    backend = rig.sandbox.backend(TARGET, REGION)
    if not backend.initialized:
        backend.initialize_service()
    groups, waves = [], []
    for number, name in enumerate(("db", "web")):
        disks = [{"deviceName": "/dev/sda1", "bytes": GIB}]
        server = backend.seed_source_server(hostname=name, ram_bytes=GIB, cpus=1, disks=disks)
        groups.append({"groupName": name, "accountId": TARGET, "region": REGION, "sourceServerIds": [server.server_id]})
        waves.append({"waveNumber": number, "waveName": name, "groups": [name], "dependsOnWaves": list(range(number))})
    plan = {"planName": "Shop", "waves": waves}
    manifest = Manifest.model_validate({"schemaVersion": "1.1", "protectionGroups": groups, "recoveryPlans": [plan]})
    runbook = resolve(manifest, manifest.plan(None), mode="drill", sessions=sessions, clock=rig.clock)
    rig.sessions = sessions
    return run_plainly(rig.engine(runbook), rig.answers, rig.clock, timeout=timedelta(hours=1))


def test_the_roles_that_the_templates_make_carry_a_drill_in_a_target_account(rig: Rig) -> None:
    stack = hub()
    target(stack.outputs["OrchestratorRoleArn"])
    report = drilled(rig, sessions_of(stack))
    assert report.status == "COMPLETED"
    assert [server.launch_status for wave in report.waves for server in wave.servers] == ["LAUNCHED", "LAUNCHED"]


def test_the_target_s_role_refuses_another_external_id_and_another_caller(rig: Rig) -> None:
    stack = hub()
    target(stack.outputs["OrchestratorRoleArn"])
    of_another_caller = Sessions([AccountAccess(TARGET, external_id=SecretStr(EXTERNAL_ID))])
    for sessions in (sessions_of(stack, "another"), of_another_caller):
        with pytest.raises(PreflightRefusedError, match="cannot enter account"):
            drilled(rig, sessions)


def test_the_orchestrator_s_role_launches_nothing_in_its_own_account(rig: Rig) -> None:
    stack = hub()
    rig.sandbox.backend(ACCOUNT, REGION).initialize_service()
    sessions = sessions_of(stack)
    with pytest.raises(PermissionDeniedError):
        describe_source_servers(sessions, Location(ACCOUNT, REGION))


def test_the_orchestrator_s_role_tells_people_by_the_hub_s_topic(rig: Rig) -> None:
    stack = hub()
    assert publish(sessions_of(stack), stack.outputs["MilestonesTopicArn"], "subject", "text", {})


def test_a_standalone_hub_is_deployed_except_for_what_moto_does_not_know(rig: Rig) -> None:
    stack = hub()
    of_other_modes = {
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::Events::Rule",
    }
    assert stack.left_out - of_other_modes == UNKNOWN_TO_MOTO
    assert {"Server", "ServerTask", "Worker", "WorkerTask", "OrchestratorRole"} <= stack.made.keys()
    assert {"WorkerRole", "ReplicationRole"}.isdisjoint(stack.made)
    assert environment_of(stack, "ServerTask")["PREFECT_SERVER_UI_ENABLED"] == "true"
    assert environment_of(stack, "WorkerTask")["PREFECT_API_URL"] == stack.outputs["PrefectApiUrl"]
    rule = boto3.client("events").list_targets_by_rule(Rule=stack.made["StalledServerRule"])
    assert [each["Arn"] for each in rule["Targets"]] == [stack.outputs["AlertsTopicArn"]]


def test_an_api_only_hub_has_a_server_without_its_ui(rig: Rig) -> None:
    stack = hub(ServerUi="false")
    assert environment_of(stack, "ServerTask")["PREFECT_SERVER_UI_ENABLED"] == "false"


def test_a_hub_with_an_external_role_makes_none_for_the_flows(rig: Rig) -> None:
    stack = hub(OrchestratorRoleArn=ELSEWHERE)
    assert "OrchestratorRole" not in stack.made
    assert stack.outputs["OrchestratorRoleArn"] == ELSEWHERE


def test_a_hub_beside_another_prefect_server_runs_the_worker_alone(rig: Rig) -> None:
    api = "https://prefect.example/api"
    stack = hub(
        PrefectApiUrl=api, PrefectApiKeySecretArn=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:key-AbCdEf"
    )
    assert {"Server", "ServerTask"}.isdisjoint(stack.made)
    assert environment_of(stack, "WorkerTask")["PREFECT_API_URL"] == api
    (secret,) = container(stack, "WorkerTask")["secrets"]
    assert secret["name"] == "PREFECT_API_KEY"


def test_a_worker_that_starts_tasks_has_a_role_of_its_own_and_may_enter_no_account(rig: Rig) -> None:
    stack = hub(PoolType="ecs")
    role = boto3.client("iam").get_role(RoleName=stack.made["WorkerRole"])["Role"]["Arn"]
    worker = credentials_of_a_task(role, ACCOUNT)
    queue = environment_of(stack, "WorkerTask")["PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME"]
    assert worker.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"].endswith(queue)
    target(stack.outputs["OrchestratorRoleArn"])
    access = AccountAccess(TARGET, external_id=SecretStr(EXTERNAL_ID))
    with pytest.raises(PreflightRefusedError, match="cannot enter account"):
        drilled(rig, Sessions([access], session=worker))


def test_the_replica_is_a_bucket_of_another_region(rig: Rig) -> None:
    replica = Stack("journal-replica", boto3.client("cloudformation", "eu-west-1"), LockDays="30")
    stack = hub(ReplicaArn=replica.outputs["ReplicaArn"])
    assert "ReplicationRole" in stack.made
    policy = boto3.client("iam").get_role_policy(RoleName=stack.made["ReplicationRole"], PolicyName="replicate")
    assert f"{replica.outputs['ReplicaArn']}/*" in json.dumps(policy["PolicyDocument"])


def task(stack: Stack, name: str) -> Any:
    return boto3.client("ecs").describe_task_definition(taskDefinition=stack.made[name])["taskDefinition"]


def container(stack: Stack, name: str) -> Any:
    (only,) = task(stack, name)["containerDefinitions"]
    return only


def environment_of(stack: Stack, name: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(stack, name)["environment"]}
