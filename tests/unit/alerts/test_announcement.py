"""What subscribers get: one form by both ways, as docs/alerts.md says it."""

import json
import os
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from quarterdeck.alerts.announcement import (
    DETAIL_TYPE,
    Announcement,
    Announcer,
    announce_change,
)
from quarterdeck.alerts.conditions import SEVERITIES
from quarterdeck.alerts.names import AlertName, parse_alert_id
from quarterdeck.alerts.states import Change
from quarterdeck.channels import LONGEST_SUBJECT, SOURCE, EventBus, NotAnnounced, Topic
from quarterdeck.systems.thresholds import DEFAULTS
from tests.alert_site import SYSTEM

DOCUMENT = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
CHANGE = Change(
    number=1,
    state="critical",
    previous="ok",
    since="2026-11-23T12:00:00.000Z",
    value=0.25,
    samples=40,
    thresholds=DEFAULTS["error_rate"],
)
NOTED = Change(
    number=2,
    state="critical",
    previous="ok",
    since="2026-11-23T12:00:00.000Z",
    detail="research: there is no secret 'openai'",
)
ERRORS = announce_change("production", SYSTEM, AlertName("research", "error_rate"), CHANGE)
HEALTH = announce_change("production", SYSTEM, AlertName(None, "health"), NOTED)


def read_blocks() -> list[Any]:
    """The JSON of the document."""
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]


def receive(url: str) -> list[Any]:
    answer = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture
def queue(aws: None) -> tuple[str, str]:
    """URL and ARN."""
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, attributes["Attributes"]["QueueArn"]


@pytest.fixture
def announcer(aws: None) -> Announcer:
    topic = Topic(boto3.client("sns"), os.environ["ALERT_TOPIC_ARN"])
    return Announcer(topic, EventBus(boto3.client("events"), os.environ["EVENT_BUS_NAME"]))


def test_the_document_has_the_schema_and_an_example_of_it() -> None:
    schema, example = read_blocks()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(example)
    ours = Announcement.model_json_schema()
    assert set(schema["properties"]) == set(ours["properties"])
    assert set(schema["required"]) == set(ours["required"])


@pytest.mark.parametrize("announcement", [ERRORS, HEALTH])
def test_what_is_sent_is_of_the_schema(announcement: Announcement) -> None:
    schema, _ = read_blocks()
    sent = json.loads(announcement.model_dump_json(exclude_none=True))
    Draft202012Validator(schema).validate(sent)


def test_the_document_has_every_condition() -> None:
    for condition in SEVERITIES:
        assert f"| `{condition}` |" in DOCUMENT


def test_a_queue_at_the_topic_gets_it_with_what_it_may_filter_by(
    announcer: Announcer, queue: tuple[str, str]
) -> None:
    url, arn = queue
    policy = json.dumps({"state": ["critical"], "crew": ["research"]})
    announcer.topic.client.subscribe(
        TopicArn=announcer.topic.arn,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"FilterPolicy": policy},
    )
    announcer.send(HEALTH)
    announcer.send(ERRORS)
    [message] = receive(url)
    assert json.loads(message["Message"]) == json.loads(ERRORS.model_dump_json(exclude_none=True))
    assert message["Subject"] == "[production] critical: desk research error_rate"


def test_a_rule_on_the_bus_gets_it(announcer: Announcer, queue: tuple[str, str]) -> None:
    url, arn = queue
    pattern = json.dumps({"source": [SOURCE], "detail-type": [DETAIL_TYPE]})
    bus = announcer.bus
    bus.client.put_rule(Name="all", EventBusName=bus.name, EventPattern=pattern)
    bus.client.put_targets(Rule="all", EventBusName=bus.name, Targets=[{"Id": "queue", "Arn": arn}])
    announcer.send(HEALTH)
    [event] = receive(url)
    assert event["detail"] == json.loads(HEALTH.model_dump_json(exclude_none=True))


def test_what_the_bus_refuses_is_not_announced(announcer: Announcer) -> None:
    class Refusing:
        def put_events(self, **_: Any) -> Any:
            entry = {"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}
            return {"FailedEntryCount": 1, "Entries": [entry]}

    announcer.bus.client = Refusing()  # type: ignore[assignment]
    with pytest.raises(NotAnnounced, match="InternalFailure"):
        announcer.send(ERRORS)


def test_a_subject_is_no_longer_than_sns_takes(
    announcer: Announcer, queue: tuple[str, str]
) -> None:
    url, arn = queue
    announcer.topic.client.subscribe(TopicArn=announcer.topic.arn, Protocol="sqs", Endpoint=arn)
    long = SYSTEM.model_copy(update={"name": "d" * 40})
    name = AlertName("c" * 40, "avg_response_time")
    announcer.send(announce_change("production", long, name, CHANGE))
    [message] = receive(url)
    assert len(message["Subject"]) == LONGEST_SUBJECT


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True) | st.none(),
    st.sampled_from(["error_rate", "throttling", "restore_test"]),
)
def test_an_alerts_id_is_read_as_it_is_made(crew: str | None, metric: str) -> None:
    name = AlertName(crew, metric)
    assert parse_alert_id(name.alert_id) == name
