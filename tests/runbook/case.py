"""The register of cases: a function of the world and of whether it is to break its rule, by the rule's code."""

from __future__ import annotations

from collections.abc import Callable

from prefect_drs.runbook import Runbook
from tests.runbook.world import World

Case = Callable[[World, bool], Runbook]
CASES: dict[str, Case] = {}


def case(code: str) -> Callable[[Case], Case]:
    def keep(function: Case) -> Case:
        assert code not in CASES
        CASES[code] = function
        return function

    return keep
