"""Wildcards in the resources of a policy that are meant, each with its reason."""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk.aws_iam import Policy


def accept_wildcard(policy: Policy, arn: str, reason: str) -> None:
    """Tells cdk-nag that the policy allows `arn` on purpose; any other wildcard stays a finding."""
    finding = _flatten(Stack.of(policy).resolve(arn))
    Validations.of(policy).acknowledge(
        Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{finding}]", reason=reason)
    )


def _flatten(value: Any) -> str:
    """A resolved value as cdk-nag names it: references in angle brackets, imports by their name."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_flatten(part) for part in parts)
        case {"Fn::ImportValue": name}:
            return str(name)
        case {"Ref": name}:
            return f"<{name}>"
        case _:
            return str(value)
