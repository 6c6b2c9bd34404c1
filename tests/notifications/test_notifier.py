"""The notifier: each message is sent once, failures are recorded, and nobody waits for a channel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from prefect_drs.core.clock import WallClock
from prefect_drs.core.errors import AwsError
from prefect_drs.execution.events import Event, Notified, WaveEnded
from prefect_drs.execution.view import report_of
from prefect_drs.notifications.message import Message
from prefect_drs.notifications.milestones import Milestones
from prefect_drs.notifications.notifier import QUEUED_AT_MOST, Channel, Notifier, Subscription
from prefect_drs.plan.notify import Milestone
from tests.notifications import story


class Listed:
    """A channel that stores messages; it raises `refuse` instead if given, and waits for `gate` first."""

    def __init__(
        self, name: str = "listed", *, refuse: Exception | None = None, gate: threading.Event | None = None
    ) -> None:
        self.name = name
        self.sent: list[Message] = []
        self._refuse, self._gate = refuse, gate

    def send(self, message: Message) -> None:
        if self._gate is not None:
            self._gate.wait()
        if self._refuse is not None:
            raise self._refuse
        self.sent.append(message)

    @property
    def milestones(self) -> list[str]:
        return [message.milestone for message in self.sent]


def send(
    events: Sequence[Event],
    *subscriptions: Subscription,
    former: Sequence[Event] = (),
    patience: float = 10.0,
    record: Callable[[Event], None] | None = None,
) -> list[Notified]:
    """Notify of these events, the former ones first as the engine does; return the recorded outcomes."""
    recorded: list[Notified] = []
    notifier = Notifier(
        Milestones(story.ACCESS), lambda _: subscriptions, WallClock(), former=former, patience=patience
    )

    def keep(event: Event) -> None:
        assert isinstance(event, Notified)
        recorded.append(event)

    for event in former:
        notifier.observe(event)
    with notifier.running(record or keep):
        for event in events:
            notifier.observe(event)
    return recorded


def subscribed(channel: Channel, *milestones: Milestone, durable: bool = True) -> Subscription:
    return Subscription(channel, frozenset(milestones), durable)


def test_every_channel_gets_the_messages_in_order_and_deliveries_are_recorded() -> None:
    one, other = Listed("one"), Listed("other")
    recorded = send([*story.beginning(), *story.ending()], subscribed(one), subscribed(other))
    assert (
        one.milestones
        == other.milestones
        == ["execution.started", "wave.completed", "wave.completed", "execution.completed"]
    )
    assert [n.milestone for n in recorded if n.channel == "one"] == one.milestones
    assert all(n.error is None for n in recorded)
    assert len(recorded) == 8


def test_a_channel_gets_only_the_milestones_it_is_subscribed_to() -> None:
    channel = Listed()
    send(
        [*story.beginning(), *story.ending(failing="app1")],
        subscribed(channel, Milestone.WAVE_FAILED, Milestone.FAILED),
    )
    assert channel.milestones == ["wave.failed", "execution.failed"]


def test_a_failure_is_recorded_for_the_report_and_the_next_message_is_sent() -> None:
    channel = Listed(refuse=AwsError("Publish failed in 1/eu-west-1: no; see https://docs.aws.amazon.com"))
    events = [*story.beginning(), *story.ending()]
    recorded = send(events, subscribed(channel))
    report = report_of([*events, *recorded])
    assert report.notifications.sent == 0
    assert [(u.milestone, u.wave_number, u.channel) for u in report.notifications.failed] == [
        ("execution.started", None, "listed"), ("wave.completed", 1, "listed"), ("wave.completed", 2, "listed"),
        ("execution.completed", None, "listed"),
    ]  # fmt: skip
    assert "see https://docs.aws.amazon.com" in report.notifications.failed[0].error


def test_an_address_in_a_webhooks_error_is_left_out() -> None:
    channel = Listed(refuse=ValueError("POST https://hooks.slack.com/services/T0/B0/secret answered 404\nsee above"))
    (recorded,) = send(story.beginning()[:1], subscribed(channel))
    assert recorded.error == "POST (address left out) answered 404 see above"


def test_a_channel_that_hangs_delays_neither_the_others_nor_the_end_and_its_messages_are_recorded_as_failed() -> None:
    release = threading.Event()
    hanging, other = Listed("hanging", gate=release), Listed("other")
    began = time.monotonic()
    recorded = send([*story.beginning(), *story.ending()], subscribed(hanging), subscribed(other), patience=0.3)
    assert time.monotonic() - began < 5
    assert len(other.sent) == 4
    unsent = [n for n in recorded if n.channel == "hanging"]
    assert [n.milestone for n in unsent] == [
        "execution.started", "wave.completed", "wave.completed", "execution.completed",
    ]  # fmt: skip
    assert {n.error for n in unsent} == {"not sent within 0.3 s of the run's end"}
    release.set()  # what was on its way may still arrive; nothing more is recorded, nothing more is sent
    assert len(recorded) == 8
    assert len(hanging.sent) <= 1


def test_a_full_queue_drops_messages() -> None:
    release = threading.Event()
    waves = [WaveEnded(at=story.at(minute), wave_number=1, status="COMPLETED") for minute in range(QUEUED_AT_MOST + 5)]
    recorded: list[Event] = []
    full = threading.Event()

    def keep(event: Event) -> None:
        recorded.append(event)
        full.set()

    channel = Listed(gate=release)
    notifier = Notifier(Milestones(story.ACCESS), lambda _: [subscribed(channel)], WallClock())
    with ExitStack() as stack:
        stack.callback(release.set)
        stack.enter_context(notifier.running(keep))
        for event in [story.beginning()[0], *waves]:
            notifier.observe(event)
        assert full.wait(10)
        release.set()
    errors = [n.error for n in recorded if isinstance(n, Notified) and n.error]
    assert errors == [f"dropped: {QUEUED_AT_MOST} messages were already queued for this channel"] * len(errors)
    assert len(errors) + len(channel.sent) == QUEUED_AT_MOST + 6


def test_what_the_journal_records_as_sent_is_not_sent_again_and_the_rest_is() -> None:
    first = Listed()
    beginning = story.beginning()
    recorded = send(beginning[:1], subscribed(first))
    assert first.milestones == ["execution.started"]
    second, new = Listed(), Listed("new")
    former = [beginning[0], *recorded, *beginning[1:]]
    send(story.ending(), subscribed(second), subscribed(new, durable=False), former=former)
    assert second.milestones == ["wave.completed", "wave.completed", "execution.completed"]
    assert new.milestones == ["wave.completed", "execution.completed"]  # milestones of this process only


def test_a_failed_message_is_not_retried_by_the_next_process() -> None:
    beginning = story.beginning()
    recorded = send(beginning[:1], subscribed(Listed(refuse=ValueError("no"))))
    channel = Listed()
    send([], subscribed(channel), former=[beginning[0], *recorded])
    assert channel.milestones == []


def test_an_open_gate_is_notified_once_although_a_resumed_execution_waits_at_it_again() -> None:
    channel, recorded = Listed(), list[Event]()
    for former in ([], None):
        before = [*story.beginning(), *recorded] if former is None else []
        notifier = Notifier(Milestones(story.ACCESS), lambda _: [subscribed(channel)], WallClock(), former=before)
        for event in before or story.beginning():
            notifier.observe(event)
        with notifier.running(recorded.append):
            notifier.gate_opened(story.open_gate())
    assert channel.milestones == ["execution.started", "wave.completed", "wave.paused"]


def test_a_message_without_a_durable_channel_is_not_recorded() -> None:
    assert send([*story.beginning(), *story.ending()]) == []
    assert send([*story.beginning(), *story.ending()], subscribed(Listed(), durable=False)) == []


def test_a_journal_that_cannot_be_written_does_not_affect_the_recovery() -> None:
    def broken(event: Event) -> None:
        raise OSError("disk full")

    channel = Listed()
    send([*story.beginning(), *story.ending()], subscribed(channel), record=broken)
    assert len(channel.sent) == 4


def test_channels_that_cannot_be_opened_do_not_affect_the_recovery() -> None:
    def broken(_: object) -> Sequence[Subscription]:
        raise AwsError("no credentials")

    notifier = Notifier(Milestones(story.ACCESS), broken, WallClock(), patience=10)
    with notifier.running(lambda _: None):
        for event in [*story.beginning(), *story.ending()]:
            notifier.observe(event)


def test_an_interrupted_run_does_not_wait_and_records_nothing_more() -> None:
    release, recorded = threading.Event(), list[Event]()
    notifier = Notifier(
        Milestones(story.ACCESS), lambda _: [subscribed(Listed(gate=release))], WallClock(), patience=3600
    )
    began = time.monotonic()

    def interrupted() -> None:
        with notifier.running(recorded.append):
            notifier.observe(story.beginning()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    release.set()
    assert time.monotonic() - began < 60
    assert recorded == []


def test_times_are_utc() -> None:
    (recorded,) = send(story.beginning()[:1], subscribed(Listed()))
    assert recorded.at.tzinfo is UTC
    assert recorded.at <= datetime.now(UTC)
