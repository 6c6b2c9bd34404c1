"""DRS behind the sandbox's checks and faults.

Every call passes these steps in order: region reachable and enabled, session valid, action allowed, operation faults,
validation of the input, throttle, account initialised, due events processed, the operation itself.
"""

from __future__ import annotations

from moto.core.common_types import TYPE_RESPONSE
from moto.core.request import Request

from ..drs.exceptions import DRSError, InternalServerException, ThrottlingException
from ..drs.models import drs_backends
from ..drs.responses import DRSResponse
from ..drs.validation import service_model
from ..drs.wire import Params, Wire
from ..faults import OperationFault
from ..runtime import LOCK, Call, current
from . import connection
from .drs_resources import UNKNOWN, Asked, asked_of

_FORBIDDEN = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException"})
"""Common errors of AWS that are 403: a region that is not enabled answers UnrecognizedClientException."""


class SandboxDRSResponse(DRSResponse):
    """DRS with one call at a time; each call is passed to the runtime's observers."""

    def answer(self, request: Request, operation: str, params: Params, fault: DRSError | None) -> TYPE_RESPONSE:
        """Status, headers and body, or no response."""
        runtime = current()
        account, region = self.current_account, self.region
        code = ""
        with LOCK:
            try:
                planted = connection.admit(
                    "drs", operation, account, region, self.access_key, lambda: self._asked(params)
                )
                if planted is not None and planted.effect != "lose-answer":
                    raise _planted_error(planted)
                answer = super().answer(request, operation, params, fault)
                code = str(answer[1].get("x-amzn-errortype", ""))
                if planted is not None and not code:
                    raise connection.NoAnswerError("lose-answer")
            except DRSError as error:
                code = error.code
                return self.refuse(error)
            except connection.NoAnswerError as silence:
                code = silence.code
                return connection.drop(request, silence)
            finally:
                runtime.observe(Call(runtime.now(), account, region, "drs", operation, self.access_key, params, code))
        return answer

    def _asked(self, params: Params) -> Asked:
        backends = drs_backends[self.current_account]
        return asked_of(backends[self.region], params) if self.region in backends else UNKNOWN

    def carry_out(self, operation: str, params: Params) -> Wire:
        """The output of an operation; refused if it is throttled, or if DRS has no endpoint in the region."""
        runtime = current()
        if runtime.throttle is not None:
            runtime.throttle.take(self.current_account, self.region, operation, runtime.now())
        if self.region not in drs_backends[self.current_account]:
            raise connection.NoAnswerError("unreachable")
        return super().carry_out(operation, params)


def _planted_error(fault: OperationFault) -> DRSError:
    if fault.effect == "throttle":
        return ThrottlingException()
    if fault.code == InternalServerException.code:
        return InternalServerException(fault.message)
    planted = DRSError(fault.message)
    planted.code = fault.code
    if fault.code in _FORBIDDEN:
        planted.status = 403
    elif fault.code in service_model().shape_names:
        planted.status = int(service_model().shape_for(fault.code).metadata.get("error", {}).get("httpStatusCode", 400))
    return planted
