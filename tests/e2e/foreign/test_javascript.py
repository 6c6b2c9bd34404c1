"""The AWS SDK for JavaScript against the sandbox over HTTP: a table of commands with their errors and fields."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.foreign.clients import ACCOUNT, SERVERS, Expected, estate, node, running, skip_if_missing

ONE, TWO, THREE, FOUR = SERVERS
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
SCRIPT = __file__.replace("test_javascript.py", "javascript.mjs")
Row = tuple[str, str, dict[str, Any], Expected]


def row(service: str, command: str, given: dict[str, Any], fields: dict[str, Any], **expected: Any) -> Row:
    """A command with its input, and what its answer holds."""
    return service, command, given, Expected(fields=fields, **expected)


ROWS = [
    row("sts", "GetCallerIdentity", {}, {"Account": ACCOUNT}),
    row("drs", "DescribeJobs", {}, {}, error="UninitializedAccountException 400"),
    row("drs", "InitializeService", {}, {'"$metadata".httpStatusCode': 204}),
    row("drs", "DescribeSourceServers", {"maxResults": 3}, {"length(items)": 3, "items[0].sourceServerID": ONE},
        keep={"token": "nextToken"}),
    row("drs", "DescribeSourceServers", {"maxResults": 3, "nextToken": "$token"},
        {"items[].sourceServerID": [FOUR], "nextToken": None}),
    row("drs", "DescribeSourceServers", {"maxResults": 0}, {}, error="ValidationException 400"),
    row("drs", "DescribeRecoverySnapshots", {"sourceServerID": ONE, "maxResults": 1},
        {"items[0].snapshotID": re.compile("pit-[0-9a-f]{17}"), "items[0].timestamp": ISO}),
    row("drs", "GetLaunchConfiguration", {"sourceServerID": ONE}, {"launchDisposition": "STARTED"},
        keep={"template": "ec2LaunchTemplateID"}),
    row("drs", "GetLaunchConfiguration", {"sourceServerID": "s-" + "f" * 17}, {},
        error="ResourceNotFoundException 404"),
    row("drs", "UpdateLaunchConfiguration", {"sourceServerID": ONE, "copyTags": True}, {"copyTags": True}),
    row("ec2", "DescribeLaunchTemplateVersions", {"LaunchTemplateId": "$template", "Versions": ["1"]},
        {"LaunchTemplateVersions[0].DefaultVersion": True}),
    row("drs", "StartRecovery", {"isDrill": True, "sourceServers": [{"sourceServerID": ONE}, {"sourceServerID": TWO}]},
        {"job.status": "PENDING", "job.initiatedBy": "START_DRILL", "job.creationDateTime": ISO},
        keep={"job": "job.jobID"}),
    row("drs", "StartRecovery", {"isDrill": True, "sourceServers": [{"sourceServerID": ONE}]}, {},
        error="ConflictException 409"),
    row("drs", "DescribeJobs", {"filters": {"jobIDs": ["$job"]}},
        {"items[0].status": "COMPLETED", "items[0].participatingServers[].launchStatus": ["LAUNCHED", "LAUNCHED"]},
        after=4 * 3600, keep={"instance": "items[0].participatingServers[0].recoveryInstanceID"}),
    row("drs", "DescribeJobLogItems", {"jobID": "$job"}, {"items[0].event": "JOB_START", "items[-1].event": "JOB_END"}),
    row("drs", "DescribeRecoveryInstances", {"filters": {"sourceServerIDs": [ONE]}},
        {"items[0].isDrill": True, "items[0].ec2InstanceState": "RUNNING"}),
    row("ec2", "DescribeInstances", {"InstanceIds": ["$instance"]},
        {"Reservations[0].Instances[0].State.Name": "running", "Reservations[0].Instances[0].LaunchTime": ISO}),
    row("drs", "ListTagsForResource", {"resourceArn": f"arn:aws:drs:us-west-2:{ACCOUNT}:source-server/{ONE}"},
        {"tags.Name": "shop1"}),
    row("drs", "TerminateRecoveryInstances", {"recoveryInstanceIDs": ["$instance"]}, {"job.type": "TERMINATE"}),
    row("sts", "AssumeRole", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/None", "RoleSessionName": "js"}, {},
        error="AccessDenied 403"),
]  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The answers to all commands, sent one after another: later ones name what earlier ones created."""
    program = node()
    skip_if_missing(program)
    found = []
    home = tmp_path_factory.mktemp("javascript")
    with estate() as sandbox, running(str(program), SCRIPT, sandbox=sandbox, home=home) as sdk:
        for service, command, given, expected in ROWS:
            sandbox.clock.advance(expected.after)
            found.append(sdk.ask(service=service, command=command, input=given))
            sdk.keep(expected, found[-1].get("answer"))
    return found


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"{number:02} {ROWS[number][1]}")
def test_a_command_answers_as_on_aws(answers: list[dict[str, Any]], number: int) -> None:
    expected = ROWS[number][3]
    answer = answers[number]
    error = f"{answer['error']} {answer['status']}" if "error" in answer else ""
    assert error == expected.error
    expected.check(answer.get("answer"))


def test_no_command_was_sent_twice(answers: list[dict[str, Any]]) -> None:
    """What the SDK takes for a passing error, it repeats."""
    tried = [
        answer.get("attempts", answer.get("answer", {}).get("$metadata", {}).get("attempts")) for answer in answers
    ]
    assert tried == [1] * len(ROWS)


def test_the_table_has_15_calls() -> None:
    assert len(ROWS) >= 15
