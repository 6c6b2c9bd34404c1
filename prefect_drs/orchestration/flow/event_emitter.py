"""Milestones as Prefect events and through Prefect's notification blocks.

In: a `Message`. Out: an event that automations can react to, or a call of a block's `notify`. `open_notifier` builds
the `Notifier` of an execution from the settings, the plan and the address of the Prefect API.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from prefect.blocks.core import Block
from prefect.events import emit_event
from prefect.settings import get_current_settings

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.execution.events import Event
from prefect_drs.notifications.channels import aws_subscriptions
from prefect_drs.notifications.commands import ExecutionAccess
from prefect_drs.notifications.message import Message, NotifiedGate
from prefect_drs.notifications.milestones import Milestones
from prefect_drs.notifications.notifier import Notifier, Subscription
from prefect_drs.orchestration.approvals.answers import CONTROL_REQUEST_KEY, PendingGate
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.artifacts import report_key
from prefect_drs.orchestration.ui_links import ui_link
from prefect_drs.recovery.journal import one_line
from prefect_drs.runbook import Runbook

EVENT_PREFIX = "prefect-drs."


@dataclass(frozen=True)
class PrefectEventChannel:
    """Emits milestones as Prefect events.

    Args:
        flow_run_id: the outermost flow run of this process; it and its deployment are related resources of each event.
        context: the context of the running flow, from which Prefect adds related resources itself.
    """

    flow_run_id: str | None
    context: Context

    @property
    def name(self) -> str:
        """Its name in the report."""
        return "Prefect events"

    def send(self, message: Message) -> None:
        """Emit the event; Prefect's own worker thread sends it to the server.

        Raises:
            PrefectDrsError: Prefect did not accept the event.
        """
        payload = message.payload
        execution = {
            "prefect.resource.id": f"prefect-drs.execution.{payload.execution_id}",
            "prefect.resource.name": payload.plan_name,
            "prefect-drs.plan": payload.plan_name,
            "prefect-drs.mode": payload.mode,
        }
        resource, related = execution, list[dict[str, str]]()
        if message.wave_number is not None:
            resource = execution | {
                "prefect.resource.id": f"prefect-drs.wave.{payload.execution_id}.{message.wave_number}",
                "prefect.resource.name": str(payload.model_dump()["wave_name"]),
                "prefect-drs.wave": str(message.wave_number),
            }
            related.append(execution | {"prefect.resource.role": "execution"})
        related += self._outermost
        emitted = self.context.run(
            emit_event,
            event=EVENT_PREFIX + message.milestone,
            resource=resource,
            related=related,
            payload=payload.model_dump(mode="json", by_alias=True),
        )
        if emitted is None:
            raise PrefectDrsError("Prefect did not accept the event; see Prefect's log for the reason")

    @cached_property
    def _outermost(self) -> list[dict[str, str]]:
        """The outermost flow run and its deployment as related resources."""
        if self.flow_run_id is None:
            return []
        with prefect_client() as client:
            run = client.read_flow_run(UUID(self.flow_run_id))
            found = [_related("flow-run", run.id, run.name)]
            if run.deployment_id is not None:
                found.append(_related("deployment", run.deployment_id, client.read_deployment(run.deployment_id).name))
        return found


def _related(role: str, id: UUID, name: str) -> dict[str, str]:
    """A Prefect object as a related resource."""
    return {
        "prefect.resource.id": f"prefect.{role}.{id}",
        "prefect.resource.role": role,
        "prefect.resource.name": name,
    }


@dataclass(frozen=True, slots=True)
class BlockChannel:
    """A Prefect notification block, such as Slack, Teams, PagerDuty, SendGrid e-mail or a webhook."""

    reference: str

    @property
    def name(self) -> str:
        """The block as `type/name`."""
        return self.reference

    def send(self, message: Message) -> None:
        """Call the block's `notify`.

        Raises:
            UsageError: there is no such block, or it is not a notification block.
            Exception: whatever the block raises.
        """
        load: Any = Block.load
        try:
            block = load(self.reference, _sync=True)
        except ValueError as fault:
            raise UsageError(f"block {self.reference} cannot be loaded: {one_line(fault)}") from None
        if not hasattr(block, "notify"):
            raise UsageError(f"block {self.reference} is not a notification block: it has no method `notify`")
        called = block.notify(message.text, message.subject)
        if inspect.iscoroutine(called):  # some blocks have an async `notify` only
            asyncio.run(called)


def open_notifier(
    execution_id: str,
    flow_run_id: str | None,
    sessions: Sessions,
    clock: Clock,
    *,
    former: Sequence[Event],
    suspend: bool,
) -> Notifier:
    """Build the notifier of an execution.

    Args:
        execution_id: the execution.
        flow_run_id: the outermost flow run of this process.
        sessions: give clients for the accounts of topics and buses.
        clock: time for the recorded events.
        former: the journal's events from before this process.
        suspend: whether the flow run is Suspended while every remaining wave waits at a gate.
    """
    settings, context = PrefectDrsSettings(), copy_context()

    def subscriptions(runbook: Runbook) -> list[Subscription]:
        notify = runbook.notify
        blocks = _listed(settings.notify_blocks)
        own = [block for block in dict.fromkeys(notify.blocks) if block not in blocks]
        return [
            Subscription(PrefectEventChannel(flow_run_id, context), durable=False),
            *aws_subscriptions(notify, _listed(settings.notify_topics), _listed(settings.notify_event_buses), sessions),
            *(Subscription(BlockChannel(block)) for block in blocks),
            *(Subscription(BlockChannel(block), frozenset(notify.milestones)) for block in own),
        ]

    access = execution_access(execution_id, flow_run_id, suspend=suspend)
    return Notifier(Milestones(access), subscriptions, clock, former=former)


def open_notifier_without_prefect(
    sessions: Sessions, clock: Clock, former: Sequence[Event], tell: Callable[[str], None]
) -> Notifier:
    """Build the notifier of an execution that is carried without Prefect: channels in AWS only.

    Args:
        sessions: give clients for the accounts of topics and buses.
        clock: time for the recorded events.
        former: the journal's events from before this process.
        tell: called with one line where notification blocks are named, which only the Prefect server has.
    """
    settings = PrefectDrsSettings()

    def subscriptions(runbook: Runbook) -> list[Subscription]:
        blocks = dict.fromkeys((*_listed(settings.notify_blocks), *runbook.notify.blocks))
        if blocks:
            tell(f"not notified, since only the Prefect server has these blocks: {', '.join(blocks)}")
        topics, buses = _listed(settings.notify_topics), _listed(settings.notify_event_buses)
        return aws_subscriptions(runbook.notify, topics, buses, sessions)

    return Notifier(Milestones(ExecutionAccess.by_storage()), subscriptions, clock, former=former)


def execution_access(execution_id: str, flow_run_id: str | None, *, suspend: bool = False) -> ExecutionAccess:
    """How people reach an execution that this Prefect API knows."""
    api = get_current_settings().api
    return ExecutionAccess(
        api_url=_without_secrets(PrefectDrsSettings().api_url or api.url or ""),
        auth="key" if api.key is not None else "password" if api.auth_string is not None else "",
        link=ui_link(flow_run_id) if flow_run_id else None,
        root_id=flow_run_id or execution_id,
        suspends=suspend,
        report_key=report_key(execution_id),
        request_key=CONTROL_REQUEST_KEY,
    )


def _without_secrets(url: str) -> str | None:
    """The API's address without credentials, for a mail; None if there is no address."""
    parts = urlsplit(url.rstrip("/"))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) or None


def open_gate(gate: PendingGate) -> NotifiedGate:
    """A pending gate in the form that notifications use."""
    return NotifiedGate(gate.wave_number, str(gate.flow_run_id), gate.link, gate.until)


def _listed(setting: str) -> tuple[str, ...]:
    """The items of a setting that is a comma-separated list."""
    return tuple(dict.fromkeys(item.strip() for item in setting.split(",") if item.strip()))
