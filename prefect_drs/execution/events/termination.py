"""Events of the termination of an execution's recovery instances. What the execution reached stays in its report."""

from __future__ import annotations

from typing import Literal

from prefect_drs.execution.event import Event
from prefect_drs.execution.records import Termination
from prefect_drs.execution.state import ExecutionState


class TerminationAsked(Event):
    """Recovery instances are about to be terminated. Written before the call; from then on nothing is resumed."""

    kind: Literal["TerminationAsked"] = "TerminationAsked"
    by: str
    account_id: str
    region: str
    recovery_instance_ids: tuple[str, ...]

    @property
    def text(self) -> str:
        """Who terminates how many, and where."""
        where = f"{self.account_id}/{self.region}"
        return f"{self.by} terminates {len(self.recovery_instance_ids)} recovery instance(s) in {where}"

    def apply_to(self, state: ExecutionState) -> None:
        """The execution cannot be resumed any more."""
        state.termination = state.termination or Termination(self.by, self.at)


class TerminationStarted(Event):
    """A TERMINATE job for instances of this execution exists in DRS, whoever started it."""

    kind: Literal["TerminationStarted"] = "TerminationStarted"
    job_id: str
    account_id: str
    region: str
    recovery_instance_ids: tuple[str, ...]

    @property
    def text(self) -> str:
        """The job, and how many instances."""
        where = f"{self.account_id}/{self.region}"
        return f"job {self.job_id} in {where} terminates {len(self.recovery_instance_ids)} recovery instance(s)"


class InstancesTerminated(Event):
    """DRS no longer has these instances."""

    kind: Literal["InstancesTerminated"] = "InstancesTerminated"
    account_id: str
    region: str
    recovery_instance_ids: tuple[str, ...]

    @property
    def text(self) -> str:
        """Which instances."""
        return f"terminated: {', '.join(self.recovery_instance_ids)}"

    def apply_to(self, state: ExecutionState) -> None:
        """Their servers are reported as TERMINATED."""
        for instance_id in self.recovery_instance_ids:
            state.terminated.setdefault(instance_id, self.at)
