"""Claims of servers on a real Prefect server: of those who claim at the same moment, one has them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.states import Cancelled, Completed, Crashed, Running

from prefect_drs.aws.location import Location
from prefect_drs.core.errors import PrefectDrsError, PreflightRefusedError
from prefect_drs.orchestration.executions import claims
from prefect_drs.orchestration.executions.claims import (
    PREFIX,
    SERVERS_KEY,
    Holders,
    claim_servers,
    others_than,
    release_servers,
)
from prefect_drs.orchestration.executions.lease import ensure_limit
from prefect_drs.runbook import Runbook
from prefect_drs.runbook.model import FindingSeverity, RunbookFinding, RunbookServer, RunbookWave
from tests.conftest import PrefectServer

REFUSED = "SERVER_IN_OTHER_EXECUTION"


@flow(name="claimant")
def claimant() -> None:
    """What the executions' flow runs are runs of; it is never called."""


@pytest.fixture
def client(prefect_server: PrefectServer) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def execution(client: SyncPrefectClient) -> str:
    return str(client.create_flow_run(claimant, state=Running()).id)


def runbook(*server_ids: str, findings: tuple[RunbookFinding, ...] = ()) -> Runbook:
    servers = tuple(
        RunbookServer.model_validate(
            {
                "source_server_id": server_id,
                "name": server_id,
                "account_id": "123456789012",
                "region": "eu-west-1",
                "group": "g",
                "replication_state": "CONTINUOUS",
                "lag": None,
                "recovery_instance_id": None,
                "settings": {},
                "changes": (),
            }
        )
        for server_id in server_ids
    )
    wave = RunbookWave(wave_number=1, wave_name="w", depends_on_waves=(), gate=False, servers=servers)
    return Runbook(plan_name="plan {name} " * 50, mode="drill", waves=(wave,), findings=findings)


def claimed(execution_id: str, chosen: Runbook) -> bool:
    try:
        claim_servers(execution_id, chosen)
    except PreflightRefusedError:
        return False
    return True


def test_of_ten_that_claim_at_once_exactly_one_has_the_servers(client: SyncPrefectClient) -> None:
    for _ in range(5):
        shared = f"s-{uuid4().hex[:17]}"
        runs = [execution(client) for _ in range(10)]
        together = Barrier(len(runs))

        def attempt(run: str, shared: str = shared, together: Barrier = together) -> bool:
            together.wait()
            return claimed(run, runbook(shared, f"s-{uuid4().hex[:17]}"))

        with ThreadPoolExecutor(len(runs)) as pool:
            assert sorted(pool.map(attempt, runs)) == [False] * 9 + [True]
        for run in runs:
            release_servers(run)


def test_those_that_share_no_server_claim_side_by_side(client: SyncPrefectClient) -> None:
    runs = [execution(client) for _ in range(6)]
    with ThreadPoolExecutor(len(runs)) as pool:
        assert all(pool.map(lambda run: claimed(run, runbook(f"s-{uuid4().hex[:17]}")), runs))
    for run in runs:
        release_servers(run)


def test_a_claim_lasts_until_it_is_released_whatever_became_of_the_process(client: SyncPrefectClient) -> None:
    first, second = execution(client), execution(client)
    shared = runbook("s-11111111111111111")
    assert claimed(first, shared)
    client.set_flow_run_state(UUID(first), Crashed(), force=True)
    assert not claimed(second, shared)
    assert claimed(first, shared)  # whoever resumes claims anew
    release_servers(first)
    assert claimed(second, shared)
    assert not claimed(first, shared)
    release_servers(second)


def test_a_claim_is_void_once_its_flow_run_was_cancelled_or_deleted(client: SyncPrefectClient) -> None:
    first, second, third = (execution(client) for _ in range(3))
    shared = runbook("s-22222222222222222")
    assert claimed(first, shared)
    client.set_flow_run_state(UUID(first), Cancelled(), force=True)
    assert claimed(second, shared)
    client.delete_flow_run(UUID(second))
    assert claimed(third, shared)
    release_servers(third)


def test_a_refusal_names_the_holder_the_servers_and_what_to_do(client: SyncPrefectClient) -> None:
    first, second = execution(client), execution(client)
    assert claimed(first, runbook("s-33333333333333333"))
    with pytest.raises(PreflightRefusedError) as refused:
        claim_servers(second, runbook("s-33333333333333333"))
    for part in (first, "s-33333333333333333", f"prefect-drs resume {first}", f"prefect-drs cancel {first}"):
        assert part in refused.value.message
    assert refused.value.exit_code == 5
    release_servers(first)


def test_a_holder_that_was_waived_at_the_preflight_is_no_obstacle(client: SyncPrefectClient) -> None:
    first, second, third = (execution(client) for _ in range(3))
    assert claimed(first, runbook("s-44444444444444444"))
    waived = RunbookFinding(
        code=REFUSED, severity=FindingSeverity.WAIVED, message="", waived_because="it is dead", execution_id=first
    )
    assert claimed(second, runbook("s-44444444444444444", findings=(waived,)))
    assert not claimed(third, runbook("s-44444444444444444", findings=(waived,)))  # of the second nothing was waived
    for each in (first, second):
        release_servers(each)


def test_the_preflight_sees_the_claims_of_others_and_not_its_own(client: SyncPrefectClient) -> None:
    first = execution(client)
    assert claimed(first, runbook("s-55555555555555555"))
    found = {other.execution_id: other.source_server_ids for other in others_than(None)}
    assert found[first] == {"s-55555555555555555"}
    assert first not in {other.execution_id for other in others_than(first)}
    release_servers(first)
    assert first not in {other.execution_id for other in others_than(None)}


def test_holders_are_counted_by_account_and_region(client: SyncPrefectClient) -> None:
    holders, here = Holders(), Location("123456789012", "eu-west-1")
    before = holders.count(here)
    first, second = execution(client), execution(client)
    assert claimed(first, runbook("s-99999999999999991"))
    assert claimed(second, runbook("s-99999999999999992"))
    assert holders.count(here) == before + 2
    assert holders.count(here._replace(region="eu-west-2")) == 0
    for each in (first, second):
        release_servers(each)
    assert holders.count(here) == before


def test_a_claim_of_thousands_of_servers_is_kept_whole(client: SyncPrefectClient) -> None:
    first, second = execution(client), execution(client)
    ids = [f"s-{number:017x}" for number in range(4000)]
    assert claimed(first, runbook(*ids))
    assert not claimed(second, runbook(ids[-1]))
    release_servers(first)


def test_a_claim_that_cannot_be_read_refuses(client: SyncPrefectClient) -> None:
    first, second = execution(client), execution(client)
    client.create_flow_run_input(UUID(first), SERVERS_KEY, "no JSON")
    assert claimed(first, runbook("s-66666666666666666"))
    with pytest.raises(PrefectDrsError, match=f"claim of execution {first} cannot be read"):
        claim_servers(second, runbook("s-77777777777777777"))
    release_servers(first)


def test_old_released_claims_are_deleted_and_no_number_is_given_twice(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def numbers() -> list[int]:
        body: dict[str, Any] = {"variables": {"name": {"like_": PREFIX}}, "limit": 200}
        found = client.request("POST", "/variables/filter", json=body).json()
        return sorted(int(each["name"].removeprefix(PREFIX)) for each in found)

    monkeypatch.setattr(claims, "KEEP_RELEASED", timedelta())
    given = [0]
    for _ in range(3):
        run = execution(client)
        assert claimed(run, runbook("s-88888888888888888"))
        assert max(numbers()) > given[-1]
        given.append(max(numbers()))
        release_servers(run)
        client.set_flow_run_state(UUID(run), Completed(), force=True)
    assert given[1] not in numbers()  # the second claim found it released
    assert given[3] in numbers()


def test_a_limit_that_two_make_at_once_is_there_for_both(client: SyncPrefectClient) -> None:
    for _ in range(5):
        name, together = f"prefect-drs-test-{uuid4()}", Barrier(6)

        def make(name: str = name, together: Barrier = together) -> None:
            with get_client(sync_client=True) as own:
                together.wait()
                ensure_limit(own, name, 1)

        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(make) for _ in range(6)]:
                done.result()
        assert client.read_global_concurrency_limit_by_name(name).limit == 1
