"""Embeddings as bytes: of length 1, as numbers of 16 bits.

Each keeps 11 bits, so that a cosine is at most 0.0005 from that of the embedding, and as a rule
within 0.0001; tests hold both.
"""

import math
import struct
from collections import Counter
from collections.abc import Sequence

BYTES_A_NUMBER = 2
LONGEST_VECTOR = 8_192
"""Numbers; an item holds it with room for the rest."""


class OtherDimensions(ValueError):
    """The memories were embedded by another model."""

    def __init__(self, stored: int, given: int) -> None:
        super().__init__(
            f"embedding: {given} dimensions, where the memories have {stored}; go back to the "
            "embedder that made them, or erase them"
        )
        self.stored = stored
        self.given = given


def check_dimensions(stored: Counter[int], given: int) -> None:
    """Raises OtherDimensions if there are memories with vectors, and none that has as many."""
    if given and not stored[given]:
        for dimensions, count in stored.most_common(1):
            if count:
                raise OtherDimensions(dimensions, given)


def pack_vector(embedding: Sequence[float] | None) -> bytes:
    """Its direction, as `find_direction` gives it."""
    numbers = find_direction(embedding)
    return struct.pack(f"<{len(numbers)}e", *numbers)


def find_direction(embedding: Sequence[float] | None) -> list[float]:
    """It at length 1; empty for none, and for one of length 0. ValueError if it cannot be kept."""
    numbers = [float(number) for number in (() if embedding is None else embedding)]
    if len(numbers) > LONGEST_VECTOR:
        raise ValueError(f"embedding: {len(numbers)} dimensions; at most {LONGEST_VECTOR}")
    if not all(map(math.isfinite, numbers)):
        raise ValueError("embedding: a number is not finite")
    length = math.hypot(*numbers)
    return [number / length for number in numbers] if length else []


def unpack_vector(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{count_dimensions(vector)}e", vector))


def count_dimensions(vector: bytes) -> int:
    return len(vector) // BYTES_A_NUMBER
