"""SNS as notifications need it: publishing to a topic, and subscribing a plan's owner to it.

In: `Sessions` and a topic's ARN, which says its account and region. Out: what SNS answered, or an `AwsError`. An
owner's subscription has a filter policy, so that an owner gets only the messages of their own plans from a topic that
several plans share.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import UsageError
from prefect_drs.plan.notify import TOPIC_ARN

PENDING = "PendingConfirmation"
"""SNS, Subscribe: given instead of the ARN of a subscription that its owner has not confirmed yet."""
PLAN_ATTRIBUTE = "planName"
"""The message attribute that owners' filter policies look at."""


def topic_location(topic_arn: str) -> Location:
    """The account and region of a topic.

    Raises:
        UsageError: it is no topic's ARN.
    """
    if (match := TOPIC_ARN.fullmatch(topic_arn)) is None:
        raise UsageError(f"{topic_arn!r} is no ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:name")
    return Location(match["account"], match["region"])


def publish(sessions: Sessions, topic_arn: str, subject: str, text: str, attributes: Mapping[str, str]) -> str:
    """Publish a plain text: the id of the message.

    Args:
        sessions: the way into the topic's account.
        topic_arn: the topic.
        subject: ASCII, less than 100 characters, one line.
        text: at most 256 KiB with the attributes.
        attributes: what filter policies may look at.

    Raises:
        UsageError: it is no topic's ARN.
        AwsError: SNS refused or could not be reached.
    """
    location = topic_location(topic_arn)
    with aws_call("Publish", location.account_id, location.region, topic_arn=topic_arn):
        answer = sessions.client("sns", **location._asdict()).publish(
            TopicArn=topic_arn,
            Subject=subject,
            Message=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
        )
    return str(answer["MessageId"])


def subscribe_owner(sessions: Sessions, topic_arn: str, email: str, plan_name: str) -> bool:
    """Subscribe an owner to a topic's messages of a plan. Idempotent.

    An address that is subscribed without a filter policy has everything already and is left alone; one that is
    subscribed for other plans gets this one too.

    Returns:
        Whether the subscription is confirmed: until its owner follows the link that SNS sends, nothing arrives.

    Raises:
        UsageError: it is no topic's ARN.
        AwsError: SNS refused or could not be reached.
    """
    location = topic_location(topic_arn)
    with aws_call("Subscribe", location.account_id, location.region, topic_arn=topic_arn):
        client = sessions.client("sns", **location._asdict())
        there = _subscription(client, topic_arn, email)
        if there is None:
            answer = client.subscribe(
                TopicArn=topic_arn,
                Protocol="email",
                Endpoint=email,
                Attributes={"FilterPolicy": json.dumps({PLAN_ATTRIBUTE: [plan_name]})},
            )
            return bool(answer["SubscriptionArn"].startswith("arn:"))
        if not there.startswith("arn:"):
            return False
        policy = json.loads(
            client.get_subscription_attributes(SubscriptionArn=there)["Attributes"].get("FilterPolicy") or "{}"
        )
        if PLAN_ATTRIBUTE in policy and plan_name not in policy[PLAN_ATTRIBUTE]:
            policy[PLAN_ATTRIBUTE].append(plan_name)
            client.set_subscription_attributes(
                SubscriptionArn=there, AttributeName="FilterPolicy", AttributeValue=json.dumps(policy)
            )
    return True


def confirmed_subscriptions(sessions: Sessions, topic_arn: str) -> int:
    """How many subscriptions of a topic are confirmed, so that something arrives.

    Raises:
        UsageError: it is no topic's ARN.
        AwsError: there is no such topic, SNS refused, or it could not be reached.
    """
    location = topic_location(topic_arn)
    with aws_call("ListSubscriptionsByTopic", location.account_id, location.region, topic_arn=topic_arn):
        client = sessions.client("sns", **location._asdict())
        pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        return sum(each["SubscriptionArn"].startswith("arn:") for page in pages for each in page["Subscriptions"])


def _subscription(client: Any, topic_arn: str, email: str) -> str | None:
    """The ARN of an address's subscription, `PendingConfirmation` instead where it has none yet; None: not there."""
    for page in client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn):
        for subscription in page["Subscriptions"]:
            if subscription["Protocol"] == "email" and subscription["Endpoint"].casefold() == email.casefold():
                return str(subscription["SubscriptionArn"])
    return None
