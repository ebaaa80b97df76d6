"""What must hold of tasks: of each change as it is made, and at any moment of all that is kept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from quarterdeck.keys import Scope, find_shard, parse_task_key
from quarterdeck.names import format_time, parse_time
from quarterdeck.table import Item, unmarshal_item
from quarterdeck.tasks.answers import Answer
from quarterdeck.tasks.states import HOLDS_SLOT, TERMINAL, TaskState
from tests.dynamodb_rules import Record
from tests.task_spending import Spending
from tests.task_world import Actor, World

ANSWERED = {"answer", "answered_at", "answered_by"}
HALF_AN_HOUR = timedelta(minutes=30)
LIVE = {"queued", "dispatched", "running"}
# (from, to): by how much the epoch grows
CHANGES = {
    ("queued", "queued"): 0,
    ("queued", "dispatched"): 0,
    ("queued", "cancelled"): 1,
    ("waiting", "queued"): 0,
    ("waiting", "failed"): 0,
    ("waiting", "cancelled"): 1,
    ("dispatched", "dispatched"): 0,
    ("dispatched", "running"): 1,
    ("dispatched", "cancelled"): 1,
    ("running", "running"): 0,
    ("running", "dispatched"): 0,
    ("running", "queued"): 0,
    ("running", "waiting"): 0,
    ("running", "succeeded"): 0,
    ("running", "failed"): 0,
    ("running", "timed_out"): 0,
    ("running", "cancelled"): 0,
}


class Watch:
    """`violations` says in words what did not hold."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queued_at: dict[tuple[str, str], int] = {}
        self.states: dict[str, Item] = {}
        self.changed_at: dict[str, int] = {}
        """When a task's status or epoch last changed."""
        self.dispatched_by: dict[str, tuple[Actor, int]] = {}
        """Who made a task `dispatched`, or is to send its message again, and when."""
        self.losses: Counter[str] = Counter()
        self.recorded: set[str] = set()
        self.spending = Spending(world)
        self.answers: dict[tuple[str, str], Item] = {}
        """By the question's key: what a person has said."""

    @property
    def violations(self) -> list[str]:
        return self.world.violations

    def expect(self, holds: bool, text: str, *details: object) -> None:
        if not holds:
            self.violations.append(f"{text}: {' '.join(map(str, details))}")

    def see_change(self, old_record: Record | None, new_record: Record | None) -> None:
        old = unmarshal_item(old_record) if old_record else None
        new = unmarshal_item(new_record) if new_record else None
        pk, sk = (new or old or {})["pk"], (new or old or {})["sk"]
        if sk == "CREW":
            self._see_crew(old, new)
        elif sk == "STATE":
            self._see_state(old, new)
        elif sk == "END":
            self.expect(old is None and new is not None, "END is put once", old, new)
        elif sk.startswith("CALL#"):
            self.recorded.add(parse_task_key(pk)[1])
        elif sk.startswith("HOLD#") and new and old is None:
            self.spending.see_hold(new, self.states[parse_task_key(pk)[1]])
        elif sk.startswith("QUESTION#"):
            self._see_question(old, new)
        elif sk.startswith("QUEUE#"):
            self.queued_at.pop((pk, sk), None)
            if new:
                self.queued_at[pk, sk] = self.world.tick
        elif sk.startswith("LATER#") and old and new is None:
            self._see_later_taken(old)

    def _see_crew(self, old: Item | None, new: Item | None) -> None:
        self.expect(new is not None and new["running"] >= 0, "running is no count", new)
        if old and new and new["running"] > old["running"]:
            self.expect(new["running"] <= new["capacity"], "more run than may", new)

    def _see_question(self, old: Item | None, new: Item | None) -> None:
        """Put by a worker, answered once by the api, and never changed besides."""
        if new is None or (old is None and "answer" in new):
            self.violations.append(f"a question went, or came with an answer: {old} -> {new}")
        elif old is not None:
            asked = {name: new[name] for name in new.keys() - ANSWERED}
            self.expect(asked == old, "an answered question changed", old, new)
            self.expect(new.keys() >= ANSWERED, "half an answer", new)
            by_api = self.world.current is None or self.world.current.role == "api"
            self.expect(by_api, "answered by no person", new)
            self.answers[new["pk"], new["sk"]] = new["answer"]

    def see_answered(self, task_id: str, given: Answer, resumed: bool) -> None:
        """An answer was accepted, or called the same as one before: so it is kept."""
        said = [said for (pk, _), said in self.answers.items() if pk.endswith(f"#{task_id}")]
        number = given.question
        kept = said[number - 1 : number] if number else said
        self.expect(given.said in kept, "accepted, and not kept", task_id, given, kept, resumed)

    def _see_later_taken(self, entry: Item) -> None:
        actor = self.world.current
        due = entry["sk"].split("#")[1]
        state = self.states[entry["task_id"]]
        if actor and state["status"] == "queued":
            self.expect(due <= format_time(actor.clock()), "taken before its time", entry)

    def _see_state(self, old: Item | None, new: Item | None) -> None:
        if new is None or (old is None and new["status"] != "queued"):
            self.violations.append(f"a task came or went: {old} -> {new}")
            return
        self.states[new["task_id"]] = new
        self.spending.see_end(new)
        if old is None:
            return
        step = (old["status"], new["status"])
        grown = new["epoch"] - old["epoch"]
        self.expect(CHANGES.get(step) == grown, "no such transition", step, grown)
        if actor := self.world.current:
            self._see_step(actor, old, new)
        if step[0] != step[1] or grown:
            self.changed_at[new["task_id"]] = self.world.tick

    def _see_step(self, actor: Actor, old: Item, new: Item) -> None:
        if old["status"] == "running":
            self._see_running_changed(actor, old, new)
        if new["status"] == "dispatched":
            self.dispatched_by[new["task_id"]] = actor, self.world.tick
        if old["status"] == "waiting":
            self._see_waiting_changed(actor, old, new)
        if actor.role == "monitor" and old["status"] in {*HOLDS_SLOT, "waiting"}:
            seen = self.changed_at.get(old["task_id"], 0) <= actor.state_read
            self.expect(seen, "settled another turn than was read", old, new)
        if (old["status"], new["status"]) == ("dispatched", "dispatched"):
            due = old["lease_expires_at"] < format_time(actor.clock())
            # Two monitors at once may both send: the worker takes one message.
            alone = actor.plan.pause is None and actor.plan.fault is None
            self.expect(actor.role == "monitor" and (due or not alone), "sent too early", old)
        if (old["status"], new["status"]) == ("queued", "dispatched"):
            self._see_dispatch(actor, new)
        if new["status"] == "cancelled":
            asked = new["task_id"] in self.world.cancel_asked
            self.expect(asked, "cancelled though nobody asked", new)

    def _see_running_changed(self, actor: Actor, old: Item, new: Item) -> None:
        passed_over = new["status"] not in {"running", "cancelled"} and old.get("cancel_requested")
        self.expect(not passed_over, "a cancel was passed over", old, new)
        match actor.role:
            case "api":
                changed = {
                    name for name in old.keys() | new.keys() if old.get(name) != new.get(name)
                }
                self.expect(changed <= {"cancel_requested"}, "the API changed", changed)
            case "worker":
                own = actor.attempt is not None and (
                    (actor.attempt.state.task_id, actor.attempt.state.epoch)
                    == (old["task_id"], old["epoch"])
                )
                self.expect(own, "a stale worker changed a state", old, new)
            case "monitor":
                lost = old["lease_expires_at"] < format_time(actor.clock())
                self.expect(lost, "taken from a worker that lives", old, new)
                self._see_loss(old["task_id"], new)

    def _see_waiting_changed(self, actor: Actor, old: Item, new: Item) -> None:
        self.expect(actor.role in {"api", "monitor"}, "a worker changed what waits", old, new)
        if new["status"] == "failed":
            due = old["lease_expires_at"] < format_time(actor.clock())
            self.expect(actor.role == "monitor" and due, "expired before its time", old, new)

    def see_left(self, claimed: TaskState) -> None:
        """The worker of this claim is through with its task."""
        now = self.states.get(claimed.task_id, {})
        left = (now.get("status"), now.get("epoch")) != ("running", claimed.epoch)
        self.expect(left, "left running", now)

    def check_messages(self) -> Iterator[str]:
        """Whoever dispatched a task, and was spared, has sent its message."""
        told_at = self.world.queue.told_at
        for task_id, (actor, moment) in self.dispatched_by.items():
            state = self.states[task_id]
            told = told_at.get((task_id, state["epoch"]), 0) >= moment
            if state["status"] == "dispatched" and actor.spared and not told:
                yield f"dispatched, and no message says so: {state}"

    def _see_loss(self, task_id: str, new: Item) -> None:
        self.losses[task_id] += 1
        losses, again = self.losses[task_id], new["status"] == "queued"
        self.expect(again or new["status"] == "cancelled" or losses >= 3, "given up early", new)
        hopeless = losses >= 3 and task_id not in self.recorded
        self.expect(not (again and hopeless), "not given up", new, losses)

    def _see_dispatch(self, actor: Actor, state: Item) -> None:
        """What is queued still, and was when the queue was read, is behind what was taken."""
        scope, task_id = parse_task_key(state["pk"])
        taken = scope.queue_key(state["crew_name"], state["rank"], task_id)
        for (pk, sk), queued_at in self.queued_at.items():
            if pk != taken.pk or queued_at > actor.queue_read:
                continue
            self.expect(taken.sk < sk, "out of order", taken.sk, sk)
            other = self.states[sk.rsplit("#", 1)[1]]
            waits = parse_time(state["created_at"]) - parse_time(other["created_at"])
            unfair = other["priority"] == "low" and waits > HALF_AN_HOUR
            self.expect(not unfair, "a low task waits too long", other, state)


def check_everything(scope: Scope, items: Iterable[Item]) -> Iterator[str]:
    """What does not hold of what the table keeps."""
    by_sk: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_sk[item["sk"].split("#")[0]].append(item)
    states = {item["task_id"]: item for item in by_sk["STATE"]}
    yield from check_slots(by_sk["CREW"], states.values())
    yield from check_questions(scope, by_sk["QUESTION"], states)
    yield from check_queues(scope, [*by_sk["QUEUE"], *by_sk["LATER"]], states)
    yield from check_ends(states, {parse_task_key(item["pk"])[1] for item in by_sk["END"]})
    yield from check_parts(scope, states, items)
    yield from check_buckets(scope, states, items)
    for state in states.values():
        yield from check_state(state)


def list_untold(items: Iterable[Item], kind: str = "ended") -> set[str]:
    """The tasks whose ends, or whose questions, are in the outbox."""
    outbox = [i for i in items if i["sk"].startswith("OUTBOX#") and i["sk"].endswith(f"#{kind}")]
    return {parse_task_key(item["pk"])[1] for item in outbox}


def check_told(items: Iterable[Item], told: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Ends and open questions are told, or in the outbox; as they are, in the same words."""
    items = list(items)
    untold, by_task = list_untold(items), defaultdict(list)
    waits, asking = defaultdict(list), list_untold(items, "waiting")
    for detail in told:
        if detail["status"] == "waiting":
            waits[detail["task_id"], detail["question"]["number"]].append(detail)
        else:
            by_task[detail["task_id"]].append(detail)
    if any(detail != details[0] for details in waits.values() for detail in details):
        yield f"a question is told in different words: {waits}"
    for state in (item for item in items if item["sk"] == "STATE" and item["status"] == "waiting"):
        known = (state["task_id"], state["question"]) in waits
        if not known and state["task_id"] not in asking:
            yield f"a question that nobody will tell: {state}"
    for state in (item for item in items if item["sk"] == "STATE"):
        task_id, details = state["task_id"], by_task[state["task_id"]]
        if state["status"] not in TERMINAL:
            if details or task_id in untold:
                yield f"announced while it lives: {state}"
            continue
        if not details and task_id not in untold:
            yield f"an end that nobody will tell: {state}"
        if any(detail != details[0] for detail in details):
            yield f"told in different words: {details}"
        if any(
            (d["status"], d["ended_at"]) != (state["status"], state["ended_at"]) for d in details
        ):
            yield f"told otherwise than it is: {details} {state}"


def check_slots(crews: Iterable[Item], states: Iterable[Item]) -> Iterator[str]:
    held = Counter(state["crew_name"] for state in states if state["status"] in HOLDS_SLOT)
    waits = Counter(state["crew_name"] for state in states if state["status"] == "waiting")
    for crew in crews:
        name = crew["pk"].rsplit("#", 1)[1]
        if crew["running"] != held[name]:
            yield f"{name}: {crew['running']} run, {held[name]} hold a slot"
        if crew.get("waiting", 0) != waits[name]:
            yield f"{name}: {crew.get('waiting', 0)} are counted, {waits[name]} wait"


def check_questions(
    scope: Scope, questions: Iterable[Item], states: Mapping[str, Item]
) -> Iterator[str]:
    """Each is kept; all but the last were answered, and so was the last of one that goes on."""
    kept = {(item["pk"], item["sk"]): item for item in questions}
    for task_id, state in states.items():
        numbers = range(1, state.get("question", 0) + 1)
        found = [kept.pop(scope.question_key(task_id, number), None) for number in numbers]
        answered = [item is not None and "answer" in item for item in found]
        if not all(found) or not all(answered[:-1]):
            yield f"a question is not kept, or was passed over: {state} {found}"
        if answered and state["status"] == "waiting" and answered[-1]:
            yield f"waits for an answer that it has: {state}"
        if answered and state["status"] in LIVE and not answered[-1]:
            yield f"goes on without an answer: {state}"
    if kept:
        yield f"questions of nobody: {list(kept)}"


def check_queues(
    scope: Scope, entries: Iterable[Item], states: Mapping[str, Item]
) -> Iterator[str]:
    """There is an entry for each queued task and no other, and it can be dispatched."""
    found = {(entry["pk"], entry["sk"]): entry["epoch"] for entry in entries}
    wanted = {}
    for task_id, state in states.items():
        if state["status"] == "queued":
            crew, later = state["crew_name"], state.get("not_before")
            wanted[
                scope.later_key(crew, later, task_id)
                if later
                else scope.queue_key(crew, state["rank"], task_id)
            ] = state["epoch"]
    if found != wanted:
        more, less = found.items() - wanted.items(), wanted.items() - found.items()
        yield f"queue entries {more} in place of {less}"


def check_ends(states: Mapping[str, Item], ended: set[str]) -> Iterator[str]:
    terminal = {task_id for task_id, state in states.items() if state["status"] in TERMINAL}
    if terminal != ended:
        yield f"END or terminal, but not both: {terminal ^ ended}"


def check_state(item: Item) -> Iterator[str]:
    state = TaskState.model_validate(item)
    holds_slot = state.status in {*HOLDS_SLOT, "waiting"}
    if (state.waiting_since is not None) != (state.status == "waiting"):
        yield f"waits and not: {item}"
    if ("lease_shard" in item, "lease_expires_at" in item) != (holds_slot, holds_slot):
        yield f"a lease that nobody holds, or none that somebody does: {item}"
    if holds_slot and item["lease_shard"] != f"LEASES#{find_shard(state.task_id, 4)}":
        yield f"another's lease shard: {item}"
    if ("expires_at" in item) != (state.status in TERMINAL):
        yield f"what lives would be deleted, or what has ended kept: {item}"
    if (state.ended_at is not None) != (state.status in TERMINAL):
        yield f"ended and not: {item}"


def check_parts(scope: Scope, states: Mapping[str, Item], items: Iterable[Item]) -> Iterator[str]:
    """SPEC and registry are there for each task, and go when it goes."""
    kept = {(item["pk"], item["sk"]): item.get("expires_at") for item in items}
    for task_id, state in states.items():
        created = parse_time(state["created_at"])
        for key in (scope.spec_key(task_id), scope.registry_key(task_id, created)):
            if key not in kept or kept[key] != state.get("expires_at"):
                yield f"{key} is not there, or goes before {state}"


def check_buckets(scope: Scope, states: Mapping[str, Item], items: Iterable[Item]) -> Iterator[str]:
    """Each arrival and each end is counted, once."""
    counted: Counter[str] = Counter()
    prefix = scope.bucket_key("", parse_time("2026-01-01T00:00:00Z")).pk
    for item in items:
        if item["pk"].startswith(prefix):
            counted.update({n: v for n, v in item.items() if n not in {"pk", "sk", "expires_at"}})
    statuses = Counter(state["status"] for state in states.values())
    wanted: dict[str, int] = {status: statuses[status] for status in TERMINAL}
    wanted["arrivals"] = len(states)
    wanted["continuations"] = sum(state.get("continuations", 0) for state in states.values())
    found = {name: counted[name] for name in wanted}
    if found != wanted:
        yield f"counted {found}, not {wanted}"
    ends = sum(statuses[status] for status in TERMINAL)
    for name in ("response_bin_", "running_bin_"):
        total = sum(value for key, value in counted.items() if key.startswith(name))
        if total != ends:
            yield f"{name} holds {total} of {ends} ends"


def read_all(stored: Mapping[str, Mapping[str, Record]], cache: dict[int, Any]) -> list[Item]:
    """What is stored as plain items; `cache` knows those that have not been replaced."""
    items = []
    for partition in stored.values():
        for record in partition.values():
            known = cache.get(id(record))
            if known is None or known[0] is not record:
                known = cache[id(record)] = (record, unmarshal_item(record))
            items.append(known[1])
    return items
