"""The policies in the examples are the package's own list of permissions.

python -m tests.examples.test_policies        writes examples/policies/target-account.json
"""

from __future__ import annotations

import ast
import json
from typing import Any

import hcl2

from prefect_drs.aws.permissions import policy_document
from tests.aws.test_permissions import OF_THE_CALLER
from tests.examples.places import EXAMPLES

POLICY = EXAMPLES / "policies/target-account.json"
TARGET = EXAMPLES / "terraform/target-account/main.tf"
ORCHESTRATOR = EXAMPLES / "terraform/orchestrator/main.tf"
CDK = EXAMPLES / "cdk/app.py"
INLINE_LIMIT = 10_240
"""Characters of all inline policies of a role, without white space (IAM and STS quotas)."""
OF_THE_FUNCTION = {"events:PutEvents", "logs:CreateLogStream", "logs:PutLogEvents"}


def written(policy: dict[str, Any]) -> str:
    return json.dumps(policy, indent=2) + "\n"


def blocks(text: str, kind: str) -> dict[str, Any]:
    """The blocks of a kind, such as `data`, of a Terraform file: `TYPE.NAME` to its content."""
    return {
        f"{first}.{name}".replace('"', ""): content
        for block in hcl2.loads(text)[kind]
        for first, named in block.items()
        for name, content in named.items()
    }


def actions_of(document: dict[str, Any]) -> set[str]:
    return {action.strip('"') for statement in document["statement"] for action in statement["actions"]}


def test_the_policy_is_that_of_the_package() -> None:
    assert POLICY.read_text(encoding="utf-8") == written(policy_document())


def test_the_policy_fits_into_a_role() -> None:
    assert len(json.dumps(policy_document(), separators=(",", ":"))) < INLINE_LIMIT


def test_terraform_s_target_role_has_the_policy_and_asks_for_the_external_id() -> None:
    text = TARGET.read_text(encoding="utf-8")
    policy = blocks(text, "resource")["aws_iam_role_policy.orchestration"]["policy"]
    (relative,) = [part for part in policy.split('"') if part.endswith(".json")]
    assert TARGET.parent.joinpath(relative.removeprefix("${path.module}/")).resolve() == POLICY
    trust = blocks(text, "data")["aws_iam_policy_document.trust"]
    assert actions_of(trust) == {"sts:AssumeRole"}
    assert "sts:ExternalId" in str(trust["statement"])


def test_terraform_s_orchestrator_may_do_what_the_documentation_asks_for_and_nothing_else() -> None:
    caller = blocks(ORCHESTRATOR.read_text(encoding="utf-8"), "data")["aws_iam_policy_document.caller"]
    assert actions_of(caller) == {*OF_THE_CALLER, *OF_THE_FUNCTION}


def test_the_cdk_app_takes_the_policy_from_the_package_and_gives_the_orchestrator_the_same() -> None:
    tree = ast.parse(CDK.read_text(encoding="utf-8"))
    names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "policy_document" in names
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert {text for text in texts if text.partition(":")[0] in {"sts", "s3", "events"} and "*" not in text} == {
        *OF_THE_CALLER,
        "events:PutEvents",
    }


if __name__ == "__main__":
    POLICY.write_text(written(policy_document()), encoding="utf-8")
