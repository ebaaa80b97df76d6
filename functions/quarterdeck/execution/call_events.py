"""What a run tells of its calls: each that is really made, and what it came to."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple, Protocol

from crewai import Task
from crewai.context import get_current_task_id
from crewai.llms.base_llm import BaseLLM
from pydantic_core import to_jsonable_python

from quarterdeck.execution.arguments import describe_arguments, hide_arguments
from quarterdeck.execution.journal_store import Place
from quarterdeck.execution.prices import count_usage
from quarterdeck.observability import logger
from quarterdeck.systems.configuration import Events
from quarterdeck.tasks.events import CallEvent, LlmCall, ToolCall
from quarterdeck.tasks.outcome import Usage
from quarterdeck.tasks.traces import Trace

DIGITS = 16
"""Of a request's hash: enough to tell a task's calls apart."""

beside_steps: ContextVar[bool] = ContextVar("quarterdeck_beside_steps", default=False)
"""While calls are the task's, and no step's: one that made them may have ended before."""


class Record(Protocol):
    """`again`: it was told of before, unless a process died."""

    def __call__(self, event: CallEvent, *, again: bool = False) -> None: ...


class Answered(NamedTuple):
    """A model's call: `usage` as the provider reported. No duration: the journal has answered.

    `answer` as the journal has it: without secrets.
    """

    llm: BaseLLM
    agent: str | None
    usage: dict[str, Any] | None
    duration_ms: int | None
    messages: Any
    answer: Any


def tell_nobody(event: CallEvent, *, again: bool = False) -> None:
    """For a run that nobody follows."""


class CallTeller:
    """Of one run, for any of its threads. Nothing that goes wrong in it goes wrong in the run.

    `trace` keeps what is said in calls that are really made; None for a system that does not ask.
    """

    def __init__(
        self,
        record: Record = tell_nobody,
        events: Events | None = None,
        trace: Callable[[Trace], object] | None = None,
    ) -> None:
        self._record = record
        self._trace = trace
        self._events = events or Events()
        self._scrub: Callable[[str], str] = str
        self._steps: dict[str, str] = {}
        self._agents: dict[str | None, str] = {}

    def open(self, scrub: Callable[[str], str]) -> None:
        """`scrub` takes secrets out of what is told."""
        self._scrub = scrub

    def know_steps(self, steps: list[Task]) -> None:
        self._steps = {str(step.id): step.name or "" for step in steps}

    def note_agent(self, role: str | None) -> None:
        """Who asks a model now: the tools that this step calls next are its."""
        if role:
            self._agents[get_current_task_id()] = role

    def tell_model(self, answered: Answered, place: Place) -> None:
        """A call that the journal has, from this run or from one before."""
        with self._guard():
            usage = count_usage(answered.llm, answered.usage)
            event = LlmCall(
                **self._describe_model(answered.llm, answered.agent, usage),
                duration_ms=answered.duration_ms,
                call=spell_place(place),
            )
            self._record(event, again=answered.duration_ms is None)
            if answered.duration_ms is not None:
                self._keep("llm", event.model, event, answered.messages, answered.answer)

    def tell_fault(
        self, llm: BaseLLM, agent: str | None, error: BaseException, duration_ms: int
    ) -> None:
        """A model's call that failed; it may be made again."""
        with self._guard():
            self._record(
                LlmCall(
                    **self._describe_model(llm, agent, None),
                    duration_ms=duration_ms,
                    error=type(error).__name__,
                )
            )

    def tell_tool(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        place: Place,
        answer: Mapping[str, Any],
        *,
        duration_ms: int | None,
    ) -> None:
        """A call that the journal has; no duration: from a run before."""
        with self._guard():
            event = ToolCall(
                tool=tool,
                step=self._find_step(),
                agent=self._agents.get(get_current_task_id()),
                arguments=describe_arguments(arguments, self._events, self._scrub),
                duration_ms=duration_ms,
                outcome="error" if "error" in answer else "ok",
                call=spell_place(place),
            )
            self._record(event, again=duration_ms is None)
            if duration_ms is not None:
                self._keep("tool", tool, event, self.hide_arguments(arguments), answer)

    def hide_arguments(self, arguments: Mapping[str, Any]) -> Any:
        """Of a tool's call, without the values that events leave out."""
        return hide_arguments(arguments, self._events)

    def _keep(
        self, kind: Literal["llm", "tool"], name: str, event: CallEvent, asked: Any, answered: Any
    ) -> None:
        if self._trace is not None:
            self._trace(
                Trace(
                    kind=kind,
                    name=name,
                    step=event.step,
                    agent=event.agent,
                    call=event.call or "",
                    asked=self._spell(asked),
                    answered=self._spell(answered),
                )
            )

    def _spell(self, said: Any) -> str:
        return self._scrub(json.dumps(to_jsonable_python(said, fallback=str), ensure_ascii=False))

    def _describe_model(
        self, llm: BaseLLM, agent: str | None, usage: Usage | None
    ) -> dict[str, Any]:
        name = llm.model if llm.provider == llm.model else f"{llm.provider}/{llm.model}"
        fields: dict[str, Any] = {"model": name, "step": self._find_step(), "agent": agent}
        if usage is not None:
            tokens = usage.model_dump(include={"prompt_tokens", "completion_tokens"})
            fields |= tokens | {"cost_usd": None if usage.unpriced else usage.cost_usd}
        return fields

    def _find_step(self) -> str | None:
        return None if beside_steps.get() else self._steps.get(get_current_task_id() or "")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            logger.exception("A call was not told of")


def spell_place(place: Place) -> str:
    return f"{place.digest[:DIGITS]}-{place.occurrence}"
