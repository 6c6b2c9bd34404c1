"""Answers at gates that demand proofs as rows for the HTML report: what counted, what did not, break-glass.

In: a `RecoveryReport`. Out: rows, in the order of the waves; none where no gate demanded a proof. Times are in full: a
proof has the machine's time, also where the execution's is simulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from prefect_drs.report.model import RecoveryReport, WaveReport
from prefect_drs.report.text import full_time

SHOWN_DIGEST = 12  # characters; the JSON report has all 64


class ApprovalRow(NamedTuple):
    """An answer: at which wave, when, by whom, how that was proven, what became of it, and a remark."""

    wave: str
    at: str
    by: str
    proven_by: str
    outcome: str
    badge: str
    remark: str


def approval_rows(report: RecoveryReport) -> list[ApprovalRow]:
    """The answers at all gates that demand proofs."""
    return [row for wave in report.waves for row in _rows(wave)]


def _rows(wave: WaveReport) -> Iterator[ApprovalRow]:
    name = f"{wave.wave_number} {wave.wave_name}"
    for given in wave.approvals:
        remark = f"approved SHA-256 {given.digest[:SHOWN_DIGEST]}…" + (f": {given.comment}" if given.comment else "")
        yield ApprovalRow(name, full_time(given.proof_at), given.by, given.proven_by, "counted", "completed", remark)
    for attempt in wave.attempts:
        remark = f"{attempt.code}: {attempt.reason}"
        yield ApprovalRow(name, full_time(attempt.at), attempt.by, "—", "refused", "failed", remark)
    passed = wave.approval
    if passed is not None and passed.break_glass is not None:
        remark = f"passed without what it demands: {passed.break_glass}"
        yield ApprovalRow(name, full_time(passed.at), passed.by, "—", "BREAK-GLASS", "failed", remark)
