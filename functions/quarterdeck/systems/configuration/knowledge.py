"""What a crew knows before it begins: texts that its agents' turns are given parts of."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from quarterdeck.systems.configuration.base import Configuration, Line, Whole

MAX_KNOWLEDGE = 100
"""Texts of a crew; a request's megabyte bounds them all together."""


def refuse_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "holds nothing but space")
    return text


class KnowledgeText(Configuration):
    """One text. In the files of crew systems, `file` can stand for `text`."""

    name: Line
    """Unique in the crew; a file's own name unless given."""
    text: Annotated[str, StringConstraints(max_length=1_000_000), AfterValidator(refuse_blank)]
    """Searched by piece: each turn of an agent is given those that fit best."""
    chunk_size: Whole = Field(default=4000, ge=100, le=8000)
    """Characters that a piece has at most; it repeats a twentieth of the piece before it."""
