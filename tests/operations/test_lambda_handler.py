"""The Lambda handler: an event in, JSON values out, whatever the event is; who calls; which files it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_drs.lambda_handler import caller_of, handler
from prefect_drs.operations import error_body
from tests.operations.events import MANIFEST


def lambda_context(*, cognito: str | None = None, client: str | None = None, name: str = "drs-ops") -> Any:
    """What Lambda's runtime passes: a client context without `custom` is None there."""
    return SimpleNamespace(
        function_name=name,
        aws_request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        identity=SimpleNamespace(cognito_identity_id=cognito, cognito_identity_pool_id=None),
        client_context=None if client is None else SimpleNamespace(custom={"caller": client}, env={}, client={}),
    )


@pytest.mark.parametrize("key", ["body", "queryParams", "parameters"])
def test_an_answer_is_the_operation_s_own(key):
    answer = handler({"operation": "validate_manifest", key: {"manifest": MANIFEST}}, lambda_context())
    assert (answer["valid"], answer["recoveryPlans"]) == (True, ["Shop"])
    json.dumps(answer)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (None, "INVALID_INVOCATION"),
        ("get_execution", "INVALID_INVOCATION"),
        ({"operation": "get_executoin"}, "INVALID_OPERATION"),
        ({"operation": "get_execution"}, "MISSING_PARAMETER"),
        ({"operation": "get_execution", "body": {"executionId": 7}}, "VALIDATION_ERROR"),
        ({"operation": "validate_manifest", "body": {"manifest": "plan.yaml"}}, "INVALID_PARAMETER"),
        ({"operation": "show_plan", "body": {"manifest": {}}}, "VALIDATION_ERROR"),
    ],
)
def test_a_mistake_of_the_caller_is_an_answer_with_a_code(event, code):
    answer = handler(event, lambda_context())
    assert answer.keys() == {"error", "message", "details"}
    assert answer["error"] == code
    json.dumps(answer)


@pytest.mark.parametrize(
    "event",
    [
        {"operation": "list_executions"},
        {"operation": "list_gates"},
        {"operation": "list_recovery_plans"},
        {
            "operation": "start_execution",
            "parameters": {"manifest": MANIFEST, "executionType": "DRILL", "foreground": True},
        },
    ],
    ids=lambda event: event["operation"],
)
def test_without_a_prefect_api_no_server_is_started(event):
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        answer = handler(event, lambda_context())
    assert answer["error"] == "PREFECT_UNREACHABLE"
    assert "PREFECT_API_URL" in answer["message"]


def test_an_unknown_error_is_an_answer_without_its_text():
    assert error_body(ValueError("token abc")) == {
        "error": "INTERNAL_ERROR",
        "message": "an error that prefect-drs does not know (ValueError); the log of this process has its details",
        "details": {},
    }


@pytest.mark.parametrize(
    ("context", "event", "parameters", "caller"),
    [
        (lambda_context(cognito="eu-west-1:1f", client="bo"), {"caller": "ada"}, {"initiatedBy": "cy"}, "eu-west-1:1f"),
        (lambda_context(client="bo"), {"caller": "ada"}, {"initiatedBy": "cy"}, "bo"),
        (lambda_context(), {"caller": "ada"}, {"initiatedBy": "cy"}, "ada"),
        (lambda_context(), {}, {"initiatedBy": "cy"}, "cy"),
        (lambda_context(), {"caller": " "}, {}, "drs-ops"),
        (None, None, {}, "lambda"),
    ],
)
def test_the_caller_is_what_aws_proves_or_else_what_is_claimed(context, event, parameters, caller):
    assert caller_of(event, parameters, context) == caller


def test_the_event_s_caller_is_no_parameter():
    event = {"operation": "get_user_permissions", "body": {}, "caller": "ada"}
    assert handler(event, lambda_context())["user"] == "ada"


def test_the_handler_works_without_a_home_and_writes_nothing_where_it_is(tmp_path: Path):
    folder = tmp_path / "task"
    folder.mkdir()
    folder.chmod(0o555)
    for name in ("prefect", "prefect-drs"):  # of another user, who may have made them first
        (tmp_path / name).touch()
    code = (
        "import json, sys\n"
        "from prefect_drs.lambda_handler import handler\n"
        "answer = handler({'operation': 'get_user_permissions'}, None)\n"
        "print(json.dumps([answer, sorted(sys.modules)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"HOME": "/nonexistent", "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    answer, loaded = json.loads(done.stdout)
    assert answer["user"] == "lambda"
    assert not done.stderr, "a home that cannot be made is warned of"
    assert list(folder.iterdir()) == []
    (own,) = (path for path in tmp_path.iterdir() if path.is_dir() and path != folder)
    assert (own.stat().st_mode & 0o777, own.name.startswith("prefect-drs-")) == (0o700, True)
    assert not Path("/nonexistent").exists()
    assert not {"prefect.server", "moto", "prefect_drs.simulator", "prefect_drs.cli"} & set(loaded)
