"""The channels of notifications: whether they are there, and whether anybody listens.

In: those of the settings and of the stored plans. Out: a finding for each. Nothing is sent unless asked; without that,
a block is only loaded, since what it leads to can only be tried.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from prefect.blocks.core import Block

from prefect_drs.aws.eventbridge import find_bus, put_event
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.sns import confirmed_subscriptions, publish
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.estate.model import Estate
from prefect_drs.operations.doctor.checks import Check
from prefect_drs.operations.doctor.findings import Finding, Report
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.recovery.journal import one_line

NAME = "notifications"
SUBJECT = "Test by prefect-drs doctor"
TEXT = "prefect-drs doctor --send-test was run: messages about executions arrive here."
DETAIL_TYPE = "doctor.test"


def channel_checks(sessions: Sessions, estate: Estate | None, send_at: datetime | None) -> Iterator[Check]:
    """A check for each channel, or one that says that there is none.

    Args:
        sessions: the way into the accounts of topics and buses.
        estate: the stored plans; None if they could not be read.
        send_at: send a test message, at that time; None sends nothing.
    """
    settings = PrefectDrsSettings()
    plans = [plan.definition.get("notify") or {} for plan in estate.plans] if estate else []
    topics = _all(settings.notify_topics, (plan.get("topics", ()) for plan in plans))
    buses = _all(settings.notify_event_buses, (plan.get("eventBuses", ()) for plan in plans))
    blocks = _all(settings.notify_blocks, (plan.get("blocks", ()) for plan in plans))
    for topic in topics:
        yield Check(NAME, partial(_check_topic, sessions=sessions, topic=topic, send=send_at is not None), topic)
    for bus in buses:
        yield Check(NAME, partial(_check_bus, sessions=sessions, bus=bus, send_at=send_at), bus)
    for block in blocks:
        yield Check(NAME, partial(_check_block, reference=block, send=send_at is not None), block)
    if not (topics or buses or blocks):
        yield Check(NAME, _nobody, needs_network=False)


def _nobody(report: Report) -> Iterator[Finding]:
    yield report.warning(
        "nobody is notified of gates and failures",
        "set PREFECT_DRS_NOTIFY_TOPICS, PREFECT_DRS_NOTIFY_BLOCKS or PREFECT_DRS_NOTIFY_EVENT_BUSES, or `notify` of a "
        "plan",
    )


def _all(setting: str, of_plans: Iterable[Iterable[str]]) -> tuple[str, ...]:
    own = (part.strip() for part in setting.split(","))
    return tuple(dict.fromkeys(each for each in (*own, *(each for plan in of_plans for each in plan)) if each))


def _check_topic(report: Report, *, sessions: Sessions, topic: str, send: bool) -> Iterator[Finding]:
    try:
        confirmed = confirmed_subscriptions(sessions, topic)
        if send:
            publish(sessions, topic, SUBJECT, TEXT, {})
    except PrefectDrsError as error:
        yield report.failed(error)
        return
    if not confirmed:
        yield report.warning(
            "the topic has no confirmed subscription: messages reach nobody",
            "subscribe somebody, and follow the link in the mail that AWS sends",
        )
        return
    sent = "; a test message was published" if send else ""
    yield report.ok(f"{confirmed} confirmed subscription{'s' if confirmed > 1 else ''}{sent}")


def _check_bus(report: Report, *, sessions: Sessions, bus: str, send_at: datetime | None) -> Iterator[Finding]:
    try:
        find_bus(sessions, bus)
        if send_at is not None:
            put_event(sessions, bus, DETAIL_TYPE, {"message": TEXT}, send_at)
    except PrefectDrsError as error:
        yield report.failed(error)
        return
    yield report.ok("the bus is there" + ("; a test event was put on it" if send_at is not None else ""))


def _check_block(report: Report, *, reference: str, send: bool) -> Iterator[Finding]:
    load: Any = Block.load
    try:
        block = load(reference, _sync=True)
    except ValueError as fault:
        yield report.fault(f"the block cannot be loaded: {one_line(fault)}", "save the block, or correct its name")
        return
    if not hasattr(block, "notify"):
        yield report.fault("it is no notification block: it has no method `notify`", "name a notification block")
        return
    if not send:
        yield report.ok("the block can be loaded; whether a message arrives is tried with --send-test only")
        return
    try:
        called = block.notify(TEXT, SUBJECT)
        if inspect.iscoroutine(called):  # some blocks have an async `notify` only
            asyncio.run(called)
    except Exception as error:  # whatever the block raises; its text may hold the address with its secret
        yield report.fault(
            f"the test message was not accepted ({type(error).__name__})", "correct the block's address or key"
        )
        return
    yield report.ok("a test message was sent")
