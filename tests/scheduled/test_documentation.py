"""docs/tag-sync.md says what the code does."""

from __future__ import annotations

import re

from prefect_drs.aws.errors import DrsNotInitializedError, RegionNotEnabledError
from prefect_drs.orchestration.scheduled.deployments import TagSyncState
from prefect_drs.orchestration.scheduled.pages import SHOWN_CHANGES
from prefect_drs.orchestration.scheduled.settings import TagSyncSettings
from prefect_drs.tag_sync import compare, sync
from prefect_drs.tag_sync.rules import MAX_KEY_LENGTH, MAX_TAGS, MAX_VALUE_LENGTH
from tests.snippets import ROOT
from tests.test_docs import first_column, section

PAGE = "docs/tag-sync.md"


def test_the_settings_are_those_of_the_block() -> None:
    assert first_column(section(PAGE, "## As a deployment").split("| status |")[0]) == set(TagSyncSettings.model_fields)


def test_the_states_are_those_of_the_code() -> None:
    assert first_column(section(PAGE, "## As a deployment").split("| status |")[1]) == set(TagSyncState)


def test_the_codes_are_those_of_the_code() -> None:
    import sys

    comparing, syncing = sys.modules[compare.__module__], sys.modules[sync.__name__]
    assert first_column(section(PAGE, "## Result codes")) == {
        comparing.LIMIT_EXCEEDED,
        comparing.KEY_TOO_LONG,
        comparing.VALUE_TOO_LONG,
        syncing.NOT_EC2,
        syncing.GONE,
        syncing.ORIGIN_UNREAD,
        syncing.NOT_WRITTEN,
        DrsNotInitializedError.code,
        RegionNotEnabledError.code,
    }


def test_the_numbers_are_those_of_the_code() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    told = [int(number.replace(",", "")) for number in re.findall(r"\b[\d,]*\d\b", text)]
    assert {MAX_TAGS, MAX_KEY_LENGTH, MAX_VALUE_LENGTH, SHOWN_CHANGES} <= set(told)
    assert sync.CALLS_A_LOCATION == 4
    assert "At most four calls run at a time" in text
