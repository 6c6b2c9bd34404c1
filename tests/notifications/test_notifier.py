"""The notifier: what is told once, what is not sent and noted so, and that nobody waits for a channel."""

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
    """A channel that keeps what it is sent; `refuse` raises instead, and `gate` is waited for."""

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
    def told(self) -> list[str]:
        return [message.milestone for message in self.sent]


def tell(
    events: Sequence[Event],
    *subscriptions: Subscription,
    former: Sequence[Event] = (),
    patience: float = 10.0,
    note: Callable[[Event], None] | None = None,
) -> list[Notified]:
    """Tell these events, the former ones first as the engine does: what was noted."""
    noted: list[Notified] = []
    notifier = Notifier(Milestones(story.REACH), lambda _: subscriptions, WallClock(), former=former, patience=patience)

    def keep(event: Event) -> None:
        assert isinstance(event, Notified)
        noted.append(event)

    for event in former:
        notifier.observe(event)
    with notifier.telling(note or keep):
        for event in events:
            notifier.observe(event)
    return noted


def subscribed(channel: Channel, *milestones: Milestone, durable: bool = True) -> Subscription:
    return Subscription(channel, frozenset(milestones), durable)


def test_every_channel_is_told_in_order_and_that_is_noted() -> None:
    one, other = Listed("one"), Listed("other")
    noted = tell([*story.beginning(), *story.ending()], subscribed(one), subscribed(other))
    assert one.told == other.told == ["execution.started", "wave.completed", "wave.completed", "execution.completed"]
    assert [n.milestone for n in noted if n.channel == "one"] == one.told
    assert all(n.error is None for n in noted)
    assert len(noted) == 8


def test_a_channel_is_told_only_what_it_is_subscribed_to() -> None:
    channel = Listed()
    tell(
        [*story.beginning(), *story.ending(failing="app1")],
        subscribed(channel, Milestone.WAVE_FAILED, Milestone.FAILED),
    )
    assert channel.told == ["wave.failed", "execution.failed"]


def test_a_refusal_is_noted_for_the_report_and_the_next_message_is_tried() -> None:
    channel = Listed(refuse=AwsError("Publish failed in 1/eu-west-1: no; see https://docs.aws.amazon.com"))
    events = [*story.beginning(), *story.ending()]
    noted = tell(events, subscribed(channel))
    report = report_of([*events, *noted])
    assert report.notifications.sent == 0
    assert [(u.milestone, u.wave_number, u.channel) for u in report.notifications.failed] == [
        ("execution.started", None, "listed"), ("wave.completed", 1, "listed"), ("wave.completed", 2, "listed"),
        ("execution.completed", None, "listed"),
    ]  # fmt: skip
    assert "see https://docs.aws.amazon.com" in report.notifications.failed[0].error


def test_an_address_in_a_webhooks_error_is_left_out() -> None:
    channel = Listed(refuse=ValueError("POST https://hooks.slack.com/services/T0/B0/secret answered 404\nsee above"))
    (noted,) = tell(story.beginning()[:1], subscribed(channel))
    assert noted.error == "POST (address left out) answered 404 see above"


def test_a_channel_that_hangs_holds_neither_the_others_nor_the_end_up_and_what_it_kept_is_noted() -> None:
    release = threading.Event()
    hanging, other = Listed("hanging", gate=release), Listed("other")
    began = time.monotonic()
    noted = tell([*story.beginning(), *story.ending()], subscribed(hanging), subscribed(other), patience=0.3)
    assert time.monotonic() - began < 5
    assert len(other.sent) == 4
    unsent = [n for n in noted if n.channel == "hanging"]
    assert [n.milestone for n in unsent] == [
        "execution.started", "wave.completed", "wave.completed", "execution.completed",
    ]  # fmt: skip
    assert {n.error for n in unsent} == {"not sent within 0.3 s of the run's end"}
    release.set()  # what was on its way may still arrive; nothing more is noted, nothing more is sent
    assert len(noted) == 8
    assert len(hanging.sent) <= 1


def test_a_queue_that_is_full_gives_messages_up() -> None:
    release = threading.Event()
    waves = [WaveEnded(at=story.at(minute), wave_number=1, status="COMPLETED") for minute in range(QUEUED_AT_MOST + 5)]
    noted: list[Event] = []
    full = threading.Event()

    def keep(event: Event) -> None:
        noted.append(event)
        full.set()

    channel = Listed(gate=release)
    notifier = Notifier(Milestones(story.REACH), lambda _: [subscribed(channel)], WallClock())
    with ExitStack() as stack:
        stack.callback(release.set)
        stack.enter_context(notifier.telling(keep))
        for event in [story.beginning()[0], *waves]:
            notifier.observe(event)
        assert full.wait(10)
        release.set()
    errors = [n.error for n in noted if isinstance(n, Notified) and n.error]
    assert errors == [f"{QUEUED_AT_MOST} messages waited for this channel already"] * len(errors)
    assert len(errors) + len(channel.sent) == QUEUED_AT_MOST + 6


def test_what_the_journal_says_was_told_is_not_told_again_and_the_rest_is() -> None:
    first = Listed()
    beginning = story.beginning()
    noted = tell(beginning[:1], subscribed(first))
    assert first.told == ["execution.started"]
    second, new = Listed(), Listed("new")
    former = [beginning[0], *noted, *beginning[1:]]
    tell(story.ending(), subscribed(second), subscribed(new, durable=False), former=former)
    assert second.told == ["wave.completed", "wave.completed", "execution.completed"]
    assert new.told == ["wave.completed", "execution.completed"]  # what happens now, and no more


def test_what_could_not_be_sent_is_not_tried_again_by_the_next_process() -> None:
    beginning = story.beginning()
    noted = tell(beginning[:1], subscribed(Listed(refuse=ValueError("no"))))
    channel = Listed()
    tell([], subscribed(channel), former=[beginning[0], *noted])
    assert channel.told == []


def test_an_open_gate_is_told_once_though_a_resumed_execution_waits_at_it_again() -> None:
    channel, noted = Listed(), list[Event]()
    for former in ([], None):
        before = [*story.beginning(), *noted] if former is None else []
        notifier = Notifier(Milestones(story.REACH), lambda _: [subscribed(channel)], WallClock(), former=before)
        for event in before or story.beginning():
            notifier.observe(event)
        with notifier.telling(noted.append):
            notifier.waiting(story.open_gate())
    assert channel.told == ["execution.started", "wave.completed", "wave.paused"]


def test_a_message_that_goes_nowhere_is_no_event_of_the_journal() -> None:
    assert tell([*story.beginning(), *story.ending()]) == []
    assert tell([*story.beginning(), *story.ending()], subscribed(Listed(), durable=False)) == []


def test_a_journal_that_cannot_be_written_does_not_reach_the_recovery() -> None:
    def broken(event: Event) -> None:
        raise OSError("disk full")

    channel = Listed()
    tell([*story.beginning(), *story.ending()], subscribed(channel), note=broken)
    assert len(channel.sent) == 4


def test_channels_that_cannot_be_opened_do_not_reach_the_recovery() -> None:
    def broken(_: object) -> Sequence[Subscription]:
        raise AwsError("no credentials")

    notifier = Notifier(Milestones(story.REACH), broken, WallClock(), patience=10)
    with notifier.telling(lambda _: None):
        for event in [*story.beginning(), *story.ending()]:
            notifier.observe(event)


def test_an_interrupted_run_waits_for_nothing_and_notes_nothing_more() -> None:
    release, noted = threading.Event(), list[Event]()
    notifier = Notifier(
        Milestones(story.REACH), lambda _: [subscribed(Listed(gate=release))], WallClock(), patience=3600
    )
    began = time.monotonic()

    def interrupted() -> None:
        with notifier.telling(noted.append):
            notifier.observe(story.beginning()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    release.set()
    assert time.monotonic() - began < 60
    assert noted == []


def test_times_are_utc() -> None:
    (noted,) = tell(story.beginning()[:1], subscribed(Listed()))
    assert noted.at.tzinfo is UTC
    assert noted.at <= datetime.now(UTC)
