"""Storage of the estate: one Prefect block for each group or plan, and a state block that commits changes.

In: steps. Out: an `Estate`. A change of several blocks is committed by one write, which lists the blocks in the state
block (a write-ahead log). Before that write nothing has changed; after it, readers apply the listed blocks, and the
next writer finishes writing them. So a process may die at any point. Writers hold the lock, `estate_lock`; readers need
none: they read the state block before and after the documents, and repeat the read if it changed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from typing import Any, NamedTuple
from uuid import UUID

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from pydantic import ValidationError

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.estate.blocks import EstateState, StoredProtectionGroup, StoredRecoveryPlan
from prefect_drs.estate.errors import EstateRefusedError
from prefect_drs.estate.model import DocumentKind, Estate, EstateEdit, Stored
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.lease import hold
from prefect_drs.orchestration.paging import PAGE, entries

STATE = "state"
LOCK = "prefect-drs-estate"
PATIENCE = timedelta(seconds=120)  # the lease of a dead writer expires after at most 75 s
MAX_READS = 20
NOT_FOUND = 404

BLOCKS: Mapping[DocumentKind, type[StoredProtectionGroup | StoredRecoveryPlan]] = {
    DocumentKind.GROUP: StoredProtectionGroup,
    DocumentKind.PLAN: StoredRecoveryPlan,
}

Documents = dict[tuple[DocumentKind, str], dict[str, Any]]
"""The contents of blocks, by kind and name."""

_process_lock = threading.Lock()
_BUSY = "other processes are changing the stored estate; try again"


class EstateBusyError(PrefectDrsError):
    """Other processes are changing the estate."""

    code = "CONFLICT_ERROR"


@dataclass(frozen=True, slots=True)
class _Write:
    """A block to write; without data, a block to delete."""

    kind: DocumentKind
    document: str
    data: dict[str, Any] | None

    def json(self) -> dict[str, Any]:
        return {"kind": self.kind.value, "document": self.document, "data": self.data}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> _Write:
        return cls(DocumentKind(values["kind"]), values["document"], values["data"])


@dataclass(frozen=True, slots=True)
class _State:
    sequence: int = 0
    pending: tuple[_Write, ...] = ()


@dataclass(frozen=True)
class EstateSnapshot:
    """A consistent snapshot of the estate, with the state and the blocks that `write_steps` needs."""

    estate: Estate
    state: _State = field(repr=False)
    documents: Documents = field(repr=False)


@contextmanager
def process_lock(patience: timedelta = PATIENCE) -> Iterator[None]:
    """Exclude other writers of this process for the time of the block, so that they do not queue at the server.

    Raises:
        EstateBusyError: other threads held it for longer than `patience`.
    """
    if not _process_lock.acquire(timeout=patience.total_seconds()):
        raise EstateBusyError(_BUSY)
    try:
        yield
    finally:
        _process_lock.release()


@contextmanager
def estate_lock(patience: timedelta = PATIENCE) -> Iterator[None]:
    """Exclude writers of all other processes for the time of the block. The caller holds `process_lock`.

    Raises:
        EstateBusyError: other processes held it for longer than `patience`.
    """
    with hold(LOCK, patience, EstateBusyError(_BUSY)):
        yield


def read_estate() -> Estate:
    """A consistent snapshot of the stored estate.

    Raises:
        EstateRefusedError: the content of a block is invalid.
        EstateBusyError: the estate changed during each of `MAX_READS` reads.
    """
    with prefect_client() as client:
        return read_snapshot(client).estate


def read_snapshot(client: SyncPrefectClient) -> EstateSnapshot:
    """Like `read_estate`, with the values that `write_steps` needs."""
    for _ in range(MAX_READS):
        state = _state(client)
        documents = {(kind, name): data for kind in DocumentKind for name, data in _documents(client, BLOCKS[kind])}
        if _state(client) == state:
            for write in state.pending:
                documents.pop((write.kind, write.document), None)
                if write.data is not None:
                    documents[write.kind, write.document] = write.data
            stored = [_stored(kind, name, data) for (kind, name), data in documents.items()]
            return EstateSnapshot(Estate.of(stored), state, documents)
    raise EstateBusyError("the stored estate changed during each read; try again")


def write_steps(client: SyncPrefectClient, before: EstateSnapshot, steps: Iterable[EstateEdit]) -> None:
    """Write the steps atomically. The caller holds `estate_lock`.

    Args:
        client: a client of the Prefect API.
        before: the snapshot that the steps are based on, read under the same lock.
        steps: the changes.

    Raises:
        EstateBusyError: another process wrote in between, because the lease of this one had expired.
    """
    _apply(client, before.state.pending)  # committed by a process that died before it wrote them
    if _state(client) != before.state:
        raise EstateBusyError(
            "another process changed the stored estate at the same time; nothing was written: try again"
        )
    writes = tuple(_writes(steps, before.documents))
    sequence = before.state.sequence + 1
    _save(client, EstateState, STATE, {"sequence": sequence, "pending": [write.json() for write in writes]})
    _apply(client, writes)
    _save(client, EstateState, STATE, {"sequence": sequence + 1, "pending": []})


def _writes(steps: Iterable[EstateEdit], current: Documents) -> Iterator[_Write]:
    """The blocks to write and to delete; a renamed document gets a new block, and its former one is deleted."""
    steps = tuple(steps)
    written = {(step.after.kind, step.after.document) for step in steps if step.after is not None}
    for step in steps:
        if step.after is not None:
            yield _Write(step.after.kind, step.after.document, _data(step.after))
    changed = {(step.before.kind, step.before.id) for step in steps if step.before is not None}
    for (kind, document), data in current.items():
        if (kind, data["stored_id"]) in changed and (kind, document) not in written:
            yield _Write(kind, document, None)


def _apply(client: SyncPrefectClient, writes: Iterable[_Write]) -> None:
    for write in writes:
        kind = BLOCKS[write.kind]
        if write.data is not None:
            _save(client, kind, write.document, write.data)
        elif (found := _find(client, kind, write.document)) is not None:
            client.delete_block_document(found.id)


def _data(stored: Stored) -> dict[str, Any]:
    block = BLOCKS[stored.kind](
        definition=dict(stored.definition),
        stored_id=stored.id,
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        updated_by=stored.updated_by,
    )
    return {name: value for name, value in block.model_dump(mode="json").items() if name in type(block).model_fields}


def _stored(kind: DocumentKind, document: str, data: Mapping[str, Any]) -> Stored:
    slug = BLOCKS[kind].get_block_type_slug()
    try:
        block = BLOCKS[kind].model_validate(dict(data))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise EstateRefusedError(
            f"the content of block {slug}/{document} is invalid: {problems}; correct it or delete it"
        ) from None
    return Stored(
        kind,
        block.stored_id,
        block.definition,
        block.version,
        block.created_at,
        block.updated_at,
        block.updated_by,
    )


def _state(client: SyncPrefectClient) -> _State:
    found = _find(client, EstateState, STATE)
    if found is None:
        _registered.cache_clear()  # somebody may have deleted the block type
        return _State()
    return _State(found.data["sequence"], tuple(map(_Write.of, found.data["pending"])))


def _find(client: SyncPrefectClient, kind: type[Block], name: str) -> Any:
    try:
        return client.read_block_document_by_name(name, kind.get_block_type_slug(), include_secrets=False)
    except ObjectNotFound:
        return None


def _save(client: SyncPrefectClient, kind: type[Block], name: str, data: dict[str, Any]) -> None:
    ids = _registered(str(client.api_url), kind)
    create = BlockDocumentCreate(name=name, data=data, **ids._asdict())
    try:
        client.create_block_document(create)
    except ObjectAlreadyExists:
        update = BlockDocumentUpdate(block_schema_id=ids.block_schema_id, data=data, merge_existing_data=False)
        client.update_block_document(_find(client, kind, name).id, update)


class _TypeIds(NamedTuple):
    """What a Prefect server knows a block type by."""

    block_schema_id: UUID
    block_type_id: UUID


@cache
def _registered(api_url: str, kind: type[Block]) -> _TypeIds:
    """Register a block type once for each server: Prefect asks three times for each, a fifth of a change's requests."""
    kind.register_type_and_schema(_sync=True)  # type: ignore[call-arg]
    schema, block_type = kind._block_schema_id, kind._block_type_id
    assert schema is not None  # noqa: S101 - it was registered
    assert block_type is not None  # noqa: S101
    return _TypeIds(schema, block_type)


def _documents(client: SyncPrefectClient, kind: type[Block]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The names and contents of the saved blocks of a type; none if the type was never registered."""
    read = partial(client.read_block_documents_by_type, kind.get_block_type_slug(), limit=PAGE, include_secrets=False)
    try:
        for document in entries(lambda offset: read(offset=offset)):
            if document.name:
                yield document.name, document.data
    except PrefectHTTPStatusError as error:
        if error.response.status_code != NOT_FOUND:
            raise
        _registered.cache_clear()
