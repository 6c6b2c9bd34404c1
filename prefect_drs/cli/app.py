"""The command `prefect-drs`: its commands, and what a person sees when one of them fails.

In: arguments. Out: an exit code. Commands are named by their module and imported when one is called, so that `--help`
loads cyclopts and rich alone. An error is one line on stderr (one line per fault) that says what to do; only `--debug`,
anywhere among the arguments, shows a traceback.

Exit codes: 0 done · 1 faults in the input · 2 wrong usage · 3 failed or partial · 4 rejected or cancelled · 5 preflight
refused · 6 the Prefect API, AWS or credentials cannot be reached · 130 interrupted · 143 terminated (SIGTERM).
"""

from __future__ import annotations

import atexit
import gc
import os
import re
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.exceptions import UnknownCommandError

from prefect_drs.cli.commands import COMMANDS, DEBUG_HELP, HEADINGS, epilogue, shown_default
from prefect_drs.cli.output import print_stderr
from prefect_drs.core.errors import UNREACHABLE, PrefectDrsError, UsageError

atexit.register(
    gc.freeze
)  # the process ends: a search of all modules for cycles, which costs 25 ms, would free nothing

INTERRUPTED = 130
TERMINATED = 143
BROKEN_PIPE = 141
_USERINFO = re.compile(r"://[^/\s@]+@")  # such as the password in PREFECT_API_URL


class TerminatedError(KeyboardInterrupt):
    """SIGTERM ended the process: handled as Ctrl-C, with an exit code of its own."""


def build_app() -> App:
    """The application with every command, none of them imported yet."""
    app = App(
        name="prefect-drs",
        help="Disaster recovery on AWS Elastic Disaster Recovery (DRS), orchestrated as Prefect flows.",
        help_format="plaintext",  # Markdown would load markdown-it and pygments
        help_epilogue=DEBUG_HELP,
        default_parameter=Parameter(show_default=shown_default),
        version=_version,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    groups = {heading: Group.create_ordered(heading) for heading in HEADINGS}
    for name, target, help, heading, example in COMMANDS:
        own = {"help_epilogue": epilogue(example)} if example else {}
        app.command(target, name=name, help=help, group=groups[heading], **own)
    return app


def _version() -> str:
    from importlib.metadata import version  # --help does not need it

    return version("prefect-drs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: without the program's name; those of this process where None.

    Returns:
        The exit code.
    """
    tokens, debug = _without_debug(list(sys.argv[1:] if arguments is None else arguments))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show must not fail
    try:
        return _run(tokens, debug=debug)
    except TerminatedError:
        _print_error("terminated")
        return TERMINATED
    except KeyboardInterrupt:
        _print_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit is quiet too
        return BROKEN_PIPE


def _run(tokens: list[str], *, debug: bool) -> int:
    try:
        result = build_app()(tokens, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except UnknownCommandError as error:
        from prefect_drs.plan.read.finding import did_you_mean

        # No traceback: the text of this exception would import every command.
        name = (error.unused_tokens or ["?"])[0]
        hint = did_you_mean(name, [command.name for command in COMMANDS]) if name == tokens[0] else ""
        _print_error(f"there is no command {name!r}{hint}; see {_help_for(tokens)}")
        return UsageError.exit_code
    except CycloptsError as error:
        _trace(debug)
        _print_error(f"{' '.join(str(error).split()).rstrip('.')}; see {_help_for(tokens)}")
        return UsageError.exit_code
    except PrefectDrsError as error:
        _trace(debug)
        _print_error(error.message)
        return error.exit_code
    except Exception as error:  # whatever it is, the user gets one line that says what to do
        _trace(debug)
        _print_error(_unexpected(error))
        return UNREACHABLE if _is_of_http(error) else PrefectDrsError.exit_code


def _without_debug(tokens: list[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, and whether it was there; arguments after `--` stay as they are."""
    end = tokens.index("--") if "--" in tokens else len(tokens)
    others = [argument for argument in tokens[:end] if argument != "--debug"]
    return others + tokens[end:], len(others) < end


def _help_for(tokens: Sequence[str]) -> str:
    command = next((t for t in tokens[:1] if t in {c.name for c in COMMANDS}), None)
    return f"`prefect-drs {command} --help`" if command else "`prefect-drs --help`"


def _unexpected(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    if _is_of_http(error):
        return f"the Prefect API could not be reached ({type(error).__name__}: {text}); check PREFECT_API_URL"
    return f"unexpected {type(error).__name__}: {text}; run again with --debug and report the output"


def _is_of_http(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in {"httpx", "httpcore"}


def _trace(debug: bool) -> None:
    if debug:
        import traceback

        print(_without_passwords(traceback.format_exc()), end="", file=sys.stderr)


def _print_error(message: str) -> None:
    print_stderr(f"prefect-drs: {_without_passwords(message)}")


def _without_passwords(text: str) -> str:
    """The text without the user names and passwords in URLs."""
    return _USERINFO.sub("://", text)
