"""What the preflight says of the place of the journal, with and without a mirror."""

from __future__ import annotations

import pytest

from prefect_drs.runbook.journal_place import JournalPlace
from tests.runbook.journal_cases import BLOCK, FAILED, FOLDER, HERE, LOST, UNREAD, recovers
from tests.runbook.world import World, codes


@pytest.mark.parametrize("first", [FOLDER, BLOCK, LOST])
def test_a_mirror_elsewhere_makes_up_for_any_place(first: JournalPlace, world: World) -> None:
    assert recovers(world, first, HERE).findings == ()


def test_a_mirror_that_is_lost_too_is_told_beside_the_first(world: World) -> None:
    assert codes(recovers(world, FOLDER, LOST)) == ["JOURNAL_ON_ONE_MACHINE", "JOURNAL_IN_FAILED_REGION"]


def test_a_mirror_whose_region_could_not_be_read_makes_up_for_nothing(world: World) -> None:
    assert codes(recovers(world, FOLDER, UNREAD)) == ["JOURNAL_ON_ONE_MACHINE", "JOURNAL_PLACE_UNCHECKED"]


def test_a_finding_names_the_place_and_the_region_and_what_to_do(world: World) -> None:
    (finding,) = recovers(world, LOST).findings
    assert f"s3://journals-of-the-failed-region in {FAILED}" in finding.message
    assert "PREFECT_DRS_JOURNAL=s3://" in finding.message
    (finding,) = recovers(world, BLOCK).findings
    assert "AzureBlobStorageContainer" in finding.message
    assert "nothing is known of its place" in finding.message


def test_a_plan_whose_servers_are_outside_aws_is_recovered_from_no_region(world: World) -> None:
    server = world.server()
    assert world.resolve(server, journals=[LOST]).findings == ()
    assert codes(world.resolve(server, journals=[FOLDER])) == ["JOURNAL_ON_ONE_MACHINE"]


def test_only_the_servers_of_the_plan_say_which_region_fails(world: World) -> None:
    world.server("other", source_region=FAILED, source_account="444444444444")
    assert world.resolve(world.server(), journals=[LOST]).findings == ()
