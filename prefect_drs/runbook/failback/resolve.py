"""Resolve a failback: from a plan and what runs now, or from the execution that recovered it.

In: a manifest, one of its plans, the way into the accounts, and the report of a recovery where one is named. Out: a
`Runbook` of mode `failback`. Only reads; every fault is a finding that refuses, all of them at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from prefect_drs.aws.drs import Job, SourceServer
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.plan.model import Manifest, RecoveryPlan
from prefect_drs.runbook.failback.account_defaults import find_unplanned_targets
from prefect_drs.runbook.failback.candidates import Candidate, Recovered, candidate_of
from prefect_drs.runbook.failback.fetch import read_failback
from prefect_drs.runbook.failback.originals import find_originals
from prefect_drs.runbook.failback.waves import failback_waves
from prefect_drs.runbook.fetch.inventories import read_inventories
from prefect_drs.runbook.members import Members, find_members
from prefect_drs.runbook.model import FindingSeverity, PlanSource, Runbook, RunbookFinding
from prefect_drs.runbook.preflight_input import OtherExecution, ResolutionError
from prefect_drs.runbook.scope import scope_of

BY_HAND = (
    "its machine runs outside AWS: boot it with AWS's Failback Client after the start; the failback waits for that "
    "(https://docs.aws.amazon.com/drs/latest/userguide/failback-performing-on-prem.html)"
)


def resolve_failback(
    manifest: Manifest,
    plan: RecoveryPlan,
    *,
    sessions: Sessions,
    clock: Clock,
    recovered: Recovered | None = None,
    exclude: Mapping[str, str] | None = None,
    others: Collection[OtherExecution] = (),
) -> Runbook:
    """Read the accounts and work out how the servers of `plan` would fail back now. Changes nothing.

    Args:
        manifest: has the plan's groups.
        plan: one of its plans.
        sessions: the way into the accounts.
        clock: the time.
        recovered: what an execution launched; None fails back the one recovery instance that each server has.
        exclude: reasons by the server that is left out.
        others: executions that have not ended.

    Raises:
        UsageError: `exclude` names a server that the plan does not have, or leaves none.
        AwsError: the caller's own identity could not be read. What fails in one account or region is a finding.
    """
    now = clock.now()
    scope = scope_of(manifest, plan, sessions)
    inventories = read_inventories(sessions, scope.planned_locations, now)
    members = find_members(manifest, scope, inventories, exclude or {})
    findings = [_unread(unread.location, unread.message) for unread in inventories.unread]
    findings += _missing(members)
    reading = read_failback(sessions, _by_location(members))
    findings += [_unread(location, message) for location, message in sorted(reading.unread.items())]
    candidates: dict[str, Candidate] = {}
    for each in members.of_plan:
        jobs: tuple[Job, ...] = inventories.by_location[each.location].jobs if each.read else ()
        for server in each.servers if each.location in reading.instances else ():
            answer = candidate_of(server, each.location, reading, jobs, recovered)
            if isinstance(answer, Candidate):
                candidates[server.source_server_id] = answer
            else:
                findings += answer
    findings += _claimed(candidates, others)
    findings += _mixed(candidates.values())
    findings += _by_hand(candidates.values())
    drill = any(candidate.way_back.drill for candidate in candidates.values())
    originals = find_originals(sessions, plan, candidates, reading.servers)
    findings += originals.findings
    findings += find_unplanned_targets(sessions, plan, candidates.values())
    resolved = failback_waves(plan, members, candidates, originals.by_server, drill=drill)
    findings += [_error(error) for error in resolved.errors]
    return Runbook(
        plan_name=plan.plan_name,
        mode="failback",
        waves=resolved.waves,
        findings=tuple(findings),
        notify=plan.notify,
        resolved_at=now,
        source=PlanSource.of(manifest, plan),
    )


def _by_location(members: Members) -> dict[Location, list[SourceServer]]:
    """The plan's servers by the account and region that they are recovered in."""
    found: dict[Location, list[SourceServer]] = defaultdict(list)
    for each in members.of_plan:
        if each.read:
            found[each.location] += each.servers
    return {location: servers for location, servers in found.items() if servers}


def _missing(members: Members) -> Iterable[RunbookFinding]:
    """Servers that the plan names and DRS does not have: they cannot be named as having failed back."""
    for each in members.of_plan:
        there = {server.source_server_id for server in each.servers}
        left_out = {exclusion.server.source_server_id for exclusion in each.excluded}
        for server_id in each.group.source_server_ids if each.read else ():
            if server_id not in there | left_out:
                message = f"DRS has no source server {server_id} of group {each.group.group_name} in {each.location}"
                yield _finding(
                    "SERVER_NOT_FOUND", f"{message}; correct the group, or leave it out", each.location, server_id
                )


def _claimed(candidates: Mapping[str, Candidate], others: Collection[OtherExecution]) -> Iterable[RunbookFinding]:
    for other in others:
        for server_id in sorted(candidates.keys() & other.source_server_ids):
            candidate = candidates[server_id]
            message = (
                f"{candidate.server.name} ({server_id}) is claimed by execution {other.execution_id} "
                f"of {other.plan_name}; wait until it ends, or cancel it: prefect-drs cancel {other.execution_id}"
            )
            yield _finding("SERVER_IN_OTHER_EXECUTION", message, candidate.location, server_id)


def _mixed(candidates: Iterable[Candidate]) -> Iterable[RunbookFinding]:
    """A rehearsal with instances of a drill never touches those of a recovery."""
    every = list(candidates)
    drills = [candidate for candidate in every if candidate.way_back.drill]
    if not drills:
        return
    if len(drills) < len(every):
        named = ", ".join(candidate.server.name for candidate in drills)
        message = f"some instances are of a drill ({named}), others of a recovery: fail them back in two executions"
        yield _finding("FAILBACK_OF_DRILL_AND_RECOVERY", message, None, None)
    yield _finding(
        "FAILBACK_IS_REHEARSAL",
        "a drill launched these instances: this is a rehearsal, and nothing is protected in the forward direction, "
        "since production still runs where it came from",
        None,
        None,
        severity=FindingSeverity.INFO,
    )


def _by_hand(candidates: Iterable[Candidate]) -> Iterable[RunbookFinding]:
    for candidate in candidates:
        if candidate.way_back.outside_aws:
            message = f"{candidate.server.name} ({candidate.server.source_server_id}): {BY_HAND}"
            yield _finding(
                "FAILBACK_CLIENT_NEEDED",
                message,
                candidate.location,
                candidate.server.source_server_id,
                severity=FindingSeverity.INFO,
            )


def _unread(location: Location, message: str) -> RunbookFinding:
    return _finding("NOT_CHECKED", f"{location} could not be read: {message}", location, None)


def _error(error: ResolutionError) -> RunbookFinding:
    return _finding(error.code, error.message, error.location, error.source_server_id)


def _finding(
    code: str,
    message: str,
    location: Location | None,
    server_id: str | None,
    *,
    severity: FindingSeverity = FindingSeverity.ERROR,
) -> RunbookFinding:
    return RunbookFinding(
        code=code,
        severity=severity,
        message=message,
        account_id=location.account_id if location else None,
        region=location.region if location else None,
        source_server_id=server_id,
    )
