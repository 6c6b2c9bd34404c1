"""Every rule of the preflight, broken and kept, on the simulator by way of `resolve`."""

from __future__ import annotations

import pytest

from prefect_drs.runbook import FindingSeverity
from prefect_drs.runbook.rules import RULES
from prefect_drs.runbook.waivers import WAIVABLE
from tests.rig import ACCOUNT, REGION
from tests.runbook.cases import CASES
from tests.runbook.world import TARGET, World, codes

BY_CODE = {rule.code: rule for rule in RULES}
WITHOUT_LOCATION = {
    "HOOK_WITHOUT_PLACE",
    "CHECK_NAMES_NO_SERVER",
    "CHECK_NOT_INSTALLED",
    "SNAPSHOT_NAMES_NO_SERVER",
    "WAVE_EMPTY",
    "JOURNAL_ON_ONE_MACHINE",
    "JOURNAL_IN_FAILED_REGION",
    "JOURNAL_PLACE_UNCHECKED",
}
"""Findings about the plan, or the journal, rather than an account."""


def test_every_rule_has_a_case_and_a_code_of_its_own() -> None:
    assert set(CASES) == {rule.code for rule in RULES}
    assert len(BY_CODE) == len(RULES)


@pytest.mark.parametrize("code", CASES)
def test_a_rule_that_is_broken_is_told_with_its_place(code: str, world: World) -> None:
    runbook = CASES[code](world, True)
    found = [finding for finding in runbook.findings if finding.code == code]
    assert found, codes(runbook)
    for finding in found:
        assert finding.severity is BY_CODE[code].severity
        if code not in WITHOUT_LOCATION:
            assert (finding.account_id, finding.region) in {(ACCOUNT, REGION), (TARGET, REGION)}
            assert str(finding.account_id) in finding.message
        if finding.source_server_id:
            assert finding.source_server_id in finding.message


@pytest.mark.parametrize("code", CASES)
def test_a_rule_that_is_kept_is_not_told_and_nothing_refuses(code: str, world: World) -> None:
    runbook = CASES[code](world, False)
    assert code not in codes(runbook)
    assert runbook.refusals == ()


@pytest.mark.parametrize("code", WAIVABLE)
def test_what_can_be_waived_refuses_else(code: str) -> None:
    assert BY_CODE[code].severity is FindingSeverity.ERROR
