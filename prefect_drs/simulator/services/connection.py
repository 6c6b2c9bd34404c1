"""Checks in front of every service: the region is reachable and enabled, the session is valid and has the permission.

Also drops the response of a call. In: a request and its caller. Out: nothing, an AWS error, or `NoAnswerError`. Within
`mock_aws` a missing response is botocore's connection error, raised immediately; over HTTP the connection is closed,
which botocore reports in the same way.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from moto.core.common_types import TYPE_RESPONSE

from ..drs.exceptions import AccessDeniedException, ExpiredTokenException, UnrecognizedClientException
from ..faults import CredentialsFault, OperationFault, OptInFault, RegionFault
from ..runtime import current
from . import permissions
from .drs_resources import UNKNOWN, Asked


class NoAnswerError(Exception):
    """The caller gets no response. `code`: unreachable, time-out or lose-answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def admit(
    service: str, operation: str, account: str, region: str, access_key: str, asked: Callable[[], Asked] | None = None
) -> OperationFault | None:
    """Check a call; returns the fault that hits the operation, which can then only lose the response.

    Raises:
        NoAnswerError: the region is unreachable, or the operation times out.
        UnrecognizedClientException, ExpiredTokenException, AccessDeniedException: see `check`.
    """
    check(service, operation, account, region, access_key, asked)
    fault = current().faults.hit(OperationFault, account, region, service=service, operation=operation)
    if fault is not None and fault.effect == "time-out":
        raise NoAnswerError("time-out")
    return fault


def check(
    service: str, operation: str, account: str, region: str, access_key: str, asked: Callable[[], Asked] | None = None
) -> None:
    """Check a call; `asked` tells its resources.

    Raises:
        NoAnswerError: the region is unreachable.
        UnrecognizedClientException: the region is not enabled for the account.
        ExpiredTokenException: the session that signed it has expired.
        AccessDeniedException: the policies of its role do not allow it.
    """
    runtime = current()
    if runtime.faults.hit(RegionFault, account, region) is not None:
        raise NoAnswerError("unreachable")
    if runtime.faults.hit(OptInFault, account, region) is not None:
        raise UnrecognizedClientException()
    session = runtime.sessions.get(access_key)
    if session is None:
        return
    role = session.role_arn.rsplit("/", 1)[-1]
    if runtime.faults.hit(CredentialsFault, account, region, role=(role, session.role_arn)) is not None:
        runtime.sessions.expire(access_key)
        session = runtime.sessions.get(access_key)
    if session is None:
        return
    if session.expires_at <= runtime.now():
        raise ExpiredTokenException()
    if runtime.checks_assume_role and operation:
        try:
            permissions.check(session, service, operation, region, UNKNOWN if asked is None else asked())
        except permissions.NotPermittedError as denied:
            raise AccessDeniedException(str(denied)) from None


def drop(request: Any, silence: NoAnswerError) -> TYPE_RESPONSE:
    """Drop the response.

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
        raise ReadTimeoutError(endpoint_url=url, error="the sandbox does not respond")
    raise ConnectionClosedError(endpoint_url=url, error="the sandbox lost the response", request=request)
