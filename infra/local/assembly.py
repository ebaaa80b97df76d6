"""What a synthesised cloud assembly says: its stacks in order, and their files."""

import json
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple


class FileAsset(NamedTuple):
    path: Path
    packaging: str
    """`file`, or `zip` for a directory that is published as an archive."""
    bucket: str
    key: str


class Stack(NamedTuple):
    name: str
    template_url: str
    """Where the template is among its files, once they are published."""
    assets: tuple[FileAsset, ...]
    bootstrap_parameter: str | None
    """Where a bootstrapped account keeps its version, if the template reads it: in SSM."""


def read_stacks(assembly: Path, account: str, region: str) -> list[Stack]:
    """The assembly's stacks, each after those that it depends on."""
    artifacts: dict[str, dict[str, Any]] = json.loads((assembly / "manifest.json").read_text())[
        "artifacts"
    ]
    order = TopologicalSorter({i: a.get("dependencies", []) for i, a in artifacts.items()})
    return [
        read_stack(assembly, artifacts, artifact_id, account, region)
        for artifact_id in order.static_order()
        if artifacts[artifact_id]["type"] == "aws:cloudformation:stack"
    ]


def read_stack(
    assembly: Path, artifacts: dict[str, dict[str, Any]], stack_id: str, account: str, region: str
) -> Stack:
    artifact = artifacts[stack_id]
    manifests = [
        json.loads((assembly / artifacts[needed]["properties"]["file"]).read_text())
        for needed in artifact.get("dependencies", [])
        if artifacts[needed]["type"] == "cdk:asset-manifest"
    ]
    return Stack(
        name=artifact["properties"].get("stackName", stack_id),
        template_url=spell_url(
            fill_in(artifact["properties"]["stackTemplateAssetObjectUrl"], account, region), region
        ),
        assets=tuple(
            asset
            for manifest in manifests
            for asset in read_assets(assembly, manifest, account, region)
        ),
        bootstrap_parameter=artifact["properties"].get("bootstrapStackVersionSsmParameter"),
    )


def read_assets(
    assembly: Path, manifest: dict[str, Any], account: str, region: str
) -> list[FileAsset]:
    return [
        FileAsset(
            path=assembly / file["source"]["path"],
            packaging=file["source"].get("packaging", "file"),
            bucket=fill_in(destination["bucketName"], account, region),
            key=fill_in(destination["objectKey"], account, region),
        )
        for file in manifest.get("files", {}).values()
        for destination in file["destinations"].values()
    ]


def fill_in(text: str, account: str, region: str) -> str:
    return text.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region)


def spell_url(s3_uri: str, region: str) -> str:
    """`s3://bucket/key` as CloudFormation takes it."""
    return f"https://s3.{region}.amazonaws.com/{s3_uri.removeprefix('s3://')}"
