"""A person answers gates in the Prefect UI, in a real browser against a real server.

The UI is the one that the server shows by default (V2), and the other one. `PREFECT_DRS_SCREENSHOTS=FOLDER` keeps the
forms as pictures.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from prefect_drs.orchestration.approvals.gate import PendingGate
    from tests.conftest import PrefectServer
    from tests.recovery.signed_gates import People

pytestmark = [pytest.mark.prefect, pytest.mark.browser, pytest.mark.usefixtures("prefect_server")]

PATIENCE_SECONDS = 60
UIS = ("v2", "v1")
SUMMARY = """Drill of **3TierFullStackRecoveryPlan**: wave 2, **Application**, launches 2 servers in eu-west-1.

| server | address | changes |
|---|---|---|
| app-01 | 10.20.2.11 | m5.large → m6i.large |
| app-02 | 10.20.2.12 | m5.large → m6i.large |

So far: wave 1 **Database**, 2 of 2 servers LAUNCHED.
"""


def request(execution_id: str, wave: int, name: str, summary: str) -> GateRequest:
    return GateRequest(execution_id, "3Tier", "drill", wave, name, summary, timeout=timedelta(minutes=2))


def in_ui(ui: str, link: str | None) -> str:
    """The printed link, or the same page in the other UI."""
    assert link is not None
    assert "/v2/" in link
    return link if ui == "v2" else link.replace("/v2/", "/")


def ask_both(execution_id: str, opened: Queue[PendingGate], answered: Queue[int]) -> dict[int, GateAnswer]:
    """A flow whose two tasks ask their gates at the same time."""
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    from prefect_drs.orchestration.approvals.gate import PrefectGate

    gate = PrefectGate(on_waiting=opened.put)
    answers: dict[int, GateAnswer] = {}

    @task(task_run_name="{name}")
    def wave(number: int, name: str, summary: str) -> None:
        answers[number] = gate.ask(request(execution_id, number, name, summary))
        answered.put(number)

    @flow(name="browser-gates", task_runner=ThreadPoolTaskRunner(max_workers=2))
    def parent() -> None:
        futures = [wave.submit(1, "Database", "Nothing but words."), wave.submit(2, "Application", SUMMARY)]
        for future in futures:
            future.result()

    parent()
    return answers


def test_the_printed_link_leads_to_the_ui_that_the_server_shows_by_default(
    browser_page: Page, prefect_server: PrefectServer
) -> None:
    from prefect_drs.orchestration.ui_links import ui_link

    browser_page.goto(prefect_server.url)
    browser_page.wait_for_url("**/dashboard*")
    default = browser_page.url.split("/dashboard")[0]
    assert ui_link("ID") == f"{default}/runs/flow-run/ID"


@pytest.mark.parametrize("ui", UIS)
def test_two_gates_wait_side_by_side_and_are_answered_in_reverse_in_the_ui(
    ui: str, browser_page: Page, beside: Callable[..., Future[Any]]
) -> None:
    from tests.e2e.prefect_ui import flow_run_page

    opened: Queue[PendingGate] = Queue()
    answered: Queue[int] = Queue()
    run = beside(ask_both, str(uuid.uuid4()), opened, answered)
    gates = {gate.wave_number: gate for gate in (opened.get(timeout=PATIENCE_SECONDS) for _ in range(2))}
    first = flow_run_page(browser_page, in_ui(ui, gates[1].link))
    second = flow_run_page(browser_page, in_ui(ui, gates[2].link))

    dialog = second.open().resume()
    assert dialog.table() == [
        ["server", "address", "changes"],
        ["app-01", "10.20.2.11", "m5.large → m6i.large"],
        ["app-02", "10.20.2.12", "m5.large → m6i.large"],
    ]
    dialog.choose("Decision", "approve")
    dialog.write("By", "Ada Lovelace")
    dialog.write("Comment", "Database checked, change window open")
    if folder := os.environ.get("PREFECT_DRS_SCREENSHOTS"):
        dialog.screenshot(Path(folder) / f"gate-{ui}.png")
    dialog.submit()
    assert answered.get(timeout=PATIENCE_SECONDS) == 2
    second.expect_state("Approved")

    first.open().expect_state("Paused")
    first.resume().answer("reject", by="Grace Hopper")
    first.expect_state("Rejected")
    answers = run.result(timeout=PATIENCE_SECONDS)

    assert (answers[2].decision, answers[2].by) == (Decision.APPROVED, "Ada Lovelace")
    assert answers[2].comment == "Database checked, change window open"
    assert (answers[1].decision, answers[1].by) == (Decision.REJECTED, "Grace Hopper")


@pytest.mark.parametrize("ui", UIS)
def test_the_form_takes_no_answer_without_a_decision_and_a_name(
    ui: str, browser_page: Page, beside: Callable[..., Future[Any]]
) -> None:
    from playwright.sync_api import expect

    from prefect_drs.orchestration.approvals.gate import PrefectGate
    from tests.e2e.prefect_ui import flow_run_page

    opened: Queue[PendingGate] = Queue()
    run = beside(PrefectGate(on_waiting=opened.put).ask, request(str(uuid.uuid4()), 1, "Web", SUMMARY))
    page = flow_run_page(browser_page, in_ui(ui, opened.get(timeout=PATIENCE_SECONDS).link))
    dialog = page.open().resume()
    dialog.submit()
    expect(browser_page.get_by_text("'decision' is a required property").first).to_be_visible()

    dialog.choose("Decision", "approve")
    dialog.write("By", "  ")
    dialog.submit()
    expect(browser_page.get_by_text("Validation failed for field 'by'").first).to_be_visible()
    assert not run.done()

    dialog.answer("approve", by="Ada Lovelace")
    assert run.result(timeout=PATIENCE_SECONDS).by == "Ada Lovelace"


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    """People with keys of a sandbox that this process's AWS configuration leads to."""
    from tests.identity.aws import configured_sandbox
    from tests.recovery.signed_gates import People

    with configured_sandbox():
        yield People()


@pytest.mark.parametrize("ui", UIS)
def test_plain_resume_leaves_a_signed_gate_waiting_and_with_a_pasted_token_it_passes(
    ui: str, people: People, browser_page: Page, beside: Callable[..., Future[Any]]
) -> None:
    from playwright.sync_api import expect

    from prefect_drs.orchestration.approvals.gate import PrefectGate, pending_gates
    from prefect_drs.recovery.approvals import GateApprovals
    from prefect_drs.recovery.drivers import pass_gate
    from tests.e2e.prefect_ui import flow_run_page
    from tests.e2e.rehearsal import until
    from tests.recovery.signed_gates import Gates

    gates = Gates("signed", execution_id=str(uuid.uuid4()))
    opened: Queue[PendingGate] = Queue()

    def pass_it() -> bool:
        return pass_gate(
            gates.engine,
            PrefectGate(on_waiting=opened.put),
            1,
            timedelta(minutes=5),
            clock=gates.clock,
            approvals=GateApprovals(gates.verifier),
        )

    run = beside(pass_it)
    page = flow_run_page(browser_page, in_ui(ui, opened.get(timeout=PATIENCE_SECONDS).link))
    page.open().resume().answer("approve", by="Mallory")

    def waits_again() -> bool | None:
        pending = pending_gates(gates.execution_id)
        return bool(pending and pending[0].standing and pending[0].standing.attempts == 1) or None

    until(waits_again, "the gate waits again")
    assert gates.attempts == ["NO_PROOF"]
    assert not run.done()

    page.open().expect_state("Paused")
    dialog = page.resume()
    expect(dialog.markdown()).to_contain_text("one signed approval")  # rendered a moment after the dialog is there
    dialog.choose("Decision", "approve")
    dialog.write("By", "Ada Lovelace")
    dialog.write("Proof", people.token("ada", gates.bound()))
    if folder := os.environ.get("PREFECT_DRS_SCREENSHOTS"):
        dialog.screenshot(Path(folder) / f"signed-gate-{ui}.png")
    dialog.submit()
    dialog.closes()
    assert run.result(timeout=PATIENCE_SECONDS) is True
    page.open().expect_state("Approved")
    assert [each.identity for each in gates.counted] == [people.arn("ada")]
