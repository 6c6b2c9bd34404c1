"""The one function that turns a token into an identity: of a REST request, of an approval inside a flow, of a command.

In: a token, whom it must be for, whom this process believes, the time. Out: an `Identity`, or a `NotProvenError`. The
time is the machine's: neither AWS nor an issuer knows the time of a sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping

from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.identity import sts_proof
from prefect_drs.identity.model import Identity
from prefect_drs.identity.oidc import IssuerKeys, verify_oidc
from prefect_drs.identity.replays import Replays
from prefect_drs.identity.trust import Trust

DEFAULT_AUDIENCE = "prefect-drs"


def verify(
    token: str,
    *,
    audience: str,
    trust: Trust,
    clock: Clock | None = None,
    replays: Replays | None = None,
    bound: Mapping[str, str] | None = None,
    keys: IssuerKeys | None = None,
) -> Identity:
    """Verify a token.

    Args:
        token: of `prefect-drs token`, or a JWT of a trusted issuer.
        audience: whom it must be for.
        trust: the endpoints of STS and the issuers that are believed.
        clock: the machine's clock.
        replays: where given, the token counts once; it is used up even if STS then does not answer.
        bound: what it must be bound to (execution, wave, digest of the runbook); None: nothing.
        keys: the issuers' keys, where they are kept from one call to the next.

    Raises:
        NotProvenError: it proves nothing; `reason` says why.
    """
    now = (clock or WallClock()).now()
    if token.startswith(sts_proof.PREFIX):
        proof = sts_proof.read_token(token, audience=audience, endpoints=trust.sts_endpoints, now=now, bound=bound)
        if replays is not None:
            replays.use(proof.mark, proof.expires_at, now)
        identity = sts_proof.prove(proof, trust, now)
        if replays is not None:
            replays.share(proof.mark, proof.expires_at, now)
        return identity
    identity, mark = verify_oidc(token, audience=audience, trust=trust, keys=keys or IssuerKeys(), now=now, bound=bound)
    if replays is not None:
        replays.use(mark, identity.expires_at, now)
        replays.share(mark, identity.expires_at, now)
    return identity
