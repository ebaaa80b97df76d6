"""The data stack: keys and indexes as the code asks for them, and data that is hard to lose."""

from typing import Any

import pytest

from tests.stack.conftest import Assembly, Resource

pytestmark = pytest.mark.xdist_group("synth")


def find_resource(assembly: Assembly, kind: str, construct: str) -> tuple[str, Resource]:
    """Logical id and properties of the one resource of the type in a construct."""
    [found] = [each for each in assembly.find(kind).items() if each[0].startswith(construct)]
    return found


def find_key(assembly: Assembly) -> tuple[str, Resource]:
    """The table's and the blobs'."""
    keys = assembly.data.items()
    [found] = [
        (name, each["Properties"])
        for name, each in keys
        if each["Type"] == "AWS::KMS::Key" and not name.startswith("Archives")
    ]
    return found


def read_keys(described: Any) -> tuple[str, str]:
    partition, sort = described["KeySchema"]
    assert (partition["KeyType"], sort["KeyType"]) == ("HASH", "RANGE")
    return partition["AttributeName"], sort["AttributeName"]


def test_keys_and_indexes(assembly: Assembly) -> None:
    table = assembly.find_one("AWS::DynamoDB::Table")
    assert read_keys(table) == ("pk", "sk")
    assert {
        index["IndexName"]: (*read_keys(index), set(index["Projection"]["NonKeyAttributes"]))
        for index in table["GlobalSecondaryIndexes"]
    } == {
        "tasks-by-time": (
            "tasks_of",
            "task_time",
            {"status", "crew_name", "priority", "ended_at"},
        ),
        "leases": ("lease_shard", "lease_expires_at", {"status", "epoch"}),
        "active-systems": ("active", "system_id", {"generation"}),
        "systems": (
            "listed",
            "listed_at",
            {"system_id", "name", "state", "generation", "current_version", "created_at"},
        ),
    }
    assert {each["AttributeType"] for each in table["AttributeDefinitions"]} == {"S"}


def test_the_table_is_on_demand_encrypted_and_recoverable(assembly: Assembly) -> None:
    table = assembly.find_one("AWS::DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    key, properties = find_key(assembly)
    assert table["SSESpecification"]["KMSMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert properties["EnableKeyRotation"] is True


def test_the_buckets_are_private_and_versioned(assembly: Assembly) -> None:
    buckets = assembly.find("AWS::S3::Bucket").values()
    assert len(buckets) == 2
    for bucket in buckets:
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


def test_blobs_are_encrypted_and_expire(assembly: Assembly) -> None:
    _, bucket = find_resource(assembly, "AWS::S3::Bucket", "Blobs")
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    key, _ = find_key(assembly)
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": [key, "Arn"]}
    every, of_tasks = bucket["LifecycleConfiguration"]["Rules"]
    assert {"NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"} <= set(every)
    assert (of_tasks["Prefix"], of_tasks["ExpirationInDays"]) == ("blobs/tasks/", 120)


def test_backups_have_a_key_of_their_own_and_old_versions_go(assembly: Assembly) -> None:
    _, bucket = find_resource(assembly, "AWS::S3::Bucket", "Archives")
    key, properties = find_resource(assembly, "AWS::KMS::Key", "Archives")
    assert properties["EnableKeyRotation"] is True
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": [key, "Arn"]}
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    # Retention removes archives: no lifecycle may, which does not know the last good one.
    assert "ExpirationInDays" not in rule


def test_backups_are_locked_where_the_environment_says_so(
    production: Assembly, development: Assembly
) -> None:
    _, locked = find_resource(production, "AWS::S3::Bucket", "Archives")
    assert locked["ObjectLockEnabled"] is True
    assert locked["ObjectLockConfiguration"]["Rule"] == {
        "DefaultRetention": {"Mode": "GOVERNANCE", "Days": 7}
    }
    _, unlocked = find_resource(development, "AWS::S3::Bucket", "Archives")
    assert "ObjectLockConfiguration" not in unlocked


def test_production_retains_what_it_holds(production: Assembly, development: Assembly) -> None:
    stateful = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"}

    def read_policies(assembly: Assembly) -> set[str]:
        return {
            resource["DeletionPolicy"]
            for resource in assembly.data.values()
            if resource["Type"] in stateful
        }

    assert read_policies(production) == {"Retain"}
    assert read_policies(development) == {"Delete"}
    assert production.find_one("AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is True


def test_both_stacks_carry_the_environments_tags(assembly: Assembly) -> None:
    stacks = assembly.app.synth().stacks
    assert len(stacks) == 2
    for stack in stacks:
        name = stack.stack_name.split("-")[1]
        assert stack.tags == {"application": "quarterdeck", "environment": name}
