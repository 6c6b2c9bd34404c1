"""The drill that the picture of the HTML report shows: the diamond example on the simulator, in virtual time.

In: nothing. Out: the text of the report. The real engine carries the plan out twice: first a drill without incidents,
from which the forecast of the second one knows the launch times; then one in which a server fails once and is tried
again, launching is paused for a while, and two gates wait for people. Its times are simulated, and so are its people.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.execution.timeline import timeline_of
from prefect_drs.execution.view import report_of
from prefect_drs.operations.execution_report import expectation
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.plan import Manifest, check_manifest, load_manifest
from prefect_drs.plan.model import Retry
from prefect_drs.recovery.drivers import InlineExecutor
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.recovery.ports import Decision, GateAnswer
from prefect_drs.report.html import html_report
from prefect_drs.report.model import WaveStatus
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.simulator import Sandbox, mock_drs
from prefect_drs.simulator.estate import estate_for
from prefect_drs.simulator.seeding import seed_estate

ROOT = Path(__file__).resolve().parents[2]
DIAMOND = ROOT / "examples" / "diamond.yaml"
FIRST, SECOND = "6f1c7a52-0f0e-4c0e-9a41-5d2f1a9f0c11", "b2d0c8e4-93f1-4a77-8a0d-71c2e5b4d3a9"
APPROVALS = {
    4: (6.0, "Ada Lovelace", "payments database checked"),
    5: (14.0, "Grace Hopper", "search index is complete"),
}
PAUSE_AT, PAUSE_MINUTES = timedelta(minutes=31), timedelta(minutes=5)
FAILING = "p-search1"


def example_report() -> str:
    """The HTML report of the second drill."""
    with TemporaryDirectory(prefix="report-") as folder, mock_drs(default_images=False) as sandbox:
        os.environ |= {
            "PREFECT_DRS_HOME": folder,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        manifest = seeded_manifest(Path(folder))
        drill(FIRST, resolved(manifest, sandbox), sandbox, minutes=dict.fromkeys(APPROVALS, 5.0), eventful=False)
        terminate_all()
        sandbox.clock.advance(6 * 86_400)
        runbook = resolved(manifest, sandbox)
        gates = {wave: minutes for wave, (minutes, _, _) in APPROVALS.items()}
        drill(SECOND, runbook, sandbox, minutes=gates, eventful=True)
        events = open_journal(SECOND).read()
        report, timeline = report_of(events), timeline_of(events)
        expected = expectation(runbook, timeline.started_at)
        return html_report(report, runbook, timeline, expected=expected, made_at=datetime.now(UTC))


def seeded_manifest(folder: Path) -> Manifest:
    """The example with the ids of servers and networks that were just made."""
    from prefect_drs.plan.read.bindings import write_bindings  # noqa: PLC0415

    draft = check_manifest(DIAMOND, rehearsal=True).accepted()
    bindings = folder / "bindings.yaml"
    write_bindings(seed_estate(estate_for(draft)).bindings, bindings)
    return load_manifest(DIAMOND, bindings)


def resolved(manifest: Manifest, sandbox: Sandbox) -> Runbook:
    """The plan as a drill; a server that fails is tried once more."""
    runbook = resolve(manifest, manifest.plan(), mode="drill", sessions=Sessions(), clock=sandbox.clock)
    waves = tuple(wave.model_copy(update={"retry": Retry(attempts=1)}) for wave in runbook.waves)
    return runbook.model_copy(update={"waves": waves})


def terminate_all() -> None:
    """Free the static addresses for the next drill."""
    drs = Sessions().client("drs", region="eu-west-1")
    ids = [instance["recoveryInstanceID"] for instance in drs.describe_recovery_instances()["items"]]
    drs.terminate_recovery_instances(recoveryInstanceIDs=ids)


def drill(
    execution_id: str, runbook: Runbook, sandbox: Sandbox, *, minutes: Mapping[int, float], eventful: bool
) -> None:
    """Carry it out; gates wait side by side, each for its minutes."""
    if eventful:
        sandbox.faults.add({"kind": "server", "server": FAILING, "effect": "fail", "times": 1})
    clock, began = sandbox.clock, sandbox.clock.now()
    ports = EnginePorts(Sessions(), clock, open_journal(execution_id), InlineExecutor())
    engine = Engine(execution_id, runbook, ports, EngineOptions(workers=1, seed=1))
    waiting = {wave.wave_number for wave in runbook.waves}
    asked: dict[int, datetime] = {}
    paused = resumed = not eventful
    while waiting or not engine.idle:
        waiting -= {number for number in waiting if handed_over(engine, clock, number, asked, minutes)}
        if not paused and clock.now() >= began + PAUSE_AT:
            engine.control.pause("Grace Hopper")
            paused = True
        if not resumed and clock.now() >= began + PAUSE_AT + PAUSE_MINUTES:
            engine.control.resume("Ada Lovelace")
            resumed = True
        clock.wait(min(engine.tick(), 15.0))
    engine.finish()


def handed_over(
    engine: Engine, clock: Clock, number: int, asked: dict[int, datetime], minutes: Mapping[int, float]
) -> bool:
    """Hand a wave over if its dependencies are complete and its gate is answered; ask at the gate before."""
    wave, now = engine.runbook.wave(number), clock.now()
    if any(engine.status(before) is not WaveStatus.COMPLETED for before in wave.depends_on_waves):
        return False
    if wave.gate:
        if number not in asked:
            asked[number] = now
            engine.gate_asked(number, now + timedelta(days=7))
        if now < asked[number] + timedelta(minutes=minutes[number]):
            return False
        _, by, comment = APPROVALS[number]
        engine.gate_answered(number, GateAnswer(Decision.APPROVED, by, now, comment))
    engine.submit(number)
    return True
