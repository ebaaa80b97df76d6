"""Where alerts are told: a topic for people and an event bus for programs."""

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
    """The topic, encrypted, takes CloudWatch's alarms as well; the bus has the events alone."""

    def __init__(self, scope: Construct, construct_id: str, *, target: Target) -> None:
        super().__init__(scope, construct_id)
        # A key of its own: CloudWatch may use it, and SNS's key cannot be opened to CloudWatch.
        self._key = Key(
            self,
            "Key",
            description=f"Quarterdeck, {target.name}: alerts on their way",
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
        self._bus = EventBus(
            self,
            "Bus",
            event_bus_name=f"quarterdeck-{target.name}",
            description=f"Quarterdeck, {target.name}: alerts",
        )

    @property
    def topic_arn(self) -> str:
        return self.topic.topic_arn

    @property
    def bus_name(self) -> str:
        return self._bus.event_bus_name

    def allow_announce(self, role: Role) -> None:
        """Lets the role send to the topic and to the bus."""
        through_sns = {"StringEquals": {"kms:ViaService": f"sns.{Aws.REGION}.amazonaws.com"}}
        Policy(
            role,
            "Announce",
            roles=[role],
            statements=[
                PolicyStatement(actions=["sns:Publish"], resources=[self.topic_arn]),
                PolicyStatement(actions=["events:PutEvents"], resources=[self._bus.event_bus_arn]),
                PolicyStatement(
                    actions=list(ENCRYPT), resources=[self._key.key_arn], conditions=through_sns
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
