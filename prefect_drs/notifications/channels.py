"""The channels in AWS: SNS topics, e-mail addresses of plan owners, EventBridge buses.

In: a `Message`. Out: a call to AWS, in the account and region that the ARN names; an error if AWS did not accept it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prefect_drs.aws.eventbridge import put_event
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.sns import PLAN_ATTRIBUTE, publish, subscribe_owner
from prefect_drs.core.errors import UsageError
from prefect_drs.notifications.message import Message
from prefect_drs.notifications.notifier import Subscription
from prefect_drs.plan.notify import Milestone, Notify


@dataclass(frozen=True, slots=True)
class TopicChannel:
    """An SNS topic, which delivers to its subscribers: e-mail, text messages, queues and so on."""

    topic_arn: str
    sessions: Sessions

    @property
    def name(self) -> str:
        """Its ARN."""
        return self.topic_arn

    def send(self, message: Message) -> None:
        """Publish the text, with message attributes for subscription filter policies.

        Raises:
            AwsError: SNS refused or could not be reached.
        """
        payload = message.payload
        attributes = {
            PLAN_ATTRIBUTE: payload.plan_name,
            "milestone": payload.milestone,
            "mode": payload.mode,
            "executionId": payload.execution_id,
            "waveNumber": "" if message.wave_number is None else str(message.wave_number),
        }
        publish(self.sessions, self.topic_arn, message.subject, message.text, attributes)


@dataclass(frozen=True, slots=True)
class OwnerChannel:
    """An owner's e-mail address, subscribed to the topics when an execution starts."""

    email: str
    topic_arns: tuple[str, ...]
    sessions: Sessions

    @property
    def name(self) -> str:
        """The address."""
        return self.email

    def send(self, message: Message) -> None:
        """Subscribe the owner to the plan's messages, unless the subscription exists.

        Raises:
            AwsError: SNS refused or could not be reached.
            UsageError: the owner has not confirmed the subscription, so SNS sends them nothing; or there is no topic.
        """
        if not self.topic_arns:
            raise UsageError(
                f"{self.email} cannot be notified: e-mail is sent through an SNS topic, and neither the plan nor "
                "PREFECT_DRS_NOTIFY_TOPICS names one"
            )
        plan = message.payload.plan_name
        pending = [arn for arn in self.topic_arns if not subscribe_owner(self.sessions, arn, self.email, plan)]
        if pending:
            raise UsageError(
                f"{self.email} has not confirmed the subscription to {', '.join(pending)}: the link is in a mail from "
                "AWS Notifications"
            )


@dataclass(frozen=True, slots=True)
class EventBusChannel:
    """An EventBridge bus."""

    bus_arn: str
    sessions: Sessions

    @property
    def name(self) -> str:
        """Its ARN."""
        return self.bus_arn

    def send(self, message: Message) -> None:
        """Put the payload on the bus.

        Raises:
            AwsError: EventBridge refused the event or could not be reached.
        """
        detail = message.payload.model_dump(mode="json", by_alias=True)
        put_event(self.sessions, self.bus_arn, message.milestone, detail, message.payload.at)


def aws_subscriptions(
    notify: Notify, topics: Sequence[str], event_buses: Sequence[str], sessions: Sessions
) -> list[Subscription]:
    """The channels in AWS of one execution.

    Args:
        notify: the plan's own subscriptions.
        topics: ARNs of the topics in the settings; they get every milestone.
        event_buses: ARNs of the buses in the settings.
        sessions: give clients for their accounts.
    """
    own = tuple(arn for arn in dict.fromkeys(notify.topics) if arn not in topics)
    every_topic = (*dict.fromkeys(topics), *own)
    return [
        *(Subscription(TopicChannel(arn, sessions)) for arn in dict.fromkeys(topics)),
        *(Subscription(TopicChannel(arn, sessions), frozenset(notify.milestones)) for arn in own),
        *(
            Subscription(OwnerChannel(email, every_topic, sessions), frozenset({Milestone.STARTED}), durable=False)
            for email in dict.fromkeys(notify.emails)
        ),
        *(Subscription(EventBusChannel(arn, sessions)) for arn in dict.fromkeys((*event_buses, *notify.event_buses))),
    ]
