"""When a wave is COMPLETED: enough of its servers are LAUNCHED and passed their health checks.

In: a wave. Out: whether it succeeded for the waves that depend on it, and why it did not. Each server's own
`launchStatus` counts; a job that is COMPLETED says nothing about its servers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from prefect_drs.execution.state import ServerRun, ServerState, WaveRun

NAMED_AT_MOST = 5


def enough(wave: WaveRun, *, without: Collection[str] = (), counting_ready: bool = False) -> bool:
    """Whether enough of a wave's servers are up for those that depend on it.

    Args:
        wave: the wave.
        without: servers that are up and do not count, since their health checks did not pass.
        counting_ready: count servers that may still be launched, too.
    """
    states = (ServerState.LAUNCHED, ServerState.READY) if counting_ready else (ServerState.LAUNCHED,)
    up = [run for run in wave.in_state(*states) if run.server.source_server_id not in without]
    needed = len(wave.servers) if wave.wave.min_healthy is None else wave.wave.min_healthy
    return len(up) >= needed


def failure_reason(failed: Sequence[ServerRun], what: str = "not launched") -> str:
    """Which servers did not come up (or `what` failed of), and why; one line."""
    named = [f"{run.server.name} ({run.server.source_server_id}): {run.error}" for run in failed[:NAMED_AT_MOST]]
    more = f"; and {len(failed) - NAMED_AT_MOST} more" if len(failed) > NAMED_AT_MOST else ""
    return f"{len(failed)} server(s) {what}: " + "; ".join(named) + more
