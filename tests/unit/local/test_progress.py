"""What a person who watches a task is shown."""

from infra.local.progress import describe_result, describe_steps

RUNNING = {"name": "gather", "agent": "Researcher", "status": "running"}
ENDED = {
    "name": "gather",
    "agent": "Researcher",
    "status": "ended",
    "usage": {"prompt_tokens": 3000, "completion_tokens": 260, "requests": 1},
    "duration_ms": 1450,
}
NEXT = {"name": "write", "agent": "Writer", "status": "running"}


def test_a_step_is_shown_when_it_begins_and_when_it_ends() -> None:
    assert describe_steps([], [RUNNING]) == ["    … gather           Researcher is at work"]
    assert describe_steps([RUNNING], [ENDED]) == [
        "    ✓ gather           Researcher: 3,260 tokens, 1.4 s"
    ]


def test_a_step_that_did_not_change_is_not_shown_again() -> None:
    assert describe_steps([RUNNING], [RUNNING]) == []
    assert describe_steps([ENDED], [ENDED, NEXT]) == ["    … write            Writer is at work"]


def test_a_step_that_began_and_ended_between_two_answers_gets_one_line() -> None:
    assert len(describe_steps([], [ENDED])) == 1


def test_a_result_is_the_answer_wrapped_then_tokens_and_time() -> None:
    answer = "word " * 40
    task = {
        "result": {"output": answer},
        "usage": {"prompt_tokens": 4000, "completion_tokens": 600, "requests": 3},
        "duration_ms": 2345,
    }
    lines = describe_result(task)
    assert lines[-1] == "4,600 tokens (4,000 in, 600 out) in 2.3 s"
    assert " ".join(" ".join(lines[:-1]).split()) == answer.strip()
    assert max(len(line) for text in lines for line in text.splitlines()) <= 96


def test_a_rehearsal_says_that_no_model_answered() -> None:
    task = {"result": {"output": "It turns."}, "usage": None, "rehearsal": True}
    assert describe_result(task)[-1].startswith("A rehearsal:")
    assert not describe_result({**task, "rehearsal": False})[-1].startswith("A rehearsal:")
