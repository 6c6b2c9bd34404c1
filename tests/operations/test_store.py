"""Writers of the stored estate: one at a time, and none on ground that moved under it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prefect.client.orchestration import get_client

from prefect_drs.estate import store
from prefect_drs.estate.model import Delete, DocumentKind
from prefect_drs.orchestration.executions.lease import hold
from tests.operations.estate import Stored, forget_estate


def test_who_waits_too_long_for_the_others_is_told_to_try_again(stored: Stored) -> None:
    busy = store.EstateBusyError("")
    with (
        hold(store.LOCK, timedelta(seconds=30), busy),
        pytest.raises(store.EstateBusyError, match="try again"),
        store.estate_lock(timedelta(seconds=1)),
    ):
        pytest.fail("two held it")


def test_a_writer_whose_lease_ran_out_writes_nothing_over_another(stored: Stored) -> None:
    group = stored.group("Database")
    with get_client(sync_client=True) as client:
        before = store.read_snapshot(client)
        stored.group("Web")  # another writer, while this one slept
        steps = before.estate.steps(
            [Delete(DocumentKind.GROUP, group["groupId"])], by="ada", at=before.estate.groups[0].created_at
        )
        with pytest.raises(store.EstateBusyError, match="nothing was written"):
            store.write_steps(client, before, steps)
    assert [each.name for each in store.read_estate().groups] == ["Database", "Web"]


def test_block_types_that_somebody_deleted_are_registered_anew(stored: Stored) -> None:
    for gone in (store.BLOCKS[DocumentKind.PLAN], store.BLOCKS[DocumentKind.GROUP], store.EstateState):
        stored.plan("Shop", stored.group("Web")["name"])
        with get_client(sync_client=True) as client:  # its documents go with it
            client.delete_block_type(client.read_block_type_by_slug(gone.get_block_type_slug()).id)
        forget_estate()
        stored.plan("Shop", stored.group("Web")["name"])
        estate = store.read_estate()
        assert [[each.name for each in kind] for kind in (estate.groups, estate.plans)] == [["Web"], ["Shop"]]
        forget_estate()
