"""The notifier: hands messages to channels, each in a thread and a bounded queue of its own, and never waits for them.

In: events as they happen, gates as they open. Out: messages on their way, and `Notified` events of what became of them.
`observe` and `waiting` only put something into a queue, so whoever calls them goes on at once; what makes messages and
what sends them runs beside. At the end what is not sent within the notifier's patience is given up, and that is noted.

Must never: raise into a recovery, or keep it waiting but for the patience at its end.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.events import Event, ExecutionStarted, Notified
from prefect_drs.notifications.message import Message, OpenGate
from prefect_drs.notifications.milestones import Milestones
from prefect_drs.plan.notify import Milestone
from prefect_drs.runbook import Runbook

PATIENCE_SECONDS = 20.0
"""How long the end of a run waits for what is still on its way; an SNS call takes less than one."""
QUEUED_AT_MOST = 100
"""Messages that may wait for one channel."""

_SECRET = re.compile(r"\S*://\S*")  # webhook addresses hold their token
_ERROR_AT_MOST = 500  # characters

_logger = logging.getLogger("prefect_drs.notifications")


class Channel(Protocol):
    """A way to tell people or programs."""

    @property
    def name(self) -> str:
        """How the report calls it; holds no secret."""
        ...

    def send(self, message: Message) -> None:
        """Send it; raises where it was not taken."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """A channel and what it is told.

    Args:
        channel: the way.
        milestones: what is told; everything where empty.
        durable: what was sent is noted, and what a former process had no time for is sent by the next. Otherwise only
            what happens now is told, and only failures are noted.
    """

    channel: Channel
    milestones: frozenset[Milestone] = frozenset()
    durable: bool = True

    def wants(self, message: Message) -> bool:
        """Whether the message is for this channel."""
        if message.is_former and not self.durable:
            return False
        return not self.milestones or message.milestone in self.milestones


class Notifier:
    """Tells an execution's milestones.

    Args:
        milestones: makes the messages.
        subscriptions: the channels of an execution, by its runbook; called in the notifier's own thread, so it may ask
            the network.
        clock: the times of what is noted.
        former: the journal's events before this process; what they tell of is not told again.
        patience: real seconds that the end waits for what is on its way.
    """

    def __init__(
        self,
        milestones: Milestones,
        subscriptions: Callable[[Runbook], Sequence[Subscription]],
        clock: Clock,
        *,
        former: Sequence[Event] = (),
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._milestones = milestones
        self._subscriptions = subscriptions
        self._clock = clock
        self._patience = patience
        self._former = len(former)
        self._told = {
            ((event.milestone, event.wave_number, event.occasion), event.channel)
            for event in former
            if isinstance(event, Notified)
        }
        self._events: queue.SimpleQueue[Event | OpenGate | None] = queue.SimpleQueue()
        self._outboxes: list[_Outbox] = []
        self._note: Callable[[Event], None] | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="drs-notifier", daemon=True)

    def observe(self, event: Event) -> None:
        """Take an event in; comes back at once. Former events first, in order."""
        self._events.put(event)

    def waiting(self, gate: OpenGate) -> None:
        """Take in that a gate waits for an answer; comes back at once."""
        self._events.put(gate)

    @contextmanager
    def telling(self, note: Callable[[Event], None]) -> Iterator[None]:
        """Tell what was taken in and what will be. At the end wait, as long as the patience lasts, until all is told.

        Where the inside raises nothing is waited for: what is on its way is left to itself, and to who resumes.

        Args:
            note: makes an event safe in the journal.
        """
        self._note = note
        self._thread.start()
        try:
            yield
            self._finish()
        finally:
            with self._lock:
                self._closed = True

    def _finish(self) -> None:
        """Wait until everything is told; note what is given up."""
        deadline = time.monotonic() + self._patience
        self._events.put(None)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        for outbox in self._outboxes:
            outbox.close()
        for outbox in self._outboxes:
            outbox.join(max(0.0, deadline - time.monotonic()))
        for outbox in self._outboxes:
            for message in outbox.left():
                self._became(outbox.subscription, message, f"not sent within {self._patience:g} s of the run's end")

    def _run(self) -> None:
        while (item := self._events.get()) is not None:
            try:
                self._tell(item)
            except Exception:  # a defect here must not cost a recovery
                _logger.exception("A notification could not be made")

    def _tell(self, item: Event | OpenGate) -> None:
        if isinstance(item, OpenGate):
            self._send(self._milestones.waiting(item, self._clock.now()))
            return
        is_former = self._former > 0
        self._former -= is_former
        message = self._milestones.take(item)
        if isinstance(item, ExecutionStarted):
            self._outboxes = [_Outbox(subscription, self._became) for subscription in self._subscriptions(item.runbook)]
        if message is not None:
            self._send(replace(message, is_former=is_former))

    def _send(self, message: Message) -> None:
        for outbox in self._outboxes:
            subscription = outbox.subscription
            if subscription.wants(message) and (message.key, subscription.channel.name) not in self._told:
                outbox.put(message)

    def _became(self, subscription: Subscription, message: Message, error: str | None) -> None:
        """Note what became of a message."""
        if error is None and not subscription.durable:
            return
        with self._lock:
            if self._closed or self._note is None:
                return
            try:
                self._note(
                    Notified(
                        at=self._clock.now(),
                        milestone=message.milestone,
                        occasion=message.occasion,
                        wave_number=message.wave_number,
                        channel=subscription.channel.name,
                        error=error,
                    )
                )
            except Exception as failure:  # the engine meets the same journal, and decides what that means
                _logger.warning("What became of a notification could not be noted: %s", failure)


class _Outbox:
    """One channel's queue and thread."""

    def __init__(self, subscription: Subscription, became: Callable[[Subscription, Message, str | None], None]) -> None:
        self.subscription = subscription
        self._became = became
        self._queue: queue.Queue[Message | None] = queue.Queue()
        self._waiting: list[Message] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"drs-tell-{subscription.channel.name}", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Send it in its turn; where too many wait already it is given up."""
        with self._lock:
            full = len(self._waiting) >= QUEUED_AT_MOST
            if not full:
                self._waiting.append(message)
        if full:
            self._became(self.subscription, message, f"{QUEUED_AT_MOST} messages waited for this channel already")
        else:
            self._queue.put(message)

    def close(self) -> None:
        """Nothing more will come."""
        self._queue.put(None)

    def join(self, seconds: float) -> None:
        """Wait until all is sent, at most so long."""
        self._thread.join(seconds)

    def left(self) -> Iterable[Message]:
        """What is given up: from now on nothing of it is sent but what is on its way at this moment."""
        with self._lock:
            given_up, self._waiting = self._waiting, []
        return given_up

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            with self._lock:
                if message not in self._waiting:
                    continue
            error = None
            try:
                self.subscription.channel.send(message)
            except Exception as failure:  # a channel may fail in any way there is
                error = told_of(failure)
            with self._lock:
                if message not in self._waiting:
                    continue  # given up, and noted so
                self._waiting.remove(message)
            self._became(self.subscription, message, error)


def told_of(failure: Exception) -> str:
    """What went wrong, in one line, without the addresses that a webhook's error quotes."""
    said = failure.message if isinstance(failure, PrefectDrsError) else _SECRET.sub("(address left out)", str(failure))
    said = " ".join(said.split())
    line = said or type(failure).__name__
    return line if len(line) <= _ERROR_AT_MOST else line[: _ERROR_AT_MOST - 3] + "..."
