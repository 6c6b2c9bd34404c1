"""Which jobs to start next in an account and region: the ready servers, within the quotas, with lookahead where launch
times are known.

In: the state of the waves and of the jobs that DRS runs there. Out: `JobStart`s, in the order to start them. It never
calls AWS and never launches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prefect_drs.aws.location import Location
from prefect_drs.execution.state import ServerState
from prefect_drs.plan.longest_path import seconds_after
from prefect_drs.recovery.launch.jobs import LocationJobs
from prefect_drs.recovery.launch.lookahead import Lookahead, WaveLookahead
from prefect_drs.recovery.launch.lookahead import choose as choose_with_lookahead
from prefect_drs.recovery.launch.packing import Demand, JobStart, JobUsage, Limits, pack
from prefect_drs.recovery.launch.quota_sharing import share
from prefect_drs.recovery.waves import LiveWave
from prefect_drs.runbook import RunbookWave

TYPICAL_LAUNCH = 20 * 60.0  # seconds; assumed of a server whose launch time is not known

_Basis = tuple[frozenset[str], JobUsage, Limits, int]


class LaunchChooser:
    """Chooses the jobs to start. Keeps its decision until the input changes.

    Args:
        planned: the waves of the runbook.
        waves: their current state, by number.
        expected: seconds that each server's launch is expected to take, by source server id, where known.
        limits: DRS's quotas.
    """

    def __init__(
        self,
        planned: Sequence[RunbookWave],
        waves: Mapping[int, LiveWave],
        expected: Mapping[str, float],
        limits: Limits,
    ) -> None:
        self._waves = waves
        self._expected = expected
        self._limits = limits
        self._decided: dict[Location, _Basis] = {}  # by location: the input after which nothing more is to be started
        # For each wave, the seconds from its end to the end of the longest chain of waves after it.
        self._tails = seconds_after(
            {wave.wave_number: wave.depends_on_waves for wave in planned},
            {
                wave.wave_number: self._longest(
                    server.source_server_id for server in wave.servers if wave.action == "launch"
                )
                for wave in planned
            },
        )

    def decided(self, location: Location, jobs: LocationJobs, sharers: int) -> None:
        """All chosen jobs are started: choose nothing more there until the input changes."""
        self._decided[location] = self._basis(location, jobs, sharers)

    def _longest(self, server_ids: Iterable[str]) -> float:
        """The expected seconds until the slowest of those servers is launched."""
        return max(map(self._seconds, server_ids), default=0.0)

    def _seconds(self, server_id: str) -> float:
        """The expected seconds until that server is launched."""
        return self._expected.get(server_id, TYPICAL_LAUNCH)

    def _basis(self, location: Location, jobs: LocationJobs, sharers: int) -> _Basis:
        """The input of a decision: ready servers, quota usage, shared limits, how many jobs are expected to end."""
        ready = frozenset(s for wave in self._waves.values() for s in wave.ready_servers(location))
        ending = sum(job.left is not None for job in jobs.in_flight(self._seconds))
        return ready, jobs.usage, share(self._limits, jobs.usage, jobs.own, sharers), ending

    def choose(self, location: Location, jobs: LocationJobs, sharers: int) -> tuple[JobStart, ...]:
        """The jobs to start there now, with lookahead where launch times are known.

        A decision stays until the input changes. Otherwise the mere passing of time would change it back and forth.
        """
        basis = self._basis(location, jobs, sharers)
        if self._decided.get(location) == basis:
            return ()
        starts = self._choose(location, jobs, basis[2])
        if not starts:
            self._decided[location] = basis
        return starts

    def _choose(self, location: Location, jobs: LocationJobs, limits: Limits) -> tuple[JobStart, ...]:
        demands = [
            Demand(
                wave_number=wave.number,
                servers=servers,
                remaining_path=self._longest(servers) + self._tails[wave.number],
                durations={server_id: self._seconds(server_id) for server_id in servers} if self._expected else None,
            )
            for wave in self._waves.values()
            if (servers := wave.ready_servers(location))
        ]
        if not self._expected:
            return pack(demands, jobs.usage, limits)
        waves = {
            wave.number: self._rest_of(wave, location) for wave in self._waves.values() if not wave.run.status.over
        }
        return choose_with_lookahead(demands, jobs.usage, limits, Lookahead(jobs.in_flight(self._seconds), waves))

    def _rest_of(self, wave: LiveWave, location: Location) -> WaveLookahead:
        """A wave that is not over, from the view of that location. Gates and checks count as taking no time."""
        here: list[float] = []
        elsewhere = 0.0
        for server_id, run in wave.servers.items() if wave.run.wave.action == "launch" else ():
            if run.server.location != location and not run.state.final:
                elsewhere = max(elsewhere, self._seconds(server_id))
            elif run.state is ServerState.READY:
                here.append(self._seconds(server_id))
        return WaveLookahead(
            depends_on=wave.run.wave.depends_on_waves,
            seconds=tuple(sorted(here, reverse=True)),
            after=self._tails[wave.number],
            elsewhere=elsewhere,
        )
