"""The interface between a check's timing and its execution: a probe looks, an outcome says what it saw.

In: which subjects (servers, or the wave as a whole) are to be looked at, and the number of each one's attempt. Out: an
outcome for each. A probe never waits for what it looks at and knows nothing of time-outs and retries: those are
`prefect_drs.recovery.checks.runner`. A look again at the same attempt must not start anything anew.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prefect_drs.core.escaping import one_line
from prefect_drs.plan.checks import Check
from prefect_drs.report.checks import CheckPhase
from prefect_drs.runbook import RunbookServer

Subject = str | None
"""A source server id, or None for the wave as a whole."""

KEYS = uuid.UUID("3f0a6f4e-5d0b-5d7e-9a38-1b7c1f0d8e11")  # the namespace of attempt ids; never changed
DETAIL_AT_MOST = 500


class ProbeVerdict(enum.StrEnum):
    """What a look says of an attempt. PENDING: neither passed nor failed yet."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    PENDING = "PENDING"


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What a look saw.

    Args:
        verdict: what it means for the attempt.
        detail: one line for a person; never a secret, never a body.
        at_work: something was started and is not known to be over. An attempt that fails or times out then is not
            followed by another one: the two could run side by side.
    """

    verdict: ProbeVerdict
    detail: str = ""
    at_work: bool = False

    @classmethod
    def passed(cls, detail: str = "") -> ProbeOutcome:
        """It is as it should be."""
        return cls(ProbeVerdict.PASSED, one_line(detail, DETAIL_AT_MOST))

    @classmethod
    def failed(cls, detail: str, *, at_work: bool = False) -> ProbeOutcome:
        """This attempt cannot pass any more."""
        return cls(ProbeVerdict.FAILED, one_line(detail, DETAIL_AT_MOST), at_work)

    @classmethod
    def pending(cls, detail: str, *, at_work: bool = False) -> ProbeOutcome:
        """Not yet; look again."""
        return cls(ProbeVerdict.PENDING, one_line(detail, DETAIL_AT_MOST), at_work)


class Probe(Protocol):
    """Carries one check out for one or more subjects that are looked at together."""

    @property
    def name(self) -> str:
        """The check's name, unique in its phase of its wave."""
        ...

    @property
    def phase(self) -> CheckPhase:
        """When it is made."""
        ...

    @property
    def check(self) -> Check:
        """What is checked, with its time-out and retries."""
        ...

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Its subjects; not empty."""
        ...

    def look(self, attempts: Mapping[Subject, int]) -> Mapping[Subject, ProbeOutcome]:
        """One look at those subjects' current attempts (numbered from 1); an outcome for each of them.

        The first look at an attempt may start something (an SSM command); later ones, and the first one in another
        process, find what was started. Runs on a thread of its own; never two looks of one probe at a time.

        Raises:
            Nothing that is expected: what AWS or the network refuses is an outcome.
        """
        ...


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """A launched server of a wave: where it is, what it became, and by which job."""

    server: RunbookServer
    recovery_instance_id: str
    job_id: str


@dataclass(frozen=True, slots=True)
class WaveContext:
    """The wave that is checked, as templates and attempt ids need it.

    `started_at`: when the execution began. `turn`: how often the wave was handed over, from 1: a wave that is carried
    out once more makes its checks anew, and finds nothing of its former turn.
    """

    execution_id: str
    plan_name: str
    mode: str
    wave_number: int
    wave_name: str
    started_at: datetime
    turn: int = 1

    def attempt_id(self, phase: CheckPhase, name: str, subject: Subject, attempt: int) -> str:
        """The same UUID for the same attempt in every process: what it starts in AWS is found again by it."""
        wave = f"{self.wave_number}.{self.turn}"
        key = "\n".join((self.execution_id, wave, phase, name, subject or "", str(attempt)))
        return str(uuid.uuid5(KEYS, key))
