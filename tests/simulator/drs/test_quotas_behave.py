"""Quotas and conflicts: what the service refuses."""

from __future__ import annotations

from .documented import API, MODEL, QUOTAS, documented
from .rig import Rig, refused


@documented(QUOTAS)
def test_a_job_takes_at_most_100_servers(rig: Rig) -> None:
    ids = rig.seed(101)
    with refused("ServiceQuotaExceededException"):
        rig.start(ids)
    assert len(rig.start(ids[:100])["participatingServers"]) == 100


@documented(QUOTAS)
def test_at_most_20_jobs_are_active_at_once(rig: Rig) -> None:
    ids = rig.seed(22)
    for server in ids[:20]:
        rig.start([server])
    with refused("ServiceQuotaExceededException"):
        rig.start([ids[20]])
    rig.advance(3600)
    rig.start([ids[20]])


@documented(QUOTAS)
def test_at_most_500_servers_are_in_all_jobs_at_once(rig: Rig) -> None:
    ids = rig.seed(501)
    for first in range(0, 500, 100):
        rig.start(ids[first : first + 100])
    with refused("ServiceQuotaExceededException"):
        rig.start(ids[500:])


@documented(MODEL + "StartRecoveryRequestSourceServers")
def test_more_than_200_servers_do_not_fit_the_shape(rig: Rig) -> None:
    with refused("ValidationException"):
        rig.start(rig.seed(201))


@documented(API + "API_StartRecovery.html")
def test_a_server_in_an_active_job_is_a_conflict(rig: Rig) -> None:
    one, two = rig.seed(2)
    rig.start([one])
    with refused("ConflictException"):
        rig.start([two, one])
    assert len(rig.drs.describe_jobs()["items"]) == 1


@documented(API + "API_StartRecovery.html")
def test_a_server_is_free_again_when_its_job_has_ended(rig: Rig) -> None:
    (server,) = rig.seed()
    rig.launch([server])
    assert rig.launch([server])["participatingServers"][0]["launchStatus"] == "LAUNCHED"


@documented(API + "API_StartRecovery.html")
def test_start_recovery_has_no_idempotency_and_a_second_job_is_a_second_launch(rig: Rig) -> None:
    (server,) = rig.seed()
    first, second = rig.launch([server]), rig.launch([server])
    assert first["jobID"] != second["jobID"]
    ids = {job["participatingServers"][0]["recoveryInstanceID"] for job in (first, second)}
    assert len(ids) == 2


@documented(API + "API_TerminateRecoveryInstances.html")
def test_a_recovery_instance_in_an_active_job_is_a_conflict(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = rig.launch([server])["participatingServers"][0]["recoveryInstanceID"]
    rig.start([server])
    with refused("ConflictException"):
        rig.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])


@documented(QUOTAS)
def test_the_jobs_of_two_regions_do_not_share_a_quota(rig: Rig) -> None:
    for server in rig.seed(20):
        rig.start([server])
    other = Rig(rig.sandbox, region="eu-west-1")
    other.backend.initialize_service()
    assert other.start(other.seed())["status"] == "PENDING"


@documented(QUOTAS)
def test_at_most_300_servers_replicate(rig: Rig) -> None:
    rig.seed(300)
    with refused_by_backend():
        rig.seed(enforce_quotas=True)


@documented(QUOTAS)
def test_stopped_servers_do_not_count_as_replicating(rig: Rig) -> None:
    rig.seed(300)
    server = next(iter(rig.backend.servers))
    rig.drs.stop_replication(sourceServerID=server)
    rig.seed(enforce_quotas=True)


@documented(QUOTAS)
def test_a_region_has_at_most_100_source_networks(rig: Rig) -> None:
    for number in range(101):
        vpc = rig.ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
        args = {"vpcID": vpc, "originAccountID": rig.account, "originRegion": rig.region}
        if number < 100:
            rig.drs.create_source_network(**args)
            continue
        with refused("ServiceQuotaExceededException"):
            rig.drs.create_source_network(**args)


def refused_by_backend():
    import pytest

    from prefect_drs.simulator.drs.exceptions import ServiceQuotaExceededException

    return pytest.raises(ServiceQuotaExceededException)
