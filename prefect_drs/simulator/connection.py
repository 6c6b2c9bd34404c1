"""What stands before any service: whether the region answers, whether the session lives, and how a call gets no answer.

In: a request and who sent it. Out: nothing, or an error of AWS, or `NoAnswerError`. Within `mock_aws` no answer is
botocore's own connection error, raised at once; over HTTP the connection is closed, which botocore tells the same way.
"""

from __future__ import annotations

import socket
from typing import Any

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from moto.core.common_types import TYPE_RESPONSE

from .exceptions import ExpiredTokenException
from .faults import CredentialsFault, RegionFault
from .runtime import current


class NoAnswerError(Exception):
    """The caller hears nothing. `code`: unreachable, time-out or lose-answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check(request: Any, service: str, operation: str, account: str, region: str, access_key: str) -> None:
    """Let a call through, or not.

    Raises:
        NoAnswerError: the region is unreachable.
        ExpiredTokenException: the session that signed it is over.
    """
    runtime = current()
    if runtime.faults.hit(RegionFault, account, region) is not None:
        raise NoAnswerError("unreachable")
    session = runtime.sessions.get(access_key)
    if session is None:
        return
    role = session.role_arn.rsplit("/", 1)[-1]
    if runtime.faults.hit(CredentialsFault, account, region, role=(role, session.role_arn)) is not None:
        runtime.sessions.expire(access_key)
        session = runtime.sessions.get(access_key)
    if session is not None and session.expires_at <= runtime.now():
        raise ExpiredTokenException()


def drop(request: Any, silence: NoAnswerError) -> TYPE_RESPONSE:
    """Give no answer.

    Raises:
        botocore.exceptions.HTTPClientError: within `mock_aws`, what botocore would raise.
    """
    connection = request.environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)
        return 500, {}, ""
    url = str(request.url)
    if silence.code == "unreachable":
        raise EndpointConnectionError(endpoint_url=url, error="the sandbox's region is unreachable")
    if silence.code == "time-out":
        raise ReadTimeoutError(endpoint_url=url, error="the sandbox gives no answer")
    raise ConnectionClosedError(endpoint_url=url, error="the sandbox lost the answer", request=request)
