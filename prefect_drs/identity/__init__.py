"""Who calls, proven by somebody else than us, and what the access policy lets them do.

In: a token that a caller made or was given. Out: an `Identity`, or a `NotProvenError` that names the reason.
`sts_proof` and `oidc` are the two kinds of proof, `verify` is the one function for both; `policy` maps identities to
roles and permissions. This room knows neither Prefect nor any interface, so that a gate inside a flow can verify what a
REST server verifies.
"""

from prefect_drs.identity.model import Identity, IdentityKind, NotProvenError, Reason
from prefect_drs.identity.replays import Replays
from prefect_drs.identity.trust import Trust, trust_of_this_process
from prefect_drs.identity.verify import verify

__all__ = [
    "Identity",
    "IdentityKind",
    "NotProvenError",
    "Reason",
    "Replays",
    "Trust",
    "trust_of_this_process",
    "verify",
]
