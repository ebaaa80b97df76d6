"""Texts in pieces: nothing is lost, nothing is too long, and cuts are where a reader pauses."""

import random
from string import ascii_letters

import pytest

from quarterdeck.execution.chunks import split_text


def test_a_short_text_is_one_piece() -> None:
    assert list(split_text("  One line.\n", 100)) == ["One line."]
    assert list(split_text(" \n\n ", 100)) == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a" * 60 + "\n\n" + "b" * 30 + "\n" + "c" * 60, ["a" * 60, "b" * 30 + "\n" + "c" * 60]),
        ("a" * 60 + ". " + "b" * 20 + " " + "c" * 60, ["a" * 60 + ".", "b" * 20 + " " + "c" * 60]),
        ("a" * 60 + " " + "b" * 60, ["a" * 60, "b" * 60]),
        ("a" * 250, ["a" * 100, "a" * 100, "a" * 50]),
        # A pause in the first half would make pieces of little text.
        ("a. " + "b" * 120, ["a. " + "b" * 97, "b" * 23]),
    ],
)
def test_a_cut_is_after_the_best_pause(text: str, pieces: list[str]) -> None:
    assert list(split_text(text, 100)) == pieces


def test_a_piece_begins_with_words_of_the_one_before() -> None:
    text = " ".join(f"w{n:03}" for n in range(100))
    first, second, *_ = split_text(text, 100)
    assert (first.split()[-1], second.split()[0]) == ("w019", "w019")


@pytest.mark.parametrize("seed", range(20))
def test_no_word_is_lost_and_no_piece_too_long(seed: int) -> None:
    chance = random.Random(seed)
    lengths = (chance.randrange(1, chance.choice((8, 150))) for _ in range(300))
    words = ["".join(chance.choices(ascii_letters, k=length)) for length in lengths]
    text = "".join(word + chance.choice((" ", "\n", ". ", "\n\n")) for word in words)
    size = chance.choice((100, 400))
    pieces = list(split_text(text, size))
    assert all(0 < len(piece) <= size for piece in pieces)
    assert sum(map(len, pieces)) < 1.2 * len(text)
    place = 0
    for piece in pieces:
        found = text.find(piece, max(0, place - size // 20))
        assert text[place:found].strip() == "", "something is left out"
        place = found + len(piece)
    assert text[place:].strip() == ""
