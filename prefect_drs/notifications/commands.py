"""The commands of a pause mail: to resume and to cancel, each followed by a look at the status.

In: how the Prefect API is reached, and what waits. Out: lines that work as they stand in any POSIX shell, that of AWS
CloudShell or of a laptop: they need curl, awk, grep, sed and tr, no environment and nothing of this package. Where the
API wants a key or a password they read it from the variable that Prefect itself reads it from. The person who answers
is `$BY`, by default the user of that shell; any name may stand there, since the shell function `json` makes it part of
a JSON string.

Must never: hold a secret; put a name that the shell does not escape into JSON; do anything else than the form in the
UI, `prefect-drs resume` and `prefect-drs cancel` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prefect_drs.core.escaping import shell_word

LOOK_AFTER_SECONDS = 10
"""How long the process may take to hear of an answer, before a look at the status is worth it."""

BY = 'BY="${BY:-$(whoami)@$(uname -n)}"'
JSON = (
    r"""json() { printf %s "$1" | LC_ALL=C tr '\000-\037\177' ' ' |""",
    r"""  LC_ALL=C sed 's/[\\"]/\\&/g'; }""",
)
"""A shell function: its argument as the inside of a JSON string; a control character becomes a blank (RFC 8259, 7)."""
AUTHORISATION = {
    "": "",
    "key": ' -H "Authorization: Bearer $PREFECT_API_KEY"',
    "password": ' -u "$PREFECT_API_AUTH_STRING"',
}
VARIABLE = {"key": "PREFECT_API_KEY", "password": "PREFECT_API_AUTH_STRING"}
OUTCOME = 'grep -oE \'"(status|reason)":"[^"]*"\''


@dataclass(frozen=True, slots=True)
class Reach:
    """How people reach an execution.

    Args:
        api_url: the Prefect API as they reach it; None where it lives in the execution's own process only.
        secret: what the API asks for: nothing, an API `key`, or a `password` (its basic-auth string).
        link: the execution's page in the Prefect UI.
        root_id: the outermost flow run of the process that carries it out.
        suspends: whether that flow run is Suspended while nothing but gates is left.
        report_key: of the artifact that holds the execution's report.
        request_key: how the keys of stored wishes begin (see `prefect_drs.orchestration.executions.control_requests`).
    """

    api_url: str | None
    secret: Literal["", "key", "password"]
    link: str | None
    root_id: str
    suspends: bool
    report_key: str
    request_key: str

    @property
    def curl(self) -> str:
        """curl, quiet but for errors, with what the API asks for; a server that is busy (503) is asked again."""
        return f"curl -fsS --retry 5{AUTHORISATION[self.secret]}"

    @property
    def variable(self) -> str | None:
        """The environment variable that the commands need."""
        return VARIABLE.get(self.secret)


def approve_command(reach: Reach, execution_id: str, flow_run_id: str) -> list[str]:
    """Answer a gate as the form in the UI does, then look."""
    return [
        *_addresses(reach, GATE=flow_run_id),
        BY,
        *JSON,
        f'{reach.curl} "$API/flow_runs/$GATE/resume" \\',
        "  -H 'Content-Type: application/json' \\",
        r"""  -d '{"run_input": {"decision": "approve", "by": "'"$(json "$BY")"'"}}' |""",
        f"  {OUTCOME}",
        *status_command(reach),
    ]


def resume_command(reach: Reach, execution_id: str) -> list[str]:
    """End a pause as `prefect-drs resume` does, then look."""
    return [*_wish(reach, execution_id, "RESUME"), *status_command(reach)]


def cancel_command(reach: Reach, execution_id: str) -> list[str]:
    """Cancel as `prefect-drs cancel` does, then look."""
    wake = [f"RUN={shell_word(reach.root_id)}", f'{reach.curl} -X POST "$API/flow_runs/$RUN/resume" > /dev/null']
    return [*_wish(reach, execution_id, "CANCEL"), *(wake if reach.suspends else []), *status_command(reach)]


def status_command(reach: Reach) -> list[str]:
    """Wait until the answer has arrived, then show how the execution and its waves stand."""
    return [
        f"sleep {LOOK_AFTER_SECONDS}",
        f"REPORT={shell_word(reach.report_key)}",
        f'{reach.curl} "$API/artifacts/$REPORT/latest" |',
        r"""  awk '{gsub(/\\\\/, "\001"); gsub(/\\n/, "\n"); gsub(/\\"/, "\"");""",
        r"""    gsub(/\001/, "\\\\"); print}' |""",
        "  grep -E '^ {2,6}\"(status|waveName|reason)\"'",
    ]


def _wish(reach: Reach, execution_id: str, wish: str) -> list[str]:
    return [
        *_addresses(reach, EXECUTION=execution_id),
        BY,
        *JSON,
        f"KEY={shell_word(reach.request_key)}$(date -u +%Y%m%d-%H%M%S)-000000",
        f"""WISH='{{"wish": "{wish}", "by": "'"$(json "$BY")"'", "reason": "by mail"}}'""",
        f'{reach.curl} "$API/flow_runs/$EXECUTION/input" \\',
        "  -H 'Content-Type: application/json' \\",
        r"""  -d '{"key": "'"$KEY"'", "value": "'"$(json "$WISH")"'"}' > /dev/null &&""",
        f"  echo asked to {wish.lower()}",
    ]


def _addresses(reach: Reach, **ids: str) -> list[str]:
    return [f"API={shell_word(reach.api_url or '')}", *(f"{name}={shell_word(value)}" for name, value in ids.items())]
