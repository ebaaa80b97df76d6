import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quarterdeck.execution.rehearsal_text import (
    Source,
    Wish,
    choose_shape,
    split_request,
    split_sentences,
    write_answer,
)

LIGHTHOUSES = Path("infra/local/lighthouses.md").read_text()

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400)


def squeeze(text: str) -> str:
    return " ".join(text.split())


def list_parts(answer: str) -> list[str]:
    """The paragraphs of an answer, or the items of its list."""
    return [line.removeprefix("- ") for line in answer.splitlines() if line]


@given(words, words)
@example("Why?", "A. B. C. " * 200)
@example("# Title", "```\ncode\n```\n\n| a | b |")
def test_every_sentence_stands_in_the_input(request: str, text: str) -> None:
    given_text = squeeze(f"{request} {text}")
    for part in list_parts(write_answer(Wish(request, "Forty sentences."), [Source(text)])):
        for sentence in split_sentences(part):
            assert squeeze(sentence) in given_text


@given(words)
def test_something_is_answered_to_whatever_holds_a_word(request: str) -> None:
    assert bool(write_answer(Wish(request), [])) == bool(request.split())


def test_sentences_of_a_text_are_found_whole() -> None:
    text = (
        '# A heading\n\nDr. Smith saw it, e.g. at\nnight. It shone! Was it "new"? No. 4 was\nout.\n'
        "- an item\n- another one\n\n| a | table |\n\n```\nprint(1)\n```\n今日は晴れ。明日は雨。"
    )
    assert list(split_sentences(text)) == [
        "Dr. Smith saw it, e.g. at night.",
        "It shone!",
        'Was it "new"?',
        "No. 4 was out.",
        "an item",
        "another one",
        "今日は晴れ。",
        "明日は雨。",
    ]


def test_the_answer_is_about_what_was_asked() -> None:
    about_mercury = write_answer(
        Wish("What was mercury used for?", "Two sentences."), [Source(LIGHTHOUSES)]
    )
    about_fog = write_answer(
        Wish("What could be done in fog?", "Two sentences."), [Source(LIGHTHOUSES)]
    )
    assert "mercury" in about_mercury.lower()
    assert "fog" in about_fog.lower()
    assert about_mercury != about_fog


def test_nothing_is_said_twice() -> None:
    text = "The lamp is bright. " * 20 + "The lens is made of glass. The tower is tall."
    answer = write_answer(Wish("Tell all", "Nine sentences."), [Source(text), Source(text)])
    assert sorted(split_sentences(answer)) == [
        "The lamp is bright.",
        "The lens is made of glass.",
        "The tower is tall.",
    ]


@pytest.mark.parametrize(
    ("criteria", "sentences", "listed", "paragraphs"),
    [
        ("Three key points.", 3, True, 1),
        ("A list of 7 short findings", 7, True, 3),
        ("Two paragraphs.", 6, False, 2),
        ("Five sentences", 5, False, 2),
        ("A short summary.", 4, False, 2),
        ("Bullet points.", 8, True, 3),
        ("A complete answer to the request.", 8, False, 3),
    ],
)
def test_the_answer_has_the_shape_that_is_asked_for(
    criteria: str, sentences: int, listed: bool, paragraphs: int
) -> None:
    shape = choose_shape(Wish("Explain it", criteria), available=1000)
    assert (shape.sentences, shape.listed, shape.paragraphs) == (sentences, listed, paragraphs)


def test_the_request_is_what_stands_before_the_material() -> None:
    text = f"Find this.\n\nRequest: why?\n\n{LIGHTHOUSES}"
    assert split_request(text) == ("Find this.\n\nRequest: why?", LIGHTHOUSES.strip())


@pytest.mark.parametrize(
    "text", [LIGHTHOUSES * 9, "A. B. " * 16_000, "word " * 20_000, "x" * 100_000, "```\n" * 25_000]
)
def test_a_hundred_thousand_characters_take_less_than_a_second(text: str) -> None:
    started = time.perf_counter()
    write_answer(Wish("How does a lens work?", "Forty findings."), [Source(text[:100_000])])
    assert time.perf_counter() - started < 1
