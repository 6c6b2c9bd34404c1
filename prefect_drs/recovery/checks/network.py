"""`tcp` and `http`: something answers, seen from where this process runs.

What does not answer, or not as expected, is looked at again until the attempt's time is over: servers boot, and
services warm up. Requests go straight to the address, never through a proxy; of a body at most 64 KiB are read, and
nothing of it is ever shown.
"""

from __future__ import annotations

import re
import socket

import httpx

from prefect_drs.core.escaping import url_part
from prefect_drs.plan.checks import HttpCheck, TcpCheck
from prefect_drs.recovery.checks.base import BaseProbe
from prefect_drs.recovery.checks.probe import ProbeOutcome, Subject

LOOK_SECONDS = 5.0  # how long one look waits for an answer; less where the attempt is shorter
BODY_BYTES_AT_MOST = 64 * 1024


class TcpProbe(BaseProbe[TcpCheck]):
    """Opens a connection and closes it."""

    def look_at(self, subject: Subject, attempt: int) -> ProbeOutcome:
        """One connection."""
        address = self.spec.address
        host = self.address(subject, address) if address in {"private", "public"} else ""
        host = host or self.filled(address, subject, attempt)
        where = f"{host}:{self.spec.port}"
        try:
            connection = socket.create_connection(
                (host, self.spec.port), timeout=min(LOOK_SECONDS, self.spec.timeout_seconds)
            )
        except (OSError, UnicodeError) as error:
            return ProbeOutcome.pending(f"no connection to {where}: {error}")
        connection.close()
        return ProbeOutcome.passed(f"{where} accepts connections")


class HttpProbe(BaseProbe[HttpCheck]):
    """One GET."""

    def look_at(self, subject: Subject, attempt: int) -> ProbeOutcome:
        """One GET, redirects not followed."""
        url = self.filled(self.spec.url, subject, attempt, url_part)
        shown = url.partition("?")[0]
        try:
            with (
                httpx.Client(
                    timeout=min(LOOK_SECONDS, self.spec.timeout_seconds),
                    verify=self.spec.verify_tls,
                    trust_env=False,
                    follow_redirects=False,
                ) as client,
                client.stream("GET", url) as answer,
            ):
                status = answer.status_code
                body = _beginning(answer) if self.spec.body_pattern is not None else ""
        except httpx.InvalidURL as error:
            return ProbeOutcome.failed(f"{shown} is no URL: {error}")
        except (httpx.HTTPError, OSError) as error:
            return ProbeOutcome.pending(f"no answer from {shown}: {error or type(error).__name__}")
        if status not in self.spec.expected_status:
            wanted = " or ".join(map(str, self.spec.expected_status))
            return ProbeOutcome.pending(f"{shown} answers {status}, not {wanted}")
        if self.spec.body_pattern is not None and not re.search(self.spec.body_pattern, body):
            return ProbeOutcome.pending(
                f"{shown} answers {status}, but its body does not hold {self.spec.body_pattern!r}"
            )
        return ProbeOutcome.passed(f"{shown} answers {status}")


def _beginning(answer: httpx.Response) -> str:
    """The first 64 KiB of a body as text."""
    read = bytearray()
    for chunk in answer.iter_bytes():
        read += chunk
        if len(read) >= BODY_BYTES_AT_MOST:
            break
    return bytes(read[:BODY_BYTES_AT_MOST]).decode(answer.encoding or "utf-8", errors="replace")
