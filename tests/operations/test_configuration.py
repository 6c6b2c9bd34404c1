"""A manifest into the stored estate and out of it: nothing is lost, and all of it is written or none."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from prefect_drs.cli import main
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.estate import store
from prefect_drs.estate.model import DocumentKind, Upsert
from prefect_drs.estate.source import open_manifest
from prefect_drs.plan import Manifest, check_values, load_manifest
from tests.operations.estate import Stored
from tests.plan.test_export import FULL
from tests.plan.test_sample import BINDINGS, SAMPLE
from tests.rig import REGION


def refusal(stored: Stored, body: dict[str, Any]) -> PrefectDrsError:
    with pytest.raises(PrefectDrsError) as refused:
        stored.op("import_configuration", body)
    return refused.value


def plain(manifest: Manifest) -> dict[str, Any]:
    """A manifest without its metadata, its lists by name: neither recovers anything."""
    return {
        "groups": sorted(manifest.protection_groups, key=lambda group: group.group_name.casefold()),
        "plans": sorted(manifest.recovery_plans, key=lambda plan: plan.plan_name.casefold()),
    }


def read_back(stored: Stored) -> Manifest:
    reading = check_values(stored.op("export_configuration"))
    assert reading.errors == ()
    assert reading.manifest is not None
    return reading.manifest


def test_every_field_of_a_manifest_survives_an_import_and_an_export(stored: Stored) -> None:
    imported = stored.op("import_configuration", {"manifest": FULL})
    assert imported["valid"] is True
    assert {item["action"] for item in imported["protectionGroups"] + imported["recoveryPlans"]} == {"CREATE"}
    before = check_values(FULL).manifest
    assert before is not None
    assert plain(read_back(stored)) == plain(before)
    exported = stored.op("export_configuration")
    again = stored.op("import_configuration", {"manifest": exported, "overwriteExisting": True})
    assert {item["action"] for item in again["protectionGroups"] + again["recoveryPlans"]} == {"UNCHANGED"}
    assert {item["version"] for item in again["protectionGroups"]} == {1}


def test_the_sample_is_imported_with_its_bindings(stored: Stored) -> None:
    sample = json.loads(SAMPLE.read_text())
    assert refusal(stored, {"manifest": sample}).code == "VALIDATION_ERROR"
    stored.op("import_configuration", {"manifest": sample, "bindings": BINDINGS.model_dump(by_alias=True)})
    assert plain(read_back(stored)) == plain(load_manifest(SAMPLE, BINDINGS))


def test_a_dry_run_tells_everything_and_writes_nothing(stored: Stored) -> None:
    stored.group("database", ["s-00000000000000009"])
    report = stored.op("import_configuration", {"manifest": FULL, "dryRun": True})
    assert (report["dryRun"], report["valid"]) == (True, False)
    assert [fault["code"] for fault in report["faults"]] == ["ALREADY_EXISTS"]
    actions = {item["name"]: item["action"] for item in report["protectionGroups"] + report["recoveryPlans"]}
    assert actions == {"Database": "REFUSE", "1.0": "CREATE", "Plan → all": "CREATE"}
    broken = copy.deepcopy(FULL)
    broken["protectionGroups"][0]["region"] = "mars"
    broken["recoveryPlans"][0]["waves"][1]["dependsOnWaves"] = [7]
    report = stored.op("import_configuration", {"manifest": broken, "dryRun": True})
    assert {fault["code"] for fault in report["faults"]} >= {"INVALID_REGION", "UNKNOWN_WAVE"}
    assert len(stored.op("list_protection_groups")["protectionGroups"]) == 1
    assert stored.op("list_recovery_plans") == {"recoveryPlans": []}


def test_what_exists_is_refused_or_replaced(stored: Stored) -> None:
    there = stored.group("database", ["s-00000000000000009"])
    error = refusal(stored, {"manifest": FULL})
    assert error.code == "ALREADY_EXISTS"
    assert stored.op("list_recovery_plans") == {"recoveryPlans": []}
    imported = stored.op("import_configuration", {"manifest": FULL, "overwriteExisting": True}, by="grace")
    assert {item["name"]: (item["action"], item["version"]) for item in imported["protectionGroups"]} == {
        "Database": ("REPLACE", 2),
        "1.0": ("CREATE", 1),
    }
    now = stored.op("get_protection_group", {"groupId": "Database"})
    assert (now["updatedBy"], now["createdAt"], now["groupId"]) == ("grace", there["createdAt"], "pg-1")
    assert len(stored.op("list_protection_groups")["protectionGroups"]) == 2


def test_one_conflict_with_what_is_stored_and_nothing_of_it_is_imported(stored: Stored) -> None:
    stored.group("Elsewhere", ["s-00000000000000001"])
    error = refusal(stored, {"manifest": FULL})
    assert error.code == "SERVER_CONFLICT"
    assert "Elsewhere" in error.message
    assert "Database" in error.message
    assert [group["name"] for group in stored.op("list_protection_groups")["protectionGroups"]] == ["Elsewhere"]


class ProcessDiedError(Exception):
    """The process is gone."""


def test_a_process_that_dies_while_it_writes_has_changed_all_or_nothing(stored: Stored) -> None:
    """A change has happened once it stands in the state block: readers see it whole, the next writer finishes it."""
    stored.group("First", ["s-00000000000000001"])
    definitions = [
        {"groupName": name, "region": REGION, "sourceServerIds": [f"s-{number:017d}"]}
        for number, name in enumerate(("First", "Second", "Third"), 2)
    ]
    with get_client(sync_client=True) as client:
        before = store.read_snapshot(client)
        first = before.estate.find(DocumentKind.GROUP, "First")
        edits = [
            Upsert(DocumentKind.GROUP, definitions[0], first.id),
            *(Upsert(DocumentKind.GROUP, each) for each in definitions[1:]),
        ]
        steps = before.estate.steps(edits, by="ada", at=first.created_at)

        class DyingClient:
            """A client whose process dies at its n-th writing call."""

            def __init__(self, calls: int) -> None:
                self.calls = calls

            def __getattr__(self, name: str) -> Any:
                if name.startswith(("create", "update", "delete")):
                    self.calls -= 1
                    if self.calls < 0:
                        raise ProcessDiedError
                return getattr(client, name)

        seen = []
        for calls in range(20):
            with pytest.raises(ProcessDiedError):
                store.write_steps(DyingClient(calls), before, steps)  # type: ignore[arg-type]
            now = store.read_estate()
            assert now in (before.estate, before.estate.after(steps))
            seen.append(now != before.estate)
            if seen[-1]:
                break
        assert seen[0] is False
        assert seen[-1] is True
    stored.group("Fourth", ["s-00000000000000009"])
    names = [group["name"] for group in stored.op("list_protection_groups")["protectionGroups"]]
    assert names == ["First", "Fourth", "Second", "Third"]
    with get_client(sync_client=True) as client:
        assert store.read_snapshot(client).state.pending == ()


def test_a_stored_plan_is_shown_and_compared_like_a_file(
    stored: Stored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.op("import_configuration", {"manifest": FULL})
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(FULL))
    assert main(["show", "estate:"]) == 0
    shown = capsys.readouterr().out
    assert main(["show", str(file)]) == 0
    assert capsys.readouterr().out == shown
    assert open_manifest(Path("estate:"), plan="plan → ALL").plan().plan_name == "Plan → all"  # as the flow takes it
    assert main(["diff", "estate:", str(file)]) == 0
    assert capsys.readouterr().out.startswith("No difference")
    assert main(["show", "estate:", "--plan", "Nothing"]) == 2
    assert "Plan → all" in capsys.readouterr().err


def test_what_is_wrong_elsewhere_does_not_stop_a_plan(stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    stored.group("Database")
    stored.plan("Shop", "Database")
    stored.group("Broken")
    block: Any = store.BLOCKS[DocumentKind.GROUP].load("broken")
    block.definition["region"] = "mars"  # by hand, in the UI
    block.save("broken", overwrite=True)
    assert main(["show", "estate:"]) == 1
    assert "groups.Broken.region" in capsys.readouterr().err
    assert main(["show", "estate:", "--plan", "shop"]) == 0
    error = refusal(stored, {"manifest": FULL})
    assert "mars" in error.message
    stored.op("delete_protection_group", {"groupId": "Broken"})
    stored.op("import_configuration", {"manifest": FULL, "overwriteExisting": True})
