"""Texts in pieces, cut where a reader would pause."""

from collections.abc import Iterator

PAUSES = ("\n\n", "\n", ". ", " ")
"""The best first."""
OVERLAP = 20
"""A piece begins with what is up to this part of the one before it."""


def split_text(text: str, size: int) -> Iterator[str]:
    """Pieces of at most `size` characters that hold all of the text but the space around them."""
    start = 0
    while start < len(text):
        end = find_end(text, start, size)
        if piece := text[start:end].strip():
            yield piece
        start = end if end == len(text) else find_start(text, end, size // OVERLAP)


def find_end(text: str, start: int, size: int) -> int:
    """After the last pause of the best kind in the second half; `size` on if there is none."""
    limit = start + size
    if limit >= len(text):
        return len(text)
    for pause in PAUSES:
        found = text.rfind(pause, start + size // 2, limit)
        if found >= 0:
            return found + len(pause)
    return limit


def find_start(text: str, end: int, overlap: int) -> int:
    """The first word that begins in the overlap; without one, the end itself."""
    found = text.find(" ", end - overlap - 1, end - 1)
    return found + 1 if found >= 0 else end
