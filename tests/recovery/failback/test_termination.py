"""`terminate` beside failbacks, in every order: what is in failback, and what failed back, is never terminated."""

from __future__ import annotations

import pytest

from prefect_drs.recovery.instances import TerminationRefusedError, find_instances
from tests.recovery.failback.scene import Scene
from tests.rig import Rig, WaveSpec


def test_the_instances_of_a_recovery_are_protected_from_the_first_step_of_its_failback_on(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2)})
    recovery = scene.recover()
    assert len(find_instances(recovery, rig.sessions).standing) == 2
    engine = rig.engine(scene.runbook().require_accepted(), "failback-1", scene.journal)
    engine.submit(1)
    engine.tick()
    with pytest.raises(TerminationRefusedError, match="2 recovery instance"):
        find_instances(recovery, rig.sessions)
    assert find_instances(recovery, rig.sessions, skip_failback=True).standing == ()


def test_a_failback_itself_is_never_terminated(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(1)})
    scene.recover()
    report = scene.fail_back()
    with pytest.raises(TerminationRefusedError, match="is production where it came from"):
        find_instances(report, rig.sessions)


def test_after_a_failback_that_cleaned_up_the_recovery_has_nothing_left(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(2)}, failback={"cleanUp": "terminate"})
    recovery = scene.recover()
    scene.fail_back()
    found = find_instances(recovery, rig.sessions)
    assert (found.standing, len(found.gone)) == ((), 2)


def test_instances_terminated_before_the_failback_are_named_by_its_preflight(rig: Rig) -> None:
    scene = Scene(rig, {1: WaveSpec(1)})
    scene.recover()
    instance = next(iter(scene.instances(scene.drs).values()))["recoveryInstanceID"]
    scene.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
    assert "FAILBACK_SERVER_IN_JOB" in {finding.code for finding in scene.runbook().refusals}
    rig.clock.wait(600)
    assert [finding.code for finding in scene.runbook().refusals] == ["FAILBACK_NO_INSTANCE"]
