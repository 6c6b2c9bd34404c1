"""What a change of a manifest does to waves, servers, settings and time; offline, and always in the same words."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_drs.cli import main
from prefect_drs.diff import Difference, compare, difference_json, markdown, text
from prefect_drs.plan import Bindings, Manifest, check_values
from tests.plan.test_export import FULL

ROOT = Path(__file__).parents[1]


def server(number: int) -> str:
    return f"s-{number:017d}"


def shop() -> dict[str, Any]:
    """Data, then applications and a cache side by side, then the web behind a gate."""
    groups = {"data": [1, 2], "app": [3, 4], "cache": [5], "web": [6]}
    after = {"data": [], "app": [0], "cache": [0], "web": [1, 2]}
    return {
        "schemaVersion": "1.1",
        "protectionGroups": [
            {
                "groupName": name,
                "region": "us-west-2",
                "sourceServerIds": [server(number) for number in numbers],
                "launchConfig": {"instanceType": "m5.large"},
            }
            for name, numbers in groups.items()
        ],
        "recoveryPlans": [
            {
                "planName": "Shop",
                "waves": [
                    {
                        "waveName": name.title(),
                        "waveNumber": number,
                        "protectionGroupNames": [name],
                        "dependsOnWaves": after[name],
                        "pauseBeforeWave": name == "web",
                    }
                    for number, name in enumerate(groups)
                ],
            }
        ],
    }


def manifest(values: dict[str, Any]) -> Manifest:
    reading = check_values(values)
    assert reading.errors == ()
    assert reading.manifest is not None
    return reading.manifest


def lines_of(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [line.strip() for line in text(compare(manifest(before), manifest(after))).splitlines()]


def waves(values: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = values["recoveryPlans"][0]["waves"]
    return found


def groups(values: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = values["protectionGroups"]
    return found


@pytest.mark.parametrize("values", [shop(), FULL], ids=["shop", "every field"])
def test_equal_manifests_have_no_difference(values: dict[str, Any]) -> None:
    again = copy.deepcopy(values) | {"exportedAt": "2026-11-25T00:00:00Z"}
    difference = compare(manifest(values), manifest(again))
    assert difference == Difference()
    assert difference.nothing
    assert "No difference" in text(difference)
    assert "No difference" in markdown(difference)


def test_a_wave_waits_for_another_and_no_longer_for_one() -> None:
    after = shop()
    waves(after)[1]["dependsOnWaves"] = [2]
    lines = lines_of(shop(), after)
    assert "wave 1 App: now waits for 2 Cache" in lines
    assert "wave 1 App: no longer waits for 0 Data" in lines
    assert "order before: 0 Data → 1 App, 2 Cache → 3 Web" in lines
    assert "order now: 0 Data → 2 Cache → 1 App → 3 Web" in lines


def test_gates_groups_and_whatever_else_a_wave_has() -> None:
    after = shop()
    waves(after)[3]["pauseBeforeWave"] = False
    waves(after)[0]["pauseBeforeWave"] = True
    waves(after)[1] |= {"protectionGroupNames": ["app", "cache"], "healthChecks": [{"type": "tcp", "port": 80}]}
    del waves(after)[2]
    waves(after)[2]["dependsOnWaves"] = [1]
    lines = lines_of(shop(), after)
    assert "wave 3 Web: no longer waits for an approval" in lines
    assert "wave 0 Data: now waits for an approval" in lines
    assert "wave 1 App: now launches cache" in lines
    assert "wave 2 Cache: removed; it launched cache" in lines
    assert 'wave 1 App: healthChecks (not given) → [{"type": "tcp", "port": 80}]' in lines
    assert f"{server(5)}: launched in wave 1 App of Shop, before in wave 2 Cache" in lines


def test_a_new_number_or_name_alone_moves_nothing() -> None:
    after = shop()
    for wave in waves(after):
        wave["waveNumber"] += 10
        wave["dependsOnWaves"] = [number + 10 for number in wave["dependsOnWaves"]]
    lines = lines_of(shop(), after)
    assert {line for line in lines if not line.startswith(("Plan", "forecast"))} == {
        f"wave {number + 10} {name}: was wave {number} {name}"
        for number, name in enumerate(["Data", "App", "Cache", "Web"])
    } | {line for line in lines if line.startswith("critical path")}
    renamed = shop()
    waves(renamed)[0]["waveName"] = "Databases"
    assert "wave 0 Databases: was wave 0 Data" in lines_of(shop(), renamed)


def test_servers_join_leave_and_move() -> None:
    after = shop()
    groups(after)[0]["sourceServerIds"] = [server(1)]
    groups(after)[1]["sourceServerIds"] = [server(3), server(2)]
    groups(after)[3]["sourceServerIds"] = [server(6), server(7), server(8)]
    lines = lines_of(shop(), after)
    assert f"{server(7)}, {server(8)}: join group web" in lines
    assert f"{server(7)}, {server(8)}: now launched in wave 3 Web of Shop" in lines
    assert f"{server(4)}: leaves group app" in lines
    assert f"{server(4)}: no longer launched by Shop (was in wave 1 App)" in lines
    assert f"{server(2)}: moves from group data to app" in lines
    assert f"{server(2)}: launched in wave 1 App of Shop, before in wave 0 Data" in lines
    assert not any(
        server(1) in line or server(6) in line.split(":")[0].split(", ") for line in lines if "launched" in line
    )


def test_servers_are_named_as_the_plan_names_them_with_their_ids_beside() -> None:
    def bound(values: dict[str, Any]) -> Manifest:
        manifest = check_values(values, Bindings(source_servers={"p-db2": server(2), "p-new": server(7)})).manifest
        assert manifest is not None
        return manifest

    before, after = shop(), shop()
    groups(before)[0]["sourceServerIds"] = [server(1), "p-db2"]
    groups(after)[0] |= {"sourceServerIds": [server(1), "p-new"], "launchConfig": {"instanceType": "c5.large"}}
    groups(after)[1]["sourceServerIds"] = [server(3), server(4), "p-db2"]
    difference = compare(bound(before), bound(after))
    lines = [line.strip() for line in text(difference).splitlines()]
    assert f"p-new ({server(7)}): joins group data" in lines
    assert f"p-db2 ({server(2)}): moves from group data to app" in lines
    assert f"{server(1)}: instanceType m5.large → c5.large" in lines
    assert difference_json(difference)["names"] == {server(2): ["p-db2"], server(7): ["p-new"]}


def test_settings_are_compared_as_they_take_effect() -> None:
    after = shop()
    groups(after)[0] |= {
        "launchConfig": {"instanceType": "r7a.large"},
        "servers": [{"sourceServerId": server(1), "launchTemplate": {"instanceType": "m5.large", "tags": {"a": "b"}}}],
    }
    groups(after)[3]["region"] = "eu-west-1"
    lines = lines_of(shop(), after)
    assert f"{server(2)}: instanceType m5.large → r7a.large" in lines
    assert f"{server(1)}: tags.a (not given) → b" in lines
    assert not any(line.startswith(f"{server(1)}: instanceType") for line in lines)
    assert f"{server(6)}: region us-west-2 → eu-west-1" in lines


def test_a_group_by_tags_is_compared_by_its_selection_and_defaults() -> None:
    before = shop()
    groups(before)[3] |= {"serverSelectionTags": {"tier": "web"}}
    del groups(before)[3]["sourceServerIds"]
    after = copy.deepcopy(before)
    groups(after)[3] |= {
        "serverSelectionTags": {"tier": "web", "stage": "prod"},
        "launchConfig": {"instanceType": "c5.large"},
        "servers": [{"name": "web-1", "launchTemplate": {"monitoring": True}}],
    }
    lines = lines_of(before, after)
    assert 'web: serverSelectionTags {"tier": "web"} → {"tier": "web", "stage": "prod"}' in lines
    assert "servers that group web selects: instanceType m5.large → c5.large" in lines
    assert "web-1: monitoring (not given) → true" in lines
    gated = copy.deepcopy(before)
    waves(gated)[1]["pauseBeforeWave"] = True
    assert any("counts web as empty" in line for line in lines_of(before, gated))


def test_a_renamed_group_keeps_its_servers() -> None:
    before = shop()
    groups(before)[0]["groupId"] = "pg-1"
    after = copy.deepcopy(before)
    groups(after)[0]["groupName"] = "databases"
    waves(after)[0]["protectionGroupNames"] = ["databases"]
    difference = compare(manifest(before), manifest(after))
    assert [(group.former_name, group.name) for group in difference.groups] == [("data", "databases")]
    assert (difference.plans, difference.servers, difference.settings) == ((), (), ())


def test_the_forecast_is_reported_before_and_after() -> None:
    after = shop()
    waves(after)[3]["pauseBeforeWave"] = False
    waves(after)[3]["dependsOnWaves"] = [0]
    (plan,) = compare(manifest(shop()), manifest(after)).plans
    assert plan.forecast_before is not None
    assert plan.forecast_after is not None
    assert plan.forecast_after.rto_p50_seconds < plan.forecast_before.rto_p50_seconds
    assert plan.forecast_before.critical_path[-1] == "3 Web"
    assert len(plan.forecast_before.critical_path) == 3
    lines = lines_of(shop(), after)
    assert any(line.startswith("forecast: P50 ") and "→" in line for line in lines)
    assert any(line.startswith("critical path before: 0 Data → ") for line in lines)


def test_a_plan_that_is_added_or_removed() -> None:
    empty = {"schemaVersion": "1.1", "protectionGroups": [], "recoveryPlans": []}
    lines = lines_of(empty, shop())
    assert lines[0] == "Plan Shop: added"
    assert "wave 3 Web: added; launches web, after 1 App, 2 Cache, after an approval" in lines
    assert any(line.startswith("forecast: P50") for line in lines)
    assert lines_of(shop(), empty)[0] == "Plan Shop: removed"


def test_a_name_is_escaped_in_markdown() -> None:
    after = shop()
    waves(after)[0]["waveName"] = "*Data* [x](http://evil)"
    written = markdown(compare(manifest(shop()), manifest(after)))
    assert written.startswith("## What this changes for a recovery\n\n### Plan Shop\n\n- ")
    assert "[x](" not in written
    assert "*Data*" not in written.replace(r"\*", "")


def test_a_text_of_several_lines_stays_on_one() -> None:
    after = shop()
    groups(after)[0]["description"] = "one\ntwo"
    assert 'data: description (not given) → "one\\ntwo"' in lines_of(shop(), after)


fields = st.sampled_from(["pauseBeforeWave", "dependsOnWaves", "sourceServerIds", "launchConfig", "waveName"])


@settings(deadline=None)
@given(st.lists(fields, unique=True), st.integers(0, 2))
def test_swapped_manifests_give_the_opposite_changes(changed: list[str], index: int) -> None:
    after = shop()
    for field in changed:
        match field:
            case "pauseBeforeWave":
                waves(after)[index][field] = True
            case "dependsOnWaves":
                waves(after)[3][field] = [index]
            case "waveName":
                waves(after)[index][field] = "Other"
            case "sourceServerIds":
                groups(after)[index][field] = [server(9)]
            case _:
                groups(after)[index][field] = {"copyTags": True}
    there, back = compare(manifest(shop()), manifest(after)), compare(manifest(after), manifest(shop()))
    assert there.nothing is back.nothing is (not changed)
    assert {(change.servers, change.group_before, change.group_after) for change in there.servers} == {
        (change.servers, change.group_after, change.group_before) for change in back.servers
    }
    assert {(plan.forecast_before, plan.forecast_after) for plan in there.plans} == {
        (plan.forecast_after, plan.forecast_before) for plan in back.plans
    }


# ---- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    after = shop()
    waves(after)[3]["pauseBeforeWave"] = False
    for name, values in (("old.json", shop()), ("new.json", after)):
        (tmp_path / name).write_text(json.dumps(values))
    return str(tmp_path / "old.json"), str(tmp_path / "new.json")


def test_the_command_prints_words_markdown_or_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *files]) == 0
    assert "wave 3 Web: no longer waits for an approval" in capsys.readouterr().out
    assert main(["diff", *files, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("## ")
    assert main(["diff", *files, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["plans"][0]["waves"][0]["gate"] is False
    assert main(["diff", files[0], files[0]]) == 0
    assert capsys.readouterr().out == "No difference: the same servers are recovered in the same way.\n"
    assert main(["diff", "/dev/null", files[0]]) == 0
    assert "Plan Shop: added" in capsys.readouterr().out


def test_a_side_with_faults_is_refused(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", files[0], files[1] + ".not"]) == 1
    assert "NO_SUCH_FILE" in capsys.readouterr().err


def test_each_side_may_have_its_own_bindings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = shop()
    groups(plan)[0]["sourceServerIds"] = ["db"]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    for name, number in (("a", 11), ("b", 12)):
        (tmp_path / f"{name}.yaml").write_text(f"sourceServers: {{db: {server(number)}}}\n")
    file, a, b = (str(tmp_path / name) for name in ("plan.json", "a.yaml", "b.yaml"))
    assert main(["diff", file, file, "--bindings", a]) == 0
    assert capsys.readouterr().out.startswith("No difference")
    assert main(["diff", file, file, "--bindings", b, "--old-bindings", a]) == 0
    out = capsys.readouterr().out
    assert f"db ({server(12)}): joins group data" in out
    assert f"db ({server(11)}): leaves group data" in out


def test_two_files_are_compared_without_prefect_or_boto3(files: tuple[str, str]) -> None:
    code = (
        "import sys\nfrom prefect_drs.cli import main\ncode = main(sys.argv[1:])\n"
        "sys.exit(code or [name for name in ('prefect', 'boto3', 'botocore', 'moto') if name in sys.modules] or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "diff", *files], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
