"""Waivers: a person accepts a finding by its code, with a reason, so that it does not refuse the execution.

In: codes and reasons. Out: findings that no longer refuse, with the reason; they stay in the runbook and in the report.
A rule is waivable where DRS itself can carry out the launch: with the source region down, for example, every server is
DISCONNECTED or STALLED, and its latest snapshot can still be launched. What could not be read from DRS, or what DRS
would refuse, cannot be waived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prefect_drs.core.errors import UsageError
from prefect_drs.runbook.model import FindingSeverity, RunbookFinding
from prefect_drs.runbook.rules import RULES

WAIVABLE = tuple(rule.code for rule in RULES if rule.waivable)


def parse_waivers(waivers: Mapping[str, str] | Iterable[str] | None) -> dict[str, str]:
    """Reasons by code, from `CODE=REASON` texts or a mapping.

    Raises:
        UsageError: a code that cannot be waived, or no reason.
    """
    pairs = waivers.items() if isinstance(waivers, Mapping) else (text.partition("=")[::2] for text in waivers or ())
    reasons: dict[str, str] = {}
    for code, reason in pairs:
        if code not in WAIVABLE:
            raise UsageError(f"{code!r} cannot be waived; what can: {', '.join(WAIVABLE)}")
        if not reason.strip():
            raise UsageError(f"say why {code} is waived, as in --waive {code}='the source region is down'")
        reasons[code] = reason.strip()
    return reasons


def waived(findings: Sequence[RunbookFinding], waivers: Mapping[str, str]) -> tuple[RunbookFinding, ...]:
    """The findings; those that are waived have the severity WAIVED and the reason."""
    return tuple(
        finding.model_copy(update={"severity": FindingSeverity.WAIVED, "waived_because": waivers[finding.code]})
        if finding.severity is FindingSeverity.ERROR and finding.code in waivers
        else finding
        for finding in findings
    )
