"""The log of an execution: the day, the names of servers, and where a resumed one goes on."""

from __future__ import annotations

from datetime import timedelta

from prefect_drs.execution.events import Event, ExecutionResumed
from prefect_drs.execution.lines import EventLines
from tests.report.story import at, completed, first_wave


def lines(events: list[Event]) -> list[str]:
    log = EventLines()
    return [line for event in events for line in log.lines(event)]


def test_servers_are_named_as_the_plan_names_them() -> None:
    assert "12:10:00 wave 1 host-1-0 (s-00001000000000000) LAUNCHED as i-00000001000000000" in lines(completed())


def test_a_date_stands_at_the_beginning_and_where_the_day_changes() -> None:
    late = timedelta(hours=11, minutes=49)
    events = [event.model_copy(update={"at": event.at + late}) for event in completed()]
    dates = [line for line in lines(events) if line.startswith("--")]
    assert dates == ["-- 2030-01-01, times are UTC --", "-- 2030-01-02, times are UTC --"]


def test_simulated_time_is_named() -> None:
    events = completed()
    simulated = events[0].model_copy(update={"simulated_time": True})
    assert lines([simulated])[0] == "-- 2030-01-01, times are UTC of the sandbox (simulated) --"


def test_where_a_resumed_execution_goes_on_is_marked() -> None:
    told = lines([*first_wave(), ExecutionResumed(at=at(40), by="Ada")])
    assert told[-2:] == ["-- until here from the journal; resumed at 12:40:00 --", "12:40:00 execution resumed by Ada"]
