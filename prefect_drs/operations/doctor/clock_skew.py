"""How far this machine's clock is from another's, by the `Date` header of its answer.

In: the times before and after a request by this machine's clock, and the header. Out: a finding. The header has whole
seconds, so that half a second is added; the answer is taken for the middle of the request.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from prefect_drs.operations.doctor.findings import Finding, Report

WARNING_SECONDS = 5.0
"""Times of one execution in journals, reports and leases come from several machines."""
FAULT_SECONDS = 60.0
"""Proofs of identity are valid for five minutes, as requests to AWS are (SigV4); a minute leaves room for both."""
_REMEDY = "set this machine's clock, by NTP (such as chrony or systemd-timesyncd)"


def judge_skew(report: Report, whose: str, date: str | None, before: datetime, after: datetime) -> Finding:
    """The finding on a clock.

    Args:
        report: of the check.
        whose: the other clock, for people.
        date: the `Date` header of its answer.
        before, after: this machine's time around the request.
    """
    try:
        there = parsedate_to_datetime(date or "").astimezone(UTC) + timedelta(seconds=0.5)
    except ValueError:
        return report.unchecked(f"the answer of {whose} has no date", "ask it without a proxy that removes headers")
    ahead = (before + (after - before) / 2 - there).total_seconds()
    precision = 0.5 + (after - before).total_seconds() / 2
    if abs(ahead) <= precision:
        return report.ok(f"as {whose} has it, within {precision:.1f} s")
    message = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} {whose}"
    if abs(ahead) - precision > FAULT_SECONDS:
        return report.fault(f"{message}: signatures and proofs of identity are refused", _REMEDY)
    if abs(ahead) - precision > WARNING_SECONDS:
        return report.warning(message, _REMEDY)
    return report.ok(message)
