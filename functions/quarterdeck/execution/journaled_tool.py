"""A tool as crewai calls it, by way of the journal."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from crewai.tools import BaseTool
from pydantic import BaseModel, Field

from quarterdeck.execution.journal import Journal, current_journal
from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_key import digest, digest_tool_call
from quarterdeck.execution.journal_store import Place
from quarterdeck.execution.steps import name_current_step
from quarterdeck.execution.stopping import Stop
from quarterdeck.tasks.outcome import TaskError
from quarterdeck.tasks.questions import Asked
from quarterdeck.tooling.policy import InDoubt

LONGEST_ARGUMENTS = 2000
"""Characters of them in a question."""

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
            began = time.monotonic()
            mark = journal.find_mark(place)
            if mark is not None and self.in_doubt != "repeat":
                answer = self._settle_doubt(journal, place, arguments, mark.idempotency_key)
            else:
                key = mark.idempotency_key if mark else self._begin(journal, place)
                answer = self._call(journal, place, arguments, key)
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
        journal.teller.tell_tool(self.name, arguments, place, entry.answer, duration_ms=duration_ms)

    def _begin(self, journal: Journal, place: Place) -> str:
        """The idempotency key of a call that was not begun before."""
        if not self.has_effect:
            return journal.spell_key(place)
        return journal.mark_started(place, self.name).idempotency_key

    def _call(
        self, journal: Journal, place: Place, arguments: Mapping[str, Any], key: str
    ) -> dict[str, str]:
        try:
            return {"text": self.run_tool(arguments, key)}
        except CallInDoubt:
            return self._settle_doubt(journal, place, arguments, key)
        except ToolFailed as error:
            return {"error": str(error)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _settle_doubt(
        self, journal: Journal, place: Place, arguments: Mapping[str, Any], key: str
    ) -> dict[str, str]:
        """What a person says the call has answered, or what it answers when it is made again."""
        if self.in_doubt != "ask":
            journal.gate.stop(Stop("failed", error=describe_doubt(self.name)))
        while True:
            with journal.claim(digest(["human", "tool", *place])) as asked_at:
                said = journal.ask_person(
                    self._make_question(asked_at, journal.teller.hide_arguments(arguments), key)
                )
                if "feedback" in said:
                    return {"text": said["feedback"]}
                # An approval is for one call: one that is in doubt again is asked about again.
                if journal.find_mark(asked_at) is None:
                    journal.mark_started(asked_at, self.name)
                    break
        return self._call(journal, place, arguments, key)

    def _make_question(self, place: Place, arguments: Any, key: str) -> Asked:
        step, agent = name_current_step()
        return Asked(
            kind="tool_in_doubt",
            step=step,
            agent=agent,
            text=describe_call(self.name, arguments, key),
            place=place,
        )


class ToolFailed(Exception):
    """What a tool raised, as the journal keeps it: the same when it is replayed."""


class CallInDoubt(Exception):
    """Whether a call acted is not known, and it is not to be repeated."""


def describe_doubt(name: str) -> TaskError:
    return TaskError(
        type="in_doubt",
        message=f"the tool '{name}' was called, and whether it acted is not known: "
        "it is not to be repeated",
    )


def describe_call(name: str, arguments: Any, key: str) -> str:
    shown = json.dumps(arguments, ensure_ascii=False, default=str)
    if len(shown) > LONGEST_ARGUMENTS:
        shown = f"{shown[:LONGEST_ARGUMENTS]}…"
    return (
        f"The tool '{name}' was called, and whether it acted is not known. Approve to call it "
        f"again with the same idempotency key, {key}; or give as feedback what it is to have "
        f"answered, and it is not called. Its arguments: {shown}"
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
