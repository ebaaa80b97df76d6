"""The models that crews may call, and the secrets that a team keeps for them."""

import json

from aws_cdk import ArnFormat, Stack
from aws_cdk.aws_iam import Effect, Policy, PolicyStatement, Role

from infra.environment import Target
from infra.wildcards import accept_wildcard


def spell_base_urls(target: Target) -> str:
    """As a function's variable says which base URLs a configuration may name."""
    return json.dumps([str(url) for url in target.environment.model_base_urls])


def make_secret_prefix(target: Target) -> str:
    """A configuration's `secret: NAME` is the secret of this prefix and NAME."""
    return f"quarterdeck/{target.name}/"


def allow_model_secrets(role: Role, target: Target) -> None:
    """Lets the role read the secrets that a team made for its models, and none of its tools'."""
    prefix = make_secret_prefix(target)
    secrets = _make_secret_arn(role, f"{prefix}*")
    policy = Policy(
        role,
        "ModelSecrets",
        roles=[role],
        statements=[
            PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[secrets]),
            PolicyStatement(
                effect=Effect.DENY,
                actions=["secretsmanager:GetSecretValue"],
                resources=[_make_secret_arn(role, f"{prefix}tools/*")],
            ),
        ],
    )
    accept_wildcard(
        policy,
        secrets,
        "A team adds secrets for its models under the environment's prefix at any time; "
        "those of its tools are denied.",
    )


def allow_secret_lookup(role: Role, target: Target) -> None:
    """Lets the role see which secrets a team made, and not what is in them."""
    secrets = _make_secret_arn(role, f"{make_secret_prefix(target)}*")
    policy = Policy(
        role,
        "SecretLookup",
        roles=[role],
        statements=[
            PolicyStatement(actions=["secretsmanager:DescribeSecret"], resources=[secrets])
        ],
    )
    accept_wildcard(
        policy, secrets, "Configurations name a team's secrets at any time; no value is read."
    )


def allow_bedrock(role: Role) -> None:
    """Lets the role call Bedrock's foundation models, also through inference profiles."""
    stack = Stack.of(role)
    models = {
        stack.format_arn(
            service="bedrock",
            region="*",
            account="",
            resource="foundation-model",
            resource_name="*",
        ): "Configurations name their models at any time, and an inference profile calls its model "
        "in any of its regions.",
        stack.format_arn(
            service="bedrock", resource="inference-profile", resource_name="*"
        ): "Configurations name AWS's profiles for several regions as they name models.",
        stack.format_arn(
            service="bedrock", resource="application-inference-profile", resource_name="*"
        ): "A team makes profiles of its own, to see what each costs, under generated names.",
    }
    policy = Policy(
        role,
        "Bedrock",
        roles=[role],
        statements=[
            PolicyStatement(
                actions=["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
                resources=list(models),
            )
        ],
    )
    for arn, reason in models.items():
        accept_wildcard(policy, arn, reason)


def _make_secret_arn(role: Role, name: str) -> str:
    return Stack.of(role).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=name,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
