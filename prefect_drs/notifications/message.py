"""A message: one milestone as people and programs are told it. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prefect_drs.notifications.payload import ExecutionPayload
from prefect_drs.plan.notify import Milestone

WIDTH = 78
"""Columns of a text: what no mail client breaks. Addresses and names may be longer."""


@dataclass(frozen=True, slots=True)
class OpenGate:
    """A gate that waits for an answer.

    Args:
        wave_number: the wave behind it.
        flow_run_id: the Paused flow run whose Resume answers it.
        link: its page in the Prefect UI, where the form is; None where no UI is known.
        until: when its time is over (UTC).
    """

    wave_number: int
    flow_run_id: str
    link: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    """What is told of a milestone.

    Args:
        milestone: of which kind.
        occasion: tells milestones of one kind and wave apart.
        subject: one line of ASCII.
        text: plain text.
        payload: the same for programs.
        wave_number: the wave it is about; None where it is about the execution.
        is_former: a former process of this execution has had the chance to tell it.
    """

    milestone: Milestone
    occasion: str
    subject: str
    text: str
    payload: ExecutionPayload
    wave_number: int | None = None
    is_former: bool = False

    @property
    def key(self) -> tuple[str, int | None, str]:
        """By what a milestone is known that was told before."""
        return (self.milestone, self.wave_number, self.occasion)
