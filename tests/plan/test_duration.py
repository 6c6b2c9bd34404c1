"""ISO 8601 durations of fixed length, as plans and DRS write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.plan.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT15M", 900), ("P1DT2H", 93_600), ("P2W", 1_209_600), ("PT0S", 0), ("PT1.5S", 1.5), ("P0DT0H0M12S", 12)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "P1M", "P1Y", "15M", "PT15", "-PT1S", "PT1H ", "pt1h", "PT5M1H"]
)
def test_what_is_no_duration_of_fixed_length_is_none(text: str) -> None:
    assert parse_duration(text) is None


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_its_parts_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert parse_duration(f"P{days}DT{hours}H{minutes}M{seconds}S") == expected


@given(st.text(alphabet="PTDHMSW0123456789.", max_size=12))
def test_no_text_is_too_odd(text: str) -> None:
    found = parse_duration(text)
    assert found is None or found >= timedelta()
