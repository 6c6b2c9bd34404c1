"""The errors of AWS calls, each with a message that says what to do.

In: botocore's exceptions. Out: one of the family below, each with operation, account, region, AWS's code and
a remedy.

    AwsError                        (prefect_drs.core.errors; code DRS_SERVICE_ERROR)
    ├── RoleAssumptionError         STS refused the role of an account
    ├── CredentialsError            no credentials, expired ones, or ones that AWS does not know
    ├── PermissionDeniedError       the identity lacks a permission; AWS's message names the action
    ├── RegionNotEnabledError       the region is not enabled in the account
    ├── DrsNotInitializedError      DRS was never initialised in this account and region
    ├── QuotaExceededError          a quota of the account is used up
    ├── ConflictError               another job or change holds the resource
    ├── NotFoundError               what was named does not exist there
    ├── ThrottledError              too many calls, even after the retries
    ├── UnreachableError            no answer: no connection, time-out, connection lost
    └── UnreadableAnswerError       an answer that lacks what the call is about, or says it in a form that is not known

Botocore's exception is never kept as a cause: it can quote the request, secrets included, and cannot be pickled.
`is_ambiguous` says whether a failed call may have been carried out.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from prefect_drs.core.errors import UNREACHABLE, AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator

THROTTLING_CODES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
    }
)
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
REQUEST_TIMED_OUT_CODES = frozenset({"RequestTimeout", "RequestTimeoutException"})

# Raised before a request is on the wire; whatever else is lost on the way may have reached AWS.
_NEVER_SENT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    ProfileNotFound,
    TokenRetrievalError,
    SSOError,
)
_CAUGHT = (ClientError, BotoCoreError, ResponseParserError)
_NOT_UNDERSTOOD = (KeyError, IndexError, AttributeError, TypeError, ValueError, StopIteration)


class RoleAssumptionError(AwsError):
    """STS did not give credentials for a role."""

    code = "ROLE_ASSUMPTION_FAILED"


class CredentialsError(AwsError):
    """There are no credentials, or AWS does not accept them."""

    code = "CREDENTIALS_ERROR"
    exit_code = UNREACHABLE


class PermissionDeniedError(AwsError):
    """The identity may not do this."""

    code = "AUTHORIZATION_ERROR"


class RegionNotEnabledError(AwsError):
    """The region is switched off in this account."""

    code = "REGION_NOT_ENABLED"


class DrsNotInitializedError(AwsError):
    """DRS was never initialised in this account and region."""

    code = "DRS_NOT_INITIALIZED"


class QuotaExceededError(AwsError):
    """A quota of the account and region is used up."""

    code = "QUOTA_EXCEEDED"


class ConflictError(AwsError):
    """Something else holds the resource, such as an active job of the same server."""

    code = "CONFLICT_ERROR"


class NotFoundError(AwsError):
    """What was named does not exist in this account and region."""

    code = "NOT_FOUND"


class ThrottledError(AwsError):
    """AWS refused the call for too many requests, through all retries."""

    code = "THROTTLED"


class UnreachableError(AwsError):
    """No answer came. `aws.errors.is_ambiguous` says whether the request may have arrived."""

    code = "AWS_UNREACHABLE"
    exit_code = UNREACHABLE


class UnreadableAnswerError(AwsError):
    """AWS carried the call out, and its answer cannot be understood: a member is missing or has another form."""

    code = "UNREADABLE_ANSWER"


_CREDENTIALS_REMEDY = (
    "renew or correct the credentials; if they work in other regions, enable this region in the account"
)
_BY_AWS_CODE: dict[str, tuple[type[AwsError], str]] = {
    "AccessDenied": (PermissionDeniedError, "allow the action in the policy of the role or user"),
    "AccessDeniedException": (PermissionDeniedError, "allow the action in the policy of the role or user"),
    "UnauthorizedOperation": (PermissionDeniedError, "allow the action in the policy of the role or user"),
    "OptInRequired": (RegionNotEnabledError, "enable the region in the account, or leave it out"),
    "RegionDisabledException": (RegionNotEnabledError, "enable the region in the account, or leave it out"),
    "UninitializedAccountException": (
        DrsNotInitializedError,
        "initialise DRS in this account and region (DRS console, or `aws drs initialize-service`)",
    ),
    "ServiceQuotaExceededException": (QuotaExceededError, "wait for running jobs, or raise the quota"),
    "ConflictException": (ConflictError, "wait until the other job or change has ended"),
    "ResourceNotFoundException": (NotFoundError, "check id, account and region"),
    "NoSuchEntity": (NotFoundError, "check name and account"),
    "NotFoundException": (NotFoundError, "check id, account and region"),
    "UnrecognizedClientException": (CredentialsError, _CREDENTIALS_REMEDY),
    "InvalidClientTokenId": (CredentialsError, _CREDENTIALS_REMEDY),
    "InvalidAccessKeyId": (CredentialsError, _CREDENTIALS_REMEDY),
    "AuthFailure": (CredentialsError, _CREDENTIALS_REMEDY),
    "SignatureDoesNotMatch": (CredentialsError, "correct the secret access key and the machine's clock"),
    **dict.fromkeys(EXPIRED_CODES, (CredentialsError, "renew the credentials, and check the machine's clock")),
    **dict.fromkeys(THROTTLING_CODES, (ThrottledError, "try again later, or ask AWS for a higher request rate")),
}


@contextmanager
def aws_call(operation: str, account_id: str | None, region: str, **details: Any) -> Iterator[None]:
    """Turn exceptions of botocore inside into an `AwsError` with operation, account, region and remedy.

    Read the answer inside too: botocore's models mark few members of answers as required, and one that is missing, or
    has another form, becomes an `UnreadableAnswerError`. The call may have been carried out.

    Args:
        operation: AWS's name for it, such as `StartRecovery`.
        account_id: where; None is the caller's own account.
        region: where.
        details: more JSON values for the error's `details`, such as `source_server_id`.

    Raises:
        AwsError: or one of its kinds. An error of this family raised inside passes unchanged.
    """
    try:
        yield
    except _CAUGHT as error:
        raise aws_error(error, operation, account_id, region, **details) from None
    except _NOT_UNDERSTOOD as error:
        raise _unreadable(error, operation, account_id, region, **details) from error


def _unreadable(
    error: Exception, operation: str, account_id: str | None, region: str, **details: Any
) -> UnreadableAnswerError:
    cause = " ".join(str(error).split())[:200]
    what = f"the member {cause} is missing" if isinstance(error, KeyError) else f"{type(error).__name__}: {cause}"
    remedy = "see what AWS answers (`aws` CLI, or --debug for the place), and upgrade prefect-drs if AWS changed"
    return UnreadableAnswerError(
        f"the answer to {operation} in {account_id or 'the own account'}/{region} cannot be understood: {what}; "
        f"{remedy}",
        operation=operation,
        account_id=account_id,
        region=region,
        ambiguous=True,
        remedy=remedy,
        **details,
    )


def aws_error(
    error: Exception,
    operation: str,
    account_id: str | None,
    region: str,
    *,
    denied_remedy: str | None = None,
    **details: Any,
) -> AwsError:
    """The error of this family for a botocore exception.

    Args:
        error: botocore's.
        operation: AWS's name for what was called.
        account_id: where; None is the caller's own account.
        region: where.
        denied_remedy: what to do where AWS denied access, instead of the usual remedy.
        details: more JSON values for the error's `details`.
    """
    where = f"{account_id or 'the own account'}/{region}"
    aws_code = _aws_code(error)
    kind, remedy = _kind(error, aws_code)
    if denied_remedy is not None and kind is PermissionDeniedError:
        remedy = denied_remedy
    if isinstance(error, ClientError):
        said = error.response.get("Error", {}).get("Message", "")
        if (
            resource_id := dict(error.response).get("resourceId")
        ) is not None:  # of ConflictException and ResourceNotFoundException
            details.setdefault("resource_id", resource_id)
        what = f"{aws_code}: {said}" if said else aws_code or "an answer without an error code"
    else:
        what = " ".join(str(error).split())
    return kind(
        f"{operation} failed in {where}: {what.rstrip('.')}; {remedy}",
        aws_code=aws_code,
        operation=operation,
        account_id=account_id,
        region=region,
        ambiguous=is_ambiguous(error),
        remedy=remedy,
        **details,
    )


def is_throttling(error: BaseException) -> bool:
    """Whether AWS refused because calls came too fast; such a call was not carried out."""
    return _aws_code(error) in THROTTLING_CODES


def is_ambiguous(error: BaseException) -> bool:
    """Whether the call may have been carried out although it failed.

    True where the request may have reached AWS and no answer that can be trusted came back: time-out,
    connection lost after sending, an unreadable answer, or an answer with a 5xx status. A refusal (4xx) and a
    connection that was never made are not.
    """
    if isinstance(error, AwsError):
        return bool(error.details.get("ambiguous", False))
    if isinstance(error, ClientError):
        if is_throttling(error):
            return False
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status < 400 or _aws_code(error) in REQUEST_TIMED_OUT_CODES
    if isinstance(error, _NEVER_SENT):
        return False
    return isinstance(error, HTTPClientError | ConnectionError | IncompleteReadError | ResponseParserError)


def _aws_code(error: BaseException) -> str:
    if isinstance(error, AwsError):
        return error.aws_code
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "")
    return ""


def _kind(error: Exception, aws_code: str) -> tuple[type[AwsError], str]:
    if isinstance(error, ClientError):
        return _refusal(error, aws_code)
    if isinstance(error, _NO_CREDENTIALS):
        return (
            CredentialsError,
            "set up AWS credentials (environment, profile, or the block's AWS credentials)",
        )
    if isinstance(error, _NEVER_SENT):
        return UnreachableError, "check network, proxy and AWS_ENDPOINT_URL (is the sandbox running?)"
    if is_ambiguous(error):
        return UnreachableError, "the request may have arrived: read back what was done before trying again"
    return AwsError, "no call was made: correct the value or the AWS configuration that it names"


def _refusal(error: ClientError, aws_code: str) -> tuple[type[AwsError], str]:
    if aws_code in _BY_AWS_CODE:
        return _BY_AWS_CODE[aws_code]
    if aws_code.endswith(".NotFound"):
        return NotFoundError, "check id, account and region"
    if is_ambiguous(error):
        return AwsError, "AWS failed on its side: read back what was done before trying again"
    return AwsError, "correct what AWS names and try again"
