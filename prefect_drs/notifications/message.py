"""A message: the notification of one milestone, as text for people and as data for programs. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prefect_drs.notifications.payload import ExecutionPayload
from prefect_drs.plan.notify import Milestone

WIDTH = 78
"""Columns of a text that no mail client breaks. Addresses and names may be longer."""


@dataclass(frozen=True, slots=True)
class NotifiedGate:
    """A gate that waits for an answer.

    Args:
        wave_number: the wave behind it.
        flow_run_id: the Paused flow run whose Resume answers it.
        link: its page in the Prefect UI, which shows the form; None if no UI is known.
        until: its deadline (UTC).
    """

    wave_number: int
    flow_run_id: str
    link: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    """The notification of a milestone.

    Args:
        milestone: its kind.
        occasion: distinguishes milestones of one kind and wave.
        subject: one line of ASCII.
        text: plain text.
        payload: the data for programs.
        wave_number: the wave it is about; None if it is about the whole execution.
        is_replayed: its event was read from the journal: an earlier process of this execution could have sent it.
    """

    milestone: Milestone
    occasion: str
    subject: str
    text: str
    payload: ExecutionPayload
    wave_number: int | None = None
    is_replayed: bool = False

    @property
    def key(self) -> tuple[str, int | None, str]:
        """Identifies the milestone, so that it is sent once to each channel."""
        return (self.milestone, self.wave_number, self.occasion)
