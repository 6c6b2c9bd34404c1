"""Several executions in one account-region: each reads and starts jobs in its turn, and takes no more than its share.

In: what an execution wants. Out: a turn, and the limits that hold in it. DRS's quotas are the account's, and two
processes that read the same jobs at the same moment would both fill the same room; DRS refuses what is too much, so
that turns are for speed and fairness, never for safety. Whoever knows of no others goes on alone.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol

from prefect_drs.aws.location import Location
from prefect_drs.recovery.launch.packing import JobUsage, Limits


class QuotaSharing(Protocol):
    """Tells executions of each other; calls come from the engine's one thread and return soon."""

    @property
    def shared(self) -> bool:
        """Whether there may be others, so that what was read before a turn may be out of date in it."""
        ...

    def want(self, location: Location, *, wanted: bool) -> int:
        """Tell whether servers are to be launched there; how many executions want that now, this one included."""
        ...

    def take(self, location: Location) -> AbstractContextManager[None] | None:
        """A turn to read jobs and start some; None where another execution has it at this moment."""
        ...


class NoSharing:
    """No others are known."""

    shared = False

    def want(self, location: Location, *, wanted: bool) -> int:
        """This execution."""
        return 1

    def take(self, location: Location) -> AbstractContextManager[None] | None:
        """Always at once."""
        return nullcontext()


def share(limits: Limits, usage: JobUsage, own: JobUsage, sharers: int) -> Limits:
    """The limits that an execution keeps so that each that wants to launch gets as much as the others.

    Args:
        limits: the quotas.
        usage: what everybody's jobs hold.
        own: what this execution's hold of that.
        sharers: how many executions want to launch there now.
    """
    if sharers <= 1:
        return limits
    jobs = max(1, limits.concurrent_jobs // sharers)
    servers = max(1, limits.servers_in_jobs // sharers)
    return replace(
        limits,
        concurrent_jobs=min(limits.concurrent_jobs, usage.jobs + max(0, jobs - own.jobs)),
        servers_in_jobs=min(limits.servers_in_jobs, usage.servers + max(0, servers - own.servers)),
    )
