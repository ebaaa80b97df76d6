"""What is known of the team's tools without their code: names, descriptions, schemas, policies.

`tools.json` holds it for the functions that call tools; it is made when the bundle is built.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from quarterdeck.tooling.policy import InDoubt

FUNCTIONS = Path(__file__).parents[2]
TOOLS = FUNCTIONS / "tools"
MANIFEST = FUNCTIONS / "tools.json"
NAME_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"


class Tool(BaseModel):
    """A tool as agents and workers know it; `name` is that of its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    arguments: dict[str, Any]
    """JSON Schema of an object."""
    has_effect: bool
    in_doubt: InDoubt
    timeout: int
    secrets: tuple[str, ...]
    result_as_answer: bool
    max_usage_count: int | None


type Manifest = Mapping[str, Tool]

ADAPTER = TypeAdapter(dict[str, Tool])


class ToolUnknown(Exception):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(describe_unknown(name, known))


def describe_unknown(name: str, known: Sequence[str]) -> str:
    return f"unknown tool '{name}'; known are: {', '.join(sorted(known)) or 'none'}"


def list_tools(directory: Path = TOOLS) -> tuple[str, ...]:
    """The names of the tools, sorted: each has a file; those with a leading `_` are shared code."""
    return tuple(sorted(p.stem for p in directory.glob("*.py") if not p.stem.startswith("_")))


@cache
def load_manifest() -> Manifest:
    """That of the bundle; in a checkout, which has none, it is made from the tools."""
    if MANIFEST.exists():
        return ADAPTER.validate_json(MANIFEST.read_bytes())
    # It loads crewai, which the functions that read the bundle's file can do without.
    from quarterdeck.tooling.registry import describe_tools

    return describe_tools()


def find_tool(name: str, manifest: Manifest) -> Tool:
    """ToolUnknown says which there are."""
    if name not in manifest:
        raise ToolUnknown(name, tuple(manifest))
    return manifest[name]
