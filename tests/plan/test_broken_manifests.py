"""Broken manifests in a table: each gives its fault on its line, and never another exception."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.plan import check_manifest
from tests.plan.files import check, codes, place, sound

TEXTS: dict[str, tuple[str, bytes, str, int]] = {
    # what: (suffix, content, code, line)
    "truncated JSON": (".json", b'{\n  "schemaVersion": "1.1",\n  "protectionGroups": [\n', "INVALID_JSON", 3),
    "cut in a text": (".json", b'{\n  "schemaVersion": "1.', "INVALID_JSON", 2),
    "a comma too many": (".json", b'{\n  "a": [1,\n ]}', "INVALID_JSON", 3),
    "single quotes": (".json", b"{\n 'a': 1}", "INVALID_JSON", 2),
    "text after the end": (".json", b'{}\n{"a": 1}', "INVALID_JSON", 2),
    "NaN": (".json", b'{"schemaVersion": "1.1",\n "protectionGroups": NaN}', "INVALID_JSON", 2),
    "Infinity": (".json", b'{"x": [1,\n-Infinity]}', "INVALID_JSON", 2),
    "YAML called JSON": (".json", b"schemaVersion: '1.1'\n", "INVALID_JSON", 1),
    "a key twice, JSON": (".json", b'{"schemaVersion": "1.1",\n"schemaVersion": "1.1"}', "DUPLICATE_KEY", 2),
    "a key twice, YAML": (".yaml", b"schemaVersion: '1.1'\nx: 1\nschemaVersion: '1.1'\n", "DUPLICATE_KEY", 3),
    "no bytes": (".json", b"", "EMPTY_FILE", 1),
    "blanks only": (".yaml", b" \n\n \n", "EMPTY_FILE", 1),
    "comments only": (".yaml", b"# nothing\n", "WRONG_TYPE", 1),
    "Latin-1": (".yaml", "schemaVersion: '1.1'\nx: é\n".encode("latin-1"), "NOT_UTF8", 2),
    "UTF-16": (".json", '{"a": 1}'.encode("utf-16"), "NOT_UTF8", 1),
    "binary": (".json", bytes(range(256)), "NOT_UTF8", 2),
    "NUL": (".yaml", b"a: 1\nb: \0\n", "NOT_TEXT", 2),
    "control characters": (".yaml", b"a: \x01\n", "INVALID_YAML", 1),
    "lists without end, JSON": (".json", b"[" * 1_000_000, "NESTED_TOO_DEEPLY", 1),
    "objects without end, JSON": (".json", b'{"a":' * 500_000, "NESTED_TOO_DEEPLY", 1),
    "lists without end, YAML": (".yaml", b"[" * 1_000_000, "NESTED_TOO_DEEPLY", 1),
    "dashes without end, YAML": (".yaml", b"- " * 100_000 + b"x", "NESTED_TOO_DEEPLY", 1),
    "an alias to itself": (".yaml", b"x: 1\na: &a [*a]\n", "INVALID_YAML", 2),
    "an alias to nothing": (".yaml", b"a: *b\n", "INVALID_YAML", 1),
    "a Python tag": (".yaml", b"a: 1\nb: !!python/object/apply:os.getcwd []\n", "UNSUPPORTED_TAG", 2),
    "two documents": (".yaml", b"a: 1\n---\nb: 1\n", "SEVERAL_DOCUMENTS", 2),
    "a tab to indent": (".yaml", b"a:\n\tb: 1\n", "INVALID_YAML", 2),
    "template braces": (".yaml", b"a: 1\nb: {{ name }}\n", "WRONG_TYPE", 2),
    "a colon too many": (".yaml", b"a: b: c\n", "INVALID_YAML", 1),
    "a list": (".json", b"[1, 2]", "WRONG_TYPE", 1),
    "a number": (".json", b"17", "WRONG_TYPE", 1),
    "null": (".json", b"null", "WRONG_TYPE", 1),
    "a text": (".yaml", b"hello", "WRONG_TYPE", 1),
}


@pytest.mark.parametrize(("suffix", "content", "code", "line"), TEXTS.values(), ids=TEXTS)
def test_a_text_that_is_no_manifest_is_a_fault_on_its_line(
    suffix: str, content: bytes, code: str, line: int, tmp_path: Path
) -> None:
    file = tmp_path / f"plan{suffix}"
    file.write_bytes(content)
    reading = check_manifest(file)
    assert reading.manifest is None
    assert (code, line) in [(fault.code, fault.line) for fault in reading.errors], reading.faults
    assert all("\n" not in str(fault) for fault in reading.faults)


def set_(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        place(manifest, *path[:-1])[path[-1]] = to

    return change


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        del place(manifest, *path[:-1])[path[-1]]

    return change


def add(*path: str | int, item: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        place(manifest, *path).append(item)

    return change


DB = ("protectionGroups", 0)
FIRST = (*DB, "servers", 0)
TEMPLATE = (*FIRST, "launchTemplate")
WAVES = ("recoveryPlans", 0, "waves")
OTHER_GROUP = {"groupName": "Other", "region": "us-west-2", "accountId": "123456789012"}
RINGS = [
    {"waveName": "Database", "waveNumber": 1, "protectionGroupIds": ["pg-1"], "dependsOnWaves": [3]},
    {"waveName": "Web", "waveNumber": 2, "protectionGroupName": "Web", "dependsOnWaves": [1]},
    {"waveName": "x", "waveNumber": 3, "protectionGroupName": "x", "dependsOnWaves": [2]},
]

CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    # what: (change, code, part of the message)
    "no version": (drop("schemaVersion"), "MISSING_FIELD", "schemaVersion"),
    "version of the future": (set_("schemaVersion", to="2.0"), "UNKNOWN_SCHEMA_VERSION", '"1.1"'),
    "version as an integer": (set_("schemaVersion", to=1), "WRONG_TYPE", "schemaVersion"),
    "metadata that contradicts": (set_("metadata", to={"schemaVersion": "1.0"}), "CONFLICTING_METADATA", "line 2"),
    "source account": (set_("sourceAccount", to="12"), "INVALID_ACCOUNT_ID", "12 digits"),
    "no plans": (drop("recoveryPlans"), "MISSING_FIELD", "recoveryPlans"),
    "no groups": (drop("protectionGroups"), "MISSING_FIELD", "protectionGroups"),
    "groups as an object": (set_("protectionGroups", to={}), "WRONG_TYPE", "list"),
    "a group that is null": (set_(*DB, to=None), "WRONG_TYPE", "null"),
    "a group without a name": (drop(*DB, "groupName"), "MISSING_FIELD", "groupName"),
    "a misspelt field": (set_(*DB, "sorceServerIds", to=[]), "UNKNOWN_FIELD", "write sourceServerIds"),
    "a name of blanks": (set_(*DB, "groupName", to="  "), "EMPTY_VALUE", "groupName"),
    "a name with a line break": (set_(*DB, "groupName", to="a\nb"), "INVALID_TEXT", "a\\nb"),
    "a name with a bidi override": (set_(*DB, "groupName", to="a\u202eb"), "INVALID_TEXT", "invisible"),
    "a name of 65 characters": (set_(*DB, "groupName", to="x" * 65), "NAME_TOO_LONG", "64"),
    "half a surrogate": (set_(*DB, "description", to="\ud800"), "INVALID_TEXT", "surrogate"),
    "two names that differ by case": (set_(*DB, "groupName", to="wEB"), "DUPLICATE_GROUP_NAME", "first at line"),
    "two groups of one id": (set_("protectionGroups", 1, "groupId", to="pg-1"), "DUPLICATE_GROUP_ID", "pg-1"),
    "a region without dashes": (set_(*DB, "region", to="uswest2"), "INVALID_REGION", "us-west-2"),
    "an account as a number": (set_(*DB, "accountId", to=123456789012), "WRONG_TYPE", "quotes"),
    "an account of 11 digits": (set_(*DB, "accountId", to="12345678901"), "INVALID_ACCOUNT_ID", "12 digits"),
    "ids and tags": (set_(*DB, "serverSelectionTags", to={"a": "b"}), "IDS_AND_TAGS", "keep one"),
    "neither ids nor tags": (drop("protectionGroups", 1, "serverSelectionTags"), "EMPTY_GROUP", "serverSelectionTags"),
    "ids as a text": (set_(*DB, "sourceServerIds", to="s-1"), "WRONG_TYPE", "list"),
    "a server id too short": (set_(*DB, "sourceServerIds", 0, to="s-1"), "INVALID_SOURCE_SERVER_ID", "17"),
    "a server id with a line break": (set_(*DB, "sourceServerIds", 0, to="s-00000000000000001\n"), "INVALID_TEXT", ""),
    "a server twice in a group": (set_(*DB, "sourceServerIds", 1, to="s-00000000000000001"), "DUPLICATE_SERVER", ""),
    "a server in two groups": (
        add("protectionGroups", item={**OTHER_GROUP, "sourceServerIds": ["s-00000000000000002"]}),
        "SERVER_IN_TWO_GROUPS",
        "launched once",
    ),
    "settings for a stranger": (
        set_(*FIRST, "sourceServerId", to="s-00000000000000009"),
        "SERVER_NOT_IN_GROUP",
        "s-00000000000000001",
    ),
    "settings twice": (set_(*FIRST, "sourceServerId", to="s-00000000000000002"), "DUPLICATE_SERVER_SETTINGS", "merge"),
    "settings for nobody": (drop(*FIRST, "sourceServerId"), "MISSING_FIELD", "instanceId"),
    "settings for one server by two names": (set_(*FIRST, "name", to="db"), "SERVER_NAMED_TWICE", "keep one"),
    "settings for an instance id of no form": (set_(*FIRST, to={"instanceId": "i-x"}), "INVALID_INSTANCE_ID", "i-"),
    "an image": (set_(*TEMPLATE, "imageId", to="ami-1"), "DRS_MANAGED_FIELD", "snapshot"),
    "a key pair": (set_(*DB, "launchConfig", "keyName", to="k"), "DRS_MANAGED_FIELD", "keyName"),
    "a disposition": (set_(*DB, "launchConfig", "launchDisposition", to="started"), "INVALID_VALUE", '"STARTED"'),
    "right-sizing": (set_(*TEMPLATE, "targetInstanceTypeRightSizingMethod", to="IN-AWS"), "INVALID_VALUE", "IN_AWS"),
    "credits": (set_(*TEMPLATE, "creditSpecification", to={"cpuCredits": "none"}), "INVALID_VALUE", "unlimited"),
    "a flag in quotes": (set_(*TEMPLATE, "copyTags", to="true"), "WRONG_TYPE", "no quotes"),
    "a subnet": (set_(*TEMPLATE, "subnetId", to="subnet-db"), "INVALID_SUBNET_ID", "subnets"),
    "a security group": (set_(*TEMPLATE, "securityGroupIds", to=["sg-x"]), "INVALID_SECURITY_GROUP_ID", "sg-x"),
    "no security group": (set_(*TEMPLATE, "securityGroupIds", to=[]), "EMPTY_VALUE", "inherit"),
    "an instance type": (set_(*TEMPLATE, "instanceType", to="large"), "INVALID_INSTANCE_TYPE", "r7a.large"),
    "a profile's ARN": (
        set_(*TEMPLATE, "instanceProfileName", to="arn:aws:iam::1:instance-profile/x"),
        "INVALID_INSTANCE_PROFILE",
        "ARN",
    ),
    "AWS's own tag": (set_(*TEMPLATE, "tags", to={"aws:x": "y"}), "INVALID_TAG", "aws:"),
    "51 tags": (set_(*TEMPLATE, "tags", to={str(n): "" for n in range(51)}), "TOO_MANY_TAGS", "50"),
    "a tag key of 129": (set_(*TEMPLATE, "tags", to={"k" * 129: ""}), "INVALID_TAG", "128"),
    "a tag value of 257": (set_(*TEMPLATE, "tags", to={"k": "v" * 257}), "INVALID_TAG", "256"),
    "a tag of a number": (set_(*TEMPLATE, "tags", to={"k": 1}), "WRONG_TYPE", "quotes"),
    "an address for a group": (set_(*DB, "launchConfig", "staticPrivateIp", to="10.0.0.9"), "STATIC_IP_ON_GROUP", ""),
    "an address of IPv6": (set_(*TEMPLATE, "staticPrivateIp", to="fd00::1"), "INVALID_ADDRESS", "IPv4"),
    "an address with a leading zero": (set_(*TEMPLATE, "staticPrivateIp", to="10.0.0.010"), "INVALID_ADDRESS", "IPv4"),
    "a public address": (set_(*TEMPLATE, "staticPrivateIp", to="8.8.8.8"), "ADDRESS_NOT_PRIVATE", "10.0.0.0/8"),
    "a loopback address": (set_(*TEMPLATE, "staticPrivateIp", to="127.0.0.1"), "ADDRESS_NOT_PRIVATE", ""),
    "an address twice": (set_(*TEMPLATE, "staticPrivateIp", to="10.0.0.11"), "DUPLICATE_ADDRESS", "first at line"),
    "an address without a subnet": (drop(*DB, "launchConfig", "subnetId"), "ADDRESS_WITHOUT_SUBNET", "subnetId"),
    "an address and a copy": (set_(*TEMPLATE, "copyPrivateIp", to=True), "ADDRESS_AND_COPY", "keep one"),
    "a plan without waves": (set_(*WAVES, to=[]), "EMPTY_PLAN", "waves"),
    "two plans of one name": (
        add(
            "recoveryPlans", item={"planName": "PLAN", "waves": [{"waveName": "w", "waveNumber": 0, "groupId": "pg-1"}]}
        ),
        "DUPLICATE_PLAN_NAME",
        "rename",
    ),
    "a wave number as a text": (set_(*WAVES, 0, "waveNumber", to="1"), "WRONG_TYPE", "no quotes"),
    "a wave number with a fraction": (set_(*WAVES, 0, "waveNumber", to=1.5), "WRONG_TYPE", "1.5"),
    "a wave number below 0": (set_(*WAVES, 0, "waveNumber", to=-1), "INVALID_WAVE_NUMBER", "-1"),
    "a huge wave number": (set_(*WAVES, 0, "waveNumber", to=10**17), "INVALID_WAVE_NUMBER", "9999"),
    "a wave number of 5,000 digits": (set_(*WAVES, 0, "waveNumber", to=10**4000), "WRONG_TYPE", "whole"),
    "a wave number that is true": (set_(*WAVES, 0, "waveNumber", to=True), "WRONG_TYPE", "true"),
    "two waves of one number": (set_(*WAVES, 1, "waveNumber", to=1), "DUPLICATE_WAVE_NUMBER", "renumber"),
    "two waves of one name": (set_(*WAVES, 1, "waveName", to="database"), "DUPLICATE_WAVE_NAME", "rename"),
    "a wave without a group": (drop(*WAVES, 1, "protectionGroupName"), "EMPTY_WAVE", "protectionGroupNames"),
    "a group that is not there": (set_(*WAVES, 1, "protectionGroupName", to="Wbe"), "UNKNOWN_GROUP", 'mean "Web"'),
    "names and ids that disagree": (
        set_(*WAVES, 0, "protectionGroupNames", to=["Web"]),
        "CONFLICTING_REFERENCES",
        "keep one",
    ),
    "a group in two waves": (set_(*WAVES, 1, "protectionGroupName", to="database"), "GROUP_IN_TWO_WAVES", "once"),
    "a wave that is not there": (set_(*WAVES, 1, "dependsOnWaves", to=[0]), "UNKNOWN_WAVE", "1, 2"),
    "a wave that waits for itself": (set_(*WAVES, 1, "dependsOnWaves", to=[2]), "CYCLE", "itself"),
    "waves in a ring": (
        set_(*WAVES, to=RINGS),
        "CYCLE",
        "wave 1 waits for wave 3, wave 3 waits for wave 2, wave 2 waits for wave 1",
    ),
    "a lag of a month": (set_(*WAVES, 0, "maxLag", to="P1M"), "INVALID_DURATION", "PT15M"),
    "a lag for the plan in words": (set_("recoveryPlans", 0, "maxLag", to="15 min"), "INVALID_DURATION", "PT15M"),
    "a recovery time of a month": (set_("recoveryPlans", 0, "rtoTarget", to="P1M"), "INVALID_DURATION", "PT4H"),
    "no time to recover": (set_(*WAVES, 0, "rtoTarget", to="PT0S"), "INVALID_DURATION", "remove it"),
    "a recovery point in words": (set_(*WAVES, 1, "rpoTarget", to="15 minutes"), "INVALID_DURATION", "PT15M"),
    "tags among those of another group": (
        add("protectionGroups", item={**OTHER_GROUP, "serverSelectionTags": {"tier": "web", "env": "prod"}}),
        "OVERLAPPING_SELECTIONS",
        'group "Web" too',
    ),
    "dependencies as a number": (set_(*WAVES, 1, "dependsOnWaves", to=1), "WRONG_TYPE", "list"),
}


@pytest.mark.parametrize(("change", "code", "said"), CHANGES.values(), ids=CHANGES)
def test_a_sound_manifest_broken_in_one_place_is_told_so(
    change: Callable[[dict[str, Any]], None], code: str, said: str, tmp_path: Path
) -> None:
    manifest = sound()
    change(manifest)
    reading = check(tmp_path, manifest)
    told = [fault for fault in reading.faults if fault.code == code]
    assert told, reading.faults
    assert any(said in fault.message for fault in told), told
    assert all("\n" not in str(fault) and str(fault).isprintable() for fault in reading.faults)
    assert reading.manifest is None


def test_the_sound_manifest_is_sound(tmp_path: Path) -> None:
    reading = check(tmp_path, sound())
    assert reading.faults == ()
    assert reading.manifest is not None


def test_all_faults_of_a_file_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    manifest = sound()
    for change, _, _ in (CHANGES[what] for what in ("a region without dashes", "a public address", "an image")):
        change(manifest)
    manifest["recoveryPlans"][0]["waves"][1]["dependsOnWaves"] = [2, 7, "x"]
    reading = check(tmp_path, manifest)
    assert set(codes(reading)) == {
        "INVALID_REGION",
        "ADDRESS_NOT_PRIVATE",
        "DRS_MANAGED_FIELD",
        "CYCLE",
        "UNKNOWN_WAVE",
        "WRONG_TYPE",
    }
    lines = [fault.line for fault in reading.faults]
    assert lines == sorted(lines)


def test_a_missing_file_a_directory_and_an_impossible_path_are_faults(tmp_path: Path) -> None:
    assert codes(check_manifest(tmp_path / "none.json")) == ["NO_SUCH_FILE"]
    assert codes(check_manifest(tmp_path)) == ["NOT_A_FILE"]
    assert codes(check_manifest("a\0b")) == ["UNREADABLE"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("{}")
    file.chmod(0)
    assert codes(check_manifest(file)) == ["UNREADABLE"]


def test_a_device_without_end_is_a_fault() -> None:
    assert codes(check_manifest("/dev/zero")) == ["TOO_LARGE"]


def test_50_mb_of_json_are_read_and_cut_short_they_are_a_fault(tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][0]["description"] = "x" * 50_000_000
    file = tmp_path / "plan.json"
    text = json.dumps(manifest)
    file.write_text(text)
    assert check_manifest(file).manifest is not None
    file.write_text(text[:-1])
    assert codes(check_manifest(file)) == ["INVALID_JSON"]


def test_50_mb_of_faults_are_cut_to_a_readable_number(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text('{"protectionGroups": [' + ",\n".join(['"x"'] * 10_000_000) + "]}")
    reading = check_manifest(file)
    assert "NO_MANIFEST" in codes(reading)
    assert len(reading.faults) < 1_010


def test_50_mb_of_yaml_are_refused_with_a_way_out(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("x: " + "y" * 50_000_000)
    (fault,) = check_manifest(file).faults
    assert fault.code == "TOO_LARGE"
    assert "JSON" in fault.message


def test_a_yaml_bomb_is_harmless(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    file.write_text("\n".join([*rows, "protectionGroups: *a29"]))
    assert codes(check_manifest(file))[0] == "TOO_LARGE"


@pytest.mark.parametrize(
    "rewrite", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: t.replace("  ", "\t")]
)
def test_a_byte_order_mark_windows_line_ends_and_tabs_do_no_harm(rewrite: Callable[[str], str], tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][0]["region"] = "nowhere"
    text = json.dumps(manifest, indent=2)
    file = tmp_path / "plan.json"
    file.write_bytes(rewrite(text).encode())
    (fault,) = check_manifest(file).faults
    assert (fault.code, fault.line) == ("INVALID_REGION", 1 + text[: text.index("nowhere")].count("\n"))
