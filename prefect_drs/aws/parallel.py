"""Several calls at a time, in threads: boto3 is sync.

In: a function and what it is called with. Out: its answers in that order. Never more than `workers` threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def each(function: Callable[[_In], _Out], items: Iterable[_In], workers: int) -> list[_Out]:
    """The function of each item, several at a time; the first failure ends it without starting the rest.

    Args:
        function: what to do with one item.
        items: begun in this order.
        workers: how many at a time; 1 makes them one after another in this thread.
    """
    if workers <= 1:
        return [function(item) for item in items]
    pool = ThreadPoolExecutor(workers, thread_name_prefix="drs-read")
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)
