"""Events of a failback's steps. Launches of a failback are told by the events of launches."""

from __future__ import annotations

from typing import Literal

from prefect_drs.aws.location import Location
from prefect_drs.execution.event import Event
from prefect_drs.execution.state import ExecutionState


class StepAsked(Event):
    """Calls of a step are about to be sent, one a server. Written before them, so that a lost answer is looked for.

    `call`: the operation of DRS.
    """

    kind: Literal["StepAsked"] = "StepAsked"
    wave_number: int
    call: str
    source_server_ids: tuple[str, ...]

    @property
    def text(self) -> str:
        """What is called, for how many servers."""
        return f"wave {self.wave_number}: {self.call} for {len(self.source_server_ids)} server(s)"

    def apply_to(self, state: ExecutionState) -> None:
        """The same is not called again for a while, unless what it does is seen not to have happened."""
        for server_id in self.source_server_ids:
            state.waves[self.wave_number].servers[server_id].ask(self.call, self.at)


class ReplicationReversed(Event):
    """A server replicates back, or forward again: by this source server in that account and region."""

    kind: Literal["ReplicationReversed"] = "ReplicationReversed"
    wave_number: int
    source_server_id: str
    replicating_server_id: str
    account_id: str
    region: str

    @property
    def text(self) -> str:
        """Which server replicates where."""
        where = Location(self.account_id, self.region)
        return f"wave {self.wave_number} {self.source_server_id} replicates to {where} as {self.replicating_server_id}"

    def apply_to(self, state: ExecutionState) -> None:
        """The failback launches that source server."""
        if state.waves[self.wave_number].wave.action == "protect":
            state.ways_back[self.source_server_id] = self.replicating_server_id


class WritesStopped(Event):
    """The hooks that stop writes are done. `lags`: the replication lag of each server then (ISO 8601 duration).

    What was written within a server's lag had not arrived then; the launch waits for it. A server that is not in `lags`
    could not be read.
    """

    kind: Literal["WritesStopped"] = "WritesStopped"
    wave_number: int
    lags: dict[str, str]

    @property
    def text(self) -> str:
        """The largest lag."""
        servers = len(self.lags)
        return f"wave {self.wave_number}: writes are stopped; the replication lag of {servers} server(s) is recorded"

    def apply_to(self, state: ExecutionState) -> None:
        """The lag is in the report, and the wave waits for what was written before."""
        wave = state.waves[self.wave_number]
        wave.writes_stopped_at = self.at
        for server_id, lag in self.lags.items():
            wave.servers[server_id].note_lag(lag)


class StepBegan(Event):
    """The hooks before a step are done, and the step begins: they are not run again by a process that resumes it."""

    kind: Literal["StepBegan"] = "StepBegan"
    wave_number: int

    @property
    def text(self) -> None:
        """The events of the step tell it."""
        return

    def apply_to(self, state: ExecutionState) -> None:
        """Its hooks are done."""
        state.waves[self.wave_number].step_begun = True
