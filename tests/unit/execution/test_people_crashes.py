"""The worker dies at any write of a task that asks: no call is repeated, no question is lost."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from quarterdeck.http.services import Services
from quarterdeck.keys import CALL_PREFIX
from quarterdeck.table import Put, Table, Write
from tests.openai_server import OpenAIServer
from tests.prove import PROVE
from tests.unit.execution.people import People, answer, make_crew, read_crew, run_monitor
from tests.unit.execution.sites import Site

WRITES = 14
"""Of the workers of such a task, at least."""
LONGER_THAN_A_LEASE = timedelta(minutes=3)
SAID: tuple[dict[str, Any], ...] = (
    {"feedback": "be more brief"},
    {"feedback": "be more kind"},
    {"approve": True},
)


class Killed(BaseException):
    """As a process that ends: nothing catches it."""


class Point(NamedTuple):
    number: int
    when: str


POINTS = [Point(number, when) for number in range(1, WRITES + 1) for when in ("before", "after")]
SAMPLE = POINTS if PROVE else [POINTS[n] for n in (2, 5, 10, 13)]


class DeadlyTable(Table):
    """Kills whoever makes the write of this number, before it or after; once."""

    point: Point
    writes: int = 0
    lost_call: bool = False

    def write(self, *writes: Write) -> None:
        self.writes += 1
        mine = self.writes == self.point.number
        if mine and self.point.when == "before":
            self.lost_call = any(is_answer(write) for write in writes)
            raise Killed
        try:
            super().write(*writes)
        finally:
            if mine:
                raise Killed


def is_answer(write: Write) -> bool:
    return isinstance(write, Put) and write.key.sk.startswith(CALL_PREFIX)


def work(site: Site, services: Services) -> bool:
    """Whether the worker has survived; if not, another takes its task over."""
    try:
        site.work()
    except Killed:
        run_monitor(services, LONGER_THAN_A_LEASE)
        return False
    return True


@pytest.fixture(scope="module")
def url() -> Iterator[OpenAIServer]:
    with OpenAIServer(answer) as server:
        yield server


@pytest.mark.parametrize("point", SAMPLE, ids=str)
def test_a_task_whose_worker_died_asks_and_ends_as_if_it_had_not(
    point: Point, services: Services, url: OpenAIServer
) -> None:
    url.requests.clear()
    table = DeadlyTable(services.table.client, services.table.name, services.table.retention)
    table.point = point
    crew = make_crew(url.url, input_timeout=3600)
    site = Site(services, url.url, crew=crew)
    object.__setattr__(site.worker, "table", table)
    people = People(site, site.submit())
    died = 0
    for number, said in enumerate(SAID, start=1):
        while not work(site, services):
            died += 1
        question = people.look()["question"]
        assert question["number"] == number
        assert people.answer(said).status == 202
    while not work(site, services):
        died += 1
    task = people.look()
    assert (task["status"], died) == ("succeeded", 1)
    assert [step["output"] for step in task["steps"]] == ["write brief+kind", "check"]
    assert len(url.requests) == 4 + table.lost_call
    assert task["usage"]["requests"] == 4
    assert read_crew(site) == {"running": 0, "waiting": 0}
