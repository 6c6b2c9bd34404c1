"""AWS CLI against the sandbox over HTTP: a table of commands with the errors and fields that it answers."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from tests.e2e.foreign import aws_cli_drs, aws_cli_services
from tests.e2e.foreign.aws_cli_drs import USAGE
from tests.e2e.foreign.clients import CLIENTS, Client, estate, running, skip_if_missing

ROWS = [*aws_cli_drs.ROWS, *aws_cli_services.ROWS]
SESSION = {"AWS_ACCESS_KEY_ID": "$key", "AWS_SECRET_ACCESS_KEY": "$secret", "AWS_SESSION_TOKEN": "$session"}
AS_AUDITOR = "as-auditor "
PYTHON = CLIENTS / "bin" / "python"


def said(client: Client, command: str) -> tuple[int, str, Any]:
    """Exit code, error code and answer of a command: JSON where the CLI wrote it, else its text."""
    session = SESSION if command.startswith(AS_AUDITOR) else {}
    done = client.ask(arguments=shlex.split(command.removeprefix(AS_AUDITOR)), environment=session)
    code = re.search(r"An error occurred \((\S+?)\) when calling", done["error"])
    error = code[1] if code else USAGE if "usage: aws" in done["error"] else done["error"].strip().split("\n")[0]
    try:
        return done["code"], error, json.loads(done["output"])
    except ValueError:
        return done["code"], error, done["output"]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, Any]]:
    """The answers to all commands, run one after another: later ones name what earlier ones created."""
    skip_if_missing(PYTHON)
    found = []
    driver = str(CLIENTS.parent / "tests/e2e/foreign/aws_cli.py")
    with estate() as sandbox, running(str(PYTHON), driver, sandbox=sandbox, home=tmp_path_factory.mktemp("cli")) as aws:
        aws.kept["endpoint"] = sandbox.endpoint_url
        for command, expected in ROWS:
            sandbox.clock.advance(expected.after)
            found.append(said(aws, command))
            aws.keep(expected, found[-1][2])
    return found


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"{number:03} {ROWS[number][0][:60]}")
def test_a_command_answers_as_on_aws(answers: list[tuple[int, str, Any]], number: int) -> None:
    _, expected = ROWS[number]
    code, error, answer = answers[number]
    assert error == expected.error
    assert code == (2 if expected.error == USAGE else 255 if expected.error else 0)
    expected.check(answer)


def test_the_table_has_80_calls_of_48_commands() -> None:
    commands = {tuple(_named(command)) for command, _ in ROWS}
    assert len(ROWS) >= 80
    assert len(commands) >= 48


def _named(command: str) -> list[str]:
    """Service and operation of a command."""
    return command.removeprefix(AS_AUDITOR).replace("--endpoint-url $endpoint ", "").split()[:2]
