"""Which events are milestones, and the message of each.

In: an execution's events in order, and its open gates. Out: at most one `Message` for each. The same events give the
same messages, whether they happen now or are read from a journal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect_drs.core.escaping import mail_subject
from prefect_drs.execution.events import (
    Event,
    ExecutionEnded,
    ExecutionStarted,
    GlassBroken,
    PauseAsked,
    RtoTargetAtRisk,
    WaveEnded,
)
from prefect_drs.execution.view import ReportFold
from prefect_drs.notifications import text
from prefect_drs.notifications.commands import ExecutionAccess
from prefect_drs.notifications.message import Message, NotifiedGate
from prefect_drs.notifications.payload import FAILED_SERVERS_AT_MOST, PAYLOADS
from prefect_drs.plan.notify import Milestone
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, WaveReport, WaveStatus
from prefect_drs.runbook import Runbook

ENDS = {
    ExecutionStatus.COMPLETED: Milestone.COMPLETED,
    ExecutionStatus.PARTIAL: Milestone.PARTIAL,
    ExecutionStatus.FAILED: Milestone.FAILED,
    ExecutionStatus.CANCELLED: Milestone.CANCELLED,
}
WAVE_ENDS = {WaveStatus.COMPLETED: Milestone.WAVE_COMPLETED, WaveStatus.FAILED: Milestone.WAVE_FAILED}


class Milestones:
    """Folds events and returns the messages of those that are milestones.

    Args:
        access: how people reach the execution.
    """

    def __init__(self, access: ExecutionAccess) -> None:
        self._access = access
        self._fold = ReportFold()
        self._runbook: Runbook | None = None

    def apply(self, event: Event) -> Message | None:
        """Apply the next event; return its message if it is a milestone."""
        self._fold.apply(event)
        match event:
            case ExecutionStarted():
                self._runbook = event.runbook
                return self._of_execution(Milestone.STARTED, event.at)
            case PauseAsked():
                return self._of_execution(Milestone.PAUSED, event.at, by=event.by)
            case WaveEnded() if (milestone := WAVE_ENDS.get(WaveStatus(event.status))) is not None:
                return self._of_wave(milestone, event.at, event.wave_number)
            case GlassBroken():
                return self._glass_broken(event)
            case RtoTargetAtRisk():
                return self._target_at_risk(event)
            case ExecutionEnded():
                return self._of_execution(ENDS[ExecutionStatus(event.status)], event.at)
            case _:
                return None

    def gate_opened(self, gate: NotifiedGate, at: datetime) -> Message:
        """The message that a wave waits for approval.

        Args:
            gate: the open gate.
            at: when it was found open.
        """
        return self._of_wave(Milestone.WAVE_PAUSED, at, gate.wave_number, gate)

    def _glass_broken(self, event: GlassBroken) -> Message:
        _, report = self._state()
        wave = next(wave for wave in report.waves if wave.wave_number == event.wave_number)
        values = self._common(Milestone.BREAK_GLASS, event.at, report) | self._wave_values(wave)
        values |= {"by": event.by, "proven": event.proven, "break_glass": event.reason}
        subject = f"BREAK-GLASS: {report.mode} of {{}}: wave {event.wave_number} {{}} passed without its approvals"
        body = text.glass_broken(report, wave, event, self._access)
        names = (report.plan_name, wave.wave_name)
        return self._message(
            Milestone.BREAK_GLASS, event.at.isoformat(), (subject, *names), body, values, event.wave_number
        )

    def _target_at_risk(self, event: RtoTargetAtRisk) -> Message:
        _, report = self._state()
        waves = [wave for wave in report.waves if wave.wave_number == event.wave_number]
        milestone = Milestone.WAVE_TARGET_AT_RISK if waves else Milestone.TARGET_AT_RISK
        values = self._common(milestone, event.at, report) | {
            "target_seconds": event.target_seconds,
            "expected_seconds": event.expected_seconds,
            "elapsed_seconds": event.elapsed_seconds,
            "probability": event.probability,
        }
        subject, *names = f"{report.mode} of {{}}: RTO target will probably be missed", report.plan_name
        if waves:
            values |= self._wave_values(waves[0])
            subject = f"{report.mode} of {{}}: RTO target of wave {event.wave_number} {{}} will probably be missed"
            names.append(waves[0].wave_name)
        body = text.target_at_risk(report, event, self._access)
        return self._message(milestone, event.at.isoformat(), (subject, *names), body, values, event.wave_number)

    def _state(self) -> tuple[Runbook, RecoveryReport]:
        if self._runbook is None:
            raise ValueError("a journal begins with ExecutionStarted; there is no message before it")
        return self._runbook, self._fold.report()

    def _of_execution(self, milestone: Milestone, at: datetime, by: str = "") -> Message:
        runbook, report = self._state()
        about = f"{report.mode} of {{}}"
        names: tuple[str, ...] = (report.plan_name,)
        values = self._common(milestone, at, report)
        match milestone:
            case Milestone.STARTED:
                subject, body = f"{about} started", text.started(runbook, report, self._access)
            case Milestone.PAUSED:
                subject, body = f"{about} was paused by {{}}", text.paused(report, by, self._access)
                names = (report.plan_name, by)
                values["by"] = by
            case _:
                subject, body = f"{about} {report.status}", text.ended(report, self._access)
                values |= {
                    "ended_at": at,
                    "achieved_rto_seconds": report.achieved_rto_seconds,
                    "achieved_rpo_seconds": report.achieved_rpo_seconds,
                    "failed_waves": tuple(w.wave_number for w in report.waves if w.status is not WaveStatus.COMPLETED),
                }
        return self._message(milestone, at.isoformat(), (subject, *names), body, values)

    def _of_wave(
        self, milestone: Milestone, at: datetime, wave_number: int, gate: NotifiedGate | None = None
    ) -> Message:
        runbook, report = self._state()
        wave = next(wave for wave in report.waves if wave.wave_number == wave_number)
        about, names = f"{report.mode} of {{}}: wave {wave_number} {{}}", (report.plan_name, wave.wave_name)
        values = self._common(milestone, at, report) | self._wave_values(wave)
        if gate is not None:
            values |= {"gate_flow_run_id": gate.flow_run_id, "gate_link": gate.link, "until": gate.until}
            body = text.wave_paused(runbook, report, gate, self._access)
            return self._message(
                milestone, gate.flow_run_id, (f"{about} waits for your approval", *names), body, values, wave_number
            )
        body = text.wave_ended(report, wave, self._access)
        return self._message(milestone, at.isoformat(), (f"{about} {wave.status}", *names), body, values, wave_number)

    @staticmethod
    def _wave_values(wave: WaveReport) -> dict[str, Any]:
        return {
            "wave_number": wave.wave_number,
            "wave_name": wave.wave_name,
            "wave_status": wave.status,
            "wave_servers": len(wave.servers),
            "wave_launched": wave.launched,
            "reason": wave.reason,
            "failed_servers": tuple(
                server.source_server_id for server in wave.servers if server.launch_status in {"FAILED", "TERMINATED"}
            )[:FAILED_SERVERS_AT_MOST],
        }

    def _common(self, milestone: Milestone, at: datetime, report: RecoveryReport) -> dict[str, Any]:
        return {
            "milestone": milestone,
            "at": at,
            "execution_id": report.execution_id,
            "plan_name": report.plan_name,
            "mode": report.mode,
            "status": report.status,
            "started_at": report.started_at,
            "servers": report.server_count,
            "launched": report.launched_count,
            "link": self._access.link,
        }

    def _message(
        self,
        milestone: Milestone,
        occasion: str,
        subject: tuple[str, ...],
        body: str,
        values: dict[str, Any],
        wave_number: int | None = None,
    ) -> Message:
        payload = PAYLOADS[milestone](**values)
        line = mail_subject(f"[prefect-drs] {subject[0]}", *subject[1:])
        return Message(milestone, occasion, line, body, payload, wave_number)
