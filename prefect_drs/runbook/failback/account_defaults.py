"""Servers that DRS would launch into instances that the plan does not name, by settings of the account.

In: a plan and the ways back of its servers. Out: findings that refuse. Reads only.

DRS has a default launch setting, "Launch into source instance": a source server that `ReverseReplication` makes gets
the instance that the machine was at first as the one to launch into
(https://docs.aws.amazon.com/drs/latest/userguide/default-drs-launch-into-source-instance.html). A plan without
`failback.launchIntoOriginal`, and a rehearsal, launch new instances: nothing would check the instance whose disks the
launch replaces. Of servers that replicate back already, their own launch settings count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.prepared_instances import launches_into_source_instances, read_launch_into
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.model import RecoveryPlan
from prefect_drs.runbook.failback.candidates import Candidate
from prefect_drs.runbook.model import FindingSeverity, RunbookFinding

CODE = "FAILBACK_INTO_SOURCE_INSTANCE"


def find_unplanned_targets(
    sessions: Sessions, plan: RecoveryPlan, candidates: Iterable[Candidate]
) -> tuple[RunbookFinding, ...]:
    """What refuses the failback of servers that DRS would launch into an instance that the plan does not name.

    Args:
        sessions: the way into the accounts.
        plan: its `failback` says whether servers are launched into their original instances.
        candidates: the ways back of its servers.
    """
    places: dict[Location, list[Candidate]] = defaultdict(list)
    for each in candidates:
        new_instance = each.way_back.drill or not plan.failback.launch_into_original
        if new_instance and not each.way_back.outside_aws:
            places[each.launch].append(each)
    findings: list[RunbookFinding] = []
    for place, answer in fan_out(places, lambda place: _targets(sessions, place, places[place])).items():
        if isinstance(answer, AwsError):
            findings.append(_not_checked(place, answer))
        else:
            findings += _refusals(places[place], answer)
    return tuple(findings)


def _targets(sessions: Sessions, place: Location, candidates: Iterable[Candidate]) -> dict[str, str]:
    """The instance that DRS would launch each server into, by source server id of the plan; most have none.

    Raises:
        AwsError: it could not be read.
    """
    back = {
        each.server.source_server_id: each.reversed_server.source_server_id
        for each in candidates
        if each.reversed_server is not None
    }
    into = read_launch_into(sessions, place, list(back.values()))
    found = {server_id: into[own] for server_id, own in back.items() if own in into}
    new = [each.server for each in candidates if each.reversed_server is None]
    if new and launches_into_source_instances(sessions, place):
        found |= {server.source_server_id: server.instance_id or "its source instance" for server in new}
    return found


def _refusals(candidates: Iterable[Candidate], targets: Mapping[str, str]) -> Iterator[RunbookFinding]:
    for each in candidates:
        server, back = each.server, each.reversed_server
        target = targets.get(server.source_server_id)
        if target is None:
            continue
        setting = (
            "the default launch setting 'Launch into source instance' of DRS there"
            if back is None
            else f"the launch settings of source server {back.source_server_id}, which replicates it back"
        )
        switch = (
            "switch the default off: aws drs update-launch-configuration-template --no-launch-into-source-instance"
            if back is None
            else "end that replication (aws drs stop-failback), so that the failback begins it anew"
        )
        remedy = (
            f"a rehearsal launches new instances, since production runs on that one; {switch}"
            if each.way_back.drill
            else f"set failback.launchIntoOriginal: true, so that the instance is checked and shown, or {switch}"
        )
        yield RunbookFinding(
            code=CODE,
            severity=FindingSeverity.ERROR,
            message=(
                f"{server.name} ({server.source_server_id}) would be launched into {target} in {each.launch}, "
                f"whose disks are replaced, by {setting}, and not by the plan: {remedy}"
            ),
            account_id=each.launch.account_id,
            region=each.launch.region,
            source_server_id=server.source_server_id,
        )


def _not_checked(place: Location, error: AwsError) -> RunbookFinding:
    return RunbookFinding(
        code="NOT_CHECKED",
        severity=FindingSeverity.ERROR,
        message=f"{place}: whether DRS launches into source instances there could not be read: {error.message}",
        account_id=place.account_id,
        region=place.region,
    )
