"""A tool as crewai calls it, by way of the journal."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from crewai.tools import BaseTool
from pydantic import BaseModel, Field

from quarterdeck.execution.journal import Journal, current_journal
from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_key import digest_tool_call
from quarterdeck.execution.journal_store import Place
from quarterdeck.execution.stopping import Stop
from quarterdeck.tasks.outcome import TaskError
from quarterdeck.tooling.policy import InDoubt

type RunTool = Callable[[Mapping[str, Any], str], str]
"""Takes the arguments and an idempotency key, the same however often this call is made."""


class JournaledTool(BaseTool):
    """Acts once for each call that the crew makes, whatever the worker survives.

    `has_effect`: the call is marked before it is made. If no answer was recorded then, `in_doubt`
    says what comes: `repeat` with the same key, `fail` the task, or `ask` a person.
    """

    run_tool: RunTool = Field(exclude=True)
    has_effect: bool = True
    in_doubt: InDoubt = "repeat"

    def _run(self, **arguments: Any) -> str:
        """What the tool said, now or when it was recorded; ToolFailed likewise."""
        journal = current_journal.get()
        with journal.claim(digest_tool_call(self.name, arguments)) as place:
            entry = journal.find(place)
            if entry is None:
                entry = self._act(journal, place, arguments)
            elif not journal.is_inherited(place):
                self._tell(journal, place, arguments, entry)
        if "error" in entry.answer:
            raise ToolFailed(entry.answer["error"])
        return str(entry.answer["text"])

    def _act(self, journal: Journal, place: Place, arguments: Mapping[str, Any]) -> Entry:
        with journal.enter_call():
            key = self._begin(journal, place)
            began = time.monotonic()
            try:
                answer = {"text": self.run_tool(arguments, key)}
            except CallInDoubt:
                self._stop_in_doubt(journal)
                raise
            except ToolFailed as error:
                answer = {"error": str(error)}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            duration_ms = round(1000 * (time.monotonic() - began))
            entry = journal.record(place, "tool", self.name, answer, effect=self.has_effect)
            self._tell(journal, place, arguments, entry, duration_ms)
            return entry

    def _tell(
        self,
        journal: Journal,
        place: Place,
        arguments: Mapping[str, Any],
        entry: Entry,
        duration_ms: int | None = None,
    ) -> None:
        failed = "error" in entry.answer
        journal.teller.tell_tool(
            self.name, arguments, place, failed=failed, duration_ms=duration_ms
        )

    def _begin(self, journal: Journal, place: Place) -> str:
        """The idempotency key of a call that may be made."""
        mark = journal.find_mark(place)
        if mark is not None and self.in_doubt != "repeat":
            self._stop_in_doubt(journal)
        if mark is None and not self.has_effect:
            return journal.spell_key(place)
        return (mark or journal.mark_started(place, self.name)).idempotency_key

    def _stop_in_doubt(self, journal: Journal) -> None:
        journal.gate.stop(Stop("failed", error=describe_doubt(self.name, self.in_doubt)))


class ToolFailed(Exception):
    """What a tool raised, as the journal keeps it: the same when it is replayed."""


class CallInDoubt(Exception):
    """Whether a call acted is not known, and it is not to be repeated."""


def describe_doubt(name: str, in_doubt: InDoubt) -> TaskError:
    who = "a person must decide" if in_doubt == "ask" else "it is not to be repeated"
    return TaskError(
        type="in_doubt",
        message=f"the tool '{name}' was called, and whether it acted is not known: {who}",
    )


def make_tool(
    name: str,
    description: str,
    arguments: type[BaseModel],
    run: RunTool,
    *,
    has_effect: bool,
    in_doubt: InDoubt,
    **fields: Any,
) -> JournaledTool:
    """`arguments` is the schema that the model fills; `fields` are others of crewai's BaseTool."""
    return JournaledTool(
        name=name,
        description=description,
        args_schema=arguments,
        run_tool=run,
        has_effect=has_effect,
        in_doubt=in_doubt,
        **fields,
    )
