"""All kinds of events, and how a stored one is read.

A kind is written in one file of this folder: its class with its fields, its text for people, and its transition. The
kinds that can be read are all classes that these files define; a new file must be imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from prefect_drs.execution.event import Event
from prefect_drs.execution.events.approvals import ApprovalAttempted, ApprovalCounted, GlassBroken
from prefect_drs.execution.events.control import (
    CancelAsked,
    CancelOverridden,
    ControlRequestHandled,
    PauseAsked,
    PauseEnded,
)
from prefect_drs.execution.events.execution import (
    ExecutionEnded,
    ExecutionResumed,
    ExecutionStarted,
    Notified,
    PointsReached,
)
from prefect_drs.execution.events.failback import ReplicationReversed, StepAsked, StepBegan, WritesStopped
from prefect_drs.execution.events.launches import (
    JobEnded,
    JobRefused,
    JobRequested,
    JobStarted,
    ServerRetried,
    ServerStatus,
    SettingsApplied,
)
from prefect_drs.execution.events.objectives import RtoTargetAtRisk
from prefect_drs.execution.events.prepared import IdentitiesCompared
from prefect_drs.execution.events.termination import InstancesTerminated, TerminationAsked, TerminationStarted
from prefect_drs.execution.events.waves import (
    CheckDone,
    GateAnswered,
    GateAsked,
    WaveDelayed,
    WaveEnded,
    WaveStarted,
)

__all__ = [
    "KINDS",
    "STORED_EVENT",
    "ApprovalAttempted",
    "ApprovalCounted",
    "CancelAsked",
    "CancelOverridden",
    "CheckDone",
    "ControlRequestHandled",
    "Event",
    "ExecutionEnded",
    "ExecutionResumed",
    "ExecutionStarted",
    "GateAnswered",
    "GateAsked",
    "GlassBroken",
    "IdentitiesCompared",
    "InstancesTerminated",
    "JobEnded",
    "JobRefused",
    "JobRequested",
    "JobStarted",
    "Notified",
    "PauseAsked",
    "PauseEnded",
    "PointsReached",
    "ReplicationReversed",
    "RtoTargetAtRisk",
    "ServerRetried",
    "ServerStatus",
    "SettingsApplied",
    "StepAsked",
    "StepBegan",
    "TerminationAsked",
    "TerminationStarted",
    "WaveDelayed",
    "WaveEnded",
    "WaveStarted",
    "WritesStopped",
]


def _kinds(base: type[Event]) -> Iterator[type[Event]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


KINDS: tuple[type[Event], ...] = tuple(_kinds(Event))  # type: ignore[type-abstract]
_any_kind: Any = reduce(or_, KINDS)
STORED_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[_any_kind, Field(discriminator="kind")])
