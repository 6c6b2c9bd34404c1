"""Several calls at a time, in threads: boto3 is sync.

In: a function and the items it is called with. Out: its results in the order of the items.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_In = TypeVar("_In")
_Key = TypeVar("_Key", bound=Hashable)
_Out = TypeVar("_Out")


def map_parallel(function: Callable[[_In], _Out], items: Iterable[_In], workers: int) -> list[_Out]:
    """The function's result for each item; the first failure ends it without starting the rest.

    Args:
        function: called with one item.
        items: started in this order.
        workers: the most calls at a time; 1 makes them one after another in this thread, as does a single item.
    """
    every = list(items)
    workers = min(workers, len(every))
    if workers <= 1:
        return [function(item) for item in every]
    pool = ThreadPoolExecutor(workers, thread_name_prefix="drs-read")
    try:
        return list(pool.map(function, every))
    finally:
        pool.shutdown(cancel_futures=True)


def map_by_key(function: Callable[[_Key], _Out], keys: Iterable[_Key], workers: int) -> dict[_Key, _Out]:
    """The results of `map_parallel` by key, in the order of the keys, each of which is used once."""
    every = tuple(dict.fromkeys(keys))
    return dict(zip(every, map_parallel(function, every, workers), strict=True))
