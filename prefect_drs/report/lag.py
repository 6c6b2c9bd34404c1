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
        if wave.action != "catch-up":
            continue
        known = [(lag, server.name) for server in wave.servers if (lag := _seconds(server)) is not None]
        if known:
            longest, name = max(known, key=lambda each: each[0])
            most = f"was at most {duration(longest)} ({name})" if longest else "was zero"
            unknown = len(wave.servers) - len(known)
            without = f", unknown for {counted(unknown, 'server')}" if unknown else ""
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
