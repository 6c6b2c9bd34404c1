"""What the kinds of probes share: subjects, templates, and what an AWS error means for an attempt.

In: a check, its targets, and the way into AWS. Out: a base that each kind completes with `look_at`, or with
`look_at_all` where one call serves all servers of an account-region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prefect_drs.aws.errors import (
    ConflictError,
    CredentialsError,
    QuotaExceededError,
    ThrottledError,
    UnreachableError,
    is_ambiguous,
)
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError
from prefect_drs.core.escaping import Escape
from prefect_drs.plan.checks import VARIABLE, CheckModel, PlacedModel
from prefect_drs.recovery.checks.addresses import Addresses
from prefect_drs.recovery.checks.probe import CheckTarget, ProbeOutcome, Subject, WaveContext
from prefect_drs.report.checks import CheckPhase

C = TypeVar("C", bound=CheckModel)
PASSING_REFUSALS = (ConflictError, QuotaExceededError, ThrottledError, CredentialsError, UnreachableError)


class NotYetError(Exception):
    """What a template names is not known yet; its message says what."""


@dataclass(frozen=True)
class Surroundings:
    """What all probes of a wave share.

    Args:
        wave: the wave that is checked.
        sessions: the way into the accounts.
        clock: the time.
        addresses: the recovery instances' addresses, read together.
    """

    wave: WaveContext
    sessions: Sessions
    clock: Clock
    addresses: Addresses


def refused(error: AwsError) -> ProbeOutcome:
    """The outcome of an AWS error: a temporary one means to look again, any other fails the attempt."""
    if isinstance(error, PASSING_REFUSALS) or is_ambiguous(error):
        return ProbeOutcome.pending(error.message)
    return ProbeOutcome.failed(error.message)


class BaseProbe(Generic[C]):
    """One check for one subject or several.

    Args:
        check: what is checked.
        phase: when.
        name: its name in the report.
        targets: the servers; none for a probe of the wave as a whole.
        around: what all probes of the wave share.
    """

    def __init__(
        self, check: C, phase: CheckPhase, name: str, targets: Sequence[CheckTarget], around: Surroundings
    ) -> None:
        self._check = check
        self._phase = phase
        self._name = name
        self._targets = {target.server.source_server_id: target for target in targets}
        self.around = around

    @property
    def check(self) -> Any:
        """What is checked."""
        return self._check

    @property
    def spec(self) -> C:
        """What is checked, as its own kind."""
        return self._check

    @property
    def phase(self) -> CheckPhase:
        """When it is made."""
        return self._phase

    @property
    def name(self) -> str:
        """Its name in the report."""
        return self._name

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Its servers, or the wave as a whole."""
        return tuple(self._targets) or (None,)

    def target(self, subject: Subject) -> CheckTarget | None:
        """The server behind a subject; None for the wave."""
        return None if subject is None else self._targets[subject]

    def look(self, attempts: Mapping[Subject, int]) -> Mapping[Subject, ProbeOutcome]:
        """One look at each; see `Probe.look`."""
        return {subject: self._look_safely(subject, attempt) for subject, attempt in attempts.items()}

    def _look_safely(self, subject: Subject, attempt: int) -> ProbeOutcome:
        try:
            return self.look_at(subject, attempt)
        except NotYetError as missing:
            return ProbeOutcome.pending(str(missing))
        except AwsError as error:
            return refused(error)

    def look_at(self, subject: Subject, attempt: int) -> ProbeOutcome:
        """One look at one subject's attempt.

        Raises:
            NotYetError: a variable has no value yet.
            AwsError: AWS refused, and the kind has no outcome of its own for that.
        """
        raise NotImplementedError

    def attempt_id(self, subject: Subject, attempt: int) -> str:
        """The UUID of an attempt, the same in every process."""
        return self.around.wave.attempt_id(self.phase, self.name, subject, attempt)

    def place(self, subject: Subject) -> Location:
        """Where its service is called: as the check says, else where the server is."""
        target = self.target(subject)
        account = self.spec.account_id if isinstance(self.spec, PlacedModel) else None
        region = self.spec.region if isinstance(self.spec, PlacedModel) else None
        if target is not None:
            return Location(account or target.server.account_id, region or target.server.region)
        if account is None or region is None:  # the runbook gives every hook its place
            raise AwsError(f"{self.name}: a hook without accountId and region cannot be placed; resolve the plan again")
        return Location(account, region)

    # Templates

    def filled(self, text: str, subject: Subject, attempt: int, escape: Escape = str) -> str:
        """`text` with its variables' values, each passed through `escape`; an unknown `{word}` stays as it is.

        Raises:
            NotYetError: a variable has no value yet (no address).
            AwsError: the addresses could not be read.
        """
        values = self._values(subject, attempt)

        def value(match: Any) -> str:
            found = values.get(match.group(1))
            return match.group(0) if found is None else escape(found())

        return VARIABLE.sub(value, text)

    def _values(self, subject: Subject, attempt: int) -> dict[str, Callable[[], str]]:
        wave, target = self.around.wave, self.target(subject)
        values: dict[str, Callable[[], str]] = {
            "executionId": lambda: wave.execution_id,
            "planName": lambda: wave.plan_name,
            "mode": lambda: wave.mode,
            "waveNumber": lambda: str(wave.wave_number),
            "waveName": lambda: wave.wave_name,
            "attemptId": lambda: self.attempt_id(subject, attempt),
            "accountId": lambda: self.place(subject).account_id,
            "region": lambda: self.place(subject).region,
        }
        if target is None:
            return values
        return values | {
            "name": lambda: target.server.name,
            "sourceServerId": lambda: target.server.source_server_id,
            "instanceId": lambda: target.recovery_instance_id,
            "privateIp": lambda: self.address(subject, "private"),
            "publicIp": lambda: self.address(subject, "public"),
        }

    def address(self, subject: Subject, kind: str) -> str:
        """The recovery instance's `private` or `public` IPv4 address.

        Raises:
            NotYetError: it has none (yet).
            AwsError: EC2 could not be reached.
        """
        target = self.target(subject)
        if target is None:
            raise NotYetError("a hook has no recovery instance, so no address")
        found = self.around.addresses.of(target.server.location, target.recovery_instance_id, kind)
        if found is None:
            raise NotYetError(f"{target.recovery_instance_id} has no {kind} IPv4 address yet")
        return found

    def filled_values(self, value: Any, subject: Subject, attempt: int, escape: Escape = str) -> Any:
        """JSON values with all their texts filled."""
        if isinstance(value, str):
            return self.filled(value, subject, attempt, escape)
        if isinstance(value, dict):
            return {key: self.filled_values(inner, subject, attempt, escape) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.filled_values(inner, subject, attempt, escape) for inner in value]
        return value
