"""A queue of work, and the queue for what nobody could do."""

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Metric
from aws_cdk.aws_iam import Policy, PolicyStatement, Role
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from aws_cdk.aws_sqs import DeadLetterQueue, Queue, QueueEncryption
from constructs import Construct

from infra.environment import Target

# The fewest that AWS advises for Lambda, so that throttling alone drops no message. With more, one
# that kills its function would only kill it more often.
MAX_RECEIVE_COUNT = 5


class WorkQueue(Construct):
    """A standard queue, fair between MessageGroupIds; what fails too often is kept for 14 days.

    `work` is how long the function that reads it may take.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, target: Target, work: Duration
    ) -> None:
        super().__init__(scope, construct_id)
        # A run and a minute. AWS's six times are for batches and throttled invocations; here a
        # batch is one message, the source itself caps concurrency, and a crash is seen sooner.
        self.attempt = work.plus(Duration.minutes(1))
        self._dead_letters = Queue(
            self,
            "DeadLetters",
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=target.enforce_ssl,
            retention_period=Duration.days(14),
        )
        self._queue = Queue(
            self,
            "Queue",
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=target.enforce_ssl,
            visibility_timeout=self.attempt,
            dead_letter_queue=DeadLetterQueue(
                queue=self._dead_letters, max_receive_count=MAX_RECEIVE_COUNT
            ),
        )

    @property
    def url(self) -> str:
        return self._queue.queue_url

    @property
    def dead_letters_url(self) -> str:
        return self._dead_letters.queue_url

    def allow_send(self, role: Role) -> None:
        """Lets the role send messages."""
        Policy(
            role,
            f"Send{self.node.id}",
            roles=[role],
            statements=[
                PolicyStatement(actions=["sqs:SendMessage"], resources=[self._queue.queue_arn])
            ],
        )

    def make_source(self, max_concurrency: int) -> SqsEventSource:
        """An event source of one message a run, and at most so many runs at once."""
        return SqsEventSource(
            self._queue,
            batch_size=1,
            max_concurrency=max_concurrency,
        )

    def measure_depth(self, period: Duration) -> Metric:
        return self._queue.metric_approximate_number_of_messages_visible(period=period)

    def measure_age(self, period: Duration) -> Metric:
        """Seconds, of the oldest message; one that is worked at counts until it is done."""
        return self._queue.metric_approximate_age_of_oldest_message(period=period)

    def measure_dead_letters(self, period: Duration) -> Metric:
        return self._dead_letters.metric_approximate_number_of_messages_visible(period=period)
