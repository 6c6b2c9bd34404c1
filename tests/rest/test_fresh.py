"""Answers that many readers share: one answer within a second, none from before a change, 304 for who has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.rest import fresh
from prefect_drs.rest.fresh import FreshAnswers, conditional
from tests.rest.test_parts import Time


class Source:
    """Makes answers, each with its number; waits before each where a test holds it."""

    def __init__(self, time: Time, seconds: float = 0.0) -> None:
        self.made = 0
        self.time, self.seconds = time, seconds
        self.held: asyncio.Event | None = None

    async def __call__(self) -> Response:
        self.made += 1
        number = self.made
        self.time.seconds += self.seconds
        if self.held is not None:
            await self.held.wait()
        return JSONResponse({"number": number})


def carried(test: Callable[[FreshAnswers, Time], Awaitable[None]]) -> None:
    async def run() -> None:
        time = Time()
        await test(FreshAnswers(time), time)

    asyncio.run(run())


def number(response: Response) -> int:
    return int(bytes(response.body)[len('{"number":') : -1])


async def settled(answers: FreshAnswers) -> None:
    """Let what is made beside be made."""
    while answers._making:
        await asyncio.sleep(0)


def test_readers_within_a_second_share_one_answer() -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        source = Source(time)
        found = await asyncio.gather(*(answers.answer("a", source) for _ in range(50)))
        assert {number(each) for each in found} == {1}
        time.seconds = 0.99
        assert number(await answers.answer("a", source)) == 1
        assert number(await answers.answer("b", source)) == 2

    carried(test)


def test_an_older_answer_is_made_anew_beside_and_given_meanwhile() -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        source = Source(time)
        await answers.answer("a", source)
        time.seconds = 4.9
        given = await answers.answer("a", source)
        assert (number(given), given.headers["Age"]) == (1, "4")
        await settled(answers)
        assert number(await answers.answer("a", source)) == 2
        time.seconds = 4.9 + fresh.USABLE_SECONDS
        given = await answers.answer("a", source)
        assert (number(given), given.headers["Age"]) == (3, "0")

    carried(test)


@pytest.mark.parametrize(("took", "renewed_after"), [(0.1, 1.0), (0.3, 1.2), (0.9, fresh.SLOWEST_SECONDS)])
def test_an_answer_that_took_long_is_made_anew_later(took: float, renewed_after: float) -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        source = Source(time, took)
        await answers.answer("a", source)
        time.seconds = took + renewed_after - 0.01
        await answers.answer("a", source)
        await settled(answers)
        assert source.made == 1
        time.seconds = took + renewed_after
        await answers.answer("a", source)
        await settled(answers)
        assert source.made == 2

    carried(test)


def test_an_answer_that_cannot_be_made_anew_is_given_until_it_is_too_old() -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        async def refuse() -> Response:
            raise PrefectDrsError("no")

        await answers.answer("a", Source(time))
        time.seconds = 2.0
        assert number(await answers.answer("a", refuse)) == 1
        await settled(answers)
        time.seconds = fresh.USABLE_SECONDS
        with pytest.raises(PrefectDrsError, match="no"):
            await answers.answer("a", refuse)

    carried(test)


def test_no_answer_from_before_a_change_is_given_to_who_reads_after_it() -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        source = Source(time)
        await answers.answer("a", source)
        answers.changed()
        assert number(await answers.answer("a", source)) == 2
        source.held = asyncio.Event()
        time.seconds = 10.0
        early = asyncio.ensure_future(answers.answer("a", source))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        answers.changed()  # while an answer is being made, which may know nothing of it
        late = asyncio.ensure_future(answers.answer("a", source))
        await asyncio.sleep(0)
        source.held.set()
        assert (number(await early), number(await late)) == (3, 4)
        assert number(await answers.answer("a", source)) == 4
        await settled(answers)

    carried(test)


def test_an_error_is_told_to_all_who_wait_and_is_not_kept() -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        async def refuse() -> Response:
            await asyncio.sleep(0)
            raise PrefectDrsError("no")

        found = await asyncio.gather(*(answers.answer("a", refuse) for _ in range(3)), return_exceptions=True)
        assert [str(each) for each in found] == ["no"] * 3
        assert number(await answers.answer("a", Source(time))) == 1

    carried(test)


def test_a_reader_that_goes_away_takes_nothing_from_the_others() -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        source = Source(time)
        source.held = asyncio.Event()
        gone = asyncio.ensure_future(answers.answer("a", source))
        other = asyncio.ensure_future(answers.answer("a", source))
        await asyncio.sleep(0)
        gone.cancel()
        source.held.set()
        assert number(await other) == 1
        assert source.made == 1

    carried(test)


def test_the_number_of_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        source = Source(time)
        for name in "abc":
            await answers.answer(name, source)
        assert number(await answers.answer("c", source)) == 3
        assert number(await answers.answer("a", source)) == 4

    monkeypatch.setattr(fresh, "MOST_ANSWERS", 2)
    carried(test)


@pytest.mark.parametrize(
    ("given", "status"),
    [(None, 200), ('"x"', 200), ("*", 304), ("TAG", 304), ('"x", TAG', 304), ("W/TAG", 304)],
)
def test_who_has_the_answer_already_is_told_so(given: str | None, status: int) -> None:
    async def test(answers: FreshAnswers, time: Time) -> None:
        response = await answers.answer("a", Source(time))
        tag = response.headers["ETag"]
        headers = [] if given is None else [(b"if-none-match", given.replace("TAG", tag).encode())]
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers})
        told = conditional(request, response)
        assert (told.status_code, told.headers["ETag"]) == (status, tag)
        assert told.headers["Cache-Control"] == fresh.REVALIDATE
        assert bool(told.body) == (status == 200)

    carried(test)
