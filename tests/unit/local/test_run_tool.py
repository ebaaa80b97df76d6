"""`make tool`: one tool, and one line for whatever is wrong with the call."""

import pytest

from infra.local import run_tool
from infra.local.failure import LocalRunFailed
from infra.local.run_tool import main
from infra.local.team_tools import open_tools, read_secret
from quarterdeck.tooling.registry import ToolFileInvalid
from quarterdeck.vault import SecretMissing
from tests.unit.tooling.manifests import describe


def test_a_tool_says_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    main(["calculator", '{"expression": "2*3"}'])
    assert capsys.readouterr().out == "6\n"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("calc", "{}", "unknown tool 'calc'; known are: calculator, read_web_page"),
        (
            "calculator",
            '{"expression": ',
            "ARGS is not valid JSON: Expecting value (character 15)",
        ),
        ("calculator", "[1]", 'ARGS must be an object, such as {"expression": "2*3"}'),
        ("calculator", "", "calculator: InvalidArguments: expression: is missing"),
        (
            "",
            "",
            'say which, and with what: make tool NAME=calculator ARGS=\'{"expression": "2*3"}\'; '
            "known are: calculator, read_web_page",
        ),
    ],
)
def test_what_is_wrong_with_a_call_is_one_line(name: str, arguments: str, said: str) -> None:
    with pytest.raises(LocalRunFailed) as raised:
        main([name, arguments])
    assert str(raised.value) == said


def test_a_faulty_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ToolFileInvalid(name, "there is no tool")

    monkeypatch.setattr("quarterdeck.tooling.registry.describe_tool", refuse)
    with pytest.raises(LocalRunFailed, match=r"^functions/tools/calculator\.py: there is no tool$"):
        run_tool.run_tool("calculator", {})


def test_a_secret_is_that_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_SEARCH_API_KEY", "s3cret")
    assert read_secret("web-search") == "s3cret"
    with pytest.raises(SecretMissing, match=r"^secret 'x': the variable X_API_KEY is not set$"):
        read_secret("x")


def test_a_secret_that_is_missing_is_said_before_the_tool_runs() -> None:
    with open_tools({"probe": describe("probe", secrets=("nowhere",))}) as tools:
        answer = tools.handle({"tool": "probe", "arguments": {}, "idempotency_key": "k"})
    assert str(answer.error) == (
        "SecretMissing: secret 'nowhere': the variable NOWHERE_API_KEY is not set"
    )
