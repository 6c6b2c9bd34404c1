"""Bindings: the most exact wins, faults in them are told on their own lines, and writing is stable."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.core.errors import FaultyInputError
from prefect_drs.plan import Bindings, check_manifest, load_bindings, load_manifest, write_bindings
from tests.plan.files import check, codes, sound

REAL = "s-0000000000000000{}"


def test_the_most_exact_binding_wins() -> None:
    bindings = Bindings(
        subnets={"net": "everywhere", "us-west-2/net": "region", "123456789012/us-west-2/net": "account and region"}
    )

    def found(account: str | None, region: str | None) -> str | None:
        bound = bindings.find("subnets", "net", account=account, region=region)
        return bound and bound.value

    assert found("123456789012", "us-west-2") == "account and region"
    assert found("999999999999", "us-west-2") == "region"
    assert found(None, "us-west-2") == "region"
    assert found(None, "us-east-1") == "everywhere"
    assert bindings.find("subnets", "other") is None


def test_names_are_bound_in_the_account_that_bindings_give_the_group(tmp_path: Path) -> None:
    manifest = sound()
    group = manifest["protectionGroups"][0]
    group["accountId"] = "production"
    manifest["protectionGroups"][1]["accountId"] = "production"
    group["launchConfig"]["subnetId"] = "net"
    bindings = Bindings(
        accounts={"production": "222222222222"},
        subnets={"net": "subnet-00000001", "222222222222/us-west-2/net": "subnet-00000002"},
    )
    reading = check(tmp_path, manifest, bindings)
    assert reading.manifest is not None
    assert reading.manifest.protection_groups[0].account_id == "222222222222"
    assert reading.manifest.protection_groups[0].launch_config.subnet_id == "subnet-00000002"
    by_name = Bindings(accounts=bindings.accounts, subnets={"net": "x", "production/us-west-2/net": "subnet-00000003"})
    reading = check(tmp_path, manifest, by_name)
    assert reading.manifest is not None
    assert reading.manifest.protection_groups[0].launch_config.subnet_id == "subnet-00000003"


def test_a_real_id_can_be_bound_to_another(tmp_path: Path) -> None:
    bindings = Bindings(source_servers={REAL.format(1): REAL.format(7)})
    reading = check(tmp_path, sound(), bindings)
    assert reading.manifest is not None
    group = reading.manifest.group("Database")
    assert group.source_server_ids == (REAL.format(7), REAL.format(2))
    assert group.settings_for(REAL.format(7)).static_private_ip == "10.0.0.10"


def test_an_instance_id_that_is_bound_names_the_source_server(tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][0]["servers"][0] = {
        "instanceId": "i-db",
        "launchTemplate": {"staticPrivateIp": "10.0.0.10"},
    }
    reading = check(tmp_path, manifest, Bindings(source_servers={"i-db": REAL.format(1)}))
    assert reading.manifest is not None
    assert reading.manifest.group("Database").settings_for(REAL.format(1)).static_private_ip == "10.0.0.10"


def test_two_names_bound_to_one_server_are_a_server_in_two_groups(tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][1] = {
        "groupName": "Web",
        "region": "us-west-2",
        "accountId": "123456789012",
        "sourceServerIds": ["web"],
    }
    reading = check(tmp_path, manifest, Bindings(source_servers={"web": REAL.format(2)}))
    assert codes(reading) == ["SERVER_IN_TWO_GROUPS"]
    assert f"bound to {REAL.format(2)}" in reading.faults[0].message


def test_a_wrong_value_is_told_where_the_bindings_have_it(tmp_path: Path) -> None:
    manifest = tmp_path / "plan.yaml"
    manifest.write_text(
        "schemaVersion: '1.1'\n"
        "protectionGroups: [{groupName: g, region: us-east-1, sourceServerIds: [db]}]\n"
        "recoveryPlans: [{planName: p, waves: [{waveName: w, waveNumber: 0, protectionGroupId: gid}]}]\n"
    )
    bindings = tmp_path / "bindings.yaml"
    bindings.write_text("sourceServers:\n  # the database\n  db: s-1\nprotectionGroups:\n  gid: G2\n")
    told = [(Path(f.path).name, f.line, f.code) for f in check_manifest(manifest, bindings).faults]
    assert told == [("bindings.yaml", 3, "INVALID_SOURCE_SERVER_ID"), ("bindings.yaml", 5, "UNKNOWN_GROUP")]
    bindings.write_text(f"sourceServers: {{db: {REAL.format(1)}}}\nprotectionGroups: {{gid: G}}\n")
    assert load_manifest(manifest, bindings).plan("P").waves[0].groups == ("g",)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("sourceServers: [a]\n", "WRONG_TYPE", 1),
        ("subnets:\n  a: 1\n", "WRONG_TYPE", 2),
        ("subnets:\n  a: x\n  a: y\n", "DUPLICATE_KEY", 3),
        ("[]", "WRONG_TYPE", 1),
        ("a: [", "INVALID_YAML", 1),
        ("", "EMPTY_FILE", 1),
    ],
)
def test_a_faulty_bindings_file_is_told(text: str, code: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "bindings.yaml"
    file.write_text(text)
    with pytest.raises(FaultyInputError) as caught:
        load_bindings(file)
    assert (caught.value.faults[0].code, caught.value.faults[0].line) == (code, line)
    reading = check(tmp_path, sound(), file)
    assert reading.manifest is None
    assert code in codes(reading)


def test_a_bindings_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultyInputError, match="NO_SUCH_FILE"):
        load_bindings(tmp_path / "none.yaml")


def test_a_misspelt_kind_is_a_fault_with_the_right_name(tmp_path: Path) -> None:
    file = tmp_path / "bindings.yaml"
    file.write_text("subnet:\n  a: subnet-00000001\n")
    reading = check(tmp_path, sound(), file)
    assert [(f.code, f.line) for f in reading.errors] == [("UNKNOWN_FIELD", 1)]
    assert "write subnets" in reading.faults[0].message
    assert reading.manifest is None


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
maps = st.dictionaries(names, names, max_size=5)


@given(
    st.builds(Bindings, accounts=maps, protection_groups=maps, source_servers=maps, subnets=maps, security_groups=maps)
)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, bindings: Bindings) -> None:
    file = tmp_path_factory.mktemp("bindings") / "bindings.yaml"
    write_bindings(bindings, file)
    first = file.read_bytes()
    assert load_bindings(file) == bindings
    write_bindings(bindings, file)
    assert file.read_bytes() == first


def test_writing_does_not_depend_on_the_order_and_says_what_is_what(tmp_path: Path) -> None:
    one, other = tmp_path / "1.yaml", tmp_path / "2.yaml"
    write_bindings(Bindings(subnets={"b": "2", "a": "012"}, accounts={"x": "012345678901"}), one)
    write_bindings(Bindings(accounts={"x": "012345678901"}, subnets={"a": "012", "b": "2"}), other)
    assert one.read_bytes() == other.read_bytes()
    assert "# subnets: to EC2 subnet ids" in one.read_text()
    assert load_bindings(one).accounts == {"x": "012345678901"}
