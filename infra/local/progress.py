"""Lines for a person who watches a task: its steps as they go, then its result."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 96
Fields = Mapping[str, Any]
"""A JSON object of the API."""


def describe_steps(before: Sequence[Fields], now: Sequence[Fields]) -> list[str]:
    """A line for each step that began or ended between two answers, one if it did both."""
    known = {step["name"]: step["status"] for step in before}
    return [
        describe_step(step)
        for step in now
        if known.get(step["name"]) not in {step["status"], "ended"}
    ]


def describe_step(step: Fields) -> str:
    if step["status"] == "running":
        return f"    … {step['name']:<16} {step['agent']} is at work"
    return (
        f"    ✓ {step['name']:<16} {step['agent']}: {count_tokens(step.get('usage')):,} tokens, "
        f"{format_seconds(step.get('duration_ms'))}"
    )


def describe_result(task: Fields) -> list[str]:
    """The answer of a task that succeeded, what it took, and whether a model gave it."""
    usage = task.get("usage") or {}
    spent = (
        f"{count_tokens(usage):,} tokens ({usage.get('prompt_tokens', 0):,} in, "
        f"{usage.get('completion_tokens', 0):,} out) in {format_seconds(task.get('duration_ms'))}"
    )
    result = task.get("result") or {}
    output = str(result.get("output", "")).strip().splitlines()
    lines = ["", *(wrap_line(line) for line in output), "", spent]
    if task.get("rehearsal"):
        lines.append(
            "A rehearsal: the built-in stand-in answered with sentences of the text. "
            "For a model: LLM=openai/NAME make demo (anthropic/NAME, ollama/NAME)."
        )
    return lines


def wrap_line(line: str) -> str:
    return textwrap.fill(line, WIDTH, break_long_words=False)


def count_tokens(usage: Fields | None) -> int:
    """In and out together."""
    counted = usage or {}
    return int(counted.get("prompt_tokens", 0)) + int(counted.get("completion_tokens", 0))


def format_seconds(milliseconds: int | None) -> str:
    return f"{(milliseconds or 0) / 1000:.1f} s"
