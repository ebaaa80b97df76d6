"""What watches the service itself: alarms on the topic of alerts, each in docs/operations.md."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, IMetric, Metric, TreatMissingData
from aws_cdk.aws_cloudwatch_actions import SnsAction
from constructs import Construct

from infra.alerts import Alerts
from infra.environment import Target
from infra.http_api import HttpApi
from infra.runbook import describe_alarm
from infra.service_function import ServiceFunction
from infra.work_queue import WorkQueue

NAMESPACE = "Quarterdeck"
MINUTE, FIVE_MINUTES, HOUR = Duration.minutes(1), Duration.minutes(5), Duration.hours(1)
FEW = 3
"""In five minutes: fewer are a fault that a retry has mended."""
CONSUMERS = ("worker", "deployer", "backup")
ALL_AT_ONCE = ("deployer", "monitor", "backup")
"""Functions that a release replaces whole: what they do wrong shows while others are shifted."""


class Alarms(Construct):
    """Tells the topic when one begins, and when it is over."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target: Target,
        alerts: Alerts,
        api: HttpApi,
        queues: Mapping[str, WorkQueue],
        functions: Mapping[str, ServiceFunction],
    ) -> None:
        super().__init__(scope, construct_id)
        self._environment = target.name
        self._action = SnsAction(alerts.topic)
        self._alarms: dict[str, Alarm] = {}
        for name, queue in queues.items():
            self._watch_queue(name, queue)
        for name, function in functions.items():
            # A worker ends its process when that is used up, which counts as an error.
            most = max(FEW, target.environment.max_concurrent_tasks) if name == "worker" else FEW
            self._watch_function(name, function, most)
        for name, text, period, periods in (
            ("monitor", "The monitor has not been started for five minutes", MINUTE, 5),
            ("backup", "Backups have not been planned for two hours", HOUR, 2),
        ):
            self._watch_heartbeat(name, functions[name], text, period, periods)
        self._watch_service(api)

    @property
    def all(self) -> list[Alarm]:
        return list(self._alarms.values())

    def watch_release(self, name: str, function: ServiceFunction) -> list[Alarm]:
        """Those that end the release of a function: on its new version, and on all the rest."""
        self._add(
            f"{name}-release-errors",
            "The version that a release brings fails: the release is rolled back",
            measure_new_version(function),
            threshold=1,
            periods=5,
            # One is a fault that a retry has mended.
            breaching=2,
        )
        names = (
            f"{name}-release-errors",
            "api-server-errors",
            "lost-workers",
            "unrunnable-crews",
            *(f"{each}-malformed-messages" for each in CONSUMERS),
            # The deployer comes after the tools, which it names.
            *(f"{each}-errors" for each in ALL_AT_ONCE if (name, each) != ("tools", "deployer")),
        )
        return [self._alarms[each] for each in names]

    def _watch_queue(self, name: str, queue: WorkQueue) -> None:
        self._add(
            f"{name}-dead-letters",
            "Messages that failed five times: mend the function, then make redrive",
            queue.measure_dead_letters(MINUTE),
            threshold=1,
            # A queue that nobody touches has no metric: what lies in it lies there still.
            missing=TreatMissingData.IGNORE,
        )
        self._add(
            f"{name}-oldest-message",
            "A message is older than two attempts at it take",
            queue.measure_age(MINUTE),
            threshold=queue.attempt.to_seconds() * 2,
        )

    def _watch_function(self, name: str, function: ServiceFunction, most: int) -> None:
        self._add(
            f"{name}-errors",
            "The function fails",
            function.function.metric_errors(period=FIVE_MINUTES),
            threshold=most,
        )
        self._add(
            f"{name}-throttles",
            "The account's concurrency is used up, or the function's",
            function.function.metric_throttles(period=FIVE_MINUTES),
            threshold=FEW,
        )

    def _watch_heartbeat(
        self, name: str, function: ServiceFunction, description: str, period: Duration, periods: int
    ) -> None:
        self._add(
            f"{name}-heartbeat",
            description,
            function.function.metric_invocations(period=period),
            threshold=1,
            comparison=ComparisonOperator.LESS_THAN_THRESHOLD,
            periods=periods,
            missing=TreatMissingData.BREACHING,
        )

    def _watch_service(self, api: HttpApi) -> None:
        for name, description, metric in (
            ("failed-alerts", "Alerts cannot be judged, kept or told", self._count("FailedAlert")),
            ("api-server-errors", "Requests fail", api.measure_server_errors(FIVE_MINUTES)),
            ("lost-workers", "Workers die at their tasks", self._count("LostWorker")),
            (
                "unrunnable-crews",
                "Crews fail before they begin",
                self._count("UnrunnableCrew", "worker"),
            ),
            *(
                (
                    f"{name}-malformed-messages",
                    "The function is sent what it does not understand, and drops it",
                    self._count("MalformedMessage", name),
                )
                for name in CONSUMERS
            ),
        ):
            self._add(name, description, metric, threshold=FEW)
        self._add(
            "lost-announcements",
            "Ends of tasks, or questions, could not be told for a day",
            self._count("LostAnnouncement"),
            threshold=1,
        )

    def _count(self, name: str, function: str = "monitor") -> Metric:
        return count_metric(self._environment, name, function)

    def _add(
        self,
        name: str,
        description: str,
        metric: IMetric,
        *,
        threshold: float,
        comparison: ComparisonOperator = ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        periods: int = 1,
        breaching: int | None = None,
        missing: TreatMissingData = TreatMissingData.NOT_BREACHING,
    ) -> None:
        """`breaching`: of so many periods; of all, if not given."""
        alarm = Alarm(
            self,
            name.title().replace("-", ""),
            alarm_name=f"quarterdeck-{self._environment}-{name}",
            alarm_description=describe_alarm(name, description),
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)
        self._alarms[name] = alarm


def count_metric(environment: str, name: str, function: str = "monitor") -> Metric:
    """What a function counts in its log."""
    return Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"environment": environment, "service": function},
        statistic="Sum",
        period=FIVE_MINUTES,
    )


def measure_new_version(function: ServiceFunction) -> Metric:
    """Errors of the latest version, while its alias shares its traffic between two."""
    name = function.function.function_name
    return Metric(
        namespace="AWS/Lambda",
        metric_name="Errors",
        dimensions_map={
            "FunctionName": name,
            "Resource": f"{name}:{function.live.alias_name}",
            "ExecutedVersion": function.live.version.version,
        },
        statistic="Sum",
        period=MINUTE,
    )
