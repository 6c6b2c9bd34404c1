"""Access to an account by a role: temporary credentials that renew themselves, and errors that explain a refusal.

In: whose credentials assume the role, the role, its ExternalId. Out: a boto3 session. STS is called in the session's
own region, so that access to an account does not depend on a region that is down. The ExternalId is in no repr, log or
error; botocore's own exception, which may quote it, is not kept.
"""

from __future__ import annotations

import logging
import threading
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.hooks import HierarchicalEmitter

from prefect_drs.aws.errors import (
    EXPIRED_CODES,
    CredentialsError,
    RegionNotEnabledError,
    RoleAssumptionError,
    ThrottledError,
    UnreachableError,
    aws_error,
    is_ambiguous,
)
from prefect_drs.core.errors import AwsError
from prefect_drs.core.escaping import role_session_name

if TYPE_CHECKING:
    from botocore.config import Config
    from pydantic import SecretStr

# What every role allows (its MaxSessionDuration is at least an hour), and the most that role chaining allows.
ROLE_DURATION_SECONDS = 3600

_METHOD = "assume-role"
_RENEWED = "prefect-drs-renewed"
_ROLE_REMEDY = (
    "check that the role exists, that its trust policy names this caller and the same ExternalId, and that the "
    "caller may sts:AssumeRole it"
)


def assumed_session(
    base: boto3.Session,
    role_arn: str,
    *,
    region: str,
    external_id: SecretStr | None = None,
    session_name: str = "prefect-drs",
    duration_seconds: int = ROLE_DURATION_SECONDS,
    endpoint_url: str | None = None,
    config: Config | None = None,
    lock: threading.RLock | None = None,
) -> boto3.Session:
    """A session in a role, whose credentials are fetched at first use and renewed 15 minutes before they end.

    Credentials that AWS calls expired earlier than they said (revoked sessions, a clock that is wrong) are renewed
    once and the request is sent again: AWS refused it before it did anything.

    Args:
        base: whose credentials assume the role.
        role_arn: the role.
        region: the session's region, and STS's.
        external_id: sent as ExternalId.
        session_name: RoleSessionName.
        duration_seconds: of each set of credentials; at most what the role allows.
        endpoint_url: another address for STS.
        config: botocore's configuration of the STS client.
        lock: held while `base` makes a client, where other threads use `base` too.
    """
    refresh = _RoleRefresh(
        base=base,
        role_arn=role_arn,
        region=region,
        external_id=external_id,
        session_name=role_session_name(session_name),
        duration_seconds=duration_seconds,
        endpoint_url=endpoint_url,
        config=config,
        lock=lock or threading.RLock(),
    )
    credentials = _RoleCredentials(refresh)
    botocore_session = botocore.session.Session(event_hooks=copy(_handlers()), include_builtin_handlers=False)
    botocore_session.register_component("credential_provider", CredentialResolver([_RoleProvider(credentials)]))
    renew: Any = credentials.renew_if_expired  # its stubs know handlers that answer nothing
    botocore_session.register("needs-retry", renew)
    return _boto3_session(botocore_session, region_name=region)


def caller_session(**credentials: Any) -> boto3.Session:
    """A boto3 session of the caller's own credentials, or of those given; it shares the reader of service models.

    Args:
        credentials: as `boto3.Session` takes them.
    """
    return _boto3_session(botocore.session.Session(), **credentials)


def _boto3_session(botocore_session: botocore.session.Session, **settings: Any) -> boto3.Session:
    """A boto3 session on that of botocore, with the one reader of service models."""
    botocore_session.register_component("data_loader", _loader())
    made = boto3.Session(botocore_session=botocore_session, **settings)
    paths = _loader().search_paths
    paths[:] = dict.fromkeys(paths)  # each boto3 session adds its folder to the shared reader's
    return made


@cache
def _handlers() -> HierarchicalEmitter:
    """Botocore's own event handlers, registered once: they take 6 ms, and each account and region has a session."""
    handlers = HierarchicalEmitter()
    botocore.session.Session(event_hooks=handlers)
    return handlers


@cache
def _loader() -> Any:
    """The one reader of service models: EC2's alone takes a third of a second and tens of megabytes."""
    return botocore.session.Session().get_component("data_loader")


def _without_traceback(record: logging.LogRecord) -> bool:
    """Keep botocore from printing the traceback of a role that is refused: the error itself is raised and says more.

    Where the current credentials still work (an advisory refresh), the error is not raised: one line is logged.
    """
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, AwsError):
        return True
    record.exc_info, record.exc_text = None, None
    if record.args == ("mandatory",):
        return False
    record.msg, record.args = f"{record.getMessage()} {error.message}", ()
    return True


logging.getLogger("botocore.credentials").addFilter(_without_traceback)


class _RoleCredentials(DeferredRefreshableCredentials):
    """The credentials of one assumed role, shared by all clients of its session."""

    def __init__(self, refresh: _RoleRefresh) -> None:
        super().__init__(refresh_using=self._renew, method=_METHOD)
        self._fetch = refresh
        self._expired_early = False

    def _renew(self) -> dict[str, Any]:
        fresh = self._fetch()
        self._expired_early = False
        return fresh

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        return self._expired_early or super().refresh_needed(refresh_in)

    def renew_if_expired(self, response: Any = None, request_dict: Any = None, **_: Any) -> float | None:
        """Botocore's `needs-retry`: 0 seconds for a request that expired credentials signed, the first time."""
        if response is None:
            return None
        code = response[1].get("Error", {}).get("Code", "")
        context = request_dict.get("context", {})
        if code not in EXPIRED_CODES or context.get(_RENEWED):
            return None
        context[_RENEWED] = True
        self._expired_early = True
        return 0.0


class _RoleProvider(CredentialProvider):
    """The one place the session looks for credentials."""

    METHOD = _METHOD

    def __init__(self, credentials: _RoleCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials


@dataclass(slots=True)
class _RoleRefresh:
    """Fetches credentials of the role from STS, when botocore calls it."""

    base: boto3.Session
    role_arn: str
    region: str
    external_id: SecretStr | None
    session_name: str
    duration_seconds: int
    endpoint_url: str | None
    config: Config | None
    lock: threading.RLock
    client: tuple[dict[str, Any], Any] | None = field(default=None, repr=False)  # and the credentials it has

    def __call__(self) -> dict[str, Any]:
        failure: AwsError | None = None
        try:
            return self._fetch()
        except (ClientError, BotoCoreError) as error:
            failure = self._explain(error)
        raise failure  # outside the handler: botocore's exception may quote the ExternalId

    def _fetch(self) -> dict[str, Any]:
        source: Credentials | None = self.base.get_credentials()
        if source is None:
            raise NoCredentialsError
        arguments: dict[str, Any] = {
            "RoleSessionName": self.session_name,
            "DurationSeconds": self.duration_seconds,
        }
        if self.external_id is not None:
            arguments["ExternalId"] = self.external_id.get_secret_value()
        fetcher = AssumeRoleCredentialFetcher(self._client, source, self.role_arn, extra_args=arguments)
        return dict(fetcher.fetch_credentials())

    def _client(self, service: str, **credentials: Any) -> Any:
        """STS by those credentials; the same client as long as they are the same."""
        create: Any = self.base.client
        with self.lock:
            if self.client is None or self.client[0] != credentials:
                made = create(
                    service,
                    region_name=self.region,
                    endpoint_url=self.endpoint_url,
                    config=self.config,
                    **credentials,
                )
                self.client = credentials, made
            return self.client[1]

    def _explain(self, error: ClientError | BotoCoreError) -> AwsError:
        account_id = self.role_arn.split(":")[4]
        cause = aws_error(error, "AssumeRole", account_id, self.region, denied_remedy=_ROLE_REMEDY)
        sent = "with an ExternalId" if self.external_id is not None else "without an ExternalId"
        message = f"cannot enter account {account_id} by role {self.role_arn} {sent}: {cause.message}"
        if self.external_id is not None:
            message = message.replace(self.external_id.get_secret_value(), "**********")
        own_kind = isinstance(cause, CredentialsError | RegionNotEnabledError | UnreachableError | ThrottledError)
        kind = type(cause) if own_kind else RoleAssumptionError
        if is_ambiguous(cause):
            kind = UnreachableError  # STS failed on its side: no refusal
        return kind(
            message,
            aws_code=cause.aws_code,
            operation="AssumeRole",
            account_id=account_id,
            region=self.region,
            role_arn=self.role_arn,
            external_id_sent=self.external_id is not None,
            ambiguous=False,
            remedy=cause.details["remedy"],
        )
