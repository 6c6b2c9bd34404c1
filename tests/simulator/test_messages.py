"""SNS, SQS, EventBridge and OpsItems in the sandbox: messages arrive, over HTTP and without, and may be refused."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from prefect_drs.simulator import Sandbox, StepClock, drs_backends, mock_drs
from prefect_drs.simulator.server import SandboxServer

REGION = "eu-west-1"
CONFIG = Config(retries={"total_max_attempts": 1})
DISKS = [{"deviceName": "/dev/sda1", "bytes": 2**33}]
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
Client = Callable[[str], Any]


@pytest.fixture(params=["in-process", "http"])
def aws(request: pytest.FixtureRequest) -> Iterator[tuple[Client, Any]]:
    """A maker of clients, and the faults."""
    if request.param == "http":
        with SandboxServer(clock=StepClock()) as server:
            yield (
                lambda service: boto3.client(  # type: ignore[call-overload]
                    service, region_name=REGION, endpoint_url=server.endpoint_url, config=CONFIG, **KEYS
                ),
                server.runtime.faults,
            )
        return
    with mock_drs(default_images=False) as sandbox:
        assert isinstance(sandbox, Sandbox)
        yield (
            lambda service: boto3.client(service, region_name=REGION, config=CONFIG, **KEYS),  # type: ignore[call-overload]
            sandbox.faults,
        )


def a_queue(client: Client) -> tuple[str, str]:
    """Its URL and its ARN."""
    url = client("sqs").create_queue(QueueName="inbox")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def received(client: Client, url: str) -> list[Any]:
    """What lies in the queue, each body read as JSON."""
    answer = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_what_is_published_to_a_topic_arrives_in_the_queue_that_subscribed_it(aws: tuple[Client, Any]) -> None:
    client, _ = aws
    url, arn = a_queue(client)
    topic = client("sns").create_topic(Name="dr")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    client("sns").publish(TopicArn=topic, Subject="Paused", Message="Two lines,\nas written: ü")
    (message,) = received(client, url)
    assert (message["Subject"], message["Message"], message["TopicArn"]) == (
        "Paused",
        "Two lines,\nas written: ü",
        topic,
    )


def test_a_filter_policy_lets_only_messages_of_its_plan_through(aws: tuple[Client, Any]) -> None:
    client, _ = aws
    url, arn = a_queue(client)
    topic = client("sns").create_topic(Name="dr")["TopicArn"]
    policy = json.dumps({"planName": ["mine"]})
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicy": policy})
    for plan in ("other", "mine"):
        attributes = {"planName": {"DataType": "String", "StringValue": plan}}
        client("sns").publish(TopicArn=topic, Message=plan, MessageAttributes=attributes)
    assert [message["Message"] for message in received(client, url)] == ["mine"]


def test_an_event_that_a_rule_matches_arrives_in_its_queue(aws: tuple[Client, Any]) -> None:
    client, _ = aws
    url, arn = a_queue(client)
    events = client("events")
    events.put_rule(Name="drs", EventPattern=json.dumps({"source": ["prefect-drs"], "detail-type": ["Wave done"]}))
    events.put_targets(Rule="drs", Targets=[{"Id": "queue", "Arn": arn}])
    for kind in ("Wave done", "Wave begun"):
        entry = {"Source": "prefect-drs", "DetailType": kind, "Detail": json.dumps({"wave": 1})}
        answer = events.put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0
    (event,) = received(client, url)
    assert (event["detail-type"], event["detail"], event["region"]) == ("Wave done", {"wave": 1}, REGION)


def drs_events(client: Client) -> str:
    """The URL of a queue that hears all that DRS tells."""
    url, arn = a_queue(client)
    client("events").put_rule(Name="drs", EventPattern=json.dumps({"source": ["aws.drs"]}))
    client("events").put_targets(Rule="drs", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def test_a_server_that_is_let_stall_over_the_control_endpoint_is_told_to_eventbridge_once() -> None:
    with SandboxServer(clock=StepClock()) as sandbox:

        def client(service: str) -> Any:
            return boto3.client(service, region_name=REGION, endpoint_url=sandbox.endpoint_url, **KEYS)  # type: ignore[call-overload]

        def change(state: str) -> list[str]:
            body = json.dumps({"server": "d?1", "state": state, "region": REGION}).encode()
            url, headers = f"{sandbox.endpoint_url}/_sandbox/replication", {"Content-Type": "application/json"}
            with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
                changed: list[str] = json.load(answer)["changed"]
                return changed

        url = drs_events(client)
        backend = drs_backends["123456789012"][REGION]
        backend.initialize_service()
        server = backend.seed_source_server(hostname="db1", ram_bytes=2**32, cpus=2, disks=DISKS)
        backend.seed_source_server(hostname="web1", ram_bytes=2**32, cpus=2, disks=DISKS)
        assert (change("STALLED"), change("STALLED")) == ([server.arn], [])
        (told,) = client("drs").describe_source_servers(filters={"sourceServerIDs": [server.server_id]})["items"]
        assert told["dataReplicationInfo"]["dataReplicationState"] == "STALLED"
        assert change("NOT_STALLED") == [server.arn]
        events = received(client, url)
        assert sorted(event["detail"]["state"] for event in events) == ["NOT_STALLED", "STALLED"]
        assert {event["resources"][0] for event in events} == {server.arn}
        at = datetime.strptime(events[0]["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert at == sandbox.clock.now().replace(microsecond=0)


@pytest.mark.parametrize(
    ("service", "operation", "method", "arguments"),
    [
        ("sns", "Publish", "publish", {"TopicArn": f"arn:aws:sns:{REGION}:123456789012:dr", "Message": "m"}),
        ("sqs", "CreateQueue", "create_queue", {"QueueName": "inbox"}),
        ("events", "PutEvents", "put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]}),
    ],
)
def test_a_service_can_be_planted_to_refuse_or_to_fall_silent(
    aws: tuple[Client, Any], service: str, operation: str, method: str, arguments: dict[str, Any]
) -> None:
    client, faults = aws
    client("sns").create_topic(Name="dr")
    faults.add({"kind": "operation", "service": service, "effect": "error", "code": "InternalFailure", "times": 1})
    with pytest.raises(ClientError, match="InternalFailure"):
        getattr(client(service), method)(**arguments)
    faults.add({"kind": "operation", "service": service, "operation": operation, "effect": "throttle", "times": 1})
    with pytest.raises(ClientError, match="Throttling"):
        getattr(client(service), method)(**arguments)
    faults.add({"kind": "operation", "service": service, "operation": operation, "effect": "lose-answer", "times": 1})
    with pytest.raises(ConnectionClosedError):
        getattr(client(service), method)(**arguments)
    getattr(client(service), method)(**arguments)


def test_sns_can_be_planted_to_refuse_every_call_for_as_long_as_wanted(aws: tuple[Client, Any]) -> None:
    client, faults = aws
    topic = client("sns").create_topic(Name="dr")["TopicArn"]
    planted = faults.add({"kind": "operation", "service": "sns", "effect": "error", "code": "AuthorizationError"})
    for _ in range(3):
        with pytest.raises(ClientError, match="AuthorizationError"):
            client("sns").publish(TopicArn=topic, Message="m")
    faults.remove(planted)
    assert client("sns").publish(TopicArn=topic, Message="m")["MessageId"]


def test_an_ops_item_is_opened_once_for_what_is_the_same(aws: tuple[Client, Any]) -> None:
    client, _ = aws
    ssm = client("ssm")
    given = {
        "Title": "s-1 is stalled",
        "Description": "Replication of s-1 stalled.",
        "Source": "drs",
        "Severity": "2",
        "OperationalData": {"/aws/dedup": {"Value": '{"dedupString":"s-1"}', "Type": "SearchableString"}},
    }
    opened = ssm.create_ops_item(**given)
    assert opened["OpsItemArn"].endswith(f":opsitem/{opened['OpsItemId']}")
    with pytest.raises(ClientError, match="OpsItemAlreadyExistsException"):
        ssm.create_ops_item(**given)
    item = ssm.get_ops_item(OpsItemId=opened["OpsItemId"])["OpsItem"]
    assert {name: item[name] for name in given} == given
    assert item["Status"] == "Open"
    with pytest.raises(ClientError, match="OpsItemNotFoundException"):
        ssm.get_ops_item(OpsItemId="oi-" + "0" * 12)


def test_ops_items_are_listed_newest_first_by_filter_and_in_pages(aws: tuple[Client, Any]) -> None:
    client, _ = aws
    ssm = client("ssm")
    for number in range(5):
        ssm.create_ops_item(Title=f"t{number}", Description="d", Source="drs" if number % 2 else "ec2")
    wanted = [{"Key": "Source", "Values": ["drs"], "Operator": "Equal"}]
    assert [one["Title"] for one in ssm.describe_ops_items(OpsItemFilters=wanted)["OpsItemSummaries"]] == ["t3", "t1"]
    pages = list(ssm.get_paginator("describe_ops_items").paginate(PaginationConfig={"PageSize": 2}))
    assert [one["Title"] for page in pages for one in page["OpsItemSummaries"]] == ["t4", "t3", "t2", "t1", "t0"]
    assert len(pages) == 3
