"""Calls in threads with a limit of time for all of them."""

from __future__ import annotations

import threading

import pytest

from prefect_drs.aws.time_limit import map_within


def test_results_are_in_the_order_of_the_items() -> None:
    assert map_within(str, range(50), 8, 60) == [str(number) for number in range(50)]
    assert map_within(str, [], 8, 60) == []


def test_a_call_that_takes_too_long_is_not_waited_for_and_no_other_begins_afterwards() -> None:
    go_on, ended = threading.Event(), threading.Event()
    begun: list[int] = []

    def read(number: int) -> int:
        begun.append(number)
        if number == 1:
            assert go_on.wait(60)
            ended.set()
        return number

    assert map_within(read, range(3), 1, 0.05) == [0, None, None]
    go_on.set()
    assert ended.wait(60)
    assert begun == [0, 1]


def test_a_failure_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        map_within(lambda number: 1 // number, [1, 0, 2], 2, 60)
