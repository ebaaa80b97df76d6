"""What outlives a release: the table, the buckets and their keys."""

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk.aws_kms import Key
from constructs import Construct

from infra.archive_bucket import ArchiveBucket
from infra.blob_bucket import BlobBucket
from infra.environment import Target
from infra.state_table import StateTable


class DataStack(Stack):
    """All state of an environment, in a stack that no release of the service touches."""

    def __init__(self, scope: Construct, target: Target) -> None:
        super().__init__(
            scope,
            f"Quarterdeck-{target.name}-Data",
            description=f"Quarterdeck, {target.name}: state",
            tags=target.environment.tags,
            termination_protection=target.environment.deletion_protection,
        )
        key = Key(
            self,
            "Key",
            description=f"Quarterdeck, {target.name}: table and bucket",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy[target.environment.removal_policy.upper()],
        )
        self.table = StateTable(self, "State", environment=target.environment, key=key)
        self.blobs = BlobBucket(self, "Blobs", target=target, key=key)
        self.archives = ArchiveBucket(self, "Archives", target=target)
        CfnOutput(self, "TableName", value=self.table.name)
        CfnOutput(self, "BucketName", value=self.blobs.name)
        CfnOutput(self, "ArchivesBucketName", value=self.archives.name)
        CfnOutput(self, "ArchivesKeyArn", value=self.archives.key_arn)
