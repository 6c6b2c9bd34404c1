"""The preflight's readings: servers and jobs, how servers would land, points in time, permissions.

In: locations, servers and settings of a plan. Out: plain values for the `PreflightInput`, unread ones named among them.
Each reading is made once, in batches, for all that it serves, side by side in the accounts and regions; none changes
anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from prefect_drs.aws.current_settings import why_unwritable
from prefect_drs.aws.drs import (
    JOB_LIFETIME,
    Job,
    SourceServer,
    describe_jobs,
    describe_source_servers,
    newest_snapshot,
)
from prefect_drs.aws.fan_out import survey
from prefect_drs.aws.iam import denied_actions, principal_in
from prefect_drs.aws.launch_configuration import LaunchState, read_launch_states
from prefect_drs.aws.launch_template import addresses_taken, on_dedicated_host
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts, read_facts
from prefect_drs.aws.parallel import each
from prefect_drs.aws.permissions import needed_actions
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.checks import check_type
from prefect_drs.plan.effective import settings_of
from prefect_drs.plan.model import RecoveryMode
from prefect_drs.runbook.launch_settings import wanted_by
from prefect_drs.runbook.model import RunbookServer, RunbookWave
from prefect_drs.runbook.occupancy import pending_types
from prefect_drs.runbook.points import READERS
from prefect_drs.runbook.preflight_input import LaunchPreview, Occupancy, OtherExecution, PermissionCheck, Unread
from prefect_drs.runbook.rules.replication import READY_STATES

SNAPSHOTS_ASKED = 25  # servers an account-region whose points in time are asked for, a call each


@dataclass(frozen=True, slots=True)
class LocationInventory:
    """What an account and region holds: its source servers, and the jobs that may still run."""

    servers: tuple[SourceServer, ...]
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class LocationInventories:
    """What all accounts and regions of a plan hold. `unread`: those that could not be read, and why."""

    there: Mapping[Location, LocationInventory]
    unread: tuple[Unread, ...]


def read_estates(sessions: Sessions, places: Iterable[Location], now: datetime) -> LocationInventories:
    """Servers and jobs of those accounts and regions, asked side by side."""

    def ask(location: Location) -> LocationInventory:
        return LocationInventory(
            describe_source_servers(sessions, location),
            describe_jobs(sessions, location, since=now - JOB_LIFETIME),
        )

    answers = survey(places, ask)
    return LocationInventories(
        {location: answer for location, answer in answers.items() if isinstance(answer, LocationInventory)},
        tuple(
            Unread(location, f"{location}: {answer.message}")
            for location, answer in answers.items()
            if isinstance(answer, AwsError)
        ),
    )


def read_states(
    sessions: Sessions, servers: Mapping[Location, Sequence[str]]
) -> tuple[dict[str, LaunchState], list[Unread]]:
    """How the servers would be launched now, by source server id; and what could not be read of it."""
    states: dict[str, LaunchState] = {}
    unread: list[Unread] = []
    for location, ids in sorted(servers.items()):
        try:
            found = read_launch_states(sessions, location.account_id, location.region, ids)
        except AwsError as error:
            unread.append(Unread(location, f"{location}: {error.message}"))
            continue
        for missing in sorted(set(ids) - found.keys()):
            told = f"{location}: the launch configuration of {missing} could not be read; check that DRS has it"
            unread.append(Unread(location, told, missing))
        states |= found
    return states, unread


def landings_of(
    waves: Iterable[RunbookWave],
    states: Mapping[str, LaunchState],
    *,
    mode: RecoveryMode,
    sources: Mapping[str, SourceServer],
    occupancies: Mapping[Location, Occupancy],
) -> Iterator[LaunchPreview]:
    """How each server would land, where its launch configuration could be read. Makes no call.

    A recovery ends the recovery instance that a former recovery launched; what a drill launched stays.

    Args:
        waves: with their servers.
        states: launch configurations by source server id.
        mode: drill or recovery.
        sources: the servers as DRS tells them, by id.
        occupancies: what runs where they land.
    """
    for wave in waves:
        for server in wave.servers:
            state = states.get(server.source_server_id)
            if state is None:
                continue
            written = state.template_exists and any(change.part == "ec2" for change in server.changes)
            settings, source = settings_of(server.effective), sources.get(server.source_server_id)
            former = occupancies.get(server.location, Occupancy()).instances.get(server.recovery_instance_id or "")
            ended = mode == "recovery" and source is not None and source.last_launch_type == "RECOVERY"
            yield LaunchPreview(
                server,
                wave,
                settings,
                state.template_id,
                state.template_exists,
                why_unwritable(state, server.settings) if written else None,
                state.configuration.launch_into_instance_id is not None,
                source=source,
                boot_mode=former.boot_mode if former is not None else None,
                replaces=server.recovery_instance_id if ended else None,
                addresses=addresses_taken(state.template_data, settings),
                on_dedicated_host=on_dedicated_host(state.template_data),
            )


def read_networks(
    sessions: Sessions,
    landings: Iterable[LaunchPreview],
    occupancies: Mapping[Location, Occupancy] | None = None,
    others: Iterable[OtherExecution] = (),
) -> dict[Location, AccountFacts]:
    """What the accounts have of what the settings name, a retry's alternatives included.

    Of instance types, also the properties of those that run, that DRS recommends and that others have still to launch.
    """
    elsewhere = pending_types(others)
    wanted: dict[Location, list[LaunchPreview]] = defaultdict(list)
    for landing in landings:
        wanted[landing.server.location].append(landing)

    def ask(location: Location) -> AccountFacts:
        named = wanted_by(landing.settings for landing in wanted[location])
        retries = [landing.wave.retry for landing in wanted[location]]
        running = (occupancies or {}).get(location, Occupancy()).instances.values()
        everything = replace(
            named,
            subnet_ids=named.subnet_ids.union(*(retry.subnet_ids for retry in retries)),
            instance_types=named.instance_types.union(*(retry.instance_types for retry in retries)),
            default_subnets=any(
                subnet_id is None
                for landing in wanted[location]
                if not landing.into_instance
                for subnet_id, _ in landing.addresses
            ),
            described_types=frozenset(
                filter(
                    None,
                    (
                        *(instance.instance_type for instance in running),
                        *(landing.source.recommended_instance_type for landing in wanted[location] if landing.source),
                        *elsewhere.get(location, ()),
                    ),
                )
            ),
        )
        return read_facts(sessions, location, everything)

    places = sorted(wanted)
    return dict(zip(places, each(ask, places, min(sessions.workers, len(places))), strict=True))


def read_snapshots(
    sessions: Sessions, waves: Iterable[RunbookWave], now: datetime
) -> tuple[dict[str, bool], dict[Location, int], list[Unread]]:
    """Whether servers that may have none have a point in time, and of how many more that was not asked.

    A server that replicates, or whose lag DRS tells, has one; so has one for which it was chosen before. The others are
    asked for, 25 an account and region, since that takes a call each.
    """
    doubtful: dict[Location, list[RunbookServer]] = defaultdict(list)
    for wave in waves:
        for server in wave.servers:
            if server.replication_state not in READY_STATES and not server.lag and not server.snapshot_id:
                doubtful[server.location].append(server)
    asked = [server for servers in doubtful.values() for server in servers[:SNAPSHOTS_ASKED]]
    more = {place: len(servers) - SNAPSHOTS_ASKED for place, servers in doubtful.items()}

    def ask(server: RunbookServer) -> bool | AwsError:
        try:
            return newest_snapshot(sessions, server.location, server.source_server_id, now) is not None
        except AwsError as error:
            return error

    found: dict[str, bool] = {}
    unread: list[Unread] = []
    for server, answer in zip(asked, each(ask, asked, min(READERS, len(asked))), strict=True):
        if isinstance(answer, AwsError):
            told = f"{server.name} ({server.source_server_id}) in {server.location}: {answer.message}"
            unread.append(Unread(server.location, told, server.source_server_id))
        else:
            found[server.source_server_id] = answer
    return found, {place: count for place, count in more.items() if count > 0}, unread


def read_standings(
    sessions: Sessions, waves: Iterable[RunbookWave], places: Collection[Location]
) -> tuple[PermissionCheck, ...]:
    """What IAM says of who works in each account: one question an account, asked in one of its regions.

    Args:
        waves: whose checks and hooks say which actions are needed beside those of every plan.
        places: accounts and regions that could be entered.
    """
    kinds: dict[str, set[str]] = defaultdict(set)
    for wave in waves:
        accounts = {server.account_id for server in wave.servers}
        for account in accounts:
            kinds[account].update(check_type(check) for check in wave.health_checks)
        for hook in (*wave.pre_wave, *wave.post_wave):
            account_id = getattr(hook, "account_id", None)
            for account in {account_id} if account_id else accounts:
                kinds[account].add(check_type(hook))
    entered: dict[str, Location] = {}
    for location in sorted(places):
        entered.setdefault(location.account_id, location)

    def ask(location: Location) -> PermissionCheck:
        return _standing(sessions, location, needed_actions(kinds[location.account_id]))

    return tuple(each(ask, entered.values(), min(sessions.workers, len(entered))))


def _standing(sessions: Sessions, location: Location, needed: Sequence[str]) -> PermissionCheck:
    try:
        principal = principal_in(sessions, location)
        if principal.unrestricted:
            return PermissionCheck(location, principal)
        if principal.policy_source is None:
            return PermissionCheck(location, principal, failure=f"IAM cannot simulate the policies of {principal.arn}")
        return PermissionCheck(location, principal, denied_actions(sessions, location, principal.policy_source, needed))
    except AwsError as error:
        return PermissionCheck(location, None, failure=error.message)
