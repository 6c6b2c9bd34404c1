"""The stages of a diagnosis: the API, what is stored behind it, and then everything else side by side.

In: the settings of this process, and a clock. Out: a `Diagnosis`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.estate.model import Estate
from prefect_drs.estate.store import read_estate
from prefect_drs.operations.doctor.aws_access import account_checks, check_aws_clock, check_credentials
from prefect_drs.operations.doctor.channels import channel_checks
from prefect_drs.operations.doctor.checks import Check, run_checks
from prefect_drs.operations.doctor.findings import Diagnosis, Finding, Level, Report
from prefect_drs.operations.doctor.journal import check_place, check_writable
from prefect_drs.operations.doctor.prefect_server import (
    API,
    api_url,
    check_api,
    check_clock,
    check_database,
    check_ui,
)
from prefect_drs.operations.doctor.workers import check_workers
from prefect_drs.orchestration.accounts import load_target_accounts
from prefect_drs.orchestration.settings import PrefectDrsSettings

CHECK_SECONDS = 30.0
"""How long a check may take: a first connection that times out takes 10 s."""
ATTEMPTS = 2
SESSION_NAME = "prefect-drs-doctor"
_GRAVEST = (Level.FAULT, Level.WARNING, Level.OK)


@dataclass
class _Stored:
    """What the Prefect API stores: the accounts, and the plans; None if they could not be read."""

    accounts: tuple[AccountAccess, ...] = ()
    estate: Estate | None = None

    def read(self, report: Report) -> Iterator[Finding]:
        """Read both."""
        accounts = load_target_accounts()
        _sessions(accounts)  # refuses accounts that contradict each other
        self.accounts = accounts
        self.estate = read_estate()
        yield report.ok(f"{len(self.accounts)} accounts, {len(self.estate.plans)} plans")


def diagnose(*, clock: Clock | None = None, seconds: float = CHECK_SECONDS, send_test: bool = False) -> Diagnosis:
    """Check the set-up of this process.

    Args:
        clock: this machine's clock, which is compared with those of Prefect and AWS.
        seconds: real time for each check.
        send_test: send a test message by every channel of notifications.
    """
    clock = clock or WallClock()
    stored = _Stored()
    findings = run_checks([Check(API, check_api)], seconds)
    is_there = bool(api_url()) and not any(finding.unreachable for finding in findings)
    if is_there:
        findings += run_checks([Check("stored", stored.read)], seconds)
    elif not api_url():
        stored.estate = Estate()
    sessions = _sessions(stored.accounts)
    checks = [
        *(_of_prefect(clock, is_there=is_there) if api_url() else ()),
        Check("journal", check_writable),
        Check("journal-place", partial(check_place, sessions=sessions, estate=stored.estate)),
        Check("credentials", partial(check_credentials, sessions=sessions)),
        Check("aws-clock", partial(check_aws_clock, sessions=sessions, clock=clock)),
        *account_checks(sessions, seconds),
        *channel_checks(sessions, stored.estate, clock.now() if send_test else None),
    ]
    findings += run_checks(checks, seconds)
    levels = {finding.level for finding in findings}
    status = next(level for level in _GRAVEST if level in levels)
    return Diagnosis(status=status, checked_at=clock.now(), findings=findings)


def _of_prefect(clock: Clock, *, is_there: bool) -> Iterator[Check]:
    if is_there:
        yield Check("prefect-ui", check_ui)
        yield Check("prefect-database", check_database)
        yield Check("prefect-clock", partial(check_clock, clock=clock))
        yield Check("workers", check_workers)
        return
    for name in ("stored", "prefect-ui", "prefect-database", "prefect-clock", "workers"):
        yield Check(name, _without_api)


def _without_api(report: Report) -> Iterator[Finding]:
    yield report.unchecked("the Prefect API does not answer", f"correct what the check `{API}` names", unreachable=True)


def _sessions(accounts: tuple[AccountAccess, ...]) -> Sessions:
    settings = PrefectDrsSettings()
    return Sessions(
        accounts,
        session_name=SESSION_NAME,
        workers=settings.workers,
        role_name=settings.role_name,
        attempts=ATTEMPTS,
    )
