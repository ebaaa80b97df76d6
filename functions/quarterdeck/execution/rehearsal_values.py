"""Texts and numbers that fit a JSON schema, made of the words at hand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Any

type Schema = Mapping[str, Any]

FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
FOUND = {
    "date": re.compile(r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])\b"),
    "email": re.compile(r"\b[\w.+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b"),
    "uri": re.compile(r"https?://[A-Za-z0-9.-]+(?:/[\w/.~%-]*)?"),
}
NAMED_FORMATS = {"url": "uri", "uri": "uri", "link": "uri", "email": "email", "date": "date"}
"""crewai strips formats from a tool's schema: the name of the argument is what is left of them."""
LONG_TEXTS = re.compile(r"context|content|document|text|body|background|material", re.IGNORECASE)
REQUESTS = re.compile(r"task|question|query|request|topic|search|prompt|instruction", re.IGNORECASE)
TRIALS = ("a", "A", "0", "1", "aa", "AA", "00", "000", "0000", "abc", "ABC", "abc-1", "2000-01-01")


@dataclass(frozen=True)
class Words:
    """The request, all that was given with it, and its sentences, the best first."""

    request: str
    given: str
    sentences: Sequence[str]


def write_text(schema: Schema, name: str, turn: int, words: Words) -> str:
    """A text of the schema's format, length and (if simple) pattern, chosen by the field's name."""
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    kind = schema.get("format") or find_named_format(name)
    if kind in FORMATS:
        text = find_formatted(kind, f"{words.request}\n{words.given}")
    else:
        text = find_text(name, turn, words) or words.request or "text"
    fitted = fit_length(text, least, most)
    if pattern := schema.get("pattern"):
        trials = (trial for trial in (fitted, *text.split(), *TRIALS) if re.search(pattern, trial))
        longest = inf if most is None else most
        return next((trial for trial in trials if least <= len(trial) <= longest), fitted)
    return fitted


def find_text(name: str, turn: int, words: Words) -> str:
    if LONG_TEXTS.search(name):
        return words.given or words.request
    if REQUESTS.search(name):
        return words.request
    return words.sentences[turn % len(words.sentences)] if words.sentences else ""


def find_formatted(kind: str, text: str) -> str:
    found = FOUND[kind].search(text) if kind in FOUND else None
    return found[0] if found else FORMATS[kind]


def find_named_format(name: str) -> str | None:
    parts = re.split(r"[_\W]+", name.lower())
    return next((NAMED_FORMATS[part] for part in parts if part in NAMED_FORMATS), None)


def fit_length(text: str, least: int, most: int | None) -> str:
    while len(text) < least:
        text = f"{text} {text}"
    if most is None or len(text) <= most:
        return text
    cut = text[: most + 1].rpartition(" ")[0]
    return cut if len(cut) >= max(least, 1) else text[:most]


def choose_integer(schema: Schema, turn: int) -> int:
    """The lowest allowed, or the nearest to 1; the next ones in later turns while there are any."""
    step = schema.get("multipleOf", 1)
    low, high = bound_integer(schema)
    first = ceil((min(1, high) if low == -inf else low) / step) * step
    if first > high:
        first = floor(high / step) * step
    later = first + turn * step
    return int(later if later <= high else first)


def bound_integer(schema: Schema) -> tuple[float, float]:
    lows = [ceil(schema["minimum"]) if "minimum" in schema else -inf]
    highs = [floor(schema["maximum"]) if "maximum" in schema else inf]
    if "exclusiveMinimum" in schema:
        lows.append(floor(schema["exclusiveMinimum"]) + 1)
    if "exclusiveMaximum" in schema:
        highs.append(ceil(schema["exclusiveMaximum"]) - 1)
    return max(lows), min(highs)


def choose_number(schema: Schema, turn: int) -> float:
    """Between both bounds, one beyond a single bound, else 1; others in later turns."""
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
    if step := schema.get("multipleOf"):
        value = ceil(max(lows, default=min(0, *highs, 0)) / step) * step
        value += step if value in lows else 0
        return float(value + turn * step)
    if lows and highs:
        return float(max(lows) + (min(highs) - max(lows)) / (turn + 2))
    if highs:
        return float(min(highs) - 1 - turn)
    return float(max(lows, default=0) + 1 + turn)
