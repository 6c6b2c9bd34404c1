"""The shell commands in a message: approve, resume and cancel, each followed by a status request.

In: how the Prefect API is reached, and the gate or execution that waits. Out: lines for any POSIX shell, such as AWS
CloudShell or a laptop's. They need curl, awk, grep, sed and tr, no environment and no installation of this package;
only an approval with a proof of identity is made by `prefect-drs approve`. If
the API requires a key or a password, they read the environment variable that Prefect itself reads. The person who
answers is `$BY`, by default the user of that shell; it may hold any characters, since the shell function `json` escapes
it as part of a JSON string.

Must never: contain a secret; put an unescaped name into JSON; do anything that the form in the UI, `prefect-drs resume`
and `prefect-drs cancel` do not do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prefect_drs.core.escaping import shell_word

STATUS_DELAY_SECONDS = 10
"""Seconds between an answer and the status request: the process that runs the execution polls for answers."""

BY = 'BY="${BY:-$(whoami)@$(uname -n)}"'
JSON = (
    r"""json() { printf %s "$1" | LC_ALL=C tr '\000-\037\177' ' ' |""",
    r"""  LC_ALL=C sed 's/[\\"]/\\&/g'; }""",
)
"""A shell function: escapes its argument for a JSON string; a control character becomes a blank (RFC 8259, 7)."""
AUTHORISATION = {
    "": "",
    "key": ' -H "Authorization: Bearer $PREFECT_API_KEY"',
    "password": ' -u "$PREFECT_API_AUTH_STRING"',
}
VARIABLE = {"key": "PREFECT_API_KEY", "password": "PREFECT_API_AUTH_STRING"}
OUTCOME = 'grep -oE \'"(status|reason)":"[^"]*"\''


@dataclass(frozen=True, slots=True)
class ExecutionAccess:
    """How people outside the process reach an execution.

    Args:
        api_url: the Prefect API's address for people; None if the API runs inside the execution's process only.
        auth: what the API requires: nothing, an API `key`, or a `password` (its basic-auth string).
        link: the execution's page in the Prefect UI.
        root_id: ID of the outermost flow run of the process that runs the execution.
        suspends: whether that flow run is Suspended while every remaining wave waits at a gate.
        report_key: key of the artifact that holds the execution's report.
        request_key: prefix of the keys of control requests (`prefect_drs.orchestration.executions.control_requests`).
        without_prefect: a process carries it without Prefect: it is reached through the journals' storage.
    """

    api_url: str | None
    auth: Literal["", "key", "password"]
    link: str | None
    root_id: str
    suspends: bool
    report_key: str
    request_key: str
    without_prefect: bool = False

    @classmethod
    def by_storage(cls) -> ExecutionAccess:
        """How people reach an execution that is carried without Prefect: by `prefect-drs` alone."""
        return cls(None, "", None, "", False, "", "", without_prefect=True)

    def cli(self, command: str) -> str:
        """A command of `prefect-drs` about the execution."""
        return f"{command} --without-prefect" if self.without_prefect else command

    @property
    def curl(self) -> str:
        """The curl command: silent but for errors, authenticated, with retries of a busy server (503)."""
        return f"curl -fsS --retry 5{AUTHORISATION[self.auth]}"

    @property
    def variable(self) -> str | None:
        """The environment variable that the commands need; None if they need none."""
        return VARIABLE.get(self.auth)


def approve_command(access: ExecutionAccess, execution_id: str, flow_run_id: str) -> list[str]:
    """Approve a gate as the form in the UI does, then show the status."""
    return [
        *_addresses(access, GATE=flow_run_id),
        BY,
        *JSON,
        f'{access.curl} "$API/flow_runs/$GATE/resume" \\',
        "  -H 'Content-Type: application/json' \\",
        r"""  -d '{"run_input": {"decision": "approve", "by": "'"$(json "$BY")"'"}}' |""",
        f"  {OUTCOME}",
        *status_command(access),
    ]


def signed_approve_command(access: ExecutionAccess, execution_id: str, wave_number: int) -> list[str]:
    """Approve a gate that demands a proof, which prefect-drs makes with the AWS credentials of the shell."""
    return [
        f"export PREFECT_API_URL={shell_word(access.api_url or '')}",
        f"prefect-drs approve {shell_word(execution_id)} --wave {wave_number}",
    ]


def resume_command(access: ExecutionAccess, execution_id: str) -> list[str]:
    """End a pause as `prefect-drs resume` does, then show the status."""
    return [*_control_request(access, execution_id, "RESUME"), *status_command(access)]


def cancel_command(access: ExecutionAccess, execution_id: str) -> list[str]:
    """Cancel as `prefect-drs cancel` does, then show the status."""
    resume = [f"RUN={shell_word(access.root_id)}", f'{access.curl} -X POST "$API/flow_runs/$RUN/resume" > /dev/null']
    return [
        *_control_request(access, execution_id, "CANCEL"),
        *(resume if access.suspends else []),
        *status_command(access),
    ]


def status_command(access: ExecutionAccess) -> list[str]:
    """Wait until the process has read the answer, then show the status of the execution and of its waves."""
    return [
        f"sleep {STATUS_DELAY_SECONDS}",
        f"REPORT={shell_word(access.report_key)}",
        f'{access.curl} "$API/artifacts/$REPORT/latest" |',
        r"""  awk '{gsub(/\\\\/, "\001"); gsub(/\\n/, "\n"); gsub(/\\"/, "\"");""",
        r"""    gsub(/\001/, "\\\\"); print}' |""",
        "  grep -E '^ {2,6}\"(status|waveName|reason)\"'",
    ]


def _control_request(access: ExecutionAccess, execution_id: str, action: str) -> list[str]:
    return [
        *_addresses(access, EXECUTION=execution_id),
        BY,
        *JSON,
        f"KEY={shell_word(access.request_key)}$(date -u +%Y%m%d-%H%M%S)-000000",
        f"""REQUEST='{{"wish": "{action}", "by": "'"$(json "$BY")"'", "reason": "by mail"}}'""",
        f'{access.curl} "$API/flow_runs/$EXECUTION/input" \\',
        "  -H 'Content-Type: application/json' \\",
        r"""  -d '{"key": "'"$KEY"'", "value": "'"$(json "$REQUEST")"'"}' > /dev/null &&""",
        f"  echo {action.lower()} requested",
    ]


def _addresses(access: ExecutionAccess, **ids: str) -> list[str]:
    return [f"API={shell_word(access.api_url or '')}", *(f"{name}={shell_word(value)}" for name, value in ids.items())]
