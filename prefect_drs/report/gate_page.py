"""The page of a gate in the Prefect UI: what approving launches, and where to press.

In: what a gate asks. Out: its page (an artifact), and one line of plain text for its state and its log. Pure; names are
escaped.
"""

from __future__ import annotations

from prefect_drs.core.escaping import markdown_text, one_line
from prefect_drs.report.run_page import RESUME_BUTTON, RunPage, bullets, if_the_process_ended, paragraphs
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
"""What approving a step of a failback does, for so many servers."""


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


def _names(wave: RunbookWave) -> str:
    shown = ", ".join(one_line(server.name, NAME_AT_MOST) for server in wave.servers[:SHOWN_NAMES])
    hidden = len(wave.servers) - SHOWN_NAMES
    return f": {shown}{f' and {hidden} more' if hidden > 0 else ''}" if shown else ""


def gate_prompt(execution_id: str, wave_number: int, wave_name: str, launches: str) -> str:
    """What a gate asks and how to answer, as plain text: the message of its Paused state, and a line of its log."""
    return (
        f"Waits for approval of wave {wave_number} {one_line(wave_name)}: {launches}. To answer: Resume on this page, "
        f"or prefect-drs approve {execution_id} --wave {wave_number}"
    )


def gate_page(
    execution_id: str, wave_number: int, wave_name: str, launches: str, summary: str, *, suspended: bool
) -> RunPage:
    """The page of a gate that waits.

    Args:
        execution_id: the execution.
        wave_number: the wave behind the gate.
        wave_name: its name.
        launches: what approving launches, as `launch_line` says it.
        summary: the Markdown of the gate's form.
        suspended: whether no process waits for the answer.
    """
    command = f"{execution_id} --wave {wave_number}"
    after = (
        "No process is held while it waits: a worker carries the execution on after the answer. If none does, run "
        f"`prefect-drs resume {execution_id}`."
        if suspended
        else if_the_process_ended(execution_id)
    )
    return RunPage(
        f"**Press Resume** to answer, or run `prefect-drs approve {command}`\n\n"
        f"Approving launches {markdown_text(launches)}",
        paragraphs(
            f"# Approve wave {wave_number} {markdown_text(wave_name)}?",
            f"Approving launches {markdown_text(launches)}.",
            "## What to do now",
            bullets(
                [
                    f"press {RESUME_BUTTON} on this page and choose *approve* or *reject*",
                    f"or run `prefect-drs approve {command}`",
                    f"or `prefect-drs reject {command} --comment WHY`",
                ]
            ),
            after,
            summary,
        ),
    )


def closed_gate_page(wave_number: int, wave_name: str, outcome: str) -> RunPage:
    """The page of a gate that was answered, timed out or cancelled.

    Args:
        wave_number: the wave behind the gate.
        wave_name: its name.
        outcome: what became of it, such as `Approved by Ada`; plain text.
    """
    return RunPage(
        f"**{markdown_text(outcome)}**",
        paragraphs(
            f"# Wave {wave_number} {markdown_text(wave_name)}",
            f"{markdown_text(outcome)}.",
            "## What to do now",
            "Nothing here: the page of the execution says how it goes on.",
        ),
    )


def lost_gate_page(execution_id: str, wave_number: int, wave_name: str) -> RunPage:
    """The page of a gate whose process was told to stop before the gate was answered."""
    command = f"prefect-drs resume {execution_id}"
    return RunPage(
        f"**Its process has ended**: run `{command}`",
        paragraphs(
            f"# Wave {wave_number} {markdown_text(wave_name)}",
            "The process of the execution ended before this gate was answered. Nothing was launched since.",
            "## What to do now",
            f"Run `{command}`: it asks again, or goes on with the answer if there is one.",
        ),
    )
