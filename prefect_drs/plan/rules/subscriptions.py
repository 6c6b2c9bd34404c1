"""Rules for a plan's subscriptions: what is named has the form of a topic, a bus, a block, an address."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prefect_drs.plan.notify import BLOCK_REFERENCE, EMAIL, EVENT_BUS_ARN, TOPIC_ARN
from prefect_drs.plan.read.draft import Draft, DraftPlan
from prefect_drs.plan.read.finding import PlanFinding, quote, warning
from prefect_drs.plan.read.shape import ShapeEntry


def _subscriptions(draft: Draft) -> Iterator[tuple[DraftPlan, ShapeEntry]]:
    for plan in draft.plans:
        if (notify := plan.entry.entry("notify")) is not None:
            yield plan, notify


def _misshapen(draft: Draft, field: str, form: re.Pattern[str], code: str, like: str) -> Iterator[PlanFinding]:
    for _, notify in _subscriptions(draft):
        for item in notify.items(field):
            if not form.fullmatch(item.value):
                yield PlanFinding(item.at, code, f"{quote(item.value)} in {field} is no {like}")


def subscriptions_are_of_schema_1_1(draft: Draft) -> Iterator[PlanFinding]:
    """`notify` came with schemaVersion 1.1."""
    if draft.metadata_field("schemaVersion")[0] != "1.0":
        return
    for plan, _ in _subscriptions(draft):
        yield warning(
            plan.entry.place("notify"),
            "NEWER_FIELD",
            f"notify of plan {quote(plan.name or '?')} came with schemaVersion 1.1, the file says 1.0; "
            "it is honoured, but say 1.1",
        )


def topics_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """`topics` are ARNs of SNS topics."""
    like = "ARN of an SNS topic such as arn:aws:sns:eu-west-1:123456789012:recoveries (FIFO topics send no mail)"
    yield from _misshapen(draft, "topics", TOPIC_ARN, "INVALID_TOPIC", like)


def event_buses_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """`eventBuses` are ARNs of EventBridge buses."""
    like = "ARN of an event bus such as arn:aws:events:eu-west-1:123456789012:event-bus/default"
    yield from _misshapen(draft, "eventBuses", EVENT_BUS_ARN, "INVALID_EVENT_BUS", like)


def blocks_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """`blocks` are written `type/name`."""
    yield from _misshapen(
        draft, "blocks", BLOCK_REFERENCE, "INVALID_BLOCK", "Prefect block as type/name, such as slack-webhook/on-call"
    )


def emails_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """`emails` look like addresses."""
    yield from _misshapen(draft, "emails", EMAIL, "INVALID_EMAIL", "e-mail address such as owner@example.com")
