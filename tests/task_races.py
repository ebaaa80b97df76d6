"""Two calls of services at once, from each state of a task: every place where they can meet."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

from tests.task_play import Play
from tests.task_world import FAULTS, SMOOTH, Fault, Plan

MOST_EFFECTS = 6

type Step = Callable[[Play, Plan], object]
type Start = Callable[[Play], object]


def queue_two(play: Play) -> None:
    """With free slots: nobody has looked since there are some."""
    play.scale(0)
    for priority in ("low", "high"):
        play.submit(priority=priority)
    play.scale(2)


def dispatch(play: Play) -> None:
    """A high and a low task wait for the slot that it holds."""
    play.scale(1)
    for priority in ("high", "low", "high"):
        play.submit(priority=priority)


def put_off_last(play: Play) -> None:
    """A low task is due again, and of two slots a high one has one and another is to have one."""
    play.scale(1)
    for priority in ("low", "high", "high"):
        play.submit(priority=priority)
    play.deliver()
    play.postpone()
    play.scale(2)
    play.advance(4)


def run(play: Play) -> None:
    dispatch(play)
    play.deliver()


def lose(play: Play) -> None:
    run(play)
    play.advance(121)


def run_again(play: Play) -> None:
    play.scale(1)
    play.submit()
    for _ in range(2):
        play.deliver()
        play.advance(121)
        play.monitor()
    play.deliver()


def lose_again(play: Play) -> None:
    run_again(play)
    play.advance(121)


def ask_with_room(play: Play) -> None:
    """For an hour; and there is a slot for whoever is answered."""
    run(play)
    play.scale(4)
    play.ask()


def ask_alone(play: Play) -> None:
    play.scale(1)
    play.submit()
    play.deliver()
    play.ask()


def then(start: Start, *more: Start) -> Start:
    def go(play: Play) -> None:
        for each in (start, *more):
            each(play)

    return go


STARTS: dict[str, Start] = {
    "queued": queue_two,
    "dispatched": dispatch,
    "undelivered": then(dispatch, lambda play: play.advance(601)),
    "running": run,
    "cancelling": then(run, lambda play: play.cancel(number=-1)),
    "lost": lose,
    "running for the third time": run_again,
    "lost for the third time": lose_again,
    "lost and cancelling": then(lose_again, lambda play: play.cancel()),
    "reaped": then(lose, lambda play: play.monitor()),
    "handed on": then(run, lambda play: play.hand_on()),
    "running elsewhere": then(run, lambda play: play.hand_on(), lambda play: play.deliver()),
    "put off": then(run, lambda play: play.scale(2), lambda play: play.postpone()),
    "due again": then(
        run, lambda play: play.postpone(), lambda play: play.scale(2), lambda play: play.advance(4)
    ),
    "due again as the last": put_off_last,
    "waiting": then(ask_with_room),
    "waiting too long": then(ask_alone, lambda play: play.advance(3601)),
    "answered": then(run, lambda play: play.ask(), lambda play: play.answer(number=-1)),
    "waiting again": then(
        ask_with_room,
        lambda play: play.answer(number=-1),
        lambda play: play.deliver(),
        lambda play: play.ask(),
    ),
    "ended": then(run, lambda play: play.finish(outcome="failed")),
}

STEPS: dict[str, Step] = {
    "submit": lambda play, plan: play.submit(plan),
    "submit known": lambda play, plan: play.submit_known(plan),
    "submit once": lambda play, plan: play.submit_once(plan),
    "submit other": lambda play, plan: play.submit_once(plan, body="that"),
    "admit": lambda play, plan: play.admit(plan),
    "deliver": lambda play, plan: play.deliver(plan),
    "deliver first": lambda play, plan: play.deliver(plan, -1),
    "beat": lambda play, plan: play.beat(plan),
    "finish": lambda play, plan: play.finish(plan),
    "finish first": lambda play, plan: play.finish(plan, -1),
    "hand on": lambda play, plan: play.hand_on(plan),
    "hand on first": lambda play, plan: play.hand_on(plan, -1),
    "put off": lambda play, plan: play.postpone(plan),
    "put off first": lambda play, plan: play.postpone(plan, -1, 0.0),
    "cancel": lambda play, plan: play.cancel(plan),
    "cancel first": lambda play, plan: play.cancel(plan, -1),
    "ask": lambda play, plan: play.ask(plan),
    "ask first": lambda play, plan: play.ask(plan, -1),
    "approve first": lambda play, plan: play.answer(plan, -1),
    "correct first": lambda play, plan: play.answer(plan, -1, "feedback"),
    "retry first": lambda play, plan: play.retry(plan, -1),
    "monitor": lambda play, plan: play.monitor(plan),
    "monitor ahead": lambda play, plan: play.monitor(plan._replace(skew=300)),
}

MEANWHILE: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in STEPS},
    "deliver, hand on": ("deliver first", "hand on"),
    "deliver, put off": ("deliver first", "put off"),
    "admit, deliver, put off": ("admit", "deliver", "put off"),
    "deliver, finish": ("deliver first", "finish"),
    "hand on, deliver": ("hand on", "deliver"),
    "ask, approve": ("ask", "approve first"),
    "approve, deliver, ask": ("approve first", "deliver", "ask"),
    "put off, cancel": ("put off", "cancel first"),
}


class Race(NamedTuple):
    """`step` is stopped at each of its calls while `elapsed` seconds and `meanwhile` pass."""

    step: str
    elapsed: int
    meanwhile: str


class Failure(NamedTuple):
    """`step` meets `fault` at each thing that it writes or sends, and is done once more."""

    step: str
    fault: Fault


def list_trials() -> Iterator[Race | Failure]:
    for step in STEPS:
        for meanwhile in MEANWHILE:
            for elapsed in (0, 601):
                yield Race(step, elapsed, meanwhile)
        for fault in FAULTS:
            yield Failure(step, fault)


class Stage:
    """Where each trial begins: one of STARTS. A trial raises what does not hold."""

    def __init__(self, start: str) -> None:
        self.play = Play()
        try:
            STARTS[start](self.play)
            assert self.play.watch.states, "no task to try anything with"
            self.play.check()
            self._restore = self.play.save()
        except BaseException:
            self.play.world.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.play.world.close()

    def run(self, trial: Race | Failure) -> int:
        """In how many variants."""
        number = 1
        while self._run_variant(trial, number):
            number += 1
        return number

    def _run_variant(self, trial: Race | Failure, number: int) -> bool:
        self._restore()
        try:
            if isinstance(trial, Race):
                return self._meet(trial, number)
            return self._fail(trial, number)
        finally:
            self.play.settle()

    def _meet(self, race: Race, pause: int) -> bool:
        """Whether the step made so many calls."""
        play = self.play
        STEPS[race.step](play, Plan(pause=pause))
        if not play.world.paused:
            play.check()
            return False
        play.advance(race.elapsed)
        for step in MEANWHILE[race.meanwhile]:
            STEPS[step](play, SMOOTH)
        play.check()
        play.resume()
        play.check()
        return True

    def _fail(self, failure: Failure, at: int) -> bool:
        play = self.play
        STEPS[failure.step](play, Plan(failure.fault, at))
        play.check()
        STEPS[failure.step](play, SMOOTH)
        play.check()
        return at < MOST_EFFECTS
