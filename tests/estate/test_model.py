"""The stored estate as values: edits make steps, a new name reaches the plans, block names differ as names do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.core.errors import Fault
from prefect_drs.core.escaping import prefect_key
from prefect_drs.estate.errors import (
    AlreadyStoredError,
    EstateRefusedError,
    NotStoredError,
    ServerConflictError,
    VersionMismatchError,
    refused,
)
from prefect_drs.estate.model import Delete, DocumentKind, Estate, Stored, Upsert

NOW = datetime(2026, 11, 25, tzinfo=UTC)
names = st.text(min_size=1, max_size=80)


def stored(kind: DocumentKind, name: str, identifier: str, **fields: Any) -> Stored:
    return Stored(kind, identifier, {kind.name_field: name, **fields}, 3, NOW, NOW, "ada")


def shop() -> Estate:
    waves = [{"waveNumber": 1, "waveName": "a", "protectionGroupNames": ["database", "Web"]}]
    return Estate.of(
        [
            stored(DocumentKind.GROUP, "Database", "g1"),
            stored(DocumentKind.GROUP, "Web", "g2"),
            stored(DocumentKind.GROUP, "Spare", "g3"),
            stored(DocumentKind.PLAN, "Shop", "p1", waves=waves),
        ]
    )


def test_groups_and_plans_are_found_by_id_and_by_name() -> None:
    estate = shop()
    assert estate.find(DocumentKind.GROUP, "g2") is estate.find(DocumentKind.GROUP, "wEB")
    (plan,) = estate.plans
    assert [group.name for group in estate.groups_of(plan)] == ["Database", "Web"]
    assert estate.plans_of(estate.find(DocumentKind.GROUP, "Database")) == (plan,)
    assert estate.plans_of(estate.find(DocumentKind.GROUP, "Spare")) == ()
    with pytest.raises(NotStoredError, match="Database"):
        estate.find(DocumentKind.GROUP, "Databse")


def test_a_part_of_the_estate_is_a_plan_and_its_groups() -> None:
    estate = shop()
    part = estate.manifest(estate.plans)
    assert [group["groupName"] for group in part["protectionGroups"]] == ["Database", "Web"]
    assert len(estate.manifest()["protectionGroups"]) == 3


def test_a_new_name_is_written_to_the_plans_that_use_the_group() -> None:
    estate = shop()
    steps = estate.steps([Upsert(DocumentKind.GROUP, {"groupName": "Data"}, "g1", 3)], by="grace", at=NOW)
    after = estate.after(steps)
    (plan,) = after.plans
    assert plan.definition["waves"][0]["protectionGroupNames"] == ["Data", "Web"]
    assert (plan.version, plan.updated_by) == (4, "grace")
    assert [group.id for group in after.groups_of(plan)] == ["g1", "g2"]


def test_a_version_conflict_names_both_versions_and_the_author() -> None:
    with pytest.raises(VersionMismatchError, match="ada") as refusal:
        shop().steps([Delete(DocumentKind.GROUP, "g3", 2)], by="grace", at=NOW)
    assert (refusal.value.details["givenVersion"], refusal.value.details["currentVersion"]) == (2, 3)


def test_a_group_keeps_the_id_that_its_definition_has() -> None:
    (step,) = shop().steps([Upsert(DocumentKind.GROUP, {"groupName": "New", "groupId": "pg-9"})], by="grace", at=NOW)
    assert step.after is not None
    assert (step.after.id, step.after.version) == ("pg-9", 1)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (["CYCLE"], EstateRefusedError),
        (["DUPLICATE_GROUP_NAME", "CYCLE"], AlreadyStoredError),
        (["SERVER_IN_TWO_GROUPS"], ServerConflictError),
        (["OVERLAPPING_SELECTIONS", "SERVER_CONFLICT"], ServerConflictError),
        (["SERVER_CONFLICT", "DUPLICATE_PLAN_NAME"], AlreadyStoredError),
    ],
)
def test_the_fault_of_highest_precedence_gives_the_code_and_all_are_reported(
    codes: list[str], kind: type[Exception]
) -> None:
    error = refused("it was not done", [Fault("groups.a", 0, code, "why") for code in codes])
    assert type(error) is kind
    assert [fault["code"] for fault in error.details["faults"]] == codes
    assert "\n" not in error.message


@given(names)
def test_the_name_of_a_block_is_one_that_prefect_takes(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", prefect_key(name))
    assert prefect_key(name) == prefect_key(name.casefold())


near = st.sampled_from(["db", "DB", "db-1", "db 1", "db_1", " db", "db-", "ß", "ss", "é", "日本"]) | names


@given(near, near)
def test_blocks_of_different_names_have_different_names(one: str, other: str) -> None:
    assert (prefect_key(one) == prefect_key(other)) == (one.casefold() == other.casefold())
    assert prefect_key(prefect_key(one)) != prefect_key(other) or prefect_key(one) == other.casefold()
