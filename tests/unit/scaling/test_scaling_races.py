"""Who decides when several would: evaluators at one time, and somebody who sets a capacity."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from threading import Semaphore, Thread
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.keys import DECISION_PREFIX
from quarterdeck.scaling.manual import ScaleRequest, scale_by_hand
from quarterdeck.table import unmarshal_item
from tests.unit.scaling.sites import BUSY, CREW, Site


class Turns:
    """Acts whose calls of the table come in an order that is given: each in its own thread."""

    def __init__(self, site: Site, acts: Sequence[Callable[[], object]]) -> None:
        self.calls = site.table.calls
        self.go = [Semaphore(0) for _ in acts]
        self.back = Semaphore(0)
        self.left = list(range(len(acts)))
        self.now = 0
        self.faults: list[BaseException] = []
        self.threads = [
            Thread(target=self._run, args=each, daemon=True) for each in enumerate(acts)
        ]
        self._hook(self._let_others)

    def _hook(self, act: Callable[[], None]) -> None:
        self.calls.before_read = lambda operation, request: act()
        self.calls.before_write = act

    def _run(self, number: int, act: Callable[[], object]) -> None:
        self.go[number].acquire()
        try:
            act()
        except BaseException as fault:
            self.faults.append(fault)
        self.left.remove(number)
        self.back.release()

    def _let_others(self) -> None:
        number = self.now
        self.back.release()
        self.go[number].acquire()

    def play(self, order: Sequence[int]) -> None:
        """Whose turn it is, by place among those that are left."""
        for thread in self.threads:
            thread.start()
        places = iter([*order, *([0] * 1000)])
        while self.left:
            self.now = self.left[next(places) % len(self.left)]
            self.go[self.now].release()
            self.back.acquire()
        for thread in self.threads:
            thread.join()
        self._hook(lambda: None)
        assert not self.faults


def watch_commits(site: Site) -> list[dict[str, Any]]:
    """The decisions, in the order in which they were written."""
    commits: list[dict[str, Any]] = []

    def note(_: Any, new: Any) -> None:
        if new and new["sk"]["S"].startswith(DECISION_PREFIX):
            commits.append(unmarshal_item(new))

    site.table.dynamodb.on_change = note
    return commits


ORDERS = st.lists(st.integers(0, 3), max_size=40)


@given(ORDERS, st.lists(st.floats(0, 40), min_size=2, max_size=4))
def test_of_evaluators_at_one_time_one_decides(order: list[int], ahead: list[float]) -> None:
    site = Site(max_agents=20)
    site.submit(30)
    site.count(**BUSY)
    commits = watch_commits(site)
    made: list[object] = []

    def evaluate(ahead_s: float) -> None:
        made.append(site.scale(site.open_scaler(ahead_s)))

    Turns(site, [partial(evaluate, seconds) for seconds in ahead]).play(order)
    assert len(commits) == sum(decision is not None for decision in made) == 1
    assert (site.read_crew()["capacity"], site.read_crew()["running"]) == (5, 5)


@given(ORDERS, st.lists(st.sampled_from([1, 3, 5, 20]), min_size=1, max_size=2))
def test_each_decision_begins_where_the_last_one_ended(order: list[int], asked: list[int]) -> None:
    """And what somebody set is not undone by who had read the crew before."""
    site = Site(max_agents=20)
    site.submit(30)
    site.count(**BUSY)
    commits = watch_commits(site)

    def set_capacity(capacity: int, second: int) -> None:
        request = ScaleRequest(crew_name=CREW, capacity=capacity)
        at = site.now + timedelta(seconds=second)
        scale_by_hand(site.store, site.system, request, "key-1", lambda: at)

    evaluators = [partial(site.scale, site.open_scaler(n)) for n in range(2)]
    operators = [partial(set_capacity, n, second) for second, n in enumerate(asked, 2)]
    Turns(site, [*evaluators, *operators]).play(order)
    capacities = [1, *(commit["capacity"] for commit in commits)]
    assert [commit["previous_capacity"] for commit in commits] == capacities[:-1]
    assert site.read_crew()["capacity"] == capacities[-1]
    first = [commit["by"] for commit in commits].index("key-1")
    assert all(
        commit["action"] == "hold" for commit in commits[first:] if commit["by"] == "controller"
    )
    assert len(commits) - len(asked) <= 1
