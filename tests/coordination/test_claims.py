"""Claims of servers beside the journals: one execution a server, whoever comes when, and whatever died."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from prefect_drs.coordination.claims import StoredClaims
from prefect_drs.core.errors import PrefectDrsError, PreflightRefusedError
from prefect_drs.execution.events import ExecutionEnded, ExecutionResumed, ExecutionStarted
from prefect_drs.orchestration.storage.block_journal import BlockStorage
from prefect_drs.recovery.journal import Archive, FolderStorage, StoredJournal
from prefect_drs.runbook import Runbook
from tests.orchestration.plain_block import PlainBlock
from tests.rig import Rig, WaveSpec, simulated_aws


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig


@pytest.fixture(scope="module")
def runbook(rig: Rig) -> Runbook:
    return rig.runbook({1: WaveSpec(2)})


@pytest.fixture(params=["folder", "block"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    return FolderStorage(tmp_path) if request.param == "folder" else BlockStorage(PlainBlock(tmp_path))


def begin(storage: Archive, rig: Rig, runbook: Runbook, execution_id: str) -> StoredJournal:
    journal = StoredJournal(storage, execution_id)
    journal.append([ExecutionStarted(at=rig.clock.now(), execution_id=execution_id, runbook=runbook)])
    return journal


def claims(storage: Archive, *, with_prefect: bool = False) -> StoredClaims:
    return StoredClaims(storage, with_prefect=with_prefect)


def test_a_second_execution_is_refused_and_told_who_has_its_servers(storage: Archive, runbook: Runbook) -> None:
    claims(storage).claim("first", runbook)
    with pytest.raises(PreflightRefusedError, match="execution first of plan claimed") as refused:
        claims(storage).claim("second", runbook)
    named = {finding["sourceServerId"] for finding in refused.value.details["findings"]}
    assert named == {server.source_server_id for wave in runbook.waves for server in wave.servers}
    assert [other.execution_id for other in claims(storage).others_than("second")] == ["first"]
    assert claims(storage).find("second") is None


def test_an_execution_claims_again_when_it_is_resumed_and_stays_the_only_one(
    storage: Archive, runbook: Runbook
) -> None:
    for _ in range(12):
        claims(storage).claim("first", runbook)
    assert [other.execution_id for other in claims(storage).others_than(None)] == ["first"]
    claims(storage).release("first")
    claims(storage).claim("second", runbook)
    assert [other.execution_id for other in claims(storage).others_than(None)] == ["second"]


def test_the_claim_of_an_execution_whose_process_died_stays_until_its_journal_has_its_end(
    storage: Archive, rig: Rig, runbook: Runbook
) -> None:
    claims(storage).claim("first", runbook)
    journal = begin(storage, rig, runbook, "first")
    with pytest.raises(PreflightRefusedError):
        claims(storage).claim("second", runbook)
    journal.append([ExecutionEnded(at=rig.clock.now(), status="COMPLETED")])
    claims(storage).claim("second", runbook)


def test_a_claim_for_a_resume_is_not_taken_for_that_of_the_end_before(
    storage: Archive, rig: Rig, runbook: Runbook
) -> None:
    journal = begin(storage, rig, runbook, "first")
    journal.append([ExecutionEnded(at=rig.clock.now(), status="PARTIAL")])
    claims(storage).claim("first", runbook)  # its process is about to write that it resumes
    with pytest.raises(PreflightRefusedError):
        claims(storage).claim("second", runbook)
    journal.append([ExecutionResumed(at=rig.clock.now(), by="somebody", again=True)])
    with pytest.raises(PreflightRefusedError):
        claims(storage).claim("second", runbook)


def test_of_many_at_once_one_claims_and_all_others_are_refused(tmp_path: Path, runbook: Runbook) -> None:
    storage, start = FolderStorage(tmp_path), Barrier(8)

    def claim(number: int) -> bool:
        start.wait()
        try:
            claims(storage).claim(f"execution-{number}", runbook)
        except PreflightRefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1


def test_of_many_at_once_with_prefect_and_without_only_those_of_one_kind_claim(
    tmp_path: Path, runbook: Runbook
) -> None:
    storage, start = FolderStorage(tmp_path), Barrier(8)

    def claim(number: int) -> str | None:
        start.wait()
        kind = "with" if number % 2 else "without"
        try:
            claims(storage, with_prefect=kind == "with").claim(f"execution-{number}", runbook)
        except PreflightRefusedError:
            return None
        return kind

    with ThreadPoolExecutor(8) as pool:
        claimed = sorted(kind for kind in pool.map(claim, range(8)) if kind)
    assert claimed in (["without"], ["with"] * 4)  # of the latter, Prefect's claims let one begin


def test_claims_that_prefect_judges_are_left_to_it(storage: Archive, runbook: Runbook) -> None:
    claims(storage, with_prefect=True).claim("first", runbook)
    claims(storage, with_prefect=True).claim("second", runbook)  # after it was judged by the claims in Prefect
    with pytest.raises(PreflightRefusedError):
        claims(storage).claim("third", runbook)


def test_a_claim_that_cannot_be_read_lets_nobody_begin(storage: Archive, runbook: Runbook) -> None:
    storage.create("claims/claim-00000001.json", b'{"executionId": "fir')
    with pytest.raises(PrefectDrsError, match=r"claims/claim-00000001\.json .* is no valid claim"):
        claims(storage).claim("second", runbook)


def test_the_folder_of_claims_is_no_journal(tmp_path: Path, rig: Rig, runbook: Runbook) -> None:
    storage = FolderStorage(tmp_path)
    claims(storage).claim("first", runbook)
    begin(storage, rig, runbook, "first").append([ExecutionEnded(at=rig.clock.now() + timedelta(1), status="FAILED")])
    assert storage.newest(10) == ("first",)


def test_a_process_that_ends_leaves_the_claim_of_the_one_that_resumes(storage: Archive, runbook: Runbook) -> None:
    ending, resuming = claims(storage), claims(storage)
    ending.claim("first", runbook)
    resuming.claim("first", runbook)
    ending.release("first")
    with pytest.raises(PreflightRefusedError):
        claims(storage).claim("second", runbook)
    resuming.release("first")
    claims(storage).claim("second", runbook)
