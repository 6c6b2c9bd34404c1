"""The access policy: who has which role, and what a narrowed role covers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prefect_drs.identity import Identity, IdentityKind
from prefect_drs.identity.policy import PERMISSIONS, PolicyDocument, Role, Target, allows

ACCOUNT = "123456789012"
ISSUER = "https://login.example.com"


def aws(resource: str, service: str = "sts", account: str = ACCOUNT) -> Identity:
    return identity(IdentityKind.AWS, subject=f"arn:aws:{service}::{account}:{resource}", account_id=account)


def oidc(subject: str = "ada", *groups: str, issuer: str = ISSUER) -> Identity:
    return identity(IdentityKind.OIDC, subject=subject, issuer=issuer, groups=groups)


def identity(kind: IdentityKind, **fields: Any) -> Identity:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Identity(kind=kind, proven_by="test", proven_at=at, expires_at=at, **fields)


def policy(*grants: dict[str, Any]) -> PolicyDocument:
    filled = [{"role": Role.OPERATOR, **grant} for grant in grants]
    return PolicyDocument.model_validate({"grants": filled, "issuers": [{"issuer": ISSUER}]})


def has_role(pattern: str, who: Identity) -> bool:
    return bool(policy({"arns": [pattern]}).roles_of(who))


def test_whoever_is_not_named_has_no_role_and_no_permission():
    empty = PolicyDocument()
    assert empty.roles_of(aws("assumed-role/Admins/ada")) == ()
    assert not any(empty.with_permission(oidc(), permission) for permission in PERMISSIONS)


NAMED = [
    ("arn:aws:iam::123456789012:role/Operators", aws("assumed-role/Operators/ada"), True),
    ("arn:aws:iam::123456789012:role/dr/Operators", aws("assumed-role/Operators/ada"), True),  # STS omits the path
    ("arn:aws:iam::123456789012:role/DR-*", aws("assumed-role/DR-Ops/ada"), True),
    ("arn:aws:sts::123456789012:assumed-role/Operators/ada", aws("assumed-role/Operators/ada"), True),
    ("arn:aws:sts::123456789012:assumed-role/Operators/ada", aws("assumed-role/Operators/bob"), False),
    ("arn:aws:sts::123456789012:assumed-role/Operators/*", aws("assumed-role/Operators/bob"), True),
    ("arn:aws:iam::123456789012:user/ada", aws("user/ada", "iam"), True),
    ("arn:aws:iam::123456789012:user/*", aws("user/team/ada", "iam"), False),
    ("arn:aws:iam::123456789012:user/*/ada", aws("user/team/ada", "iam"), True),
    ("arn:aws:iam::123456789012:user/?da", aws("user/ada", "iam"), True),
    ("arn:aws:iam::123456789012:role/Operators", aws("assumed-role/Operators/ada", account="222222222222"), False),
    ("arn:aws:iam::123456789012:role/Operators", aws("assumed-role/Operators2/ada"), False),
    ("arn:aws:iam::123456789012:role/Operators", aws("assumed-role/operators/ada"), False),
    ("arn:aws:iam::123456789012:role/Op.rators", aws("assumed-role/Operators/ada"), False),
    ("arn:aws:iam::123456789012:role/*", aws("user/ada", "iam"), False),
    ("arn:aws-cn:iam::123456789012:role/Operators", aws("assumed-role/Operators/ada"), False),
    ("arn:aws:iam::123456789012:role/Operators", oidc("arn:aws:sts::123456789012:assumed-role/Operators/a"), False),
]


@pytest.mark.parametrize(("pattern", "who", "named"), NAMED, ids=lambda value: str(getattr(value, "subject", value)))
def test_a_pattern_of_an_arn_names_whom_it_says(pattern: str, who: Identity, named: bool):
    assert has_role(pattern, who) is named


def test_subjects_and_groups_count_for_their_own_issuer_only():
    found = policy({"issuer": ISSUER, "subjects": ["repo:acme/*:ref:refs/heads/main"], "groups": ["ops"]})
    assert found.roles_of(oidc("repo:acme/dr:ref:refs/heads/main")) == (Role.OPERATOR,)
    assert found.roles_of(oidc("repo:acme/dr:ref:refs/heads/other")) == ()
    assert found.roles_of(oidc("repo:acme/a/b:ref:refs/heads/main")) == ()
    assert found.roles_of(oidc("bob", "dev", "ops")) == (Role.OPERATOR,)
    assert found.roles_of(oidc("bob", "OPS")) == ()
    assert found.roles_of(oidc("bob", "ops", issuer="https://other.example.com")) == ()


FAULTY = {
    "any account": {"grants": [{"role": "DRSOperator", "arns": ["arn:aws:iam::*:role/Operators"]}]},
    "no ARN": {"grants": [{"role": "DRSOperator", "arns": ["ada"]}]},
    "everybody": {"grants": [{"role": "DRSOperator", "arns": ["*"]}]},
    "another service": {"grants": [{"role": "DRSOperator", "arns": ["arn:aws:s3::123456789012:x"]}]},
    "nobody": {"grants": [{"role": "DRSOperator"}]},
    "no such role": {"grants": [{"role": "Root", "arns": ["arn:aws:iam::123456789012:role/A"]}]},
    "no issuer": {"grants": [{"role": "DRSOperator", "groups": ["ops"]}]},
    "an issuer without names": {
        "grants": [{"role": "DRSOperator", "arns": ["arn:aws:iam::123456789012:role/A"], "issuer": ISSUER}],
        "issuers": [{"issuer": ISSUER}],
    },
    "an unknown issuer": {"grants": [{"role": "DRSOperator", "issuer": ISSUER, "groups": ["ops"]}]},
    "an issuer twice": {"issuers": [{"issuer": ISSUER}, {"issuer": ISSUER, "audience": "x"}]},
    "HMAC": {"issuers": [{"issuer": ISSUER, "algorithms": ["HS256"]}]},
    "a typing error": {"grants": [], "grant": []},
}


@pytest.mark.parametrize("what", FAULTY)
def test_a_faulty_policy_is_refused(what: str):
    with pytest.raises(ValidationError):
        PolicyDocument.model_validate(FAULTY[what])


def test_a_narrowed_grant_covers_what_a_request_names_within_it_and_nothing_unnamed():
    ada = aws("user/ada", "iam")
    found = policy({"arns": [ada.subject], "plans": ["three-*"], "accounts": ["222222222222"]})
    grants = found.with_permission(ada, "start_recovery")
    here = frozenset({"222222222222"})
    assert allows(grants, Target(plan="Three-Tier", accounts=here))
    for target in (
        Target(),
        Target(plan="Three-Tier"),
        Target(plan="other", accounts=here),
        Target(plan="Three-Tier", accounts=here | {"333333333333"}),
        Target(group="three-tier", accounts=here),
    ):
        assert not allows(grants, target)
    assert found.permissions_of(ada, narrowed=False) == ()
    assert "start_recovery" in found.permissions_of(ada, narrowed=True)


@given(st.text(alphabet="ab*?:/.[]\\", max_size=12), st.text(alphabet="ab:/.[]\\", max_size=12))
def test_no_wildcard_passes_a_slash_or_colon(pattern: str, name: str):
    found = policy({"issuer": ISSUER, "subjects": [pattern or "x"]})
    if name and found.roles_of(oidc(name)):
        assert [c for c in name if c in ":/"] == [c for c in (pattern or "x") if c in ":/"]
