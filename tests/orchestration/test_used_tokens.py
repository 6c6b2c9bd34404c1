"""Tokens that count once, remembered for all processes of a Prefect API."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from prefect_drs.identity import NotProvenError
from prefect_drs.identity.model import ProofUnavailableError
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.storage.used_tokens import CLEANED_EVERY, PREFIX, SharedReplays

pytestmark = pytest.mark.usefixtures("prefect_server")


def names() -> list[str]:
    body = {"variables": {"name": {"like_": PREFIX}}, "limit": 200}
    with prefect_client() as client:
        return [each["name"] for each in client.request("POST", "/variables/filter", json=body).json()]


def accepted(replays: SharedReplays, mark: str, until: datetime, now: datetime) -> bool:
    try:
        replays.use(mark, until, now)
        replays.share(mark, until, now)
    except NotProvenError:
        return False
    return True


def test_of_several_processes_one_accepts_a_token():
    now, mark = datetime.now(UTC), str(uuid.uuid4())
    processes = [SharedReplays() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: accepted(each, mark, now + timedelta(minutes=5), now), processes))
    assert found.count(True) == 1
    assert not any(mark in name for name in names()), "no part of a token is stored"


def test_what_has_expired_is_deleted_and_what_has_not_is_kept():
    now = datetime.now(UTC)
    replays, past = SharedReplays(), now - timedelta(hours=1)
    assert all(accepted(replays, str(uuid.uuid4()), past, past) for _ in range(CLEANED_EVERY - 1))
    oldest = f"{PREFIX}{now - timedelta(minutes=6):%Y%m%d%H%M%S}"
    for _ in range(5 * CLEANED_EVERY):  # where Prefect is busy, a later token deletes what has expired
        accepted(replays, str(uuid.uuid4()), now + timedelta(minutes=5), now)
        if all(name > oldest for name in names()):
            break
    assert names()
    assert all(name > oldest for name in names())


def test_a_token_that_cannot_be_recorded_is_refused():
    from prefect.settings import PREFECT_API_URL, temporary_settings

    now = datetime.now(UTC)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), pytest.raises(ProofUnavailableError):
        SharedReplays().share("mark", now + timedelta(minutes=5), now)
