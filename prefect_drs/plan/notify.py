"""The notifications of a plan as a person writes them: milestones, and where they are sent.

In: values already read from a file and checked. Out: frozen data. Nothing here sends, or knows how.
"""

from __future__ import annotations

import enum
import re

from pydantic import BaseModel as _BaseModel
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

TOPIC_ARN = re.compile(r"arn:[\w-]+:sns:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<name>[\w-]{1,256})", re.ASCII)
"""SNS, CreateTopic: names are 1 to 256 letters, digits, hyphens and underscores. FIFO topics (`.fifo`) send no mail."""
EVENT_BUS_ARN = re.compile(
    r"arn:[\w-]+:events:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):event-bus/(?P<name>[\w./-]{1,256})", re.ASCII
)
"""EventBridge, shape EventBusArn."""
BLOCK_REFERENCE = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")
"""A Prefect block as `type/name`; Prefect allows lower case letters, digits and dashes in both."""
EMAIL = re.compile(r"[^\s@,<>\"]+@[^\s@,<>\"]+\.[^\s@,<>\".]+")


class Milestone(enum.StrEnum):
    """The milestones that are notified; also the suffixes of event names."""

    STARTED = "execution.started"
    WAVE_COMPLETED = "wave.completed"
    WAVE_FAILED = "wave.failed"
    WAVE_PAUSED = "wave.paused"
    BREAK_GLASS = "wave.break_glass"
    PAUSED = "execution.paused"
    TARGET_AT_RISK = "execution.target_at_risk"
    WAVE_TARGET_AT_RISK = "wave.target_at_risk"
    COMPLETED = "execution.completed"
    PARTIAL = "execution.partial"
    FAILED = "execution.failed"
    CANCELLED = "execution.cancelled"


class Notify(_BaseModel):
    """A plan's own subscriptions, beside those of the settings.

    Args:
        topics: ARNs of SNS topics, each in its own account and region.
        blocks: Prefect notification blocks, `type/name`.
        emails: owners, who are subscribed to the topics for this plan only.
        event_buses: ARNs of EventBridge buses.
        milestones: those sent to these topics, blocks and owners; all where empty. Buses get all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    topics: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    event_buses: tuple[str, ...] = ()
    milestones: tuple[Milestone, ...] = ()
