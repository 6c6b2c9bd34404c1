"""Every rule of a manifest, broken and kept: a new rule without a pair in `rule_cases` fails here."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_drs.plan.rules import RULES
from tests.plan.files import check, codes, sound
from tests.plan.rule_cases import CASES


def test_every_rule_has_a_pair() -> None:
    assert list(CASES) == [rule.__name__ for rule in RULES]


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_that_is_broken_is_told(rule: str, tmp_path: Path) -> None:
    manifest = sound()
    CASES[rule].breaks(manifest)
    assert CASES[rule].code in codes(check(tmp_path, manifest))


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_that_is_kept_says_nothing(rule: str, tmp_path: Path) -> None:
    manifest = sound()
    CASES[rule].keeps(manifest)
    reading = check(tmp_path, manifest)
    assert reading.errors == ()
    assert CASES[rule].code not in codes(reading)
