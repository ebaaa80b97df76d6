"""The bucket of backups, and the key that its archives' keys are wrapped with."""

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Stack, Validations
from aws_cdk.aws_iam import Policy, PolicyStatement, Role
from aws_cdk.aws_kms import Key
from aws_cdk.aws_s3 import (
    BlockPublicAccess,
    Bucket,
    BucketEncryption,
    LifecycleRule,
    ObjectLockRetention,
)
from constructs import Construct

from infra.environment import Target
from infra.wildcards import accept_wildcard

PREFIX = "backups/"
NONCURRENT_DAYS = 30
"""How long what was deleted, by retention or by mistake, can still be brought back."""


class ArchiveBucket(Construct):
    """Private and versioned. Nobody can delete a version, and with a lock not before its days."""

    def __init__(self, scope: Construct, construct_id: str, *, target: Target) -> None:
        super().__init__(scope, construct_id)
        removal = RemovalPolicy[target.environment.removal_policy.upper()]
        self._key = Key(
            self,
            "Key",
            description=f"Quarterdeck, {target.name}: backups",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        lock_days = target.environment.backup_lock_days
        self._bucket = Bucket(
            self,
            "Bucket",
            block_public_access=BlockPublicAccess.BLOCK_ALL,
            encryption=BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            enforce_ssl=target.enforce_ssl,
            versioned=True,
            object_lock_default_retention=(
                ObjectLockRetention.governance(Duration.days(lock_days)) if lock_days else None
            ),
            lifecycle_rules=[
                LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    noncurrent_version_expiration=Duration.days(NONCURRENT_DAYS),
                    expired_object_delete_marker=True,
                )
            ],
            removal_policy=removal,
        )
        Validations.of(self._bucket).acknowledge(
            Acknowledgment(
                id="AwsSolutions-S1",
                reason="Only the role of `backup` reads and writes archives. An account that must "
                "record each access turns on CloudTrail's data events, which name the role.",
            )
        )

    @property
    def name(self) -> str:
        return self._bucket.bucket_name

    @property
    def key_arn(self) -> str:
        return self._key.key_arn

    def allow(self, role: Role) -> None:
        """Lets the role write, read, list and delete archives, and make and open their keys."""
        bucket = Stack.of(self).export_value(self._bucket.bucket_arn)
        objects = f"{bucket}/{PREFIX}*"
        policy = Policy(
            role,
            "Archives",
            roles=[role],
            statements=[
                PolicyStatement(
                    actions=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                    resources=[objects],
                ),
                # Without a condition on the prefix: by this right S3 says of an object that is not
                # there that it is not, and does not refuse.
                PolicyStatement(actions=["s3:ListBucket"], resources=[bucket]),
                # In its own name for the keys of archives, and through S3 for the objects.
                PolicyStatement(
                    actions=["kms:GenerateDataKey", "kms:Decrypt"],
                    resources=[self._key.key_arn],
                ),
            ],
        )
        accept_wildcard(
            policy, objects, "Archives are named when they are written: the role has their prefix."
        )
