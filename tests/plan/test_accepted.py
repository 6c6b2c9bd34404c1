"""What a manifest may do: both places of metadata, all spellings of references, warnings that refuse nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.plan import check_manifest
from prefect_drs.plan.rules import RULES
from tests.plan.files import check, codes, sound


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_metadata_may_stand_at_the_top_or_under_metadata(version: str, tmp_path: Path) -> None:
    top = sound() | {"schemaVersion": version, "sourceAccount": "123456789012"}
    below = dict(top)
    below["metadata"] = {field: below.pop(field) for field in ("schemaVersion", "sourceAccount", "sourceRegion")}
    readings = [check(tmp_path, manifest) for manifest in (top, below)]
    assert readings[0].manifest == readings[1].manifest
    assert readings[0].manifest is not None
    assert readings[0].manifest.schema_version == version
    assert readings[0].manifest.source_account == "123456789012"


def test_the_same_metadata_in_both_places_is_no_conflict(tmp_path: Path) -> None:
    assert codes(check(tmp_path, sound() | {"metadata": {"schemaVersion": "1.1"}})) == []


def test_a_bare_version_in_yaml_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "schemaVersion: 1.0\n"
        "protectionGroups:\n- groupName: g\n  region: us-east-1\n  serverSelectionTags: {tier: web}\n"
        "recoveryPlans:\n- planName: p\n  waves:\n  - waveName: w\n    waveNumber: 0\n    protectionGroupName: G\n"
    )
    reading = check_manifest(file)
    assert reading.faults == ()
    assert reading.manifest is not None
    assert reading.manifest.schema_version == "1.0"
    assert reading.manifest.protection_groups[0].account_id is None


@pytest.mark.parametrize(
    "reference",
    [
        {"protectionGroupId": "pg-1"},
        {"protectionGroupIds": ["pg-1"]},
        {"protectionGroupName": "Database"},
        {"protectionGroupNames": ["dataBASE"]},
        {"groupId": "pg-1"},
        {"protectionGroupIds": ["Database"]},
        {"protectionGroupId": "pg-1", "protectionGroupIds": ["pg-1"], "protectionGroupNames": ["Database"]},
    ],
)
def test_every_spelling_of_a_reference_names_the_group(reference: dict[str, Any], tmp_path: Path) -> None:
    manifest = sound()
    manifest["recoveryPlans"][0]["waves"][0] = {"waveName": "Database", "waveNumber": 1, **reference}
    reading = check(tmp_path, manifest)
    assert reading.faults == ()
    assert reading.manifest is not None
    assert reading.manifest.plan().waves[0].groups == ("Database",)


def test_one_spelling_may_name_the_first_of_those_that_another_names(tmp_path: Path) -> None:
    manifest = sound()
    del manifest["recoveryPlans"][0]["waves"][1]
    manifest["recoveryPlans"][0]["waves"][0] |= {
        "protectionGroupIds": ["pg-1", "Web"],
        "protectionGroupId": "pg-1",
    }
    reading = check(tmp_path, manifest)
    assert reading.faults == ()
    assert reading.manifest is not None
    assert reading.manifest.plan().waves[0].groups == ("Database", "Web")


def test_null_means_not_given(tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][1] |= {"sourceServerIds": [], "launchConfig": None, "description": None}
    assert codes(check(tmp_path, manifest)) == []


def test_wave_numbers_may_have_gaps(tmp_path: Path) -> None:
    manifest = sound()
    manifest["recoveryPlans"][0]["waves"][1]["waveNumber"] = 40
    assert codes(check(tmp_path, manifest)) == []


@pytest.mark.parametrize(
    ("change", "code", "line_has"),
    [
        ({"owner": "me"}, "UNKNOWN_FIELD", "owner"),
        ({"servers": [{"sourceServerId": "s-00000000000000001", "useGroupDefaults": True,
                       "launchTemplate": {"copyTags": True}}]}, "IGNORED_LAUNCH_TEMPLATE", "launchTemplate"),
        ({"launchConfig": {"subnetId": "subnet-00000001", "instanceType": "c6a.large",
                           "targetInstanceTypeRightSizingMethod": "BASIC"}}, "INSTANCE_TYPE_OVERWRITTEN", "c6a"),
    ],
)  # fmt: skip
def test_a_warning_refuses_nothing(change: dict[str, Any], code: str, line_has: str, tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][0] |= change
    reading = check(tmp_path, manifest)
    assert codes(reading) == [code]
    assert reading.manifest is not None
    assert line_has in (tmp_path / "plan.json").read_text().splitlines()[reading.faults[0].line - 1]


def test_other_warnings(tmp_path: Path) -> None:
    manifest = sound() | {"exportedAt": "yesterday", "schemaVersion": "1.0"}
    manifest["recoveryPlans"][0]["waves"] = [
        {"waveName": "Web", "waveNumber": 5, "protectionGroupName": "Web"},
    ]
    reading = check(tmp_path, manifest)
    assert sorted(codes(reading)) == ["INVALID_TIME", "NEWER_FIELD", "UNUSED_GROUP", "WAVE_NUMBERS_START_LATE"]
    assert reading.manifest is not None


def test_the_same_address_in_two_regions_is_two_addresses(tmp_path: Path) -> None:
    manifest = sound()
    other = {**manifest["protectionGroups"][0], "groupName": "There", "groupId": "pg-2", "region": "eu-west-1"}
    other["sourceServerIds"] = ["s-00000000000000008"]
    other["servers"] = [{"sourceServerId": "s-00000000000000008", "launchTemplate": {"staticPrivateIp": "10.0.0.10"}}]
    manifest["protectionGroups"].append(other)
    manifest["recoveryPlans"][0]["waves"][0]["protectionGroupIds"].append("pg-2")
    assert codes(check(tmp_path, manifest)) == []


def test_the_address_of_a_server_that_uses_its_groups_defaults_does_not_count(tmp_path: Path) -> None:
    manifest = sound()
    first, second = manifest["protectionGroups"][0]["servers"]
    first["useGroupDefaults"] = True
    second["launchTemplate"]["staticPrivateIp"] = "10.0.0.10"
    assert codes(check(tmp_path, manifest)) == ["IGNORED_LAUNCH_TEMPLATE"]


def test_placeholders_of_one_name_in_two_regions_are_two_servers_in_a_rehearsal(tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"] = [
        {"groupName": region, "region": region, "sourceServerIds": ["db"]} for region in ("us-east-1", "us-west-2")
    ]
    manifest["recoveryPlans"][0]["waves"] = [
        {"waveName": "w", "waveNumber": 0, "protectionGroupNames": ["us-east-1", "us-west-2"]}
    ]
    assert codes(check(tmp_path, manifest, rehearsal=True)) == []
    manifest["protectionGroups"][1]["region"] = "us-east-1"
    assert codes(check(tmp_path, manifest, rehearsal=True)) == ["SERVER_IN_TWO_GROUPS"]


def test_a_plan_is_found_by_name_and_the_only_one_without(tmp_path: Path) -> None:
    manifest = sound()
    reading = check(tmp_path, manifest)
    assert reading.manifest is not None
    assert reading.manifest.plan().plan_name == "Plan"
    assert reading.manifest.plan("pLAN").plan_name == "Plan"
    with pytest.raises(UsageError, match="it has: Plan"):
        reading.manifest.plan("Other")
    manifest["recoveryPlans"].append({**manifest["recoveryPlans"][0], "planName": "Second"})
    reading = check(tmp_path, manifest)
    assert reading.manifest is not None
    with pytest.raises(UsageError, match="Plan, Second"):
        reading.manifest.plan()


def test_every_rule_says_what_it_holds_to_and_is_there_once() -> None:
    assert all(rule.__doc__ for rule in RULES)
    assert all(one is not other for one, other in itertools.combinations(RULES, 2))
