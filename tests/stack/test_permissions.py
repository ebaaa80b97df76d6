"""The roles: named actions on named resources, one role a function."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from quarterdeck.keys import access_key, key_entry
from tests.stack.conftest import Assembly, as_list, flatten, walk

pytestmark = pytest.mark.xdist_group("synth")

# Every wildcard that a role may have in a resource (`?` is one too), and why.
REASONS = {
    r"/(blobs|backups)/((memories|tasks)/)?\*$": "they are named when they are written",
    r":secret:quarterdeck/[a-z]+/(tools/)?\*$": "teams add secrets without a deployment",
    r":secret:quarterdeck-system/[a-z]+/[a-z-]+-\?{6}$": "what Secrets Manager adds to a name",
    r":bedrock:\*::foundation-model/\*$": "configurations name models; profiles cross regions",
    r":cloudwatch:<AWS::Region>:<AWS::AccountId>:alarm:\*$": "CodeDeploy asks by a list of names",
    r":(application-)?inference-profile/\*$": "configurations name profiles as they name models",
}
STATE = {f"dynamodb:{each}" for each in ("GetItem", "UpdateItem", "DeleteItem")}
CONSUME = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
}
BLOBS = {"s3:GetObject", "s3:PutObject", "kms:GenerateDataKey"}
REMOVE = {"s3:DeleteObject"}
LIST = {"s3:ListBucket"}
ARCHIVES = {"s3:DeleteObject", "s3:ListBucket"}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
EVERY = LOGS | {"kms:Decrypt"}
SECRET = {"secretsmanager:GetSecretValue"}
LOOKUP = {"secretsmanager:DescribeSecret"}
BEDROCK = {"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"}
QUERY = {"dynamodb:Query"}
PUT, SEND = {"dynamodb:PutItem"}, {"sqs:SendMessage"}
INVOKE = {"lambda:InvokeFunction"}
ANNOUNCE = {"sns:Publish", "events:PutEvents", "kms:GenerateDataKey"}

CHECK = LOGS | INVOKE | {"codedeploy:PutLifecycleEventHookExecutionStatus"}
MOVE = {"lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"}
GROUP = "AWS::CodeDeploy::DeploymentGroup"

ALLOWED = {
    "api": {
        *(EVERY | STATE | QUERY | PUT | BLOBS | REMOVE | LIST | SEND | SECRET | LOOKUP),
        *ANNOUNCE,
    },
    "authorizer": EVERY | {"dynamodb:GetItem", "dynamodb:UpdateItem"} | SECRET,
    "deployer": {
        *(EVERY | STATE | QUERY | PUT | BLOBS | SEND | CONSUME),
        *(SECRET | BEDROCK | INVOKE),
    },
    "worker": {
        *(EVERY | STATE | QUERY | PUT | BLOBS | REMOVE | SEND | CONSUME),
        *(SECRET | BEDROCK | INVOKE | ANNOUNCE),
    },
    "monitor": EVERY | STATE | QUERY | PUT | BLOBS | SEND | LOOKUP | ANNOUNCE,
    "backup": EVERY | STATE | QUERY | PUT | BLOBS | ARCHIVES | SEND | CONSUME,
    "tools_runner": LOGS | SECRET,
}


def find_resources(assembly: Assembly, function: str, action: str) -> set[str]:
    """What the function may do the action on."""
    return {
        flatten(resource)
        for statement in assembly.statements(function)
        if statement["Effect"] == "Allow" and action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def endings(arns: Iterable[str]) -> set[str]:
    """The last parts of ARNs: the index of a table, the name of a secret."""
    return {re.split(r"[:/>]", arn.removesuffix("/*"))[-1] for arn in arns}


def test_blobs_are_deleted_of_memories_and_by_the_api_of_tasks(assembly: Assembly) -> None:
    for function, kinds in (("api", ("memories", "tasks")), ("worker", ("memories",))):
        deleted = find_resources(assembly, function, "s3:DeleteObject")
        assert {objects.rpartition("/blobs/")[2] for objects in deleted} == {
            f"{kind}/*" for kind in kinds
        }


def test_the_api_lists_the_blobs_of_tasks_alone(assembly: Assembly) -> None:
    (listing,) = (
        statement
        for statement in assembly.statements("api")
        if "s3:ListBucket" in as_list(statement["Action"])
    )
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "blobs/tasks/*"}}


def test_each_function_has_a_role_of_its_own(assembly: Assembly) -> None:
    roles = assembly.find("AWS::IAM::Role")
    used = [(p["Role"]["Fn::GetAtt"][0], "lambda") for _, p in assembly.functions().values()]
    groups = assembly.find("AWS::CodeDeploy::DeploymentGroup").values()
    used += [(group["ServiceRoleArn"]["Fn::GetAtt"][0], "codedeploy") for group in groups]
    assert sorted(name for name, _ in used) == sorted(roles)
    for name, service in used:
        assert not {"ManagedPolicyArns", "Policies"} & set(roles[name])
        [trust] = roles[name]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_functions_may_do_what_they_do_and_no_more(assembly: Assembly) -> None:
    assert {
        name: {
            action
            for statement in assembly.statements(name)
            if statement["Effect"] == "Allow"
            for action in as_list(statement["Action"])
        }
        for name in assembly.functions()
    } == assembly.expect(ALLOWED, CHECK)


def test_every_wildcard_has_its_reason(assembly: Assembly) -> None:
    for policy in assembly.find("AWS::IAM::Policy").values():
        assert not list(find_wildcards(policy["PolicyDocument"], REASONS))


def find_wildcards(document: Any, reasons: Iterable[str]) -> Iterator[str]:
    """Actions with a wildcard, and resources with one that has no reason; NotAction and the like
    name by what they leave out.
    """
    for statement in document["Statement"]:
        assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)
        yield from (action for action in as_list(statement["Action"]) if "*" in action)
        for resource in map(flatten, as_list(statement["Resource"])):
            if ("*" in resource or "?" in resource) and not any(
                re.search(pattern, resource) for pattern in reasons
            ):
                yield resource


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ({"Action": "s3:*", "Resource": "arn:a"}, ["s3:*"]),
        ({"Action": ["s3:GetObject", "s3:Put*"], "Resource": "arn:a"}, ["s3:Put*"]),
        ({"Action": "s3:GetObject", "Resource": "*"}, ["*"]),
        ({"Action": "s3:GetObject", "Resource": ["arn:a", "arn:a/?"]}, ["arn:a/?"]),
        ({"Action": "s3:GetObject", "Resource": "arn:a/blobs/*"}, []),
    ],
)
def test_a_wildcard_without_a_reason_is_found(statement: Any, found: list[str]) -> None:
    assert list(find_wildcards({"Statement": [statement]}, REASONS)) == found


def test_functions_write_their_own_logs_alone(assembly: Assembly) -> None:
    for name, (_, properties) in assembly.functions().items():
        group = properties["LoggingConfig"]["LogGroup"]["Ref"]
        assert find_resources(assembly, name, "logs:PutLogEvents") == {f"<{group}.Arn>"}


def test_indexes_are_queried_by_those_who_list_by_them(assembly: Assembly) -> None:
    def indexes(function: str) -> set[str]:
        arns = find_resources(assembly, function, "dynamodb:Query")
        return endings(arn for arn in arns if "/index/" in arn)

    assert indexes("api") == {"tasks-by-time", "systems"}
    assert indexes("monitor") == {"active-systems", "leases"}
    assert indexes("deployer") == {"tasks-by-time"}
    assert indexes("backup") == {"active-systems", "tasks-by-time"}
    assert indexes("worker") == indexes("authorizer") == set()


def test_the_authorizer_reads_keys_and_changes_what_grants_nothing(assembly: Assembly) -> None:
    leading = {
        action: statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for statement in assembly.statements("authorizer")
        for action in as_list(statement["Action"])
        if action.startswith("dynamodb:")
    }
    assert leading == {
        "dynamodb:GetItem": [access_key("*").pk, key_entry("").pk],
        "dynamodb:UpdateItem": [key_entry("").pk],
    }


def test_secrets_of_the_service_are_read_by_one_function_each(assembly: Assembly) -> None:
    read = {
        name: endings(find_resources(assembly, name, "secretsmanager:GetSecretValue"))
        for name in ("api", "authorizer", "monitor")
    }
    assert read == {
        "api": {"cursor-key-??????"},
        "authorizer": {"admin-key-??????"},
        "monitor": set(),
    }


@pytest.mark.parametrize("name", ["worker", "deployer"])
def test_secrets_of_tools_are_denied_to_who_reads_those_of_models(
    assembly: Assembly, name: str
) -> None:
    [denied] = [each for each in assembly.statements(name) if each["Effect"] == "Deny"]
    [allowed] = find_resources(assembly, name, "secretsmanager:GetSecretValue")
    assert as_list(denied["Action"]) == ["secretsmanager:GetSecretValue"]
    assert flatten(denied["Resource"]) == f"{allowed.removesuffix('*')}tools/*"


def test_tools_read_the_secrets_of_tools_alone(production: Assembly) -> None:
    [arn] = find_resources(production, "tools_runner", "secretsmanager:GetSecretValue")
    assert arn.endswith(":secret:quarterdeck/production/tools/*")


@pytest.mark.parametrize("name", ["worker", "deployer"])
def test_the_tools_as_released_are_all_that_another_invokes(assembly: Assembly, name: str) -> None:
    [allowed] = [
        statement
        for statement in assembly.statements(name)
        if "lambda:InvokeFunction" in as_list(statement["Action"])
    ]
    assert assembly.find_live(allowed["Resource"]) == "tools_runner"
    _, properties = assembly.functions()[name]
    assert properties["Environment"]["Variables"]["TOOLS_FUNCTION"] == allowed["Resource"]


def test_who_ends_tasks_tells_it_on_the_bus_and_the_monitor_alone_raises_alerts(
    assembly: Assembly,
) -> None:
    alerts, questions = (
        assembly.find_id("AWS::SNS::Topic", f"Alerts{name}") for name in ("Topic", "Questions")
    )
    [bus] = assembly.find("AWS::Events::EventBus")
    for name in ("api", "worker", "monitor"):
        assert find_resources(assembly, name, "events:PutEvents") == {f"<{bus}.Arn>"}
        topics = {questions, alerts} if name == "monitor" else {questions}
        assert find_resources(assembly, name, "sns:Publish") == {f"<{topic}>" for topic in topics}
    # Its policy lets nobody else in, as SNS's own would.
    policies = assembly.find("AWS::SNS::TopicPolicy").values()
    [policy] = [each for each in policies if each["Topics"] == [{"Ref": questions}]]
    let_in = {
        flatten(arn)
        for each in policy["PolicyDocument"]["Statement"]
        if each["Effect"] == "Allow"
        for arn in as_list(each["Principal"]["AWS"])
    }
    assert len(let_in) == 3


def test_a_release_is_checked_by_who_may_call_its_versions_alone(production: Assembly) -> None:
    versions = {
        logical_id
        for logical_id in production.find("AWS::Lambda::Version")
        if logical_id.startswith(("WorkerFunction", "ApiFunction"))
    }
    called = find_resources(production, "release_check", "lambda:InvokeFunction")
    assert called == {f"<{logical_id}>" for logical_id in versions}
    _, properties = production.functions()["release_check"]
    variables = properties["Environment"]["Variables"]
    assert {flatten(variables[name]) for name in ("WORKER_VERSION", "API_VERSION")} == called
    told = find_resources(
        production, "release_check", "codedeploy:PutLifecycleEventHookExecutionStatus"
    )
    groups = {flatten({"Ref": name}) for name in production.find(GROUP) if is_checked(name)}
    assert endings(told) == {""}
    assert {arn.rpartition("/")[2] for arn in told} == groups


def is_checked(group: str) -> bool:
    return group.startswith(("ReleaseWorker", "ReleaseApi"))


def test_codedeploy_moves_one_alias_by_each_role(production: Assembly) -> None:
    aliases = {
        name: alias["FunctionName"]["Ref"]
        for name, alias in production.find("AWS::Lambda::Alias").items()
    }
    groups = production.find(GROUP)
    assert len(groups) == 4
    for logical_id, group in groups.items():
        [function] = [
            aliases[name]
            for name, alias in production.service.items()
            if alias["Type"] == "AWS::Lambda::Alias"
            and {"Ref": logical_id} in walk(alias.get("UpdatePolicy"))
        ]
        role = group["ServiceRoleArn"]["Fn::GetAtt"][0]
        [policy] = [
            each
            for each in production.find("AWS::IAM::Policy").values()
            if {"Ref": role} in each["Roles"]
        ]
        allowed = {
            action: {flatten(resource) for resource in as_list(statement["Resource"])}
            for statement in policy["PolicyDocument"]["Statement"]
            for action in as_list(statement["Action"])
        }
        check, _ = production.functions()["release_check"]
        assert allowed.pop("lambda:InvokeFunction", {f"<{check}.Arn>"}) == {f"<{check}.Arn>"}
        assert set(allowed) == {*MOVE, "cloudwatch:DescribeAlarms"}
        assert all(
            allowed[action] == {f"<{function}.Arn>", f"<{function}.Arn>:live"} for action in MOVE
        )


def test_keys_are_used_through_the_services_that_they_are_of_alone(assembly: Assembly) -> None:
    for name in assembly.functions():
        for statement in assembly.statements(name):
            if any(action.startswith("kms:") for action in as_list(statement["Action"])):
                if name == "backup" and "Archives" in flatten(statement["Resource"]):
                    continue
                service = flatten(statement["Condition"]["StringEquals"]["kms:ViaService"])
                assert service in {
                    "dynamodb.<AWS::Region>.amazonaws.com",
                    "s3.<AWS::Region>.amazonaws.com",
                    "sns.<AWS::Region>.amazonaws.com",
                }


def test_archives_are_reached_by_one_function(assembly: Assembly) -> None:
    """Which deletes none for good: the version stays."""
    [bucket] = [name for name in assembly.find("AWS::S3::Bucket") if name.startswith("Archives")]
    [key] = [name for name in assembly.find("AWS::KMS::Key") if name.startswith("Archives")]
    for name in assembly.functions():
        reached = {
            (action, flatten(resource))
            for statement in assembly.statements(name)
            for resource in as_list(statement["Resource"])
            for action in as_list(statement["Action"])
            if bucket in flatten(resource) or key in flatten(resource)
        }
        actions = {action for action, _ in reached}
        if name != "backup":
            assert not actions, name
            continue
        assert actions == {"s3:GetObject", "s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt"} | (
            ARCHIVES
        )
        objects = {resource for action, resource in reached if action.endswith("Object")}
        assert len(objects) == 1
        assert objects.pop().endswith("/backups/*")
    # By this right alone S3 answers 404 for an object that is not there, and not 403.
    listings = [s for s in assembly.statements("backup") if s["Action"] == "s3:ListBucket"]
    assert not [each for each in listings if "Condition" in each]
    buckets = {flatten(each["Resource"]) for each in listings}
    assert len(buckets) == 2
    assert [name for name in buckets if bucket in name]
    assert [name for name in buckets if "Blobs" in name]


def test_generated_secrets_are_long_and_need_no_quoting(assembly: Assembly) -> None:
    secrets = assembly.find("AWS::SecretsManager::Secret").values()
    assert {secret["Name"].rpartition("/")[2] for secret in secrets} == {"admin-key", "cursor-key"}
    for secret in secrets:
        assert secret["Name"].startswith("quarterdeck-system/")
        assert secret["GenerateSecretString"]["PasswordLength"] >= 40
        assert set("'\"\\$`!&") <= set(secret["GenerateSecretString"]["ExcludeCharacters"])
