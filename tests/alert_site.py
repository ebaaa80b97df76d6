"""A system with its alerts, which the monitor looks at each minute, and what goes wrong there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from quarterdeck.alerts.announcement import Announcement, Announcer
from quarterdeck.alerts.conditions import note_condition
from quarterdeck.alerts.evaluation import AlertCheck
from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.states import Alert, silence
from quarterdeck.alerts.store import AlertStore
from quarterdeck.metrics.figures import MetricState, compute_figures
from quarterdeck.metrics.window import Window
from quarterdeck.systems.configuration import Metric, Threshold
from quarterdeck.systems.records import System
from quarterdeck.systems.thresholds import DEFAULTS
from tests.fakes import FakeTable
from tests.faults import Crash

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GOOD, BAD = {"succeeded": 40}, {"succeeded": 30, "failed": 10}
ERRORS = AlertName("research", "error_rate")
SYSTEM = System(
    system_id="desk-1",
    name="desk",
    state="active",
    current_version=1,
    latest_deployment=1,
    generation=1,
    crews=("research",),
    created_at="2026-11-23T12:00:00.000Z",
    updated_at="2026-11-23T12:00:00.000Z",
)


class Wire(Announcer):
    """Keeps what was sent; the hooks are called before and after, and may raise."""

    def __init__(self) -> None:
        self.sent: list[Announcement] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def send(self, announcement: Announcement) -> None:
        self.before()
        self.sent.append(announcement)
        self.after()

    @property
    def ids(self) -> list[str]:
        """Each once, in the order in which they were first sent."""
        return list(dict.fromkeys(announcement.id for announcement in self.sent))


class Site:
    def __init__(self) -> None:
        self.now = NOON
        self.table = FakeTable()
        self.store = AlertStore(self.table)
        self.wire = Wire()
        self.check = AlertCheck(self.store, self.wire, "production")
        self.thresholds: dict[Metric, Threshold] = {"error_rate": DEFAULTS["error_rate"]}

    def evaluate(self, counters: dict[str, int]) -> None:
        """A minute's run of the monitor."""
        self.look(counters)
        self.now += MINUTE

    def look(self, counters: dict[str, int]) -> None:
        window = Window(15, counters)
        figures = compute_figures(window, 0, 1)
        known = self.check.read_alerts(SYSTEM)
        args = (self.thresholds, figures, window, known, self.now)
        self.check.evaluate_crew(SYSTEM, "research", *args)
        self.check.settle_conditions(SYSTEM, known, self.now)

    def run(self, *found: tuple[dict[str, int], int]) -> None:
        for counters, minutes in found:
            for _ in range(minutes):
                self.evaluate(counters)

    def note(self, state: MetricState, detail: str | None = None) -> None:
        note_condition(self.store, SYSTEM.scope, "health", state, self.now, detail=detail)

    def silence(self, minutes: int) -> None:
        now = self.now
        self.store.modify(SYSTEM.scope, ERRORS, lambda alert: silence(alert, "ann", now, minutes))

    def break_down(self, hook: str, fail: Callable[[], None]) -> None:
        """`fail` is called at `hook`, and nothing at any other."""

        def act_at(name: str) -> Callable[[], None]:
            return fail if name == hook else lambda: None

        self.table.calls.before_write = act_at("before_write")
        self.table.calls.after_write = act_at("after_write")
        self.wire.before = act_at("before_send")
        self.wire.after = act_at("after_send")

    def mend(self) -> None:
        self.break_down("nothing", lambda: None)

    def find(self, name: AlertName = ERRORS) -> Alert:
        alert = self.store.find(SYSTEM.scope, name)
        assert alert
        return alert

    def history(self) -> list[dict[str, object]]:
        """Oldest first."""
        return self.store.list_history(SYSTEM.scope, 100, None).items[::-1]

    def told(self) -> list[str]:
        return [announcement.state for announcement in self.wire.sent]


def crash_at(call: int) -> Callable[[], None]:
    """A hook that raises at the n-th call, and never again."""
    calls = iter(range(call + 1))

    def act() -> None:
        if next(calls, None) == call:
            raise Crash

    return act
