"""Servers that are left out: by which names, what is refused, and what is no longer asked of them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from prefect_drs.core.errors import UsageError
from prefect_drs.plan import Bindings, check_values
from prefect_drs.plan.model import Manifest
from prefect_drs.report.dry_run import dry_run_view
from prefect_drs.runbook import resolve, runbook_json
from prefect_drs.runbook.exclusions import parse_exclusions
from tests.rig import REGION
from tests.runbook.world import World, codes

GONE = "s-" + "0" * 17
SOME = {"onServerFailure": "continue", "minHealthy": 1}


@pytest.mark.parametrize(
    "text",
    ["db1", "db1=", "db1=  ", "=disk failed", "=", ""],
    ids=["bare", "empty", "blank", "nobody", "nothing", "none"],
)
def test_a_server_or_a_reason_that_is_missing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--exclude"):
        parse_exclusions([text])


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        parse_exclusions(["db1", "db2=a", "db2=b"])
    assert len(refused.value.message.splitlines()) == 2
    assert parse_exclusions(["db1=a = b", "db1=a = b"]) == parse_exclusions({"db1": " a = b "}) == {"db1": "a = b"}


def test_a_server_is_left_out_and_kept_in_the_runbook_with_its_reason(world: World) -> None:
    servers = world.servers(3)
    runbook = world.resolve(servers, wave=SOME, exclude={servers[1]: "its disk failed"})
    (wave,) = runbook.waves
    assert [server.source_server_id for server in wave.servers] == [servers[0], servers[2]]
    assert runbook_json(runbook)["waves"][0]["excluded"] == [
        {"sourceServerId": servers[1], "name": wave.excluded[0].name, "group": "group 1", "reason": "its disk failed"}
    ]
    assert runbook.findings == ()
    console = Console(file=io.StringIO(), width=200)
    console.print(dry_run_view(runbook))
    assert isinstance(console.file, io.StringIO)
    assert f"left out {wave.excluded[0].name} ({servers[1]}) of group 1: its disk failed" in console.file.getvalue()


@pytest.mark.parametrize("reference", ["the id", "web-two", "two.example.com", "two", "i-0123456789abcdef0"])
def test_a_server_is_known_by_its_id_name_hostname_and_instance(reference: str, world: World) -> None:
    first = world.server("one")
    second = world.server("two.example.com", name_tag="web-two", ec2_instance_id="i-0123456789abcdef0")
    name = second if reference == "the id" else reference
    if reference == "two.example.com":  # DRS tells the short name as hostname, and the long one as fqdn
        name = "two"
    runbook = world.resolve([first, second], wave=SOME, exclude={name: "gone"})
    assert [each.source_server_id for each in runbook.waves[0].excluded] == [second]


def bound_manifest(*servers: str, **wave: Any) -> Manifest:
    """A plan whose file calls its servers db1, db2, ...; bindings say which they are."""
    names = [f"db{number}" for number in range(1, len(servers) + 1)]
    reading = check_values(
        {
            "schemaVersion": "1.1",
            "protectionGroups": [{"groupName": "g", "region": REGION, "sourceServerIds": names}],
            "recoveryPlans": [
                {"planName": "p", "waves": [{"waveName": "w", "waveNumber": 1, "protectionGroupNames": ["g"], **wave}]}
            ],
        },
        Bindings(source_servers=dict(zip(names, servers, strict=True))),
    )
    assert reading.manifest is not None, reading.faults
    return reading.manifest


def test_a_server_that_drs_does_not_have_any_more_is_left_out_by_the_name_in_the_manifest(world: World) -> None:
    manifest = bound_manifest(world.server("one"), GONE, **SOME)

    def resolved(**exclude: str) -> Any:
        return resolve(
            manifest, manifest.plan(), mode="drill", sessions=world.sessions, clock=world.clock, exclude=exclude
        )

    assert codes(resolved()) == ["SERVER_NOT_FOUND"]
    runbook = resolved(db2="deleted by mistake")
    assert runbook.findings == ()
    (excluded,) = runbook.waves[0].excluded
    assert (excluded.source_server_id, excluded.name) == (GONE, "db2")


def test_findings_about_a_server_that_is_left_out_refuse_no_more(world: World) -> None:
    good, bad = world.server("good"), world.server("bad", replication_state="STALLED", tags={"tier": "x"})
    group = {"sourceServerIds": [good, bad, GONE], "launchConfig": {"instanceType": "m6i.large"}}
    assert {"SERVER_NOT_FOUND", "NOT_REPLICATING"} <= set(codes(world.resolve(group, wave=SOME)))
    runbook = world.resolve(group, wave=SOME, exclude={"bad": "stalls", GONE: "deleted"})
    assert runbook.findings == ()
    calls_before = world.sessions.calls.snapshot()["drs:GetLaunchConfiguration"]
    world.resolve(group, wave=SOME, exclude={"bad": "stalls", GONE: "deleted"})
    assert world.sessions.calls.snapshot()["drs:GetLaunchConfiguration"] == calls_before + 1


def test_a_selection_by_tags_loses_the_server_as_well(world: World) -> None:
    one, two = world.server("one", tags={"tier": "web"}), world.server("two", tags={"tier": "web"})
    group = {"serverSelectionTags": {"tier": "web"}}
    runbook = world.resolve(group, wave=SOME, exclude={"two": "gone"})
    assert [server.source_server_id for server in runbook.waves[0].servers] == [one]
    assert [each.source_server_id for each in runbook.waves[0].excluded] == [two]


def test_an_unknown_server_is_told_with_those_that_are_near(world: World) -> None:
    servers = [world.server(name) for name in ("database", "application", "web")]
    with pytest.raises(UsageError) as refused:
        world.resolve(servers, exclude={"databse": "gone", "xyzzy": "gone", servers[2]: "gone"})
    near, none = refused.value.message.splitlines()
    assert near == f"--exclude databse: the plan has no such server; did you mean database ({servers[0]})?"
    assert none.startswith("--exclude xyzzy: the plan has no such server; it has database (")


def test_a_name_of_two_servers_asks_for_an_id(world: World) -> None:
    twins = [world.server(f"host{number}", name_tag="twin") for number in range(2)]
    with pytest.raises(UsageError, match="use an id") as refused:
        world.resolve([*twins, world.server("other")], exclude={"twin": "gone"})
    assert all(server in refused.value.message for server in twins)


def test_leaving_out_every_server_is_refused(world: World) -> None:
    with pytest.raises(UsageError, match="every server of the plan"):
        world.resolve(world.server("web"), exclude={"web": "gone"})


def test_a_name_in_an_account_that_could_not_be_read_is_not_called_unknown(world: World) -> None:
    world.server("web")
    world.sandbox.faults.add(
        {"kind": "operation", "operation": "DescribeJobs", "effect": "error", "code": "AccessDeniedException"}
    )
    runbook = world.resolve({"serverSelectionTags": {"tier": "web"}}, exclude={"anybody": "gone"})
    assert "UNCHECKED" in codes(runbook)


@pytest.mark.parametrize(
    ("wave", "left_out", "refused"),
    [
        ({}, 1, "demands all of its servers (onServerFailure: fail)"),
        ({"onServerFailure": "continue"}, 3, None),
        ({"onServerFailure": "continue"}, 4, "demands 1 server(s)"),
        ({"onServerFailure": "continue", "minHealthy": 3}, 1, None),
        ({"onServerFailure": "continue", "minHealthy": 3}, 2, "demands 3 server(s)"),
        ({"onServerFailure": "continue", "minHealthyPercent": 50}, 2, None),
        ({"onServerFailure": "continue", "minHealthyPercent": 50}, 3, "demands 2 server(s)"),
    ],
)
def test_the_waves_policy_decides_how_many_may_be_left_out(
    wave: dict[str, Any], left_out: int, refused: str | None, world: World
) -> None:
    servers = world.servers(4)
    exclude = dict.fromkeys(servers[:left_out], "gone")
    runbook = world.resolve(servers, world.server("other"), wave=wave, exclude=exclude)
    told = [finding.message for finding in runbook.refusals]
    if refused is None:
        assert told == []
    else:
        assert len(told) == 1
        assert refused in told[0]
        assert f"{4 - left_out} of 4 are left" in told[0]


def test_a_waiver_lets_a_wave_that_demands_all_go_without_one(world: World) -> None:
    servers = world.servers(2)
    waivers = {"EXCLUSION_AGAINST_POLICY": "the change board agreed"}
    runbook = world.resolve(servers, exclude={servers[0]: "gone"}, waivers=waivers)
    assert runbook.refusals == ()
    assert runbook.waves[0].min_healthy == 1


def test_a_health_check_of_a_server_that_is_left_out_goes_and_others_stay(world: World) -> None:
    servers = [world.server(name) for name in ("one", "two")]
    checks = [{"type": "ec2Status", "servers": names} for names in (["one"], ["one", "two"], [])]
    runbook = world.resolve(servers, wave={**SOME, "healthChecks": checks}, exclude={"one": "gone"})
    assert runbook.findings == ()
    assert [check.servers for check in runbook.waves[0].health_checks] == [(servers[1],), ()]
