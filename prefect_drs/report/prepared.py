"""Prepared instances in the report: whether their identity was kept, in lines of text.

In: a report. Out: lines; none where no server was launched into a prepared instance.
"""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.report.model import PreparedReport, RecoveryReport, ServerReport


def prepared_summary(report: RecoveryReport) -> str | None:
    """How many prepared instances kept their identity; None where none was launched into."""
    found = [prepared for _, prepared in _prepared(report)]
    if not found:
        return None
    kept = sum(prepared.kept is True for prepared in found)
    lost = sum(prepared.kept is False for prepared in found)
    unknown = len(found) - kept - lost
    parts = [f"{kept} of {len(found)} kept instance id, private address and network interface"]
    parts += [f"{lost} did not"] if lost else []
    parts += [f"{unknown} not compared{'' if report.ended_at else ' yet'}"] if unknown else []
    return f"prepared instances: {', '.join(parts)}"


def prepared_losses(report: RecoveryReport) -> tuple[str, ...]:
    """The servers whose prepared instance lost its identity, a line each."""
    return tuple(
        f"{server.name} ({server.source_server_id}): prepared instance {prepared.instance_id} was not kept: "
        f"{'; '.join(prepared.differences)}"
        for server, prepared in _prepared(report)
        if prepared.kept is False
    )


def _prepared(report: RecoveryReport) -> Iterator[tuple[ServerReport, PreparedReport]]:
    """The servers that were launched into a prepared instance."""
    for wave in report.waves:
        for server in wave.servers:
            if server.prepared is not None and server.launched:
                yield server, server.prepared
