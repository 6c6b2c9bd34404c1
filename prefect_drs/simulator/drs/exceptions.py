"""The errors of the DRS model, as the backend raises them and `responses` writes them on the wire.

Each has the name of its shape (hence N818) and the members of the shape in the botocore model. The HTTP status is the
model's.
"""

# ruff: noqa: N818

from __future__ import annotations

from typing import Any

from moto.core.exceptions import ServiceException


class DRSError(ServiceException):
    """The base class: `code` is the shape's name, `members` the body's members besides `message`."""

    status: int = 400

    def __init_subclass__(cls) -> None:
        cls.code = cls.__name__

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.members = {key: value for key, value in members.items() if value is not None}

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"message": self.message, **self.members}

    def headers(self) -> dict[str, str]:
        """The members that the model puts into headers."""
        return {"x-amzn-errortype": self.code}


class ValidationException(DRSError):
    """400: the input violates the model, or names something that does not exist."""

    def __init__(self, message: str, *, fields: dict[str, str] | None = None, reason: str = "other") -> None:
        names = [{"name": name, "message": text} for name, text in (fields or {}).items()]
        super().__init__(message, reason="fieldValidationFailed" if names else reason, fieldList=names or None)


class UninitializedAccountException(DRSError):
    """400: InitializeService has not been called in this account and region."""

    def __init__(self) -> None:
        super().__init__("Account has not been initialized for use with AWS Elastic Disaster Recovery.")


class AccessDeniedException(DRSError):
    """403: the caller has no permission."""

    status = 403


class UnrecognizedClientException(DRSError):
    """403: the credentials are not known here, as in a region that is not enabled for the account (a common error)."""

    status = 403

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class ExpiredTokenException(DRSError):
    """403: the session has expired (a common error of all AWS services)."""

    status = 403

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired")


class ResourceNotFoundException(DRSError):
    """404: the resource does not exist."""

    status = 404

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"{kind} {identifier} was not found.", resourceId=identifier, resourceType=kind)


class ConflictException(DRSError):
    """409: the state of the resource does not allow the operation."""

    status = 409

    def __init__(self, message: str, kind: str | None = None, resource_id: str | None = None) -> None:
        super().__init__(message, resourceId=resource_id, resourceType=kind)


class ServiceQuotaExceededException(DRSError):
    """402: a quota of the account in this region is exhausted."""

    status = 402

    def __init__(self, message: str, quota_code: str, kind: str | None = None) -> None:
        super().__init__(message, serviceCode="drs", quotaCode=quota_code, resourceType=kind)


class RetryableError(DRSError):
    """An error that says after how many seconds to retry."""

    retry_after_seconds = 1

    def headers(self) -> dict[str, str]:
        """With `Retry-After`, in seconds."""
        return {**super().headers(), "Retry-After": str(self.retry_after_seconds)}


class ThrottlingException(RetryableError):
    """429: too many calls of this operation."""

    status = 429

    def __init__(self, retry_after_seconds: int = 1) -> None:
        super().__init__("Rate exceeded", serviceCode="drs")
        self.retry_after_seconds = retry_after_seconds


class InternalServerException(RetryableError):
    """500: the service itself failed."""

    status = 500
