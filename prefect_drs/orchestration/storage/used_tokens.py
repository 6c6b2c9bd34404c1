"""Tokens that count once, remembered where every process of a Prefect API sees it.

In: the mark of a token and its expiry. Out: nothing, or a refusal. A used token is a Prefect variable,
`prefect-drs-used-EXPIRY-DIGEST`: the server's database refuses a name that exists, so of several servers one accepts
the token. It is created once the token has proven who sends it, so that nobody else fills the database. Those that have
expired are deleted, the oldest first, some with every 20th token.

Must never: hold a token; accept one that could not be recorded.
"""

from __future__ import annotations

import hashlib
import itertools
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError

from prefect_drs.identity import NotProvenError, Reason, Replays
from prefect_drs.identity.model import ProofUnavailableError
from prefect_drs.orchestration.client import PrefectUnreachableError, quick_client

PREFIX = "prefect-drs-used-"
TAGS = ["prefect-drs"]
CLEANED_EVERY = 20  # tokens
CLEANED = 50  # variables at once: more than come in between
SKEW = timedelta(minutes=5)  # of the servers' clocks


class SharedReplays(Replays):
    """Remembers used tokens for this process, and for all others of the same Prefect API."""

    def __init__(self) -> None:
        super().__init__()
        self._count = itertools.count(1)

    def share(self, mark: str, until: datetime, now: datetime) -> None:
        """Record a token that has proven who sends it, for all processes.

        Raises:
            NotProvenError: another process accepted it before.
            ProofUnavailableError: the Prefect API cannot be reached, so that this is not known.
        """
        try:
            with quick_client() as client:
                created = _create(client, mark, until)
                if created and next(self._count) % CLEANED_EVERY == 0:
                    with suppress(PrefectUnreachableError, PrefectHTTPStatusError):  # a later one deletes them
                        _delete_expired(client, now - SKEW)
        except (PrefectUnreachableError, PrefectHTTPStatusError):
            message = "the Prefect API did not record that this token was used: make a new one, and try again"
            raise ProofUnavailableError(Reason.UNAVAILABLE, message) from None
        if not created:
            raise NotProvenError(Reason.REPLAYED, "this token was used before: make a new one (prefect-drs token)")


def _create(client: SyncPrefectClient, mark: str, until: datetime) -> bool:
    digest = hashlib.sha256(mark.encode()).hexdigest()
    body = {"name": f"{PREFIX}{_moment(until)}-{digest}", "value": "", "tags": TAGS}
    try:
        client.request("POST", "/variables/", json=body)
    except ObjectAlreadyExists:
        return False
    except PrefectHTTPStatusError as error:
        if error.response.status_code == HTTPStatus.CONFLICT:
            return False
        raise
    return True


def _delete_expired(client: SyncPrefectClient, before: datetime) -> None:
    body = {"variables": {"name": {"like_": PREFIX}}, "sort": "NAME_ASC", "limit": CLEANED, "offset": 0}
    oldest: list[dict[str, Any]] = client.request("POST", "/variables/filter", json=body).json()
    for each in oldest:
        if each["name"].startswith(PREFIX) and each["name"] < PREFIX + _moment(before):
            try:
                client.request("DELETE", "/variables/{id}", path_params={"id": each["id"]})
            except PrefectHTTPStatusError as error:
                if error.response.status_code != HTTPStatus.NOT_FOUND:  # another process deleted it
                    raise


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S}"
