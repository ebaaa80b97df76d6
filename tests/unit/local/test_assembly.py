"""What is read from a cloud assembly."""

import json
from pathlib import Path
from typing import Any

from infra.local.assembly import FileAsset, read_stacks


def write_assembly(directory: Path, artifacts: dict[str, Any], files: dict[str, Any]) -> None:
    (directory / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    (directory / "Service.assets.json").write_text(json.dumps({"files": files}))


def make_stack(name: str, *dependencies: str, **properties: str) -> dict[str, Any]:
    return {
        "type": "aws:cloudformation:stack",
        "dependencies": list(dependencies),
        "properties": {
            "stackTemplateAssetObjectUrl": f"s3://assets-${{AWS::AccountId}}/{name}.json",
            **properties,
        },
    }


def test_stacks_come_after_those_they_depend_on_with_their_files(tmp_path: Path) -> None:
    write_assembly(
        tmp_path,
        {
            "Service": make_stack(
                "Service", "Data", "Service.assets", stackName="Quarterdeck-Service"
            ),
            "Service.assets": {
                "type": "cdk:asset-manifest",
                "properties": {"file": "Service.assets.json"},
            },
            "Data": make_stack("Data", bootstrapStackVersionSsmParameter="/cdk/version"),
            "Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
        },
        {
            "abc": {
                "source": {"path": "asset.abc.zip", "packaging": "file"},
                "destinations": {
                    "current": {
                        "bucketName": "assets-${AWS::AccountId}-${AWS::Region}",
                        "objectKey": "abc.zip",
                    }
                },
            }
        },
    )
    data, service = read_stacks(tmp_path, "123456789012", "eu-west-1")
    assert (data.name, data.bootstrap_parameter, data.assets) == ("Data", "/cdk/version", ())
    assert service.name == "Quarterdeck-Service"
    assert service.template_url == (
        "https://s3.eu-west-1.amazonaws.com/assets-123456789012/Service.json"
    )
    assert service.assets == (
        FileAsset(tmp_path / "asset.abc.zip", "file", "assets-123456789012-eu-west-1", "abc.zip"),
    )
