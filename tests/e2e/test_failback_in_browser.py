"""A failback as a person sees it in the Prefect UI: the gate before writes stop, the artifacts, the report.

`PREFECT_DRS_SCREENSHOTS=FOLDER` keeps the pages as pictures.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.rehearsal import Rehearsal, plan, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from prefect_drs.orchestration.approvals.gate import PendingGate

pytestmark = pytest.mark.browser

RECOVERED, ORIGIN = "us-west-1", "sa-east-1"
TIERS = {"Database": ["fb-db1"], "Application": ["fb-app1", "fb-app2"]}


def home() -> dict[str, Any]:
    """A plan of servers that came from EC2 in ORIGIN and are recovered in RECOVERED."""
    manifest = plan(RECOVERED, TIERS) | {"sourceRegion": ORIGIN}
    numbers = iter(range(1, 10))
    for group in manifest["protectionGroups"]:
        group["servers"] = [{"instanceId": f"i-0a1b2c3d4e5f8{next(numbers):04d}"} for _ in group["sourceServerIds"]]
    return manifest


def only_gate(execution_id: str) -> PendingGate | None:
    from prefect_drs.orchestration.approvals.gate import pending_gates

    return next(iter(pending_gates(execution_id)), None)


def test_a_failback_is_approved_and_read_in_the_ui(rehearsal: Rehearsal, browser_page: Page) -> None:
    from tests.e2e.prefect_ui import flow_run_page

    def picture(name: str) -> Path:
        return Path(os.environ.get("PREFECT_DRS_SCREENSHOTS") or rehearsal.folder) / f"failback-{name}.png"

    file, bindings = rehearsal.seeded(home())
    recovered = rehearsal.cli("recover", file, "--bindings", bindings, "--yes-really")
    assert recovered.returncode == 0, recovered.stderr[-3000:]
    failback = rehearsal.drill(file, bindings, command="failback")
    execution_id = failback.execution_id()
    gates = (
        (2, "Stop writes", "Approving stops writes, then waits until what 3 servers wrote has arrived"),
        (5, "Hand over and protect forward", "Approving hands over: traffic goes to the failed-back instances"),
    )
    for wave, wave_name, what in gates:
        gate = until(lambda: only_gate(execution_id), f"the gate of wave {wave}")
        failback.says(re.escape(str(gate.link)))  # a moment after the gate is there
        dialog = flow_run_page(browser_page, str(gate.link)).open().resume()
        told = dialog.markdown().inner_text()
        dialog.screenshot(picture(f"gate-{wave}"))
        assert f"approve {wave_name}?" in told
        assert what in told
        assert all(server in told for servers in TIERS.values() for server in servers)
        dialog.answer("approve", by="Ada Lovelace", comment="change window open")
        until(lambda: only_gate(execution_id) is None or None, "the answer counts")
    assert failback.ended() == 0, failback.stderr[-3000:]

    (link,) = set(re.findall(rf"http://\S+/runs/flow-run/{execution_id}", failback.stderr))
    run = flow_run_page(browser_page, link).open()
    run.expect_state("Completed")
    cards = run.artifacts()
    run.screenshot(picture("artifacts"))
    assert all(card.fits for card in cards.values())
    key = next(key for key in cards if "report" in key)
    text = run.artifact_text(key)
    run.screenshot(picture("report"))
    for words in ("COMPLETED", "Fail back", "Stop writes", "Ada Lovelace"):
        assert words in text
