"""The table that holds all state."""

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, RemovalPolicy
from aws_cdk.aws_dynamodb import (
    Attribute,
    AttributeType,
    BillingMode,
    PointInTimeRecoverySpecification,
    ProjectionType,
    Table,
    TableEncryption,
)
from aws_cdk.aws_iam import Policy, PolicyStatement, Role
from aws_cdk.aws_kms import IKey
from constructs import Construct

from infra.environment import Environment, Target

# {index: (partition key, sort key, fields it is read for)}
INDEXES = {
    "tasks-by-time": ("tasks_of", "task_time", ("status", "crew_name", "priority", "ended_at")),
    "leases": ("lease_shard", "lease_expires_at", ("status", "epoch")),
    "active-systems": ("active", "system_id", ("generation",)),
    "systems": (
        "listed",
        "listed_at",
        ("system_id", "name", "state", "generation", "current_version", "created_at"),
    ),
}


class StateTable(Construct):
    """One table, on demand, encrypted with `key`; an item is in an index if it has its keys."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, key: IKey
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self._table = Table(
            self,
            "Table",
            partition_key=_string("pk"),
            sort_key=_string("sk"),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            encryption=TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True,
                recovery_period_in_days=environment.recovery_days,
            ),
            deletion_protection=environment.deletion_protection,
            removal_policy=RemovalPolicy[environment.removal_policy.upper()],
        )
        for name, (partition, sort, fields) in INDEXES.items():
            self._table.add_global_secondary_index(
                index_name=name,
                partition_key=_string(partition),
                sort_key=_string(sort),
                projection_type=ProjectionType.INCLUDE,
                non_key_attributes=list(fields),
            )

    @property
    def name(self) -> str:
        return self._table.table_name

    def allow(self, role: Role, *actions: str, indexes: tuple[str, ...] = ()) -> None:
        """Lets the role do the actions on items, and query the indexes."""
        arn = self._table.table_arn
        statements = [PolicyStatement(actions=list(actions), resources=[arn])]
        if indexes:
            arns = [f"{arn}/index/{index}" for index in indexes]
            statements.append(PolicyStatement(actions=["dynamodb:Query"], resources=arns))
        self._attach(role, statements)

    def allow_within(self, role: Role, partitions: Mapping[str, Sequence[str]]) -> None:
        """Lets the role do each action on items of these partitions alone; `*` is any text."""
        self._attach(
            role,
            [
                PolicyStatement(
                    actions=[action],
                    resources=[self._table.table_arn],
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)}},
                )
                for action, keys in partitions.items()
            ],
        )

    def _attach(self, role: Role, statements: list[PolicyStatement]) -> None:
        # For reads and writes alike DynamoDB decrypts the table's own key in the caller's name;
        # the rest it does by its grant (its guide, "Encryption at rest usage notes").
        decrypt = PolicyStatement(
            actions=["kms:Decrypt"],
            resources=[self._key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{Aws.REGION}.amazonaws.com"}},
        )
        Policy(role, "State", roles=[role], statements=[*statements, decrypt])


def _string(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.STRING)


def spell_retention(target: Target) -> str:
    """The variable by which a function knows for how long it keeps what it writes."""
    return target.environment.retention.model_dump_json()
