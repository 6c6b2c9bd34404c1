"""The policies in the examples are the package's own list of permissions.

python -m tests.examples.test_policies        writes examples/policies/target-account.json, and the policy in
                                              examples/cloudformation/target-account/template.yaml
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
from cfnlint.decode.cfn_yaml import load as load_template
from prefect_aws.observers import ecs as observing
from prefect_aws.workers import ecs_worker

from prefect_drs.aws.permissions import PURPOSES, policy_document
from tests.aws.aws_calls import calls_in, operations
from tests.aws.test_permissions import OF_ANCHORS, OF_THE_CALLER, action
from tests.examples.places import EXAMPLES

POLICY = EXAMPLES / "policies/target-account.json"
TARGET = EXAMPLES / "terraform/target-account/main.tf"
ORCHESTRATOR = EXAMPLES / "terraform/orchestrator/main.tf"
CDK = EXAMPLES / "cdk/app.py"
TARGET_TEMPLATE = EXAMPLES / "cloudformation/target-account/template.yaml"
HUB_TEMPLATE = EXAMPLES / "cloudformation/hub/template.yaml"
HUB_MODULE = EXAMPLES / "terraform/hub/main.tf"
INLINE_LIMIT = 10_240
"""Characters of all inline policies of a role, without white space (IAM and STS quotas)."""
OF_A_LOCKED_BUCKET = {"s3:GetObjectVersion", "s3:ListBucketVersions"}
"""What `verify` reads of a bucket with object lock (docs/evidence.md)."""
TO_TELL = {name for purpose in PURPOSES if purpose.sid == "TellOthers" for name in purpose.actions}
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


# ---- CloudFormation ----------------------------------------------------------------------------------------------


def statements_of(resource: Any) -> list[Any]:
    return [each for policy in resource["Properties"]["Policies"] for each in policy["PolicyDocument"]["Statement"]]


def allowed_by(statements: list[Any]) -> set[str]:
    return {name for each in statements for name in _listed(each["Action"])}


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _policy_lines(policy: dict[str, Any]) -> Iterator[str]:
    """The policy as the lines of the template that follow `PolicyDocument:`."""
    indent = " " * 12
    yield f'{indent}Version: "{policy["Version"]}"'
    yield f"{indent}Statement:"
    for statement in policy["Statement"]:
        yield f"{indent}  - Sid: {statement['Sid']}"
        yield f"{indent}    Effect: {statement['Effect']}"
        yield f"{indent}    Action:"
        yield from (f"{indent}      - {name}" for name in statement["Action"])
        yield f'{indent}    Resource: "{statement["Resource"]}"'
        if "Condition" in statement:
            yield f"{indent}    Condition:"
            yield f"{indent}      Bool:"
            yield f'{indent}        aws:ViaAWSService: "true"'


def with_policy(template: str) -> str:
    """The template of the target account with the package's policy."""
    before, _, after = template.partition("          PolicyDocument:\n")
    _, _, outputs = after.partition("\nOutputs:\n")
    lines = "\n".join(_policy_lines(policy_document()))
    return f"{before}          PolicyDocument:\n{lines}\n\nOutputs:\n{outputs}"


def test_the_target_account_s_template_has_the_package_s_policy_and_asks_for_the_external_id() -> None:
    role = load_template(str(TARGET_TEMPLATE))["Resources"]["OrchestrationRole"]
    assert {"Version": "2012-10-17", "Statement": statements_of(role)} == policy_document()
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}
    text = TARGET_TEMPLATE.read_text(encoding="utf-8")
    assert with_policy(text) == text


def test_the_hub_s_orchestrator_may_do_what_the_code_does_with_its_own_identity_and_nothing_else() -> None:
    role = load_template(str(HUB_TEMPLATE))["Resources"]["OrchestratorRole"]
    needed = {*OF_THE_CALLER, *OF_A_LOCKED_BUCKET, *TO_TELL}
    assert allowed_by(statements_of(role)) == needed
    assert {name for name in OF_ANCHORS if not name.startswith("kms:")} <= needed  # a KMS key's policy is its own


def test_the_hub_s_ecs_worker_may_do_what_prefect_aws_calls_and_nothing_else() -> None:
    """ecs:TagResource: RunTask and RegisterTaskDefinition with tags need it; iam:PassRole: the roles of the task."""
    source = Path(ecs_worker.__file__).read_text(encoding="utf-8")
    called = {action(call) for call in calls_in({"ecs_worker.py": ast.parse(source)})}
    observer = Path(observing.__file__).read_text(encoding="utf-8")
    for service, method in re.findall(r"(ecs|sqs|logs)_client\.([a-z][a-z_]+)\(", observer):
        called.add(f"{service}:{operations(service)[method]}")
    role = load_template(str(HUB_TEMPLATE))["Resources"]["WorkerRole"]
    assert allowed_by(statements_of(role)) == {*called, "ecs:TagResource", "iam:PassRole"}


def test_the_role_of_another_account_is_given_to_no_other_service() -> None:
    (passing,) = [
        each
        for each in statements_of(load_template(str(HUB_TEMPLATE))["Resources"]["WorkerRole"])
        if each["Action"] == "iam:PassRole"
    ]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


def test_terraform_s_hub_gives_the_same_permissions_as_the_template() -> None:
    module, resources = HUB_MODULE.read_text(encoding="utf-8"), load_template(str(HUB_TEMPLATE))["Resources"]
    documents = blocks(module, "data")
    role = statements_of(resources["OrchestratorRole"])
    assert actions_of(documents["aws_iam_policy_document.orchestrator"]) == allowed_by(role)
    replication = resources["ReplicationPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert actions_of(documents["aws_iam_policy_document.replication"]) == allowed_by(replication)


def test_every_terraform_file_can_be_parsed() -> None:
    for file in sorted((EXAMPLES / "terraform").rglob("*.tf")):
        assert hcl2.loads(file.read_text(encoding="utf-8")), file


if __name__ == "__main__":
    POLICY.write_text(written(policy_document()), encoding="utf-8")
    TARGET_TEMPLATE.write_text(with_policy(TARGET_TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
