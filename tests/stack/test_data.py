"""The data stack: keys and indexes as the code asks for them, and data that is hard to lose."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.environment import load_target
from quarterdeck.backups.collection import LONGEST_LIFE
from tests.stack.conftest import Assembly, Resource

pytestmark = pytest.mark.xdist_group("synth")

STATE_IDS = Path(__file__).with_name("state_ids.json")
"""{logical id: type} of what holds state, the same in every environment."""


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


def read_environment(assembly: Assembly) -> str:
    """The name of the environment that the assembly is of."""
    stacks = assembly.app.synth().stacks
    return stacks[0].stack_name.split("-")[1]


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
    name = read_environment(assembly)
    days = load_target(name).environment.retention.tasks_days + LONGEST_LIFE.days
    assert (of_tasks["Prefix"], of_tasks["ExpirationInDays"]) == ("blobs/tasks/", days)


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


def list_stateful(assembly: Assembly) -> dict[str, Resource]:
    """What holds data, or what data cannot be read without."""
    kinds = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"}
    return {name: each for name, each in assembly.data.items() if each["Type"] in kinds}


def test_what_holds_state_is_what_it_was(assembly: Assembly) -> None:
    found = {name: each["Type"] for name, each in list_stateful(assembly).items()}
    known = json.loads(STATE_IDS.read_text())
    assert found == known, (
        "A logical id of the data stack has changed, come or gone. CloudFormation makes a new and "
        "EMPTY resource in place of one that it no longer finds, and deletes or orphans the old "
        "with all state in it. If a construct was only renamed or moved, undo that, or keep its id "
        'by `override_logical_id`. If it is meant, "Moving state" in docs/operations.md says how '
        "data is brought over; then write what is found into "
        f"{STATE_IDS.name}: {json.dumps(found)}"
    )


def test_what_holds_state_has_no_name_that_a_replacement_would_need(assembly: Assembly) -> None:
    """With a name of its own, no resource can be replaced beside the one that is there."""
    for each in list_stateful(assembly).values():
        assert not {"TableName", "BucketName"} & each["Properties"].keys()


def test_state_stays_or_goes_as_the_environment_says(assembly: Assembly) -> None:
    settings = load_target(read_environment(assembly)).environment
    policy = {"retain": "Retain", "destroy": "Delete"}[settings.removal_policy]
    stateful = list_stateful(assembly).values()
    assert len(stateful) == 5
    for each in stateful:
        assert (each["DeletionPolicy"], each["UpdateReplacePolicy"]) == (policy, policy)
    table = assembly.find_one("AWS::DynamoDB::Table")
    assert table.get("DeletionProtectionEnabled", False) is settings.deletion_protection
    recovery = table["PointInTimeRecoverySpecification"]
    assert recovery["RecoveryPeriodInDays"] == settings.recovery_days


def test_production_retains_what_it_holds(production: Assembly) -> None:
    stateful = list_stateful(production).values()
    assert {each["DeletionPolicy"] for each in stateful} == {"Retain"}
    assert production.find_one("AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is True


def test_both_stacks_carry_the_environments_tags(assembly: Assembly) -> None:
    stacks = assembly.app.synth().stacks
    assert len(stacks) == 2
    for stack in stacks:
        name = stack.stack_name.split("-")[1]
        assert stack.tags == {"application": "quarterdeck", "environment": name}
