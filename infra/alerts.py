"""Where alerts, questions and ends of tasks are told: topics for people, a bus for programs."""

from aws_cdk import ArnFormat, Aws, RemovalPolicy, Stack
from aws_cdk.aws_events import EventBus
from aws_cdk.aws_iam import Policy, PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_kms import Key
from aws_cdk.aws_sns import Topic
from aws_cdk.aws_sns_subscriptions import EmailSubscription
from constructs import Construct

from infra.environment import Target

CLOUDWATCH = ServicePrincipal("cloudwatch.amazonaws.com")
ENCRYPT = ("kms:Decrypt", "kms:GenerateDataKey")


class Alerts(Construct):
    """The topic of alerts takes CloudWatch's alarms as well; that of questions is for who approves.

    Both are encrypted. The bus has events alone.
    """

    def __init__(self, scope: Construct, construct_id: str, *, target: Target) -> None:
        super().__init__(scope, construct_id)
        # A key of its own: CloudWatch may use it, and SNS's key cannot be opened to CloudWatch.
        self._key = Key(
            self,
            "Key",
            description=f"Quarterdeck, {target.name}: alerts and questions on their way",
            enable_key_rotation=True,
            # It guards no data at rest.
            removal_policy=RemovalPolicy.DESTROY,
        )
        self._key.add_to_resource_policy(
            PolicyStatement(principals=[CLOUDWATCH], actions=list(ENCRYPT), resources=["*"])
        )
        self.topic = Topic(self, "Topic", master_key=self._key, enforce_ssl=target.enforce_ssl)
        self.topic.add_to_resource_policy(self._let_alarms_publish())
        if address := target.environment.alarm_email:
            self.topic.add_subscription(EmailSubscription(address))
        self.questions = Topic(
            self, "Questions", master_key=self._key, enforce_ssl=target.enforce_ssl
        )
        if address := target.environment.question_email:
            self.questions.add_subscription(EmailSubscription(address))
        self._bus = EventBus(
            self,
            "Bus",
            event_bus_name=f"quarterdeck-{target.name}",
            description=f"Quarterdeck, {target.name}: alerts, questions, ends of tasks",
        )

    @property
    def topic_arn(self) -> str:
        return self.topic.topic_arn

    @property
    def bus_name(self) -> str:
        return self._bus.event_bus_name

    @property
    def question_topic_arn(self) -> str:
        return self.questions.topic_arn

    @property
    def settings(self) -> dict[str, str]:
        """The variables of a function that announces."""
        return {"EVENT_BUS_NAME": self.bus_name, "QUESTION_TOPIC_ARN": self.question_topic_arn}

    def allow_alert(self, role: Role) -> None:
        """Lets the role send to the topic of alerts, as one that announces."""
        statement = PolicyStatement(actions=["sns:Publish"], resources=[self.topic_arn])
        Policy(role, "Alert", roles=[role], statements=[statement])

    def allow_announce(self, role: Role) -> None:
        """Lets the role send to the bus and to the topic of questions."""
        function = role.node.path.split("/")[-2]
        # Without a policy of its own, the topic would have SNS's, which lets all of the account in.
        self.questions.add_to_resource_policy(
            PolicyStatement(
                # Else CDK numbers it, by how many were before.
                sid=f"Allow{function}",
                principals=[role],
                actions=["sns:Publish"],
                resources=[self.question_topic_arn],
            )
        )
        Policy(
            role,
            "Announce",
            roles=[role],
            statements=[
                PolicyStatement(actions=["sns:Publish"], resources=[self.question_topic_arn]),
                PolicyStatement(actions=["events:PutEvents"], resources=[self._bus.event_bus_arn]),
                PolicyStatement(
                    actions=list(ENCRYPT),
                    resources=[self._key.key_arn],
                    conditions={
                        "StringEquals": {"kms:ViaService": f"sns.{Aws.REGION}.amazonaws.com"}
                    },
                ),
            ],
        )

    def _let_alarms_publish(self) -> PolicyStatement:
        """The account's own alarms alone."""
        alarms = Stack.of(self).format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name="*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        return PolicyStatement(
            sid="AllowAlarms",
            principals=[CLOUDWATCH],
            actions=["sns:Publish"],
            resources=[self.topic_arn],
            conditions={
                "ArnLike": {"aws:SourceArn": alarms},
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            },
        )
