"""The command `prefect-drs`: which commands there are, and what a person sees when one of them fails.

In: arguments. Out: an exit code. Commands are named by where they are and imported when one is called, so that `--help`
needs neither Prefect nor boto3. An error is told in one line (a fault each has its own) that says what to do; only
`--debug`, anywhere among the arguments, shows a traceback.

Exit codes: 0 done · 1 faults in the input · 2 wrong usage · 3 failed or partial · 4 rejected or cancelled · 5 preflight
refused · 130 interrupted · 143 terminated (SIGTERM).
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple

from cyclopts import App, CycloptsError, Group
from cyclopts.exceptions import UnknownCommandError

from prefect_drs.cli.output import print_stderr
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.plan.read.finding import did_you_mean

INTERRUPTED = 130
TERMINATED = 143
BROKEN_PIPE = 141
_USERINFO = re.compile(r"://[^/\s@]+@")  # such as the password in PREFECT_API_URL


class TerminatedError(KeyboardInterrupt):
    """The process was told to end, by SIGTERM: as a Ctrl-C, with an exit code of its own."""


class Command(NamedTuple):
    """A command: its name, where its function or sub-application is, what it does, and its heading in the help."""

    name: str
    target: str
    help: str
    group: str


PLANS, RECOVERY, CONTROL, OPERATIONS, SANDBOX = "Plans (offline)", "Recovery", "Control", "Operations", "Sandbox"

COMMANDS = (
    Command("validate", "prefect_drs.cli.plan:validate", "Check manifests; every fault with its line.", PLANS),
    Command("show", "prefect_drs.cli.plan:show", "Show a plan's waves, their order and gates.", PLANS),
    Command("diff", "prefect_drs.cli.diff:diff", "What a change of a plan does, for its review.", PLANS),
    Command("runbook", "prefect_drs.cli.run:runbook", "Dry run: exactly what a run would do.", RECOVERY),
    Command("forecast", "prefect_drs.cli.forecast:forecast", "How long a run would take, and why.", RECOVERY),
    Command("drill", "prefect_drs.cli.run:drill", "Run a plan as a drill, here and now.", RECOVERY),
    Command("recover", "prefect_drs.cli.run:recover", "Run a plan as a recovery, here and now.", RECOVERY),
    Command("status", "prefect_drs.cli.control:status", "Show executions, or one of them.", CONTROL),
    Command("approve", "prefect_drs.cli.control:approve", "Approve a wave that waits at its gate.", CONTROL),
    Command("reject", "prefect_drs.cli.control:reject", "Reject a wave that waits at its gate.", CONTROL),
    Command("pause", "prefect_drs.cli.control:pause", "Launch nothing more for now.", CONTROL),
    Command("resume", "prefect_drs.cli.control:resume", "Go on with an execution that was interrupted.", CONTROL),
    Command("cancel", "prefect_drs.cli.control:cancel", "Launch nothing more; watch what runs to its end.", CONTROL),
    Command("terminate", "prefect_drs.cli.terminate:terminate", "Terminate what an execution launched.", CONTROL),
    Command("tag-sync", "prefect_drs.cli.tag_sync:tag_sync", "EC2 tags onto DRS source servers, now.", OPERATIONS),
    Command("op", "prefect_drs.cli.op:op", "Carry out one operation, JSON in and out.", OPERATIONS),
    Command("setup", "prefect_drs.cli.setup:setup", "Make a Prefect server ready: block types, schedules.", OPERATIONS),
    Command("sandbox", "prefect_drs.cli.sandbox:app", "The simulated AWS to rehearse in.", SANDBOX),
)


def build_app() -> App:
    """The application with every command, none of them imported yet."""
    app = App(
        name="prefect-drs",
        help="Disaster recovery on AWS Elastic Disaster Recovery (DRS), orchestrated as Prefect flows.",
        help_epilogue="`--debug` with any command shows the traceback of an error.",
        version=lambda: importlib.metadata.version("prefect-drs"),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    groups = {heading: Group.create_ordered(heading) for heading in (PLANS, RECOVERY, CONTROL, OPERATIONS, SANDBOX)}
    for command in COMMANDS:
        app.command(command.target, name=command.name, help=command.help, group=groups[command.group])
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line.

    Args:
        arguments: without the program's name; those of this process where None.

    Returns:
        The exit code.
    """
    tokens, debug = _without_debug(list(sys.argv[1:] if arguments is None else arguments))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no error
    try:
        return _carry_out(tokens, debug=debug)
    except TerminatedError:
        _tell("terminated")
        return TERMINATED
    except KeyboardInterrupt:
        _tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit is quiet too
        return BROKEN_PIPE


def _carry_out(tokens: list[str], *, debug: bool) -> int:
    try:
        result = build_app()(tokens, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except UnknownCommandError as error:
        # Not traced: the text of this exception would import every command.
        name = (error.unused_tokens or ["?"])[0]
        hint = did_you_mean(name, [command.name for command in COMMANDS]) if name == tokens[0] else ""
        _tell(f"there is no command {name!r}{hint}; see {_help_for(tokens)}")
        return UsageError.exit_code
    except CycloptsError as error:
        _trace(debug)
        _tell(f"{' '.join(str(error).split()).rstrip('.')}; see {_help_for(tokens)}")
        return UsageError.exit_code
    except PrefectDrsError as error:
        _trace(debug)
        _tell(error.message)
        return error.exit_code
    except Exception as error:  # the last net: whatever it is, a person gets a line and a way on
        _trace(debug)
        _tell(_unexpected(error))
        return PrefectDrsError.exit_code


def _without_debug(tokens: list[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, and whether it was there; what follows `--` is left alone."""
    end = tokens.index("--") if "--" in tokens else len(tokens)
    kept = [argument for argument in tokens[:end] if argument != "--debug"]
    return kept + tokens[end:], len(kept) < end


def _help_for(tokens: Sequence[str]) -> str:
    command = next((t for t in tokens[:1] if t in {c.name for c in COMMANDS}), None)
    return f"`prefect-drs {command} --help`" if command else "`prefect-drs --help`"


def _unexpected(error: Exception) -> str:
    said = " ".join(str(error).split()) or "no message"
    if type(error).__module__.partition(".")[0] in {"httpx", "httpcore"}:
        return f"the Prefect API could not be reached ({type(error).__name__}: {said}); check PREFECT_API_URL"
    return f"unexpected {type(error).__name__}: {said}; run again with --debug and report what it shows"


def _trace(debug: bool) -> None:
    if debug:
        print(_without_passwords(traceback.format_exc()), end="", file=sys.stderr)


def _tell(message: str) -> None:
    print_stderr(f"prefect-drs: {_without_passwords(message)}")


def _without_passwords(text: str) -> str:
    """The text without the user names and passwords of addresses."""
    return _USERINFO.sub("://", text)
