"""Which servers the cache of copyTags holds, and for how long."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

from prefect_drs.tag_sync import CopyTagsCache

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ARNS = [f"arn:aws:drs:us-west-2:123456789012:source-server/s-{n:017d}" for n in range(200)]
DAY = timedelta(hours=24)


def recorded() -> CopyTagsCache:
    cache = CopyTagsCache()
    for arn in ARNS:
        cache.record(arn, NOW)
    return cache


def test_a_server_without_an_entry_is_read() -> None:
    assert CopyTagsCache().is_due(ARNS[0], NOW)


def test_no_server_is_read_again_within_half_a_day_and_every_one_within_a_day() -> None:
    cache = recorded()
    due = [sum(cache.is_due(arn, NOW + timedelta(hours=hours)) for arn in ARNS) for hours in range(25)]
    assert due[11] == 0
    assert due[24] == len(ARNS)
    assert due == sorted(due)


def test_entries_do_not_expire_together() -> None:
    cache = recorded()
    due = [sum(cache.is_due(arn, NOW + timedelta(hours=hours)) for arn in ARNS) for hours in range(12, 25)]
    assert max(after - before for before, after in itertools.pairwise(due)) < len(ARNS) / 4


def test_a_clock_that_was_set_back_expires_entries() -> None:
    assert recorded().is_due(ARNS[0], NOW - timedelta(hours=1))


def test_a_maximum_age_of_zero_reads_every_time() -> None:
    cache = CopyTagsCache(max_age=timedelta(0))
    cache.record(ARNS[0], NOW)
    assert cache.is_due(ARNS[0], NOW)


def test_it_is_restored_from_json_and_anything_else_gives_an_empty_cache() -> None:
    stored = json.loads(json.dumps(recorded().to_json()))
    assert CopyTagsCache.from_json(stored).to_json() == stored
    for broken in (None, [], "x", {"arn": "yesterday"}):
        assert CopyTagsCache.from_json(broken).to_json() == {}


def test_entries_of_deleted_servers_are_dropped() -> None:
    cache = recorded()
    cache.record(ARNS[0], NOW + 2 * DAY)
    cache.drop_expired(NOW + 3 * DAY)
    assert list(cache.to_json()) == [ARNS[0]]
