"""Health checks and hooks in a manifest: what is accepted, and each fault with its code and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prefect_drs.plan import check_manifest, load_manifest
from prefect_drs.plan.checks import CHECK_TYPES, HOOK_TYPES, SsmCommandCheck
from prefect_drs.plan.read.bindings import Bindings
from tests.plan.files import EXAMPLES, check, codes, sound

DOCUMENT = {"documentName": "AWS-RunShellScript"}
VALID: dict[str, dict[str, Any]] = {
    "ec2Status": {},
    "tcp": {"port": 5432, "address": "{privateIp}"},
    "http": {"url": "https://{publicIp}:8443/health", "expectedStatus": [200, 204], "bodyPattern": "^ok$"},
    "ssmCommand": {**DOCUMENT, "parameters": {"commands": ["test ${HOME} && echo {name} {print}"]}},
    "ssmAutomation": {**DOCUMENT, "parameters": {"InstanceId": "{instanceId}"}},
    "postLaunchActions": {"actions": ["Verify"]},
    "lambda": {"functionName": "verify", "payload": {"servers": [{"id": "{sourceServerId}", "n": 1.5, "x": None}]}},
    "python": {"entryPoint": "row-count", "parameters": {"table": "{not a variable}"}},
}


def with_checks(*checks: Any, phase: str = "healthChecks", wave: int = 0) -> dict[str, Any]:
    manifest = sound()
    manifest["recoveryPlans"][0]["waves"][wave][phase] = list(checks)
    return manifest


def of(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **VALID[kind], **fields}


def test_every_kind_is_accepted_and_comes_out_as_its_model(tmp_path: Path) -> None:
    assert set(VALID) == set(CHECK_TYPES)
    common = {"timeoutSeconds": 90, "intervalSeconds": 5, "retries": 2, "required": False}
    manifest = with_checks(*(of(kind, name=f"the {kind}", **common) for kind in VALID))
    reading = check(tmp_path, manifest)
    assert reading.faults == ()
    assert reading.manifest is not None
    checks = reading.manifest.recovery_plans[0].waves[0].health_checks
    assert [each.type for each in checks] == list(VALID)
    assert {(each.timeout_seconds, each.interval_seconds, each.retries, each.required) for each in checks} == {
        (90, 5, 2, False)
    }
    assert type(reading.manifest).model_validate(reading.manifest.model_dump(by_alias=True)) == reading.manifest


def test_hooks_are_accepted_before_and_after_a_wave(tmp_path: Path) -> None:
    hook = {"type": "ssmCommand", **DOCUMENT, "targets": {"tag:Role": "db"}}
    manifest = with_checks(hook, {"type": "http", "url": "http://example.org/{executionId}"}, phase="preWave")
    manifest["recoveryPlans"][0]["waves"][1]["postWave"] = [{"type": "lambda", "functionName": "f"}]
    reading = check(tmp_path, manifest)
    assert reading.faults == ()
    assert reading.manifest is not None
    first = reading.manifest.recovery_plans[0].waves[0].pre_wave[0]
    assert isinstance(first, SsmCommandCheck)
    assert first.targets == {"tag:Role": ("db",)}


def test_servers_and_accounts_are_resolved_by_the_bindings(tmp_path: Path) -> None:
    manifest = with_checks(of("ec2Status", servers=["p-db1", "by name"]), of("lambda", accountId="tools"))
    manifest["protectionGroups"][0] |= {"sourceServerIds": ["p-db1"], "servers": []}
    bindings = Bindings(source_servers={"us-west-2/p-db1": "s-00000000000000009"}, accounts={"tools": "222222222222"})
    reading = check(tmp_path, manifest, bindings)
    assert reading.faults == ()
    assert reading.manifest is not None
    status, function = reading.manifest.recovery_plans[0].waves[0].health_checks
    assert status.servers == ("s-00000000000000009", "by name")
    assert function.account_id == "222222222222"  # type: ignore[union-attr]


BROKEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "no type": ({"port": 1}, "MISSING_FIELD", "ec2Status, tcp, http"),
    "an unknown type": ({"type": "tpc", "port": 1}, "INVALID_VALUE", 'did you mean "tcp"'),
    "no object": ("tcp", "WRONG_TYPE", "object"),
    "no port": ({"type": "tcp"}, "MISSING_FIELD", "port"),
    "port 0": (of("tcp", port=0), "INVALID_VALUE", "1 to 65535"),
    "a port as text": (of("tcp", port="80"), "WRONG_TYPE", "whole number"),
    "a flag as a number": (of("tcp", retries=True), "WRONG_TYPE", "whole number"),
    "no time": (of("tcp", timeoutSeconds=0), "INVALID_VALUE", "1 to 86400"),
    "two days": (of("tcp", timeoutSeconds=172_800), "INVALID_VALUE", "1 to 86400"),
    "no interval": (of("tcp", intervalSeconds=0), "INVALID_VALUE", "1 to 3600"),
    "many retries": (of("tcp", retries=21), "INVALID_VALUE", "0 to 20"),
    "a misspelt field": (of("tcp", timeoutSecond=5), "UNKNOWN_FIELD", "write timeoutSeconds"),
    "another kind's field": (
        of("tcp", url="http://x"),
        "UNKNOWN_FIELD",
        "of a check of type http, not",
    ),
    "no URL": (of("http", url="10.0.0.1/health"), "INVALID_URL", "http://"),
    "a URL without a host": (of("http", url="http:///health"), "INVALID_URL", "no host"),
    "a password in a URL": (of("http", url="http://me:secret@{privateIp}/"), "INVALID_URL", "credentials"),
    "an impossible port in a URL": (of("http", url="http://{privateIp}:99999/"), "INVALID_URL", "cannot be read"),
    "status 42": (of("http", expectedStatus=42), "INVALID_VALUE", "100 to 599"),
    "a broken pattern": (of("http", bodyPattern="("), "INVALID_PATTERN", "regular expression"),
    "an unknown variable": (of("http", url="http://{privateIP}/"), "UNKNOWN_VARIABLE", '"privateIp"'),
    "an unknown variable in a payload": (
        of("lambda", payload={"a": [{"b": "{server}"}]}),
        "UNKNOWN_VARIABLE",
        '"{server}"',
    ),
    "a variable in another case in a script": (
        of("ssmCommand", parameters={"commands": ["ping {PRIVATEIP}"]}),
        "UNKNOWN_VARIABLE",
        "privateIp",
    ),
    "a payload that is no object": (of("lambda", payload=[1]), "WRONG_TYPE", "object"),
    "a document with blanks": (of("ssmAutomation", documentName="my document"), "INVALID_DOCUMENT_NAME", "SSM"),
    "instances of a check": (of("ssmCommand", instanceIds=["i-0123456789abcdef0"]), "INSTANCES_OF_A_CHECK", "hook"),
    "another place of a command": (of("ssmCommand", region="us-east-1"), "INSTANCES_OF_A_CHECK", "region"),
    "a bad region": (of("lambda", region="virginia"), "INVALID_REGION", "us-east-1"),
    "a bad account": (of("lambda", accountId="tools"), "INVALID_ACCOUNT_ID", "accounts"),
    "a server of another wave": (
        of("ec2Status", servers=["s-00000000000000099"]),
        "CHECK_NAMES_NO_SERVER",
        "s-00000000000000099",
    ),
}


@pytest.mark.parametrize(("broken", "code", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_health_check_is_a_fault_on_its_line(broken: Any, code: str, told: str, tmp_path: Path) -> None:
    reading = check(tmp_path, with_checks(of("ec2Status"), broken))
    assert codes(reading) == [code]
    (fault,) = reading.faults
    assert told in fault.message
    lines = (tmp_path / "plan.json").read_text().splitlines()
    first = next(n for n, line in enumerate(lines, start=1) if "healthChecks" in line)
    last = next(n for n, line in enumerate(lines, start=1) if n > first and line == " " * 10 + "]")
    assert first + 3 < fault.line <= last  # inside the list, after the first, sound one
    assert reading.manifest is None


HOOKS: dict[str, tuple[dict[str, Any], str, str]] = {
    kind: ({"type": kind}, "INVALID_VALUE", "under healthChecks") for kind in CHECK_TYPES if kind not in HOOK_TYPES
} | {
    "servers": (of("lambda", payload={}, servers=["x"]), "SERVERS_OF_A_HOOK", "once for the whole wave"),
    "nowhere": ({"type": "ssmCommand", **DOCUMENT}, "COMMAND_WITHOUT_INSTANCES", "instanceIds or targets"),
    "a server's variable": ({"type": "http", "url": "http://{privateIp}/"}, "UNKNOWN_VARIABLE", "of one server"),
    "no instance": ({"type": "ssmCommand", **DOCUMENT, "instanceIds": ["db1"]}, "INVALID_INSTANCE_ID", '"db1"'),
    "six targets": (
        {"type": "ssmCommand", **DOCUMENT, "targets": {f"tag:{n}": "x" for n in range(6)}},
        "INVALID_VALUE",
        "at most",
    ),
}


@pytest.mark.parametrize("phase", ["preWave", "postWave"])
@pytest.mark.parametrize(("hook", "code", "told"), HOOKS.values(), ids=HOOKS)
def test_a_broken_hook_is_a_fault(hook: Any, code: str, told: str, phase: str, tmp_path: Path) -> None:
    reading = check(tmp_path, with_checks(hook, phase=phase))
    assert codes(reading) == [code]
    assert told in reading.faults[0].message


def test_a_hook_of_a_wave_in_two_regions_says_where(tmp_path: Path) -> None:
    manifest = with_checks({"type": "lambda", "functionName": "f"}, phase="postWave")
    manifest["protectionGroups"][1]["region"] = "eu-west-1"
    wave = manifest["recoveryPlans"][0]["waves"][0]
    wave["protectionGroupIds"] = ["pg-1", "Web"]
    del manifest["recoveryPlans"][0]["waves"][1]
    assert codes(check(tmp_path, manifest)) == ["HOOK_WITHOUT_PLACE"]
    wave["postWave"][0]["region"] = "eu-west-1"
    reading = check(tmp_path, manifest)
    assert reading.faults == ()


def test_two_checks_of_a_list_are_not_called_the_same(tmp_path: Path) -> None:
    twice = with_checks(of("tcp", name="Port"), of("tcp", name="port"), of("tcp"), of("tcp"))
    assert codes(check(tmp_path, twice)) == ["DUPLICATE_CHECK_NAME"]
    assert codes(check(tmp_path, with_checks(of("tcp", name="ec2Status-2"), of("ec2Status")))) == [
        "DUPLICATE_CHECK_NAME"
    ]


def test_checks_of_servers_that_stay_stopped_are_told_of(tmp_path: Path) -> None:
    manifest = with_checks(of("ec2Status"), of("lambda"))
    manifest["protectionGroups"][0]["launchConfig"]["launchDisposition"] = "STOPPED"
    reading = check(tmp_path, manifest)
    assert codes(reading) == ["CHECK_OF_STOPPED_SERVERS"]
    assert reading.manifest is not None


def test_checks_came_with_schema_1_1(tmp_path: Path) -> None:
    manifest = with_checks(of("ec2Status")) | {"schemaVersion": "1.0"}
    manifest["protectionGroups"][0]["servers"] = []
    assert codes(check(tmp_path, manifest)) == ["NEWER_FIELD"]


def test_the_example_of_the_documentation_is_faultless() -> None:
    example = EXAMPLES / "health-checks.yaml"
    assert check_manifest(example).faults == ()
    waves = load_manifest(example).plan().waves
    used = {each.type for wave in waves for each in (*wave.health_checks, *wave.pre_wave, *wave.post_wave)}
    assert used == set(CHECK_TYPES)


def test_the_documentation_shows_the_example_to_the_letter() -> None:
    text = (EXAMPLES.parent / "docs" / "checks.md").read_text(encoding="utf-8")
    waves = (EXAMPLES / "health-checks.yaml").read_text(encoding="utf-8").partition("    waves:\n")[2]
    assert f"```yaml\n    waves:\n{waves}```" in text
