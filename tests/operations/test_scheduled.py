"""Tag sync and the inventory as operations, on a real Prefect server and a simulated AWS."""

from __future__ import annotations

import pytest

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import invoke
from tests.scheduled.conftest import estate, prefect_api, site
from tests.tag_sync.conftest import Estate

__all__ = ["estate", "prefect_api", "site"]


def test_settings_that_were_never_saved_are_the_defaults(prefect_api):
    settings = invoke("get_tag_sync_settings")
    assert settings["enabled"] is True
    assert settings["tagFilters"] == {"include": [], "exclude": []}


def test_a_changed_setting_is_kept_and_the_others_stay(prefect_api):
    invoke("update_tag_sync_settings", {"tagMappings": {"Environment": "DR-Environment"}})
    answer = invoke("update_tag_sync_settings", {"schedule": 6, "tagFilters": {"exclude": ["cost-*"]}})
    assert answer["changed"] is True
    settings = invoke("get_tag_sync_settings")
    assert settings["schedule"] == 6
    assert settings["tagMappings"] == {"Environment": "DR-Environment"}
    assert settings["tagFilters"] == {"include": [], "exclude": ["cost-*"]}


@pytest.mark.parametrize("hours", [0, 25, -1])
def test_a_schedule_that_cannot_be_is_refused_with_the_reason(prefect_api, hours):
    with pytest.raises(PrefectDrsError, match="1 to 24"):
        invoke("update_tag_sync_settings", {"schedule": hours})
    assert invoke("get_tag_sync_settings")["schedule"] == 1


def test_the_status_says_that_nothing_is_deployed(prefect_api):
    status = invoke("get_tag_sync_status")
    assert (status["status"], status["lastSyncTime"], status["serversProcessed"]) == ("NOT_DEPLOYED", None, 0)
    assert "prefect deploy" in status["note"]


def test_a_run_cannot_be_asked_of_a_deployment_that_is_not_there(prefect_api):
    with pytest.raises(PrefectDrsError, match="prefect-drs tag-sync"):
        invoke("trigger_tag_sync")


def test_before_the_first_inventory_there_is_none(prefect_api):
    with pytest.raises(PrefectDrsError) as refused:
        invoke("get_source_server_inventory")
    assert refused.value.code == "NOT_FOUND"


def test_an_inventory_is_taken_kept_and_shown_in_part(site: Estate):
    here = site.server(None, {"Name": "db"})
    there = site.server(None, {"Name": "web"}, region="eu-west-1")
    taken = invoke("sync_source_server_inventory")
    assert taken["complete"] is True
    assert {server["sourceServerId"] for server in taken["servers"]} == {here, there}
    kept = invoke("get_source_server_inventory", {"region": "eu-west-1"})
    assert [server["name"] for server in kept["servers"]] == ["web"]
    assert {place["region"] for place in kept["capacity"]} == {"eu-west-1"}
    assert kept["totals"]["sourceServers"] == 2
    assert kept["ageSeconds"] >= 0
    assert invoke("get_source_server_inventory", {"replicationState": "STALLED"})["servers"] == []
