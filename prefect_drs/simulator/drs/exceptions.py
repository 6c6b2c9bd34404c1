"""The errors of the DRS model, as the backend raises them and `responses` writes them on the wire.

Each carries the members that its shape has in the botocore model. The HTTP status is the model's.
"""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import ServiceException


class DRSError(ServiceException):
    """The root: `code` is the shape's name, `members` what the body holds beside `message`."""

    status: int = 400

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.members = {key: value for key, value in members.items() if value is not None}

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"message": self.message, **self.members}

    def headers(self) -> dict[str, str]:
        """The members that the model puts into headers."""
        return {"x-amzn-errortype": self.code}


class ValidationException(DRSError):  # noqa: N818 # named as the service names it
    """400: the input does not fit the model, or names what cannot be."""

    code = "ValidationException"

    def __init__(self, message: str, *, fields: dict[str, str] | None = None, reason: str = "other") -> None:
        names = [{"name": name, "message": text} for name, text in (fields or {}).items()]
        super().__init__(message, reason="fieldValidationFailed" if names else reason, fieldList=names or None)


class UninitializedAccountException(DRSError):  # noqa: N818 # named as the service names it
    """400: InitializeService has not been called in this account and region."""

    code = "UninitializedAccountException"

    def __init__(self) -> None:
        super().__init__("Account has not been initialized for use with AWS Elastic Disaster Recovery.")


class AccessDeniedException(DRSError):  # noqa: N818 # named as the service names it
    """403: the caller may not."""

    code = "AccessDeniedException"
    status = 403


class UnrecognizedClientException(DRSError):  # noqa: N818 # named as the service names it
    """403: the credentials are not known here, as in a region that is not enabled for the account (a common error)."""

    code = "UnrecognizedClientException"
    status = 403

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class ExpiredTokenException(DRSError):  # noqa: N818 # named as the service names it
    """403: the session is over (a common error of all AWS services)."""

    code = "ExpiredTokenException"
    status = 403

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired")


class ResourceNotFoundException(DRSError):  # noqa: N818 # named as the service names it
    """404: what was named is not there."""

    code = "ResourceNotFoundException"
    status = 404

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"{kind} {identifier} was not found.", resourceId=identifier, resourceType=kind)


class ConflictException(DRSError):  # noqa: N818 # named as the service names it
    """409: the state of the resource does not allow it now."""

    code = "ConflictException"
    status = 409

    def __init__(self, message: str, kind: str | None = None, resource_id: str | None = None) -> None:
        super().__init__(message, resourceId=resource_id, resourceType=kind)


class ServiceQuotaExceededException(DRSError):  # noqa: N818 # named as the service names it
    """402: a quota of the account in this region is reached."""

    code = "ServiceQuotaExceededException"
    status = 402

    def __init__(self, message: str, quota_code: str, kind: str | None = None) -> None:
        super().__init__(message, serviceCode="drs", quotaCode=quota_code, resourceType=kind)


class ThrottlingException(DRSError):  # noqa: N818 # named as the service names it
    """429: too many calls of this operation."""

    code = "ThrottlingException"
    status = 429

    def __init__(self, message: str = "Rate exceeded", *, retry_after_seconds: int = 1) -> None:
        super().__init__(message, serviceCode="drs")
        self.retry_after_seconds = retry_after_seconds

    def headers(self) -> dict[str, str]:
        """With `Retry-After`, in seconds."""
        return {**super().headers(), "Retry-After": str(self.retry_after_seconds)}


class InternalServerException(DRSError):  # noqa: N818 # named as the service names it
    """500: the service itself failed."""

    code = "InternalServerException"
    status = 500

    def __init__(self, message: str = "An internal error occurred.", *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds

    def headers(self) -> dict[str, str]:
        """With `Retry-After`, in seconds."""
        return {**super().headers(), "Retry-After": str(self.retry_after_seconds)}
