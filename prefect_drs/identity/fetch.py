"""The only requests that this room sends: one GET without redirects, with short timeouts and a bounded answer.

In: a URL that was checked against what is trusted. Out: status and body. Must never be called with a URL whose origin
comes from a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import httpx

from prefect_drs.identity.model import ProofUnavailableError, Reason

SECONDS = 5.0
MOST_BYTES = 256 * 1024


class Fetched(NamedTuple):
    """An answer. A redirect is one as any other: it is not followed."""

    status: int
    body: bytes


def fetch(url: str, headers: Mapping[str, str] | None = None) -> Fetched:
    """Send one GET.

    Raises:
        NotProvenError: UNAVAILABLE: no answer, or one that is too long.
    """
    host = httpx.URL(url).host
    try:
        with (
            httpx.Client(follow_redirects=False, timeout=SECONDS) as client,
            client.stream("GET", url, headers={"User-Agent": "prefect-drs", **(headers or {})}) as answer,
        ):
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise ProofUnavailableError(Reason.UNAVAILABLE, f"the answer of {host} is too long")
            return Fetched(answer.status_code, bytes(body))
    except httpx.HTTPError as error:
        raise ProofUnavailableError(
            Reason.UNAVAILABLE, f"{host} did not answer ({type(error).__name__}); send the request again"
        ) from None
