"""What the steps of a run do, as crewai reports it: progress while it works, results, tokens."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from crewai import Task
from crewai.context import get_current_task_id
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.llm_events import LLMCallCompletedEvent
from crewai.hooks import InterceptionPoint
from crewai.hooks.contexts import StepContext
from crewai.hooks.dispatch import scoped_hooks
from crewai.llms.base_llm import BaseLLM

from quarterdeck.execution.call_events import beside_steps
from quarterdeck.execution.journaled_calls import counted_before
from quarterdeck.execution.memory_faults import MemoryFaults
from quarterdeck.execution.prices import count_usage
from quarterdeck.observability import logger
from quarterdeck.tasks.events import RunEvent, StepEnded, StepStarted
from quarterdeck.tasks.outcome import StepResult, Usage

FLUSH_SECONDS = 30.0

current_watch: ContextVar["StepWatch"] = ContextVar("quarterdeck_step_watch")


def name_current_step() -> tuple[str, str]:
    """The step of a call in this context and the role of its agent; empty outside of steps."""
    watch, step_id = current_watch.get(None), get_current_task_id()
    return watch.names.get(str(step_id), ("", "")) if watch else ("", "")


class StepWatch:
    """Steps of one run, from crewai's hooks, and tokens, from its event bus.

    Hooks run in the crew's own threads, in order. The bus is the process's: a handler runs in a
    copy of the context of the call that it is told of, which says whose run and which step that
    call belongs to, delegated work included.
    """

    def __init__(self, task_id: str, on_event: Callable[[RunEvent], None]) -> None:
        self._results: dict[str, StepResult] = {}
        self._order: list[str] = []
        self._task_id = task_id
        self._on_event = on_event
        self._started: dict[str, float] = {}
        self.names: dict[str, tuple[str, str]] = {}
        """Step and role of those that have begun."""
        self._usage: defaultdict[str | None, Usage] = defaultdict(Usage)
        self._lock = threading.Lock()
        self.memory_faults = MemoryFaults()

    @property
    def usage(self) -> Usage:
        """Of all calls that were answered, those outside of a step included."""
        with self._lock:
            return sum(self._usage.values(), Usage())

    @property
    def results(self) -> list[StepResult]:
        """Of the steps that ended, in the crew's order: those side by side end in any."""
        ended = dict(self._results)
        return [ended[step_id] for step_id in self._order if step_id in ended]

    @contextmanager
    def follow(self, steps: Sequence[Task]) -> Iterator[None]:
        """While open, the crew of these steps is followed; nothing stays registered."""
        self._order = [str(step.id) for step in steps]
        hooks: dict[InterceptionPoint, list[Callable[[Any], Any]]] = {
            InterceptionPoint.PRE_STEP: [self._start_step],
            InterceptionPoint.POST_STEP: [self._end_step],
        }
        crewai_event_bus.on(LLMCallCompletedEvent)(self._count_call)
        token = current_watch.set(self)
        try:
            with scoped_hooks(hooks):
                yield
        finally:
            crewai_event_bus.flush(FLUSH_SECONDS)
            crewai_event_bus.off(LLMCallCompletedEvent, self._count_call)
            current_watch.reset(token)

    def _count_call(self, llm: BaseLLM, event: LLMCallCompletedEvent) -> None:
        if current_watch.get(None) is self and not counted_before.get():
            self.count_usage(count_usage(llm, event.usage))

    def count_usage(self, usage: Usage) -> None:
        """Of a call in this context."""
        step = None if beside_steps.get() else get_current_task_id()
        with self._lock:
            self._usage[step] += usage

    def _start_step(self, step: StepContext) -> None:
        if step.kind == "task":
            self._started[str(step.task.id)] = time.monotonic()
            self.names[str(step.task.id)] = step.task.name, step.agent.role
            self._report(StepStarted(step=step.task.name, agent=step.agent.role))

    def _end_step(self, step: StepContext) -> None:
        if step.kind != "task":
            return
        crewai_event_bus.flush(FLUSH_SECONDS)
        step_id, name, agent = str(step.task.id), step.task.name, step.agent.role
        duration = round(1000 * (time.monotonic() - self._started[step_id]))
        with self._lock:
            usage = self._usage[step_id]
        output = step.payload
        data = None
        if output.pydantic is not None:
            # What crewai had to ask for once more is not in its text yet.
            output.raw = output.pydantic.model_dump_json()
            data = output.pydantic.model_dump(mode="json")
        self._results[step_id] = StepResult(
            name=name, agent=agent, output=output.raw, data=data, usage=usage, duration_ms=duration
        )
        self._report(StepEnded(step=name, agent=agent, usage=usage, duration_ms=duration))

    def tell_faults(self) -> None:
        """Of memory, when all steps have ended: a replay tells the same, in the same order."""
        for fault in self.memory_faults.events:
            self._report(fault)

    def _report(self, event: RunEvent) -> None:
        """A progress write that fails is logged: crewai would swallow it, and the crew goes on."""
        try:
            self._on_event(event)
        except Exception:
            logger.exception("Progress was not recorded", task_id=self._task_id, event=event.type)
