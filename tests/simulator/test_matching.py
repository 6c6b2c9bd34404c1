"""Which group a reference is taken for."""

import json
from pathlib import Path

import pytest

from prefect_drs.plan import check_manifest
from prefect_drs.plan.model import Manifest, ProtectionGroup, RecoveryPlan, Wave
from prefect_drs.simulator.matching import Certainty, match_groups

THREE_TIER = Path(__file__).parents[2] / "examples" / "three-tier.json"


def manifest(groups: list[ProtectionGroup], *references: str, wave_names: dict[str, str] | None = None) -> Manifest:
    waves = tuple(
        Wave(wave_number=n, wave_name=(wave_names or {}).get(r, f"Wave {n}"), groups=(r,))
        for n, r in enumerate(references, start=1)
    )
    return Manifest(
        schema_version="1.1",
        protection_groups=tuple(groups),
        recovery_plans=(RecoveryPlan(plan_name="plan", waves=waves),),
    )


def group(name: str, group_id: str | None = None, servers: tuple[str, ...] = ()) -> ProtectionGroup:
    return ProtectionGroup(group_name=name, group_id=group_id, region="us-east-1", source_server_ids=servers)


def guessed(found: Manifest) -> dict[str, str | None]:
    return {guess.reference: guess.group_name for guess in match_groups(found)}


def test_the_sample_maps_each_tier_to_its_group() -> None:
    reading = check_manifest(THREE_TIER, rehearsal=True)
    assert reading.manifest is not None
    assert guessed(reading.manifest) == {
        "db-group-id": "DatabaseServersWaveGroup",
        "app-group-id": "ApplicationServersWaveGroup",
        "web-group-id": "WebServersWaveGroup",
    }


def test_the_sample_maps_the_same_way_when_its_groups_stand_in_another_order(tmp_path: Path) -> None:
    sample = json.loads(THREE_TIER.read_text())
    sample["protectionGroups"].reverse()
    file = tmp_path / "reversed.json"
    file.write_text(json.dumps(sample))
    reading = check_manifest(file, rehearsal=True)
    assert reading.manifest is not None
    assert guessed(reading.manifest)["db-group-id"] == "DatabaseServersWaveGroup"


def test_a_wave_that_names_its_group_needs_no_guess() -> None:
    assert match_groups(manifest([group("Web")], "Web")) == ()


def test_a_group_id_is_certain_even_where_another_name_is_more_alike() -> None:
    guesses = match_groups(manifest([group("db-1"), group("Other", group_id="DB-1x")], "db-1x"))
    assert [(guess.group_name, guess.certainty) for guess in guesses] == [("Other", Certainty.GROUP_ID)]


def test_a_name_in_other_case_is_certain() -> None:
    (guess,) = match_groups(manifest([group("Web"), group("Database")], "DATABASE"))
    assert (guess.group_name, guess.certainty) == ("Database", Certainty.OTHER_CASE)


def test_no_two_references_take_one_group_while_there_is_a_free_one() -> None:
    groups = [group("App Primary"), group("App Secondary")]
    assert set(guessed(manifest(groups, "app", "app-2")).values()) == {"App Primary", "App Secondary"}


def test_a_group_that_a_wave_names_is_not_given_to_another_reference() -> None:
    groups = [group("Database"), group("Storage")]
    assert guessed(manifest(groups, "Database", "db")) == {"db": "Storage"}


def test_servers_names_decide_where_group_names_tell_nothing() -> None:
    groups = [group("Group A", servers=("s-web01",)), group("Group B", servers=("s-sql01",))]
    assert guessed(manifest(groups, "sql", "web")) == {"sql": "Group B", "web": "Group A"}


def test_the_waves_name_decides_where_the_reference_tells_nothing() -> None:
    groups = [group("Batch"), group("Ledger")]
    names = {"pg-x": "Wave 1 - Ledger", "pg-y": "Wave 2 - Batch"}
    assert guessed(manifest(groups, "pg-x", "pg-y", wave_names=names)) == {"pg-x": "Ledger", "pg-y": "Batch"}


def test_references_like_nothing_go_by_their_order_and_say_so() -> None:
    guesses = match_groups(manifest([group("Alpha"), group("Beta")], "qqq", "zzz", wave_names={"qqq": "-", "zzz": "-"}))
    assert [(g.group_name, g.certainty) for g in guesses] == [("Alpha", Certainty.ORDER), ("Beta", Certainty.ORDER)]


def test_two_references_may_share_a_group_when_there_are_too_few() -> None:
    groups = [group("Database")]
    assert guessed(manifest(groups, "db", "database-group")) == {"db": "Database", "database-group": "Database"}


@pytest.mark.parametrize("count", [150])
def test_many_numbered_groups_match_by_number(count: int) -> None:
    groups = [group(f"Protection{n:03d}") for n in reversed(range(count))]
    references = [f"pg-{n:03d}" for n in range(count)]
    found = guessed(manifest(groups, *references, wave_names=dict.fromkeys(references, "-")))
    assert found == {f"pg-{n:03d}": f"Protection{n:03d}" for n in range(count)}
