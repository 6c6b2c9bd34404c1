"""From a plan's checks to a runbook that can be carried out, and to the checking of a wave's phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_drs.execution.events import ExecutionStarted
from prefect_drs.plan.checks import SsmAutomationCheck, SsmCommandCheck
from prefect_drs.plan.model import Manifest
from prefect_drs.recovery.checks import CheckTarget
from prefect_drs.recovery.checks.runner import CheckRunner
from prefect_drs.recovery.checks.wave_checks import checks_of, wave_check_runner
from prefect_drs.recovery.drivers import InlineExecutor
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.options import EngineOptions, EnginePorts, ExecutionContext
from prefect_drs.report.checks import CheckPhase, CheckResult
from prefect_drs.runbook import Runbook, resolve
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec

HOOK = {"type": "ssmAutomation", "documentName": "Switch-Dns"}


def runbook(rig: Rig, spec: WaveSpec, **checks: list[dict[str, Any]]) -> Runbook:
    data = rig.manifest({1: spec}).model_dump(mode="json", by_alias=True)
    data["recoveryPlans"][0]["waves"][0] |= checks
    manifest = Manifest.model_validate(data)
    return resolve(manifest, manifest.plan(), mode="drill", sessions=rig.sessions, clock=rig.clock)


def begun(rig: Rig, book: Runbook) -> ExecutionContext:
    """An execution of that runbook that has just begun."""
    state = ExecutionStarted(at=rig.clock.now(), execution_id="exec-1", runbook=book).initial_state
    ports = EnginePorts(rig.sessions, rig.clock, MemoryJournal(), InlineExecutor())
    return ExecutionContext(state, ports, EngineOptions(), lambda *_: None, lambda: None)


def test_servers_are_found_by_name_and_hooks_know_their_place(rig: Rig) -> None:
    book = runbook(rig, WaveSpec(2), healthChecks=[{"type": "ec2Status", "servers": ["w1-001"]}], postWave=[HOOK])
    assert book.refusals == ()
    (wave,) = book.waves
    assert wave.health_checks[0].servers == (wave.servers[1].source_server_id,)
    (hook,) = wave.post_wave
    assert isinstance(hook, SsmAutomationCheck)
    assert (hook.account_id, hook.region) == (ACCOUNT, REGION)
    assert Runbook.model_validate(book.model_dump(mode="json", by_alias=True)) == book


def test_a_check_of_a_server_that_is_not_in_the_wave_refuses(rig: Rig) -> None:
    book = runbook(rig, WaveSpec(1), healthChecks=[{"type": "ec2Status", "servers": ["w1-000", "w2-000"]}])
    assert [finding.code for finding in book.refusals] == ["CHECK_NAMES_NO_SERVER"]
    assert "'w2-000'" in book.refusals[0].message


def test_a_callable_that_is_not_installed_refuses_before_anything_is_launched(rig: Rig) -> None:
    book = runbook(rig, WaveSpec(1), preWave=[{"type": "python", "entryPoint": "row-count"}])
    assert [finding.code for finding in book.refusals] == ["CHECK_NOT_INSTALLED"]


def test_a_hook_of_two_regions_refuses_unless_it_says_which(rig: Rig) -> None:
    two = WaveSpec(1, regions=(REGION, "eu-west-1"))
    assert [finding.code for finding in runbook(rig, two, preWave=[HOOK]).refusals] == ["HOOK_WITHOUT_PLACE"]
    placed = runbook(rig, two, preWave=[{**HOOK, "region": "eu-west-1"}])
    assert placed.refusals == ()
    (hook,) = placed.waves[0].pre_wave
    assert isinstance(hook, SsmAutomationCheck)
    assert (hook.account_id, hook.region) == (ACCOUNT, "eu-west-1")


def test_a_wave_of_two_regions_is_checked_where_its_servers_are_and_goes_on_where_it_stood(rig: Rig) -> None:
    command = {"type": "ssmCommand", "documentName": "AWS-RunShellScript"}
    book = runbook(rig, WaveSpec(1, regions=(REGION, "eu-west-1")), healthChecks=[{"type": "ec2Status"}, command])
    targets = []
    for server in book.waves[0].servers:
        ec2 = rig.sessions.client("ec2", region=server.region)
        instance = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]
        targets.append(CheckTarget(server, instance["InstanceId"], "drsjob-00000000000000001"))

    def checking(finished: Sequence[CheckResult] = (), turn: int = 1) -> CheckRunner:
        execution = begun(rig, book)
        wave = execution.state.waves[1]
        wave.checks, wave.turn = {result.key: result for result in finished}, turn
        made = wave_check_runner(execution, wave, CheckPhase.HEALTH, targets, on_result=lambda _: None)
        assert made.step() is None
        return made

    first = checking()
    assert first.passed, first.reason
    assert len(first.results) == 4
    assert checking(first.results[:2]).passed

    def sent() -> list[int]:
        servers = book.waves[0].servers
        clients = [rig.sessions.client("ssm", region=server.region) for server in servers]
        return [len(client.list_commands()["Commands"]) for client in clients]

    assert sent() == [1, 1]
    assert checking(turn=2).passed
    assert sent() == [2, 2]
    assert isinstance(checks_of(book.waves[0], CheckPhase.HEALTH)[1], SsmCommandCheck)


def test_a_phase_without_checks_is_passed_at_once(rig: Rig) -> None:
    book = runbook(rig, WaveSpec(1))
    for phase in CheckPhase:
        execution = begun(rig, book)
        made = wave_check_runner(execution, execution.state.waves[1], phase, (), on_result=lambda _: None)
        assert made.passed
