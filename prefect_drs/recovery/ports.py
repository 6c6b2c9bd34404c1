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

__all__ = ["Clock", "Decision", "Gate", "GateAnswer", "GateRequest", "WallClock"]


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
    """

    execution_id: str
    plan_name: str
    mode: str
    wave_number: int
    wave_name: str
    summary: str
    timeout: timedelta
    launches: str = ""


class Gate(Protocol):
    """Asks a person and waits."""

    def ask(self, request: GateRequest) -> GateAnswer:
        """Block until answered or timed out. May be called from several threads at once, a wave each."""
        ...
