"""A tool's effect happens once, or again with the same key where it cannot be known."""

import json
from typing import Any

import pytest
from crewai import Crew

from quarterdeck.execution.call_events import CallTeller
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_store import MemoryStore, Place
from quarterdeck.execution.journaled_tool import CallInDoubt, ToolFailed, make_tool
from quarterdeck.execution.run import run_crew
from quarterdeck.execution.stopping import Stop
from quarterdeck.systems.configuration import Events
from quarterdeck.tasks.questions import Asked
from quarterdeck.tooling.policy import InDoubt
from tests.openai_server import Body, Message, OpenAIServer
from tests.unit.execution.configurations import make_crew as configure_crew
from tests.unit.execution.journals import (
    Letter,
    call_tools,
    copy_store,
    make_agent,
    make_crew,
    make_letters,
    make_task,
    run_journaled,
    say,
)


def ask_for_a_letter(body: Body) -> Message:
    last = body["messages"][-1]
    return say(last["content"]) if last["role"] == "tool" else call_tools(("a", "Rome"))


def build(url: str, tool: Any) -> Crew:
    agent = make_agent(url, tools=[tool])
    return make_crew([agent], [make_task(agent, name="s")])


def run_doubtful(in_doubt: InDoubt, *, has_effect: bool = True) -> tuple[list[Any], str | Stop]:
    """A crew whose worker died after the act and before its record; with what came of it."""
    store, sent = MemoryStore("task-1"), []  # type: tuple[MemoryStore, list[tuple[str, str]]]
    with OpenAIServer(ask_for_a_letter) as server:
        tool = make_letters(sent, in_doubt, has_effect=has_effect)
        run_journaled(build(server.url, tool), Journal(store))
        try:
            again = Journal(copy_store(store, 1))
            return sent, run_journaled(build(server.url, tool), again).output
        except Stop as stop:
            return sent, stop


def test_a_call_in_doubt_is_repeated_with_the_same_key() -> None:
    sent, output = run_doubtful("repeat")
    assert output == "Sent to Rome."
    assert len(sent) == 2
    assert len(set(sent)) == 1
    assert sent[0][1].startswith("task-1-")


def test_a_retry_repeats_a_call_in_doubt_with_its_first_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[str, str]] = []
    store, letter = MemoryStore("task-1"), make_letters(sent)
    journal = Journal(store)
    with journal.open(str):
        letter.run(address="Rome")
    assert journal.tally.read() == {"tool_calls": 1}
    retry = MemoryStore("task-2")
    monkeypatch.setattr(retry, "load", copy_store(store, 0).load)
    with Journal(retry).open(str):
        letter.run(address="Rome")
    assert len(sent) == 2
    assert len(set(sent)) == 1


def test_a_call_in_doubt_can_end_the_task() -> None:
    sent, stop = run_doubtful("fail")
    assert len(sent) == 1
    assert isinstance(stop, Stop)
    assert stop.reason == "failed"
    assert stop.error
    assert stop.error.type == "in_doubt"
    assert "'send_letter'" in stop.error.message
    assert "not to be repeated" in stop.error.message


class Doubt:
    """A task whose worker died after its letter was sent, and who asks what is to come."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent: list[tuple[str, str]] = []
        store = MemoryStore("task-1")
        self.tool = make_letters(self.sent, "ask")
        run_journaled(build(url, self.tool), Journal(store))
        self.store = copy_store(store, 1)

    def ask(self) -> Asked:
        with pytest.raises(Stop) as raised:
            run_journaled(build(self.url, self.tool), Journal(self.store))
        assert raised.value.reason == "waiting"
        assert raised.value.question
        return raised.value.question

    def answer(self, question: Asked, said: dict[str, Any]) -> None:
        self.store.record(Place(*question.place), Entry("human", question.kind, said))

    def run(self) -> str:
        return run_journaled(build(self.url, self.tool), Journal(self.store)).output


def test_a_person_can_let_a_call_in_doubt_be_made_again_with_the_same_key() -> None:
    with OpenAIServer(ask_for_a_letter) as server:
        doubt = Doubt(server.url)
        question = doubt.ask()
        assert (question.kind, question.step, question.agent) == ("tool_in_doubt", "s", "Clerk")
        assert "'send_letter'" in question.text
        assert '{"address": "Rome"}' in question.text
        assert doubt.sent[0][1] in question.text
        assert doubt.ask() == question
        assert len(doubt.sent) == 1
        doubt.answer(question, {"approve": True})
        assert doubt.run() == "Sent to Rome."
    assert len(doubt.sent) == 2
    assert len(set(doubt.sent)) == 1


def test_a_question_says_no_more_of_a_call_than_events_do() -> None:
    """It goes to a topic, and by mail."""
    with OpenAIServer(ask_for_a_letter) as server:
        doubt = Doubt(server.url)
        teller = CallTeller(events=Events(redact=("Address",)))
        journal = Journal(doubt.store, teller=teller)
        with pytest.raises(Stop) as raised:
            run_journaled(build(server.url, doubt.tool), journal)
        assert raised.value.question
        assert '{"address": "[redacted]"}' in raised.value.question.text
        assert "Rome" not in raised.value.question.text


def test_a_person_can_say_what_a_call_in_doubt_has_answered() -> None:
    with OpenAIServer(ask_for_a_letter) as server:
        doubt = Doubt(server.url)
        doubt.answer(doubt.ask(), {"feedback": "It was sent on Monday."})
        assert doubt.run() == "It was sent on Monday."
    assert len(doubt.sent) == 1


def test_an_approval_is_for_one_call_alone() -> None:
    """The worker dies in the call that was approved: that is another doubt."""
    with OpenAIServer(ask_for_a_letter) as server:
        doubt = Doubt(server.url)
        first = doubt.ask()
        doubt.answer(first, {"approve": True})
        doubt.store.mark_started(Place(*first.place), "send_letter", "code")
        second = doubt.ask()
        assert second.place != first.place
        assert len(doubt.sent) == 1
        doubt.answer(second, {"approve": True})
        assert doubt.run() == "Sent to Rome."


def test_a_call_whose_answer_was_lost_on_its_way_is_asked_about() -> None:
    calls = []

    def send(*_: Any) -> str:
        calls.append(1)
        raise CallInDoubt("gone")

    store = MemoryStore("task-1")
    with OpenAIServer(ask_for_a_letter) as server:
        tool = make_tool("send_letter", "Sends.", Letter, send, has_effect=True, in_doubt="ask")
        for answered in range(3):
            with pytest.raises(Stop) as raised:
                run_journaled(build(server.url, tool), Journal(store))
            assert raised.value.question
            assert len(calls) == answered + 1
            place = Place(*raised.value.question.place)
            store.record(place, Entry("human", "tool_in_doubt", {"approve": True}))


def test_a_tool_without_effect_is_never_in_doubt() -> None:
    sent, output = run_doubtful("fail", has_effect=False)
    assert (len(sent), output) == (2, "Sent to Rome.")


def test_the_mark_is_there_before_the_act() -> None:
    store = MemoryStore()

    def send(*_: Any) -> str:
        return f"{len(store.marks)} marks, {len(store.entries)} entries"

    tool = make_tool("send_letter", "Sends.", Letter, send, has_effect=True, in_doubt="fail")
    with OpenAIServer(ask_for_a_letter) as server:
        assert run_journaled(build(server.url, tool), Journal(store)).output == "1 marks, 1 entries"


def test_what_a_tool_raised_is_kept_and_it_is_not_called_again() -> None:
    store, calls = MemoryStore(), []

    def send(*_: Any) -> str:
        calls.append("sent")
        raise RuntimeError("the post office is closed")

    tool = make_tool("send_letter", "Sends.", Letter, send, has_effect=True, in_doubt="fail")
    with OpenAIServer(ask_for_a_letter) as server:
        first = run_journaled(build(server.url, tool), Journal(store))
        assert run_journaled(build(server.url, tool), Journal(store)) == first
    assert "RuntimeError: the post office is closed" in first.output
    assert calls == ["sent"]


def test_a_failed_call_gives_its_number_back() -> None:
    store = MemoryStore()
    journal = Journal(store)
    with pytest.raises(ZeroDivisionError), journal.claim("digest"):
        _ = 1 / 0
    with journal.claim("digest") as place:
        assert place.occurrence == 0
    with journal.claim("digest") as place:
        assert place.occurrence == 1


def test_a_failed_tool_says_so_in_its_own_words() -> None:
    def fail(*_: Any) -> str:
        raise ValueError("no such address")

    tool = make_tool("t", "Fails.", Letter, fail, has_effect=False, in_doubt="repeat")
    with Journal(MemoryStore()).open(str), pytest.raises(ToolFailed, match="ValueError: no such"):
        tool.run(address="Rome")


def test_a_secret_that_a_tool_tells_is_neither_kept_nor_told_on() -> None:
    store = MemoryStore()

    def send(*_: Any) -> str:
        return "The key is sk-12345678."

    def scrub(text: str) -> str:
        return text.replace("sk-12345678", "[secret]")

    tool = make_tool("send_letter", "Sends.", Letter, send, has_effect=True, in_doubt="fail")
    with OpenAIServer(ask_for_a_letter) as server:
        first = run_journaled(build(server.url, tool), Journal(store), scrub)
        asked = len(server.requests)
        assert run_journaled(build(server.url, tool), Journal(store), scrub) == first
        assert "sk-1" not in json.dumps(server.requests)
    assert len(server.requests) == asked
    assert first.output == "The key is [secret]."
    assert "sk-1" not in "".join(store.entries.values())


def test_a_secret_that_a_model_tells_is_not_kept() -> None:
    store, key = MemoryStore(), 'sk-"odd"-key-1234'
    with OpenAIServer(lambda _: say(f"I was asked with {key}.")) as server:
        llm = {"model": "openai/gpt", "base_url": server.url, "secret": "provider"}
        outcome = run_crew(
            "task-1", configure_crew(["A", "B"], llm), "Why?", {},
            timeout=30, read_secret=lambda _: key, verbose=False, on_event=lambda _: None,
            journal=Journal(store),
        )  # fmt: skip
        assert "odd" not in json.dumps(server.requests)
    assert outcome.output == "I was asked with [secret provider]."
    assert len(store.entries) == 2
    assert "odd" not in "".join(store.entries.values())


def run_release(
    store: MemoryStore, code: str, prompt: str, *, allow: bool = False, has_effect: bool = True
) -> Journal:
    """The crew with this prompt, as the release of this code would run it."""
    journal = Journal(store, code=code, allow_divergence=allow)
    with OpenAIServer(ask_for_a_letter) as server:
        agent = make_agent(server.url, tools=[make_letters([], has_effect=has_effect)])
        crew = make_crew([agent], [make_task(agent, prompt, name="s")])
        run_journaled(crew, journal)
    return journal


def test_another_release_does_not_repeat_an_effect_that_it_no_longer_asks_for() -> None:
    store = MemoryStore()
    run_release(store, "one", "Write.")
    with pytest.raises(Stop) as stopped:
        run_release(store, "two", "Write well.")
    assert stopped.value.reason == "diverged"
    assert stopped.value.error
    assert "send_letter" in stopped.value.error.message
    allowed = run_release(store, "two", "Write well.", allow=True)
    assert (allowed.recorded, allowed.replayed) == (2, 1)


def test_another_release_does_not_leave_a_call_in_doubt_behind() -> None:
    store = MemoryStore()
    run_release(store, "one", "Write.")
    with pytest.raises(Stop, match="diverged"):
        run_release(copy_store(store, 1), "two", "Write well.")


def test_another_release_may_ask_a_model_other_things() -> None:
    store = MemoryStore()
    run_release(store, "one", "Write.", has_effect=False)
    journal = run_release(store, "two", "Write well.", has_effect=False)
    assert (journal.recorded, journal.replayed) == (2, 1)


def test_what_the_same_release_no_longer_asks_for_is_reported() -> None:
    store = MemoryStore()
    run_release(store, "one", "Write.")
    journal = run_release(store, "one", "Write well.")
    assert {(item.name, item.effect) for item in journal.unclaimed()} == {("gpt", False)}
    assert len(journal.unclaimed()) == 2


def test_an_effect_that_a_step_aside_still_asks_for_has_not_diverged() -> None:
    """The other step replays its letter while this one is at a call that is new."""
    store, sent = MemoryStore(), []  # type: tuple[MemoryStore, list[tuple[str, str]]]
    letter = make_letters(sent)

    def ask(journal: Journal) -> str:
        with journal.open(str):
            return str(letter.run(address="Rome"))

    assert ask(Journal(store, code="one")) == "Sent to Rome."

    def replay_meanwhile(_: float) -> None:
        if journal.unclaimed():
            letter.run(address="Rome")

    journal = Journal(store, code="two", sleep=replay_meanwhile)
    with journal.open(str), journal.enter_call():
        pass
    assert journal.unclaimed() == []
    assert len(sent) == 1
