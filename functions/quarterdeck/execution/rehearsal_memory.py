"""What the stand-in says when crewai's memory asks it, and how it uses memory's tools."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from crewai.memory.analyze import (
    ConsolidationAction,
    ConsolidationPlan,
    ExtractedMemories,
    MemoryAnalysis,
    QueryAnalysis,
)
from crewai.utilities.i18n import I18N_DEFAULT
from pydantic import BaseModel

from quarterdeck.execution.rehearsal_text import Source, Wish, rank_sentences

TOOLS = ("search_memory", "save_to_memory")
STATEMENTS = 3
LONGEST_QUESTION = 400
COMPARED = 200
"""Characters of a known memory that crewai shows."""

MEMORY_WORDS = re.compile(r"\b(memory|memories|remember\w*|recall\w*)\b", re.IGNORECASE)
RECORD = re.compile(r"^- id=(\S+) \|.*\n  content: (.*)$", re.MULTILINE)


def answer_memory(kind: type[BaseModel], messages: Sequence[Mapping[str, Any]]) -> BaseModel | None:
    """None, if it is no question of memory's."""
    asked = str(messages[-1].get("content") or "") if messages else ""
    if kind is ExtractedMemories:
        return ExtractedMemories(
            memories=draw_statements(read_slot("extract_memories_user", asked))
        )
    if kind is MemoryAnalysis:
        return MemoryAnalysis(suggested_scope="/")
    if kind is QueryAnalysis:
        query = read_slot("query_user", asked).partition("\n\nAvailable scopes: ")[0]
        return QueryAnalysis(recall_queries=[query[:LONGEST_QUESTION]])
    return plan_consolidation(asked) if kind is ConsolidationPlan else None


def draw_statements(content: str) -> list[str]:
    """The sentences of the result that matter most to the task."""
    task, _, result = content.partition("\nResult: ")
    wish = Wish(task.partition("\nAgent: ")[0].removeprefix("Task: "))
    return rank_sentences(wish, [Source(result)])[:STATEMENTS] if result.strip() else []


def plan_consolidation(asked: str) -> ConsolidationPlan:
    """Leaves all as it is, and takes the new one unless it is there already."""
    new, _, known = read_slot("consolidation_user", asked).partition(
        "\n\nExisting similar memories:"
    )
    records = RECORD.findall(known)
    there = any(text.removesuffix("...") == new[:COMPARED] for _, text in records)
    actions = [ConsolidationAction(action="keep", record_id=known_id) for known_id, _ in records]
    return ConsolidationPlan(actions=actions, insert_new=not there)


def is_search_query(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether crewai asks what to look for in the crew's knowledge."""
    instruction = I18N_DEFAULT.slice("knowledge_search_query_system_prompt")
    return any(message.get("content") == instruction for message in messages)


def read_slot(phrase: str, asked: str) -> str:
    """What crewai has put into its phrase, from the first slot on."""
    before, _, rest = I18N_DEFAULT.memory(phrase).partition("{")
    after = rest.rpartition("}")[2]
    return asked.removeprefix(before).removesuffix(after)


def leave_out_memory(
    functions: Sequence[Mapping[str, Any]], request: str
) -> list[Mapping[str, Any]]:
    """Memory's tools are for requests that speak of it: what is like a request is in its prompt."""
    if MEMORY_WORDS.search(request):
        return list(functions)
    return [function for function in functions if function["name"] not in TOOLS]
