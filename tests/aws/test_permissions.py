"""The published permissions against the calls that the package makes, of every service that it opens clients of."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from prefect_drs.aws.permissions import PURPOSES
from prefect_drs.simulator.services.dependent_actions import DEPENDENT_ACTIONS
from tests.aws.aws_calls import AwsCall, calls_in, sources, unnamed_pagers
from tests.snippets import ROOT

IAM_PREFIXES = {"service-quotas": "servicequotas"}
"""Services whose prefix in IAM is not boto3's name (Service Authorization Reference)."""
IAM_NAMES = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "ListObjectVersions"): "ListBucketVersions",
    ("s3", "ListObjectsV2"): "ListBucket",
}
"""Operations whose action in IAM has another name (Service Authorization Reference)."""

OF_THE_CALLER = ("s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject", "sts:AssumeRole")
"""Actions that the caller's own identity needs, not the role in a target account: to assume that role, to read and
write a journal in S3, or to delete it with its execution."""

OF_ANCHORS = ("kms:GetPublicKey", "kms:Sign", "s3:ListBucketVersions")
"""Actions that the caller's own identity needs where journals are anchored: to sign anchors, and to read those in a
bucket with object lock."""

OURS = frozenset({("kms", "Verify")})
"""Operations whose name a method of ours has, which the reading of the code takes for a call."""

UNRESTRICTED = ("sts:GetCallerIdentity",)
"""Actions that no policy can deny and none needs to allow (STS API reference, GetCallerIdentity)."""


@cache
def calls() -> frozenset[AwsCall]:
    """All calls to AWS of the package. Not read at import, which each process of pytest-xdist does."""
    return frozenset(call for call in calls_in(sources()) if (call.service, call.operation) not in OURS)


def action(call: AwsCall) -> str:
    """The IAM action that a call needs."""
    prefix = IAM_PREFIXES.get(call.service, call.service)
    return f"{prefix}:{IAM_NAMES.get((call.service, call.operation), call.operation)}"


def test_every_call_to_aws_is_allowed_by_a_published_policy() -> None:
    published = {each for purpose in PURPOSES if not purpose.via_drs for each in purpose.actions}
    needed = {action(call): call.file for call in sorted(calls())}
    known = {*published, *OF_THE_CALLER, *OF_ANCHORS, *UNRESTRICTED}
    missing = {name: file for name, file in needed.items() if name not in known}
    assert missing == {}


def test_what_drs_does_in_the_callers_name_is_allowed_by_a_published_policy() -> None:
    published = {each for purpose in PURPOSES for each in purpose.actions}
    made = {call.operation for call in calls() if call.service == "drs"}
    assert {"ReverseReplication", "StartRecovery"} <= made
    missing = {
        operation: sorted(set(DEPENDENT_ACTIONS[operation]) - published)
        for operation in made & DEPENDENT_ACTIONS.keys()
    }
    assert {operation: actions for operation, actions in missing.items() if actions} == {}


def test_every_published_action_is_called() -> None:
    called = {action(call) for call in calls()}
    published = {each for purpose in PURPOSES if not purpose.via_drs for each in purpose.actions}
    assert published - called == set()


def test_what_the_caller_itself_needs_is_documented() -> None:
    text = (ROOT / "docs/permissions.md").read_text(encoding="utf-8")
    assert [name for name in (*OF_THE_CALLER, *OF_ANCHORS) if f"`{name}`" not in text] == []


def test_each_name_that_is_told_to_a_person_is_that_of_a_call() -> None:
    """`aws_call` names the operation in messages: it must be one that the same file makes."""
    for name, tree in sources().items():
        told = {
            node.args[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "aws_call"
            and isinstance(node.args[0], ast.Constant)
            and re.fullmatch(r"[A-Z]\w+", str(node.args[0].value))
        }
        assert told <= {call.operation for call in calls() if call.file == name} | {"AssumeRole"}, name


def test_no_paginator_is_asked_for_by_a_computed_name() -> None:
    assert list(unnamed_pagers(sources())) == []


@pytest.mark.parametrize(
    "source",
    [
        'sessions.client("kms", region="r").describe_key(KeyId="k")',
        'def look(sessions):\n    client = sessions.client("kms")\n    return (client.describe_key, 1)',
        'sessions.client("kms").get_paginator("list_keys")',
    ],
)
def test_a_call_of_a_service_that_is_new_to_the_package_is_seen(source: str) -> None:
    assert {call.service for call in calls_in({"new.py": ast.parse(source)})} == {"kms"}


def test_a_client_that_is_handed_over_is_seen_in_the_module_that_uses_it() -> None:
    modules = {
        "opens.py": ast.parse('use(sessions.client("sns"))'),
        "uses.py": ast.parse("def use(client):\n    client.set_subscription_attributes()"),
    }
    assert AwsCall("sns", "SetSubscriptionAttributes", "uses.py") in calls_in(modules)
