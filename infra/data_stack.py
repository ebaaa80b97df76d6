"""What outlives a release: the table, the bucket and their key."""

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk.aws_kms import Key
from constructs import Construct

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
        CfnOutput(self, "TableName", value=self.table.name)
        CfnOutput(self, "BucketName", value=self.blobs.name)
