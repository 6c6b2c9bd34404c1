"""The page of a gate in the Prefect UI: what approving launches, and where to press.

In: what a gate asks. Out: its page (an artifact), and one line of plain text for its state and its log. Pure; names are
escaped.
"""

from __future__ import annotations

from prefect_drs.core.escaping import markdown_text, one_line
from prefect_drs.report.approving import what_it_does
from prefect_drs.report.run_page import RESUME_BUTTON, RunPage, bullets, if_the_process_ended, paragraphs


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
        f"Approving {markdown_text(what_it_does(launches))}",
        paragraphs(
            f"# Approve wave {wave_number} {markdown_text(wave_name)}?",
            f"Approving {markdown_text(what_it_does(launches))}.",
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
