"""Commands that steer an execution which runs elsewhere; anything that reaches the same Prefect API can call them.

In come an execution and what is to happen to it, out goes one line on stdout that says what was done.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from prefect_drs.recovery.ports import Decision


def approve(
    execution: str,
    /,
    *,
    wave: int,
    by: str | None = None,
    comment: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
) -> None:
    """Approve a wave that waits at its gate.

    Parameters
    ----------
    execution
        The execution's id, as `prefect-drs status` shows it.
    wave
        Number of the wave behind the gate.
    by
        Who approves; by default the user of this machine. It goes into the report.
    comment
        Why; it goes into the report.
    """
    from prefect_drs.recovery.ports import Decision

    _answer(execution, wave, Decision.APPROVED, by, comment)


def reject(
    execution: str,
    /,
    *,
    wave: int,
    by: str | None = None,
    comment: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
) -> None:
    """Reject a wave that waits at its gate: it and every wave that depends on it are cancelled.

    Parameters
    ----------
    execution
        The execution's id, as `prefect-drs status` shows it.
    wave
        Number of the wave behind the gate.
    by
        Who rejects; by default the user of this machine. It goes into the report.
    comment
        Why; it goes into the report.
    """
    from prefect_drs.recovery.ports import Decision

    _answer(execution, wave, Decision.REJECTED, by, comment)


def _answer(execution: str, wave: int, decision: Decision, by: str | None, comment: str) -> None:
    from prefect_drs.gates import answer_gate

    name = getpass.getuser() if by is None else by
    gate = answer_gate(execution, wave, decision, by=name, comment=comment)
    print(f"{decision.value.lower()} by {name}: {gate}")
