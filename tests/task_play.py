"""What can happen to the tasks of a world: each call of a service, and what comes in between."""

from collections.abc import Callable
from contextlib import suppress
from copy import copy
from datetime import timedelta
from typing import Any

from quarterdeck.errors import Conflict
from quarterdeck.keys import OutboxKey
from quarterdeck.leases import list_due
from quarterdeck.table import Absent, ConditionFailed, Item, Put, Update
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.announcements import Untold
from quarterdeck.tasks.answers import Answer, answer_question
from quarterdeck.tasks.attempt import Attempt, admit_for, claim
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.outcome import Outcome, TaskError, Usage
from quarterdeck.tasks.questions import LONGEST_WAIT, Asked, Progress
from quarterdeck.tasks.queue import TaskMessage, WorkMessage
from quarterdeck.tasks.states import TERMINAL
from quarterdeck.tasks.submission import TaskRequest, accept_task, retry_task
from quarterdeck.tasks.upkeep import Upkeep
from tests.fake_dynamodb import FakeDynamoDB
from tests.task_once import Accepted, check_once, submit_once
from tests.task_watch import Watch, check_everything, check_told, list_untold, read_all
from tests.task_world import CREWS, SMOOTH, Actor, Plan, Role, Sent, World

TURN = timedelta(minutes=11)
ANSWERLESS = timedelta(seconds=LONGEST_WAIT + 1)
"""Longer than a lease, and than a message is waited for."""

ERROR = TaskError(type="ValueError", message="no")
OUTCOMES = {
    "succeeded": Outcome(status="succeeded", output="Done"),
    "failed": Outcome(status="failed", error=ERROR),
    "timed_out": Outcome(status="timed_out", error=ERROR),
    "cancelled": Outcome(status="cancelled", error=ERROR),
}


DONE = Progress(usage=Usage(prompt_tokens=3, requests=1))
ANSWERS: dict[str, dict[str, Any]] = {
    "approve": {"approve": True},
    "feedback": {"feedback": "be more brief"},
}


def make_question(seconds: int) -> Asked:
    place = ("d" * 64, 0)
    return Asked(kind="review", step="s", agent="A", text="Good?", place=place, seconds=seconds)


def pick[T](choices: list[T], number: int) -> T:
    """0 is the newest, -1 the oldest."""
    return choices[-1 - number % len(choices)]


class Play:
    """Attempts are kept when they are over: a worker that was taken for lost may come back.

    `client` is DynamoDB, with an empty table; one on a server tells no changes.
    """

    def __init__(self, client: Any = None, table_name: str = "quarterdeck") -> None:
        self.client: Any = client or FakeDynamoDB()
        self.world = World(self.client, table_name)
        self.watch = Watch(self.world)
        self.in_memory = isinstance(self.client, FakeDynamoDB)
        if self.in_memory:
            self.client.on_change = self.watch.see_change
        self.attempts: list[Attempt] = []
        self.spending = self.watch.spending
        self.accepted: list[Accepted] = []
        self._table_name = table_name
        self._owned: set[tuple[str, int]] = set()
        self._known: dict[int, Any] = {}
        self._broken = False

    def submit(
        self,
        plan: Plan = SMOOTH,
        crew: str = "one",
        priority: str = "high",
        known_id: str | None = None,
    ) -> None:
        """With `known_id` the id that is drawn is another task's."""
        world = self.world
        request = TaskRequest.model_validate(
            {"description": "x", "crew_name": crew, "priority": priority}
        )

        def act(actor: Actor) -> None:
            actor.known_id = known_id
            with suppress(ConditionFailed):
                accept_task(world.table, world.blobs, world.system, request, actor.clock())
            admit_for(world.table, world.queue, world.scope, crew, actor.clock)

        self._let("api", act, plan)

    def submit_known(self, plan: Plan = SMOOTH) -> None:
        if self.watch.states:
            self.submit(plan, known_id=next(iter(self.watch.states)))

    def submit_once(self, plan: Plan = SMOOTH, key: str = "first", body: str = "this") -> None:
        """By a key; sent again with it as a caller would who got no answer."""
        world = self.world

        def act(actor: Actor) -> None:
            self.accepted.append(submit_once(world, actor, key, body))
            admit_for(world.table, world.queue, world.scope, "one", actor.clock)

        self._let("api", act, plan)

    def admit(self, plan: Plan = SMOOTH, crew: str = "one") -> None:
        world = self.world
        self._let(
            "api",
            lambda actor: admit_tasks(world.table, world.queue, world.scope, crew, actor.clock),
            plan,
        )

    def deliver(self, plan: Plan = SMOOTH, number: int = 0, *, again: bool = True) -> None:
        """A message; `again` if it is to come once more."""
        if due := self.world.queue.list_due():
            self._deliver(pick(due, number), plan, again=again)

    def _deliver(self, sent: Sent, plan: Plan, *, again: bool) -> None:
        actor = self._let("worker", lambda actor: self._work(actor, sent.message), plan)
        if not again and actor.done and plan.fault is None:
            self.world.queue.messages.remove(sent)

    def _work(self, actor: Actor, message: WorkMessage) -> None:
        world = self.world
        if not isinstance(message, TaskMessage):
            admit_for(world.table, world.queue, world.scope, message.crew_name, actor.clock)
            return
        attempt = claim(world.table, world.blobs, world.queue, message, actor.clock)
        if attempt is None:
            return
        owner = (attempt.state.task_id, attempt.state.epoch)
        self.watch.expect(owner not in self._owned, "two workers have one epoch", owner)
        self._owned.add(owner)
        self.spending.open(attempt)
        self.attempts.append(attempt)

    def deliver_nonsense(self, number: int, change: dict[str, Any]) -> None:
        message = pick(self.world.queue.messages, number).message
        if isinstance(message, TaskMessage):
            held = len(self.attempts)
            nonsense = message.model_copy(update=change)
            self._let("worker", lambda actor: self._work(actor, nonsense), SMOOTH)
            self.watch.expect(len(self.attempts) == held, "claimed by", nonsense)

    def beat(self, plan: Plan = SMOOTH, number: int = 0, ran_ms: int = 30_000) -> None:
        def act(attempt: Attempt) -> None:
            with suppress(ConditionFailed):
                attempt.beat(ran_ms)

        self._let_worker(act, plan, number)

    def finish(self, plan: Plan = SMOOTH, number: int = 0, outcome: str = "succeeded") -> None:
        """A worker ends as cancelled only a task whose cancel was accepted."""
        if outcome == "cancelled" and self.attempts:
            task_id = pick(self.attempts, number).state.task_id
            outcome = "cancelled" if task_id in self.world.cancelled else "succeeded"
        self._let_leave(lambda attempt: attempt.end(OUTCOMES[outcome], 5), plan, number)

    def hand_on(self, plan: Plan = SMOOTH, number: int = 0) -> None:
        self._let_leave(lambda attempt: attempt.hand_on(60_000), plan, number)

    def postpone(self, plan: Plan = SMOOTH, number: int = 0, delay_s: float = 2.5) -> None:
        self._let_leave(lambda attempt: attempt.postpone(1000, delay_s, 1), plan, number)

    def hold(self, plan: Plan = SMOOTH, number: int = 0, tokens: int = 100) -> None:
        self._let_worker(lambda attempt: self.spending.hold(attempt, tokens), plan, number)

    def settle_call(self, plan: Plan = SMOOTH, number: int = 0, used: int = 60) -> None:
        if self.spending.held:
            attempt, held = pick(self.spending.held, number)
            spending = self.spending
            self._let("worker", lambda actor: spending.settle(attempt, held, used), plan, attempt)

    def ask(self, plan: Plan = SMOOTH, number: int = 0, seconds: int = 3600) -> None:
        """The worker's run has come to a question."""
        self._let_leave(lambda attempt: attempt.wait(7, make_question(seconds), DONE), plan, number)

    def answer(
        self,
        plan: Plan = SMOOTH,
        number: int = 0,
        said: str = "approve",
        question: int | None = None,
    ) -> None:
        """A person's, to the task's last question or to this one; what comes of it must be true."""
        if not self.watch.states:
            return
        world, given = self.world, Answer.model_validate(ANSWERS[said] | {"question": question})
        task_id = pick(list(self.watch.states), number)

        def act(actor: Actor) -> None:
            try:
                resumed = answer_question(
                    world.table, world.blobs, world.system, task_id, given, "key", actor.clock
                )
            except Conflict:
                return
            crew = self.watch.states[task_id]["crew_name"]
            admit_for(world.table, world.queue, world.scope, crew, actor.clock)
            if self.in_memory:
                self.watch.see_answered(task_id, given, resumed)

        self._let("api", act, plan)

    def record_call(self, number: int, occurrence: int) -> None:
        task_id = pick(self.attempts, number).state.task_id
        key = self.world.scope.call_key(task_id, "digest", occurrence)
        with suppress(ConditionFailed):
            self.world.table.write(Put(key, {}, [Absent()]))

    def cancel(self, plan: Plan = SMOOTH, number: int = 0) -> None:
        if not self.watch.states:
            return
        world = self.world
        task_id = pick(list(self.watch.states), number)
        world.cancel_asked.add(task_id)

        def act(actor: Actor) -> None:
            with suppress(Conflict):
                state = stop_task(world.table, world.blobs, world.scope, task_id, actor.clock)
                world.cancelled.add(task_id)
                if state.status in TERMINAL:
                    admit_for(world.table, world.queue, world.scope, state.crew_name, actor.clock)
                    key = OutboxKey(world.scope, task_id, state.epoch, "ended")
                    world.announcer.tell(Untold(key))

        self._let("api", act, plan)

    def retry(self, plan: Plan = SMOOTH, number: int = 0) -> None:
        if not self.watch.states:
            return
        world = self.world
        task_id = pick(list(self.watch.states), number)

        def act(actor: Actor) -> None:
            with suppress(Conflict):
                retry_task(world.table, world.blobs, world.system, task_id, actor.clock())

        self._let("api", act, plan)

    def monitor(self, plan: Plan = SMOOTH) -> None:
        world = self.world

        def act(actor: Actor) -> None:
            upkeep = Upkeep(world.table, world.blobs, world.queue, world.announcer, actor.clock)
            due = list_due(upkeep.table, upkeep.clock())
            upkeep.settle_due(due)
            upkeep.admit_everywhere()
            world.announcer.tell_due(due, lambda: 1)

        self._let("monitor", act, plan)

    def advance(self, seconds: float) -> None:
        self.world.now += timedelta(seconds=seconds)

    def scale(self, capacity: int, crew: str = "one") -> None:
        key = self.world.scope.crew_key(crew)
        self.world.table.write(Update(key, {"capacity": capacity}, {}))

    def resume(self, number: int = 0, pause: int | None = None) -> None:
        self._guard(lambda: self.world.resume(pick(self.world.paused, number), pause))

    def kill(self, number: int = 0) -> None:
        self._guard(lambda: self.world.kill(pick(self.world.paused, number)))

    def lose_message(self, number: int) -> None:
        self.world.queue.messages.remove(pick(self.world.queue.messages, number))

    def lag_indexes(self, lags: bool) -> None:
        if self.in_memory and lags:
            self.client.freeze_indexes()
        elif self.in_memory:
            self.client.thaw_indexes()

    def _let_leave(self, act: Callable[[Attempt], object], plan: Plan, number: int) -> None:
        def leave(attempt: Attempt) -> None:
            attempt.untold = None  # Of a trial before, which has been taken back.
            self.spending.close(attempt)
            act(attempt)
            if attempt.untold:
                self.world.announcer.tell(attempt.untold)
            if not self.in_memory:
                self._read_states()
            self.watch.see_left(attempt.state)

        self._let_worker(leave, plan, number)

    def _let_worker(self, act: Callable[[Attempt], object], plan: Plan, number: int) -> None:
        if self.attempts:
            attempt = pick(self.attempts, number)
            self._let("worker", lambda actor: act(attempt), plan, attempt)

    def _let(
        self,
        role: Role,
        act: Callable[[Actor], object],
        plan: Plan,
        attempt: Attempt | None = None,
    ) -> Actor:
        return self._guard(lambda: self.world.let(role, act, plan, attempt))

    def _guard[T](self, act: Callable[[], T]) -> T:
        try:
            return act()
        except BaseException:
            self._broken = True
            raise

    def _read_states(self) -> list[Item]:
        """All items. A server does not say what has changed: its states are read anew."""
        items = self._read_items()
        if not self.in_memory:
            self.watch.states = {i["task_id"]: i for i in items if i["sk"] == "STATE"}
        return items

    def check(self) -> None:
        """Everything that must hold at any moment."""
        items = self._read_states()
        wrong = [
            *self.world.violations,
            *self.watch.check_messages(),
            *check_everything(self.world.scope, items),
            *self.spending.check(items),
            *check_once(items, self.accepted),
            *check_told(items, self.world.wire.details),
        ]
        self._broken = self._broken or bool(wrong)
        assert not wrong, "\n".join(wrong)

    def _read_items(self) -> list[Item]:
        if self.in_memory:
            return read_all(self.client.items, self._known)
        pages = self.client.get_paginator("scan").paginate(TableName=self._table_name)
        records = [record for page in pages for record in page["Items"]]
        return read_all({"": {str(n): record for n, record in enumerate(records)}}, {})

    def save(self) -> Callable[[], None]:
        """What takes everything back to how it is now. In memory, and while nobody has paused."""
        world, watch = self.world, self.watch
        assert self.in_memory
        assert not world.paused
        now, items = world.now, {pk: dict(kept) for pk, kept in self.client.items.items()}
        holders: list[Any] = [
            *(world.violations, world.cancel_asked, world.cancelled),
            *(world.queue.messages, world.queue.told_at, watch.changed_at, watch.dispatched_by),
            *(self.spending.held, self.spending.through, self.spending.unknown),
            *(self.spending.own, self.spending.ended_by),
            *(watch.queued_at, watch.states, watch.losses, watch.recorded, watch.answers),
            *(self.attempts, self.accepted, self._owned, world.wire.events),
        ]
        contents = [copy(holder) for holder in holders]

        def restore() -> None:
            world.now, self._broken = now, False
            self.client.items = {pk: dict(kept) for pk, kept in items.items()}
            for holder, content in zip(holders, contents, strict=True):
                holder.clear()
                if isinstance(holder, list):
                    holder.extend(content)
                else:
                    holder.update(content)

        return restore

    def settle(self) -> None:
        """Without further faults every task ends, and a cancel that was accepted holds."""
        while self.world.paused:
            self.world.kill(self.world.paused[-1])
        if not self._broken:
            self._drain()

    def close(self) -> None:
        try:
            self.settle()
        finally:
            self.world.close()

    def _drain(self) -> None:
        self.lag_indexes(False)
        for crew in CREWS:
            self.scale(1, crew)
        for _ in range(4 + 2 * len(self.watch.states)):
            if not self._list_live():
                break
            waiting = all(item["status"] == "waiting" for item in self._list_live())
            self.world.now += ANSWERLESS if waiting else TURN
            self.monitor()
            while due := self.world.queue.list_due():
                self._work_off(due)
            self.check()
        assert not self._list_live(), f"never ends: {self._list_live()}"
        self._tell_all()
        states = self.watch.states
        kept = {each for each in self.world.cancelled if states[each]["status"] != "cancelled"}
        assert not kept, f"not cancelled: {kept}"

    def _tell_all(self) -> None:
        """What was left in the outbox is told in the monitor's next minutes."""
        self.world.now += TURN
        self.monitor()
        self.check()
        untold = list_untold(self._read_items())
        assert not untold, f"never told: {untold}"

    def _work_off(self, due: list[Sent]) -> None:
        for sent in due:
            held = len(self.attempts)
            self._deliver(sent, SMOOTH, again=False)
            if len(self.attempts) > held:
                self.finish()

    def _list_live(self) -> list[Item]:
        return [item for item in self.watch.states.values() if item["status"] not in TERMINAL]
