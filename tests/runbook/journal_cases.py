"""Cases of the rules about the place of the journal: a bucket in a region of its own, or one that is lost too."""

from __future__ import annotations

from prefect_drs.core.errors import AwsError
from prefect_drs.runbook import Runbook
from prefect_drs.runbook.journal_place import JournalPlace
from tests.rig import REGION
from tests.runbook.case import case
from tests.runbook.world import World

FAILED = "eu-central-1"
FOLDER = JournalPlace("/home/ada/.prefect-drs/journal", one_machine=True)
BLOCK = JournalPlace("azure/journals (AzureBlobStorageContainer)")
HERE = JournalPlace("s3://journals", region=REGION)
LOST = JournalPlace("s3://journals-of-the-failed-region", region=FAILED)
UNREAD = JournalPlace("s3://journals", failure=AwsError("HeadBucket: 403 Forbidden; allow s3:ListBucket"))


def recovers(world: World, *journals: JournalPlace) -> Runbook:
    """The runbook of a plan whose one server replicates from the failed region, with its journal in these places."""
    server = world.server(source_region=FAILED, source_account="444444444444")
    return world.resolve(server, journals=journals)


@case("JOURNAL_ON_ONE_MACHINE")
def a_journal_in_a_folder(world: World, broken: bool) -> Runbook:
    return recovers(world, FOLDER if broken else HERE)


@case("JOURNAL_IN_FAILED_REGION")
def a_journal_in_a_bucket_of_the_failed_region(world: World, broken: bool) -> Runbook:
    return recovers(world, LOST if broken else HERE)


@case("JOURNAL_PLACE_UNCHECKED")
def a_journal_in_a_bucket_that_does_not_say_where_it_is(world: World, broken: bool) -> Runbook:
    return recovers(world, UNREAD if broken else HERE)
