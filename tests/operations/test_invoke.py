"""One way in for every operation: its event, its body's faults, its answer."""

from __future__ import annotations

import json

import pytest

from prefect_drs.cli import main
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import OPERATIONS, Context, invoke, unwrap


@pytest.mark.parametrize("key", ["body", "queryParams", "parameters"])
def test_an_event_holds_its_parameters_under_any_of_three_keys(key):
    assert unwrap({"operation": "get_x", key: {"region": "eu-west-1"}}) == ("get_x", {"region": "eu-west-1"})


def test_an_event_may_hold_its_parameters_at_the_top():
    assert unwrap({"operation": "get_x", "region": "eu-west-1"}) == ("get_x", {"region": "eu-west-1"})


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"operation": 7},
        {"operation": "x", "body": []},
        {"operation": "x", "body": {}, "parameters": {}},
        {"operation": "x", "body": {}, "region": "eu-west-1"},
    ],
)
def test_what_is_no_call_is_refused(event):
    with pytest.raises(PrefectDrsError) as refused:
        unwrap(event)
    assert refused.value.code == "INVALID_INVOCATION"


def test_an_unknown_operation_is_named_with_the_nearest():
    with pytest.raises(PrefectDrsError, match="get_current_account_id") as refused:
        invoke("get_curent_account_id")
    assert refused.value.code == "INVALID_OPERATION"


def test_an_unknown_field_is_refused_before_anything_is_called():
    with pytest.raises(PrefectDrsError, match="accountId is not known") as refused:
        invoke("get_current_account_id", {"accountId": "secret-looking"})
    assert refused.value.code == "VALIDATION_ERROR"
    assert "secret-looking" not in str(refused.value)


def test_a_context_names_the_caller():
    assert Context(caller="ada").caller == "ada"


@pytest.mark.parametrize("body", ["[1]", "{", "@/no/such/file"])
def test_a_body_that_cannot_be_read_is_wrong_usage(body, capsys):
    assert main(["op", "get_current_account_id", "--body", body]) == 2
    assert capsys.readouterr().err.startswith("prefect-drs: ")


def test_a_failure_prints_its_body_on_stdout_and_a_line_on_stderr(capsys):
    assert main(["op", "get_current_account_id", "--body", '{"x": 1}']) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == "VALIDATION_ERROR"
    assert err.count("\n") == 1


def test_all_operations_are_listed(capsys):
    assert main(["op", "--list"]) == 0
    assert all(operation.name in capsys.readouterr().out for operation in OPERATIONS[:1])
