"""One account and region: how its resources are named, what time it is there, and what happens next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from . import environment, event_bus
from .identifiers import hexadecimal, identifier, uuid_of
from .timeline import Timeline


class Scope:
    """What every resource is given. Ids follow from seed, account, region and what they name."""

    def __init__(self, account_id: str, region: str, partition: str) -> None:
        self.account_id = account_id
        self.region = region
        self.partition = partition
        self.timeline = Timeline()
        self.counts: dict[str, int] = {}

    @property
    def seed(self) -> int:
        """The environment's seed."""
        return environment.current().seed

    @property
    def place(self) -> tuple[str, str]:
        """Account and region."""
        return self.account_id, self.region

    def now(self) -> datetime:
        """The time here; see `Timeline.now`."""
        return self.timeline.now()

    def schedule(self, at: datetime, event: str, *args: Any) -> None:
        """See `Timeline.schedule`."""
        self.timeline.schedule(at, event, *args)

    def count(self, kind: str) -> int:
        """1, 2, 3 … for each kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.counts[kind]

    def identifier(self, prefix: str, *parts: object) -> str:
        """A DRS id."""
        return identifier(prefix, self.seed, *self.place, *parts)

    def ec2_identifier(self, prefix: str, *parts: object) -> str:
        """An id in the form of EC2's."""
        return hexadecimal(prefix, self.seed, *self.place, *parts)

    def uuid(self, *parts: object) -> str:
        """A UUID."""
        return uuid_of(self.seed, *self.place, *parts)

    def arn(self, kind: str, name: str) -> str:
        """`arn:aws:drs:<region>:<account>:<kind>/<name>`."""
        return f"arn:{self.partition}:drs:{self.region}:{self.account_id}:{kind}/{name}"

    def tell(self, kind: str, arn: str, **detail: str) -> None:
        """Send EventBridge an event about a resource; see `event_bus`."""
        event_bus.tell(self.account_id, self.region, self.now(), kind, arn, **detail)
