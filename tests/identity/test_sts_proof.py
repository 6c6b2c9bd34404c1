"""A signed GetCallerIdentity request proves who signed it, for one audience and purpose, and leads to STS alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.aws.identity_request import sts_endpoints
from prefect_drs.core.errors import UsageError
from prefect_drs.identity import Identity, NotProvenError, Reason, Replays, Trust, trust_of_this_process, verify
from prefect_drs.identity.sts_proof import PREFIX, digest_of, make_token, read_token
from prefect_drs.simulator import plant_role
from prefect_drs.simulator.server import SandboxServer
from tests.identity.issuer import Web

AUDIENCE = "prefect-drs"
ACCOUNT = "123456789012"
APPROVAL = {"execution": "e-1", "wave": "2", "runbook": "ab12"}


class At:
    """A clock that stands."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def wait(self, seconds: float, wake: object = None) -> None:
        raise AssertionError("nothing waits")


def now() -> datetime:
    return datetime.now(UTC)


def check(token: str, trust: Trust | None = None, **options: Any) -> Identity:
    return verify(token, trust=trust or trust_of_this_process(), **{"audience": AUDIENCE, **options})


def reason_of(token: str, trust: Trust | None = None, **options: Any) -> Reason:
    with pytest.raises(NotProvenError) as refused:
        check(token, trust, **options)
    assert len(token) < 20 or token not in str(refused.value)
    return refused.value.reason


def changed(token: str, change: Callable[[dict[str, str]], object]) -> str:
    """The token with its parts changed."""
    encoded = token.removeprefix(PREFIX)
    parts = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    change(parts)
    return PREFIX + base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def replaced(token: str, old: str, new: str) -> str:
    """The token with its URL changed."""

    def change(parts: dict[str, str]) -> None:
        assert old in parts["url"]
        parts["url"] = parts["url"].replace(old, new)

    return changed(token, change)


def calls(sandbox: SandboxServer) -> int:
    return len(sandbox.log.find(operation="GetCallerIdentity"))


def test_a_token_proves_the_user_whose_credentials_signed_it(sandbox: SandboxServer):
    iam = boto3.client("iam")
    iam.create_user(UserName="ada")
    keys = iam.create_access_key(UserName="ada")["AccessKey"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], region_name="eu-central-1")
    began = calls(sandbox)
    token = make_token(AUDIENCE, at=now(), session=session)
    assert calls(sandbox) == began  # making one sends nothing
    identity = check(token)
    assert (identity.kind, identity.subject) == ("aws", f"arn:aws:iam::{ACCOUNT}:user/ada")
    assert (identity.account_id, identity.session_name, identity.proven_by) == (ACCOUNT, "", sandbox.endpoint_url)
    assert identity.unique_id
    assert calls(sandbox) == began + 1


def test_a_session_of_a_role_is_proven_with_its_role_session_and_account(sandbox: SandboxServer):
    target = "222222222222"
    got = boto3.client("sts").assume_role(RoleArn=plant_role(target, "Operators"), RoleSessionName="ada")["Credentials"]
    session = boto3.Session(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"], region_name="eu-central-1")
    identity = check(make_token(AUDIENCE, at=now(), session=session))
    assert identity.subject == f"arn:aws:sts::{target}:assumed-role/Operators/ada"
    assert (identity.account_id, identity.session_name) == (target, "ada")
    wrong = boto3.Session(got["AccessKeyId"], got["SecretAccessKey"], "another", region_name="eu-central-1")
    assert reason_of(make_token(AUDIENCE, at=now(), session=wrong)) is Reason.REFUSED_BY_STS


def test_a_bound_token_counts_for_what_it_is_bound_to_and_for_nothing_else(sandbox: SandboxServer):
    token = make_token(AUDIENCE, at=now(), bound=APPROVAL)
    assert check(token, bound=APPROVAL).account_id == ACCOUNT
    for other in (None, {}, {**APPROVAL, "wave": "3"}, {**APPROVAL, "runbook": "cd34"}):
        assert reason_of(token, bound=other) is Reason.OTHER_BINDING
    assert reason_of(make_token(AUDIENCE, at=now()), bound=APPROVAL) is Reason.OTHER_BINDING


def test_a_changed_binding_or_nonce_is_refused_by_sts_since_both_are_signed(sandbox: SandboxServer):
    token = make_token(AUDIENCE, at=now(), bound=APPROVAL)
    other = {**APPROVAL, "wave": "3"}
    rebound = changed(token, lambda parts: parts.update(bound=digest_of(other)))
    assert reason_of(rebound, bound=other) is Reason.REFUSED_BY_STS
    assert reason_of(changed(token, lambda p: p.update(nonce="0" * 32)), bound=APPROVAL) is Reason.REFUSED_BY_STS


def test_a_token_for_another_audience_is_refused_without_a_request_and_so_is_one_that_was_relabelled(
    sandbox: SandboxServer,
):
    token, began = make_token("somebody-else", at=now()), calls(sandbox)
    assert reason_of(token) is Reason.OTHER_AUDIENCE
    assert calls(sandbox) == began
    assert reason_of(changed(token, lambda parts: parts.update(audience=AUDIENCE))) is Reason.REFUSED_BY_STS


def test_a_token_counts_until_it_expires_and_not_before_its_date(sandbox: SandboxServer):
    at = now().replace(microsecond=0)
    token, began = make_token(AUDIENCE, at=at, seconds=300), calls(sandbox)
    assert reason_of(token, clock=At(at + timedelta(seconds=300))) is Reason.EXPIRED
    assert reason_of(token, clock=At(at - timedelta(seconds=61))) is Reason.NOT_YET_VALID
    assert calls(sandbox) == began
    assert check(token, clock=At(at + timedelta(seconds=299))).expires_at == at + timedelta(seconds=300)
    assert reason_of(make_token(AUDIENCE, at=at, seconds=901)) is Reason.TOO_LONG
    assert reason_of(replaced(token, "X-Amz-Expires=300", "X-Amz-Expires=900")) is Reason.REFUSED_BY_STS


def test_a_token_that_counts_once_is_refused_the_second_time_in_any_spelling(sandbox: SandboxServer):
    replays, token = Replays(), make_token(AUDIENCE, at=now())
    check(token, replays=replays)
    began = calls(sandbox)
    assert reason_of(token, replays=replays) is Reason.REPLAYED
    assert reason_of(changed(token, lambda parts: None), replays=replays) is Reason.REPLAYED
    assert calls(sandbox) == began


def test_a_full_memory_of_used_tokens_refuses_instead_of_forgetting():
    replays, at = Replays(most=2), now()
    replays.use("a", at + timedelta(seconds=60), at)
    replays.use("b", at + timedelta(seconds=90), at)
    with pytest.raises(NotProvenError, match="too many"):
        replays.use("c", at + timedelta(seconds=60), at)
    later = at + timedelta(seconds=70)
    replays.use("c", later + timedelta(seconds=60), later)
    with pytest.raises(NotProvenError, match="used before"):
        replays.use("b", later, later)


MISDIRECTED = {
    "another host": lambda url, web: url.replace("http://127.0.0.1:PORT", web),
    "https of it": lambda url, web: url.replace("http://", "https://"),
    "user info": lambda url, web: url.replace("http://", f"http://{web.removeprefix('http://')}@"),
    "STS as user": lambda url, web: url.replace("/?", f"@{web.removeprefix('http://')}/?", 1),
    "a path": lambda url, web: url.replace("/?", "/proxy/?", 1),
    "a fragment": lambda url, web: url.replace("/?", "/#?", 1),
    "a prefix of the host": lambda url, web: url.replace("/?", ".evil.example/?", 1),
    "no scheme": lambda url, web: url.removeprefix("http:"),
    "spaces": lambda url, web: " " + url,
    "a line break": lambda url, web: url.replace("/?", "\r\nHost: evil/?", 1),
    "a backslash": lambda url, web: url.replace("/?", "\\@evil.example/?", 1),
}


@pytest.mark.parametrize("way", MISDIRECTED)
def test_a_request_that_points_elsewhere_is_refused_and_never_sent(sandbox: SandboxServer, elsewhere: Web, way: str):
    began, port = calls(sandbox), str(sandbox.port)

    def change(parts: dict[str, str]) -> None:
        url = parts["url"].replace(port, "PORT", 1)
        parts["url"] = MISDIRECTED[way](url, elsewhere.url).replace("PORT", port)

    token = changed(make_token(AUDIENCE, at=now()), change)
    assert reason_of(token) in {Reason.MISDIRECTED, Reason.MALFORMED}
    assert calls(sandbox) == began
    assert elsewhere.requests == []


OTHER_REQUESTS = {
    "another action": ("Action=GetCallerIdentity", "Action=GetSessionToken"),
    "an action more": ("&X-Amz-Date", "&Action=GetSessionToken&X-Amz-Date"),
    "another parameter": ("&X-Amz-Date", "&RoleArn=arn&X-Amz-Date"),
    "one parameter less": ("Version=2011-06-15&", ""),
    "another order": ("Action=GetCallerIdentity&Version=2011-06-15", "Version=2011-06-15&Action=GetCallerIdentity"),
    "another escaping": ("Version=2011-06-15", "Version=2011%2D06-15"),
    "another service": ("%2Fsts%2F", "%2Fs3%2F"),
    "fewer signed headers": ("x-prefect-drs-audience%3B", ""),
    "a header more": ("x-prefect-drs-audience%3B", "x-forwarded-for%3Bx-prefect-drs-audience%3B"),
    "another algorithm": ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
}


@pytest.mark.parametrize("way", OTHER_REQUESTS)
def test_a_request_that_is_not_exactly_ours_is_refused_without_being_sent(sandbox: SandboxServer, way: str):
    began, (old, new) = calls(sandbox), OTHER_REQUESTS[way]
    assert reason_of(replaced(make_token(AUDIENCE, at=now()), old, new)) in {Reason.MISDIRECTED, Reason.MALFORMED}
    assert calls(sandbox) == began


def test_a_tampered_signature_and_an_unknown_key_are_refused_by_sts(sandbox: SandboxServer):
    token = make_token(AUDIENCE, at=now())

    def flip(parts: dict[str, str]) -> None:
        last = parts["url"][-1]
        parts["url"] = parts["url"][:-1] + ("0" if last != "0" else "1")

    assert reason_of(changed(token, flip)) is Reason.REFUSED_BY_STS
    assert reason_of(replaced(token, "Credential=testing", "Credential=AKIASANDBOX000000000")) is Reason.REFUSED_BY_STS
    for keys in (("testing", "wrong"), ("AKIAUNKNOWN000000000", "testing")):
        forged = make_token(AUDIENCE, at=now(), session=boto3.Session(*keys, region_name="eu-central-1"))
        assert reason_of(forged) is Reason.REFUSED_BY_STS


def test_an_endpoint_that_redirects_is_not_followed_and_one_that_is_not_sts_proves_nothing(elsewhere: Web):
    web = Web()
    trust = Trust(frozenset({web.url}))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": web.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }.items():
            patch.setenv(name, value)
        token = make_token(AUDIENCE, at=now())
    assert reason_of(token, trust) is Reason.UNAVAILABLE
    web.redirects[web.requests[-1]] = elsewhere.url
    assert reason_of(token, trust) is Reason.UNAVAILABLE
    web.close()
    assert reason_of(token, trust) is Reason.UNAVAILABLE


@pytest.mark.parametrize("url", ["http://sts.eu-central-1.amazonaws.com", "http://10.0.0.1", "ftp://localhost", "x"])
def test_an_endpoint_without_https_is_trusted_on_the_loopback_only(url: str):
    with pytest.raises(UsageError, match="cannot be trusted"):
        Trust(frozenset({url}))


def test_without_a_configured_endpoint_exactly_the_regions_of_aws_are_trusted(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    trusted = trust_of_this_process().sts_endpoints
    assert trusted == sts_endpoints("aws")
    assert {"https://sts.eu-central-1.amazonaws.com", "https://sts.amazonaws.com"} <= trusted
    assert all(url.startswith("https://sts") and url.endswith(".amazonaws.com") for url in trusted)


@given(st.text(max_size=60), st.binary(max_size=60))
def test_no_text_at_all_is_anything_but_a_named_refusal(text: str, content: bytes):
    trust, at = frozenset({"http://127.0.0.1:1"}), now()
    for token in (PREFIX + text, PREFIX + base64.urlsafe_b64encode(content).decode().rstrip("=")):
        with pytest.raises(NotProvenError):
            read_token(token, audience=AUDIENCE, endpoints=trust, now=at)
    if not text.startswith(PREFIX):
        assert reason_of(text, Trust()) is Reason.MALFORMED


@pytest.mark.parametrize("audience", ["", "two words", "line\nbreak", "ä", "x" * 257])
def test_an_audience_that_no_header_can_carry_is_refused(audience: str):
    with pytest.raises(ValueError, match="audience"):
        make_token(audience, at=now())
