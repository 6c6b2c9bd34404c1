"""The replication lag of a failback at the moment writes stopped, in a line of text: what could have been lost.

In: a report. Out: a line; none where writes have not stopped, as in every execution that is not a failback.
"""

from __future__ import annotations

from prefect_drs.plan.duration import parse_duration
from prefect_drs.report.model import RecoveryReport, ServerReport
from prefect_drs.report.text import counted, duration

NAMED = 5  # servers named in the line; the others are counted


def lag_line(report: RecoveryReport) -> str | None:
    """The longest lag when writes stopped, and which servers had not caught up; None where writes have not stopped."""
    for wave in report.waves:
        lags = {server.source_server_id: _seconds(server) for server in wave.servers}
        known = {server_id: lag for server_id, lag in lags.items() if lag is not None}
        if wave.action != "catch-up" or not known:
            continue
        longest = max(known, key=lambda server_id: known[server_id])
        named = {server.source_server_id: server.name for server in wave.servers}
        most = f"was at most {duration(known[longest])} ({named[longest]})" if known[longest] else "was zero"
        without = f", unknown for {counted(len(lags) - len(known), 'server')}" if len(lags) > len(known) else ""
        return f"the replication lag when writes stopped {most}{without}; {_caught_up(wave.servers)}"
    return None


def _caught_up(servers: tuple[ServerReport, ...]) -> str:
    left = [server.name for server in servers if not server.done]
    if not left:
        return f"all {counted(len(servers), 'server')} have caught up since"
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return f"{len(left)} of {counted(len(servers), 'server')} have not caught up: {', '.join(left[:NAMED])}{more}"


def _seconds(server: ServerReport) -> float | None:
    lag = parse_duration(server.lag_at_stop) if server.lag_at_stop else None
    return lag.total_seconds() if lag is not None else None
