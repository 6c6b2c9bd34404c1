"""The anchors of journals as the settings have them: which key signs, which keys are known, where anchors go.

In: `PREFECT_DRS_ANCHOR_*`. Out: a `Signer`, a `KeyRing`, an `Anchoring`. `PREFECT_DRS_ANCHOR_KEY` is the ARN of a KMS
key, a Secret block as `secret/NAME` that holds an Ed25519 private key in PEM, or the path of such a file.

Must never: stop a recovery. Keys and buckets are opened where the first anchor is signed, and what fails there is
reported.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.blocks.core import Block
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

from prefect_drs.aws.kms import is_kms_arn, public_key_of, sign
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import configured_clock
from prefect_drs.core.errors import UsageError
from prefect_drs.evidence.anchoring import Anchoring, AnchorSink
from prefect_drs.evidence.keys import KeyRing, PublicKey
from prefect_drs.evidence.signing import Signer, local_signer
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.recovery.journal import Storage, one_line

if TYPE_CHECKING:
    from prefect_drs.orchestration.storage.locked_anchors import LockedAnchors

SECRET_BLOCK = "secret/"  # noqa: S105 - the type of Prefect's block, no secret
ATTEMPTS = 3  # of a call of KMS


def configured_signer() -> Signer | None:
    """The signer that the settings name; None where they name none.

    Raises:
        UsageError: there is no such key, or it cannot be used.
        AwsError: KMS refused or could not be reached.
    """
    named = PrefectDrsSettings().anchor_key
    if not named:
        return None
    if is_kms_arn(named):
        sessions = Sessions(session_name="prefect-drs-anchors", attempts=ATTEMPTS)
        public_key = PublicKey(public_key_of(sessions, named))
        return Signer(public_key, lambda message: sign(sessions, named, message, public_key.algorithm), named)
    where = f"PREFECT_DRS_ANCHOR_KEY: {named}"
    return local_signer(_private_pem(named), where)


def configured_keys() -> KeyRing:
    """The public keys that the settings name.

    Raises:
        UsageError: a file cannot be read, or holds no public key.
    """
    named = PrefectDrsSettings().anchor_public_keys
    return KeyRing.load(Path(name.strip()).expanduser() for name in named.split(",") if name.strip())


def trusted_keys() -> KeyRing:
    """The public keys that the settings name, and that of the signer.

    Raises:
        UsageError, AwsError: a key cannot be used.
    """
    signer = configured_signer()
    return configured_keys() | KeyRing.of([signer.public_key] if signer else [])


def locked_anchors() -> LockedAnchors | None:
    """The bucket that the settings name; None where they name none.

    Raises:
        UsageError: there is no such block, or it is no bucket.
    """
    settings = PrefectDrsSettings()
    if not settings.anchor_bucket:
        return None
    from prefect_aws import S3Bucket  # noqa: PLC0415 - takes a second

    from prefect_drs.orchestration.storage.locked_anchors import LockedAnchors  # noqa: PLC0415

    block = _load(settings.anchor_bucket, "PREFECT_DRS_ANCHOR_BUCKET")
    if not isinstance(block, S3Bucket):
        raise UsageError(f"PREFECT_DRS_ANCHOR_BUCKET names {settings.anchor_bucket!r}, which is no S3Bucket block")
    return LockedAnchors(block, settings.anchor_retention_days)


def configured_anchoring(execution_id: str, storage: Storage, *, blocks: bool = True) -> Anchoring | None:
    """How the journal of an execution is anchored; None where no key is configured. Opens nothing yet.

    Args:
        execution_id: the execution.
        storage: that of the journal.
        blocks: whether blocks may be loaded from the Prefect API. Otherwise a key that is in one signs nothing, and a
            bucket that one names gets no copy, with a warning in the log.
    """
    settings = PrefectDrsSettings()
    if not settings.anchor_key:
        return None
    if not blocks and settings.anchor_key.startswith(SECRET_BLOCK):
        _reporter(execution_id)(
            f"its journal is not signed: PREFECT_DRS_ANCHOR_KEY names {settings.anchor_key}, a block of the Prefect "
            "server; name a KMS key or a file"
        )
        return None
    sinks = [AnchorSink("the journal's storage", partial(_create, storage, execution_id))]
    if settings.anchor_bucket and not blocks:
        _reporter(execution_id)(
            f"no copy of its anchors goes to {settings.anchor_bucket}, a block of the Prefect server"
        )
    elif settings.anchor_bucket:
        sinks.append(AnchorSink(settings.anchor_bucket, _LockedSink(execution_id).write))
    return Anchoring(_required_signer, tuple(sinks), configured_clock(), _reporter(execution_id))


def _required_signer() -> Signer:
    signer = configured_signer()
    if signer is None:
        raise UsageError("PREFECT_DRS_ANCHOR_KEY is not set any more")
    return signer


def _create(storage: Storage, execution_id: str, name: str, content: bytes) -> None:
    storage.create(f"{execution_id}/{name}", content)


class _LockedSink:
    """Writes anchors of one execution to the bucket; opens it for the first one."""

    def __init__(self, execution_id: str) -> None:
        self._execution_id = execution_id
        self._bucket: LockedAnchors | None = None

    def write(self, name: str, content: bytes) -> None:
        """Write an anchor."""
        if self._bucket is None:
            self._bucket = locked_anchors()
        if self._bucket is not None:
            self._bucket.write(f"{self._execution_id}/{name}", content)


def _reporter(execution_id: str) -> Callable[[str], object]:
    """Logs a failure where the flow run logs; the signing thread has no flow run of its own."""
    logger: Any
    try:
        logger = get_run_logger()
    except MissingContextError:
        logger = get_logger("prefect_drs.orchestration.storage.anchor_settings")
    return lambda why: logger.warning("execution %s: %s", execution_id, why)


def _private_pem(named: str) -> bytes:
    if named.startswith(SECRET_BLOCK):
        secret: Any = _load(named, "PREFECT_DRS_ANCHOR_KEY")
        return str(secret.get()).encode()
    path = Path(named).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"PREFECT_DRS_ANCHOR_KEY: {path} cannot be read: {error.strerror or error}") from None


def _load(name: str, setting: str) -> object:
    load: Any = Block.load
    try:
        return load(name, _sync=True)
    except ValueError as fault:
        raise UsageError(f"{setting} names {name!r}, which cannot be loaded: {one_line(fault)}") from None
