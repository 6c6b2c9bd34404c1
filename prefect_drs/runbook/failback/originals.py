"""The original instances that servers fail back into, and what refuses that; and what a clean-up must not terminate.

In: the ways back of a plan's servers. Out: for each server the launch settings that its failback is launched with, and
findings. Reads only. The source server that replicates back is made by the failback itself (`ReverseReplication`), so
that most settings have no value before; they are compared again, and written only where they differ, before the launch.

A prepared instance is checked like one of a recovery (`runbook.prepared_checks`); its architecture and boot mode must
be those of the recovery instance that fails back ("Launch into source instance" of the DRS user guide: "the same boot
mode as that of the recovery instance the Start reversed replication … was called on").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from prefect_drs.aws.drs import RecoveryInstance, SourceServer, describe_recovery_instances
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.launch_configuration import DRS_WORDS, LaunchState, changes, drs_settings, read_launch_states
from prefect_drs.aws.location import Location
from prefect_drs.aws.prepared_instances import TargetInstance, read_launch_into, read_targets
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.model import LaunchSettings, RecoveryPlan
from prefect_drs.plan.prepared import PreparedInstance
from prefect_drs.runbook.failback.candidates import Candidate
from prefect_drs.runbook.failback.fetch import ENDED_STATES, FAILBACK
from prefect_drs.runbook.machines import USUAL_ARCHITECTURE, Machine
from prefect_drs.runbook.model import FindingSeverity, PlannedChange, PreparedIdentity, RunbookFinding
from prefect_drs.runbook.prepared_checks import PreparedLaunch, problems_of, users_of
from prefect_drs.runbook.prepared_target import FoundTarget

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Original:
    """The original instance of a server. `changes`: of launch settings of the source server that replicates it back."""

    settings: LaunchSettings
    changes: tuple[PlannedChange, ...]
    prepared: PreparedIdentity | None


@dataclass(frozen=True, slots=True)
class Originals:
    """Those of a plan's servers, by source server id; empty where the plan does not fail back into them."""

    by_server: Mapping[str, Original] = field(default_factory=dict)
    findings: tuple[RunbookFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Origin:
    """What an account and region of origin has."""

    targets: Mapping[str, TargetInstance]
    states: Mapping[str, LaunchState]
    claims: Mapping[str, str]
    instances: tuple[RecoveryInstance, ...]


def find_originals(
    sessions: Sessions,
    plan: RecoveryPlan,
    candidates: Mapping[str, Candidate],
    servers: Mapping[Location, tuple[SourceServer, ...]],
) -> Originals:
    """The original instances of those servers, and everything that refuses a launch into them or the clean-up.

    Args:
        sessions: the way into the accounts.
        plan: its `failback` says whether servers are launched into their original instances, and the clean-up.
        candidates: the ways back, by source server id.
        servers: every source server of the accounts and regions of origin.
    """
    wanted = {
        server_id: each
        for server_id, each in candidates.items()
        if plan.failback.launch_into_original and not each.way_back.outside_aws and not each.way_back.drill
    }
    terminated = [each for each in candidates.values() if plan.failback.clean_up == "terminate"]
    if not wanted and not terminated:
        return Originals()
    findings: list[RunbookFinding] = []
    looked = {each.way_back.recovery_instance_id: each for each in (*wanted.values(), *terminated)}
    ids: dict[Location, list[str]] = defaultdict(list)
    for instance_id, each in looked.items():
        ids[each.location].append(instance_id)
    recovered = _fan_out(ids, lambda location: read_targets(sessions, location, ids[location]), findings)
    machines = {instance_id: found for there in recovered.values() for instance_id, found in there.items()}
    findings += [_terminated(each, machines) for each in terminated if _is_prepared(each, machines)]
    places = {each.launch: None for each in wanted.values()}
    origins = _fan_out(places, lambda place: _read_origin(sessions, place, wanted, servers.get(place, ())), findings)
    found: dict[str, Original] = {}
    for server_id, each in wanted.items():
        if each.server.instance_id is None:
            why = "DRS does not say which instance its machine was; set failback.launchIntoOriginal to false"
            findings.append(_fault("FAILBACK_ORIGINAL_UNKNOWN", each, why))
        elif each.launch in origins:
            origin, there = origins[each.launch], servers.get(each.launch, ())
            found[server_id] = _original(each, origin)
            findings += _problems(each, origin, there, machines.get(each.way_back.recovery_instance_id))
    return Originals(found, tuple(findings))


def _fan_out(
    places: Mapping[Location, object], read: Callable[[Location], _T], findings: list[RunbookFinding]
) -> dict[Location, _T]:
    """What was read of each place; one that could not be read is a finding that refuses."""
    found: dict[Location, _T] = {}
    for location, answer in fan_out(places, read).items():
        if isinstance(answer, AwsError):
            message = f"{location}: the instances of the failback could not be read: {answer.message}"
            findings.append(
                RunbookFinding(
                    code="NOT_CHECKED",
                    severity=FindingSeverity.ERROR,
                    message=message,
                    account_id=location.account_id,
                    region=location.region,
                )
            )
        else:
            found[location] = answer
    return found


def _read_origin(
    sessions: Sessions, place: Location, wanted: Mapping[str, Candidate], servers: tuple[SourceServer, ...]
) -> _Origin:
    """What the checks look at in one account and region of origin.

    Raises:
        AwsError: it could not be read.
    """
    here = [each for each in wanted.values() if each.launch == place]
    own = [each.reversed_server.source_server_id for each in here if each.reversed_server is not None]
    others = [each.source_server_id for each in servers if each.source_server_id not in own and not _is_over(each)]
    claims = read_launch_into(sessions, place, others)
    return _Origin(
        targets=read_targets(sessions, place, [each.server.instance_id for each in here if each.server.instance_id]),
        states=read_launch_states(sessions, place.account_id, place.region, own, workers=sessions.workers),
        claims={instance_id: server_id for server_id, instance_id in claims.items()},
        instances=tuple(describe_recovery_instances(sessions, place)),
    )


def _is_over(server: SourceServer) -> bool:
    """Whether it is left of a former failback: its launch settings, which nothing can clear, claim nothing."""
    return server.direction == FAILBACK and server.replication_state in ENDED_STATES


def _original(candidate: Candidate, origin: _Origin) -> Original:
    instance_id = str(candidate.server.instance_id)
    settings = LaunchSettings(launch_into_instance=PreparedInstance(instance_id=instance_id))
    back = candidate.reversed_server
    state = origin.states.get(back.source_server_id) if back is not None else None
    changed = (
        tuple(
            PlannedChange(part="drs", field=DRS_WORDS[name], before=None, after=value)
            for name, value in drs_settings(settings).items()
        )
        if state is None
        else tuple(
            PlannedChange(part=each.part, field=each.field, before=each.before, after=each.after)
            for each in changes(state, settings)
        )
    )
    target = origin.targets.get(instance_id)
    identity = None
    if target is not None:
        was = target.identity
        identity = PreparedIdentity(
            instance_id=instance_id, private_ip=was.private_ip, network_interface_id=was.network_interface_id
        )
    return Original(settings, changed, identity)


def _problems(
    candidate: Candidate, origin: _Origin, servers: tuple[SourceServer, ...], recovered: TargetInstance | None
) -> Iterator[RunbookFinding]:
    """Everything that is wrong with one original instance."""
    instance_id = str(candidate.server.instance_id)
    target = origin.targets.get(instance_id)
    claimed = origin.claims.get(instance_id)
    launch = PreparedLaunch(
        location=candidate.launch,
        found=FoundTarget(PreparedInstance(instance_id=instance_id), instance_id, target),
        server=candidate.server,
        machine=Machine(
            architecture=(recovered.architecture if recovered else "") or USUAL_ARCHITECTURE,
            boot_mode=(recovered.boot_mode if recovered else "") or None,
        ),
        settings=LaunchSettings(),
        claimed_by=(claimed,) if claimed else (),
        used_by=users_of(target, candidate.server, tuple(each for each in servers if each.direction != FAILBACK)),
    )
    for check, message in problems_of(launch):
        yield _fault(check.code, candidate, f"its original instance {instance_id}: {message}")
    if any(each.recovery_instance_id == instance_id for each in origin.instances):
        named = f"--recovery-instance-id {instance_id} --region {candidate.launch.region}"
        why = (
            f"its original instance {instance_id} is still in DRS there, as the instance of a former failback: take it "
            f"out, which leaves it in EC2: aws drs disconnect-recovery-instance {named}, then aws drs "
            f"delete-recovery-instance {named}"
        )
        yield _fault("PREPARED_INSTANCE_NOT_RELEASED", candidate, why)


def _is_prepared(candidate: Candidate, machines: Mapping[str, TargetInstance]) -> bool:
    instance = machines.get(candidate.way_back.recovery_instance_id)
    return instance is not None and instance.allowed


def _terminated(candidate: Candidate, machines: Mapping[str, TargetInstance]) -> RunbookFinding:
    instance_id = machines[candidate.way_back.recovery_instance_id].instance_id
    why = (
        f"failback.cleanUp: terminate would terminate {instance_id}, which is a prepared instance: "
        "its id and address would be gone; use cleanUp: disconnect, or remove the tag AWSDRS if it is not needed"
    )
    return _fault("FAILBACK_TERMINATES_PREPARED", candidate, why)


def _fault(code: str, candidate: Candidate, why: str) -> RunbookFinding:
    server, location = candidate.server, candidate.launch
    return RunbookFinding(
        code=code,
        severity=FindingSeverity.ERROR,
        message=f"{server.name} ({server.source_server_id}) cannot fail back to {location}: {why}",
        account_id=location.account_id,
        region=location.region,
        source_server_id=server.source_server_id,
    )
