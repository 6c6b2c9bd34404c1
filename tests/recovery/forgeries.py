"""Forged and misdirected proofs for a gate that demands proofs: right people for the wrong thing, and wrong people."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.jwk import RSAKey

from prefect_drs.identity.sts_proof import PREFIX, digest_of
from tests.identity.issuer import Issuer
from tests.identity.test_oidc import signed_by_public_key, unsigned
from tests.identity.test_sts_proof import changed
from tests.recovery.signed_gates import Gates, People, oidc_token, runbook

DEMAND = {"quorum": 2, "roles": ["DRSOperator"], "notStarter": True, "expiresAfter": "PT1H"}


class Forger:
    """Makes answers that must not count, each of another kind, for wave 1 of one execution.

    Args:
        gates: the execution; ada has approved its wave 1 already.
        people: who signs with AWS.
        issuer: the OIDC issuer that the policy lists.
        foreign: one that it does not list.
        draw: the seed.
    """

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
            "the same person twice": self._again,
            "alg none": lambda: unsigned({"alg": "none", "kid": "rsa-1"}, self._claims()),
            "HMAC with the public key": lambda: signed_by_public_key(issuer, self._claims()),
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

    @property
    def first_by_oidc(self) -> bool:
        """Whether ada's approval that counts already has an OIDC token."""
        return any(counted.identity.startswith(self.issuer.url) for counted in self.gates.counted)

    def _again(self) -> str:
        """Ada once more, by the same identity: her other one is another person to the gate (docs/access.md, limits)."""
        if self.first_by_oidc:
            return oidc_token(self.issuer, self.gates.bound(), sub="ada")
        return self._sts(self.gates.bound(), name="ada")

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
        return self.issuer.claims(groups=["operators"], nonce=digest_of(self.gates.bound()))

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
