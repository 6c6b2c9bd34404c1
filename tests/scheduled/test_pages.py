"""The pages of the UI stay readable however much there is to tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect_drs.aws.locations import Failure, Skipped
from prefect_drs.orchestration.scheduled.pages import SHOWN_CHANGES, SHOWN_FAULTS, changes_page, sync_page
from prefect_drs.tag_sync import ServerTagChange, ServerTagFault, TagSyncResult

AT = datetime(2030, 1, 1, tzinfo=UTC)
PLACE: dict[str, Any] = {"account_id": "123456789012", "region": "us-west-2"}


def change(number: int, after: str = "prod") -> ServerTagChange:
    return ServerTagChange(
        **PLACE,
        source_server_id=f"s-{number:017}",
        name=f"srv|{number}",
        kind="tag",
        key="Env",
        before=None,
        after=after,
    )


def result(**parts: Any) -> TagSyncResult:
    whole: dict[str, Any] = {
        "dry_run": False,
        "started_at": AT,
        "ended_at": AT + timedelta(seconds=90),
        "accounts": ("123456789012",),
        "regions": ("us-west-2",),
        "servers_processed": 4000,
        "servers_changed": 4000,
        "tags_synchronized": 4000,
        "tags_removed": 0,
        "copy_tags_switched_on": 0,
        "changes": (),
        "faults": (),
        "failures": (),
        "skipped": (),
        "calls": {"drs:TagResource": 4000},
        "writes": 4000,
    }
    return TagSyncResult(**{**whole, **parts})


def test_of_16000_changes_the_first_500_are_shown_and_the_rest_is_counted() -> None:
    page = changes_page(result(changes=tuple(change(number) for number in range(16_000))))
    assert page.count("\n| 123456789012 |") == SHOWN_CHANGES
    assert "and 15500 more changes, on 4000 servers" in page
    assert len(page) < 100_000


def test_a_long_value_is_cut_and_a_bar_in_a_name_stays_in_its_cell() -> None:
    page = changes_page(result(changes=(change(1, "x" * 256),)))
    assert "x" * 60 + "…" in page
    assert "x" * 61 not in page
    assert "srv\\|1" in page


def test_a_dry_run_says_so_and_no_change_says_so_too() -> None:
    assert "What would change" in changes_page(result(dry_run=True, changes=(change(1),)))
    assert "Nothing: every source server has its instance's tags." in changes_page(result())


def test_the_status_shows_counts_failures_with_remedies_and_faults_up_to_a_number() -> None:
    failure = Failure(
        **PLACE, operation="DescribeSourceServers", code="AWS_UNREACHABLE", message="gone; do x", remedy="x"
    )
    faults = tuple(
        ServerTagFault(**PLACE, source_server_id=f"s-{number:017}", name="a", code="TAG_LIMIT_EXCEEDED", message="full")
        for number in range(70)
    )
    page = sync_page(result(failures=(failure,), faults=faults))
    assert "**not complete**" in page
    assert "90 s, 4000 calls to AWS, 4000 of them writes" in page
    assert "- **123456789012/us-west-2**: AWS_UNREACHABLE: gone; do x" in page
    assert page.count("TAG_LIMIT_EXCEEDED") == SHOWN_FAULTS
    assert "and 20 more" in page


def test_skipped_account_regions_are_one_line_per_reason() -> None:
    skipped = tuple(
        Skipped(account_id="123456789012", region=f"r-{number}", code="DRS_NOT_INITIALIZED", reason="not set up")
        for number in range(30)
    )
    page = sync_page(result(skipped=skipped))
    assert page.count("DRS_NOT_INITIALIZED") == 1
    assert "and 27 more" in page
