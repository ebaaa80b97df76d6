"""Extracts the sentences of a text that matter most to a request. No model: words are counted."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log

LONGEST_SENTENCE = 800
LONGEST_REQUEST = 400

PARAGRAPHS = re.compile(r"\n\s*\n")
FENCE = re.compile(r"^```.*?^```[^\n]*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"#{1,6}\s")
SKIPPED = re.compile(r"#{1,6}\s|\||-{3,}\s*$|={3,}\s*$|\*{3,}\s*$")
ITEM = re.compile(r"(?:[-*+•]|\d{1,2}[.)])\s+")
BOUNDARY = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])|(?<=[。！？])")
ABBREVIATION = re.compile(
    r"(?<![\w.])(?:[A-Z]|e\.g|i\.e|cf|vs|etc|ca|no|vol|fig|approx|dr|mr|mrs|ms|prof|st|jr|u\.s)\.$",
    re.IGNORECASE,
)
WORD = re.compile(r"\w[\w'’-]*")
STOPWORDS = frozenset(
    WORD.findall(
        """
        about above after again all also and another any are around because been before being
        between both but can cannot could did does doing done down each either else even every few
        for from given had has have having her here hers him his how however into its just less
        like made make many may might more most much must need neither nor not now off once one
        only other our out over own per rather same she should since some still such take than that
        the their them then there these they this those through thus too under until upon use used
        using very was well were what when where whether which while who whom whose why will with
        within without would yet you your

        answer best colleagues complete document final find findings gather give help let pick
        request said say says step tell told work write
        """
    )
)
"""Of English, and of the ways to ask for something."""

COUNTS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
UNITS = re.compile(
    rf"\b({'|'.join(COUNTS)}|\d{{1,2}})\s+(?:[\w-]+\s+){{0,3}}?"
    r"(points?|bullets?|findings?|facts?|items?|takeaways?|reasons?|risks?|questions?|lines?|"
    r"sentences?|paragraphs?)\b",
    re.IGNORECASE,
)
STYLES = re.compile(
    r"\b(?:(?P<list>bullets?|list|points|findings|facts|takeaways)"
    r"|(?P<short>brief|short|summary|summari[sz]e|concise))\b",
    re.IGNORECASE,
)
SENTENCES_A_PARAGRAPH = 3


@dataclass(frozen=True)
class Shape:
    """How an answer looks: so many sentences, as a list or in so many paragraphs."""

    sentences: int
    listed: bool
    paragraphs: int


@dataclass(frozen=True)
class Wish:
    """What is asked, what a good answer is, and what the one who answers cares for."""

    request: str
    criteria: str = ""
    interests: str = ""


@dataclass(frozen=True)
class Source:
    """A text that was given, and how much a sentence counts for being from it."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Sentence:
    text: str
    terms: frozenset[str]
    weight: float


def write_answer(wish: Wish, sources: Sequence[Source]) -> str:
    """Sentences of `sources` that matter most to the wish, in their order; of the request without.

    Empty only if everything that was given is.
    """
    sentences = read_sentences(wish, sources)
    shape = choose_shape(wish, len(sentences))
    chosen = choose_sentences(sentences, score_sentences(sentences, wish), shape.sentences)
    return lay_out([sentence.text for sentence in chosen], shape)


def rank_sentences(wish: Wish, sources: Sequence[Source]) -> list[str]:
    """All sentences, the one that matters most first."""
    sentences = read_sentences(wish, sources)
    return [sentences[n].text for n in rank(score_sentences(sentences, wish))]


def read_sentences(wish: Wish, sources: Sequence[Source]) -> list[Sentence]:
    for given in (sources, [Source(wish.request)]):
        if sentences := list(read_sources(given)):
            return sentences
    texts = " ".join([wish.request, *(source.text for source in sources)])
    bare = " ".join(texts.split())[:LONGEST_SENTENCE]
    return [Sentence(bare, frozenset(), 1.0)] if bare else []


def split_request(text: str) -> tuple[str, str]:
    """The short paragraphs that a text opens with say what is asked; the rest is material.

    Of a text that is short all over, the first one asks.
    """
    paragraphs = [part.strip() for part in PARAGRAPHS.split(text) if part.strip()]
    opening = 0
    for paragraph in paragraphs:
        if len(paragraph) > LONGEST_REQUEST or HEADING.match(paragraph):
            break
        opening += 1
    if opening == len(paragraphs) > 1:
        opening = 1  # Short material: the first paragraph asks.
    if opening == 0 and paragraphs:
        return next(split_sentences(paragraphs[0]), ""), "\n\n".join(paragraphs)
    return "\n\n".join(paragraphs[:opening]), "\n\n".join(paragraphs[opening:])


def split_sentences(text: str) -> Iterator[str]:
    """Sentences with their spaces made single; no headings, tables, rules or code."""
    for block in split_blocks(FENCE.sub("", text)):
        start = 0
        for boundary in BOUNDARY.finditer(block):
            if ABBREVIATION.search(block, max(start, boundary.start() - 10), boundary.start()):
                continue
            yield block[start : boundary.end()].strip()
            start = boundary.end()
        if block[start:].strip():
            yield block[start:].strip()


def split_blocks(text: str) -> Iterator[str]:
    """Paragraphs and items of lists, each on one line."""
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        stripped = line.strip()
        item = ITEM.match(stripped)
        if item or not stripped or SKIPPED.match(stripped):
            if lines:
                yield " ".join(" ".join(lines).split())
            lines = []
        if stripped and not SKIPPED.match(stripped):
            lines.append(stripped[item.end() :] if item else stripped)


def read_sources(sources: Iterable[Source]) -> Iterator[Sentence]:
    """Each sentence once, where it stands first, with the highest weight it is given."""
    found: dict[str, float] = {}
    for source in sources:
        for number, text in enumerate(split_sentences(source.text)):
            opening = 1.2 if number == 0 else 1.0
            cut = (
                text if len(text) <= LONGEST_SENTENCE else text[:LONGEST_SENTENCE].rsplit(" ", 1)[0]
            )
            found[cut] = max(found.get(cut, 0.0), source.weight * opening)
    for text, weight in found.items():
        yield Sentence(text, frozenset(list_terms(text)), weight)


def list_terms(text: str) -> list[str]:
    words = (word.lower().rstrip("'’") for word in WORD.findall(text))
    return [stem(word) for word in words if len(word) > 2 and word not in STOPWORDS]


def stem(word: str) -> str:
    """Enough to let plural and singular, and forms of a verb, meet."""
    for ending in ("'s", "’s", "ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def score_sentences(sentences: Sequence[Sentence], wish: Wish) -> list[float]:
    """What the text often speaks of counts; what was asked for counts more, the rarer the more."""
    frequency = Counter(term for sentence in sentences for term in sentence.terms)
    asked = dict.fromkeys(list_terms(wish.interests), 1) | dict.fromkeys(
        list_terms(wish.request), 3
    )
    worth = {
        term: log(1 + count) + asked.get(term, 0) * (1 + log(len(sentences) / count))
        for term, count in frequency.items()
    }
    return [
        sentence.weight
        * sum(worth[term] for term in sorted(sentence.terms))
        / (6 + len(sentence.terms)) ** 0.7
        for sentence in sentences
    ]


def rank(scores: Sequence[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda n: (-scores[n], n))


def choose_sentences(
    sentences: Sequence[Sentence], scores: Sequence[float], count: int
) -> list[Sentence]:
    """The best `count`, none that says what a better one says, in the order of the text."""
    chosen: list[int] = []
    for number in rank(scores):
        if len(chosen) == count:
            break
        if not any(repeats(sentences[number], sentences[other]) for other in chosen):
            chosen.append(number)
    return [sentences[number] for number in sorted(chosen)]


def repeats(one: Sentence, other: Sentence) -> bool:
    shared = len(one.terms & other.terms)
    return shared > 0.6 * max(1, min(len(one.terms), len(other.terms)))


def choose_shape(wish: Wish, available: int) -> Shape:
    """What is asked for ("three key points"), first by the criteria; else what suits the text."""
    texts = (wish.criteria, wish.request, wish.interests)
    asked = next((found for text in texts if (found := UNITS.search(text))), None)
    if asked is None:
        style = next((found for text in texts if (found := STYLES.search(text))), None)
        short = style is not None and style["short"] is not None
        count = min(4 if short else 8, max(3, available // 10))
        listed = style is not None and not short
        return Shape(count, listed, -(-count // SENTENCES_A_PARAGRAPH))
    number, unit = asked[1].lower(), asked[2].lower()
    count = COUNTS.index(number) + 1 if number in COUNTS else min(max(int(number), 1), 40)
    if unit.startswith("paragraph"):
        return Shape(count * SENTENCES_A_PARAGRAPH, False, count)
    return Shape(count, not unit.startswith("sentence"), -(-count // SENTENCES_A_PARAGRAPH))


def lay_out(sentences: Sequence[str], shape: Shape) -> str:
    if shape.listed:
        return "\n".join(f"- {sentence}" for sentence in sentences)
    size = max(1, -(-len(sentences) // shape.paragraphs))
    parts = [sentences[n : n + size] for n in range(0, len(sentences), size)]
    return "\n\n".join(" ".join(part) for part in parts)
