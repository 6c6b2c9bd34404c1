"""Quota sharing between executions in one account-region: each starts jobs in its slot, within its share.

In: whether an execution wants to launch. Out: a slot, and the limits that apply in it. DRS's quotas are the account's,
and two processes that read the same jobs at the same moment would both use the same room; DRS refuses what is too much,
so that slots are for speed and fairness, never for safety. An execution that knows of no others takes no slot.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol

from prefect_drs.aws.location import Location
from prefect_drs.recovery.launch.packing import JobUsage, Limits


class QuotaSharing(Protocol):
    """Shares quotas with other executions; calls come from the engine's one thread and return soon."""

    @property
    def shared(self) -> bool:
        """Whether there may be others, so that a reading from before the slot may be out of date in it."""
        ...

    def want(self, location: Location, *, wanted: bool) -> int:
        """Publish whether servers are to be launched there; how many executions want that now, this one included."""
        ...

    def take(self, location: Location) -> AbstractContextManager[None] | None:
        """The slot to read jobs and start some; None where another execution has it at this moment."""
        ...


class NoSharing:
    """No other execution is known."""

    shared = False

    def want(self, location: Location, *, wanted: bool) -> int:
        """This execution."""
        return 1

    def take(self, location: Location) -> AbstractContextManager[None] | None:
        """Always at once."""
        return nullcontext()


def share(limits: Limits, usage: JobUsage, own: JobUsage, sharers: int) -> Limits:
    """The limits within which each execution that wants to launch gets an equal share.

    Args:
        limits: the quotas.
        usage: the quota usage of all jobs.
        own: this execution's share of the quota usage.
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
