"""Several things at once, for what waits for DynamoDB most of the time."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def map_abreast[I, R](act: Callable[[I], R], items: Iterable[I], at_once: int) -> Iterator[R]:
    """The results in the order of the items; with `at_once` 1, in the caller's own thread."""
    if at_once == 1:
        yield from map(act, items)
        return
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(act, items)
