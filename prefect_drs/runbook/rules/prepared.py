"""Prepared instances: the checks of `prepared_checks` for each server, and what a drill does to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from prefect_drs.aws.location import Location
from prefect_drs.runbook.model import FindingSeverity
from prefect_drs.runbook.preflight_input import LaunchPreview, PreflightInput, named
from prefect_drs.runbook.prepared_checks import CHECKS, PreparedCheck
from prefect_drs.runbook.prepared_target import WORD
from prefect_drs.runbook.rules.rule import Observation, PreflightRule, rule

NAMED_AT_MOST = 5
"""Instances that one finding names."""


def _of_each_server(check: PreparedCheck) -> PreflightRule:
    """A rule that runs one check for every server that is launched into a prepared instance."""

    def look(preflight: PreflightInput) -> Iterator[Observation]:
        for preview, launch in preflight.prepared:
            server = preview.server
            told = server.effective.get(WORD)
            origin = f" (from the {told.origin})" if told else ""
            for message in check.look(launch):
                yield Observation(
                    f"{named(server)}: {WORD} {launch.label}{origin}: {message}",
                    server.location,
                    server.source_server_id,
                )

    look.__name__ = check.look.__name__
    return rule(check.code, what=check.what, remedy=check.remedy, waivable=check.waivable)(look)


OF_EACH_SERVER: tuple[PreflightRule, ...] = tuple(map(_of_each_server, CHECKS))


@rule(
    "DRILL_INTO_PREPARED_INSTANCE",
    what="a drill would launch into prepared instances, and the plan does not allow that: what is on them is replaced, "
    "and no recovery can use them until they are stopped again",
    remedy="set `drillIntoPreparedInstances: true` in the plan, or drill a plan without prepared instances",
)
def drills_are_allowed(preflight: PreflightInput) -> Iterator[Observation]:
    """A drill launches into prepared instances only where the plan says so."""
    if preflight.mode != "drill" or preflight.drills_into_prepared:
        return
    for location, previews in sorted(_by_location(preflight).items()):
        yield Observation(
            f"{location}: the drill would launch {_servers(previews)}: their root volumes are replaced and deleted, "
            "and no recovery can be launched into them until they are stopped again; set drillIntoPreparedInstances: "
            "true in the plan, or drill a plan without them",
            location,
        )


@rule(
    "PREPARED_INSTANCE_REPLACED",
    what="servers are launched into prepared instances: their volumes are detached and their root volumes deleted; "
    "instance id, private address and network interface stay",
    remedy="nothing, if nothing on them is needed; `prefect-drs terminate` leaves them unless it is told otherwise",
    severity=FindingSeverity.INFO,
)
def replacements_are_reported(preflight: PreflightInput) -> Iterator[Observation]:
    """Reports what a launch does to prepared instances before it is done."""
    if preflight.mode == "drill" and not preflight.drills_into_prepared:
        return
    after = (
        "; after the drill they run with its data: stop them, or no recovery can be launched into them"
        if preflight.mode == "drill"
        else ""
    )
    for location, previews in sorted(_by_location(preflight).items()):
        yield Observation(
            f"{location}: the {preflight.mode} launches {_servers(previews)}: their volumes are detached and their "
            "root volumes deleted, id, private address and network interface stay; prefect-drs terminate leaves "
            f"them{after}",
            location,
        )


def _by_location(preflight: PreflightInput) -> dict[Location, list[LaunchPreview]]:
    found: dict[Location, list[LaunchPreview]] = defaultdict(list)
    for preview, launch in preflight.prepared:
        if launch.found.instance is not None:
            found[preview.server.location].append(preview)
    return found


def _servers(previews: list[LaunchPreview]) -> str:
    listed = ", ".join(
        f"{preview.server.name} into {preview.server.prepared.instance_id}"
        for preview in previews[:NAMED_AT_MOST]
        if preview.server.prepared is not None
    )
    more = len(previews) - NAMED_AT_MOST
    rest = f" and {more} more" if more > 0 else ""
    return f"{len(previews)} server(s) into prepared instances ({listed}{rest})"
