"""The smoke test: what it accepts as an answer, and that it leaves nothing behind."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra import smoke
from infra.local.api import Answer, Api
from infra.local.command import run_command
from infra.local.failure import LocalRunFailed
from infra.local.sample import DOCUMENT

TEXT = DOCUMENT.read_text(encoding="utf-8")
ANSWER = ". ".join(" ".join(TEXT.split()).split(". ")[:6])


class Service(Api):
    """Answers as a service whose task ends in `task`, and notes what it was asked."""

    task: dict[str, Any]
    asked: list[str]

    def send(self, method: str, path: str, body: Any, headers: Mapping[str, str] = {}) -> Answer:
        self.asked.append(f"{method} {path}")
        match method, path.partition("?")[0].strip("/").split("/"):
            case "POST", ["crews"]:
                return Answer(202, {}, {"system_id": "s1"})
            case "POST", ["crews", "s1", "tasks"]:
                return Answer(202, {}, {"task_id": "t1"})
            case "GET", ["crews", "s1", "tasks", "t1"]:
                return Answer(200, {}, {"steps": [], **self.task})
        return Answer(200, {}, {"state": "active"})


def make_service(**task: Any) -> Service:
    service = Service("https://api.example", "key")
    object.__setattr__(service, "task", task)
    object.__setattr__(service, "asked", [])
    return service


@pytest.fixture(autouse=True)
def _health_of_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "Api", lambda url, key: make_service())


def test_an_answer_from_the_document_passes_and_the_system_is_deleted() -> None:
    service = make_service(status="succeeded", result={"output": ANSWER})
    smoke.run_smoke(service, 5)
    assert service.asked[-1] == "DELETE /crews/s1?force=true"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"status": "queued"}, "the task is still queued after 0 s: the worker's log says why"),
        ({"status": "failed", "error": {"message": "no model"}}, "the task failed: no model"),
        ({"status": "succeeded", "result": {"output": "I do not know."}}, "answer has 0 sentences"),
        ({"status": "succeeded"}, "answer has 0 sentences of its document, not 3"),
    ],
)
def test_anything_else_is_a_failure_and_the_system_is_deleted(
    task: dict[str, Any], reason: str
) -> None:
    service = make_service(**task)
    with pytest.raises(LocalRunFailed, match=reason):
        smoke.run_smoke(service, 0)
    assert service.asked[-1] == "DELETE /crews/s1?force=true"


@pytest.mark.parametrize(
    ("url", "key", "line"),
    [
        ("", "", "quarterdeck: say where and who: URL=https://… KEY=…\n"),
        ("http://api.example", "k", "is not https: the key would be sent in the clear\n"),
        ("https://127.0.0.1:1", "k", "quarterdeck: https://127.0.0.1:1 does not answer: "),
    ],
)
def test_a_place_that_cannot_be_asked_is_one_line(
    url: str,
    key: str,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(smoke, "Api", Api)
    monkeypatch.setenv("URL", url)
    monkeypatch.setenv("KEY", key)
    assert run_command(smoke.main) == 1
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
