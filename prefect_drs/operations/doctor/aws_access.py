"""AWS: the credentials, the clock, and every account: its role, and DRS in its regions.

In: `Sessions` for the saved accounts. Out: findings. Each region is asked once, in parallel, by a call that reads; a
region that gives no answer is a fault of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from prefect_drs.aws.caller import ask_caller
from prefect_drs.aws.errors import RoleAssumptionError, UnreachableError, aws_call
from prefect_drs.aws.fan_out import WITHOUT_SERVERS, fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.aws.time_limit import map_within
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError
from prefect_drs.operations.doctor.checks import Check
from prefect_drs.operations.doctor.clock_skew import judge_skew
from prefect_drs.operations.doctor.findings import Finding, Report

REGION_SHARE = 0.8
"""The share of a check's time that its regions get, so that it can still name those that gave no answer."""

Answers = Mapping[Location, AwsError | None]


def check_credentials(report: Report, sessions: Sessions) -> Iterator[Finding]:
    """Whether AWS accepts the credentials of this process, and for whom."""
    try:
        caller = ask_caller(sessions)
    except AwsError as error:
        yield report.failed(error)
        return
    yield report.ok(f"{caller.arn} (by {caller.endpoint_url})")


def check_aws_clock(report: Report, sessions: Sessions, clock: Clock) -> Iterator[Finding]:
    """This machine's clock against that of STS."""
    ask_caller(sessions)  # credentials and connection, so that they are not in what is measured
    before = clock.now()
    caller = ask_caller(sessions)
    yield judge_skew(report, "AWS", caller.date, before, clock.now())


def account_checks(sessions: Sessions, seconds: float) -> Iterator[Check]:
    """A check for each saved account and each of their staging accounts, and one for the caller's own."""
    known: dict[str, AccountAccess] = {}
    for access in sessions.accounts:
        known.setdefault(access.account_id, access)
        for staging in access.staging_accounts:
            known.setdefault(staging.account_id, staging)
    limit = seconds * REGION_SHARE
    for account_id, access in sorted(known.items()):
        yield Check("account", partial(_check_account, sessions=sessions, access=access, seconds=limit), account_id)
    yield Check("account", partial(_check_own, sessions=sessions, saved=frozenset(known), seconds=limit), "own")


def _check_account(report: Report, *, sessions: Sessions, access: AccountAccess, seconds: float) -> Iterator[Finding]:
    answers = _ask(sessions, access.account_id, seconds)
    refusals = [answer for answer in answers.values() if isinstance(answer, RoleAssumptionError)]
    if refusals:
        yield report.failed(refusals[0])
        drs = Report("drs", access.account_id)
        yield drs.unchecked("the account cannot be entered", "correct its role first")
        return
    if any(answer is None or isinstance(answer, WITHOUT_SERVERS) for answer in answers.values()):
        yield report.ok("it can be entered")
    yield from _judge_regions(access.account_id, answers, named=bool(access.regions), needed=True)


def _check_own(report: Report, *, sessions: Sessions, saved: frozenset[str], seconds: float) -> Iterator[Finding]:
    own = sessions.caller_account_id
    if own in saved:
        yield report.ok(f"{own} is saved, see there")
        return
    yield report.ok(f"{own}, entered without a role")
    yield from _judge_regions(own, _ask(sessions, own, seconds), named=False, needed=not saved)


def _judge_regions(account_id: str, answers: Answers, *, named: bool, needed: bool) -> Iterator[Finding]:
    """Findings on DRS.

    Args:
        account_id: of the answers.
        answers: None for a region in which DRS answered.
        named: the block lists these regions: DRS must be set up in each; else in one of them.
        needed: whether servers are expected here.
    """
    usable = sorted(location.region for location, answer in answers.items() if answer is None)
    for location, answer in answers.items():
        if answer is None or (isinstance(answer, WITHOUT_SERVERS) and not named):
            continue
        yield Report("drs", str(location)).failed(answer)
    report = Report("drs", account_id)
    if usable:
        yield report.ok(f"set up in {', '.join(usable)}")
    elif not named and all(isinstance(answer, WITHOUT_SERVERS) for answer in answers.values()):
        if needed:
            yield report.fault(
                f"DRS is set up in none of its {len(answers)} regions",
                "initialise DRS in the region to recover to (DRS console, or `aws drs initialize-service`)",
            )
        else:
            yield report.ok("DRS is not set up here; servers are recovered into the saved accounts")


def _ask(sessions: Sessions, account_id: str, seconds: float) -> Answers:
    """Ask DRS for one source server in each region of an account: None, or why it did not answer.

    Raises:
        AwsError: the caller's own identity could not be read.
    """
    locations = [Location(account_id, region) for region in sessions.regions(account_id)]

    def ask(location: Location) -> AwsError | bool:
        try:
            with aws_call("DescribeSourceServers", location.account_id, location.region):
                drs = sessions.client("drs", **location._asdict(), retrying=False)
                drs.describe_source_servers(maxResults=1)
        except AwsError as error:
            return error
        return True

    found = dict(zip(locations, map_within(ask, locations, sessions.workers, seconds), strict=True))

    def told(location: Location) -> None:
        answer = found[location]
        if answer is None:
            raise UnreachableError(
                f"DRS gave no answer in {location} within {seconds:g} s", remedy="check the network to that region"
            )
        if isinstance(answer, AwsError):
            raise answer

    return fan_out(locations, told, workers=1)  # a region that is not enabled is told from credentials that are wrong
