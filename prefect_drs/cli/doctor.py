"""`doctor`: say whether this set-up is ready for a recovery, a finding a line, each with its remedy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefect_drs.cli.output import print_json, print_stdout

if TYPE_CHECKING:
    from prefect_drs.operations.doctor import Diagnosis, Finding


def doctor(
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
    send_test: Annotated[bool, Parameter(negative="")] = False,
    timeout: float = 30.0,
) -> int:
    """Check what a recovery needs: Prefect, workers, clocks, journal, accounts, DRS, notifications.

    Changes nothing but one small object in the journal store, and sends nothing unless asked. Exit codes: 0 without a
    fault (warnings do not fail), 6 where Prefect, AWS or credentials cannot be reached, 1 for any other fault.

    Parameters
    ----------
    json
        Print JSON.
    send_test
        Send a test message by every channel of notifications.
    timeout
        Seconds that each check may take; they run side by side.
    """
    from prefect_drs.cli.screen import quiet_prefect
    from prefect_drs.core.errors import UsageError
    from prefect_drs.operations.doctor import diagnose

    if timeout <= 0:
        raise UsageError(f"invalid --timeout {timeout:g}: use a positive number of seconds")
    quiet_prefect()
    diagnosis = diagnose(seconds=timeout, send_test=send_test)
    if json:
        print_json(diagnosis.model_dump_json(by_alias=True, indent=2))
    else:
        _print(diagnosis)
    return diagnosis.exit_code


def _print(diagnosis: Diagnosis) -> None:
    if not sys.stdout.isatty():
        for finding in diagnosis.findings:
            print_stdout(f"{finding.level:<7}  {_what(finding)}{_text(finding)}")
        return
    from rich.text import Text

    from prefect_drs.cli.console import console

    styles = {"ok": "green", "warning": "yellow", "fault": "bold red"}
    screen = console()
    for finding in diagnosis.findings:
        level = (f"{finding.level:<7}  ", styles[finding.level])
        screen.print(Text.assemble(level, (_what(finding), "bold"), _text(finding)), soft_wrap=True)


def _what(finding: Finding) -> str:
    return f"{finding.check} {finding.subject}: " if finding.subject else f"{finding.check}: "


def _text(finding: Finding) -> str:
    return f"{finding.message}; {finding.remedy}" if finding.remedy else finding.message
