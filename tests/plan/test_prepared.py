"""`launchIntoInstance`: by id, by tag, by a table, by the bindings; names resolved, and faults with their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect_drs.diff import compare
from prefect_drs.plan import Bindings
from prefect_drs.plan.effective import effective
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.plan.prepared import PreparedInstance
from tests.plan.files import check, codes, sound

ONE, TWO = "s-00000000000000001", "s-00000000000000002"
FIRST, SECOND, THIRD = "i-00000001", "i-00000002", "i-00000003"


def with_group(choice: Any) -> dict[str, Any]:
    manifest = sound()
    manifest["protectionGroups"][0]["launchConfig"]["launchIntoInstance"] = choice
    return manifest


def test_a_name_of_one_server_is_bound_to_its_instance(tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][0]["servers"][0]["launchTemplate"]["launchIntoInstance"] = "db-prepared"
    unbound = check(tmp_path, manifest, Bindings())
    assert codes(unbound) == ["INVALID_PREPARED_INSTANCE"]
    assert "bind the name under preparedInstances" in unbound.faults[0].message
    reading = check(tmp_path, manifest, Bindings(prepared_instances={"us-west-2/db-prepared": FIRST}))
    assert reading.manifest is not None
    settings = reading.manifest.protection_groups[0].settings_for(ONE)
    assert settings.launch_into_instance == PreparedInstance(instance_id=FIRST)


def test_a_table_in_the_bindings_gives_each_server_of_a_group_its_instance(tmp_path: Path) -> None:
    bindings = Bindings(
        source_servers={"db-1": ONE},
        prepared_instances={
            "db-1": THIRD,
            "us-west-2/db-1": FIRST,
            f"us-west-2/{TWO}": SECOND,
            "eu-west-1/db-2": THIRD,
        },
    )
    reading = check(tmp_path, with_group({"fromBindings": True}), bindings)
    assert reading.faults == ()
    assert reading.manifest is not None
    choice = reading.manifest.protection_groups[0].launch_config.launch_into_instance
    assert choice == PreparedInstance(table={ONE: FIRST, TWO: SECOND})


def test_bindings_without_the_table_are_a_fault_that_says_what_to_bind(tmp_path: Path) -> None:
    reading = check(tmp_path, with_group({"fromBindings": True}), Bindings())
    assert codes(reading) == ["PREPARED_INSTANCES_UNBOUND"]
    assert "bind the name of each server" in reading.faults[0].message


def test_a_table_in_the_file_is_resolved_by_bindings_on_both_sides(tmp_path: Path) -> None:
    bindings = Bindings(source_servers={"db-1": ONE}, prepared_instances={"spare": SECOND})
    reading = check(tmp_path, with_group({"table": {"db-1": FIRST, TWO: "spare"}}), bindings)
    assert reading.manifest is not None
    choice = reading.manifest.protection_groups[0].launch_config.launch_into_instance
    assert choice == PreparedInstance(table={ONE: FIRST, TWO: SECOND})


def test_every_fault_of_a_choice_is_told_at_once(tmp_path: Path) -> None:
    manifest = with_group({"value": "x", "copy": True})
    first = manifest["protectionGroups"][0]["servers"][0]["launchTemplate"]
    first |= {"launchIntoInstance": {"instanceId": "i-x"}, "copyTags": True, "copyPrivateIp": False}
    first["targetInstanceTypeRightSizingMethod"] = "BASIC"
    found = [fault.code for fault in check(tmp_path, manifest).errors]
    assert sorted(set(found)) == [
        "INVALID_PREPARED_INSTANCE",
        "PREPARED_INSTANCE_CONTRADICTION",
        "PREPARED_INSTANCE_ON_GROUP",
        "PREPARED_INSTANCE_UNCLEAR",
    ]
    assert found.count("PREPARED_INSTANCE_CONTRADICTION") == 2


def test_what_follows_from_a_prepared_instance_has_the_origin_rule(tmp_path: Path) -> None:
    reading = check(tmp_path, with_group({"tag": "Name"}))
    assert reading.manifest is not None
    account = LaunchSettings(target_instance_type_right_sizing_method="BASIC", copy_tags=True)
    found = effective(reading.manifest.protection_groups[0], ONE, account=account)
    assert (found["launchIntoInstance"].value, found["launchIntoInstance"].origin) == (
        "tag Name: equal to the server's",
        "group",
    )
    said = {word: (found[word].value, found[word].origin) for word in ("copyTags", "copyPrivateIp")}
    assert said == {"copyTags": (False, "rule"), "copyPrivateIp": (False, "rule")}
    assert found["targetInstanceTypeRightSizingMethod"].value == "NONE"


def test_a_diff_shows_the_prepared_instance_and_whether_drills_may_use_it(tmp_path: Path) -> None:
    after = with_group({"tag": "Name"})
    after["recoveryPlans"][0]["drillIntoPreparedInstances"] = True
    old, new = check(tmp_path, sound()).manifest, check(tmp_path, after).manifest
    assert old is not None
    assert new is not None
    difference = compare(old, new)
    fields = {field.field: field.after for change in difference.settings for field in change.fields}
    assert fields["launchIntoInstance"] == "tag Name: equal to the server's"
    assert [field.field for field in difference.plans[0].fields] == ["drillIntoPreparedInstances"]
