"""What every part of the backend stands on: state, ids, ARNs, the queue of events, and the look-ups.

State is advanced lazily: `advance()` carries out, in order of their times, the events that have come due by the
runtime's clock. Events are plain data (time, number, name, arguments), so that a backend can be pickled.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.core.base_backend import BaseBackend

from ..runtime import Runtime, current
from . import event_bus
from .exceptions import ResourceNotFoundException
from .identifiers import hexadecimal, identifier, uuid_of

if TYPE_CHECKING:
    from .jobs import Job
    from .launch_configurations import LaunchConfigurationTemplate, ReplicationConfigurationTemplate
    from .recovery_instances import RecoveryInstance
    from .recovery_plans import RecoveryPlan, RecoveryPlanExecution
    from .source_networks import SourceNetwork
    from .source_servers import SourceServer

Params = dict[str, Any]
Wire = dict[str, Any]
Event = tuple[datetime, int, str, tuple[Any, ...]]

DIRECTORY: dict[str, Any] = {}
"""Under `backends`, what `models` keeps: a backend reaches its siblings of other accounts and regions here."""


class BackendCore(BaseBackend):
    """The state of DRS in one account and region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.initialized = False
        self.servers: dict[str, SourceServer] = {}
        self.jobs: dict[str, Job] = {}
        self.job_order: list[Job] = []
        self.active_jobs: dict[str, Job] = {}
        self.busy_servers: dict[str, str] = {}
        self.recovery_instances: dict[str, RecoveryInstance] = {}
        self.launch_templates: dict[str, LaunchConfigurationTemplate] = {}
        self.replication_templates: dict[str, ReplicationConfigurationTemplate] = {}
        self.networks: dict[str, SourceNetwork] = {}
        self.launch_actions: dict[str, dict[str, Wire]] = {}
        self.plans: dict[str, RecoveryPlan] = {}
        self.executions: dict[str, RecoveryPlanExecution] = {}
        self.tokens: dict[tuple[str, str], str] = {}
        self.trusted_accounts: set[str] | None = None
        self._events: list[Event] = []
        self._event_count = 0
        self._event_at: datetime | None = None
        self._counts: dict[str, int] = {}
        self.advanced_to: datetime | None = None

    def sibling(self, account_id: str, region: str) -> Any:
        """DRS of another account or region, brought up to now.

        Raises:
            KeyError: a region that DRS is not in.
        """
        found = DIRECTORY["backends"][account_id][region]
        if found is not self:
            found.advance()
        return found

    @property
    def runtime(self) -> Runtime:
        """The shared part of the process: clock, seed, faults."""
        return current()

    def now(self) -> datetime:
        """The simulated time; while an event is carried out, its own time, however late that happens."""
        return self._event_at or current().now()

    # Events

    def schedule(self, at: datetime, event: str, *args: Any) -> None:
        """Let `on_<event>(at, *args)` happen at `at`. Arguments must be plain data."""
        self._event_count += 1
        heapq.heappush(self._events, (at, self._event_count, event, args))

    def advance(self) -> None:
        """Carry out all that has come due by now."""
        if self._event_at is not None:
            return  # an event that looks at a sibling, which looks back here
        now = self.now()
        try:
            while self._events and self._events[0][0] <= now:
                at, _, event, args = heapq.heappop(self._events)
                self._event_at = at
                getattr(self, f"on_{event}")(at, *args)
        finally:
            self._event_at = None
        self.advanced_to = now

    def next_event_at(self) -> datetime | None:
        """When the next thing happens here, or None where nothing is under way."""
        return self._events[0][0] if self._events else None

    def pending_events(self) -> Iterator[Event]:
        """What is to happen, in no order."""
        return iter(self._events)

    # Ids and ARNs

    def count(self, kind: str) -> int:
        """1, 2, 3 … for each kind."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]

    def identifier(self, prefix: str, *parts: object) -> str:
        """A DRS id settled by seed, account, region and `parts`."""
        return identifier(prefix, self.runtime.seed, self.account_id, self.region_name, *parts)

    def ec2_identifier(self, prefix: str, *parts: object) -> str:
        """An EC2-like id settled the same way."""
        return hexadecimal(prefix, self.runtime.seed, self.account_id, self.region_name, *parts)

    def uuid(self, *parts: object) -> str:
        """A UUID settled the same way."""
        return uuid_of(self.runtime.seed, self.account_id, self.region_name, *parts)

    def arn(self, kind: str, name: str) -> str:
        """`arn:aws:drs:<region>:<account>:<kind>/<name>`."""
        return f"arn:{self.partition}:drs:{self.region_name}:{self.account_id}:{kind}/{name}"

    # Events for others

    def tell(self, kind: str, arn: str, **detail: str) -> None:
        """Tell EventBridge of what happens to a resource now; see `event_bus`."""
        event_bus.tell(self.account_id, self.region_name, self.now(), kind, arn, **detail)

    # Look-ups

    def server(self, server_id: str) -> SourceServer:
        """The source server of an id.

        Raises:
            ResourceNotFoundException: there is none here.
        """
        found = self.servers.get(server_id)
        if found is None:
            raise ResourceNotFoundException("SourceServer", server_id)
        return found

    def recovery_instance(self, instance_id: str) -> RecoveryInstance:
        """The recovery instance of an id.

        Raises:
            ResourceNotFoundException: there is none here.
        """
        found = self.recovery_instances.get(instance_id)
        if found is None:
            raise ResourceNotFoundException("RecoveryInstance", instance_id)
        return found
