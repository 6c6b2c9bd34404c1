"""Tokens that prove nothing, of each kind, and the reason that a refusal gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from joserfc.jwk import RSAKey

from prefect_drs.identity import Reason
from prefect_drs.identity.policy import Role
from prefect_drs.identity.sts_proof import make_token
from tests.identity.issuer import Web
from tests.identity.test_oidc import signed_by_public_key, unsigned
from tests.identity.test_sts_proof import MISDIRECTED, changed
from tests.rest.callers import World


def forged(world: World, elsewhere: Web, way: str) -> str:
    """A token that must not count."""
    token = make_token("prefect-drs", at=datetime.now(UTC), session=world.session(Role.ADMIN))
    admins = [f"dr-{Role.ADMIN}"]
    now = int(datetime.now(UTC).timestamp())
    match way:
        case "expired":
            return make_token(
                "prefect-drs", at=datetime.now(UTC) - timedelta(minutes=6), session=world.session(Role.ADMIN)
            )
        case "other audience":
            return make_token("another", at=datetime.now(UTC), session=world.session(Role.ADMIN))
        case "an approval":
            return make_token(
                "prefect-drs", at=datetime.now(UTC), session=world.session(Role.ADMIN), bound={"wave": "1"}
            )
        case "tampered":
            return changed(token, lambda parts: parts.update(url=parts["url"][:-4] + "0000"))
        case "elsewhere":
            port = str(world.sandbox.port)
            return changed(
                token,
                lambda parts: parts.update(
                    url=MISDIRECTED["another host"](parts["url"].replace(port, "PORT", 1), elsewhere.url)
                ),
            )
        case "alg none":
            return unsigned({"alg": "none", "kid": "rsa-1"}, world.issuer.claims(groups=admins))
        case "wrong issuer":
            return world.issuer.token(iss=elsewhere.url, groups=admins)
        case "key confusion":
            return signed_by_public_key(world.issuer, world.issuer.claims(groups=admins))
        case "own key":
            own = RSAKey.generate_key(2048, {"kid": "rsa-1"})
            return world.issuer.token(key=own, groups=admins)
        case "oidc expired":
            return world.issuer.token(iat=now - 900, exp=now - 300, groups=admins)
        case "oidc audience":
            return world.issuer.token(aud="another", groups=admins)
    raise AssertionError(way)


FORGED = {
    "expired": Reason.EXPIRED,
    "other audience": Reason.OTHER_AUDIENCE,
    "an approval": Reason.OTHER_BINDING,
    "tampered": Reason.REFUSED_BY_STS,
    "elsewhere": Reason.MISDIRECTED,
    "alg none": Reason.ALGORITHM,
    "wrong issuer": Reason.UNKNOWN_ISSUER,
    "key confusion": Reason.ALGORITHM,
    "own key": Reason.SIGNATURE,
    "oidc expired": Reason.EXPIRED,
    "oidc audience": Reason.OTHER_AUDIENCE,
}
