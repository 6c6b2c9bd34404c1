"""A token of a configured OIDC issuer proves its subject, by the issuer's own keys and pinned algorithms alone."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from prefect_drs.identity import Identity, NotProvenError, Reason, Replays, Trust, verify
from prefect_drs.identity.oidc import IssuerKeys
from prefect_drs.identity.sts_proof import digest_of
from prefect_drs.identity.trust import OidcIssuer
from tests.identity.issuer import Issuer, Web, running_issuer
from tests.identity.test_sts_proof import At


def check(token: str, issuer: Issuer, *, keys: IssuerKeys | None = None, **options: Any) -> Identity:
    trusted = OidcIssuer(issuer=issuer.url, **options.pop("issuer_options", {}))
    trust = Trust(issuers=(trusted,))
    return verify(token, trust=trust, keys=keys, **{"audience": "prefect-drs", **options})


def reason_of(token: str, issuer: Issuer, **options: Any) -> Reason:
    with pytest.raises(NotProvenError) as refused:
        check(token, issuer, **options)
    return refused.value.reason


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return ".".join([*parts, signature])


def signed_by_public_key(issuer: Issuer, claims: dict[str, Any]) -> str:
    """Key confusion: an HMAC whose secret is the issuer's public key."""
    text = unsigned({"alg": "HS256", "kid": "rsa-1"}, claims).rstrip(".")
    made = hmac.digest(issuer.rsa.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


def test_a_token_proves_subject_and_groups(issuer: Issuer):
    identity = check(issuer.token(groups=["dr-admins", "ops"]), issuer)
    assert (identity.kind, identity.subject, identity.issuer) == ("oidc", "ada", issuer.url)
    assert identity.groups == ("dr-admins", "ops")
    assert identity.name == f"{issuer.url}#ada"
    roles = check(issuer.token(roles="ops"), issuer, issuer_options={"groups_claim": "roles"})
    assert roles.groups == ("ops",)


def test_an_issuer_may_have_an_audience_of_its_own_and_other_algorithms(issuer: Issuer):
    options = {"audience": "client-1", "algorithms": ("ES256",)}
    token = issuer.token(key=issuer.ec, aud=["client-1", "other"])
    assert check(token, issuer, issuer_options=options).subject == "ada"
    assert reason_of(token, issuer) is Reason.ALGORITHM
    assert reason_of(issuer.token(key=issuer.ec), issuer, issuer_options=options) is Reason.OTHER_AUDIENCE


def test_a_token_without_a_signature_is_refused(issuer: Issuer):
    for name in ("none", "None", "NONE", ""):
        assert reason_of(unsigned({"alg": name, "kid": "rsa-1"}, issuer.claims()), issuer) is Reason.ALGORITHM
    stripped = issuer.token().rpartition(".")[0] + "."
    assert reason_of(stripped, issuer) in {Reason.SIGNATURE, Reason.MALFORMED}


def test_the_public_key_is_no_secret_of_an_hmac(issuer: Issuer):
    for secret in (issuer.rsa.as_pem(private=False), issuer.rsa.as_der(private=False)):
        text = unsigned({"alg": "HS256", "kid": "rsa-1"}, issuer.claims()).rstrip(".")
        made = base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), "sha256")).decode().rstrip("=")
        assert reason_of(f"{text}.{made}", issuer) is Reason.ALGORITHM
    with pytest.raises(ValidationError):
        OidcIssuer(issuer=issuer.url, algorithms=("HS256",))
    with pytest.raises(ValidationError):
        OidcIssuer(issuer=issuer.url, algorithms=("none",))


def test_a_key_of_another_kind_than_the_algorithm_is_refused(issuer: Issuer):
    token = issuer.token(key=issuer.ec)
    _, claims, signature = token.split(".")
    renamed = unsigned({"alg": "ES256", "kid": "rsa-1"}, issuer.claims()).split(".")[0]
    options = {"algorithms": ("ES256", "RS256")}
    assert reason_of(f"{renamed}.{claims}.{signature}", issuer, issuer_options=options) is Reason.SIGNATURE


def test_a_key_that_the_token_brings_along_is_not_used(issuer: Issuer, elsewhere: Web):
    own = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    for header in ({"jwk": own.as_dict(private=False)}, {"jku": f"{elsewhere.url}/keys"}, {"x5u": elsewhere.url}):
        token = issuer.token(key=own, header=header)
        assert reason_of(token, issuer) in {Reason.SIGNATURE, Reason.MALFORMED}  # a long header is refused first
    assert elsewhere.requests == []


def test_a_tampered_token_is_refused(issuer: Issuer):
    head, _, signature = issuer.token().split(".")
    claims = unsigned({}, issuer.claims(sub="root")).split(".")[1]
    assert reason_of(f"{head}.{claims}.{signature}", issuer) is Reason.SIGNATURE


def test_a_token_of_another_issuer_is_refused_and_that_issuer_is_not_asked(issuer: Issuer):
    with running_issuer() as other:
        assert reason_of(other.token(), issuer) is Reason.UNKNOWN_ISSUER
        assert reason_of(other.token(iss=issuer.url), issuer) is Reason.SIGNATURE
        assert other.requests == []
    for name in (issuer.url + "/", issuer.url.upper(), None, ["x"], 5):
        assert reason_of(issuer.token(iss=name), issuer) is Reason.UNKNOWN_ISSUER


CLAIMS = {
    "another audience": ({"aud": "other"}, Reason.OTHER_AUDIENCE),
    "no audience": ({"aud": None}, Reason.OTHER_AUDIENCE),
    "no expiry": ({"exp": None}, Reason.CLAIMS),
    "an expiry that is no number": ({"exp": "2099"}, Reason.CLAIMS),
    "an expiry that is true": ({"exp": True}, Reason.CLAIMS),
    "an expiry without end": ({"exp": 1e300}, Reason.CLAIMS),
    "no date": ({"iat": None}, Reason.CLAIMS),
    "no subject": ({"sub": None}, Reason.CLAIMS),
    "an empty subject": ({"sub": ""}, Reason.CLAIMS),
    "a subject that is a list": ({"sub": ["ada"]}, Reason.CLAIMS),
    "groups that are an object": ({"groups": {"admins": True}}, Reason.CLAIMS),
    "a year of life": ({"exp": 4_000_000_000}, Reason.TOO_LONG),
}


@pytest.mark.parametrize("what", CLAIMS)
def test_claims_that_do_not_fit_are_refused_by_name(issuer: Issuer, what: str):
    changed, reason = CLAIMS[what]
    assert reason_of(issuer.token(**changed), issuer) is reason


def test_times_count_with_a_minute_of_skew(issuer: Issuer):
    at = datetime.now(UTC).replace(microsecond=0)
    token = issuer.token(iat=int(at.timestamp()), exp=int(at.timestamp()) + 600)
    assert check(token, issuer, clock=At(at + timedelta(seconds=659))).subject == "ada"
    assert reason_of(token, issuer, clock=At(at + timedelta(seconds=660))) is Reason.EXPIRED
    assert check(token, issuer, clock=At(at - timedelta(seconds=59))).subject == "ada"
    assert reason_of(token, issuer, clock=At(at - timedelta(seconds=61))) is Reason.NOT_YET_VALID
    later = issuer.token(nbf=int(at.timestamp()) + 120)
    assert reason_of(later, issuer, clock=At(at)) is Reason.NOT_YET_VALID


def test_keys_are_kept_and_read_again_for_an_unknown_one_at_most_once_a_minute():
    with running_issuer() as issuer:
        keys, at = IssuerKeys(), datetime.now(UTC)
        for _ in range(3):
            check(issuer.token(), issuer, keys=keys, clock=At(at))
        assert len(issuer.requests) == 2  # discovery and keys
        new = RSAKey.generate_key(2048, {"kid": "rsa-2"})
        issuer.publish(issuer.rsa, new)
        token = issuer.token(key=new)
        for _ in range(5):
            assert reason_of(token, issuer, keys=keys, clock=At(at)) is Reason.UNKNOWN_KEY
        assert len(issuer.requests) == 2
        assert check(token, issuer, keys=keys, clock=At(at + timedelta(seconds=61))).subject == "ada"
        issuer.publish(new)
        hours = At(at + timedelta(hours=2))
        old = issuer.token(exp=int(at.timestamp()) + 10_000)
        assert reason_of(old, issuer, keys=keys, clock=hours) is Reason.UNKNOWN_KEY


def test_an_issuer_that_does_not_answer_is_not_asked_at_each_token():
    with running_issuer() as issuer:
        issuer.documents.clear()
        keys, at = IssuerKeys(), datetime.now(UTC)
        reasons = [reason_of(issuer.token(), issuer, keys=keys, clock=At(at)) for _ in range(3)]
        assert reasons == [Reason.UNAVAILABLE, Reason.UNKNOWN_KEY, Reason.UNKNOWN_KEY]
        assert len(issuer.requests) == 1


def test_a_discovery_document_of_another_issuer_or_without_https_is_not_believed(elsewhere: Web):
    with running_issuer() as issuer:
        path = "/.well-known/openid-configuration"
        for document in (
            {"issuer": "https://other.example", "jwks_uri": f"{issuer.url}/keys"},
            {"issuer": issuer.url, "jwks_uri": "http://10.0.0.1/keys"},
            {"issuer": issuer.url, "jwks_uri": "file:///etc/passwd"},
            {"issuer": issuer.url},
            [],
        ):
            issuer.documents[path] = document
            assert reason_of(issuer.token(), issuer) is Reason.UNAVAILABLE
        issuer.redirects[path] = elsewhere.url
        assert reason_of(issuer.token(), issuer) is Reason.UNAVAILABLE
        assert elsewhere.requests == []


def test_a_symmetric_key_of_the_issuer_is_not_used():
    with running_issuer() as issuer:
        issuer.documents["/keys"] = {
            "keys": [{"kty": "oct", "kid": "rsa-1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]
        }
        assert reason_of(issuer.token(), issuer) is Reason.UNKNOWN_KEY


def test_a_token_is_bound_by_its_nonce_and_counts_once_where_it_must(issuer: Issuer):
    approval = {"execution": "e-1", "wave": "2"}
    token, replays = issuer.token(nonce=digest_of(approval)), Replays()
    assert check(token, issuer, bound=approval, replays=replays).subject == "ada"
    assert reason_of(token, issuer, bound=approval, replays=replays) is Reason.REPLAYED
    assert reason_of(token, issuer, bound={**approval, "wave": "3"}) is Reason.OTHER_BINDING
    assert reason_of(issuer.token(), issuer, bound=approval) is Reason.OTHER_BINDING


@pytest.mark.parametrize(
    "name", ["http://issuer.example", "issuer.example", "https://u:p@issuer.example", "https://i/?x"]
)
def test_an_issuer_without_https_is_trusted_on_the_loopback_only(name: str):
    with pytest.raises(ValidationError):
        OidcIssuer(issuer=name)
