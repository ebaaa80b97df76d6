"""Who is told what: the topic of alerts, and the alarms on it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from infra.alarms import NAMESPACE
from infra.alerts import Alerts
from infra.environment import load_target
from infra.runbook import name_section
from quarterdeck import observability
from tests.stack.conftest import Assembly, as_list, flatten

pytestmark = pytest.mark.xdist_group("synth")

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
FUNCTIONS = ("api", "authorizer", "deployer", "worker", "tools", "monitor", "backup")
QUEUES = ("tasks", "deployments", "backups")


def find_alarms(assembly: Assembly) -> dict[str, Any]:
    """By name, without what all names of the environment begin with."""
    alarms = assembly.find("AWS::CloudWatch::Alarm").values()
    return {alarm["AlarmName"].split("-", 2)[2]: alarm for alarm in alarms}


def test_every_alarm_tells_its_beginning_and_its_end(assembly: Assembly) -> None:
    topic = assembly.find_id("AWS::SNS::Topic", "AlertsTopic")
    for alarm in find_alarms(assembly).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]
        assert alarm["AlarmDescription"]


def test_queues_functions_and_the_monitor_are_watched(assembly: Assembly) -> None:
    released = assembly.find("AWS::CodeDeploy::DeploymentGroup").values()
    assert set(find_alarms(assembly)) == {
        *(f"{queue}-dead-letters" for queue in QUEUES),
        *(f"{queue}-oldest-message" for queue in QUEUES),
        *(f"{function}-{what}" for function in FUNCTIONS for what in ("errors", "throttles")),
        "monitor-heartbeat",
        "backup-heartbeat",
        *(f"{queue}-malformed-messages" for queue in ("worker", "deployer", "backup")),
        *(f"{group['DeploymentGroupName']}-release-errors" for group in released),
        *(
            "failed-alerts",
            "api-server-errors",
            "lost-workers",
            "unrunnable-crews",
            "lost-announcements",
        ),
    }


def read_sections() -> dict[str, str]:
    """{heading: text} of the alarms in operations.md."""
    parts = re.split(r"^#+ (.+)$", OPERATIONS, flags=re.MULTILINE)[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    return {name: text for name, text in sections.items() if name.startswith("Alarm: ")}


def test_every_alarm_has_a_section_that_says_what_to_do_and_names_it(assembly: Assembly) -> None:
    sections = read_sections()
    named = set()
    for name, alarm in find_alarms(assembly).items():
        heading = name_section(name)
        assert heading in sections, f"docs/operations.md lacks a section {heading!r}, of {name}"
        assert alarm["AlarmDescription"].endswith(f'docs/operations.md, "{heading}"')
        assert "**Do**" in sections[heading], f"{heading} says nothing to do"
        named.add(heading)
    # An alarm of a release is in environments with a canary alone.
    assert named >= {each for each in sections if "release" not in each}


@pytest.mark.parametrize(
    ("alarm", "heading"),
    [
        ("tasks-dead-letters", "Alarm: dead-letters"),
        ("worker-release-errors", "Alarm: release-errors"),
        ("api-server-errors", "Alarm: server-errors"),
        ("api-errors", "Alarm: errors"),
        ("failed-alerts", "Alarm: failed-alerts"),
    ],
)
def test_alarms_of_a_kind_share_a_section(alarm: str, heading: str) -> None:
    assert name_section(alarm) == heading


def test_one_dead_letter_is_an_alarm(assembly: Assembly) -> None:
    queues = assembly.find("AWS::SQS::Queue")
    dead = {
        queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for queue in queues.values()
        if "RedrivePolicy" in queue
    }
    alarms = find_alarms(assembly)
    watched = set()
    for name in (f"{queue}-dead-letters" for queue in QUEUES):
        alarm = alarms[name]
        assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (1, 1)
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
        watched.add(alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0])
    assert watched == dead


def test_a_message_is_late_after_two_attempts(assembly: Assembly) -> None:
    queues = assembly.find("AWS::SQS::Queue")
    for name in (f"{queue}-oldest-message" for queue in QUEUES):
        alarm = find_alarms(assembly)[name]
        queue = queues[alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]]
        assert alarm["Threshold"] == 2 * queue["VisibilityTimeout"]


@pytest.mark.parametrize(("name", "seconds"), [("monitor", 300), ("backup", 7200)])
def test_a_schedule_that_starts_nothing_is_an_alarm(
    assembly: Assembly, name: str, seconds: int
) -> None:
    alarm = find_alarms(assembly)[f"{name}-heartbeat"]
    function, _ = assembly.functions()[name]
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": function}}]
    assert (alarm["MetricName"], alarm["Statistic"]) == ("Invocations", "Sum")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == seconds
    assert alarm["TreatMissingData"] == "breaching"


@pytest.mark.parametrize(
    ("name", "metric", "function"),
    [
        ("failed-alerts", "FailedAlert", "monitor"),
        ("lost-workers", "LostWorker", "monitor"),
        ("unrunnable-crews", "UnrunnableCrew", "worker"),
        ("lost-announcements", "LostAnnouncement", "monitor"),
        ("backup-malformed-messages", "MalformedMessage", "backup"),
    ],
)
def test_what_is_counted_in_logs_is_where_the_alarm_looks(
    assembly: Assembly,
    name: str,
    metric: str,
    function: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And not where another environment of the same account counts."""
    alarm = find_alarms(assembly)[name]
    assert alarm["Namespace"] == NAMESPACE == observability.NAMESPACE
    assert alarm["MetricName"] == metric
    assert metric in get_args(get_type_hints(observability.count_event)["name"])
    variables = assembly.functions()[function][1]["Environment"]["Variables"]
    dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    assert dimensions == {"environment": variables["ENVIRONMENT"], "service": function}
    monkeypatch.setenv("ENVIRONMENT", variables["ENVIRONMENT"])
    monkeypatch.setattr(observability.logger, "service", variables["POWERTOOLS_SERVICE_NAME"])
    count: Callable[[str], None] = observability.count_event  # type: ignore[assignment]
    count(metric)
    line = json.loads(capsys.readouterr().out)
    (told,) = line["_aws"]["CloudWatchMetrics"]
    assert (told["Namespace"], [each["Name"] for each in told["Metrics"]]) == (NAMESPACE, [metric])
    assert [{key: line[key] for key in keys} for keys in told["Dimensions"]] == [dimensions]


def test_workers_that_replace_themselves_are_no_alarm(production: Assembly) -> None:
    alarms = find_alarms(production)
    assert alarms["worker-errors"]["Threshold"] == 100
    assert alarms["api-errors"]["Threshold"] == 3


def test_the_emulator_knows_every_kind_of_alarm(assembly: Assembly) -> None:
    """One metric each: it refuses metric math, and with it the whole template."""
    assert all("Metrics" not in alarm for alarm in find_alarms(assembly).values())


def test_topics_are_encrypted_and_that_of_alerts_takes_the_accounts_alarms(
    assembly: Assembly,
) -> None:
    alerts = assembly.find_id("AWS::SNS::Topic", "AlertsTopic")
    topics = assembly.find("AWS::SNS::Topic")
    topic = topics[alerts]
    assert {flatten(each["KmsMasterKeyId"]) for each in topics.values()} == {
        flatten(topic["KmsMasterKeyId"])
    }
    key = assembly.service[topic["KmsMasterKeyId"]["Fn::GetAtt"][0]]["Properties"]
    assert key["EnableKeyRotation"] is True
    used = [each for each in key["KeyPolicy"]["Statement"] if "Service" in each["Principal"]]
    assert [each["Principal"]["Service"] for each in used] == ["cloudwatch.amazonaws.com"]
    assert set(as_list(used[0]["Action"])) == {"kms:Decrypt", "kms:GenerateDataKey"}
    policies = assembly.find("AWS::SNS::TopicPolicy").values()
    [allowed] = [
        each
        for policy in policies
        for each in policy["PolicyDocument"]["Statement"]
        if each["Effect"] == "Allow" and policy["Topics"] == [{"Ref": alerts}]
    ]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"
    assert set(allowed["Condition"]) == {"ArnLike", "StringEquals"}
    assert flatten(allowed["Condition"]["StringEquals"]["aws:SourceAccount"]) == "<AWS::AccountId>"


def test_mail_goes_to_whom_the_environment_names(assembly: Assembly) -> None:
    assert not assembly.find("AWS::SNS::Subscription")
    target = load_target("staging")
    addresses = {"alarm_email": "ops@team.example", "question_email": "desk@team.example"}
    environment = target.environment.model_copy(update=addresses)
    stack = Stack(App(analytics_reporting=False))
    Alerts(stack, "Alerts", target=target.model_copy(update={"environment": environment}))
    found = Template.from_stack(stack).find_resources("AWS::SNS::Subscription").values()
    told = {each["Properties"]["TopicArn"]["Ref"][:11]: each["Properties"] for each in found}
    assert {topic: each["Endpoint"] for topic, each in told.items()} == {
        "AlertsTopic": "ops@team.example",
        "AlertsQuest": "desk@team.example",
    }
    assert {each["Protocol"] for each in told.values()} == {"email"}


def test_the_dashboard_shows_all_alarms_and_functions(production: Assembly) -> None:
    dashboard = production.find_one("AWS::CloudWatch::Dashboard")
    assert dashboard["DashboardName"] == "quarterdeck-production"
    body = flatten(dashboard["DashboardBody"])
    for logical_id in production.find("AWS::CloudWatch::Alarm"):
        assert f"<{logical_id}.Arn>" in body
    for name, (logical_id, _) in production.functions().items():
        # A check of a release tells CodeDeploy, or does not, which ends the release.
        assert (f"<{logical_id}>" in body) is (name != "release_check")
    widgets = json.loads(body)["widgets"]
    assert {widget["type"] for widget in widgets} == {"alarm", "metric"}


def test_templates_are_small_enough_to_be_deployed(assembly: Assembly) -> None:
    """CloudFormation takes a megabyte from S3."""
    assert all(path.stat().st_size < 500_000 for path in assembly.templates)
