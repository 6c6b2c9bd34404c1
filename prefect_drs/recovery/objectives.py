"""Watches the RTO targets of a running execution: says once for each that the forecast expects it to be missed.

In: the execution's state and the jobs of others. Out: `RtoTargetAtRisk` events. Called by the engine's loop; looks at
most once a minute, and spends at most a twentieth of the engine's time. Must never launch, delay or stop anything:
where the forecast fails, that is logged, and the targets are watched no more. Only the journal can still stop the
engine, as it does for any event that cannot be kept.

**When.** Long before the end a forecast is uncertain, and a warning that proves wrong teaches people to ignore the next
one. So the target must be missed in `EARLY` of the simulated rests; in the last `LATE_PHASE` before the target passes,
when there is little time left to act, in `LATE`. It is said once: a target that comes within reach again (a gate was
answered at once) is not withdrawn, since nothing that people should do depends on it, and a warning that comes and goes
is one nobody reads. The report says in the end whether the target was met. A process that resumes the execution finds
in the journal what was said before.

Waves that did not succeed, and those that depend on them, have no forecast; `wave.failed` has told of them, and the
report counts their targets as missed.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from prefect_drs.aws.location import Location
from prefect_drs.execution.events import RtoTargetAtRisk
from prefect_drs.plan.targets import Target, TargetKind, targets_of
from prefect_drs.recovery.launch.jobs import LocationJobs
from prefect_drs.recovery.options import ExecutionContext
from prefect_drs.recovery.running_forecast import ForeignJob, RunningForecast

EVERY = timedelta(minutes=1)
SHARE_OF_TIME = 20
"""The next look is later than this many times what the last one took, by the engine's clock."""

EARLY = 0.95
LATE = 0.7
LATE_PHASE = 20 * 60.0

_logger = logging.getLogger(__name__)


class RtoWatch:
    """Watches the RTO targets of one execution.

    Args:
        execution: the execution.
        locations: the jobs of each account-region, those of others among them.
    """

    def __init__(self, execution: ExecutionContext, locations: Mapping[Location, LocationJobs]) -> None:
        self._execution = execution
        self._state = execution.state
        self._clock = execution.ports.clock
        self._locations = locations
        targets = targets_of(self._state.runbook, TargetKind.RTO)
        self._open = [target for target in targets if target.wave_number not in self._state.rto_risks]
        self._next = self._state.started_at
        self._forecast: RunningForecast | None = None

    def look(self) -> None:
        """Forecast the rest, if it is time, and record which targets are expected to be missed.

        Raises:
            PrefectDrsError: the journal could not be written.
        """
        if not self._open or self._state.cancellation is not None:
            return
        now = self._clock.now()
        if now < self._next:
            return
        try:
            events = self._at_risk(now)
        except Exception:  # a warning that cannot be computed must not stop a recovery
            _logger.exception("The RTO targets are not watched any more: their forecast failed")
            self._open = []
            return
        self._next = now + max(EVERY, SHARE_OF_TIME * (self._clock.now() - now))
        if events:
            said = {event.wave_number for event in events}
            self._open = [target for target in self._open if target.wave_number not in said]
            self._execution.record(*events)

    def _at_risk(self, now: datetime) -> list[RtoTargetAtRisk]:
        if self._forecast is None:
            options = self._execution.options
            self._forecast = RunningForecast(
                self._state,
                recorded=options.recorded,
                expected=options.expected,
                gate=options.gates,
                limits=options.limits,
            )
        rests = self._forecast.rests(now, self._foreign(now))
        found = (self._judge(target, rests, now) for target in self._open)
        return [event for event in found if event is not None]

    def _foreign(self, now: datetime) -> list[ForeignJob]:
        return [
            ForeignJob(str(location), len(job.servers), (now - job.started_at).total_seconds())
            for location, jobs in self._locations.items()
            for job in jobs.foreign
        ]

    def _judge(self, target: Target, rests: Sequence[Mapping[int, float]], now: datetime) -> RtoTargetAtRisk | None:
        """The event that the target is at risk; None where it is not, or nothing of it is left to be launched."""
        elapsed = (now - self._state.started_at).total_seconds()
        ends = [
            elapsed + max(left.values())
            for rest in rests
            if (left := {n: s for n, s in rest.items() if target.wave_number in {None, n} and self._launches(n)})
        ]
        if not ends:
            return None
        probability = sum(end > target.seconds for end in ends) / len(ends)
        if probability < (LATE if target.seconds - elapsed <= LATE_PHASE else EARLY):
            return None
        return RtoTargetAtRisk(
            at=now,
            wave_number=target.wave_number,
            target_seconds=target.seconds,
            elapsed_seconds=elapsed,
            expected_seconds=statistics.median(ends),
            probability=probability,
        )

    def _launches(self, wave_number: int) -> bool:
        """Whether servers of the wave are still to be launched."""
        return not self._state.waves[wave_number].settled
