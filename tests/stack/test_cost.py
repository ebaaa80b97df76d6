"""What infra/cost.py charges for standing is what the templates hold."""

import pytest

from infra import cost
from tests.stack.conftest import Assembly

pytestmark = pytest.mark.xdist_group("synth")


@pytest.mark.parametrize(
    ("kind", "charged"),
    [
        ("AWS::KMS::Key", cost.KEYS),
        ("AWS::SecretsManager::Secret", cost.SECRETS),
        ("AWS::CloudWatch::Dashboard", cost.DASHBOARDS),
        ("AWS::Lambda::EventSourceMapping", cost.QUEUES),
    ],
)
def test_what_stands_is_charged(production: Assembly, kind: str, charged: int) -> None:
    assert len(production.find(kind)) == charged


def test_alarms_are_charged_about_as_there_are(assembly: Assembly) -> None:
    """A dime each: an environment without a canary has fewer."""
    found = len(assembly.find("AWS::CloudWatch::Alarm"))
    assert found <= cost.ALARMS <= 1.5 * found


def test_backups_are_charged_until_they_are_gone_for_good(production: Assembly) -> None:
    bucket = production.find("AWS::S3::Bucket")[production.find_id("AWS::S3::Bucket", "Archives")]
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    kept = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert kept == cost.BACKUPS_RECOVERABLE_DAYS


def test_memory_is_charged_as_it_is_set(production: Assembly) -> None:
    functions = production.functions()
    for name, gigabytes in cost.MEMORY_GB.items():
        _, properties = functions[name]
        assert properties["MemorySize"] == gigabytes * 1024
        assert properties["Architectures"] == ["arm64"]
