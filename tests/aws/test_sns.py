"""SNS and EventBridge over the simulator: publishing, owners' subscriptions, and events that are not taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from prefect_drs.aws.eventbridge import bus_location, put_event
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.sns import publish, subscribe_owner, topic_location
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.simulator import mock_drs
from tests.aws.conftest import Endpoint
from tests.rig import ACCOUNT

REGION = "eu-west-1"
OWNER = "owner@example.com"
AT = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def sessions() -> Any:
    with mock_drs():
        yield Sessions()


@pytest.fixture
def topic(sessions: Sessions) -> str:
    return str(sessions.client("sns", region=REGION).create_topic(Name="recoveries")["TopicArn"])


def subscriptions(sessions: Sessions, topic: str) -> dict[str, dict[str, Any]]:
    """The filter policies of a topic's subscriptions, by address."""
    sns = sessions.client("sns", region=REGION)
    found = {}
    for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        attributes = sns.get_subscription_attributes(SubscriptionArn=each["SubscriptionArn"])["Attributes"]
        found[each["Endpoint"]] = json.loads(attributes.get("FilterPolicy") or "{}")
    return found


def test_an_arn_says_where_it_is() -> None:
    assert topic_location("arn:aws:sns:eu-west-1:123456789012:recoveries") == Location(ACCOUNT, REGION)
    bus = "arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/dr/main"
    assert bus_location(bus) == Location(ACCOUNT, "us-gov-west-1")
    with pytest.raises(UsageError, match="no ARN of an SNS topic"):
        topic_location("recoveries")
    with pytest.raises(UsageError, match="no ARN of an event bus"):
        bus_location("default")


def test_an_owner_is_subscribed_for_their_plans_only_and_once(sessions: Sessions, topic: str) -> None:
    for plan in ("Shop", "Shop", "Payments", "Payments"):
        assert subscribe_owner(sessions, topic, OWNER, plan)
    subscribe_owner(sessions, topic, "Other@example.com", "Shop")
    assert subscriptions(sessions, topic) == {
        OWNER: {"planName": ["Shop", "Payments"]},
        "Other@example.com": {"planName": ["Shop"]},
    }


def test_an_address_that_has_everything_is_left_alone(sessions: Sessions, topic: str) -> None:
    sessions.client("sns", region=REGION).subscribe(TopicArn=topic, Protocol="email", Endpoint=OWNER)
    assert subscribe_owner(sessions, topic, OWNER.upper(), "Shop")
    assert subscriptions(sessions, topic) == {OWNER: {}}


def test_a_message_reaches_those_whose_filter_takes_it(sessions: Sessions, topic: str) -> None:
    sns, sqs = sessions.client("sns", region=REGION), sessions.client("sqs", region=REGION)
    for plan in ("Shop", "Payments"):
        sqs.create_queue(QueueName=plan)
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{plan}"
        policy = {"FilterPolicy": json.dumps({"planName": [plan]})}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=policy)
    assert publish(sessions, topic, "subject", "text", {"planName": "Shop", "waveNumber": ""})
    got = {
        plan: [json.loads(m["Body"]) for m in sqs.receive_message(QueueUrl=plan).get("Messages", [])]
        for plan in ("Shop", "Payments")
    }
    assert [(m["Subject"], m["Message"], list(m["MessageAttributes"])) for m in got["Shop"]] == [
        ("subject", "text", ["planName"])
    ]
    assert got["Payments"] == []


def test_a_topic_that_is_not_there_is_an_error_with_its_place(sessions: Sessions) -> None:
    with pytest.raises(AwsError, match=f"Publish failed in .*{REGION}"):
        publish(sessions, f"arn:aws:sns:{REGION}:{ACCOUNT}:gone", "s", "t", {})


def test_an_event_is_put_on_the_bus_that_the_arn_names(sessions: Sessions) -> None:
    events, logs = sessions.client("events", region=REGION), sessions.client("logs", region=REGION)
    bus = events.create_event_bus(Name="dr")["EventBusArn"]
    logs.create_log_group(logGroupName="/aws/events/dr")
    events.put_rule(Name="all", EventBusName="dr", EventPattern=json.dumps({"source": ["prefect-drs"]}))
    target = {"Id": "log", "Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/events/dr"}
    events.put_targets(Rule="all", EventBusName="dr", Targets=[target])
    assert put_event(sessions, bus, "wave.completed", {"planName": "Läden"}, AT)
    (logged,) = logs.filter_log_events(logGroupName="/aws/events/dr")["events"]
    event = json.loads(logged["message"])
    assert (event["source"], event["detail-type"], event["detail"]) == (
        "prefect-drs", "wave.completed", {"planName": "Läden"},
    )  # fmt: skip


def test_an_event_that_eventbridge_does_not_take_is_an_error_though_it_answers_200(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = (
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/me</Arn>"
        f"<UserId>me</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "NotAuthorized", "ErrorMessage": "no such bus"}]}
    endpoint.answers = {"GetCallerIdentity": (200, identity), "": (200, json.dumps(refused))}
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    with pytest.raises(AwsError, match=r"did not take an event .*NotAuthorized: no such bus") as caught:
        put_event(Sessions(), f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/dr", "t", {}, AT)
    assert caught.value.aws_code == "NotAuthorized"
