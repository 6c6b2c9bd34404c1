"""The stored access policy: one Prefect block for each of its versions.

In: a policy and who changes it. Out: the newest version. Versions are only ever added: a block's name is its number,
and Prefect creates a name once, so that of two changes at the same time one is refused. Whoever can write to the
Prefect API can write a block too: the policy binds the callers of the operations, not those who reach the database.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError
from prefect.settings import get_current_settings
from pydantic import AwareDatetime, Field, HttpUrl, ValidationError

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.identity.policy import PolicyDocument
from prefect_drs.orchestration.block_schema import DOCUMENTATION_URL, LOGO_URL
from prefect_drs.orchestration.client import PrefectUnreachableError, prefect_client, quick_client
from prefect_drs.orchestration.paging import PAGE, entries

SECONDS_KEPT = 5.0
NOT_FOUND = 404
_NAME = re.compile(r"version-(\d{8})")


class PolicyDamagedError(PrefectDrsError):
    """The newest version of the access policy cannot be read: nothing is allowed until it can."""

    code = "AUTHORIZATION_ERROR"


class PolicyVersionError(PrefectDrsError):
    """The access policy was changed since the version that a change is based on."""

    code = "VERSION_MISMATCH"


class AccessPolicy(Block):
    """
    One version of the access policy of AWS Elastic Disaster Recovery (DRS) operations: who has which role.

    Attributes:
        policy: The grants and the trusted OIDC issuers.
        version: One more with every change.
        changed_at: When it was changed.
        changed_by: Who changed it: an identity, or a name as claimed where there was no policy before.
        reason: Why.

    Example:
        Look at the policy that `prefect-drs op set_access_policy` stored first:
        ```python
        from prefect_drs.blocks import AccessPolicy

        first = AccessPolicy.load("version-00000001")
        print(first.changed_by, first.policy["grants"])
        ```
    """

    _block_type_name: ClassVar[str] = "DRS Access Policy"
    _block_type_slug: ClassVar[str] = "drs-access-policy"
    _logo_url: ClassVar[HttpUrl] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl] = DOCUMENTATION_URL
    _description: ClassVar[str] = "One version of who has which role. Change it by operations, which check it."

    policy: dict[str, Any] = Field(description="The grants and issuers. Change them by operations, which check them.")
    version: int = Field(ge=1, description="One more with every change.")
    changed_at: datetime = Field(description="When it was changed.")
    changed_by: str = Field(description="Who changed it.")
    reason: str = Field(default="", description="Why it was changed.")


class PolicyVersion(FrozenModel):
    """A version of the access policy."""

    version: int
    policy: PolicyDocument
    changed_at: AwareDatetime
    changed_by: str
    reason: str = ""


def read_access_policy() -> PolicyVersion | None:
    """The newest version; None where no Prefect API is configured, or no version was ever stored.

    Raises:
        PolicyDamagedError: it cannot be read.
        PrefectUnreachableError: the Prefect API cannot be reached.
    """
    if not get_current_settings().api.url:
        return None
    with quick_client() as client:
        found = max(_documents(client), default=None, key=lambda named: named[0])
    return None if found is None else _version(*found)


def policy_versions() -> tuple[PolicyVersion, ...]:
    """All versions, the newest first.

    Raises:
        PolicyDamagedError: one cannot be read.
        PrefectUnreachableError: the Prefect API cannot be reached.
    """
    with prefect_client() as client:
        return tuple(_version(*named) for named in sorted(_documents(client), key=lambda n: n[0], reverse=True))


def store_access_policy(version: PolicyVersion) -> None:
    """Store a new version.

    Raises:
        PolicyVersionError: that version was stored by somebody else.
        PrefectUnreachableError: the Prefect API cannot be reached.
    """
    AccessPolicy.register_type_and_schema(_sync=True)  # type: ignore[call-arg]
    schema, block_type = AccessPolicy._block_schema_id, AccessPolicy._block_type_id
    assert schema is not None  # noqa: S101 - the type was registered
    assert block_type is not None  # noqa: S101
    data = version.model_dump(mode="json")
    create = BlockDocumentCreate(
        name=f"version-{version.version:08d}", data=data, block_schema_id=schema, block_type_id=block_type
    )
    with prefect_client() as client:
        try:
            client.create_block_document(create)
        except ObjectAlreadyExists:
            raise PolicyVersionError(
                f"version {version.version} of the access policy was stored by somebody else; read it and try again",
                version=version.version,
            ) from None


class PolicyReader:
    """The newest version, read again after some seconds. Safe to share between threads.

    Args:
        read: reads the newest version.
        now: monotonic time in seconds.
        seconds: how long a version is kept.
    """

    def __init__(
        self,
        read: Callable[[], PolicyVersion | None] = read_access_policy,
        now: Callable[[], float] = time.monotonic,
        seconds: float = SECONDS_KEPT,
    ) -> None:
        self._read = read
        self._now = now
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: tuple[float, str, PolicyVersion | PrefectUnreachableError | None] | None = None

    def current(self) -> PolicyVersion | None:
        """The newest version; None where there is no policy.

        Raises:
            PolicyDamagedError: it cannot be read.
            PrefectUnreachableError: the Prefect API cannot be reached.
        """
        url = get_current_settings().api.url or ""
        with self._lock:
            kept = self._kept
            if kept is None or not self.is_fresh:
                kept = self._kept = self._now(), url, self._answer()
        if isinstance(kept[2], PrefectUnreachableError):
            raise PrefectUnreachableError(kept[2].message, **kept[2].details)
        return kept[2]

    def _answer(self) -> PolicyVersion | PrefectUnreachableError | None:
        """A Prefect API that does not answer is not asked again at each call either."""
        try:
            return self._read()
        except PrefectUnreachableError as error:
            return error

    @property
    def is_fresh(self) -> bool:
        """Whether `current` answers at once."""
        kept, url = self._kept, get_current_settings().api.url or ""
        return kept is not None and kept[1] == url and self._now() - kept[0] < self._seconds

    def forget(self) -> None:
        """Read it again at the next call."""
        with self._lock:
            self._kept = None


POLICIES = PolicyReader()
"""The reader of this process."""


def _version(number: int, data: dict[str, Any]) -> PolicyVersion:
    known = {name: value for name, value in data.items() if name in PolicyVersion.model_fields}
    try:
        found = PolicyVersion.model_validate(known)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    else:
        if found.version == number:
            return found
        problems = f"it says that it is version {found.version}"
    raise PolicyDamagedError(
        f"version {number} of the access policy cannot be read, so nothing is allowed ({problems}); correct the block "
        f"drs-access-policy/version-{number:08d}"
    )


def _documents(client: SyncPrefectClient) -> Iterator[tuple[int, dict[str, Any]]]:
    """The numbers and contents of all versions; none if the block type was never registered."""
    read = partial(
        client.read_block_documents_by_type, AccessPolicy.get_block_type_slug(), limit=PAGE, include_secrets=False
    )
    try:
        for document in entries(lambda offset: read(offset=offset)):
            if (named := _NAME.fullmatch(document.name or "")) is not None:
                yield int(named[1]), dict(document.data)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != NOT_FOUND:
            raise


def has_access_policy() -> bool:
    """Whether there is an access policy; where that cannot be read, it is not said that there is none."""
    try:
        return POLICIES.current() is not None
    except PrefectDrsError:
        return True
