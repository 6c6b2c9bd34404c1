"""The way into every account: boto3 clients by service, account and region.

In: how each account is entered (`AccountAccess`) and a boto3 session for the caller's own. Out: clients, made
once and shared by all threads. The caller's own account needs no role; any other is entered by AssumeRole,
with credentials that renew themselves, since a recovery may outlive a session's hour. It never writes a
secret into a repr, a log or an error, and never retries a client made with `retrying=False`.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import boto3
from botocore.config import Config

from prefect_drs.aws.assume_role import assumed_session, caller_session
from prefect_drs.aws.call_count import CallCount
from prefect_drs.aws.errors import UnreachableError, aws_call
from prefect_drs.aws.regions import drs_regions, partition_of
from prefect_drs.core.errors import UsageError
from prefect_drs.core.escaping import role_session_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_drs.client import DrsClient
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_sts.client import STSClient
    from pydantic import SecretStr

DEFAULT_ROLE_NAME = "DRSOrchestrationRole"
DEFAULT_WORKERS = 16
GLOBAL_REGION = "aws-global"  # botocore's name for an endpoint of no region, such as STS's
CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 60
ATTEMPTS = 6  # of a call that reads, the first included
IDENTITY_ATTEMPTS = 3  # of the very first call, so that an unreachable address is reported within seconds

_ACCOUNT_ID = re.compile(r"\d{12}")
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)  # AssumeRole, API reference


@dataclass(frozen=True, slots=True)
class SourceCredentials:
    """The credentials that an account is entered with, where they are not the process's own.

    Args:
        access_key_id: with `secret_access_key`; None for a profile or boto3's own chain.
        secret_access_key: its secret.
        session_token: for temporary keys.
        profile_name: a profile of the AWS configuration.
        region_name: the region of its first calls to STS.
        role_arn: a role to assume first, before the target account's own (role chaining).
        external_id: the ExternalId of that first role.
    """

    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    profile_name: str | None = None
    region_name: str | None = None
    role_arn: str | None = None
    external_id: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """How one account is entered.

    Args:
        account_id: 12 digits.
        role_arn: the role to assume; None is the role by convention, or no role for the caller's own account.
        role_name: the name of the role, where `role_arn` is None; None is that of the `Sessions`.
        external_id: the ExternalId that the role's trust policy asks for.
        endpoint_url: another address for every service of this account, such as the sandbox's.
        source: the credentials to assume the role with; None is the process's own.
        name: what people call the account.
        regions: where its servers may be recovered to; empty is every region of DRS.
        staging_accounts: how the accounts are entered that replicate servers for this one.

    Raises:
        UsageError: the account id or the ExternalId has a form that AWS does not accept.
    """

    account_id: str
    role_arn: str | None = None
    role_name: str | None = None
    external_id: SecretStr | None = None
    endpoint_url: str | None = None
    source: SourceCredentials | None = None
    name: str | None = None
    regions: tuple[str, ...] = ()
    staging_accounts: tuple[AccountAccess, ...] = ()

    def __post_init__(self) -> None:
        if not _ACCOUNT_ID.fullmatch(self.account_id):
            raise UsageError(f"{self.account_id!r} is not an AWS account id; it has exactly 12 digits")
        if self.external_id is not None and not _EXTERNAL_ID.fullmatch(self.external_id.get_secret_value()):
            raise UsageError(
                f"the ExternalId of account {self.account_id} has a form that AssumeRole refuses; "
                "it has 2 to 1224 characters of letters, digits and _+=,.@:/-"
            )


@cache
def _user_agent() -> str:
    """The user agent of all requests, for AWS's logs. Cached: looking the version up takes a millisecond."""
    return f"prefect-drs/{version('prefect-drs')}"


def orchestration_role_arn(account_id: str, partition: str = "aws", *, role_name: str = DEFAULT_ROLE_NAME) -> str:
    """The ARN of the role by convention in that account."""
    return f"arn:{partition}:iam::{account_id}:role/{role_name}"


class Caller(NamedTuple):
    """The account that credentials belong to, and its partition."""

    account_id: str
    partition: str


@dataclass(slots=True)
class _Identity:
    """The identity of some base credentials, read once."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    caller: Caller | None = None


class Sessions:
    """Clients for any service in any account and region. Safe to share between threads.

    `calls` counts what they send, retries included; AssumeRole and GetCallerIdentity are not in it.

    Args:
        accounts: how accounts are entered, their staging accounts included; one that is not here is entered by the
            role by convention, without an ExternalId.
        session: the caller's own boto3 session; None is boto3's default chain.
        session_name: names the assumed sessions in CloudTrail; give it the execution's id.
        workers: how many threads share a client: the size of its connection pool.
        role_name: the name of the role by convention.
        attempts: the most times botocore sends a call that reads; with 1, the caller retries.

    Raises:
        UsageError: the same account is given twice, or is a staging account of two that enter it differently.

    Example:
        ```python
        access = AccountAccess("222222222222", external_id=SecretStr("…"))
        sessions = Sessions([access], session_name="execution-1")
        drs = sessions.client("drs", account_id="222222222222", region="eu-central-1")
        ```
    """

    def __init__(
        self,
        accounts: Iterable[AccountAccess] = (),
        *,
        session: boto3.Session | None = None,
        session_name: str = "prefect-drs",
        workers: int = DEFAULT_WORKERS,
        role_name: str = DEFAULT_ROLE_NAME,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._accounts: dict[str, AccountAccess] = {}
        for access in accounts:
            if access.account_id in self._accounts:
                raise UsageError(f"account {access.account_id} is given twice; remove one of them")
            self._accounts[access.account_id] = access
        self._ways = self._accounts | _staging_ways(self._accounts)
        self.session_name = role_session_name(session_name)
        self.workers = workers
        self.role_name = role_name
        self.calls = CallCount()
        self._attempts = attempts
        self._lock = threading.RLock()
        self._given = session
        self._sources: dict[SourceCredentials | None, boto3.Session] = {}
        self._identities: dict[tuple[SourceCredentials | None, str | None], _Identity] = {}
        self._entered: dict[tuple[str | None, str], boto3.Session] = {}
        self._clients: dict[tuple[str, str | None, str, bool], Any] = {}

    @property
    def accounts(self) -> tuple[AccountAccess, ...]:
        """The accounts that were given, in the order given."""
        return tuple(self._accounts.values())

    @property
    def caller_account_id(self) -> str:
        """The account of the caller's own credentials (`GetCallerIdentity`, called once).

        Raises:
            AwsError: there are no credentials, AWS does not accept them, or STS could not be reached.
        """
        return self._account_of(None, None)

    def caller_account_by(self, regions: Iterable[str]) -> str:
        """The same, read in one of `regions` if the STS of the default region does not answer.

        Raises:
            AwsError: as `caller_account_id`, of the last region that was tried.
        """
        candidates: list[str | None] = [None, *sorted(set(regions))]
        for region in candidates[:-1]:
            try:
                return self._account_of(None, None, region)
            except UnreachableError:
                continue  # the next region may answer; the last one's failure is the caller's
        return self._account_of(None, None, candidates[-1])

    def regions(self, account_id: str) -> tuple[str, ...]:
        """The regions of an account: those it is given with, or all that botocore lists for DRS in its partition, which
        is that of its role's ARN or else of the credentials that enter it: no role is assumed across partitions.

        Raises:
            AwsError: the credentials' partition could not be read.
        """
        access = self._ways.get(account_id)
        if access is not None and access.regions:
            return access.regions
        if access is not None and access.role_arn is not None:
            return drs_regions(access.role_arn.split(":")[1])
        return drs_regions(self._caller_of(access.source if access else None, access).partition)

    @overload
    def client(
        self, service: Literal["drs"], *, account_id: str | None = None, region: str, retrying: bool = True
    ) -> DrsClient: ...
    @overload
    def client(
        self, service: Literal["ec2"], *, account_id: str | None = None, region: str, retrying: bool = True
    ) -> EC2Client: ...
    @overload
    def client(
        self, service: Literal["iam"], *, account_id: str | None = None, region: str, retrying: bool = True
    ) -> IAMClient: ...
    @overload
    def client(
        self, service: Literal["sts"], *, account_id: str | None = None, region: str, retrying: bool = True
    ) -> STSClient: ...
    @overload
    def client(self, service: str, *, account_id: str | None = None, region: str, retrying: bool = True) -> Any: ...
    def client(self, service: str, *, account_id: str | None = None, region: str, retrying: bool = True) -> Any:
        """The client of a service in an account and region; the same one on every call.

        Credentials of an assumed role are fetched by the first request that needs them, so a refused role
        shows there, as a `RoleAssumptionError`.

        Args:
            service: boto3's name, such as `drs`.
            account_id: None, or the caller's own, uses the base credentials; any other assumes its role.
            region: the region's name.
            retrying: False makes botocore send each request exactly once, for calls that a blind retry could
                carry out twice (`StartRecovery` has no idempotency token).

        Raises:
            UsageError: no such region.
            AwsError: the caller's identity could not be read.
        """
        key = (service, account_id, region, retrying)
        with self._lock:
            if (known := self._clients.get(key)) is not None:
                return known
        partition_of(region)
        access = self._ways.get(account_id) if account_id is not None else None
        session = self._enter(account_id, access, region)
        create: Any = session.client  # its stubs know literal service names only
        with self._lock, aws_call(f"making a client for {service}", account_id, region):
            if key not in self._clients:  # under the lock, since a boto3 session is not thread-safe
                self._clients[key] = create(
                    service,
                    region_name=region,
                    endpoint_url=access.endpoint_url if access else None,
                    config=self._config(retrying=retrying),
                )
                self.calls.watch(self._clients[key])
            return self._clients[key]

    def _config(self, *, retrying: bool, attempts: int | None = None) -> Config:
        sent = (attempts or self._attempts) if retrying else 1
        return Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            max_pool_connections=self.workers,
            user_agent_extra=_user_agent(),
            # Adaptive would hold requests back in real time even where each is sent once.
            retries={"mode": "adaptive" if sent > 1 else "standard", "total_max_attempts": sent},
        )

    def _enter(self, account_id: str | None, access: AccountAccess | None, region: str) -> boto3.Session:
        """The boto3 session whose credentials work in that account."""
        key = (account_id, region)
        with self._lock:
            if (known := self._entered.get(key)) is not None:
                return known
        source = access.source if access else None
        base = self._source(source, region)
        role_arn = access.role_arn if access else None
        role_name = (access.role_name if access else None) or self.role_name
        if account_id is None or (role_arn is None and account_id == self._account_of(source, access, region)):
            entered = base
        else:
            entered = assumed_session(
                base,
                role_arn or orchestration_role_arn(account_id, partition_of(region), role_name=role_name),
                region=region,
                external_id=access.external_id if access else None,
                session_name=self.session_name,
                endpoint_url=access.endpoint_url if access else None,
                config=self._config(retrying=True),
                lock=self._lock,
            )
        with self._lock:
            return self._entered.setdefault(key, entered)

    def _source(self, credentials: SourceCredentials | None, region: str | None) -> boto3.Session:
        with self._lock:
            if credentials not in self._sources:
                self._sources[credentials] = self._source_session(credentials, region)
            return self._sources[credentials]

    def _source_session(self, credentials: SourceCredentials | None, region: str | None) -> boto3.Session:
        if credentials is None:
            if self._given is not None:
                return self._given
            with aws_call("reading the AWS configuration", None, region or "default"):
                return caller_session()
        secret, token = credentials.secret_access_key, credentials.session_token
        with aws_call("reading the AWS configuration", None, region or "default"):
            session = caller_session(
                aws_access_key_id=credentials.access_key_id,
                aws_secret_access_key=secret.get_secret_value() if secret else None,
                aws_session_token=token.get_secret_value() if token else None,
                profile_name=credentials.profile_name,
                region_name=credentials.region_name,
            )
        if credentials.role_arn is None:
            return session
        return assumed_session(
            session,
            credentials.role_arn,
            region=region or session.region_name or GLOBAL_REGION,
            external_id=credentials.external_id,
            session_name=self.session_name,
            config=self._config(retrying=True),
            lock=self._lock,
        )

    def _account_of(
        self, credentials: SourceCredentials | None, access: AccountAccess | None, region: str | None = None
    ) -> str:
        return self._caller_of(credentials, access, region).account_id

    def _caller_of(
        self, credentials: SourceCredentials | None, access: AccountAccess | None, region: str | None = None
    ) -> Caller:
        session = self._source(credentials, region)
        endpoint_url = (
            access.endpoint_url if access else None
        )  # another AWS, such as the sandbox, may know them as somebody else's
        with self._lock:
            identity = self._identities.setdefault((credentials, endpoint_url), _Identity())
        with identity.lock:
            if identity.caller is None:
                sts_region = region or session.region_name or GLOBAL_REGION
                create: Any = session.client
                with aws_call("GetCallerIdentity", None, sts_region):
                    with self._lock:
                        sts = create(
                            "sts",
                            region_name=sts_region,
                            endpoint_url=endpoint_url,
                            config=self._config(retrying=True, attempts=min(IDENTITY_ATTEMPTS, self._attempts)),
                        )
                    answer = sts.get_caller_identity()
                    identity.caller = Caller(answer["Account"], answer.get("Arn", "arn:aws").split(":")[1])
            return identity.caller


def _staging_ways(accounts: Mapping[str, AccountAccess]) -> dict[str, AccountAccess]:
    """How the staging accounts are entered that are not given as accounts themselves."""
    ways: dict[str, AccountAccess] = {}
    for access in accounts.values():
        for staging in access.staging_accounts:
            if staging.account_id in accounts:
                continue
            if ways.setdefault(staging.account_id, staging) != staging:
                raise UsageError(
                    f"staging account {staging.account_id} is entered in two ways (one is that of account "
                    f"{access.account_id}); give both the same role and ExternalId, or save it as a target account",
                    account_id=staging.account_id,
                )
    return ways
