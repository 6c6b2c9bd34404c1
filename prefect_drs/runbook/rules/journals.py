"""Where the journal of the execution would be, when this machine or the region that fails is lost."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.runbook.journal_place import JournalPlace
from prefect_drs.runbook.model import FindingSeverity
from prefect_drs.runbook.preflight_input import PreflightInput
from prefect_drs.runbook.rules.rule import Observation, rule

ELSEWHERE = "store journals in an S3 bucket in another region: PREFECT_DRS_JOURNAL=s3://BUCKET"
REMEDY = (
    "store journals in an S3 bucket in another region (`PREFECT_DRS_JOURNAL=s3://BUCKET`), or their mirror "
    "(`PREFECT_DRS_JOURNAL_MIRROR`), see [without-prefect.md](without-prefect.md)"
)


@rule(
    "JOURNAL_ON_ONE_MACHINE",
    what="the journal would be in a folder of this machine, or in a store of which no place is known: without its "
    "journal, an execution cannot be resumed",
    remedy=REMEDY,
    severity=FindingSeverity.INFO,
)
def journals_outlive_the_machine(preflight: PreflightInput) -> Iterator[Observation]:
    """Reports journals that may be lost with a machine."""
    for place in _in_danger(preflight):
        if place.region is None and place.failure is None:
            yield Observation(f"the journal is in {place.name}: {place.loss}; {ELSEWHERE}")


@rule(
    "JOURNAL_IN_FAILED_REGION",
    what="the journal would be in a bucket in a region that servers of the plan replicate from: it is lost with them",
    remedy=REMEDY,
    severity=FindingSeverity.INFO,
)
def journals_outlive_the_region(preflight: PreflightInput) -> Iterator[Observation]:
    """Reports journals that are in a region that the plan recovers from."""
    for place in _in_danger(preflight):
        if place.region is not None:
            yield Observation(
                f"the journal is in {place.name} in {place.region}, which servers of this plan replicate from; "
                f"{ELSEWHERE}"
            )


@rule(
    "JOURNAL_PLACE_UNCHECKED",
    what="the region of the journal's bucket could not be read",
    remedy="allow `s3:ListBucket` on the bucket; where S3 itself is down there, name another bucket",
    severity=FindingSeverity.INFO,
)
def places_of_journals_could_be_read(preflight: PreflightInput) -> Iterator[Observation]:
    """The region of the journal's bucket could be read."""
    for place in preflight.journals:
        if place.failure is not None:
            yield Observation(f"where the journal in {place.name} is was not checked: {place.failure.message}")


def _in_danger(preflight: PreflightInput) -> tuple[JournalPlace, ...]:
    """The places of the journal, unless one of them outlives this machine and the regions the plan recovers from."""
    origins = {
        server.origin_region
        for membership in preflight.memberships
        if membership.group.group_name in preflight.planned
        for server in membership.servers
        if server.origin_region
    }
    if any(place.survives(origins) for place in preflight.journals):
        return ()
    return tuple(preflight.journals)
