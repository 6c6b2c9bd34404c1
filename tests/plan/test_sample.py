"""The sample manifest, to the letter: what is not clean in it is told, and bindings make it sound."""

from __future__ import annotations

import re

import pytest

from prefect_drs.core.errors import FaultyInputError
from prefect_drs.plan import Bindings, check_manifest, load_bindings, load_manifest
from tests.plan.files import EXAMPLES, SAMPLE

SERVERS = ["s-db001", "s-db002", "s-app001", "s-app002", "s-web001", "s-web002"]
SUBNETS = ["subnet-db-az1", "subnet-db-az2", "subnet-app123456", "subnet-app-az1", "subnet-app-az2"]
GROUPS = {
    "db-group-id": "DatabaseServersWaveGroup",
    "app-group-id": "ApplicationServersWaveGroup",
    "web-group-id": "WebServersWaveGroup",
}
BINDINGS = load_bindings(EXAMPLES / "three-tier-bindings.yaml")


@pytest.fixture(scope="module")
def told() -> list[tuple[int, str, str]]:
    return [(fault.line, fault.code, fault.message) for fault in check_manifest(SAMPLE, Bindings()).faults]


@pytest.mark.parametrize("name", [*SERVERS, *SUBNETS, "sg-app123456", *GROUPS])
def test_each_placeholder_is_named_on_every_line_where_it_stands(name: str, told: list[tuple[int, str, str]]) -> None:
    lines = SAMPLE.read_text().splitlines()
    stands = {number for number, line in enumerate(lines, 1) if f'"{name}"' in line}
    # ids inside a list on one line with their field would have the list item's line: the sample has an item a line
    assert stands
    assert {line for line, _, message in told if f'"{name}"' in message} == stands


def test_nothing_else_is_told_of_it(told: list[tuple[int, str, str]]) -> None:
    kinds = {"INVALID_SOURCE_SERVER_ID", "INVALID_SUBNET_ID", "INVALID_SECURITY_GROUP_ID", "UNKNOWN_GROUP"}
    assert {code for _, code, _ in told} == kinds
    assert len(told) == 19


def test_an_unresolved_group_lists_the_groups_there_are(told: list[tuple[int, str, str]]) -> None:
    for _, code, message in told:
        if code == "UNKNOWN_GROUP":
            assert all(name in message for name in GROUPS.values())


def test_loading_it_with_bindings_that_lack_its_names_raises_with_all_faults() -> None:
    with pytest.raises(FaultyInputError) as caught:
        load_manifest(SAMPLE, Bindings())
    assert len(caught.value.faults) == 19
    assert re.search(r"three-tier\.json:121: UNKNOWN_GROUP: ", str(caught.value))


def test_bindings_make_it_sound() -> None:
    manifest = load_manifest(SAMPLE, BINDINGS)
    assert [wave.groups for wave in manifest.plan().waves] == [(name,) for name in GROUPS.values()]
    database = manifest.group("DatabaseServersWaveGroup")
    first, second = database.source_server_ids
    assert database.settings_for(first).static_private_ip == "10.100.56.13"
    assert database.settings_for(second).subnet_id == BINDINGS.subnets["subnet-db-az2"]
    assert database.settings_for(second).copy_tags is True
    assert manifest.group("WebServersWaveGroup").settings_for("s-00000000000000004").subnet_id is None


def test_a_rehearsal_leaves_names_as_they_are_written() -> None:
    reading = check_manifest(SAMPLE, rehearsal=True)
    assert reading.faults == ()
    assert reading.manifest is not None
    assert [wave.groups for wave in reading.manifest.plan().waves] == [(name,) for name in GROUPS]
    assert [s for g in reading.manifest.protection_groups for s in g.source_server_ids] == SERVERS


def test_the_diamond_example_rehearses_without_a_fault() -> None:
    reading = check_manifest(EXAMPLES / "diamond.yaml", rehearsal=True)
    assert reading.faults == ()
    assert reading.manifest is not None
    assert reading.manifest.group("catalogue-data").launch_config.instance_type == "r7a.large"
    assert reading.manifest.group("catalogue-data").launch_config.subnet_id == "net-data-a"
