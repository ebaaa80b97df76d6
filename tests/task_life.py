"""A task's life as a state machine: the real services on a table whose calls fail."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quarterdeck.tasks.states import OFFSETS
from tests.task_once import BODIES, KEYS
from tests.task_play import ANSWERS, OUTCOMES, Play
from tests.task_world import CREWS, FAULTS, SMOOTH, Plan

crews = st.sampled_from(("one", "one", *CREWS))
priorities = st.sampled_from(sorted(OFFSETS))
picks = st.sampled_from([0, 0, 1, 2, 3, -1])
pauses = st.integers(1, 8)
skews = st.sampled_from([0, 0, 0, -5, 5, 200])
plans = st.one_of(
    st.just(SMOOTH),
    st.builds(Plan, st.sampled_from(FAULTS), st.integers(1, 3), st.none(), skews),
    st.builds(Plan, st.none(), st.just(1), pauses, skews),
    st.builds(Plan, st.sampled_from(FAULTS), st.integers(1, 3), pauses, skews),
)
nonsense = st.sampled_from(
    [{"task_id": "unknown"}, {"generation": 7}, {"system_id": "unknown"}, {"epoch": 99}]
)


class TaskLife(RuleBasedStateMachine):
    def start(self) -> Play:
        return Play()

    def __init__(self) -> None:
        super().__init__()
        self.play = self.start()

    @initialize(tasks=st.lists(priorities, max_size=5), begun=st.integers(0, 3))
    def begin(self, tasks: list[str], begun: int) -> None:
        """Some are queued and some run: from here it is not far to anywhere."""
        for priority in tasks:
            self.play.submit(priority=priority)
        for _ in range(begun):
            self.play.deliver(again=False)

    @rule(plan=plans, crew=crews, priority=priorities)
    def submit(self, plan: Plan, crew: str, priority: str) -> None:
        self.play.submit(plan, crew, priority)

    @rule(plan=plans, key=st.sampled_from(KEYS), body=st.sampled_from(BODIES))
    def submit_once(self, plan: Plan, key: str, body: str) -> None:
        self.play.submit_once(plan, key, body)

    @rule(plan=plans, crew=crews)
    def admit(self, plan: Plan, crew: str) -> None:
        self.play.admit(plan, crew)

    @precondition(lambda self: self.play.world.queue.list_due())
    @rule(plan=plans, number=picks, again=st.booleans())
    def deliver(self, plan: Plan, number: int, again: bool) -> None:
        self.play.deliver(plan, number, again=again)

    @precondition(lambda self: self.play.world.queue.list_due())
    @rule(number=picks, outcome=st.sampled_from(["succeeded", "failed"]))
    def deliver_and_finish(self, number: int, outcome: str) -> None:
        self.play.deliver(number=number, again=False)
        self.play.finish(outcome=outcome)

    @precondition(lambda self: self.play.attempts)
    @rule(plan=plans, number=picks, ran_ms=st.sampled_from([0, 5, 30_000]))
    def beat(self, plan: Plan, number: int, ran_ms: int) -> None:
        self.play.beat(plan, number, ran_ms)

    @precondition(lambda self: self.play.attempts)
    @rule(plan=plans, number=picks, outcome=st.sampled_from(sorted(OUTCOMES)))
    def finish(self, plan: Plan, number: int, outcome: str) -> None:
        self.play.finish(plan, number, outcome)

    @precondition(lambda self: self.play.attempts)
    @rule(plan=plans, number=picks)
    def hand_on(self, plan: Plan, number: int) -> None:
        self.play.hand_on(plan, number)

    @precondition(lambda self: self.play.attempts)
    @rule(plan=plans, number=picks, delay_s=st.sampled_from([0.0, 2.5, 600.0, 1000.0]))
    def postpone(self, plan: Plan, number: int, delay_s: float) -> None:
        self.play.postpone(plan, number, delay_s)

    @precondition(lambda self: self.play.attempts)
    @rule(plan=plans, number=picks, seconds=st.sampled_from([60, 3600, 2_592_000]))
    def ask(self, plan: Plan, number: int, seconds: int) -> None:
        self.play.ask(plan, number, seconds)

    @precondition(
        lambda self: any(item.get("question") for item in self.play.watch.states.values())
    )
    @rule(
        plan=plans,
        number=picks,
        said=st.sampled_from(sorted(ANSWERS)),
        question=st.sampled_from([None, None, 1, 2]),
    )
    def answer(self, plan: Plan, number: int, said: str, question: int | None) -> None:
        self.play.answer(plan, number, said, question)

    @precondition(lambda self: self.play.world.queue.list_due())
    @rule(number=picks, said=st.sampled_from(sorted(ANSWERS)))
    def deliver_ask_and_answer(self, number: int, said: str) -> None:
        self.play.deliver(number=number, again=False)
        self.play.ask()
        self.play.answer(number=number, said=said)

    @precondition(lambda self: self.play.attempts)
    @rule(number=picks, occurrence=st.integers(0, 2))
    def record_call(self, number: int, occurrence: int) -> None:
        self.play.record_call(number, occurrence)

    @precondition(lambda self: self.play.watch.states)
    @rule(plan=plans, number=picks)
    def cancel(self, plan: Plan, number: int) -> None:
        self.play.cancel(plan, number)

    @precondition(lambda self: self.play.watch.states)
    @rule(plan=plans, number=picks)
    def retry(self, plan: Plan, number: int) -> None:
        self.play.retry(plan, number)

    @rule(plan=plans)
    def monitor(self, plan: Plan) -> None:
        self.play.monitor(plan)

    @rule(seconds=st.sampled_from([0.001, 1, 61, 121, 601, 1801]))
    def advance(self, seconds: float) -> None:
        self.play.advance(seconds)

    @rule(capacity=st.integers(1, 4), crew=crews)
    def scale(self, capacity: int, crew: str) -> None:
        self.play.scale(capacity, crew)

    @precondition(lambda self: self.play.world.paused)
    @rule(number=picks, pause=st.none() | pauses)
    def resume(self, number: int, pause: int | None) -> None:
        self.play.resume(number, pause)

    @precondition(lambda self: self.play.world.paused)
    @rule(number=picks)
    def kill(self, number: int) -> None:
        self.play.kill(number)

    @precondition(lambda self: self.play.world.queue.messages)
    @rule(number=picks)
    def lose_message(self, number: int) -> None:
        self.play.lose_message(number)

    @precondition(lambda self: self.play.world.queue.messages)
    @rule(number=picks, change=nonsense)
    def deliver_nonsense(self, number: int, change: dict[str, Any]) -> None:
        self.play.deliver_nonsense(number, change)

    @rule(lags=st.booleans())
    def lag_indexes(self, lags: bool) -> None:
        self.play.lag_indexes(lags)

    @invariant()
    def everything_holds(self) -> None:
        self.play.check()

    def teardown(self) -> None:
        self.play.close()
