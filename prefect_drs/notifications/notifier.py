"""The notifier: sends messages to channels, each with its own thread and bounded queue, without blocking the caller.

In: events as they happen, gates as they open. Out: messages handed to channels, and a `Notified` event for each
delivery or failure. `observe` and `gate_opened` only put an item into a queue and return; other threads make the
messages and send them. At the end of a run, messages not sent within `patience` are dropped and recorded as failed.

Must never: raise into a recovery, or delay it, except for `patience` at its end.
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
from prefect_drs.notifications.message import Message, NotifiedGate
from prefect_drs.notifications.milestones import Milestones
from prefect_drs.plan.notify import Milestone
from prefect_drs.runbook import Runbook

PATIENCE_SECONDS = 20.0
"""Seconds that the end of a run waits for unsent messages; an SNS call takes less than one."""
QUEUED_AT_MOST = 100
"""Messages that may be queued for one channel."""

_SECRET = re.compile(r"\S*://\S*")  # webhook addresses contain their token
_ERROR_AT_MOST = 500  # characters

_logger = logging.getLogger("prefect_drs.notifications")


class Channel(Protocol):
    """A destination of messages."""

    @property
    def name(self) -> str:
        """Its name in the report; contains no secret."""
        ...

    def send(self, message: Message) -> None:
        """Send a message; raises if it was not accepted."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """A channel and the milestones that it gets.

    Args:
        channel: the destination.
        milestones: the milestones that are sent; all of them if empty.
        durable: deliveries are recorded, and the next process sends what an earlier one had no time to send (at least
            once). Otherwise only milestones of this process are sent, and only failures are recorded (at most once).
    """

    channel: Channel
    milestones: frozenset[Milestone] = frozenset()
    durable: bool = True

    def wants(self, message: Message) -> bool:
        """Whether the message is for this channel."""
        if message.is_replayed and not self.durable:
            return False
        return not self.milestones or message.milestone in self.milestones


class Notifier:
    """Sends the notifications of an execution's milestones.

    Args:
        milestones: makes the messages.
        subscriptions: returns the channels for a runbook; called in the notifier's thread, so it may use the network.
        clock: time for the recorded events.
        former: the journal's events from before this process; a delivery that they record is not repeated.
        patience: real seconds that the end of a run waits for unsent messages.
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
        self._to_replay = len(former)  # events of `former` that `observe` is yet to be called with
        self._sent = {
            ((event.milestone, event.wave_number, event.occasion), event.channel)
            for event in former
            if isinstance(event, Notified)
        }
        self._events: queue.SimpleQueue[Event | NotifiedGate | None] = queue.SimpleQueue()
        self._outboxes: list[_Outbox] = []
        self._record: Callable[[Event], None] | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="drs-notifier", daemon=True)

    def observe(self, event: Event) -> None:
        """Queue an event and return. Events of `former` come first, in order."""
        self._events.put(event)

    def gate_opened(self, gate: NotifiedGate) -> None:
        """Queue the notification of an open gate and return."""
        self._events.put(gate)

    @contextmanager
    def running(self, record: Callable[[Event], None]) -> Iterator[None]:
        """Send queued and later messages for the time of the block; at its end wait up to `patience` for the rest.

        If the block raises, do not wait: the process that resumes the execution sends what is left.

        Args:
            record: writes an event to the journal.
        """
        self._record = record
        self._thread.start()
        try:
            yield
            self._finish()
        finally:
            with self._lock:
                self._closed = True

    def _finish(self) -> None:
        """Wait until everything is sent; drop the rest and record it as failed."""
        deadline = time.monotonic() + self._patience
        self._events.put(None)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        for outbox in self._outboxes:
            outbox.close()
        for outbox in self._outboxes:
            outbox.join(max(0.0, deadline - time.monotonic()))
        for outbox in self._outboxes:
            for message in outbox.drop_unsent():
                error = f"not sent within {self._patience:g} s of the run's end"
                self._record_outcome(outbox.subscription, message, error)

    def _run(self) -> None:
        while (item := self._events.get()) is not None:
            try:
                self._process(item)
            except Exception:  # a defect here must not make a recovery fail
                _logger.exception("A notification could not be created")

    def _process(self, item: Event | NotifiedGate) -> None:
        if isinstance(item, NotifiedGate):
            self._send(self._milestones.gate_opened(item, self._clock.now()))
            return
        is_replayed = self._to_replay > 0
        self._to_replay -= is_replayed
        message = self._milestones.apply(item)
        if isinstance(item, ExecutionStarted):
            subscriptions = self._subscriptions(item.runbook)
            self._outboxes = [_Outbox(subscription, self._record_outcome) for subscription in subscriptions]
        if message is not None:
            self._send(replace(message, is_replayed=is_replayed))

    def _send(self, message: Message) -> None:
        for outbox in self._outboxes:
            subscription = outbox.subscription
            if subscription.wants(message) and (message.key, subscription.channel.name) not in self._sent:
                outbox.put(message)

    def _record_outcome(self, subscription: Subscription, message: Message, error: str | None) -> None:
        """Record in the journal that a message was sent (`error` None) or failed."""
        if error is None and not subscription.durable:
            return
        with self._lock:
            if self._closed or self._record is None:
                return
            try:
                self._record(
                    Notified(
                        at=self._clock.now(),
                        milestone=message.milestone,
                        occasion=message.occasion,
                        wave_number=message.wave_number,
                        channel=subscription.channel.name,
                        error=error,
                    )
                )
            except Exception as failure:  # the engine writes to the same journal, and handles the failure
                _logger.warning("The outcome of a notification could not be recorded: %s", failure)


class _Outbox:
    """One channel's queue and thread."""

    def __init__(
        self, subscription: Subscription, record_outcome: Callable[[Subscription, Message, str | None], None]
    ) -> None:
        self.subscription = subscription
        self._record_outcome = record_outcome
        self._queue: queue.Queue[Message | None] = queue.Queue()
        self._unsent: list[Message] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"drs-notify-{subscription.channel.name}", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Queue a message; drop it if the queue is full."""
        with self._lock:
            full = len(self._unsent) >= QUEUED_AT_MOST
            if not full:
                self._unsent.append(message)
        if full:
            error = f"dropped: {QUEUED_AT_MOST} messages were already queued for this channel"
            self._record_outcome(self.subscription, message, error)
        else:
            self._queue.put(message)

    def close(self) -> None:
        """End the thread once the queue is empty."""
        self._queue.put(None)

    def join(self, seconds: float) -> None:
        """Wait until all is sent, at most `seconds`."""
        self._thread.join(seconds)

    def drop_unsent(self) -> Iterable[Message]:
        """Drop and return the unsent messages; one whose `send` already runs may still arrive."""
        with self._lock:
            dropped, self._unsent = self._unsent, []
        return dropped

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            with self._lock:
                if message not in self._unsent:
                    continue
            error = None
            try:
                self.subscription.channel.send(message)
            except Exception as failure:  # a channel may raise anything
                error = failure_line(failure)
            with self._lock:
                if message not in self._unsent:
                    continue  # dropped, and recorded as failed
                self._unsent.remove(message)
            self._record_outcome(self.subscription, message, error)


def failure_line(failure: Exception) -> str:
    """The failure in one line, without the addresses that a webhook's error quotes."""
    text = failure.message if isinstance(failure, PrefectDrsError) else _SECRET.sub("(address left out)", str(failure))
    line = " ".join(text.split()) or type(failure).__name__
    return line if len(line) <= _ERROR_AT_MOST else line[: _ERROR_AT_MOST - 3] + "..."
