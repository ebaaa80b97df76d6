"""Reads back what crewai wrapped into a prompt, by the same phrases that it wrapped it with."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crewai.utilities.i18n import I18N_DEFAULT

from quarterdeck.execution.rehearsal_text import Source, Wish, split_request

type Message = Mapping[str, Any]

DIVIDER = re.compile(r"^\s*-{5,}\s*$", re.MULTILINE)
"""What crewai puts between the results of several steps."""

MEMORY = re.compile(r"^- \(score=[\d.]+\) (.*(?:\n(?!- \(score=|  ).*)*)", re.MULTILINE)
"""A memory, without the lines of its categories and metadata."""

MARKDOWN = (
    "Your final answer MUST be formatted in Markdown syntax.",
    "- Use ```language for code blocks",
)
"""Where crewai's instructions for a step in Markdown begin and end."""

KNOWN = "Additional Information: "
"""What crewai puts before the pieces of a crew's knowledge."""

MATERIAL_WEIGHT, CONTEXT_WEIGHT, MEMORY_WEIGHT, TOOL_WEIGHT = 1.0, 1.5, 1.0, 2.0
"""What others have worked out counts for more than the raw text."""


@dataclass(frozen=True)
class Prompt:
    """What an agent was asked, without crewai's scaffolding."""

    wish: Wish
    material: str
    """The long part of the task's description."""
    context: str
    memories: str
    """What the crew remembers and was given to know, as far as it is like the task."""
    tool_results: tuple[str, ...]
    schema: Mapping[str, Any] | None
    """Of the JSON that the answer must be."""

    @property
    def sources(self) -> list[Source]:
        texts = [
            (self.material, MATERIAL_WEIGHT),
            (self.context, CONTEXT_WEIGHT),
            (self.memories, MEMORY_WEIGHT),
        ]
        texts += [(result, TOOL_WEIGHT) for result in self.tool_results]
        return [Source(text, weight) for text, weight in texts if text.strip()]

    @property
    def given(self) -> str:
        """All that was given besides the request."""
        texts = (self.material, self.context, self.memories)
        return "\n\n".join(text for text in texts if text.strip())


def read_prompt(messages: Sequence[Message]) -> Prompt:
    """The task of a conversation: its first user message, and what tools have answered since."""
    said = [(message["role"], read_content(message)) for message in messages]
    system = next((text for role, text in said if role == "system"), "")
    task = next((text for role, text in said if role == "user"), system)
    asked, closed = split_phrase("knowledge_search_query")
    if task.startswith(asked):
        task = task.removeprefix(asked).removesuffix(closed)
    for phrase in ("task", "task_no_tools", "native_task"):
        start, end = split_phrase(phrase)
        task = task.strip().removeprefix(start.strip()).removesuffix(end.strip())
    task, _, known = task.partition(KNOWN)
    task, remembered = cut_between(task, *split_phrase("memory"))
    task, context = cut_context(task)
    task, schema = cut_schema(task)
    task, _ = cut_between(task, *MARKDOWN)
    task, criteria = cut_between(task, *split_phrase("expected_output"))
    request, material = split_request(task)
    return Prompt(
        wish=Wish(request, criteria.strip(), read_interests(system)),
        material=material,
        context=context,
        memories="\n".join([*(f"- {text}" for text in MEMORY.findall(remembered)), known]),
        tool_results=tuple(text for role, text in said if role == "tool"),
        schema=schema,
    )


def read_content(message: Message) -> str:
    """A message's text; of content in parts, the parts that are text."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


def split_phrase(name: str) -> tuple[str, str]:
    """crewai's phrase before and after its one placeholder."""
    before, _, after = I18N_DEFAULT.slice(name).partition("{")
    return before, after.partition("}")[2]


def cut_between(text: str, start: str, end: str) -> tuple[str, str]:
    """`text` without the first passage from `start` to `end`, and what stood between them."""
    before, found, rest = text.partition(start)
    inside, _, after = rest.partition(end)
    return (before + after, inside) if found else (text, "")


def cut_context(task: str) -> tuple[str, str]:
    between = I18N_DEFAULT.slice("task_with_context").partition("}")[2].partition("{")[0]
    task, _, context = task.partition(between)
    return task.strip(), DIVIDER.sub("", context).strip()


def cut_schema(task: str) -> tuple[str, Mapping[str, Any] | None]:
    rest, text = cut_between(task, *split_phrase("formatted_task_instructions"))
    try:
        schema = json.loads(text)
    except ValueError:
        return task, None
    return rest, schema if isinstance(schema, dict) else None


def read_interests(system: str) -> str:
    """Role and goal of the agent, from `You are ROLE. BACKSTORY … personal goal is: GOAL`."""
    start, goal_phrase = I18N_DEFAULT.slice("role_playing").partition("{role}")[::2]
    goal_phrase = goal_phrase.rpartition("\n")[2].partition("{")[0]
    role = system.partition(start)[2].partition(". ")[0]
    return f"{role}\n{system.partition(goal_phrase)[2]}"
