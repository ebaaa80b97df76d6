"""The bucket for values that are too large for the table."""

from aws_cdk import Acknowledgment, Aws, Duration, RemovalPolicy, Stack, Validations
from aws_cdk.aws_iam import Policy, PolicyStatement, Role
from aws_cdk.aws_kms import IKey
from aws_cdk.aws_s3 import BlockPublicAccess, Bucket, BucketEncryption, LifecycleRule
from constructs import Construct

from infra.environment import Target
from infra.wildcards import accept_wildcard

KEY_USE = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}
"""What an action asks of the key; large uploads would need kms:Decrypt to write."""
LONGEST_LIFE_DAYS = 35
"""A task's items expire so long after its end: objects, which know only when they were made, later
by what a task can wait and run."""


class BlobBucket(Construct):
    """A private, versioned bucket, encrypted with `key`; functions reach `blobs/` alone."""

    def __init__(self, scope: Construct, construct_id: str, *, target: Target, key: IKey) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self._bucket = Bucket(
            self,
            "Bucket",
            block_public_access=BlockPublicAccess.BLOCK_ALL,
            encryption=BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            enforce_ssl=target.enforce_ssl,
            versioned=True,
            lifecycle_rules=[
                LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    noncurrent_version_expiration=Duration.days(30),
                ),
                LifecycleRule(
                    prefix="blobs/tasks/",
                    expiration=Duration.days(
                        target.environment.retention.tasks_days + LONGEST_LIFE_DAYS
                    ),
                ),
            ],
            removal_policy=RemovalPolicy[target.environment.removal_policy.upper()],
        )
        Validations.of(self._bucket).acknowledge(
            Acknowledgment(
                id="AwsSolutions-S1",
                reason="Only the functions' roles read and write objects. An account that must "
                "record each access turns on CloudTrail's data events, which name the role.",
            )
        )

    @property
    def name(self) -> str:
        return self._bucket.bucket_name

    def allow(self, role: Role, *actions: str) -> None:
        """Lets the role do the actions on the objects under `blobs/`."""
        objects = self._spell("*")
        policy = Policy(
            role,
            "Blobs",
            roles=[role],
            statements=[
                PolicyStatement(actions=list(actions), resources=[objects]),
                # To write, S3 generates a data key; to read, it decrypts one.
                PolicyStatement(
                    actions=[KEY_USE[action] for action in actions if action in KEY_USE],
                    resources=[self._key.key_arn],
                    conditions={
                        "StringEquals": {"kms:ViaService": f"s3.{Aws.REGION}.amazonaws.com"}
                    },
                ),
            ],
        )
        accept_wildcard(
            policy, objects, "Blobs are named when they are written: a role has their prefix."
        )

    def allow_missing(self, role: Role) -> None:
        """Lets the role learn that an object is not there: S3 refuses it to who may not list."""
        listing = PolicyStatement(actions=["s3:ListBucket"], resources=[self._export_arn()])
        Policy(role, "MissingBlobs", roles=[role], statements=[listing])

    def allow_memory_removal(self, role: Role) -> None:
        """Lets the role delete what is left in S3 of memories; its versions go after 30 days."""
        objects = self._spell("memories/*")
        statement = PolicyStatement(actions=["s3:DeleteObject"], resources=[objects])
        policy = Policy(role, "MemoryRemoval", roles=[role], statements=[statement])
        accept_wildcard(policy, objects, "Memories are named when they are kept.")

    def allow_task_removal(self, role: Role) -> None:
        """Lets the role find and delete what is in S3 of tasks, as `allow_memory_removal`."""
        objects = self._spell("tasks/*")
        policy = Policy(
            role,
            "TaskRemoval",
            roles=[role],
            statements=[
                PolicyStatement(actions=["s3:DeleteObject"], resources=[objects]),
                PolicyStatement(
                    actions=["s3:ListBucket"],
                    resources=[self._export_arn()],
                    conditions={"StringLike": {"s3:prefix": "blobs/tasks/*"}},
                ),
            ],
        )
        accept_wildcard(policy, objects, "Blobs of tasks are named when they are written.")

    def _spell(self, objects: str) -> str:
        return f"{self._export_arn()}/blobs/{objects}"

    def _export_arn(self) -> str:
        # The import that the role's stack gets anyway, spelled out to name it to cdk-nag.
        return str(Stack.of(self).export_value(self._bucket.bucket_arn))
