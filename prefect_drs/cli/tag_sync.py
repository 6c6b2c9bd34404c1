"""`tag-sync`: copy EC2 tags to DRS source servers once, in this process, with the saved settings.

Changes, or those that a dry run would make, go to stdout; failures and their remedies go to stderr. It runs as a flow,
so that the Prefect UI shows it, and never while another synchronisation runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefect_drs.cli.output import print_json, print_stderr

if TYPE_CHECKING:
    from prefect_drs.tag_sync import TagSyncResult

SHOWN = 200  # changes on a terminal; --json has all


def tag_sync(
    *,
    regions: Annotated[
        list[str] | None, Parameter(name="--region", negative="", help="Only this region; repeatable.")
    ] = None,
    accounts: Annotated[
        list[str] | None, Parameter(name="--account", negative="", help="Only this account; repeatable.")
    ] = None,
    dry_run: Annotated[bool, Parameter(name="--dry-run", negative="")] = False,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> int:
    """Copy tags of EC2 instances to the source servers that replicate them; write only what differs.

    Exit code 3 if an account, a region or a server could not be synchronised (the others are), 4 if another
    synchronisation is running.

    Parameters
    ----------
    dry_run
        Print what would change, and write nothing.
    """
    from prefect.exceptions import CancelledRun

    from prefect_drs.cli.prefect_api import require_prefect
    from prefect_drs.cli.screen import quiet_prefect
    from prefect_drs.flows import tag_sync as flow
    from prefect_drs.operations.access import acting_as
    from prefect_drs.orchestration.scheduled.tag_sync import TagSyncBusyError, TagSyncIncompleteError

    require_prefect(or_start=True)
    acting_as("trigger_tag_sync", None)
    quiet_prefect()
    try:
        result = flow(accounts=accounts, regions=regions, dry_run=dry_run)
    except TagSyncIncompleteError as incomplete:
        result = incomplete.result
    except CancelledRun as cancelled:
        raise TagSyncBusyError(str(cancelled)) from None
    if json:
        print_json(result.to_json())
    else:
        _print(result)
    for line in result.errors:
        print_stderr(f"prefect-drs: {line}")
    return int(result.exit_code)


def _print(result: TagSyncResult) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from prefect_drs.cli.console import console

    if result.changes:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for name in ("where", "server", "tag", "before", "after"):
            table.add_column(name, overflow="fold")
        for change in result.changes[:SHOWN]:
            cells = (f"{change.account_id}/{change.region}", change.name, change.key, change.before, change.after)
            table.add_row(*(Text("—" if cell is None else cell) for cell in cells))
        console().print(table)
        if len(result.changes) > SHOWN:
            print(f"… and {len(result.changes) - SHOWN} more; --json prints all")
    verb = "would be" if result.dry_run else "were"
    print(
        f"{result.servers_processed} servers in {len(result.regions)} region(s) of {len(result.accounts)} account(s): "
        f"{result.tags_synchronized} tags {verb} written, {result.tags_removed} removed, copyTags switched on for "
        f"{result.copy_tags_switched_on}; {sum(result.calls.values())} calls to AWS, {result.writes} of them writing",
        flush=True,
    )
