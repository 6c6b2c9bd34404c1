"""Errors of AWS as this project tells them, and what each says about a call that may have been carried out."""

from __future__ import annotations

import traceback

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from prefect_drs.aws.errors import (
    ConflictError,
    CredentialsError,
    DrsNotInitializedError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RegionNotEnabledError,
    ThrottledError,
    UnreachableError,
    aws_call,
    is_ambiguous,
    is_throttling,
)
from prefect_drs.core.errors import AwsError, UsageError

URL = "https://drs.eu-west-1.amazonaws.com/"


def refusal(code: str, status: int = 400, message: str = "said AWS") -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "StartRecovery")


def name_of(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


def told(error: Exception) -> AwsError:
    with pytest.raises(AwsError) as caught, aws_call("StartRecovery", "222222222222", "eu-west-1", wave=3):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("aws_code", "kind", "code"),
    [
        ("AccessDeniedException", PermissionDeniedError, "AUTHORIZATION_ERROR"),
        ("UnauthorizedOperation", PermissionDeniedError, "AUTHORIZATION_ERROR"),
        ("OptInRequired", RegionNotEnabledError, "REGION_NOT_ENABLED"),
        ("UninitializedAccountException", DrsNotInitializedError, "DRS_NOT_INITIALIZED"),
        ("ServiceQuotaExceededException", QuotaExceededError, "QUOTA_EXCEEDED"),
        ("ConflictException", ConflictError, "CONFLICT_ERROR"),
        ("ResourceNotFoundException", NotFoundError, "NOT_FOUND"),
        ("InvalidLaunchTemplateId.NotFound", NotFoundError, "NOT_FOUND"),
        ("ExpiredTokenException", CredentialsError, "CREDENTIALS_ERROR"),
        ("UnrecognizedClientException", CredentialsError, "CREDENTIALS_ERROR"),
        ("ThrottlingException", ThrottledError, "THROTTLED"),
        ("SomethingElse", AwsError, "DRS_SERVICE_ERROR"),
    ],
)
def test_a_refusal_becomes_the_error_of_its_kind(aws_code: str, kind: type[AwsError], code: str) -> None:
    error = told(refusal(aws_code))
    assert type(error) is kind
    assert (error.code, error.aws_code) == (code, aws_code)


def test_an_error_says_operation_account_region_and_what_aws_said() -> None:
    error = told(refusal("ConflictException", 409, "s-1 is in job drsjob-2."))
    for part in ("StartRecovery", "222222222222/eu-west-1", "ConflictException: s-1 is in job drsjob-2;", "wait until"):
        assert part in error.message
    assert "\n" not in error.message
    assert error.details["operation"] == "StartRecovery"
    assert error.details["wave"] == 3
    assert "ClientError" not in "".join(traceback.format_exception(error))


def test_an_error_of_this_family_passes_unchanged_and_others_are_not_touched() -> None:
    known = told(refusal("ConflictException"))
    assert told(known) is known
    with pytest.raises(UsageError), aws_call("StartRecovery", None, "eu-west-1"):
        raise UsageError("not an AWS matter")
    with pytest.raises(ZeroDivisionError), aws_call("StartRecovery", None, "eu-west-1"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "error",
    [
        refusal("InternalServerException", 500),
        refusal("ServiceUnavailable", 503),
        refusal("RequestTimeout", 400),
        refusal("200", 200),
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        SSLError(endpoint_url=URL, error="broken"),
        HTTPClientError(error="broken pipe"),
        ResponseParserError("not JSON"),
    ],
    ids=name_of,
)
def test_a_call_whose_answer_was_lost_may_have_been_carried_out(error: Exception) -> None:
    assert is_ambiguous(error)
    assert is_ambiguous(told(error))
    assert "read back" in told(error).message


@pytest.mark.parametrize(
    "error",
    [
        refusal("ConflictException", 409),
        refusal("ThrottlingException", 400),
        refusal("RequestLimitExceeded", 503),
        refusal("AccessDeniedException", 403),
        ConnectTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        NoCredentialsError(),
        ParamValidationError(report="bad id"),
    ],
    ids=name_of,
)
def test_a_call_that_was_refused_or_never_sent_was_not_carried_out(error: Exception) -> None:
    assert not is_ambiguous(error)
    assert not is_ambiguous(told(error))


def test_throttling_is_told_apart_by_every_service_s_own_code() -> None:
    for code in ("ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException"):
        assert is_throttling(refusal(code, 503))
        assert is_throttling(told(refusal(code, 503)))
    assert not is_throttling(refusal("ServiceQuotaExceededException", 402))
    assert not is_throttling(EndpointConnectionError(endpoint_url=URL))


def test_what_botocore_refuses_by_itself_says_that_no_call_was_made() -> None:
    error = told(ParamValidationError(report="Invalid length for parameter sourceServerID"))
    assert "no call was made" in error.message
    assert "sourceServerID" in error.message


def test_every_error_of_botocore_is_of_the_family() -> None:
    assert type(told(BotoCoreError())) is AwsError
    assert type(told(NoCredentialsError())) is CredentialsError
    assert type(told(EndpointConnectionError(endpoint_url=URL))) is UnreachableError
