"""A model's `call` and `acall` by way of the journal of the run, for every class of models."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from crewai.events.types.llm_events import LLMCallType
from crewai.llms.base_llm import BaseLLM, llm_call_context
from pydantic import BaseModel

from quarterdeck.execution.call_events import Answered
from quarterdeck.execution.journal import Journal, current_journal
from quarterdeck.execution.journal_entry import Entry, decode_answer
from quarterdeck.execution.journal_key import digest_request
from quarterdeck.execution.journal_store import Place
from quarterdeck.execution.memory_faults import is_memory_at_work, note_fault
from quarterdeck.execution.pace import wait_turn
from quarterdeck.execution.request_limits import limit_request

ARGUMENTS = (
    "messages", "tools", "callbacks", "available_functions", "from_task", "from_agent",
    "response_model",
)  # fmt: skip
"""Of `call` and `acall`, in their order."""


class Asked:
    """One call that is being made: what it asks, and what the provider reports of it."""

    def __init__(self, llm: BaseLLM, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = dict(zip(ARGUMENTS, args, strict=False)) | kwargs
        self.llm = llm
        self.arguments: dict[str, Any] = {name: given.get(name) for name in ARGUMENTS}
        self.response_model: type[BaseModel] | None = given.get("response_model")
        self.usage: dict[str, Any] | None = None
        self.duration_ms: int | None = None
        self.call_type: str | None = None

    @property
    def agent(self) -> str | None:
        """The role of who asks."""
        return getattr(self.arguments["from_agent"], "role", None)

    @property
    def digest(self) -> str:
        asked = self.arguments
        step, agent = asked["from_task"], asked["from_agent"]
        asked_by = [getattr(step, "name", None) or "", getattr(agent, "role", None) or ""]
        return digest_request(
            self.llm, asked["messages"], asked["tools"], self.response_model, asked_by
        )

    def record(self, journal: Journal, place: Place, answer: Any) -> Entry:
        return journal.record(
            place, "llm", self.llm.model, answer, usage=self.usage, call_type=self.call_type
        )

    def decode(self, entry: Entry) -> Any:
        """Made or replayed, the crew gets what is recorded: the next call asks the same."""
        expected = self.response_model or getattr(self.llm, "response_format", None)
        return decode_answer(entry.answer, expected if isinstance(expected, type) else None)


asking: ContextVar[Asked | None] = ContextVar("quarterdeck_asking", default=None)
counted_before: ContextVar[bool] = ContextVar("quarterdeck_counted_before", default=False)
"""While a call is told of that another task has counted."""
gathering: ContextVar[list[Place] | None] = ContextVar("quarterdeck_gathering", default=None)


@contextmanager
def gather_calls() -> Iterator[list[Place]]:
    """The places of the calls that this context, and threads that copy it, make meanwhile."""
    calls: list[Place] = []
    token = gathering.set(calls)
    try:
        yield calls
    finally:
        gathering.reset(token)


def note_place(place: Place) -> None:
    if (calls := gathering.get()) is not None:
        calls.append(place)


def find_journal() -> Journal | None:
    """The run's journal; None outside of runs, and within a call that goes through it already."""
    return None if asking.get() else current_journal.get(None)


def journal_call(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(llm: BaseLLM, *args: Any, **kwargs: Any) -> Any:
        journal = find_journal()
        if journal is None:
            return method(llm, *args, **kwargs)
        asked = Asked(llm, args, kwargs)
        journal.teller.note_agent(asked.agent)
        with journal.claim(asked.digest) as place:
            entry = journal.find(place)
            if entry is None:
                with journal.enter_call():
                    answer = ask(journal, asked, lambda: method(llm, *args, **kwargs))
                    entry = asked.record(journal, place, answer)
            else:
                report_call(asked, entry, inherited=journal.is_inherited(place))
            tell_call(journal, asked, place, entry)
            note_place(place)
        return asked.decode(entry)

    return call


def journal_acall(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def acall(llm: BaseLLM, *args: Any, **kwargs: Any) -> Any:
        journal = find_journal()
        if journal is None:
            return await method(llm, *args, **kwargs)
        asked = Asked(llm, args, kwargs)
        journal.teller.note_agent(asked.agent)
        with journal.claim(asked.digest) as place:
            entry = journal.find(place)
            if entry is None:
                with journal.enter_call():
                    answer = await ask_async(journal, asked, lambda: method(llm, *args, **kwargs))
                    entry = asked.record(journal, place, answer)
            else:
                report_call(asked, entry, inherited=journal.is_inherited(place))
            tell_call(journal, asked, place, entry)
            note_place(place)
        return asked.decode(entry)

    return acall


def ask(journal: Journal, asked: Asked, act: Callable[[], Any]) -> Any:
    """The model's answer, through faults of its provider that pass."""
    with journal.hold_budget(asked):
        tried = 0
        while True:
            tried += 1
            token = asking.set(asked)
            try:
                wait_turn(asked.llm, journal.gate.pause)
                limit_request(asked.llm, journal.gate.time_left())
                with time_call(journal, asked):
                    return act()
            except Exception as error:
                if not wait_out(journal, error, tried):
                    raise
            finally:
                asking.reset(token)


async def ask_async(journal: Journal, asked: Asked, act: Callable[[], Awaitable[Any]]) -> Any:
    with journal.hold_budget(asked):
        tried = 0
        while True:
            tried += 1
            token = asking.set(asked)
            try:
                await asyncio.to_thread(wait_turn, asked.llm, journal.gate.pause)
                limit_request(asked.llm, journal.gate.time_left())
                with time_call(journal, asked):
                    return await act()
            except Exception as error:
                if not await asyncio.to_thread(wait_out, journal, error, tried):
                    raise
            finally:
                asking.reset(token)


def wait_out(journal: Journal, error: Exception, tried: int) -> bool:
    """Whether to call again. What memory asks is given up sooner, and noted."""
    if not is_memory_at_work():
        return journal.gate.wait_out(error)
    if journal.gate.wait_briefly(error, tried):
        return True
    note_fault(error)
    return False


@contextmanager
def time_call(journal: Journal, asked: Asked) -> Iterator[None]:
    """A call that fails is told of, and not counted: how long it took says nothing of the model."""
    began = time.monotonic()
    try:
        yield
    except Exception as error:
        journal.teller.tell_fault(
            asked.llm, asked.agent, error, round(1000 * (time.monotonic() - began))
        )
        raise
    asked.duration_ms = round(1000 * (time.monotonic() - began))
    journal.tally.time_call(asked.duration_ms)


def tell_call(journal: Journal, asked: Asked, place: Place, entry: Entry) -> None:
    """Also of one that was made before: the process may have died before it was told of."""
    if not journal.is_inherited(place):
        messages = asked.arguments["messages"]
        answered = Answered(
            asked.llm, asked.agent, entry.usage, asked.duration_ms, messages, entry.answer
        )
        journal.teller.tell_model(answered, place)


def note_completion(call_type: LLMCallType, usage: dict[str, Any] | None) -> bool:
    """What the provider reports of the call in this context; False if it has done so before."""
    asked = asking.get()
    if asked is None:
        return True
    if asked.call_type is not None:
        return False
    asked.call_type, asked.usage = call_type.value, usage
    return True


def report_call(asked: Asked, entry: Entry, *, inherited: bool) -> None:
    """Tells crewai of a replayed call as its provider did: started once, completed once.

    `inherited`: a task that this one retries has paid for it, and counted it.
    """
    arguments = dict(asked.arguments)
    step, agent = arguments["from_task"], arguments["from_agent"]
    del arguments["response_model"]
    token = counted_before.set(inherited)
    try:
        with llm_call_context():
            asked.llm._emit_call_started_event(**arguments)
            if entry.usage:
                asked.llm._track_token_usage_internal(entry.usage)
            if entry.call_type:
                asked.llm._emit_call_completed_event(
                    entry.answer, LLMCallType(entry.call_type), step, agent, usage=entry.usage
                )
    finally:
        counted_before.reset(token)
