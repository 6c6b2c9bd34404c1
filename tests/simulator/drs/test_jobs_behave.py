"""Launch jobs: their states, their log, their end."""

from __future__ import annotations

from itertools import pairwise

from .documented import API, EVENTS, GUIDE, MODEL, documented
from .rig import Rig, hearing_drs, refused


@documented(API + "API_StartRecovery.html")
def test_start_recovery_answers_a_pending_job_with_its_tags(rig: Rig) -> None:
    job = rig.start(rig.seed(), tags={"plan": "a"})
    assert job["status"] == "PENDING"
    assert job["type"] == "LAUNCH"
    assert job["tags"] == {"plan": "a"}
    assert [s["launchStatus"] for s in job["participatingServers"]] == ["PENDING"]


@documented(MODEL + "InitiatedBy")
def test_a_drill_is_initiated_by_start_drill_and_a_recovery_by_start_recovery(rig: Rig) -> None:
    one, two = rig.seed(2)
    assert rig.start([one])["initiatedBy"] == "START_DRILL"
    assert rig.start([two], drill=False)["initiatedBy"] == "START_RECOVERY"


@documented(MODEL + "JobStatus")
def test_a_job_goes_from_pending_over_started_to_completed(rig: Rig) -> None:
    job = rig.start(rig.seed())
    seen = []
    for _ in range(1800):
        status = rig.job(job["jobID"])["status"]
        if not seen or seen[-1] != status:
            seen.append(status)
        rig.advance(2)
    assert seen == ["PENDING", "STARTED", "COMPLETED"]


@documented(MODEL + "LaunchStatus")
def test_a_server_goes_from_pending_over_in_progress_to_launched(rig: Rig) -> None:
    job = rig.start(rig.seed())
    seen = []
    for _ in range(1800):
        status = rig.job(job["jobID"])["participatingServers"][0]["launchStatus"]
        if not seen or seen[-1] != status:
            seen.append(status)
        rig.advance(2)
    assert seen == ["PENDING", "IN_PROGRESS", "LAUNCHED"]


@documented(MODEL + "JobLogEvent")
def test_the_log_of_a_launch_has_its_events_in_the_order_of_the_work(rig: Rig) -> None:
    job = rig.launch(rig.seed())
    assert rig.events(job["jobID"]) == [
        "JOB_START", "CLEANUP_START", "CLEANUP_END", "SNAPSHOT_START", "SNAPSHOT_END",
        "CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "JOB_END",
    ]  # fmt: skip


@documented(API + "API_DescribeJobLogItems.html")
def test_the_log_is_listed_oldest_first(rig: Rig) -> None:
    job = rig.launch(rig.seed(5))
    times = [item["logDateTime"] for item in rig.drs.describe_job_log_items(jobID=job["jobID"])["items"]]
    assert all(earlier <= later for earlier, later in pairwise(times))


@documented(MODEL + "LaunchStatus")
def test_a_job_is_completed_even_where_every_server_failed(rig: Rig) -> None:
    rig.sandbox.faults.fail_server("*", "conversion")
    job = rig.launch(rig.seed(2))
    assert job["status"] == "COMPLETED"
    assert {s["launchStatus"] for s in job["participatingServers"]} == {"FAILED"}


@documented(MODEL + "JobLogEvent")
def test_a_failed_conversion_is_in_the_log_with_its_reason(rig: Rig) -> None:
    rig.sandbox.faults.fail_server("*", "conversion", message="no room")
    job = rig.launch(rig.seed())
    items = rig.drs.describe_job_log_items(jobID=job["jobID"])["items"]
    assert [i["eventData"]["rawError"] for i in items if i["event"] == "CONVERSION_FAIL"] == ["no room"]
    assert "LAUNCH_START" not in [i["event"] for i in items]


@documented(MODEL + "JobLogEvent")
def test_a_failed_launch_is_in_the_log_as_launch_failed(rig: Rig) -> None:
    rig.sandbox.faults.fail_server("*", "launch")
    job = rig.launch(rig.seed())
    assert rig.events(job["jobID"])[-3:] == ["LAUNCH_START", "LAUNCH_FAILED", "JOB_END"]


@documented(MODEL + "JobLogEvent")
def test_one_failed_server_does_not_affect_the_others_of_its_job(rig: Rig) -> None:
    ids = rig.seed(3)
    rig.sandbox.faults.fail_server(ids[1], "snapshot")
    job = rig.launch(ids)
    assert [s["launchStatus"] for s in job["participatingServers"]] == ["LAUNCHED", "FAILED", "LAUNCHED"]


@documented(MODEL + "ParticipatingServer")
def test_a_launched_server_names_its_recovery_instance_and_a_failed_one_none(rig: Rig) -> None:
    ids = rig.seed(2)
    rig.sandbox.faults.fail_server(ids[1])
    good, bad = rig.launch(ids)["participatingServers"]
    assert good["recoveryInstanceID"].startswith("i-")
    assert "recoveryInstanceID" not in bad


@documented(MODEL + "Job.endDateTime")
def test_a_job_has_an_end_only_when_it_is_completed(rig: Rig) -> None:
    job = rig.start(rig.seed())
    assert "endDateTime" not in rig.job(job["jobID"])
    rig.advance(3600)
    assert rig.job(job["jobID"])["endDateTime"] > job["creationDateTime"]


@documented(API + "API_DescribeJobs.html")
def test_jobs_are_listed_newest_first(rig: Rig) -> None:
    jobs = []
    for server in rig.seed(3):
        jobs.append(rig.start([server])["jobID"])
        rig.advance(60)
    assert [job["jobID"] for job in rig.drs.describe_jobs()["items"]] == jobs[::-1]


@documented(API + "API_DescribeJobs.html")
def test_jobs_are_filtered_by_their_time_of_creation(rig: Rig) -> None:
    jobs = []
    for server in rig.seed(3):
        jobs.append(rig.start([server]))
        rig.advance(60)
    between = {"fromDate": jobs[1]["creationDateTime"], "toDate": jobs[1]["creationDateTime"]}
    assert [job["jobID"] for job in rig.drs.describe_jobs(filters=between)["items"]] == [jobs[1]["jobID"]]


@documented(MODEL + "RecoveryMode")
def test_recovery_mode_fast_skips_the_conversion(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.drs.update_launch_configuration(sourceServerID=server, recoveryMode="FAST")
    job = rig.launch([server])
    assert job["participatingServers"][0]["launchStatus"] == "LAUNCHED"
    assert not [event for event in rig.events(job["jobID"]) if event.startswith("CONVERSION")]


@documented(API + "API_StartRecoveryRequestSourceServer.html")
def test_a_chosen_point_in_time_takes_no_new_snapshot(rig: Rig) -> None:
    (server,) = rig.seed()
    point = rig.drs.describe_recovery_snapshots(sourceServerID=server, order="ASC")["items"][0]
    entry = {"sourceServerID": server, "recoverySnapshotID": point["snapshotID"]}
    job = rig.drs.start_recovery(sourceServers=[entry], isDrill=True)["job"]
    rig.advance(3600)
    events = rig.events(job["jobID"])
    assert "USING_PREVIOUS_SNAPSHOT" in events
    assert "SNAPSHOT_START" not in events
    (instance,) = rig.drs.describe_recovery_instances()["items"]
    assert instance["pointInTimeSnapshotDateTime"] == point["timestamp"]


@documented(API + "API_StartRecoveryRequestSourceServer.html")
def test_without_a_chosen_point_the_latest_data_is_launched(rig: Rig) -> None:
    job = rig.launch(rig.seed())
    (instance,) = rig.drs.describe_recovery_instances()["items"]
    assert instance["pointInTimeSnapshotDateTime"] == job["creationDateTime"]


@documented(MODEL + "JobLogEvent")
def test_a_stalled_server_launches_from_its_previous_snapshot(rig: Rig) -> None:
    (server,) = rig.seed(replication_state="STALLED", lag="PT30M")
    job = rig.launch([server])
    assert "USING_PREVIOUS_SNAPSHOT" in rig.events(job["jobID"])
    assert job["participatingServers"][0]["launchStatus"] == "LAUNCHED"


@documented(MODEL + "JobLogEvent")
def test_a_server_with_no_snapshot_at_all_is_skipped_and_failed(rig: Rig) -> None:
    (server,) = rig.seed(replication_state="INITIAL_SYNC")
    job = rig.launch([server])
    assert rig.events(job["jobID"]) == ["JOB_START", "SERVER_SKIPPED", "JOB_END"]
    assert job["participatingServers"][0]["launchStatus"] == "FAILED"


@documented(GUIDE + "failback-preparing-failover.html")
def test_a_job_that_hangs_is_cancelled_after_a_day(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.sandbox.faults.fail_server(server, "conversion", effect="hang")
    job = rig.start([server])
    rig.advance(23 * 3600)
    assert rig.job(job["jobID"])["status"] == "STARTED"
    rig.advance(3600)
    assert rig.job(job["jobID"])["status"] == "COMPLETED"
    assert rig.events(job["jobID"])[-1] == "JOB_CANCEL"


@documented(MODEL + "LifeCycleLastLaunch")
def test_the_source_server_shows_its_last_launch(rig: Rig) -> None:
    (server,) = rig.seed()
    assert rig.server(server)["lastLaunchResult"] == "NOT_STARTED"
    job = rig.start([server])
    assert rig.server(server)["lastLaunchResult"] == "PENDING"
    rig.advance(3600)
    told = rig.server(server)
    assert told["lastLaunchResult"] == "SUCCEEDED"
    assert told["lifeCycle"]["lastLaunch"] == {
        "initiated": {"apiCallDateTime": job["creationDateTime"], "jobID": job["jobID"], "type": "DRILL"},
        "status": "LAUNCHED",
    }


@documented(MODEL + "LastLaunchResult")
def test_a_failed_launch_is_the_last_launch_result(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.sandbox.faults.fail_server(server)
    rig.launch([server], drill=False)
    assert rig.server(server)["lastLaunchResult"] == "FAILED"
    assert rig.server(server)["lifeCycle"]["lastLaunch"]["initiated"]["type"] == "RECOVERY"


@documented(API + "API_DeleteJob.html")
def test_an_active_job_cannot_be_deleted_and_an_ended_one_can(rig: Rig) -> None:
    job = rig.start(rig.seed())
    with refused("ConflictException"):
        rig.drs.delete_job(jobID=job["jobID"])
    rig.advance(3600)
    rig.drs.delete_job(jobID=job["jobID"])
    assert rig.drs.describe_jobs()["items"] == []
    with refused("ResourceNotFoundException"):
        rig.drs.delete_job(jobID=job["jobID"])


@documented(MODEL + "LaunchActionsStatus")
def test_post_launch_actions_run_in_their_order_after_the_launch(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.drs.update_launch_configuration(sourceServerID=server, postLaunchEnabled=True)
    for order, name in ((9, "second"), (3, "first")):
        rig.drs.put_launch_action(
            resourceId=server, actionCode="AWS-RunShellScript", order=order, actionVersion="1", optional=False,
            actionId=f"{order}1111111-1111-4111-8111-111111111111", active=True, name=name, category="OTHER",
            description=name,
        )  # fmt: skip
    job = rig.launch([server])
    runs = job["participatingServers"][0]["launchActionsStatus"]["runs"]
    assert [(run["action"]["name"], run["status"]) for run in runs] == [
        ("first", "SUCCEEDED"),
        ("second", "SUCCEEDED"),
    ]


@documented(EVENTS)
def test_eventbridge_gets_an_event_with_the_launch_result_of_each_server(rig: Rig) -> None:
    heard = hearing_drs(rig, "DRS Source Server Launch Result")
    good, bad = rig.seed(2)
    rig.sandbox.faults.fail_server(bad)
    drill = rig.launch([good, bad])["jobID"]
    told = {event["resources"][0].rsplit("/", 1)[-1]: event for event in heard()}
    assert {event["detail-type"] for event in told.values()} == {"DRS Source Server Launch Result"}
    assert told[good]["detail"] == {"state": "RECOVERY_LAUNCH_SUCCEEDED", "job-id": drill, "is-drill": "TRUE"}
    assert told[bad]["detail"]["state"] == "RECOVERY_LAUNCH_FAILED"
    rig.launch([good], drill=False)
    (recovery,) = heard()
    assert recovery["detail"]["is-drill"] == "FALSE"
