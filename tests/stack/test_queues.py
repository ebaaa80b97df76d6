"""The queues: work is never lost, and never done twice because a function is slow."""

import pytest

from tests.stack.conftest import Assembly

pytestmark = pytest.mark.xdist_group("synth")


def test_each_queue_of_work_has_a_dead_letter_queue_of_its_own(assembly: Assembly) -> None:
    queues = assembly.find("AWS::SQS::Queue")
    redrives = [queue["RedrivePolicy"] for queue in queues.values() if "RedrivePolicy" in queue]
    targets = {redrive["deadLetterTargetArn"]["Fn::GetAtt"][0] for redrive in redrives}
    assert (len(queues), len(redrives), len(targets)) == (6, 3, 3)
    assert {redrive["maxReceiveCount"] for redrive in redrives} == {5}
    for name in targets:
        assert "RedrivePolicy" not in queues[name]
        assert queues[name]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_a_message_stays_hidden_while_its_function_can_run(assembly: Assembly) -> None:
    queues = assembly.find("AWS::SQS::Queue")
    for source in assembly.find("AWS::Lambda::EventSourceMapping").values():
        queue = queues[source["EventSourceArn"]["Fn::GetAtt"][0]]
        _, function = assembly.functions()[assembly.find_live(source["FunctionName"])]
        assert queue["VisibilityTimeout"] > function["Timeout"]


def test_queues_are_standard_so_that_message_groups_are_fair(assembly: Assembly) -> None:
    for queue in assembly.find("AWS::SQS::Queue").values():
        assert "FifoQueue" not in queue
        assert queue["SqsManagedSseEnabled"] is True
