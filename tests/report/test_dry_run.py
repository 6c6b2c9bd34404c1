"""A dry run on a terminal: equal servers are one block, wrapped lines keep their indent, the last line sums it up."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from prefect_drs.plan.effective import EffectiveValue, Origin
from prefect_drs.report.dry_run import dry_run_summary, dry_run_view
from prefect_drs.runbook import FindingSeverity, PlannedChange, Runbook, RunbookFinding
from tests.report.test_report import runbook

TYPE = PlannedChange(part="template", field="instanceType", before="c5.large", after="r7a.large")
ADDRESS = PlannedChange(part="template", field="staticPrivateIp", before=None, after="10.0.0.9")
SUBNET = EffectiveValue(value="subnet-0a1b2c3d4e5f60718", origin=Origin.GROUP)


def lines_of(view: RenderableType, width: int = 200) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def changed(book: Runbook, *positions: int, changes: tuple[PlannedChange, ...]) -> Runbook:
    """The runbook with those changes of those servers of its first wave."""
    first, *others = book.waves
    servers = tuple(
        server.model_copy(update={"changes": changes}) if number in positions else server
        for number, server in enumerate(first.servers)
    )
    return book.model_copy(update={"waves": (first.model_copy(update={"servers": servers}), *others)})


def test_servers_with_the_same_changes_are_one_block_and_every_id_is_shown() -> None:
    book = changed(runbook((5,)), 0, 2, 4, changes=(TYPE,))
    lines = lines_of(dry_run_view(book))
    assert sum("instanceType c5.large → r7a.large" in line for line in lines) == 1
    assert sum("no launch setting changes" in line for line in lines) == 1
    order = [line.split()[0] for line in lines if line.startswith("  host-")]
    assert order == ["host-1-0", "host-1-2", "host-1-4", "host-1-1", "host-1-3"]
    assert [line.strip() for line in lines if "each:" in line] == ["these 3 servers, each:", "these 2 servers, each:"]
    for server in book.waves[0].servers:
        assert sum(server.source_server_id in line for line in lines) == 1


@pytest.mark.parametrize(
    "update", [{"changes": (TYPE, ADDRESS)}, {"group": "another"}, {"effective": {"subnetId": SUBNET}}], ids=str
)
def test_a_server_that_differs_in_anything_is_a_block_of_its_own(update: dict[str, object]) -> None:
    book = changed(runbook((3,)), 0, 1, 2, changes=(TYPE,))
    (wave,) = book.waves
    other = wave.servers[1].model_copy(update=update)
    wave = wave.model_copy(update={"servers": (wave.servers[0], other, wave.servers[2])})
    lines = lines_of(dry_run_view(book.model_copy(update={"waves": (wave,)})))
    assert sum("instanceType c5.large → r7a.large" in line for line in lines) == 2
    assert [line.strip() for line in lines if "each:" in line] == ["these 2 servers, each:"]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_wrapped_line_keeps_its_indent_and_fits(width: int) -> None:
    (wave,) = runbook((2,)).waves
    settings = {f"setting{number}": SUBNET for number in range(9)}
    servers = tuple(server.model_copy(update={"effective": settings}) for server in wave.servers)
    book = runbook((2,)).model_copy(update={"waves": (wave.model_copy(update={"servers": servers}),)})
    lines = lines_of(dry_run_view(book), width)
    assert max(map(len, lines)) <= width
    first = next(number for number, line in enumerate(lines) if line.startswith("      group: "))
    rest = lines[first + 1 : lines.index("", first)]
    assert len(rest) >= 3
    assert all(line.startswith("        setting") for line in rest)


def test_warnings_stand_apart_from_what_refuses_and_the_last_line_counts_all() -> None:
    findings = (
        RunbookFinding(code="REFUSED", severity=FindingSeverity.ERROR, message="no"),
        RunbookFinding(code="LET_PASS", severity=FindingSeverity.WAIVED, message="so", waived_because="known"),
        RunbookFinding(code="TOLD_SO", severity=FindingSeverity.INFO, message="by the way"),
    )
    book = changed(runbook((4, 2, 1)), 0, 1, changes=(TYPE,)).model_copy(update={"findings": findings})
    lines = lines_of(dry_run_view(book))
    assert lines[-7:] == [
        "INFO: TOLD_SO: by the way",
        "",
        "WAIVED: LET_PASS: so (waived: known)",
        "",
        "ERROR: REFUSED: no",
        "",
        "7 servers in 3 waves: 2 to change, 5 unchanged; 2 gates; 1 warning, 1 waived, 1 error; nothing was changed",
    ]


def test_the_last_line_of_a_plan_without_findings() -> None:
    book = runbook((1,)).model_copy(update={"findings": ()})
    assert dry_run_summary(book) == (
        "1 server in 1 wave: 0 to change, 1 unchanged; 0 gates; 0 warnings, 0 errors; nothing was changed"
    )
