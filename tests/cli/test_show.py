"""`prefect-drs show`: a plan as a table, as Mermaid and as JSON, also where nothing resolves its names."""

from __future__ import annotations

import json
from pathlib import Path

from prefect_drs.plan import write_bindings
from tests.cli.conftest import Run
from tests.plan.files import sound
from tests.plan.test_sample import BINDINGS

SAMPLE, DIAMOND = "examples/three-tier.json", "examples/diamond.yaml"


def row(table: str, name: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if name in line]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_the_table_has_each_wave_with_what_it_waits_for_and_its_gate(cli: Run) -> None:
    done = cli("show", DIAMOND)
    assert (done.returncode, done.stderr) == (0, "")
    assert row(done.stdout, "Payments app") == ["4", "Payments applications", "payments-apps", "3", "2", "approve", "2"]
    assert row(done.stdout, "Web tier") == ["6", "Web tier", "web", "3", "4, 5", "-", "3"]
    assert "7 waves in 5 generations" in done.stdout


def test_names_that_nothing_resolves_are_shown_as_written(cli: Run) -> None:
    assert row(cli("show", SAMPLE).stdout, "Database Tier")[2:4] == ["db-group-id (unresolved)", "?"]


def test_with_bindings_they_are_resolved(cli: Run, tmp_path: Path) -> None:
    write_bindings(BINDINGS, tmp_path / "b.yaml")
    done = cli("show", SAMPLE, "--bindings", str(tmp_path / "b.yaml"))
    assert row(done.stdout, "Database Tier")[2:4] == ["DatabaseServersWaveGroup", "2"]


def test_servers_are_named_as_the_file_names_them_with_their_ids_beside(cli: Run, tmp_path: Path) -> None:
    write_bindings(BINDINGS, tmp_path / "b.yaml")
    shown = cli("show", SAMPLE, "--bindings", str(tmp_path / "b.yaml"))
    assert row(shown.stdout, "s-db002") == [
        "0",
        "DatabaseServersWaveGroup",
        "s-db002",
        BINDINGS.source_servers["s-db002"],
    ]
    groups = json.loads(cli("show", SAMPLE, "--bindings", str(tmp_path / "b.yaml"), "--format", "json").stdout)
    (group,) = groups["waves"][2]["protectionGroups"]
    assert group["serverNames"] == ["s-web001", "s-web002"]
    assert group["sourceServerIds"] == [BINDINGS.source_servers[name] for name in group["serverNames"]]
    assert row(cli("show", DIAMOND).stdout, "p-search1")[2:] == ["p-search1", "- (no binding)"]


def test_of_a_wave_with_many_servers_the_first_are_listed(cli: Run, tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][0]["sourceServerIds"] = [f"s-{number:017}" for number in range(1, 61)]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(manifest))
    table = cli("show", str(file)).stdout
    assert row(table, f"s-{50:017}") == ["1", "Database", "-", f"s-{50:017}"]
    assert f"s-{51:017}" not in table
    assert "and 10 more: --format json has all" in table


def test_json_has_the_order_the_generations_and_the_groups(cli: Run) -> None:
    shown = json.loads(cli("show", DIAMOND, "--format", "json").stdout)
    assert shown["planName"] == "ShopRecovery"
    assert shown["order"] == [1, 2, 3, 4, 5, 6, 7]
    assert shown["generations"] == [[1], [2, 3], [4, 5], [6], [7]]
    wave = shown["waves"][3]
    assert (wave["waveNumber"], wave["pauseBeforeWave"], wave["dependsOnWaves"]) == (4, True, [2])
    assert wave["protectionGroups"][0]["sourceServerIds"] == ["p-pay1", "p-pay2", "p-pay3"]


def test_mermaid_is_a_flowchart(cli: Run) -> None:
    chart = cli("show", DIAMOND, "--format", "mermaid").stdout
    assert chart.startswith("flowchart LR\n")
    assert 'g4{{"approve 4"}}' in chart


def test_a_group_by_tags_shows_its_tags_and_a_name_with_markup_stays_as_it_is(cli: Run, tmp_path: Path) -> None:
    manifest = sound()
    manifest["recoveryPlans"][0]["waves"][1]["waveName"] = "[red]Web[/red]"
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(manifest))
    cells = row(cli("show", str(file)).stdout, "Web")
    assert cells[1:4] == ["[red]Web[/red]", "Web", "tags tier=web"]


def test_a_plan_must_be_named_where_there_are_several(cli: Run, tmp_path: Path) -> None:
    manifest = sound()
    manifest["recoveryPlans"].append({**manifest["recoveryPlans"][0], "planName": "Second"})
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(manifest))
    assert cli("show", str(file), "--plan", "second").returncode == 0
    done = cli("show", str(file))
    assert done.returncode == 2
    assert "Plan, Second" in done.stderr


def test_a_manifest_with_faults_is_not_shown_and_each_fault_has_a_line(cli: Run, tmp_path: Path) -> None:
    manifest = sound()
    manifest["protectionGroups"][0]["region"] = "here"
    manifest["recoveryPlans"][0]["waves"][0]["dependsOnWaves"] = [2]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(manifest, indent=2))
    done = cli("show", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert "2 faults" in done.stderr.splitlines()[0]
    assert ": INVALID_REGION: " in done.stderr
    assert "wave 1 waits for wave 2, wave 2 waits for wave 1" in done.stderr
