"""Operations as an AWS Lambda function: `prefect_drs.lambda_handler.handler`.

In: an event, `{"operation": NAME, "body": {…}}` (see `prefect_drs.operations.invocation.unwrap`), and Lambda's context.
Out: the operation's answer, or `{"error": CODE, "message": …, "details": {…}}`. The caller is the first of these that
is there: the Cognito identity of the context, `caller` of its client context, `caller` of the event, `initiatedBy` of
the parameters, the function's name. Only Cognito's is proved by AWS; the others are as claimed. Where there is an
access policy, none of these counts: the event holds `token`, a proof as `prefect-drs token` makes it. Lambda does not
tell a function which IAM identity invoked it, and whoever may invoke it can write a `requestContext` into an event.

Must never: raise, since Lambda repeats asynchronous invocations that failed; read a file that the event names; carry an
execution, which lasts longer than Lambda lets a process live.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def _use_writable_homes() -> None:
    """Let Prefect and the package keep files in a temporary folder where the home is not writable, as in Lambda.

    The folder is this process's own: one with a known name may belong to another user of the machine.
    """
    missing = [name for name in ("PREFECT_HOME", "PREFECT_DRS_HOME") if name not in os.environ]
    if not missing or os.access(Path("~").expanduser(), os.W_OK):
        return
    folder = Path(tempfile.mkdtemp(prefix="prefect-drs-"))
    os.environ.update({name: str(folder / name.lower()) for name in missing})


_use_writable_homes()  # before Prefect is imported, which reads it

from prefect.settings import PREFECT_SERVER_ALLOW_EPHEMERAL_MODE, temporary_settings  # noqa: E402

from prefect_drs.core.errors import PrefectDrsError  # noqa: E402
from prefect_drs.identity import Identity, NotProvenError, Reason, trust_of_this_process, verify  # noqa: E402
from prefect_drs.identity.verify import DEFAULT_AUDIENCE  # noqa: E402
from prefect_drs.operations.context import Context  # noqa: E402
from prefect_drs.operations.invocation import error_body, invoke, unwrap  # noqa: E402
from prefect_drs.orchestration.storage.access_policy import POLICIES  # noqa: E402

logger = logging.getLogger("prefect_drs.lambda_handler")


def handler(event: object, context: object = None) -> Any:
    """Carry out the operation of an event.

    Args:
        event: `{"operation": NAME}` with the parameters under `body`, `queryParams` or `parameters`, or beside it; and
            `caller` beside it.
        context: Lambda's context object.

    Returns:
        The answer as JSON values, or an object with `error`, `message` and `details`.
    """
    try:
        name, parameters = unwrap(_without_caller(event))
        caller = caller_of(event, parameters, context)
        with temporary_settings({PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}):  # a server of its own knows nothing
            proven = _proven(event)
            called = Context(caller=caller, files=False, foreground=False, identity=proven, origin="lambda")
            return invoke(name, parameters, context=called)
    except PrefectDrsError as error:
        return error_body(error)
    except Exception as error:
        logger.exception("The operation failed")
        return error_body(error)


def caller_of(event: object, parameters: Mapping[str, Any], context: object) -> str:
    """Who calls, by what Lambda knows, else as the event claims."""
    identity = getattr(getattr(context, "identity", None), "cognito_identity_id", None)
    custom = getattr(getattr(context, "client_context", None), "custom", None)
    candidates = (
        identity,
        custom.get("caller") if isinstance(custom, Mapping) else None,
        event.get("caller") if isinstance(event, Mapping) else None,
        parameters.get("initiatedBy"),
        getattr(context, "function_name", None),
    )
    named = (name.strip() for name in candidates if isinstance(name, str))
    return next((name for name in named if name), "lambda")


def _proven(event: object) -> Identity | None:
    """The identity that the event's token proves; None where there is no access policy.

    Raises:
        NotProvenError: there is a policy, and no token that proves anything.
    """
    policy = POLICIES.current()
    if policy is None:
        return None
    token = event.get("token") if isinstance(event, Mapping) else None
    if not isinstance(token, str):
        raise NotProvenError(Reason.MISSING, "there is an access policy: give a token (prefect-drs token) in the event")
    return verify(token, audience=DEFAULT_AUDIENCE, trust=trust_of_this_process(policy.policy.issuers))


def _without_caller(event: object) -> object:
    if not isinstance(event, Mapping):
        return event
    return {name: value for name, value in event.items() if name not in {"caller", "token"}}
