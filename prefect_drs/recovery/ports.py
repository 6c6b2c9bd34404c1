"""The ports of gates and of the clock; `recovery.options.EnginePorts` lists all ports of an engine.

The engine knows only protocols and the clients of `prefect_drs.aws`. Under Prefect a gate is a child flow run and the
clock a wall clock; under test they are plain objects and a stepped clock. Nothing here imports Prefect or boto3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.execution.approval import Decision, GateAnswer
from prefect_drs.report.gate_standing import GateStanding

__all__ = ["AnswerCheck", "Clock", "Decision", "Gate", "GateAnswer", "GateRequest", "Ruling", "WallClock"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of an answer at a gate that demands proofs.

    Args:
        answer: the answer that passes the gate, in the name of those who are proven; None: the gate keeps waiting.
        text: the ruling in words, for people.
    """

    answer: GateAnswer | None
    text: str


class AnswerCheck(Protocol):
    """Judges the answers at one gate that demands proofs. Implemented by `prefect_drs.recovery.approvals`."""

    def consider(self, answer: GateAnswer) -> Ruling:
        """Judge an answer and record it; one that was judged before changes nothing."""
        ...

    def standing(self) -> GateStanding:
        """What the gate demands, who has approved, what lacks."""
        ...


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What a person is asked before a wave.

    Args:
        execution_id: the execution that asks.
        plan_name: its plan.
        mode: `drill` or `recovery`.
        wave_number: the wave that waits.
        wave_name: its name, as the plan gives it.
        summary: Markdown for the form: servers, changes, what has run.
        timeout: how long the gate waits; then the answer is TIMED_OUT. Zero where its deadline passed while no process
            waited: then only an answer that was given before the deadline counts.
        launches: what approving launches, as plain text in one line.
        check: judges the answers; None: any answer counts. A gate that has one asks again until an answer passes.
    """

    execution_id: str
    plan_name: str
    mode: str
    wave_number: int
    wave_name: str
    summary: str
    timeout: timedelta
    launches: str = ""
    check: AnswerCheck | None = None


class Gate(Protocol):
    """Asks a person and waits."""

    def ask(self, request: GateRequest) -> GateAnswer:
        """Block until answered or timed out. May be called from several threads at once, a wave each."""
        ...
