"""The commands as the help lists them: names, headings and examples. No command is imported here."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A command: its name, the `module:function` of it, its line in the help, its heading there, and an example."""

    name: str
    target: str
    help: str
    group: str
    example: str


PLANS, RECOVERY, CONTROL, OPERATIONS, SANDBOX = "Plans (offline)", "Recovery", "Control", "Operations", "Sandbox"
HEADINGS = (PLANS, RECOVERY, CONTROL, OPERATIONS, SANDBOX)
CLI = "prefect_drs.cli"

COMMANDS = (
    Command(
        "validate",
        f"{CLI}.plan:validate",
        "Check manifests; each fault with its line.",
        PLANS,
        "prefect-drs validate plan.yaml --bindings bindings.yaml",
    ),
    Command(
        "show",
        f"{CLI}.plan:show",
        "Show a plan's waves, their order and gates.",
        PLANS,
        "prefect-drs show plan.yaml --bindings bindings.yaml",
    ),
    Command(
        "diff",
        f"{CLI}.diff:diff",
        "Review what a change of a plan does.",
        PLANS,
        "prefect-drs diff old.yaml new.yaml -b bindings.yaml --format markdown",
    ),
    Command(
        "runbook",
        f"{CLI}.run:runbook",
        "Dry run: print exactly what a run would do.",
        RECOVERY,
        "prefect-drs runbook plan.yaml --bindings bindings.yaml --mode recovery",
    ),
    Command(
        "forecast",
        f"{CLI}.forecast:forecast",
        "Forecast how long a run would take, and why.",
        RECOVERY,
        "prefect-drs forecast plan.yaml --bindings bindings.yaml --offline",
    ),
    Command(
        "drill",
        f"{CLI}.run:drill",
        "Run a plan as a drill, here and now.",
        RECOVERY,
        "prefect-drs drill plan.yaml -b bindings.yaml --exclude 'db1=disk failed'",
    ),
    Command(
        "recover",
        f"{CLI}.run:recover",
        "Run a plan as a recovery, here and now.",
        RECOVERY,
        "prefect-drs recover plan.yaml --waive 'NOT_REPLICATING=source region down'",
    ),
    Command(
        "failback",
        f"{CLI}.run:failback",
        "Fail recovered servers back, here and now.",
        RECOVERY,
        "prefect-drs failback plan.yaml -b bindings.yaml --execution latest",
    ),
    Command(
        "status",
        f"{CLI}.control:status",
        "Show executions, or one of them.",
        CONTROL,
        "prefect-drs status latest",
    ),
    Command(
        "why",
        f"{CLI}.why:why",
        "Say what an execution waited for, and for how long.",
        CONTROL,
        "prefect-drs why latest --wave 2",
    ),
    Command(
        "replay",
        f"{CLI}.replay:replay",
        "Show an execution again, from its journal.",
        CONTROL,
        "prefect-drs replay latest --speed 60",
    ),
    Command(
        "report",
        f"{CLI}.report:report",
        "Print an execution's report: HTML, Markdown, JSON.",
        CONTROL,
        "prefect-drs report latest --out report.html",
    ),
    Command(
        "evidence",
        f"{CLI}.evidence:evidence",
        "Write the evidence of an execution: one signed file.",
        CONTROL,
        "prefect-drs evidence latest --out evidence.zip",
    ),
    Command(
        "verify",
        f"{CLI}.evidence:verify",
        "Verify evidence, or an execution's journal.",
        CONTROL,
        "prefect-drs verify evidence.zip --public-key anchor-key.pub.pem",
    ),
    Command(
        "approve",
        f"{CLI}.control:approve",
        "Approve a wave that waits at its gate.",
        CONTROL,
        "prefect-drs approve latest --wave 2 --comment 'database checked'",
    ),
    Command(
        "reject",
        f"{CLI}.control:reject",
        "Reject a wave that waits at its gate.",
        CONTROL,
        "prefect-drs reject latest --wave 2 --comment 'data is too old'",
    ),
    Command(
        "pause",
        f"{CLI}.control:pause",
        "Pause: launch nothing more for now.",
        CONTROL,
        "prefect-drs pause latest",
    ),
    Command(
        "resume",
        f"{CLI}.control:resume",
        "Resume an execution that was paused or interrupted.",
        CONTROL,
        "prefect-drs resume latest",
    ),
    Command(
        "cancel",
        f"{CLI}.control:cancel",
        "Cancel: launch nothing more, follow running jobs to their end.",
        CONTROL,
        "prefect-drs cancel latest --reason 'the region is back'",
    ),
    Command(
        "terminate",
        f"{CLI}.terminate:terminate",
        "Terminate what an execution launched.",
        CONTROL,
        "prefect-drs terminate 0d8f7a52-3c0e-4a1b-9f65-2b7c1d8e4f90 --skip-failback",
    ),
    Command(
        "tag-sync",
        f"{CLI}.tag_sync:tag_sync",
        "Copy EC2 tags to DRS source servers, now.",
        OPERATIONS,
        "prefect-drs tag-sync --region eu-west-1 --dry-run",
    ),
    Command(
        "op",
        f"{CLI}.op:op",
        "Run one operation, JSON in and out.",
        OPERATIONS,
        'prefect-drs op get_drs_account_capacity --body \'{"region": "eu-west-1"}\'',
    ),
    Command(
        "serve",
        f"{CLI}.serve:serve",
        "Serve the operations over REST.",
        OPERATIONS,
        "prefect-drs serve --port 8080",
    ),
    Command(
        "token",
        f"{CLI}.token:token",
        "Print a short-lived proof of your AWS identity.",
        OPERATIONS,
        "prefect-drs token --audience prefect-drs",
    ),
    Command(
        "setup",
        f"{CLI}.setup:setup",
        "Prepare a Prefect server: block types, schedules.",
        OPERATIONS,
        "prefect-drs setup",
    ),
    Command(
        "doctor",
        f"{CLI}.doctor:doctor",
        "Check the set-up: Prefect, AWS, journal, workers.",
        OPERATIONS,
        "prefect-drs doctor",
    ),
    Command(
        "completion",
        f"{CLI}.completion:completion",
        "Print a script that completes commands in a shell.",
        OPERATIONS,
        "prefect-drs completion bash > ~/.prefect-drs-completion.bash",
    ),
    Command(
        "sandbox",
        f"{CLI}.sandbox:app",
        "Run the simulated AWS for rehearsals.",
        SANDBOX,
        "",  # its own module gives it and each of its commands one
    ),
)
DEBUG_HELP = "`--debug` with any command shows the traceback of an error."


def epilogue(example: str) -> str:
    """The end of a command's help."""
    return f"Example:\n  {example}\n\n{DEBUG_HELP}"


def shown_default(default: object) -> str | None:
    """An option's default as the help shows it; options that are off or empty without a word have none."""
    return None if default is None or default is False or default == "" else str(default)
