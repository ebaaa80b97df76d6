"""What watches the service itself: alarms on the topic of alerts, each in docs/operations.md."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, IMetric, Metric, TreatMissingData
from aws_cdk.aws_cloudwatch_actions import SnsAction
from constructs import Construct

from infra.alerts import Alerts
from infra.environment import Target
from infra.service_function import ServiceFunction
from infra.work_queue import WorkQueue

NAMESPACE = "Quarterdeck"
MINUTE, FIVE_MINUTES, HOUR = Duration.minutes(1), Duration.minutes(5), Duration.hours(1)
FEW = 3
"""In five minutes: fewer are a fault that a retry has mended."""


class Alarms(Construct):
    """Tells the topic when one begins, and when it is over."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target: Target,
        alerts: Alerts,
        queues: Mapping[str, WorkQueue],
        functions: Mapping[str, ServiceFunction],
    ) -> None:
        super().__init__(scope, construct_id)
        self._prefix = f"quarterdeck-{target.name}"
        self._action = SnsAction(alerts.topic)
        self.all: list[Alarm] = []
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
        self._watch_alerts()

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

    def _watch_alerts(self) -> None:
        self._add(
            "failed-alerts",
            "Alerts cannot be judged, kept or told",
            count_metric("FailedAlert"),
            threshold=FEW,
        )
        self._add(
            "lost-announcements",
            "Ends of tasks, or questions, could not be told for a day",
            count_metric("LostAnnouncement"),
            threshold=1,
        )

    def _add(
        self,
        name: str,
        description: str,
        metric: IMetric,
        *,
        threshold: float,
        comparison: ComparisonOperator = ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        periods: int = 1,
        missing: TreatMissingData = TreatMissingData.NOT_BREACHING,
    ) -> None:
        alarm = Alarm(
            self,
            name.title().replace("-", ""),
            alarm_name=f"{self._prefix}-{name}",
            alarm_description=description,
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)
        self.all.append(alarm)


def count_metric(name: str) -> Metric:
    """What the monitor counts in its log."""
    return Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"service": "monitor"},
        statistic="Sum",
        period=FIVE_MINUTES,
    )
