"""The dashboard of an environment: alarms, API, queues, functions."""

from collections.abc import Callable, Mapping, Sequence

from aws_cdk.aws_cloudwatch import Alarm, AlarmStatusWidget, Dashboard, GraphWidget, IMetric, Metric
from constructs import Construct

from infra.alarms import FIVE_MINUTES, count_metric
from infra.environment import Target
from infra.http_api import HttpApi
from infra.service_function import ServiceFunction
from infra.work_queue import WorkQueue

WIDTH = 24


class Overview(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target: Target,
        alarms: Sequence[Alarm],
        api: HttpApi,
        queues: Mapping[str, WorkQueue],
        functions: Mapping[str, ServiceFunction],
    ) -> None:
        super().__init__(scope, construct_id)
        dashboard = Dashboard(self, "Dashboard", dashboard_name=f"quarterdeck-{target.name}")
        dashboard.add_widgets(AlarmStatusWidget(alarms=list(alarms), title="Alarms", width=WIDTH))
        add_row(
            dashboard,
            {
                "Requests, and those that failed": api.measure_requests(FIVE_MINUTES),
                "Answers, milliseconds": api.measure_latency(FIVE_MINUTES),
                "Lost workers, alerts that failed, announcements lost": [
                    count_metric(target.name, "LostWorker"),
                    count_metric(target.name, "FailedAlert"),
                    count_metric(target.name, "LostAnnouncement"),
                ],
            },
        )
        add_row(
            dashboard,
            {
                "Messages that wait": label(queues, lambda q: q.measure_depth(FIVE_MINUTES)),
                "Oldest message, seconds": label(queues, lambda q: q.measure_age(FIVE_MINUTES)),
                "Dead letters": label(queues, lambda q: q.measure_dead_letters(FIVE_MINUTES)),
            },
        )
        add_row(
            dashboard,
            {
                "Invocations": label(functions, lambda f: f.function.metric_invocations()),
                "Errors": label(functions, lambda f: f.function.metric_errors()),
                "Throttles": label(functions, lambda f: f.function.metric_throttles()),
                "Duration, milliseconds": label(functions, lambda f: f.function.metric_duration()),
            },
        )


def label[M](measured: Mapping[str, M], measure: Callable[[M], Metric]) -> list[Metric]:
    """The metric of each, under its name. CloudWatch takes one with a label for metric math."""
    return [measure(each).with_(label=name) for name, each in measured.items()]


def add_row(dashboard: Dashboard, graphs: Mapping[str, Sequence[IMetric]]) -> None:
    """Side by side: {title: metrics}."""
    width = WIDTH // len(graphs)
    dashboard.add_widgets(
        *(
            GraphWidget(title=title, left=list(metrics), width=width)
            for title, metrics in graphs.items()
        )
    )
