"""An event as one line for a log: what an on-call engineer reads while it happens."""

from __future__ import annotations

from prefect_drs.report.events import (
    CancelAsked,
    CancelOverridden,
    CheckDone,
    ControlRequestHandled,
    Event,
    ExecutionEnded,
    ExecutionResumed,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    InstancesTerminated,
    JobEnded,
    JobRefused,
    JobRequested,
    JobStarted,
    Notified,
    PauseAsked,
    PauseEnded,
    PointsReached,
    ServerRetried,
    ServerStatus,
    SettingsApplied,
    TerminationAsked,
    TerminationStarted,
    WaveDelayed,
    WaveEnded,
    WaveStarted,
)


def event_line(event: Event) -> str | None:
    """The line; None for events that only the journal needs."""
    match event:
        case ExecutionStarted():
            waves = event.runbook.waves
            servers = sum(len(wave.servers) for wave in waves)
            return (
                f"{event.runbook.mode} of {event.runbook.plan_name}: {len(waves)} waves, {servers} servers, "
                f"execution {event.execution_id}"
            )
        case ExecutionResumed():
            return f"execution resumed by {event.by}" + (", trying again what failed" if event.again else "")
        case CancelAsked():
            return f"cancel asked by {event.by}" + (f": {event.reason}" if event.reason else "")
        case CancelOverridden():
            return f"{event.by} goes on despite the cancel"
        case ControlRequestHandled():
            return f"control request {event.request}: {event.outcome}"
        case PauseAsked():
            return f"pause asked by {event.by}: nothing new is launched"
        case PauseEnded():
            return f"pause ended by {event.by}"
        case GateAsked():
            return f"wave {event.wave_number} waits for approval"
        case GateAnswered():
            comment = f": {event.comment}" if event.comment else ""
            return f"wave {event.wave_number} {event.decision} by {event.by}{comment}"
        case WaveStarted():
            return f"wave {event.wave_number} started"
        case SettingsApplied():
            return f"wave {event.wave_number} {event.source_server_id}: set {', '.join(event.fields)}"
        case JobRequested():
            return None
        case JobRefused():
            return f"wave {event.wave_number} batch {event.batch} not started: {event.reason}"
        case WaveDelayed():
            return f"wave {event.wave_number} waits: {event.told}"
        case JobStarted():
            where = f"{event.account_id}/{event.region}"
            return f"wave {event.wave_number} job {event.job_id} in {where}: {len(event.server_ids)} server(s)"
        case ServerStatus():
            why = f": {event.error}" if event.error else ""
            instance = f" as {event.recovery_instance_id}" if event.recovery_instance_id else ""
            return f"wave {event.wave_number} {event.source_server_id} {event.launch_status}{instance}{why}"
        case ServerRetried():
            how = f": {event.how}" if event.how else ""
            return f"wave {event.wave_number} {event.source_server_id} is launched once more{how}"
        case CheckDone():
            result = event.result
            whose = f" of {result.source_server_id}" if result.source_server_id else ""
            passed = "passed" if result.passed else "did not pass"
            return f"wave {event.wave_number} {result.phase} {result.name}{whose} {passed}: {result.detail}"
        case JobEnded():
            return f"job {event.job_id} ended"
        case WaveEnded():
            return f"wave {event.wave_number} {event.status}" + (f": {event.reason}" if event.reason else "")
        case PointsReached():
            return None
        case ExecutionEnded():
            return f"execution {event.status}"
        case Notified():
            return f"not told: {event.milestone} to {event.channel}: {event.error}" if event.error else None
        case TerminationAsked():
            where = f"{event.account_id}/{event.region}"
            return f"{event.by} terminates {len(event.recovery_instance_ids)} recovery instance(s) in {where}"
        case TerminationStarted():
            where = f"{event.account_id}/{event.region}"
            return f"job {event.job_id} in {where} terminates {len(event.recovery_instance_ids)} recovery instance(s)"
        case InstancesTerminated():
            return f"terminated: {', '.join(event.recovery_instance_ids)}"
