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
    jobs: dict[str, dict[str, Any]]
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
            case "POST", ["crews", "s1", "backup"]:
                return Answer(202, {}, {"backup": {"backup_id": "b1", "status": "running"}})
            case "POST", ["crews", "s1", "backups", "b1", "verify"]:
                begun = {"verification_id": "v1", "status": "running"}
                return Answer(202, {}, {"verification": begun})
            case "GET", ["crews", "s1", "backups" | "verifications" as kind, _]:
                return Answer(200, {}, {kind[:-1]: self.jobs[kind]})
        return Answer(200, {}, {"state": "active"})


BACKUP: dict[str, Any] = {"backup_id": "b1", "status": "completed", "parts": {"task_histories": 1}}
DONE: dict[str, Any] = {"status": "succeeded", "result": {"output": ANSWER}}


def make_service(*, jobs: dict[str, dict[str, Any]] | None = None, **task: Any) -> Service:
    service = Service("https://api.example", "key")
    completed = {"backups": BACKUP, "verifications": {"status": "completed"}}
    object.__setattr__(service, "jobs", completed | (jobs or {}))
    object.__setattr__(service, "task", task)
    object.__setattr__(service, "asked", [])
    return service


@pytest.fixture(autouse=True)
def _health_of_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "Api", lambda url, key: make_service())


def test_an_answer_from_the_document_passes_and_the_system_is_deleted() -> None:
    service = make_service(**DONE)
    smoke.run_smoke(service, 5)
    asked = [line for line in service.asked if not line.startswith("GET")]
    assert asked == [
        "POST /crews",
        "POST /crews/s1/tasks",
        "POST /crews/s1/backup",
        "POST /crews/s1/backups/b1/verify",
        "DELETE /crews/s1?force=true",
    ]


@pytest.mark.parametrize(
    ("jobs", "reason"),
    [
        ({"backups": {"status": "failed", "reasons": ["a", "b"]}}, "the backup failed: a; b"),
        ({"backups": BACKUP | {"parts": {}}}, "the backup has no task"),
        ({"verifications": {"status": "failed"}}, "the verification failed: no reason"),
        (
            {"verifications": {"status": "running", "verification_id": "v1"}},
            "the verification still runs after 0 s",
        ),
    ],
)
def test_a_backup_that_is_not_good_is_a_failure(
    jobs: dict[str, dict[str, Any]], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "JOB_S", 0.4)
    service = make_service(jobs=jobs, **DONE)
    with pytest.raises(LocalRunFailed, match=reason):
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
