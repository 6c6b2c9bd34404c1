"""What may be set, and what is refused with its reason. Needs no server."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.orchestration.scheduled.settings import TagSyncSettings, changed_settings


@pytest.mark.parametrize("hours", range(1, 25))
def test_every_whole_hour_of_a_day_is_a_schedule(hours: int) -> None:
    assert changed_settings(TagSyncSettings(), {"schedule_hours": hours}).schedule_hours == hours


@pytest.mark.parametrize("hours", [0, -1, 25, 1.5, "4", True, None, float("nan")])
def test_any_other_schedule_is_refused_with_the_reason(hours: Any) -> None:
    with pytest.raises(UsageError, match="use 1 to 24 whole hours") as caught:
        changed_settings(TagSyncSettings(), {"schedule_hours": hours})
    assert caught.value.exit_code == 2


def test_all_problems_are_reported_at_once_and_a_change_leaves_other_settings_unchanged() -> None:
    former = TagSyncSettings(schedule_hours=4, exclude=["Cost*"])
    changed = changed_settings(former, {"mappings": {"Environment": "DR-Environment"}})
    assert changed.as_json() == {**former.as_json(), "tagMappings": {"Environment": "DR-Environment"}}
    with pytest.raises(UsageError) as caught:
        changed_settings(former, {"accounts": ["12"], "regions": ["mars-1"], "schedule_hours": 48})
    for word in ("accounts.0", "mars-1", "48"):
        assert word in caught.value.message


def test_an_invalid_mapping_is_refused_by_the_rules() -> None:
    with pytest.raises(UsageError, match="AWS reserves keys"):
        changed_settings(TagSyncSettings(), {"mappings": {"a": "aws:a"}})


def test_the_settings_are_the_rules() -> None:
    settings = TagSyncSettings(include=["a*"], exclude=["ab"], mappings={"ac": "c"}, remove=True, copy_tags=False)
    rules = settings.rules()
    assert (rules.include, rules.exclude, rules.mappings) == (("a*",), ("ab",), {"ac": "c"})
    assert (rules.remove, rules.copy_tags) == (True, False)
