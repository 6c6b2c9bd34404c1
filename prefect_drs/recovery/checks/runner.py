"""The timing of a wave's checks: when to look, when an attempt is over, when to try again, and the result.

In: probes, and a clock. Out: a result for each probe and subject. Driven by `step`, from one thread; looks run on an
executor, so that `step` never blocks (with an inline executor they run within it, for virtual time). Fails closed: a
look that ends in an error or never comes back is a check that did not pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prefect_drs.core.clock import Clock
from prefect_drs.core.escaping import one_line
from prefect_drs.recovery.checks.probe import DETAIL_AT_MOST, Probe, ProbeOutcome, ProbeVerdict, Subject
from prefect_drs.report.checks import CheckResult

GRACE = timedelta(seconds=60)  # how long after its attempt's time-out a look under way may still come back
LOOK_UNDER_WAY = 1.0  # seconds to the next step while a look is on its thread
NAMED_AT_MOST = 5


@dataclass(slots=True)
class _Run:
    """One subject of one probe."""

    subject: Subject
    attempt: int = 0
    due: datetime | None = None
    attempt_started: datetime | None = None
    first_started: datetime | None = None
    outcome: ProbeOutcome = field(default_factory=lambda: ProbeOutcome.pending("not looked at"))
    result: CheckResult | None = None


@dataclass(slots=True)
class _Look:
    """A look that is on its thread."""

    future: Future[Mapping[Subject, ProbeOutcome]]
    runs: tuple[_Run, ...]


class _ProbeRun:
    """One probe with its subjects."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.runs = [_Run(subject) for subject in probe.subjects]
        self.look: _Look | None = None

    @property
    def over(self) -> bool:
        return all(run.result is not None for run in self.runs)

    @property
    def blocks(self) -> bool:
        """Whether the probes after it, in order, must not be made."""
        return any(run.result is not None and run.result.required and not run.result.passed for run in self.runs)


class CheckRunner:
    """All checks of one phase of one wave.

    Args:
        probes: the checks; without any it is over and passed at once.
        clock: the time; nothing here asks the machine.
        executor: runs the looks.
        in_order: one probe after the other, and none after a required one that failed (hooks); otherwise all side by
            side (health checks).
        finished: results that the journal holds already; these checks are not made again.
        on_result: called with each new result, in `step`'s thread, before `over` can be true.
        wake: called, from any thread, when a look came back, so that the next step is due.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        clock: Clock,
        executor: Executor,
        *,
        in_order: bool = False,
        finished: Iterable[CheckResult] = (),
        on_result: Callable[[CheckResult], None] | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._clock = clock
        self._executor = executor
        self._in_order = in_order
        self._on_result = on_result
        self._wake = wake
        self._probe_runs = [_ProbeRun(probe) for probe in probes]
        known = {result.key: result for result in finished}
        for probe_run in self._probe_runs:
            for run in probe_run.runs:
                run.result = known.get((probe_run.probe.phase, probe_run.probe.name, run.subject))

    # Results

    @property
    def over(self) -> bool:
        """Whether every check has its result."""
        return all(probe_run.over for probe_run in self._probe_runs)

    @property
    def passed(self) -> bool:
        """Whether all is over and every required check passed."""
        return self.over and not any(probe_run.blocks for probe_run in self._probe_runs)

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """The results so far, in the order of the checks and their servers."""
        return tuple(run.result for probe_run in self._probe_runs for run in probe_run.runs if run.result is not None)

    @property
    def unhealthy(self) -> frozenset[str]:
        """The servers for which a required check did not pass, so far."""
        return frozenset(
            result.source_server_id
            for result in self.results
            if result.required and not result.passed and result.source_server_id is not None
        )

    @property
    def reason(self) -> str:
        """Which required checks did not pass and why, one line; empty where all passed so far."""
        failed = [result for result in self.results if result.required and not result.passed and result.attempts]
        if not failed:
            return ""
        named = [f"{_name_of(result)}: {result.detail}" for result in failed[:NAMED_AT_MOST]]
        more = f"; and {len(failed) - NAMED_AT_MOST} more" if len(failed) > NAMED_AT_MOST else ""
        return f"{len(failed)} check(s) did not pass: " + "; ".join(named) + more

    # The step

    def step(self) -> float | None:
        """Do all that is due now. Seconds until the next step is due; None when all is over."""
        while self._collect() or self._begin():
            pass
        self._close_the_rest(self._clock.now())
        if self.over:
            return None
        now = self._clock.now()
        waits = [wait for probe_run in self._probe_runs if (wait := self._wait(probe_run, now)) is not None]
        return min(waits, default=LOOK_UNDER_WAY)

    def stop(self, reason: str) -> None:
        """Make no more looks: a check without a result did not pass, for that reason. Its work in AWS runs on."""
        now = self._clock.now()
        for probe_run in self._probe_runs:
            probe_run.look = None
            for run in probe_run.runs:
                if run.result is None:
                    self._end(probe_run, run, False, reason, now)

    def _active(self) -> Iterable[_ProbeRun]:
        """The probes that may be looked at now."""
        for probe_run in self._probe_runs:
            if probe_run.over:
                if self._in_order and probe_run.blocks:
                    return
                continue
            yield probe_run
            if self._in_order:
                return

    def _wait(self, probe_run: _ProbeRun, now: datetime) -> float | None:
        if probe_run.look is not None:
            return LOOK_UNDER_WAY
        dues = [run.due for run in probe_run.runs if run.result is None and run.due is not None]
        return max(0.0, (min(dues) - now).total_seconds()) if dues else None

    def _begin(self) -> bool:
        """Start the looks that are due; whether there was any."""
        now = self._clock.now()
        begun = False
        for probe_run in list(self._active()):
            if probe_run.look is not None:
                continue
            due = tuple(run for run in probe_run.runs if run.result is None and (run.due is None or run.due <= now))
            if not due:
                continue
            for run in due:
                if run.attempt_started is None:
                    run.attempt += 1
                    run.attempt_started = now
                    run.first_started = run.first_started or now
            future = self._executor.submit(probe_run.probe.look, {run.subject: run.attempt for run in due})
            probe_run.look = _Look(future, due)
            if not future.done():
                future.add_done_callback(self._came_back)
            begun = True
        return begun

    def _came_back(self, _: Future[Mapping[Subject, ProbeOutcome]]) -> None:
        if self._wake is not None:
            self._wake()

    def _collect(self) -> bool:
        """Evaluate the looks that came back, and give up those that hang; whether there was any."""
        now = self._clock.now()
        collected = False
        for probe_run in self._probe_runs:
            look = probe_run.look
            if look is None:
                continue
            if look.future.done():
                probe_run.look = None
                self._take(probe_run, look, now)
                collected = True
            elif all(self._hangs(probe_run, run, now) for run in look.runs):
                probe_run.look = None
                for run in look.runs:
                    self._end(probe_run, run, False, self._hung(probe_run), now)
                collected = True
        return collected

    def _hangs(self, probe_run: _ProbeRun, run: _Run, now: datetime) -> bool:
        return run.attempt_started is not None and now >= self._deadline(probe_run, run) + GRACE

    def _hung(self, probe_run: _ProbeRun) -> str:
        return (
            f"a look did not come back within {probe_run.probe.check.timeout_seconds} s; "
            "not tried again, since it may still be at work"
        )

    def _deadline(self, probe_run: _ProbeRun, run: _Run) -> datetime:
        assert run.attempt_started is not None  # noqa: S101 - only asked of an attempt that began
        return run.attempt_started + timedelta(seconds=probe_run.probe.check.timeout_seconds)

    def _take(self, probe_run: _ProbeRun, look: _Look, now: datetime) -> None:
        error = look.future.exception()
        seen: Mapping[Subject, ProbeOutcome] = {} if error is not None else look.future.result()
        missing = ProbeOutcome.failed(
            f"the look ended in {type(error).__name__}: {error}" if error else "it was not seen"
        )
        for run in look.runs:
            self._judge(probe_run, run, seen.get(run.subject, missing), now)

    def _judge(self, probe_run: _ProbeRun, run: _Run, outcome: ProbeOutcome, now: datetime) -> None:
        check = probe_run.probe.check
        run.outcome = outcome
        if outcome.verdict is ProbeVerdict.PASSED:
            self._end(probe_run, run, True, outcome.detail, now)
            return
        if outcome.verdict is ProbeVerdict.PENDING:
            deadline = self._deadline(probe_run, run)
            if now < deadline:
                run.due = min(now + timedelta(seconds=check.interval_seconds), deadline)
                return
            detail = f"not within {check.timeout_seconds} s: {outcome.detail}"
        else:
            detail = outcome.detail
        if run.attempt > check.retries:
            self._end(probe_run, run, False, detail, now)
            return
        if outcome.at_work:
            self._end(probe_run, run, False, f"{detail}; not tried again, since it may still be at work", now)
            return
        run.outcome = ProbeOutcome.pending(detail)
        run.attempt_started = None
        run.due = now + timedelta(seconds=check.interval_seconds)

    def _close_the_rest(self, now: datetime) -> None:
        """Checks after a hook that failed are not made, and their results say so."""
        if not self._in_order:
            return
        failed: _ProbeRun | None = None
        for probe_run in self._probe_runs:
            if failed is not None:
                for run in probe_run.runs:
                    if run.result is None:
                        self._end(probe_run, run, False, f"not made: {failed.probe.name} failed before it", now)
            elif probe_run.over and probe_run.blocks:
                failed = probe_run

    def _end(self, probe_run: _ProbeRun, run: _Run, passed: bool, detail: str, now: datetime) -> None:
        probe = probe_run.probe
        result = CheckResult(
            phase=probe.phase,
            name=probe.name,
            type=probe.check.type,
            required=probe.check.required,
            source_server_id=run.subject,
            passed=passed,
            attempts=run.attempt,
            detail=one_line(detail, DETAIL_AT_MOST),
            started_at=run.first_started,
            ended_at=now,
        )
        if self._on_result is not None:
            self._on_result(result)
        run.result = result


def _name_of(result: CheckResult) -> str:
    return f"{result.name} of {result.source_server_id}" if result.source_server_id else result.name
