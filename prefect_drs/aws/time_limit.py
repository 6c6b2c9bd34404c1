"""Several calls at a time, in threads, with a limit for all of them together.

In: a function, the items it is called with, a number of seconds. Out: the results that came in time, in the order of
the items. A call that is under way when the time is over is not waited for: its thread is a daemon, so that it keeps
neither its caller nor the end of the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def map_within(
    function: Callable[[_In], _Out], items: Iterable[_In], workers: int, seconds: float
) -> list[_Out | None]:
    """The function's result for each item, and None for each that has none in time; raises the first failure.

    Args:
        function: called with one item, in a thread of its own.
        items: started in this order.
        workers: the most calls at a time.
        seconds: real time for all calls together. No call begins after it.
    """
    calls = [(Future[_Out](), item) for item in items]
    waiting = deque(calls)

    def work() -> None:
        while True:
            try:
                future, item = waiting.popleft()
            except IndexError:
                return
            try:
                future.set_result(function(item))
            except BaseException as error:  # raised in the caller's thread
                future.set_exception(error)

    for number in range(min(workers, len(calls))):
        threading.Thread(target=work, name=f"drs-read-{number}", daemon=True).start()
    done, _ = wait([future for future, _ in calls], timeout=seconds, return_when=FIRST_EXCEPTION)
    waiting.clear()
    return [future.result() if future in done else None for future, _ in calls]
