"""Prepared instances in stored groups: shown, drifted from, written only where they match."""

from __future__ import annotations

from typing import Any

from tests.operations.test_launch_configs import Settings, settings

__all__ = ["settings"]

ALLOWED = {"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}


def prepare(settings: Settings, *tags: dict[str, str], state: str = "stopped") -> str:
    made = settings.ec2.run_instances(
        ImageId="ami-1", MinCount=1, MaxCount=1, InstanceType="m5.large", SubnetId=settings.subnet
    )
    instance = str(made["Instances"][0]["InstanceId"])
    if tags:
        settings.ec2.create_tags(Resources=[instance], Tags=list(tags))
    if state == "stopped":
        settings.ec2.stop_instances(InstanceIds=[instance])
    return instance


def configured(settings: Settings, server: int) -> Any:
    found = settings.drs.get_launch_configuration(sourceServerID=settings.servers[server])
    return found.get("launchIntoInstanceProperties")


def test_a_prepared_instance_found_by_tag_is_written_once_and_its_drift_is_told(settings: Settings) -> None:
    instance = prepare(settings, ALLOWED, {"Key": "for", "Value": "db01"})
    settings.update(0, launchIntoInstance={"tag": "for", "value": "db01"})
    status = settings.op("get_launch_config_status")
    drifted = next(one for one in status["servers"] if one["serverId"] == settings.servers[0])
    told = {change["field"]: (change["actual"], change["wanted"]) for change in drifted["changes"]}
    assert told["launchIntoInstance"] == (None, instance)
    assert told["targetInstanceTypeRightSizingMethod"] == ("BASIC", "NONE")
    assert "copyTags" not in told  # the group copies them; a prepared instance keeps its own
    assert settings.op("apply_launch_configs")["status"] == "WRITTEN"
    assert configured(settings, 0) == {"launchIntoEC2InstanceID": instance}
    assert settings.op("get_launch_config_status")["status"] == "IN_SYNC"
    assert settings.shown(0)["effective"]["launchIntoInstance"]["origin"] == "server"
    into = {"launchIntoEC2InstanceID": prepare(settings, ALLOWED)}
    settings.drs.update_launch_configuration(sourceServerID=settings.servers[0], launchIntoInstanceProperties=into)
    assert settings.op("get_launch_config_status")["counts"]["DRIFTED"] == 1


def test_an_instance_that_does_not_match_is_refused_with_the_change(settings: Settings) -> None:
    error = settings.refusal(
        "bulk_update_server_configs",
        servers=[
            {"serverId": settings.servers[0], "launchTemplate": {"launchIntoInstance": prepare(settings)}},
            {
                "serverId": settings.servers[1],
                "launchTemplate": {"launchIntoInstance": {"tag": "for", "value": "db02"}},
            },
        ],
    )
    assert settings.codes(error) == ["PREPARED_INSTANCE_NOT_ALLOWED", "PREPARED_INSTANCE_NOT_FOUND"]
    assert settings.shown(0)["own"] is None


def test_an_instance_that_runs_may_be_configured_and_is_for_the_preflight_to_refuse(settings: Settings) -> None:
    instance = prepare(settings, ALLOWED, state="running")
    settings.update(0, launchIntoInstance=instance)
    assert settings.op("apply_launch_configs")["counts"]["WRITTEN"] == 3
    assert configured(settings, 0) == {"launchIntoEC2InstanceID": instance}


def test_an_instance_that_lost_its_tag_is_not_written_and_holds_up_no_other(settings: Settings) -> None:
    instance = prepare(settings, ALLOWED)
    settings.update(0, launchIntoInstance=instance)
    settings.ec2.delete_tags(Resources=[instance], Tags=[ALLOWED])
    answer = settings.op("apply_launch_configs")
    assert answer["counts"] == {"IN_SYNC": 0, "DRIFTED": 0, "WRITTEN": 2, "FAILED": 1}
    (failed,) = [one for one in answer["servers"] if one["status"] == "FAILED"]
    assert "aws ec2 create-tags" in failed["message"]
    assert configured(settings, 0) is None
