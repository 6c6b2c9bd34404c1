"""The checks before a launch that look at the resolved servers: each a rule with a name, all of them in `RULES`.

In: the waves with their servers, and what their accounts hold. Out: findings. A rule reads what is at hand; the one
that must ask EC2 asks once an account-region. Fails closed: what cannot be asked is a finding that refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prefect_drs.aws.drs import Job
from prefect_drs.aws.ec2 import private_addresses
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.errors import AwsError
from prefect_drs.plan.model import RecoveryMode
from prefect_drs.runbook.model import Finding, FindingSeverity, RunbookServer, RunbookWave, refuse

READY_STATES = frozenset({"CONTINUOUS"})
SNAPSHOT_STATES = frozenset({"INITIAL_SYNC", "RESCAN"})  # launch from an older snapshot only (DRS user guide)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rule may look at: the waves, everybody's jobs by account-region, and the way into the accounts."""

    waves: Sequence[RunbookWave]
    jobs: Mapping[Location, Sequence[Job]]
    mode: RecoveryMode
    sessions: Sessions

    def servers(self) -> Iterator[RunbookServer]:
        """Every server of every wave."""
        return (server for wave in self.waves for server in wave.servers)


def a_server_is_in_one_wave(situation: Situation) -> Iterator[Finding]:
    """A server is launched once in an execution."""
    seen: dict[str, RunbookWave] = {}
    for wave in situation.waves:
        for server in wave.servers:
            former = seen.setdefault(server.source_server_id, wave)
            if former is not wave:
                yield refuse(
                    "SERVER_IN_TWO_WAVES",
                    f"{_label(server)} is in wave {former.wave_number} and in wave {wave.wave_number}; "
                    "a server is launched once: take it out of one group",
                    server.location,
                    server.source_server_id,
                )


def servers_replicate(situation: Situation) -> Iterator[Finding]:
    """A server launches from its latest state where it replicates, else only from an older snapshot, or not at all."""
    for server in situation.servers():
        older = server.replication_state in SNAPSHOT_STATES
        if server.replication_state not in READY_STATES and not (older and server.snapshot_id):
            yield refuse(
                "NOT_REPLICATING",
                f"{_label(server)} is {server.replication_state}, not CONTINUOUS; wait for it or repair its agent"
                + (", or launch it from an older snapshot with --at or --snapshot" if older else ""),
                server.location,
                server.source_server_id,
            )


def servers_are_in_no_active_job(situation: Situation) -> Iterator[Finding]:
    """DRS takes a server in one active job at a time (ConflictException otherwise), whoever started it."""
    busy = {
        server.source_server_id: job
        for jobs in situation.jobs.values()
        for job in jobs
        if job.active
        for server in job.servers
    }
    for server in situation.servers():
        if job := busy.get(server.source_server_id):
            yield refuse(
                "SERVER_IN_ACTIVE_JOB",
                f"{_label(server)} is in job {job.job_id} ({job.initiated_by}, {job.status}); wait until it has ended",
                server.location,
                server.source_server_id,
            )


def recovery_instances_are_told(situation: Situation) -> Iterator[Finding]:
    """A person should know what stands already: a recovery replaces it, a drill launches beside it."""
    effect = "this recovery replaces it" if situation.mode == "recovery" else "this drill launches beside it"
    for server in situation.servers():
        if server.recovery_instance_id:
            yield Finding(
                code="RECOVERY_INSTANCE_EXISTS",
                severity=FindingSeverity.TOLD,
                message=f"{_label(server)} has recovery instance {server.recovery_instance_id}; {effect}",
                account_id=server.account_id,
                region=server.region,
                source_server_id=server.source_server_id,
            )


def drills_leave_static_addresses_free(situation: Situation) -> Iterator[Finding]:
    """An instance of a former drill that still holds a static address keeps the next drill from launching (EC2 answers
    InvalidIPAddress.InUse). A recovery ends the former instance first.
    """
    if situation.mode == "recovery":
        return
    holders: dict[Location, dict[str, RunbookServer]] = {}
    for server in situation.servers():
        if server.recovery_instance_id and server.settings.static_private_ip:
            holders.setdefault(server.location, {})[server.recovery_instance_id] = server
    for location, servers in sorted(holders.items()):
        try:
            held = private_addresses(situation.sessions, location, sorted(servers))
        except AwsError as error:
            yield refuse("UNCHECKED", f"{location}: {error.message}", location)
            continue
        for instance_id, server in servers.items():
            address = server.settings.static_private_ip
            if address in held.get(instance_id, ()):
                yield refuse(
                    "ADDRESS_IN_USE",
                    f"{_label(server)} is to have {address}, which its recovery instance {instance_id} of a former "
                    "launch still holds; terminate that first: prefect-drs terminate EXECUTION",
                    location,
                    server.source_server_id,
                )


def _label(server: RunbookServer) -> str:
    return f"{server.name} ({server.source_server_id}) in {server.location}"


RULES: tuple[Callable[[Situation], Iterator[Finding]], ...] = (
    a_server_is_in_one_wave,
    servers_replicate,
    servers_are_in_no_active_job,
    recovery_instances_are_told,
    drills_leave_static_addresses_free,
)


def preflight(situation: Situation) -> tuple[Finding, ...]:
    """What all rules find, in the order of the rules."""
    return tuple(finding for rule in RULES for finding in rule(situation))
