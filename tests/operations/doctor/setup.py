"""A set-up in which nothing is wrong: Prefect's server, a worker's heartbeat, an account, a bucket, a topic, a bus."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.context import refresh_global_settings_context
from prefect.exceptions import ObjectNotFound
from prefect_aws import AwsCredentials, S3Bucket
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr

from prefect_drs.core.clock import WallClock
from prefect_drs.flows import recover
from prefect_drs.operations import Context, invoke
from prefect_drs.operations.doctor import Diagnosis, Finding, Level, diagnose
from prefect_drs.orchestration.blocks import TargetAccount
from prefect_drs.simulator import drs_backends, plant_role
from prefect_drs.simulator.server import SandboxServer
from tests.operations.accounts import forget_accounts
from tests.operations.estate import forget_estate
from tests.rig import GIB

HUB, TARGET = "123456789012", "222222222222"
HERE, FAILED = "eu-central-1", "eu-west-1"
"""The region to recover to, and the one that plans recover from."""
EXTERNAL_ID = "correct-horse-battery"
POOL, BUCKET, JOURNAL = "doctor-pool", "drs-journal-of-the-doctor", "s3-bucket/journal-of-the-doctor"
TOPIC = f"arn:aws:sns:{HERE}:{HUB}:milestones"
BUS = f"arn:aws:events:{HERE}:{HUB}:event-bus/milestones"


class OffsetClock(WallClock):
    """The machine's clock, wrong by some seconds."""

    def __init__(self, seconds: float) -> None:
        self._offset = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset


@dataclass
class SetUp:
    """The set-up, which a test breaks in one place."""

    aws: SandboxServer
    patch: pytest.MonkeyPatch

    def setenv(self, **values: str) -> None:
        """Change settings of this process, Prefect's included."""
        for name, value in values.items():
            self.patch.setenv(name, value)
        refresh_global_settings_context()

    def delenv(self, *names: str) -> None:
        for name in names:
            self.patch.delenv(name, raising=False)
        refresh_global_settings_context()

    def diagnose(self, *, ahead: float = 0.0, seconds: float = 30.0, send_test: bool = False) -> Diagnosis:
        diagnosis = diagnose(clock=OffsetClock(ahead), seconds=seconds, send_test=send_test)
        assert EXTERNAL_ID not in diagnosis.model_dump_json()
        return diagnosis

    def store_plan(self, *, recovers_from: str | None) -> None:
        """Store a plan of one server that replicates from a region, or from outside AWS."""
        origin = {"source_region": recovers_from, "source_account": TARGET} if recovers_from else {}
        server = drs_backends[TARGET][HERE].seed_source_server(
            hostname=f"db-{recovers_from}",
            ram_bytes=GIB,
            cpus=1,
            disks=[{"deviceName": "/dev/sda1", "bytes": GIB}],
            **origin,
        )
        group = {"name": "db", "region": HERE, "accountId": TARGET, "sourceServerIds": [server.server_id]}
        wave = {"name": "db", "waveNumber": 0, "protectionGroupNames": ["db"]}
        invoke("create_protection_group", group, context=Context(caller="ada"))
        invoke("create_recovery_plan", {"name": "Shop", "waves": [wave]}, context=Context(caller="ada"))


@contextmanager
def sound_set_up(aws: SandboxServer, patch: pytest.MonkeyPatch) -> Iterator[SetUp]:
    """Nothing is wrong, but that the tests' server has SQLite; nothing is left behind."""
    _forget()
    made = SetUp(aws, patch)
    plant_role(TARGET, external_id=EXTERNAL_ID)
    for region in (HERE,):
        if not drs_backends[TARGET][region].initialized:
            drs_backends[TARGET][region].initialize_service()
    _account(EXTERNAL_ID)
    _bucket(aws, BUCKET, "us-west-2")
    _channels()
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        client.send_worker_heartbeat(POOL, "worker-1", 30)
    recover.to_deployment(name="of-the-doctor", work_pool_name=POOL).apply()
    made.setenv(
        PREFECT_DRS_JOURNAL=JOURNAL,
        PREFECT_DRS_NOTIFY_TOPICS=TOPIC,
        PREFECT_DRS_NOTIFY_EVENT_BUSES=BUS,
        PREFECT_DRS_DEPLOYMENT="recover/of-the-doctor",
        AWS_EC2_METADATA_DISABLED="true",
    )
    api = {name: os.environ[name] for name in ("PREFECT_API_URL", "PREFECT_UI_URL")}
    try:
        yield made
    finally:
        made.setenv(**api)
        _forget()
        remove_bucket(aws, BUCKET)
        patch.undo()
        refresh_global_settings_context()


def _account(external_id: str) -> None:
    account = TargetAccount(account_id=TARGET, regions=[HERE], external_id=SecretStr(external_id))
    save(account, "doctor")


def save(block: Any, name: str) -> None:
    block.save(name, overwrite=True, _sync=True)


def _bucket(aws: SandboxServer, name: str, region: str) -> None:
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != "us-east-1" else {}
    boto3.client("s3", region, endpoint_url=aws.endpoint_url).create_bucket(Bucket=name, **where)
    save_journal_block(aws, name, region)


def save_journal_block(aws: SandboxServer, bucket: str, region: str) -> None:
    parameters = AwsClientParameters(endpoint_url=aws.endpoint_url)
    credentials = AwsCredentials(region_name=region, aws_client_parameters=parameters)
    save(S3Bucket(bucket_name=bucket, bucket_folder="drs", credentials=credentials), JOURNAL.partition("/")[2])


def remove_bucket(aws: SandboxServer, name: str) -> None:
    s3 = boto3.client("s3", "us-west-2", endpoint_url=aws.endpoint_url)
    with suppress(s3.exceptions.NoSuchBucket):
        for item in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=item["Key"])
        s3.delete_bucket(Bucket=name)


def keys(aws: SandboxServer) -> list[str]:
    s3 = boto3.client("s3", "us-west-2", endpoint_url=aws.endpoint_url)
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def _channels() -> None:
    sns, sqs, events = (boto3.client(name, HERE) for name in ("sns", "sqs", "events"))
    sns.create_topic(Name="milestones")
    sqs.create_queue(QueueName="milestones")
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=f"arn:aws:sqs:{HERE}:{HUB}:milestones")
    with suppress(events.exceptions.ResourceAlreadyExistsException):
        events.create_event_bus(Name="milestones")


def messages() -> list[str]:
    """What the topic delivered."""
    sqs = boto3.client("sqs", HERE)
    url = sqs.get_queue_url(QueueName="milestones")["QueueUrl"]
    return [json.loads(each["Body"])["Message"] for each in sqs.receive_message(QueueUrl=url).get("Messages", [])]


def _forget() -> None:
    forget_accounts()
    forget_estate()
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        with suppress(ObjectNotFound):
            client.delete_work_pool(POOL)


def of(diagnosis: Diagnosis, check: str, subject: str = "") -> Finding:
    """The one finding of a check on a subject."""
    found = [each for each in diagnosis.findings if each.check == check and (not subject or each.subject == subject)]
    assert len(found) == 1, diagnosis.model_dump_json(indent=1)
    return found[0]


def faults(diagnosis: Diagnosis) -> set[str]:
    """The checks that found a fault."""
    return {each.check for each in diagnosis.findings if each.level is Level.FAULT}


def worse_than_ok(diagnosis: Diagnosis) -> dict[str, Level]:
    return {each.check: each.level for each in diagnosis.findings if each.level is not Level.OK}
