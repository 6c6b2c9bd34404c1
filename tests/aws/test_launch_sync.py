"""The launch settings of many servers, compared and written; every request counted as botocore sends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.settings_sync import HERE, measure, misses, seed, wanted_settings
from prefect_drs.aws.call_count import writes_in
from prefect_drs.aws.errors import PermissionDeniedError
from prefect_drs.aws.launch_sync import Compared, SyncState, compare_settings, write_settings
from prefect_drs.aws.launch_writing import KEPT_VERSIONS
from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.simulator import Sandbox, mock_drs


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with mock_drs(default_images=False) as sandbox:
        yield sandbox


def sync(sessions: Sessions, wanted: dict[str, LaunchSettings]) -> dict[str, Compared]:
    return write_settings(sessions, HERE, wanted, compare_settings(sessions, HERE, wanted))


def test_500_servers_take_at_most_three_writing_calls_each_and_a_second_time_none() -> None:
    found = measure(500)
    assert misses(found, 500) == []
    first, second, _ = found.values()
    assert (first.writes, second.writes) == (1500, 0)
    assert second.calls.total() <= 500 + 5  # one GetLaunchConfiguration each, and the templates in pages


def test_a_benchmark_that_misses_its_target_says_so() -> None:
    found = measure(3)
    assert misses(found | {"second": found["first"]}, 3) == [
        "the second sync makes no writing call",
        "the second sync finds every server in sync",
    ]


def test_a_server_that_fails_ends_no_other(sandbox: Sandbox) -> None:
    servers, sessions = seed(sandbox, 3), Sessions()
    sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "UpdateLaunchConfiguration",
            "effect": "error",
            "code": "AccessDeniedException",
            "times": 1,
        }
    )
    states = [one.state for one in sync(sessions, wanted_settings(servers)).values()]
    assert sorted(states) == [SyncState.FAILED, SyncState.WRITTEN, SyncState.WRITTEN]
    assert {one.state for one in sync(sessions, wanted_settings(servers)).values()} == {
        SyncState.IN_SYNC,
        SyncState.WRITTEN,
    }


def test_a_server_that_drs_does_not_know_is_told_by_its_id(sandbox: Sandbox) -> None:
    seed(sandbox, 1)
    missing = "s-00000000000000000"
    (one,) = sync(Sessions(), {missing: LaunchSettings(copy_tags=True)}).values()
    assert one.state is SyncState.FAILED
    assert one.error is not None
    assert missing in one.error.message


def test_a_reading_that_is_refused_is_no_drift(sandbox: Sandbox) -> None:
    servers = seed(sandbox, 2)
    sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "GetLaunchConfiguration",
            "effect": "error",
            "code": "AccessDeniedException",
        }
    )
    with pytest.raises(PermissionDeniedError):
        compare_settings(Sessions(), HERE, wanted_settings(servers))


def test_what_differs_is_told_from_what_to_what_and_since_which_version(sandbox: Sandbox) -> None:
    (server,), sessions = seed(sandbox, 1), Sessions()
    wanted = wanted_settings([server])
    sync(sessions, wanted)
    ec2 = sessions.client("ec2", **HERE._asdict())
    state = compare_settings(sessions, HERE, wanted)[server].launch_state
    assert state is not None
    made = ec2.create_launch_template_version(
        LaunchTemplateId=state.template_id,
        SourceVersion=str(state.default_version),
        LaunchTemplateData={"InstanceType": "t3.micro"},
    )["LaunchTemplateVersion"]
    ec2.modify_launch_template(LaunchTemplateId=state.template_id, DefaultVersion=str(made["VersionNumber"]))
    one = compare_settings(sessions, HERE, wanted)[server]
    assert [(change.field, change.before, change.after) for change in one.changes] == [
        ("instanceType", "t3.micro", "m6i.large")
    ]
    assert one.launch_state is not None
    assert one.launch_state.default_version == made["VersionNumber"]
    assert one.launch_state.version_at == made["CreateTime"]
    assert one.launch_state.version_by == made["CreatedBy"]


def test_template_versions_stay_under_their_limit_however_often_settings_change(sandbox: Sandbox) -> None:
    (server,), sessions = seed(sandbox, 1), Sessions()
    for number in range(KEPT_VERSIONS + 4):
        (one,) = sync(sessions, {server: LaunchSettings(tags={"round": str(number)})}).values()
        assert one.state is SyncState.WRITTEN
    assert one.launch_state is not None
    found = sessions.client("ec2", **HERE._asdict()).describe_launch_template_versions(
        LaunchTemplateId=one.launch_state.template_id
    )["LaunchTemplateVersions"]
    assert len(found) == KEPT_VERSIONS + 1
    before = sessions.calls.snapshot()
    sync(sessions, {server: LaunchSettings(tags={"round": "last"})})
    assert writes_in(sessions.calls.snapshot() - before) == 3  # a version, its default, and one deletion
