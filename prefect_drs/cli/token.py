"""`token`: print a short-lived proof of the caller's AWS identity.

In: an audience, or a gate. Out: the token on stdout, alone, so that a shell can use it. Sends nothing to AWS.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from prefect_drs.cli.completers import waves_at_their_gates
from prefect_drs.cli.output import print_stderr, print_stdout


def token(
    *,
    audience: str = "prefect-drs",
    approve: str | None = None,
    wave: Annotated[str | None, Parameter(completer=waves_at_their_gates)] = None,
    break_glass: Annotated[bool, Parameter(negative="")] = False,
    nonce: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Print a token that proves who you are: to the REST face for five minutes, or at a gate for fifteen.

    It is a presigned request of sts:GetCallerIdentity, signed with your AWS credentials. Nothing is sent.

    Parameters
    ----------
    audience
        Whom it is for: what `prefect-drs serve --audience` was given.
    approve
        Approve a gate of this execution: the token counts for its wave, and for what that would do now, alone.
    wave
        Number or name of the wave that waits at the gate.
    break_glass
        Pass the gate without what it demands.
    nonce
        Print no token, but the `nonce` that a token of an OIDC issuer needs for this approval.
    """
    from datetime import UTC, datetime

    from prefect_drs.core.errors import UsageError
    from prefect_drs.identity.sts_proof import make_token

    if approve is not None:
        _for_gate(approve, wave, break_glass=break_glass, nonce=nonce)
        return
    if wave is not None or break_glass or nonce:
        raise UsageError("--wave, --break-glass and --nonce are of a gate: name its execution with --approve")
    try:
        print_stdout(make_token(audience, at=datetime.now(UTC)))
    except ValueError as error:
        raise UsageError(f"--audience: {error}") from None


def _for_gate(execution: str, wave: str | None, *, break_glass: bool, nonce: bool) -> None:
    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.core.errors import UsageError
    from prefect_drs.operations.approvals import make_proof, nonce_for
    from prefect_drs.operations.control import named_gate
    from prefect_drs.orchestration.client import shared_client

    if wave is None:
        raise UsageError("--approve EXECUTION needs --wave")
    require_prefect()
    with shared_client():
        gate = named_gate(execution, wave)
    made = nonce_for(gate, break_glass=break_glass) if nonce else make_proof(gate, break_glass=break_glass)
    if gate.standing is not None:
        print_stderr(f"for {gate}, SHA-256 of what is approved: {gate.standing.digest}")
    print_stdout(made)
