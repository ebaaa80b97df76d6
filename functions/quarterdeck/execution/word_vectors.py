"""Vectors of texts by their words: the same text has the same one, in any process."""

import math
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from quarterdeck.execution.rehearsal_text import WORD, list_terms

PIECE = 3
PIECE_WEIGHT = 0.25
"""Of a word's piece: enough to bring forms of a word together."""
PAIR_WEIGHT = 0.5


def embed_words(text: str, dimensions: int) -> list[float]:
    """Of length 1: words, pairs of words and pieces of words, each hashed to a place and a sign."""
    vector = [0.0] * dimensions
    for feature, weight in weigh_features(text).items():
        hashed = zlib.crc32(feature.encode(errors="replace"))
        vector[hashed % dimensions] += weight if hashed >> 31 else -weight
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else [1.0, *vector[1:]]


def weigh_features(text: str) -> dict[str, float]:
    """What is said twice counts more, not twice as much."""
    counted: Counter[tuple[str, float]] = Counter(list_features(text))
    return {feature: weight * (1 + math.log(count)) for (feature, weight), count in counted.items()}


def list_features(text: str) -> Iterator[tuple[str, float]]:
    terms = list_terms(text) or [word.lower() for word in WORD.findall(text)] or [text]
    for term in terms:
        yield term, 1.0
        framed = f"<{term}>"
        for start in range(len(framed) - PIECE + 1):
            yield f"{framed[start : start + PIECE]}~", PIECE_WEIGHT
    for one, other in pairwise(terms):
        yield f"{one} {other}", PAIR_WEIGHT
