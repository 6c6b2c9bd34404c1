"""Forged and misdirected approvals, seeded: none is counted; the honest ones between them all are.

`PREFECT_DRS_FORGERIES=N` makes N of them (1,000 by default).
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from prefect_drs.identity.sts_proof import PREFIX
from prefect_drs.recovery.resume import Starter
from prefect_drs.simulator.server import SandboxServer
from tests.identity.aws import configured_sandbox
from tests.identity.issuer import Issuer, running_issuer
from tests.identity.test_oidc import unsigned
from tests.identity.test_sts_proof import changed
from tests.recovery.signed_gates import Gates, People, holds_no_token, oidc_token, policy, runbook

pytestmark = pytest.mark.integration
FORGERIES = int(os.environ.get("PREFECT_DRS_FORGERIES", "1000"))
DEMAND = {"quorum": 2, "roles": ["DRSOperator"], "notStarter": True, "expiresAfter": "PT1H"}
A_GATE = 50  # forgeries at one gate, before two honest approvals pass it


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with configured_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


class Forger:
    """Makes answers that must not count, each of another kind, for one gate."""

    def __init__(self, gates: Gates, people: People, issuer: Issuer, foreign: Issuer, draw: random.Random) -> None:
        self.gates, self.people, self.issuer, self.foreign, self.draw = gates, people, issuer, foreign, draw
        self.kinds: dict[str, Callable[[], str]] = {
            "no proof": lambda: "",
            "noise": self._noise,
            "another wave": lambda: self._sts(self.gates.bound(2)),
            "another execution": lambda: self._sts(self.gates.bound(execution=f"e-{draw.randrange(10**6)}x")),
            "another runbook": lambda: self._sts(self.gates.bound(digest=self._digest())),
            "a changed instance type": lambda: self._sts(self.gates.bound(digest=self._other_runbook())),
            "for break-glass": lambda: self._sts(self.gates.bound(decision="break-glass")),
            "bound to nothing": lambda: self._sts(None),
            "bound to more": lambda: self._sts({**self.gates.bound(), "more": "x"}),
            "another audience": lambda: self._sts(self.gates.bound(), audience=draw.choice(["other", "prefect-drs2"])),
            "expired": lambda: self._sts(self.gates.bound(), at=self._ago(1, 60), seconds=30),
            "of the future": lambda: self._sts(self.gates.bound(), at=self._ago(-600, -120)),
            "tampered": lambda: self._tampered(self._sts(self.gates.bound())),
            "another's name": lambda: changed(self._sts(self.gates.bound()), self._rename),
            "another endpoint": lambda: changed(self._sts(self.gates.bound()), self._elsewhere),
            "the starter": lambda: self._sts(self.gates.bound(), name="starter"),
            "a reader": lambda: self._sts(self.gates.bound(), role="Readers"),
            "an admin without the role": lambda: self._sts(self.gates.bound(), role="Admins"),
            "an operator of another plan": lambda: self._sts(self.gates.bound(), role="Elsewhere"),
            "the role of another account": lambda: self._sts(self.gates.bound(), account="999999999999"),
            "the same person twice": lambda: self._sts(self.gates.bound(), name="ada"),
            "alg none": lambda: unsigned({"alg": "none", "kid": "rsa-1"}, self._claims()),
            "HMAC with the public key": self._hmac,
            "another key": lambda: oidc_token(issuer, gates.bound(), key=self._own_key),
            "another issuer": lambda: oidc_token(self.foreign, self.gates.bound()),
            "a foreign issuer in this one's name": lambda: oidc_token(self.foreign, self.gates.bound(), iss=issuer.url),
            "a token that expired": lambda: oidc_token(issuer, self.gates.bound(), **self._past()),
            "a token for another wave": lambda: oidc_token(issuer, self.gates.bound(2)),
            "a token without a nonce": lambda: oidc_token(issuer, self.gates.bound(), nonce=None),
            "a token for another audience": lambda: oidc_token(issuer, self.gates.bound(), aud="another"),
            "a group that may not": lambda: oidc_token(issuer, self.gates.bound(), groups=["readers"]),
            "a tampered token": self._tampered_jwt,
        }
        self._own_key = RSAKey.generate_key(2048, {"kid": "rsa-1"})

    def _sts(self, bound: dict[str, str] | None, *, name: str = "mallory", **options: Any) -> str:
        return self.people.token(name, bound, **options)

    def _noise(self) -> str:
        raw = self.draw.randbytes(self.draw.randrange(1, 400))
        return self.draw.choice(["", PREFIX, "eyJ"]) + base64.urlsafe_b64encode(raw).decode()

    def _digest(self) -> str:
        return self.draw.randbytes(32).hex()

    def _other_runbook(self) -> str:
        other = runbook(DEMAND, instance_type=f"m{self.draw.randrange(6, 9)}.large")
        return Gates(runbook_=other).check().digest

    def _ago(self, low: int, high: int) -> datetime:
        return datetime.now(UTC) - timedelta(minutes=self.draw.randrange(low, high))

    def _past(self) -> dict[str, int]:
        then = int(self._ago(20, 600).timestamp())
        return {"iat": then, "exp": then + 300}

    def _claims(self) -> dict[str, Any]:
        from prefect_drs.identity.sts_proof import digest_of

        return self.issuer.claims(groups=["operators"], nonce=digest_of(self.gates.bound()))

    def _hmac(self) -> str:
        import hmac

        text = unsigned({"alg": "HS256", "kid": "rsa-1"}, self._claims()).rstrip(".")
        made = hmac.digest(self.issuer.rsa.as_pem(private=False), text.encode(), "sha256")
        return f"{text}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"

    def _tampered(self, token: str) -> str:
        """One character of the signed request is another one."""

        def change(parts: dict[str, str]) -> None:
            at = self.draw.randrange(parts["url"].index("X-Amz-Credential"), len(parts["url"]))
            new = self.draw.choice([c for c in "0123456789abcdef" if c != parts["url"][at]])
            parts["url"] = parts["url"][:at] + new + parts["url"][at + 1 :]

        return changed(token, change)

    def _tampered_jwt(self) -> str:
        head, _, signature = oidc_token(self.issuer, self.gates.bound(), groups=["readers"]).split(".")
        body = base64.urlsafe_b64encode(json.dumps(self._claims()).encode()).decode().rstrip("=")
        return f"{head}.{body}.{signature}"

    def _rename(self, parts: dict[str, str]) -> None:
        """Another person's session token in the request of this one."""
        other = self.people.session("root").get_credentials()
        own = self.people.session("mallory").get_credentials()
        assert other is not None
        assert own is not None
        parts["url"] = parts["url"].replace(own.access_key, other.access_key)

    def _elsewhere(self, parts: dict[str, str]) -> None:
        _, _, rest = parts["url"].partition("/?")
        host = self.draw.choice(
            ["https://sts.evil.example", "http://127.0.0.1:9", "https://sts.amazonaws.com.evil.example"]
        )
        parts["url"] = f"{host}/?{rest}"


def test_no_forged_or_misdirected_approval_counts_and_every_honest_one_does(sandbox: SandboxServer, issuer: Issuer):
    draw, people, seen = random.Random(15), People(), Counter[str]()
    forged = honest = 0
    with running_issuer() as foreign:
        while forged < FORGERIES:
            gates = Gates(DEMAND, document=policy(issuer), starter=Starter(People.arn("starter"), True))
            forger = Forger(gates, people, issuer, foreign, draw)
            assert not gates.give(people.token("ada", gates.bound()))  # honest, and one of two
            honest += 1
            for _ in range(A_GATE):
                kind = draw.choice(list(forger.kinds))
                token = forger.kinds[kind]()
                assert not gates.give(token, by=draw.choice(["ada", "bob", People.arn("bob"), "root"])), kind
                assert len(gates.counted) == 1, kind
                assert holds_no_token(gates, token), kind
                seen[kind] += 1
                forged += 1
            assert len(gates.attempts) == A_GATE
            assert gates.give(
                oidc_token(issuer, gates.bound(), sub="bob")
                if draw.random() < 0.5
                else people.token("bob", gates.bound())
            )
            honest += 1
            assert len(gates.counted) == 2
        assert foreign.requests == []  # nobody asks whom the policy does not name
    assert set(seen) == set(forger.kinds), "each kind was drawn"
    assert forged >= FORGERIES
    assert honest == 2 * (forged // A_GATE)
