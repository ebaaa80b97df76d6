"""Deploys a cloud assembly with CloudFormation alone: publishes its files, creates its stacks."""

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.local.assembly import FileAsset, Stack, read_stacks
from infra.local.failure import LocalRunFailed

STACK_S = 120.0
OpenClient = Callable[[str], Any]


def deploy_assembly(
    assembly: Path, open_client: OpenClient, account: str, region: str
) -> dict[str, str]:
    """The outputs of all stacks by name; raises LocalRunFailed with the resources that failed."""
    outputs: dict[str, str] = {}
    for stack in read_stacks(assembly, account, region):
        publish_assets(stack.assets, open_client("s3"))
        pass_for_bootstrapped(stack, open_client("ssm"))
        outputs |= create_stack(stack, open_client("cloudformation"))
    return outputs


def publish_assets(assets: tuple[FileAsset, ...], s3: Any) -> None:
    for bucket in {asset.bucket for asset in assets}:
        try:
            s3.head_bucket(Bucket=bucket)
        except ClientError:
            s3.create_bucket(Bucket=bucket)
    for asset in assets:
        body = pack_directory(asset.path) if asset.packaging == "zip" else asset.path.read_bytes()
        s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=body)


def pass_for_bootstrapped(stack: Stack, ssm: Any) -> None:
    """Records what `cdk bootstrap` would: templates refuse an account without it."""
    if stack.bootstrap_parameter:
        ssm.put_parameter(Name=stack.bootstrap_parameter, Value="30", Type="String", Overwrite=True)


def pack_directory(directory: Path) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(directory.rglob("*")):
            packed.write(path, path.relative_to(directory))
    return archive.getvalue()


def create_stack(stack: Stack, cloudformation: Any) -> dict[str, str]:
    """The stack's outputs once it is complete."""
    try:
        cloudformation.create_stack(
            StackName=stack.name,
            # Only a template that comes from S3 may be over 51,200 bytes.
            TemplateURL=stack.template_url,
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    except ClientError as error:
        reason = error.response["Error"]["Message"]
        raise LocalRunFailed(f"stack {stack.name} was refused: {reason}") from error
    created = wait_for_stack(stack.name, cloudformation)
    if created["StackStatus"] != "CREATE_COMPLETE":
        reasons = "; ".join(read_failures(stack.name, cloudformation))
        reason = reasons or created.get("StackStatusReason", "no reason given")
        raise LocalRunFailed(f"stack {stack.name} is {created['StackStatus']}: {reason}")
    return {output["OutputKey"]: output["OutputValue"] for output in created.get("Outputs", [])}


def wait_for_stack(name: str, cloudformation: Any) -> dict[str, Any]:
    """The stack's description once nothing of it is in progress."""
    give_up = time.monotonic() + STACK_S
    while True:
        described: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if not described["StackStatus"].endswith("_IN_PROGRESS"):
            return described
        if time.monotonic() > give_up:
            raise LocalRunFailed(f"stack {name} was not complete after {STACK_S:.0f} s")
        time.sleep(0.1)


def read_failures(name: str, cloudformation: Any) -> list[str]:
    """`Resource (Type): reason` for each resource that failed, the first to fail first."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]
