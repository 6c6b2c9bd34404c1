"""Regenerate the pictures of the documentation from real executions: `python docs/images/make.py [report]`.

In: the two examples, run on a sandbox and a Prefect server of their own (see deployments/sandbox/demo.py). Out, beside
this file: `waves.svg`, the diamond plan while its second gate still waits, and `gate.png`, the Prefect UI in headless
Chromium at the first gate of the three-tier plan. Takes about two minutes. It uses only the Prefect server and the
simulated AWS that it starts. `report.png` is the HTML report of a drill in virtual time (`example_drill.py`); with the
argument `report` only that one is made.
"""

# ruff: noqa: PLC0415 - Prefect reads its settings when it is imported, and they are made here first
from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from prefect_drs.orchestration.approvals.gate import PendingGate
    from prefect_drs.recovery.ports import Decision

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE), str(ROOT / "deployments" / "sandbox")]

import demo as stage  # noqa: E402 - a script beside what it starts, in no package

THREE_TIER, DIAMOND = "examples/three-tier.json", "examples/diamond.yaml"
PATIENCE_SECONDS = 120.0
REPORT_HEIGHT = 1240  # pixels of the report's beginning
WINDOW_HEIGHT = 1560  # pixels; the dialog takes 80 % of it: the whole form of a wave of two servers

T = TypeVar("T")


def main() -> None:
    """Start all servers, run both plans to their gates, take the pictures, let the plans end."""
    picture_of_a_report(HERE / "report.png")
    if sys.argv[1:] == ["report"]:
        return
    with ExitStack() as stack:
        stage.HOME = Path(stack.enter_context(TemporaryDirectory(prefix="pictures-")))
        demo = stage.Demo(stack)
        server = demo.start_prefect()
        demo.start_sandbox()
        bindings = stage.HOME / "bindings.yaml"
        demo.run(f"prefect-drs sandbox seed {THREE_TIER} {DIAMOND} --bindings {bindings}")
        demo.wait_for_prefect(server)
        os.environ.update(demo.environment)  # from here on this process uses the same Prefect API and sandbox
        picture_of_a_gate(demo, bindings, HERE / "gate.png")
        picture_of_waves(demo, bindings, HERE / "waves.svg")


def picture_of_a_report(picture: Path) -> None:
    """The beginning of the HTML report of a drill with a retry, a pause and two gates."""
    from example_drill import example_report
    from playwright.sync_api import sync_playwright

    from tests.conftest import find_chromium
    from tests.e2e.conftest import CHROMIUM_ARGUMENTS

    environment = dict(os.environ)
    text = example_report()
    os.environ.clear()
    os.environ.update(environment)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(viewport={"width": 1280, "height": REPORT_HEIGHT}, color_scheme="light")
        page.set_content(text)
        page.screenshot(path=picture)
        browser.close()


def picture_of_a_gate(demo: stage.Demo, bindings: Path, picture: Path) -> None:
    """A drill of the three-tier plan, its first gate approved in the browser."""
    from playwright.sync_api import sync_playwright

    from prefect_drs.recovery.ports import Decision
    from tests.conftest import find_chromium
    from tests.e2e.conftest import CHROMIUM_ARGUMENTS
    from tests.e2e.prefect_ui import flow_run_page

    drill = demo.background(f"prefect-drs drill {THREE_TIER} --bindings {bindings}", "picture-of-a-gate.log")
    link = waiting_gate(1).link
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(viewport={"width": 1280, "height": WINDOW_HEIGHT}, color_scheme="light")
        dialog = flow_run_page(page, str(link)).open().resume()
        dialog.choose("Decision", "approve")
        dialog.write("By", "Ada Lovelace")
        dialog.write("Comment", "Database checked, change window open")
        dialog.screenshot(picture)
        dialog.submit()
        waiting_gate(2)
        browser.close()
    answer(2, Decision.REJECTED)
    drill.wait()


def picture_of_waves(demo: stage.Demo, bindings: Path, picture: Path) -> None:
    """A drill of the diamond plan: one branch launches, the other waits at its gate."""
    from prefect_drs.core.clock import configured_clock
    from prefect_drs.orchestration.accounts import open_sessions
    from prefect_drs.orchestration.executions.reports import read_report
    from prefect_drs.plan import load_manifest
    from prefect_drs.recovery.ports import Decision
    from prefect_drs.report.model import RecoveryReport, WaveStatus
    from prefect_drs.report.picture import wave_graph_svg
    from prefect_drs.runbook import resolve

    manifest = load_manifest(DIAMOND, bindings)
    runbook = resolve(manifest, manifest.plan(), mode="drill", sessions=open_sessions(), clock=configured_clock())
    drill = demo.background(f"prefect-drs drill {DIAMOND} --bindings {bindings}", "picture-of-waves.log")
    execution = waiting_gate(4).execution_id
    waiting_gate(5)
    answer(4, Decision.APPROVED)

    def half_way() -> RecoveryReport | None:
        report = read_report(execution)
        wave = next(wave for wave in report.waves if wave.wave_number == 4)
        return report if wave.status is WaveStatus.LAUNCHING else None

    picture.write_text(wave_graph_svg(until(half_way), runbook) + "\n", encoding="utf-8")
    answer(5, Decision.REJECTED)
    drill.wait()


def waiting_gate(wave: int) -> PendingGate:
    """Wait for the gate before a wave."""
    from prefect_drs.orchestration.approvals.gate import pending_gates

    return until(lambda: next((gate for gate in pending_gates() if gate.wave_number == wave), None))


def answer(wave: int, decision: Decision) -> None:
    """Answer the gate before a wave."""
    from prefect_drs.orchestration.approvals.gate import answer_gate

    answer_gate(waiting_gate(wave).execution_id, wave, decision, by="docs/images/make.py")


def until(look: Callable[[], T | None]) -> T:
    """Poll `look` until it returns a result."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        if time.monotonic() > deadline:
            logs = "\n".join(log.read_text(errors="replace")[-2000:] for log in stage.HOME.glob("picture-*.log"))
            raise SystemExit(f"no result within {PATIENCE_SECONDS:.0f} s:\n{logs}")
        time.sleep(0.2)
    return found


if __name__ == "__main__":
    main()
