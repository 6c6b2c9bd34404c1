"""What the page of a gate's flow run shows beside its form: an artifact and a line of its log.

In: what a gate asks, and what became of it. Out: an artifact of the gate's flow run, changed in place. The answers of
Prefect are awaited for a few seconds and not asked for twice, since a launch may wait for them; a failure is logged.

Must never: raise; change what a gate asks or how it is answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import INFO
from uuid import UUID

from prefect.client.schemas.actions import LogCreate
from prefect.logging import get_logger

from prefect_drs.core.escaping import artifact_key, markdown_text
from prefect_drs.orchestration.client import quick_client
from prefect_drs.orchestration.storage.pages import find_pages, page_of, store_page
from prefect_drs.recovery.ports import GateRequest
from prefect_drs.report.gate_page import closed_gate_page, gate_page, gate_prompt, lost_gate_page
from prefect_drs.report.run_page import RunPage

_logger = get_logger("prefect_drs.orchestration.approvals.gate_artifact")


def prompt(request: GateRequest) -> str:
    """What the gate asks and where to answer, as one line of plain text."""
    return gate_prompt(request.execution_id, request.wave_number, request.wave_name, request.launches)


def form_text(request: GateRequest) -> str:
    """The description above the form: what approving launches, and how a gate that demands proofs stands."""
    if request.check is None:
        return request.summary
    standing = request.check.standing()
    command = f"{request.execution_id} --wave {request.wave_number}"
    lines = "\n".join(f"- {markdown_text(line)}" for line in standing.lines)
    return (
        f"**This gate needs a proof of who you are.** Run `prefect-drs approve {command}`, or paste what "
        f"`prefect-drs token --approve {command}` prints into *Proof*.\n\n{lines}\n\n{request.summary}"
    )


def show_gate(run_id: UUID, request: GateRequest, *, suspended: bool) -> None:
    """Tell on the page of the gate's flow run what approving launches and where to press.

    Args:
        run_id: the gate's flow run.
        request: what it asks.
        suspended: whether no process waits for the answer.
    """
    with not_raising():
        page = gate_page(
            request.execution_id,
            request.wave_number,
            request.wave_name,
            request.launches,
            form_text(request),
            suspended=suspended,
        )
        line = LogCreate(
            name="prefect_drs.gate",
            level=INFO,
            message=prompt(request),
            timestamp=datetime.now(UTC),
            flow_run_id=run_id,
        )
        with quick_client() as client:
            client.create_logs([line])
        _show(run_id, request.plan_name, request.wave_number, page)


def show_answer(run_id: UUID, plan_name: str, wave_number: int, wave_name: str, outcome: str) -> None:
    """Tell on the page of a gate what became of it; nothing where the gate has no artifact."""
    with not_raising():
        _show(run_id, plan_name, wave_number, closed_gate_page(wave_number, wave_name, outcome), create=False)


def show_lost(run_id: UUID, request: GateRequest) -> None:
    """Tell on the page of a gate that its process was told to stop, and what to do."""
    with not_raising():
        page = lost_gate_page(request.execution_id, request.wave_number, request.wave_name)
        _show(run_id, request.plan_name, request.wave_number, page)


def _show(run_id: UUID, plan_name: str, wave_number: int, page: RunPage, *, create: bool = True) -> None:
    key = artifact_key(plan_name, f"gate-{wave_number}")
    with quick_client() as client:
        former = find_pages(client, [run_id], [key]).get((run_id, key))
        if former is None:
            if create:
                store_page(client, run_id, key, page)
        elif page_of(former) != page:
            store_page(client, run_id, key, page, former.id)


@contextmanager
def not_raising() -> Iterator[None]:
    """Log what goes wrong with a gate's page."""
    try:
        yield
    except Exception as error:  # the form says the same; no failure of an artifact may stop the recovery
        _logger.warning("Prefect did not store the page of a gate: %s", error)
