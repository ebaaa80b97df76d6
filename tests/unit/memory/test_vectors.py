"""What an embedding loses when it is kept, and how near a search's scores are."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.memory.vectors import LONGEST_VECTOR, pack_vector, unpack_vector

NUMBER = st.floats(-1e6, 1e6, width=32)


def find_cosine(one: list[float], other: list[float]) -> float:
    product = math.sumprod(one, other)
    return product / (math.hypot(*one) * math.hypot(*other))


@given(st.lists(NUMBER, min_size=1, max_size=40).filter(any), st.data())
def test_a_cosine_is_off_by_less_than_what_is_stated(
    embedding: list[float], data: st.DataObject
) -> None:
    sized = st.lists(NUMBER, min_size=len(embedding), max_size=len(embedding)).filter(any)
    query = data.draw(sized)
    length = math.hypot(*query)
    kept = unpack_vector(pack_vector(embedding))
    score = math.sumprod(kept, [number / length for number in query])
    assert score == pytest.approx(find_cosine(embedding, query), abs=0.0005)


def test_the_length_does_not_matter() -> None:
    small, large = [3e-30, 4e-30], [3e30, 4e30]
    assert pack_vector(small) == pack_vector(large) == struct.pack("<2e", 0.6, 0.8)


@pytest.mark.parametrize("nothing", [None, [], [0.0, 0.0, 0.0]])
def test_there_may_be_no_vector(nothing: list[float] | None) -> None:
    assert pack_vector(nothing) == b""
    assert unpack_vector(b"") == []


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="embedding: a number is not finite"):
        pack_vector([1.0, number])


def test_vectors_have_a_largest_size() -> None:
    assert len(pack_vector([1.0] * LONGEST_VECTOR)) == 16_384
    with pytest.raises(ValueError, match="embedding: 8193 dimensions; at most 8192"):
        pack_vector([1.0] * (LONGEST_VECTOR + 1))
