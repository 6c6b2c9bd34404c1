"""Names without a binding: one fault where no bindings were given, each by name where they look misspelt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect_drs.plan import Bindings, check_values
from tests.plan.files import check, codes, sound

REAL = "s-0000000000000000{}"


def with_servers(*servers: str) -> dict[str, Any]:
    manifest = sound()
    manifest["protectionGroups"][0]["sourceServerIds"] = list(servers)
    del manifest["protectionGroups"][0]["servers"]
    return manifest


def test_names_of_all_kinds_are_one_fault_that_counts_each_name_once(tmp_path: Path) -> None:
    manifest = with_servers("db1", "db2")
    manifest["protectionGroups"][1]["accountId"] = "production"
    group = manifest["protectionGroups"][0]
    group["launchConfig"] |= {"subnetId": "net", "securityGroupIds": ["inner", "outer"]}
    group["servers"] = [{"sourceServerId": "db1"}, {"instanceId": "i-db2"}]
    manifest["recoveryPlans"][0]["waves"][0]["protectionGroupIds"] = ["id-7"]
    (fault, *others) = [f for f in check(tmp_path, manifest).errors if f.code == "NAMES_WITHOUT_BINDING"]
    assert others == []
    assert fault.message == (
        "8 names have no binding: 3 servers, 1 subnet, 2 security groups, 1 account, 1 group; pass --bindings"
    )


def test_it_stands_at_the_first_name_and_other_faults_are_told_beside_it(tmp_path: Path) -> None:
    manifest = with_servers("db1", "db2")
    manifest["protectionGroups"][0]["region"] = "mars"
    faults = check(tmp_path, manifest).errors
    assert sorted(fault.code for fault in faults) == ["INVALID_REGION", "NAMES_WITHOUT_BINDING"]
    lines = (tmp_path / "plan.json").read_text().splitlines()
    (line,) = [fault.line for fault in faults if fault.code == "NAMES_WITHOUT_BINDING"]
    assert '"db1"' in lines[line - 1]


def test_a_few_beside_real_ids_are_told_by_name_and_many_are_not(tmp_path: Path) -> None:
    real = [REAL.format(number) for number in range(3)]
    assert codes(check(tmp_path, with_servers(*real, "s-1", "s-2"))) == ["INVALID_SOURCE_SERVER_ID"] * 2
    assert codes(check(tmp_path, with_servers(*real, "s-1", "s-2", "s-3"))) == ["NAMES_WITHOUT_BINDING"]
    many = [f"s-{number:017}" for number in range(40)]
    names = [f"db{number}" for number in range(13)]
    assert codes(check(tmp_path, with_servers(*many, *names))) == ["NAMES_WITHOUT_BINDING"]


def test_a_misspelt_group_and_an_instance_type_keep_their_lines(tmp_path: Path) -> None:
    manifest = with_servers("db1", "db2")
    manifest["protectionGroups"][0]["launchConfig"]["instanceType"] = "large"
    manifest["recoveryPlans"][0]["waves"][1]["protectionGroupName"] = "Wbe"
    found = set(codes(check(tmp_path, manifest)))
    assert found >= {"NAMES_WITHOUT_BINDING", "INVALID_INSTANCE_TYPE", "UNKNOWN_GROUP"}


def test_bindings_that_lack_them_and_values_without_a_file_have_a_fault_for_each(tmp_path: Path) -> None:
    each = ["INVALID_SOURCE_SERVER_ID"] * 2
    assert codes(check(tmp_path, with_servers("db1", "db2"), Bindings())) == each
    assert codes(check_values(with_servers("db1", "db2"))) == each
