"""What a file of functions/tools/ has to hold, and what is told of one that does not."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from quarterdeck.tooling import manifest, registry
from quarterdeck.tooling.manifest import list_tools, load_manifest
from quarterdeck.tooling.policy import Policy
from quarterdeck.tooling.registry import ToolFileInvalid, describe_tool, load_tool

HEAD = """
from crewai.tools import BaseTool, tool
from quarterdeck.tooling.policy import Policy
POLICY = Policy(has_effect=False, timeout=5, secrets=("search",))
"""
CLASS = """
class Echo(BaseTool):
    name: str = "Echo"
    description: str = "Says it again."
    def _run(self, text: str, times: int = 2) -> str:
        return text * times
"""
FUNCTION = '''
@tool("Echo", result_as_answer=True, max_usage_count=3)
def echo(text: str) -> str:
    """Says it again."""
    return text
'''

type Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Puts a file into a `tools` package of its own, and answers its name."""
    package = tmp_path / "tools"
    package.mkdir()
    (package / "__init__.py").touch()
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "tools"}
    for name in ours:
        del sys.modules[name]
    monkeypatch.syspath_prepend(tmp_path)
    registry.import_file.cache_clear()

    def write_file(name: str, text: str) -> str:
        (package / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return name

    yield write_file
    for name in [name for name in sys.modules if name.split(".")[0] == "tools"]:
        del sys.modules[name]
    sys.modules.update(ours)
    registry.import_file.cache_clear()


def test_a_tool_is_described_by_its_file(write: Write) -> None:
    tool = describe_tool(write("echo", HEAD + CLASS))
    assert (tool.name, tool.description) == ("echo", "Says it again.")
    assert (tool.has_effect, tool.in_doubt, tool.timeout) == (False, "repeat", 5)
    assert tool.secrets == ("search",)
    assert tool.arguments["required"] == ["text"]
    assert tool.arguments["properties"]["times"]["default"] == 2


def test_a_function_is_a_tool_as_well_with_all_that_crewai_knows_of_it(write: Write) -> None:
    tool = describe_tool(write("echo", HEAD + FUNCTION))
    assert (tool.description, tool.max_usage_count) == ("Says it again.", 3)
    assert tool.result_as_answer


def test_a_tool_of_a_library_is_one_as_it_is(write: Write) -> None:
    write("_library", HEAD + CLASS)
    name = write("echo", HEAD + "from tools._library import Echo\necho = Echo()")
    assert load_tool(name).tool.run(text="a") == "aa"


def test_each_call_has_a_tool_that_was_not_used(write: Write) -> None:
    name = write("echo", HEAD + FUNCTION)
    said = [load_tool(name).tool.run(text=str(number)) for number in range(5)]
    assert said == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            HEAD + CLASS.replace('name: str = "Echo"', "name: str"),
            "the tool cannot be made: name: is missing",
        ),
        (
            HEAD + CLASS + "    def __init__(self): raise OSError('no disk')",
            "the tool cannot be made: OSError: no disk",
        ),
        (HEAD, "there is no tool: define a subclass of crewai's BaseTool, or use its @tool"),
        (HEAD + CLASS + CLASS.replace("Echo", "Other"), "there are several tools: a file has one"),
        (
            HEAD.replace("POLICY = ", "policy = ") + CLASS,
            "POLICY is missing: a quarterdeck.tooling.policy.Policy, with has_effect at least",
        ),
        (
            "import nothing_like_it",
            "it cannot be imported: ModuleNotFoundError: No module named 'nothing_like_it' "
            "(is it in the group 'tools' of pyproject.toml?)",
        ),
        ("1 / 0", "it cannot be imported: ZeroDivisionError: division by zero"),
        (
            HEAD + CLASS.replace('"Says it again."', '" "'),
            "the tool's description is empty: agents choose by it",
        ),
    ],
)
def test_a_faulty_file_is_named_with_its_fault(write: Write, text: str, reason: str) -> None:
    with pytest.raises(ToolFileInvalid) as raised:
        describe_tool(write("faulty", text))
    assert str(raised.value) == f"functions/tools/faulty.py: {reason}"


def test_a_file_has_the_name_of_a_function(write: Write) -> None:
    with pytest.raises(ToolFileInvalid) as raised:
        describe_tool(write("Web-Search", HEAD + CLASS))
    assert str(raised.value) == (
        "functions/tools/Web-Search.py: the file's name, without .py, must match "
        "^[a-z][a-z0-9_]{0,63}$"
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Field required"),
        ({"has_effect": True}, "a tool with an effect needs in_doubt: 'repeat', 'ask' or 'fail'"),
        ({"has_effect": False, "timeout": 301}, "less than or equal to 300"),
        ({"has_effect": False, "in_doubt": "maybe"}, "'repeat', 'ask' or 'fail'"),
        ({"has_effect": False, "secrets": ["tools/x"]}, "should match pattern"),
        ({"has_effect": False, "retries": 2}, "Extra inputs are not permitted"),
    ],
)
def test_a_policy_says_what_it_lacks(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Policy(**fields)


def test_a_checkout_makes_the_manifest_that_the_bundle_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_manifest.cache_clear()
    made = load_manifest()
    assert tuple(made) == list_tools()
    registry.main(str(tmp_path))
    assert json.loads((tmp_path / "tools.json").read_text()).keys() == made.keys()
    monkeypatch.setattr(manifest, "MANIFEST", tmp_path / "tools.json")
    load_manifest.cache_clear()
    assert load_manifest() == made
    load_manifest.cache_clear()


def test_shared_code_is_no_tool() -> None:
    assert list_tools() == ("calculator", "read_web_page")


def test_the_guides_tool_is_one(write: Write) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "tools.md").read_text()
    code = guide.partition("```python\n")[2].partition("```")[0]
    tool = describe_tool(write("weather", code))
    assert (tool.name, tool.secrets, tool.timeout) == ("weather", ("weather",), 15)
