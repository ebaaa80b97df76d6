"""Whatever goes on while a backup is made: what was acknowledged before is in it, whole.

And after a restore of it nothing points at what is not there.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.errors import Conflict
from quarterdeck.keys import crew_version_key, plan_key, version_key
from quarterdeck.memory.store import MemoryStore
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import System
from quarterdeck.table import ConditionFailed
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.listing import TaskFilter, find_page
from quarterdeck.tasks.states import TERMINAL
from tests import systems
from tests.prove import PROVE
from tests.restore_site import RestoreSite

LONG = "l" * 40_000
CREWS = ("research", "review")


@dataclass
class Play:
    """`tasks`: what is known of each by who was answered."""

    site: RestoreSite = field(default_factory=RestoreSite)
    tasks: dict[str, str] = field(default_factory=dict)
    memories: dict[str, str] = field(default_factory=dict)
    versions: int = 1
    system: System = field(init=False)

    def __post_init__(self) -> None:
        self.system = self.site.deploy(**self.configure())

    def configure(self) -> dict[str, Any]:
        agents = [systems.agent(f"Agent {n} of {self.versions}") for n in range(3)]
        crews = [systems.crew(name, agents=agents) for name in CREWS]
        return {"crews": crews, "encryption_enabled": False}

    def act(self, kind: str, number: int) -> None:
        with suppress(ConditionFailed, Conflict):
            getattr(self, kind)(number)

    def submit(self, number: int) -> None:
        text = LONG if number % 3 == 0 else "Short"
        crew = CREWS[number % 2]
        self.tasks[self.site.submit(self.system, text, crew)] = "queued"

    def start(self, number: int) -> None:
        if task := self.pick("queued", number):
            self.site.start(self.system, task)
            self.tasks[task] = "running"

    def finish(self, number: int) -> None:
        if task := self.pick("running", number):
            state = self.site.tasks.get_state(self.system.scope, task)
            self.site.finish(self.system, state, LONG if number % 2 else "Done")
            self.tasks[task] = "succeeded"

    def cancel(self, number: int) -> None:
        if task := self.pick("queued", number):
            site = self.site
            stop_task(site.table, site.blobs, self.system.scope, task, site.clock)
            self.tasks[task] = "cancelled"

    def remember(self, number: int) -> None:
        content = f"{number} {LONG if number % 2 else ''}"
        self.memories[self.site.remember(self.system, content)] = content

    def deploy(self, number: int) -> None:
        self.versions += 1
        store = self.site.systems
        configuration = systems.system(**self.configure())
        parsed = SystemConfiguration.model_validate(configuration)
        store.begin_version(self.system, parsed, self.site.now)
        self.system = systems.activate(store, self.system.system_id, self.site.clock)

    def wait(self, number: int) -> None:
        self.site.later(seconds=number)

    def pick(self, status: str, number: int) -> str | None:
        found = [task for task, known in self.tasks.items() if known == status]
        return found[number % len(found)] if found else None

    def play_during(self, script: list[tuple[str, int, int]]) -> None:
        """Each act before the so many-th call of what is done next, reads included."""
        calls, busy = 0, False

        def come_before(*_: Any) -> None:
            nonlocal calls, busy
            if busy:
                return
            calls, busy = calls + 1, True
            for kind, number, at in script:
                if at == calls:
                    self.act(kind, number)
            busy = False

        self.listen(come_before)

    def listen(self, hook: Callable[..., None]) -> None:
        calls = self.site.table.calls
        calls.before_write = calls.before_read = self.site.s3.before_write = hook


KINDS = ("submit", "submit", "start", "start", "finish", "remember", "cancel", "deploy", "wait")
acts = st.tuples(st.sampled_from(KINDS), st.integers(0, 9))
meanwhile = st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.integers(1, 120))


@settings(max_examples=200 if PROVE else 30)
@given(before=st.lists(acts, max_size=20), during=st.lists(meanwhile, max_size=20))
def test_what_was_acknowledged_before_a_backup_is_restored_from_it(
    before: list[tuple[str, int]], during: list[tuple[str, int, int]]
) -> None:
    play = Play()
    for kind, number in before:
        play.act(kind, number)
    known, memories = dict(play.tasks), dict(play.memories)
    version = play.versions
    documents = read_documents(play, play.system)
    site = play.site
    backup = site.begin(play.system)
    play.play_during(during)
    backup = site.run(backup)
    play.listen(lambda *_: None)
    assert backup.is_good, backup.reasons
    site.later(minutes=1)
    accepted = set(play.tasks)

    restore = site.restore(play.system, backup)
    assert restore.outcome == "restored", restore.reasons
    restored = site.systems.get(play.system.system_id)
    check_tasks(play, restored, known)
    after = read_documents(play, restored)
    for key, text in documents.items():
        if key[1] == "SPEC" or known[key[0]] in TERMINAL:
            assert after[key] == text
    store = MemoryStore(site.table, site.blobs, restored.scope, "research")
    for record_id, content in memories.items():
        memory = store.get(record_id)
        assert memory
        assert memory.content == content
    assert_nothing_dangles(site, restored)
    # What lived when the system was closed, in the backup or not, is there and has ended.
    live = {task for task in accepted if play.tasks[task] not in TERMINAL}
    for task in live:
        assert site.tasks.get_view(restored.scope, task).status == "interrupted"
    configuration = site.systems.get_configuration(restored.system_id, restored.current_version)
    roles = {agent.role for crew in configuration.crews for agent in crew.members}
    assert roles == {f"Agent {n} of {backup.version}" for n in range(3)}
    assert version <= backup.version <= play.versions


def check_tasks(play: Play, restored: System, known: dict[str, str]) -> None:
    for task, status in known.items():
        view = play.site.tasks.get_view(restored.scope, task)
        assert view.status == (status if status in TERMINAL else view.status)
        assert view.status in TERMINAL


def read_documents(play: Play, system: System) -> dict[tuple[str, str], str]:
    """The texts of requests and outcomes, by task."""
    items = play.site.dump_generation(system.system_id, system.generation)
    return {
        (pk.removeprefix("TASK#"), sk): item["document"]
        for (pk, sk), item in items.items()
        if sk in {"SPEC", "END"}
    }


def assert_nothing_dangles(site: RestoreSite, system: System) -> None:
    """Every item is whole, and what it names is there. `dump_generation` reads each blob."""
    items = site.dump_generation(system.system_id, system.generation)
    registered = {sk for pk, sk in items if pk.startswith("TASKS#")}
    tasks = {pk.removeprefix("TASK#") for pk, sk in items if pk.startswith("TASK#")}
    assert registered == tasks
    for task in tasks:
        state = items[f"TASK#{task}", "STATE"]
        assert state["status"] in TERMINAL
        assert json.loads(items[f"TASK#{task}", "END"]["document"])["status"] == state["status"]
        assert (f"TASK#{task}", "SPEC") in items
        assert site.systems.get_configuration(system.system_id, state["version"])
    assert not [key for key in items if key[1].startswith(("QUEUE#", "LATER#", "CALL#"))]
    assert {pk.removeprefix("CREW#") for pk, _ in items if pk.startswith("CREW#")} == set(CREWS)
    number = system.current_version
    for key in (
        *(version_key(system.system_id, number), plan_key(system.system_id, number)),
        *(crew_version_key(system.system_id, number, crew) for crew in system.crews),
    ):
        assert site.table.get(key), key
    listed = find_page(site.table, system.scope, TaskFilter(), 1000, None).items
    assert len(listed) == len(tasks)
