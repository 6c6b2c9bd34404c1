"""The pages of an execution in the Prefect UI: what the plan does, how it stands, and what a person does now.

In: a `Situation`, or why the preflight refused. Out: `RunPage`s: Markdown for artifacts, each with the few words that
its card shows. What to do comes from the situation alone, so that the UI and `prefect-drs status` say the same. Nothing
changes by the passing of time: the same situation gives the same pages. Pure; names are escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect_drs.core.escaping import markdown_text
from prefect_drs.report.approving import size_line
from prefect_drs.report.markdown import report_summary, server_table, wave_table
from prefect_drs.report.picture import data_url, wave_graph_svg
from prefect_drs.report.situation import Situation, Waiting
from prefect_drs.report.text import counted, full_time
from prefect_drs.runbook import Runbook

RESUME_BUTTON = "**⋮ → Resume** (in Prefect's former UI: the button **Resume**)"


@dataclass(frozen=True, slots=True)
class RunPage:
    """An artifact for people. `card`: Markdown; its first line says most, since a card cuts off the rest."""

    card: str
    markdown: str


def run_pages(situation: Situation, runbook: Runbook) -> dict[str, RunPage]:
    """The pages of an execution by name. The UI lists artifacts in any order, so every card says how it stands.

    `servers`: every server; `waves`: the wave graph and the waves; `report`: what to do now, and the whole report.
    """
    report = situation.report
    plan, now = plan_line(runbook), now_line(situation)
    picture = f"![wave graph]({data_url(wave_graph_svg(report, runbook))})"
    over = sum(wave.status.over for wave in report.waves)
    return {
        "servers": RunPage(
            f"{report.launched_count} of {counted(report.server_count, 'server')} launched\n\n{now}",
            paragraphs("# Servers", server_table(report)),
        ),
        "waves": RunPage(
            f"{over} of {counted(len(report.waves), 'wave')} over\n\n{now}",
            paragraphs("# Waves", picture, wave_table(report.waves)),
        ),
        "report": RunPage(
            f"{now}\n\n{plan}",
            report_summary(report, f"**The plan:** {plan}", "## What to do now", bullets(what_to_do(situation))),
        ),
    }


def plan_line(runbook: Runbook) -> str:
    """What the plan does, as Markdown: `Drill of Shop: 12 servers in 3 waves, 2 gates`.

    Of a failback: `Failback of Shop: 12 servers in 3 waves, 4 other steps, 2 gates`.
    """
    gates = sum(wave.gate for wave in runbook.waves)
    behind = f", {counted(gates, 'gate')}" if gates else ""
    return f"{runbook.mode.capitalize()} of {markdown_text(runbook.plan_name)}: {size_line(runbook)}{behind}"


def now_line(situation: Situation) -> str:
    """How it stands and what to do, in one line of Markdown."""
    return " · ".join(_now(situation))


def _now(situation: Situation) -> Iterator[str]:
    report = situation.report
    if report.ended_at is not None:
        yield f"**{report.status}**"
        if report.terminated is not None:
            yield f"**terminated by {markdown_text(report.terminated.by)}**"
        if (step := situation.next_step) is not None:
            yield f"{step.why}: `{step.command}`"
        return
    if report.cancelled is not None:
        yield f"**Cancelled by {markdown_text(report.cancelled.by)}**: nothing more is launched"
    approvals = [wait for wait in situation.waiting_for if wait.kind == "approval"]
    for wait in situation.waiting_for:
        match wait.kind:
            case "process":
                yield f"**No process carries it**: run `{wait.command}`"
            case "pause":
                yield f"**Paused**: to go on, run `{wait.command}`"
            case "approval":
                continue
            case _:
                yield f"**Waits**: {markdown_text(wait.what)}"
    if len(approvals) == 1:
        yield f"**At a gate**: press Resume there, or run `{approvals[0].command}`"
    elif approvals:
        waves = ", ".join(str(wait.wave_number) for wait in approvals)
        yield (
            f"**At {len(approvals)} gates** (waves {waves}): press Resume in each, or run "
            f"`prefect-drs approve {report.execution_id} --wave N`"
        )
    if not situation.waiting_for and report.cancelled is None:
        yield "**Running**: nobody has to do anything"


def what_to_do(situation: Situation) -> list[str]:
    """What a person does now, a line of Markdown each; never empty."""
    report = situation.report
    if report.ended_at is not None:
        step = situation.next_step
        return [f"Nothing, it has ended; {step.why}: `{step.command}`" if step else "Nothing: it has ended."]
    lines = [line for wait in situation.waiting_for for line in _wait(wait, report.execution_id)]
    if situation.suspended:
        lines.append("It is suspended: no process is held while it waits, and a worker carries it on after the answer.")
    elif any(wait.kind == "approval" for wait in situation.waiting_for):
        lines.append(if_the_process_ended(report.execution_id))
    if report.cancelled is not None:
        jobs = ", ".join(situation.running_jobs)
        why = f" ({markdown_text(report.cancelled.reason)})" if report.cancelled.reason else ""
        lines.append(
            f"Cancelled by {markdown_text(report.cancelled.by)}{why}: nothing more is launched. "
            + (f"It ends when these jobs of DRS have ended: {jobs}." if jobs else "It ends now.")
        )
    return lines or [
        f"Nothing: it runs. To stop it: `prefect-drs pause {report.execution_id}` or "
        f"`prefect-drs cancel {report.execution_id}`"
    ]


def _wait(wait: Waiting, execution_id: str) -> Iterator[str]:
    since = f", since {full_time(wait.since)}" if wait.since else ""
    until = f", until {full_time(wait.until)}" if wait.until else ""
    told = f"**{markdown_text(wait.what)}**{since}{until}: "
    match wait.kind:
        case "approval":
            where = f"on [its page]({wait.link})" if wait.link else "on its page, below Subflow Runs"
            reject = f"prefect-drs reject {execution_id} --wave {wait.wave_number} --comment WHY"
            yield (
                f"{told}press {RESUME_BUTTON} {where}, or run `{wait.command}`. "
                f"To refuse it: the same form, or `{reject}`"
            )
        case _:
            yield told + (f"run `{wait.command}`" if wait.command else "nothing to do but wait")


def if_the_process_ended(execution_id: str) -> str:
    """What to do at a gate whose process was killed, so that it could not say so."""
    return (
        "If nothing happens within two minutes of the answer, the process of the execution has ended: run "
        f"`prefect-drs resume {execution_id}`. The answer is stored and counts."
    )


def refusal_page(plan_name: str, findings: Sequence[Mapping[str, Any]]) -> RunPage:
    """The page of an execution that the preflight refused.

    Args:
        plan_name: the plan.
        findings: those that refuse, as `PreflightRefusedError` has them.
    """
    lines = [f"**{markdown_text(found['code'])}**: {markdown_text(found['message'])}" for found in findings]
    return RunPage(
        f"**Preflight refused it**: {counted(len(lines), 'finding')}, nothing was launched",
        paragraphs(
            f"# {markdown_text(plan_name)}: preflight refused it",
            "Nothing was changed and nothing was launched.",
            "## What to do now",
            bullets(
                [
                    "correct what the findings say; `preflight.md` of the documentation has the remedy of each",
                    "or give a reason with `--waive CODE=WHY`, or leave a server out with `--exclude SERVER=WHY`",
                    "look at the result with `prefect-drs runbook FILE`, which starts nothing, and start it again",
                ]
            ),
            "## Findings",
            bullets(lines),
        ),
    )


def bullets(lines: Sequence[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def paragraphs(*parts: str) -> str:
    """The parts that are not empty, as Markdown paragraphs."""
    return "\n\n".join(part for part in parts if part)
