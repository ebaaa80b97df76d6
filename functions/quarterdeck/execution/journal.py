"""The record of every call of a task: what was called before is answered, not called again."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from quarterdeck.execution.budget import Call, RunBudget
from quarterdeck.execution.call_events import CallTeller
from quarterdeck.execution.claims import Claims
from quarterdeck.execution.fingerprint import fingerprint_code
from quarterdeck.execution.gate import Gate, allow_all, know_no_end
from quarterdeck.execution.journal_entry import Entry, Kind, Mark, encode_answer
from quarterdeck.execution.journal_store import Loaded, Place, Store, spell_idempotency_key
from quarterdeck.execution.stopping import Stop
from quarterdeck.metrics.tally import Tally
from quarterdeck.tasks.budgets import BudgetSpent
from quarterdeck.tasks.outcome import TaskError
from quarterdeck.tasks.questions import LONGEST_WAIT, Asked

CLOSING_SECONDS = 30.0
LONGEST_CALL_SECONDS = 900.0
PATIENCE = 10

current_journal: ContextVar["Journal"] = ContextVar("quarterdeck_journal")


type Answered = dict[str, Any]
"""`{"approve": True}`, or `{"feedback": text}`."""


class Unclaimed(NamedTuple):
    """A recorded call that this run has not asked for."""

    name: str
    effect: bool


class Journal:
    """Answers the calls of one run of a task, from any of the crew's threads.

    A call is recorded before anyone uses it. The worker's `guard` is asked before each call that is
    really made, and may raise Stop; `time_left` (seconds) bounds requests and waits. `attempts`:
    calls that failed in a row before this run. `tally` counts what is really called, and `budget`
    bounds it. `teller` tells those who follow the task. `ask` gets a person's answer; without it, a
    question ends the run until it has one, `input_timeout` seconds at most.
    """

    def __init__(
        self,
        store: Store,
        guard: Callable[[], None] = allow_all,
        attempts: int = 0,
        *,
        time_left: Callable[[], float] = know_no_end,
        sleep: Callable[[float], None] = time.sleep,
        allow_divergence: bool = False,
        code: str | None = None,
        tally: Tally | None = None,
        budget: RunBudget | None = None,
        teller: CallTeller | None = None,
        ask: Callable[[Asked], Answered] | None = None,
        input_timeout: int = LONGEST_WAIT,
    ) -> None:
        self.teller = teller or CallTeller()
        self._budget = budget
        self._ask = ask
        self._input_timeout = input_timeout
        self.tally = tally or Tally()
        self.gate = Gate(guard, attempts, time_left, sleep, tally=self.tally)
        self._sleep = sleep
        self._store = store
        self._allow_divergence = allow_divergence
        self._code = code or fingerprint_code()
        self._claims = Claims()
        self._recorded: list[Place] = []
        self._loaded = Loaded({}, {})
        self._scrub: Callable[[str], str] = str

    @contextmanager
    def open(self, scrub: Callable[[str], str]) -> Iterator[None]:
        """While open, calls in this context go through the journal; in the end none begins.

        `scrub` takes secrets out of what is recorded, and so out of what the crew gets to see.
        """
        self._scrub = scrub
        self.teller.open(scrub)
        self._loaded = self._keep(self._store.load)
        if self._budget:
            self._keep(self._budget.open)
        token = current_journal.set(self)
        try:
            yield
        finally:
            current_journal.reset(token)
            self.gate.close(max(0.0, min(self._find_patience(), self.gate.time_left())))
            if self._budget:
                self._budget.close()

    def _find_patience(self) -> float:
        """Seconds for calls in flight: a task that is to wait for days does not pay them twice."""
        waits = self.stopped is not None and self.stopped.reason == "waiting"
        return LONGEST_CALL_SECONDS if waits else CLOSING_SECONDS

    @property
    def stopped(self) -> Stop | None:
        """The Stop of this run, which crewai may have swallowed."""
        return self.gate.stopped

    @property
    def recorded(self) -> int:
        """The calls that this run has made."""
        return len(self._recorded)

    @property
    def replayed(self) -> int:
        """The calls that were answered from the journal."""
        entries = self._loaded.entries
        return len(entries) - len(self._claims.leave_out_claimed(entries))

    def unclaimed(self) -> list[Unclaimed]:
        """What was recorded and not asked for again: after a whole run, it has diverged."""
        return [Unclaimed(item.name, item.effect) for item in self._find_unclaimed()]

    def claim(self, digest: str) -> AbstractContextManager[Place]:
        """The call's place, which is free again if the call fails."""
        return self._claims.claim(digest)

    def take(self, place: Place) -> None:
        """Claims this very place: whoever asked for it is not asked again."""
        self._claims.take(place)

    def find(self, place: Place) -> Entry | None:
        """The entry of a call that was made before."""
        found = self._loaded.entries.get(place)
        return self._keep(lambda: self._store.read(found)) if found else None

    def is_inherited(self, place: Place) -> bool:
        """Whether a task that this one retries has paid for the call."""
        return place in self._loaded.inherited

    @contextmanager
    def enter_call(self) -> Iterator[None]:
        """Around a call that is really made, and its record: done only with both."""
        with self.gate.enter():
            self._refuse_divergence()
            yield
            self.gate.note_success()

    @contextmanager
    def hold_budget(self, call: Call) -> Iterator[None]:
        """Around a model's call that is really made; Stop if the crew's budgets forbid it."""
        budget = self._budget
        if budget is None:
            yield
            return
        with ExitStack() as held:
            try:
                self._keep(lambda: held.enter_context(budget.hold(call)))
            except BudgetSpent as refusal:
                error = TaskError(type="budget_exceeded", message=str(refusal))
                self.gate.stop(Stop("failed", error=error))
            # Another's refusal, meanwhile, is everybody's.
            self.gate.check()
            yield

    def ask_person(self, question: Asked) -> Answered:
        """What a person has answered; Stop until one has. The place is the caller's to claim."""
        place = Place(*question.place)
        entry = self.find(place)
        if entry is None:
            with self.enter_call():
                said = self._get_answer(self._finish_question(question))
                entry = self.record(place, "human", question.kind, said)
        return dict(entry.answer)

    def _get_answer(self, question: Asked) -> Answered:
        if self._ask is None:
            self.gate.stop(Stop("waiting", question=question))
        try:
            return self._ask(question)
        except Stop as stop:
            self.gate.stop(stop)

    def _finish_question(self, question: Asked) -> Asked:
        texts = ("step", "agent", "text", "answer_so_far")
        scrubbed = {name: self._scrub(getattr(question, name)) for name in texts}
        return question.model_copy(update=scrubbed | {"seconds": self._input_timeout})

    def record(
        self,
        place: Place,
        kind: Kind,
        name: str,
        answer: Any,
        *,
        effect: bool = False,
        usage: dict[str, Any] | None = None,
        call_type: str | None = None,
    ) -> Entry:
        """What is kept of this call: the entry of whoever was first."""
        try:
            kept = encode_answer(answer, self._scrub)
        except TypeError as error:
            self.gate.stop(Stop("failed", error=TaskError(type="TypeError", message=str(error))))
            raise
        entry = Entry(kind, name, kept, usage, call_type, effect, self._code)
        self._recorded.append(place)
        if kind == "tool":
            self.tally.count("tool_calls")
        return self._keep(lambda: self._store.record(place, entry))

    def find_mark(self, place: Place) -> Mark | None:
        """The mark of a call that was begun before this run."""
        return self._loaded.marks.get(place)

    def mark_started(self, place: Place, name: str) -> Mark:
        return self._keep(lambda: self._store.mark_started(place, name, self._code))

    def spell_key(self, place: Place) -> str:
        """The idempotency key of a call without a mark."""
        return spell_idempotency_key(self._store.task_id, place)

    def _refuse_divergence(self) -> None:
        """Stops where another release asks other things, and effects would happen again."""
        if self._allow_divergence:
            return
        for _ in range(PATIENCE):
            lost = [i.name for i in self._find_unclaimed() if i.effect and i.code != self._code]
            if not lost:
                return
            # A step beside this one may be about to ask for them: replaying takes milliseconds.
            self._sleep(0.1)
        message = (
            "the code has changed since this task began, and the crew no longer asks for "
            f"what these tools have done: {', '.join(sorted(set(lost)))}"
        )
        self.gate.stop(Stop("diverged", error=TaskError(type="diverged", message=message)))

    def _find_unclaimed(self) -> list["Recorded"]:
        entries, marks, _ = self._loaded
        recorded = {
            place: Recorded(mark.name, True, mark.code) for place, mark in marks.items()
        } | {
            place: Recorded(found.name, found.effect, found.code)
            for place, found in entries.items()
        }
        return [recorded[place] for place in self._claims.leave_out_claimed(recorded)]

    def _keep[T](self, act: Callable[[], T]) -> T:
        """What the store says. Its errors stop the run: crewai would make the call again."""
        try:
            return act()
        except BudgetSpent:
            raise
        except Exception as error:
            self.gate.give_up(error)
            raise


class Recorded(NamedTuple):
    name: str
    effect: bool
    code: str
