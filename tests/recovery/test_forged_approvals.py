"""Forged and misdirected approvals, seeded: none is counted; the honest ones between them all are.

They go to the check of a gate directly: 1,000, or `PREFECT_DRS_FORGERIES=N` of them. `tests/e2e/test_forged_answers.py`
sends such answers in each of the ways that people and programs have.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from prefect_drs.recovery.resume import Starter
from tests.identity.issuer import Issuer, running_issuer
from tests.recovery.forgeries import DEMAND, Forger
from tests.recovery.signed_gates import Gates, People, holds_no_token, oidc_token, policy

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("sandbox")]
FORGERIES = int(os.environ.get("PREFECT_DRS_FORGERIES", "1000"))
A_GATE = 50  # forgeries at one gate, before two honest approvals pass it


def test_no_forged_or_misdirected_approval_counts_and_every_honest_one_does(issuer: Issuer):
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
