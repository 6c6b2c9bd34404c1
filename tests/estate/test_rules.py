"""Documents in use cannot change: by an execution, or by plans that refer to them."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_drs.estate.model import Delete, DocumentKind, Estate, Stored, Upsert
from prefect_drs.estate.rules import still_named, under_execution
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, ServerReport, WaveReport, WaveStatus
from tests.estate.test_model import NOW, shop

SERVER = "s-00000000000000001"


def report(plan: str, *servers: str) -> RecoveryReport:
    """An execution that has not ended."""
    return RecoveryReport(
        execution_id="e-1",
        plan_name=plan,
        mode="drill",
        status=ExecutionStatus.IN_PROGRESS,
        started_at=NOW,
        ended_at=None,
        achieved_rto_seconds=None,
        waves=(
            WaveReport(
                wave_number=1,
                wave_name="a",
                status=WaveStatus.LAUNCHING,
                reason="",
                started_at=NOW,
                ended_at=None,
                depends_on_waves=(),
                jobs=(),
                servers=tuple(
                    ServerReport(
                        source_server_id=server,
                        name=server,
                        launch_status="PENDING",
                        recovery_instance_id=None,
                        attempts=1,
                        started_at=None,
                        ended_at=None,
                    )
                    for server in servers
                ),
            ),
        ),
    )


def nobody(stored: Stored) -> Sequence[str]:
    return ()


def everybody(stored: Stored) -> Sequence[str]:
    return (SERVER,)


def in_use(estate: Estate, what: str, active: RecoveryReport, members: object = nobody) -> list[str]:
    """The places that cannot be deleted."""
    steps = estate.steps(
        [Delete(DocumentKind.PLAN if what.startswith("p") else DocumentKind.GROUP, what)], by="ada", at=NOW
    )
    return [fault.path for fault in under_execution(estate, steps, [active], members)]  # type: ignore[arg-type]


def test_an_execution_holds_its_plan_and_the_groups_of_that_plan() -> None:
    estate = shop()
    assert in_use(estate, "p1", report("sHOP")) == ["plans.Shop"]
    assert in_use(estate, "g1", report("sHOP")) == ["groups.Database"]
    assert in_use(estate, "g3", report("Shop")) == []
    assert in_use(estate, "p1", report("Other")) == []


def test_an_execution_of_a_file_holds_the_groups_of_its_servers_whoever_selects_them() -> None:
    estate = shop()
    assert in_use(estate, "g3", report("of a file", SERVER), everybody) == ["groups.Spare"]
    assert in_use(estate, "g3", report("of a file", "s-00000000000000002"), everybody) == []
    assert in_use(estate, "g3", report("of a file", SERVER), nobody) == []


def test_a_new_document_is_not_in_use() -> None:
    steps = shop().steps([Upsert(DocumentKind.GROUP, {"groupName": "New"})], by="ada", at=NOW)
    assert list(under_execution(shop(), steps, [report("Shop", SERVER)], everybody)) == []


def test_a_group_is_deleted_together_with_the_plans_that_use_it_or_not_at_all() -> None:
    estate = shop()
    alone = estate.steps([Delete(DocumentKind.GROUP, "g1")], by="ada", at=NOW)
    (fault,) = still_named(estate, alone)
    assert (fault.code, fault.path) == ("IN_USE", "groups.Database")
    together = estate.steps([Delete(DocumentKind.GROUP, "g1"), Delete(DocumentKind.PLAN, "p1")], by="ada", at=NOW)
    assert list(still_named(estate, together)) == []
