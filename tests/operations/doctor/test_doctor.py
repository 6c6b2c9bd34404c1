"""`diagnose` on a sound set-up and on broken ones, with a real Prefect server and the sandbox over HTTP.

Each broken set-up differs from the sound one in one place; the diagnosis must name it and what to do, and nothing else.
"""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from packaging.version import Version
from prefect.client.orchestration import get_client
from prefect.filesystems import LocalFileSystem, RemoteFileSystem

from prefect_drs.operations.doctor import Level
from prefect_drs.operations.doctor.findings import Report
from prefect_drs.operations.doctor.prefect_server import _judged_version, supported_versions
from prefect_drs.simulator import drs_backends, plant_role
from prefect_drs.simulator.roles import remove_role
from tests.conftest import PrefectServer, free_port
from tests.http_proxy import http_proxy
from tests.operations.doctor.setup import (
    BUCKET,
    BUS,
    EXTERNAL_ID,
    FAILED,
    HERE,
    POOL,
    TARGET,
    TOPIC,
    SetUp,
    faults,
    keys,
    messages,
    of,
    remove_bucket,
    save,
    worse_than_ok,
)

WITHOUT_API = {"prefect-api", "stored", "prefect-ui", "prefect-database", "prefect-clock", "workers"}
"""What cannot be checked where the API does not answer."""


def test_a_sound_set_up_has_no_fault_and_the_one_warning_is_the_tests_own_sqlite(sound: SetUp) -> None:
    sound.store_plan(recovers_from=FAILED)
    diagnosis = sound.diagnose()
    assert worse_than_ok(diagnosis) == {"prefect-database": Level.WARNING}
    assert (diagnosis.status, diagnosis.exit_code) == (Level.WARNING, 0)
    assert "SQLite" in of(diagnosis, "prefect-database").message
    assert "us-west-2" in of(diagnosis, "journal-place").message
    assert f"recover from {FAILED}" in of(diagnosis, "journal-place").message
    assert HERE in of(diagnosis, "drs", TARGET).message
    assert "worker-1" in of(diagnosis, "workers").message
    assert {each.check for each in diagnosis.findings} == WITHOUT_API | {
        "journal", "journal-place", "credentials", "aws-clock", "account", "drs", "notifications",
    }  # fmt: skip


def test_a_diagnosis_sends_nothing_and_writes_one_object_however_often_it_is_made(sound: SetUp) -> None:
    assert sound.diagnose().exit_code == sound.diagnose().exit_code == 0
    assert keys(sound.aws) == ["drs/audit/doctor/probe"]
    assert messages() == []


def test_a_test_message_is_sent_by_every_channel_when_it_is_asked_for(sound: SetUp) -> None:
    diagnosis = sound.diagnose(send_test=True)
    assert len(messages()) == 1
    assert "published" in of(diagnosis, "notifications", TOPIC).message
    assert "put on it" in of(diagnosis, "notifications", BUS).message


def test_without_a_prefect_api_it_says_so_and_checks_the_rest(sound: SetUp, tmp_path: Path) -> None:
    sound.delenv("PREFECT_API_URL", "PREFECT_DRS_JOURNAL")
    sound.setenv(PREFECT_DRS_HOME=str(tmp_path))
    diagnosis = sound.diagnose()
    assert "no Prefect API is configured" in of(diagnosis, "prefect-api").message
    assert of(diagnosis, "prefect-api").level is Level.WARNING
    assert of(diagnosis, "journal").level is Level.OK
    assert "this machine only" in of(diagnosis, "journal-place").message
    assert list((tmp_path / "journal/audit/doctor").iterdir()) == []
    assert faults(diagnosis) == {"drs"}  # no account is known but the caller's own, where DRS is not set up


def test_without_a_prefect_api_a_journal_in_a_block_could_not_be_checked(sound: SetUp) -> None:
    sound.delenv("PREFECT_API_URL")
    found = of(sound.diagnose(), "journal")
    assert (found.level, found.message[:20]) == (Level.FAULT, "could not be checked")
    assert "PREFECT_API_URL" in found.remedy


# ---- broken set-ups ----------------------------------------------------------------------------------------------


def test_1_nothing_answers_at_the_api(sound: SetUp) -> None:
    sound.setenv(PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api")
    sound.delenv("PREFECT_DRS_JOURNAL")
    diagnosis = sound.diagnose()
    assert diagnosis.exit_code == 6
    assert "nothing answers" in of(diagnosis, "prefect-api").message
    assert all("could not be checked" in of(diagnosis, name).message for name in WITHOUT_API - {"prefect-api"})
    assert of(diagnosis, "credentials").level is Level.OK


def test_2_the_api_is_the_address_of_the_ui(sound: SetUp, prefect_server: PrefectServer) -> None:
    sound.setenv(PREFECT_API_URL=prefect_server.url)
    sound.delenv("PREFECT_DRS_JOURNAL")
    found = of(sound.diagnose(), "prefect-api")
    assert "is no Prefect API" in found.message
    assert "/api" in found.remedy


def test_3_the_api_hangs_and_everything_else_is_checked_in_time(sound: SetUp, prefect_server: PrefectServer) -> None:
    with http_proxy(prefect_server.url) as proxy:
        proxy.plant("GET", "swallow", path="/", times=100)
        sound.setenv(PREFECT_API_URL=f"{proxy.url}/api")
        sound.delenv("PREFECT_DRS_JOURNAL")
        diagnosis = sound.diagnose(seconds=4.0)
    assert of(diagnosis, "prefect-api").message == "could not be checked: no answer within 4 s"
    assert diagnosis.exit_code == 6
    assert of(diagnosis, "credentials").level is Level.OK


def test_4_no_worker_of_the_pool_is_alive(sound: SetUp) -> None:
    with get_client(sync_client=True) as client:
        (worker,) = client.read_workers_for_work_pool(POOL)
        client.request("DELETE", f"/work_pools/{POOL}/workers/{worker.name}").raise_for_status()
    diagnosis = sound.diagnose()
    found = of(diagnosis, "workers", f"pool {POOL}")
    assert faults(diagnosis) == {"workers"}
    assert "no worker is alive" in found.message
    assert f"--pool {POOL}" in found.remedy
    assert diagnosis.exit_code == 1


def test_5_the_deployment_of_the_settings_is_not_there(sound: SetUp) -> None:
    sound.setenv(PREFECT_DRS_DEPLOYMENT="recover/prodution")
    diagnosis = sound.diagnose()
    assert faults(diagnosis) == {"workers"}
    assert any("recover/prodution" in each.message for each in diagnosis.findings)


@pytest.mark.parametrize(("ahead", "level"), [(600.0, Level.FAULT), (-600.0, Level.FAULT), (20.0, Level.WARNING)])
def test_6_the_clock_is_wrong(sound: SetUp, ahead: float, level: Level) -> None:
    diagnosis = sound.diagnose(ahead=ahead)
    for check in ("aws-clock", "prefect-clock"):
        assert of(diagnosis, check).level is level
        assert ("ahead of" if ahead > 0 else "behind") in of(diagnosis, check).message
        assert "NTP" in of(diagnosis, check).remedy
    assert faults(diagnosis) == ({"aws-clock", "prefect-clock"} if level is Level.FAULT else set())


def test_7_the_journal_s_folder_cannot_be_written(sound: SetUp, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    sound.delenv("PREFECT_DRS_JOURNAL")
    sound.setenv(PREFECT_DRS_HOME=str(tmp_path / "home"))
    diagnosis = sound.diagnose()
    assert faults(diagnosis) == {"journal"}
    assert "cannot be written" in of(diagnosis, "journal").message
    assert "PREFECT_DRS_HOME" in of(diagnosis, "journal").remedy


def test_8_the_journal_s_bucket_is_not_there(sound: SetUp) -> None:
    remove_bucket(sound.aws, BUCKET)
    diagnosis = sound.diagnose()
    assert faults(diagnosis) == {"journal", "journal-place"}
    assert "NoSuchBucket" in of(diagnosis, "journal").message


def test_9_the_journal_is_in_the_region_that_a_plan_recovers_from(sound: SetUp) -> None:
    sound.store_plan(recovers_from="us-west-2")
    found = of(sound.diagnose(), "journal-place")
    assert found.level is Level.WARNING
    assert "Shop" in found.message
    assert "us-west-2" in found.message


def test_10_there_are_no_credentials(sound: SetUp, tmp_path: Path) -> None:
    sound.delenv("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PREFECT_DRS_JOURNAL")
    none = str(tmp_path / "none")
    sound.setenv(AWS_SHARED_CREDENTIALS_FILE=none, AWS_CONFIG_FILE=none, PREFECT_DRS_HOME=str(tmp_path))
    diagnosis = sound.diagnose()
    assert diagnosis.exit_code == 6
    assert faults(diagnosis) == {"credentials", "aws-clock", "account", "drs", "notifications"}
    assert "Unable to locate credentials" in of(diagnosis, "credentials").message
    assert "set up AWS credentials" in of(diagnosis, "credentials").remedy


def test_11_the_role_asks_for_another_external_id(sound: SetUp) -> None:
    plant_role(TARGET, external_id="another")
    diagnosis = sound.diagnose()
    assert faults(diagnosis) == {"account", "drs"}
    assert "DRSOrchestrationRole" in of(diagnosis, "account", TARGET).message
    assert "trust policy" in of(diagnosis, "account", TARGET).remedy
    assert "cannot be entered" in of(diagnosis, "drs", TARGET).message
    assert diagnosis.exit_code == 1


def test_12_the_role_is_not_there(sound: SetUp) -> None:
    remove_role(TARGET)
    assert of(sound.diagnose(), "account", TARGET).level is Level.FAULT


def test_13_the_role_may_not_read_drs(sound: SetUp) -> None:
    plant_role(TARGET, external_id=EXTERNAL_ID, missing_actions=["drs:*"])
    diagnosis = sound.diagnose()
    assert faults(diagnosis) >= {"drs"}
    assert "drs:DescribeSourceServers" in of(diagnosis, "drs", f"{TARGET}/{HERE}").message


def test_14_drs_is_not_set_up_in_a_region_of_the_account(sound: SetUp) -> None:
    from prefect_drs.orchestration.blocks import TargetAccount

    save(TargetAccount(account_id=TARGET, regions=[HERE, "ap-south-1"], external_id=EXTERNAL_ID), "doctor")  # type: ignore[arg-type]
    diagnosis = sound.diagnose()
    assert faults(diagnosis) == {"drs"}
    assert "initialise DRS" in of(diagnosis, "drs", f"{TARGET}/ap-south-1").remedy
    assert of(diagnosis, "drs", TARGET).message == f"set up in {HERE}"
    assert not drs_backends[TARGET]["ap-south-1"].initialized


def test_15_a_topic_is_not_there(sound: SetUp) -> None:
    gone = TOPIC.replace("milestones", "milestone")
    sound.setenv(PREFECT_DRS_NOTIFY_TOPICS=gone)
    diagnosis = sound.diagnose()
    assert faults(diagnosis) == {"notifications"}
    assert "ListSubscriptionsByTopic" in of(diagnosis, "notifications", gone).message


def test_16_nobody_has_subscribed_to_a_topic(sound: SetUp) -> None:
    topic = boto3.client("sns", HERE).create_topic(Name="lonely")["TopicArn"]
    sound.setenv(PREFECT_DRS_NOTIFY_TOPICS=topic)
    found = of(sound.diagnose(), "notifications", topic)
    assert (found.level, "reach nobody" in found.message) == (Level.WARNING, True)


def test_17_an_event_bus_and_a_notification_block_are_not_there(sound: SetUp) -> None:
    save(LocalFileSystem(basepath="/tmp"), "no-channel")
    gone = BUS.replace("milestones", "milestone")
    blocks = "slack-webhook/none, local-file-system/no-channel"
    sound.setenv(PREFECT_DRS_NOTIFY_EVENT_BUSES=gone, PREFECT_DRS_NOTIFY_BLOCKS=blocks)
    diagnosis = sound.diagnose()
    assert of(diagnosis, "notifications", gone).level is Level.FAULT
    assert "cannot be loaded" in of(diagnosis, "notifications", "slack-webhook/none").message
    assert "no notification block" in of(diagnosis, "notifications", "local-file-system/no-channel").message


def test_18_links_lead_to_no_ui(sound: SetUp) -> None:
    sound.setenv(PREFECT_UI_URL=f"http://127.0.0.1:{free_port()}")
    diagnosis = sound.diagnose()
    assert faults(diagnosis) == {"prefect-ui"}
    assert "PREFECT_UI_URL" in of(diagnosis, "prefect-ui").remedy


def test_19_the_journal_is_in_a_folder_of_a_block(sound: SetUp, tmp_path: Path) -> None:
    save(LocalFileSystem(basepath=str(tmp_path)), "journal-of-the-doctor")
    sound.setenv(PREFECT_DRS_JOURNAL="local-file-system/journal-of-the-doctor")
    diagnosis = sound.diagnose()
    assert of(diagnosis, "journal").level is Level.OK
    assert of(diagnosis, "journal-place").level is Level.WARNING


def test_a_block_that_cannot_create_conditionally_is_written_over(sound: SetUp) -> None:
    save(RemoteFileSystem(basepath="memory://journals-of-the-doctor"), "journal-of-the-doctor")
    sound.setenv(PREFECT_DRS_JOURNAL="remote-file-system/journal-of-the-doctor")
    for _ in range(2):
        diagnosis = sound.diagnose()
        assert of(diagnosis, "journal").level is Level.OK
        assert "nothing is known of its place" in of(diagnosis, "journal-place").message


@pytest.mark.parametrize(("status", "said"), [(401, "wants a key"), (502, "answers with an error")])
def test_22_the_api_refuses(sound: SetUp, prefect_server: PrefectServer, status: int, said: str) -> None:
    with http_proxy(prefect_server.url) as proxy:
        proxy.plant("GET", "refuse", path="/api", status=status, times=100)
        sound.setenv(PREFECT_API_URL=f"{proxy.url}/api")
        sound.delenv("PREFECT_DRS_JOURNAL")
        diagnosis = sound.diagnose()
    assert said in of(diagnosis, "prefect-api").message
    assert diagnosis.exit_code == 6


def test_20_the_journal_s_block_is_not_there(sound: SetUp) -> None:
    sound.setenv(PREFECT_DRS_JOURNAL="s3-bucket/jounal")
    diagnosis = sound.diagnose()
    assert faults(diagnosis) == {"journal", "journal-place"}
    assert "s3-bucket/jounal" in of(diagnosis, "journal").message


@pytest.mark.parametrize(
    ("version", "level"),
    [("2.20.3", Level.FAULT), ("3.8.7", Level.FAULT), ("3.8.8", Level.WARNING), ("4.0", Level.FAULT)],
)
def test_21_a_server_of_another_release(version: str, level: Level) -> None:
    found = _judged_version(Report("prefect-api"), "http://prefect.example/api", Version(version))
    assert found.level is level
    assert version in found.message
    assert "upgrade the server" in found.remedy


def test_the_supported_releases_are_those_of_the_package_s_metadata() -> None:
    assert supported_versions().specifier.contains("3.8.8")
    assert not supported_versions().specifier.contains("3.8.7")
