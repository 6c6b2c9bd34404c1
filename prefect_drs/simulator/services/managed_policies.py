"""AWS's managed policies, which moto bundles and by default leaves out of IAM.

In: IAM of an account, and the ARN that a call names, or none where the call lists policies. Out: moto's IAM then has
the policy, or all of them. They are not loaded before: an account rarely uses more than a few of the 1,500.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend

LISTING = frozenset({"ListPolicies"})
"""Operations whose answer holds policies that the call does not name."""


def ensure_managed_policies(iam: IAMBackend, operation: str, arn: str) -> None:
    """Load what a call may answer; an ARN that AWS does not have is left to moto."""
    if operation in LISTING:
        for name in _bundled():
            _load(iam, name)
    elif arn.startswith(f"arn:{iam.partition}:iam::aws:policy/") and arn not in iam.managed_policies:
        _load(iam, arn.rsplit("/", 1)[-1])


@cache
def _bundled() -> dict[str, dict[str, Any]]:
    policies: dict[str, dict[str, Any]] = json.loads(aws_managed_policies_data)
    return policies


def _load(iam: IAMBackend, name: str) -> None:
    if name not in _bundled():
        return
    policy = AWSManagedPolicy.from_data(name, iam.account_id, iam.region_name, _bundled()[name])
    if policy.arn not in iam.managed_policies:
        iam.managed_policies[policy.arn] = policy
        iam.aws_managed_policies.append(policy)
