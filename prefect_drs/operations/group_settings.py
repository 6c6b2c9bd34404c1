"""A stored group with its servers and their launch settings: what the operations on launch settings share.

In: the stored estate, a group's id or name, the way into the accounts. Out: who belongs to the group now, what their
settings should be, and what the account does not allow in them. Nothing is written here but the history. What cannot
be read raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prefect_drs.aws.current_settings import current_settings, why_unwritable
from prefect_drs.aws.drs import SourceServer, describe_source_servers
from prefect_drs.aws.launch_configuration import LaunchState
from prefect_drs.aws.launch_sync import Compared, compare_settings
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import read_facts
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError, Fault, PrefectDrsError
from prefect_drs.estate.change import EstateChange
from prefect_drs.estate.errors import NotStoredError
from prefect_drs.estate.model import DocumentKind, Estate, Stored
from prefect_drs.estate.overlap import ServerReader
from prefect_drs.estate.rules import valid_manifest
from prefect_drs.orchestration.storage.settings_history import ChangedSetting, SettingsHistoryEntry, record_changes
from prefect_drs.plan.effective import EffectiveValue, effective, settings_of
from prefect_drs.plan.model import LaunchSettings, ProtectionGroup
from prefect_drs.plan.read.finding import choices
from prefect_drs.runbook.launch_settings import Problem, problems, wanted_by
from prefect_drs.runbook.machines import machine_of
from prefect_drs.runbook.prepared import WantedTarget, aimed, find_targets, read_claims
from prefect_drs.runbook.prepared_checks import PreparedLaunch, problems_of, users_of
from prefect_drs.runbook.prepared_target import WORD, FoundTarget

NOTHING = LaunchSettings()
AT_LAUNCH = frozenset({"PREPARED_INSTANCE_NOT_STOPPED", "PREPARED_INSTANCE_NOT_RELEASED"})
"""What must be true of a prepared instance when it is launched into, not when settings are written."""


@dataclass(frozen=True)
class GroupServers:
    """A stored group, and who belongs to it now.

    Args:
        stored: as it is stored.
        group: the same as a value.
        location: where it is.
        servers: who belongs to it, by id.
        missing: ids that it names and DRS does not have there.
    """

    stored: Stored
    group: ProtectionGroup
    location: Location
    servers: Mapping[str, SourceServer]
    missing: tuple[str, ...]

    def server(self, server_id: str) -> SourceServer:
        """The server of that id.

        Raises:
            NotStoredError: it does not belong to the group now, or DRS does not have it.
        """
        if server_id not in self.servers:
            raise self.absence(server_id)
        return self.servers[server_id]

    def absence(self, server_id: str) -> NotStoredError:
        """Why a server is not among the group's: DRS does not have it, or it does not belong to the group."""
        why = (
            f"is named by group {self.group.group_name!r}, but DRS has no such server in {self.location}"
            if server_id in self.missing
            else f"does not belong to group {self.group.group_name!r}{choices(server_id, sorted(self.servers))}"
        )
        return NotStoredError(f"server {server_id} {why}", groupId=self.stored.id, serverId=server_id)

    def wanted(self, server_ids: Iterable[str] | None = None) -> dict[str, LaunchSettings]:
        """The settings that the group gives to its servers, or to some of them."""
        chosen = self.servers if server_ids is None else server_ids
        return {each: self.group.settings_for(*self.servers[each].references) for each in chosen}

    def effective(self, server: SourceServer, state: LaunchState | None = None) -> dict[str, EffectiveValue]:
        """All that a server is launched with, each value with its origin; without a state, what the plan says."""
        account = NOTHING if state is None else current_settings(state)
        return effective(self.group, *server.references, account=account)

    def place(self, server_id: str) -> str:
        """What faults call a server's settings."""
        return f"{self.stored.path}.servers.{server_id}"


def read_group(estate: Estate, reference: str, readings: ServerReader) -> GroupServers:
    """A stored group with its servers.

    Raises:
        NotStoredError: there is no such group.
        UsageError: the stored estate has faults.
        AwsError: DRS could not be read.
    """
    stored = estate.find(DocumentKind.GROUP, reference)
    group = valid_manifest(estate).group(stored.name)
    location = readings.location(group)
    there = {server.source_server_id: server for server in readings.servers(location)}
    members = readings.members(group)
    return GroupServers(
        stored=stored,
        group=group,
        location=location,
        servers={each: there[each] for each in members if each in there},
        missing=tuple(each for each in members if each not in there),
    )


def compare(sessions: Sessions, group: GroupServers, wanted: Mapping[str, LaunchSettings]) -> dict[str, Compared]:
    """What differs between those settings and the account; nothing is read of servers for which nothing is wanted.

    Raises:
        AwsError: the settings could not be read.
    """
    return compare_settings(
        sessions, group.location, {each: settings for each, settings in wanted.items() if settings != NOTHING}
    )


def targets_resolved(
    sessions: Sessions, group: GroupServers, wanted: Mapping[str, LaunchSettings]
) -> dict[str, LaunchSettings]:
    """The settings with the instances that their prepared instances mean now; one that means none stays as it is.

    Nothing is written for such a one, and `account_problems` says why.

    Raises:
        AwsError: EC2 could not be read.
    """
    found = _targets(sessions, group, wanted)
    return {
        each: aimed(settings, found[each].instance_id or "") if each in found and found[each].instance_id else settings
        for each, settings in wanted.items()
    }


def _targets(sessions: Sessions, group: GroupServers, wanted: Mapping[str, LaunchSettings]) -> dict[str, FoundTarget]:
    choices = {
        each: WantedTarget(group.location, group.servers[each], settings.launch_into_instance)
        for each, settings in wanted.items()
        if settings.launch_into_instance is not None
    }
    found, unread = find_targets(sessions, choices)
    for failure in unread:
        raise AwsError(failure.message, account_id=group.location.account_id, region=group.location.region)
    return found


def prepared_problems(
    sessions: Sessions, group: GroupServers, states: Mapping[str, LaunchState]
) -> dict[str, tuple[Problem, ...]]:
    """What is wrong with the prepared instances that the group names; nothing is read where it names none.

    Raises:
        AwsError: something could not be read.
    """
    found = _targets(sessions, group, group.wanted(states))
    if not found:
        return {}
    there = describe_source_servers(sessions, group.location)
    claims, unread = read_claims(
        sessions, {group.location: [each.source_server_id for each in there if each.source_server_id not in found]}
    )
    for failure in unread:
        raise AwsError(failure.message, account_id=group.location.account_id, region=group.location.region)
    targets = {each: target.instance_id for each, target in found.items()}
    effective_of = {each: settings_of(group.effective(group.servers[each], states[each])) for each in found}
    facts = read_facts(sessions, group.location, wanted_by(effective_of.values()))
    problems_by_server: dict[str, tuple[Problem, ...]] = {}
    for each, target in found.items():
        claimed = {other for other, instance in targets.items() if instance and instance == target.instance_id}
        claimed |= claims.get((group.location, target.instance_id or ""), frozenset())
        launch = PreparedLaunch(
            location=group.location,
            found=target,
            server=group.servers[each],
            machine=machine_of(group.servers[each], facts.types),
            settings=effective_of[each],
            subnet=facts.subnets.get(effective_of[each].subnet_id or ""),
            claimed_by=tuple(sorted(claimed - {each})),
            used_by=users_of(target.instance, group.servers[each], there),
        )
        unfit = tuple(
            Problem(check.code, WORD, launch.label, message)
            for check, message in problems_of(launch)
            if check.code not in AT_LAUNCH and not check.waivable
        )
        if unfit:
            problems_by_server[each] = unfit
    return problems_by_server


def account_problems(
    sessions: Sessions, group: GroupServers, compared: Mapping[str, Compared]
) -> dict[str, tuple[Problem, ...]]:
    """What the account does not allow in the settings of those servers, by the checks of the preflight.

    An address that a server's own recovery instance holds is no problem of its settings. A prepared instance must be
    stopped and released when it is launched into, not when settings are written: that is the preflight's.

    Raises:
        AwsError: something could not be read.
    """
    states = {each: one.launch_state for each, one in compared.items() if one.launch_state is not None}
    landed = {
        each: settings_of(group.effective(group.servers[each], state))
        for each, state in states.items()
        if not state.configuration.launch_into_instance_id  # which brings its own network
        and group.group.settings_for(*group.servers[each].references).launch_into_instance is None
    }
    facts = read_facts(sessions, group.location, wanted_by(landed.values()))
    for failure in (*facts.failures, *([facts.iam_failure] if facts.iam_failure else [])):
        raise failure
    found = {
        each: problems(
            settings,
            facts,
            machine=machine_of(group.servers[each], facts.types),
            replaced_instance_id=group.servers[each].recovery_instance_id,
        )
        for each, settings in landed.items()
    }
    for each, unfit in prepared_problems(sessions, group, states).items():
        found[each] = (*found.get(each, ()), *unfit)
    for each, state in states.items():
        settings = group.group.settings_for(*group.servers[each].references)
        if any(change.part == "ec2" for change in compared[each].changes) and (why := why_unwritable(state, settings)):
            unwritable = Problem("TEMPLATE_NOT_WRITABLE", "launchTemplate", state.template_id, why)
            found[each] = (*found.get(each, ()), unwritable)
    return {each: problems for each, problems in found.items() if problems}


def problem_text(problem: Problem) -> str:
    """A problem in a sentence."""
    return f"{problem.setting} {problem.value}: {problem.message}"


def as_faults(group: GroupServers, found: Mapping[str, Iterable[Problem]]) -> list[Fault]:
    """The problems as faults, each with its server's place."""
    return [
        Fault(group.place(each), 0, problem.code, problem_text(problem))
        for each, problems in found.items()
        for problem in problems
    ]


def recorded(group: GroupServers, entries: Mapping[str, SettingsHistoryEntry]) -> str | None:
    """Write what was done to the history; why not, where Prefect does not take it: what was done is done."""
    try:
        record_changes(group.location, entries)
    except Exception as error:  # the change was made; the caller gets it with a history_error
        return f"the change was made, but its history could not be written: {error}"
    return None


def plan_changes(before: GroupServers, after: GroupServers, server_id: str) -> tuple[ChangedSetting, ...]:
    """What became otherwise in what the plan says of a server."""
    server = after.servers[server_id]
    old, new = before.effective(server), after.effective(server)
    return tuple(
        ChangedSetting(part="plan", field=word, before=was, after=now)
        for word in sorted({*old, *new})
        if (was := old[word].value if word in old else None) != (now := new[word].value if word in new else None)
    )


def record_stored(change: EstateChange, action: str, readings: ServerReader) -> str | None:
    """Write to the history what a change of stored groups made of their servers' settings; why not, where it cannot be.

    A server that joined a group or left it has no entry: its settings there did not change.
    """
    try:
        for step in change.steps:
            if step.before is None or step.after is None or step.after.kind is not DocumentKind.GROUP:
                continue
            before, after = (
                read_group(change.before, step.before.id, readings),
                read_group(change.after, step.after.id, readings),
            )
            stored = after.stored
            entries = {
                server: SettingsHistoryEntry(
                    at=stored.updated_at, by=stored.updated_by, action=action, source=stored.id, changes=changes
                )
                for server in before.servers.keys() & after.servers.keys()
                if (changes := plan_changes(before, after, server))
            }
            if entries and (error := recorded(after, entries)):
                return error
    except PrefectDrsError as error:
        return f"the change was made, but its history could not be written: {error.message}"
    return None
