"""A task that is deleted: all of it, at once for who reads it, and whoever dies over it."""

from typing import Any

import pytest

from quarterdeck.erasures import hash_task
from quarterdeck.errors import Conflict, NotFound
from quarterdeck.http.services import Services
from quarterdeck.keys import erasure_key, system_key
from quarterdeck.memory.erasure import list_erasures
from quarterdeck.systems.records import System
from quarterdeck.table import Put, Update
from quarterdeck.tasks.deletion import delete_task
from quarterdeck.tasks.listing import TaskFilter, find_page
from tests import systems
from tests.api_calls import call, read_items
from tests.faults import Crash, LostAnswer
from tests.restore_site import RestoreSite

LONG = "Ann " * 20_000


@pytest.fixture
def site() -> RestoreSite:
    return RestoreSite()


@pytest.fixture
def system(site: RestoreSite) -> System:
    return site.deploy(test_restores=False)


def run_task(site: RestoreSite, system: System) -> str:
    """With a long request and a long result, a journal, an event, spending, and a lost end."""
    task_id = site.run_task(system, LONG, LONG)
    scope = system.scope
    for number in range(60):
        document = site.blobs.store_document(
            f"{scope.blob_prefix}/{task_id}/call-{number}.json", LONG if number < 3 else "Ann"
        )
        site.table.write(Put(scope.call_key(task_id, "d", number), {"document": document}))
    site.table.write(Put(scope.started_key(task_id, "d", 60), {"name": "Ann"}))
    site.table.write(Put(scope.event_key(task_id, 1), {"event": "Ann"}))
    site.table.write(Put(scope.spending_key(task_id), {"tokens": 1}))
    site.blobs.store_document(f"{scope.blob_prefix}/{task_id}/end-7.json", LONG)
    return task_id


def delete(site: RestoreSite, system: System, task_id: str) -> bool:
    return delete_task(site.table, site.blobs, system.scope, task_id, site.now)


def find_traces(site: RestoreSite, task_id: str) -> list[str]:
    """Keys of items and of blobs."""
    items = [f"{i['pk']} {i['sk']}" for i in site.table.dump() if task_id in str(i)]
    return items + [key for _, key in site.s3.objects if task_id in key]


def list_ids(site: RestoreSite, system: System) -> list[str]:
    listed = find_page(site.table, system.scope, TaskFilter(), 10, None).items
    return [entry["pk"].rpartition("#")[2] for entry in listed]


def test_nothing_is_left_but_the_mark(site: RestoreSite, system: System) -> None:
    other = site.run_task(system)
    before, blobs = site.table.dump(), dict(site.s3.objects)
    task_id = run_task(site, system)
    mark = erasure_key(system.system_id, hash_task(task_id))
    assert delete(site, system, task_id)
    assert find_traces(site, task_id) == []
    assert "Ann" not in str(site.table.dump())
    assert site.s3.objects == blobs
    assert list_ids(site, system) == [other]
    assert site.table.get(mark) is not None
    others = [i for i in site.table.dump() if i["sk"] != mark.sk and "#METRICS" not in i["pk"]]
    assert others == [i for i in before if "#METRICS" not in i["pk"]]
    assert delete(site, system, task_id)


def test_whoever_dies_over_it_the_next_goes_on(site: RestoreSite, system: System) -> None:
    """Before and after each write, of the table and of the bucket."""
    deaths = 0
    while True:
        task_id = run_task(site, system)
        survived = die_after(site, deaths, lambda: delete(site, system, task_id))  # noqa: B023
        # Half of a task is never seen: it is there with its result, or it is not.
        try:
            view = site.tasks.get_view(system.scope, task_id)
        except NotFound:
            assert task_id not in list_ids(site, system)
            assert list_erasures(site.table, system.system_id).has_task(task_id)
        else:
            assert (view.status, view.steps) == ("succeeded", [])
            assert site.blobs.list_blobs(f"{system.scope.blob_prefix}/{task_id}/end")
        assert delete(site, system, task_id)
        assert find_traces(site, task_id) == []
        if survived:
            break
        deaths += 1
    assert deaths > 12


def die_after(site: RestoreSite, calls: int, act: Any) -> bool:
    """Whether it came to its end. Each write is two calls: before it, and after."""
    left = calls

    def count() -> None:
        nonlocal left
        if not left:
            raise Crash
        left -= 1

    hooked = (site.table.calls, site.s3)
    for each in hooked:
        each.before_write = each.after_write = count
    try:
        act()
    except Crash:
        return False
    finally:
        for each in hooked:
            each.before_write = each.after_write = lambda: None
    return True


def test_an_answer_that_is_lost_changes_nothing(site: RestoreSite, system: System) -> None:
    task_id = run_task(site, system)
    lost = iter([True])

    def lose() -> None:
        if next(lost, False):
            raise LostAnswer

    site.table.calls.after_write = lose
    assert delete(site, system, task_id)
    assert find_traces(site, task_id) == []


def test_two_at_once_delete_it_once(site: RestoreSite, system: System) -> None:
    task_id = run_task(site, system)

    def overtake() -> None:
        site.table.calls.before_write = lambda: None
        assert delete(site, system, task_id)

    site.table.calls.before_write = overtake
    assert delete(site, system, task_id)
    assert find_traces(site, task_id) == []


def test_when_it_gets_late_the_next_request_goes_on(site: RestoreSite, system: System) -> None:
    task_id = run_task(site, system)
    turns = 0
    while not delete_task(
        *(site.table, site.blobs, system.scope, task_id, site.now), is_late=make_late(2)
    ):
        turns += 1
        assert task_id not in list_ids(site, system)
    assert turns > 3
    assert find_traces(site, task_id) == []


def make_late(after: int) -> Any:
    asked = iter(range(1000))
    return lambda: next(asked) >= after


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_task_that_lives_is_not_deleted(site: RestoreSite, system: System, status: str) -> None:
    task_id = site.submit(system)
    if status == "running":
        site.start(system, task_id)
    before = site.table.dump()
    with pytest.raises(Conflict, match=f"the task is {status}: one that has ended can be deleted"):
        delete(site, system, task_id)
    assert site.table.dump() == before


@pytest.mark.parametrize("task_id", ["0123", "A#B", "a" * 3000, ""])
def test_what_was_never_there_is_not_deleted(
    site: RestoreSite, system: System, task_id: str
) -> None:
    before = site.table.dump()
    with pytest.raises(NotFound):
        delete(site, system, task_id)
    assert site.table.dump() == before


def test_a_task_that_expires_meanwhile_is_not_there(site: RestoreSite, system: System) -> None:
    task_id = site.run_task(system)

    def expire() -> None:
        site.table.calls.before_write = lambda: None
        del site.table.dynamodb.items[system.scope.state_key(task_id).pk]["STATE"]

    site.table.calls.before_write = expire
    with pytest.raises(NotFound):
        delete(site, system, task_id)


def test_the_api_deletes_a_task(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    system = systems.deploy(services.systems, systems.system())
    tasks = f"/crews/{system.system_id}/tasks"
    body = {"description": LONG, "crew_name": "research"}
    _, task = (call("POST", tasks, body).json["task_id"] for _ in range(2))
    path = f"{tasks}/{task}"
    assert call("DELETE", path).status == 409
    call("POST", f"{path}/cancel")
    with monkeypatch.context() as patch:
        patch.setattr("quarterdeck.http.task_history.DELETING_SECONDS", -1.0)
        late = call("DELETE", path)
    assert (late.status, late.headers["Retry-After"]) == (202, "1")
    assert call("GET", path).status == 404
    assert [call("DELETE", path).status for _ in range(2)] == [204, 204]
    assert task not in str(read_items())
    for method, rest in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        assert call(method, path + rest).status == 404
    assert call("DELETE", f"{tasks}/0123").status == 404
    assert [each["task_id"] for each in call("GET", tasks).json["tasks"]] != [task]


def test_while_a_system_is_restored_nothing_is_deleted(
    services: Services,
) -> None:
    system = systems.deploy(services.systems, systems.system())
    patch = {"state": "restoring", "restoring": "1"}
    services.table.write(Update(system_key(system.system_id), patch, {}))
    answer = call("DELETE", f"/crews/{system.system_id}/tasks/0123")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
