"""Source servers, replication, points in time, failback, staging accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prefect_drs.simulator import mock_drs
from prefect_drs.simulator.drs.replication import INITIATION_STEPS

from .documented import API, EVENTS, GUIDE, MODEL, documented
from .rig import GIB, Rig, hearing_drs, refused

PITS = GUIDE + "points-in-time.html"


def state(rig: Rig, server: str) -> str:
    return str(rig.server(server)["dataReplicationInfo"]["dataReplicationState"])


@documented(MODEL + "DataReplicationState")
def test_replication_goes_through_its_states_to_continuous(rig: Rig) -> None:
    (server,) = rig.seed(replication_state="INITIATING", disks=[{"deviceName": "/dev/sda1", "bytes": 10 * GIB}])
    seen = []
    for _ in range(120):
        if not seen or seen[-1] != state(rig, server):
            seen.append(state(rig, server))
        rig.advance(20)
    assert seen == ["INITIATING", "INITIAL_SYNC", "CREATING_SNAPSHOT", "CONTINUOUS"]


@documented(MODEL + "DataReplicationInitiationStepName")
def test_the_initiation_steps_are_listed_in_their_order(rig: Rig) -> None:
    (server,) = rig.seed(replication_state="INITIATING")
    rig.advance(200)
    steps = rig.server(server)["dataReplicationInfo"]["dataReplicationInitiation"]["steps"]
    assert tuple(step["name"] for step in steps) == INITIATION_STEPS
    statuses = [step["status"] for step in steps]
    assert statuses.count("IN_PROGRESS") == 1
    assert statuses == sorted(statuses, key=["SUCCEEDED", "IN_PROGRESS", "NOT_STARTED"].index)


@documented(MODEL + "DataReplicationInfo.lagDuration")
def test_the_lag_of_a_stalled_server_grows_with_time(rig: Rig) -> None:
    (server,) = rig.seed()
    assert rig.server(server)["dataReplicationInfo"]["lagDuration"] == "PT0S"
    rig.backend.stall_replication(rig.backend.servers[server])
    rig.advance(3700)
    told = rig.server(server)["dataReplicationInfo"]
    assert told["dataReplicationState"] == "STALLED"
    assert told["lagDuration"] == "PT1H1M40S"
    assert told["dataReplicationError"] == {"error": "AGENT_NOT_SEEN"}


@documented(API + "API_RetryDataReplication.html")
def test_a_retry_brings_a_stalled_server_back_to_continuous(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.backend.stall_replication(rig.backend.servers[server])
    rig.drs.retry_data_replication(sourceServerID=server)
    assert state(rig, server) == "RESCAN"
    rig.advance(3600)
    assert state(rig, server) == "CONTINUOUS"
    assert rig.server(server)["dataReplicationInfo"]["lagDuration"] == "PT0S"


@documented(API + "API_RetryDataReplication.html")
def test_a_retry_works_only_where_replication_is_stalled_disconnected_or_stopped(rig: Rig) -> None:
    (server,) = rig.seed()
    with refused("ValidationException"):
        rig.drs.retry_data_replication(sourceServerID=server)


@documented(API + "API_StopReplication.html")
def test_stopping_replication_deletes_the_points_in_time(rig: Rig) -> None:
    (server,) = rig.seed()
    assert rig.drs.describe_recovery_snapshots(sourceServerID=server)["items"]
    rig.drs.stop_replication(sourceServerID=server)
    assert state(rig, server) == "STOPPED"
    assert rig.drs.describe_recovery_snapshots(sourceServerID=server)["items"] == []


@documented(API + "API_StartReplication.html")
def test_only_a_stopped_server_starts_to_replicate(rig: Rig) -> None:
    (server,) = rig.seed()
    with refused("ConflictException"):
        rig.drs.start_replication(sourceServerID=server)
    rig.drs.stop_replication(sourceServerID=server)
    told = rig.drs.start_replication(sourceServerID=server)["sourceServer"]
    assert told["dataReplicationInfo"]["dataReplicationState"] == "INITIATING"


@documented(API + "API_DisconnectSourceServer.html")
def test_disconnecting_sets_the_disks_to_zero_and_removes_the_lag(rig: Rig) -> None:
    (server,) = rig.seed()
    told = rig.drs.disconnect_source_server(sourceServerID=server)["dataReplicationInfo"]
    assert told["dataReplicationState"] == "DISCONNECTED"
    assert [disk["totalStorageBytes"] for disk in told["replicatedDisks"]] == [0]
    assert "lagDuration" not in told


@documented(API + "API_DisconnectSourceServer.html")
def test_a_server_with_a_recovery_instance_cannot_be_disconnected(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.launch([server])
    with refused("ConflictException"):
        rig.drs.disconnect_source_server(sourceServerID=server)


@documented(API + "API_DeleteSourceServer.html")
def test_a_server_is_deleted_only_when_disconnected(rig: Rig) -> None:
    (server,) = rig.seed()
    with refused("ConflictException"):
        rig.drs.delete_source_server(sourceServerID=server)
    rig.drs.disconnect_source_server(sourceServerID=server)
    rig.drs.delete_source_server(sourceServerID=server)
    assert rig.drs.describe_source_servers()["items"] == []


@documented(PITS)
def test_points_in_time_are_every_ten_minutes_for_an_hour_hourly_for_a_day_daily_for_a_week(rig: Rig) -> None:
    (server,) = rig.seed(protected_for=timedelta(days=30))
    rig.advance(5 * 60)
    now = rig.sandbox.clock.now()
    points = [now - point.at for point in rig.backend.servers[server].points_in_time(seed=0, now=now)]
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert sum(age < hour for age in points) == 6
    assert sum(hour <= age < day for age in points) == 23
    assert sum(age >= day for age in points) == 6
    assert max(points) < 7 * day


@documented(API + "API_DescribeRecoverySnapshots.html")
def test_snapshots_are_ordered_and_filtered_by_time(rig: Rig) -> None:
    (server,) = rig.seed()
    rising = rig.drs.describe_recovery_snapshots(sourceServerID=server, order="ASC")["items"]
    falling = rig.drs.describe_recovery_snapshots(sourceServerID=server, order="DESC")["items"]
    assert [s["snapshotID"] for s in rising] == [s["snapshotID"] for s in falling][::-1]
    since = rising[-3]["timestamp"]
    late = rig.drs.describe_recovery_snapshots(sourceServerID=server, filters={"fromDateTime": since})["items"]
    assert [s["snapshotID"] for s in late] == [s["snapshotID"] for s in rising[-3:]]


@documented(PITS)
def test_a_stalled_server_gets_no_new_points_in_time(rig: Rig) -> None:
    (server,) = rig.seed()
    newest = rig.drs.describe_recovery_snapshots(sourceServerID=server, order="DESC")["items"][0]["timestamp"]
    rig.backend.stall_replication(rig.backend.servers[server])
    rig.advance(3000)
    later = rig.drs.describe_recovery_snapshots(sourceServerID=server, order="DESC")["items"][0]["timestamp"]
    assert later == newest


@documented(MODEL + "RecoverySnapshot.ebsSnapshots")
def test_a_point_in_time_has_an_ebs_snapshot_for_each_disk(rig: Rig) -> None:
    disks = [{"deviceName": f"/dev/sd{letter}", "bytes": GIB} for letter in "abc"]
    (server,) = rig.seed(disks=disks)
    point = rig.drs.describe_recovery_snapshots(sourceServerID=server)["items"][0]
    assert len(set(point["ebsSnapshots"])) == 3


@documented(API + "API_DescribeSourceServersRequestFilters.html")
def test_servers_are_filtered_by_id_hardware_and_staging_account(rig: Rig) -> None:
    one, two = rig.seed(2)
    (three,) = rig.seed(ec2_instance_id="i-0123456789abcdef0")
    ask = rig.drs.describe_source_servers
    assert [s["sourceServerID"] for s in ask(filters={"sourceServerIDs": [two, one]})["items"]] == [two, one]
    assert [s["sourceServerID"] for s in ask(filters={"hardwareId": "i-0123456789abcdef0"})["items"]] == [three]
    assert len(ask(filters={"stagingAccountIDs": [rig.account]})["items"]) == 3
    assert ask(filters={"stagingAccountIDs": ["222222222222"]})["items"] == []


@documented(API + "API_ReverseReplication.html")
def test_reverse_replication_makes_a_failback_server_where_the_machine_came_from(rig: Rig) -> None:
    origin = Rig(rig.sandbox, region="us-west-2")
    origin.backend.initialize_service()
    (server,) = rig.seed(source_account=rig.account, source_region="us-west-2")
    instance = rig.launch([server], drill=False)["participatingServers"][0]["recoveryInstanceID"]
    arn = rig.drs.reverse_replication(recoveryInstanceID=instance)["reversedDirectionSourceServerArn"]
    (back,) = origin.drs.describe_source_servers()["items"]
    assert back["arn"] == arn
    assert back["replicationDirection"] == "FAILBACK"
    assert rig.server(server)["reversedDirectionSourceServerArn"] == arn
    assert failback(rig, instance)["state"] == "FAILBACK_IN_PROGRESS"


def failback(rig: Rig, instance: str) -> dict:
    (found,) = rig.drs.describe_recovery_instances(filters={"recoveryInstanceIDs": [instance]})["items"]
    return found["failback"]


@documented(GUIDE + "default-drs-launch-into-source-instance.html")
def test_reverse_replication_launches_into_the_source_instance_where_the_default_settings_say_so(rig: Rig) -> None:
    origin = Rig(rig.sandbox, region="us-west-2")
    origin.backend.initialize_service()
    template = {"launchIntoSourceInstance": True, "copyTags": False, "copyPrivateIp": False}
    origin.drs.create_launch_configuration_template(**template)
    made = origin.ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, InstanceType="m5.large")
    source = made["Instances"][0]["InstanceId"]
    (server,) = rig.seed(source_account=rig.account, source_region="us-west-2", ec2_instance_id=source)
    instance = rig.launch([server], drill=False)["participatingServers"][0]["recoveryInstanceID"]
    with refused("ConflictException"):  # without the tag
        rig.drs.reverse_replication(recoveryInstanceID=instance)
    assert origin.drs.describe_source_servers()["items"] == []
    tag = {"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}
    origin.ec2.create_tags(Resources=[source], Tags=[tag])
    rig.drs.reverse_replication(recoveryInstanceID=instance)
    (back,) = origin.drs.describe_source_servers()["items"]
    settings = origin.drs.get_launch_configuration(sourceServerID=back["sourceServerID"])
    assert settings["launchIntoInstanceProperties"] == {"launchIntoEC2InstanceID": source}


@documented(API + "API_ReverseReplication.html")
def test_reverse_replication_is_only_for_instances_that_originate_in_ec2(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = rig.launch([server], drill=False)["participatingServers"][0]["recoveryInstanceID"]
    with refused("ConflictException"):
        rig.drs.reverse_replication(recoveryInstanceID=instance)


@documented(API + "API_StartFailbackLaunch.html")
def test_a_failback_launch_waits_for_the_failback_client_and_ends_completed(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = rig.launch([server], drill=False)["participatingServers"][0]["recoveryInstanceID"]
    with refused("ConflictException"):
        rig.drs.start_failback_launch(recoveryInstanceIDs=[instance])
    rig.backend.pair_failback_client(instance)
    assert failback(rig, instance)["state"] == "FAILBACK_READY_FOR_LAUNCH"
    job = rig.drs.start_failback_launch(recoveryInstanceIDs=[instance])["job"]
    assert job["initiatedBy"] == "FAILBACK"
    rig.advance(3600)
    assert rig.job(job["jobID"])["participatingServers"][0]["launchStatus"] == "LAUNCHED"
    assert failback(rig, instance)["state"] == "FAILBACK_COMPLETED"


@documented(GUIDE + "failback-failover-region-region.html")
def test_an_instance_that_originates_in_ec2_is_launched_back_by_start_recovery_in_its_origin(rig: Rig) -> None:
    origin = Rig(rig.sandbox, region="us-west-2")
    origin.backend.initialize_service()
    (server,) = rig.seed(source_account=rig.account, source_region="us-west-2")
    instance = rig.launch([server], drill=False)["participatingServers"][0]["recoveryInstanceID"]
    rig.drs.reverse_replication(recoveryInstanceID=instance)
    rig.advance(4 * 3600)
    assert failback(rig, instance)["state"] == "FAILBACK_READY_FOR_LAUNCH"
    with refused("ValidationException"):
        rig.drs.start_failback_launch(recoveryInstanceIDs=[instance])
    assert failback(rig, instance)["state"] == "FAILBACK_READY_FOR_LAUNCH"
    (back,) = origin.drs.describe_source_servers()["items"]
    origin.launch([back["sourceServerID"]], drill=False)
    assert len(origin.copies()) == 1


@documented(API + "API_StopFailback.html")
def test_stop_failback_sets_the_state_back_to_not_started(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = rig.launch([server], drill=False)["participatingServers"][0]["recoveryInstanceID"]
    rig.backend.pair_failback_client(instance)
    assert failback(rig, instance)["state"] == "FAILBACK_READY_FOR_LAUNCH"
    rig.drs.stop_failback(recoveryInstanceID=instance)
    assert failback(rig, instance)["state"] == "FAILBACK_NOT_STARTED"


@documented(API + "API_DisconnectRecoveryInstance.html")
def test_a_disconnected_recovery_instance_is_shown_as_disconnected(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = rig.launch([server])["participatingServers"][0]["recoveryInstanceID"]
    rig.drs.disconnect_recovery_instance(recoveryInstanceID=instance)
    (told,) = rig.drs.describe_recovery_instances()["items"]
    assert told["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED"
    assert [d["totalStorageBytes"] for d in told["dataReplicationInfo"]["replicatedDisks"]] == [0]


@documented(API + "API_ListExtensibleSourceServers.html")
def test_extensible_servers_are_those_not_extended_and_no_extensions(rig: Rig) -> None:
    staging = rig.sandbox.backend("222222222222", rig.region)
    staging.initialize_service()
    for name in ("one", "two"):
        staging.seed_source_server(hostname=name, ram_bytes=GIB, cpus=1, disks=[])
    ask = rig.drs.list_extensible_source_servers
    first = ask(stagingAccountID="222222222222")["items"][0]
    made = rig.drs.create_extended_source_server(sourceServerArn=first["arn"])["sourceServer"]
    assert made["stagingArea"]["status"] == "EXTENDED"
    assert [s["hostname"] for s in ask(stagingAccountID="222222222222")["items"]] == ["two"]
    assert rig.drs.list_staging_accounts()["accounts"] == [{"accountID": "222222222222"}]
    with refused("ValidationException"):
        rig.drs.create_extended_source_server(sourceServerArn=first["arn"])


@documented(API + "API_CreateExtendedSourceServer.html")
def test_an_extended_server_shows_the_replication_of_its_staging_server(rig: Rig) -> None:
    staging = rig.sandbox.backend("222222222222", rig.region)
    staging.initialize_service()
    original = staging.seed_source_server(hostname="one", ram_bytes=GIB, cpus=1, disks=[])
    made = rig.drs.create_extended_source_server(sourceServerArn=original.arn)["sourceServer"]["sourceServerID"]
    staging.stall_replication(original)
    assert state(rig, made) == "STALLED"


@documented(GUIDE + "multi-account.html")
def test_a_staging_account_that_does_not_trust_the_target_is_not_read(rig: Rig) -> None:
    staging = rig.sandbox.backend("222222222222", rig.region)
    staging.initialize_service()
    staging.trusted_accounts = set()
    with refused("AccessDeniedException"):
        rig.drs.list_extensible_source_servers(stagingAccountID="222222222222")


@documented(MODEL + "ReplicationStatus")
def test_a_source_network_is_protected_after_its_replication(rig: Rig) -> None:
    vpc, _, _ = rig.network()
    network = rig.drs.create_source_network(vpcID=vpc, originAccountID=rig.account, originRegion=rig.region)[
        "sourceNetworkID"
    ]
    with refused("ConflictException"):
        rig.drs.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": network}])
    rig.drs.start_source_network_replication(sourceNetworkID=network)
    seen = [rig.drs.describe_source_networks()["items"][0]["replicationStatus"]]
    rig.advance(300)
    seen.append(rig.drs.describe_source_networks()["items"][0]["replicationStatus"])
    assert seen == ["IN_PROGRESS", "PROTECTED"]


@documented(API + "API_StartSourceNetworkRecovery.html")
def test_a_network_recovery_deploys_a_vpc_with_the_subnets_of_the_source(rig: Rig) -> None:
    vpc, _, _ = rig.network()
    network = rig.drs.create_source_network(vpcID=vpc, originAccountID=rig.account, originRegion=rig.region)[
        "sourceNetworkID"
    ]
    rig.drs.start_source_network_replication(sourceNetworkID=network)
    rig.advance(300)
    job = rig.drs.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": network}])["job"]
    rig.advance(600)
    (told,) = rig.drs.describe_source_networks()["items"]
    assert told["lastRecovery"]["lastRecoveryResult"] == "SUCCESS"
    found = rig.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [told["launchedVpcID"]]}])["Subnets"]
    assert [subnet["CidrBlock"] for subnet in found] == ["10.1.1.0/24"]
    assert "DEPLOY_NETWORK_CONFIGURATION_END" in rig.events(job["jobID"])


@pytest.mark.parametrize("state_name", ["STOPPED", "INITIATING", "INITIAL_SYNC"])
def test_a_server_that_never_was_continuous_has_no_points_in_time(state_name: str) -> None:
    with mock_drs() as sandbox:
        rig = Rig(sandbox)
        rig.backend.initialize_service()
        (server,) = rig.seed(replication_state=state_name)
        assert rig.drs.describe_recovery_snapshots(sourceServerID=server)["items"] == []


@documented(EVENTS)
def test_eventbridge_gets_an_event_when_replication_stalls_and_when_it_resumes(rig: Rig) -> None:
    heard = hearing_drs(rig, "DRS Source Server Data Replication Stalled Change")
    (server,) = rig.seed()
    rig.backend.stall_replication(rig.backend.servers[server])
    (stalled,) = heard()
    assert stalled["detail-type"] == "DRS Source Server Data Replication Stalled Change"
    assert (stalled["resources"], stalled["detail"]) == ([rig.server(server)["arn"]], {"state": "STALLED"})
    rig.drs.retry_data_replication(sourceServerID=server)
    (going_on,) = heard()
    assert going_on["detail"] == {"state": "NOT_STALLED"}
