"""Roles for the sandbox: a target account's role for the caller, with a trust policy and a permissions policy.

In: an account, a name, an ExternalId, the missing actions. Out: the role's ARN in moto's IAM. By default a role allows
everything, so that a test sets only what it needs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

from .drs.instances import seeded_ec2

POLICY_NAME = "prefect-drs"


def plant_role(
    account_id: str,
    name: str = "DRSOrchestrationRole",
    *,
    external_id: str | None = None,
    missing_actions: Sequence[str] = (),
    trusted_account: str = DEFAULT_ACCOUNT_ID,
    max_session_seconds: int = 3600,
    partition: str = "aws",
) -> str:
    """Create or update a role that another account may assume.

    Args:
        account_id: its account.
        name: its name.
        external_id: the ExternalId that its trust policy requires; default: none.
        missing_actions: the actions that it does not allow, with IAM's wildcards (`ec2:Describe*`); it allows all
            others.
        trusted_account: the account that may assume it.
        max_session_seconds: its MaxSessionDuration.
        partition: the account's partition.

    Returns:
        Its ARN.
    """
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{trusted_account}:root"},
        "Action": "sts:AssumeRole",
    }
    if external_id is not None:
        trust["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    allowed = {"NotAction": list(missing_actions)} if missing_actions else {"Action": "*"}
    iam = iam_backends[account_id][partition]
    role = next((found for found in iam.get_roles() if found.name == name), None)
    if role is None:
        with seeded_ec2("role", account_id, name):
            role = iam.create_role(name, "", "/", None, "made by prefect-drs sandbox", [], str(max_session_seconds))
    role.assume_role_policy_document = _document(trust)
    role.max_session_duration = str(max_session_seconds)
    role.policies[POLICY_NAME] = _document({"Effect": "Allow", "Resource": "*", **allowed})
    return str(role.arn)


def remove_role(account_id: str, name: str = "DRSOrchestrationRole", *, partition: str = "aws") -> None:
    """Delete a role with its policies, if it exists."""
    iam = iam_backends[account_id][partition]
    for role_id, role in list(iam.roles.items()):
        if role.name == name:
            del iam.roles[role_id]


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
