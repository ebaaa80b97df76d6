"""The account that the credentials are of, for the commands that work in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.failure import LocalRunFailed


def open_session() -> boto3.Session:
    """In the region that is set; raises LocalRunFailed if none is."""
    # The CDK reads both variables, boto3 the second alone.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    if not session.region_name:
        raise LocalRunFailed("no region is set: AWS_REGION=eu-central-1")
    return session


@contextmanager
def open_account() -> Iterator[boto3.Session]:
    """The session; what AWS refuses while it is open raises LocalRunFailed, in AWS's words."""
    session = open_session()
    try:
        yield session
    except (BotoCoreError, ClientError) as error:
        raise LocalRunFailed(str(error)) from None


def read_outputs(session: boto3.Session, stack: str) -> dict[str, str]:
    """{name: value}."""
    [found] = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
