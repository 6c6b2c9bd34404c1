"""`token`: print a short-lived proof of the caller's AWS identity.

In: an audience. Out: the token on stdout, alone, so that a shell can use it. Makes no request.
"""

from __future__ import annotations

from prefect_drs.cli.output import print_stdout


def token(*, audience: str = "prefect-drs") -> None:
    """Print a token that proves who you are to the REST face, for five minutes.

    It is a presigned request of sts:GetCallerIdentity, signed with your AWS credentials. Nothing is sent.

    Parameters
    ----------
    audience
        Whom it is for: what `prefect-drs serve --audience` was given.
    """
    from datetime import UTC, datetime

    from prefect_drs.core.errors import UsageError
    from prefect_drs.identity.sts_proof import make_token

    try:
        print_stdout(make_token(audience, at=datetime.now(UTC)))
    except ValueError as error:
        raise UsageError(f"--audience: {error}") from None
