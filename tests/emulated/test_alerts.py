"""A crew whose tasks fail is `critical` on the topic, and then well again."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from infra.local.api import Api
from infra.local.service import Service
from quarterdeck.keys import Scope
from quarterdeck.names import format_time, read_clock
from tests import systems
from tests.emulated.main_job import Provider, deploy, run_monitor, submit, wait

SECRET = "quarterdeck/development/alerts-test"
ERRORS = "research.error_rate"


@pytest.fixture
def subscriber(aws: Callable[[str], Any], service: Service) -> str:
    """URL of a queue at the topic, which gets the error rate's announcements alone."""
    sqs = aws("sqs")
    url: str = sqs.create_queue(QueueName="alerts-test")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue, topic = found["Attributes"]["QueueArn"], service.outputs["AlertTopicArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    aws("sns").subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=queue,
        Attributes={"FilterPolicy": json.dumps({"metric": ["error_rate"]})},
    )
    return url


def age_pending(aws: Callable[[str], Any], service: Service, system_id: str) -> None:
    """What is pending has been so for a quarter of an hour: nobody wants to wait for it."""
    key = Scope(system_id, 1).alert_key("research", "error_rate")
    earlier = format_time(read_clock() - timedelta(minutes=15))
    aws("dynamodb").update_item(
        TableName=service.outputs["TableName"],
        Key={name: {"S": value} for name, value in key._asdict().items()},
        UpdateExpression="SET pending_since = :earlier",
        ConditionExpression="attribute_exists(pending)",
        ExpressionAttributeValues={":earlier": {"S": earlier}},
    )


def await_state(
    aws: Callable[[str], Any], service: Service, api: Api, system_id: str, state: str
) -> None:
    for _ in range(10):
        run_monitor(aws)
        alerts = api.get(f"/crews/{system_id}/alerts").json["alerts"]
        alert = next(each for each in alerts if each["alert_id"] == ERRORS)
        if alert["state"] == state:
            return
        if alert.get("pending") == state:
            age_pending(aws, service, system_id)
        time.sleep(1)
    pytest.fail(f"the alert is not {state}: {alert}")


def receive(aws: Callable[[str], Any], url: str) -> list[Any]:
    answer = aws("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10)
    bodies = [json.loads(each["Body"]) for each in answer.get("Messages", [])]
    return [json.loads(body["Message"]) for body in bodies]


def test_failing_tasks_raise_an_alert_and_working_ones_end_it(
    aws: Callable[[str], Any],
    service: Service,
    api: Api,
    provider: tuple[Provider, str],
    subscriber: str,
) -> None:
    _, base_url = provider
    secrets = aws("secretsmanager")
    secrets.create_secret(Name=SECRET, SecretString="s3cret")
    llm = {"model": "openai/gpt-4o-mini", "secret": "alerts-test", "base_url": base_url}
    crew = systems.crew(agents=[systems.agent(llm=llm)], min_agents=4, max_agents=4)
    # So that few tasks that work, which take a second each, bring 20 that failed back to ok.
    thresholds = {"error_rate": {"warning": 0.8, "critical": 0.9}}
    system_id = deploy(api, systems.system("alerts", crews=[crew], thresholds=thresholds))

    secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    failing = [submit(api, system_id, description="x") for _ in range(20)]
    assert {wait(api, system_id, task)["status"] for task in failing} == {"failed"}
    await_state(aws, service, api, system_id, "critical")

    secrets.create_secret(Name=SECRET, SecretString="s3cret")
    working = [submit(api, system_id, description="x") for _ in range(10)]
    assert {wait(api, system_id, task)["status"] for task in working} == {"succeeded"}
    await_state(aws, service, api, system_id, "ok")

    told = receive(aws, subscriber)
    by_id = {each["id"]: each["state"] for each in told}
    assert list(by_id.values()) == ["critical", "ok"]
