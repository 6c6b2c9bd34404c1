"""The waves of a simulated recovery, and what the packer knows of them beforehand.

In: waves with their servers, and expected launch seconds. Out: a `PackingPlan`, prepared once and simulated many times.
Pure: no AWS, no clock, no chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from prefect_drs.plan.longest_path import seconds_after
from prefect_drs.recovery.launch.durations import DEFAULT_GATE
from prefect_drs.recovery.launch.lookahead import WaveLookahead
from prefect_drs.recovery.launch.simulation import Dependencies, WaveTiming

if TYPE_CHECKING:
    from prefect_drs.runbook import Runbook


@dataclass(frozen=True, slots=True)
class SimulatedWave:
    """The servers and the times of a wave.

    Args:
        wave_number: as in the plan.
        depends_on_waves: the waves that must be over before.
        servers: source server ids by account and region (any name for it, such as `111122223333/us-east-1`).
        gate: seconds a person takes to approve, from the moment the dependencies are over; 0 without a gate.
        check: seconds of its health checks, from its last launch on.
    """

    wave_number: int
    depends_on_waves: tuple[int, ...]
    servers: Mapping[str, tuple[str, ...]]
    gate: float = 0.0
    check: float = 0.0

    @property
    def server_ids(self) -> list[str]:
        """Its servers in all accounts and regions."""
        return [server for there in self.servers.values() for server in there]


def waves_of(runbook: Runbook) -> tuple[SimulatedWave, ...]:
    """The waves of a runbook; a wave with a gate gets the default's median, until gate times are drawn."""
    waves = []
    for wave in runbook.waves:
        servers: dict[str, tuple[str, ...]] = {}
        for server in wave.servers:
            place = f"{server.account_id}/{server.region}"
            servers[place] = (*servers.get(place, ()), server.source_server_id)
        gate = DEFAULT_GATE.median if wave.gate else 0.0
        waves.append(SimulatedWave(wave.wave_number, wave.depends_on_waves, servers, gate))
    return tuple(waves)


@dataclass(frozen=True, slots=True)
class PackingPlan:
    """What the packer knows of the waves beforehand: the order of servers and how much follows each wave.

    Prepared once and simulated many times.

    Args:
        waves: by wave number.
        expected: expected launch seconds, by source server id; None where nothing is known.
        after: seconds that follow the last launch of each wave, by wave number: its checks, and the longest chain of
            waves after it.
        dependencies: which waves follow which.
    """

    waves: dict[int, SimulatedWave]
    expected: Mapping[str, float] | None
    after: dict[int, float]
    dependencies: Dependencies = field(repr=False, compare=False)
    _lookaheads: dict[str, dict[int, WaveLookahead]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls, waves: Sequence[SimulatedWave], expected: Mapping[str, float] | None, unknown: float = 1200.0
    ) -> PackingPlan:
        """Order the servers, the slowest first, and measure the chains.

        Args:
            waves: in any order.
            expected: see above.
            unknown: seconds that a wave is assumed to launch in where nothing is known.

        Raises:
            ValueError: the waves' dependencies are not a graph without circles.
        """
        lengths: dict[int, float] = {}
        for wave in waves:
            servers = wave.server_ids
            launch = unknown if expected is None else max((expected[s] for s in servers), default=0.0)
            lengths[wave.wave_number] = wave.gate + wave.check + (launch if servers else 0.0)
        tails = seconds_after({wave.wave_number: wave.depends_on_waves for wave in waves}, lengths)
        timings = {wave.wave_number: WaveTiming(wave.depends_on_waves) for wave in waves}
        plan = cls({}, expected, {}, Dependencies(timings))
        for wave in waves:
            ordered = {place: plan.slowest_first(servers) for place, servers in wave.servers.items()}
            plan.waves[wave.wave_number] = replace(wave, servers=ordered)
            plan.after[wave.wave_number] = tails[wave.wave_number] + wave.check
        return plan

    def lookahead_at(self, place: str) -> dict[int, WaveLookahead]:
        """Every wave before it begins, from the view of one account and region."""
        if place not in self._lookaheads:
            self._lookaheads[place] = {number: self._lookahead(wave, place) for number, wave in self.waves.items()}
        return self._lookaheads[place]

    def _lookahead(self, wave: SimulatedWave, place: str) -> WaveLookahead:
        expected = self.expected or {}
        elsewhere = [expected[servers[0]] for there, servers in wave.servers.items() if there != place and servers]
        return WaveLookahead(
            depends_on=wave.depends_on_waves,
            seconds=tuple(expected[s] for s in wave.servers.get(place, ())),
            after=self.after[wave.wave_number],
            opening=wave.gate,
            elsewhere=max(elsewhere, default=0.0),
            closing=wave.check,
        )

    def slowest_first(self, servers: tuple[str, ...]) -> tuple[str, ...]:
        """The servers in the order in which they are started; as given where nothing is known."""
        if self.expected is None:
            return servers
        return tuple(sorted(servers, key=self.expected.__getitem__, reverse=True))
