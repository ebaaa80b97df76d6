"""What a release replaces: queues, functions, the HTTP API."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.alarms import Alarms
from infra.alerts import Alerts
from infra.api import Api
from infra.authorizer import Authorizer
from infra.backup import Backup
from infra.data_stack import DataStack
from infra.deployer import Deployer
from infra.environment import Target
from infra.function_code import FunctionCode
from infra.generated_secret import GeneratedSecret
from infra.http_api import HttpApi
from infra.monitor import Monitor
from infra.overview import Overview
from infra.release import SHIFTED, Shift, order_release
from infra.release_check import ReleaseCheck
from infra.tools import Tools
from infra.work_queue import WorkQueue
from infra.worker import Worker


class ServiceStack(Stack):
    """The service on the state of `data`; `zips` is what `layers.build.build_all` answers."""

    def __init__(
        self, scope: Construct, target: Target, *, data: DataStack, zips: Mapping[str, Path]
    ) -> None:
        super().__init__(
            scope,
            f"Quarterdeck-{target.name}-Service",
            description=f"Quarterdeck, {target.name}: API, queues and functions",
            tags=target.environment.tags,
        )
        table, blobs = data.table, data.blobs
        code = FunctionCode(self, "Code", zips=zips, platform=target.platform)
        tasks = WorkQueue(self, "Tasks", target=target, work=Worker.TIMEOUT)
        deployments = WorkQueue(self, "Deployments", target=target, work=Deployer.TIMEOUT)
        backups = WorkQueue(self, "Backups", target=target, work=Backup.TIMEOUT)
        admin_key = GeneratedSecret(
            self,
            "admin-key",
            target=target,
            description="The first API key, with every scope: makes the others by POST /keys",
            not_rotated_because="People hold it: they replace it by hand; other keys go on.",
        )
        cursor_key = GeneratedSecret(
            self,
            "cursor-key",
            target=target,
            description="Signs the cursors of lists",
            not_rotated_because="It guards no access: a cursor holds only a place in a list.",
        )
        alerts = Alerts(self, "Alerts", target=target)
        api = Api(
            self,
            target=target,
            code=code,
            table=table,
            blobs=blobs,
            tasks=tasks,
            deployments=deployments,
            backups=backups,
            cursor_key=cursor_key,
            alerts=alerts,
        )
        authorizer = Authorizer(self, target=target, code=code, table=table, admin_key=admin_key)
        tools = Tools(self, target=target, code=code)
        deployer = Deployer(
            self,
            target=target,
            code=code,
            table=table,
            blobs=blobs,
            deployments=deployments,
            tools=tools,
        )
        worker = Worker(
            self,
            target=target,
            code=code,
            table=table,
            blobs=blobs,
            tasks=tasks,
            tools=tools,
            alerts=alerts,
        )
        monitor = Monitor(
            self,
            target=target,
            code=code,
            table=table,
            blobs=blobs,
            tasks=tasks,
            deployments=deployments,
            backups=backups,
            alerts=alerts,
        )
        backup = Backup(
            self,
            target=target,
            code=code,
            table=table,
            blobs=blobs,
            archives=data.archives,
            backups=backups,
        )
        http_api = HttpApi(self, "HttpApi", target=target, api=api.live, authorizer=authorizer.live)
        queues = {"tasks": tasks, "deployments": deployments, "backups": backups}
        functions = {
            "api": api,
            "authorizer": authorizer,
            "deployer": deployer,
            "worker": worker,
            "tools": tools,
            "monitor": monitor,
            "backup": backup,
        }
        order_release(functions)
        alarms = Alarms(
            self,
            "Alarms",
            target=target,
            alerts=alerts,
            api=http_api,
            queues=queues,
            functions=functions,
        )
        if canary := target.environment.canary:
            Shift(
                self,
                "Release",
                target=target,
                canary=canary,
                functions=functions,
                check=ReleaseCheck(
                    self,
                    target=target,
                    code=code,
                    worker=worker.live.version,
                    api=api.live.version,
                ),
                alarms={name: alarms.watch_release(name, functions[name]) for name in SHIFTED},
            )
        Overview(
            self,
            "Overview",
            target=target,
            alarms=alarms.all,
            api=http_api,
            queues=queues,
            functions=functions,
        )
        for name, value in {
            "ApiUrl": http_api.url,
            "AdminKeySecret": admin_key.name,
            "TasksQueueUrl": tasks.url,
            "TasksDeadLettersUrl": tasks.dead_letters_url,
            "DeploymentsQueueUrl": deployments.url,
            "DeploymentsDeadLettersUrl": deployments.dead_letters_url,
            "BackupsQueueUrl": backups.url,
            "BackupsDeadLettersUrl": backups.dead_letters_url,
            "ToolsFunction": tools.arn,
            "AlertTopicArn": alerts.topic_arn,
            "QuestionTopicArn": alerts.question_topic_arn,
            "EventBusName": alerts.bus_name,
        }.items():
            CfnOutput(self, name, value=value)
