"""What approving a wave or a step of a failback does, as plain text.

In: a runbook and a wave. Out: one line, for the log and the state of a gate and for its pages. Names are escaped.
"""

from __future__ import annotations

from prefect_drs.core.escaping import one_line
from prefect_drs.report.text import counted
from prefect_drs.runbook import Runbook, RunbookWave

SHOWN_NAMES = 8  # servers that a line names; the form of the gate lists up to 100
NAME_AT_MOST = 40

STEP_LINES = {
    "protect": "replicates {} back to where they came from",
    "catch-up": "stops writes, then waits until what {} wrote has arrived; the failback launches follow",
    "reprotect": "hands over: traffic goes to the failed-back instances; {} are protected forward again",
    "clean-up": "ends the replication back and gives up the recovery instances of {}",
}
"""What approving a step of a failback does, for so many servers; each begins with its verb."""


def launch_line(runbook: Runbook, wave_number: int) -> str:
    """What a wave would launch, as plain text: `2 drill instances in 1 job, 123456789012/us-east-1: app-01, app-02`."""
    wave = runbook.wave(wave_number)
    if wave.action != "launch":
        return f"{STEP_LINES[wave.action].format(counted(len(wave.servers), 'server'))}{_names(wave)}"
    jobs = wave.jobs
    places = ", ".join(sorted({str(location) for location, _ in jobs}))
    return (
        f"{counted(len(wave.servers), f'{runbook.mode} instance')} in {counted(len(jobs), 'job')}"
        f"{f', {places}' if places else ''}{_names(wave)}"
    )


def size_line(runbook: Runbook) -> str:
    """What a runbook holds: `12 servers in 3 waves`; of a failback, `12 servers in 3 waves, 4 other steps`."""
    steps = len(runbook.waves) - len(runbook.launches)
    others = f", {counted(steps, 'other step')}" if steps else ""
    return f"{counted(runbook.server_count, 'server')} in {counted(len(runbook.launches), 'wave')}{others}"


def what_it_does(launches: str) -> str:
    """What approving does, given a `launch_line`: that of a step has a verb, that of launches begins with a number."""
    return f"launches {launches}" if launches[:1].isdigit() else launches


def _names(wave: RunbookWave) -> str:
    shown = ", ".join(one_line(server.name, NAME_AT_MOST) for server in wave.servers[:SHOWN_NAMES])
    hidden = len(wave.servers) - SHOWN_NAMES
    return f": {shown}{f' and {hidden} more' if hidden > 0 else ''}" if shown else ""
